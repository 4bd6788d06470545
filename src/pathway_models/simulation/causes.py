"""Why a run may have failed: what is 0 where the model divides by it."""

from __future__ import annotations

from collections.abc import Iterator

from .._sbml import sbml
from .._sbml.formulas import is_power, kind_of, maths, nodes
from .._sbml.native import libsbml
from ..modules.flat import FlatModel


def divided_by_zero(model: FlatModel) -> tuple[str, ...]:
    """Ids of what is set to 0, or starts there, and stands alone or as a factor below a fraction or in a logarithm."""
    values = {k: q.value for k, q in model.quantities.items() if not q.ruled} | dict(model.settings)
    document = sbml.parse(model.sbml, name=model.name)
    formulas = (math for e, math in maths(document.getModel()) if e.getElementName() != "functionDefinition")
    found = {name for math in formulas for name in _divisors(math)}
    return tuple(sorted(k for k in found if values.get(k) == 0))


def because(model: FlatModel) -> str:
    """The end of a message on a run that failed; empty where nothing of that kind is seen."""
    names = divided_by_zero(model)
    return f"; the model divides by {' and by '.join(names)}, which is 0" if names else ""


def _divisors(math: libsbml.ASTNode) -> Iterator[str]:
    for node in nodes(math):
        if kind_of(node) == libsbml.AST_DIVIDE:
            yield from _factors(node.getChild(1))
        if kind_of(node) in (libsbml.AST_FUNCTION_LN, libsbml.AST_FUNCTION_LOG):
            yield from _factors(node.getChild(node.getNumChildren() - 1))


def _factors(math: libsbml.ASTNode) -> Iterator[str]:
    """What makes a formula 0 if it is 0: the formula itself, a factor, the base of a power."""
    waiting = [math]
    while waiting:
        node = waiting.pop()
        if node.isName():
            yield str(node.getName())
        elif kind_of(node) == libsbml.AST_TIMES:
            waiting += [node.getChild(i) for i in range(node.getNumChildren())]
        elif is_power(node):
            waiting.append(node.getChild(0))
