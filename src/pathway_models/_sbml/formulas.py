"""All formulas of a model in one walk."""

from __future__ import annotations

from collections.abc import Iterator

from . import sbml
from .native import libsbml


def maths(model: libsbml.Model) -> Iterator[tuple[libsbml.SBase, libsbml.ASTNode | None]]:
    """Every formula of a model with the element that one would look at."""
    for items in (model.getListOfRules(), model.getListOfInitialAssignments(), model.getListOfFunctionDefinitions()):
        yield from ((item, item.getMath()) for item in items)
    for reaction in model.getListOfReactions():
        if reaction.getKineticLaw() is not None:
            yield reaction, reaction.getKineticLaw().getMath()
        for side in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
            if side.isSetStoichiometryMath():
                yield side, side.getStoichiometryMath().getMath()
    for event in model.getListOfEvents():
        parts = [event.getTrigger(), event.getDelay(), event.getPriority(), *event.getListOfEventAssignments()]
        yield from ((event, part.getMath()) for part in parts if part is not None)


def names_read(model: libsbml.Model) -> set[str]:
    """The ids that any formula of a model names, in kinetic laws those that are not parameters of their own."""
    found = set[str]()
    for element, math in maths(model):
        law = element.getKineticLaw() if element.getElementName() == "reaction" else None
        local = {p.getId() for p in law.getListOfParameters()} if law is not None else set()
        found |= sbml.names_in(math) - local
    return found
