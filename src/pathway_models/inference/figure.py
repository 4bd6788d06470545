"""Figures of a calibration: predicted against observed, constants in their ranges, profiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evidence.observations import Observation
from ..evidence.scores import NONE_THRESHOLD, SIGN_THRESHOLD
from ..figures import subplots
from .objective import CHI2_95, Target, to_unit
from .results import FitData, ProfileData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER, BAND = "#9a9a9a", "#0072B2", "#555555"
DRAWN = 15  # constants in the figure
RATIO_LIMITS = (1 / 12, 12.0)  # what lies outside is drawn on the edge, as an arrow


def plot_fit(fit: FitData) -> Figure:
    from matplotlib.lines import Line2D

    lines = max(len(fit.targets), min(len(fit.parameters), DRAWN), 4)
    figure, axes = subplots(1, 2, figsize=(11.5, 0.36 * lines + 2.1), layout="constrained")
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


def plot_profile(profile: ProfileData) -> Figure:
    table = profile.to_dataframe()
    figure, axis = subplots(figsize=(4.6, 3.2), layout="constrained")
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


def _draw_fit(axis: Axes, fit: FitData, lines: int) -> None:
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


def _draw_constants(axis: Axes, fit: FitData, lines: int) -> None:
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
    axis.set_xlim(-0.3, 1.24)
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
