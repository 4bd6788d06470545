"""Schedules as data: levels and doses on a model's inputs, and the phases that a run is cut into."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

from ._model import Model
from .errors import (
    InvalidValueError,
    Named,
    UnknownNameError,
    require_kind,
    require_number,
    require_numbers,
    require_range,
    unknown_name,
)

HOURS_PER_WEEK = 168.0


@dataclass(frozen=True, kw_only=True)
class Level(Named):
    """Hold an input at a value from `start` to `stop` (half open, model time; hours in our models).

    `stop=None` means to the end of the run. Levels on one input must not overlap.

    >>> Level(input="rapamycin", value=0.5, start=24, stop=48).value
    0.5
    """

    input: str
    value: float
    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        require_kind("the input of a level", self.input, str, 'Level(input="BHB", value=1.0)')
        object.__setattr__(self, "value", require_number(f"the level of {self.input}", self.value))
        if not math.isfinite(self.value):
            raise InvalidValueError(f"the level of {self.input} is {self.value}; allowed are finite numbers")
        check_window(self.input, self.start, self.stop)

    def schedule(self) -> tuple[Level, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class Dose(Named):
    """Add `amount` to a state of the model at each of `times` (model time; hours in our models).

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
    """Anything with a `schedule()` of levels and doses: a `Level`, a `Dose`, a `KetogenicDiet`, your own."""

    def schedule(self) -> Sequence[Level | Dose]: ...


def label(treatments: Treatment | Sequence[Treatment]) -> str:
    """A short name for an arm: 'ketogenic_diet', 'ketogenic_diet+electroacupuncture', 'none'."""
    items = treatments if isinstance(treatments, Sequence) else [treatments]
    return "+".join(_name(t) for t in items) or "none"


def _name(treatment: Treatment) -> str:
    if isinstance(treatment, Level | Dose):
        return treatment.input
    kind = type(treatment)
    own = kind.__module__.startswith(__package__ or "")
    return str(getattr(treatment, "name", "") or (snake(kind.__name__) if own else kind.__name__))


def snake(name: str) -> str:
    """The command-line name of a class: KetogenicDiet is ketogenic_diet, MCTDiet is mct_diet.

    >>> snake("MCTDiet")
    'mct_diet'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch `start..stop` of constant inputs; the doses fall on its start."""

    start: float
    stop: float
    levels: tuple[tuple[str, float], ...]
    doses: tuple[tuple[str, float], ...]


def phases(model: Model, treatments: Sequence[Treatment], duration: float) -> tuple[Phase, ...]:
    """Cut `0..duration` at every known switch time.

    Raises `UnknownNameError` for an input that the model lacks, `InvalidValueError` for a level outside the input's
    range, for a dose on something that is no state, and for two levels on one input at the same time.
    """
    if isinstance(treatments, Treatment):
        raise InvalidValueError("treatments must be a list, e.g. [KetogenicDiet()]")
    require_kind("treatments", treatments, Iterable, "[KetogenicDiet()], or [] for none")
    levels: list[tuple[Level, str]] = []
    doses: list[tuple[Dose, str]] = []
    for treatment in treatments:
        if not isinstance(treatment, Treatment) or isinstance(treatment, type):
            raise InvalidValueError(f"{treatment!r} is no treatment; it needs a schedule() of Level and Dose")
        for item in treatment.schedule():
            key = _target(model, item, treatment)
            if isinstance(item, Level):
                levels.append((item, key))
            else:
                doses.append((item, key))
    _check_overlaps(levels, duration, treatments)
    windows = [
        (
            key,
            item.value,
            snapped(item.start, duration),
            snapped(math.inf if item.stop is None else item.stop, duration),
        )
        for item, key in levels
    ]
    given = [(key, item.amount, snapped(t, duration)) for item, key in doses for t in item.times]
    cuts = {0.0, duration, *(t for w in windows for t in w[2:]), *(t for *_, t in given)}
    pieces = []
    for start, stop in pairwise(sorted(t for t in cuts if t <= duration)):
        active = tuple((key, value) for key, value, begin, end in windows if begin <= start < end)
        due: dict[str, float] = {}
        for key, amount, time in given:
            if time == start and amount:
                due[key] = due.get(key, 0.0) + amount
        pieces.append(Phase(start=start, stop=stop, levels=active, doses=tuple(due.items())))
    return tuple(pieces)


def snapped(time: float, duration: float) -> float:
    """`time` to twelve digits of the duration: times that differ by rounding (0.3 and 3*0.1) become one.

    >>> snapped(0.1 + 0.2, 1.0)
    0.3
    """
    if not math.isfinite(time) or time == duration:
        return time
    return round(time, 12 - math.ceil(math.log10(duration)))


def _target(model: Model, item: Level | Dose, treatment: Treatment) -> str:
    """The id of the input that an item acts on; where the model lacks it, the treatment that asked for it is named."""
    require_kind(f"an item of the schedule of {_name(treatment)}", item, (Level, Dose), "Level(input='BHB', value=1.0)")
    try:
        key = model.resolve(item.input)
    except UnknownNameError:
        known = [p.id for p in model.inputs_] or [p.id for p in model.parameters_]
        who = "" if treatment is item else f", asked for by {_name(treatment)},"
        raise unknown_name(f"input of {model.name}{who}", item.input, known) from None
    q = model.quantities.get(key)
    port = next((p for p in model.inputs_ if p.id == key), None)
    if isinstance(item, Dose):
        if key not in model.states:
            raise InvalidValueError(f"a dose acts on a state; {key} of {model.name} is none")
        if port is not None:
            require_range(f"the dose of {key}", item.amount, port.low, port.high)
    elif q is None or q.ruled or q.kind != "parameter":
        raise InvalidValueError(f"{key} of {model.name} is computed by the model; a level acts on an input")
    elif port is not None:
        require_range(f"the level of {key}", item.value, port.low, port.high)
    return key


def _check_overlaps(levels: Sequence[tuple[Level, str]], duration: float, treatments: Sequence[Treatment]) -> None:
    by_input: dict[str, list[tuple[float, float]]] = {}
    for item, key in levels:
        stop = math.inf if item.stop is None else item.stop
        by_input.setdefault(key, []).append((item.start, stop))
    for key, windows in by_input.items():
        windows.sort()
        for (start, stop), (following, _) in pairwise(windows):
            if following < stop and following < duration:
                inputs = {item.input for item, k in levels if k == key}
                asking = [t for t in treatments if any(i.input in inputs for i in t.schedule())]
                raise InvalidValueError(
                    f"two levels on {key} overlap from {following:g}: the first runs from {start:g} to {stop:g} "
                    f"(asked for by {', '.join(map(_name, asking))})"
                )


def require_whole(what: str, value: float) -> None:
    """Raise `InvalidValueError` for a number that is not whole."""
    if value != int(value):
        raise InvalidValueError(f"{what} is {value:g}; allowed are whole numbers")


def check_window(what: str, start: float, stop: float | None) -> None:
    """Raise `InvalidValueError` for a start below 0 or a stop that does not come after it."""
    require_range(f"the start of {what}", start, 0.0, math.inf)
    if stop is not None and not require_number(f"the stop of {what}", stop) > start:
        raise InvalidValueError(f"the stop of {what} is {stop:g}; allowed is anything after its start {start:g}")
