"""Low-level reading, checking and rewriting of SBML text through libSBML; no knowledge of our own models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from ._native import libsbml
from .errors import ModelError

# (multiplier to SI, ((base unit, exponent), ...)) -> the text that a modeller writes
_UNIT_TEXT = {
    (1.0, ()): "dimensionless",
    (3600.0, (("second", 1),)): "h",
    (1 / 3600.0, (("second", -1),)): "1/h",
    (1e-3, (("mole", 1),)): "mmol",
    (1e-6, (("mole", 1),)): "umol",
    (1.0, (("mole", 1), ("metre", -3))): "mmol/L",
    (1e-3, (("mole", 1), ("metre", -3))): "umol/L",
    (1e-6, (("mole", 1), ("metre", -3))): "nmol/L",
    (1 / 3600.0, (("mole", 1), ("metre", -3), ("second", -1))): "mmol/L/h",
    (1e-3 / 3600.0, (("mole", 1), ("metre", -3), ("second", -1))): "umol/L/h",
    (1e-3 / 3600.0, (("mole", 1), ("second", -1))): "mmol/h",
    (1 / 3600.0, (("metre", 3), ("mole", -1), ("second", -1))): "L/mmol/h",
    (1.0, (("metre", 3), ("mole", -1))): "L/mmol",
    (1e-3, (("metre", 3),)): "L",
    (1.0, (("kilogram", -1), ("mole", 1))): "mol/kg",
    (1e-3, (("kilogram", -1), ("mole", 1))): "mmol/kg",
}
_ORDER = {"mole": 0, "metre": 1, "kilogram": -1, "second": 9}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One species, parameter or compartment of a model: value, unit text and role."""

    id: str
    kind: str  # species, parameter, compartment
    value: float
    unit: str
    constant: bool
    ruled: str  # "", "assignment" or "rate"
    amount: bool  # a species that is counted in amounts, not concentrations


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a model text holds: its quantities, the ids of its reactions, its unit of time in seconds."""

    quantities: Mapping[str, Quantity]
    reactions: frozenset[str]
    time_unit_seconds: float | None


@lru_cache(maxsize=64)
def content(text: str, name: str) -> Content:
    """Read a valid text once per process; the many variants of one model share it."""
    document = parse(text, name=name)
    return Content(
        quantities=MappingProxyType(quantities(document, name=name)),
        reactions=frozenset(r.getId() for r in document.getModel().getListOfReactions()),
        time_unit_seconds=time_unit_seconds(document),
    )


def read_text(source: str | Path) -> str:
    """The text of a model file; `ModelError` if it cannot be read."""
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ModelError(f"cannot read {path}: {reason}") from error


def parse(text: str, *, name: str = "the model") -> libsbml.SBMLDocument:
    """Parse SBML and raise `ModelError` with the first complaint if it has errors or lacks a value.

    Unit warnings do not count here; `findings` lists those too.
    """
    document = libsbml.readSBMLFromString(text)
    _raise_first_error(document, name)
    if document.getModel() is None:
        raise ModelError(f"{name} holds no SBML model")
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    document.checkConsistency()
    _raise_first_error(document, name)
    return document


def _raise_first_error(document: libsbml.SBMLDocument, name: str) -> None:
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            message = " ".join(error.getMessage().split())
            raise ModelError(f"{name} is not valid SBML (line {error.getLine()}): {message[:400]}")


def findings(text: str) -> list[tuple[str, int, str]]:
    """Everything libSBML says of the text, units included: (severity, line, message) each."""
    document = libsbml.readSBMLFromString(text)
    if not document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        document.checkConsistency()
    errors = (document.getError(i) for i in range(document.getNumErrors()))
    return [(e.getSeverityAsString().lower(), e.getLine(), " ".join(e.getMessage().split())) for e in errors]


def is_hierarchical(document: libsbml.SBMLDocument) -> bool:
    """Whether the document has submodels (SBML comp)."""
    plugin = document.getModel().getPlugin("comp")
    return plugin is not None and plugin.getNumSubmodels() > 0


def has_locals(document: libsbml.SBMLDocument) -> bool:
    """Whether a kinetic law has parameters of its own."""
    laws = (r.getKineticLaw() for r in document.getModel().getListOfReactions())
    return any(law is not None and law.getNumParameters() > 0 for law in laws)


def promote_locals(document: libsbml.SBMLDocument) -> str:
    """Text with the parameters that are local to a kinetic law turned into global ones, so that they can vary."""
    properties = libsbml.ConversionProperties()
    properties.addOption("promoteLocalParameters", True)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError("libSBML could not promote the local parameters of the model")
    return str(libsbml.writeSBMLToString(document))


def quantities(document: libsbml.SBMLDocument, *, name: str) -> dict[str, Quantity]:
    """Species, parameters and compartments by id; `ModelError` where a value is missing."""
    model = document.getModel()
    ruled = {r.getVariable(): "assignment" for r in model.getListOfRules() if r.isAssignment()}
    ruled |= {r.getVariable(): "rate" for r in model.getListOfRules() if r.isRate()}
    initial = {a.getSymbol() for a in model.getListOfInitialAssignments()}
    found: dict[str, Quantity] = {}
    for kind, items in (
        ("species", model.getListOfSpecies()),
        ("parameter", model.getListOfParameters()),
        ("compartment", model.getListOfCompartments()),
    ):
        for item in items:
            q = _quantity(item, kind, ruled.get(item.getId(), ""))
            missing = q.value != q.value and q.ruled != "assignment" and q.id not in initial
            if missing and kind != "compartment":
                raise ModelError(
                    f"{name}: {kind} {q.id!r} has no value; give it a value, a rule or an initial assignment"
                )
            found[q.id] = q
    return found


def _quantity(item: libsbml.SBase, kind: str, ruled: str) -> Quantity:
    amount = False
    if kind == "species":
        amount = item.getHasOnlySubstanceUnits()
        by_amount = item.isSetInitialAmount()
        value = item.getInitialAmount() if by_amount else item.getInitialConcentration()
        if not by_amount and not item.isSetInitialConcentration():
            value = float("nan")
    elif kind == "parameter":
        value = item.getValue() if item.isSetValue() else float("nan")
    else:
        value = item.getSize() if item.isSetSize() else float("nan")
    return Quantity(
        id=item.getId(),
        kind=kind,
        value=value,
        unit=unit_text(item.getDerivedUnitDefinition()),
        constant=item.getConstant() and not ruled,
        ruled=ruled,
        amount=amount,
    )


def unit_text(definition: libsbml.UnitDefinition | None) -> str:
    """A unit as a modeller writes it ('mmol/L'), libSBML's own text for unusual ones, '' if unknown."""
    key = unit_key(definition)
    if key is None:
        return ""
    multiplier, dimensions = key
    for (known, dims), text in _UNIT_TEXT.items():
        if set(dims) == set(dimensions) and abs(multiplier / known - 1) < 1e-9:
            return text
    return str(libsbml.UnitDefinition.printUnits(definition, True))


def unit_key(definition: libsbml.UnitDefinition | None) -> tuple[float, tuple[tuple[str, int], ...]] | None:
    """(multiplier to SI, sorted dimensions) of a unit; None where it is not declared."""
    if definition is None or definition.getNumUnits() == 0:
        return None
    si = libsbml.UnitDefinition.convertToSI(definition)
    multiplier, exponents = 1.0, dict[str, int]()
    for unit in si.getListOfUnits():
        kind, exponent = libsbml.UnitKind_toString(unit.getKind()), unit.getExponent()
        multiplier *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
        if kind not in ("dimensionless", "item", "avogadro"):
            exponents[kind] = exponents.get(kind, 0) + exponent
    dims = sorted(((k, e) for k, e in exponents.items() if e), key=lambda p: _ORDER.get(p[0], 5))
    return multiplier, tuple(dims)


def time_unit_seconds(document: libsbml.SBMLDocument) -> float | None:
    """Length of the model's unit of time in seconds; None where the file does not say."""
    model = document.getModel()
    if document.getLevel() < 3 and model.getUnitDefinition("time") is None:
        return 1.0  # level 2 defines the second as default
    name = "time" if document.getLevel() < 3 else model.getTimeUnits()
    if name == "second":
        return 1.0
    key = unit_key(model.getUnitDefinition(name)) if name else None
    return key[0] if key and key[1] == (("second", 1),) else None


@dataclass(frozen=True, kw_only=True)
class StartRules:
    """How the start of a run follows from other values: ids with initial assignments, species given in amounts."""

    initially_assigned: frozenset[str]
    by_amount: frozenset[str]


def start_rules(text: str) -> StartRules:
    """Read what a change of a parameter or of a compartment at the start brings with it."""
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    return StartRules(
        initially_assigned=frozenset(a.getSymbol() for a in model.getListOfInitialAssignments()),
        by_amount=frozenset(s.getId() for s in model.getListOfSpecies() if s.isSetInitialAmount()),
    )


def with_values(text: str, values: Mapping[str, float]) -> str:
    """The same SBML with other values of parameters, compartments or initial states."""
    if not values:
        return text
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    for key, value in values.items():
        item = model.getElementBySId(key)
        model.removeInitialAssignment(key)  # it would win over the value
        kind = item.getElementName()
        if kind == "parameter":
            item.setValue(value)
        elif kind == "compartment":
            item.setSize(value)
        elif item.isSetInitialAmount():
            item.setInitialAmount(value)
        else:
            item.setInitialConcentration(value)
    return str(libsbml.writeSBMLToString(document))
