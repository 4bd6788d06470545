"""Contested mechanisms as a discrete factor: the same outcomes under every alternative, and what hangs on which."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._types import Array, Brief
from ..ensembles.execution import Execution
from ..ensembles.outcomes import Outcome
from ..ensembles.runs import Ensemble, ensemble
from ..ensembles.study import Study, study_of
from ..errors import InvalidValueError, unknown_name
from ..figures import subplots
from ..models.hypotheses import alternative_in_force
from ..models.model import Model
from ..modules.module import Hypothesis
from ..treatments.schedule import Treatment

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Which = Literal["oneway", "full"]
LARGEST = 4096  # combinations
SMALL = 1e-9  # relative spread of an outcome that does not vary
UNCHANGED = 0.01  # change, relative to the default, that counts as none
NAMED = 0.05  # share of the widest spread from which the alternatives are named in the figure
IN_USE, OTHER = "#333333", "#0072B2"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HypothesisScan(Brief):
    """Outcomes of one model under several alternatives of contested mechanisms.

    Attributes:
        model: its name.
        arm: a short name of the treatments.
        which: 'oneway' or 'full'.
        in_force: hypothesis -> alternative of the model as it is.
        alternatives: hypothesis -> alternative, per run; the first is the model as it is ('oneway') or the first
            combination ('full').
        runs: the outcomes (runs, outcomes) and how the runs fared.

    Example:
        >>> import pathway_models as pm
        >>> scan = pm.hypothesis_scan(pm.load("acupuncture"), outcomes=["plastic_trace"], weeks=1,
        ...                           execution=pm.Execution(workers=1, progress=False))
        >>> scan.alternatives[0] == scan.in_force
        True
    """

    model: str
    arm: str
    which: str
    in_force: Mapping[str, str]
    alternatives: tuple[Mapping[str, str], ...]
    runs: Ensemble

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes."""
        return tuple(o.name for o in self.runs.outcomes)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per run. Oneway: `hypothesis` and `alternative` that differ; full: a column per hypothesis."""
        import pandas as pd

        if self.which == "full":
            left = pd.DataFrame(list(self.alternatives))
        else:
            left = pd.DataFrame([self._difference(r) for r in self.alternatives], columns=["hypothesis", "alternative"])
        return pd.concat([left, self.runs.to_dataframe()], axis=1)

    def _difference(self, alternative: Mapping[str, str]) -> tuple[str, str]:
        changed = [(k, v) for k, v in alternative.items() if v != self.in_force[k]]
        return changed[0] if changed else ("", "as it is")

    def spread(self) -> pd.DataFrame:
        """One row per outcome and hypothesis: lowest and highest value over its alternatives, all else as it is.

        Of a full scan the means over all other alternatives; then also `S1` and `ST`, the Sobol indices of the
        hypotheses as discrete factors with equally likely alternatives (exact, for every combination was run). Widest
        first.
        """
        import pandas as pd

        frames = []
        for k, outcome in enumerate(self.outcomes):
            values = self.runs.values[:, k]
            rows = [self._row(name, values) for name in self.in_force]
            frame = pd.DataFrame(rows).assign(outcome=outcome)
            if self.which == "full":
                frame["S1"], frame["ST"] = _indices(self.alternatives, tuple(self.in_force), values)
            frame = frame.set_index(["outcome", "hypothesis"])
            frames.append(frame.sort_values("range", ascending=False, kind="stable"))
        return pd.concat(frames)

    def _row(self, name: str, values: Array) -> dict[str, Any]:
        levels = self._levels(name, values)
        found = {k: v for k, v in levels.items() if math.isfinite(v)} or {"": math.nan}
        low, high = min(found, key=lambda k: found[k]), max(found, key=lambda k: found[k])
        return {
            "hypothesis": name,
            "low": found[low],
            "high": found[high],
            "range": found[high] - found[low],
            "low_under": low,
            "high_under": high,
            "as_it_is": levels[self.in_force[name]],
        }

    def _levels(self, name: str, values: Array) -> dict[str, float]:
        """Alternative -> outcome (oneway) or mean over the other hypotheses (full)."""
        found: dict[str, list[float]] = {}
        for alternative, value in zip(self.alternatives, values, strict=True):
            others = all(v == self.in_force[k] for k, v in alternative.items() if k != name)
            if self.which == "full" or others:
                found.setdefault(alternative[name], []).append(float(value))
        return {k: float(np.mean(v)) for k, v in found.items()}

    def summary(self) -> str:
        """Plain sentences: the outcome as it is, its extremes, and which hypotheses move it by more than 1 percent."""
        lines = [f"{self.model}, {self.arm}: {self.runs.report()}."]
        table = self.spread()
        for k, outcome in enumerate(self.outcomes):
            values = self.runs.values[:, k]
            if not np.isfinite(values).any():
                continue
            rows = table.loc[outcome]
            base = float(rows["as_it_is"].mean())
            moving = rows[rows["range"] > UNCHANGED * abs(base)]
            text = "; ".join(f"{name} {r['low']:.3g} to {r['high']:.3g}" for name, r in moving.head(3).iterrows())
            lines.append(
                f"{outcome}: {base:.3g}, over all runs {np.nanmin(values):.3g} to {np.nanmax(values):.3g}; "
                f"{len(moving)} of {len(rows)} hypotheses move it{': ' + text if text else ''}."
            )
        return "\n".join(lines)

    def plot(self, outcome: str | None = None, *, top: int = 10) -> Figure:
        """Outcomes over the alternatives of each hypothesis, the widest on top; a line marks the model as it is.

        Args:
            outcome: its name; None for all.
            top: number of hypotheses at most.

        Raises:
            UnknownNameError: another outcome.
        """
        if outcome is not None and outcome not in self.outcomes:
            raise unknown_name("outcome", outcome, self.outcomes)
        return _plot(self, self.outcomes if outcome is None else (outcome,), top)


def hypothesis_scan(
    study: Model | Study,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome] = (),
    hypotheses: Sequence[str] | None = None,
    which: Which = "oneway",
    weeks: float | None = None,
    duration: float | None = None,
    execution: Execution | None = None,
) -> HypothesisScan:
    """The same outcomes under other alternatives of contested mechanisms: does a conclusion hang on one of them?

    Constants keep their values.

    Args:
        study: what is run: a `Study`, or a model with `treatments`, `outcomes`, and `weeks` or `duration` here.
        treatments: as in `Study`.
        outcomes: as in `Study`.
        hypotheses: names, or None for all.
        which: 'oneway' changes one at a time from the model as it is, 'full' runs every combination (at most 4,096)
            and gives Sobol indices.
        weeks: as in `Study`; 12 weeks if nothing is said.
        duration: as in `Study`.
        execution: workers, engine, tolerances, limits, checkpoint; see `Execution`.

    Returns:
        The runs; `spread()` says what hangs on which.

    Raises:
        UnknownNameError: for unknown names.
        InvalidValueError: for too many combinations, for none, and for a model whose constants fit no alternative of a
            hypothesis.

    Example:
        >>> import pathway_models as pm
        >>> scan = hypothesis_scan(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"], weeks=8,
        ...                        execution=pm.Execution(workers=1))
        >>> bool(scan.spread().loc["vagal_drive", "range"].max() > 0)
        True
    """
    study = study_of(study, treatments, outcomes, weeks, duration)
    model = study.model
    chosen = _chosen(model, hypotheses)
    in_force = {h.id: alternative_in_force(model, h) for h in chosen}
    changed = [k for k, v in in_force.items() if v == "changed"]
    if changed:
        raise InvalidValueError(f"{model.name} has constants that fit no alternative of {', '.join(changed)}")
    alternatives = _combinations(chosen, in_force, which)
    columns = _columns(model, chosen, alternatives)
    runs = ensemble(study, columns, execution=execution)
    return HypothesisScan(
        model=model.name, arm=study.arm, which=which, in_force=in_force, alternatives=tuple(alternatives), runs=runs
    )


def _chosen(model: Model, names: Sequence[str] | None) -> tuple[Hypothesis, ...]:
    by_id = {h.id: h for h in model.hypothesis_set}
    if isinstance(names, str) or (names is not None and not names) or not by_id:
        raise InvalidValueError(f"hypotheses is {names!r}; give a list of names, {model.name} has {len(by_id)}")
    for name in by_id if names is None else names:
        if name not in by_id:
            raise unknown_name(f"hypothesis of {model.name}", name, by_id)
    return tuple(by_id.values()) if names is None else tuple(by_id[n] for n in dict.fromkeys(names))


def _combinations(chosen: Sequence[Hypothesis], in_force: Mapping[str, str], which: str) -> list[dict[str, str]]:
    if which == "oneway":
        others = [(h.id, a) for h in chosen for a in h.alternatives if a != in_force[h.id]]
        return [dict(in_force), *({**in_force, name: a} for name, a in others)]
    if which != "full":
        raise unknown_name("which", which, ("oneway", "full"))
    count = math.prod(len(h.alternatives) for h in chosen)
    if count > LARGEST:
        raise InvalidValueError(
            f"{len(chosen)} hypotheses have {count:,} combinations; at most {LARGEST:,} are run: name fewer, "
            "or use which='oneway'"
        )
    combinations = itertools.product(*(h.alternatives for h in chosen))
    return [dict(zip((h.id for h in chosen), c, strict=True)) for c in combinations]


def _columns(
    model: Model, chosen: Sequence[Hypothesis], alternatives: Sequence[Mapping[str, str]]
) -> dict[str, list[float]]:
    """One column per constant that some alternative sets, one value per run."""
    keys = dict.fromkeys(k for h in chosen for a in h.alternatives.values() for k in a.settings)
    base = {k: q.value for k, q in model.quantities.items()} | dict(model.settings)
    columns: dict[str, list[float]] = {k: [] for k in keys}
    for alternative in alternatives:
        settings = {k: base[k] for k in keys}
        for h in chosen:
            settings |= h.alternatives[alternative[h.id]].settings
        for k in keys:
            columns[k].append(settings[k])
    return columns


def _indices(alternatives: Sequence[Mapping[str, str]], names: Sequence[str], values: Array) -> tuple[Array, Array]:
    """First-order and total indices of a full factorial; NaN where a run failed or nothing varies."""
    total = float(np.var(values))
    if not math.isfinite(total) or total <= (SMALL * float(np.max(np.abs(values), initial=0.0))) ** 2:
        return np.full(len(names), np.nan), np.full(len(names), np.nan)
    first, whole = [], []
    for name in names:
        own = _groups([(r[name],) for r in alternatives], values)
        rest = _groups([tuple(r[k] for k in names if k != name) for r in alternatives], values)
        first.append(float(np.var(own)) / total)
        whole.append(1 - float(np.var(rest)) / total)
    return np.array(first), np.array(whole)


def _groups(keys: Sequence[tuple[str, ...]], values: Array) -> Array:
    """Each value replaced by the mean of its group."""
    members: dict[tuple[str, ...], list[int]] = {}
    for i, key in enumerate(keys):
        members.setdefault(key, []).append(i)
    means = np.empty(len(values))
    for rows in members.values():
        means[rows] = values[rows].mean()
    return means


def _plot(scan: HypothesisScan, outcomes: Sequence[str], top: int) -> Figure:
    rows = min(top, len(scan.in_force))
    columns = min(len(outcomes), 3)
    lines = math.ceil(len(outcomes) / columns)
    size = (4.8 * columns + 0.4, (0.42 * rows + 1.0) * lines + 0.5)
    figure, grid = subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    axes = list(grid.ravel())
    for extra in axes[len(outcomes) :]:
        extra.set_visible(False)
    for axis, name in zip(axes, outcomes, strict=False):
        _draw(axis, scan, name, rows)
    how = "one hypothesis at a time" if scan.which == "oneway" else "means over all other alternatives"
    title = f"{scan.model}, {scan.arm.replace('_', ' ')}: {how}; filled: the alternative in use"
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def _draw(axis: Axes, scan: HypothesisScan, outcome: str, rows: int) -> None:
    values = scan.runs.values[:, scan.outcomes.index(outcome)]
    names = [str(k) for k in scan.spread().loc[outcome].index[:rows]]
    span = float(np.nanmax(values) - np.nanmin(values)) or 1.0
    for y, name in enumerate(names):
        levels = {k: v for k, v in scan._levels(name, values).items() if math.isfinite(v)}
        axis.plot([min(levels.values()), max(levels.values())], [y, y], color=OTHER, lw=3, alpha=0.45, zorder=1)
        for alternative, value in levels.items():
            used = alternative == scan.in_force[name]
            colour, face = (IN_USE, IN_USE) if used else (OTHER, "white")
            axis.plot(value, y, marker="o", ms=6.5, color=colour, mfc=face, mew=1.5, zorder=3 if used else 2)
        low, high = min(levels, key=lambda k: levels[k]), max(levels, key=lambda k: levels[k])
        if levels[high] - levels[low] > NAMED * span:
            for alternative, side in ((low, "right"), (high, "left")):
                shift = (-6 if side == "right" else 6, 0)
                axis.annotate(
                    alternative.replace("_", " "),
                    (levels[alternative], y),
                    shift,
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    fontsize=7.5,
                    color=OTHER,
                )
    if scan.which == "oneway":
        axis.axvline(values[0], color=IN_USE, lw=0.8, zorder=0)
    axis.set_yticks(range(len(names)), names, fontsize=8.5)
    axis.set_ylim(len(names) - 0.5, -0.8)
    axis.margins(x=0.42)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_title(outcome, fontsize=10, loc="left")
