"""Trials that were really done, beside what the model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Frozen
from ..ensembles.execution import Execution
from ..errors import require_choice
from ..evidence.tables import evidence_table, split_cell
from ..models.model import Model
from ..treatments.diets import KetogenicDiet, ModifiedAtkinsDiet
from ..treatments.schedule import Dose, Treatment
from .patients import ASSUMPTIONS, population
from .statistics import Interval, bootstrapped
from .virtual import Arms, Trial, trial

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PublishedTrial:
    """A trial to set beside the model: `arms` (control first), `patients` (arguments of `population`), what it found.

    `found` has (evidence id, arm, statistic); the statistics are columns of `Trial.to_dataframe` and `contrasts` in
    percent, 'mean_change' (percent), 'sd_percent' (the error of the row) and 'median_change' (seizures per 28 days).
    """

    arms: Arms
    patients: Mapping[str, Any]
    weeks: float
    found: tuple[tuple[str, str, str], ...]
    note: str
    window_weeks: float = 4.0


def _sessions(every_hours: float, count: int) -> tuple[Treatment, ...]:
    return (Dose(input="session", amount=1.0, times=tuple(i * every_hours for i in range(count))),)


def _ear(weeks: int, row: str) -> PublishedTrial:
    return PublishedTrial(
        arms={"control": (), "stimulation": _sessions(24.0, 7 * weeks)},
        patients={"age_group": "child"},
        weeks=weeks,
        window_weeks=8.0,
        found=((row, "stimulation", "mean_change"),),
        note="Uncontrolled, 13 or 14 children; one session a day is assumed.",
    )


PUBLISHED_TRIALS: Mapping[str, PublishedTrial] = Frozen(
    {
        "Neal 2008": PublishedTrial(
            arms={"control": (), "diet": (KetogenicDiet(ratio=4),)},
            patients={"age_group": "child", "minimum": 28.0, "drift": "neal"},
            weeks=90 / 7,
            found=(
                ("clinical:C001", "diet", "mean_percent"),
                ("clinical:C002", "control", "mean_percent"),
                ("clinical:C003", "diet", "difference"),
                ("clinical:C004", "diet", "RR50"),
                ("clinical:C005", "control", "RR50"),
                ("clinical:C006", "diet", "RR90"),
            ),
            note="Classical and MCT diets, all taken as 4:1; 7 seizures a week. C003 follows from C001 and C002.",
        ),
        "Sharma 2013": PublishedTrial(
            arms={"control": (), "diet": (ModifiedAtkinsDiet(carbohydrate_g=10, energy_kcal=1200),)},
            patients={"age_group": "child", "minimum": 28.0, "drift": "sharma"},
            weeks=90 / 7,
            found=(
                ("clinical:C007", "diet", "mean_percent"),
                ("clinical:C007", "diet", "sd_percent"),
                ("clinical:C008", "control", "mean_percent"),
                ("clinical:C008", "control", "sd_percent"),
                ("clinical:C009", "diet", "RR50"),
                ("clinical:C010", "diet", "RR90"),
            ),
            note="Daily seizures; 10 g of carbohydrate a day of 1200 kcal is assumed.",
        ),
        "Kverneland 2018": PublishedTrial(
            arms={"control": (), "diet": (ModifiedAtkinsDiet(carbohydrate_g=16),)},
            patients={"age_group": "adult", "minimum": 3.0},
            weeks=84 / 7,
            found=(("clinical:C011", "diet", "median_change"), ("clinical:C012", "control", "median_change")),
            note="Adults; no difference between the groups. The unit of the published change is not stated.",
        ),
        "Schoeler 2023": PublishedTrial(
            arms={"control": (), "diet": (KetogenicDiet(ratio=4),)},
            patients={"age_group": "child", "minimum": 16.0},
            weeks=56 / 7,
            window_weeks=2.0,
            found=(("clinical:C024", "diet", "RR50"),),
            note="Infants; the other arm had a further drug (40 percent responders, rate ratio 1.33, not significant, "
            "clinical:C023), which the model has not. Ratio and entry rule are assumed.",
        ),
        "Rong 2014": PublishedTrial(
            arms={"control": (), "stimulation": _sessions(12.0, 112)},
            patients={"age_group": "reference"},
            weeks=8.0,
            found=(("clinical:C086", "stimulation", "mean_change"),),
            note="Ear, twice a day; control stimulation changed by -11.5 percent.",
        ),
        "He 2013, weeks 0-8": _ear(8, "clinical:C087"),
        "He 2013, weeks 8-16": _ear(16, "clinical:C088"),
        "He 2013, weeks 16-24": _ear(24, "clinical:C089"),
        "needles, pooled": PublishedTrial(
            arms={"control": (), "needles": _sessions(67.2, 20)},
            patients={"age_group": "reference"},
            weeks=8.0,
            found=(("clinical:C079", "needles", "RR50_ratio"), ("clinical:C080", "needles", "RR50_ratio")),
            note="20 sessions in 8 weeks (clinical:P085); of the controls, on herbs or valproate, 69 to 80 percent "
            "responded.",
        ),
        "Nguyen 2022": PublishedTrial(
            arms={"sham": (), "threads": _sessions(672.0, 4)},
            patients={"age_group": "adult"},
            weeks=16.0,
            found=(("clinical:C083", "threads", "difference"),),
            note="Thread embedding once a month, each taken as one session; observed: no difference.",
        ),
    }
)


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
        names: keys of `PUBLISHED_TRIALS` (default all); the stimulation trials have up to 168 sessions and are slow.
        execution: workers, engine, tolerances, limits; no checkpoint.

    Returns:
        Observed and predicted numbers; `low` and `high` are the 95 percent interval of the prediction for `n` patients
        in pairs, `cited_by` names the constants of `model` and of the population that rest on the row: where it is not
        empty, agreement is no test.

    Raises:
        UnknownNameError: for other names.

    Example:
        >>> from pathway_models.trials.published import PUBLISHED_TRIALS
        >>> len(PUBLISHED_TRIALS) > 5
        True
    """
    import pandas as pd

    chosen = list(PUBLISHED_TRIALS) if names is None else [require_choice("trial", k, PUBLISHED_TRIALS) for k in names]
    cited, rows = _cited(model), []
    for k, name in enumerate(chosen):
        t = PUBLISHED_TRIALS[name]
        people = population(model, n, seed=seed + k, **t.patients)  # other patients in every trial
        result = trial(model, people, t.arms, weeks=t.weeks, window_weeks=t.window_weeks, execution=execution)
        for source, arm, statistic in t.found:
            value, low, high = _statistic(result, arm, statistic)
            row: dict[str, Any] = {"trial": name, "arm": arm, "statistic": statistic, "source": source}
            row |= {"observed": _observed(source, statistic), "predicted": value, "low": low, "high": high}
            rows.append(row | {"cited_by": ", ".join(cited.get(source, ())), "note": t.note})
    return pd.DataFrame(rows)


def _cited(model: Model) -> dict[str, list[str]]:
    """Evidence id -> constants whose source or note it is."""
    sources = {k: a.source for k, a in ASSUMPTIONS.items()}
    sources |= {p.id.replace("__", "."): p.source for p in model.parameters_ if p.source}
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
        return bootstrapped(result.percent[done, k], np.std, seed)
    if name == "median_change":
        change = 4 * (result.counts[:, k] / result.window_weeks - p.baseline_count / p.baseline_weeks)
        return bootstrapped(change[done], np.median, seed)
    frame = result.contrasts() if name in ("difference", "RR50_ratio") else result.to_dataframe()
    column = "mean_percent" if name == "mean_change" else name
    value, low, high = (float(frame.loc[arm, column + end]) for end in ("", "_low", "_high"))  # type: ignore[arg-type]
    if name == "difference":
        return -value, -high, -low
    if name == "mean_change":
        return value - 100, low - 100, high - 100
    factor = 100.0 if name in ("RR50", "RR90") else 1.0
    return factor * value, factor * low, factor * high
