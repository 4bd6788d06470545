"""Run one model on libroadrunner: a vector start, phase by phase, into an xarray.Dataset."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _sbml
from ._causes import because
from ._interventions import Phase, Treatment, label, phases, snapped
from ._model import Model, require_model
from ._native import roadrunner
from ._treatments import warn_idle
from .errors import InvalidValueError, ModelError, SimulationError, require_number

if TYPE_CHECKING:
    import xarray as xr

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
RELATIVE_TOLERANCE = 5e-9  # 28 calls of a day agree with one of 28 days to 1e-6
ABSOLUTE_PER_RELATIVE = 0.1  # absolute tolerance of a state: this, times the relative one, times its scale
SETTLE_HORIZONS = (20_000.0, 40_000.0, 160_000.0, 640_000.0)  # model time units; hours in our models
NEGLIGIBLE = 1e-6  # of a typical state: rounding, or nothing yet
SETTLED = 1e-6  # largest change of a state, in its scale, over the last stretch
GROWN = 1e-3  # of its value now, for a state of which the file did not tell the size
MAX_OUTPUT_POINTS = 1_000_000
MAX_STEPS = 20_000  # between two output points


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker needs to run one row of a model; it travels between processes."""

    sbml: str
    settings: tuple[tuple[str, float], ...]
    steady: bool
    origin: tuple[float, ...] | None  # state vector that the search for the steady state starts from
    scales: tuple[float, ...]
    anchors: tuple[tuple[str, str], ...]
    phases: tuple[Phase, ...]
    times: tuple[float, ...]
    columns: tuple[str, ...]
    relative_tolerance: float = RELATIVE_TOLERANCE
    held: tuple[tuple[str, float], ...] = ()  # constants that differ while the steady state is searched


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
        self.parameters = {k: i for i, k in enumerate(self.core.getGlobalParameterIds())}
        self.compartments = {k: i for i, k in enumerate(self.core.getCompartmentIds())}
        self.species = {k: i for i, k in enumerate(self.core.getFloatingSpeciesIds())}
        self.boundary = {k: i for i, k in enumerate(self.core.getBoundarySpeciesIds())}
        self.rules = _sbml.start_rules(sbml)
        rated = self.core.getRateRuleSymbols()  # the solver has these first, then the species that have no rule
        free = (k for k in self.species if k not in rated and k not in self.rules.assigned)
        self.vector = (*(self.core.getStateVectorId(i) for i in range(len(rated))), *free)
        self.ruled = tuple(k for k in self.vector if k not in self.species)
        self.amounts = {k for k in self.species if self.engine.getHasOnlySubstanceUnits(k)}
        self.published = {k: float(self.core.getValue(k)) for k in self.parameters}
        self._moved: tuple[str, ...] = ()
        self.engine.integrator.setValue("maximum_num_steps", MAX_STEPS)

    def selection(self, name: str) -> str:
        """The libroadrunner name of an id's value: concentrations of species, except those in amounts."""
        if name in self.species or name in self.boundary:
            amount = name in self.amounts or (name in self.boundary and self.engine.getHasOnlySubstanceUnits(name))
            return name if amount else f"[{name}]"
        return name

    def set_values(self, values: Mapping[str, float]) -> None:
        """Constants, inputs and compartments to these values."""
        index = [self.parameters[k] for k in values if k in self.parameters]
        if index:
            numbers = [float(v) for k, v in values.items() if k in self.parameters]
            self.core.setGlobalParameterValues(np.array(index, dtype=np.int32), np.array(numbers))
        for key in values:
            if key in self.compartments:
                self.core.setValue(key, float(values[key]))

    def state(self) -> Array:
        """The state in libroadrunner's order, in amounts."""
        amounts = np.array(self.core.getFloatingSpeciesAmounts())
        ruled = [self.core.getValue(k) for k in self.ruled]
        return np.concatenate([amounts, ruled]) if ruled else amounts

    def set_state(self, state: Array) -> None:
        """Inverse of `state`."""
        n = len(self.species)
        self.core.setFloatingSpeciesAmounts(np.ascontiguousarray(state[:n]))
        if self.ruled:
            for key, value in zip(self.ruled, state[n:], strict=True):
                self.core.setValue(key, float(value))

    def state_names(self) -> tuple[str, ...]:
        """Ids in the order of `state`."""
        return (*self.species, *self.ruled)

    def set_tolerances(self, relative: float, scales: Sequence[float]) -> None:
        """Absolute tolerances as a vector: a scalar is rescaled by libroadrunner at every call."""
        self.engine.integrator.setValue("relative_tolerance", relative)
        by_name = dict(zip(self.state_names(), scales, strict=True))
        if self.vector:
            vector = [ABSOLUTE_PER_RELATIVE * relative * by_name[k] for k in self.vector]
            self.engine.integrator.setValue("absolute_tolerance", vector)

    def begin(self, values: Mapping[str, float], origin: Array | None) -> None:
        """Time 0, the published constants, then `values`; states from `origin` or as the file says.

        The same as loading the file anew with `values` written into it.
        """
        if self.rules.initially_assigned:
            self._move_initial_values(values)
        self.engine.resetAll()
        self.core.setTime(0.0)
        concentrations = np.array(self.core.getFloatingSpeciesConcentrations())
        self.set_values(values)
        if origin is not None:
            self.set_state(origin)
        elif any(k in self.compartments for k in values):
            self._keep_concentrations(concentrations)

    def _move_initial_values(self, values: Mapping[str, float]) -> None:
        """Initial assignments see the initial values of constants, so these must follow `values`."""
        for key in self._moved:
            self.core.setValue(f"init({key})", self.published[key])
        self._moved = tuple(k for k in values if k in self.parameters and k not in self.rules.initially_assigned)
        for key in self._moved:
            self.core.setValue(f"init({key})", float(values[key]))

    def _keep_concentrations(self, concentrations: Array) -> None:
        """A compartment of another size holds another amount of what is given as a concentration."""
        amounts = np.array(self.core.getFloatingSpeciesAmounts())
        now = np.array(self.core.getFloatingSpeciesConcentrations())
        fixed = self.rules.by_amount | self.rules.initially_assigned
        scaled = [k not in fixed and now[i] != 0 for k, i in self.species.items()]
        amounts[scaled] *= concentrations[scaled] / now[scaled]
        self.core.setFloatingSpeciesAmounts(amounts)

    def advance(self, times: Sequence[float] | Array, columns: Sequence[str]) -> Array:
        """Integrate through increasing `times` (the first is now); values of `columns` there."""
        self.engine.timeCourseSelections = ["time", *columns]
        try:
            result = self.engine.simulate(times=list(times))
        except RuntimeError as error:
            raise SimulationError(
                f"the integrator gave up between {times[0]:g} and {times[-1]:g}: {_first_line(error)}"
            ) from error
        return np.array(result)[:, 1:]

    def settle(self, scales: Array) -> Array:
        """Integrate to the steady state from where the model stands, then set the clock back to 0."""
        before, start = self.state(), 0.0
        for stop in SETTLE_HORIZONS:
            self.advance((start, stop), ())
            after = self.state()
            change = np.abs(after - before) / np.maximum(scales, GROWN * np.abs(after))
            if start > 0 and np.all(change < SETTLED):
                self.core.setTime(0.0)
                return after
            before, start = after, stop
        name = self.state_names()[int(np.argmax(change))]
        raise SimulationError(f"no steady state: {name} still moves after {start:g} units of time")


def _engine(sbml: str, compiled: bytes | None = None) -> Any:
    """A RoadRunner of this text, or of its machine code.

    Its ids do not become attributes of the class: a model with a parameter `reset` would take that method from every
    RoadRunner of the process.
    """
    option = roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES
    before = roadrunner.Config.getValue(option)
    roadrunner.Config.setValue(option, True)
    try:
        engine = roadrunner.RoadRunner(sbml) if compiled is None else roadrunner.RoadRunner()
        if compiled is not None:
            engine.loadStateS(compiled)
        return engine
    except RuntimeError as error:
        raise SimulationError(f"libroadrunner cannot load the model: {_first_line(error)}") from error
    finally:
        roadrunner.Config.setValue(option, before)


_COMPILED: dict[str, bytes] = {}


@lru_cache(maxsize=16)
def runner(sbml: str) -> Runner:
    """The compiled model of this text in this process."""
    return Runner(sbml, _COMPILED.get(sbml))


def compiled(sbml: str) -> bytes:
    """The machine code of a model, for another process: it loads in a tenth of a second, compiling takes seconds."""
    engine = runner(sbml)
    engine.begin({}, None)
    return bytes(engine.engine.saveStateS())


def adopt(sbml: str, code: bytes) -> None:
    """Use the machine code that `compiled` gave in another process of the same machine and version."""
    _COMPILED[sbml] = code


def run_job(job: Job, row: Mapping[str, float]) -> Course:
    """Run one parameter row from its own steady state (or the file's start); raises `SimulationError`."""
    engine = runner(job.sbml)
    values = {**dict(job.settings), **row}
    scales = np.array(job.scales)
    origin = None if job.origin is None else np.array(job.origin)
    engine.set_tolerances(job.relative_tolerance, job.scales)
    held = dict(job.held) if job.steady else {}
    engine.begin({**values, **held}, origin)
    if job.steady:
        engine.settle(scales)
    for parameter, variable in job.anchors:
        if parameter not in values:
            anchored = {parameter: float(engine.core.getValue(engine.selection(variable)))}
            engine.set_values(anchored)
            values |= anchored
    engine.set_values({k: values.get(k, engine.published[k]) for k in held})
    before = np.array([engine.core.getValue(engine.selection(c)) for c in job.columns])
    return Course(before=before, values=_run_phases(engine, job, values))


def _run_phases(engine: Runner, job: Job, values: Mapping[str, float]) -> Array:
    columns = [engine.selection(c) for c in job.columns]
    duration, blocks = job.phases[-1].stop, []
    times = np.array([snapped(t, duration) for t in job.times])
    touched = {key for phase in job.phases for key, _ in phase.levels}
    base = {k: float(engine.core.getValue(k)) for k in sorted(touched)}
    for phase in job.phases:
        engine.set_values({**base, **dict(phase.levels)})
        for key, amount in phase.doses:
            engine.core.setValue(engine.selection(key), engine.core.getValue(engine.selection(key)) + amount)
        last = phase is job.phases[-1]
        wanted = times[(times >= phase.start) & ((times <= phase.stop) if last else (times < phase.stop))]
        stops = np.unique(np.concatenate([[phase.start], wanted, [phase.stop]]))
        block = engine.advance(stops, columns)
        blocks.append(block[np.isin(stops, wanted)])
    result = np.concatenate(blocks)
    if not np.all(np.isfinite(result)):
        bad = job.columns[int(np.argmax(~np.isfinite(result).all(axis=0)))]
        raise SimulationError(f"{bad} is not finite")
    return result


def make_job(
    model: Model,
    treatments: Sequence[Treatment],
    *,
    duration: float,
    times: Array,
    columns: Sequence[str],
    start: str,
) -> Job:
    """A job with the steady state of the model's own values as origin."""
    if start not in ("auto", "steady", "file"):
        raise InvalidValueError(f"start is {start!r}; allowed are 'auto', 'steady' and 'file'")
    steady = start == "steady" or (start == "auto" and model.context is not None)
    pieces = phases(model, treatments, duration)
    warn_idle(model, treatments, duration)
    engine = runner(model.sbml)
    engine.begin({}, None)
    initial = engine.state()
    scales = np.abs(initial) if model.context is not None else _guessed_scales(initial, len(engine.species))
    scales = np.where(scales > 0, scales, 1.0)
    settings = tuple(sorted(model.settings.items()))
    held = tuple(sorted(model.held.items()))
    origin = (
        _rest(model.sbml, tuple(sorted({**dict(settings), **dict(held)}.items())), tuple(scales)) if steady else None
    )
    return Job(
        sbml=model.sbml,
        settings=settings,
        steady=steady,
        origin=origin,
        scales=tuple(scales),
        anchors=tuple(model.anchors.items()),
        phases=pieces,
        times=tuple(times),
        columns=tuple(columns),
        held=held,
    )


def _guessed_scales(initial: Array, species: int) -> Array:
    """The size of each state of somebody else's model: its value in the file, else a millionth of a typical one.

    Species come first, then what rate rules move; one kind says nothing of the other (a rate constant of 1e6 beside
    species of 1e-6). 0 where all of a kind rest at 0.
    """
    kinds = np.split(np.abs(initial), [species])
    return np.concatenate([_filled(sizes) for sizes in kinds])


def _filled(sizes: Array) -> Array:
    typical = float(np.median(sizes[sizes > 0])) if np.any(sizes > 0) else 0.0
    filled: Array = np.where(sizes > NEGLIGIBLE * typical, sizes, NEGLIGIBLE * typical)
    return filled


@lru_cache(maxsize=64)
def _rest(sbml: str, settings: tuple[tuple[str, float], ...], scales: tuple[float, ...]) -> tuple[float, ...]:
    engine = runner(sbml)
    engine.set_tolerances(RELATIVE_TOLERANCE, scales)
    engine.begin(dict(settings), None)
    return tuple(engine.settle(np.array(scales)))


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


def output_times(duration: float, every: float | None) -> Array:
    """A regular grid from 0 to `duration` that ends on it; the default step is 1/400 of it, at most 6."""
    step = min(6.0, duration / 400) if every is None else require_number("every", every)
    if not 0 < step <= duration or duration / step > MAX_OUTPUT_POINTS:
        raise InvalidValueError(
            f"every is {step:g}; allowed is above {duration / MAX_OUTPUT_POINTS:g} and up to the duration {duration:g}"
        )
    count = math.floor(duration / step + 1e-9)
    grid: Array = np.linspace(0.0, count * step, count + 1)
    if math.isclose(grid[-1], duration):
        grid[-1] = duration
        return grid
    return np.append(grid, float(duration)).astype(np.float64)


def simulate(
    model: Model,
    treatments: Sequence[Treatment] = (),
    *,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    start: str = "auto",
) -> xr.Dataset:
    """Run `model` under `treatments` and return all states and outputs over time.

    `weeks` or `duration` (model time) is the length; `every` the output step in model time (hours in our models,
    default 6). `start` is 'steady' (rest of the context; default for our models) or 'file' (values in the file;
    default for others). Time 0 is the start of treatment; at a switch the values are those after it.

    Returns an `xarray.Dataset` with dim `time`, a `units` attribute per variable, and in `attrs` all that is needed
    to repeat the run. Raises `SimulationError` if the integrator fails or there is no steady state.

    >>> import pathway_models as pm
    >>> run = pm.load("acupuncture").simulate([pm.Electroacupuncture(weeks=1)], weeks=2)
    >>> float(run["plastic_trace"][0])
    0.0
    """
    require_model(model)
    length = model.duration(weeks, duration)
    times = output_times(length, every)
    columns = tuple(dict.fromkeys((*model.states, *(p.id for p in model.outputs_), *_variables(model))))
    try:
        job = make_job(model, treatments, duration=length, times=times, columns=columns, start=start)
        course = run_job(job, {})
    except SimulationError as error:
        raise SimulationError(f"{error}{because(model)}") from error
    return to_dataset(model, treatments, job, course.values)


def _variables(model: Model) -> tuple[str, ...]:
    """For a file without declared outputs: everything that a rule computes."""
    if model.outputs_:
        return ()
    return tuple(k for k, q in model.quantities.items() if q.ruled == "assignment")


def to_dataset(model: Model, treatments: Sequence[Treatment], job: Job, values: Array) -> xr.Dataset:
    """Values (times x columns) with units, titles and the record of the run."""
    import xarray as xr

    titles = {p.id: p.title for p in model.outputs_}
    short = {v: k for k, v in model.aliases.items()}
    variables = {}
    for i, name in enumerate(job.columns):
        attrs = {"units": model.quantities[name].unit, "long_name": titles.get(name, name)}
        if name in short:
            attrs["alias"] = short[name]
        variables[name] = ("time", values[:, i], attrs)
    hours = model.time_unit_seconds == 3600.0
    coords = {
        "time": (
            "time",
            np.array(job.times),
            {"units": "h" if hours else "model time", "long_name": "time since start"},
        )
    }
    return xr.Dataset(variables, coords, attrs=record(model, treatments, job))


def _spelled(treatment: Treatment) -> object:
    """A treatment whose repr can be evaluated again: itself, or the schedule of a class of the user's own."""
    return treatment if is_dataclass(treatment) else list(treatment.schedule())


def record(model: Model, treatments: Sequence[Treatment], job: Job) -> dict[str, str]:
    """What is needed to repeat a run, as text attributes."""
    return {
        "model": model.name,
        "context": model.context or "",
        "sbml_sha256": model.hash,
        "settings": json.dumps(dict(sorted(model.settings.items()))),
        "start": "steady" if job.steady else "file",
        "treatments": repr([_spelled(t) for t in treatments]),
        "arm": label(list(treatments)),
        "relative_tolerance": repr(RELATIVE_TOLERANCE),
        "pathway_models": version("pathway-models"),
        "libroadrunner": str(roadrunner.__version__),
    }


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
