"""Measurements that come with a model, and the experiments that they were made in: start, schedule, prediction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._formulas.expression import formula
from .._sbml import sbml
from ..errors import ModelError, SimulationError, unknown_name
from ..modules.experiments import Experiments, Period
from ..modules.flat import FlatModel, M
from ..simulation.job import at_rest, make_job, run_job
from ..simulation.phases import snap_all
from ..simulation.run import output_times, solve, warn_of
from ..simulation.sizes import volumes
from ..simulation.tolerances import Tolerance
from ..treatments.schedule import Dose, Level, Treatment

if TYPE_CHECKING:
    import pandas as pd

REST = -math.inf  # the time of a period that lasts until the model rests
ROUNDING = 1e-18  # of a state's size; the search for a rest is exact to 5e-21 of it
AFTER = 1e-3  # of a run: how much longer it is where a level begins with the last measurement, and holds there
COLUMNS = ("observable", "experiment", "time", "measurement", "unit", "formula", "noise_formula", "distribution")


def measurement_table(model: FlatModel) -> pd.DataFrame:
    """See `Model.measurements`."""
    import pandas as pd

    found = model.experiment_set.measurements if model.experiment_set else ()
    return pd.DataFrame([{k: getattr(m, k) for k in COLUMNS} for m in found], columns=list(COLUMNS))


def experiment_table(model: FlatModel) -> pd.DataFrame:
    """See `Model.experiments`."""
    import pandas as pd

    found = model.experiment_set.periods if model.experiment_set else ()
    rows = [
        {"experiment": name, "time": period.time, "target": target, "value": value}
        for name, periods in found
        for period in periods
        for target, value in period.values or [("", "")]
    ]
    return pd.DataFrame(rows, columns=["experiment", "time", "target", "value"]).set_index("experiment")


# ---- one experiment as what simulate takes -----------------------------------------------------------------


def experiment(model: M, name: str) -> tuple[M, list[Treatment]]:
    """See `Model.experiment`."""
    periods = dict(model.experiment_set.periods if model.experiment_set else ())
    if name not in periods:
        raise unknown_name(f"experiment of {model.name}", name, periods)
    problem = _problem(model)
    variant = model if problem.in_file else with_start(model, _computed(model))
    rest: dict[str, float] = {}
    first, *later = periods[name]
    if first.time == REST:
        before = with_start(variant, _numbers(variant, first))
        try:
            rest = _rest(before)
        except SimulationError as error:
            raise SimulationError(f"experiment {name!r}, before it starts: {error}") from error
        variant = with_start(variant if problem.in_file else before, rest)
        first, *later = later or [Period(time=0.0, values=())]
    if first.time != 0:
        raise ModelError(f"experiment {name!r} starts at {first.time:g}; allowed are -inf (from rest) and 0")
    variant = with_start(variant, _numbers(variant, first))
    return variant, _schedule(variant, name, later)


def _rest(model: FlatModel) -> dict[str, float]:
    """All states at rest, where those that are nothing but the error of the search are 0.

    A run that starts there takes the values for the sizes of the states, and never ends with a size of 1e-27.
    """
    job = make_job(model, (), duration=1.0, times=np.zeros(1), columns=model.states, start="steady")
    found = dict(zip(model.states, map(float, run_job(job).before), strict=True))
    sizes = {k: size / v for (k, v), size in zip(volumes(job.sbml, model.settings).items(), job.scales, strict=True)}
    return {k: v if abs(v) > ROUNDING * sizes[k] else 0.0 for k, v in found.items()}


def _problem(model: FlatModel) -> Experiments:
    if model.experiment_set is None:
        raise ModelError(f"{model.name} has no experiments; load a PEtab problem")
    return model.experiment_set


def _computed(model: FlatModel) -> dict[str, float]:
    """What initial assignments give, as values: nothing that is set later moves them."""
    ids = sorted(k for k in sbml.content(model.sbml, model.name).initially_assigned if k in model.quantities)
    return _values_at_start(model, ids)


def _values_at_start(model: FlatModel, ids: Sequence[str]) -> dict[str, float]:
    if not ids:
        return {}
    job = make_job(model, (), duration=1.0, times=np.zeros(1), columns=ids, start="file")
    return dict(zip(ids, map(float, run_job(job).before), strict=True))


def with_start(model: M, values: Mapping[str, float]) -> M:
    """The model with those of the values that are its own; the others are for formulas only."""
    return model.with_parameters({k: v for k, v in values.items() if k in model.quantities})


def _numbers(model: FlatModel, period: Period) -> dict[str, float]:
    """The values of a period at the start of `model`."""
    constants = dict(_problem(model).constants)
    formulas = {target: formula(text) for target, text in period.values}
    names = sorted({n for f in formulas.values() for n in f.names if n not in constants and n != "time"})
    known = {**constants, "time": 0.0, **_values_at_start(model, names)}
    return {target: _number(f.at(known), target) for target, f in formulas.items()}


def _number(value: Any, target: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ModelError(f"the value of {target} comes out as {number}; allowed are finite numbers")
    return number


def _schedule(model: FlatModel, name: str, periods: Sequence[Period]) -> list[Treatment]:
    """What changes after the start: levels of constants until they change again, doses on states."""
    problem = _problem(model)
    fixed = (k for k, q in model.quantities.items() if k not in model.states and not q.ruled)
    now = {**{k: model.settings.get(k, model.quantities[k].value) for k in fixed}, **dict(problem.constants)}
    changes: dict[str, list[tuple[float, float]]] = {}
    doses: dict[tuple[str, float], list[float]] = {}
    for period in periods:
        found: dict[str, float] = {}
        for target, text in period.values:
            where = f"experiment {name!r} at time {period.time:g}"
            if target not in model.states:
                found[target] = _constant(text, now, f"{where}: the value {text!r} of {target}")
                changes.setdefault(target, []).append((period.time, found[target]))
                continue
            added = re.fullmatch(rf"\s*{re.escape(target)}\s*\+(.+)", text)
            if added is None:
                raise ModelError(f"{where} sets the state {target} to {text!r}; allowed is to add: '{target} + amount'")
            amount = _constant(added[1], now, f"{where}: the amount {added[1].strip()!r} added to {target}")
            doses.setdefault((target, amount), []).append(period.time)
        now |= found
    ends = {key: [t for t, _ in steps[1:]] + [None] for key, steps in changes.items()}
    schedule: list[Treatment] = [
        Level(input=key, value=value, at=start, until=stop)
        for key, steps in changes.items()
        for (start, value), stop in zip(steps, ends[key], strict=True)
    ]
    return schedule + [Dose(input=key, amount=size, times=tuple(times)) for (key, size), times in doses.items()]


def _constant(text: str, known: Mapping[str, float], what: str) -> float:
    unknown = sorted(formula(text).names - set(known))
    if unknown:
        raise ModelError(f"{what} names {unknown[0]}, which is no constant; allowed are constants and numbers")
    return _number(formula(text).at(known), what)


# ---- measurements and predictions --------------------------------------------------------------------------


def predictions(
    model: FlatModel, experiments: Iterable[str] | None, rtol: float | None, atol: Tolerance | None
) -> pd.DataFrame:
    """See `Model.predictions`."""
    table = measurement_table(model)
    names = list(dict.fromkeys(table["experiment"]))
    wanted = names if experiments is None else list(experiments)
    for name in wanted:
        if name not in names:
            raise unknown_name(f"experiment of {model.name}", name, names)
    table = table[table["experiment"].isin(wanted)].assign(prediction=np.nan, noise=np.nan)
    for name, rows in table.groupby("experiment"):
        values = _course(model, str(name), rows, rtol, atol)
        for column, text in (("prediction", "formula"), ("noise", "noise_formula")):
            for wording, members in rows.groupby(text):
                known = {k: v.loc[members.index].to_numpy() for k, v in values.items() if k in formula(wording).names}
                table.loc[members.index, column] = formula(wording).at(known)
    return table


def _course(
    model: FlatModel, name: str, rows: pd.DataFrame, rtol: float | None, atol: Tolerance | None
) -> dict[str, pd.Series[float]]:
    """The values of everything that the formulas of the rows of one experiment name, one per row."""
    import pandas as pd

    problem = _problem(model)
    texts = {*rows["formula"], *rows["noise_formula"]}
    names = set().union(*(formula(t).names for t in texts))
    variant, schedule = experiment(model, name)
    last = dict(problem.periods)[name][-1]
    own = tuple((k, text) for k, text in last.values if k not in model.quantities)
    constants = {**dict(problem.constants), **_numbers(variant, replace(last, values=own))}
    columns = sorted(k for k in names if k not in constants and k != "time")
    values = pd.DataFrame({k: constants.get(k, np.nan) for k in names}, index=rows.index, dtype=float)
    values["time"] = rows["time"]
    finite = np.isfinite(rows["time"])
    try:
        if columns and finite.any():
            times = rows["time"][finite].to_numpy()
            values.loc[finite, columns] = _reached(variant, schedule, times, columns, rtol, atol)
        if columns and not finite.all():
            if schedule:
                raise SimulationError("a measurement at rest follows later periods; allowed are periods at -inf and 0")
            values.loc[~finite, columns] = list(at_rest(variant, columns).values())
    except SimulationError as error:
        raise SimulationError(f"experiment {name!r}: {error}") from error
    return {str(k): values[k] for k in values}


def _reached(
    model: FlatModel,
    schedule: Sequence[Treatment],
    wanted: Any,
    columns: Sequence[str],
    rtol: float | None,
    atol: Tolerance | None,
) -> Any:
    """The columns at the wanted times, in their order; run through the grid of `simulate`, whose limits it shares."""
    last = float(wanted.max()) or 1.0
    begins = {item.at for item in schedule if isinstance(item, Level)}
    duration = (1 + AFTER) * last if last in begins else last
    reached = snap_all(wanted, duration)
    times = np.unique([*snap_all(output_times(model, duration, None), duration), *reached])
    job = make_job(model, schedule, duration=duration, times=times, columns=columns, start="file", rtol=rtol, atol=atol)
    run = solve(job)
    warn_of(model, job, run)
    return run.course.values[np.searchsorted(times, reached)]
