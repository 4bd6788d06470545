"""Outcomes, parameters and times in the form of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ensembles.outcomes import Outcome
from ..errors import InvalidValueError, unknown_name
from ..sensitivity.factors import Range

OUTCOME_OPTIONS = ("reduce", "window", "relative", "label")
OUTCOME_HELP = (
    "a variable, repeatable; options after a colon: reduce=mean (default: of the last 4 weeks), final, peak, trough, "
    "area or time_to_half; relative=yes (to before treatment); window=168 (model time); label=TEXT (last); "
    "e.g. IL1B:reduce=peak,relative=yes"
)


def outcome_named(text: str) -> Outcome:
    """An outcome from its command-line form: `IL1B`, `IL1B:reduce=peak,relative=yes`; window in model time, label last.

    Raises `UnknownNameError` for another option and `InvalidValueError` for a bad value.

    >>> outcome_named("IL1B:reduce=peak").name
    'IL1B peak'
    """
    variable, _, rest = text.partition(":")
    rest, *label = f",{rest}".split(",label=", 1)
    options: dict[str, Any] = {"label": label[0]} if label else {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in OUTCOME_OPTIONS:
            raise unknown_name(f"option of the outcome {variable}", key, OUTCOME_OPTIONS)
        if not separator or not value:
            raise InvalidValueError(f"{part} of {variable}: write {key}=VALUE")
        options[key] = _option(variable, key, value)
    return Outcome(variable=variable, **options)


def parameters_named(texts: Sequence[str] | None) -> dict[str, Range | None] | None:
    """Parameters from `NAME` (None: the range of the table), `NAME=LOW:HIGH` or `NAME=LOW:HIGH:LAW`; None for none.

    >>> parameters_named(["k", "Vmax=1:2", "Km=1:2:uniform"])
    {'k': None, 'Vmax': (1.0, 2.0), 'Km': (1.0, 2.0, 'uniform')}
    """
    found: dict[str, Range | None] = {}
    for text in texts or ():
        name, separator, bounds = text.partition("=")
        if name in found:
            raise InvalidValueError(f"--parameter names {name} twice")
        found[name] = _bounds(text, bounds) if separator else None
    return found or None


def _bounds(text: str, bounds: str) -> Range:
    try:
        low, high, *law = bounds.split(":", 2)
        ends = float(low), float(high)
    except ValueError:
        raise InvalidValueError(
            f"--parameter {text}: write NAME=LOW:HIGH, e.g. NAME=0.1:10, or NAME=LOW:HIGH:LAW"
        ) from None
    return (*ends, law[0]) if law else ends


def times_named(text: str | None) -> list[float]:
    """Times from `0,24,168`."""
    try:
        return [float(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        raise InvalidValueError(f"--times {text}: write numbers in model time, e.g. 0,24,168") from None


def _option(variable: str, key: str, value: str) -> str | float | bool:
    if key == "window":
        try:
            return float(value)
        except ValueError:
            raise InvalidValueError(f"window={value} of {variable}: write a number, in model time") from None
    if key == "relative":
        if value not in ("yes", "no"):
            raise InvalidValueError(f"relative={value} of {variable}: write yes or no")
        return value == "yes"
    return value
