"""Fewer states: some become constants, some follow at once; and the rate of each state behind a factor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from .._sbml import sbml
from .._sbml.edit import add_parameter, add_rule
from .._sbml.formulas import in_order, names_in, reads_at_once, shown_circle
from .._sbml.linear import Tree, itself, line_of, node_of, number
from .._sbml.native import libsbml
from ..errors import InvalidValueError, unknown_name

PACE = "pace_of_"  # constant in front of the rate of a state, in `paced_text`
Solved: TypeAlias = "tuple[Tree, frozenset[str]]"  # what a state is at its own rest, and the ids that this reads


@lru_cache(maxsize=16)
def reduced_text(text: str, constant: tuple[str, ...], quasi_steady: tuple[str, ...]) -> str:
    """A flat text in which some states are constants and others are what their rate, set to 0, makes of them.

    All ids, equations and values stay. Raises `UnknownNameError` for what is no state, `InvalidValueError` for a state
    that is named twice, one whose rate is not linear in it, or that does not depend on it, and for those that would
    follow from each other in a circle.
    """
    document = sbml.read(text)
    equations = _Equations(document)
    for key in (*constant, *quasi_steady):
        if key not in equations.terms:
            raise unknown_name("state", key, equations.terms)
    if twice := sorted(k for k in {*constant, *quasi_steady} if (*constant, *quasi_steady).count(k) > 1):
        raise InvalidValueError(f"{twice[0]} is named twice; a state is constant or quasi-steady, once")
    formulas = {key: equations.solved(key)[0] for key in quasi_steady}
    for key in (*constant, *quasi_steady):
        _fix(document.getModel(), key)
    for key in constant:
        document.getModel().getElementBySId(key).setConstant(True)
    for key, formula in formulas.items():
        document.getModel().removeInitialAssignment(key)
        add_rule(document.getModel(), key, formula)
    if circle := in_order(reads_at_once(document.getModel()))[1]:
        raise InvalidValueError(
            f"the quasi-steady states {', '.join(sorted({*circle} & {*quasi_steady}))} follow from each other at once "
            f"({shown_circle(circle)}); one of them must stay a state or be constant"
        )
    return sbml.write(document)


def _fix(model: libsbml.Model, key: str) -> None:
    """Nothing changes a state any more: no rate, and reactions go on without it."""
    model.removeRuleByVariable(key)
    element = model.getElementBySId(key)
    if element.getElementName() == "species":
        element.setBoundaryCondition(True)


@lru_cache(maxsize=4)
def paced_text(text: str) -> str:
    """A flat text in which the rate of every state has a constant factor, `PACE` and its id; 1 leaves all as it is."""
    document = sbml.read(text)
    model = document.getModel()
    rates = {key: _rate(model, key, terms) for key, terms in _Equations(document).terms.items()}
    for key, rate in rates.items():
        add_parameter(model, PACE + key, 1.0, "dimensionless")
        _fix(model, key)
        rule = model.createRateRule()
        rule.setVariable(key)
        rule.setMath(node_of(libsbml.AST_TIMES, _name(PACE + key), rate))
    return sbml.write(document)


def _rate(model: libsbml.Model, key: str, terms: Sequence[Tree]) -> Tree:
    """What the rate rule of a state says, or would say in the place of its reactions."""
    ruled = model.getRateRuleByVariable(key) is not None
    rate = _total(terms)
    species = model.getSpecies(key)
    if ruled or species is None or species.getHasOnlySubstanceUnits():
        return rate
    return node_of(libsbml.AST_DIVIDE, rate, _name(species.getCompartment()))


@lru_cache(maxsize=4)
def solvable(text: str) -> Mapping[str, frozenset[str]]:
    """The states that can be quasi-steady, and the states that the value of each then reads at once."""
    equations = _equations(text)
    found = {}
    for key in equations.terms:
        try:
            found[key] = equations.behind(equations.solved(key)[1]) & equations.terms.keys()
        except InvalidValueError:
            continue
    return found


def felt(text: str, seen: Collection[str]) -> frozenset[str]:
    """The ids that the rate of a state or a variable of `seen` follows from; what else is set moves nothing."""
    equations = _equations(text)
    return equations.behind({*seen, *(n for terms in equations.terms.values() for t in terms for n in names_in(t))})


def follows_from(text: str, key: str) -> frozenset[str]:
    """An id and all ids that it follows from at once."""
    return _equations(text).behind([key])


@lru_cache(maxsize=4)
def _equations(text: str) -> _Equations:
    return _Equations(sbml.read(text))


class _Equations:
    """The rates of the states of a parsed model, and the formulas that they read."""

    def __init__(self, document: libsbml.SBMLDocument) -> None:
        self.document = document  # libSBML frees a model with it
        self.model = model = document.getModel()
        self.reads = reads_at_once(model)
        self.order = in_order(self.reads)[0]
        rules = ((r.getVariable(), r) for r in model.getListOfRules() if r.isAssignment())
        laws = ((r.getId(), r.getKineticLaw()) for r in model.getListOfReactions())
        self.formulas = {k: item.getMath() for k, item in (*rules, *laws) if item is not None}
        self.terms = self._terms()

    def _terms(self) -> dict[str, list[Tree]]:
        """State -> the terms of its rate: that of its rule, or a multiple of each of its reactions."""
        model = self.model
        found = {r.getVariable(): [r.getMath()] for r in model.getListOfRules() if r.isRate()}
        ruled = {r.getVariable() for r in model.getListOfRules()}
        moved = [s.getId() for s in model.getListOfSpecies() if not (s.getConstant() or s.getBoundaryCondition())]
        found |= {k: [] for k in moved if k not in ruled}
        for reaction in model.getListOfReactions():
            for side, taken in ((reaction.getListOfReactants(), True), (reaction.getListOfProducts(), False)):
                for x in side:
                    if x.getSpecies() in found and x.getSpecies() not in ruled:
                        found[x.getSpecies()].append(_term(reaction, x.getStoichiometry(), taken=taken))
        return found

    def solved(self, key: str) -> Solved:
        """The value of a state at which its rate is 0, the others given, and the ids that it reads."""
        known = {key: itself()}
        for name in self.order:
            if name in self.formulas and not known.keys().isdisjoint(self.reads[name]):
                line = line_of(self.formulas[name], known)
                if not line.flat:
                    known[name] = line
        lines = [line_of(term, known) for term in self.terms[key]]
        if any(line.bent for line in lines):
            raise InvalidValueError(f"the rate of {key} is not linear in it; it must stay a state or be constant")
        slopes = [line.slope for line in lines if line.slope is not None]
        if not slopes:
            raise InvalidValueError(
                f"the rate of {key} does not depend on it, so that it has no rest of its own; it must stay a state or "
                f"be constant"
            )
        formula = number(0.0, self.model.getElementBySId(key).getUnits() or "dimensionless")
        if constants := [line.constant for line in lines if line.constant is not None]:
            formula = node_of(libsbml.AST_DIVIDE, node_of(libsbml.AST_MINUS, _total(constants)), _total(slopes))
        return formula, frozenset(names_in(formula))

    def behind(self, names: Collection[str]) -> frozenset[str]:
        """These ids and all that they follow from at once."""
        seen, waiting = set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self.reads.get(name, ())
        return frozenset(seen)


def _term(reaction: libsbml.Reaction, multiple: float, *, taken: bool) -> Tree:
    """What a reaction adds to the rate of one of its species."""
    law = reaction.getKineticLaw()
    if law is None or law.getNumParameters():
        raise InvalidValueError(f"reaction {reaction.getId()} has no kinetic law, or one with parameters of its own")
    term = law.getMath()
    if multiple != 1:
        term = node_of(libsbml.AST_TIMES, number(multiple), term)
    return node_of(libsbml.AST_MINUS, term) if taken else term


def _total(terms: Sequence[Tree]) -> Tree:
    return terms[0].deepCopy() if len(terms) == 1 else node_of(libsbml.AST_PLUS, *terms)


def _name(key: str) -> Tree:
    node = libsbml.ASTNode(libsbml.AST_NAME)
    node.setName(key)
    return node
