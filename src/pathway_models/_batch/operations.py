"""What the operators and functions of libSBML do, in expressions of the batch engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from itertools import pairwise

from .._sbml.native import libsbml
from .symbolic import UNARY, Graph

Operation = Callable[[Graph, Sequence[int]], int]


@cache
def operations() -> Mapping[int, Operation]:
    """What a libSBML operator does; made at first use because libSBML loads slowly."""
    table: dict[int, Operation] = {}
    for name, ours in _NAMES.items():
        table[getattr(libsbml, f"AST_FUNCTION_{name}")] = _unary(ours)
    for name, (ours, wrap) in _RECIPROCALS.items():
        table[getattr(libsbml, f"AST_FUNCTION_{name}")] = _reciprocal(ours, wrap)
    for name, operation in _OTHERS.items():
        if hasattr(libsbml, f"AST_{name}"):
            table[getattr(libsbml, f"AST_{name}")] = operation
    return table


_NAMES = {
    "EXP": "exp", "LN": "log", "ABS": "abs", "FLOOR": "floor", "CEILING": "ceil", "SIN": "sin", "COS": "cos",
    "TAN": "tan", "ARCSIN": "asin", "ARCCOS": "acos", "ARCTAN": "atan", "SINH": "sinh", "COSH": "cosh", "TANH": "tanh",
}  # fmt: skip
_RECIPROCALS = {"SEC": ("cos", False), "CSC": ("sin", False), "COT": ("tan", False), "SECH": ("cosh", False)}
_RECIPROCALS |= {"CSCH": ("sinh", False), "COTH": ("tanh", False), "ARCSEC": ("acos", True), "ARCCSC": ("asin", True)}
assert set(_NAMES.values()) < set(UNARY)


def _unary(name: str) -> Operation:
    return lambda g, a: g.call(name, a[0])


def _reciprocal(name: str, inside: bool) -> Operation:
    return lambda g, a: g.call(name, g.inv(a[0])) if inside else g.inv(g.call(name, a[0]))


def _not(g: Graph, a: int) -> int:
    return g.select(a, g.zero, g.one)


def _and(g: Graph, a: Sequence[int]) -> int:
    return reduce(lambda x, y: g.select(x, g.compare("ne", y, g.zero), g.zero), a, g.one)


def _or(g: Graph, a: Sequence[int]) -> int:
    return reduce(lambda x, y: g.select(x, g.one, g.compare("ne", y, g.zero)), a, g.zero)


def _xor(g: Graph, a: Sequence[int]) -> int:
    return reduce(lambda x, y: g.compare("ne", x, g.compare("ne", y, g.zero)), a, g.zero)


def _chain(op: str, swap: bool) -> Operation:
    def compare(g: Graph, a: Sequence[int]) -> int:
        return _and(g, [g.compare(op, y, x) if swap else g.compare(op, x, y) for x, y in pairwise(a)])

    return compare


def _extreme(g: Graph, a: Sequence[int], largest: bool) -> int:
    return reduce(lambda x, y: g.select(g.compare("lt", x, y), *((y, x) if largest else (x, y))), a)


def _piecewise(g: Graph, a: Sequence[int]) -> int:
    otherwise = a[-1] if len(a) % 2 else g.const(math.nan)
    pairs = list(zip(a[0::2], a[1::2], strict=False))
    return reduce(lambda rest, pair: g.select(pair[1], pair[0], rest), reversed(pairs), otherwise)


def _quotient(g: Graph, a: Sequence[int]) -> int:
    ratio = g.div(a[0], a[1])
    return g.select(g.compare("lt", ratio, g.zero), g.call("ceil", ratio), g.call("floor", ratio))


_OTHERS: dict[str, Operation] = {
    "PLUS": lambda g, a: g.total(a),
    "TIMES": lambda g, a: reduce(g.mul, a, g.one),
    "MINUS": lambda g, a: g.neg(a[0]) if len(a) == 1 else g.sub(a[0], a[1]),
    "DIVIDE": lambda g, a: g.div(a[0], a[1]),
    "POWER": lambda g, a: g.power(a[0], a[1]),
    "FUNCTION_POWER": lambda g, a: g.power(a[0], a[1]),
    "FUNCTION_ROOT": lambda g, a: g.call("sqrt", a[0]) if len(a) == 1 else g.power(a[1], g.inv(a[0])),
    "FUNCTION_LOG": lambda g, a: g.div(g.call("log", a[-1]), g.call("log", a[0] if len(a) > 1 else g.const(10))),
    "FUNCTION_PIECEWISE": _piecewise,
    "FUNCTION_MIN": lambda g, a: _extreme(g, a, False),
    "FUNCTION_MAX": lambda g, a: _extreme(g, a, True),
    "FUNCTION_QUOTIENT": _quotient,
    "FUNCTION_REM": lambda g, a: g.sub(a[0], g.mul(a[1], _quotient(g, a))),
    "LOGICAL_AND": _and,
    "LOGICAL_OR": _or,
    "LOGICAL_XOR": _xor,
    "LOGICAL_NOT": lambda g, a: _not(g, a[0]),
    "LOGICAL_IMPLIES": lambda g, a: _or(g, [_not(g, a[0]), a[1]]),
    "RELATIONAL_LT": _chain("lt", False),
    "RELATIONAL_LEQ": _chain("le", False),
    "RELATIONAL_GT": _chain("lt", True),
    "RELATIONAL_GEQ": _chain("le", True),
    "RELATIONAL_EQ": _chain("eq", False),
    "RELATIONAL_NEQ": _chain("ne", False),
}
