"""A scenario as a PEtab problem (version 2): the model at rest, and its schedule as the periods of an experiment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from ..models.model import Model
from ..treatments.schedule import Treatment
from .archive import main_variables
from .scenario import Change, untreated_sbml

if TYPE_CHECKING:
    import xarray as xr

STEPS = 48
NOISE = 0.1  # of the largest value of an observable: a place to put that of one's data
EXPERIMENT = "scenario"
MODEL_FILE = "model.xml"
_FILES = ("parameter", "condition", "experiment", "observable", "measurement")


def petab_files(model: Model, treatments: Sequence[Treatment], duration: float) -> dict[str, str]:
    """File name -> text of the problem.

    The SBML holds the model at rest, without treatment. Levels are values of condition targets, a dose adds to its
    target (`session + 1.0`), at time 0 to its value at rest. Measurements are what `simulate` computes for the main
    variables, so that a reader can compare; the constants with a range are parameters that are not estimated. Raises
    as `scenario_sbml` and `simulate`. Source: PEtab 2.0, doi:10.1371/journal.pcbi.1008646.
    """
    text, start, changes = untreated_sbml(model, treatments, duration)
    # an experiment begins with its first period, so there is one at 0 even if nothing is changed there
    periods = [(0.0, {k: repr(float(v)) for k, v in start.items()})]
    periods += [(time, dict(map(_change, group))) for time, group in groupby(changes, lambda c: c.time)]
    conditions = _distinct([targets for _, targets in periods])
    run = model.simulate(treatments, duration=duration, every=duration / STEPS)
    names = main_variables(model, [str(v) for v in run.data_vars])
    targets = {t for c in conditions for t in dict(c)}
    return {
        "problem.yaml": _yaml(),
        MODEL_FILE: text,
        "parameters.tsv": _parameters(model, targets),
        "conditions.tsv": _table(
            ("conditionId", "targetId", "targetValue"),
            ((name, k, v) for c, name in conditions.items() for k, v in c),
        ),
        "experiments.tsv": _table(
            ("experimentId", "time", "conditionId"),
            [(EXPERIMENT, repr(float(t)), conditions.get(tuple(c.items()), "")) for t, c in periods],
        ),
        "observables.tsv": _observables(run, names),
        "measurements.tsv": _measurements(run, names),
    }


def _change(change: Change) -> tuple[str, str]:
    value = repr(float(change.value))
    return change.target, f"{change.target} + {value}" if change.adds else value


def _distinct(periods: Sequence[Mapping[str, str]]) -> dict[tuple[tuple[str, str], ...], str]:
    """Condition -> its id; periods with the same changes share one."""
    unique = dict.fromkeys(tuple(p.items()) for p in periods if p)
    return {condition: f"condition_{number}" for number, condition in enumerate(unique, 1)}


def _parameters(model: Model, targets: set[str]) -> str:
    rows = [
        (p.id, repr(float(model.settings.get(p.id, p.value))), repr(float(p.low)), repr(float(p.high)), "false")
        for p in model.parameters_
        if p.low is not None and p.high is not None and p.id not in targets
    ]
    return _table(("parameterId", "nominalValue", "lowerBound", "upperBound", "estimate"), rows)


def _observables(run: xr.Dataset, names: Sequence[str]) -> str:
    largest = {n: float(np.max(np.abs(run[n].values))) or 1.0 for n in names}
    rows = [
        (f"observable_{n}", str(run[n].attrs.get("long_name", n)), n, repr(NOISE * largest[n]), "normal") for n in names
    ]
    return _table(
        ("observableId", "observableName", "observableFormula", "noiseFormula", "noiseDistribution"),
        rows,
    )


def _measurements(run: xr.Dataset, names: Sequence[str]) -> str:
    rows = (
        (f"observable_{n}", EXPERIMENT, repr(float(t)), repr(float(v)))
        for n in names
        for t, v in zip(run["time"].values, run[n].values, strict=True)
    )
    return _table(("observableId", "experimentId", "time", "measurement"), rows)


def _yaml() -> str:
    lines = ["format_version: 2.0.0"]
    lines += [f"{kind}_files:\n  - {kind}s.tsv" for kind in _FILES]
    lines += ["model_files:", "  model:", f"    location: {MODEL_FILE}", "    language: sbml"]
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
