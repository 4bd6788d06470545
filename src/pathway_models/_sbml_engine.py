"""The text of a model as libroadrunner must have it to give the right numbers, or a refusal by name."""

from __future__ import annotations

from collections import Counter

from . import _sbml
from ._native import libsbml
from .errors import ModelError


def for_libroadrunner(text: str) -> str:
    """The same model, with stoichiometries that a formula computes as rules of Level 3.

    libroadrunner evaluates the formulas of Level 2 once, with the values of the file. Raises `ModelError` for what it
    computes wrongly in Level 3 too: a species twice in a reaction, with a stoichiometry that a rule computes.
    """
    if "stoichiometryMath" not in text and not _may_vary(text):
        return text
    document = libsbml.readSBMLFromString(text)
    if document.getLevel() == 2 and "stoichiometryMath" in text:
        if not document.setLevelAndVersion(3, 1, False):
            raise ModelError(f"stoichiometries that are computed need Level 3: {_sbml.first_error(document)}")
        text = str(libsbml.writeSBMLToString(document))
    _refuse_both_sides(document.getModel())
    return text


def _may_vary(text: str) -> bool:
    return "speciesReference" in text and "Rule" in text


def _refuse_both_sides(model: libsbml.Model) -> None:
    ruled = {r.getVariable() for r in model.getListOfRules()}
    for reaction in model.getListOfReactions():
        sides = [*reaction.getListOfReactants(), *reaction.getListOfProducts()]
        count = Counter(side.getSpecies() for side in sides)
        for side in sides:
            if side.getId() in ruled and count[side.getSpecies()] > 1:
                raise ModelError(
                    f"the stoichiometry of {side.getSpecies()} in {reaction.getId()} is computed by a rule, and "
                    f"{side.getSpecies()} takes part in it more than once: libroadrunner computes that wrongly; "
                    f"write it as two reactions"
                )
