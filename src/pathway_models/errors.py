"""Everything this library raises on purpose; each message names the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real


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


def unknown_name(what: str, name: str, allowed: Iterable[str]) -> UnknownNameError:
    """An `UnknownNameError` that lists what is allowed, nearest names first.

    >>> str(unknown_name("module", "nlrp3", ["nlrp3_il1b", "gaba_gad67"]))
    "unknown module 'nlrp3'; did you mean 'nlrp3_il1b'? Allowed: gaba_gad67, nlrp3_il1b"
    """
    names = sorted(allowed)
    near = get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f" did you mean {', '.join(repr(n) for n in near)}?" if near else ""
    shown = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
    return UnknownNameError(f"unknown {what.removeprefix('the ')} {name!r};{hint} Allowed: {shown or '(none)'}")


def require_range(what: str, value: float, low: float, high: float) -> float:
    """Return `value` if it lies in `low..high`, else raise `InvalidValueError` (NaN is outside, as is no number).

    >>> require_range("ratio", 4.0, 1.0, 5.0)
    4.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidValueError(f"{what} is {value!r}; allowed is a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise InvalidValueError(f"{what} is {value:g}; allowed is {low:g} to {high:g}")
    return value


def require_choice(what: str, value: str, allowed: Iterable[str]) -> str:
    """`value` if it is one of `allowed`, else `UnknownNameError`."""
    if value not in allowed:
        raise unknown_name(what, value, allowed)
    return value
