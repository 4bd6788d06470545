"""Ketogenic diets, fasting, ketone esters and MCT oil, each a schedule of levels and doses."""

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
            age_group: 'reference', 'child', 'adolescent', 'adult' or 'rodent'.

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
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis), 'adolescent', 'adult'
            or 'rodent' (least).
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
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis), 'adolescent', 'adult'
            or 'rodent' (least).

    Raises:
        InvalidValueError: A value out of its range, a stop that is not after the start.

    Example:
        >>> [round(level.value, 2) for level in ModifiedAtkinsDiet(age_group="adult").schedule()]
        [0.92, 0.83, 0.58]
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
    """A diet with medium-chain triglycerides, whose fatty acids become ketones whatever the insulin.

    Fat has 71 percent of energy, protein 10 and carbohydrate the rest (assumed); more MCT than all fat takes from
    carbohydrate. The amount per body weight follows from the energy need of the age group.

    Attributes:
        mct_energy: Share of energy from medium-chain triglycerides, 0.3..0.75.
        decanoic_share: Share of decanoic acid in them, 0..1; the rest is octanoic acid.
        start: Week in which it begins.
        stop: Week in which it ends; None is the end of the run.
        adherence: Share of the diet that is followed, 0..1; the rest is the usual diet.
        age_group: 'reference' (what the models describe), 'child' (under 10 years: more ketosis), 'adolescent', 'adult'
            or 'rodent' (least).

    Raises:
        InvalidValueError: A value out of its range, a stop that is not after the start.

    Example:
        >>> {level.input: round(level.value, 2) for level in MCTDiet(age_group="child").schedule()}["MCT_intake"]
        1.26
    """

    mct_energy: float = 0.6
    decanoic_share: float = 0.4
    start: float = 0.0
    stop: float | None = None
    adherence: float = 1.0
    age_group: str = "reference"

    def __post_init__(self) -> None:
        require_range("the share of energy from MCT", self.mct_energy, 0.3, 0.75)
        require_range("the share of decanoic acid", self.decanoic_share, 0.0, 1.0)
        self._check("the MCT diet")

    def schedule(self) -> tuple[Level, ...]:
        """Levels as of other diets, of long-chain fat alone, and those of the medium-chain fat."""
        fat, protein = max(_constant("mct_diet_fat_energy"), self.mct_energy), _constant("mct_diet_protein_energy")
        per_gram, other = _constant("energy_of_fat"), _constant("energy_of_other_food")
        restriction = 1.0 - (1.0 - fat - protein) / _constant("usual_carbohydrate_energy")
        ratio = (fat - self.mct_energy) / per_gram / ((1.0 - fat) / other)
        grams = self.mct_energy * _constant(f"energy_need.{self.age_group}") / _constant("energy_of_MCT")
        intake = 1000.0 * grams / _constant("MCT_molar_mass") / 24.0
        at, until = self._window()
        mct = {"MCT_intake": self.adherence * intake, "decanoic_share": self.decanoic_share, "meal": 1.0}
        levels = self._levels(ratio, restriction, at, until)
        return (*levels, *(Level(input=k, value=v, at=at, until=until) for k, v in mct.items()))


class _Doses(Named):
    """What is taken by mouth: doses of so many mg per kg, evenly over the day. Each has these fields after its own."""

    mg_per_kg: float
    times_per_day: int
    days: float
    start_days: float

    def _check(self, name: str, most: float) -> None:
        require_range(f"the dose of {name} in mg/kg", self.mg_per_kg, 0.0, most)
        require_range("the number of doses per day", self.times_per_day, 1, 6)
        require_whole("the number of doses per day", self.times_per_day)
        require_range("the length of the course in days", self.days, 0.0, 3650.0)

    def _dose(self, target: str, mmol_per_mg: float) -> Dose:
        count = math.ceil(self.days * self.times_per_day)
        times = tuple(24.0 * (self.start_days + i / self.times_per_day) for i in range(count))
        return Dose(input=target, amount=self.mg_per_kg * mmol_per_mg, times=times)


@dataclass(frozen=True, kw_only=True)
class MCTOil(_Doses):
    """Medium-chain triglycerides by mouth beside any diet, evenly over the day.

    The dose goes into the gut depot of `ketone_katp` as mmol of fatty acids per kg of body weight.

    Attributes:
        mg_per_kg: One dose in mg of triglyceride per kg of body weight, 0..1500; 20 mL in 70 kg are 270.
        times_per_day: Doses a day, a whole number 1..6.
        days: Length of the course in days.
        start_days: Day on which it begins.

    Raises:
        InvalidValueError: A value out of its range.

    Example:
        >>> round(MCTOil(mg_per_kg=270).schedule()[0].amount, 2)
        1.62
    """

    mg_per_kg: float = 270.0
    times_per_day: int = 1
    days: float = 1.0
    start_days: float = 0.0

    def __post_init__(self) -> None:
        self._check("MCT oil", 1500.0)
        check_window("MCT oil", self.start_days, None)

    def schedule(self) -> tuple[Dose, ...]:
        """Doses on `MCT`."""
        return (self._dose("MCT", 1 / _constant("MCT_molar_mass")),)


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
class KetoneEster(_Doses):
    """Ketone monoester by mouth, evenly over the day.

    The dose goes into the gut depot of `ketone_katp` as mmol of BHB equivalents per kg of body weight.

    Attributes:
        mg_per_kg: One dose in mg per kg of body weight, 0..2000.
        times_per_day: Doses a day, a whole number 1..6.
        days: Length of the course in days.
        start_days: Day on which it begins.
        meal: Share of the doses that is taken with a meal, which lowers the peak, 0..1.

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
    meal: float = 0.0

    def __post_init__(self) -> None:
        self._check("ketone ester", 2000.0)
        require_range("the share of doses with a meal", self.meal, 0.0, 1.0)
        check_window("ketone ester", self.start_days, None)

    def schedule(self) -> tuple[Level | Dose, ...]:
        """Doses on `ketone_ester`, evenly over the day, and a level on `meal` if there is one."""
        mmol_per_mg = _constant("ketone_ester_BHB") / _constant("ketone_ester_molar_mass")
        dose = self._dose("ketone_ester", mmol_per_mg)
        if not self.meal:
            return (dose,)
        start = 24.0 * self.start_days
        return dose, Level(input="meal", value=self.meal, at=start, until=start + 24.0 * self.days)
