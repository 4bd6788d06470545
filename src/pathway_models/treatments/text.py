"""Treatments by name: the form of the command line and of the observation tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from .._types import Frozen
from ..errors import InvalidValueError, unknown_name
from .diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, MCTOil, ModifiedAtkinsDiet
from .drugs import Drug, known_agents
from .schedule import Treatment, snake
from .stimulation import Electroacupuncture, ShamAcupuncture

_CLASSES = (
    KetogenicDiet,
    ModifiedAtkinsDiet,
    MCTDiet,
    Electroacupuncture,
    ShamAcupuncture,
    Fasting,
    KetoneEster,
    MCTOil,
)
TEXT_OPTIONS = ("age_group", "point", "input")


@cache
def treatment_classes() -> Mapping[str, type[Any]]:
    """Command-line name -> class of every treatment; the drugs share one."""
    return Frozen({snake(c.__name__): c for c in _CLASSES} | dict.fromkeys(known_agents(), Drug))


def treatment_from_text(text: str) -> Treatment:
    """A treatment from its command-line form: `ketogenic_diet`, `ketogenic_diet:ratio=3,start=2`, `rapamycin:amount=5`.

    Raises `UnknownNameError` for an unknown treatment or option and `InvalidValueError` for a bad value.

    >>> treatment_from_text("ketogenic_diet:ratio=3").ratio
    3.0
    """
    name, _, rest = text.partition(":")
    classes = treatment_classes()
    if name not in classes:
        raise unknown_name("treatment", name, classes)
    allowed = [f.name for f in fields(classes[name]) if f.name != "name"]
    options: dict[str, Any] = {"name": name} if classes[name] is Drug else {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in allowed:
            raise unknown_name(f"option of {name}", key, allowed)
        options[key] = value if key in TEXT_OPTIONS else _number(name, key, separator, value)
    made: Treatment = classes[name](**options)
    return made


def _number(name: str, key: str, separator: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidValueError(f"{key}{separator}{value} of {name}: write a number, e.g. {key}=2") from None
