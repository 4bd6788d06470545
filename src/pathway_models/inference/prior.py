"""What is drawn before any experiment is looked at: constants from their laws, hypotheses from their alternatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Array
from ..models.model import Model
from ..modules.module import Hypothesis, Parameter
from ..sensitivity.factors import Factors, choose_factors

Readings = np.ndarray[tuple[int, int, int], np.dtype[np.intp]]
Numbers = np.ndarray[tuple[int], np.dtype[np.intp]]
EDGE = 1e-12  # of a place: nearer to the ends of its law nothing is drawn


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Draws as the sampler moves them.

    Attributes:
        scores: draws x constants, each a standard normal number: its place in the law of the constant.
        readings: draws x hypotheses x readers, each the number of an alternative.

    Example:
        >>> import pathway_models as pm
        >>> len(Prior(pm.load("acupuncture")).draw(5, np.random.default_rng(1)))
        5
    """

    scores: Array
    readings: Readings

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: Numbers) -> Places:
        """These draws.

        Args:
            rows: their numbers; one may come more than once.
        """
        return Places(scores=self.scores[rows], readings=self.readings[rows])

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], other: Places) -> Places:
        """These draws, or in their places others.

        Args:
            chosen: for each draw, whether it is the other one.
            other: as many draws.
        """
        return Places(
            scores=np.where(chosen[:, None], other.scores, self.scores),
            readings=np.where(chosen[:, None, None], other.readings, self.readings),
        )


class Prior:
    """Constants with a range, each from its law; hypotheses, each alternative with the same weight.

    A constant with a range that an alternative sets is drawn under the default alternative and set under the others.
    Of several readers (experiments) each has its own reading, drawn from a share of the alternatives that is drawn
    itself, flat over all shares. The share is not kept: a reading follows from the others by counts (Polya's urn).

    `parameters` are the constants that are drawn, `hypotheses` those that are, `readers` how many have readings of
    their own, and `names` the columns of `table`: the constants, then what only alternatives set.

    Example:
        >>> import pathway_models as pm
        >>> prior = Prior(pm.load("acupuncture"))
        >>> prior.table(prior.draw(5, np.random.default_rng(1))).shape == (5, len(prior.names))
        True
    """

    def __init__(self, model: Model, *, readers: int = 1) -> None:
        self._chosen = choose_factors(model, Factors())
        self.readers = readers
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
        """Independent draws.

        Args:
            n: how many.
            rng: where they come from.
        """
        readings = np.zeros((n, len(self.hypotheses), self.readers), dtype=np.intp)
        everyone = np.ones((n, self.readers), dtype=bool)
        for j in range(len(self.hypotheses)):
            readings[:, j] = self.read_anew(readings[:, j], everyone, j, rng)
        return Places(scores=rng.standard_normal((n, len(self.parameters))), readings=readings)

    def read_anew(
        self,
        readings: np.ndarray[tuple[int, int], np.dtype[np.intp]],
        who: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
        hypothesis: int,
        rng: np.random.Generator,
    ) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
        """Readings of a hypothesis (draws x readers), some drawn from the prior, given the others.

        Args:
            readings: the present ones (draws x readers).
            who: which to draw (draws x readers).
            hypothesis: its place in `hypotheses`.
            rng: where they come from.
        """
        count = len(self.hypotheses[hypothesis].alternatives)
        readings = readings.copy()
        seen = np.stack([np.sum((readings == k) & ~who, axis=1) for k in range(count)], axis=1)
        for reader in np.flatnonzero(who.any(axis=0)):
            asked = np.flatnonzero(who[:, reader])
            drawn = _from_urn(seen[asked], rng)
            readings[asked, reader] = drawn
            seen[asked, drawn] += 1
        return readings

    def shares(self, places: Places, hypothesis: int) -> Array:
        """The chance of each alternative (draws x alternatives): of the one reading, or of the next reader's.

        Args:
            places: the draws.
            hypothesis: its place in `hypotheses`.
        """
        count = len(self.hypotheses[hypothesis].alternatives)
        seen = np.stack([np.sum(places.readings[:, hypothesis] == k, axis=1) for k in range(count)], axis=1)
        return np.asarray(seen.astype(float) if self.readers == 1 else (1.0 + seen) / (count + self.readers))

    def next_reader(self, places: Places, rng: np.random.Generator) -> Places:
        """The draws as one more reader has them, as the only reading; the one reading itself where there is one.

        Args:
            places: the draws.
            rng: where readings come from.
        """
        columns = []
        for j in range(len(self.hypotheses)):
            chances = self.shares(places, j)
            columns.append(np.sum(rng.random((len(places), 1)) > np.cumsum(chances, axis=1)[:, :-1], axis=1))
        readings = np.array(columns, dtype=np.intp).reshape(len(self.hypotheses), len(places), 1)
        return Places(scores=places.scores, readings=readings.transpose(1, 0, 2))

    def table(self, places: Places, *, reader: int = 0) -> Array:
        """Values of `names` (draws x names), in the units of the model.

        Args:
            places: the draws.
            reader: whose readings.
        """
        from scipy.special import ndtr  # here and not above: scipy would double the import time of the package

        drawn = self._chosen.table(np.clip(ndtr(places.scores), EDGE, 1 - EDGE))
        values = np.hstack([drawn, np.tile(self._published, (len(places), 1))])
        for j, alternatives in enumerate(self._sets):
            for number, settings in enumerate(alternatives):
                under = places.readings[:, j, reader] == number
                for column, value in settings:
                    values[under, column] = value
        return values

    def default(self, model: Model) -> Array:
        """The path that a model takes by itself (1 x names).

        Args:
            model: the one whose prior this is.
        """
        return np.array([[_value(model, k) for k in self.names]])


def _from_urn(seen: np.ndarray[Any, Any], rng: np.random.Generator) -> Numbers:
    """An alternative per row, in proportion to one more than it was seen."""
    chances = np.cumsum(1.0 + seen, axis=1)
    return np.asarray(np.sum(rng.random((len(seen), 1)) * chances[:, -1:] > chances[:, :-1], axis=1), dtype=np.intp)


def _value(model: Model, key: str) -> float:
    return float(model.settings[key] if key in model.settings else model.quantities[key].value)
