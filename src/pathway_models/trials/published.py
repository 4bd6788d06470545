"""Trials that were really done, beside what the model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files.authored import read_toml_tables
from .._files.data import facts, sbml_root
from .._types import Frozen
from ..ensembles.execution import Execution
from ..errors import require_choice
from ..evidence.observations import treatment
from ..evidence.tables import evidence_table, split_cell
from ..models.model import Model
from ..treatments.schedule import Dose, Treatment
from .patients import POPULATION, Enrolment, population
from .results import Trial
from .statistics import Interval, bootstrap_interval
from .virtual import trial

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sessions:
    """Stimulation at even distances from the start on, each a dose of 1."""

    every_hours: float
    count: float


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Treatments as observations write them, and sessions."""

    treatments: tuple[str, ...] = ()
    sessions: Sessions | None = None

    def plan(self) -> list[Treatment]:
        """The treatments."""
        found = [treatment(text) for text in self.treatments]
        if self.sessions is not None:
            times = tuple(i * self.sessions.every_hours for i in range(int(self.sessions.count)))
            found.append(Dose(input="session", amount=1.0, times=times))
        return found


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Enrolled:
    """Who was in a trial: age, entry rule in seizures per 28 days, change without treatment."""

    age_group: str
    minimum: float = 4.0
    drift: str = "pooled"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Finding:
    """A published number: the row of the evidence tables, the arm, and the statistic that it is."""

    source: str
    arm: str
    statistic: str


@dataclass(frozen=True, kw_only=True)
class PublishedTrial:
    """A trial of `sbml/trials/published.toml`: arms (control first), patients, what it found."""

    days: float
    patients: Enrolled
    arms: Mapping[str, Arm]
    found: tuple[Finding, ...]
    note: str
    window_days: float = 28.0


@cache
def known_trials() -> Mapping[str, PublishedTrial]:
    """The trials of `sbml/trials/published.toml` by name."""
    return Frozen(read_toml_tables(sbml_root() / "trials" / "published.toml", PublishedTrial))


def published_trials(
    model: Model,
    *,
    n: int = 100,
    seed: int = 1,
    names: Sequence[str] | None = None,
    execution: Execution | None = None,
) -> pd.DataFrame:
    """Trials of the evidence table beside the same trials on virtual patients; one row per published number.

    Nothing is fitted here.

    Args:
        model: what `pathway_models.load` gives.
        n: patients of each trial.
        seed: of the patients.
        names: tables of `sbml/trials/published.toml` (default all); the stimulation trials have up to 168 sessions and
            are slow.
        execution: workers, engine, tolerances, limits; no checkpoint.

    Returns:
        Observed and predicted numbers; `low` and `high` are the 95 percent interval of the prediction for `n` patients
        in pairs, `cited_by` names the constants of `model` and of the population that rest on the row: where it is not
        empty, agreement is no test.

    Raises:
        UnknownNameError: for other names.

    Example:
        >>> from pathway_models.trials.published import known_trials
        >>> len(known_trials()) > 5
        True
    """
    import pandas as pd

    chosen = list(known_trials()) if names is None else [require_choice("trial", k, known_trials()) for k in names]
    cited, rows = _cited(model), []
    for k, name in enumerate(chosen):
        t = known_trials()[name]
        enrolment = Enrolment(age_group=t.patients.age_group, minimum=t.patients.minimum)
        people = population(
            model, n, seed=seed + k, enrolment=enrolment, drift=t.patients.drift
        )  # others in every trial
        arms = {arm: entry.plan() for arm, entry in t.arms.items()}
        result = trial(model, people, arms, weeks=t.days / 7, window_weeks=t.window_days / 7, execution=execution)
        for found in t.found:
            value, low, high = _statistic(result, found.arm, found.statistic)
            row: dict[str, Any] = {"trial": name, "arm": found.arm, "statistic": found.statistic}
            row["source"] = found.source
            row |= {"observed": _observed(found.source, found.statistic), "predicted": value, "low": low, "high": high}
            rows.append(row | {"cited_by": ", ".join(cited.get(found.source, ())), "note": t.note})
    return pd.DataFrame(rows)


def _cited(model: Model) -> dict[str, list[str]]:
    """Evidence id -> constants whose source or note it is."""
    sources = {k: a.source for k, a in facts(POPULATION).items()}
    sources |= {p.id.replace("__", "."): p.source for p in model.constants if p.source}
    found: dict[str, list[str]] = {}
    for name, text in sources.items():
        for source in split_cell(text):
            found.setdefault(source, []).append(name)
    return found


def _observed(source: str, statistic: str) -> float | str:
    row = evidence_table("responses").loc[source]
    text = str(row["error" if statistic == "sd_percent" else "value"])
    try:
        return float(text)
    except ValueError:
        return text


def _statistic(result: Trial, arm: str, name: str) -> Interval:
    """A statistic as the published trials give it: shares in percent, differences as control minus treatment."""
    k, seed = result.arms.index(arm), result.population.seed
    done, p = result.completed[:, k], result.population
    if name == "sd_percent":
        return bootstrap_interval(result.percent[done, k], np.std, seed)
    if name == "median_change":
        change = 4 * (result.counts[:, k] / result.window_weeks - p.baseline_count / p.baseline_weeks)
        return bootstrap_interval(change[done], np.median, seed)
    frame = result.contrasts() if name in ("difference", "RR50_ratio") else result.to_dataframe()
    column = "mean_percent" if name == "mean_change" else name
    value, low, high = (float(frame.loc[arm, column + end]) for end in ("", "_low", "_high"))  # type: ignore[arg-type]
    if name == "difference":
        return -value, -high, -low
    if name == "mean_change":
        return value - 100, low - 100, high - 100
    factor = 100.0 if name in ("RR50", "RR90") else 1.0
    return factor * value, factor * low, factor * high
