"""Many parameter rows over an executor: blocks, failures recorded, a progress bar, a folder to resume from."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Brief
from ..errors import AccuracyWarning, InvalidValueError
from ..models.model import Model
from ..simulation.run import absolute_tolerances, unsolved_switches
from ..simulation.tolerances import ALLOWED_ERROR, Tolerance
from ..treatments.schedule import Treatment
from .accuracy import accuracy, below_zero, outcome_errors
from .checkpoint import Checkpoint, Counts, Done, described, versions
from .choice import Choice, choose, recorded_engine, some_rows
from .outcomes import Outcome, resolve_outcomes, values_at
from .plan import Folder, Plan, Table, asked_times, check_table, default_duration, make_plan
from .processes import make_work, results, worker_count
from .rows import FAILED, OK, RETRIED, STATUS, TIMED_OUT, WORKER_DIED, Block, Limits, peak_memory
from .store import reduce_stored, write_courses

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FAILED",
    "OK",
    "RETRIED",
    "STATUS",
    "TIMED_OUT",
    "WORKER_DIED",
    "Ensemble",
    "default_duration",
    "ensemble",
]


LARGEST_BLOCK = {"roadrunner": 32, "batch": 256}  # lanes idle at the end of a block, so that long ones are better

ENGINE_TITLES = {"roadrunner": "libroadrunner", "batch": "the batch engine"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an ensemble took: rows run and taken over, wall-clock and core seconds, largest memory of a process.

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
    """Outcomes of many runs: `values` (rows x outcomes, NaN where a run failed), `status` per row, messages.

    `over_time` (rows x courses x `times`) holds the variables of the outcomes at the asked times. `engine` ran the
    rows, for `engine_reason`, at these tolerances (per state in its unit). `numerical_error` per outcome is in units of
    its spread over the rows, NaN where it is not known.
    """

    values: Array
    outcomes: tuple[Outcome, ...]
    status: Counts
    messages: Mapping[int, str]
    seconds: float
    times: tuple[float, ...] = ()
    over_time: Array | None = None
    cost: Cost | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    plan: Plan | None = field(default=None, repr=False)
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

        Raises `InvalidValueError` unless the ensemble was run with `store="timecourses"`, or if a variable was not
        stored; `UnknownNameError` for unknown names.
        """
        plan = self.plan
        if plan is None or not plan.stored or plan.folder is None:
            raise InvalidValueError('no time courses: run with checkpoint=FOLDER and store="timecourses"')
        found = resolve_outcomes(plan.model, outcomes, plan.length)
        other = replace(plan, outcomes=found, times=asked_times(times, plan.length))
        return _assembled(self, other, reduce_stored(plan.folder, other.reads, self.ok))


def ensemble(
    model: Model,
    rows: Table,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    times: Sequence[float] = (),
    start: str = "auto",
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    limits: Limits | None = None,
    checkpoint: Folder | None = None,
    store: str | None = None,
    engine: str = "auto",
    rtol: float | None = None,
    atol: Tolerance | None = None,
) -> Ensemble:
    """Run `model` once per row of parameter values and reduce each run to its outcomes.

    `rows` maps parameter names to equally long columns. Each row starts from its own steady state. `times` (model
    time) also gives the variables of the outcomes at these times (`over_time`). `workers` is the number of processes
    (default: all cores; 1 runs here), or hand in any `concurrent.futures.Executor`: processes, the executor of
    `dask.distributed`, `mpi4py.futures.MPIPoolExecutor`, or threads: these start at once, but libroadrunner runs in
    one of them at a time, only the batch engine in all, and the seconds of `limits` do not count there. A row that
    fails is tried again as `limits` says, then recorded, and never raised. Results do not depend on the number of
    processes. With `checkpoint` finished blocks go to that folder, and the same call resumes from there, if nobody
    else may write to its files; `store="timecourses"` keeps all states and outputs over time in it, for
    `with_outcomes`.

    `engine` is 'roadrunner' (the reference), 'batch' (vectorised machine code, many times faster; a row that it cannot
    finish goes to libroadrunner) or 'auto': batch from 64 rows on, or more where compiling would take longer than it
    saves, if the model fits it and three rows agree with libroadrunner. A checkpoint keeps its engine. `rtol` (default
    1e-6 for our models, 1e-8 for others) and `atol` (a number, or one per state, in the unit of the state) are the
    tolerances of the solver; one to three rows run again at a hundredth of them tell the numerical error, and a warning
    (`AccuracyWarning`) comes where it is above 1e-3 of the spread of an outcome.

    Raises `InvalidValueError` for an empty or ragged table, a checkpoint of other runs and a model that the engine
    'batch' cannot run, `UnknownNameError` for unknown names, `CheckpointError` for a folder that cannot be written (a
    full disk).

    >>> import pathway_models as pm
    >>> model = pm.load("acupuncture")
    >>> runs = pm.ensemble(model, {"efficacy": [0.0, 1.0]}, [pm.Electroacupuncture()], outcomes=["vagal_drive"],
    ...                    weeks=8, workers=1, progress=False)
    >>> bool(runs.values[0, 0] == 0 and runs.values[1, 0] > 0)
    True
    """
    names, table = check_table(model, rows)
    plan = make_plan(
        model,
        names,
        treatments,
        outcomes=outcomes,
        length=default_duration(model, weeks, duration),
        every=every,
        times=times,
        start=start,
        limits=limits,
        checkpoint=checkpoint,
        store=store,
        engine=engine,
        rtol=rtol,
        atol=atol,
    )
    return execute(plan, table, workers=workers, executor=executor, progress=progress)


def execute(
    plan: Plan,
    table: Array,
    *,
    workers: int | None,
    executor: Executor | None,
    progress: bool,
    before: Ensemble | None = None,
) -> Ensemble:
    """Run the rows of `table` that neither the checkpoint nor `before` (the first rows) has."""
    began, count = time.perf_counter(), worker_count(workers)
    choice = _engine(plan, table, before)
    plan = replace(plan, engine=choice.engine)
    spec = described(plan.job, plan.reads, plan.limits, plan.engine, plan.stored)
    folder = None if plan.folder is None else Checkpoint(plan.folder, spec, table)
    done = Done.nothing(len(table), len(plan.reads)) if folder is None else folder.load(len(plan.reads))
    if before is not None:
        done.put(0, _as_block(before))
    reused = int(done.finished.sum())
    spent = [0.0, float(peak_memory())]
    for a, block in _finished_blocks(plan, table, done, count, executor, progress):
        if folder is not None:
            folder.save(a, block, int(done.finished.sum()), _writer(plan))
        done.put(a, block)
        spent = [spent[0] + block.seconds, max(spent[1], block.peak_bytes)]
    cost = Cost(
        run=len(table) - reused,
        reused=reused,
        seconds=time.perf_counter() - began,
        core_seconds=spent[0],
        peak_bytes=int(spent[1]),
        workers=count,
    )
    runs = Ensemble(
        values=done.values,
        outcomes=plan.outcomes,
        status=done.status,
        messages=done.messages,
        seconds=cost.seconds,
        cost=cost,
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


def _finished_blocks(
    plan: Plan, table: Array, done: Done, workers: int, executor: Executor | None, progress: bool
) -> Iterator[tuple[int, Block]]:
    """First row and result of each block as it ends, with a progress bar over the rows."""
    from tqdm import tqdm

    blocks = _blocks(np.flatnonzero(~done.finished), workers, LARGEST_BLOCK[plan.engine])
    work = make_work(plan.job, plan.reads, limits=plan.limits, engine=plan.engine, keep_courses=plan.stored)
    tasks = {i: (work, table[a:b]) for i, (a, b) in enumerate(blocks)}
    total, reused = len(table), int(done.finished.sum())
    with (
        tqdm(total=total, initial=reused, unit="run", disable=not progress, file=sys.stderr, mininterval=0.5) as bar,
        closing(results(tasks, workers, executor)) as found,
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


class _Writer:
    """Writes the courses of a block."""

    def __init__(self, plan: Plan) -> None:
        self.job = plan.job
        known = plan.model.quantities
        self.units = [known[c].unit if c in known else "" for c in plan.job.columns]

    def __call__(self, path: Path, start: int, block: Block) -> None:
        write_courses(path, start, block, self.job, self.units)


def _writer(plan: Plan) -> _Writer:
    return _Writer(plan)
