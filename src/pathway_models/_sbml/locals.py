"""Parameters of a single kinetic law: global so that they can vary, local again where a text is compiled."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from ..errors import ModelError
from . import sbml
from .formulas import maths, names_in, nodes
from .native import libsbml

WORTH_IT = 100  # below, a compilation takes a tenth of a second longer at most


def promote(document: libsbml.SBMLDocument) -> bool:
    """Turn the parameters that are local to a kinetic law into global ones; whether there were any."""
    laws = (r.getKineticLaw() for r in document.getModel().getListOfReactions())
    if not any(law is not None and law.getNumParameters() for law in laws):
        return False
    if not sbml.convert(document, "promoteLocalParameters"):
        raise ModelError("libSBML could not promote the local parameters of the model")
    return True


@lru_cache(maxsize=16)
def demote(text: str, kept: frozenset[str]) -> str:
    """The same model with every constant that at most one kinetic law reads local to a law, but for those in `kept`.

    libroadrunner compiles a global parameter three times as slowly as a local one. The text itself where there are
    few such constants. Local parameters have no value that could be set or asked for: name in `kept` what will be.
    """
    if len(_able(text) - kept) < WORTH_IT:
        return text
    document = sbml.read(text)
    model = document.getModel()
    for name, law in _homes(model).items():
        if name in kept:
            continue
        old = model.removeParameter(name)
        new = law.createLocalParameter() if document.getLevel() > 2 else law.createParameter()
        new.setId(name)
        new.setValue(old.getValue())
        if old.isSetUnits():
            new.setUnits(old.getUnits())
    return sbml.write(document)


@lru_cache(maxsize=16)
def _able(text: str) -> frozenset[str]:
    """The constants that a law could have as its own; none in Level 1."""
    document = sbml.read(text)
    return frozenset() if document.getLevel() == 1 else frozenset(_homes(document.getModel()))


def _homes(model: libsbml.Model) -> dict[str, libsbml.KineticLaw]:
    """The constants that one kinetic law reads and nothing else, with that law; with any law if nothing reads them."""
    laws = [law for r in model.getListOfReactions() if (law := r.getKineticLaw()) is not None]
    readers = Counter[str]()
    home: dict[str, libsbml.KineticLaw] = {}
    for law in laws:
        own = {p.getId() for p in law.getListOfParameters()}
        math = law.getMath()
        # by name, whatever a node is: in some files a parameter stands where a function should
        found = ({node.getName() for node in nodes(math) if node.getName()} if math is not None else set()) - own
        readers.update(found)
        home |= dict.fromkeys(found, law)
    elsewhere = _named_elsewhere(model)
    alone = (p for p in model.getListOfParameters() if readers[p.getId()] < 2 and p.getId() not in elsewhere)
    return {p.getId(): home.get(p.getId(), laws[0]) for p in alone if laws and p.isSetValue()}


def _named_elsewhere(model: libsbml.Model) -> set[str]:
    """Ids that anything but a kinetic law reads or sets."""
    found = set[str]()
    for element, math in maths(model):
        if element.getElementName() not in ("reaction", "functionDefinition"):
            found |= names_in(math)
    found |= {r.getVariable() for r in model.getListOfRules()}
    found |= {a.getSymbol() for a in model.getListOfInitialAssignments()}
    found |= {a.getVariable() for e in model.getListOfEvents() for a in e.getListOfEventAssignments()}
    factors = (s.getConversionFactor() for s in (model, *model.getListOfSpecies()))
    return found | set(filter(None, factors))
