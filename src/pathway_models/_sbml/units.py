"""Units: what they mean, how a modeller writes them, and their definitions in a model."""

from __future__ import annotations

from typing import TypeAlias

from .native import libsbml

Meaning: TypeAlias = tuple[float, tuple[tuple[str, float], ...]]  # multiplier to SI, sorted (base unit, exponent)

_TEXT: dict[Meaning, str] = {
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
    (1e-3 / 3600.0, (("kilogram", -1), ("mole", 1), ("second", -1))): "mmol/kg/h",
    (1e-3, (("kilogram", -1), ("metre", 3))): "L/kg",
    (1e-3 / 86400.0, (("kilogram", 1), ("second", -1))): "g/d",
    (1e-2, (("kilogram", 1), ("metre", -3))): "mg/dL",
    (1e-2, (("kilogram", 1), ("mole", -1))): "mg/dL per mmol/L",
}
_ORDER = {"mole": 0, "metre": 1, "kilogram": -1, "second": 9}


def unit_text(definition: libsbml.UnitDefinition | None) -> str:
    """A unit as a modeller writes it ('mmol/L'), libSBML's own text for unusual ones, '' if unknown."""
    key = unit_key(definition)
    if key is None:
        return ""
    multiplier, dimensions = key
    for (known, dims), text in _TEXT.items():
        if set(dims) == set(dimensions) and abs(multiplier / known - 1) < 1e-9:
            return text
    return str(libsbml.UnitDefinition.printUnits(definition, True))


def unit_key(definition: libsbml.UnitDefinition | None) -> Meaning | None:
    """(multiplier to SI, sorted dimensions) of a unit; None where it is not declared."""
    if definition is None or definition.getNumUnits() == 0:
        return None
    si = libsbml.UnitDefinition.convertToSI(definition)
    multiplier, exponents = 1.0, dict[str, float]()
    for unit in si.getListOfUnits():
        kind, exponent = libsbml.UnitKind_toString(unit.getKind()), unit.getExponentAsDouble()
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


def unit_id(model: libsbml.Model, definition: libsbml.UnitDefinition | None) -> str:
    """The id in `model` of a unit, defined there if no unit of the model means the same; '' for one that is unknown."""
    key = unit_key(definition)
    if key is None or definition is None:
        return ""
    if key == (1.0, ()):
        return "dimensionless"
    for known in model.getListOfUnitDefinitions():
        if unit_key(known) == key:
            return str(known.getId())
    number = model.getNumUnitDefinitions() + 1
    while model.getUnitDefinition(f"unit_{number}") is not None:
        number += 1
    made = model.createUnitDefinition()
    made.setId(f"unit_{number}")
    for unit in definition.getListOfUnits():
        made.addUnit(unit)
    return str(made.getId())
