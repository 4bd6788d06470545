"""Formulas as trees: made from text, walked without recursion, what they name, and in which order they follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from ..errors import ModelError
from .native import libsbml


def tree(formula: str) -> libsbml.ASTNode:
    """A formula from its text; `ModelError` if libSBML cannot read it."""
    math = libsbml.parseL3Formula(formula)
    if math is None:
        raise ModelError(f"libSBML cannot read the formula {formula!r}: {libsbml.getLastParseL3Error()}")
    return math


def nodes(math: libsbml.ASTNode) -> list[libsbml.ASTNode]:
    """All nodes of a formula, arguments before what uses them, from left to right, however deep it is nested."""
    found, waiting = [], [math]
    while waiting:
        found.append(waiting.pop())
        waiting += [found[-1].getChild(i) for i in range(found[-1].getNumChildren())]
    return found[::-1]


def kind_of(node: libsbml.ASTNode) -> int:
    """Type of a node by libSBML's own function: the method gives no number once libsedml has been imported."""
    return int(libsbml.ASTNode.getType(node))


def is_power(node: libsbml.ASTNode) -> bool:
    """Whether a node is a power, in either of libSBML's forms."""
    return kind_of(node) in (libsbml.AST_POWER, libsbml.AST_FUNCTION_POWER)


def names_in(math: libsbml.ASTNode | None) -> set[str]:
    """The ids that a formula names; time, the rate of another and Avogadro's number are none."""
    found = nodes(math) if math is not None else ()
    return {str(node.getName()) for node in found if kind_of(node) == libsbml.AST_NAME}


# ---- all formulas of a model ---------------------------------------------------------------------------------------


def participants(reaction: libsbml.Reaction) -> list[libsbml.SpeciesReference]:
    """What a reaction takes and makes."""
    return [*reaction.getListOfReactants(), *reaction.getListOfProducts()]


def maths(model: libsbml.Model) -> Iterator[tuple[libsbml.SBase, libsbml.ASTNode]]:
    """Every formula of a model with the element that one would look at."""
    return ((element, math) for element, math in _maths(model) if math is not None)


def _maths(model: libsbml.Model) -> Iterator[tuple[libsbml.SBase, libsbml.ASTNode | None]]:
    for items in (model.getListOfRules(), model.getListOfInitialAssignments(), model.getListOfFunctionDefinitions()):
        yield from ((item, item.getMath()) for item in items)
    for reaction in model.getListOfReactions():
        if reaction.getKineticLaw() is not None:
            yield reaction, reaction.getKineticLaw().getMath()
        for side in participants(reaction):
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
        found |= names_in(math) if law is None else names_in_law(law)
    return found


def names_in_law(law: libsbml.KineticLaw) -> set[str]:
    """The ids that a kinetic law names and that are not parameters of its own."""
    return names_in(law.getMath()) - {p.getId() for p in law.getListOfParameters()}


# ---- what follows from what ----------------------------------------------------------------------------------------


def reads_at_once(model: libsbml.Model) -> dict[str, set[str]]:
    """What the value of each id follows from at once, by assignment rules and kinetic laws (states break a circle)."""
    reads = {r.getVariable(): names_in(r.getMath()) for r in model.getListOfRules() if r.isAssignment()}
    laws = ((r.getId(), r.getKineticLaw()) for r in model.getListOfReactions())
    return reads | {name: names_in_law(law) for name, law in laws if law is not None}


def reads_at_start(model: libsbml.Model) -> dict[str, set[str]]:
    """The same at time 0, where initial assignments count too."""
    initial = {a.getSymbol(): names_in(a.getMath()) for a in model.getListOfInitialAssignments()}
    return initial | reads_at_once(model)


def in_order(reads: Mapping[str, Iterable[str]]) -> tuple[list[str], tuple[str, ...]]:
    """(ids, each after all that it reads; no id twice) and the first circle, in which each id reads the next one.

    Where there is a circle there is no order.

    >>> in_order({"z": ["y"], "y": ["x"]})
    (['x', 'y', 'z'], ())
    >>> in_order({"z": ["y"], "y": ["z"]})
    ([], ('z', 'y', 'z'))
    """
    try:
        return list(TopologicalSorter({k: sorted(reads[k]) for k in reads}).static_order()), ()
    except CycleError as error:
        return [], tuple(reversed(error.args[1]))


def longest_chain(reads: Mapping[str, Iterable[str]], order: Iterable[str]) -> int:
    """How many ids follow from each other at most, one from the next; `order` is that of `in_order`."""
    length: dict[str, int] = {}
    for name in order:
        if name in reads:
            length[name] = 1 + max((length.get(k, 0) for k in reads[name]), default=0)
    return max(length.values(), default=0)


def shown_circle(circle: tuple[str, ...]) -> str:
    """A circle in words, without its middle where it is long."""
    return " <- ".join(circle if len(circle) <= 12 else (*circle[:10], f"... {len(circle) - 11} more ...", circle[-1]))
