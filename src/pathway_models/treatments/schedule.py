"""Schedules as data: levels and doses on a model's inputs, and the phases that a run is cut into."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import (
    InvalidValueError,
    Named,
    repr_short,
    require_kind,
    require_number,
    require_numbers,
    require_range,
)

HOURS_PER_WEEK = 168.0
CONSTANTS = "treatments/constants.tsv"  # of diets, esters and stimulation; each with its source


@dataclass(frozen=True, kw_only=True)
class Level(Named):
    """Hold an input at a value for a while. Levels on one input must not overlap.

    Attributes:
        input: An input or a constant of the model.
        value: In the unit of the input.
        at: When it begins, in the time of the model (hours in our models).
        until: When it ends (half open), in the time of the model; None is the end of the run.

    Raises:
        InvalidValueError: A value that is not finite, an end that is not after the beginning.

    Example:
        >>> Level(input="rapamycin", value=0.5, at=24, until=48).value
        0.5
    """

    input: str
    value: float
    at: float = 0.0
    until: float | None = None

    def __post_init__(self) -> None:
        require_kind("the input of a level", self.input, str, 'Level(input="BHB", value=1.0)')
        object.__setattr__(self, "value", require_number(f"the level of {self.input}", self.value))
        if not math.isfinite(self.value):
            raise InvalidValueError(f"the level of {self.input} is {self.value}; allowed are finite numbers")
        check_window(self.input, self.at, self.until)

    def schedule(self) -> tuple[Level, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class Dose(Named):
    """Add an amount to a state of the model, once or several times.

    Attributes:
        input: A state of the model.
        amount: What is added each time, in the unit of the state.
        times: When, in the time of the model (hours in our models).

    Raises:
        InvalidValueError: A negative amount or time.

    Example:
        >>> Dose(input="session", amount=1.0, times=(0.0, 24.0)).times
        (0.0, 24.0)
    """

    input: str
    amount: float
    times: tuple[float, ...]

    def __post_init__(self) -> None:
        require_kind("the input of a dose", self.input, str, 'Dose(input="session", amount=1.0, times=(0, 24))')
        require_range(f"the dose of {self.input}", self.amount, 0.0, sys.float_info.max)
        object.__setattr__(self, "times", require_numbers(f"times of the dose of {self.input}", self.times))
        for time in self.times:
            require_range(f"a time of the dose of {self.input}", time, 0.0, sys.float_info.max)

    def schedule(self) -> tuple[Dose, ...]:
        """Itself."""
        return (self,)


@runtime_checkable
class Treatment(Protocol):
    """Anything with a `schedule()` of levels and doses: a `Level`, a `Dose`, a `KetogenicDiet`, your own.

    Example:
        >>> isinstance(Level(input="BHB", value=1.0), Treatment)
        True
    """

    def schedule(self) -> Sequence[Level | Dose]:
        """What it sets and adds on which inputs, and when; times in the time of the model (hours in our models)."""
        ...


def require_treatments(treatments: Iterable[Treatment]) -> tuple[Treatment, ...]:
    """The treatments; `InvalidValueError` for one outside of a list, and for what is none.

    >>> require_treatments([])
    ()
    """
    example = "[KetogenicDiet()], or [] for none"
    if isinstance(treatments, Treatment | str):
        raise InvalidValueError(f"treatments is {repr_short(treatments)}; give a list, e.g. {example}")
    require_kind("treatments", treatments, Iterable, example)
    found = tuple(treatments)
    for treatment in found:
        if not isinstance(treatment, Treatment) or isinstance(treatment, type):
            raise InvalidValueError(f"{treatment!r} is no treatment; it needs a schedule() of Level and Dose")
    return found


@runtime_checkable
class AgedTreatment(Treatment, Protocol):
    """A treatment that acts by age, such as a diet: `for_age` is the same treatment of another age group."""

    def for_age(self, age_group: str) -> Treatment: ...


def label(treatments: Treatment | Sequence[Treatment]) -> str:
    """A short name for an arm: 'ketogenic_diet', 'ketogenic_diet+electroacupuncture', 'none'."""
    items = treatments if isinstance(treatments, Sequence) else [treatments]
    return "+".join(name_of(t) for t in items) or "none"


def name_of(treatment: Treatment) -> str:
    if isinstance(treatment, Level | Dose):
        return treatment.input
    kind = type(treatment)
    own = kind.__module__.startswith("pathway_models.")
    return str(getattr(treatment, "name", "") or (snake(kind.__name__) if own else kind.__name__))


def snake(name: str) -> str:
    """The command-line name of a class: KetogenicDiet is ketogenic_diet, MCTDiet is mct_diet.

    >>> snake("MCTDiet")
    'mct_diet'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def require_whole(what: str, value: float) -> None:
    """Raise `InvalidValueError` for a number that is not whole."""
    if value != int(value):
        raise InvalidValueError(f"{what} is {value:g}; allowed are whole numbers")


def check_window(what: str, start: float, stop: float | None) -> None:
    """Raise `InvalidValueError` for a start below 0 or a stop that does not come after it."""
    require_range(f"the start of {what}", start, 0.0, math.inf)
    if stop is not None and not require_number(f"the stop of {what}", stop) > start:
        raise InvalidValueError(f"the stop of {what} is {stop:g}; allowed is anything after its start {start:g}")
