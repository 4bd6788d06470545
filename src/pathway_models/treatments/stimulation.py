"""Acupuncture and sham: sessions as doses, and an efficacy map of points with its evidence."""

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

    No experiment gives sizes, so efficacy is 1 where any effect on seizures was seen, 0 where none was seen or sought.
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
        A row may be several points that were used together, joined by `+`.

    Example:
        >>> float(acupuncture_points().loc["PC6+LI11", "efficacy"])
        0.0
    """
    import pandas as pd

    columns = ("efficacy", "kind", "source", "note")
    rows = {k: {c: getattr(p, c) for c in columns} for k, p in known_points().items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("point")


def efficacy(prescription: str) -> float:
    """Efficacy of a prescription, points joined by `+`: that of its own row, else of its best point (assumed).

    >>> efficacy("GV20+BL15"), efficacy("BL15")
    (1.0, 0.0)
    """
    known = known_points()
    named = [prescription] if prescription in known else prescription.split("+")
    for point in named:
        require_choice("the acupuncture point", point, known)
    return max(known[point].efficacy for point in named)


def session_hours(sessions_per_week: int, weeks: float, start: float) -> tuple[float, ...]:
    """When the sessions of a course fall: on weekdays, spread evenly, if there are at most five a week."""
    n = int(sessions_per_week)
    days = np.round(np.linspace(0, max(n, 5) - 1, n)) if n > 1 else np.zeros(1)
    hours = (np.arange(math.ceil(weeks))[:, None] * 7 + days[None, :]).ravel() * 24.0
    return tuple(start * HOURS_PER_WEEK + float(h) for h in hours if h < weeks * HOURS_PER_WEEK)


class _Sessions(Named):
    """What needles and sham share: a course of sessions. Each has these fields after its own docstring."""

    sessions_per_week: int
    weeks: float
    start: float
    minutes: float

    def _check(self, name: str) -> None:
        require_range("the number of sessions per week", self.sessions_per_week, 1, 7)
        require_whole("the number of sessions per week", self.sessions_per_week)
        require_range("the length of a session in minutes", self.minutes, 1.0, 120.0)
        require_range("the length of the course in weeks", self.weeks, 0.0, 520.0)
        check_window(name, self.start, None)

    def _dose(self, target: str, share: float = 1.0) -> Dose:
        """One dose per session, 1 for the standard length."""
        amount = share * self.minutes / facts(CONSTANTS)["session_minutes"].value
        return Dose(input=target, amount=amount, times=session_hours(self.sessions_per_week, self.weeks, self.start))


@dataclass(frozen=True, kw_only=True)
class Electroacupuncture(_Sessions):
    """Sessions of electroacupuncture.

    Up to five sessions a week fall on weekdays, spread evenly; one of 30 minutes is a dose of 1 into the `acupuncture`
    module. From 50 Hz on it is counted as a high-frequency session, whose effect is a hypothesis (`high_frequency`).

    Attributes:
        sessions_per_week: A whole number 1..7.
        weeks: Length of the course in weeks, 0..520.
        start: Week in which it begins.
        minutes: Length of a session, 1..120.
        frequency_hz: 1..200.
        point: A row of `acupuncture_points()`, or several points joined by `+`: a prescription that has no row of its
            own counts as its best point (assumed: the one work that compared pairs gives no sizes, `clinical:C171`). A
            point without effect makes doses of 0.

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
        self._check("electroacupuncture")
        require_range("the frequency in Hz", self.frequency_hz, 1.0, 200.0)
        efficacy(self.point)

    def schedule(self) -> tuple[Dose, ...]:
        """One dose on `session` (or `session_100Hz`) per session."""
        high = self.frequency_hz >= facts(CONSTANTS)["high_frequency"].value
        return (self._dose("session_100Hz" if high else "session", efficacy(self.point)),)


@dataclass(frozen=True, kw_only=True)
class ShamAcupuncture(_Sessions):
    """Sham sessions, the control arm of trials: they look like needles and are counted apart.

    By default they do nothing on the pathways (hypothesis `sham` of the `acupuncture` module; alternatives: `weak`, as
    control stimulation of the ear in `clinical:C086`, and `as_needles`). Expectation and regression to the mean are no
    part of it: trials add the change of patients without treatment to every arm.

    Attributes:
        sessions_per_week: A whole number 1..7.
        weeks: Length of the course in weeks, 0..520.
        start: Week in which it begins.
        minutes: Length of a session, 1..120.

    Raises:
        InvalidValueError: A value out of its range.

    Example:
        >>> ShamAcupuncture(weeks=1).schedule()[0].input
        'session_sham'
    """

    sessions_per_week: int = 5
    weeks: float = 8.0
    start: float = 0.0
    minutes: float = 30.0

    def __post_init__(self) -> None:
        self._check("sham acupuncture")

    def schedule(self) -> tuple[Dose, ...]:
        """One dose on `session_sham` per session."""
        return (self._dose("session_sham"),)
