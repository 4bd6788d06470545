"""Write a PEtab problem (version 2): a model, its experiments with what was measured in them, and its parameters."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..modules.experiments import Experiments

YAML_FILE, MODEL_FILE = "problem.yaml", "model.xml"
_TABLES: Mapping[str, tuple[str, ...]] = {
    "parameter": (
        *("parameterId", "nominalValue", "lowerBound", "upperBound", "estimate"),
        *("priorDistribution", "priorParameters"),
    ),
    "condition": ("conditionId", "targetId", "targetValue"),
    "experiment": ("experimentId", "time", "conditionId"),
    "observable": ("observableId", "observableName", "observableFormula", "noiseFormula", "noiseDistribution"),
    "measurement": ("observableId", "experimentId", "time", "measurement"),
}


@dataclass(frozen=True, kw_only=True)
class ParameterRow:
    """A row of the parameter table; `prior` is the name of a law and its numbers."""

    id: str
    nominal: float
    low: float
    high: float
    estimate: bool
    prior: tuple[str, float, float] | None = None


def problem_files(
    sbml: str, experiments: Experiments, parameters: Sequence[ParameterRow], titles: Mapping[str, str]
) -> dict[str, str]:
    """File name -> text of the problem, from which `load_problem` reads the same experiments.

    All measurements of an observable have the same formula, noise and distribution. `titles`: observable -> its name in
    words. Source: PEtab 2.0, doi:10.1371/journal.pcbi.1008646 and petab.readthedocs.io.
    """
    conditions: dict[tuple[tuple[str, str], ...], str] = {}
    for _, periods in experiments.periods:
        for values in (p.values for p in periods if p.values):
            conditions.setdefault(values, f"condition_{len(conditions) + 1}")
    observables = {m.observable: (m.formula, m.noise_formula, m.distribution) for m in experiments.measurements}
    rows: Mapping[str, Iterable[Sequence[object]]] = {
        "parameter": [
            (p.id, p.nominal, p.low, p.high, str(p.estimate).lower(), law, ";".join(map(repr, numbers)))
            for p in parameters
            for law, *numbers in [p.prior or ("",)]
        ],
        "condition": [(name, key, text) for values, name in conditions.items() for key, text in values],
        "experiment": [(n, p.time, conditions.get(p.values, "")) for n, steps in experiments.periods for p in steps],
        "observable": [(key, titles.get(key, ""), *formulas) for key, formulas in observables.items()],
        "measurement": [(m.observable, m.experiment, m.time, m.measurement) for m in experiments.measurements],
    }
    tables = {f"{kind}s.tsv": table(columns, rows[kind]) for kind, columns in _TABLES.items()}
    return {YAML_FILE: _yaml(), MODEL_FILE: sbml, **tables}


def _yaml() -> str:
    lines = ["format_version: 2.0.0"]
    lines += [f"{kind}_files:\n  - {kind}s.tsv" for kind in _TABLES]
    lines += ["model_files:", "  model:", f"    location: {MODEL_FILE}", "    language: sbml"]
    return "\n".join(lines) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Tab-separated text; numbers with all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
