"""Score: an observation beside what a model gives for it, as a distance in errors, a ratio and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._types import Array
from .observations import NUMERIC, Observation

SIGN_THRESHOLD = 0.02  # smallest relative change that counts as up or down
NONE_THRESHOLD = 0.05  # largest relative change that counts as none where nothing says how much the quantity moves
WIDEST_NONE = 25.0  # percent, as a rise; as near as a number without an error has to be
SHARE = 1 / 3  # of the logarithm of a published fold that a change has to reach, or, as none, not to pass
FROM_REST = 1e6  # percent change of what rests at 0
WITHIN_ONE, WITHIN_TWO, OUTSIDE = "within one error", "within two errors", "outside two errors"
NO_ERROR, RIGHT, WRONG, DISPUTED, FAILED = "no error given", "right", "wrong", "disputed", "failed"
Standing = Literal["", "majority", "minority", "tie"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a row asks of a prediction, beside the other rows of its model. Nothing in it comes from a prediction.

    Attributes:
        size: the published change in percent, None where none is printed.
        elsewhere: median size of what was published of the same quantity in other rows, as a rise in percent; or None.
        group: the rows that contradict each other, as the first of them and the works for each way; or empty.
        standing: whether the row is with the 'majority' of its group, the 'minority', or in a 'tie'; empty without one.
        hope: which way it goes if every treatment does good and every harm harms: 'up', 'down', or empty for neither.

    Example:
        >>> Claim(size=-87.5).wanted("down")  # an eighth: a third of that is a half
        (-inf, -50.0)
    """

    size: float | None = None
    elsewhere: float | None = None
    group: str = ""
    standing: Standing = ""
    hope: Literal["up", "down", ""] = ""

    def wanted(self, direction: str, numerical_error: float = 0.0) -> tuple[float, float]:
        """The changes in percent that meet a direction, from and to.

        Args:
            direction: 'up', 'down' or 'none'.
            numerical_error: of the prediction, in percent; a change within it is no change.
        """
        if direction == "none":
            if self.elsewhere is None:
                return -100 * NONE_THRESHOLD, 100 * NONE_THRESHOLD
            width = math.log1p(min(share_of(self.elsewhere), WIDEST_NONE) / 100)
            return in_percent(-width), in_percent(width)
        floor = max(100 * SIGN_THRESHOLD, 0.0 if math.isnan(numerical_error) else numerical_error)
        asked = 0.0 if self.size is None else share_of(self.size)
        return (max(asked, floor), math.inf) if direction == "up" else (-math.inf, min(asked, -floor))


@dataclass(frozen=True, kw_only=True)
class Score:
    """One observation with what the model gives for it.

    Attributes:
        observation: what was found.
        prediction: what the model gives, on the scale of the observation; of a direction in percent of the baseline.
        hypotheses: those in force that are not the default, `name=alternative`, joined by ;.
        expected: whether the alternatives under which the row is expected are in force.
        message: why there is no prediction; empty where there is one.
        claim: what the row asks, of a direction.
        numerical_error: of the prediction of a direction, in percent of the baseline; NaN where it is not known.

    Example:
        >>> row = Observation(id="day 3", observable="S", hours=72, value=7.4, error=0.2)
        >>> Score(observation=row, prediction=7.5).verdict
        'within one error'
    """

    observation: Observation
    prediction: float
    hypotheses: str = ""
    expected: bool = True
    message: str = ""
    claim: Claim = Claim()
    numerical_error: float = 0.0

    @property
    def z(self) -> float:
        """Distance from the observed value in its errors; NaN without an error or for a direction."""
        o = self.observation
        if o.value is None or o.error is None:
            return math.nan
        return (self.prediction - o.value) / o.error

    @property
    def ratio(self) -> float:
        """Predicted over observed (of folds, for percent changes); NaN for a direction."""
        o = self.observation
        if o.value is None:
            return math.nan
        pair = (self.prediction, o.value)
        top, bottom = (1 + x / 100 for x in pair) if o.comparison == "percent_change" else pair
        return top / bottom if bottom else math.nan

    @property
    def wanted(self) -> tuple[float, float]:
        """The changes in percent that meet a direction, from and to; NaN for a number."""
        o = self.observation
        return (math.nan, math.nan) if o.numeric else self.claim.wanted(o.comparison, self.numerical_error)

    @property
    def verdict(self) -> str:
        """Failed, a distance in errors, whether the direction is right, or that the works dispute it.

        Rows that contradict each other are judged by the majority of their works; the others, and all of a tie, are
        disputed, neither right nor wrong.
        """
        if not math.isfinite(self.prediction):
            return FAILED
        if not self.observation.numeric:
            if self.claim.standing in ("minority", "tie"):
                return DISPUTED
            low, high = self.wanted
            return RIGHT if low <= self.prediction <= high else WRONG
        if self.observation.error is None:
            return NO_ERROR
        return WITHIN_ONE if abs(self.z) <= 1 else WITHIN_TWO if abs(self.z) <= 2 else OUTSIDE


def share_of(percent: float, share: float = SHARE) -> float:
    """A share of a change: of its logarithm, so that a fall to a half and a rise to the double are of one size.

    >>> share_of(700.0), share_of(-87.5)
    (100.0, -50.0)
    """
    return in_percent(share * math.log1p(percent / 100))


def in_percent(logarithm: float) -> float:
    """The change in percent of a fold whose logarithm this is."""
    return round(100 * math.expm1(logarithm), 9)


def comparison_scales(comparison: str, reached: Array, before: Array) -> Array:
    """Values on the scale of a comparison; directions in percent of the baseline (1e6 from a rest at 0).

    >>> comparison_scales("percent_change", np.array([3.0]), np.array([2.0])).tolist()
    [50.0]
    """
    if comparison == "absolute":
        return reached
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = reached / before if comparison == "fold" else 100 * (reached - before) / np.abs(before)
    if comparison in NUMERIC:
        return np.where(before == 0, math.nan, found)
    moved = np.where(np.abs(reached) < 1e-9, 0.0, np.copysign(FROM_REST, reached))
    return np.where((before == 0) & np.isfinite(reached), moved, found)
