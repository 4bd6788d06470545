"""One module folder as data: ports, parameters with their sources, hypotheses, the epilepsy overlay."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import _sbml
from ._types import Brief
from .errors import ModelError

LAWS = ("loguniform", "uniform", "lognormal", "normal", "fixed")
KINDS = ("measured", "derived", "fitted", "assumed")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A constant of a model: value, unit, range, and where it comes from."""

    id: str
    value: float
    unit: str
    kind: str  # one of KINDS, "gain" for the gain of a wire, "unknown" for a file without a table
    low: float | None = None
    high: float | None = None
    distribution: str = "fixed"  # one of LAWS
    source: str = ""
    note: str = ""
    module: str = ""

    @property
    def uncertain(self) -> bool:
        """Whether the parameter has a range to sample from."""
        return self.distribution != "fixed"


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a model: what it is, its unit, its value in health."""

    id: str
    title: str
    unit: str
    role: str  # "level" (a parameter that is set), "dose" (a species that is added to), "output"
    reference: float | None = None  # of outputs that have none
    low: float = float("-inf")
    high: float = float("inf")
    module: str = ""


def known(value: float) -> float | None:
    """The value; None where the file gives none. A NaN would make a copy of a port differ from it."""
    return None if value != value else value


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One reading of a contested mechanism: parameter settings, with the evidence for and against."""

    settings: Mapping[str, float]
    supports: tuple[str, ...] = ()
    opposes: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A contested mechanism as named alternatives, one of them the default."""

    id: str
    title: str
    default: str
    alternatives: Mapping[str, Alternative]
    module: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Module(Brief):
    """A module as its folder holds it; ids carry no module name here."""

    name: str
    title: str
    summary: str
    notes: str
    sbml: str
    parameters: tuple[Parameter, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    hypotheses: tuple[Hypothesis, ...]
    epilepsy: Mapping[str, float] = field(default_factory=dict)

    def prefixed(self) -> Module:
        """The same module with every id as it stands in a coupled model: `module__id`."""

        def long(item: Any) -> Any:
            return replace(item, id=f"{self.name}__{item.id}")

        def alternative(a: Alternative) -> Alternative:
            return replace(a, settings={f"{self.name}__{k}": v for k, v in a.settings.items()})

        return replace(
            self,
            parameters=tuple(map(long, self.parameters)),
            inputs=tuple(map(long, self.inputs)),
            outputs=tuple(map(long, self.outputs)),
            hypotheses=tuple(
                replace(h, alternatives={k: alternative(a) for k, a in h.alternatives.items()}) for h in self.hypotheses
            ),
            epilepsy={f"{self.name}__{k}": v for k, v in self.epilepsy.items()},
        )


def read_module(folder: Path) -> Module:
    """Read `model.xml`, `module.toml` and `parameters.tsv` of one folder; `ModelError` if they disagree."""
    name = folder.name
    text = _sbml.read_text(folder / "model.xml")
    found = _sbml.quantities(_sbml.parse(text, name=name), name=name)
    toml = tomllib.loads(_sbml.read_text(folder / "module.toml"))
    return Module(
        name=name,
        title=toml["title"],
        summary=toml["summary"],
        notes=toml.get("notes", ""),
        sbml=text,
        parameters=_read_parameters(folder / "parameters.tsv", found, name),
        inputs=tuple(_port(name, k, v, found, output=False) for k, v in toml["inputs"].items()),
        outputs=tuple(_port(name, k, v, found, output=True) for k, v in toml["outputs"].items()),
        hypotheses=tuple(_hypothesis(name, k, v) for k, v in toml.get("hypotheses", {}).items()),
        epilepsy={k: float(v["value"]) for k, v in toml.get("epilepsy", {}).items()},
    )


def _read_parameters(path: Path, found: Mapping[str, _sbml.Quantity], module: str) -> tuple[Parameter, ...]:
    rows = csv.DictReader(_sbml.read_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    parameters = []
    for row in rows:
        q = found.get(row["id"])
        if q is None or not q.constant:
            raise ModelError(f"{module}/parameters.tsv: {row['id']!r} is no constant of the model")
        if row["distribution"] not in LAWS or row["kind"] not in KINDS:
            raise ModelError(
                f"{module}/parameters.tsv: {row['id']!r} has distribution {row['distribution']!r} and kind "
                f"{row['kind']!r}; allowed are {', '.join(LAWS)} and {', '.join(KINDS)}"
            )
        low, high = (float(row[k]) if row[k] else None for k in ("low", "high"))
        parameters.append(
            Parameter(
                id=q.id,
                value=q.value,
                unit=q.unit,
                low=low,
                high=high,
                distribution=row["distribution"],
                kind=row["kind"],
                source=row["source"],
                note=row["note"],
                module=module,
            )
        )
    missing = {k for k, q in found.items() if q.constant and q.kind == "parameter"} - {p.id for p in parameters}
    if missing:
        raise ModelError(f"{module}/parameters.tsv: no row for {', '.join(sorted(missing))}")
    return tuple(parameters)


def _port(
    module: str, name: str, entry: Mapping[str, Any], found: Mapping[str, _sbml.Quantity], *, output: bool
) -> Port:
    if name not in found:
        raise ModelError(f"{module}/module.toml: port {name!r} is not in the model")
    q = found[name]
    role = "output" if output else ("dose" if q.kind == "species" else "level")
    return Port(
        id=name,
        title=entry["title"],
        unit=q.unit,
        role=role,
        reference=known(q.value),
        low=float(entry.get("low", "-inf")),
        high=float(entry.get("high", "inf")),
        module=module,
    )


def _hypothesis(module: str, name: str, entry: Mapping[str, Any]) -> Hypothesis:
    alternatives = {
        key: Alternative(
            settings={k: float(v) for k, v in a["settings"].items()},
            supports=tuple(a.get("for", ())),
            opposes=tuple(a.get("against", ())),
            note=a.get("note", ""),
        )
        for key, a in entry["alternatives"].items()
    }
    return Hypothesis(id=name, title=entry["title"], default=entry["default"], alternatives=alternatives, module=module)
