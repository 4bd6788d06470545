"""Somebody's valid SBML made ready for this library: what it cannot do refused by name, what is missing completed."""

from __future__ import annotations

import warnings

from ..errors import ModelError, ModelWarning
from . import sbml
from .findings import first_error
from .formulas import names_read, participants
from .locals import promote
from .mend import needed_packages
from .native import libsbml

_UNDERSTOOD = frozenset({"comp", "distrib", "l3v2extendedmath"})
_OURS = "this library runs ordinary differential equations"
_WORDS = {
    "qual": "a qualitative (Boolean or multi-valued) network",
    "spatial": "a model in space",
    "multi": "rules for species of several parts",
    "arrays": "arrays of elements",
}


def refuse_packages(text: str, *, name: str) -> None:
    """`ModelError` for a text that uses a package of mathematics that nobody here computes."""
    package = next((p for p in needed_packages(text) if p not in _UNDERSTOOD), "")
    if package:
        what = _WORDS.get(package, "mathematics of its own")
        raise ModelError(f"{name} holds {what} (SBML package {package}); {_OURS}")


def refuse_flux_balance(document: libsbml.SBMLDocument, *, name: str) -> None:
    """`ModelError` for flux bounds (package fbc) without kinetic laws or rules."""
    model = document.getModel()
    kinetic = any(r.getKineticLaw() is not None for r in model.getListOfReactions())
    if document.getPlugin("fbc") is not None and not kinetic and not model.getNumRules():
        raise ModelError(
            f"{name} holds a flux balance model (SBML package fbc): its reactions have no kinetic laws; {_OURS}"
        )


def prepare(text: str, document: libsbml.SBMLDocument, *, name: str) -> str:
    """The text with local parameters made global and with the values that libroadrunner takes where it has none.

    `document` is that of the text, and becomes that of the result. Level 1 becomes Level 2, in which initial values
    can be concentrations and formulas follow a renaming. Warns once with `ModelWarning` of what is completed.
    """
    changed = document.getLevel() == 1
    if changed and not document.setLevelAndVersion(2, 4, False):
        raise ModelError(f"{name} cannot become SBML Level 2: {first_error(document)}")
    changed |= promote(document)
    model = document.getModel()
    changed |= _counted(model)
    taken = _completed(model)
    if taken:
        warnings.warn(f"{name} gives no value to {'; '.join(taken)}", ModelWarning, stacklevel=4)
    if _is_empty(model):
        warnings.warn(f"{name} has no reaction, rule or event: nothing in it changes", ModelWarning, stacklevel=4)
    return sbml.write(document) if changed or taken else text


def _counted(model: libsbml.Model) -> bool:
    """Numbers in the place of stoichiometries that are written as formulas of a number alone; whether there were any.

    libroadrunner takes a fraction (3/2, which Level 1 writes as a denominator) for 1.
    """
    found = False
    for reaction in model.getListOfReactions():
        for side in participants(reaction):
            math = side.getStoichiometryMath().getMath() if side.isSetStoichiometryMath() else None
            if math is not None and math.isNumber():
                value = math.getValue()
                side.unsetStoichiometryMath()
                side.setStoichiometry(value)
                found = True
    return found


def _completed(model: libsbml.Model) -> list[str]:
    """Write the values that libroadrunner takes for missing ones; what was taken, in words."""
    settled = {r.getVariable() for r in model.getListOfRules() if r.isAssignment()}
    settled |= {a.getSymbol() for a in model.getListOfInitialAssignments()}
    read = names_read(model)
    species = [s for s in model.getListOfSpecies() if s.getId() not in settled and not _has_value(s)]
    sizes = [c for c in model.getListOfCompartments() if c.getId() not in settled and not c.isSetSize()]
    sizes = [c for c in sizes if c.getSpatialDimensions() != 0]
    unread = [p for p in model.getListOfParameters() if not p.isSetValue() and p.getId() not in settled | read]
    for item in species:
        item.setInitialAmount(0.0)
    for item in sizes:
        item.setSize(1.0)
    for item in unread:
        item.setValue(float("nan"))
    felt = read | {s.getCompartment() for s in model.getListOfSpecies() if not s.getHasOnlySubstanceUnits()}
    kinds = (
        ("species", species, "0 is taken"),
        ("compartment", [c for c in sizes if c.getId() in felt], "1 is taken"),
        ("parameter", unread, "nothing reads it"),
    )
    return [f"{kind} {_shown(items)} ({what})" for kind, items, what in kinds if items]


def _has_value(species: libsbml.Species) -> bool:
    return bool(species.isSetInitialAmount() or species.isSetInitialConcentration())


def _shown(items: list[libsbml.SBase], most: int = 10) -> str:
    names = [repr(item.getId()) for item in items]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _is_empty(model: libsbml.Model) -> bool:
    return not (model.getNumReactions() or model.getNumRules() or model.getNumEvents())
