"""Tempered sequential Monte Carlo with moves that the prior takes back, and all its populations pooled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._types import Array
from .prior import Places, Prior

KEPT_SHARE = 0.6  # of the draws that a step in temperature leaves effective
ACCEPTED = 0.25  # share of moves that the size of a step is steered to
FLIPPED = 0.5  # share of moves that also draw readings of a hypothesis anew: of one reader, some, or all
BLOCK = 0.25  # share of the constants that every other move draws
POOLING_STEPS = 500
POOLED = 1e-8  # change of a log evidence at which pooling ends

Evaluate = Callable[[Places], tuple[Array, Array]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Draws at one temperature: their places, predictions (draws x observations) and log likelihoods (draws)."""

    power: float
    places: Places
    predictions: Array
    logs: Array

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Population:
        """These draws."""
        return Population(
            power=self.power, places=self.places.take(rows), predictions=self.predictions[rows], logs=self.logs[rows]
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One temperature.

    Attributes:
        power: of the likelihood.
        accepted: share of the moves that were accepted.
        size: of the last step of the scores, 0 to 1.

    Example:
        >>> Step(power=1.0, accepted=0.3, size=0.5).power
        1.0
    """

    power: float
    accepted: float
    size: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Archive:
    """All draws of all temperatures as one sample.

    Attributes:
        places: of the draws.
        predictions: draws x observations.
        mixture: logarithm of the density that the draws come from, over that of the prior.
        steps: the temperatures.

    Example:
        >>> import pathway_models as pm
        >>> found = pm.inference.posterior(pm.load("acupuncture"), n=64, sweeps=2).archive
        >>> len(found.places) == len(found.mixture)
        True
    """

    places: Places
    predictions: Array
    mixture: Array
    steps: tuple[Step, ...]

    def weights(self, logs: Array) -> tuple[Array, float]:
        """Weights of the draws, which add up to 1, and the logarithm of the evidence.

        Args:
            logs: the logarithm of the likelihood of each draw; zeros for the prior.
        """
        from scipy.special import logsumexp  # here and not above: scipy would double the import time of the package

        raw = logs - self.mixture
        total = float(logsumexp(raw))
        return np.exp(raw - total), total


def effective(weights: Array) -> float:
    """The number of equal draws that weights are worth."""
    return float(1 / np.sum(weights**2)) if len(weights) else 0.0


def sample(prior: Prior, evaluate: Evaluate, *, n: int, rng: np.random.Generator, sweeps: int) -> Archive:
    """Draws from prior times likelihood, by powers of the likelihood from 0 to 1.

    `evaluate` gives predictions and log likelihoods of places. Between two powers the draws make `sweeps` moves, twice
    as many at the end. A move keeps the prior: scores shrink a little towards 0 and get as much noise (preconditioned
    Crank-Nicolson), readings are drawn anew, so that the likelihood alone decides.
    """
    places = prior.draw(n, rng)
    now = Population(power=0.0, places=places, **dict(zip(("predictions", "logs"), evaluate(places), strict=True)))
    kept, steps, size = [now], list[Step](), 0.7
    while now.power < 1:
        power = _next_power(now.logs, now.power)
        weights = _normalised((power - now.power) * now.logs)
        now = now.take(_resampled(weights, rng))
        accepted = []
        for k in range(sweeps if power < 1 else 2 * sweeps):
            whole = k % 2 == 0
            now, share = _move(prior, evaluate, now, power, size if whole else min(1.0, 2 * size), whole, rng)
            accepted.append(share)
            if whole:
                size = float(np.clip(size * math.exp(0.35 * (share - ACCEPTED) / ACCEPTED), 0.05, 0.95))
            if power == 1 or k == sweeps - 1:
                kept.append(now)
        steps.append(Step(power=power, accepted=float(np.mean(accepted)), size=size))
    return pool(kept, steps)


def _next_power(logs: Array, power: float) -> float:
    """The largest power that leaves enough draws effective."""

    def left(to: float) -> float:
        return effective(_normalised((to - power) * logs)) / len(logs)

    if left(1.0) >= KEPT_SHARE:
        return 1.0
    low, high = power, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) > KEPT_SHARE else (low, middle)
    return high


def _normalised(logs: Array) -> Array:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _resampled(weights: Array, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Systematic resampling: one random number, equal steps."""
    n = len(weights)
    return np.searchsorted(np.cumsum(weights), (rng.random() + np.arange(n)) / n).clip(0, n - 1)


def _move(
    prior: Prior,
    evaluate: Evaluate,
    now: Population,
    power: float,
    size: float,
    whole: bool,
    rng: np.random.Generator,
) -> tuple[Population, float]:
    """One move of all draws, of all constants or of a block; the population after it, and the share accepted."""
    proposed = propose(prior, now.places, size, whole, rng)
    predictions, logs = evaluate(proposed)
    taken = np.log(rng.random(len(logs))) < power * (logs - now.logs)
    return (
        Population(
            power=power,
            places=now.places.where(taken, proposed),
            predictions=np.where(taken[:, None], predictions, now.predictions),
            logs=np.where(taken, logs, now.logs),
        ),
        float(taken.mean()),
    )


def propose(prior: Prior, places: Places, size: float, whole: bool, rng: np.random.Generator) -> Places:
    """Places as probable under the prior as the way back: scores with noise, in half of the draws readings anew."""
    scores, readings = places.scores, places.readings.copy()
    n = len(places)
    moved = math.sqrt(1 - size**2) * scores + size * rng.standard_normal(scores.shape)
    if not whole:
        moved = np.where(rng.random(scores.shape) < BLOCK, moved, scores)
    if prior.hypotheses:
        which = np.where(rng.random(n) < FLIPPED, rng.integers(len(prior.hypotheses), size=n), -1)
        share = rng.choice([0.0, BLOCK, 1.0], size=n)[:, None]
        who = rng.random((n, prior.readers)) < share
        who[np.arange(n), rng.integers(prior.readers, size=n)] = True
        for j in range(len(prior.hypotheses)):
            asked = np.flatnonzero(which == j)
            readings[asked, j] = prior.read_anew(readings[asked, j], who[asked], j, rng)
    return Places(scores=moved, readings=readings)


def pool(populations: list[Population], steps: list[Step]) -> Archive:
    """All populations as one sample from the mixture of their laws (MBAR, Shirts 2008, doi:10.1063/1.2978177)."""
    from scipy.special import logsumexp  # here and not above: scipy would double the import time of the package

    logs = np.concatenate([p.logs for p in populations])
    powers, counts = np.unique(np.repeat([p.power for p in populations], len(populations[0].logs)), return_counts=True)
    evidence = np.zeros(len(powers))
    each = np.log(counts) + powers * logs[:, None]  # draws x temperatures
    for _ in range(POOLING_STEPS):
        mixture = logsumexp(each - evidence, axis=1)
        new = logsumexp(powers * logs[:, None] - mixture[:, None], axis=0)
        new -= new[0]
        done = np.max(np.abs(new - evidence)) < POOLED
        evidence = new
        if done:
            break
    mixture = logsumexp(each - evidence, axis=1)
    return Archive(
        places=Places(
            scores=np.concatenate([p.places.scores for p in populations]),
            readings=np.concatenate([p.places.readings for p in populations]),
        ),
        predictions=np.concatenate([p.predictions for p in populations]),
        mixture=np.asarray(mixture),
        steps=tuple(steps),
    )
