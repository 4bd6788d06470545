"""A Sobol analysis before it runs: what is varied, how rows are sampled, and what it will cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._types import Array
from ..ensembles.choice import choose as choose_engine
from ..ensembles.ensemble import Ensemble, execute
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Folder, Plan, check_rows, default_duration, make_plan
from ..ensembles.processes import worker_count
from ..ensembles.rows import Limits, make_probe
from ..errors import require_count, require_kind
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.laws import sample
from ..modules.module import Parameter
from ..simulation.tolerances import Tolerance
from ..treatments.schedule import Treatment, label
from .factors import GaussianCopula, Groups, Wanted, choose, correlated, grouped, refuse_correlated_groups
from .indices import Design, saltelli_design

PROBES = 4  # rows that are run for an estimate of the cost
LARGE = 500_000  # characters of SBML from which on compiling takes many seconds
BATCH_PROBES = 16  # times these rows on the batch engine, which needs full lanes


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Model, treatments, parameters and their groups, seed; everything but N."""

    arm: str
    plan: Plan
    parameters: tuple[Parameter, ...]
    group_of: tuple[str, ...]
    second_order: bool
    seed: int
    resamples: int
    correlation: Array | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)  # the arguments as they were given

    def design(self, n: int) -> Design:
        """The design of n base rows; that of 2 n begins with it."""
        return saltelli_design(
            len(self.parameters), n, self.seed, group_of=self.group_of, second_order=self.second_order
        )

    def table(self, unit: Array) -> Array:
        """Parameter values (rows x parameters), checked against what the model allows."""
        places = unit if self.correlation is None else correlated(unit, self.correlation)
        table = np.column_stack([sample(p, places[:, j]) for j, p in enumerate(self.parameters)])
        return check_rows(self.plan.model, self.plan.job.varied, table)

    def runs_for(self, n: int) -> int:
        """Number of runs of n base rows."""
        return n * ((2 if self.second_order else 1) * len(dict.fromkeys(self.group_of)) + 2)

    def run(
        self, unit: Array, *, workers: int | None, executor: Executor | None, progress: bool, before: Ensemble | None
    ) -> Ensemble:
        """All rows, without those that `before` or the checkpoint has."""
        return execute(
            self.plan, self.table(unit), workers=workers, executor=executor, progress=progress, before=before
        )


def announce(model: Model, work: str, progress: bool = True) -> None:
    """Say on stderr what is being done to a large model: that is long, and nothing is seen of it."""
    if progress and isinstance(model, Model) and len(model.sbml) > LARGE:
        sys.stderr.write(f"{model.name}: {work}; this can take a minute or more\n")


def make_study(
    model: Model,
    treatments: Sequence[Treatment],
    *,
    outcomes: Sequence[str | Outcome],
    parameters: Wanted = None,
    groups: Groups = None,
    second_order: bool = False,
    seed: int = 1,
    resamples: int = 1000,
    copula: GaussianCopula | None = None,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    times: Sequence[float] = (),
    start: str = "auto",
    limits: Limits | None = None,
    checkpoint: Folder | None = None,
    store: str | None = None,
    engine: str = "auto",
    rtol: float | None = None,
    atol: Tolerance | None = None,
) -> Study:
    """A study, checked as far as it can be before anything runs."""
    require_model(model)
    require_count("the number of bootstrap resamples", resamples, 1, 1_000_000)
    require_count("seed", seed, 0)
    require_kind("copula", copula, (GaussianCopula, type(None)), "GaussianCopula(correlations={('Vmax', 'Km'): 0.8})")
    chosen, names = grouped(model, choose(model, parameters, groups), groups, named=parameters is not None)
    matrix = None if copula is None else copula.matrix(model, chosen)
    refuse_correlated_groups(chosen, names, copula, matrix)
    plan = make_plan(
        model,
        tuple(p.id for p in chosen),
        treatments,
        outcomes=outcomes,
        length=default_duration(model, weeks, duration),
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
    return Study(
        arm=label(list(treatments)),
        plan=plan,
        parameters=chosen,
        group_of=tuple(names),
        second_order=second_order,
        seed=seed,
        resamples=resamples,
        correlation=matrix,
        asked={
            "treatments": tuple(treatments),
            "outcomes": outcomes,
            "parameters": parameters,
            "groups": groups,
            "weeks": weeks,
            "duration": duration,
            "every": every,
            "times": times,
            "start": start,
            "copula": copula,
            "limits": limits,
            "rtol": rtol,
            "atol": atol,
        },
    )


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What an analysis will take, from a few of its rows: runs, seconds per run, hours of wall clock, bytes, engine.

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


def estimate_cost(study: Study, n: int, workers: int | None) -> CostEstimate:
    """Run a few rows of the study here and count the rest; nothing is written."""
    design = study.design(max(2, min(n, PROBES)))
    table = study.table(design.unit)[:: max(1, design.rows_per_base)][:PROBES]
    plan = study.plan
    engine = choose_engine(plan.engine, plan.job, table, study.runs_for(n), plan.limits).engine
    table = np.tile(table, (BATCH_PROBES, 1)) if engine == "batch" else table
    probe = make_probe(plan.job, plan.reads, plan.limits, engine)
    probe(table[:1])  # compiles the model
    began = time.perf_counter()
    probe(table)
    seconds = (time.perf_counter() - began) / len(table)
    runs, job = study.runs_for(n), study.plan.job
    numbers = len(study.parameters) * 2 + len(study.plan.reads)
    stored = 8 * runs * len(job.times) * len(job.columns) if study.plan.stored else 0
    written = 0 if study.plan.folder is None else 8 * runs * (len(study.plan.reads) + 2)
    return CostEstimate(
        runs=runs,
        seconds_per_run=seconds,
        workers=worker_count(workers),
        memory_bytes=int(8 * np.float64(runs) * numbers),
        disk_bytes=stored + written,
        engine=engine,
    )
