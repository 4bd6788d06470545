"""SBML formulas as a tape: a flat list of numbered operations that numbers or arrays run through, without recursion."""

from __future__ import annotations

import math
import operator
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .._sbml.formulas import in_order, kind_of, shown_circle
from .._sbml.native import libsbml
from ..errors import ModelError

Value: TypeAlias = Any  # a numpy float or an array of them: every operation takes both
AVOGADRO = 6.02214179e23  # the value of the SBML specification, Level 3 Version 1, section 3.4.6
TRUTHS = frozenset({"lt", "le", "eq", "ne", "and", "or", "xor", "not"})


class Tape:
    """Operations in an order in which each comes after its arguments; equal operations are one."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.label: list[str] = []  # of a leaf or a slot: the id; of a number: itself
        self._known: dict[tuple[str, tuple[int, ...], str], int] = {}

    def add(self, op: str, args: Iterable[int] = (), label: str = "") -> int:
        """The number of an operation."""
        key = (op, tuple(args), label)
        if key not in self._known:
            self._known[key] = len(self.op)
            self.op.append(op)
            self.args.append(key[1])
            self.label.append(label)
        return self._known[key]

    def number(self, value: float) -> int:
        """A constant."""
        return self.add("number", label=float(value).hex())

    def truth(self, node: int) -> int:
        """A node as a condition: what is not one yet is true where it is not 0."""
        return node if self.op[node] in TRUTHS else self.add("ne", (node, self.number(0.0)))

    def run(self, order: Iterable[int], values: list[Value]) -> None:
        """Compute the nodes of `order` (increasing) into `values`, where all that they read stands already."""
        op, args = self.op, self.args
        with np.errstate(all="ignore"):
            for node in order:
                values[node] = FUNCTIONS[op[node]](*[values[k] for k in args[node]])

    def numbers(self) -> dict[int, Value]:
        """The values of the constants."""
        return {k: np.float64(float.fromhex(self.label[k])) for k, op in enumerate(self.op) if op == "number"}


class Recipe(NamedTuple):
    """How the node of an id is made: the ids that must have nodes before, and the maker."""

    reads: frozenset[str]
    build: Callable[[Mapping[str, int]], int]


def built(recipes: Mapping[str, Recipe]) -> dict[str, int]:
    """The node of each id, made in an order in which all have what they read; `ModelError` names a circle."""
    order, circle = in_order({name: recipe.reads for name, recipe in recipes.items()})
    if circle:
        raise ModelError(f"the values at time 0 form a circle: {shown_circle(circle)}")
    nodes: dict[str, int] = {}
    for name in order:
        if name in recipes:
            nodes[name] = recipes[name].build(nodes)
    return nodes


# ---- reading -------------------------------------------------------------------------------------------------------


def ids_in(math: Any) -> frozenset[str]:
    """The ids that a formula names, or for `rateOf` their `rate_name` (time and the Avogadro constant are none)."""
    found, waiting = set[str](), [math] if math is not None else []
    while waiting:
        node = waiting.pop()
        kind = kind_of(node)
        if kind == libsbml.AST_NAME:
            found.add(str(node.getName()))
        elif kind == libsbml.AST_FUNCTION_RATE_OF:
            found.add(rate_name(node.getChild(0).getName()))
        else:
            waiting += [node.getChild(i) for i in range(node.getNumChildren())]
    return frozenset(found)


def rate_name(key: str) -> str:
    """What `rateOf` of an id is called where ids have nodes; no id has a blank."""
    return f"rateOf {key}"


class Formulas:
    """Puts libSBML formulas of one model on a tape; calls of function definitions are replaced by their bodies."""

    def __init__(self, model: Any, tape: Tape) -> None:
        self.tape = tape
        self._functions = {f.getId(): f for f in model.getListOfFunctionDefinitions()}
        self._called: dict[tuple[str, tuple[int, ...]], int] = {}

    def put(self, math: Any, names: Mapping[str, int]) -> int:
        """The node of a formula whose ids have the nodes `names`; `ModelError` names what is unknown."""
        results: list[int] = []
        work: list[tuple[str, Any, Mapping[str, int]]] = [("visit", math, names)]
        running: list[str] = []
        while work:
            step, item, scope = work.pop()
            if step == "visit":
                leaf = self._leaf(item, scope)
                if leaf is not None:
                    results.append(leaf)
                    continue
                count = item.getNumChildren()
                work.append(("apply", item, scope))
                work += [("visit", item.getChild(i), scope) for i in reversed(range(count))]
            elif step == "apply":
                count = item.getNumChildren()
                args = tuple(results[len(results) - count :])
                del results[len(results) - count :]
                if kind_of(item) != libsbml.AST_FUNCTION:
                    results.append(self._operation(item, args))
                elif item.getName() not in self._functions and item.getName() in scope:
                    # a value where a function should stand (bounds of flux balance in Level 2): no number follows
                    results.append(self.tape.number(float("nan")))
                elif (item.getName(), args) in self._called:
                    results.append(self._called[item.getName(), args])
                else:
                    work.append(("leave", (item.getName(), args), scope))
                    work.append(("visit", *self._body(item.getName(), args, running)))
            else:
                running.remove(item[0])
                self._called[item] = results[-1]
        return results[0]

    def law_recipe(self, reaction: Any) -> Recipe:
        """How the value of a reaction is made: that of its kinetic law, NaN where it has none."""
        law = reaction.getKineticLaw()
        if law is None or law.getMath() is None:
            return Recipe(frozenset(), lambda _: self.tape.number(math.nan))
        own = {p.getId() for p in law.getListOfParameters()}
        return Recipe(ids_in(law.getMath()) - own - {rate_name(k) for k in own}, lambda names: self._law(law, names))

    def _law(self, law: Any, names: Mapping[str, int]) -> int:
        """Its own parameters hide global ids."""
        local = {p.getId(): self.tape.number(p.getValue()) for p in law.getListOfParameters()}
        local |= {rate_name(k): self.tape.number(0.0) for k in local}
        return self.put(law.getMath(), ChainMap(local, dict(names)) if local else names)

    def _leaf(self, node: Any, scope: Mapping[str, int]) -> int | None:
        kind = kind_of(node)
        if node.isNumber():
            return self.tape.number(node.getValue())
        if kind in (libsbml.AST_NAME, libsbml.AST_FUNCTION_RATE_OF):
            name = str(node.getName()) if kind == libsbml.AST_NAME else rate_name(node.getChild(0).getName())
            if name not in scope:
                raise ModelError(f"a formula names {name!r}, which has no value")
            return scope[name]
        if kind == libsbml.AST_NAME_TIME:
            return self.tape.add("time")
        constant = constants().get(kind)
        return None if constant is None else self.tape.number(constant)

    def _body(self, name: str, args: tuple[int, ...], running: list[str]) -> tuple[Any, Mapping[str, int]]:
        definition = self._functions.get(name)
        if definition is None or definition.getBody() is None or definition.getNumArguments() != len(args):
            raise ModelError(f"a formula calls {name!r} with {len(args)} arguments, which the file does not define")
        if name in running:
            raise ModelError(f"the function definition {name!r} calls itself")
        running.append(name)
        bound = {definition.getArgument(i).getName(): a for i, a in enumerate(args)}
        return definition.getBody(), bound

    def _operation(self, node: Any, args: tuple[int, ...]) -> int:
        kind = kind_of(node)
        operation = _operations().get(kind)
        if operation is None or len(args) not in _counts().get(kind, range(len(args) + 1)):
            shown = f"{node.getName() or kind!r} with {len(args)} arguments"
            raise ModelError(f"the function {shown} in a formula is not supported")
        return operation(self.tape, args)


@cache
def constants() -> Mapping[int, float]:
    """Numbers that have a name in libSBML."""
    return {
        libsbml.AST_CONSTANT_E: math.e,
        libsbml.AST_CONSTANT_PI: math.pi,
        libsbml.AST_CONSTANT_TRUE: 1.0,
        libsbml.AST_CONSTANT_FALSE: 0.0,
        libsbml.AST_NAME_AVOGADRO: AVOGADRO,
    }


Operation: TypeAlias = Callable[[Tape, tuple[int, ...]], int]


@cache
def _operations() -> Mapping[int, Operation]:
    """What a libSBML operator puts on the tape; made at first use because libSBML loads slowly."""
    same = {getattr(libsbml, f"AST_FUNCTION_{name}"): _plain(name.lower()) for name in _SAME}
    return same | {getattr(libsbml, f"AST_{name}"): operation for name, operation in _SHAPED.items()}


@cache
def _counts() -> Mapping[int, Sequence[int]]:
    """How many arguments an operator takes, where not every number is allowed."""
    same = {getattr(libsbml, f"AST_FUNCTION_{name}"): (2,) if name in _OF_TWO else (1,) for name in _SAME}
    return same | {getattr(libsbml, f"AST_{name}"): counts for name, counts in _ALLOWED.items()}


def _plain(op: str) -> Operation:
    return lambda tape, args: tape.add(op, args)


def _many(op: str, empty: float) -> Operation:
    def operation(tape: Tape, args: tuple[int, ...]) -> int:
        return tape.number(empty) if not args else args[0] if len(args) == 1 else tape.add(op, args)

    return operation


def _logical(op: str, empty: float) -> Operation:
    def operation(tape: Tape, args: tuple[int, ...]) -> int:
        truths = tuple(tape.truth(a) for a in args)
        return tape.truth(tape.number(empty)) if not truths else tape.add(op, truths)

    return operation


def _relation(op: str, swap: bool = False) -> Operation:
    def operation(tape: Tape, args: tuple[int, ...]) -> int:
        pairs = [tape.add(op, (b, a) if swap else (a, b)) for a, b in pairwise(args)]
        return pairs[0] if len(pairs) == 1 else _logical("and", 1.0)(tape, tuple(pairs))

    return operation


def _piecewise(tape: Tape, args: tuple[int, ...]) -> int:
    otherwise = args[-1] if len(args) % 2 else tape.number(math.nan)
    pairs = list(zip(args[0::2], args[1::2], strict=False))
    return reduce(lambda rest, pair: tape.add("select", (tape.truth(pair[1]), pair[0], rest)), pairs[::-1], otherwise)


def _implies(tape: Tape, args: tuple[int, ...]) -> int:
    return tape.add("or", (tape.add("not", (tape.truth(args[0]),)), tape.truth(args[1])))


def _minus(tape: Tape, args: tuple[int, ...]) -> int:
    return tape.add("negative" if len(args) == 1 else "minus", args)


def _root(tape: Tape, args: tuple[int, ...]) -> int:
    return tape.add("sqrt", args) if len(args) == 1 else tape.add("root", args)


def _log(tape: Tape, args: tuple[int, ...]) -> int:
    return tape.add("log10", args) if len(args) == 1 else tape.add("log", args)


_SHAPED: dict[str, Operation] = {
    "PLUS": _many("plus", 0.0),
    "TIMES": _many("times", 1.0),
    "MINUS": _minus,
    "DIVIDE": _plain("divide"),
    "POWER": _plain("power"),
    "FUNCTION_POWER": _plain("power"),
    "FUNCTION_ROOT": _root,
    "FUNCTION_LOG": _log,
    "FUNCTION_MIN": _many("min", math.inf),
    "FUNCTION_MAX": _many("max", -math.inf),
    "FUNCTION_PIECEWISE": _piecewise,
    "LOGICAL_AND": _logical("and", 1.0),
    "LOGICAL_OR": _logical("or", 0.0),
    "LOGICAL_XOR": _logical("xor", 0.0),
    "LOGICAL_NOT": _logical("not", 0.0),
    "LOGICAL_IMPLIES": _implies,
    "RELATIONAL_LT": _relation("lt"),
    "RELATIONAL_LEQ": _relation("le"),
    "RELATIONAL_GT": _relation("lt", swap=True),
    "RELATIONAL_GEQ": _relation("le", swap=True),
    "RELATIONAL_EQ": _relation("eq"),
    "RELATIONAL_NEQ": _relation("ne"),
}
_TWO_OR_MORE = ("LT", "LEQ", "GT", "GEQ", "EQ")
_ALLOWED: dict[str, Sequence[int]] = {
    **dict.fromkeys(("MINUS", "FUNCTION_ROOT", "FUNCTION_LOG"), (1, 2)),
    **dict.fromkeys(("DIVIDE", "POWER", "FUNCTION_POWER", "LOGICAL_IMPLIES", "RELATIONAL_NEQ"), (2,)),
    **dict.fromkeys((f"RELATIONAL_{name}" for name in _TWO_OR_MORE), range(2, 1_000_000)),
    "LOGICAL_NOT": (1,),
}

# ---- computing -----------------------------------------------------------------------------------------------------


def _select(condition: Value, chosen: Value, otherwise: Value) -> Value:
    if isinstance(condition, np.ndarray):
        return np.where(condition != 0, chosen, otherwise)
    return chosen if condition != 0 else otherwise


def _factorial(x: Value) -> Value:
    from scipy.special import gamma

    return gamma(x + 1.0)


def _folded(function: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    return lambda *values: reduce(function, values)


def _of_inverse(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    return lambda x: function(np.float64(1.0) / x)


def _inverse_of(function: Callable[[Value], Value]) -> Callable[[Value], Value]:
    return lambda x: np.float64(1.0) / function(x)


_ONE_TO_ONE: Mapping[str, Callable[..., Value]] = {
    "EXP": np.exp, "LN": np.log, "ABS": np.abs, "FLOOR": np.floor, "CEILING": np.ceil, "FACTORIAL": _factorial,
    "SIN": np.sin, "COS": np.cos, "TAN": np.tan, "SINH": np.sinh, "COSH": np.cosh, "TANH": np.tanh,
    "SEC": _inverse_of(np.cos), "CSC": _inverse_of(np.sin), "COT": _inverse_of(np.tan),
    "SECH": _inverse_of(np.cosh), "CSCH": _inverse_of(np.sinh), "COTH": _inverse_of(np.tanh),
    "ARCSIN": np.arcsin, "ARCCOS": np.arccos, "ARCTAN": np.arctan,
    "ARCSINH": np.arcsinh, "ARCCOSH": np.arccosh, "ARCTANH": np.arctanh,
    "ARCSEC": _of_inverse(np.arccos), "ARCCSC": _of_inverse(np.arcsin), "ARCCOT": _of_inverse(np.arctan),
    "ARCSECH": _of_inverse(np.arccosh), "ARCCSCH": _of_inverse(np.arcsinh), "ARCCOTH": _of_inverse(np.arctanh),
    "QUOTIENT": lambda a, b: np.trunc(a / b), "REM": np.fmod, "DELAY": lambda x, _: x,
}  # fmt: skip
_SAME: Sequence[str] = tuple(_ONE_TO_ONE)
_OF_TWO = ("QUOTIENT", "REM", "DELAY")

FUNCTIONS: dict[str, Callable[..., Value]] = {name.lower(): function for name, function in _ONE_TO_ONE.items()}
FUNCTIONS |= {
    "time": lambda: np.float64(0.0),
    "slot": lambda x: x,  # the value of an id: what the file says, unless another is given
    "plus": _folded(operator.add),
    "times": _folded(operator.mul),
    "minus": operator.sub,
    "negative": operator.neg,
    "divide": operator.truediv,
    "power": operator.pow,
    "sqrt": np.sqrt,
    "root": lambda degree, x: np.sqrt(x) if np.all(degree == 2) else x ** (np.float64(1.0) / degree),
    "log10": np.log10,
    "log": lambda base, x: np.log(x) / np.log(base),
    "min": _folded(np.minimum),
    "max": _folded(np.maximum),
    "lt": lambda a, b: (a < b) * np.float64(1.0),
    "le": lambda a, b: (a <= b) * np.float64(1.0),
    "eq": lambda a, b: (a == b) * np.float64(1.0),
    "ne": lambda a, b: (a != b) * np.float64(1.0),
    "and": _folded(operator.mul),
    "or": _folded(np.maximum),
    "xor": _folded(lambda a, b: (a != b) * np.float64(1.0)),
    "not": lambda a: np.float64(1.0) - a,
    "select": _select,
}
