"""Calibration: bounded least squares of model constants on published observations, and what the data leave open."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ._ensemble import OK, RETRIED, Task, _pool, _results, _worker_count
from ._evidence import _times, alternative_in_force, reduced, report
from ._model import Model
from ._module import Parameter
from ._observations import Observation, arranged, assumed, read_observations
from ._outcomes import Outcome
from ._scores import NONE_THRESHOLD, SIGN_THRESHOLD, Score, compared
from ._sensitivity import Z95, _choose
from ._simulate import Array, Job, make_job
from .errors import InvalidValueError, SimulationError, require_range, unknown_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Wanted: TypeAlias = "Sequence[str] | Mapping[str, tuple[float, float]] | None"
Which: TypeAlias = "Sequence[str | Observation]"

FREE_KINDS = ("fitted", "unknown")  # what may be fitted without a word: `unknown` is a file without a table
ALLOWED_KINDS = ("fitted", "assumed", "gain", "unknown")
REASONS = {
    "measured": "was measured: its row in the evidence tables says what it is",
    "derived": "is computed from published numbers (see its note): change those, not the result",
}
PRIOR_SD = 0.5 / Z95  # of a constant in its range: the range is the central 95 percent
STEP = 1e-3  # of finite differences, in ranges; runs are exact to 1e-8
TOLERANCE = 1e-6  # of the least squares
LARGEST = 10.0  # errors that a wrong direction counts at most
SMALLEST = 1e-9  # fold that counts where a prediction is 0 or below
PENALTY = 1e6  # errors of a row that could not be simulated: the step is taken back
CHI2_95 = 3.841458820694124  # 95 percent point of chi squared with one degree of freedom
SHOWN = 12  # constants in the summary
SAME_COST = 0.01  # relative difference of cost at which two starts end in one place


# ---- what is asked of the model --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Target:
    """An observation with the error it is fitted with; `printed` is False where that error is assumed."""

    observation: Observation
    error: float
    printed: bool

    @property
    def ratio(self) -> bool:
        """Whether it is a fold or a percent change: compared as logarithms, as 1/100 is as far from 1 as 100."""
        return self.observation.comparison in ("fold", "percent_change")

    @property
    def scale(self) -> float:
        """The observed number that an error is a share of: that of the fold for a percent change."""
        o = self.observation
        value = 0.0 if o.value is None else o.value
        return {"percent_change": 100 + value, "fold": value}.get(o.comparison, abs(value))

    def residual(self, prediction: Array) -> Array:
        """Distance in errors; for directions one-sided: 0 where the direction is right."""
        o = self.observation
        if o.value is None:
            return self._wrong(np.log(np.maximum(1 + prediction / 100, SMALLEST)))
        if not self.ratio:
            return np.asarray((prediction - o.value) / self.error, dtype=np.float64)
        shift = 100.0 if o.comparison == "percent_change" else 0.0
        fold = np.maximum((prediction + shift) / self.scale, SMALLEST)
        return np.asarray(np.log(fold) / (self.error / self.scale), dtype=np.float64)

    def _wrong(self, change: Array) -> Array:
        """How far a logarithm of a fold lies on the wrong side, in errors."""
        up, down = math.log(1 + SIGN_THRESHOLD) - change, change - math.log(1 - SIGN_THRESHOLD)
        either = np.maximum(change - math.log(1 + NONE_THRESHOLD), math.log(1 - NONE_THRESHOLD) - change)
        wrong = {"up": up, "down": down, "none": either}[self.observation.comparison]
        return np.asarray(np.clip(wrong / self.error, 0.0, LARGEST), dtype=np.float64)


def find_targets(model: Model, observations: Which, assumed_error: float) -> tuple[Target, ...]:
    """Observations by id or as objects, checked and with their errors.

    Raises `InvalidValueError` for none, for one named twice, for rows of use 'check', for rows that are expected
    under a hypothesis that is not in force, for a ratio of 0 or less, and for a number of 0 without an error.
    """
    require_range("the assumed error (a share of the observed value)", assumed_error, 1e-3, 10.0)
    if isinstance(observations, str | Observation) or not observations:
        raise InvalidValueError("observations is empty or no list; name at least one, e.g. ['kd_gsh']")
    table = {}
    if any(isinstance(o, str) for o in observations):
        table = {o.id: o for o in read_observations(model)}
    found: dict[str, Observation] = {}
    for item in observations:
        if isinstance(item, str) and item not in table:
            raise unknown_name(f"observation of {model.name}", item, table)
        row = table[item] if isinstance(item, str) else item
        if row.id in found:
            raise InvalidValueError(f"observations name {row.id} twice")
        found[row.id] = row
    tests = [o.id for o in found.values() if o.use == "check"]
    if tests:
        text = "of use 'check', kept to test the model; fitting them would leave no test"
        raise InvalidValueError(f"{', '.join(tests)}: {text}")
    for row in found.values():
        _check_expected(model, row)
    return tuple(_target(o, assumed_error) for o in found.values())


def _check_expected(model: Model, row: Observation) -> None:
    variant, by_id = arranged(model, row), {h.id: h for h in model.hypotheses_}
    for name, alternative in row.expected_under:
        used = alternative_in_force(variant, by_id[name])
        if used != alternative:
            raise InvalidValueError(
                f"{row.id} is expected under {name}={alternative}, but the model has {name}={used}; "
                f"leave it out, or use model.with_hypothesis({name!r}, {alternative!r})"
            )


def _target(row: Observation, assumed_error: float) -> Target:
    target = Target(observation=row, error=row.error or assumed_error, printed=row.error is not None)
    if target.ratio and target.scale <= 0:
        raise InvalidValueError(
            f"{row.id} is a {row.comparison} of {row.value:g}; a ratio of 0 or less has no logarithm"
        )
    if row.value is None or target.printed:
        return target
    if target.scale == 0:
        raise InvalidValueError(f"{row.id} has value {row.value:g} and no error; a share of it is 0: give an error")
    return replace(target, error=assumed_error * target.scale)


def choose_constants(model: Model, parameters: Wanted, allow: Sequence[str]) -> tuple[Parameter, ...]:
    """The constants that may be fitted.

    Raises `InvalidValueError`, by name and with the reason, for one that is measured or derived, that the context
    sets, or whose kind is not allowed.
    """
    if isinstance(allow, str):
        raise InvalidValueError(f"allow is {allow!r}; give a list of kinds, e.g. ('fitted', 'assumed')")
    for kind in allow:
        if kind in REASONS:
            raise InvalidValueError(f"allow names {kind!r}; a {kind} constant {REASONS[kind]}")
        if kind not in ALLOWED_KINDS:
            raise unknown_name("kind of constant", kind, ALLOWED_KINDS)
    kinds = {*allow, "unknown"}
    if parameters is None:
        free = [p.id for p in model.parameters_ if p.kind in kinds and p.uncertain and p.id not in model.anchors]
        if not free:
            raise InvalidValueError(
                f"{model.name} has no constant of kind {' or '.join(sorted(kinds))} with a range; name some, "
                "or widen allow=(...)"
            )
        return _choose(model, free)
    chosen = _choose(model, parameters)
    for p in chosen:
        if p.id in model.anchors:
            raise InvalidValueError(f"{p.id} is set by the context, from {model.anchors[p.id]} at rest")
        if p.kind not in kinds:
            reason = REASONS.get(p.kind, f"is {p.kind}; to fit it all the same say allow=('fitted', {p.kind!r})")
            raise InvalidValueError(f"{p.id} cannot be fitted: it {reason}")
    return chosen


# ---- scale: 0..1 in the range of each constant --------------------------------------------------------------------


def logarithmic(p: Parameter) -> bool:
    """Whether a constant is fitted as its logarithm: by its law, unless the range holds 0 or the law is uniform."""
    return p.distribution in ("loguniform", "lognormal") and p.low is not None and p.low > 0


def edges(p: Parameter) -> tuple[float, float]:
    """The range on the fitting scale."""
    low, high = float(p.low or 0.0), float(p.high or 0.0)
    return (math.log(low), math.log(high)) if logarithmic(p) else (low, high)


def to_values(parameters: Sequence[Parameter], x: Array) -> Array:
    """Values (rows x parameters) for places 0..1 in the ranges."""
    values: Array = np.array(x, dtype=np.float64)
    for j, p in enumerate(parameters):
        low, high = edges(p)
        column = low + (high - low) * values[..., j]
        values[..., j] = np.exp(column) if logarithmic(p) else column
    return values


def to_unit(parameters: Sequence[Parameter], values: Sequence[float]) -> Array:
    """Inverse of `to_values`, cut off at the ends of the ranges."""
    places = []
    for p, value in zip(parameters, values, strict=True):
        low, high = edges(p)
        at = math.log(max(value, math.ulp(0.0))) if logarithmic(p) else value
        places.append((at - low) / (high - low))
    return np.asarray(np.clip(places, 0.0, 1.0), dtype=np.float64)


def in_use(model: Model, parameters: Sequence[Parameter]) -> Array:
    """Places of the values that the model has now."""
    values = {p.id: p.value for p in parameters} | dict(model.settings)
    return to_unit(parameters, [values[p.id] for p in parameters])


# ---- predictions: one run per condition and row, all conditions at once --------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Reached(Outcome):
    """What an observation reads from its run."""

    row: Observation

    def value(self, times: Array, course: Array, before: float) -> float:
        return reduced(self.row, times, course)


@dataclass(frozen=True, kw_only=True)
class _Before(Outcome):
    """The value at rest."""

    def value(self, times: Array, course: Array, before: float) -> float:
        return before


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One run: the job, what it sets itself (a knock-out wins over a fit), what is read, and where that belongs."""

    job: Job
    fixed: frozenset[str]
    reads: tuple[Outcome, ...]
    places: tuple[tuple[int, int], ...]  # (observation, 0 reached or 1 before) per read


def _questions(model: Model, rows: Sequence[Observation]) -> tuple[_Question, ...]:
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(row.condition, []).append(i)
    questions = []
    for members in groups.values():
        first = rows[members[0]]
        own = hypothesis_keys(model, first)
        variant = arranged(model, first)
        healthy = [i for i in members if rows[i].baseline == "healthy"]
        keys = {i: variant.resolve(rows[i].observable) for i in members}
        reads: list[tuple[Outcome, tuple[int, int]]] = []
        for i in members:
            reads.append((_Reached(variable=keys[i], row=rows[i], label=f"{i}"), (i, 0)))
            if i not in healthy:
                reads.append((_Before(variable=keys[i], label=f"{i} before"), (i, 1)))
        duration = max(rows[i].hours for i in members) or 1.0
        times = np.unique(np.concatenate([_times(rows[i]) for i in members]))
        settings = {variant.resolve(k) for k, _ in first.settings}
        job = _job(variant, first.schedule, duration, times, reads)
        questions.append(_question(job, own | settings, reads))
        if healthy:
            rest = assumed(model.with_context("healthy"), first)
            reads = [(_Before(variable=rest.resolve(rows[i].observable), label=f"{i} before"), (i, 1)) for i in healthy]
            questions.append(_question(_job(rest, (), 1.0, np.zeros(1), reads), own, reads))
    return tuple(questions)


def hypothesis_keys(model: Model, row: Observation) -> set[str]:
    by_id = {h.id: h for h in model.hypotheses_}
    return {key for name, alternative in row.hypotheses for key in by_id[name].alternatives[alternative].settings}


def _job(model: Model, schedule: Any, duration: float, times: Array, reads: Sequence[tuple[Outcome, Any]]) -> Job:
    columns = tuple(dict.fromkeys(o.variable for o, _ in reads))
    return make_job(model, schedule, duration=duration, times=times, columns=columns, start="steady")


def _question(job: Job, fixed: set[str], reads: Sequence[tuple[Outcome, tuple[int, int]]]) -> _Question:
    return _Question(
        job=job, fixed=frozenset(fixed), reads=tuple(o for o, _ in reads), places=tuple(at for _, at in reads)
    )


class _Predictor:
    """Predictions of all observations for rows of constants, over one pool that lives as long as the fit."""

    def __init__(
        self, model: Model, parameters: Sequence[Parameter], rows: Sequence[Observation], workers: int, pool: Any
    ) -> None:
        self.names = tuple(p.id for p in parameters)
        self.rows = tuple(rows)
        self.questions = _questions(model, rows)
        self.workers, self.pool = workers, pool
        self.runs = 0
        self.message = ""

    def __call__(self, values: Array) -> Array:
        """Predictions (rows x observations) on the scale of each comparison; NaN where a run failed."""
        numbers = np.full((len(values), len(self.rows), 2), np.nan)
        tasks: dict[int, Task] = {}
        where: dict[int, tuple[_Question, int, int]] = {}
        size = max(1, math.ceil(len(values) / (2 * self.workers)))
        for question in self.questions:
            free = [j for j, name in enumerate(self.names) if name not in question.fixed]
            names = tuple(self.names[j] for j in free)
            for a in range(0, len(values), size):
                b = min(a + size, len(values))
                where[len(tasks)] = (question, a, b)
                tasks[len(tasks)] = (question.job, names, values[a:b][:, free], question.reads)
        for i, result in _results(tasks, self.workers, self.pool):
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
                [compared(o.comparison, *map(float, numbers[r, i])) for i, o in enumerate(self.rows)]
                for r in range(len(values))
            ]
        )


class _Objective:
    """Residuals and their Jacobian over places 0..1; the rows of a Jacobian run in parallel."""

    def __init__(
        self,
        predictor: _Predictor,
        parameters: Sequence[Parameter],
        targets: Sequence[Target],
        centre: Array,
        *,
        prior: bool,
    ) -> None:
        self.predictor, self.parameters, self.targets = predictor, parameters, targets
        self.centre, self.prior = centre, prior
        self._last: tuple[bytes, Array] = (b"", np.zeros(0))

    def data(self, places: Array) -> Array:
        """Residuals of the data (rows x observations); NaN where a run failed."""
        predictions = self.predictor(to_values(self.parameters, places))
        return np.column_stack([t.residual(predictions[:, i]) for i, t in enumerate(self.targets)])

    def priors(self, x: Array) -> Array:
        """Residuals of the priors: a normal law on the fitting scale, as wide as the range, round the value in use."""
        return (x - self.centre) / PRIOR_SD if self.prior else np.zeros(0)

    def residuals(self, x: Array) -> Array:
        """Data, then priors, of one place."""
        if self._last[0] != x.tobytes():
            self._last = (x.tobytes(), self.data(x[None, :])[0])
        return np.concatenate([np.nan_to_num(self._last[1], nan=PENALTY), self.priors(x)])

    def jacobian(self, x: Array, free: Sequence[int]) -> Array:
        """Derivatives of `residuals`, by steps away from the nearer end of the range."""
        self.residuals(x)
        base = self._last[1]
        steps = np.where(x[list(free)] > 0.5, -STEP, STEP)
        places = np.repeat(x[None, :], len(steps), axis=0)
        places[np.arange(len(steps)), list(free)] += steps
        moved = self.data(places)
        slopes = np.nan_to_num((moved - base).T / steps, nan=0.0)  # a step that cannot be simulated says nothing
        if not self.prior:
            return np.asarray(slopes)
        rows = np.zeros((len(x), len(steps)))
        rows[list(free), np.arange(len(steps))] = 1 / PRIOR_SD
        return np.vstack([slopes, rows])

    def fit(self, start: Array, free: Sequence[int]) -> tuple[Array, float, str]:
        """The nearest optimum over the constants in `free`: place, sum of squares, how it ended."""
        from scipy.optimize import least_squares

        columns = list(free)

        def whole(y: Array) -> Array:
            x = start.copy()
            x[columns] = y
            return x

        found = least_squares(
            lambda y: self.residuals(whole(y)),
            start[columns],
            jac=lambda y: self.jacobian(whole(y), columns),
            bounds=(0.0, 1.0),
            method="trf",
            xtol=TOLERANCE,
            ftol=TOLERANCE,
            gtol=TOLERANCE,
            max_nfev=100,
        )
        return whole(np.asarray(found.x)), float(2 * found.cost), str(found.message)


# ---- result ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """One local fit: where it began and ended (values), the sums of squares there, how it ended."""

    begin: Mapping[str, float]
    end: Mapping[str, float]
    cost_begin: float
    cost_end: float
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """Sum of squares along one constant with all others refitted; `low` and `high` bound 95 percent.

    `open_low` and `open_high` say that the range ends before the sum of squares has risen by 3.84.
    """

    parameter: str
    unit: str
    values: Array
    cost: Array
    low: float
    high: float
    open_low: bool
    open_high: bool

    def to_dataframe(self) -> pd.DataFrame:
        """One row per point: value, sum of squares, its rise above the smallest."""
        import pandas as pd

        return pd.DataFrame({"value": self.values, "cost": self.cost, "rise": self.cost - self.cost.min()})

    def plot(self) -> Figure:
        """Rise of the sum of squares over the constant, with the 95 percent bounds."""
        return _plot_profile(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """A fit: `values` of the constants, the runs before and after, and what the data leave open.

    `jacobian` holds the derivatives of the data residuals (observations x constants) per range of each constant.
    """

    model: Model
    parameters: tuple[Parameter, ...]
    targets: tuple[Target, ...]
    before: tuple[Score, ...]
    after: tuple[Score, ...]
    values: Mapping[str, float]
    starts: tuple[Start, ...]
    jacobian: Array
    prior: bool
    runs: int

    @property
    def cost(self) -> float:
        """Sum of squared residuals at the best end, priors included."""
        return min(s.cost_end for s in self.starts)

    @property
    def calibrated(self) -> Model:
        """The model with the values found."""
        return self.model.with_parameters(dict(self.values))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per constant: value before and after, 95 percent interval from the Jacobian, range, kind.

        `informed` is the share of the variance of the range that the data take away; `at_edge` says that the value
        lies at an end of its range.
        """
        import pandas as pd

        x = self._places
        sd = _deviations(self.jacobian, prior=self.prior)
        low, high = (to_values(self.parameters, np.clip(x + k * Z95 * sd, 0, 1)) for k in (-1, 1))
        before = self.model.parameters["value"]
        rows = [
            {
                "id": p.id,
                "before": float(before[p.id]),
                "value": self.values[p.id],
                "low95": float(low[j]),
                "high95": float(high[j]),
                "range_low": p.low,
                "range_high": p.high,
                "unit": p.unit,
                "kind": p.kind,
                "informed": float(1 - min(1.0, (sd[j] / PRIOR_SD) ** 2)),
                "at_edge": bool(min(x[j], 1 - x[j]) < STEP),
            }
            for j, p in enumerate(self.parameters)
        ]
        return pd.DataFrame(rows).set_index("id")

    @property
    def _places(self) -> Array:
        return to_unit(self.parameters, [self.values[p.id] for p in self.parameters])

    def residuals(self) -> pd.DataFrame:
        """One row per observation: observed value, error taken and whether it was printed, prediction and residual.

        Residuals are in errors; of a direction 0 means right. Predictions of directions are in percent.
        """
        import pandas as pd

        rows = []
        for t, old, new in zip(self.targets, self.before, self.after, strict=True):
            z = [float(t.residual(np.array([s.prediction]))[0]) for s in (old, new)]
            rows.append(
                {
                    "id": t.observation.id,
                    "observable": t.observation.observable,
                    "comparison": t.observation.comparison,
                    "observed": math.nan if t.observation.value is None else t.observation.value,
                    "error": t.error,
                    "error_from": "printed" if t.printed else "assumed",
                    "before": old.prediction,
                    "prediction": new.prediction,
                    "residual_before": z[0],
                    "residual": z[1],
                }
            )
        return pd.DataFrame(rows).set_index("id")

    def directions(self) -> pd.DataFrame:
        """Eigen-analysis of the data: one row per direction in the space of the constants, best known first.

        `deviation` is the standard deviation that the data alone leave along it, in ranges of the constants; above
        0.26 (`resolved` False) the range says more than the data. `direction` names the constants it moves.
        """
        import pandas as pd

        _, sizes, vectors = _spectrum(self.jacobian)
        rows = [
            {
                "deviation": float(1 / s) if s > 0 else math.inf,
                "resolved": bool(s * PRIOR_SD > 1),
                "direction": _combination(self.parameters, v),
            }
            for s, v in zip(sizes, vectors, strict=True)
        ]
        return pd.DataFrame(rows)

    @property
    def not_identified(self) -> tuple[str, ...]:
        """Plain sentences: which constants or combinations the data cannot tell; empty if they tell all."""
        return _open_questions(self.parameters, self.jacobian)

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
        require_range("the number of points per side", points, 2, 1000)
        rows = [t.observation for t in self.targets]
        with _opened(self.model, workers, executor) as (count, pool):
            predictor = _Predictor(self.model, self.parameters, rows, count, pool)
            objective = _Objective(
                predictor, self.parameters, self.targets, in_use(self.model, self.parameters), prior=self.prior
            )
            j = ids.index(name)
            sd = float(_deviations(self.jacobian, prior=self.prior)[j])
            return _profile(objective, self._places, j, min(sd, PRIOR_SD), int(points))

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
        lines += self.not_identified or ("The data tell all constants and combinations apart.",)
        without = [t.observation.id for t in self.targets if not t.printed and t.observation.numeric]
        if without:
            lines.append(f"No error printed, a share of the value assumed: {', '.join(without)}.")
        return "\n".join(lines)

    def plot(self) -> Figure:
        """Predicted against observed before and after, beside the constants in their ranges."""
        return _plot(self)


# ---- linear algebra of what the data say --------------------------------------------------------------------------


def _spectrum(jacobian: Array) -> tuple[Array, Array, Array]:
    """Left vectors, one singular value per constant (0 where there are fewer observations), right vectors as rows."""
    count = jacobian.shape[1]
    padded = np.vstack([jacobian, np.zeros((max(0, count - len(jacobian)), count))])
    left, sizes, right = np.linalg.svd(padded, full_matrices=False)
    return left, sizes, right


def _deviations(jacobian: Array, *, prior: bool) -> Array:
    """Standard deviation of each constant in its range; at most 10 ranges where nothing says anything."""
    _, sizes, right = _spectrum(jacobian)
    information = sizes**2 + (1 / PRIOR_SD**2 if prior else 0.0)
    variance = (right**2 / np.maximum(information, 1e-2)[:, None]).sum(axis=0)
    return np.asarray(np.sqrt(variance), dtype=np.float64)


def _open_questions(parameters: Sequence[Parameter], jacobian: Array) -> tuple[str, ...]:
    limit = 1 / PRIOR_SD
    norms = np.linalg.norm(jacobian, axis=0)
    silent = [p.id for p, norm in zip(parameters, norms, strict=True) if norm < limit]
    known = [j for j in range(len(parameters)) if norms[j] >= limit]
    lines = [f"The data say less than the range does about {', '.join(silent)}."] if silent else []
    if known:
        _, sizes, right = _spectrum(jacobian[:, known])
        members = [parameters[j] for j in known]
        lines += [_trade_off(members, v, jacobian[:, known]) for v in _sparse(right[sizes < limit])]
    return tuple(lines)


def _sparse(basis: Array) -> Array:
    """Another basis of the same space, each vector with a constant of its own: it names fewer constants."""
    if not len(basis):
        return basis
    from scipy.linalg import qr

    pivots = qr(basis, pivoting=True)[2][: len(basis)]
    return np.asarray(np.linalg.solve(basis[:, pivots], basis), dtype=np.float64)


def _trade_off(parameters: Sequence[Parameter], vector: Array, jacobian: Array) -> str:
    """A direction in which little is known, as a change that a modeller can try, with what it does to the residuals."""
    size = np.round(np.abs(vector) / np.abs(vector).max(), 3)  # rounded: equal ones stay in the order of the table
    order = [j for j in np.argsort(-size, kind="stable") if size[j] >= 0.1]
    if len(order) == 1:
        return f"{parameters[order[0]].id} is not determined together with the others; only its range holds it."
    lead = order[0]
    low, high = edges(parameters[lead])
    unit = math.log(2) / (high - low) if logarithmic(parameters[lead]) else 0.1
    shift = vector * unit / vector[lead]
    shown = order[:5]
    moves = [_move(parameters[j], float(shift[j])) for j in shown]
    more = f" (and {len(order) - 5} smaller ones)" if len(order) > 5 else ""
    names = " and ".join(parameters[j].id for j in shown)
    moved = float(np.linalg.norm(jacobian @ shift))
    return f"The data cannot tell {names} apart: {', '.join(moves)}{more} moves all predictions by {moved:.1f} errors."


def _move(p: Parameter, shift: float) -> str:
    low, high = edges(p)
    if logarithmic(p):
        return f"{p.id} x {math.exp(shift * (high - low)):.3g}"
    return f"{p.id} {shift * (high - low):+.3g}"


def _combination(parameters: Sequence[Parameter], vector: Array) -> str:
    vector = vector * (1.0 if vector[np.argmax(np.abs(vector))] >= 0 else -1.0)
    order = [j for j in np.argsort(-np.abs(vector), kind="stable") if abs(vector[j]) >= 0.1]
    return " ".join(f"{vector[j]:+.2f} {parameters[j].id}" for j in order)


def _profile(objective: _Objective, best: Array, j: int, sd: float, points: int) -> Profile:
    free = [k for k in range(len(best)) if k != j]
    _, least, _ = objective.fit(best, free) if free else (best, _squares(objective, best), "")
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
            x, cost, _ = objective.fit(x, free) if free else (x, _squares(objective, x), "")
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


def _squares(objective: _Objective, x: Array) -> float:
    return float(np.sum(objective.residuals(x) ** 2))


# ---- the job -----------------------------------------------------------------------------------------------------


def calibrate(
    model: Model,
    parameters: Wanted = None,
    observations: Which = (),
    *,
    allow: Sequence[str] = ("fitted",),
    starts: int = 8,
    seed: int = 1,
    prior: bool = True,
    assumed_error: float = 0.25,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Calibration:
    """Fit constants of `model` to observations by bounded least squares from several starts.

    `parameters`: names, {name: (low, high)}, or None for all of kind 'fitted'; other kinds must be in `allow`
    ('assumed', 'gain'), measured and derived constants never are. `observations`: ids or `Observation` objects of use
    'fit'. Constants move within their ranges, as logarithms unless the law is uniform or normal. Residuals are in
    errors; folds and percent changes are compared as logarithms (error over fold). A number without a printed error
    gets `assumed_error` of its value or fold; a direction is one-sided, with `assumed_error` as error: 0 where it is
    right. With `prior` each constant has one residual more: a normal law round the value in use, whose central 95
    percent are as wide as the range. The first start is the model as it is, the others are a Sobol design. Rows of the
    Jacobian run in parallel. Raises `InvalidValueError` or `UnknownNameError` for what cannot be fitted or is no
    observation, `SimulationError` if the model as it is cannot be run under an observation.
    Source: trust region reflective, Branch et al. 1999, doi:10.1137/S1064827595289108; profiles, Raue et al. 2009,
    doi:10.1093/bioinformatics/btp358.

    >>> import pathway_models as pm
    >>> fit = calibrate(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], allow=["assumed"], starts=1, workers=1,
    ...                 progress=False)
    >>> bool(abs(fit.residuals()["residual"].iloc[0]) < abs(fit.residuals()["residual_before"].iloc[0]))
    True
    """
    from tqdm import tqdm

    require_range("the number of starts", starts, 1, 10_000)
    targets = find_targets(model, observations, assumed_error)
    chosen = choose_constants(model, parameters, allow)
    rows = [t.observation for t in targets]
    before = report(model, rows).rows
    failed = [s for s in before if not math.isfinite(s.prediction)]
    if failed:
        names = ", ".join(s.observation.id for s in failed)
        why = failed[0].message or "there is no number to compare, its baseline is 0"
        raise SimulationError(f"{names} cannot be predicted by {model.name} as it is: {why}")
    everything = range(len(chosen))
    with _opened(model, workers, executor) as (count, pool):
        predictor = _Predictor(model, chosen, rows, count, pool)
        objective = _Objective(predictor, chosen, targets, in_use(model, chosen), prior=prior)
        places = _start_places(model, chosen, int(starts), seed)
        ends = []
        for x in tqdm(places, unit="start", disable=not progress):
            cost = _squares(objective, x)
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
        values=MappingProxyType(found),
        starts=tuple(
            Start(begin=_named(chosen, x), end=_named(chosen, end), cost_begin=a, cost_end=b, message=text)
            for x, (a, end, b, text) in zip(places, ends, strict=True)
        ),
        jacobian=jacobian,
        prior=prior,
        runs=predictor.runs,
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
    count = _worker_count(workers)
    if executor is not None or count == 1:
        yield count, executor
        return
    with _pool(count, model.sbml) as pool:
        yield count, pool


# ---- figure ------------------------------------------------------------------------------------------------------


BEFORE, AFTER, BAND = "#9a9a9a", "#0072B2", "#555555"
DRAWN = 15  # constants in the figure
RATIO_LIMITS = (1 / 12, 12.0)  # what lies outside is drawn on the edge, as an arrow


def _plot(fit: Calibration) -> Figure:
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    lines = max(len(fit.targets), min(len(fit.parameters), DRAWN), 4)
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 0.36 * lines + 2.1), layout="constrained")
    _draw_fit(axes[0], fit, lines)
    _draw_constants(axes[1], fit, lines)
    marks = (("o", BEFORE, "white", "before"), ("o", AFTER, AFTER, "calibrated"))
    keys = [Line2D([], [], marker=m, ls="", color=c, mfc=f, label=text) for m, c, f, text in marks]
    keys.append(
        Line2D([], [], color=BAND, lw=6, alpha=0.35, label="observed, one error either side (left); range (right)")
    )
    keys.append(Line2D([], [], color=AFTER, lw=2.5, label="95 percent interval"))
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"{fit.model.name}: calibration on {len(fit.targets)} observations", fontsize=12, x=0.01, ha="left")
    return figure


def _plot_profile(profile: Profile) -> Figure:
    import matplotlib.pyplot as plt

    table = profile.to_dataframe()
    figure, axis = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    axis.axvspan(profile.low, profile.high, color=AFTER, alpha=0.12, lw=0)
    axis.axhline(CHI2_95, color=BAND, lw=0.8, ls="--")
    axis.text(1.0, CHI2_95, "95 percent", transform=axis.get_yaxis_transform(), fontsize=8, ha="right", va="bottom")
    axis.plot(table["value"], table["rise"], color=AFTER, marker="o", ms=4, lw=1.4)
    axis.set_ylim(-0.3, max(1.5 * CHI2_95, min(float(table["rise"].max()), 4 * CHI2_95)))
    unit = "" if profile.unit in ("", "dimensionless") else f" ({profile.unit})"
    axis.set_xlabel(profile.parameter.replace("__", ": ") + unit, fontsize=9)
    axis.set_ylabel("rise of the sum of squares", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    return figure


def _draw_fit(axis: Axes, fit: Calibration, lines: int) -> None:
    axis.set_xscale("log")
    axis.axvline(1, color="#333333", lw=0.8)
    rows = list(zip(fit.targets, fit.before, fit.after, strict=True))
    for y, (target, old, new) in enumerate(rows):
        axis.plot(_band(target), [y, y], color=BAND, lw=9, alpha=0.3, solid_capstyle="butt", zorder=1)
        _draw_pair(axis, y, *(_ratio(target, s.prediction) for s in (old, new)), limits=RATIO_LIMITS)
    axis.set_xlim(*RATIO_LIMITS)
    ticks = (0.1, 0.2, 0.5, 1, 2, 5, 10)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    text = "predicted / observed"
    if not all(t.observation.numeric for t in fit.targets):
        text += " (directions: treated / baseline)"
    axis.set_xlabel(text, fontsize=9)
    _finish(axis, [_row_label(t.observation) for t in fit.targets], lines)


def _row_label(o: Observation) -> str:
    return f"{o.id}: {o.observable}" + (
        "" if o.numeric else f" {'unchanged' if o.comparison == 'none' else o.comparison}"
    )


def _ratio(target: Target, prediction: float) -> float:
    """Predicted over observed, of folds for percent changes; of a direction the fold itself."""
    o = target.observation
    if o.value is None:
        return 1 + prediction / 100
    top = 100 + prediction if o.comparison == "percent_change" else prediction
    return top / math.copysign(target.scale, 1 if target.ratio else o.value) if target.scale else math.nan


def _band(target: Target) -> tuple[float, float]:
    o, low, high = target.observation, 1.0, 1.0
    if o.value is None:
        low, high = {
            "up": (1 + SIGN_THRESHOLD, math.inf),
            "down": (0.0, 1 - SIGN_THRESHOLD),
            "none": (1 - NONE_THRESHOLD, 1 + NONE_THRESHOLD),
        }[o.comparison]
    elif target.scale:
        share = target.error / target.scale
        low, high = (math.exp(-share), math.exp(share)) if target.ratio else (1 - share, 1 + share)
    return max(low, RATIO_LIMITS[0]), min(high, RATIO_LIMITS[1])


def _draw_pair(axis: Axes, y: int, old: float, new: float, *, limits: tuple[float, float]) -> None:
    """Where the model was, an arrow, where it is."""
    edge = 1.08 if axis.get_xscale() == "log" else 1.0
    low, high = limits[0] * edge, limits[1] / edge
    a, b = (min(max(v, low), high) if math.isfinite(v) else low for v in (old, new))
    axis.plot([a, b], [y, y], color=AFTER, lw=1.0, alpha=0.6, zorder=2)
    for at, value, colour, face in ((a, old, BEFORE, "white"), (b, new, AFTER, AFTER)):
        marker = "<" if value < low else ">" if value > high else "o"
        axis.plot(at, y, marker=marker, ms=7, color=colour, mfc=face, mew=1.6, zorder=3, clip_on=False)


def _draw_constants(axis: Axes, fit: Calibration, lines: int) -> None:
    by_id = {p.id: p for p in fit.parameters}
    table = fit.to_dataframe().sort_values("informed", ascending=False, kind="stable").head(DRAWN)
    shown = [by_id[str(k)] for k in table.index]
    before, now, low, high = (
        to_unit(shown, [float(v) for v in table[c]]) for c in ("before", "value", "low95", "high95")
    )
    for y, p in enumerate(shown):
        axis.plot([0, 1], [y, y], color=BAND, lw=9, alpha=0.3, solid_capstyle="butt", zorder=1)
        axis.plot([low[y], high[y]], [y, y], color=AFTER, lw=2.5, zorder=2)
        _draw_pair(axis, y, float(before[y]), float(now[y]), limits=(0.0, 1.0))
        axis.text(-0.03, y, f"{p.low:g}", ha="right", va="center", fontsize=8, color=BAND)
        unit = "" if p.unit == "dimensionless" else f" {p.unit}"
        axis.text(1.03, y, f"{p.high:g}{unit}", ha="left", va="center", fontsize=8, color=BAND)
        axis.text(now[y], y - 0.2, f"{fit.values[p.id]:.3g}", ha="center", va="bottom", fontsize=8, color=AFTER)
    axis.set_xlim(-0.2, 1.24)
    axis.set_xticks([])
    axis.spines[["bottom", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    more = "" if len(shown) == len(by_id) else f" (the {len(shown)} of {len(by_id)} that the data inform most)"
    axis.set_xlabel(f"place in the range of the constant{more}", fontsize=9)
    _finish(axis, [p.id.replace("__", ": ") for p in shown], lines)


def _finish(axis: Axes, labels: Sequence[str], lines: int) -> None:
    axis.set_yticks(range(len(labels)), labels, fontsize=9)
    axis.set_ylim(lines - 0.4, -0.7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=8)
