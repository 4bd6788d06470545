"""Formulas of PEtab tables: read by PEtab's own grammar, evaluated at the values of the ids that they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, TypeAlias

import numpy as np

from ..errors import ModelError

Operation: TypeAlias = Callable[..., Any]
Step: TypeAlias = tuple[Operation, int] | float | str  # (operation, how many operands), a number, a name

_TOKENS = re.compile(
    r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z_][A-Za-z_0-9]*|\*\*|<=|>=|==|!=|&&|\|\||[-+*/^(),<>!]|\S"
)
_NUMBER, _NAME = re.compile(r"[\d.]"), re.compile(r"[A-Za-z_]")


def _truth(operation: Operation) -> Operation:
    """1.0 and 0.0, with which one can reckon on."""
    return lambda *operands: 1.0 * operation(*operands)


def _piecewise(*parts: Any) -> Any:
    pairs = list(zip(parts[:-1:2], parts[1::2], strict=True))
    return reduce(lambda rest, pair: np.where(pair[1] != 0, pair[0], rest), reversed(pairs), parts[-1])


def _logarithm(x: Any, base: Any = np.e) -> Any:
    return np.log(x) / np.log(base)


# operator -> (how tightly it binds, what it does); doi:10.1371/journal.pcbi.1008646 and its version 2
_BINARY: dict[str, tuple[int, Operation]] = {
    "||": (1, _truth(np.logical_or)),
    "&&": (2, _truth(np.logical_and)),
    "<": (3, _truth(np.less)),
    "<=": (3, _truth(np.less_equal)),
    ">": (3, _truth(np.greater)),
    ">=": (3, _truth(np.greater_equal)),
    "==": (3, _truth(np.equal)),
    "!=": (3, _truth(np.not_equal)),
    "+": (4, np.add),
    "-": (4, np.subtract),
    "*": (5, np.multiply),
    "/": (5, np.divide),
    "^": (7, np.float_power),
    "**": (7, np.float_power),
}
_PREFIX: dict[str, Operation] = {"-": np.negative, "+": np.positive, "!": _truth(np.logical_not)}
_PREFIX_BINDS = 6
_CONSTANTS = {"inf": np.inf, "true": 1.0, "false": 0.0}
# name -> (what it does, numbers of operands)
_FUNCTIONS: dict[str, tuple[Operation, tuple[int, ...]]] = {
    **{k: (getattr(np, k), (1,)) for k in ("exp", "sqrt", "log2", "log10", "sin", "cos", "tan", "sinh", "cosh")},
    **{k: (getattr(np, k), (1,)) for k in ("tanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{k: (getattr(np, k), (1,)) for k in ("abs", "sign", "floor", "ceil")},
    "sec": (lambda x: 1 / np.cos(x), (1,)),
    "csc": (lambda x: 1 / np.sin(x), (1,)),
    "cot": (lambda x: 1 / np.tan(x), (1,)),
    "ln": (np.log, (1,)),
    "log": (_logarithm, (1, 2)),
    "pow": (np.float_power, (2,)),
    "min": (np.minimum, (2,)),
    "max": (np.maximum, (2,)),
    "piecewise": (_piecewise, tuple(range(3, 100, 2))),
}


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula, the ids that it names, and the steps that compute it, operands first."""

    text: str
    names: frozenset[str]
    steps: tuple[Step, ...]

    def at(self, values: Mapping[str, Any]) -> Any:
        """Its value (numbers or arrays); NaN or infinite where it has none, as in numpy."""
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for step in self.steps:
                if isinstance(step, tuple):
                    operation, count = step
                    operands = stack[-count:]
                    del stack[-count:]
                    stack.append(operation(*operands))
                else:
                    stack.append(np.float64(step) if isinstance(step, float) else values[step])
        return stack[0]


@lru_cache(maxsize=4096)
def formula(text: str) -> Formula:
    """The formula that a text holds; `ModelError` that says where it cannot be read.

    >>> float(formula("-2^2 + ln(exp(3)) * (x > 1)").at({"x": 2.0}))
    -1.0
    """
    reader = _Reader(text)
    try:
        reader.expression(0)
    except RecursionError:
        raise ModelError(f"the formula {text[:60]!r}... is nested too deeply") from None
    if reader.next:
        reader.refuse()
    return Formula(text=text, names=frozenset(s for s in reader.steps if isinstance(s, str)), steps=tuple(reader.steps))


def substitute(text: str, replacements: Mapping[str, str]) -> str:
    """The formula with some of its names replaced by other formulas.

    >>> substitute("2 * a ^ b", {"a": "x + 1", "b": "c"})
    '2 * (x + 1) ^ c'
    """

    def replaced(match: re.Match[str]) -> str:
        other = replacements.get(match.group())
        return match.group() if other is None else other if re.fullmatch(r"\w+", other) else f"({other})"

    return _TOKENS.sub(replaced, text)


class _Reader:
    """Reads a formula from left to right into steps; what binds more tightly is computed first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKENS.findall(text)
        self.steps: list[Step] = []
        self.place = 0

    @property
    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if wanted and token != wanted:
            self.refuse()
        self.place += 1
        return token

    def refuse(self) -> None:
        found = f"at {self.next!r} (part {self.place + 1} of it)" if self.next else "because it ends too early"
        raise ModelError(f"the formula {self.text!r} cannot be read {found}")

    def expression(self, above: int) -> None:
        self.operand()
        while _BINARY.get(self.next, (0, None))[0] > above:
            binds, operation = _BINARY[self.take()]
            self.expression(binds - (operation is np.float_power))  # powers are read from the right
            self.steps.append((operation, 2))

    def operand(self) -> None:
        token = self.next
        if token in _PREFIX:
            self.take()
            self.expression(_PREFIX_BINDS)
            self.steps.append((_PREFIX[token], 1))
        elif token == "(":
            self.take()
            self.expression(0)
            self.take(")")
        elif _NUMBER.match(token) and token != ".":
            self.steps.append(float(self.take()))
        elif _NAME.match(token):
            self.name(self.take())
        else:
            self.refuse()

    def name(self, name: str) -> None:
        if self.next != "(":
            self.steps.append(_CONSTANTS.get(name, name))
            return
        if name not in _FUNCTIONS:
            allowed = ", ".join(sorted(_FUNCTIONS))
            raise ModelError(f"the formula {self.text!r} calls {name!r}; allowed are {allowed}")
        operation, counts = _FUNCTIONS[name]
        self.take()
        self.expression(0)
        given = 1
        while self.next == ",":
            self.take()
            self.expression(0)
            given += 1
        self.take(")")
        if given not in counts:
            raise ModelError(
                f"{name} has {given} operands in the formula {self.text!r}; allowed: {', '.join(map(str, counts[:4]))}"
            )
        self.steps.append((operation, given))
