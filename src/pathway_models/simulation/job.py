"""Run one model on libroadrunner: phase by phase, attempt by attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from .._formulas.switches import MIXED_STEPS, Found
from .._sbml import sbml
from .._sbml.edit import with_values
from .._sbml.locals import demote
from .._sbml.native import alone
from .._types import Array
from ..errors import InvalidValueError, SimulationError
from ..modules.flat import FlatModel
from ..treatments.schedule import Treatment
from .events import switches_reach_triggers, with_beginning, with_schedule
from .phases import Phase, cut_at, legs_between, phases, snap_all, warn_idle
from .runner import Runner, runner
from .sizes import absolute_of, scales_of
from .tolerances import (
    COARSE,
    KNOWN_SIZE,
    LADDER,
    MAX_STEPS,
    SINGLE_RUN,
    UNKNOWN_SIZE,
    Attempt,
    Tolerance,
    checked_relative,
)
from .values import Values

SHORTEST_BOUND = 1e-5  # of a run: no bound of the solver's step is smaller
BEFORE = 1e-9  # of a run: where events may lie at a switch, the solver starts so much before it
FINEST = 1e-13  # relative tolerance; doubles hold no more


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
    varied: tuple[str, ...] = ()  # what a row sets, in the order of its numbers
    whole: Job | None = None  # that of the model in which the steady state is searched, where it is another one

    @property
    def shared(self) -> list[int]:
        """Places of the numbers of a row that `whole` takes as well."""
        known = self.whole.varied if self.whole else ()
        return [i for i, k in enumerate(self.varied) if k in known]

    def scaled(self, factor: float) -> Job:
        """The same job at other tolerances, the relative one not below what doubles can hold."""
        relative = max(self.relative_tolerance * factor, FINEST)
        absolute, coarse = (tuple(a * factor for a in numbers) for numbers in (self.absolute, self.coarse))
        whole = self.whole and self.whole.scaled(factor)
        return replace(self, relative_tolerance=relative, absolute=absolute, coarse=coarse, whole=whole)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What one row gives: `values` (times x columns), and the columns `before` treatment, at the start."""

    before: Array
    values: Array


Guard = Callable[[], AbstractContextManager[object]]
Row: TypeAlias = Sequence[float] | Array  # a number for each of the job's varied ids


@alone  # the settings of the solver are those of the attempt until its run has ended
def climb(
    job: Job,
    row: Row = (),
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


def retry_message(job: Job, attempt: Attempt, number: int, message: str) -> str:
    """How a run came to its numbers after a first attempt failed; empty for a first attempt."""
    relative = at_attempt(job, attempt).relative_tolerance
    floor = f", absolute {attempt.absolute_tolerance:g}" if attempt.absolute_tolerance else ""
    floor = ", coarse absolute ones" if attempt.coarse else floor
    used = f"attempt {number + 1} (relative tolerance {relative:g}{floor}, {attempt.method}) after: {message}"
    return used if number else ""


@alone
def run_job(job: Job, row: Row = (), attempt: Attempt = LADDER[0], *, steps: int = MAX_STEPS) -> Course:
    """Run one parameter row from its own steady state (or the file's start); raises `SimulationError`."""
    engine, values, done = _started(job, row, attempt, steps)
    untreated = engine
    if done:
        untreated = runner(job.sbml)
        untreated.begin(values)
    before = np.array([untreated.value(c) for c in job.columns])
    base = {k: untreated.value(k) for k in sorted({key for piece in job.phases for key, _ in piece.levels})}
    return Course(before=before, values=_run_phases(engine, job, _pieces(engine, job, values), base, done=done))


def _started(job: Job, row: Row, attempt: Attempt, steps: int) -> tuple[Runner, Values, bool]:
    """The compiled model at time 0, its values, and whether what the schedule does there is done."""
    values = _values(job.settings) | Values(job.varied, np.asarray(row, dtype=float))
    held = _values(job.held) if job.steady and job.whole is None else Values()
    origin = None if job.origin is None else np.array(job.origin)
    if job.whole is not None:
        values, origin = _of_whole(job, job.whole, row, values, attempt, steps)
    engine, done = _begin(job, values | held, origin)
    _configure(engine, job, attempt, steps)
    if job.whole is not None:
        return engine, values, done
    if job.steady:
        engine.settle(np.array(job.scales), values | held)
    for parameter, variable in job.anchors:
        if parameter not in values.names:
            anchored = Values.of({parameter: engine.value(variable)})
            engine.set_values(anchored)
            values |= anchored
    if held.names:
        own = values.mapping()
        engine.set_values(Values.of({k: own.get(k, engine.published[k]) for k in held.names}))
    return engine, values, done


def _of_whole(job: Job, whole: Job, row: Row, values: Values, attempt: Attempt, steps: int) -> tuple[Values, Array]:
    """The values and the state at the rest of the whole model: what is anchored there, and its states by name."""
    resting, _, _ = _started(whole, np.asarray(row, dtype=float)[job.shared] if job.varied else (), attempt, steps)
    anchored = Values.of({k: resting.value(k) for k, _ in job.anchors})
    known = dict(zip(resting.state_names(), resting.state(), strict=True))
    return anchored | values, np.array([known[k] for k in runner(job.sbml).state_names()])


@lru_cache(maxsize=64)
def _values(settings: tuple[tuple[str, float], ...]) -> Values:
    return Values.of(dict(settings))


def _begin(job: Job, values: Values, origin: Array | None) -> tuple[Runner, bool]:
    """The compiled model at time 0, and whether what the schedule does there is done.

    Compiled anew for a run where events may happen at time 0, or wait for a delay: libroadrunner decides on the former
    at every reset with the values that hold then, and keeps the latter in its queue.
    """
    engine = runner(job.sbml)
    if not (engine.delayed or (engine.at_start and (values.names or _acts_at_0(job)))):
        engine.begin(values, origin)
        return engine, False
    if not job.steady:
        return Runner(with_beginning(job.sbml, values.mapping(), job.phases[0]), once=True), True
    engine = Runner(with_values(job.sbml, values.mapping()), once=True)
    if origin is not None:
        engine.set_state(origin)
    return engine, False


def _acts_at_0(job: Job) -> bool:
    return bool(job.phases[0].levels or job.phases[0].doses)


def at_attempt(job: Job, attempt: Attempt) -> Job:
    """The job at the tolerances of an attempt."""
    if attempt.relative_tolerance is not None:
        job = job.scaled(attempt.relative_tolerance / job.relative_tolerance)
    if attempt.coarse:
        job = replace(job, absolute=job.coarse)
    if attempt.absolute_tolerance is not None:
        job = replace(job, absolute=(attempt.absolute_tolerance,) * len(job.absolute))
    return job


def _configure(engine: Runner, job: Job, attempt: Attempt, steps: int) -> None:
    job = at_attempt(job, attempt)
    engine.configure({"maximum_num_steps": steps, "initial_time_step": attempt.initial_step})
    engine.configure({"stiff": attempt.method == "bdf", "maximum_time_step": 0.0})
    engine.set_tolerances(job.relative_tolerance, job.absolute)


def _pieces(engine: Runner, job: Job, values: Values) -> tuple[Phase, ...]:
    """The phases of a row, cut where its inputs switch by themselves; bounds the step where that is not known."""
    if engine.clocks.none:
        return job.phases
    found = switching(engine, job, values)
    if found.longest_step is not None:
        engine.configure({"maximum_time_step": found.longest_step})
    return cut_at(job.phases, found.times)


def switching(engine: Runner, job: Job, values: Values) -> Found:
    """When the inputs of a row switch by themselves under its schedule, and how the step is bounded."""
    start, stop, times = engine.start.values(values.mapping()), job.phases[-1].stop, []
    before = BEFORE * stop if engine.events else 0.0
    steps, reasons = list[float](), dict[str, None]()
    for piece in job.phases:
        levels = {k: v for k, v in piece.levels if k in engine.clocks.reads}
        found = engine.clocks.times({**start, **levels}, stop)
        # snapped as output times are, so that no two stops lie closer than the solver can start
        times += [t - before for t in snap_all(found.times, stop) if piece.start <= t - before < piece.stop]
        steps += [found.longest_step] if found.longest_step is not None else []
        reasons |= dict.fromkeys(found.reasons)
    scheduled = {k for piece in job.phases for k, _ in (*piece.levels, *piece.doses)}
    if moved := sorted(scheduled & engine.clocks.steady):
        steps.append(stop / MIXED_STEPS)
        reasons[f"the schedule moves {', '.join(moved)}, which inputs take for a clock"] = None
    if times and engine.delayed:  # it cannot start where an event that waits is due
        steps.append(max(float(np.diff([0.0, *times, stop]).min()) / 2, stop * SHORTEST_BOUND))
        times = []
    return Found(times=tuple(times), longest_step=min(steps, default=None), reasons=tuple(reasons))


def _run_phases(engine: Runner, job: Job, pieces: Sequence[Phase], base: Mapping[str, float], *, done: bool) -> Array:
    """Values at the output times; `base` are the levels without treatment, `done`: they are those of time 0 already."""
    columns = tuple(engine.selection(c) for c in job.columns)
    result = np.full((len(job.times), len(columns)), np.nan)
    now = {**base, **dict(pieces[0].levels)} if done else dict(base)
    legs = legs_between(job.times, tuple((piece.start, piece.stop) for piece in pieces))
    for number, (piece, leg) in enumerate(zip(pieces, legs, strict=True)):
        wanted = {**base, **dict(piece.levels)}
        if number or not done:
            _switch(engine, {k: v for k, v in wanted.items() if v != now[k]}, piece.doses)
        now = wanted
        if piece.start == piece.stop:
            result[leg.rows] = [float(engine.core.getValue(c)) for c in columns]
        else:
            result[leg.rows] = engine.advance(leg.stops, columns)[leg.places]
    return result


def _switch(engine: Runner, levels: Mapping[str, float], doses: Sequence[tuple[str, float]]) -> None:
    """All changes of one time at once: doses in the sizes that held before; only what the schedule changes.

    An event of the file may have set another value than a level that goes on.
    """
    within = engine.start.volumes
    sizes = {key: engine.value(within[key]) if key in within else 1.0 for key, _ in doses}
    dosed = {key: (engine.value(key) + amount) * sizes[key] for key, amount in doses}
    engine.set_values(Values.of(levels))
    for key, amount in dosed.items():
        engine.core.setValue(key, amount)


@alone
def make_job(
    model: FlatModel,
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
    text = demote(text, frozenset({*model.settings, *model.held, *model.anchors, *columns, *varied, *switched}))
    scales, typical = scales_of(model, text)
    held = tuple(sorted(model.held.items()))
    settings = tuple(sorted(model.settings.items()))
    origin, known = None, model.context is not None
    whole = _whole_job(model, relative, varied) if steady and model.whole else None
    if steady and whole is None:
        origin = _rest(text, tuple(sorted({**dict(settings), **dict(held)}.items())), scales, known)
    return Job(
        sbml=text,
        settings=settings,
        steady=steady,
        origin=origin,
        scales=scales,
        absolute=absolute_of(model, text, KNOWN_SIZE if known else UNKNOWN_SIZE, relative, scales, atol),
        coarse=absolute_of(model, text, KNOWN_SIZE if known else COARSE, relative, typical, atol),
        anchors=tuple(model.anchors.items()),
        phases=pieces,
        times=tuple(times),
        columns=tuple(columns),
        relative_tolerance=relative,
        held=held,
        varied=tuple(varied),
        whole=whole,
    )


def _whole_job(model: FlatModel, relative: float, varied: Sequence[str]) -> Job:
    """The job that ends where the run of a reduced model starts: at the rest of the whole one."""
    known = sbml.content(model.whole, model.name).quantities
    whole = replace(model, sbml=model.whole, whole="")
    able = {k for k in known if k not in whole.states}
    whole = replace(
        whole,
        settings={k: v for k, v in model.settings.items() if k in able},
        contexts={k: replace(c, anchors=_without_itself(c.anchors)) for k, c in model.contexts.items()},
    )
    return make_job(
        whole,
        (),
        duration=1.0,
        times=np.zeros(1),
        columns=tuple(model.anchors),
        start="steady",
        rtol=relative,
        varied=[k for k in varied if k in able],
    )


def _without_itself(anchors: Mapping[str, str]) -> dict[str, str]:
    """The anchors of the whole model: a constant of the reduced one that takes its own value there is a state."""
    return {k: v for k, v in anchors.items() if k != v}


@lru_cache(maxsize=64)
def _rest(
    sbml: str, settings: tuple[tuple[str, float], ...], scales: tuple[float, ...], known: bool
) -> tuple[float, ...]:
    engine = runner(sbml)
    engine.begin(_values(settings))
    share = (KNOWN_SIZE if known else UNKNOWN_SIZE) * SINGLE_RUN
    engine.configure(
        {"maximum_num_steps": MAX_STEPS, "initial_time_step": 0.0, "stiff": True, "maximum_time_step": 0.0}
    )
    engine.set_tolerances(SINGLE_RUN, [share * s for s in scales])
    return tuple(engine.settle(np.array(scales), _values(settings)))


def at_rest(model: FlatModel, names: Sequence[str]) -> dict[str, float]:
    """Values of the named variables of `model` at rest without treatment, in the units of the model."""
    job = make_job(model, (), duration=1.0, times=np.zeros(1), columns=names, start="steady")
    return dict(zip(names, map(float, run_job(job).before), strict=True))
