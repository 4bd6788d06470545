"""Morris screening: which of many parameters matter at all, at a few runs per parameter."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ensembles.execution import Execution, execution_of
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import check_rows, make_plan
from ..ensembles.runs import execute
from ..ensembles.study import Study, study_of
from ..errors import InvalidValueError, Named, require_count
from ..models.model import Model
from ..treatments.schedule import Treatment
from .analysis import announce
from .factors import Factors, Wanted, choose_factors, factors_of
from .indices import Floats
from .morris_figure import plot_morris
from .results import MorrisData, MorrisDesign

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STREAM = 2  # spawn key, apart from those of the Sobol designs of the same seed


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MorrisResult(MorrisData):
    """Elementary effects of one model: the data and what they say.

    Effects are in the unit of the outcome per whole range; mu and sigma are NaN for groups, whose effects have no sign.

    Attributes:
        model: its name.
        arm: a short name of the treatments.
        parameters: what varied.
        design: the trajectories.
        runs: the outcomes (rows, outcomes) and how the rows fared.
        mu: (factors, outcomes), mean of the effects.
        mu_star: (factors, outcomes), mean of their sizes.
        mu_star_low: (factors, outcomes), lower end of the 95 percent interval of mu_star.
        mu_star_high: (factors, outcomes), upper end.
        sigma: (factors, outcomes), standard deviation of the effects.
        effects: (factors,), number of effects that could be computed.

    Example:
        >>> import pathway_models as pm
        >>> screen = pm.morris(pm.load("acupuncture"), outcomes=["plastic_trace"], trajectories=2, weeks=1,
        ...                    factors=["gain_vagal"], execution=pm.Execution(workers=1, progress=False))
        >>> screen.mu_star.shape
        (1, 1)
    """

    def summary(self) -> str:
        """Plain sentences: runs, failures, and how many factors make up nine tenths of all effects."""
        lines = [f"{self.model}, {self.arm}: {self.runs.report()}; {self.runs.seconds:.1f} s."]
        for k, name in enumerate(self.outcomes):
            size = np.nan_to_num(np.sort(self.mu_star[:, k])[::-1])
            if size.sum() == 0:
                lines.append(f"{name}: no factor has an effect.")
                continue
            enough = int(np.searchsorted(np.cumsum(size), 0.9 * size.sum())) + 1
            order = np.argsort(-np.nan_to_num(self.mu_star[:, k]))[:3]
            leaders = ", ".join(f"{self.factors[i]} ({self.mu_star[i, k]:.3g})" for i in order)
            lines.append(f"{name}: {enough} of {len(size)} factors make up 90 % of the effects; {leaders}.")
        return "\n".join(lines)

    def plot(self, outcome: str | None = None, *, top: int = 15) -> Figure:
        """Mean sizes with intervals, and beside them against their spread.

        Args:
            outcome: its name; None for all.
            top: number of factors at most.

        Raises:
            UnknownNameError: another outcome.
        """
        return plot_morris(self, outcome, top)


def morris_design(
    n_params: int, trajectories: int, seed: int, *, levels: int = 4, group_of: Sequence[Hashable] | None = None
) -> MorrisDesign:
    """Random trajectories on a grid; each visits G + 1 points and moves every group once.

    Args:
        n_params: number of parameters.
        trajectories: their number, from 2.
        seed: of the random numbers.
        levels: of the grid in each range, an even number from 4.
        group_of: the group of each of the parameters; None for each alone.

    Returns:
        The points, (trajectories * (G + 1), parameters) in the unit cube, and how they were reached.

    Raises:
        InvalidValueError: numbers that make no sense.

    Source:
        Morris 1991, doi:10.1080/00401706.1991.10484804; groups Campolongo et al. 2007,
        doi:10.1016/j.envsoft.2006.10.004.

    Example:
        >>> morris_design(3, 4, seed=0).unit.shape
        (16, 3)
    """
    require_count("n_params", n_params)
    require_count("seed", seed, 0)
    require_count("trajectories", trajectories, 2, 1_000_000)
    if require_count("levels", levels, 4) % 2:
        raise InvalidValueError(f"levels = {levels}: an even number from 4, so that all levels are used alike")
    labels = list(range(n_params) if group_of is None else group_of)
    groups = tuple(dict.fromkeys(labels))
    numbers = np.array([groups.index(label) for label in labels])
    random = np.random.default_rng(np.random.SeedSequence(operator.index(seed), spawn_key=(STREAM,)))
    delta = levels / (2 * (levels - 1))
    lower = random.integers(levels // 2, size=(trajectories, n_params)) / (levels - 1)
    up = random.random((trajectories, n_params)) < 0.5
    moved = random.permuted(np.tile(np.arange(len(groups)), (trajectories, 1)), axis=1)
    step = np.argsort(moved, axis=1)[:, numbers]  # (trajectories, parameters): the step in which each moves
    after = np.arange(len(groups) + 1)[None, :, None] > step[:, None, :]
    unit = (lower[:, None] + delta * (after == up[:, None])).reshape(-1, n_params)
    unit.setflags(write=False)
    return MorrisDesign(unit=unit, moved=moved, up=up, groups=groups, group_of=numbers, delta=delta, levels=levels)


def elementary_effects(y: Floats, design: MorrisDesign) -> Floats:
    """Elementary effects of K outcome columns with respect to G groups.

    Args:
        y: (rows, K), one row per row of `design.unit`, any unit; NaN where a run failed.
        design: what `morris_design` gives.

    Returns:
        (trajectories, G, K), in the unit of `y` per whole range; NaN where one of the two runs failed, sizes only for
        groups of several parameters.

    Raises:
        ValueError: a `y` that has other rows than the design.

    Source:
        Morris 1991, doi:10.1080/00401706.1991.10484804.

    Example:
        >>> design = morris_design(2, 3, seed=0)
        >>> elementary_effects(design.unit @ [[2.0], [-1.0]], design)[0, :, 0].round(9).tolist()
        [2.0, -1.0]
    """
    count, n_groups = design.moved.shape
    rows = np.where(np.isfinite(y).all(axis=1, keepdims=True), y, np.nan).reshape(count, n_groups + 1, -1)
    steps = np.diff(rows, axis=1) / design.delta
    place = np.argsort(design.moved, axis=1)
    effects = np.take_along_axis(steps, place[:, :, None], axis=1)
    for g in range(n_groups):
        members = np.flatnonzero(design.group_of == g)
        if len(members) == 1:
            effects[:, g] *= np.where(design.up[:, members], 1.0, -1.0)
        else:
            effects[:, g] = np.abs(effects[:, g])
    return effects


@dataclass(frozen=True, kw_only=True)
class Trajectories(Named):
    """How a Morris screening samples.

    Attributes:
        n: trajectories; they cost n*(factors + 1) runs.
        levels: of the grid in each range, even.
        seed: of the design and of the bootstrap.
        resamples: bootstrap resamples of the 95 percent intervals.

    Raises:
        InvalidValueError: for numbers that make no sense.

    Example:
        >>> Trajectories(n=40).levels
        4
    """

    n: int = 20
    levels: int = 4
    seed: int = 1
    resamples: int = 1000

    def __post_init__(self) -> None:
        require_count("trajectories", self.n, 2, 1_000_000)
        require_count("seed", self.seed, 0)
        require_count("the number of bootstrap resamples", self.resamples, 1, 1_000_000)


def morris(
    study: Model | Study,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome] = (),
    trajectories: int | Trajectories = 20,
    factors: Factors | Wanted = None,
    weeks: float | None = None,
    duration: float | None = None,
    execution: Execution | None = None,
) -> MorrisResult:
    """Morris screening: which of many factors matter at all. Screen first, then give what matters to `sobol`.

    A failed run costs the two effects that it is part of, and nothing else.

    Args:
        study: what is run: a `Study`, or a model with `treatments`, `outcomes`, and `weeks` or `duration` here.
        treatments: as in `Study`.
        outcomes: as in `Study`.
        trajectories: their number (each costs factors + 1 runs), or `Trajectories`: levels, seed, resamples.
        factors: what varies: `Factors`, or its parameters alone.
        weeks: as in `Study`; 12 weeks if nothing is said.
        duration: as in `Study`.
        execution: workers, engine, tolerances, limits, checkpoint; see `Execution`.

    Returns:
        Sizes of the effects with intervals, in the unit of the outcome per whole range.

    Raises:
        InvalidValueError: for trajectories or levels that make no sense, and as `sobol`.

    Source:
        Morris 1991, doi:10.1080/00401706.1991.10484804; Campolongo et al. 2007, doi:10.1016/j.envsoft.2006.10.004.

    Example:
        >>> import pathway_models as pm
        >>> screen = morris(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"],
        ...                 trajectories=4, factors=["gain_vagal", "tau_session"], weeks=8)
        >>> screen.to_dataframe()["factor"][0]
        'gain_vagal'
    """
    how = trajectories if isinstance(trajectories, Trajectories) else Trajectories(n=trajectories)
    study, on = study_of(study, treatments, outcomes, weeks, duration), execution_of(execution)
    announce(study.model, "compiling it and comparing the engines before the first run", on.progress)
    chosen = choose_factors(study.model, factors_of(factors))
    plan = make_plan(study, tuple(p.id for p in chosen.parameters), on)
    design = morris_design(len(chosen.parameters), how.n, how.seed, levels=how.levels, group_of=chosen.group_of)
    runs = execute(plan, check_rows(study.model, plan.job.varied, chosen.table(design.unit)), on)
    effects = elementary_effects(runs.values, design)
    low, high = _interval(np.abs(effects), how.resamples, how.seed)
    found = np.isfinite(effects).all(axis=2)
    alone = (np.bincount(design.group_of) == 1)[:, None]
    return MorrisResult(
        model=study.model.name,
        arm=study.arm,
        parameters=chosen.parameters,
        design=design,
        runs=runs,
        mu=np.where(alone, _mean(effects), np.nan),
        mu_star=_mean(np.abs(effects)),
        mu_star_low=low,
        mu_star_high=high,
        sigma=np.where(alone, _deviation(effects), np.nan),
        effects=found.sum(axis=0),
    )


def _mean(effects: Floats) -> Floats:
    """Mean over trajectories of what is there; NaN where there is none."""
    count = np.isfinite(effects).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nansum(effects, axis=0) / count, dtype=np.float64)


def _deviation(effects: Floats) -> Floats:
    """Standard deviation over trajectories (n - 1); NaN where there are fewer than two."""
    count = np.isfinite(effects).sum(axis=0)
    square = np.nansum((effects - _mean(effects)) ** 2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(square / np.where(count > 1, count - 1, np.nan)), dtype=np.float64)


def _interval(sizes: Floats, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """95 percent percentile interval of the mean size, trajectories resampled: two matrix products."""
    count = len(sizes)
    random = np.random.default_rng(np.random.SeedSequence(operator.index(seed), spawn_key=(STREAM, 1)))
    weights = random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    there = np.isfinite(sizes)
    flat = np.where(there, sizes, 0.0).reshape(count, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ flat) / (weights @ there.reshape(count, -1).astype(np.float64))
    if np.isnan(means).all(axis=0).any():
        means[0] = np.where(np.isnan(means).all(axis=0), np.inf, means[0])  # keeps nanquantile quiet
    ends = np.nanquantile(means, [0.025, 0.975], axis=0).reshape(2, *sizes.shape[1:])
    ends[~np.isfinite(ends)] = np.nan
    return ends[0], ends[1]
