"""What a calibration asks of a model: constants in their ranges, observations as targets, residuals of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from .._types import Array
from ..errors import InvalidValueError, require_kind, require_number, require_range, unknown_name
from ..evidence.observations import Observation, arrange, check_observation, read_observations
from ..evidence.predictions import Predictor
from ..evidence.scores import NONE_THRESHOLD, SIGN_THRESHOLD
from ..models.hypotheses import alternative_in_force
from ..models.model import Model
from ..modules.laws import Z95
from ..modules.module import Parameter
from ..sensitivity.factors import Wanted, choose

Which: TypeAlias = "Sequence[str | Observation]"

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
    """An observation with the error it is fitted with.

    Attributes:
        observation: what was found.
        error: one standard deviation, on the scale of the observation.
        printed: whether the error was printed, and not assumed.

    Example:
        >>> row = Observation(id="day 3", observable="S", hours=72, value=7.4, error=0.2)
        >>> Target(observation=row, error=0.2, printed=True).residual(np.array([7.6])).round(9).tolist()
        [1.0]
    """

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
        """Distance in errors; for directions one-sided: 0 where the direction is right.

        Args:
            prediction: on the scale of the observation; of a direction in percent of the baseline.
        """
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
    if isinstance(observations, str | Observation) or not isinstance(observations, Sequence) or not observations:
        raise InvalidValueError("observations is empty or no list; name at least one, e.g. ['kd_gsh']")
    table = {}
    if any(isinstance(o, str) for o in observations):
        table = {o.id: o for o in read_observations(model)}
    found: dict[str, Observation] = {}
    for item in observations:
        if isinstance(item, str) and item not in table:
            raise unknown_name(f"observation of {model.name}", item, table)
        if not isinstance(item, str):
            require_kind("one of observations", item, Observation, "an id, or Observation(id=..., observable=..., ...)")
            check_observation(model, item)
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
    variant, by_id = arrange(model, row), {h.id: h for h in model.hypothesis_set}
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
    if isinstance(allow, str) or not isinstance(allow, Sequence):
        raise InvalidValueError(f"allow is {allow!r}; give a list of kinds, e.g. ('fitted', 'assumed')")
    for kind in allow:
        if kind in REASONS:
            raise InvalidValueError(f"allow names {kind!r}; a {kind} constant {REASONS[kind]}")
        if kind not in ALLOWED_KINDS:
            raise unknown_name("kind of constant", kind, ALLOWED_KINDS)
    kinds = {*allow, "unknown"}
    if parameters is None:
        free = [p.id for p in model.constants if p.kind in kinds and p.uncertain and p.id not in model.anchors]
        if not free:
            raise InvalidValueError(
                f"{model.name} has no constant of kind {' or '.join(sorted(kinds))} with a range; name some, "
                "or widen allow=(...)"
            )
        return choose(model, free)
    chosen = choose(model, parameters)
    for p in chosen:
        if p.id in model.anchors:
            raise InvalidValueError(f"{p.id} is set by the context, from {model.anchors[p.id]} at rest")
        if p.kind not in kinds:
            reason = REASONS.get(p.kind, f"is {p.kind}; to fit it all the same say allow=('fitted', {p.kind!r})")
            raise InvalidValueError(f"{p.id} cannot be fitted: it {reason}")
    return chosen


def with_start(model: Model, parameters: Sequence[Parameter], start_at: Mapping[str, float]) -> Model:
    """The model with other values of the constants to fit: where a fit starts and the prior has its centre.

    Raises `UnknownNameError` for a constant that is not fitted, `InvalidValueError` for a value outside of its range.
    """
    ranges = {p.id: (float(p.low or 0.0), float(p.high or 0.0)) for p in parameters}
    values = {model.resolve(name): require_number(name, value) for name, value in start_at.items()}
    for name, value in values.items():
        if name not in ranges:
            raise unknown_name("fitted constant", name, list(ranges))
        require_range(f"the start of {name}", value, *ranges[name])
    return model.with_parameters(values) if values else model


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


# ---- residuals -------------------------------------------------------------------------------------------------


class Objective:
    """Residuals and their Jacobian over places 0..1; the rows of a Jacobian run in parallel."""

    def __init__(
        self,
        predictor: Predictor,
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
