"""What a formula is in one id: a + b*x, exactly, or no such thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .formulas import kind_of, nodes
from .native import libsbml

Tree: TypeAlias = "libsbml.ASTNode"  # quoted: libSBML loads at its first use


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """`constant + slope*x`, as trees; None is 0. A `bent` formula depends on x in another way."""

    constant: Tree | None = None
    slope: Tree | None = None
    bent: bool = False

    @property
    def flat(self) -> bool:
        """Whether it does not depend on x."""
        return self.slope is None and not self.bent


BENT = Line(bent=True)


def itself() -> Line:
    """The line of x."""
    return Line(slope=number(1.0))


def number(value: float, unit: str = "dimensionless") -> Tree:
    """A number with its unit."""
    node = libsbml.ASTNode(libsbml.AST_REAL)
    node.setValue(value)
    node.setUnits(unit)
    return node


def node_of(kind: int, *arguments: Tree) -> Tree:
    """A new node with copies of these arguments."""
    node = libsbml.ASTNode(kind)
    for argument in arguments:
        node.addChild(argument.deepCopy())
    return node


def line_of(math: Tree, known: Mapping[str, Line]) -> Line:
    """A formula as a line in x; `known` are the lines of the ids that depend on x, x itself among them."""
    values: list[Line] = []
    for node in nodes(math):
        first = len(values) - node.getNumChildren()
        values[first:] = [_line(node, values[first:], known)]
    return values[0]


def _line(node: Tree, arguments: Sequence[Line], known: Mapping[str, Line]) -> Line:
    kind = kind_of(node)
    if kind == libsbml.AST_NAME:
        return known.get(str(node.getName())) or Line(constant=node)
    if all(a.flat for a in arguments):  # the constants, where the others have been rebuilt
        return Line(constant=_with_children(node, [a.constant for a in arguments]))
    if any(a.bent for a in arguments):
        return BENT
    if kind in (libsbml.AST_PLUS, libsbml.AST_MINUS):
        parts = [a.constant for a in arguments], [a.slope for a in arguments]
        return Line(constant=_sum(kind, parts[0]), slope=_sum(kind, parts[1]))
    place = next(i for i, a in enumerate(arguments) if not a.flat)
    others_flat = all(a.flat for a in arguments[place + 1 :])
    if others_flat and (kind == libsbml.AST_TIMES or (kind == libsbml.AST_DIVIDE and place == 0)):
        return Line(
            constant=_scaled(node, arguments, place, arguments[place].constant),
            slope=_scaled(node, arguments, place, arguments[place].slope),
        )
    return BENT


def _with_children(node: Tree, children: Sequence[Tree | None]) -> Tree:
    if not children:
        return node
    copy = node.deepCopy()
    for i, child in enumerate(children):
        assert child is not None  # what is flat has a constant
        copy.replaceChild(i, child.deepCopy(), True)
    return copy


def _sum(kind: int, terms: Sequence[Tree | None]) -> Tree | None:
    """A sum, or a difference of at most two terms, without those that are 0."""
    present = [t for t in terms if t is not None]
    if not present:
        return None
    if kind == libsbml.AST_MINUS and (len(terms) == 1 or terms[0] is None):
        return node_of(kind, present[0])
    return present[0] if len(present) == 1 else node_of(kind, *present)


def _scaled(node: Tree, arguments: Sequence[Line], place: int, part: Tree | None) -> Tree | None:
    """A product or quotient with `part` in the place of the argument that depends on x."""
    if part is None:
        return None
    return _with_children(node, [part if i == place else a.constant for i, a in enumerate(arguments)])
