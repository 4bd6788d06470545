"""What is drawn before any experiment is looked at: constants from their laws, hypotheses from their alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._types import Array
from ..models.model import Model
from ..modules.module import Hypothesis, Parameter
from ..sensitivity.factors import Factors, choose_factors

Readings = np.ndarray[tuple[int, int], np.dtype[np.intp]]
EDGE = 1e-12  # of a place: nearer to the ends of its law nothing is drawn


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Draws as the sampler moves them.

    Attributes:
        scores: draws x constants, each a standard normal number: its place in the law of the constant.
        readings: draws x hypotheses, each the number of an alternative.
    """

    scores: Array
    readings: Readings

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Places:
        """These draws."""
        return Places(scores=self.scores[rows], readings=self.readings[rows])

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], other: Places) -> Places:
        """Those of `other` where `chosen`, else these."""
        pick = chosen[:, None]
        return Places(
            scores=np.where(pick, other.scores, self.scores), readings=np.where(pick, other.readings, self.readings)
        )


class Prior:
    """Constants with a range, each from its law; hypotheses, each alternative with the same weight.

    A constant with a range that an alternative sets is drawn under the default alternative and set under the others.

    Attributes:
        parameters: the constants that are drawn.
        hypotheses: those that are drawn.
        names: the columns of `table`: the constants, then what only alternatives set.
    """

    def __init__(self, model: Model) -> None:
        self._chosen = choose_factors(model, Factors())
        self.parameters: tuple[Parameter, ...] = self._chosen.parameters
        self.hypotheses: tuple[Hypothesis, ...] = tuple(h for h in model.hypothesis_set if len(h.alternatives) > 1)
        drawn = [p.id for p in self.parameters]
        keys = dict.fromkeys(k for h in self.hypotheses for a in h.alternatives.values() for k in a.settings)
        others = [k for k in keys if k not in drawn]
        self.names = (*drawn, *others)
        self._published = np.array([_value(model, k) for k in others])
        self._sets = [
            [
                [(self.names.index(k), v) for k, v in a.settings.items() if name != h.default or k not in drawn]
                for name, a in h.alternatives.items()
            ]
            for h in self.hypotheses
        ]

    def draw(self, n: int, rng: np.random.Generator) -> Places:
        """`n` independent draws."""
        readings = [rng.integers(len(h.alternatives), size=n) for h in self.hypotheses]
        return Places(
            scores=rng.standard_normal((n, len(self.parameters))),
            readings=np.array(readings, dtype=np.intp).reshape(len(self.hypotheses), n).T,
        )

    def table(self, places: Places) -> Array:
        """Values of `names` (draws x names), in the units of the model."""
        from scipy.special import ndtr  # here and not above: scipy would double the import time of the package

        drawn = self._chosen.table(np.clip(ndtr(places.scores), EDGE, 1 - EDGE))
        values = np.hstack([drawn, np.tile(self._published, (len(places), 1))])
        for j, alternatives in enumerate(self._sets):
            for number, settings in enumerate(alternatives):
                under = places.readings[:, j] == number
                for column, value in settings:
                    values[under, column] = value
        return values

    def default(self, model: Model) -> Array:
        """The path that the model takes by itself (1 x names)."""
        return np.array([[_value(model, k) for k in self.names]])


def _value(model: Model, key: str) -> float:
    return float(model.settings[key] if key in model.settings else model.quantities[key].value)
