"""Many parameter rows over an executor: blocks in a fixed order, failures recorded, a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._interventions import Treatment
from ._model import Model
from ._outcomes import Outcome, reduce_course, resolve_outcomes, times_needed
from ._simulate import Array, Job, adopt, compiled, make_job, output_times, run_job
from .errors import InvalidValueError, SimulationError

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = "Mapping[str, Sequence[float] | Array] | pd.DataFrame"  # column name -> values, one per row

OK, RETRIED, FAILED, WORKER_DIED = 0, 1, 2, 3
STATUS = ("ok", "ok after a retry with finer tolerance", "failed", "worker process died")
RELATIVE_TOLERANCE = 1e-6  # of ensembles: differences between rows are far larger; `simulate` takes 1e-8
RETRY_RELATIVE_TOLERANCE = 1e-8  # a finer tolerance takes shorter steps, which mends most failures
LARGEST_BLOCK = 32
DEFAULT_WEEKS = 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """Outcomes of many runs: `values` (rows x outcomes, NaN where a run failed), `status` per row, messages."""

    values: Array
    outcomes: tuple[Outcome, ...]
    status: np.ndarray[tuple[int], np.dtype[np.int64]]
    messages: Mapping[int, str]
    seconds: float

    @property
    def ok(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True for the rows that gave numbers."""
        return self.status <= RETRIED

    def to_dataframe(self) -> pd.DataFrame:
        """One row per run: a column per outcome, then status and message."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=[o.name for o in self.outcomes])
        frame["status"] = [STATUS[s] for s in self.status]
        frame["message"] = [self.messages.get(i, "") for i in range(len(frame))]
        return frame

    def report(self) -> str:
        """A sentence on the rows that failed, with the first message."""
        failed = int(np.sum(~self.ok))
        retried = int(np.sum(self.status == RETRIED))
        text = f"{len(self.status) - failed} of {len(self.status)} runs succeeded"
        text += f", {retried} of them after a retry" if retried else ""
        first = int(np.argmax(~self.ok))
        return text + (f"; {failed} failed, first row {first}: {self.messages[first]}" if failed else "")


def ensemble(
    model: Model,
    rows: Table,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    start: str = "auto",
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Ensemble:
    """Run `model` once per row of parameter values and reduce each run to its outcomes.

    `rows` maps parameter names to equally long columns. Each row starts from its own steady state. `workers` is the
    number of processes (default: all cores; 1 runs here), or hand in any `concurrent.futures.Executor`. A row that
    fails is recorded and never raises; the relative tolerance is 1e-6, and 1e-8 in a second try. Results do not
    depend on the number of processes. Raises `InvalidValueError` for an empty or ragged table and `UnknownNameError`
    for unknown names.

    >>> import pathway_models as pm
    >>> model = pm.load("acupuncture")
    >>> runs = pm.ensemble(model, {"efficacy": [0.0, 1.0]}, [pm.Electroacupuncture()], outcomes=["vagal_drive"],
    ...                    weeks=8, workers=1, progress=False)
    >>> bool(runs.values[0, 0] == 0 and runs.values[1, 0] > 0)
    True
    """
    names, table = _table(model, rows)
    length = default_duration(model, weeks, duration)
    found = resolve_outcomes(model, outcomes, length)
    times = times_needed(found, output_times(length, every))
    columns = tuple(dict.fromkeys(o.variable for o in found))
    job = make_job(model, treatments, duration=length, times=times, columns=columns, start=start)
    job = replace(job, relative_tolerance=RELATIVE_TOLERANCE)
    began = time.perf_counter()
    values, status, messages = _run_all(job, names, table, found, workers, executor, progress)
    seconds = time.perf_counter() - began
    return Ensemble(values=values, outcomes=found, status=status, messages=messages, seconds=seconds)


def default_duration(model: Model, weeks: float | None, duration: float | None) -> float:
    """Length of a run in model time; 12 weeks for our own models if nothing is said."""
    if weeks is None and duration is None and model.context is not None:
        weeks = DEFAULT_WEEKS
    return model.duration(weeks, duration)


def _table(model: Model, rows: Table) -> tuple[tuple[str, ...], Array]:
    columns: dict[str, Array] = {}
    for name, numbers in rows.items():
        key = model.resolve(str(name))
        if key in columns:
            raise InvalidValueError(f"two columns of the table stand for {key}")
        columns[key] = _column(key, numbers)
        for edge in (columns[key].min(), columns[key].max()):
            model.with_parameters({key: float(edge)})  # raises where the model does not allow the value
    if not columns:
        raise InvalidValueError("the table of rows has no columns; give at least one parameter")
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidValueError(f"columns of the table differ in length: {lengths}")
    return tuple(columns), np.column_stack(list(columns.values()))


def _column(key: str, numbers: object) -> Array:
    try:
        values = np.asarray(numbers, dtype=float)
    except (TypeError, ValueError):
        raise InvalidValueError(f"column {key} holds what is no number: {str(numbers)[:60]}") from None
    if values.ndim != 1 or values.size == 0:
        raise InvalidValueError(
            f"column {key} has shape {values.shape}; allowed is one dimension with 1 number or more"
        )
    if not np.isfinite(values).all():
        raise InvalidValueError(f"column {key} holds {values[~np.isfinite(values)][0]}; allowed are finite numbers")
    return values


BlockResult = tuple[Array, list[int], list[str]]


def run_block(job: Job, names: Sequence[str], table: Array, outcomes: Sequence[Outcome]) -> BlockResult:
    """Outcomes, status and message of each row of a block; this is what a worker does."""
    values = np.full((len(table), len(outcomes)), np.nan)
    status, messages = [], []
    for i, numbers in enumerate(table):
        row = dict(zip(names, map(float, numbers), strict=True))
        values[i], code, message = _run_row(job, row, outcomes)
        status.append(code)
        messages.append(message)
    return values, status, messages


def _run_row(job: Job, row: Mapping[str, float], outcomes: Sequence[Outcome]) -> tuple[Array, int, str]:
    message = ""
    attempts = ((OK, job), (RETRIED, replace(job, relative_tolerance=RETRY_RELATIVE_TOLERANCE)))
    for code, attempt in attempts:
        try:
            course = run_job(attempt, row)
        except SimulationError as error:
            message = str(error)
            continue
        return reduce_course(outcomes, job.columns, np.array(job.times), course), code, message
    return np.full(len(outcomes), np.nan), FAILED, message


def _run_all(
    job: Job,
    names: Sequence[str],
    table: Array,
    outcomes: Sequence[Outcome],
    workers: int | None,
    executor: Executor | None,
    progress: bool,
) -> tuple[Array, np.ndarray[tuple[int], np.dtype[np.int64]], dict[int, str]]:
    from tqdm import tqdm

    count = _worker_count(workers)
    blocks = _blocks(len(table), count)
    values = np.full((len(table), len(outcomes)), np.nan)
    status = np.full(len(table), WORKER_DIED)
    messages: dict[int, str] = {}
    tasks = {i: (job, tuple(names), table[a:b], tuple(outcomes)) for i, (a, b) in enumerate(blocks)}
    with tqdm(total=len(table), unit="run", disable=not progress, file=sys.stderr, mininterval=0.5) as bar:
        for i, result in _results(tasks, count, executor):
            a, b = blocks[i]
            if isinstance(result, str):
                messages |= dict.fromkeys(range(a, b), result)
            else:
                values[a:b], status[a:b] = result[0], result[1]
                messages |= {a + k: text for k, text in enumerate(result[2]) if text}
            bar.update(b - a)
    return values, status, messages


def _worker_count(workers: int | None) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        return cores
    if workers < 1 or workers != int(workers):
        raise InvalidValueError(f"workers is {workers}; allowed are whole numbers from 1")
    return int(workers)


def _blocks(rows: int, workers: int) -> list[tuple[int, int]]:
    size = max(1, min(LARGEST_BLOCK, rows // (4 * workers)))
    return [(a, min(a + size, rows)) for a in range(0, rows, size)]


Task = tuple[Job, tuple[str, ...], Array, tuple[Outcome, ...]]


def _results(
    tasks: Mapping[int, Task], workers: int, executor: Executor | None
) -> Iterator[tuple[int, BlockResult | str]]:
    """Results of all blocks as they end; a text for blocks that a broken executor of the user left undone."""
    left = dict(tasks)
    if isinstance(executor, ThreadPoolExecutor):
        raise InvalidValueError(
            "executor is a ThreadPoolExecutor; threads would share one compiled model: use processes"
        )
    if executor is not None:
        for i, result in _drain(executor, tasks):
            del left[i]
            yield i, result
        yield from ((i, "the executor broke before this row was done") for i in left)
        return
    if workers == 1 or len(tasks) == 1:
        yield from ((i, run_block(*task)) for i, task in tasks.items())
        return
    sbml = next(iter(tasks.values()))[0].sbml
    while left:
        with _pool(min(workers, len(left)), sbml) as pool:
            for i, result in _drain(pool, dict(left)):
                del left[i]
                yield i, result
        # a dead worker breaks its whole pool: look into the blocks that were running, then go on with the rest
        for i in sorted(left)[: workers + 1]:
            yield i, _row_by_row(left.pop(i))


def _row_by_row(task: Task) -> BlockResult:
    """A block during which a worker died, each row for itself, so that only the deadly ones are lost."""
    job, names, table, outcomes = task
    values = np.full((len(table), len(outcomes)), np.nan)
    status, messages = [WORKER_DIED] * len(table), ["the worker process died in this row"] * len(table)
    start = 0
    while start < len(table):
        rows = {k: (job, names, table[k : k + 1], outcomes) for k in range(start, len(table))}
        with _pool(1, job.sbml) as pool:
            done = dict(_drain(pool, rows))
        for k, (value, code, message) in done.items():
            values[k], status[k], messages[k] = value[0], code[0], message[0]
        start += len(done) + 1  # one worker takes the rows in order: the first one undone is the deadly one
    return values, status, messages


def _drain(pool: Executor, tasks: Mapping[int, Task]) -> Iterator[tuple[int, BlockResult]]:
    """Submit all tasks and yield what comes back; what a broken pool leaves undone is missing from it."""
    futures: dict[Future[BlockResult], int] = {}
    try:
        with _main_hidden(), suppress(BrokenExecutor):
            for i, task in tasks.items():
                futures[pool.submit(run_block, *task)] = i
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenExecutor):
                yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()


def _pool(workers: int, sbml: str) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    code = compiled(sbml)
    return ProcessPoolExecutor(max_workers=workers, mp_context=spawn, initializer=adopt, initargs=(sbml, code))


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep spawned workers from importing the user's script again.

    The workers need this package only. Without this a script without the `if __name__ == "__main__"` guard would
    start itself anew in every worker.
    """
    main = sys.modules["__main__"]
    saved: dict[str, Any] = {k: main.__dict__[k] for k in ("__file__", "__spec__") if k in main.__dict__}
    main.__dict__.pop("__file__", None)
    main.__dict__["__spec__"] = None
    try:
        yield
    finally:
        main.__dict__.update(saved)
