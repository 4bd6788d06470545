"""Execution: how runs are executed, and nothing of what is run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from .._types import Brief
from ..errors import InvalidValueError, Named, require_choice, require_kind
from ..simulation.tolerances import Tolerance
from .choice import ENGINE_NAMES
from .processes import own_pool, worker_count
from .rows import Limits

Folder: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True, repr=False)
class Execution(Brief, Named):
    """How runs are executed: on what, how exactly, with which limits, and what is kept. Results depend on no worker.

    Attributes:
        workers: number of processes (None: all cores; 1 runs here), or any `concurrent.futures.Executor`: processes,
            `dask.distributed.Client().get_executor()`, `mpi4py.futures.MPIPoolExecutor`, or threads: these start at
            once, but libroadrunner runs in one of them at a time, only the batch engine in all, and the seconds of
            `limits` do not count there.
        progress: whether a bar on stderr shows how far it is.
        checkpoint: folder to which finished blocks go; the same call resumes from there, if nobody else may write to
            its files.
        store: whether all states and outputs over time are kept in the checkpoint folder, for `with_outcomes`.
        engine: 'roadrunner' (the reference), 'batch' (vectorised machine code, many times faster; a row that it cannot
            finish goes to libroadrunner) or 'auto': batch from 64 rows on, or more where compiling would take longer
            than it saves, if the model fits it and three rows agree with libroadrunner. A checkpoint keeps its engine.
        rtol: relative tolerance of the solver (None: 1e-6 for our models, 1e-8 for others).
        atol: absolute tolerance, a number or one per state, in the unit of the state.
        limits: what one row may cost, and how a row that fails is tried again.

    Raises:
        InvalidValueError: for another engine or kind of value, and for `store` without a checkpoint.

    Example:
        >>> Execution(workers=1, engine="batch").engine
        'batch'
    """

    workers: int | Executor | None = None
    progress: bool = True
    checkpoint: Folder | None = None
    store: bool = False
    engine: str = "auto"
    rtol: float | None = None
    atol: Tolerance | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not isinstance(self.workers, Executor | None):
            worker_count(self.workers)
        require_choice("engine", self.engine, ENGINE_NAMES)
        require_kind("limits", self.limits, Limits, "Limits(seconds=60)")
        require_kind("checkpoint", self.checkpoint, (str, os.PathLike, type(None)), 'checkpoint="folder"')
        require_kind("progress", self.progress, bool, "progress=False")
        require_kind("store", self.store, bool, "store=True")
        if self.store and self.checkpoint is None:
            raise InvalidValueError("store=True needs a folder: give checkpoint=FOLDER")

    @property
    def count(self) -> int:
        """Number of processes of our own; what an executor has is not known."""
        return worker_count(None if isinstance(self.workers, Executor) else self.workers)

    @property
    def executor(self) -> Executor | None:
        """The user's executor, if there is one."""
        return self.workers if isinstance(self.workers, Executor) else None

    @property
    def folder(self) -> Path | None:
        """The checkpoint folder as a path."""
        return None if self.checkpoint is None else Path(self.checkpoint)


def execution_of(execution: Execution | None) -> Execution:
    """The execution that is asked for, by default all cores; `InvalidValueError` for anything else."""
    require_kind("execution", execution, (Execution, type(None)), "Execution(workers=4)")
    return Execution() if execution is None else execution


def execution_without_checkpoint(execution: Execution | None, what: str) -> Execution:
    """The execution; `InvalidValueError` for one with a checkpoint, which holds the rows of one ensemble alone."""
    on = execution_of(execution)
    if on.checkpoint is not None:
        raise InvalidValueError(f"checkpoint is {on.checkpoint}; {what} keeps none")
    return on


@contextmanager
def one_pool(execution: Execution, sbml: str) -> Iterator[Execution]:
    """The execution with one pool of our own for many calls, as starting processes takes seconds; the user's stays."""
    if execution.executor is not None or execution.count == 1:
        yield execution
        return
    with own_pool(execution.count, sbml) as pool:
        yield replace(execution, workers=pool)
