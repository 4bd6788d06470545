"""The text of a model as libroadrunner must have it to give the right numbers, or a refusal by name."""

from __future__ import annotations

from collections import Counter

from ..errors import ModelError
from . import sbml
from .findings import first_error
from .formulas import names_in, participants
from .native import libsbml


def for_libroadrunner(text: str) -> str:
    """The same model, with stoichiometries that a formula computes as rules of Level 3.

    libroadrunner evaluates the formulas of Level 2 once, with the values of the file. Raises `ModelError` for what it
    computes wrongly in Level 3 too: a species twice in a reaction, with a stoichiometry that a rule computes; the rate
    of a concentration in a compartment whose size a rule computes.
    """
    if "stoichiometryMath" not in text and not _may_vary(text):
        return text
    document = sbml.read(text)
    if document.getLevel() == 2 and _names_in_stoichiometries(document.getModel()):
        if not document.setLevelAndVersion(3, 1, False):
            raise ModelError(f"stoichiometries that are computed need Level 3: {first_error(document)}")
        text = sbml.write(document)
    _refuse_both_sides(document.getModel())
    _refuse_diluted_rates(document.getModel())
    return text


def _names_in_stoichiometries(model: libsbml.Model) -> bool:
    sides = (s for r in model.getListOfReactions() for s in participants(r))
    return any(s.isSetStoichiometryMath() and names_in(s.getStoichiometryMath().getMath()) for s in sides)


def _may_vary(text: str) -> bool:
    return "Rule" in text


def _refuse_diluted_rates(model: libsbml.Model) -> None:
    rules = {r.getVariable(): r for r in model.getListOfRules()}
    for species in model.getListOfSpecies():
        rule, size = rules.get(species.getId()), rules.get(species.getCompartment())
        if rule is None or size is None or species.getHasOnlySubstanceUnits():
            continue
        if rule.isRate() and size.isAssignment():
            raise ModelError(
                f"a rule gives the rate of the concentration {species.getId()}, and another one the size of its "
                f"compartment {species.getCompartment()}: libroadrunner dilutes it as well, which is wrong; count "
                f"{species.getId()} in amounts (hasOnlySubstanceUnits)"
            )


def _refuse_both_sides(model: libsbml.Model) -> None:
    ruled = {r.getVariable() for r in model.getListOfRules()}
    assigned = {r.getVariable() for r in model.getListOfRules() if r.isAssignment()}
    for reaction in model.getListOfReactions():
        sides = participants(reaction)
        computed = {s.getSpecies() for s in sides if s.getId() in ruled}
        fixed = {s.getSpecies() for s in sides if s.getId() not in ruled}
        count = Counter(s.getSpecies() for s in sides)
        twice = {s.getSpecies() for s in sides if s.getId() in assigned and count[s.getSpecies()] > 1}
        for species in sorted(computed & fixed | twice):
            raise ModelError(
                f"{species} takes part twice in {reaction.getId()}, with a stoichiometry that a rule computes: "
                f"libroadrunner computes that wrongly; write it as two reactions"
            )
