"""Sobol analysis: ranges from the tables -> design -> ensemble -> indices with intervals."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array
from ..ensembles.execution import Execution, execution_of
from ..ensembles.outcomes import Outcome
from ..ensembles.runs import Ensemble
from ..ensembles.study import Study, study_of
from ..errors import InvalidValueError, require_count
from ..models.model import Model
from ..treatments.schedule import Treatment
from . import verdicts
from .analysis import Analysis, CostEstimate, Sampling, announce, estimate_cost, make_analysis, sampling_of
from .factors import Factors, Wanted, factors_of
from .figures import DRAWN, plot_sobol
from .indices import Design, Indices, sobol_indices
from .page import write_report
from .reliability import widest
from .results import Doubling, SobolData

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DOUBLINGS = 6  # of N at most, where a width is asked for without a budget


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SobolResult(SobolData):
    """Sobol indices of one model under one treatment: the data, what they say, and more of them.

    Attributes:
        analysis: what was run, what varied, and how.
        design: the points (rows, parameters).
        indices: S1, ST and S2 with their intervals (factors, outcomes).
        runs: the outcomes (rows, outcomes) and how the rows fared.
        over_time: indices of the courses at `runs.times`, one column per course and time; None without.
        timings: seconds in design, simulation and estimator.
        doublings: the steps by which N was found.
        stopped: why the search for N ended; empty where there was none.

    Example:
        >>> import pathway_models as pm
        >>> result = pm.sobol(pm.load("acupuncture"), outcomes=["plastic_trace"], n=8, factors=["gain_vagal"], weeks=1,
        ...                   execution=pm.Execution(workers=1, progress=False))
        >>> result.design.unit.shape
        (24, 1)
    """

    # ---- more of it ------------------------------------------------------------------------------------------------

    def extend(self, n: int, execution: Execution | None = None) -> SobolResult:
        """The same analysis with n base rows; every run so far is used again, and the checkpoint goes on.

        Args:
            n: base rows, a power of two above the present one.
            execution: on which workers and with what progress; engine, tolerances, limits and checkpoint stay.

        Raises:
            InvalidValueError: another n.
        """
        require_count("n", n, 2)
        if n <= self.design.n:
            raise InvalidValueError(f"n is {n}; allowed are powers of two above {self.design.n}")
        old = self.analysis
        if execution is not None:
            on = replace(old.execution, workers=execution.workers, progress=execution.progress)
            old = replace(old, execution=on)
        longer = _run(replace(old, sampling=replace(old.sampling, n=n)), self.runs)
        return replace(longer, doublings=(*self.doublings, *longer.doublings))

    def with_outcomes(self, outcomes: Sequence[str | Outcome], *, times: Sequence[float] = ()) -> SobolResult:
        """Indices of other outcomes, from the stored time courses.

        Args:
            outcomes: as in `Study`.
            times: as in `Study`.

        Raises:
            InvalidValueError: as `Ensemble.with_outcomes`.
            UnknownNameError: unknown names.
        """
        runs = self.runs.with_outcomes(outcomes, times=times)
        study = replace(self.analysis.study, outcomes=outcomes, times=times)
        return _analysed(replace(self.analysis, study=study), self.design, runs, self.timings)

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
        before = f" ({cost.reused} taken over from before)" if cost.reused else ""
        lines = [f"{self.model}, {self.arm}: {self.runs.report()}; {self.runs.seconds:.1f} s{before}."]
        lines[0] += verdicts.own_ranges(self)
        sentences = [verdicts.sentence(self, k) for k in range(len(self.outcomes))]
        trust = [verdicts.failures(self), verdicts.intervals(self)]
        return "\n".join(filter(None, [*lines, *trust, *sentences, self.stopped]))

    def plot(self, outcome: str | None = None, *, kind: str = "bars", top: int = DRAWN) -> Figure:
        """A figure of all outcomes, or of one.

        Args:
            outcome: its name; None for all.
            kind: 'bars' (S1 and ST with 95 percent intervals), 'tornado' (mean of the outcome at both ends of each
                range: the direction), 'heatmap' (ST, factor by outcome), 'bands' (indices over time; needs `times=`),
                'interactions' (pairs; needs `second_order=True`), 'convergence' (ST against N).
            top: number of factors at most.

        Raises:
            UnknownNameError: another kind or outcome.
            InvalidValueError: what the analysis was not asked for.
        """
        return plot_sobol(self, kind, outcome, top)

    def report_html(self, path: str | os.PathLike[str], *, top: int = DRAWN) -> Path:
        """Write one self-contained HTML page: verdicts, figures, indices, design, cost, failures, how to repeat it.

        Args:
            path: of the page.
            top: as in `plot`.

        Raises:
            ModelError: a file that cannot be written.
        """
        return write_report(self, Path(path), top)


def sobol(
    study: Model | Study,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome] = (),
    n: int | Sampling = 256,
    factors: Factors | Wanted = None,
    weeks: float | None = None,
    duration: float | None = None,
    execution: Execution | None = None,
) -> SobolResult:
    """Sobol indices of outcomes under treatments, with 95 percent bootstrap intervals.

    How often such intervals hold the true index, by n, is in docs/intervals.md. Failed runs are recorded and drop their
    base row. `times` of the study adds indices over time, for `indices_over_time()`.

    Args:
        study: what is run: a `Study`, or a model with `treatments`, `outcomes`, and `weeks` or `duration` here.
        treatments: as in `Study`.
        outcomes: as in `Study`.
        n: base rows, a power of two (n*(factors + 2) runs), or a `Sampling`: seed, pairs, resamples, target width.
        factors: what varies: `Factors`, or its parameters alone (names, or {name: (low, high)}; None: all with a
            range).
        weeks: as in `Study`; 12 weeks if nothing is said.
        duration: as in `Study`.
        execution: workers, engine, tolerances, limits, checkpoint; see `Execution`.

    Returns:
        Indices with their design and runs; `summary()` says what they allow.

    Raises:
        InvalidValueError: for an n that is no power of two, an empty list of parameters, an empty range, correlated
            parameters in different groups.
        UnknownNameError: for unknown names.

    Source:
        Saltelli et al. 2010, doi:10.1016/j.cpc.2009.09.018.

    Example:
        >>> import pathway_models as pm
        >>> result = pm.sobol(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"], n=8,
        ...                   factors=["gain_vagal", "tau_session"], weeks=8, execution=pm.Execution(workers=1))
        >>> result.to_dataframe()["factor"][0]
        'gain_vagal'
    """
    study, how, sampling = (
        study_of(study, treatments, outcomes, weeks, duration),
        execution_of(execution),
        sampling_of(n),
    )
    announce(study.model, "compiling it and comparing the engines before the first run", how.progress)
    analysis = make_analysis(study, factors_of(factors), sampling, how)
    result = _run(analysis, None)
    if sampling.target_width is None:
        return result
    most = analysis.runs_for(sampling.n * 2**DOUBLINGS) if sampling.budget is None else sampling.budget
    while result.doublings[-1].width > sampling.target_width and analysis.runs_for(2 * result.design.n) <= most:
        result = result.extend(2 * result.design.n)
    return replace(result, stopped=_stopped(result, sampling.target_width, most))


def _stopped(result: SobolResult, target: float, budget: int) -> str:
    last = result.doublings[-1]
    if not last.width > target:
        return f"The widest interval of ST is {last.width:.3f} at N = {last.n}: the target {target:g} is reached."
    return (
        f"The widest interval of ST is {last.width:.3f} at N = {last.n}, above the target {target:g}: "
        f"the next doubling would exceed the budget of {budget} runs."
    )


def sobol_cost(
    study: Model | Study,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome] = (),
    n: int | Sampling = 256,
    factors: Factors | Wanted = None,
    weeks: float | None = None,
    duration: float | None = None,
    execution: Execution | None = None,
) -> CostEstimate:
    """What `sobol` with the same arguments will take: runs, seconds, memory, disk; a few rows are run for it.

    Args:
        study: as in `sobol`.
        treatments: as in `sobol`.
        outcomes: as in `sobol`.
        n: as in `sobol`.
        factors: as in `sobol`.
        weeks: as in `sobol`.
        duration: as in `sobol`.
        execution: as in `sobol`.

    Returns:
        The estimate; its text is a sentence.

    Raises:
        InvalidValueError: as `sobol` before its first run.

    Example:
        >>> import pathway_models as pm
        >>> cost = sobol_cost(pm.load("acupuncture"), outcomes=["vagal_drive"], n=1024, weeks=1,
        ...                   factors=pm.Factors(groups="kind"))
        >>> cost.runs % 1024
        0
    """
    study = study_of(study, treatments, outcomes, weeks, duration)
    return estimate_cost(make_analysis(study, factors_of(factors), sampling_of(n), execution_of(execution)))


def _run(analysis: Analysis, before: Ensemble | None) -> SobolResult:
    began = time.perf_counter()
    design = analysis.design(analysis.sampling.n)
    timings = {"design": time.perf_counter() - began}
    runs = analysis.run(design.unit, before)
    timings["simulation"] = runs.seconds
    return _analysed(analysis, design, runs, timings)


def _analysed(analysis: Analysis, design: Design, runs: Ensemble, timings: Mapping[str, float]) -> SobolResult:
    began, how = time.perf_counter(), analysis.sampling
    try:
        indices = sobol_indices(runs.values, design, resamples=how.resamples, seed=how.seed, ok=runs.ok)
    except InvalidValueError as error:
        raise InvalidValueError(f"{error}; {runs.report()}") from None
    return SobolResult(
        analysis=replace(analysis, plan=runs.plan),
        design=design,
        indices=indices,
        runs=runs,
        over_time=None if runs.over_time is None else _indices_over_time(how, design, runs, runs.over_time),
        timings={**timings, "estimator": time.perf_counter() - began},
        doublings=(Doubling(design.n, widest(indices)),),
    )


def _indices_over_time(how: Sampling, design: Design, runs: Ensemble, courses: Array) -> Indices:
    """One column per course and time; a column with a value that is no number in a good run has no indices."""
    columns = courses.reshape(len(courses), -1)
    whole = np.isfinite(columns[runs.ok]).all(axis=0)
    return sobol_indices(np.where(whole, columns, 0.0), design, resamples=how.resamples, seed=how.seed, ok=runs.ok)
