"""Everything this library raises on purpose; each message names the value and what is allowed."""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from numbers import Real
from typing import Any, Self

SHOWN = 60  # characters of a value in a message
NAMED = 5  # of the names that contain what was asked for


class PathwayModelsError(Exception):
    """Base of all errors of this library."""


class UnknownNameError(PathwayModelsError, LookupError):
    """A name that the model, the library or a table does not have."""


class InvalidValueError(PathwayModelsError, ValueError):
    """A value outside what is allowed."""


class ModelError(PathwayModelsError, ValueError):
    """A model file that cannot be read, is not valid or cannot be simulated."""


class SimulationError(PathwayModelsError, RuntimeError):
    """The integrator gave up, or no steady state was reached."""


class AccuracyWarning(UserWarning):
    """Numbers that may be less exact than they look."""


class ModelWarning(UserWarning):
    """A model, a file or a run that works, but not as one might think."""


class KeywordError(PathwayModelsError, TypeError):
    """A value without a name where values are given by name."""


def warn(message: str) -> None:
    """A `ModelWarning` at the line outside of this package that led to it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(f"{__package__}."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, ModelWarning, stacklevel=level)


class Named:
    """Base of the dataclasses that take values by name alone: says which name a value without one would have."""

    def __new__(cls, *values: object, **named: object) -> Self:
        if values:
            names = [f.name for f in fields(cls) if f.init]  # type: ignore[arg-type]
            call = ", ".join(f"{name}={repr_short(value)}" for name, value in zip(names, values, strict=False))
            raise KeywordError(f"{cls.__name__} takes its values by name: write {cls.__name__}({call})")
        return super().__new__(cls)


def repr_short(value: object) -> str:
    """A value as messages show it: its repr, cut off where it is long.

    >>> repr_short("x" * 100)[-5:]
    'xx...'
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def unknown_name(what: str, name: str, allowed: Iterable[str]) -> UnknownNameError:
    """An `UnknownNameError` that lists what is allowed; names that contain it or are like it come first.

    >>> str(unknown_name("module", "nlrp3", ["nlrp3_il1b", "gaba_gad67"]))
    "unknown module 'nlrp3'; did you mean 'nlrp3_il1b'? Allowed: gaba_gad67, nlrp3_il1b"
    """
    names = sorted(allowed)
    near = _near(str(name), names)
    hint = f" did you mean {', '.join(repr(n) for n in near)}?" if near else ""
    listed = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    return UnknownNameError(
        f"unknown {what.removeprefix('the ')} {repr_short(name)};{hint} Allowed: {listed or '(none)'}"
    )


def _near(name: str, names: Sequence[str]) -> list[str]:
    """What the user may have meant: names with it in them (of three letters or more), shortest first, then the like."""
    holding = sorted((n for n in names if len(name) > 2 and name.lower() in n.lower()), key=len)
    return list(dict.fromkeys([*holding[:NAMED], *get_close_matches(name, names, n=3, cutoff=0.5)]))


def require_number(what: str, value: Any) -> float:
    """`value` as a float; `InvalidValueError` for text, a truth value, nothing, and whatever else is no number.

    >>> require_number("k", 5)
    5.0
    """
    refused = InvalidValueError(f"{what} is {repr_short(value)}; allowed is a number")
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise refused
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise refused from None


def require_numbers(what: str, values: Any) -> tuple[float, ...]:
    """`values` as floats; `InvalidValueError` for what is no list of numbers.

    >>> require_numbers("times", [0, 24])
    (0.0, 24.0)
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidValueError(f"{what} is {repr_short(values)}; allowed is a list of numbers, e.g. [0, 24]")
    return tuple(require_number(f"one of {what}", value) for value in values)


def require_count(what: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """`value` as an integer of at least `low`; `InvalidValueError` for anything else, 8.0 and '8' included.

    >>> require_count("n", 8)
    8
    """
    try:
        number = low - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        end = "" if high is None else f" to {high}"
        raise InvalidValueError(f"{what} is {repr_short(value)}; allowed are whole numbers from {low}{end}")
    return number


def require_kind(what: str, value: object, kind: type | tuple[type, ...], example: str) -> None:
    """Raise `InvalidValueError`, with an example of what is allowed, for a value of another type."""
    if not isinstance(value, kind):
        raise InvalidValueError(f"{what} is {repr_short(value)}; write e.g. {example}")


def require_range(what: str, value: float, low: float, high: float) -> float:
    """Return `value` if it lies in `low..high`, else raise `InvalidValueError` (NaN is outside, as is no number).

    >>> require_range("ratio", 4.0, 1.0, 5.0)
    4.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidValueError(f"{what} is {repr_short(value)}; allowed is a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise InvalidValueError(f"{what} is {value:g}; allowed is {low:g} to {high:g}")
    return value


def require_choice(what: str, value: str, allowed: Iterable[str]) -> str:
    """`value` if it is one of `allowed`, else `UnknownNameError`."""
    if not isinstance(value, str) or value not in allowed:
        raise unknown_name(what, value, allowed)
    return value
