"""Stored time courses: one netCDF file per block of rows, from which new outcomes are computed without simulating."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .._types import Array
from ..errors import InvalidValueError
from ..simulation.job import Job
from .checkpoint import content, courses_beside, damage_error, read_rows
from .outcomes import Outcome, reduce_courses
from .rows import Block

Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]


def write_courses(path: Path, start: int, block: Block, job: Job, units: Sequence[str]) -> None:
    """The courses of a block: variables over (row, time), and `<name>_before` over row; netCDF 3, any reader opens it.

    Dimensions: `row` counts from 0 over the whole ensemble, `time` is in model time.
    """
    from scipy.io import netcdf_file

    courses = block.courses
    assert courses is not None
    with netcdf_file(os.fspath(path), "w", version=2) as file:
        file.createDimension("row", len(courses))
        file.createDimension("time", len(job.times))
        file.createVariable("row", "i4", ("row",))[:] = np.arange(start, start + len(courses))
        file.createVariable("time", "f8", ("time",))[:] = np.array(job.times)
        file.createVariable("status", "i4", ("row",))[:] = np.array(block.status)
        for j, name in enumerate(job.columns):
            variable = file.createVariable(name, "f8", ("row", "time"))
            variable[:] = courses[:, 1:, j]
            variable.units = units[j]
            file.createVariable(f"{name}_before", "f8", ("row",))[:] = courses[:, 0, j]
    with open(path, "rb") as written:
        os.fsync(written.fileno())


def reduce_stored(folder: Path, outcomes: Sequence[Outcome], good: Mask) -> Array:
    """Outcomes (rows x outcomes) of the stored courses of the `good` rows; NaN in the others.

    Raises `InvalidValueError` if a variable was not stored or the courses of a good row are not there, and
    `CheckpointError` for a file that is damaged or not ours.
    """
    columns = tuple(dict.fromkeys(o.variable for o in outcomes))
    values = np.full((len(good), len(outcomes)), np.nan)
    missing = good.copy()
    for path in sorted(folder.glob("rows-*.npz")):
        rows = read_rows(path)
        stored = courses_beside(path)
        if not rows.courses or not stored.exists():
            continue
        start, data = rows.start, content(stored)
        if hashlib.sha256(data).hexdigest() != rows.courses:
            raise damage_error(stored, path)
        times, courses, fine = _read(data, folder, columns)
        inside = slice(start, start + len(fine))
        wanted = good[inside] & fine[: len(good[inside])]
        kept = np.flatnonzero(wanted)
        values[start + kept] = reduce_courses(outcomes, columns, times, courses[kept])
        missing[inside] &= ~wanted
    if missing.any():
        raise InvalidValueError(
            f"{folder} holds no courses of {int(missing.sum())} rows, first row {int(np.argmax(missing))}"
        )
    return values


def _read(data: bytes, folder: Path, columns: Sequence[str]) -> tuple[Array, Array, Mask]:
    """Times, courses (rows x (before treatment, then the times) x columns), and which rows ran."""
    from scipy.io import netcdf_file

    with netcdf_file(io.BytesIO(data), "r", mmap=False) as file:
        stored = [n for n in file.variables if n not in ("row", "time", "status") and not n.endswith("_before")]
        absent = [c for c in columns if c not in stored]
        if absent:
            raise InvalidValueError(f"{absent[0]} was not stored in {folder}; there are {', '.join(stored)}")
        times = np.array(file.variables["time"][:], dtype=np.float64)
        parts = [np.column_stack([file.variables[f"{c}_before"][:], file.variables[c][:]]) for c in columns]
        fine = np.array(file.variables["status"][:]) <= 1
    return times, np.stack(parts, axis=-1).astype(np.float64), fine
