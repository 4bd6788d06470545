"""A Sobol analysis before it runs: what is varied, how rows are sampled, and what it will cost."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._types import Array, Brief
from ..ensembles.choice import choose as choose_engine
from ..ensembles.code import call
from ..ensembles.execution import Execution
from ..ensembles.plan import Plan, check_rows, make_plan
from ..ensembles.rows import make_probe
from ..ensembles.runs import Ensemble, execute
from ..ensembles.study import Study
from ..errors import InvalidValueError, Named, require_count, require_kind, require_range
from ..models.model import Model
from .factors import Chosen, Factors, choose_factors
from .indices import Design, saltelli_design

PROBES = 4  # rows that are run for an estimate of the cost
LARGE = 500_000  # characters of SBML from which on compiling takes many seconds
BATCH_PROBES = 16  # times these rows on the batch engine, which needs full lanes


@dataclass(frozen=True, kw_only=True)
class Sampling(Named):
    """How a Sobol analysis samples, and how sure its indices are to be.

    Attributes:
        n: base rows, a power of two; they cost n*(factors + 2) runs, n*(2*factors + 2) with `second_order`.
        seed: of the design and of the bootstrap; the same seed gives the same result on any number of processes.
        second_order: whether indices of pairs are estimated too.
        resamples: bootstrap resamples of the 95 percent intervals.
        target_width: n is doubled until no interval of ST is wider.
        budget: most runs for `target_width` (None: 64 times those of n).

    Raises:
        InvalidValueError: for numbers that make no sense.

    Example:
        >>> Sampling(n=1024, second_order=True).n
        1024
    """

    n: int = 256
    seed: int = 1
    second_order: bool = False
    resamples: int = 1000
    target_width: float | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        require_count("n", self.n, 2)
        require_count("seed", self.seed, 0)
        require_kind("second_order", self.second_order, bool, "second_order=True")
        require_count("the number of bootstrap resamples", self.resamples, 1, 1_000_000)
        if self.target_width is not None:
            require_range("the target width", self.target_width, 1e-6, 10.0)
        if self.budget is not None:
            require_count("budget", self.budget)
            if self.target_width is None:
                raise InvalidValueError(f"budget is {self.budget} and bounds a target_width; give one, or n alone")


def sampling_of(n: int | Sampling) -> Sampling:
    """The sampling itself, or one of n base rows."""
    return n if isinstance(n, Sampling) else Sampling(n=n)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Analysis(Brief):
    """A Sobol analysis before it runs.

    Attributes:
        study: what is run.
        factors: what varies.
        sampling: how it is sampled.
        execution: how it is executed.
        chosen: the factors as the model has them.
        plan: what is run, resolved.

    Example:
        >>> import pathway_models as pm
        >>> study = pm.Study(pm.load("acupuncture"), outcomes=["vagal_drive"], weeks=1)
        >>> make_analysis(study, Factors(parameters=["gain_vagal"]), Sampling(), Execution()).runs_for(8)
        24
    """

    study: Study
    factors: Factors
    sampling: Sampling
    execution: Execution
    chosen: Chosen
    plan: Plan

    def design(self, n: int) -> Design:
        """The design of n base rows; that of 2 n begins with it.

        Args:
            n: base rows, a power of two.
        """
        how = self.sampling
        groups = self.chosen.group_of
        return saltelli_design(len(self.chosen.parameters), n, how.seed, group_of=groups, second_order=how.second_order)

    def table(self, unit: Array) -> Array:
        """Parameter values (rows x parameters), checked against what the model allows.

        Args:
            unit: places in 0..1 (rows x parameters).
        """
        return check_rows(self.study.model, self.plan.job.varied, self.chosen.table(unit))

    def runs_for(self, n: int) -> int:
        """Number of runs of n base rows.

        Args:
            n: base rows.
        """
        return n * ((2 if self.sampling.second_order else 1) * len(dict.fromkeys(self.chosen.group_of)) + 2)

    def run(self, unit: Array, before: Ensemble | None) -> Ensemble:
        """Outcomes of all rows; those that are known are not run again.

        Args:
            unit: places in 0..1 (rows x parameters).
            before: the first rows, or None; what the checkpoint has counts too.
        """
        return execute(self.plan, self.table(unit), self.execution, before)

    def code(self) -> str:
        """The code that repeats the analysis, as text."""
        arguments: list[tuple[str, Any]] = [("", self.study), ("n", _shortest(self.sampling, Sampling, "n"))]
        if self.factors != Factors():
            arguments.append(("factors", _shortest(self.factors, Factors, "parameters")))
        decisive = Execution(rtol=self.execution.rtol, atol=self.execution.atol, limits=self.execution.limits)
        return call("pm.sobol", [*arguments, ("execution", replace(decisive, engine=self.plan.engine))])


def _shortest(value: Any, kind: type, main: str) -> Any:
    """The value itself, or its main field where nothing else is said."""
    short = getattr(value, main)
    return short if value == kind(**{main: short}) else value


def announce(model: Model, work: str, progress: bool = True) -> None:
    """Say on stderr what is being done to a large model: that is long, and nothing is seen of it."""
    if progress and isinstance(model, Model) and len(model.sbml) > LARGE:
        sys.stderr.write(f"{model.name}: {work}; this can take a minute or more\n")


def make_analysis(study: Study, factors: Factors, sampling: Sampling, execution: Execution) -> Analysis:
    """An analysis, checked as far as it can be before anything runs."""
    chosen = choose_factors(study.model, factors)
    plan = make_plan(study, tuple(p.id for p in chosen.parameters), execution)
    return Analysis(study=study, factors=factors, sampling=sampling, execution=execution, chosen=chosen, plan=plan)


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What an analysis will take, from a few of its rows.

    Attributes:
        runs: their number.
        seconds_per_run: on one core.
        workers: number of processes.
        memory_bytes: of the results.
        disk_bytes: of the checkpoint; 0 without one.
        engine: that will run them, 'roadrunner' or 'batch'.

    Example:
        >>> print(CostEstimate(runs=1000, seconds_per_run=0.1, workers=2, memory_bytes=2**20, disk_bytes=0))
        1000 runs of 0.1 s each: about 50 s on 2 processes, 1 MB of memory for results
    """

    runs: int
    seconds_per_run: float
    workers: int
    memory_bytes: int
    disk_bytes: int
    engine: str = "roadrunner"

    @property
    def hours(self) -> float:
        """Wall-clock time in hours on `workers` processes."""
        return self.runs * self.seconds_per_run / self.workers / 3600

    def __str__(self) -> str:
        each = self.seconds_per_run
        time = f"{each:.2g} s" if each >= 0.1 else f"{1000 * each:.2g} ms"
        where = f"{self.workers} processes" if self.workers > 1 else "1 process"
        text = f"{self.runs} runs of {time} each: about {clock(3600 * self.hours)} on {where}"
        text += f", {max(1, self.memory_bytes >> 20)} MB of memory for results"
        return text + (f", {max(1, self.disk_bytes >> 20)} MB on disk" if self.disk_bytes else "")


def clock(seconds: float) -> str:
    """A length of time to read.

    >>> clock(0.2), clock(90), clock(7300)
    ('a second', '90 s', '2 h')
    """
    if seconds < 1:
        return "a second"
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / size:.2g} {unit}" if seconds / size < 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def estimate_cost(analysis: Analysis) -> CostEstimate:
    """Run a few rows of the analysis here and count the rest; nothing is written."""
    n = analysis.sampling.n
    design = analysis.design(max(2, min(n, PROBES)))
    table = analysis.table(design.unit)[:: max(1, design.rows_per_base)][:PROBES]
    plan = analysis.plan
    engine = choose_engine(plan.engine, plan.job, table, analysis.runs_for(n), plan.limits).engine
    table = np.tile(table, (BATCH_PROBES, 1)) if engine == "batch" else table
    probe = make_probe(plan.job, plan.reads, plan.limits, engine)
    probe(table[:1])  # compiles the model
    began = time.perf_counter()
    probe(table)
    seconds = (time.perf_counter() - began) / len(table)
    runs, job = analysis.runs_for(n), plan.job
    numbers = len(plan.job.varied) * 2 + len(plan.reads)
    stored = 8 * runs * len(job.times) * len(job.columns) if plan.stored else 0
    written = 0 if plan.folder is None else 8 * runs * (len(plan.reads) + 2)
    return CostEstimate(
        runs=runs,
        seconds_per_run=seconds,
        workers=analysis.execution.count,
        memory_bytes=int(8 * np.float64(runs) * numbers),
        disk_bytes=stored + written,
        engine=engine,
    )
