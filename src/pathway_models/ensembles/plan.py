"""What an ensemble runs, checked before it starts: rows, times, outcomes, limits, folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._types import Array
from ..errors import InvalidValueError, repr_short, require_numbers, require_range
from ..models.model import Model
from ..modules.flat import require_model
from ..simulation.job import Job, make_job
from ..simulation.phases import snap
from ..simulation.run import output_times
from ..simulation.tolerances import OF_ENSEMBLES, OF_ENSEMBLES_ELSEWHERE
from .execution import Execution
from .outcomes import Outcome, resolve_outcomes, times_needed, values_at
from .rows import Limits
from .study import Study

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = "Mapping[str, Sequence[float] | Array] | pd.DataFrame"  # column name -> values, one per row


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What an ensemble runs, apart from its rows."""

    model: Model
    job: Job
    outcomes: tuple[Outcome, ...]
    times: tuple[float, ...]
    length: float
    limits: Limits
    engine: str
    folder: Path | None
    stored: bool

    @property
    def reads(self) -> tuple[Outcome, ...]:
        """All columns that a row gives: the outcomes, then the values at the asked times."""
        return (*self.outcomes, *values_at(self.outcomes, self.times))


def make_plan(study: Study, names: tuple[str, ...], execution: Execution) -> Plan:
    """Everything but the rows, checked."""
    model, length = study.model, study.length
    found = resolve_outcomes(model, study.outcomes, length)
    asked = asked_times(study.times, length)
    reads = (*found, *values_at(found, asked))
    grid = _with_asked(output_times(model, length, study.every), asked, length)
    columns = dict.fromkeys(o.variable for o in reads)
    if execution.store:
        computed = [k for k, q in model.quantities.items() if q.ruled == "assignment"]
        columns |= dict.fromkeys((*model.states, *([p.id for p in model.output_ports] or computed)))
    job = make_job(
        model,
        study.treatments,
        duration=length,
        times=grid if execution.store else times_needed(reads, grid),
        columns=tuple(columns),
        start=study.start,
        rtol=execution.rtol,
        atol=execution.atol,
        varied=names,
        usual=OF_ENSEMBLES if model.context is not None else OF_ENSEMBLES_ELSEWHERE,
    )
    return Plan(
        model=model,
        job=job,
        outcomes=found,
        times=asked,
        length=length,
        limits=execution.limits,
        engine=execution.engine,
        folder=execution.folder,
        stored=execution.store,
    )


def _with_asked(grid: Array, asked: Sequence[float], length: float) -> Array:
    """The grid with the asked times, each of them once: 3*0.1 is no other time than 0.3."""
    wanted = frozenset(asked)
    return np.union1d([t for t in grid.tolist() if snap(t, length) not in wanted], asked)


def asked_times(times: Sequence[float], length: float) -> tuple[float, ...]:
    """Times within the run, as the solver meets them; raises `InvalidValueError` unless they increase."""
    asked = tuple(snap(require_range("a time", t, 0.0, length), length) for t in require_numbers("times", times))
    if any(b <= a for a, b in pairwise(asked)):
        raise InvalidValueError(f"times is {repr_short(list(asked))}; they must increase")
    return asked


# ---- tables --------------------------------------------------------------------------------------------------------


def check_table(model: Model, rows: Table) -> tuple[tuple[str, ...], Array]:
    """Parameter ids and values (rows x parameters) of a table; raises for what the model does not allow."""
    require_model(model)
    if not hasattr(rows, "items"):
        raise InvalidValueError(f"rows is {repr_short(rows)}; give {{name: [a value per row]}} or a table of pandas")
    columns: dict[str, Array] = {}
    for name, numbers in rows.items():
        key = model.resolve(str(name))
        if key in columns:
            raise InvalidValueError(f"two columns of the table stand for {key}")
        columns[key] = _column(key, numbers)
    if not columns:
        raise InvalidValueError("the table of rows has no columns; give at least one parameter")
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidValueError(f"columns of the table differ in length: {lengths}")
    return tuple(columns), check_rows(model, tuple(columns), np.column_stack(list(columns.values())))


def check_rows(model: Model, names: Sequence[str], table: Array) -> Array:
    """The values (rows x names) if the model allows the smallest and the largest of each name; raises if not."""
    for edges in (table.min(axis=0), table.max(axis=0)):
        model.with_parameters(dict(zip(names, edges.tolist(), strict=True)))
    return table


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
