"""What a model gives for observations, for many rows of constants: one run per condition, all conditions at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Array
from ..ensembles.choice import Choice
from ..ensembles.choice import choose as choose_engine
from ..ensembles.execution import Execution
from ..ensembles.outcomes import Outcome, Reduction
from ..ensembles.processes import make_work, results
from ..ensembles.rows import OK, RETRIED, Work
from ..errors import PathwayModelsError, SimulationError
from ..models.model import Model
from ..simulation.job import Job, make_job
from ..simulation.tolerances import SINGLE_RUN
from .observations import Observation, arrange, assume_hypotheses
from .scores import comparison_scales

POINTS_PER_COURSE = 800  # for peaks and troughs
REDUCTIONS: Mapping[str, Reduction] = {"at": "final", "peak": "peak", "trough": "trough"}


@dataclass(frozen=True, kw_only=True)
class Reached(Outcome):
    """What an observation reads from its run: the value at its hour, or an extreme up to it."""

    row: Observation

    def values(self, times: Array, courses: Array, before: Array) -> Array:
        inside = times <= self.row.hours
        times, courses = times[inside], courses[:, inside]
        if self.row.reduce == "time_of_peak":
            return np.asarray(times[np.argmax(courses, axis=1)])
        outcome = Outcome(variable=self.row.observable, reduce=REDUCTIONS[self.row.reduce])
        return outcome.values(times, courses, np.full(len(courses), math.nan))


@dataclass(frozen=True, kw_only=True)
class Before(Outcome):
    """The value at rest."""

    def values(self, times: Array, courses: Array, before: Array) -> Array:
        return before


@dataclass(frozen=True, kw_only=True)
class Question:
    """One run: the job, which varies what it does not set itself (a knock-out wins over a fit), and what is read.

    `places` say where that belongs.
    """

    job: Job
    reads: tuple[Outcome, ...]
    places: tuple[tuple[int, int], ...]  # (observation, 0 reached or 1 before) per read


class Predictor:
    """Predictions of observations for rows of constants.

    One engine runs all conditions: they have one text and differ in settings and schedules.

    Attributes:
        names: the constants that a row sets, in its order; a condition's own settings win.
        rows: the observations, in the order of the predictions.
        broken: number of an observation -> why its condition cannot be simulated at all; it is predicted as NaN.
        choice: the engine and why it runs.
        runs: how many were made.
        failures: number of an observation -> why the last failed run of its condition failed.
    """

    def __init__(
        self,
        model: Model,
        rows: Sequence[Observation],
        execution: Execution,
        *,
        names: Sequence[str] = (),
        usual: float = SINGLE_RUN,
        count: int = 1,
    ) -> None:
        """`usual` is the relative tolerance where `execution` names none; `count` rows are to come, about."""
        self.names, self.rows, self.execution = tuple(names), tuple(rows), execution
        self.broken: dict[int, str] = {}
        self.failures: dict[int, str] = {}
        self.runs = 0
        how = {"rtol": execution.rtol, "atol": execution.atol, "usual": usual}
        self.questions = tuple(self._questions(model, how))
        self._count = count
        self.choice: Choice | None = None
        self._works: dict[float, tuple[Work, ...]] = {}

    def __call__(self, values: Array, *, factor: float = 1.0) -> Array:
        """Predictions (rows x observations) on the scale of each comparison; NaN where a run failed.

        `values` are rows x names; `factor` times the tolerances are used.
        """
        numbers = np.full((len(values), len(self.rows), 2), np.nan)
        if not self.questions:
            return numbers[:, :, 0]
        works = self._work(values, factor)
        tasks: dict[int, tuple[Work, Array]] = {}
        where: dict[int, tuple[Question, int, int]] = {}
        size = max(1, math.ceil(len(values) / (2 * self.execution.count)))
        for a in range(0, len(values), size):
            b = min(a + size, len(values))
            for question, work in zip(self.questions, works, strict=True):
                where[len(tasks)] = (question, a, b)
                tasks[len(tasks)] = (work, values[a:b][:, self._free(question)])
        for i, result in results(tasks, self.execution.count, self.execution.executor):
            if isinstance(result, str):
                raise SimulationError(f"predictions stopped: {result}")
            question, a, b = where[i]
            for k, (row, side) in enumerate(question.places):
                numbers[a:b, row, side] = result[0][:, k]
            bad = [text for code, text in zip(result[1], result[2], strict=True) if code not in (OK, RETRIED)]
            if bad:
                self.failures |= dict.fromkeys((row for row, _ in question.places), bad[0])
        self.runs += len(values) * len(self.questions)
        scales = (comparison_scales(o.comparison, *numbers[:, i].T) for i, o in enumerate(self.rows))
        return np.column_stack(list(scales))

    # ---- the questions ---------------------------------------------------------------------------------------

    def _questions(self, model: Model, how: Mapping[str, Any]) -> list[Question]:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, row in enumerate(self.rows):
            groups.setdefault(row.condition, []).append(i)
        questions = []
        for members in groups.values():
            try:
                questions += self._of_condition(model, members, how)
            except PathwayModelsError as error:
                self.broken |= dict.fromkeys(members, " ".join(str(error).split()))
        return questions

    def _of_condition(self, model: Model, members: Sequence[int], how: Mapping[str, Any]) -> list[Question]:
        rows = {i: self.rows[i] for i in members}
        first = rows[members[0]]
        own, variant = hypothesis_keys(model, first), arrange(model, first)
        reads: list[tuple[Outcome, tuple[int, int]]] = []
        for i, row in rows.items():
            key = variant.resolve(row.observable)
            reads.append((Reached(variable=key, row=row, label=f"{i}"), (i, 0)))
            if row.baseline != "healthy":
                reads.append((Before(variable=key, label=f"{i} before"), (i, 1)))
        times = np.unique(np.concatenate([observation_times(row) for row in rows.values()]))
        duration = max(row.hours for row in rows.values()) or 1.0
        set_there = {variant.resolve(k) for k, _ in first.settings}
        found = [self._question(variant, first.schedule, duration, times, reads, own | set_there, how)]
        healthy = [i for i, row in rows.items() if row.baseline == "healthy"]
        if healthy:
            rest = assume_hypotheses(model.with_context("healthy"), first)
            keys = {i: rest.resolve(rows[i].observable) for i in healthy}
            reads = [(Before(variable=key, label=f"{i} before"), (i, 1)) for i, key in keys.items()]
            found.append(self._question(rest, (), 1.0, np.zeros(1), reads, own, how))
        return found

    def _question(
        self,
        model: Model,
        schedule: Any,
        duration: float,
        times: Array,
        reads: Sequence[tuple[Outcome, tuple[int, int]]],
        taken: set[str],
        how: Mapping[str, Any],
    ) -> Question:
        job = make_job(
            model,
            schedule,
            duration=duration,
            times=times,
            columns=tuple(dict.fromkeys(o.variable for o, _ in reads)),
            start="auto",
            varied=[k for k in self.names if k not in taken],
            **how,
        )
        return Question(job=job, reads=tuple(o for o, _ in reads), places=tuple(at for _, at in reads))

    # ---- the runs --------------------------------------------------------------------------------------------

    def _free(self, question: Question) -> list[int]:
        return [self.names.index(name) for name in question.job.varied]

    def _work(self, values: Array, factor: float) -> tuple[Work, ...]:
        """A work per question, with the engine that suits the middle one of them, by length, and so many runs."""
        if self.choice is None:
            by_length = sorted(self.questions, key=lambda q: (len(q.job.phases), q.job.phases[-1].stop))
            typical = by_length[len(by_length) // 2]
            probes = values[:1, self._free(typical)]
            limits = self.execution.limits
            phases = sum(len(q.job.phases) for q in self.questions) / len(typical.job.phases)
            self.choice = choose_engine(self.execution.engine, typical.job, probes, round(self._count * phases), limits)
        if factor not in self._works:
            engine, limits = self.choice.engine, self.execution.limits
            self._works[factor] = tuple(
                make_work(q.job if factor == 1.0 else q.job.scaled(factor), q.reads, limits=limits, engine=engine)
                for q in self.questions
            )
        return self._works[factor]


def observation_times(row: Observation) -> Array:
    """The output times that a row needs: its hour, or a grid up to it."""
    return np.array([row.hours]) if row.reduce == "at" else np.linspace(0.0, row.hours, POINTS_PER_COURSE + 1)


def hypothesis_keys(model: Model, row: Observation) -> set[str]:
    """Constants that the hypotheses of a row set."""
    by_id = {h.id: h for h in model.hypothesis_set}
    return {key for name, alternative in row.hypotheses for key in by_id[name].alternatives[alternative].settings}
