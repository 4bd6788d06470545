"""Ketogenic diets, fasting and ketone esters, each a schedule of levels and doses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

from .._files.data import facts
from .._types import Frozen
from ..errors import Named, require_choice, require_range
from .schedule import CONSTANTS, HOURS_PER_WEEK, Dose, Level, check_window, require_whole

CAPACITY = "ketogenic_capacity"


def _constant(name: str) -> float:
    return facts(CONSTANTS)[name].value


@cache
def ketogenic_capacities() -> Mapping[str, float]:
    """Answer of the liver to low insulin by age group, relative to the reference."""
    ages = ((k.partition("."), f.value) for k, f in facts(CONSTANTS).items())
    return Frozen({age: value for (name, _, age), value in ages if name == CAPACITY})


def carb_restriction(ratio: float) -> float:
    """Share of the usual carbohydrate that a diet of this ratio takes away: 0.92 at 4:1.

    >>> round(carb_restriction(4), 2)
    0.92
    """
    fat, other = _constant("energy_of_fat"), _constant("energy_of_other_food")
    carbohydrate = other / (fat * ratio + other) - _constant("protein_energy_on_diet")
    return 1.0 - max(0.0, carbohydrate) / _constant("usual_carbohydrate_energy")


class _Diet(Named):
    """What all diets share: weeks, adherence, age. Each has these fields after its own: errors name the first one."""

    start: float
    stop: float | None
    adherence: float
    age_group: str

    def _check(self, name: str) -> None:
        require_range(f"the adherence to {name}", self.adherence, 0.0, 1.0)
        require_choice("the age group", self.age_group, ketogenic_capacities())
        check_window(name, self.start, self.stop)

    def for_age(self, age_group: str) -> Self:
        """The same diet in patients of another age group.

        Args:
            age_group: 'reference', 'child' or 'adult'.

        Raises:
            UnknownNameError: another age group.
        """
        return replace(self, age_group=age_group)  # type: ignore[type-var]

    def _window(self) -> tuple[float, float | None]:
        """Start and stop in hours."""
        return self.start * HOURS_PER_WEEK, None if self.stop is None else self.stop * HOURS_PER_WEEK

    def _levels(self, ratio: float, restriction: float, at: float, until: float | None) -> tuple[Level, ...]:
        """The inputs of one stretch of the diet; hours."""
        usual = _constant("usual_fat_ratio")
        values = {
            "carb_restriction": self.adherence * restriction,
            "fat_ratio": usual + self.adherence * (ratio - usual),
        }
        if self.age_group != "reference":
            values[CAPACITY] = ketogenic_capacities()[self.age_group]
        return tuple(Level(input=k, value=v, at=at, until=until) for k, v in values.items())


@dataclass(frozen=True, kw_only=True)
class KetogenicDiet(_Diet):
    """A classical ketogenic diet.

    Carbohydrate restriction follows from the ratio: fat has 9 kcal/g, the rest 4 kcal/g, protein stays at 6 percent of
    energy and a usual diet has 50 percent carbohydrate (both assumed), so 4:1 restricts by 92 percent.

    Attributes:
        ratio: Fat in g per g of protein and carbohydrate, 1..5.
        start: Week in which it begins.
        stop: Week in which it ends; None is the end of the run.
        adherence: Share of the diet that is followed, 0..1; the rest is the usual diet.
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis) or 'adult' (less).
        titration_weeks: Weeks in which the ratio climbs from 1:1 in steps of one, 0..52.

    Raises:
        InvalidValueError: A value out of its range, a stop that is not after the start.

    Example:
        >>> round(KetogenicDiet(ratio=4).carb_restriction, 2)
        0.92
    """

    ratio: float = 4.0
    start: float = 0.0
    stop: float | None = None
    adherence: float = 1.0
    titration_weeks: float = 0.0
    age_group: str = "reference"

    def __post_init__(self) -> None:
        require_range("the ratio of the ketogenic diet (g fat : g protein and carbohydrate)", self.ratio, 1.0, 5.0)
        require_range("the titration of the ketogenic diet in weeks", self.titration_weeks, 0.0, 52.0)
        self._check("the ketogenic diet")

    @property
    def carb_restriction(self) -> float:
        """Share of the usual carbohydrate that the diet takes away, at full adherence."""
        return carb_restriction(self.ratio)

    def schedule(self) -> tuple[Level, ...]:
        """Levels on `carb_restriction` and `fat_ratio`, one pair per step of the titration."""
        start, stop = self._window()
        steps = [r for r in (1.0, 2.0, 3.0, 4.0) if r < self.ratio] if self.titration_weeks else []
        length = self.titration_weeks * HOURS_PER_WEEK / max(len(steps), 1)
        edges = [start + i * length for i in range(len(steps) + 1)]
        ends: list[float | None] = [*edges[1:], stop]
        levels: list[Level] = []
        for ratio, begin, end in zip([*steps, self.ratio], edges, ends, strict=True):
            last = end if stop is None else min(end if end is not None else stop, stop)
            if last is None or begin < last:
                levels += self._levels(ratio, carb_restriction(ratio), begin, last)
        return tuple(levels)


@dataclass(frozen=True, kw_only=True)
class ModifiedAtkinsDiet(_Diet):
    """A modified Atkins diet.

    20 g of carbohydrate a day is the adult form (`clinical:P080`); 65 percent of energy from fat is assumed (as g per g
    a ratio of 0.8).

    Attributes:
        carbohydrate_g: Carbohydrate in g a day, 5..60.
        energy_kcal: Energy in kcal a day, 600..4000.
        fat_energy: Share of energy from fat, 0.4..0.8.
        start: Week in which it begins.
        stop: Week in which it ends; None is the end of the run.
        adherence: Share of the diet that is followed, 0..1; the rest is the usual diet.
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis) or 'adult' (less).

    Raises:
        InvalidValueError: A value out of its range, a stop that is not after the start.

    Example:
        >>> [round(level.value, 2) for level in ModifiedAtkinsDiet(age_group="adult").schedule()]
        [0.92, 0.83, 0.22]
    """

    carbohydrate_g: float = 20.0
    energy_kcal: float = 2000.0
    fat_energy: float = 0.65
    start: float = 0.0
    stop: float | None = None
    adherence: float = 1.0
    age_group: str = "reference"

    def __post_init__(self) -> None:
        require_range("the carbohydrate of the modified Atkins diet in g per day", self.carbohydrate_g, 5.0, 60.0)
        require_range("the energy of the modified Atkins diet in kcal per day", self.energy_kcal, 600.0, 4000.0)
        require_range("the share of energy from fat", self.fat_energy, 0.4, 0.8)
        self._check("the modified Atkins diet")

    def schedule(self) -> tuple[Level, ...]:
        """Levels on `carb_restriction`, `fat_ratio` and, but for the reference, `ketogenic_capacity`."""
        fat, other = _constant("energy_of_fat"), _constant("energy_of_other_food")
        usual = _constant("usual_carbohydrate_energy") * self.energy_kcal / other
        restriction = max(0.0, 1.0 - self.carbohydrate_g / usual)
        ratio = self.fat_energy / fat / ((1.0 - self.fat_energy) / other)
        return self._levels(ratio, restriction, *self._window())


@dataclass(frozen=True, kw_only=True)
class MCTDiet(_Diet):
    """A diet with medium-chain triglycerides.

    60 percent MCT gave the ketosis of a 3:1 diet in children (`clinical:C052`); the equivalent ratio is taken in
    proportion (assumed).

    Attributes:
        mct_energy: Share of energy from medium-chain triglycerides, 0.3..0.75.
        decanoic_acid: Level at the neuron, free, in mmol/L (0..1); it acts on mTORC1. No measured value is in the
            evidence tables, so it is 0 unless given.
        start: Week in which it begins.
        stop: Week in which it ends; None is the end of the run.
        adherence: Share of the diet that is followed, 0..1; the rest is the usual diet.
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis) or 'adult' (less).

    Raises:
        InvalidValueError: A value out of its range, a stop that is not after the start.

    Example:
        >>> [round(level.value, 2) for level in MCTDiet(age_group="child").schedule()]
        [0.86, 3.0, 1.6]
    """

    mct_energy: float = 0.6
    decanoic_acid: float = 0.0
    start: float = 0.0
    stop: float | None = None
    adherence: float = 1.0
    age_group: str = "reference"

    def __post_init__(self) -> None:
        require_range("the share of energy from MCT", self.mct_energy, 0.3, 0.75)
        require_range("decanoic acid at the neuron in mmol/L", self.decanoic_acid, 0.0, 1.0)
        self._check("the MCT diet")

    def schedule(self) -> tuple[Level, ...]:
        """The levels of the equivalent classical diet, and one on `decanoic_acid` if it is given."""
        ratio = _constant("mct_ratio") * self.mct_energy / _constant("mct_energy")
        at, until = self._window()
        levels = self._levels(ratio, carb_restriction(ratio), at, until)
        if not self.decanoic_acid:
            return levels
        return (*levels, Level(input="decanoic_acid", value=self.adherence * self.decanoic_acid, at=at, until=until))


@dataclass(frozen=True, kw_only=True)
class Fasting(Named):
    """Complete fasting; it opens many classical diets.

    Attributes:
        hours: Length in hours, 1..720.
        start_hours: Hour in which it begins.

    Raises:
        InvalidValueError: A value out of its range.

    Example:
        >>> Fasting(hours=43).schedule()[0].until
        43.0
    """

    hours: float = 24.0
    start_hours: float = 0.0

    def __post_init__(self) -> None:
        require_range("the length of the fast in hours", self.hours, 1.0, 24.0 * 30)
        check_window("fasting", self.start_hours, None)

    def schedule(self) -> tuple[Level, ...]:
        """A level on `fasting`."""
        return (Level(input="fasting", value=1.0, at=self.start_hours, until=self.start_hours + float(self.hours)),)


@dataclass(frozen=True, kw_only=True)
class KetoneEster(Named):
    """Ketone monoester by mouth, evenly over the day.

    The dose goes into the gut depot of `ketone_katp` as mmol of BHB equivalents per kg of body weight.

    Attributes:
        mg_per_kg: One dose in mg per kg of body weight, 0..2000.
        times_per_day: Doses a day, a whole number 1..6.
        days: Length of the course in days.
        start_days: Day on which it begins.

    Raises:
        InvalidValueError: A value out of its range.

    Example:
        >>> round(KetoneEster(mg_per_kg=714).schedule()[0].amount, 1)
        8.1
    """

    mg_per_kg: float = 714.0
    times_per_day: int = 1
    days: float = 1.0
    start_days: float = 0.0

    def __post_init__(self) -> None:
        require_range("the dose of ketone ester in mg/kg", self.mg_per_kg, 0.0, 2000.0)
        require_range("the number of doses per day", self.times_per_day, 1, 6)
        require_whole("the number of doses per day", self.times_per_day)
        require_range("the length of the course in days", self.days, 0.0, 3650.0)
        check_window("ketone ester", self.start_days, None)

    def schedule(self) -> tuple[Dose, ...]:
        """Doses on `ketone_ester`, evenly over the day."""
        count = math.ceil(self.days * self.times_per_day)
        times = tuple(24.0 * (self.start_days + i / self.times_per_day) for i in range(count))
        mmol_per_mg = _constant("ketone_ester_BHB") / _constant("ketone_ester_molar_mass")
        return (Dose(input="ketone_ester", amount=self.mg_per_kg * mmol_per_mg, times=times),)
