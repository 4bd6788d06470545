"""Run one model on libroadrunner: a vector start, phase by phase, attempt by attempt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from . import _sbml
from ._interventions import Phase, Treatment, cut, phases, snapped_all
from ._model import Model
from ._native import alone, roadrunner
from ._sbml_engine import for_libroadrunner
from ._sbml_locals import demoted
from ._schedule_sbml import switches_reach_triggers, with_schedule
from ._start import start_values
from ._switches import clocks
from ._tolerances import (
    COARSE,
    KNOWN_SIZE,
    LADDER,
    MAX_STEPS,
    SINGLE_RUN,
    UNKNOWN_SIZE,
    Attempt,
    Tolerance,
    checked_absolute,
    checked_relative,
    guessed_sizes,
)
from ._tolerances import Array as Array  # others take it from here
from ._treatments import warn_idle
from .errors import InvalidValueError, ModelError, SimulationError

SETTLE_HORIZONS = (20_000.0, 40_000.0, 160_000.0, 640_000.0)  # model time units; hours in our models
SHORTEST_BOUND = 1e-5  # of a run: no bound of the solver's step is smaller
BEFORE = 1e-9  # of a run: where events may lie at a switch, the solver starts so much before it
SHORTEST = 1e-9  # model time: a step that says nothing
SETTLED = 1e-6  # largest change of a state, in its scale, over the last stretch
FINEST = 1e-13  # relative tolerance; doubles hold no more
GROWN = 1e-3  # of its value now, for a state of which the file did not tell the size


_DELAY = re.compile(r"<(\w+:)?delay\b")  # of an event; the function of that name is no element


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker needs to run one row of a model; it travels between processes.

    `scales` are the sizes of the states, `absolute` their absolute tolerances and `coarse` those of an attempt that
    asks for such, in the order and the unit of libroadrunner (amounts of species).
    """

    sbml: str
    settings: tuple[tuple[str, float], ...]
    steady: bool
    origin: tuple[float, ...] | None  # state vector that the search for the steady state starts from
    scales: tuple[float, ...]
    absolute: tuple[float, ...]
    coarse: tuple[float, ...]
    anchors: tuple[tuple[str, str], ...]
    phases: tuple[Phase, ...]
    times: tuple[float, ...]
    columns: tuple[str, ...]
    relative_tolerance: float = SINGLE_RUN
    held: tuple[tuple[str, float], ...] = ()  # constants that differ while the steady state is searched

    def scaled(self, factor: float) -> Job:
        """The same job at other tolerances, the relative one not below what doubles can hold."""
        relative = max(self.relative_tolerance * factor, FINEST)
        absolute, coarse = (tuple(a * factor for a in numbers) for numbers in (self.absolute, self.coarse))
        return replace(self, relative_tolerance=relative, absolute=absolute, coarse=coarse)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What one row gives: `values` (times x columns), and the columns `before` treatment, at the start."""

    before: Array
    values: Array


class Runner:
    """One compiled model; nothing of a run survives into the next one."""

    def __init__(self, sbml: str, compiled: bytes | None = None) -> None:
        self.engine = _engine(sbml, compiled)
        self.core = self.engine.model
        self.start, self.clocks = start_values(sbml), clocks(sbml)
        self.events = int(self.core.getNumEvents())
        self.delayed = _DELAY.search(sbml) is not None
        self.parameters = {k: i for i, k in enumerate(self.core.getGlobalParameterIds())}
        self.compartments = frozenset(self.core.getCompartmentIds())
        self.species = {k: i for i, k in enumerate(self.core.getFloatingSpeciesIds())}
        # those that no rule computes: libroadrunner sets no others
        self.free = np.array([i for k, i in self.species.items() if k in self.start.settable], dtype=np.int32)
        self.boundary = frozenset(self.core.getBoundarySpeciesIds())
        rated = self.core.getRateRuleSymbols()  # the solver has these first, then the species that have no rule
        free = (k for k in self.species if k not in rated and k in self.start.settable)
        self.vector = (*(self.core.getStateVectorId(i) for i in range(len(rated))), *free)
        self.ruled = tuple(k for k in self.vector if k not in self.species)
        amount = self.engine.getHasOnlySubstanceUnits
        self.amounts = frozenset(k for k in (*self.species, *self.boundary) if amount(k))
        self.published = {k: float(self.core.getValue(k)) for k in self.parameters}
        self._configured: dict[str, Any] = {}
        self._columns: tuple[str, ...] | None = None
        self._away = False

    def selection(self, name: str) -> str:
        """The libroadrunner name of an id's value: concentrations of species, except those in amounts."""
        species = name in self.species or name in self.boundary
        return f"[{name}]" if species and name not in self.amounts else name

    def value(self, name: str) -> float:
        """What an id stands for at this moment."""
        return float(self.core.getValue(self.selection(name)))

    def set_values(self, values: Mapping[str, float]) -> None:
        """Constants, inputs and fixed species to these values; nothing else moves."""
        index = [self.parameters[k] for k in values if k in self.parameters]
        if index:
            numbers = [float(v) for k, v in values.items() if k in self.parameters]
            self.core.setGlobalParameterValues(np.array(index, dtype=np.int32), np.array(numbers))
        for key in values:
            if key not in self.parameters:
                self.core.setValue(self.selection(key), float(values[key]))

    def state(self) -> Array:
        """The state in libroadrunner's order, in amounts."""
        amounts = np.array(self.core.getFloatingSpeciesAmounts())
        ruled = [self.core.getValue(k) for k in self.ruled]
        return np.concatenate([amounts, ruled]) if ruled else amounts

    def set_state(self, state: Array) -> None:
        """Inverse of `state`."""
        n = len(self.species)
        self._set_amounts(state[:n])
        if self.ruled:
            for key, value in zip(self.ruled, state[n:], strict=True):
                self.core.setValue(key, float(value))

    def _set_amounts(self, amounts: Array) -> None:
        if len(self.free):
            self.core.setFloatingSpeciesAmounts(self.free, np.ascontiguousarray(amounts[self.free]))

    def state_names(self) -> tuple[str, ...]:
        """Ids in the order of `state`."""
        return (*self.species, *self.ruled)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Settings of the integrator; what is as it was is not touched."""
        for key, value in settings.items():
            if self._configured.get(key) != value:
                self.engine.integrator.setValue(key, value)
                self._configured[key] = value

    def set_tolerances(self, relative: float, absolute: Sequence[float]) -> None:
        """Absolute tolerances as a vector: a scalar is rescaled by libroadrunner at every call."""
        by_name = dict(zip(self.state_names(), absolute, strict=True))
        self.configure({"relative_tolerance": relative})
        if self.vector:
            self.configure({"absolute_tolerance": [by_name[k] for k in self.vector]})

    def begin(self, values: Mapping[str, float], origin: Array | None) -> None:
        """Time 0, the published constants, then `values`; states from `origin` or as the file says.

        The same as loading the file anew with `values` written into it: what follows from them at the start is computed
        here, since libroadrunner leaves amounts, initial assignments and stoichiometries where they were.
        """
        if self._away:  # of a run that ended in a later call libroadrunner keeps which triggers were true
            self.core.setTime(0.0)
            self.advance((0.0, SHORTEST), ())
        self.engine.resetAll()
        self.core.setTime(0.0)
        if values:
            self._put(self.start.values(values), self.start.follows(values))
        if origin is not None:
            self.set_state(origin)

    def _put(self, values: Mapping[str, float], moved: frozenset[str]) -> None:
        free = moved & self.start.settable.keys()
        sizes = free & self.compartments
        for key in sizes:
            self.core.setValue(key, float(values[key]))
        self.set_values({k: values[k] for k in free if k in self.parameters})
        references = free - sizes - self.parameters.keys() - self.species.keys() - self.boundary
        for key in references:
            self.core.setValue(key, float(values[key]))
        if not moved.isdisjoint({*self.species, *self.boundary, *self.compartments}):
            amounts = self.start.amounts(values)
            self._set_amounts(np.array([float(amounts[k]) for k in self.species]))
            for key in self.boundary & self.start.settable.keys():
                self.core.setValue(key, float(amounts[key]))

    def advance(self, times: Sequence[float] | Array, columns: tuple[str, ...]) -> Array:
        """Integrate through increasing `times` (the first is now); values of `columns` there."""
        self._away = bool(times[0] > 0 and self.events)
        if columns != self._columns:
            self.engine.timeCourseSelections = ["time", *columns]
            self._columns = columns
        try:
            result = self.engine.simulate(times=list(times))
        except RuntimeError as error:
            raise SimulationError(
                f"the integrator gave up between {times[0]:g} and {times[-1]:g}: {_first_line(error)}"
            ) from error
        return np.array(result)[:, 1:]

    def settle(self, scales: Array, values: Mapping[str, float]) -> Array:
        """Integrate to the steady state from where the model stands, then set the clock back to 0."""
        before, start = self.state(), 0.0
        for stop in SETTLE_HORIZONS:
            for a, b in pairwise((start, *self._switches(values, start, stop), stop)):
                self.advance((a, b), ())
            after = self.state()
            change = np.abs(after - before) / np.maximum(scales, GROWN * np.abs(after))
            if start > 0 and np.all(change < SETTLED):
                self.core.setTime(0.0)
                return after
            before, start = after, stop
        name = self.state_names()[int(np.argmax(change))]
        raise SimulationError(f"no steady state: {name} still moves after {start:g} units of time")

    def _switches(self, values: Mapping[str, float], start: float, stop: float) -> list[float]:
        """Times between `start` and `stop` at which an input of the model switches by itself."""
        if self.clocks.none:
            return []
        return [t for t in self.clocks.times(self.start.values(values), stop).times if t > start]


def _engine(sbml: str, compiled: bytes | None = None) -> Any:
    """A RoadRunner of this text, or of its machine code.

    Its ids do not become attributes of the class: a model with a parameter `reset` would take that method from every
    RoadRunner of the process.
    """
    option = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    before = roadrunner.Config.getValue(option)
    roadrunner.Config.setValue(option, True)
    try:
        engine = roadrunner.RoadRunner(for_libroadrunner(sbml)) if compiled is None else roadrunner.RoadRunner()
        if compiled is not None:
            engine.loadStateS(compiled)
        return engine
    except RuntimeError as error:
        raise SimulationError(f"libroadrunner cannot load the model: {_first_line(error)}") from error
    finally:
        roadrunner.Config.setValue(option, before)


_COMPILED: dict[str, bytes] = {}


@alone
@lru_cache(maxsize=16)
def runner(sbml: str) -> Runner:
    """The compiled model of this text in this process; what uses it must be `alone` as long as it does."""
    return Runner(sbml, _COMPILED.get(sbml))


@alone
def compiled(sbml: str) -> bytes:
    """The machine code of a model, for another process: it loads in a tenth of a second, compiling takes seconds."""
    engine = runner(sbml)
    engine.begin({}, None)
    return bytes(engine.engine.saveStateS())


def adopt(sbml: str, code: bytes) -> None:
    """Use the machine code that `compiled` gave in another process of the same machine and version."""
    _COMPILED[sbml] = code


Guard = Callable[[], AbstractContextManager[object]]


@alone  # the settings of the solver are those of the attempt until its run has ended
def climb(
    job: Job,
    row: Mapping[str, float],
    attempts: Sequence[Attempt] = LADDER,
    *,
    steps: int = MAX_STEPS,
    guard: Guard = nullcontext,
) -> tuple[Course | None, int, str]:
    """(course, number of the attempt that gave it, message of the first failure); None where all failed.

    Every attempt is made within `guard`.
    """
    message = ""
    runner(job.sbml)  # before the clock starts: to load the model is no part of a run
    for k, attempt in enumerate(attempts):
        try:
            with guard():
                return run_job(job, row, attempt, steps=steps), k, message
        except SimulationError as error:
            message = message or str(error)
    return None, len(attempts), message


def told(job: Job, attempt: Attempt, number: int, message: str) -> str:
    """How a run came to its numbers after a first attempt failed; empty for a first attempt."""
    relative = attempted(job, attempt).relative_tolerance
    floor = f", absolute {attempt.absolute_tolerance:g}" if attempt.absolute_tolerance else ""
    floor = ", coarse absolute ones" if attempt.coarse else floor
    used = f"attempt {number + 1} (relative tolerance {relative:g}{floor}, {attempt.method}) after: {message}"
    return used if number else ""


@alone
def run_job(job: Job, row: Mapping[str, float], attempt: Attempt = LADDER[0], *, steps: int = MAX_STEPS) -> Course:
    """Run one parameter row from its own steady state (or the file's start); raises `SimulationError`."""
    values = {**dict(job.settings), **row}
    origin = None if job.origin is None else np.array(job.origin)
    held = dict(job.held) if job.steady else {}
    engine = _begun(job.sbml, {**values, **held}, origin)
    _configure(engine, job, attempt, steps)
    if job.steady:
        engine.settle(np.array(job.scales), {**values, **held})
    for parameter, variable in job.anchors:
        if parameter not in values:
            anchored = {parameter: engine.value(variable)}
            engine.set_values(anchored)
            values |= anchored
    engine.set_values({k: values.get(k, engine.published[k]) for k in held})
    before = np.array([engine.value(c) for c in job.columns])
    return Course(before=before, values=_run_phases(engine, job, _pieces(engine, job, values)))


def _begun(sbml: str, values: Mapping[str, float], origin: Array | None) -> Runner:
    """The compiled model at time 0.

    Anew for every run where events wait for a delay: those of an earlier run, and those of time 0 at every reset with
    the values that held then, stay in libroadrunner's queue.
    """
    engine = runner(sbml)
    if not engine.delayed:
        engine.begin(values, origin)
        return engine
    engine = Runner(_sbml.with_values(sbml, values))
    if origin is not None:
        engine.set_state(origin)
    return engine


def attempted(job: Job, attempt: Attempt) -> Job:
    """The job at the tolerances of an attempt."""
    if attempt.relative_tolerance is not None:
        job = job.scaled(attempt.relative_tolerance / job.relative_tolerance)
    if attempt.coarse:
        job = replace(job, absolute=job.coarse)
    if attempt.absolute_tolerance is not None:
        job = replace(job, absolute=(attempt.absolute_tolerance,) * len(job.absolute))
    return job


def _configure(engine: Runner, job: Job, attempt: Attempt, steps: int) -> None:
    job = attempted(job, attempt)
    engine.configure({"maximum_num_steps": steps, "initial_time_step": attempt.initial_step})
    engine.configure({"stiff": attempt.method == "bdf", "maximum_time_step": 0.0})
    engine.set_tolerances(job.relative_tolerance, job.absolute)


def _pieces(engine: Runner, job: Job, values: Mapping[str, float]) -> tuple[Phase, ...]:
    """The phases of a row, cut where its inputs switch by themselves; bounds the step where that is not known."""
    if engine.clocks.none:
        return job.phases
    start, stop, times = engine.start.values(values), job.phases[-1].stop, []
    before = BEFORE * stop if engine.events else 0.0
    steps = []
    for piece in job.phases:
        levels = {k: v for k, v in piece.levels if k in engine.clocks.reads}
        found = engine.clocks.times({**start, **levels}, stop)
        # snapped as output times are, so that no two stops lie closer than the solver can start
        times += [t - before for t in snapped_all(found.times, stop) if piece.start <= t - before < piece.stop]
        steps += [found.longest_step] if found.longest_step is not None else []
    if times and engine.delayed:  # it cannot start where an event that waits is due
        gaps = np.diff([0.0, *times, stop])
        steps.append(max(float(gaps.min()) / 2, stop * SHORTEST_BOUND))
        times = []
    if steps:
        engine.configure({"maximum_time_step": min(steps)})
    return cut(job.phases, times)


def _run_phases(engine: Runner, job: Job, pieces: Sequence[Phase]) -> Array:
    columns = tuple(engine.selection(c) for c in job.columns)
    duration = pieces[-1].stop
    times = np.array(snapped_all(job.times, duration))
    result = np.full((len(times), len(columns)), np.nan)
    touched = sorted({key for piece in pieces for key, _ in piece.levels})
    base = {k: engine.value(k) for k in touched}
    now = dict(base)
    for piece in pieces:
        wanted = {**base, **dict(piece.levels)}
        # only what the schedule changes: an event of the file may have set another value meanwhile
        engine.set_values({k: v for k, v in wanted.items() if v != now[k]})
        now = wanted
        for key, amount in piece.doses:
            engine.core.setValue(engine.selection(key), engine.value(key) + amount)
        if piece.start == piece.stop:
            result[times == piece.stop] = [float(engine.core.getValue(c)) for c in columns]
            continue
        first, last = np.searchsorted(times, piece.start), np.searchsorted(times, piece.stop, side="right")
        stops = np.unique(np.concatenate([[piece.start], times[first:last], [piece.stop]]))
        block = engine.advance(stops, columns)
        result[first:last] = block[np.searchsorted(stops, times[first:last])]
    return result


@alone
def make_job(
    model: Model,
    treatments: Sequence[Treatment],
    *,
    duration: float,
    times: Array,
    columns: Sequence[str],
    start: str,
    rtol: float | None = None,
    atol: Tolerance | None = None,
    usual: float = SINGLE_RUN,
    varied: Sequence[str] = (),
) -> Job:
    """A job with the steady state of the model's own values as origin.

    `usual` is rtol where none is given; `varied` are the ids that rows will set.
    """
    if start not in ("auto", "steady", "file"):
        raise InvalidValueError(f"start is {start!r}; allowed are 'auto', 'steady' and 'file'")
    steady = start == "steady" or (start == "auto" and model.context is not None)
    pieces = phases(model, treatments, duration)
    warn_idle(model, treatments, duration)
    relative = checked_relative(rtol, usual)
    text = model.sbml
    if switches_reach_triggers(text, pieces):
        text, pieces = with_schedule(text, pieces)
    switched = {k for piece in pieces for k, _ in piece.levels}
    text = demoted(text, frozenset({*model.settings, *model.held, *model.anchors, *columns, *varied, *switched}))
    scales, typical = _scales(model, text)
    held = tuple(sorted(model.held.items()))
    settings = tuple(sorted(model.settings.items()))
    origin, known = None, model.context is not None
    if steady:
        origin = _rest(text, tuple(sorted({**dict(settings), **dict(held)}.items())), scales, known)
    return Job(
        sbml=text,
        settings=settings,
        steady=steady,
        origin=origin,
        scales=scales,
        absolute=_absolute(model, text, KNOWN_SIZE if known else UNKNOWN_SIZE, relative, scales, atol),
        coarse=_absolute(model, text, KNOWN_SIZE if known else COARSE, relative, typical, atol),
        anchors=tuple(model.anchors.items()),
        phases=pieces,
        times=tuple(times),
        columns=tuple(columns),
        relative_tolerance=relative,
        held=held,
    )


def _scales(model: Model, text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The sizes of the states, and typical ones: in health for our own models, at the start for others."""
    engine = runner(text)
    if model.context is not None:
        engine.begin({}, None)
        sizes = np.abs(engine.state())
        known = tuple(np.where(sizes > 0, sizes, 1.0))
        return known, known
    engine.begin(model.settings, None)
    guessed, typical = guessed_sizes(engine.state(), len(engine.species))
    return tuple(guessed), tuple(typical)


def _absolute(
    model: Model, text: str, share: float, relative: float, sizes: Sequence[float], atol: Tolerance | None
) -> tuple[float, ...]:
    """Absolute tolerance of each state, in the unit of libroadrunner."""
    names = runner(text).state_names()
    found = dict(zip(names, (share * relative * s for s in sizes), strict=True))
    asked = checked_absolute(atol, {name: k for k in names for name in _called(model, k)})
    found |= {k: value * volumes(text, model.settings)[k] for k, value in asked.items()}
    return tuple(found.values())


def volumes(sbml: str, settings: Mapping[str, float]) -> dict[str, float]:
    """What the value of each state has to be multiplied by to become that of libroadrunner: a size, or 1."""
    engine = runner(sbml)
    sizes, within = engine.start.values(settings), engine.start.volumes
    return {k: float(sizes[within[k]]) if k in within and k in engine.species else 1.0 for k in engine.state_names()}


def _called(model: Model, key: str) -> tuple[str, ...]:
    """What a state may be called."""
    return (key, key.replace("__", ".", 1), *(alias for alias, target in model.aliases.items() if target == key))


@lru_cache(maxsize=64)
def _rest(
    sbml: str, settings: tuple[tuple[str, float], ...], scales: tuple[float, ...], known: bool
) -> tuple[float, ...]:
    engine = _begun(sbml, dict(settings), None)
    share = (KNOWN_SIZE if known else UNKNOWN_SIZE) * SINGLE_RUN
    engine.configure(
        {"maximum_num_steps": MAX_STEPS, "initial_time_step": 0.0, "stiff": True, "maximum_time_step": 0.0}
    )
    engine.set_tolerances(SINGLE_RUN, [share * s for s in scales])
    return tuple(engine.settle(np.array(scales), dict(settings)))


def at_rest(model: Model, names: Sequence[str]) -> dict[str, float]:
    """Values of the named variables of `model` at rest without treatment, in the units of the model."""
    job = make_job(model, (), duration=1.0, times=np.zeros(1), columns=names, start="steady")
    return dict(zip(names, map(float, run_job(job, {}).before), strict=True))


LOOP_STEP = 0.02  # relative change of the imposed seizure rate on either side


def loop_gain(model: Model) -> float:
    """See `Model.loop_gain`: the loop is opened at rest, the imposed value moved a little, the response read."""
    context = model.contexts.get(model.context or "")
    if context is None or len(context.loop) < 3:
        raise ModelError(f"{model.name} has no feedback loop in the context {model.context!r}")
    port, switch, response = (context.loop[k] for k in ("input", "switch", "output"))
    fixed = at_rest(model, tuple(context.anchors)) | {switch: 0.0}
    opened = replace(
        model,
        contexts={context.name: replace(context, anchors={}, held={})},
        settings={**model.settings, **fixed},
    )
    rates = []
    for drive in (1 - LOOP_STEP, 1 + LOOP_STEP):
        moved = replace(opened, settings={**opened.settings, imposed_input(model, port): drive})
        rates.append(at_rest(moved, (response,))[response])
    return math.log(rates[1] / rates[0]) / math.log((1 + LOOP_STEP) / (1 - LOOP_STEP))


def imposed_input(model: Model, port: str) -> str:
    """The input to set: of a coupled model the shared one that is wired to the port."""
    return port if any(p.id == port for p in model.inputs_) else port.rsplit("__", 1)[-1]


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
