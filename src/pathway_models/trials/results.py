"""The result of a trial: rates and diaries of every patient in every arm, and what a trial would report of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .._types import Array, Brief
from ..errors import require_choice
from ..figures import subplots
from ..modules.laws import Z95
from .patients import Ints, Mask, Population
from .statistics import Interval, area_under_curve, bootstrap_interval, rank_correlation, risk_ratio, wilson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAIN = "loop_gain"
BEYOND_CHILDREN = (
    "Beyond children no trial of a diet found a clear gain over its control (adults clinical:C011 and C012, infants "
    "clinical:C023): a gain here is the model's alone."
)
COLOURS = ("#9a9a9a", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000")  # Okabe-Ito


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trial(Brief):
    """Patients by arms: what the model says and what the diaries hold.

    Attributes:
        population: the patients who were enrolled.
        arms: their names; the first is the control.
        weeks: length of the treatment.
        window_weeks: the last weeks, in which seizures are counted.
        ratio: (patients, arms), rate under treatment over that without, as the model has it.
        counts: (patients, arms), seizures in the window.
        assigned: (patients, arms), who belongs to which arm; paired all to all.
        markers: name -> values before treatment (patients,), in the unit of the model.
        excluded: number of a patient in the population handed in -> why they were left out.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.load("excitability")
        >>> result = pm.trial(model, pm.population(model, 4), {"control": [], "drug": pm.Level(input="GABA", value=2)},
        ...                   weeks=8, execution=pm.Execution(workers=1, progress=False))
        >>> result.percent.shape == result.counts.shape
        True
    """

    population: Population
    arms: tuple[str, ...]
    weeks: float
    window_weeks: float
    ratio: Array
    counts: Ints
    assigned: Mask
    markers: Mapping[str, Array]
    excluded: Mapping[int, str]

    @property
    def percent(self) -> Array:
        """Seizures under treatment as percent of those in the baseline diary (patients x arms)."""
        base = self.population.baseline_count / self.population.baseline_weeks
        return np.asarray(100 * (self.counts / self.window_weeks) / base[:, None])

    @property
    def completed(self) -> Mask:
        """Who belongs to the arm and did not drop out before the end (patients x arms)."""
        stayed = self.population.drop_out_weeks >= self.weeks
        return np.asarray(self.assigned & stayed[:, None])

    def responders(self, reduction: float = 50.0) -> Mask:
        """Who completed with fewer seizures; drop-outs are non-responders (patients x arms).

        Args:
            reduction: of the seizures, at least, in percent of the baseline.
        """
        return np.asarray(self.completed & (self.percent <= 100 - reduction + 1e-9))

    def patients(self) -> pd.DataFrame:
        """One row per patient and arm: baseline, model ratio, percent of baseline, completed, responder."""
        import pandas as pd

        rows, columns = np.nonzero(self.assigned)
        p = self.population
        data = {
            "patient": rows,
            "arm": [self.arms[k] for k in columns],
            "age_group": [p.age_group[i] for i in rows],
            "adherence": p.adherence[rows],
            "baseline_count": p.baseline_count[rows],
            "count": self.counts[rows, columns],
            "model_ratio": self.ratio[rows, columns],
            "percent_of_baseline": self.percent[rows, columns],
            "completed": self.completed[rows, columns],
            "responder_50": self.responders()[rows, columns],
        }
        return pd.DataFrame(data)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per arm, 95 percent intervals in `_low` and `_high`.

        Mean and median percent of baseline of the completers; RR50, RR90 and seizure freedom by intention to treat
        (shares of all patients, drop-outs count as non-responders), and RR50, RR90 of the completers. `model_ratio` is
        the median of the model's rate ratio, without drift, drop-out and diary.
        """
        import pandas as pd

        rows = {arm: self._row(k) for k, arm in enumerate(self.arms)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def _row(self, k: int) -> dict[str, float]:
        done, n = self.completed[:, k], int(self.assigned[:, k].sum())
        percent, m = self.percent[done, k], int(done.sum())
        row: dict[str, float] = {"patients": n, "completers": m}
        row |= _named("mean_percent", bootstrap_interval(percent, np.mean, self.population.seed))
        row |= _named("median_percent", bootstrap_interval(percent, np.median, self.population.seed))
        fifty, ninety = (int(self.responders(r)[:, k].sum()) for r in (50, 90))
        row |= _named("RR50", wilson(fifty, n)) | _named("RR90", wilson(ninety, n))
        row |= _named("seizure_free", wilson(int((done & (self.counts[:, k] == 0)).sum()), n))
        row |= _named("RR50_completers", wilson(fifty, m)) | _named("RR90_completers", wilson(ninety, m))
        ratios = self.ratio[self.assigned[:, k], k]
        return row | {"model_ratio": float(np.median(ratios)) if n else math.nan}

    def contrasts(self) -> pd.DataFrame:
        """Each arm against the first: difference of mean percent of baseline, and risk ratio of RR50, with intervals.

        The difference is of completers (bootstrap; in pairs where every patient is in both arms), the ratio by
        intention to treat (Katz, as if the arms were independent groups).
        """
        import pandas as pd

        rows = {arm: self._contrast(k) for k, arm in enumerate(self.arms) if k}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def _contrast(self, k: int) -> dict[str, float]:
        seed, yes = self.population.seed, self.responders().sum(axis=0)
        n = self.assigned.sum(axis=0)
        if self.assigned.all():
            difference = bootstrap_interval(
                (self.percent[:, k] - self.percent[:, 0])[self.completed[:, 0]], np.mean, seed
            )
        else:
            a, b = (self.percent[self.completed[:, i], i] for i in (k, 0))
            value = float(np.mean(a) - np.mean(b)) if len(a) and len(b) else math.nan
            error = math.sqrt(_variance_of_mean(a) + _variance_of_mean(b))
            difference = value, value - Z95 * error, value + Z95 * error
        return _named("difference", difference) | _named("RR50_ratio", risk_ratio(yes[k], n[k], yes[0], n[0]))

    def predictors(self, arm: str | None = None, *, of: Literal["diary", "model"] = "diary") -> pd.DataFrame:
        """What goes with response among completers; strongest first, index `marker`.

        `rho`: rank correlation with the reduction; `auc`: chance that a responder (50 percent) has the larger value;
        95 percent intervals, one marker at a time: of twenty without any effect one leaves its interval by chance.
        `measurable`: could be measured before treatment (baseline diary, age, state of the model at rest); the others
        are the loop gain, the patient's constants and the adherence.

        Args:
            arm: its name; None for the last.
            of: 'diary', or 'model' for the model's rate ratio in its place, without drift and chance.

        Raises:
            UnknownNameError: another arm, or another word for `of`.
        """
        import pandas as pd

        name = self.arms[-1] if arm is None else require_choice("arm", arm, self.arms)
        require_choice("of", of, ("diary", "model"))
        k = self.arms.index(name)
        done = self.completed[:, k]
        left = (self.percent if of == "diary" else 100 * self.ratio)[done, k]
        rows: dict[str, dict[str, float]] = {}
        for marker, (values, measurable) in self._all_markers().items():
            rho = rank_correlation(values[done], -left)
            if not math.isnan(rho[0]):
                auc = area_under_curve(values[done], left <= 50)
                rows[marker] = {"measurable": measurable} | _named("rho", rho) | _named("auc", auc)
        columns = ["measurable", *_named("rho", (0, 0, 0)), *_named("auc", (0, 0, 0))]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("marker")
        return frame.sort_values("rho", key=lambda c: -c.abs(), kind="stable")

    def _all_markers(self) -> dict[str, tuple[Array, bool]]:
        p = self.population
        known = {"baseline_count": p.baseline_count.astype(float)} | dict(self.markers)
        known["adult"] = np.array([a == "adult" for a in p.age_group], dtype=float)
        hidden = {"adherence": p.adherence} | {k.replace("__", "."): v for k, v in p.parameters.items()}
        return {k: (v, k != GAIN) for k, v in known.items()} | {k: (v, False) for k, v in hidden.items()}

    def summary(self) -> str:
        """Plain sentences: who was enrolled, mean, RR50 and RR90 of each arm, and a caution beyond children."""
        lines = [f"{len(self.population)} patients enrolled, {len(self.excluded)} left out{reasons(self.excluded)}."]
        for arm, r in self.to_dataframe().iterrows():
            lines.append(
                f"{arm}: {r.mean_percent:.0f} percent of baseline ({r.mean_percent_low:.0f} to "
                f"{r.mean_percent_high:.0f}; "
                f"{r.completers:.0f} of {r.patients:.0f} completed); by intention to treat "
                f"{100 * r.RR50:.0f} percent have half the seizures or fewer ({100 * r.RR50_low:.0f} to "
                f"{100 * r.RR50_high:.0f}), {100 * r.RR90:.0f} percent a tenth or fewer, "
                f"{100 * r.seizure_free:.0f} percent none."
            )
        if set(self.population.age_group) - {"child"}:
            lines.append(BEYOND_CHILDREN)
        return "\n".join(lines)

    def plot(self, axis: Axes | None = None) -> Figure:
        """Responder curve per arm: share of patients (intention to treat) who reach at least that reduction.

        Bands are 95 percent Wilson intervals, each point for itself.

        Args:
            axis: of matplotlib, to draw on; None for a figure of its own.
        """
        return _plot(self, axis)


def _named(name: str, interval: Interval) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _variance_of_mean(values: Array) -> float:
    return float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else math.nan


def reasons(excluded: Mapping[int, str]) -> str:
    kinds = [text.partition(":")[0] for text in excluded.values()]
    counts = [f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds)]
    return f" ({', '.join(counts)})" if counts else ""


def _plot(result: Trial, axis: Axes | None) -> Figure:
    if axis is None:
        _, axis = subplots(figsize=(6.4, 4.2), layout="constrained")
    grid = np.linspace(0, 100, 201)
    n = result.assigned.sum(axis=0)
    reached = {float(r): result.responders(float(r)).sum(axis=0) for r in grid}
    for k, arm in enumerate(result.arms):
        curve = np.array([wilson(reached[float(r)][k], n[k]) for r in grid]) * 100
        colour = COLOURS[k % len(COLOURS)]
        axis.plot(grid, curve[:, 0], color=colour, lw=1.8, label=f"{arm} (n = {n[k]})")
        axis.fill_between(grid, curve[:, 1], curve[:, 2], color=colour, alpha=0.15, lw=0)
    for mark in (50, 90):
        axis.axvline(mark, color="#333333", lw=0.7, ls=(0, (4, 3)))
    axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="reduction of seizures by at least (percent)")
    axis.set_ylabel("patients, intention to treat (percent)")
    axis.set_title(f"Responders in the last {result.window_weeks:g} of {result.weeks:g} weeks", fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.5)
    axis.legend(frameon=False, fontsize=8, title="95 percent Wilson bands", title_fontsize=8)
    figure = axis.get_figure(root=True)
    assert figure is not None
    return figure
