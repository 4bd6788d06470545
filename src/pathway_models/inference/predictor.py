"""Predictions of observations for many rows of constants: one run per condition and row, all conditions at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Array
from ..ensembles.choice import choose as choose_engine
from ..ensembles.execution import Execution
from ..ensembles.outcomes import Outcome
from ..ensembles.processes import make_work, results
from ..ensembles.rows import OK, RETRIED, Work
from ..errors import SimulationError
from ..evidence.observations import Observation, arrange, assume_hypotheses
from ..evidence.reports import observation_times, read_number
from ..evidence.scores import comparison_scale
from ..models.model import Model
from ..modules.module import Parameter
from ..simulation.job import Job, make_job

ROUNDS = 10  # evaluations of the Jacobian that a local fit takes, for the choice of the engine


@dataclass(frozen=True, kw_only=True)
class _Reached(Outcome):
    """What an observation reads from its run."""

    row: Observation

    def values(self, times: Array, courses: Array, before: Array) -> Array:
        return read_number(self.row, times, courses)


@dataclass(frozen=True, kw_only=True)
class _Before(Outcome):
    """The value at rest."""

    def values(self, times: Array, courses: Array, before: Array) -> Array:
        return before


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One run: the job, which varies what it does not set itself (a knock-out wins over a fit), and what is read.

    `places` say where that belongs.
    """

    job: Job
    reads: tuple[Outcome, ...]
    places: tuple[tuple[int, int], ...]  # (observation, 0 reached or 1 before) per read


def _questions(
    model: Model, rows: Sequence[Observation], names: Sequence[str], how: Mapping[str, Any]
) -> tuple[_Question, ...]:
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(row.condition, []).append(i)
    questions = []
    for members in groups.values():
        first = rows[members[0]]
        own = hypothesis_keys(model, first)
        variant = arrange(model, first)
        healthy = [i for i in members if rows[i].baseline == "healthy"]
        keys = {i: variant.resolve(rows[i].observable) for i in members}
        reads: list[tuple[Outcome, tuple[int, int]]] = []
        for i in members:
            reads.append((_Reached(variable=keys[i], row=rows[i], label=f"{i}"), (i, 0)))
            if i not in healthy:
                reads.append((_Before(variable=keys[i], label=f"{i} before"), (i, 1)))
        duration = max(rows[i].hours for i in members) or 1.0
        times = np.unique(np.concatenate([observation_times(rows[i]) for i in members]))
        settings = {variant.resolve(k) for k, _ in first.settings}
        varied = [k for k in names if k not in own | settings]
        job = _job(variant, first.schedule, duration, times, reads, {**how, "varied": varied})
        questions.append(_question(job, reads))
        if healthy:
            rest = assume_hypotheses(model.with_context("healthy"), first)
            reads = [(_Before(variable=rest.resolve(rows[i].observable), label=f"{i} before"), (i, 1)) for i in healthy]
            varied = [k for k in names if k not in own]
            job = _job(rest, (), 1.0, np.zeros(1), reads, {**how, "varied": varied})
            questions.append(_question(job, reads))
    return tuple(questions)


def hypothesis_keys(model: Model, row: Observation) -> set[str]:
    """Constants that the hypotheses of a row set."""
    by_id = {h.id: h for h in model.hypothesis_set}
    return {key for name, alternative in row.hypotheses for key in by_id[name].alternatives[alternative].settings}


def _job(
    model: Model,
    schedule: Any,
    duration: float,
    times: Array,
    reads: Sequence[tuple[Outcome, Any]],
    how: Mapping[str, Any],
) -> Job:
    columns = tuple(dict.fromkeys(o.variable for o, _ in reads))
    return make_job(model, schedule, duration=duration, times=times, columns=columns, start="auto", **how)


def _question(job: Job, reads: Sequence[tuple[Outcome, tuple[int, int]]]) -> _Question:
    return _Question(job=job, reads=tuple(o for o, _ in reads), places=tuple(at for _, at in reads))


class Predictor:
    """Predictions of all observations for rows of constants, over one pool that lives as long as the fit.

    `fits` local fits are to come: many enough for the batch engine or not.
    """

    def __init__(
        self,
        model: Model,
        parameters: Sequence[Parameter],
        rows: Sequence[Observation],
        execution: Execution,
        *,
        fits: int = 1,
    ) -> None:
        self.names = tuple(p.id for p in parameters)
        self.rows = tuple(rows)
        self.questions = _questions(model, rows, self.names, {"rtol": execution.rtol, "atol": execution.atol})
        self.execution, self.rounds = execution, fits * ROUNDS
        self.works: tuple[Work, ...] = ()
        self.engines: dict[str, None] = {}
        self.runs = 0
        self.message = ""

    def __call__(self, values: Array) -> Array:
        """Predictions (rows x observations) on the scale of each comparison; NaN where a run failed."""
        numbers = np.full((len(values), len(self.rows), 2), np.nan)
        self.works = self.works or tuple(self._work(q, values) for q in self.questions)
        tasks: dict[int, tuple[Work, Array]] = {}
        where: dict[int, tuple[_Question, int, int]] = {}
        size = max(1, math.ceil(len(values) / (2 * self.execution.count)))
        for question, work in zip(self.questions, self.works, strict=True):
            for a in range(0, len(values), size):
                b = min(a + size, len(values))
                where[len(tasks)] = (question, a, b)
                tasks[len(tasks)] = (work, values[a:b][:, self._free(question)])
        for i, result in results(tasks, self.execution.count, self.execution.executor):
            if isinstance(result, str):
                raise SimulationError(f"calibration stopped: {result}")
            question, a, b = where[i]
            for k, (row, side) in enumerate(question.places):
                numbers[a:b, row, side] = result[0][:, k]
            bad = [text for code, text in zip(result[1], result[2], strict=True) if code not in (OK, RETRIED)]
            self.message = bad[0] if bad else self.message
        self.runs += len(values) * len(self.questions)
        return np.array(
            [
                [comparison_scale(o.comparison, *map(float, numbers[r, i])) for i, o in enumerate(self.rows)]
                for r in range(len(values))
            ]
        )

    def _free(self, question: _Question) -> list[int]:
        return [self.names.index(name) for name in question.job.varied]

    def _work(self, question: _Question, values: Array) -> Work:
        """The work of a question, with the engine that suits as many rows as a fit needs."""
        limits, probes = self.execution.limits, values[:1, self._free(question)]
        count = self.rounds * (1 + len(self.names))
        choice = choose_engine(self.execution.engine, question.job, probes, count, limits)
        self.engines[f"{choice.engine}: {choice.reason}"] = None
        return make_work(question.job, question.reads, limits=limits, engine=choice.engine)
