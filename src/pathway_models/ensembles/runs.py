"""Many parameter rows over an executor: blocks, failures recorded, a progress bar, a folder to resume from."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Brief
from ..errors import AccuracyWarning, InvalidValueError
from ..models.model import Model
from ..simulation.run import absolute_tolerances, unsolved_switches
from ..simulation.tolerances import ALLOWED_ERROR
from ..treatments.schedule import Treatment
from .accuracy import accuracy, below_zero, outcome_errors
from .checkpoint import Checkpoint, Counts, Done, describe_run, versions
from .choice import Choice, choose, recorded_engine, some_rows
from .execution import Execution, execution_of
from .outcomes import Outcome, resolve_outcomes, values_at
from .plan import Plan, Table, asked_times, check_table, make_plan
from .processes import make_work, results
from .rows import RETRIED, STATUS, WORKER_DIED, Block, peak_memory
from .store import reduce_stored, write_courses
from .study import Study, study_of

if TYPE_CHECKING:
    import pandas as pd


LARGEST_BLOCK = {"roadrunner": 32, "batch": 256}  # lanes idle at the end of a block, so that long ones are better

ENGINE_TITLES = {"roadrunner": "libroadrunner", "batch": "the batch engine"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an ensemble took.

    Attributes:
        run: number of rows that were run.
        reused: number of rows that were taken over from before.
        seconds: of wall-clock time.
        core_seconds: of all workers together.
        peak_bytes: largest memory of a process.
        workers: number of processes.

    Example:
        >>> Cost(run=10, reused=0, seconds=2.0, core_seconds=4.0, peak_bytes=0, workers=2).efficiency
        1.0
    """

    run: int
    reused: int
    seconds: float
    core_seconds: float
    peak_bytes: int
    workers: int

    @property
    def efficiency(self) -> float:
        """Share of the time of all workers that went into rows; NaN if no row was run."""
        return self.core_seconds / (self.seconds * self.workers) if self.run else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ensemble(Brief):
    """Outcomes of many runs.

    Attributes:
        values: (rows, outcomes), in the unit of the outcome; NaN where a run failed.
        outcomes: what the columns are.
        status: (rows,), 0 ok, 1 ok after a retry, 2 failed, 3 worker process died, 4 took too long.
        messages: row -> why it failed or was tried again.
        seconds: of wall-clock time.
        cost: what the runs took.
        plan: what was run, resolved.
        times: model times of `over_time`.
        over_time: (rows, courses, times), the variables of the outcomes at the asked times; None without.
        versions: of what the numbers depend on.
        engine: what ran the rows, 'roadrunner' or 'batch'.
        engine_reason: why that one.
        relative_tolerance: of the solver.
        absolute_tolerance: state -> tolerance, in its unit.
        numerical_error: (outcomes,), in units of the outcome's spread over the rows; NaN where it is not known.

    Example:
        >>> import pathway_models as pm
        >>> runs = pm.ensemble(pm.load("acupuncture"), {"efficacy": [0.0, 1.0]}, outcomes=["vagal_drive"], weeks=1,
        ...                    execution=pm.Execution(workers=1, progress=False))
        >>> runs.counts
        {'ok': 2}
    """

    values: Array
    outcomes: tuple[Outcome, ...]
    status: Counts
    messages: Mapping[int, str]
    seconds: float
    cost: Cost
    plan: Plan = field(repr=False)
    times: tuple[float, ...] = ()
    over_time: Array | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    engine: str = "roadrunner"
    engine_reason: str = ""
    relative_tolerance: float = math.nan
    absolute_tolerance: Mapping[str, float] = field(default_factory=dict, repr=False)
    numerical_error: Array = field(default_factory=lambda: np.zeros(0), repr=False)

    @property
    def ok(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True for the rows that gave numbers."""
        return self.status <= RETRIED

    @property
    def courses(self) -> tuple[str, ...]:
        """Names of the courses in `over_time`."""
        return tuple(o.name for o in values_at(self.outcomes, (0.0,)))

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows per status, those that occur."""
        found = {text: int(np.sum(self.status == code)) for code, text in enumerate(STATUS)}
        return {text: count for text, count in found.items() if count}

    def to_dataframe(self) -> pd.DataFrame:
        """One row per run: a column per outcome, then status and message."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=[o.name for o in self.outcomes])
        frame["status"] = [STATUS[s] for s in self.status]
        frame["message"] = [self.messages.get(i, "") for i in range(len(frame))]
        return frame

    def report(self) -> str:
        """A sentence on the engine and on the rows that failed, with the first message."""
        failed = int(np.sum(~self.ok))
        retried = int(np.sum(self.status == RETRIED))
        text = f"{len(self.status) - failed} of {len(self.status)} runs succeeded on {ENGINE_TITLES[self.engine]}"
        text += f" ({self.engine_reason})" if self.engine_reason else ""
        text += f", {retried} of them after a retry" if retried else ""
        first = int(np.argmax(~self.ok))
        text += f"; {failed} failed, first row {first}: {self.messages.get(first, '')}" if failed else ""
        return f"{text}; relative tolerance {self.relative_tolerance:g}, {accuracy(self.numerical_error)}"

    def with_outcomes(self, outcomes: Sequence[str | Outcome], *, times: Sequence[float] = ()) -> Ensemble:
        """Other outcomes of the same runs, from the stored time courses; nothing is simulated.

        Args:
            outcomes: as in `Study`.
            times: as in `Study`.

        Raises:
            InvalidValueError: an ensemble that was not run with `store=True`, a variable that was not stored.
            UnknownNameError: unknown names.
        """
        plan = self.plan
        if not plan.stored or plan.folder is None:
            raise InvalidValueError("no time courses: run with Execution(checkpoint=FOLDER, store=True)")
        found = resolve_outcomes(plan.model, outcomes, plan.length)
        other = replace(plan, outcomes=found, times=asked_times(times, plan.length))
        return _assembled(self, other, reduce_stored(plan.folder, other.reads, self.ok))


def ensemble(
    study: Model | Study,
    rows: Table,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome] = (),
    weeks: float | None = None,
    duration: float | None = None,
    execution: Execution | None = None,
) -> Ensemble:
    """Run a model once per row of parameter values and reduce each run to its outcomes.

    Each row starts from its own steady state. A row that fails is tried again as the limits say, then recorded, and
    never raised. Results do not depend on the number of processes. One to three rows run again at a hundredth of the
    tolerances tell the numerical error, and a warning (`AccuracyWarning`) comes where it is above 1e-3 of the spread of
    an outcome.

    Args:
        study: what is run: a `Study`, or a model with `treatments`, `outcomes`, and `weeks` or `duration` here.
        rows: parameter name -> values, one per row, in the unit of the model.
        treatments: as in `Study`.
        outcomes: as in `Study`.
        weeks: as in `Study`.
        duration: as in `Study`.
        execution: workers, engine, tolerances, limits, checkpoint; see `Execution`.

    Returns:
        The outcomes (rows x outcomes), a status per row, and the courses at `times` of the study.

    Raises:
        InvalidValueError: for an empty or ragged table, a checkpoint of other runs, a model that the engine 'batch'
            cannot run.
        UnknownNameError: for unknown names.
        CheckpointError: for a folder that cannot be written (a full disk).

    Example:
        >>> import pathway_models as pm
        >>> runs = pm.ensemble(pm.load("acupuncture"), {"efficacy": [0.0, 1.0]}, [pm.Electroacupuncture()],
        ...                    outcomes=["vagal_drive"], weeks=8, execution=pm.Execution(workers=1, progress=False))
        >>> bool(runs.values[0, 0] == 0 and runs.values[1, 0] > 0)
        True
    """
    study = study_of(study, treatments, outcomes, weeks, duration)
    how = execution_of(execution)
    names, table = check_table(study.model, rows)
    return execute(make_plan(study, names, how), table, how)


def execute(plan: Plan, table: Array, execution: Execution, before: Ensemble | None = None) -> Ensemble:
    """Run the rows of `table` that neither the checkpoint nor `before` (the first rows) has."""
    began = time.perf_counter()
    choice = _engine(plan, table, before)
    plan = replace(plan, engine=choice.engine)
    spec = describe_run(plan.job, plan.reads, plan.limits, plan.engine, plan.stored)
    folder = None if plan.folder is None else Checkpoint(plan.folder, spec, table)
    done = Done.nothing(len(table), len(plan.reads)) if folder is None else folder.load(len(plan.reads))
    if before is not None:
        done.put(0, _as_block(before))
    reused = int(done.finished.sum())
    spent = [0.0, float(peak_memory())]
    known = plan.model.quantities
    units = [known[c].unit if c in known else "" for c in plan.job.columns]
    write = partial(write_courses, job=plan.job, units=units)
    for a, block in _finished_blocks(plan, table, done, execution):
        if folder is not None:
            folder.save(a, block, int(done.finished.sum()), write)
        done.put(a, block)
        spent = [spent[0] + block.seconds, max(spent[1], block.peak_bytes)]
    cost = Cost(
        run=len(table) - reused,
        reused=reused,
        seconds=time.perf_counter() - began,
        core_seconds=spent[0],
        peak_bytes=int(spent[1]),
        workers=execution.count,
    )
    runs = Ensemble(
        values=done.values,
        outcomes=plan.outcomes,
        status=done.status,
        messages=done.messages,
        seconds=cost.seconds,
        cost=cost,
        plan=plan,
        versions=versions(),
        engine=choice.engine,
        engine_reason=choice.reason,
        relative_tolerance=plan.job.relative_tolerance,
        absolute_tolerance=absolute_tolerances(plan.job),
    )
    runs = _assembled(runs, plan, done.values)
    runs = replace(runs, numerical_error=outcome_errors(plan, table, runs.values, runs.ok))
    for words in unsolved_switches(plan.job):
        warnings.warn(f"{plan.model.name}: {words}", AccuracyWarning, stacklevel=3)
    if below := below_zero(plan, runs.values):
        words = f"{', '.join(below)}: below 0 in some rows; give a smaller rtol= or atol="
        warnings.warn(f"{plan.model.name}: {words}", AccuracyWarning, stacklevel=3)
    if np.any(runs.numerical_error > ALLOWED_ERROR):
        warnings.warn(f"{plan.model.name}: {accuracy(runs.numerical_error)}", AccuracyWarning, stacklevel=3)
    return runs


def _engine(plan: Plan, table: Array, before: Ensemble | None) -> Choice:
    """The engine of the rows: that of earlier rows of the same ensemble, else as asked."""
    if before is not None:
        return Choice(before.engine, before.engine_reason)
    stored = recorded_engine(plan.folder) if plan.engine == "auto" else None
    if stored is None:
        return choose(plan.engine, plan.job, some_rows(table), len(table), plan.limits)
    return choose(stored, plan.job, table, len(table), plan.limits)._replace(reason="as in the checkpoint")


def _assembled(runs: Ensemble, plan: Plan, values: Array) -> Ensemble:
    """Columns taken apart: outcomes, and courses at the asked times."""
    k, courses = len(plan.outcomes), len(values_at(plan.outcomes, (0.0,)))
    over_time = values[:, k:].reshape(len(values), courses, len(plan.times)) if plan.times else None
    return replace(runs, values=values[:, :k], outcomes=plan.outcomes, times=plan.times, over_time=over_time, plan=plan)


def _as_block(runs: Ensemble) -> Block:
    columns = [runs.values] if runs.over_time is None else [runs.values, runs.over_time.reshape(len(runs.values), -1)]
    messages = [runs.messages.get(i, "") for i in range(len(runs.values))]
    return Block(np.hstack(columns), runs.status.tolist(), messages)


def _finished_blocks(plan: Plan, table: Array, done: Done, execution: Execution) -> Iterator[tuple[int, Block]]:
    """First row and result of each block as it ends, with a progress bar over the rows."""
    from tqdm import tqdm

    blocks = _blocks(np.flatnonzero(~done.finished), execution.count, LARGEST_BLOCK[plan.engine])
    work = make_work(plan.job, plan.reads, limits=plan.limits, engine=plan.engine, keep_courses=plan.stored)
    tasks = {i: (work, table[a:b]) for i, (a, b) in enumerate(blocks)}
    total, reused = len(table), int(done.finished.sum())
    with (
        tqdm(
            total=total, initial=reused, unit="run", disable=not execution.progress, file=sys.stderr, mininterval=0.5
        ) as bar,
        closing(results(tasks, execution.count, execution.executor)) as found,
    ):
        for i, result in found:
            a, b = blocks[i]
            yield a, _lost(plan, b - a, result) if isinstance(result, str) else result
            bar.update(b - a)


def _lost(plan: Plan, count: int, message: str) -> Block:
    shape = (count, 1 + len(plan.job.times), len(plan.job.columns))
    return Block(
        values=np.full((count, len(plan.reads)), np.nan),
        status=[WORKER_DIED] * count,
        messages=[message] * count,
        courses=np.full(shape, np.nan) if plan.stored else None,
    )


def _blocks(left: np.ndarray[tuple[int], np.dtype[np.int64]], workers: int, most: int) -> list[tuple[int, int]]:
    """The rows that are left as ranges of at most one block."""
    if len(left) == 0:
        return []
    size = max(1, min(most, len(left) // (4 * workers)))
    stretches = np.split(left, np.flatnonzero(np.diff(left) > 1) + 1)
    return [(int(a), min(int(a) + size, int(s[-1]) + 1)) for s in stretches for a in range(s[0], s[-1] + 1, size)]
