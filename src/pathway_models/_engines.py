"""Which engine runs an ensemble: libroadrunner, the reference, or the batch engine where it gives the same numbers."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._rows import ENGINES, Limits
from ._simulate import Array, Course, Job
from .errors import ModelError

ENGINE_NAMES = ("auto", *ENGINES)
FEWEST_ROWS = 64  # below this, compiling costs more than it saves
PROBES = 3  # rows that are run in both engines
AGREEMENT = 100.0  # largest difference, in relative tolerances of the largest value of a variable in its course


class Choice(NamedTuple):
    """The engine that runs, and why it is not the other one."""

    engine: str
    reason: str


def choose(engine: str, job: Job, names: Sequence[str], table: Array, limits: Limits) -> Choice:
    """`engine` itself, or for 'auto' the batch engine if the model fits it and a few rows agree with libroadrunner."""
    if engine != "auto":
        return Choice(engine, "asked for")
    if len(table) < FEWEST_ROWS:
        return Choice("roadrunner", f"fewer than {FEWEST_ROWS} rows")
    if reason := _obstacle(job.sbml):
        return Choice("roadrunner", reason)
    probes = table[np.unique(np.linspace(0, len(table) - 1, PROBES).astype(int))]
    largest = _largest_difference(job, names, probes, limits)
    if largest > AGREEMENT:
        return Choice("roadrunner", f"the batch engine differs by {largest:.0f} tolerances")
    return Choice("batch", f"agrees with libroadrunner within {max(largest, 1.0):.0f} tolerances in {len(probes)} rows")


def _obstacle(sbml: str) -> str:
    """Why the batch engine cannot take a model; empty if it can."""
    try:
        batch = importlib.import_module(f"{__package__}._batch")
        batch.compile_model(sbml)
    except ImportError as error:
        return f"the batch engine needs llvmlite: {error}"
    except ModelError as error:
        return str(error)
    return ""


def _largest_difference(job: Job, names: Sequence[str], rows: Array, limits: Limits) -> float:
    """Of the rows, in relative tolerances; infinite if one engine fails where the other does not."""
    pairs = zip(*(ENGINES[e](job, names, rows, limits) for e in ("roadrunner", "batch")), strict=True)
    worst = 0.0
    for (ours, code, _), (theirs, other, _) in pairs:
        if code != other:
            return float("inf")
        if ours is not None and theirs is not None:
            worst = max(worst, _difference(ours, theirs) / job.relative_tolerance)
    return worst


def _difference(a: Course, b: Course) -> float:
    x, y = (np.vstack([c.before, c.values]) for c in (a, b))
    scale = np.maximum(np.abs(x).max(axis=0), 1e-9)
    return float(np.max(np.abs(x - y) / scale, initial=0.0))
