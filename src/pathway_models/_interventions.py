"""Treatments as data: levels and doses on a model's inputs, and named treatments made of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np

from ._model import Model
from .errors import InvalidValueError, UnknownNameError, require_range, unknown_name

HOURS_PER_WEEK = 168.0
# A usual diet: fat supplies about a third of the energy, carbohydrate a half.
USUAL_FAT_RATIO = 0.25
USUAL_CARBOHYDRATE_ENERGY = 0.50
PROTEIN_ENERGY_ON_DIET = 0.06


@dataclass(frozen=True, kw_only=True)
class Level:
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
        if not math.isfinite(self.value):
            raise InvalidValueError(f"the level of {self.input} is {self.value}; allowed are finite numbers")
        _check_window(self.input, self.start, self.stop)

    def schedule(self) -> tuple[Level, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True, kw_only=True)
class Dose:
    """Add `amount` to a state of the model at each of `times` (model time; hours in our models).

    >>> Dose(input="session", amount=1.0, times=(0.0, 24.0)).times
    (0.0, 24.0)
    """

    input: str
    amount: float
    times: tuple[float, ...]

    def __post_init__(self) -> None:
        require_range(f"the dose of {self.input}", self.amount, 0.0, sys.float_info.max)
        object.__setattr__(self, "times", tuple(map(float, self.times)))
        for time in self.times:
            require_range(f"a time of the dose of {self.input}", time, 0.0, sys.float_info.max)

    def schedule(self) -> tuple[Dose, ...]:
        """Itself."""
        return (self,)


@runtime_checkable
class Treatment(Protocol):
    """Anything with a `schedule()` of levels and doses: a `Level`, a `Dose`, a `KetogenicDiet`, your own."""

    def schedule(self) -> Sequence[Level | Dose]: ...


@dataclass(frozen=True, kw_only=True)
class KetogenicDiet:
    """A ketogenic diet of `ratio` g fat per g of protein and carbohydrate, from week `start` to week `stop`.

    `adherence` 0..1 mixes the diet with the usual one. With `titration_weeks` the ratio climbs from 1:1 in steps of
    one. Carbohydrate restriction follows from the ratio: fat has 9 kcal/g, the rest 4 kcal/g, protein stays at
    6 percent of energy and a usual diet has 50 percent carbohydrate (both assumed), so 4:1 restricts by 92 percent.
    Raises `InvalidValueError` outside 1..5 (ratio), 0..1 (adherence) or for a stop before the start.

    >>> round(KetogenicDiet(ratio=4).carb_restriction, 2)
    0.92
    """

    ratio: float = 4.0
    start: float = 0.0
    stop: float | None = None
    adherence: float = 1.0
    titration_weeks: float = 0.0

    def __post_init__(self) -> None:
        require_range("the ratio of the ketogenic diet (g fat : g protein and carbohydrate)", self.ratio, 1.0, 5.0)
        require_range("the adherence to the ketogenic diet", self.adherence, 0.0, 1.0)
        require_range("the titration of the ketogenic diet in weeks", self.titration_weeks, 0.0, 52.0)
        _check_window("the ketogenic diet", self.start, self.stop)

    @property
    def carb_restriction(self) -> float:
        """Share of the usual carbohydrate that the diet takes away, at full adherence."""
        return _carb_restriction(self.ratio)

    def schedule(self) -> tuple[Level, ...]:
        """Levels on `carb_restriction` and `fat_ratio`, one pair per step of the titration."""
        start = self.start * HOURS_PER_WEEK
        stop = None if self.stop is None else self.stop * HOURS_PER_WEEK
        steps = [r for r in (1.0, 2.0, 3.0, 4.0) if r < self.ratio] if self.titration_weeks else []
        length = self.titration_weeks * HOURS_PER_WEEK / max(len(steps), 1)
        edges = [start + i * length for i in range(len(steps) + 1)]
        ends: list[float | None] = [*edges[1:], stop]
        levels: list[Level] = []
        for ratio, begin, end in zip([*steps, self.ratio], edges, ends, strict=True):
            last = end if stop is None else min(end if end is not None else stop, stop)
            if last is None or begin < last:
                levels += self._levels(ratio, begin, last)
        return tuple(levels)

    def _levels(self, ratio: float, start: float, stop: float | None) -> list[Level]:
        fat = USUAL_FAT_RATIO + self.adherence * (ratio - USUAL_FAT_RATIO)
        carb = self.adherence * _carb_restriction(ratio)
        return [
            Level(input="carb_restriction", value=carb, start=start, stop=stop),
            Level(input="fat_ratio", value=fat, start=start, stop=stop),
        ]


def _carb_restriction(ratio: float) -> float:
    rest = 4.0 / (9.0 * ratio + 4.0)
    return 1.0 - max(0.0, rest - PROTEIN_ENERGY_ON_DIET) / USUAL_CARBOHYDRATE_ENERGY


@dataclass(frozen=True, kw_only=True)
class Electroacupuncture:
    """Electroacupuncture: `sessions_per_week` (1..7) of `minutes` each for `weeks`, from week `start`.

    Up to five sessions fall on weekdays, spread evenly; one session of 30 minutes is a dose of 1 into the fast trace
    of the `acupuncture` module. Raises `InvalidValueError` outside 1..7 sessions, 1..120 minutes, 0..520 weeks.

    >>> len(Electroacupuncture(sessions_per_week=5, weeks=8).schedule()[0].times)
    40
    """

    sessions_per_week: int = 5
    weeks: float = 8.0
    start: float = 0.0
    minutes: float = 30.0

    def __post_init__(self) -> None:
        require_range("the number of sessions per week", self.sessions_per_week, 1, 7)
        _require_whole("the number of sessions per week", self.sessions_per_week)
        require_range("the length of a session in minutes", self.minutes, 1.0, 120.0)
        require_range("the length of the course in weeks", self.weeks, 0.0, 520.0)
        _check_window("electroacupuncture", self.start, None)

    def schedule(self) -> tuple[Dose, ...]:
        """One dose on `session` per session."""
        n = int(self.sessions_per_week)
        days = np.round(np.linspace(0, max(n, 5) - 1, n)) if n > 1 else np.zeros(1)
        weeks = np.arange(math.ceil(self.weeks))
        hours = (weeks[:, None] * 7 + days[None, :]).ravel() * 24.0
        times = tuple(self.start * HOURS_PER_WEEK + float(h) for h in hours if h < self.weeks * HOURS_PER_WEEK)
        return (Dose(input="session", amount=self.minutes / 30.0, times=times),)


@dataclass(frozen=True, kw_only=True)
class Fasting:
    """Complete fasting for `hours` from hour `start_hour`; it opens many classical diets.

    >>> Fasting(hours=43).schedule()[0].stop
    43.0
    """

    hours: float = 24.0
    start_hour: float = 0.0

    def __post_init__(self) -> None:
        require_range("the length of the fast in hours", self.hours, 1.0, 24.0 * 30)
        _check_window("fasting", self.start_hour, None)

    def schedule(self) -> tuple[Level, ...]:
        """A level on `fasting`."""
        return (Level(input="fasting", value=1.0, start=self.start_hour, stop=self.start_hour + float(self.hours)),)


# (R)-3-hydroxybutyl (R)-3-hydroxybutyrate, 176.2 g/mol, gives two molecules of BHB: one at once, one through butanediol
KETONE_ESTER_MMOL_BHB_PER_MG = 2.0 / 176.2


@dataclass(frozen=True, kw_only=True)
class KetoneEster:
    """Ketone monoester, `mg_per_kg` by mouth, `times_per_day` (1..6) for `days` from day `start_day`.

    The dose goes into the gut depot of `ketone_katp` as mmol of BHB equivalents per kg of body weight.
    Raises `InvalidValueError` outside 0..2000 mg/kg.

    >>> round(KetoneEster(mg_per_kg=714).schedule()[0].amount, 1)
    8.1
    """

    mg_per_kg: float = 714.0
    times_per_day: int = 1
    days: float = 1.0
    start_day: float = 0.0

    def __post_init__(self) -> None:
        require_range("the dose of ketone ester in mg/kg", self.mg_per_kg, 0.0, 2000.0)
        require_range("the number of doses per day", self.times_per_day, 1, 6)
        _require_whole("the number of doses per day", self.times_per_day)
        require_range("the length of the course in days", self.days, 0.0, 3650.0)
        _check_window("ketone ester", self.start_day, None)

    def schedule(self) -> tuple[Dose, ...]:
        """Doses on `ketone_ester`, evenly over the day."""
        count = math.ceil(self.days * self.times_per_day)
        times = tuple(24.0 * (self.start_day + i / self.times_per_day) for i in range(count))
        return (Dose(input="ketone_ester", amount=self.mg_per_kg * KETONE_ESTER_MMOL_BHB_PER_MG, times=times),)


NAMED: Mapping[str, type[KetogenicDiet | Electroacupuncture | Fasting | KetoneEster]] = {
    "ketogenic_diet": KetogenicDiet,
    "electroacupuncture": Electroacupuncture,
    "fasting": Fasting,
    "ketone_ester": KetoneEster,
}


def named(text: str) -> Treatment:
    """A treatment from its command-line form: `ketogenic_diet` or `ketogenic_diet:ratio=3,start=2`.

    Raises `UnknownNameError` for an unknown treatment or option and `InvalidValueError` for a bad value.

    >>> named("ketogenic_diet:ratio=3").ratio
    3.0
    """
    name, _, rest = text.partition(":")
    if name not in NAMED:
        raise unknown_name("treatment", name, NAMED)
    allowed = [f.name for f in fields(NAMED[name])]
    options: dict[str, float] = {}
    for part in filter(None, rest.split(",")):
        key, separator, value = part.partition("=")
        if key not in allowed:
            raise unknown_name(f"option of {name}", key, allowed)
        try:
            options[key] = float(value)
        except ValueError:
            raise InvalidValueError(f"{key}{separator}{value} of {name}: write a number, e.g. {key}=2") from None
    return NAMED[name](**options)  # type: ignore[arg-type]


def label(treatments: Treatment | Sequence[Treatment]) -> str:
    """A short name for an arm: 'ketogenic_diet', 'ketogenic_diet+electroacupuncture', 'none'."""
    items = treatments if isinstance(treatments, Sequence) else [treatments]
    return "+".join(_name(t) for t in items) or "none"


def _name(treatment: Treatment) -> str:
    for name, kind in NAMED.items():
        if type(treatment) is kind:
            return name
    return treatment.input if isinstance(treatment, Level | Dose) else type(treatment).__name__


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
    levels: list[tuple[Level, str]] = []
    doses: list[tuple[Dose, str]] = []
    for treatment in treatments:
        if not isinstance(treatment, Treatment):
            raise InvalidValueError(f"{treatment!r} is no treatment; it needs a schedule() of Level and Dose")
        for item in treatment.schedule():
            key = _target(model, item)
            if isinstance(item, Level):
                levels.append((item, key))
            else:
                doses.append((item, key))
    _check_overlaps(levels, duration)
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


def _target(model: Model, item: Level | Dose) -> str:
    try:
        key = model.resolve(item.input)
    except UnknownNameError:
        known = [p.id for p in model.inputs_] or [p.id for p in model.parameters_]
        raise unknown_name(f"input of {model.name}", item.input, known) from None
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


def _check_overlaps(levels: Sequence[tuple[Level, str]], duration: float) -> None:
    by_input: dict[str, list[tuple[float, float]]] = {}
    for item, key in levels:
        stop = math.inf if item.stop is None else item.stop
        by_input.setdefault(key, []).append((item.start, stop))
    for key, windows in by_input.items():
        windows.sort()
        for (start, stop), (following, _) in pairwise(windows):
            if following < stop and following < duration:
                raise InvalidValueError(
                    f"two levels on {key} overlap from {following:g}: the first runs from {start:g} to {stop:g}"
                )


def _require_whole(what: str, value: float) -> None:
    if value != int(value):
        raise InvalidValueError(f"{what} is {value:g}; allowed are whole numbers")


def _check_window(what: str, start: float, stop: float | None) -> None:
    require_range(f"the start of {what}", start, 0.0, math.inf)
    if stop is not None and not stop > start:
        raise InvalidValueError(f"the stop of {what} is {stop:g}; allowed is anything after its start {start:g}")
