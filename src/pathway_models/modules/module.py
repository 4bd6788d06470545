"""One module folder as data: ports, parameters with their sources, hypotheses, the epilepsy overlay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from .._files.authored import read_rows, read_toml, short_path
from .._files.whole import read_text
from .._sbml import sbml as _sbml
from .._sbml.uncertainty import Kind, Law
from .._types import Brief
from ..errors import ModelError, unknown_name, warn

FAR = 1000.0  # times the usual value: a slip of the unit rather than another opinion


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A constant of a model: value, unit, range, and where it comes from.

    Attributes:
        id: as in the SBML.
        value: in `unit`.
        unit: as text.
        kind: of evidence (measured, derived, fitted, assumed), 'gain' of a wire, 'unknown' for a file without a table.
        low: lower end of the range in `unit`; None without a range.
        high: upper end.
        distribution: law of the range; 'fixed' without one.
        source: ids of rows of the evidence tables, joined by ;.
        note: the reasoning.
        module: name of the module that it belongs to.

    Example:
        >>> Parameter(id="k", value=1.0, unit="1/h", kind="assumed").uncertain
        False
    """

    id: str
    value: float
    unit: str
    kind: str
    low: float | None = None
    high: float | None = None
    distribution: str = "fixed"
    source: str = ""
    note: str = ""
    module: str = ""

    @property
    def uncertain(self) -> bool:
        """Whether the parameter has a range to sample from."""
        return self.distribution != "fixed"


def warn_far(p: Parameter, value: float) -> None:
    """A `ModelWarning` for a value beyond the range of a table that is `FAR` times the value there, or a part of it.

    0 is what a mechanism is switched off with, and says nothing of the size.
    """
    if p.kind == "unknown" or p.low is None or p.high is None or p.low <= value <= p.high or not (value and p.value):
        return
    if not 1 / FAR < abs(value / p.value) < FAR:
        warn(
            f"{p.id} is {value:g}, far outside of its range from {p.low:g} to {p.high:g} ({p.unit}; usual value "
            f"{p.value:g})"
        )


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a model: what it is, its unit, its value in health.

    Attributes:
        id: as in the SBML.
        title: what it is.
        unit: as text.
        role: 'level' (a parameter that is set), 'dose' (a species that is added to) or 'output'.
        reference: value in health, in `unit`; None for an output that has none.
        low: least value allowed of an input.
        high: largest value allowed.
        module: name of the module that it belongs to.

    Example:
        >>> import pathway_models as pm
        >>> pm.load("nlrp3_il1b").output_ports[0].role
        'output'
    """

    id: str
    title: str
    unit: str
    role: str
    reference: float | None = None
    low: float = float("-inf")
    high: float = float("inf")
    module: str = ""


def finite_or_none(value: float) -> float | None:
    """The value; None where the file gives none. A NaN would make a copy of a port differ from it."""
    return None if value != value else value


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One alternative of a contested mechanism: parameter settings, with the evidence for and against.

    Attributes:
        settings: constant -> its value under this alternative, in the unit of the constant.
        supports: ids of rows of the evidence tables that speak for it.
        opposes: ids of rows that speak against it.
        note: what to know of it.

    Example:
        >>> Alternative(settings={"gain": 0.0}).supports
        ()
    """

    settings: Mapping[str, float]
    supports: tuple[str, ...] = ()
    opposes: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A contested mechanism as named alternatives, one of them the default.

    Attributes:
        id: its name.
        title: what is contested.
        default: name of the alternative whose settings the published model has.
        alternatives: name -> `Alternative`.
        module: name of the module that it belongs to.

    Example:
        >>> import pathway_models as pm
        >>> found = pm.load("epilepsy_core").hypothesis_set[0]
        >>> found.default in found.alternatives
        True
    """

    id: str
    title: str
    default: str
    alternatives: Mapping[str, Alternative]
    module: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Module(Brief):
    """A module as its folder holds it; ids carry no module name here.

    Attributes:
        name: of its folder.
        title: what the module is.
        summary: what goes in, what happens, what comes out.
        notes: what to know before use.
        sbml: its SBML text.
        parameters: its constants.
        inputs: what wires and treatments drive.
        outputs: what wires and readers take.
        hypotheses: its contested mechanisms.
        epilepsy: id -> value in untreated epilepsy, of what differs there.

    Example:
        >>> import pathway_models as pm
        >>> pm.library().module("acupuncture").prefixed().parameters[0].id.partition("__")[0]
        'acupuncture'
    """

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


# ---- the files of a folder -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PortEntry:
    """[inputs.NAME] or [outputs.NAME] of module.toml."""

    title: Annotated[str, "what it is, and its value in health"]
    low: Annotated[float, "least value allowed of an input"] = float("-inf")
    high: Annotated[float, "largest value allowed of an input"] = float("inf")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AlternativeEntry:
    """[hypotheses.NAME.alternatives.NAME] of module.toml."""

    settings: Annotated[Mapping[str, float], "constant -> its value under this alternative"]
    for_: Annotated[tuple[str, ...], "rows of the evidence tables that speak for it"] = ()
    against: Annotated[tuple[str, ...], "rows of the evidence tables that speak against it"] = ()
    note: Annotated[str, "what to know of it"] = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HypothesisEntry:
    """[hypotheses.NAME] of module.toml."""

    title: Annotated[str, "what is contested"]
    default: Annotated[str, "the alternative whose settings model.ant has"]
    alternatives: Annotated[Mapping[str, AlternativeEntry], "the alternatives by name"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OverlayEntry:
    """[epilepsy.NAME] of module.toml: the value of a constant or an input in untreated epilepsy."""

    value: Annotated[float, "in the unit that it has in model.ant"]
    source: Annotated[str, "rows of the evidence tables, joined by ;"] = ""
    note: Annotated[str, "how the value follows from them"] = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModuleFile:
    """module.toml: what the names in model.ant are."""

    title: Annotated[str, "what the module is"]
    summary: Annotated[str, "for readers of the SBML: what goes in, what happens, what comes out"]
    notes: Annotated[str, "what to know before use"] = ""
    inputs: Annotated[Mapping[str, PortEntry], "what wires and treatments drive"] = field(default_factory=dict)
    outputs: Annotated[Mapping[str, PortEntry], "what wires and readers take"] = field(default_factory=dict)
    hypotheses: Annotated[Mapping[str, HypothesisEntry], "contested mechanisms"] = field(default_factory=dict)
    epilepsy: Annotated[Mapping[str, OverlayEntry], "what differs in untreated epilepsy"] = field(default_factory=dict)
    irreversible: Annotated[tuple[str, ...], "states that do not come back after a push"] = ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ParameterRow:
    """A row of parameters.tsv: a constant of model.ant."""

    id: Annotated[str, "its name in model.ant, which has its value and unit"]
    low: Annotated[float | None, "of its range; empty for the law fixed"]
    high: Annotated[float | None, "of its range; empty for the law fixed"]
    distribution: Annotated[Law, "the law of its range; of normal ones low and high are the 2.5 and 97.5 percentiles"]
    kind: Annotated[Kind, "where the value comes from; measured and derived need a source"]
    source: Annotated[str, "rows of the evidence tables, joined by ;"]
    note: Annotated[str, "the reasoning"]


def read_module(folder: Path, text: str | None = None) -> Module:
    """Read `module.toml` and `parameters.tsv` of one folder, and its SBML: the `text`, or `model.xml`.

    Raises `ModelError`, with file and key or line, for what the files may not hold and where they disagree.
    """
    name = folder.name
    text = read_text(folder / "model.xml") if text is None else text
    found = _sbml.quantities(_sbml.parse(text, name=name), name=name)
    made = read_module_file(folder)
    _check_names(made, found, short_path(folder / "module.toml"))
    return Module(
        name=name,
        title=made.title,
        summary=made.summary,
        notes=made.notes,
        sbml=text,
        parameters=_read_parameters(folder / "parameters.tsv", found, name),
        inputs=tuple(_port(name, k, v, found[k], output=False) for k, v in made.inputs.items()),
        outputs=tuple(_port(name, k, v, found[k], output=True) for k, v in made.outputs.items()),
        hypotheses=tuple(_hypothesis(name, k, v) for k, v in made.hypotheses.items()),
        epilepsy={k: v.value for k, v in made.epilepsy.items()},
    )


def read_module_file(folder: Path) -> ModuleFile:
    """The `module.toml` of a folder, by itself."""
    return read_toml(folder / "module.toml", ModuleFile)


def _check_names(made: ModuleFile, found: Mapping[str, _sbml.Quantity], file: str) -> None:
    """Every name in module.toml stands for something in the model, and every default is an alternative."""
    parameters = {k for k, q in found.items() if q.kind == "parameter" and not q.ruled}
    named: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("inputs", made.inputs, found),
        ("outputs", made.outputs, found),
        ("epilepsy", made.epilepsy, parameters),
        ("irreversible", made.irreversible, found),
    ]
    for name, h in made.hypotheses.items():
        named.append((f"hypotheses.{name}.default", [h.default], h.alternatives))
        for key, a in h.alternatives.items():
            named.append((f"hypotheses.{name}.alternatives.{key}.settings", a.settings, parameters))
    for place, names, known in named:
        for n in names:
            if n not in known:
                raise ModelError(f"{file}: {place}: {unknown_name('name', n, known)}")
    for name, port in made.inputs.items():
        if not port.low <= found[name].value <= port.high:
            held = f"{found[name].value:g}, its value in the model"
            raise ModelError(f"{file}: inputs.{name}: low {port.low:g} to high {port.high:g} must hold {held}")


def _read_parameters(path: Path, found: Mapping[str, _sbml.Quantity], module: str) -> tuple[Parameter, ...]:
    file, parameters = short_path(path), []
    for row in read_rows(path, ParameterRow):
        q = found.get(row.id)
        if q is None or not q.constant:
            raise ModelError(f"{file}: {row.id!r} is no constant of the model")
        _check_range(row, f"{file}: {row.id}")
        parameters.append(
            Parameter(
                id=q.id,
                value=q.value,
                unit=q.unit,
                low=row.low,
                high=row.high,
                distribution=row.distribution,
                kind=row.kind,
                source=row.source,
                note=row.note,
                module=module,
            )
        )
    missing = {k for k, q in found.items() if q.constant and q.kind == "parameter"} - {p.id for p in parameters}
    if missing:
        raise ModelError(f"{file}: no row for {', '.join(sorted(missing))}")
    return tuple(parameters)


def _check_range(row: ParameterRow, where: str) -> None:
    if row.distribution == "fixed":
        return
    if row.low is None or row.high is None or not -math.inf < row.low < row.high < math.inf:
        raise ModelError(f"{where}: the range is {row.low} to {row.high}; {row.distribution} needs low below high")
    if row.distribution.startswith("log") and row.low <= 0:
        raise ModelError(f"{where}: low is {row.low:g}; {row.distribution} needs a low end above 0")


def _port(module: str, name: str, entry: PortEntry, q: _sbml.Quantity, *, output: bool) -> Port:
    role = "output" if output else ("dose" if q.kind == "species" else "level")
    return Port(
        id=name,
        title=entry.title,
        unit=q.unit,
        role=role,
        reference=finite_or_none(q.value),
        low=entry.low,
        high=entry.high,
        module=module,
    )


def _hypothesis(module: str, name: str, entry: HypothesisEntry) -> Hypothesis:
    alternatives = {
        key: Alternative(settings=dict(a.settings), supports=a.for_, opposes=a.against, note=a.note)
        for key, a in entry.alternatives.items()
    }
    return Hypothesis(id=name, title=entry.title, default=entry.default, alternatives=alternatives, module=module)
