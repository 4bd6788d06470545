"""Virtual patients: seizure rate, diary, response, adherence, drop-out and drift, each constant with its source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._files.authored import read_toml
from .._files.data import facts, sbml_root
from .._types import Array, Brief, Frozen
from ..errors import InvalidValueError, Named, require_choice, require_count, require_kind, require_range, unknown_name
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.laws import sample
from ..treatments.diets import ketogenic_capacities

if TYPE_CHECKING:
    import pandas as pd

Ints: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

WEEKS_PER_MONTH, WEEKS_PER_YEAR, HOURS_PER_28_DAYS = 30 / 7, 365.25 / 7, 672.0
POISSON_SHAPE = 1e6  # a gamma-Poisson law of a larger shape is a Poisson law to six digits
LARGEST_DRAW = 4_000_000  # candidates for the entry rule; a rule that fewer than n of them meet is refused


POPULATION = "trials/population.tsv"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Patients:
    """`sbml/trials/patients.toml`: parameters that differ between patients, and what is read before treatment."""

    varied: tuple[str, ...]
    markers: tuple[str, ...]


@cache
def patients_file() -> Patients:
    """What differs between patients unless said, and their markers."""
    return read_toml(sbml_root() / "trials" / "patients.toml", Patients)


def assumptions() -> pd.DataFrame:
    """The constants behind `population`.

    Returns:
        One row each, index `constant`: value, unit, kind (measured, derived, assumed), source (evidence ids), note.

    Example:
        >>> float(assumptions().loc["diary_slope", "value"])
        0.75
    """
    import pandas as pd

    columns = ("value", "unit", "kind", "source", "note")
    rows = {k: {c: getattr(f, c) for c in columns} for k, f in facts(POPULATION).items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("constant")


def _constant(name: str) -> float:
    return facts(POPULATION)[name].value


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Drift:
    """What happens to untreated patients during a trial: a lognormal factor on the rate, and a share of remissions."""

    log_mean: float
    log_sd: float
    remission: float = 0.0


@cache
def drifts() -> Mapping[str, Drift]:
    """Drift by the control arm that it was seen in. The two arms differ by more than chance; 'pooled', their midpoint,
    is a choice."""
    neal, sharma = (
        Drift(log_mean=_constant(f"drift_{k}_log_mean"), log_sd=_constant(f"drift_{k}_log_sd"))
        for k in ("neal", "sharma")
    )
    sharma = replace(sharma, remission=_constant("remission_sharma"))
    pooled = Drift(
        log_mean=(neal.log_mean + sharma.log_mean) / 2,
        log_sd=(neal.log_sd + sharma.log_sd) / 2,
        remission=sharma.remission / 2,
    )
    return Frozen({"pooled": pooled, "neal": neal, "sharma": sharma, "none": Drift(log_mean=0.0, log_sd=0.0)})


CAPACITY = "ketogenic_capacity"  # of ketone_katp; a coupled model has it as an input of its own
FREQUENCY = "excitability.seizure_frequency_untreated"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Population(Brief):
    """Virtual patients of one seed; every array has one entry per patient.

    Attributes:
        model: name of the model that they were drawn for.
        seed: of the draws.
        minimum: entry rule, seizures per 28 days in the diary.
        baseline_weeks: length of that diary.
        parameters: name in the model -> values, in its unit: columns for `ensemble`.
        age_group: 'child', 'adult' or 'reference'.
        baseline_rate: true rate, seizures per 28 days.
        baseline_count: seizures in the diary.
        adherence: share of the treatment that is followed, 0..1.
        drop_out_weeks: weeks from the start of treatment until the patient leaves; infinite without drop-out.
        drift: factor on the rate that comes without treatment.
        luck: quantile of the diary under treatment, 0..1, the same in every arm.

    Example:
        >>> import pathway_models as pm
        >>> len(pm.population(pm.load("excitability"), 5))
        5
    """

    model: str
    seed: int
    minimum: float
    baseline_weeks: float
    parameters: Mapping[str, Array]
    age_group: tuple[str, ...]
    baseline_rate: Array
    baseline_count: Ints
    adherence: Array
    drop_out_weeks: Array
    drift: Array
    luck: Array

    def __len__(self) -> int:
        return len(self.baseline_rate)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per patient: age group, rates, adherence, drop-out, drift, then the model's parameters."""
        import pandas as pd

        names = ("age_group", "baseline_rate", "baseline_count", "adherence", "drop_out_weeks", "drift")
        columns = {k: getattr(self, k) for k in names} | dict(self.parameters)
        return pd.DataFrame(columns).rename_axis("patient")

    def subset(self, keep: Mask) -> Population:
        """Some of the patients.

        Args:
            keep: (patients,), True for who stays.
        """
        names = ("baseline_rate", "baseline_count", "adherence", "drop_out_weeks", "drift", "luck")
        arrays: dict[str, Any] = {k: getattr(self, k)[keep] for k in names}
        ages = tuple(a for a, k in zip(self.age_group, keep, strict=True) if k)
        parameters = Frozen({k: v[keep] for k, v in self.parameters.items()})
        return replace(self, parameters=parameters, age_group=ages, **arrays)


@dataclass(frozen=True, kw_only=True)
class Enrolment(Named):
    """Who is taken into a trial.

    Attributes:
        age_group: 'child', 'adult', 'reference', or shares such as {'child': 0.6, 'adult': 0.4}.
        minimum: seizures per 28 days in the diary, at least; so regression to the mean is part of the trial.
        baseline_weeks: length of the diary before treatment.

    Raises:
        InvalidValueError: values out of range.

    Example:
        >>> Enrolment(minimum=8).baseline_weeks
        4.0
    """

    age_group: str | Mapping[str, float] = "child"
    minimum: float = 4.0
    baseline_weeks: float = 4.0

    def __post_init__(self) -> None:
        require_range("the entry rule in seizures per 28 days", self.minimum, 0.0, 28 * _constant("rate_max"))
        require_range("the baseline in weeks", self.baseline_weeks, 1.0, 104.0)


def population(
    model: Model,
    n: int,
    *,
    seed: int = 1,
    enrolment: Enrolment | None = None,
    adherence: float | None = None,
    drift: str = "pooled",
    drop_out: bool = True,
    vary: Sequence[str] | None = None,
) -> Population:
    """Draw virtual patients for trials; all constants of their laws are in `assumptions()`.

    Args:
        model: what `pathway_models.load` gives; constants that it sets itself (a hypothesis, `with_parameters`) stay.
        n: number of patients.
        seed: of all draws.
        enrolment: age, entry rule and baseline (default: children with 4 seizures per 28 days in a diary of 4 weeks).
        adherence: 0 to 1 for all, or drawn.
        drift: change without treatment: 'pooled', 'neal', 'sharma' (control arms) or 'none'.
        drop_out: whether patients leave.
        vary: parameters that differ between patients (default those of `sbml/trials/patients.toml`, as far as the model
            has them), drawn from their tables.

    Returns:
        The patients; rates are lognormal (`clinical:P067`, `clinical:P068`).

    Raises:
        InvalidValueError: for values out of range and for an entry rule that hardly anybody meets.
        UnknownNameError: for unknown names.

    Example:
        >>> import pathway_models as pm
        >>> patients = population(pm.load("excitability"), 5, enrolment=Enrolment(minimum=8))
        >>> bool((patients.baseline_count >= 8).all())
        True
    """
    require_count("the number of patients", n, 1, 1_000_000)
    require_count("the seed", seed, 0)
    require_kind("enrolment", enrolment, (Enrolment, type(None)), "Enrolment(minimum=8)")
    enrol = enrolment or Enrolment()
    drift_law = drifts()[require_choice("drift", drift, drifts())]
    require_model(model)
    # one stream per purpose: another number of parameters leaves rates and drop-outs as they are
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(7)]
    rate, count = _enrolled(n, enrol.minimum, enrol.baseline_weeks, streams[0])
    ages = _ages(n, enrol.age_group, streams[1])
    followed = _adherence(n, adherence, streams[2])
    stay = np.full(n, math.inf)
    if drop_out:
        scale = _constant("drop_out_scale") * WEEKS_PER_YEAR
        stay = scale * streams[3].weibull(_constant("drop_out_shape"), n)
    factor = np.exp(drift_law.log_mean + drift_law.log_sd * streams[4].standard_normal(n))
    factor = np.where(streams[4].random(n) < drift_law.remission, 0.0, factor)
    columns = _parameters(model, n, vary, streams[5]) | _own(model, rate, ages, streams[6])
    return Population(
        model=model.name,
        seed=seed,
        minimum=enrol.minimum,
        baseline_weeks=enrol.baseline_weeks,
        parameters=Frozen(columns),
        age_group=ages,
        baseline_rate=rate,
        baseline_count=count,
        adherence=followed,
        drop_out_weeks=stay,
        drift=factor,
        luck=streams[4].random(n),
    )


def seizure_counts(rate: Array, weeks: float, luck: Array) -> Ints:
    """Counts of a diary of `weeks` at true rates `rate` (per 28 days), at the quantiles `luck` of their law.

    Gamma-Poisson: the monthly counts of a patient of mean m have the standard deviation m^0.75 (`clinical:P070`),
    or the Poisson one where that is larger; months are independent.

    >>> seizure_counts(np.array([0.0, 20.0]), 4.0, np.array([0.5, 0.5])).tolist()
    [0, 19]
    """
    from scipy.stats import nbinom, poisson

    month = np.asarray(rate, dtype=float) * WEEKS_PER_MONTH / 4.0
    months = weeks / WEEKS_PER_MONTH
    mean = month * months
    excess = np.maximum(month ** (2 * _constant("diary_slope")) - month, 0.0)  # of the variance over the Poisson one
    shape = np.divide(month**2, excess, out=np.full_like(month, math.inf), where=excess > 0) * months
    gamma = shape < POISSON_SHAPE
    counts = poisson.ppf(luck, mean)
    if gamma.any():
        k = shape[gamma]
        counts[gamma] = nbinom.ppf(luck[gamma], k, k / (k + mean[gamma]))
    most = _constant("diary_cap") * 7 * weeks
    return np.asarray(np.clip(counts, 0, most), dtype=np.int64)


def _enrolled(n: int, minimum: float, weeks: float, stream: np.random.Generator) -> tuple[Array, Ints]:
    """True rates per 28 days and baseline counts of those who meet the entry rule."""
    per_28_days = math.log(4.0 / WEEKS_PER_MONTH)
    needed = max(minimum * weeks / 4.0, 1.0)  # who had no seizure has no percent of baseline
    rates: list[Array] = []
    counts: list[Ints] = []
    found = drawn = 0
    size = max(4 * n, 1000)
    while found < n and drawn < LARGEST_DRAW:
        z = stream.standard_normal(size)
        luck = stream.random(size)
        rate = np.exp(_constant("rate_log_mean") + per_28_days + _constant("rate_log_sd") * z)
        # those of a tenth of the needed mean hardly ever get in: saves their quantiles
        likely = (rate < 28 * _constant("rate_max")) & (rate * weeks / 4.0 > needed / 10)
        rate, luck = rate[likely], luck[likely]
        count = seizure_counts(rate, weeks, luck)
        rates.append(rate[count >= needed])
        counts.append(count[count >= needed])
        found += len(rates[-1])
        drawn += size
        size = min(2 * size, 100_000)
    if found < n:
        raise InvalidValueError(
            f"only {found} of {drawn:,} patients have {minimum:g} seizures per 28 days; lower minimum or n"
        )
    return np.concatenate(rates)[:n], np.concatenate(counts)[:n]


def _ages(n: int, group: str | Mapping[str, float], stream: np.random.Generator) -> tuple[str, ...]:
    require_kind("age_group", group, (str, Mapping), "'child' or {'child': 0.6, 'adult': 0.4}")
    shares = {group: 1.0} if isinstance(group, str) else dict(group)
    for name, share in shares.items():
        require_choice("the age group", name, ketogenic_capacities())
        require_range(f"the share of {name}", share, 0.0, 1.0)
    if not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise InvalidValueError(f"the shares of the age groups are {shares}; they must add up to 1")
    names, weights = list(shares), np.array(list(shares.values()))
    return tuple(names[i] for i in stream.choice(len(names), size=n, p=weights / weights.sum()))


def _adherence(n: int, fixed: float | None, stream: np.random.Generator) -> Array:
    if fixed is not None:
        return np.full(n, require_range("the adherence", fixed, 0.0, 1.0))
    step = _constant("adherence_step")
    drawn = stream.beta(_constant("adherence_alpha"), _constant("adherence_beta"), n)
    return np.asarray(np.round(np.round(drawn / step) * step, 9))


def _parameters(model: Model, n: int, vary: Sequence[str] | None, stream: np.random.Generator) -> dict[str, Array]:
    by_name = {_dotted(model, p.module, p.id): p for p in model.constants}
    by_id = {p.id: p for p in model.constants}
    if isinstance(vary, str):
        raise InvalidValueError(f"vary is {vary!r}; give a list of names")
    if vary is None:
        chosen = [by_name[k] for k in patients_file().varied if k in by_name]
    else:
        keys = [model.resolve(k) for k in vary]
        missing = [k for k in keys if k not in by_id or not by_id[k].uncertain]
        if missing:
            raise unknown_name(f"parameter with a range of {model.name}", missing[0], by_id)
        chosen = [by_id[k] for k in dict.fromkeys(keys)]
    units = stream.random((n, len(chosen)))
    return {p.id: sample(p, units[:, i]) for i, p in enumerate(chosen) if p.uncertain and p.id not in model.settings}


def _own(model: Model, rate: Array, ages: Sequence[str], stream: np.random.Generator) -> dict[str, Array]:
    """The patient's own rate, where the model saturates, and the answer of the liver to a diet."""
    found: dict[str, Array] = {}
    frequency = {_dotted(model, p.module, p.id): p.id for p in model.constants}.get(FREQUENCY)
    if frequency is not None and frequency not in model.settings:
        found[frequency] = rate / HOURS_PER_28_DAYS
    port = next((p for p in model.input_ports if p.id.rpartition("__")[2] == CAPACITY), None)
    if port is not None and port.id not in model.settings:
        spread = np.exp(_constant("ketogenic_capacity_log_sd") * stream.standard_normal(len(ages)))
        capacity = np.array([ketogenic_capacities()[a] for a in ages]) * spread
        found[port.id] = np.clip(capacity, port.low, port.high)
    return found


def _dotted(model: Model, module: str, key: str) -> str:
    """`module.name` of an id, in a coupled model and in a module alone."""
    return key.replace("__", ".", 1) if "__" in key else f"{module or model.name}.{key}"
