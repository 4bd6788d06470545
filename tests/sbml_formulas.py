"""MathML of SBML as Python expressions, written from the specification and from nothing of the library.

An id `x` is `v_x` in an expression, its rate of change (csymbol rateOf) `d_x`, time is `t`. What can jump (a
comparison, a floor) is collected, so that whoever integrates can stop there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

NAN = math.nan
_NAMED = re.compile(r"\b[vnd]_\w+")


class NotRead(Exception):
    """The evaluator does not know a construct; the text says which."""


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def names_in(expression: str) -> list[str]:
    """The variables (`v_x`, `n_x`, `d_x`) that an expression reads."""
    return list(dict.fromkeys(_NAMED.findall(expression)))


# ---- arithmetic that gives NaN or infinity where Python raises -----------------------------------------------------


def quiet(function: Callable[..., float]) -> Callable[..., float]:
    """The same function: NaN outside its domain, infinity where the result is too large."""

    def called(*arguments: float) -> float:
        try:
            result = function(*arguments)
        except (ValueError, ZeroDivisionError):
            return NAN
        except OverflowError:
            return math.inf
        return NAN if isinstance(result, complex) else result

    return called


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return NAN if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _truncated(a: float, b: float) -> float:
    return float(math.trunc(a / b))


def _log(base: float, x: float) -> float:
    if x == 0:
        return -math.inf
    return math.log10(x) if base == 10 else math.log(x) / math.log(base)


def _inverse(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: 1 / function(x)


def _of_inverse(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: function(1 / x)


_INVERSES = (("sec", "cos"), ("csc", "sin"), ("cot", "tan"), ("sech", "cosh"), ("csch", "sinh"), ("coth", "tanh"))
_TRIGONOMETRY: dict[str, Callable[[float], float]] = {
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{a: _inverse(getattr(math, b)) for a, b in _INVERSES},
    **{f"arc{a}": _of_inverse(getattr(math, f"a{b}")) for a, b in _INVERSES},
}
_TRIGONOMETRY["arccot"] = lambda x: math.atan(1 / x) if x else math.pi / 2
_FUNCTIONS: dict[str, Callable[..., float]] = {
    **_TRIGONOMETRY,
    "divide": _divide,
    "power": lambda a, b: float(a) ** b,
    "root": lambda degree, x: -((-x) ** (1 / degree)) if x < 0 and degree % 2 == 1 else float(x) ** (1 / degree),
    "log": _log,
    "ln": lambda x: _log(math.e, x),
    "exp": math.exp,
    "abs": abs,
    "floor": lambda x: float(math.floor(x)),
    "ceiling": lambda x: float(math.ceil(x)),
    "factorial": lambda x: math.gamma(x + 1),
    "max": max,
    "min": min,
    "quotient": _truncated,
    "rem": lambda a, b: a - b * _truncated(a, b),
}
FUNCTIONS: dict[str, object] = {"NAN": NAN, "INF": math.inf} | {f"f_{k}": quiet(f) for k, f in _FUNCTIONS.items()}
_JUMPING = ("floor", "ceiling", "quotient")
_CONSTANTS = {
    "pi": repr(math.pi),
    "exponentiale": repr(math.e),
    "infinity": "INF",
    "notanumber": "NAN",
    "true": "True",
    "false": "False",
}
_COMPARED = {"eq": "==", "neq": "!=", "gt": ">", "lt": "<", "geq": ">=", "leq": "<="}
_JOINED = {"and": ("and", "True"), "or": ("or", "False"), "plus": ("+", "0"), "times": ("*", "1")}
AVOGADRO = "6.02214179e+23"


@dataclass(kw_only=True)
class Formulas:
    """Turns MathML into expressions; `jumps` are the expressions that change at once."""

    definitions: Mapping[str, Element]  # lambdas by the id of the function
    jumps: list[str] = field(default_factory=list)

    def expression(self, node: Element, known: Mapping[str, str] | None = None) -> str:
        """The expression of a formula; `known` are ids that stand for other expressions (locals, arguments)."""
        known = known or {}
        kind = local(node)
        if kind in ("math", "semantics"):
            return self.expression(node[0], known)
        if kind == "cn":
            return _number(node)
        if kind == "ci":
            name = (node.text or "").strip()
            return known.get(name, f"v_{name}")
        if kind == "csymbol":
            symbol = node.get("definitionURL", "").rpartition("/")[2]
            if symbol not in ("time", "avogadro"):
                raise NotRead(f"csymbol {symbol}")
            return "t" if symbol == "time" else AVOGADRO
        if kind == "piecewise":
            return self._piecewise(node, known)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == "apply":
            return self._apply(node[0], list(node[1:]), known)
        raise NotRead(f"MathML element {kind}")

    def _piecewise(self, node: Element, known: Mapping[str, str]) -> str:
        text = "NAN"
        for part in reversed(node):
            values = [self.expression(child, known) for child in part]
            text = values[0] if local(part) == "otherwise" else f"({values[0]} if {values[1]} else {text})"
        return text

    def _apply(self, head: Element, rest: list[Element], known: Mapping[str, str]) -> str:
        kind = local(head)
        if kind == "csymbol":
            if not head.get("definitionURL", "").endswith("/rateOf"):
                raise NotRead("csymbol delay")
            name = (rest[0].text or "").strip()
            return "0.0" if name in known else f"d_{name}"
        if kind == "root":
            degree = [self.expression(r[0], known) for r in rest if local(r) == "degree"] or ["2"]
            return f"f_root({degree[0]}, {self.expression(rest[-1], known)})"
        if kind == "log":
            base = [self.expression(r[0], known) for r in rest if local(r) == "logbase"] or ["10"]
            return f"f_log({base[0]}, {self.expression(rest[-1], known)})"
        values = [self.expression(r, known) for r in rest]
        if kind == "ci":
            return self._call((head.text or "").strip(), values)
        return self._operator(kind, values)

    def _call(self, name: str, values: Sequence[str]) -> str:
        if name not in self.definitions:
            raise NotRead(f"function {name}")
        *arguments, body = self.definitions[name]
        names = [(a[0].text or "").strip() for a in arguments]
        return f"({self.expression(body, dict(zip(names, values, strict=True)))})"

    def _operator(self, kind: str, values: list[str]) -> str:
        if kind in _COMPARED:
            sign = f" {_COMPARED[kind]} "
            text = f"({sign.join(values)})" if kind != "neq" else f"({values[0]} != {values[1]})"
            return self._jump(text)
        if kind in ("and", "or", "plus", "times"):
            sign, neutral = _JOINED[kind]
            return "(" + f" {sign} ".join([*values] or [neutral]) + ")"
        if kind == "xor":
            return "(" + " ^ ".join(f"bool({v})" for v in values or ["False"]) + ")"
        if kind == "not":
            return f"(not {values[0]})"
        if kind == "implies":
            return f"((not {values[0]}) or {values[1]})"
        if kind == "minus":
            return f"(-{values[0]})" if len(values) == 1 else f"({values[0]} - {values[1]})"
        if kind == "rem":
            self._jump(f"f_quotient({', '.join(values)})")
        if f"f_{kind}" not in FUNCTIONS:
            raise NotRead(f"function {kind}")
        text = f"f_{kind}({', '.join(values)})" if len(values) > 1 or kind not in ("max", "min") else f"({values[0]})"
        return self._jump(text) if kind in _JUMPING else text

    def _jump(self, text: str) -> str:
        if text not in self.jumps:
            self.jumps.append(text)
        return text


def _number(node: Element) -> str:
    parts = [(node.text or "").strip(), *((child.tail or "").strip() for child in node)]
    if node.get("type") == "e-notation":
        value = float(f"{parts[0]}e{int(parts[1])}")
    elif node.get("type") == "rational":
        value = int(parts[0]) / int(parts[1])
    else:
        value = float(parts[0])
    return written(value)


def written(value: float | None) -> str:
    """A number as an expression; NaN for None."""
    if value is None or math.isnan(value):
        return "NAN"
    return f"({value!r})" if math.isfinite(value) else f"({'-' * (value < 0)}INF)"
