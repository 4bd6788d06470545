"""How the constants of the models follow from the evidence: formulas over rows of the tables, evaluated.

A module's `derivations.toml` holds what is not simply the number of a row: a table for each constant, with a formula
over named inputs (or a function of `fits`), each of them a row, another constant, or a number of its own with a unit.
A measured constant that is not there is the value of the first row in its `source`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._files.authored import read_toml_tables, short_path
from .._files.data import sbml_root
from .._formulas.expression import formula
from .._types import Frozen
from ..errors import InvalidValueError, ModelError, unknown_name
from ..models.collection import OURS
from ..models.model import Model
from ..modules.module import Parameter
from .fits import FUNCTIONS
from .tables import evidence_rows, split_cell
from .units import convert

if TYPE_CHECKING:
    import pandas as pd

Column: TypeAlias = Literal["value", "low", "high", "error", "n", "duration_days", "fold"]
UNITS_OF: Mapping[str, str] = {"n": "1", "duration_days": "day", "fold": "1"}  # of a column; else that of the row
NUMBER = r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
READING = "published"  # the input of a constant that is the number of its row


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InputEntry:
    """An input as `derivations.toml` writes it: from a row of the evidence, another constant, or a value of its own.

    Of a row it is the column `read` ('fold': treated over untreated, whether printed as fold or percent change), or the
    N in the pattern `says`, which stands in the words of the row, in `unit`. `into` is the unit in which it enters the
    formula; without it the number enters as printed. Without a formula it is in the unit of the constant.
    """

    row: str = ""
    constant: str = ""
    value: float | None = None
    read: Column = "value"
    says: str = ""
    unit: str = ""
    into: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DerivationEntry:
    """[CONSTANT] of derivations.toml; without formula and function the constant is its only input."""

    inputs: Mapping[str, InputEntry]
    formula: str = ""
    function: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """A number that goes into a derivation.

    Attributes:
        name: in the formula.
        source: an evidence id, a constant (`module.constant`), or empty for an assumption.
        value: in `unit`.
        unit: as text.

    Example:
        >>> derivation("mtor_autophagy.Kd_rapamycin_MTORC1").inputs[0].source
        'mtor_autophagy:MTA_P188'
    """

    name: str
    source: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """How a constant follows from the evidence.

    Attributes:
        constant: `module.constant`.
        kind: of evidence, such as 'measured' or 'derived'.
        unit: of the constant, as text.
        formula: over the names of the inputs.
        inputs: the numbers that go into it.
        computed: what they give, in `unit`.
        value: what the model has, in `unit`.
        note: the reasoning.

    Example:
        >>> round(derivation("mtor_autophagy.Kd_rapamycin_MTORC1").computed, 4)
        11.4583
    """

    constant: str
    kind: str
    unit: str
    formula: str
    inputs: tuple[Ingredient, ...]
    computed: float
    value: float
    note: str

    def __str__(self) -> str:
        lines = [f"{self.constant} = {self.formula}", f"  = {self.computed:.6g} {self.unit} (model: {self.value:g})"]
        units = {i.name: "" if i.unit == "1" else f" {i.unit}" for i in self.inputs}
        lines += [f"  {i.name} = {i.value:.6g}{units[i.name]}  {i.source or 'assumed'}" for i in self.inputs]
        return "\n".join([*lines, f"  {self.note}"] if self.note else lines)


def derivation(constant: str) -> Derivation:
    """How a constant of the library follows from the evidence.

    Args:
        constant: `module.constant`; measured, derived, or one that repeats a constant of another module.

    Returns:
        Formula, inputs with their evidence ids, values and units, what they give, and the value in the model.

    Raises:
        UnknownNameError: A constant that is not there.
        InvalidValueError: A constant that is assumed, and follows from nothing.

    Example:
        >>> print(derivation("mtor_autophagy.Kd_rapamycin_MTORC1"))
        mtor_autophagy.Kd_rapamycin_MTORC1 = dissociation / association
          = 11.4583 nmol/L (model: 11.5)
          dissociation = 79.2 1/h  mtor_autophagy:MTA_P188
          association = 6.912 1/(nM h)  mtor_autophagy:MTA_P187
          Dissociation over association.
    """
    module, _, key = constant.partition(".")
    if module not in OURS.modules:
        raise unknown_name("module", module, OURS.modules)
    if key not in _constants(module):
        raise unknown_name(f"constant of {module}", key, _constants(module))
    parameter, entry = _constants(module)[key], _entry(module, key)
    if entry is None:
        raise InvalidValueError(f"{constant} is {parameter.kind}: nothing gives its value; its note: {parameter.note}")
    return _Rule(module=module, parameter=parameter, entry=entry).derived()


def derivations(model: Model) -> pd.DataFrame:
    """All constants of a model of the library that follow from the evidence, beside what the model has.

    Args:
        model: A model of the library, with its own settings.

    Returns:
        One row per constant, index `constant` (`module.constant`): kind, formula, sources (joined by ', '), computed,
        value (in the model as it stands), unit, note.

    Raises:
        ModelError: a table of derivations that breaks its schema.

    Example:
        >>> import pathway_models as pm
        >>> table = derivations(pm.load("acupuncture"))
        >>> table.loc["acupuncture.tau_plastic_trace", ["computed", "value"]].tolist()
        [840.0, 840.0]
    """
    import pandas as pd

    rows = {}
    for p in model.constants:
        module, _, key = p.id.partition("__") if "__" in p.id else (model.name, "", p.id)
        if module in OURS.modules and key in _constants(module) and _entry(module, key) is not None:
            d = derivation(f"{module}.{key}")
            sources = ", ".join(dict.fromkeys(i.source for i in d.inputs if i.source))
            value = model.settings.get(p.id, p.value)
            row = {"kind": d.kind, "formula": d.formula, "sources": sources, "computed": d.computed, "value": value}
            rows[d.constant] = row | {"unit": d.unit, "note": d.note}
    columns = ["kind", "formula", "sources", "computed", "value", "unit", "note"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("constant")


@cache
def _constants(module: str) -> Mapping[str, Parameter]:
    return Frozen({p.id: p for p in OURS.module(module).parameters})


@cache
def entries(module: str) -> Mapping[str, DerivationEntry]:
    """The derivations.toml of a module, by constant; empty where it has none."""
    path = sbml_root() / "modules" / module / "derivations.toml"
    if not path.exists():
        return Frozen({})
    found = read_toml_tables(path, DerivationEntry)
    for key in found:
        if key not in _constants(module):
            raise ModelError(f"{short_path(path)}: {unknown_name('constant', key, _constants(module))}")
    return Frozen(found)


def _entry(module: str, key: str) -> DerivationEntry | None:
    """The entry of a constant; a measured one without is the value of its first row."""
    p = _constants(module)[key]
    if key in entries(module) or p.kind != "measured":
        return entries(module).get(key)
    return DerivationEntry(inputs={READING: InputEntry(row=split_cell(p.source)[0])})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _Rule:
    """One entry of derivations.toml, with the constant that it is for."""

    module: str
    parameter: Parameter
    entry: DerivationEntry

    def derived(self) -> Derivation:
        """What the entry gives."""
        inputs = tuple(self._ingredient(k, i) for k, i in self.entry.inputs.items())
        p = self.parameter
        return Derivation(
            constant=f"{self.module}.{p.id}",
            kind=p.kind,
            unit=p.unit,
            formula=self._text(),
            inputs=inputs,
            computed=self._computed({i.name: i.value for i in inputs}),
            value=p.value,
            note=self.entry.note,
        )

    def _text(self) -> str:
        names = list(self.entry.inputs)
        return f"{self.entry.function}({', '.join(names)})" if self.entry.function else self.entry.formula or names[0]

    def _computed(self, values: Mapping[str, float]) -> float:
        entry = self.entry
        if entry.function:
            if entry.function not in FUNCTIONS:
                raise self._error(str(unknown_name("function", entry.function, FUNCTIONS)))
            return FUNCTIONS[entry.function](**values)
        read = formula(self._text())
        if read.names != set(values):
            raise self._error(f"the formula names {sorted(read.names)}, the inputs are {sorted(values)}")
        return float(read.at(values))

    def _ingredient(self, name: str, entry: InputEntry) -> Ingredient:
        if entry.value is not None:
            return Ingredient(name=name, source="", value=entry.value, unit=entry.unit)
        if entry.constant:
            p = self._other(entry.constant)
            return Ingredient(name=name, source=entry.constant, value=p.value, unit=p.unit)
        value, unit = self._read(entry)
        into = entry.into or ("" if self.entry.formula or self.entry.function else self.parameter.unit)
        if into:
            value, unit = convert(value, unit, into), into
        return Ingredient(name=name, source=entry.row, value=value, unit=unit)

    def _other(self, constant: str) -> Parameter:
        module, _, key = constant.partition(".")
        if module not in OURS.modules or key not in _constants(module):
            raise self._error(f"{constant!r} is no constant of the library; write module.constant")
        return _constants(module)[key]

    def _read(self, entry: InputEntry) -> tuple[float, str]:
        """A number of a row as printed, and its unit."""
        if entry.row not in split_cell(self.parameter.source):
            raise self._error(f"{entry.row!r} is no source of it; parameters.tsv has {self.parameter.source!r}")
        row = evidence_rows(OURS)[entry.row]
        if entry.says:
            return self._said(entry, " | ".join(v for k, v in row.items() if k != "id")), entry.unit or "1"
        if entry.read != "fold":
            return self._number(entry, row), UNITS_OF.get(entry.read, row["unit"])
        if row.get("metric") not in ("fold", "percent_change"):
            raise self._error(f"{entry.row} is no fold and no percent change, but {row.get('metric')!r}")
        value = self._number(replace(entry, read="value"), row)
        return (value if row["metric"] == "fold" else 1 + value / 100), "1"

    def _number(self, entry: InputEntry, row: Mapping[str, str]) -> float:
        try:
            return float(row[entry.read])
        except (KeyError, ValueError):
            raise self._error(f"{entry.row} has no number in {entry.read!r}, but {row.get(entry.read)!r}") from None

    def _said(self, entry: InputEntry, words: str) -> float:
        """The number that stands in the words of a row: `says`, in which a lone N is the number."""
        found = re.search(re.sub(r"(?<![A-Za-z])N(?![A-Za-z])", lambda _: NUMBER, entry.says), words)
        if not found:
            raise self._error(f"{entry.row} does not say {entry.says!r}: {words}")
        return float(found[1])

    def _error(self, text: str) -> ModelError:
        return ModelError(f"modules/{self.module}/derivations.toml: {self.parameter.id}: {text}")
