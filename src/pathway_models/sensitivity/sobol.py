"""Sobol analysis: ranges from the tables -> design -> ensemble -> indices with intervals."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Array
from ..ensembles.ensemble import Ensemble
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Folder
from ..ensembles.rows import Limits
from ..errors import InvalidValueError, require_count, require_range
from ..models.model import Model
from ..modules.laws import Z95, sample
from ..simulation.tolerances import Tolerance
from ..treatments.schedule import Treatment
from . import verdicts
from .factors import GROUPINGS, GaussianCopula, Groups, Wanted
from .figures import DRAWN, plot_sobol
from .indices import Design, Indices, sobol_indices
from .page import write_report
from .reliability import widest
from .results import Doubling, SobolData
from .study import CostEstimate, Study, announce, estimate_cost, make_study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["GROUPINGS", "Z95", "SobolResult", "sample", "sobol", "sobol_cost"]

DOUBLINGS = 6  # of N at most, where a width is asked for without a budget


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SobolResult(SobolData):
    """Sobol indices of one model under one treatment: the data, what they say, and more of them."""

    # ---- more of it ------------------------------------------------------------------------------------------------

    def extend(
        self, n: int, *, workers: int | None = None, executor: Executor | None = None, progress: bool = True
    ) -> SobolResult:
        """The same analysis with n base rows; every run so far is used again, and the checkpoint goes on.

        Raises `InvalidValueError` if n is not a power of two above the present one.
        """
        require_count("n", n, 2)
        if self.study is None or n <= self.design.n:
            raise InvalidValueError(f"n is {n}; allowed are powers of two above {self.design.n}")
        longer = _run(self.study, n, self.runs, workers=workers, executor=executor, progress=progress)
        return replace(longer, doublings=(*self.doublings, *longer.doublings))

    def with_outcomes(self, outcomes: Sequence[str | Outcome], *, times: Sequence[float] = ()) -> SobolResult:
        """Indices of other outcomes, from the stored time courses; raises as `Ensemble.with_outcomes` does."""
        runs = self.runs.with_outcomes(outcomes, times=times)
        assert self.study is not None
        assert runs.plan is not None
        asked = {**self.study.asked, "outcomes": outcomes, "times": times}
        study = replace(self.study, plan=runs.plan, asked=asked)
        return _analysed(study, self.design, runs, dict(self.timings))

    def directions(self) -> pd.DataFrame:
        """Mean of each outcome in the lowest and the highest fifth of each range, less the mean of all runs.

        Columns outcome, factor, low, high (unit of the outcome) and error (half width of a 95 percent interval that
        holds for all factors at once); the largest difference first. NaN for groups and for fewer than 8 runs in a
        fifth.
        """
        import pandas as pd

        found, frames = verdicts.directions(self), []
        for k, outcome in enumerate(self.outcomes):
            columns = {name: getattr(found, name)[:, k] for name in ("low", "high", "error")}
            frame = pd.DataFrame({"outcome": outcome, "factor": self.factors, **columns})
            order = (frame["high"] - frame["low"]).abs().sort_values(ascending=False, kind="stable").index
            frames.append(frame.loc[order])
        return pd.concat(frames, ignore_index=True)

    # ---- words and figures -----------------------------------------------------------------------------------------

    def summary(self) -> str:
        """Plain sentences: runs, failures, whether N suffices, what leads for each outcome."""
        cost = self.runs.cost
        before = f" ({cost.reused} taken over from before)" if cost is not None and cost.reused else ""
        lines = [f"{self.model}, {self.arm}: {self.runs.report()}; {self.runs.seconds:.1f} s{before}."]
        lines[0] += verdicts.own_ranges(self)
        sentences = [verdicts.sentence(self, k) for k in range(len(self.outcomes))]
        trust = [verdicts.failed(self), verdicts.intervals(self)]
        return "\n".join(filter(None, [*lines, *trust, *sentences, self.stopped]))

    def plot(self, outcome: str | None = None, *, kind: str = "bars", top: int = DRAWN) -> Figure:
        """A figure of all outcomes or of the named one; `top` factors at most.

        `kind`: 'bars' (S1 and ST with 95 percent intervals), 'tornado' (mean of the outcome at both ends of each
        range: the direction), 'heatmap' (ST, factor by outcome), 'bands' (indices over time; needs `times=`),
        'interactions' (pairs; needs `second_order=True`), 'convergence' (ST against N). Raises `UnknownNameError` for
        another kind or outcome, `InvalidValueError` for what was not asked for.
        """
        return plot_sobol(self, kind, outcome, top)

    def report_html(self, path: str | os.PathLike[str], *, source: str = "", top: int = DRAWN) -> Path:
        """Write one self-contained HTML page: verdicts, figures, indices, design, cost, failures, how to repeat it.

        `source` is the model as `load` found it (a name or a path), for the code that repeats the analysis; `top` as in
        `plot`. Raises `ModelError` if the file cannot be written.
        """
        return write_report(self, Path(path), source, top)


def sobol(
    model: Model,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    n: int = 256,
    seed: int = 1,
    parameters: Wanted = None,
    groups: Groups = None,
    second_order: bool = False,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    times: Sequence[float] = (),
    start: str = "auto",
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    resamples: int = 1000,
    target_width: float | None = None,
    budget: int | None = None,
    copula: GaussianCopula | None = None,
    limits: Limits | None = None,
    checkpoint: Folder | None = None,
    store: str | None = None,
    engine: str = "auto",
    rtol: float | None = None,
    atol: Tolerance | None = None,
) -> SobolResult:
    """Sobol indices of outcomes of `model` under `treatments`, with 95 percent bootstrap intervals.

    How often such intervals hold the true index, by N, is in docs/intervals.md.

    `parameters`: None for every parameter with a range, names, or {name: (low, high)}: log-uniform where low > 0, else
    uniform; (low, high, law) asks for 'uniform', 'loguniform', 'normal' or 'lognormal' (low and high are then the
    central 95 percent), and None for the range of the table. Gains of wires are given so, and what else can be set:
    inputs, compartments, and start values where the model starts from its file. `groups`: None, 'module', 'kind' (of
    evidence), 'wire' (one index per wire, its gain from 0 to 1) or {group: names}, which varies what it names; each of
    named `parameters` must then be in a group. `n` base rows (a power of two) cost n*(groups + 2) runs,
    n*(2*groups + 2) with `second_order`; length as in `simulate`, 12 weeks if nothing is said. `times` (model time)
    adds indices over time, for `indices_over_time()`. With `target_width` n is doubled until no interval of ST is
    wider, or the next doubling would cost more than `budget` runs (default: 64 times the first n). `copula` correlates
    parameters of one group.
    `limits`, `checkpoint`, `store`, `engine`, `rtol` and `atol` as in `ensemble`. The same seed gives the same result
    on any number of processes. Failed runs are recorded and drop their base row.

    Raises `InvalidValueError` for an n that is no power of two, an empty list of parameters, an empty range or
    correlated parameters in different groups, `UnknownNameError` for unknown names.
    Source: Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018.

    >>> import pathway_models as pm
    >>> result = pm.sobol(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"],
    ...                   n=8, parameters=["gain_vagal", "tau_session"], weeks=8, workers=1, progress=False)
    >>> result.to_dataframe()["factor"][0]
    'gain_vagal'
    """
    require_count("n", n, 2)
    announce(model, "compiling it and comparing the engines before the first run", progress)
    if target_width is not None:
        require_range("the target width", target_width, np.nextafter(0, 1), 10.0)
    if budget is not None:
        require_count("budget", budget)
    study = make_study(
        model,
        treatments,
        outcomes=outcomes,
        parameters=parameters,
        groups=groups,
        second_order=second_order,
        seed=seed,
        resamples=resamples,
        copula=copula,
        weeks=weeks,
        duration=duration,
        every=every,
        times=times,
        start=start,
        limits=limits,
        checkpoint=checkpoint,
        store=store,
        engine=engine,
        rtol=rtol,
        atol=atol,
    )
    how: dict[str, Any] = {"workers": workers, "executor": executor, "progress": progress}
    result = _run(study, n, None, **how)
    if target_width is None:
        return result
    most = study.runs_for(n * 2**DOUBLINGS) if budget is None else budget
    while result.doublings[-1].width > target_width and study.runs_for(2 * result.design.n) <= most:
        result = result.extend(2 * result.design.n, **how)
    return replace(result, stopped=_stopped(result, target_width, most))


def _stopped(result: SobolResult, target: float, budget: int) -> str:
    last = result.doublings[-1]
    if not last.width > target:
        return f"The widest interval of ST is {last.width:.3f} at N = {last.n}: the target {target:g} is reached."
    return (
        f"The widest interval of ST is {last.width:.3f} at N = {last.n}, above the target {target:g}: "
        f"the next doubling would exceed the budget of {budget} runs."
    )


def sobol_cost(
    model: Model,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    n: int = 256,
    workers: int | None = None,
    **options: Any,
) -> CostEstimate:
    """What `sobol` with the same arguments will take: runs, seconds, memory, disk; a few rows are run for it.

    Raises as `sobol` does before its first run.

    >>> import pathway_models as pm
    >>> cost = sobol_cost(pm.load("acupuncture"), outcomes=["vagal_drive"], n=1024, weeks=1, groups="kind")
    >>> cost.runs % 1024
    0
    """
    require_count("n", n, 2)
    return estimate_cost(make_study(model, treatments, outcomes=outcomes, **options), n, workers)


def _run(
    study: Study,
    n: int,
    before: Ensemble | None,
    *,
    workers: int | None,
    executor: Executor | None,
    progress: bool,
) -> SobolResult:
    began = time.perf_counter()
    design = study.design(n)
    timings = {"design": time.perf_counter() - began}
    runs = study.run(design.unit, workers=workers, executor=executor, progress=progress, before=before)
    timings["simulation"] = runs.seconds
    return _analysed(study, design, runs, timings)


def _analysed(study: Study, design: Design, runs: Ensemble, timings: dict[str, float]) -> SobolResult:
    began = time.perf_counter()
    try:
        indices = sobol_indices(runs.values, design, resamples=study.resamples, seed=study.seed, ok=runs.ok)
    except InvalidValueError as error:
        raise InvalidValueError(f"{error}; {runs.report()}") from None
    over_time = None if runs.over_time is None else _indices_over_time(study, design, runs, runs.over_time)
    return SobolResult(
        model=study.plan.model.name,
        arm=study.arm,
        parameters=study.parameters,
        design=design,
        indices=indices,
        runs=runs,
        over_time=over_time,
        timings={**timings, "estimator": time.perf_counter() - began},
        doublings=(Doubling(design.n, widest(indices)),),
        study=study,
    )


def _indices_over_time(study: Study, design: Design, runs: Ensemble, courses: Array) -> Indices:
    """One column per course and time; a column with a value that is no number in a good run has no indices."""
    columns = courses.reshape(len(courses), -1)
    whole = np.isfinite(columns[runs.ok]).all(axis=0)
    return sobol_indices(np.where(whole, columns, 0.0), design, resamples=study.resamples, seed=study.seed, ok=runs.ok)
