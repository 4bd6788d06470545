"""Calibration: bounded least squares of model constants on published observations, and what the data leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Frozen
from ..ensembles.execution import Execution, execution_without_checkpoint, one_pool
from ..errors import (
    InvalidValueError,
    Named,
    SimulationError,
    repr_short,
    require_count,
    require_kind,
    unknown_name,
)
from ..evidence.observations import Observation
from ..evidence.predictions import Predictor
from ..evidence.reports import report
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.module import Parameter
from ..sensitivity.analysis import announce
from ..sensitivity.factors import Factors, Wanted, factors_of
from .figure import plot_fit, plot_profile
from .identifiability import deviations
from .objective import (
    CHI2_95,
    PRIOR_SD,
    SAME_COST,
    SHOWN,
    Objective,
    Which,
    choose_constants,
    find_targets,
    in_use,
    to_values,
    with_start,
)
from .results import FitData, ProfileData, Start

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ROUNDS = 10  # evaluations of the Jacobian that a local fit takes, for the choice of the engine


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile(ProfileData):
    """Sum of squares along one constant with all others refitted, and its figure.

    Attributes:
        parameter: id of the constant.
        unit: of the constant, as text.
        values: (points,), of the constant, in its unit.
        cost: (points,), sums of squared residuals, dimensionless.
        low: lower bound of the 95 percent interval, in the unit of the constant.
        high: upper bound.
        open_low: whether the range ends before the sum of squares has risen by 3.84 below.
        open_high: the same above.

    Example:
        >>> profile = Profile(parameter="k", unit="1/h", values=np.array([1.0, 2.0]), cost=np.array([0.5, 4.5]),
        ...                   low=1.0, high=1.9, open_low=True, open_high=False)
        >>> profile.to_dataframe()["rise"].tolist()
        [0.0, 4.0]
    """

    def plot(self) -> Figure:
        """Rise of the sum of squares over the constant, with the 95 percent bounds."""
        return plot_profile(self)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Calibration(FitData):
    """A fit: the data, what they say, and profiles of its constants.

    Attributes:
        model: as it was before.
        parameters: the constants that were fitted.
        targets: the observations with their errors.
        before: each observation with what the model gave before.
        after: each observation with what the fitted model gives.
        values: constant -> value found, in the unit of the model.
        starts: the local fits.
        jacobian: (observations, constants), derivatives of the residuals (in errors) per range of each constant.
        prior: whether the ranges counted.
        runs: number of runs.
        engines: what ran the rows, and why.

    Example:
        >>> import pathway_models as pm
        >>> fit = pm.calibrate(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], allow=["assumed"], starts=1,
        ...                    execution=pm.Execution(workers=1, progress=False))
        >>> list(fit.values)
        ['gain_BHB_GSH']
    """

    def profile(self, parameter: str, *, points: int = 8, execution: Execution | None = None) -> Profile:
        """Profile likelihood of one constant: all others are refitted at values on each side.

        Args:
            parameter: a constant that was fitted.
            points: number of values on each side at most.
            execution: as in `calibrate`.

        Raises:
            UnknownNameError: a constant that was not fitted.
            InvalidValueError: fewer than 2 points, a checkpoint.
        """
        ids = [p.id for p in self.parameters]
        name = self.model.resolve(parameter)
        if name not in ids:
            raise unknown_name("fitted constant", parameter, ids)
        require_count("the number of points per side", points, 2, 1000)
        rows = [t.observation for t in self.targets]
        with one_pool(execution_without_checkpoint(execution, "a fit"), self.model.sbml) as how:
            predictor = _predictor(self.model, self.parameters, rows, how, fits=2 * int(points))
            objective = Objective(
                predictor, self.parameters, self.targets, in_use(self.model, self.parameters), prior=self.prior
            )
            j = ids.index(name)
            sd = float(deviations(self.jacobian, prior=self.prior)[j])
            return profile_constant(objective, self._places, j, min(sd, PRIOR_SD), int(points))

    def summary(self) -> str:
        """Plain sentences: the fit, each constant, what is not identified, which errors were assumed."""
        first, table = self.starts[0], self.to_dataframe()
        same = sum(s.cost_end <= self.cost * (1 + SAME_COST) + SAME_COST for s in self.starts)
        z = self.residuals()
        data = [float((z[c] ** 2).sum()) for c in ("residual_before", "residual")]
        text = f"{self.model.name}: {len(table)} constants on {len(z)} observations"
        text += f" ({sum(t.observation.numeric for t in self.targets)} numbers), {self.runs} runs."
        lines = [
            text,
            f"Sum of squared residuals of the data {data[0]:.3g} before, {data[1]:.3g} after; "
            f"{same} of {len(self.starts)} starts end there (first: {first.message.rstrip('.')}).",
        ]
        for name, row in table.sort_values("informed", ascending=False).head(SHOWN).iterrows():
            edge = "; at the end of its range" if row["at_edge"] else ""
            lines.append(
                f"{name}: {row['before']:.3g} -> {row['value']:.3g} (95 percent {row['low95']:.3g} to "
                f"{row['high95']:.3g}), range {row['range_low']:g} to {row['range_high']:g}{edge}."
            )
        if len(table) > SHOWN:
            lines.append(f"The other {len(table) - SHOWN} are in to_dataframe().")
        lines.append(f"Engine: {'; '.join(self.engines)}.")
        lines += self.not_identified or ("The data tell all constants and combinations apart.",)
        without = [t.observation.id for t in self.targets if not t.printed and t.observation.numeric]
        if without:
            lines.append(f"No error printed, a share of the value assumed: {', '.join(without)}.")
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Predicted against observed before and after, beside the constants in their ranges."""
        return plot_fit(self)


def profile_constant(objective: Objective, best: Array, j: int, sd: float, points: int) -> Profile:
    free = [k for k in range(len(best)) if k != j]
    _, least, _ = objective.fit(best, free) if free else (best, squares(objective, best), "")
    found = {float(best[j]): least}
    ends: list[tuple[float, bool]] = []
    for side in (-1.0, 1.0):
        x, step, last = best.copy(), 0.5 * sd, (float(best[j]), 0.0)
        end = (0.0 if side < 0 else 1.0, True)
        for _ in range(points):
            x = x.copy()
            x[j] = min(max(x[j] + side * step, 0.0), 1.0)
            if x[j] == last[0]:
                break
            x, cost, _ = objective.fit(x, free) if free else (x, squares(objective, x), "")
            found[float(x[j])] = cost
            root = math.sqrt(max(cost - least, 0.0))
            if cost - least >= CHI2_95:
                share = (math.sqrt(CHI2_95) - last[1]) / (root - last[1])
                end = (last[0] + share * (float(x[j]) - last[0]), False)
                break
            last, step = (float(x[j]), root), 1.3 * step
        ends.append(end)
    places = np.array(sorted(found))
    p = objective.parameters[j]
    bounds = to_values([p], np.array([[e[0]] for e in ends]))[:, 0]
    return Profile(
        parameter=p.id,
        unit=p.unit,
        values=to_values([p], places[:, None])[:, 0],
        cost=np.array([found[k] for k in places]),
        low=float(bounds[0]),
        high=float(bounds[1]),
        open_low=ends[0][1],
        open_high=ends[1][1],
    )


def squares(objective: Objective, x: Array) -> float:
    return float(np.sum(objective.residuals(x) ** 2))


# ---- the job -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Residuals(Named):
    """What a fit makes as small as it can.

    Attributes:
        assumed_error: error of a number without a printed one, as a share of its value or fold; and of a direction,
            which is one-sided: 0 where it is right.
        prior: whether each constant has one residual more: a normal law round the value in use, whose central 95
            percent are as wide as the range.

    Raises:
        InvalidValueError: a `prior` that is no truth value.

    Example:
        >>> Residuals(prior=False).assumed_error
        0.25
    """

    assumed_error: float = 0.25
    prior: bool = True

    def __post_init__(self) -> None:
        require_kind("prior", self.prior, bool, "prior=True")


@dataclass(frozen=True, kw_only=True)
class Starts(Named):
    """From where local fits start: the first from the values in use, the others from a Sobol design.

    Attributes:
        n: number of local fits.
        seed: of the design.
        at: other values of fitted constants, such as those before an earlier fit: the first start, and the centre of
            the prior. Hypotheses in force stay as the model has them.

    Raises:
        InvalidValueError: numbers that make no sense, an `at` that is no mapping.

    Example:
        >>> Starts(n=2).seed
        1
    """

    n: int = 8
    seed: int = 1
    at: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_count("the number of starts", self.n, 1, 10_000)
        require_count("seed", self.seed, 0)
        require_kind("at", self.at, Mapping, "at={'k': 0.5}")


def calibrate(
    model: Model,
    factors: Factors | Wanted = None,
    observations: Which = (),
    *,
    allow: Sequence[str] = ("fitted",),
    starts: int | Starts = 8,
    residuals: Residuals = Residuals(),
    execution: Execution | None = None,
) -> Calibration:
    """Fit constants to observations by bounded least squares from several starts.

    Constants move within their ranges, as logarithms unless the law is uniform or normal. Residuals are in errors;
    folds and percent changes are compared as logarithms (error over fold). Rows of the Jacobian run in parallel.

    Args:
        model: what `pathway_models.load` gives.
        factors: names, {name: (low, high)} or {name: (low, high, law)} as in `Factors`, or None for all of kind
            'fitted'. A file from elsewhere has no kinds: whatever can be set may be fitted.
        observations: ids or `Observation` objects of use 'fit'.
        allow: further kinds that may be fitted ('assumed', 'gain'); measured and derived constants never are.
        starts: number of local fits, or `Starts`: seed of their design, values to start at.
        residuals: errors where none is printed, and whether the ranges count.
        execution: workers, engine, tolerances (`rtol` 5e-9 if not said), limits; no checkpoint.

    Returns:
        The fit, the runs before and after, and what the data leave open.

    Raises:
        InvalidValueError: for what cannot be fitted or is no observation.
        UnknownNameError: for unknown names.
        SimulationError: if the model as it is cannot be run under an observation.

    Source:
        Trust region reflective, Branch et al. 1999, doi:10.1137/S1064827595289108; profiles, Raue et al. 2009,
        doi:10.1093/bioinformatics/btp358.

    Example:
        >>> import pathway_models as pm
        >>> fit = calibrate(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], allow=["assumed"], starts=1,
        ...                 execution=pm.Execution(workers=1, progress=False))
        >>> bool(abs(fit.residuals()["residual"].iloc[0]) < abs(fit.residuals()["residual_before"].iloc[0]))
        True
    """
    from tqdm import tqdm

    require_model(model)
    require_kind("residuals", residuals, Residuals, "Residuals(prior=False)")
    wanted = factors_of(factors)
    if wanted.groups is not None or wanted.copula is not None:
        raise InvalidValueError(f"factors is {repr_short(wanted)}; a fit takes parameters alone, no groups or copula")
    begin = starts if isinstance(starts, Starts) else Starts(n=starts)
    on = execution_without_checkpoint(execution, "a fit")
    announce(model, "compiling it before the first fit", on.progress)
    targets = find_targets(model, observations, residuals.assumed_error)
    chosen = choose_constants(model, wanted.parameters, allow)
    rows = [t.observation for t in targets]
    model = with_start(model, chosen, begin.at)
    before = report(model, rows).rows
    failed = [s for s in before if not math.isfinite(s.prediction)]
    if failed:
        names = ", ".join(s.observation.id for s in failed)
        why = failed[0].message or "there is no number to compare, its baseline is 0"
        raise SimulationError(f"{names} cannot be predicted by {model.name} as it is: {why}")
    everything = range(len(chosen))
    with one_pool(on, model.sbml) as how:
        predictor = _predictor(model, chosen, rows, how, fits=begin.n)
        objective = Objective(predictor, chosen, targets, in_use(model, chosen), prior=residuals.prior)
        places = _start_places(model, chosen, begin.n, begin.seed)
        ends = []
        for x in tqdm(places, unit="start", disable=not on.progress):
            cost = squares(objective, x)
            ends.append((cost, *objective.fit(x, everything)))
        best = min(ends, key=lambda e: e[2])[1]
        jacobian = objective.jacobian(best, everything)[: len(targets)]
    found = _named(chosen, best)
    after = report(model.with_parameters(found), rows).rows
    return Calibration(
        model=model,
        parameters=chosen,
        targets=targets,
        before=before,
        after=after,
        values=Frozen(found),
        starts=tuple(
            Start(begin=_named(chosen, x), end=_named(chosen, end), cost_begin=a, cost_end=b, message=text)
            for x, (a, end, b, text) in zip(places, ends, strict=True)
        ),
        jacobian=jacobian,
        prior=residuals.prior,
        runs=predictor.runs,
        engines=(f"{choice.engine}: {choice.reason}",) if (choice := predictor.choice) else (),
    )


def _named(parameters: Sequence[Parameter], x: Array) -> dict[str, float]:
    return dict(zip((p.id for p in parameters), map(float, to_values(parameters, x)), strict=True))


def _start_places(model: Model, parameters: Sequence[Parameter], starts: int, seed: int) -> Array:
    from scipy.stats import qmc

    design = qmc.Sobol(len(parameters), rng=np.random.default_rng(seed))
    others = design.random_base2(max(0, math.ceil(math.log2(max(starts - 1, 1)))))[: starts - 1]
    return np.vstack([in_use(model, parameters), others])


def _predictor(
    model: Model, parameters: Sequence[Parameter], rows: Sequence[Observation], execution: Execution, *, fits: int
) -> Predictor:
    """Predictions for local fits from `fits` starts."""
    names = [p.id for p in parameters]
    return Predictor(model, rows, execution, names=names, count=fits * ROUNDS * (1 + len(names)))
