"""Virtual patients: seizure rate, diary, response, adherence, drop-out and drift, each constant with its source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._types import Array, Brief, Frozen
from ..errors import InvalidValueError, require_choice, require_count, require_kind, require_range, unknown_name
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.laws import sample
from ..treatments.diets import KETOGENIC_CAPACITY

if TYPE_CHECKING:
    import pandas as pd

Ints: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

WEEKS_PER_MONTH, WEEKS_PER_YEAR, HOURS_PER_28_DAYS = 30 / 7, 365.25 / 7, 672.0
POISSON_SHAPE = 1e6  # a gamma-Poisson law of a larger shape is a Poisson law to six digits
LARGEST_DRAW = 4_000_000  # candidates for the entry rule; a rule that fewer than n of them meet is refused


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A constant of the virtual population: `kind` is measured, derived or assumed, `source` the evidence ids."""

    value: float
    unit: str
    kind: str
    source: str
    note: str


ASSUMPTIONS: Mapping[str, Assumption] = Frozen(
    {
        "rate_log_mean": Assumption(
            value=1.2267,
            unit="ln(seizures/month)",
            kind="measured",
            source="clinical:P067",
            note="Diaries of all severities, month of 30 days. Trials of diets enrolled patients with more seizures "
            "than an entry rule selects from it.",
        ),
        "rate_log_sd": Assumption(
            value=1.1457, unit="ln(seizures/month)", kind="measured", source="clinical:P068", note="Between patients."
        ),
        "rate_max": Assumption(
            value=15.0,
            unit="seizures/day",
            kind="measured",
            source="clinical:P015",
            note="Model constant; the seizure rate of the model saturates there.",
        ),
        "diary_slope": Assumption(
            value=0.75,
            unit="1",
            kind="measured",
            source="clinical:P070",
            note="log sd = 0.75 log mean of monthly counts of a patient. Gamma-Poisson with that variance; months are "
            "independent (assumed: no cycles, no clusters). Below one seizure a month Poisson.",
        ),
        "diary_cap": Assumption(
            value=144.0, unit="seizures/day", kind="measured", source="clinical:P071", note="One per 10 minutes."
        ),
        "ketogenic_capacity_log_sd": Assumption(
            value=0.55,
            unit="ln",
            kind="derived",
            source="clinical:C052",
            note="BHB 4.3 with SEM 0.6 of 18 children: sd 2.5, coefficient of variation 0.59, sd of the log 0.55; "
            "BHB is taken as proportional to the capacity.",
        ),
        "adherence_alpha": Assumption(
            value=4.0,
            unit="1",
            kind="assumed",
            source="clinical:C078",
            note="Beta(4, 1): mean 0.8. The one published share, 84 percent of adults who reach ketosis, would be "
            "those above 0.63.",
        ),
        "adherence_beta": Assumption(value=1.0, unit="1", kind="assumed", source="", note="See adherence_alpha."),
        "adherence_step": Assumption(
            value=0.2,
            unit="1",
            kind="assumed",
            source="",
            note="Adherence is rounded to this step: patients of one step are simulated together.",
        ),
        "drop_out_shape": Assumption(
            value=0.65,
            unit="1",
            kind="derived",
            source="clinical:C073;clinical:P094",
            note="Weibull through 45.7 percent on the diet after one year and 29.2 percent after two. The same for "
            "every arm, control included (assumed).",
        ),
        "drop_out_scale": Assumption(
            value=1.45,
            unit="year",
            kind="derived",
            source="clinical:C073;clinical:P094",
            note="Predicts 25 percent lost at 12 weeks.",
        ),
        "drift_neal_log_mean": Assumption(
            value=0.50,
            unit="ln",
            kind="derived",
            source="clinical:C002;clinical:C005",
            note="With the diary law and an entry rule of 28 per 28 days this gives 136 percent of baseline and 8 "
            "percent responders among those analysed (observed 136.9 and 4 of 49).",
        ),
        "drift_neal_log_sd": Assumption(
            value=0.15,
            unit="ln",
            kind="derived",
            source="clinical:C002;clinical:C005",
            note="Small, as the diary law alone explains nearly all of the spread.",
        ),
        "drift_sharma_log_mean": Assumption(
            value=0.24,
            unit="ln",
            kind="derived",
            source="clinical:C008",
            note="As for drift_neal, with remissions: 96 percent of baseline (95.5 observed), sd 60 (48 observed); the "
            "responders, 22 percent, are too many (11.5 observed).",
        ),
        "drift_sharma_log_sd": Assumption(
            value=0.0, unit="ln", kind="derived", source="clinical:C008", note="The diary law is wider than the trial."
        ),
        "remission_sharma": Assumption(
            value=0.077,
            unit="share",
            kind="derived",
            source="clinical:C010",
            note="Controls with more than 90 percent fewer seizures, taken as seizure-free.",
        ),
    }
)


def assumptions() -> pd.DataFrame:
    """The constants behind `population`: value, unit, kind, evidence ids, note; index `constant`.

    >>> float(assumptions().loc["diary_slope", "value"])
    0.75
    """
    import pandas as pd

    rows = {k: vars(a) for k, a in ASSUMPTIONS.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("constant")


def _constant(name: str) -> float:
    return ASSUMPTIONS[name].value


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What happens to untreated patients during a trial: a lognormal factor on the rate, and a share of remissions."""

    log_mean: float
    log_sd: float
    remission: float = 0.0


_NEAL = Drift(log_mean=_constant("drift_neal_log_mean"), log_sd=_constant("drift_neal_log_sd"))
_SHARMA = Drift(
    log_mean=_constant("drift_sharma_log_mean"),
    log_sd=_constant("drift_sharma_log_sd"),
    remission=_constant("remission_sharma"),
)
# The two control arms differ by more than chance; their midpoint is a choice.
DRIFTS: Mapping[str, Drift] = Frozen(
    {
        "pooled": Drift(
            log_mean=(_NEAL.log_mean + _SHARMA.log_mean) / 2,
            log_sd=(_NEAL.log_sd + _SHARMA.log_sd) / 2,
            remission=_SHARMA.remission / 2,
        ),
        "neal": _NEAL,
        "sharma": _SHARMA,
        "none": Drift(log_mean=0.0, log_sd=0.0),
    }
)

# What differs between patients: the read-out, the loop, what seizures do to each pathway, ketosis, and the answer to
# stimulation. The ranges are those of the parameter tables, which hold what is not known of the mean patient; that
# patients differ as much is assumed. Anything else can be named in `vary`.
PATIENT_PARAMETERS = (
    *(f"excitability.weight_{k}" for k in ("GLU", "GABA", "KATP", "IL1B", "ROS", "ATP", "SEROTONIN", "PLCG")),
    *("excitability.weight_adaptation", "excitability.kappa", "excitability.K_remodelling"),
    *("excitability.share_leak_inflammation", "excitability.exponent_IL1B_inflammation"),
    *("nlrp3_il1b.w_seizure_NFKB", "nlrp3_il1b.w_seizure_signal2", "nlrp3_il1b.w_seizure_microglia"),
    *("gaba_gad67.gain_seizure_release_e", "gaba_gad67.gain_seizure_GAD65", "gaba_gad67.gain_seizure_GABAA"),
    *("gaba_gad67.gain_seizure_KCC2", "mtor_autophagy.gain_seizure_PI3K", "ampk_pgc1a.gain_seizure_ROS"),
    *("ketone_katp.insulin_fall_no_carbohydrate", "ketone_katp.Tmax_MCT1_BHB"),
    *(f"acupuncture.gain_{k}" for k in ("vagal", "AMPK", "GAD67", "AKT")),
)
CAPACITY = "ketone_katp.ketogenic_capacity"
FREQUENCY = "excitability.seizure_frequency_untreated"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Population(Brief):
    """Virtual patients of one seed; every array has one entry per patient.

    `parameters` are columns for `ensemble` (names as in the model they were drawn for). `baseline_rate` is the true
    rate and `baseline_count` what the diary of `baseline_weeks` holds, in seizures per 28 days and seizures.
    `drop_out_weeks` counts from the start of treatment, `drift` is the factor on the rate that comes without treatment,
    and `luck` (0..1) the quantile of the diary under treatment, the same in every arm.
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
        """The patients for which `keep` is true."""
        names = ("baseline_rate", "baseline_count", "adherence", "drop_out_weeks", "drift", "luck")
        arrays: dict[str, Any] = {k: getattr(self, k)[keep] for k in names}
        ages = tuple(a for a, k in zip(self.age_group, keep, strict=True) if k)
        parameters = Frozen({k: v[keep] for k, v in self.parameters.items()})
        return replace(self, parameters=parameters, age_group=ages, **arrays)


def population(
    model: Model,
    n: int,
    *,
    seed: int = 1,
    age_group: str | Mapping[str, float] = "child",
    minimum: float = 4.0,
    baseline_weeks: float = 4.0,
    adherence: float | None = None,
    drift: str = "pooled",
    drop_out: bool = True,
    vary: Sequence[str] | None = None,
) -> Population:
    """Draw `n` virtual patients for trials on `model`.

    Rates are lognormal (`clinical:P067`, `clinical:P068`); who has at least `minimum` seizures per 28 days in a diary
    of `baseline_weeks` is enrolled, so that regression to the mean is part of the trial. `age_group` is 'child',
    'adult', 'reference', or shares such as {'child': 0.6, 'adult': 0.4}. `adherence` 0..1 is drawn unless given.
    `drift` is a key of `DRIFTS`, from control arms. `vary` names the model parameters that differ between patients
    (default `PATIENT_PARAMETERS`, as far as the model has them), drawn from their tables; constants that the model
    sets itself (a hypothesis, `with_parameters`) stay. All other constants: `assumptions()`.
    Raises `InvalidValueError` for values out of range and for an entry rule that hardly anybody meets,
    `UnknownNameError` for unknown names.

    >>> import pathway_models as pm
    >>> patients = population(pm.load("excitability"), 5, minimum=8)
    >>> bool((patients.baseline_count >= 8).all())
    True
    """
    require_count("the number of patients", n, 1, 1_000_000)
    require_count("the seed", seed, 0)
    require_range("the entry rule in seizures per 28 days", minimum, 0.0, 28 * _constant("rate_max"))
    require_range("the baseline in weeks", baseline_weeks, 1.0, 104.0)
    drift_law = DRIFTS[require_choice("drift", drift, DRIFTS)]
    require_model(model)
    # one stream per purpose: another number of parameters leaves rates and drop-outs as they are
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(7)]
    rate, count = _enrolled(n, minimum, baseline_weeks, streams[0])
    ages = _ages(n, age_group, streams[1])
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
        minimum=minimum,
        baseline_weeks=baseline_weeks,
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
        require_choice("the age group", name, KETOGENIC_CAPACITY)
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
    by_name = {_dotted(model, p.module, p.id): p for p in model.parameters_}
    by_id = {p.id: p for p in model.parameters_}
    if isinstance(vary, str):
        raise InvalidValueError(f"vary is {vary!r}; give a list of names")
    if vary is None:
        chosen = [by_name[k] for k in PATIENT_PARAMETERS if k in by_name]
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
    frequency = {_dotted(model, p.module, p.id): p.id for p in model.parameters_}.get(FREQUENCY)
    if frequency is not None and frequency not in model.settings:
        found[frequency] = rate / HOURS_PER_28_DAYS
    port = next((p for p in model.inputs_ if _dotted(model, p.module, p.id) == CAPACITY), None)
    if port is not None and port.id not in model.settings:
        spread = np.exp(_constant("ketogenic_capacity_log_sd") * stream.standard_normal(len(ages)))
        capacity = np.array([KETOGENIC_CAPACITY[a] for a in ages]) * spread
        found[port.id] = np.clip(capacity, port.low, port.high)
    return found


def _dotted(model: Model, module: str, key: str) -> str:
    """`module.name` of an id, in a coupled model and in a module alone."""
    return key.replace("__", ".", 1) if "__" in key else f"{module or model.name}.{key}"
