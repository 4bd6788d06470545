"""Ketogenic diets, fasting and ketone esters, each a schedule of levels and doses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import Named, require_choice, require_range
from .schedule import HOURS_PER_WEEK, Dose, Level, check_window, require_whole

# A usual diet: fat supplies about a third of the energy, carbohydrate a half.
USUAL_FAT_RATIO = 0.25
USUAL_CARBOHYDRATE_ENERGY = 0.50
PROTEIN_ENERGY_ON_DIET = 0.06
KCAL_PER_G_FAT, KCAL_PER_G_OTHER = 9.0, 4.0  # Atwater factors
# Answer of the liver to low insulin by age, set so that the model meets one series each: children under 10 years reach
# 4.3 mmol/L on an MCT diet that equals 3:1 (clinical:C052), adults 1.14 on a modified Atkins diet (clinical:C058).
# The number for adults holds what they eat besides: adults who fast behave like the reference.
KETOGENIC_CAPACITY = {"reference": 1.0, "child": 1.6, "adult": 0.22}


def carb_restriction(ratio: float) -> float:
    """Share of the usual carbohydrate that a diet of this ratio takes away: 0.92 at 4:1.

    >>> round(carb_restriction(4), 2)
    0.92
    """
    rest = KCAL_PER_G_OTHER / (KCAL_PER_G_FAT * ratio + KCAL_PER_G_OTHER)
    return 1.0 - max(0.0, rest - PROTEIN_ENERGY_ON_DIET) / USUAL_CARBOHYDRATE_ENERGY


def _levels(
    ratio: float, restriction: float, adherence: float, age_group: str, start: float, stop: float | None
) -> list[Level]:
    """The inputs of one stretch of a diet; hours."""
    values = {
        "carb_restriction": adherence * restriction,
        "fat_ratio": USUAL_FAT_RATIO + adherence * (ratio - USUAL_FAT_RATIO),
    }
    if age_group != "reference":
        values["ketogenic_capacity"] = KETOGENIC_CAPACITY[age_group]
    return [Level(input=k, value=v, at=start, until=stop) for k, v in values.items()]


@dataclass(frozen=True, kw_only=True)
class KetogenicDiet(Named):
    """A classical ketogenic diet of `ratio` g fat per g of protein and carbohydrate, from week `start` to week `stop`.

    `adherence` 0..1 mixes the diet with the usual one. With `titration_weeks` the ratio climbs from 1:1 in steps of
    one. `age_group` is 'reference', 'child' (under 10 years: more ketosis) or 'adult' (less). Carbohydrate restriction
    follows from the ratio: fat has 9 kcal/g, the rest 4 kcal/g, protein stays at 6 percent of energy and a usual diet
    has 50 percent carbohydrate (both assumed), so 4:1 restricts by 92 percent.
    Raises `InvalidValueError` outside 1..5 (ratio), 0..1 (adherence) or for a stop before the start.

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
        require_range("the adherence to the ketogenic diet", self.adherence, 0.0, 1.0)
        require_range("the titration of the ketogenic diet in weeks", self.titration_weeks, 0.0, 52.0)
        require_choice("the age group", self.age_group, KETOGENIC_CAPACITY)
        check_window("the ketogenic diet", self.start, self.stop)

    @property
    def carb_restriction(self) -> float:
        """Share of the usual carbohydrate that the diet takes away, at full adherence."""
        return carb_restriction(self.ratio)

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
                levels += _levels(ratio, carb_restriction(ratio), self.adherence, self.age_group, begin, last)
        return tuple(levels)


@dataclass(frozen=True, kw_only=True)
class ModifiedAtkinsDiet(Named):
    """A modified Atkins diet: `carbohydrate_g` a day of `energy_kcal`, `fat_energy` of it from fat; weeks.

    20 g of carbohydrate a day is the adult form (`clinical:P080`); 65 percent of energy from fat is assumed (as g per g
    a ratio of 0.8). `adherence` and `age_group` as for `KetogenicDiet`. Raises `InvalidValueError` outside 5..60 g,
    600..4000 kcal and 0.4..0.8 of energy from fat.

    >>> [round(level.value, 2) for level in ModifiedAtkinsDiet().schedule()]
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
        require_range("the adherence to the modified Atkins diet", self.adherence, 0.0, 1.0)
        require_choice("the age group", self.age_group, KETOGENIC_CAPACITY)
        check_window("the modified Atkins diet", self.start, self.stop)

    def schedule(self) -> tuple[Level, ...]:
        """Levels on `carb_restriction`, `fat_ratio` and, but for the reference, `ketogenic_capacity`."""
        usual = USUAL_CARBOHYDRATE_ENERGY * self.energy_kcal / KCAL_PER_G_OTHER
        restriction = max(0.0, 1.0 - self.carbohydrate_g / usual)
        ratio = self.fat_energy / KCAL_PER_G_FAT / ((1.0 - self.fat_energy) / KCAL_PER_G_OTHER)
        start, stop = _hours(self.start, self.stop)
        return tuple(_levels(ratio, restriction, self.adherence, self.age_group, start, stop))


@dataclass(frozen=True, kw_only=True)
class MCTDiet(Named):
    """A diet with `mct_energy` of its energy from medium-chain triglycerides, from week `start` to week `stop`.

    60 percent MCT gave the ketosis of a 3:1 diet in children (`clinical:C052`); the equivalent ratio is taken in
    proportion (assumed). `decanoic_acid` (mmol/L, free at the neuron) acts on mTORC1; no measured value is in the
    evidence tables, so it is 0 unless given. Raises `InvalidValueError` outside 0.3..0.75 of energy and 0..1 mmol/L.

    >>> [round(level.value, 2) for level in MCTDiet().schedule()]
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
        require_range("the adherence to the MCT diet", self.adherence, 0.0, 1.0)
        require_choice("the age group", self.age_group, KETOGENIC_CAPACITY)
        check_window("the MCT diet", self.start, self.stop)

    def schedule(self) -> tuple[Level, ...]:
        """The levels of the equivalent classical diet, and one on `decanoic_acid` if it is given."""
        ratio = 3.0 * self.mct_energy / 0.6
        start, stop = _hours(self.start, self.stop)
        levels = _levels(ratio, carb_restriction(ratio), self.adherence, self.age_group, start, stop)
        if self.decanoic_acid:
            value = self.adherence * self.decanoic_acid
            levels.append(Level(input="decanoic_acid", value=value, at=start, until=stop))
        return tuple(levels)


def _hours(start: float, stop: float | None) -> tuple[float, float | None]:
    return start * HOURS_PER_WEEK, None if stop is None else stop * HOURS_PER_WEEK


@dataclass(frozen=True, kw_only=True)
class Fasting(Named):
    """Complete fasting for `hours` from hour `start_hours`; it opens many classical diets.

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


# (R)-3-hydroxybutyl (R)-3-hydroxybutyrate, 176.2 g/mol, gives two molecules of BHB: one at once, one through butanediol
KETONE_ESTER_MMOL_BHB_PER_MG = 2.0 / 176.2


@dataclass(frozen=True, kw_only=True)
class KetoneEster(Named):
    """Ketone monoester, `mg_per_kg` by mouth, `times_per_day` (1..6) for `days` from day `start_days`.

    The dose goes into the gut depot of `ketone_katp` as mmol of BHB equivalents per kg of body weight.
    Raises `InvalidValueError` outside 0..2000 mg/kg.

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
        return (Dose(input="ketone_ester", amount=self.mg_per_kg * KETONE_ESTER_MMOL_BHB_PER_MG, times=times),)
