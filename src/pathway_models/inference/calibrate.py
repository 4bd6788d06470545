"""Calibration: bounded least squares of model constants on published observations, and what the data leave open."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Frozen
from ..ensembles.choice import ENGINE_NAMES
from ..ensembles.processes import own_pool, worker_count
from ..errors import SimulationError, require_choice, require_count, unknown_name
from ..evidence.report import report
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.module import Parameter
from ..sensitivity.factors import Wanted
from ..sensitivity.study import announce
from ..simulation.tolerances import Tolerance
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
    started,
    to_values,
)
from .predictor import Predictor
from .results import FitData, ProfileData, Start

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Profile(ProfileData):
    """Sum of squares along one constant with all others refitted, and its figure."""

    def plot(self) -> Figure:
        """Rise of the sum of squares over the constant, with the 95 percent bounds."""
        return plot_profile(self)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Calibration(FitData):
    """A fit: the data, what they say, and profiles of its constants."""

    def profile(
        self, parameter: str, *, workers: int | None = None, executor: Executor | None = None, points: int = 8
    ) -> Profile:
        """Profile likelihood of one constant: all others are refitted at up to `points` values on each side.

        Raises `UnknownNameError` for a constant that was not fitted.
        """
        ids = [p.id for p in self.parameters]
        name = self.model.resolve(parameter)
        if name not in ids:
            raise unknown_name("fitted constant", parameter, ids)
        require_count("the number of points per side", points, 2, 1000)
        rows = [t.observation for t in self.targets]
        with _opened(self.model, workers, executor) as (count, pool):
            predictor = Predictor(self.model, self.parameters, rows, count, pool, fits=2 * int(points))
            objective = Objective(
                predictor, self.parameters, self.targets, in_use(self.model, self.parameters), prior=self.prior
            )
            j = ids.index(name)
            sd = float(deviations(self.jacobian, prior=self.prior)[j])
            return profiled(objective, self._places, j, min(sd, PRIOR_SD), int(points))

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


def profiled(objective: Objective, best: Array, j: int, sd: float, points: int) -> Profile:
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


def calibrate(
    model: Model,
    parameters: Wanted = None,
    observations: Which = (),
    *,
    start_at: Mapping[str, float] | None = None,
    allow: Sequence[str] = ("fitted",),
    starts: int = 8,
    seed: int = 1,
    prior: bool = True,
    assumed_error: float = 0.25,
    workers: int | None = None,
    executor: Executor | None = None,
    engine: str = "auto",
    rtol: float | None = None,
    atol: Tolerance | None = None,
    progress: bool = True,
) -> Calibration:
    """Fit constants of `model` to observations by bounded least squares from several starts.

    `parameters`: names, {name: (low, high)} or {name: (low, high, law)} as in `sobol`, or None for all of kind
    'fitted'; other kinds must be in `allow` ('assumed', 'gain'), measured and derived constants never are. A file from
    elsewhere has no kinds: whatever can be set may be fitted. `observations`: ids or `Observation` objects of use
    'fit'. Constants move within their ranges, as logarithms unless the law is uniform or normal. Residuals are in
    errors; folds and percent changes are compared as logarithms (error over fold). A number without a printed error
    gets `assumed_error` of its value or fold; a direction is one-sided, with `assumed_error` as error: 0 where it is
    right. With `prior` each constant has one residual more: a normal law round the value in use, whose central 95
    percent are as wide as the range. The first start is the model as it is, the others are a Sobol design; `start_at`
    sets other values of the constants first, such as those before an earlier fit. Rows of the Jacobian run in parallel,
    by `engine` as in `ensemble`, at the tolerances `rtol` (default 5e-9) and `atol` as in `simulate`.
    Raises `InvalidValueError` or `UnknownNameError` for what cannot be fitted or is no observation, `SimulationError`
    if the model as it is cannot be run under an observation.
    Source: trust region reflective, Branch et al. 1999, doi:10.1137/S1064827595289108; profiles, Raue et al. 2009,
    doi:10.1093/bioinformatics/btp358.

    >>> import pathway_models as pm
    >>> fit = calibrate(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], allow=["assumed"], starts=1, workers=1,
    ...                 progress=False)
    >>> bool(abs(fit.residuals()["residual"].iloc[0]) < abs(fit.residuals()["residual_before"].iloc[0]))
    True
    """
    from tqdm import tqdm

    require_model(model)
    require_count("the number of starts", starts, 1, 10_000)
    require_count("seed", seed, 0)
    require_choice("engine", engine, ENGINE_NAMES)
    announce(model, "compiling it before the first fit", progress)
    targets = find_targets(model, observations, assumed_error)
    chosen = choose_constants(model, parameters, allow)
    rows = [t.observation for t in targets]
    model = started(model, chosen, start_at)
    before = report(model, rows).rows
    failed = [s for s in before if not math.isfinite(s.prediction)]
    if failed:
        names = ", ".join(s.observation.id for s in failed)
        why = failed[0].message or "there is no number to compare, its baseline is 0"
        raise SimulationError(f"{names} cannot be predicted by {model.name} as it is: {why}")
    everything = range(len(chosen))
    with _opened(model, workers, executor) as (count, pool):
        predictor = Predictor(model, chosen, rows, count, pool, engine=engine, fits=int(starts), rtol=rtol, atol=atol)
        objective = Objective(predictor, chosen, targets, in_use(model, chosen), prior=prior)
        places = _start_places(model, chosen, int(starts), seed)
        ends = []
        for x in tqdm(places, unit="start", disable=not progress):
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
        prior=prior,
        runs=predictor.runs,
        engines=tuple(predictor.engines),
    )


def _named(parameters: Sequence[Parameter], x: Array) -> dict[str, float]:
    return dict(zip((p.id for p in parameters), map(float, to_values(parameters, x)), strict=True))


def _start_places(model: Model, parameters: Sequence[Parameter], starts: int, seed: int) -> Array:
    from scipy.stats import qmc

    design = qmc.Sobol(len(parameters), rng=np.random.default_rng(seed))
    others = design.random_base2(max(0, math.ceil(math.log2(max(starts - 1, 1)))))[: starts - 1]
    return np.vstack([in_use(model, parameters), others])


@contextmanager
def _opened(model: Model, workers: int | None, executor: Executor | None) -> Iterator[tuple[int, Executor | None]]:
    """Number of workers and the pool: the user's, one of our own, or none for a single worker."""
    count = worker_count(workers)
    if executor is not None or count == 1:
        yield count, executor
        return
    with own_pool(count, model.sbml) as pool:
        yield count, pool
