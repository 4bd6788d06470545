"""The models that published experiments leave: constants and readings of hypotheses, weighted by their likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Brief
from ..ensembles.execution import Execution, execution_without_checkpoint, one_pool
from ..errors import InvalidValueError, require_count, require_kind
from ..evidence.observations import Observation, read_observations
from ..evidence.predictions import Predictor
from ..models.model import Model
from ..modules.flat import require_model
from .likelihood import DIRECTIONS, STILL, Likelihood, experiments
from .prior import Places, Prior
from .tempering import Archive, Step, effective, sample

if TYPE_CHECKING:
    import pandas as pd

EXACT = 1e-6  # relative tolerance of the runs; the log likelihood changes by less than 1e-4
RESPONDS = 0.1  # spread between alternatives of the logarithm of a row's mean probability
FEWEST = 200.0  # effective draws, below which what is left without an experiment is not judged


@dataclass(frozen=True, kw_only=True, repr=False)
class Posterior(Brief):
    """A model conditioned on observations: weighted draws of its constants and of the readings of its hypotheses.

    Attributes:
        model: as it was given.
        likelihood: of an observation.
        rows: the observations.
        experiment: the number of the experiment of each.
        archive: all draws, with the law that they come from.
        default: what the model predicts by itself, per observation.
        prior: what was drawn, before any observation.

    Example:
        >>> import pathway_models as pm
        >>> found = pm.inference.posterior(pm.load("acupuncture"), n=64, sweeps=2)
        >>> 0 < found.effective <= len(found.archive.mixture)
        True
    """

    model: Model
    likelihood: Likelihood
    rows: tuple[Observation, ...]
    experiment: tuple[int, ...]
    archive: Archive
    default: Array
    prior: Prior

    # ---- weights ---------------------------------------------------------------------------------------------

    @cached_property
    def logs(self) -> Array:
        """Logarithm of the probability of each observation (draws x rows)."""
        return self.likelihood.logs(self.rows, self.archive.predictions)

    @cached_property
    def shares(self) -> Array:
        """What each row weighs: as one of its experiment, and nothing where no draw moves it."""
        return row_weights(self.likelihood, self.experiment, self.logs)

    @cached_property
    def _weighted(self) -> tuple[Array, float]:
        return self.archive.weights(self.logs @ self.shares)

    @property
    def weights(self) -> Array:
        """Weights of the draws; they add up to 1."""
        return self._weighted[0]

    @property
    def log_evidence(self) -> float:
        """Logarithm of the mean likelihood over the prior; rows have powers, so that it is a score."""
        return self._weighted[1]

    @property
    def effective(self) -> float:
        """The number of equal draws that the weights are worth; draws that follow from each other are worth less."""
        return effective(self.weights)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The temperatures of the sampler."""
        return self.archive.steps

    @cached_property
    def prior_weights(self) -> Array:
        """Weights of the draws as a sample of the prior."""
        return self.archive.weights(np.zeros(len(self.archive.mixture)))[0]

    def under(self, likelihood: Likelihood) -> Posterior:
        """The same draws weighted by another likelihood, without a run; look at `effective`.

        Args:
            likelihood: in place of the present one.
        """
        return replace(self, likelihood=likelihood)

    # ---- what it says ----------------------------------------------------------------------------------------

    def draws(self, n: int, *, seed: int = 1) -> dict[str, Array]:
        """Equal draws as columns for `ensemble`: constants, and the settings of the readings.

        Args:
            n: how many; the same one comes more than once where few have weight.
            seed: of the choice.

        Returns:
            Parameter id -> values (n), in the unit of the model.

        Raises:
            InvalidValueError: for n outside 1 to 10 million.
        """
        require_count("the number of draws", n, 1, 10_000_000)
        rng = np.random.default_rng(require_count("seed", seed, 0))
        picked = rng.choice(len(self.weights), size=n, p=self.weights)
        table = self.prior.table(self.prior.next_reader(self.archive.places.take(picked), rng))
        return dict(zip(self.prior.names, table.T, strict=True))

    def readings(self) -> pd.DataFrame:
        """Weight of each alternative of each hypothesis: prior and posterior, and how many rows respond to it.

        A row responds if its log probability, averaged over the rest, differs by more than 0.1 between alternatives:
        `rows` 0 says that nothing was learned, rows without a change of weight that they cancel.
        """
        import pandas as pd

        records = []
        for j, h in enumerate(self.prior.hypotheses):
            responding, shares = self._responding(j), self.weights @ self.prior.shares(self.archive.places, j)
            for name, share in zip(h.alternatives, shares, strict=True):
                records.append(
                    {
                        "hypothesis": h.id,
                        "alternative": name,
                        "default": name == h.default,
                        "prior": 1 / len(h.alternatives),
                        "posterior": float(share),
                        "rows": responding,
                    }
                )
        columns = ["hypothesis", "alternative", "default", "prior", "posterior", "rows"]
        return pd.DataFrame(records, columns=columns)

    def _responding(self, hypothesis: int) -> int:
        """Rows whose probability depends on which alternative is drawn, the rest drawn from the prior."""
        readings = self.archive.places.readings[:, hypothesis]
        mine = readings[:, self._readers]
        chances = np.exp(self.logs)
        means = []
        for number in range(len(self.prior.hypotheses[hypothesis].alternatives)):
            weights = np.where(mine == number, self.prior_weights[:, None], 0.0)
            means.append(np.sum(weights * chances, axis=0) / np.maximum(weights.sum(axis=0), 1e-300))
        with np.errstate(divide="ignore"):
            spread = np.ptp(np.log(means), axis=0)
        return int(np.sum((spread > RESPONDS) & (self.shares > 0)))

    @property
    def _readers(self) -> list[int]:
        """Who reads the hypotheses for each row."""
        return [0] * len(self.rows) if self.prior.readers == 1 else list(self.experiment)

    def constants(self) -> pd.DataFrame:
        """Quantiles of each constant before and after, and how much narrower it became.

        `narrowing` is the posterior's standard deviation over the prior's, on the scale of the law; 1: nothing learned.
        """
        import pandas as pd

        values, levels = self.prior.table(self.archive.places), (0.05, 0.5, 0.95)
        records = {}
        for j, p in enumerate(self.prior.parameters):
            before, after = (quantiles(values[:, j], w, levels) for w in (self.prior_weights, self.weights))
            scores = self.archive.places.scores[:, j]
            middle = self.weights @ scores
            records[p.id] = [*before, *after, float(np.sqrt(self.weights @ (scores - middle) ** 2))]
        names = [f"{when} {level:.0%}" for when in ("prior", "posterior") for level in levels]
        return pd.DataFrame.from_dict(records, orient="index", columns=[*names, "narrowing"]).rename_axis("id")

    def held_out(self) -> pd.DataFrame:
        """Log scores of each row, its experiment left out, beside those of models that learned nothing.

        Columns: `experiment`, `use`, `numeric`, `contested` (the row names a reading under which it is expected),
        `weight`, `effective` draws without the experiment; scores of `prior`, `default` (which was set with rows of
        use 'fit'), `posterior`, `nothing` (nothing changes) and `frequencies` of directions in other experiments; for
        numbers `place_prior` and `place_posterior`: which share of the predictions lies below. NaN where there is
        none: fewer than 200 effective draws, a row that no draw moves.
        """
        import pandas as pd

        total = self.logs @ self.shares
        alone = self.likelihood.logs(self.rows, self.default[None, :])[0]
        still = self.likelihood.logs(self.rows, np.array([[_nothing(o) for o in self.rows]]))[0]
        records = {}
        for number in dict.fromkeys(self.experiment):
            members = [i for i, e in enumerate(self.experiment) if e == number]
            weights, _ = self.archive.weights(total - self.logs[:, members] @ self.shares[members])
            enough = effective(weights) >= FEWEST
            for i in members:
                o = self.rows[i]
                after = weights if enough else np.full(len(weights), np.nan)
                records[o.id] = {
                    "experiment": number,
                    "use": o.use,
                    "numeric": o.numeric,
                    "contested": bool(o.expected_under),
                    "weight": self.shares[i],
                    "effective": effective(weights),
                    "prior": self._score(i, self.prior_weights),
                    "default": alone[i],
                    "posterior": self._score(i, after),
                    "nothing": np.nan if o.comparison == "absolute" else still[i],
                    "frequencies": np.nan if o.numeric else self._frequency(i),
                    "place_prior": self._place(i, self.prior_weights),
                    "place_posterior": self._place(i, after),
                }
        return pd.DataFrame.from_dict(records, orient="index").rename_axis("id")

    def _score(self, i: int, weights: Array) -> float:
        return float(np.log(weights @ np.exp(self.logs[:, i])))

    def _frequency(self, i: int) -> float:
        """Log frequency of the direction of a row in other experiments, each direction counted once more."""
        others = [
            o.comparison
            for o, e in zip(self.rows, self.experiment, strict=True)
            if e != self.experiment[i] and not o.numeric
        ]
        return float(np.log((others.count(self.rows[i].comparison) + 1) / (len(others) + len(DIRECTIONS))))

    def _place(self, i: int, weights: Array) -> float:
        if not self.rows[i].numeric:
            return float("nan")
        below = self.likelihood.below(self.rows[i], self.archive.predictions[:, i])
        return float(weights @ np.where(np.isfinite(below), below, 0.5))

    def summary(self) -> str:
        """Plain sentences: what was drawn, what was learned, and how it predicts experiments that it did not see."""
        table = self.held_out()
        judged = table[np.isfinite(table["posterior"]) & (table["weight"] > 0)]
        readings = self.readings().groupby("hypothesis")
        moved = [str(name) for name, of in readings if (of["posterior"] / of["prior"]).max() > 1.5]
        narrow = self.constants()["narrowing"]
        lines = [
            f"{self.model.name}: {len(self.prior.parameters)} constants and {len(self.prior.hypotheses)} hypotheses "
            f"given {len(self.rows)} observations of {len(set(self.experiment))} experiments; "
            f"{int(np.sum(self.shares == 0))} move under no draw.",
            f"{self.effective:.0f} effective draws, log evidence {self.log_evidence:.1f}.",
            f"Hypotheses with an alternative at more than 1.5 of its prior weight: {', '.join(moved) or 'none'}.",
            f"Constants narrower than 0.9 of their prior: {int(np.sum(narrow < 0.9))}.",
        ]
        for name, rows in (
            ("directions", judged[~judged["numeric"].astype(bool)]),
            ("numbers", judged[judged["numeric"].astype(bool)]),
        ):
            if len(rows):
                kinds = ("posterior", "prior", "default", "nothing", "frequencies")
                scores = {k: float((rows[k] * rows["weight"]).sum()) for k in kinds if np.isfinite(rows[k]).all()}
                parts = ", ".join(f"{k} {v:.1f}" for k, v in scores.items())
                lines.append(f"Log score of {len(rows)} {name}, each experiment left out in turn: {parts}.")
        return "\n".join(lines)


def posterior(
    model: Model,
    observations: Sequence[Observation] | None = None,
    *,
    n: int = 1000,
    seed: int = 1,
    sweeps: int = 8,
    shares: bool = False,
    likelihood: Likelihood | None = None,
    execution: Execution | None = None,
) -> Posterior:
    """Draw constants and readings of hypotheses of a module as its observations allow.

    Tempered sequential Monte Carlo; every move keeps the prior, and all temperatures are pooled into one sample.

    Args:
        model: a module of a library, as `pathway_models.load` gives it.
        observations: what `read_observations` gives; None for all that the library has of the model.
        n: draws per temperature; two seeds that agree say whether they suffice.
        seed: of the draws.
        sweeps: moves per temperature.
        shares: whether each experiment has its own reading of every hypothesis, from a share that is estimated, so that
            contradicting experiments widen what is predicted; else all have one.
        likelihood: None for `Likelihood()`.
        execution: processes, tolerances, engine; a draw that fails at the first attempt has failed.

    Returns:
        Weighted draws, and what they say.

    Raises:
        InvalidValueError: for a coupled model, one without a constant that has a range, no observations, counts out of
            range.
        ModelError: for a model without observations.

    Source:
        Del Moral 2006, doi:10.1111/j.1467-9868.2006.00553.x; Cotter 2013, doi:10.1214/13-STS421.

    Example:
        >>> import pathway_models as pm
        >>> found = posterior(pm.load("acupuncture"), n=64, sweeps=2)
        >>> print(found.summary().splitlines()[0].split(":")[0])
        acupuncture
    """
    require_model(model)
    require_count("the number of draws", n, 16, 1_000_000)
    require_count("sweeps", sweeps, 1, 10_000)
    rng = np.random.default_rng(require_count("seed", seed, 0))
    likelihood = Likelihood() if likelihood is None else likelihood
    require_kind("likelihood", likelihood, Likelihood, "Likelihood(floor=0.3)")
    if model.gains:
        raise InvalidValueError(f"{model.name} couples modules; only a module can be conditioned on its observations")
    rows = tuple(read_observations(model) if observations is None else observations)
    if not rows:
        raise InvalidValueError(f"{model.name} has no observations; give some")
    numbers = experiments(model, rows)
    prior = Prior(model, readers=max(numbers) + 1 if shares else 1)
    on = execution_without_checkpoint(execution, "a posterior")
    # a draw that needs many attempts is one that oscillates or stalls: it has failed, and costs no minutes
    on = replace(on, limits=replace(on.limits, attempts=on.limits.attempts[:1]))
    with one_pool(on, model.sbml) as how:
        predict = _Reading(model, rows, numbers if shares else (0,) * len(rows), prior, how, n * sweeps)
        default = predict.itself(model)
        weights = row_weights(likelihood, numbers, likelihood.logs(rows, predict(prior.draw(min(n, 256), rng))))

        def evaluate(places: Places) -> tuple[Array, Array]:
            predictions = predict(places)
            return predictions, likelihood.logs(rows, predictions) @ weights

        archive = sample(prior, evaluate, n=n, rng=rng, sweeps=sweeps)
    return Posterior(
        model=model,
        likelihood=likelihood,
        rows=rows,
        experiment=numbers,
        archive=archive,
        default=default,
        prior=prior,
    )


class _Reading:
    """Predictions of rows, each under the readings of its own reader."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[Observation],
        readers: Sequence[int],
        prior: Prior,
        execution: Execution,
        count: int,
    ) -> None:
        self.prior, self.width = prior, len(rows)
        self.members = {r: [i for i, x in enumerate(readers) if x == r] for r in dict.fromkeys(readers)}
        self.predictors = {
            r: Predictor(model, [rows[i] for i in of], execution, names=prior.names, usual=EXACT, count=count)
            for r, of in self.members.items()
        }

    def __call__(self, places: Places) -> Array:
        """Predictions (draws x rows)."""
        return self._all({r: self.prior.table(places, reader=r) for r in self.members})

    def itself(self, model: Model) -> Array:
        """Predictions of the path that the model takes by itself (rows)."""
        return np.asarray(self._all(dict.fromkeys(self.members, self.prior.default(model)))[0])

    def _all(self, tables: Mapping[int, Array]) -> Array:
        found = np.empty((len(next(iter(tables.values()))), self.width))
        for reader, table in tables.items():
            found[:, self.members[reader]] = self.predictors[reader](table)
        return found


def row_weights(likelihood: Likelihood, numbers: tuple[int, ...], logs: Array) -> Array:
    """What each row weighs, given the log probabilities of all rows (draws x rows)."""
    moving = np.ptp(logs, axis=0) > STILL
    return np.where(moving, likelihood.weights(numbers), 0.0)


def quantiles(values: Array, weights: Array, levels: tuple[float, ...]) -> list[float]:
    """Quantiles of weighted values."""
    order = np.argsort(values)
    return [float(x) for x in np.interp(levels, np.cumsum(weights[order]), values[order])]


def _nothing(row: Observation) -> float:
    return 1.0 if row.comparison == "fold" else 0.0
