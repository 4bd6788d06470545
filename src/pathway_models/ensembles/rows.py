"""Run a block of rows: limits of a row, the ladder of attempts, the engines, and what a block gives back."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from .._types import Array, Brief
from ..errors import InvalidValueError, require_range
from ..simulation.job import Job, climb, retry_message
from ..simulation.tolerances import LADDER, MAX_STEPS, Attempt
from .outcomes import Outcome, reduce_courses

OK, RETRIED, FAILED, WORKER_DIED, TIMED_OUT = range(5)
STATUS = ("ok", "ok after a retry", "failed", "worker process died", "took too long")
SECONDS = 600.0
BATCH_ROWS_PER_ROW = 16  # that the batch engine does at least in the time of one of libroadrunner
Statuses: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
GRACE = 5.0  # seconds after twice the limit: then a worker of ours that is stuck in compiled code is ended


@dataclass(frozen=True, kw_only=True, repr=False)
class Limits(Brief):
    """What one row may cost, and how a row that fails is tried again.

    Attributes:
        steps: of the solver between two output points.
        seconds: of wall-clock time per attempt, after which the row counts as failed (the result then depends on the
            machine, so keep it generous).
        attempts: how a row is tried, one after the other until it succeeds.

    Raises:
        InvalidValueError: values out of range, no attempts.

    Example:
        >>> Limits(seconds=30, attempts=(Attempt(),)).steps
        20000
    """

    steps: int = MAX_STEPS
    seconds: float = SECONDS
    attempts: tuple[Attempt, ...] = LADDER

    def __post_init__(self) -> None:
        require_range("the limit of solver steps", self.steps, 1, 2**31 - 1)
        require_range("the limit of seconds per row", self.seconds, 1e-3, 1e7)
        if not self.attempts:
            raise InvalidValueError("attempts is empty; give at least one pathway_models.ensembles.Attempt()")


class Block(NamedTuple):
    """What a block of rows gives: `values` (rows x outcomes), status and message per row, cost, kept courses."""

    values: Array
    status: list[int]
    messages: list[str]
    seconds: float = 0.0  # of one core
    peak_bytes: int = 0  # largest memory of the process so far
    courses: Array | None = None  # (rows, 1 + times, columns): the values before treatment, then those at the times


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """The rows of a block as they ran: `courses` like those of `Block`, NaN where `status` is not OK or RETRIED."""

    courses: Array
    status: Statuses
    messages: list[str]

    @staticmethod
    def nothing(job: Job, rows: int) -> Runs:
        """No row has been run."""
        shape = (rows, 1 + len(job.times), len(job.columns))
        return Runs(courses=np.full(shape, np.nan), status=np.full(rows, FAILED), messages=[""] * rows)


class Engine(Protocol):
    """Runs the rows of a block, whose columns are what the job varies.

    A row must not depend on the rows around it, and a row that fails must not raise.
    """

    def __call__(self, job: Job, table: Array, limits: Limits) -> Runs: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What the rows of a task have in common; it goes to a worker once and is known there by its `key`."""

    key: str
    job: Job
    outcomes: tuple[Outcome, ...]
    limits: Limits = Limits()
    engine: str = "roadrunner"
    keep_courses: bool = False


def run_block(work: Work, table: Array) -> Block:
    """Outcomes, status and message of each row of a block; this is what a worker does."""
    began = time.thread_time()
    runs = ENGINES[work.engine](work.job, table, work.limits)
    values = np.full((len(table), len(work.outcomes)), np.nan)
    good = np.flatnonzero(runs.status <= RETRIED)
    try:
        with deadline(work.limits.seconds):
            values[good] = _numbers(work, runs, good)
    except Exception:  # an outcome that raises or never ends costs its row, not the block: the rows one by one
        for i in good.tolist():
            values[i] = _numbers_of_one(work, runs, i)
    _mark_unsound(work, runs, values)
    kept = None
    if work.keep_courses:
        kept = runs.courses
        kept[runs.status > RETRIED] = np.nan
    return Block(values, runs.status.tolist(), runs.messages, time.thread_time() - began, peak_memory(), kept)


def make_probe(job: Job, outcomes: tuple[Outcome, ...], limits: Limits, engine: str) -> Callable[[Array], Block]:
    """A function that runs rows here."""
    work = Work(key="", job=job, outcomes=outcomes, limits=limits, engine=engine)
    return lambda table: run_block(work, table)


def _numbers(work: Work, runs: Runs, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Array:
    courses = runs.courses if len(rows) == len(runs.courses) else runs.courses[rows]
    return reduce_courses(work.outcomes, work.job.columns, np.array(work.job.times), courses)


def _numbers_of_one(work: Work, runs: Runs, i: int) -> Array:
    """The outcomes of a row, NaN if one of them raises or takes too long; that is its status then."""
    try:
        with deadline(work.limits.seconds):
            return np.asarray(_numbers(work, runs, np.array([i]))[0])
    except RowTimeoutError:
        runs.status[i], runs.messages[i] = TIMED_OUT, f"the outcomes took longer than {work.limits.seconds:g} s"
    except Exception as error:
        runs.status[i], runs.messages[i] = FAILED, f"an outcome raised {type(error).__name__}: {error}"
    return np.full(len(work.outcomes), np.nan)


def _mark_unsound(work: Work, runs: Runs, values: Array) -> None:
    """Rows of which an outcome and its course are not finite have failed.

    That costs no other number of the row, but the row is none for an analysis of all outcomes.
    """
    places = [work.job.columns.index(o.variable) for o in work.outcomes]
    wild = ~np.isfinite(values) & (runs.status <= RETRIED)[:, None]
    for i in np.flatnonzero(wild.any(axis=1)):
        broken = np.any(~np.isfinite(runs.courses[i, 1:]), axis=0)[places]
        bad = {o.variable: None for o, unsound in zip(work.outcomes, wild[i] & broken, strict=True) if unsound}
        if bad:
            verb = "is" if len(bad) == 1 else "are"
            runs.status[i], runs.messages[i] = FAILED, f"{' and '.join(bad)} {verb} not finite"


def roadrunner_rows(job: Job, table: Array, limits: Limits) -> Runs:
    """The reference engine: libroadrunner, row by row."""
    runs = Runs.nothing(job, len(table))
    for i, row in enumerate(table):
        _climb(job, row, limits, runs, i)
    return runs


def batch_rows(job: Job, table: Array, limits: Limits) -> Runs:
    """The vectorised engine, many rows at once; a row that it cannot finish goes to libroadrunner."""
    from .._batch import run_rows

    seconds = limits.seconds * max(1.0, len(table) / BATCH_ROWS_PER_ROW)
    try:
        with deadline(seconds):
            courses, failed = run_rows(job, table, steps=limits.steps)
    except RowTimeoutError:
        courses = Runs.nothing(job, len(table)).courses
        failed = dict.fromkeys(range(len(table)), f"the block took longer than {seconds:g} s")
    runs = Runs(courses=courses, status=np.full(len(table), OK), messages=[""] * len(table))
    for i, reason in failed.items():
        _climb(job, table[i], limits, runs, i)
        if runs.status[i] == OK:
            runs.status[i] = RETRIED
        runs.messages[i] = runs.messages[i] or f"libroadrunner, after the batch engine: {reason}"
    return runs


ENGINES: dict[str, Engine] = {"roadrunner": roadrunner_rows, "batch": batch_rows}


def _climb(job: Job, row: Array, limits: Limits, runs: Runs, i: int) -> None:
    """Attempts up the ladder until one succeeds, into row i of `runs`; the message is that of the first failure."""
    runs.courses[i], runs.status[i] = np.nan, FAILED
    try:
        course, k, runs.messages[i] = climb(
            job, row, limits.attempts, steps=limits.steps, guard=lambda: deadline(limits.seconds)
        )
    except RowTimeoutError:
        runs.status[i], runs.messages[i] = TIMED_OUT, f"the run took longer than {limits.seconds:g} s"
        return
    if course is not None:
        runs.courses[i, 0], runs.courses[i, 1:] = course.before, course.values
        runs.status[i] = RETRIED if k else OK
        runs.messages[i] = retry_message(job, limits.attempts[k], k, runs.messages[i])


class RowTimeoutError(Exception):
    """A row used up its seconds; never leaves this package."""


_ours = False  # whether this process is a worker that we started and may end


def own_this_process() -> None:
    """Say that this process is a worker of ours, which a stuck row may take down."""
    global _ours
    _ours = True


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `RowTimeoutError` in the main thread after `seconds`.

    Python hears of the time only between calls into compiled code; the limit of steps bounds those. A worker of ours
    that does not come back at all is ended by a thread that needs no Python.
    """
    if _ours:
        faulthandler.dump_traceback_later(2 * seconds + GRACE, exit=True, file=_nowhere())
    alarmed = _alarm_is_free()
    try:
        if alarmed:
            signal.signal(signal.SIGALRM, _expired)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        if alarmed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if _ours:
            faulthandler.cancel_dump_traceback_later()


def _alarm_is_free() -> bool:
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def _expired(number: int, frame: FrameType | None) -> None:
    raise RowTimeoutError


_null: Any = None


def _nowhere() -> Any:
    global _null
    if _null is None:
        _null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 it lives as long as the process
    return _null


def peak_memory() -> int:
    """Largest memory of this process so far, in bytes; 0 where the system does not say.

    Linux hands the peak of a parent on to its children in `getrusage`, so that it is read elsewhere there.
    """
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as lines:
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
