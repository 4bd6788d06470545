"""Acupuncture: sessions as doses, and an efficacy map of points with its evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from .._files.authored import read_rows
from .._files.data import Kind, facts, sbml_root
from .._types import Frozen
from ..errors import Named, require_choice, require_range
from .schedule import CONSTANTS, HOURS_PER_WEEK, Dose, check_window, require_whole

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where the needle goes: `efficacy` relative to the default (1), and the evidence for it.

    No experiment compared points at one dose, so efficacy is 1 where any effect on seizures was seen, 0 where none was.
    """

    id: str
    efficacy: float
    unit: str
    kind: Kind
    source: str
    note: str


@cache
def known_points() -> Mapping[str, Point]:
    """The rows of `sbml/treatments/points.tsv` by name."""
    return Frozen({p.id: p for p in read_rows(sbml_root() / "treatments" / "points.tsv", Point)})


def acupuncture_points() -> pd.DataFrame:
    """The points that `Electroacupuncture` knows.

    Returns:
        One row each, index `point`: efficacy (0 or 1, relative to the default), kind, source (evidence ids), note.

    Example:
        >>> float(acupuncture_points().loc["PC6+LI11", "efficacy"])
        0.0
    """
    import pandas as pd

    columns = ("efficacy", "kind", "source", "note")
    rows = {k: {c: getattr(p, c) for c in columns} for k, p in known_points().items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("point")


@dataclass(frozen=True, kw_only=True)
class Electroacupuncture(Named):
    """Sessions of electroacupuncture.

    Up to five sessions a week fall on weekdays, spread evenly; one of 30 minutes is a dose of 1 into the `acupuncture`
    module. From 50 Hz on it is counted as a high-frequency session, whose effect is a hypothesis (`high_frequency`).

    Attributes:
        sessions_per_week: A whole number 1..7.
        weeks: Length of the course in weeks, 0..520.
        start: Week in which it begins.
        minutes: Length of a session, 1..120.
        frequency_hz: 1..200.
        point: A row of `acupuncture_points()`; a point without effect makes doses of 0.

    Raises:
        InvalidValueError: A value out of its range.
        UnknownNameError: A point that is not known.

    Example:
        >>> len(Electroacupuncture(sessions_per_week=5, weeks=8).schedule()[0].times)
        40
    """

    sessions_per_week: int = 5
    weeks: float = 8.0
    start: float = 0.0
    minutes: float = 30.0
    frequency_hz: float = 10.0
    point: str = "ST36"

    def __post_init__(self) -> None:
        require_range("the number of sessions per week", self.sessions_per_week, 1, 7)
        require_whole("the number of sessions per week", self.sessions_per_week)
        require_range("the length of a session in minutes", self.minutes, 1.0, 120.0)
        require_range("the length of the course in weeks", self.weeks, 0.0, 520.0)
        require_range("the frequency in Hz", self.frequency_hz, 1.0, 200.0)
        require_choice("the acupuncture point", self.point, known_points())
        check_window("electroacupuncture", self.start, None)

    def schedule(self) -> tuple[Dose, ...]:
        """One dose on `session` (or `session_100Hz`) per session."""
        n = int(self.sessions_per_week)
        days = np.round(np.linspace(0, max(n, 5) - 1, n)) if n > 1 else np.zeros(1)
        weeks = np.arange(math.ceil(self.weeks))
        hours = (weeks[:, None] * 7 + days[None, :]).ravel() * 24.0
        times = tuple(self.start * HOURS_PER_WEEK + float(h) for h in hours if h < self.weeks * HOURS_PER_WEEK)
        known = facts(CONSTANTS)
        high = self.frequency_hz >= known["high_frequency"].value
        amount = known_points()[self.point].efficacy * self.minutes / known["session_minutes"].value
        return (Dose(input="session_100Hz" if high else "session", amount=amount, times=times),)
