"""Which engine runs an ensemble: libroadrunner, the reference, or the batch engine where it gives the same numbers.

The choice depends on the model, the schedule and the rows, never on time measured, on processes or on what a cache
holds: the same call gives the same bits anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .._formulas.start import start_values
from .._formulas.switches import clocks
from .._types import Array
from ..errors import InvalidValueError, ModelError
from ..simulation.job import Job
from .checkpoint import CheckpointError, read_record
from .rows import ENGINES, RETRIED, Limits, roadrunner_rows

ENGINE_NAMES = ("auto", *ENGINES)
FEWEST_ROWS = 64
PROBES = 3  # rows that are run in both engines
AGREEMENT = 10.0  # tolerances that the batch engine may be away from libroadrunner at a finer tolerance
FINER = 1e-2  # of the tolerance that is asked for
TINY = 1e-12  # a value that is computed, not integrated, and never larger than this counts as zero
WORTH = 2.0  # libroadrunner must need this many times the compilation: it may run on several cores
PHASES_OF_SETTLING = 5  # that the search for the steady state costs


class Choice(NamedTuple):
    """The engine that runs, and why."""

    engine: str
    reason: str


def choose(engine: str, job: Job, probes: Array, count: int, limits: Limits) -> Choice:
    """`engine` itself, or for 'auto' the batch engine if it pays, fits the model and agrees with libroadrunner.

    `probes` are a few of the `count` rows. Raises `InvalidValueError` if 'batch' is asked for and cannot run the model.
    """
    if engine == "batch" and (reason := _obstacle(job) or _quick_inputs(job, probes)):
        raise InvalidValueError(f"engine 'batch' cannot run this model ({reason}); allowed is engine='auto'")
    if engine != "auto":
        return Choice(engine, "asked for")
    if count < FEWEST_ROWS:
        return Choice("roadrunner", f"fewer than {FEWEST_ROWS} rows")
    if not _pays(job, count):
        return Choice("roadrunner", f"compiling takes longer than it saves for {count} rows")
    if reason := _obstacle(job) or _quick_inputs(job, probes):
        return Choice("roadrunner", reason)
    return _compared(job, probes, limits)


def some_rows(table: Array) -> Array:
    """The rows that are run in both engines: first, middle, last."""
    return np.asarray(table[np.unique(np.linspace(0, len(table) - 1, PROBES).astype(int))])


def recorded_engine(folder: Path | None) -> str | None:
    """The engine of a checkpoint folder; None if there is no readable record."""
    try:
        engine = "" if folder is None else str(read_record(folder).get("engine"))
    except CheckpointError:
        return None  # whoever opens the checkpoint says what is wrong with it
    return engine if engine in ENGINES else None


def _pays(job: Job, count: int) -> bool:
    """Whether the rows take libroadrunner clearly longer than compiling takes.

    Both in seconds of a core, fitted to our models (7 to 130 states, 1 and 40 phases).
    """
    states = len(job.scales)
    loop = count * (PHASES_OF_SETTLING + len(job.phases)) * (3e-5 * states + 7e-7 * states**2)
    return loop > WORTH * (0.4 + 0.02 * states + 4e-4 * states**2)


def _obstacle(job: Job) -> str:
    """Why the batch engine cannot take a model; empty if it can. Compiles it, so that workers need not."""
    try:
        from .._batch import compile_model  # here and not above: llvmlite costs a tenth of the import of the package

        for one in filter(None, (job, job.whole)):
            compile_model(one.sbml)
    except ImportError as error:
        return f"the batch engine needs llvmlite: {error}"
    except ModelError as error:
        return str(error)
    return ""


def _quick_inputs(job: Job, probes: Array) -> str:
    """A reason if inputs of the model change so quickly at times that a step could jump over them; else empty."""
    inputs = clocks(job.sbml)
    if inputs.none:
        return ""
    for row in probes:
        values = start_values(job.sbml).values(
            {**dict(job.settings), **dict(zip(job.varied, row.tolist(), strict=True))}
        )
        found = inputs.times(values, job.phases[-1].stop)
        moved = inputs.steady & {k for piece in job.phases for k, _ in (*piece.levels, *piece.doses)}
        if found.times or found.longest_step is not None or moved:
            return "its inputs switch or change quickly by themselves"
    return ""


# ---- comparison ----------------------------------------------------------------------------------------------------


def _compared(job: Job, probes: Array, limits: Limits) -> Choice:
    """The batch engine if its rows are near the exact solution, or nearer than those of libroadrunner."""
    from .._batch import compile_model, run_rows

    compiled = compile_model(job.sbml).plan
    floors = _floors(job, compiled.volumes, compiled.parameters, compiled.layout)
    wide = replace(job, columns=tuple(floors))
    ours, failed = run_rows(wide, probes, steps=limits.steps)
    exact = roadrunner_rows(wide.scaled(FINER), probes, limits)
    pairs = [k for k in range(len(probes)) if k not in failed and exact.status[k] <= RETRIED]
    if not pairs:
        return Choice("roadrunner", f"none of {len(probes)} rows ran in both engines")
    sizes = np.array(list(floors.values()))
    found = _worst(ours[pairs], exact.courses[pairs], sizes) / job.relative_tolerance
    if found <= AGREEMENT:
        return Choice("batch", f"within {max(found, 1.0):.0f} tolerances of libroadrunner in {len(pairs)} rows")
    plain = roadrunner_rows(wide, probes, limits)
    ran = [k for k in pairs if plain.status[k] <= RETRIED]
    theirs = _worst(plain.courses[ran], exact.courses[ran], sizes) / job.relative_tolerance
    if found <= theirs:
        return Choice("batch", f"{found:.0f} tolerances from the solution, libroadrunner {theirs:.0f}")
    return Choice("roadrunner", f"the batch engine differs by {found:.0f} tolerances, allowed are {AGREEMENT:.0f}")


def _floors(
    job: Job, volumes: Mapping[str, str], sizes: Mapping[str, float], layout: Sequence[str]
) -> dict[str, float]:
    """What is compared, the columns and all states, with the size below which a difference counts in full."""
    floors = dict.fromkeys(job.columns, TINY)
    for key, absolute in zip(layout, job.absolute, strict=True):
        floors[key] = absolute / job.relative_tolerance / (sizes[volumes[key]] if key in volumes else 1.0)
    return floors


def _worst(found: Array, exact: Array, floors: Array) -> float:
    """Largest difference in units of the largest value of a column in its course; infinite for no rows."""
    scale = np.abs(exact).max(axis=1, keepdims=True) + floors
    gaps = np.abs(found - exact) / scale
    return float(np.fmax.reduce(gaps, axis=None)) if len(found) else float("inf")
