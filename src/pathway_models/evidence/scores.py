"""Score: an observation beside what a model gives for it, as a distance in errors, a ratio and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .observations import NUMERIC, Observation

SIGN_THRESHOLD = 0.01  # smallest relative change that counts as up or down
FROM_REST = 1e6  # percent change of what rests at 0
NONE_THRESHOLD = 0.05  # largest relative change that counts as none
WITHIN_ONE, WITHIN_TWO, OUTSIDE = "within one error", "within two errors", "outside two errors"
NO_ERROR, RIGHT, WRONG, FAILED = "no error given", "right", "wrong", "failed"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One observation with what the model gives for it.

    Attributes:
        observation: what was found.
        prediction: what the model gives, on the scale of the observation; of a direction in percent of the baseline.
        hypotheses: those in force that are not the default, `name=alternative`, joined by ;.
        expected: whether the alternatives under which the row is expected are in force.
        message: why there is no prediction; empty where there is one.

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
    def verdict(self) -> str:
        """Failed, a distance in errors, or whether the direction is right."""
        if not math.isfinite(self.prediction):
            return FAILED
        if not self.observation.numeric:
            return RIGHT if right_direction(self.observation.comparison, self.prediction / 100) else WRONG
        if self.observation.error is None:
            return NO_ERROR
        return WITHIN_ONE if abs(self.z) <= 1 else WITHIN_TWO if abs(self.z) <= 2 else OUTSIDE


def right_direction(comparison: str, change: float) -> bool:
    """Whether a relative change is up or down by more than 1 percent, or within 5 percent for 'none'.

    >>> right_direction("up", 0.005), right_direction("none", -0.04)
    (False, True)
    """
    if comparison == "none":
        return abs(change) <= NONE_THRESHOLD
    return change > SIGN_THRESHOLD if comparison == "up" else change < -SIGN_THRESHOLD


def comparison_scale(comparison: str, reached: float, before: float) -> float:
    """A value on the scale of the comparison; directions in percent of the baseline (1e6 from a rest at 0).

    >>> comparison_scale("percent_change", 3.0, 2.0)
    50.0
    """
    if comparison == "absolute":
        return reached
    if before == 0:
        if comparison in NUMERIC:
            return math.nan
        return 0.0 if abs(reached) < 1e-9 else math.copysign(FROM_REST, reached)
    if comparison == "fold":
        return reached / before
    return 100 * (reached - before) / abs(before)
