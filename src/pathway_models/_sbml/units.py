"""Units: what they mean, how a modeller writes them, and their definitions in a model."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from .native import libsbml

Meaning: TypeAlias = tuple[float, frozenset[tuple[str, float]]]  # multiplier to SI; base units and their exponents
DIMENSIONLESS: Meaning = (1.0, frozenset())
_DIGITS = 12  # by which multipliers are compared: the same unit in another spelling is off by rounding
_SPELLED: dict[str, tuple[float, dict[str, float]]] = {
    "dimensionless": (1.0, {}),
    "h": (3600.0, {"second": 1}),
    "1/h": (1 / 3600.0, {"second": -1}),
    "mmol": (1e-3, {"mole": 1}),
    "umol": (1e-6, {"mole": 1}),
    "mmol/L": (1.0, {"mole": 1, "metre": -3}),
    "umol/L": (1e-3, {"mole": 1, "metre": -3}),
    "nmol/L": (1e-6, {"mole": 1, "metre": -3}),
    "mmol/L/h": (1 / 3600.0, {"mole": 1, "metre": -3, "second": -1}),
    "umol/L/h": (1e-3 / 3600.0, {"mole": 1, "metre": -3, "second": -1}),
    "mmol/h": (1e-3 / 3600.0, {"mole": 1, "second": -1}),
    "L/mmol/h": (1 / 3600.0, {"metre": 3, "mole": -1, "second": -1}),
    "L/mmol": (1.0, {"metre": 3, "mole": -1}),
    "L": (1e-3, {"metre": 3}),
    "mol/kg": (1.0, {"kilogram": -1, "mole": 1}),
    "mmol/kg": (1e-3, {"kilogram": -1, "mole": 1}),
    "mmol/kg/h": (1e-3 / 3600.0, {"kilogram": -1, "mole": 1, "second": -1}),
    "L/kg": (1e-3, {"kilogram": -1, "metre": 3}),
    "g/d": (1e-3 / 86400.0, {"kilogram": 1, "second": -1}),
    "mg/dL": (1e-2, {"kilogram": 1, "metre": -3}),
    "mg/dL per mmol/L": (1e-2, {"kilogram": 1, "mole": -1}),
}


def _rounded(multiplier: float) -> float:
    return float(f"{multiplier:.{_DIGITS}g}")


_TEXT: dict[Meaning, str] = {(_rounded(m), frozenset(dims.items())): text for text, (m, dims) in _SPELLED.items()}


def unit_text(definition: libsbml.UnitDefinition | None) -> str:
    """A unit as a modeller writes it ('mmol/L'), libSBML's own text for unusual ones, '' if unknown."""
    key = unit_key(definition)
    if key is None:
        return ""
    return _TEXT.get(key) or str(libsbml.UnitDefinition.printUnits(definition, True))


def unit_key(definition: libsbml.UnitDefinition | None) -> Meaning | None:
    """What a unit means: the same for the same unit in another spelling; None where it is not declared."""
    if definition is None or definition.getNumUnits() == 0:
        return None
    multiplier, exponents = 1.0, defaultdict[str, float](float)
    for unit in definition.getListOfUnits():
        one, power = unit.clone(), unit.getExponentAsDouble()
        one.setExponent(1)  # libSBML's conversion loses an exponent that is no whole number
        converted = libsbml.Unit.convertToSI(one)  # held: its units go with it
        for part in converted.getListOfUnits():
            exponent = power * part.getExponent()
            multiplier *= (part.getMultiplier() * 10.0 ** part.getScale()) ** exponent
            exponents[libsbml.UnitKind_toString(part.getKind())] += exponent
    kinds = ((k, e) for k, e in exponents.items() if e and k not in ("dimensionless", "item", "avogadro"))
    return _rounded(multiplier), frozenset(kinds)


def time_unit_seconds(document: libsbml.SBMLDocument) -> float | None:
    """Length of the model's unit of time in seconds; None where the file does not say."""
    model = document.getModel()
    if document.getLevel() < 3 and model.getUnitDefinition("time") is None:
        return 1.0  # level 2 defines the second as default
    name = "time" if document.getLevel() < 3 else model.getTimeUnits()
    if name == "second":
        return 1.0
    key = unit_key(model.getUnitDefinition(name)) if name else None
    return key[0] if key and key[1] == {("second", 1)} else None


def unit_id(model: libsbml.Model, definition: libsbml.UnitDefinition | None) -> str:
    """The id in `model` of a unit, defined there if no unit of the model means the same; '' for one that is unknown."""
    key = unit_key(definition)
    if key is None or definition is None:
        return ""
    if key == DIMENSIONLESS:
        return "dimensionless"
    for known in model.getListOfUnitDefinitions():
        if unit_key(known) == key:
            return str(known.getId())
    number = model.getNumUnitDefinitions() + 1
    while model.getUnitDefinition(f"unit_{number}") is not None:
        number += 1
    made = model.createUnitDefinition()
    made.setId(f"unit_{number}")
    for unit in definition.getListOfUnits():  # one by one: it may be of another document
        copy = made.createUnit()
        copy.setKind(unit.getKind())
        copy.setExponent(unit.getExponentAsDouble())
        copy.setScale(unit.getScale())
        copy.setMultiplier(unit.getMultiplier())
    return f"unit_{number}"
