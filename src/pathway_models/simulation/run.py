"""One run as an xarray.Dataset: grid of output times, record of how it was made, estimate of its numerical error."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from .._sbml import sbml
from .._sbml.native import roadrunner
from .._types import Array
from ..errors import AccuracyWarning, InvalidValueError, SimulationError, require_kind, require_number
from ..modules.flat import FlatModel, require_model
from ..treatments.schedule import Treatment, label
from .causes import because
from .job import Course, Job, at_attempt, climb, make_job, retry_message, run_job, switching
from .runner import runner
from .sizes import volumes
from .tolerances import ALLOWED_ERROR, LADDER, Attempt, Tolerance
from .values import Values

if TYPE_CHECKING:
    import xarray as xr

MAX_OUTPUT_POINTS = 1_000_000
OUTPUT_STEPS = 400
OUR_STEP = 6.0  # hours, at most, in our models
COARSER = 100.0  # a run at this many times the tolerances bounds the error of one that is asked for
SUSPECT = 1e-4  # of a variable's range: from here on a finer run decides
CONSTANT = 1e-3  # of its size: what a range counts for at least, so that noise of what rests is none of its range
NEGATIVE = 1e-6  # of its largest value, below 0: no population any more
TIME, RENAMED_TIME = "time", "time_"  # a variable of this id cannot stand beside the coordinate


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A run: its course, per column the numerical error in units of the column's range, and how it was retried."""

    course: Course
    error: Array
    attempt: Attempt
    retried: str


def output_times(model: FlatModel, duration: float, every: float | None) -> Array:
    """A regular grid from 0 to `duration` that ends on it; the default step is 1/400 of it, at most 6 h in ours."""
    if every is None:
        step = duration / OUTPUT_STEPS
        if model.context is not None:
            step = max(min(OUR_STEP, step), duration / MAX_OUTPUT_POINTS)
    else:
        step = require_number("every", every)
        if not 0 < step <= duration or duration / step > MAX_OUTPUT_POINTS:
            raise InvalidValueError(
                f"every is {step:g}; allowed is above {duration / MAX_OUTPUT_POINTS:g} and up to the duration "
                f"{duration:g}"
            )
    count = math.floor(duration / step + 1e-9)
    grid: Array = np.linspace(0.0, count * step, count + 1)
    if math.isclose(grid[-1], duration):
        grid[-1] = duration
        return grid
    return np.append(grid, float(duration)).astype(np.float64)


def simulate(
    model: FlatModel,
    treatments: Sequence[Treatment] = (),
    *,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    start: str = "auto",
    rtol: float | None = None,
    atol: Tolerance | None = None,
    variables: Sequence[str] = (),
) -> xr.Dataset:
    """See `Model.simulate`."""
    require_model(model)
    length = model.duration(weeks, duration)
    times = output_times(model, length, every)
    columns = dict.fromkeys((*model.states, *(p.id for p in model.output_ports), *_variables(model)))
    columns |= dict.fromkeys(map(model.resolve, _listed(variables)))
    names = tuple(columns)
    try:
        job = make_job(
            model, treatments, duration=length, times=times, columns=names, start=start, rtol=rtol, atol=atol
        )
        run = solve(job)
    except SimulationError as error:
        raise SimulationError(f"{error}{because(model)}") from error
    warn_of(model, job, run)
    return to_dataset(model, treatments, job, run)


def _listed(variables: Sequence[str]) -> Sequence[str]:
    require_kind("variables", variables, (list, tuple), '["J0"]')
    for name in variables:
        require_kind("a name in variables", name, str, '"J0"')
    return variables


def _variables(model: FlatModel) -> tuple[str, ...]:
    """For a file without declared outputs: everything that a rule computes or an event sets."""
    if model.output_ports:
        return ()
    events = sbml.content(model.sbml, model.name).set_by_events
    return tuple(k for k, q in model.quantities.items() if q.ruled == "assignment" or k in events)


def solve(job: Job) -> Solved:
    """Run a job by the first attempt that succeeds, and estimate the error; raises `SimulationError`."""
    course, number, message = climb(job)
    if course is None:
        raise SimulationError(message)
    attempt = LADDER[number]
    error = _error(job, attempt, course)
    return Solved(course=course, error=error, attempt=attempt, retried=retry_message(job, attempt, number, message))


# ---- numerical error -----------------------------------------------------------------------------------------------


def _error(job: Job, attempt: Attempt, course: Course) -> Array:
    """Per column, the difference to a coarser run as a bound, and to a finer one where that bound is large."""
    bound = _difference(job, attempt, course, COARSER)
    if bound is not None and not np.any(bound > SUSPECT):
        return bound
    finer = _difference(job, attempt, course, 1 / COARSER)
    if finer is not None:
        return finer
    return np.full(len(job.columns), np.nan) if bound is None else bound


def _difference(job: Job, attempt: Attempt, course: Course, factor: float) -> Array | None:
    """Largest difference of each column to a run at other tolerances, in units of its range; None if that fails."""
    same_way = Attempt(method=attempt.method, initial_step=attempt.initial_step)
    try:
        other = run_job(at_attempt(job, attempt).scaled(factor), attempt=same_way)
    except SimulationError:
        return None
    return relative_difference(course.values, other.values, floors(job))


def floors(job: Job) -> Array:
    """Per column, the size below which a value means nothing: that behind the absolute tolerance of a state.

    Of what is computed from states it is the least of them.
    """
    sizes = volumes(job.sbml, dict(job.settings))
    known = {k: a / job.relative_tolerance / sizes[k] for k, a in zip(sizes, job.absolute, strict=True)}
    least = min(known.values(), default=np.finfo(float).tiny)
    return np.array([known.get(c, least) for c in job.columns])


def relative_difference(values: Array, other: Array, floor: Array) -> Array:
    """Largest difference per column (times x columns) in units of its range, or of its size where it is constant."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(values - other)
        finite = np.isfinite(values) & np.isfinite(other)
        size = np.max(np.abs(values), axis=0, where=finite, initial=0.0)
        low = np.min(values, axis=0, where=finite, initial=np.inf)
        high = np.max(values, axis=0, where=finite, initial=-np.inf)
        span = np.where(high > low, high - low, 0.0)
        worst = np.max(gap, axis=0, where=finite, initial=0.0)
    return np.asarray(worst / np.maximum(np.maximum(span, CONSTANT * size), floor))


def warn_of(model: FlatModel, job: Job, run: Solved) -> None:
    """What the numbers themselves tell against them."""
    if run.retried and run.attempt != LADDER[1]:  # coarser absolute tolerances are no matter beside the error below
        warnings.warn(f"{model.name}: {run.retried}", AccuracyWarning, stacklevel=4)
    for words in (
        *_inexact(job, run),
        *_unsound(model, job, run.course),
        *unsolved_switches(job),
        *_events_at_rest(job),
    ):
        warnings.warn(f"{model.name}: {words}", AccuracyWarning, stacklevel=4)


def _inexact(job: Job, run: Solved) -> list[str]:
    if np.isnan(run.error).all() and len(run.error):
        return ["its numerical error is not known: a run at other tolerances fails"]
    large = np.flatnonzero(run.error > ALLOWED_ERROR)
    if not len(large):
        return []
    worst = int(large[np.argmax(run.error[large])])
    more = f" and {len(large) - 1} more" if len(large) > 1 else ""
    return [
        f"the numerical error of {job.columns[worst]}{more} is {100 * run.error[worst]:.2g} percent of its range; "
        f"give smaller rtol= and atol="
    ]


def _unsound(model: FlatModel, job: Job, course: Course) -> list[str]:
    """Values that are not finite, and populations below 0 that begin at 0 or above."""
    words = []
    bad = [job.columns[i] for i in np.flatnonzero(~np.isfinite(course.values).all(axis=0))]
    if bad:
        words.append(f"not finite at some times: {_few(bad)}")
    known, smallest, below = model.quantities, floors(job), []
    for i, name in enumerate(job.columns):
        column = course.values[:, i]
        species = name in known and known[name].kind == "species"
        allowed = max(NEGATIVE * np.nanmax(np.abs(column), initial=0.0), smallest[i])
        if species and column[0] >= 0 and np.nanmin(column, initial=0.0) < -allowed:
            below.append(name)
    return [*words, f"below 0 at some times: {_few(below)}"] if below else words


def _events_at_rest(job: Job) -> list[str]:
    if not job.steady or not runner(job.sbml).events:
        return []
    return [
        "it has events, and those whose trigger comes true while the steady state is searched act in the search; "
        "start='file' keeps them at their times"
    ]


def unsolved_switches(job: Job) -> list[str]:
    """Inputs that switch at times that could not be found, and how the step is bounded for them, in words."""
    engine = runner(job.sbml)
    if engine.clocks.none:
        return []
    found = switching(engine, job, Values.of(dict(job.settings)))
    if not found.reasons or found.longest_step is None:
        return []
    return [f"{'; '.join(found.reasons)}: the step of the solver is at most {found.longest_step:g}"]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# ---- dataset -------------------------------------------------------------------------------------------------------


def to_dataset(model: FlatModel, treatments: Sequence[Treatment], job: Job, run: Solved) -> xr.Dataset:
    """Values (times x columns) with units, titles, errors and the record of the run."""
    import xarray as xr

    titles = {p.id: p.title for p in model.output_ports}
    short = {v: k for k, v in model.aliases.items()}
    known, variables = model.quantities, {}
    for i, name in enumerate(job.columns):
        unit = known[name].unit if name in known else ""
        attrs = {"units": unit, "long_name": titles.get(name, name), "numerical_error": float(run.error[i])}
        if name in short:
            attrs["alias"] = short[name]
        variables[RENAMED_TIME if name == TIME else name] = (TIME, run.course.values[:, i], attrs)
    unit = "h" if model.time_unit_seconds == 3600.0 else "model time"
    coords = {TIME: (TIME, np.array(job.times), {"units": unit, "long_name": "time since start"})}
    return xr.Dataset(variables, coords, attrs=record(model, treatments, job, run))


def _spelled(treatment: Treatment) -> object:
    """A treatment whose repr can be evaluated again: itself, or the schedule of a class of the user's own."""
    return treatment if is_dataclass(treatment) else list(treatment.schedule())


def record(model: FlatModel, treatments: Sequence[Treatment], job: Job, run: Solved) -> dict[str, str]:
    """What is needed to repeat a run, as text attributes."""
    used = at_attempt(job, run.attempt)
    return {
        "model": model.name,
        "context": model.context or "",
        "sbml_sha256": model.hash,
        "settings": json.dumps(dict(sorted(model.settings.items()))),
        "start": "steady" if job.steady else "file",
        "treatments": repr([_spelled(t) for t in treatments]),
        "arm": label(list(treatments)),
        "relative_tolerance": repr(used.relative_tolerance),
        "absolute_tolerance": json.dumps(absolute_tolerances(used)),
        "numerical_error": repr(float(np.max(run.error, initial=0.0))),
        "retried": run.retried,
        "pathway_models": version("pathway-models"),
        "libroadrunner": str(roadrunner.__version__),
    }


def absolute_tolerances(job: Job) -> dict[str, float]:
    """Absolute tolerance per state, in the unit of the state."""
    sizes = volumes(job.sbml, dict(job.settings))
    return {k: a / sizes[k] for k, a in zip(sizes, job.absolute, strict=True)}
