"""Acupuncture: sessions as doses, and an efficacy map of points with its evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._types import Frozen
from ..errors import Named, require_choice, require_range
from .schedule import HOURS_PER_WEEK, Dose, check_window, require_whole

if TYPE_CHECKING:
    import pandas as pd

HIGH_FREQUENCY_HZ = 50.0  # between the 2 to 15 Hz that helped and the 80 to 100 Hz that are counted apart


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where the needle goes: `efficacy` relative to the default (1), and the evidence for it.

    No experiment compared points at one dose, so efficacy is 1 where any effect on seizures was seen, 0 where none was.
    """

    efficacy: float
    evidence: tuple[str, ...]
    note: str


POINTS: Mapping[str, Point] = Frozen(
    {
        "ST36": Point(
            efficacy=1.0,
            evidence=("clinical:C096", "gaba_gad67:ea_guo_srs"),
            note="Rat, chronic pilocarpine: fewer spontaneous seizures.",
        ),
        "ST36+ST37": Point(efficacy=1.0, evidence=("clinical:C097",), note="Rat, kainate, 2 Hz: less over-excitation."),
        "GB20": Point(efficacy=1.0, evidence=("clinical:C093", "clinical:C092"), note="Rat: 10 Hz helps, 100 harms."),
        "GV20+GV14": Point(
            efficacy=1.0,
            evidence=("mtor_autophagy:MTA_R049", "mtor_autophagy:MTA_R050"),
            note="Rat, lithium-pilocarpine: p-AKT and p-mTOR fall; seizures were not counted.",
        ),
        "ear": Point(
            efficacy=1.0,
            evidence=("clinical:C086", "clinical:C087", "clinical:C088", "clinical:C089"),
            note="Patients, stimulation of the concha (vagus): fewer seizures over weeks.",
        ),
        "PC6+LI11": Point(
            efficacy=0.0, evidence=("clinical:C091",), note="Rat, kainate, 10 Hz: no effect; 100 Hz is not on record."
        ),
    }
)


def acupuncture_points() -> pd.DataFrame:
    """The points that `Electroacupuncture` knows: efficacy, evidence ids, note; index `point`.

    >>> float(acupuncture_points().loc["PC6+LI11", "efficacy"])
    0.0
    """
    import pandas as pd

    rows = {k: {"efficacy": p.efficacy, "evidence": ", ".join(p.evidence), "note": p.note} for k, p in POINTS.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("point")


@dataclass(frozen=True, kw_only=True)
class Electroacupuncture(Named):
    """Electroacupuncture: `sessions_per_week` (1..7) of `minutes` each for `weeks`, from week `start`.

    Up to five sessions fall on weekdays, spread evenly; one session of 30 minutes is a dose of 1 into the
    `acupuncture` module. From 50 Hz on it is counted as a high-frequency session, whose effect is a hypothesis
    (`high_frequency`). `point` is a key of `acupuncture_points()`; a point without effect makes doses of 0.
    Raises `InvalidValueError` outside 1..7 sessions, 1..120 minutes, 0..520 weeks, 1..200 Hz, `UnknownNameError` for a
    point that is not known.

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
        require_choice("the acupuncture point", self.point, POINTS)
        check_window("electroacupuncture", self.start, None)

    def schedule(self) -> tuple[Dose, ...]:
        """One dose on `session` (or `session_100Hz`) per session."""
        n = int(self.sessions_per_week)
        days = np.round(np.linspace(0, max(n, 5) - 1, n)) if n > 1 else np.zeros(1)
        weeks = np.arange(math.ceil(self.weeks))
        hours = (weeks[:, None] * 7 + days[None, :]).ravel() * 24.0
        times = tuple(self.start * HOURS_PER_WEEK + float(h) for h in hours if h < self.weeks * HOURS_PER_WEEK)
        high = self.frequency_hz >= HIGH_FREQUENCY_HZ
        amount = POINTS[self.point].efficacy * self.minutes / 30.0
        return (Dose(input="session_100Hz" if high else "session", amount=amount, times=times),)
