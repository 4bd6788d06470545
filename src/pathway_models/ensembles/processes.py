"""Blocks over any `concurrent.futures.Executor`: our own processes, dask, MPI; a dead worker costs one block retried.

What the rows have in common (model text, schedule, outcomes) goes to a worker once: a task is a key and its rows, and
a worker that does not know the key says so and gets the rest. Workers may be threads, of this process or of a dask
worker: libroadrunner runs one row at a time there, the batch engine one block per thread.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from .._sbml.native import turns
from .._types import Array
from ..errors import InvalidValueError, require_count, require_kind
from ..simulation.job import Job
from ..simulation.runner import SETTLE_HORIZONS, adopt, machine_code
from .outcomes import Outcome
from .rows import GRACE, TIMED_OUT, WORKER_DIED, Block, Limits, Work, own_this_process, run_block

Task = tuple[Work, Array]
AHEAD = 4  # blocks handed in per worker of our own pool
FAR_AHEAD = 4096  # blocks handed in to a user's executor, of which we do not know the size
HELD = 256  # works that a worker remembers
LEAK = 128  # bytes that libroadrunner 2.10.0 keeps of every call of simulate, whatever its size
GROWTH = 64 * 2**20  # bytes that a worker may grow by before a fresh one takes its place
LOST_BY_NAME = ("KilledWorker",)  # of dask, which is not imported for it

_held: OrderedDict[str, Work] = OrderedDict()
_holding = turns()
_spawning = turns()


def make_work(
    job: Job,
    outcomes: tuple[Outcome, ...],
    *,
    limits: Limits | None = None,
    engine: str = "roadrunner",
    keep_courses: bool = False,
) -> Work:
    """A work with a key that stands for all of its content; raises `InvalidValueError` for what cannot travel."""
    parts = (job, outcomes, limits or Limits(), engine, keep_courses)
    try:
        key = hashlib.sha256(pickle.dumps(parts)).hexdigest()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidValueError(
            f"an outcome cannot travel to other processes ({error}); define its class at the top of a module"
        ) from error
    return Work(
        key=key,
        job=job,
        outcomes=outcomes,
        limits=limits or Limits(),
        engine=engine,
        keep_courses=keep_courses,
    )


def run_range(key: str, work: Work | None, table: Array) -> Block | None:
    """What a worker does with a task; None if it does not know the work."""
    if work is not None:
        _hold(work)
    known = work or _held.get(key)
    return None if known is None else run_block(known, table)


def _hold(work: Work) -> None:
    sys.intern(work.job.sbml)
    with _holding:
        _held[work.key] = work
        while len(_held) > HELD:
            _held.popitem(last=False)


def worker_count(workers: int | None) -> int:
    """Number of processes: as asked, else all cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers is None:
        return cores
    return require_count("workers", workers)


def results(
    tasks: Mapping[int, Task], workers: int, executor: Executor | None
) -> Generator[tuple[int, Block | str], None, None]:
    """Results of all blocks as they end; a text for blocks that a broken executor of the user left undone."""
    if executor is not None:
        require_kind("executor", executor, Executor, "concurrent.futures.ProcessPoolExecutor()")
        yield from _elsewhere(executor, tasks, workers)
    elif workers == 1 or len(tasks) <= 1:
        yield from ((i, run_block(work, table)) for i, (work, table) in tasks.items())
    else:
        yield from _in_own_processes(tasks, workers)


def _elsewhere(executor: Executor, tasks: Mapping[int, Task], workers: int) -> Iterator[tuple[int, Block | str]]:
    """On an executor of the user's: a lost block goes in once more, row by row; dask replaces its dead workers."""
    left = dict(tasks)
    for i, block in _drain(executor, tasks, ahead=FAR_AHEAD, introduced=workers):
        del left[i]
        yield i, block
    for i, (work, table) in left.items():
        rows = {k: (work, table[k : k + 1]) for k in range(len(table))}
        found = dict(_drain(executor, rows, ahead=len(rows), introduced=len(rows)))
        yield i, _joined(found, len(table)) if found else "the executor broke before this row was done"


def _joined(rows: Mapping[int, Block], count: int) -> Block:
    """Blocks of one row each as one block; what is missing has died."""
    first = next(iter(rows.values()))
    missing = Block(
        values=first.values * float("nan"),
        status=[WORKER_DIED],
        messages=["the worker process died in this row"],
        courses=None if first.courses is None else first.courses * float("nan"),
    )
    return join_blocks([rows.get(k, missing) for k in range(count)])


def join_blocks(blocks: list[Block]) -> Block:
    """Blocks one after the other as one."""
    import numpy as np

    kept = [b.courses for b in blocks if b.courses is not None]
    return Block(
        values=np.concatenate([b.values for b in blocks]),
        status=[s for b in blocks for s in b.status],
        messages=[m for b in blocks for m in b.messages],
        seconds=sum(b.seconds for b in blocks),
        peak_bytes=max(b.peak_bytes for b in blocks),
        courses=np.concatenate(kept) if len(kept) == len(blocks) else None,
    )


def _in_own_processes(tasks: Mapping[int, Task], workers: int) -> Iterator[tuple[int, Block]]:
    left = dict(tasks)
    while left:
        work = next(iter(left.values()))[0]
        part = _for_fresh_workers(left, work, workers)
        with own_pool(min(workers, len(part)), work.job.sbml) as pool:
            for i, block in _drain(pool, part, ahead=AHEAD * workers, introduced=workers):
                del left[i], part[i]
                yield i, block
        # a dead worker breaks its whole pool: look into the blocks that were running, then go on with the rest
        for i in sorted(part)[: workers + 1]:
            yield i, _row_by_row(left.pop(i))


def _for_fresh_workers(left: Mapping[int, Task], work: Work, workers: int) -> dict[int, Task]:
    """The next tasks for which workers stay small enough."""
    rows = workers * GROWTH // (LEAK * (len(work.job.phases) + len(SETTLE_HORIZONS)))
    part: dict[int, Task] = {}
    for i, task in left.items():
        if rows <= 0:
            break
        part[i] = task
        rows -= len(task[1])
    return part


def _row_by_row(task: Task) -> Block:
    """A block during which a worker died, each row for itself, so that only the deadly ones are lost."""
    work, table = task
    done: dict[int, Block] = {}
    start = 0
    while start < len(table):
        rows = {k: (work, table[k : k + 1]) for k in range(start, len(table))}
        with own_pool(1, work.job.sbml) as pool:
            began = time.monotonic()
            for k, block in _drain(pool, rows, ahead=len(rows), introduced=1):
                done[k], began, start = block, time.monotonic(), k + 1
        if start < len(table):  # one worker takes the rows in order: the first one undone is the deadly one
            done[start] = _dead_row(work, time.monotonic() - began)
            start += 1
    return join_blocks([done[k] for k in range(len(table))])


def _dead_row(work: Work, seconds: float) -> Block:
    import numpy as np

    late = seconds >= 2 * work.limits.seconds + GRACE
    message = f"the run took longer than {work.limits.seconds:g} s" if late else "the worker process died in this row"
    shape = (1, 1 + len(work.job.times), len(work.job.columns))
    return Block(
        values=np.full((1, len(work.outcomes)), np.nan),
        status=[TIMED_OUT if late else WORKER_DIED],
        messages=[message],
        courses=np.full(shape, np.nan) if work.keep_courses else None,
    )


def _drain(pool: Executor, tasks: Mapping[int, Task], *, ahead: int, introduced: int) -> Iterator[tuple[int, Block]]:
    """Hand in tasks and yield what comes back; what a lost worker leaves undone is missing from it.

    `ahead` tasks are handed in at most; the first `introduced` ones of each work carry the work with them.
    """
    waiting, ended = list(reversed(list(tasks))), SimpleQueue[Future[Block | None]]()
    under_way: dict[Future[Block | None], int] = {}
    sent: dict[str, int] = {}

    def hand_in(i: int, *, full: bool) -> bool:
        work, table = tasks[i]
        sent[work.key] = sent.get(work.key, 0) + 1
        try:
            with _ready_to_spawn():
                future = pool.submit(run_range, work.key, work if full else None, table)
        except RuntimeError as error:  # BrokenExecutor is one
            return _refused(error, pool)
        under_way[future] = i
        future.add_done_callback(ended.put)
        return True

    try:
        while True:
            while waiting and len(under_way) < ahead:
                i = waiting.pop()
                if not hand_in(i, full=sent.get(tasks[i][0].key, 0) < introduced):
                    waiting.clear()
            if not under_way:
                return
            future = ended.get()
            i = under_way.pop(future)
            block = _result(future)
            if isinstance(block, Block):
                yield i, block
            elif block is None and not hand_in(i, full=True):
                waiting.clear()
    finally:
        for future in under_way:
            future.cancel()


def _refused(error: RuntimeError, pool: Executor) -> bool:
    """False for a broken executor; one that was shut down is the caller's mistake."""
    if isinstance(error, BrokenExecutor):
        return False
    raise InvalidValueError(f"the executor {type(pool).__name__} takes no tasks: {error}") from error


LOST = "lost"


def _result(future: Future[Block | None]) -> Block | str | None:
    """The block; None where the worker asks for the work; `LOST` where it died. Other errors are raised."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        return LOST
    except Exception as error:
        if type(error).__name__ in LOST_BY_NAME:
            return LOST
        raise


# ---- our own processes ---------------------------------------------------------------------------------------------


@contextmanager
def own_pool(workers: int, sbml: str) -> Iterator[Executor]:
    """Spawned processes that hold the compiled model; they end at once if we are interrupted."""
    from concurrent.futures import ProcessPoolExecutor  # here and not above: it starts with sockets and queues

    spawn = multiprocessing.get_context("spawn")
    with _luggage(sbml) as luggage:
        pool = ProcessPoolExecutor(max_workers=workers, mp_context=spawn, initializer=_begin, initargs=(luggage,))
        try:
            yield pool
        except BaseException:
            _end_processes(pool)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, kw_only=True)
class Luggage:
    """A file with a model's text and then its machine code: where it lies, its digest, the bytes of the text."""

    path: str
    digest: bytes
    text: int

    def unpacked(self) -> tuple[str, bytes] | None:
        """Text and machine code; None if the file is not what was written. The digest came through the pipe."""
        try:
            data = Path(self.path).read_bytes()
        except OSError:
            return None
        same = hashlib.sha256(data).digest() == self.digest
        return (data[: self.text].decode(), data[self.text :]) if same else None


@contextmanager
def _luggage(sbml: str) -> Iterator[Luggage | None]:
    """What a worker starts with, in a file: more than a pipe holds would make workers start one after the other."""
    text, path = sbml.encode(), ""
    data = text + machine_code(sbml)
    try:
        try:
            with tempfile.NamedTemporaryFile(prefix="pathway_models_", delete=False) as file:
                path = file.name
                file.write(data)
        except OSError:  # no room for it: then each worker compiles the text that comes with its first task
            yield None
        else:
            yield Luggage(path=path, digest=hashlib.sha256(data).digest(), text=len(text))
    finally:
        if path:
            with suppress(OSError):
                os.unlink(path)


def _begin(luggage: Luggage | None) -> None:
    """First thing in a worker: take over the model, leave the terminal alone, follow the parent into death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C and ends us
    own_this_process()
    _mute_compiled_code()
    threading.Thread(target=_follow_parent, daemon=True).start()
    found = luggage and luggage.unpacked()
    if found:
        adopt(*found)


def _mute_compiled_code() -> None:
    """What Python prints still reaches the terminal; what compiled code writes to file descriptors 1 and 2 does not."""
    null = os.open(os.devnull, os.O_WRONLY)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            continue
        stream.flush()
        setattr(sys, name, os.fdopen(os.dup(descriptor), "w", buffering=1, encoding="utf-8", errors="replace"))
        os.dup2(null, descriptor)
    os.close(null)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        from multiprocessing.connection import wait

        wait([parent.sentinel])
        os._exit(1)


def _end_processes(pool: Executor) -> None:
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()


@contextmanager
def _ready_to_spawn() -> Iterator[None]:
    """While tasks are handed in: workers start without Ctrl-C and without the user's script.

    A pool starts its processes at the first task. They need this package only; without this a script without the
    `if __name__ == "__main__"` guard would start itself anew in every worker. Ctrl-C is only put off in this process.
    """
    main = sys.modules["__main__"]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    with _spawning:  # a second thread would save what the first one has put there
        saved: dict[str, Any] = {k: main.__dict__[k] for k in ("__file__", "__spec__") if k in main.__dict__}
        main.__dict__.pop("__file__", None)
        main.__dict__["__spec__"] = None
        try:
            yield
        finally:
            main.__dict__.update(saved)
            if blocked is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
