"""How probable a published observation is for what a model predicts: directions, numbers, experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._types import Array
from ..errors import require_range
from ..evidence.observations import Observation
from ..evidence.tables import evidence_rows
from ..models.collection import Library
from ..models.model import Model

DIRECTIONS = ("up", "down", "none")
SMALLEST = 1e-3  # fold that stands for one of 0 or below
NO_ERROR = math.log(1.5)  # of the logarithm of a number that is printed without an error
PEAK_TIME = math.log(2.0)  # of the logarithm of a time of peak
FARTHEST = math.log(1000.0)  # a number that is farther off counts as so far off
WIDE = math.log(10.0)  # of a number that is wrong or not comparable
FAILED = math.log(1e-6)  # of a run that failed
STILL = 1e-3  # spread of the logarithm below which no draw moves a row


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """The probability of observations, given predictions.

    Its constants come from a trial on an earlier version of the models; they are not yet set on these.

    Attributes:
        threshold: change, as the logarithm of the fold, from which a direction is reported as one.
        softness: standard deviation of what is reported around what is predicted, on the same scale.
        floor: chance that a row is wrong or not comparable.
        discrepancy: of the model from the truth in numbers, as a standard deviation of the logarithm.
        correlation: of the rows of one experiment: n of them weigh n / (1 + (n - 1) correlation).
        frequencies: of up, down and none where a row is wrong or not comparable.

    Raises:
        InvalidValueError: values out of range.

    Example:
        >>> row = Observation(id="day 3", observable="S", hours=72, comparison="up", baseline="self")
        >>> (Likelihood().logs([row], np.array([[50.0], [-50.0]])) > -1).ravel().tolist()
        [True, False]
    """

    threshold: float = 0.01
    softness: float = 0.05
    floor: float = 0.2
    discrepancy: float = 0.2
    correlation: float = 0.5
    frequencies: tuple[float, float, float] = (0.49, 0.35, 0.16)

    def __post_init__(self) -> None:
        require_range("threshold", self.threshold, 1e-6, 1.0)
        require_range("softness", self.softness, 1e-6, 1.0)
        require_range("floor", self.floor, 1e-6, 1.0 - 1e-6)
        require_range("discrepancy", self.discrepancy, 0.0, 10.0)
        require_range("correlation", self.correlation, 0.0, 1.0)
        for share in self.frequencies:
            require_range("a frequency of directions", share, 1e-6, 1.0)
        require_range("the sum of the frequencies of directions", sum(self.frequencies), 1 - 1e-9, 1 + 1e-9)

    def logs(self, rows: Sequence[Observation], predictions: Array) -> Array:
        """Logarithm of the probability (of a density, for numbers) of each row (draws x rows).

        Args:
            rows: the observations.
            predictions: draws x rows, on the scale of each comparison; directions in percent. NaN: the run failed.
        """
        columns = (self._number(o, y) if o.numeric else self._direction(o, y) for o, y in _pairs(rows, predictions))
        return np.column_stack([np.where(np.isfinite(found), found, FAILED) for found in columns])

    def probabilities(self, percent: Array) -> Array:
        """Chances of up, down and none (changes x 3).

        Args:
            percent: predicted changes.
        """
        from scipy.special import ndtr  # here and not above: scipy would double the import time of the package

        change = logarithm_of_fold(1 + percent / 100)
        up, down = (ndtr((way * change - self.threshold) / self.softness) for way in (1, -1))
        chances = np.stack([up, down, np.maximum(1 - up - down, 0.0)], axis=-1)
        return np.asarray((1 - self.floor) * chances + self.floor * np.array(self.frequencies))

    def weights(self, experiments: Sequence[int]) -> Array:
        """What each row weighs: those of one experiment together never more than one row over the correlation.

        Args:
            experiments: the number of the experiment of each row.
        """
        members = np.bincount(experiments)[list(experiments)]
        return np.asarray(1 / (1 + (members - 1) * self.correlation))

    def _direction(self, row: Observation, percent: Array) -> Array:
        return np.log(self.probabilities(percent)[:, DIRECTIONS.index(row.comparison)])

    def _number(self, row: Observation, prediction: Array) -> Array:
        gap, width, wide = self._gap(row, prediction)
        right = _normal(gap, width) + math.log(1 - self.floor)
        with np.errstate(invalid="ignore"):
            return np.logaddexp(right, _normal(gap, wide) + math.log(self.floor))

    def below(self, row: Observation, prediction: Array) -> Array:
        """For each prediction of a number, the chance of one below what was published; NaN for a run that failed.

        Args:
            row: an observation with a number.
            prediction: on the scale of its comparison.
        """
        from scipy.special import ndtr  # here and not above: scipy would double the import time of the package

        gap, width, wide = self._gap(row, prediction)
        return np.asarray((1 - self.floor) * ndtr(gap / width) + self.floor * ndtr(gap / wide))

    def _gap(self, row: Observation, prediction: Array) -> tuple[Array, float, float]:
        """Published less predicted, and the deviations of a row that is right and of one that is not."""
        at, width = self.location(row)
        gap = np.clip(at - on_scale(row, prediction), -FARTHEST, FARTHEST)
        return gap, width, max(WIDE, 3 * width)

    def location(self, row: Observation) -> tuple[float, float]:
        """Where a published number lies, as a logarithm (of one plus a time of peak), and the deviation around it.

        Args:
            row: an observation with a number.
        """
        value = float(row.value or 0.0)
        at = float(on_scale(row, np.array([value]))[0])
        if row.reduce == "time_of_peak":
            return at, PEAK_TIME
        if row.error is None:
            return at, NO_ERROR
        fold = 100 + value if row.comparison == "percent_change" else abs(value)
        return at, math.hypot(row.error / max(fold, SMALLEST), self.discrepancy)


def on_scale(row: Observation, numbers: Array) -> Array:
    """Numbers of a row as logarithms: of the fold, of the quantity, of one plus a time of peak."""
    if row.comparison == "percent_change":
        return logarithm_of_fold(1 + numbers / 100)
    return np.log1p(np.maximum(numbers, 0.0)) if row.reduce == "time_of_peak" else logarithm_of_fold(numbers)


def logarithm_of_fold(fold: Array) -> Array:
    """The logarithm, of what is 0 or below that of a thousandth; NaN stays."""
    return np.log(np.maximum(fold, SMALLEST))


def _normal(gap: Array, width: float) -> Array:
    return -0.5 * (gap / width) ** 2 - math.log(width * math.sqrt(2 * math.pi))


def _pairs(rows: Sequence[Observation], predictions: Array) -> zip[tuple[Observation, Array]]:
    return zip(rows, predictions.T, strict=True)


def experiments(model: Model, rows: Sequence[Observation]) -> tuple[int, ...]:
    """The number of the experiment of each row: rows that share a work, directly or through others, are of one.

    A row without a source, or with one that is in no table, is an experiment of its own.

    Args:
        model: whose folders hold the evidence tables.
        rows: the observations.

    Example:
        >>> import pathway_models as pm
        >>> found = pm.evidence.read_observations(pm.load("acupuncture"))
        >>> len(experiments(pm.load("acupuncture"), found)) == len(found)
        True
    """
    tables = evidence_rows(Library(folders=model.folders))
    works = [{tables[i]["citation"].strip() for i in row.source if i in tables} or {row.id} for row in rows]
    groups: list[tuple[set[str], list[int]]] = []
    for i, mine in enumerate(works):
        joined = [g for g in groups if g[0] & mine]
        groups = [g for g in groups if g not in joined]
        groups.append((mine.union(*(g[0] for g in joined)), [*(k for g in joined for k in g[1]), i]))
    number = {i: k for k, (_, members) in enumerate(sorted(groups, key=lambda g: min(g[1]))) for i in members}
    return tuple(number[i] for i in range(len(rows)))
