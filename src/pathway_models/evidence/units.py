"""Units as the evidence tables print them, turned into a factor to SI and dimensions."""

from __future__ import annotations

import re
from math import isclose

from ..errors import InvalidValueError, ModelError

Dimensions = tuple[tuple[str, int], ...]
Unit = tuple[float, Dimensions]

# One line for each symbol: factor to SI and dimensions. Arbitrary units and counts have none.
SYMBOLS: dict[str, tuple[float, dict[str, int]]] = {
    "s": (1.0, {"second": 1}),
    "min": (60.0, {"second": 1}),
    "h": (3600.0, {"second": 1}),
    "day": (86_400.0, {"second": 1}),
    "week": (604_800.0, {"second": 1}),
    "year": (31_557_600.0, {"second": 1}),
    "mol": (1.0, {"mole": 1}),
    "L": (1e-3, {"metre": 3}),
    "M": (1e3, {"mole": 1, "metre": -3}),
    "g": (1e-3, {"kilogram": 1}),
    "percent": (0.01, {}),
    **dict.fromkeys(["1", "", "-", "dimensionless", "fraction", "ratio", "fold", "AU", "a.u."], (1.0, {})),
    **dict.fromkeys(["vesicle", "seizure", "treatment", "copy"], (1.0, {})),
}
PREFIXES = {"k": 1e3, "d": 1e-1, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
PREFIXED = ("mol", "L", "M", "g", "s")
SPELLINGS = {"d": "day", "days": "day", "weeks": "week", "vesicles": "vesicle", "seizures": "seizure"}
# What a unit cell says besides the unit: a remark in parentheses, a second unit, what a count is divided by.
REMARK = re.compile(r" \(.*| (or|times|of|over) .*| change$|,? arbitrary.*|(?<=\w) per .*")


class UnknownUnitError(ModelError):
    """A unit that nobody has described yet: add its symbol to `SYMBOLS`, or read the number by `says`."""


def parse_unit(text: str) -> Unit:
    """Factor to SI and dimensions of a unit as printed; `UnknownUnitError` for a symbol that is not known.

    >>> parse_unit("1/(mM min)")[0] == 1 / 60
    True
    """
    bare = REMARK.sub("", re.sub(r"^per ", "1/", text))
    top, *bottom = re.sub(r"[()]", "", bare).split("/")
    factor, dimensions = 1.0, dict[str, int]()
    for part, sign in [(top, 1), *((b, -1) for b in bottom)]:
        for symbol in part.split() or [""]:
            size, powers = _symbol(symbol, text)
            factor *= size**sign
            for name, power in powers.items():
                dimensions[name] = dimensions.get(name, 0) + sign * power
    return factor, tuple(sorted((k, p) for k, p in dimensions.items() if p))


def _symbol(symbol: str, text: str) -> tuple[float, dict[str, int]]:
    symbol = SPELLINGS.get(symbol, symbol)
    if symbol in SYMBOLS:
        return SYMBOLS[symbol]
    prefix, base = symbol[:1], symbol[1:]
    if prefix in PREFIXES and base in PREFIXED:
        size, powers = SYMBOLS[base]
        return PREFIXES[prefix] * size, powers
    raise UnknownUnitError(f"the unit {text!r} has the unknown symbol {symbol!r}")


def convert(value: float, unit: str, into: str | Unit) -> float:
    """A value in another unit; `InvalidValueError` if the dimensions differ.

    >>> convert(30.0, "umol/L", "mM")
    0.03
    """
    factor, dimensions = parse_unit(unit)
    target, wanted = parse_unit(into) if isinstance(into, str) else into
    if dimensions != wanted:
        raise InvalidValueError(f"{unit!r} has the dimensions {dimensions}, not {wanted}")
    ratio = factor / target
    whole = round(ratio)
    return value * (whole if whole and isclose(ratio, whole, rel_tol=1e-12) else ratio)
