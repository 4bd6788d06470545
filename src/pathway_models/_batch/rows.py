"""Run the rows of a job on the compiled model: the same meaning as `run_job`, for many rows at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .._formulas.start import start_values
from .._sbml.native import turns
from .._types import Array
from ..simulation.job import Job
from ..simulation.phases import Phase, snap_all
from ..simulation.runner import GROWN, SETTLE_HORIZONS, SETTLED
from ..simulation.tolerances import LEAST_OUTPUTS, MAX_STEPS
from .machine import Machine, machine
from .read import TIME, Unsupported
from .step import OK, UNDERFLOW

LARGEST_OUTPUT = 1 << 24  # numbers that a group of rows may hold at once (128 MB); more rows are run in turns
CLOCK_SCALE = 1e300  # of the state that counts time: no error of it matters, it has none


class BatchModel:
    """A compiled model. Arrays are in groups: row `r`, element `k` at `[r // lanes, k, r % lanes]`."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.plan = machine, machine.plan
        self.lanes = self.plan.lanes
        self.parameters = {k: i for i, k in enumerate(self.plan.parameters)}
        self.states = {k: i for i, k in enumerate(self.plan.states)}
        self.variables = {k: i for i, k in enumerate(self.plan.variables)}

    def scratch(self) -> Array:
        """Space that `advance` and `look` write to while they run; threads must not share it."""
        return np.zeros(self.plan.work * self.lanes)

    def grouped(self, table: Array) -> Array:
        """Rows x elements as groups of lanes; the last row fills up the last group."""
        rows, width = table.shape
        groups = -(-rows // self.lanes)
        full = table[np.minimum(np.arange(groups * self.lanes), rows - 1)]
        return np.ascontiguousarray(full.reshape(groups, self.lanes, width).transpose(0, 2, 1))

    def rows(self, array: Array, count: int) -> Array:
        """Inverse of `grouped`."""
        return array.transpose(0, 2, 1).reshape(-1, array.shape[1])[:count]

    def constants(self, parameters: Array) -> Array:
        """Everything that depends on parameters alone."""
        out = np.empty((len(parameters), max(self.plan.constants, 1), self.lanes))
        self.machine.prepare(len(parameters), _at(parameters), _at(out))
        return out

    def look(self, parameters: Array, constants: Array, states: Array, columns: Sequence[str], work: Array) -> Array:
        """Columns (groups x times x columns x lanes) at states (groups x times x states x lanes)."""
        base = len(self.parameters)
        unknown = [c for c in columns if c not in self.parameters and c not in self.variables]
        if unknown:
            raise Unsupported(f"the value of {unknown[0]!r} cannot be looked at")
        index = [self.parameters[c] if c in self.parameters else base + self.variables[c] for c in columns]
        numbers = np.array(index, dtype=np.int64)
        groups, count = states.shape[:2]
        out = np.empty((groups, count, len(columns), self.lanes))
        self.machine.look(
            groups, count, _at(parameters), _at(constants), _at(states),
            len(columns), _at(numbers), _at(out), _at(work),
        )  # fmt: skip
        return out


def _at(array: np.ndarray[Any, Any]) -> int:
    assert array.flags.c_contiguous
    return int(array.ctypes.data)


_COMPILING = turns()


def compile_model(sbml: str) -> BatchModel:
    """The compiled model of a flat text, once per process; raises `Unsupported` with a reason of one line."""
    with _COMPILING:  # threads that ask for one model would all compile it
        return _compiled(sbml)


@lru_cache(maxsize=16)
def _compiled(sbml: str) -> BatchModel:
    return BatchModel(machine(sbml))


class _Run:
    """The rows of one job while they run."""

    def __init__(self, model: BatchModel, job: Job, table: Array, steps: int) -> None:
        self.model, self.job, self.count, self.steps = model, job, len(table), steps
        self.given = {k: np.full(self.count, v) for k, v in job.settings}
        self.given |= dict(zip(job.varied, np.ascontiguousarray(table.T), strict=True))
        self.failed: dict[int, str] = {}
        self.work = model.scratch()
        self.taken = np.zeros(self.count)
        self.scales, self.absolute = (self._per_state(a, clock=CLOCK_SCALE) for a in (job.scales, job.absolute))
        self.relative = job.relative_tolerance
        self._constants: Array | None = None
        if job.whole is not None:
            self._begin_at_rest_of(_Run(compile_model(job.whole.sbml), job.whole, table[:, job.shared], steps))
            return
        held = {k: np.full(self.count, v) for k, v in job.held} if job.steady else {}
        self.parameters, self.states = self._start({**self.given, **held})
        if job.origin is not None:
            self.states[:] = self._per_state(job.origin, clock=0.0)[:, None]
        self.ahead = np.zeros(self.count)
        if job.steady:
            self._settle()
            self._anchor()
            for key in held:
                self._set(key, self.given.get(key, model.plan.parameters[key]))

    def _begin_at_rest_of(self, whole: _Run) -> None:
        """Start where the rows of the whole model rest: what is anchored there, and its states by name."""
        self.failed, anchored = dict(whole.failed), [k for k, _ in self.job.anchors if k not in self.given]
        if anchored:
            self.given |= dict(zip(anchored, whole.now(anchored).T, strict=True))
        self.parameters, self.states = self._start(self.given)
        resting, clock = whole.model.rows(whole.states, self.count), np.zeros(self.count)
        columns = [clock if k == TIME else resting[:, whole.model.states[k]] for k in self.model.states]
        self.states = self._table(columns)
        self.ahead = np.zeros(self.count)

    def _per_state(self, numbers: Sequence[float], *, clock: float) -> Array:
        """Numbers in libroadrunner's order of states in our order; we may have one more, which counts time."""
        known = dict(zip(self.model.plan.layout, numbers, strict=True)) | {TIME: clock}
        return np.array([known[k] for k in self.model.states])

    def _start(self, given: Mapping[str, Array]) -> tuple[Array, Array]:
        """Parameters and states (in amounts) of all rows at time 0."""
        start, model = start_values(self.job.sbml), self.model
        values = {TIME: 0.0} | start.values({}) | start.effect(tuple(given))(given.values())
        volumes = model.plan.volumes
        states = [values[k] * values[volumes[k]] if k in volumes else values[k] for k in model.states]
        return self._table([values[k] for k in model.parameters]), self._table(states)

    def _table(self, columns: Sequence[float | Array]) -> Array:
        table = np.empty((len(columns), self.count))
        for place, column in zip(table, columns, strict=True):
            place[:] = column
        return self.model.grouped(table.T)

    def _set(self, key: str, numbers: float | Array) -> None:
        self._constants = None
        if key in self.model.parameters:
            self.parameters[:, self.model.parameters[key]] = self._table([numbers])[:, 0]

    # ---- integrating ---------------------------------------------------------------------------------------

    def advance(self, start: float, stop: float, times: Array, rows: np.ndarray[Any, Any] | None = None) -> Array:
        """Take the rows (default: all that are well) from `start` to `stop`; states at `times` in between."""
        model = self.model
        out = np.empty((len(self.states), len(times), len(model.states), model.lanes))
        live = self._live() if rows is None else rows
        if not len(live) or stop <= start:
            return out
        everyone = len(live) == self.count
        constants, states = self.constants(), self.states
        ahead, place = self.ahead, out
        if not everyone:
            constants, states = (model.grouped(model.rows(a, self.count)[live]) for a in (constants, states))
            ahead, place = self.ahead[live], np.empty((len(states), *out.shape[1:]))
        status, taken, most = np.zeros(len(live)), np.zeros(len(live)), self.steps * max(len(times) + 1, LEAST_OUTPUTS)
        model.machine.advance(
            len(live), start, stop, _at(constants), _at(states), _at(ahead), _at(self.absolute), self.relative,
            len(times), _at(times), _at(place), most, _at(status), _at(taken), _at(self.work),
        )  # fmt: skip
        if not everyone:
            (group, lane), (there, position) = divmod(live, model.lanes), divmod(np.arange(len(live)), model.lanes)
            self.states[group, :, lane] = model.rows(states, len(live))
            out[group, :, :, lane] = place[there, :, :, position]
        self.ahead[live] = ahead
        self.taken[live] += taken
        for i, verdict in zip(live[status != OK], status[status != OK], strict=True):
            reason = "the step became too small" if verdict == UNDERFLOW else f"more than {most} steps"
            self.failed[int(i)] = f"the integrator gave up between {start:g} and {stop:g}: {reason}"
        return out

    def _settle(self) -> None:
        """Integrate to the steady state of each row, as far as it takes, then set the clock back to 0."""
        moving, start = self._live(), 0.0
        none = np.zeros(0)
        for stop in SETTLE_HORIZONS:
            before = self._by_row()
            self.advance(start, stop, none, moving)
            with np.errstate(invalid="ignore", over="ignore"):
                after = self._by_row()
                change = np.abs(after - before) / np.maximum(self.scales, GROWN * np.abs(after))
            if TIME in self.model.states:
                change[:, self.model.states[TIME]] = 0.0
            moving = np.intersect1d(moving, self._live())
            if start > 0:
                moving = moving[~np.all(change[moving] < SETTLED, axis=1)]
            start = stop
        for i in moving:
            name = self.model.plan.states[int(np.argmax(change[i]))]
            self.failed[int(i)] = f"no steady state: {name} still moves after {start:g} units of time"
        if TIME in self.model.states:
            self.states[:, self.model.states[TIME]] = 0.0
        self.ahead[:] = 0.0

    def _live(self) -> np.ndarray[Any, Any]:
        return np.setdiff1d(np.arange(self.count), list(self.failed))

    def _by_row(self) -> Array:
        return self.model.rows(self.states, self.count).copy()

    def look(self, states: Array, columns: Sequence[str]) -> Array:
        return self.model.look(self.parameters, self.constants(), states, columns, self.work)

    def constants(self) -> Array:
        """What depends on the present parameters alone."""
        if self._constants is None:
            self._constants = self.model.constants(self.parameters)
        return self._constants

    def now(self, columns: Sequence[str]) -> Array:
        """Columns at the present states, rows x columns."""
        return self.model.rows(self.look(self.states[:, None], columns)[:, 0], self.count)

    def _anchor(self) -> None:
        for parameter, variable in self.job.anchors:
            if parameter not in self.given:
                self.given[parameter] = self.now([variable])[:, 0]
                self._set(parameter, self.given[parameter])

    # ---- treatment -----------------------------------------------------------------------------------------

    def treat(self) -> Array:
        """Courses: rows x (before treatment, then the output times) x columns."""
        job, model = self.job, self.model
        duration = job.phases[-1].stop
        times = np.array(snap_all(job.times, duration))
        values = np.empty((len(self.states), 1 + len(times), len(job.columns), model.lanes))
        before, under = values[:, :1], values[:, 1:]
        before[:] = self.look(self.states[:, None], job.columns)
        touched = sorted({key for phase in job.phases for key, _ in phase.levels})
        base = {k: self.parameters[:, model.parameters[k]].copy() for k in touched}
        for phase in job.phases:
            self._switch(phase, base)
            last = phase is job.phases[-1]
            rows = slice(*np.searchsorted(times, (phase.start, math.inf if last else phase.stop)))
            self._phase(phase, times[rows], under[:, rows])
        courses = values.transpose(0, 3, 1, 2).reshape(-1, *values.shape[1:3])[: self.count]
        self._refuse_infinite(courses[:, 1:])
        courses[list(self.failed)] = np.nan
        return courses

    def _refuse_infinite(self, values: Array) -> None:
        wild: np.ndarray[Any, np.dtype[np.bool_]] = np.any(~np.isfinite(values), axis=1)
        for i in np.flatnonzero(np.any(wild, axis=1)).tolist():
            self.failed.setdefault(i, f"{self.job.columns[int(np.argmax(wild[i]))]} is not finite")

    def _switch(self, phase: Phase, base: Mapping[str, Array]) -> None:
        for key, numbers in base.items():
            self.parameters[:, self.model.parameters[key]] = numbers
        for key, level in phase.levels:
            self.parameters[:, self.model.parameters[key]] = level
        for key, amount in phase.doses:
            if key in self.model.parameters:  # a species that nothing changes
                self.parameters[:, self.model.parameters[key]] += amount
                continue
            volume = self.model.plan.volumes.get(key)
            size = self.parameters[:, self.model.parameters[volume]] if volume else 1.0
            self.states[:, self.model.states[key]] += amount * size
        self.ahead[:] = 0.0
        self._constants = None

    def _phase(self, phase: Phase, times: Array, values: Array) -> None:
        """Integrate through a phase; the columns at `times` in it go to `values` (groups x times x columns x lanes)."""
        begin = int(np.searchsorted(times, phase.start, side="right"))
        end = max(begin, int(np.searchsorted(times, phase.stop)))
        self._show(self.states[:, None], times[:begin], values[:, :begin])
        inner = self.advance(phase.start, phase.stop, times[begin:end])
        self._show(inner, times[begin:end], values[:, begin:end])
        self._show(self.states[:, None], times[end:], values[:, end:])

    def _show(self, states: Array, times: Array, values: Array) -> None:
        if not len(times):
            return
        if TIME in self.model.states:
            states = np.repeat(states, len(times) // states.shape[1], axis=1)
            states[:, :, self.model.states[TIME]] = times[:, None]  # to the last digit: piecewise functions look at it
        values[:] = self.look(states, self.job.columns)


def run_rows(job: Job, table: Array, *, steps: int = MAX_STEPS) -> tuple[Array, dict[int, str]]:
    """What `run_job(job, row)` gives for each row of `table` (rows x what the job varies), all at once.

    Returns the courses (rows x (before treatment, then the output times) x columns) and why rows failed, by their
    number; the courses of these are NaN. `steps` bounds those between two output times, on average over a phase. Raises
    `Unsupported` if the engine cannot run the model; a row that fails never disturbs another one.
    """
    model = compile_model(job.sbml)
    width = max(len(job.times), 1) * max(len(model.states), len(job.columns))
    turn = max(model.lanes, LARGEST_OUTPUT // width // model.lanes * model.lanes)
    courses = np.empty((len(table), 1 + len(job.times), len(job.columns)))
    failed: dict[int, str] = {}
    for start in range(0, len(table), turn):
        run = _Run(model, job, table[start : start + turn], steps)
        courses[start : start + turn] = run.treat()
        failed |= {start + i: reason for i, reason in run.failed.items()}
    return courses, failed
