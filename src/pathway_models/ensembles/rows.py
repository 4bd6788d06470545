"""Run a block of rows: limits of a row, the ladder of attempts, the engines, and what a block gives back."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple, Protocol

import numpy as np

from .._types import Array
from ..errors import InvalidValueError, SimulationError, require_range
from ..simulation.job import Course, Job, climb, told
from ..simulation.tolerances import LADDER, MAX_STEPS, Attempt
from .outcomes import Outcome, reduce_course

OK, RETRIED, FAILED, WORKER_DIED, TIMED_OUT = range(5)
STATUS = ("ok", "ok after a retry", "failed", "worker process died", "took too long")
SECONDS = 600.0
BATCH_ROWS_PER_ROW = 16  # that the batch engine does at least in the time of one of libroadrunner
GRACE = 5.0  # seconds after twice the limit: then a worker of ours that is stuck in compiled code is ended


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one row may cost, and how a row that fails is tried again.

    `steps` of the solver between two output points; `seconds` of wall-clock time per attempt, after which the row
    counts as failed (the result then depends on the machine, so keep it generous). Raises `InvalidValueError` for
    values out of range.

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
            raise InvalidValueError("attempts is empty; give at least one pathway_models.Attempt()")


class Block(NamedTuple):
    """What a block of rows gives: `values` (rows x outcomes), status and message per row, cost, kept courses."""

    values: Array
    status: list[int]
    messages: list[str]
    seconds: float = 0.0  # of one core
    peak_bytes: int = 0  # largest memory of the process so far
    courses: Array | None = None  # (rows, 1 + times, columns): the values before treatment, then those at the times


Run = tuple[Course | None, int, str]


class Engine(Protocol):
    """Runs the rows of a block in order: for each its course (None where it failed), its status and a message.

    A row must not depend on the rows around it, and a row that fails must not raise.
    """

    def __call__(self, job: Job, names: Sequence[str], table: Array, limits: Limits) -> Iterable[Run]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What the rows of a task have in common; it goes to a worker once and is known there by its `key`."""

    key: str
    job: Job
    names: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    limits: Limits = Limits()
    engine: str = "roadrunner"
    keep_courses: bool = False


def run_block(work: Work, table: Array) -> Block:
    """Outcomes, status and message of each row of a block; this is what a worker does."""
    began = time.thread_time()
    job = work.job
    values = np.full((len(table), len(work.outcomes)), np.nan)
    shape = (len(table), 1 + len(job.times), len(job.columns))
    courses = np.full(shape, np.nan) if work.keep_courses else None
    status, messages = [], []
    for i, (course, code, message) in enumerate(ENGINES[work.engine](job, work.names, table, work.limits)):
        if course is not None:
            values[i], code, message = _reduced(work, course, code, message)
            if courses is not None and code <= RETRIED:
                courses[i, 0], courses[i, 1:] = course.before, course.values
        status.append(code)
        messages.append(message)
    return Block(values, status, messages, time.thread_time() - began, peak_memory(), courses)


def make_probe(
    job: Job, names: tuple[str, ...], outcomes: tuple[Outcome, ...], limits: Limits, engine: str
) -> Callable[[Array], Block]:
    """A function that runs rows here."""
    work = Work(key="", job=job, names=names, outcomes=outcomes, limits=limits, engine=engine)
    return lambda table: run_block(work, table)


def _reduced(work: Work, course: Course, code: int, message: str) -> tuple[Array, int, str]:
    """The outcomes of a course; an outcome that raises costs its row, not the ensemble."""
    nothing, columns = np.full(len(work.outcomes), np.nan), work.job.columns
    try:
        with deadline(work.limits.seconds):
            found = reduce_course(work.outcomes, columns, np.array(work.job.times), course)
    except RowTimeoutError:
        return nothing, TIMED_OUT, f"the outcomes took longer than {work.limits.seconds:g} s"
    except Exception as error:
        return nothing, FAILED, f"an outcome raised {type(error).__name__}: {error}"
    bad = {
        outcome.variable: None
        for outcome, number in zip(work.outcomes, found, strict=True)
        if not np.isfinite(number) and not np.isfinite(course.values[:, columns.index(outcome.variable)]).all()
    }
    if not bad:
        return found, code, message
    # what is not finite costs no other number of the row, but the row is none for an analysis of all outcomes
    return found, FAILED, f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite"


def roadrunner_rows(job: Job, names: Sequence[str], table: Array, limits: Limits) -> Iterator[Run]:
    """The reference engine: libroadrunner, row by row."""
    for numbers in table:
        yield _climb(job, dict(zip(names, map(float, numbers), strict=True)), limits)


def batch_rows(job: Job, names: Sequence[str], table: Array, limits: Limits) -> Iterator[Run]:
    """The vectorised engine, many rows at once; a row that it cannot finish goes to libroadrunner."""
    from .._batch import run_rows

    found: Sequence[Course | SimulationError]
    try:
        seconds = limits.seconds * max(1.0, len(table) / BATCH_ROWS_PER_ROW)
        with deadline(seconds):
            found = run_rows(job, names, table, steps=limits.steps)
    except RowTimeoutError:
        found = [SimulationError(f"the block took longer than {seconds:g} s")] * len(table)
    for course, numbers in zip(found, table, strict=True):
        if isinstance(course, Course):
            yield course, OK, ""
            continue
        again, code, message = _climb(job, dict(zip(names, map(float, numbers), strict=True)), limits)
        used = f"libroadrunner, after the batch engine: {course}"
        yield again, RETRIED if code == OK else code, message or used


ENGINES: dict[str, Engine] = {"roadrunner": roadrunner_rows, "batch": batch_rows}


def _climb(job: Job, row: Mapping[str, float], limits: Limits) -> Run:
    """Attempts up the ladder until one succeeds; the message is that of the first failure."""
    try:
        course, k, message = climb(
            job, row, limits.attempts, steps=limits.steps, guard=lambda: deadline(limits.seconds)
        )
    except RowTimeoutError:
        return None, TIMED_OUT, f"the run took longer than {limits.seconds:g} s"
    if course is None:
        return None, FAILED, message
    return course, RETRIED if k else OK, told(job, limits.attempts[k], k, message)


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
