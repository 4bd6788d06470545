"""Treatments by name: the form of the command line and of the observation tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..errors import InvalidValueError, unknown_name
from .diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, ModifiedAtkinsDiet
from .drugs import AGENTS, Drug
from .schedule import Treatment, snake
from .stimulation import Electroacupuncture

_CLASSES = (KetogenicDiet, ModifiedAtkinsDiet, MCTDiet, Electroacupuncture, Fasting, KetoneEster)
NAMED: Mapping[str, type[Any]] = {**{snake(c.__name__): c for c in _CLASSES}, **dict.fromkeys(AGENTS, Drug)}
TEXT_OPTIONS = ("age_group", "point", "input")


def named(text: str) -> Treatment:
    """A treatment from its command-line form: `ketogenic_diet`, `ketogenic_diet:ratio=3,start=2`, `rapamycin:amount=5`.

    Raises `UnknownNameError` for an unknown treatment or option and `InvalidValueError` for a bad value.

    >>> named("ketogenic_diet:ratio=3").ratio
    3.0
    """
    name, _, rest = text.partition(":")
    if name not in NAMED:
        raise unknown_name("treatment", name, NAMED)
    allowed = [f.name for f in fields(NAMED[name]) if f.name != "name"]
    options: dict[str, Any] = {"name": name} if name in AGENTS else {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in allowed:
            raise unknown_name(f"option of {name}", key, allowed)
        options[key] = value if key in TEXT_OPTIONS else _number(name, key, separator, value)
    made: Treatment = NAMED[name](**options)
    return made


def _number(name: str, key: str, separator: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidValueError(f"{key}{separator}{value} of {name}: write a number, e.g. {key}=2") from None
