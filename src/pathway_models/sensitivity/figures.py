"""Figures of sensitivity analyses: bars, tornado, heat map, bands over time, interactions, convergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidValueError, require_choice, require_range, unknown_name
from ..figures import BLUE, DARK, HOURS_PER_WEEK, panels, plain, subplots, tidy, unit_label, wrap
from . import verdicts
from .results import SobolData
from .verdicts import factor_label, noise_floor, outcome_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FIRST, TOTAL = "#56B4E9", BLUE
LOW, HIGH, UNSURE, PALE = "#E69F00", BLUE, "#dddddd", "#9a9a9a"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
PAIR = "#D55E00"
DRAWN = 15  # factors in a figure unless another number is asked for
MOST_NODES = 12
LONG = 24  # characters of a name that needs a line of a legend for itself
TALLEST = 2.0  # index up to which bands are drawn
SMALLEST_NODE = 0.01  # end of the interval of ST below which a factor is left out of the graph
SMALLEST_PAIR = 0.05  # S2 below which an edge that is not sure is not drawn


def plot_sobol(result: SobolData, kind: str, outcome: str | None, top: int) -> Figure:
    """The figure of that kind, for all outcomes or one."""
    require_choice("kind of figure", kind, KINDS)
    require_range("top", top, 1, math.inf)
    names = result.runs.courses if kind == "bands" else result.outcomes
    if outcome is not None and outcome not in names:
        raise unknown_name("course" if kind == "bands" else "outcome", outcome, names)
    return KINDS[kind](result, names if outcome is None else (outcome,), top)


def largest(values: np.ndarray[Any, np.dtype[np.float64]], top: int) -> list[int]:
    """Places of the largest values, the largest first."""
    return [int(i) for i in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:top]]


def _label(name: str) -> str:
    return plain(factor_label(name))


def _plain(value: float, _: float) -> str:
    """Numbers on an axis without a factor of their own above it."""
    return f"{value:g}"


def _title(result: SobolData) -> str:
    return plain(_text(result))


def _text(result: SobolData) -> str:
    return f"{result.model}, {result.arm.replace('_', ' ')}: N = {result.design.n}"


def _legend_below(axis: Axes, place: float) -> None:
    """Two columns where the names are short enough for a panel."""
    longest = max(map(len, axis.get_legend_handles_labels()[1]), default=0)
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, place), ncols=1 if longest > LONG else 2, frameon=False, fontsize=8
    )


def _legend(figure: Figure, axis: Axes, columns: int, title: str = "") -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8,
        title=title or None, title_fontsize=9,
    )  # fmt: skip


# ---- bars ----------------------------------------------------------------------------------------------------------


def _bars(result: SobolData, outcomes: Sequence[str], top: int) -> Figure:
    """S1 and ST with intervals, the largest ST on top."""
    rows = min(top, len(result.factors))
    figure, axes = panels(len(outcomes), columns=min(len(outcomes), 3), panel=(4.6, 0.3 * rows + 1.1))
    for axis, name in zip(axes, outcomes, strict=True):
        _draw_indices(axis, result, result.outcomes.index(name), rows)
        axis.set_title(wrap(name, 32), fontsize=10, loc="left")
    unsure = ", too small for intervals" if verdicts.too_small(result) else ""
    _legend(figure, axes[0], 2, _title(result) + unsure)
    return figure


def _draw_indices(axis: Axes, result: SobolData, k: int, rows: int) -> None:
    indices: Any = result.indices
    order = largest(indices.ST[:, k], rows)[::-1]
    y = np.arange(len(order))
    for name, colour, shift, text in (
        ("S1", FIRST, 0.19, "first order S1"),
        ("ST", TOTAL, -0.19, "total ST"),
    ):
        value, low, high = (getattr(indices, name + part)[order, k] for part in ("", "_low", "_high"))
        error = np.clip(np.vstack([value - low, high - value]), 0, None)
        axis.barh(y + shift, np.clip(value, 0, None), height=0.36, color=colour, label=text)
        axis.errorbar(value, y + shift, xerr=error, fmt="none", ecolor=DARK, elinewidth=0.9, capsize=1.5)
    axis.set_yticks(y, [_label(result.factors[i]) for i in order], fontsize=8)
    axis.set_xlabel("share of the variance, 95 % interval", fontsize=8)
    lowest = min(0.0, float(np.nanmin(indices.S1_low[order, k], initial=0.0)))
    axis.set_xlim(left=1.1 * lowest)
    axis.axvline(0, color=DARK, lw=0.6)
    tidy(axis)


# ---- tornado -------------------------------------------------------------------------------------------------------


def _tornado(result: SobolData, outcomes: Sequence[str], top: int) -> Figure:
    """Mean outcome at both ends of each range, the largest difference on top."""
    found = verdicts.directions(result)
    if np.isnan(found.low).all():
        raise InvalidValueError(
            "no directions: groups of several parameters have none, and a fifth of a range needs 8 runs (n from 32)"
        )
    rows = min(top, len(result.factors))
    figure, axes = panels(len(outcomes), columns=min(len(outcomes), 3), panel=(4.6, 0.3 * rows + 1.1))
    for axis, name in zip(axes, outcomes, strict=True):
        k = result.outcomes.index(name)
        _draw_tornado(axis, result, found, k, rows)
        axis.set_title(wrap(name, 32), fontsize=10, loc="left")
    from matplotlib.patches import Patch

    texts = ((LOW, "lowest fifth of its range"), (HIGH, "highest fifth"), (UNSURE, "may be chance"))
    keys = [Patch(color=colour, label=text) for colour, text in texts]
    figure.legend(
        handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=8,
        title=_title(result), title_fontsize=9,
    )  # fmt: skip
    return figure


def _draw_tornado(axis: Axes, result: SobolData, found: verdicts.Directions, k: int, rows: int) -> None:
    order = largest(np.abs(found.high[:, k] - found.low[:, k]), rows)[::-1]
    centre, y = float(result.indices.mean[k]), np.arange(len(order))
    error = np.nan_to_num(found.error[order, k])
    for values, colour in ((found.low, LOW), (found.high, HIGH)):
        shift = np.nan_to_num(values[order, k])
        sure = np.abs(shift) > error
        colours = [colour if s else UNSURE for s in sure]
        axis.barh(y, shift, left=centre, height=0.62, color=colours)
        axis.errorbar(centre + shift, y, xerr=error, fmt="none", ecolor=DARK, elinewidth=0.8, capsize=1.5)
    axis.axvline(centre, color=DARK, lw=0.8)
    axis.set_yticks(y, [_label(result.factors[i]) for i in order], fontsize=8)
    unit = outcome_unit(result.analysis.plan.model, result.runs.outcomes[k])
    axis.set_xlabel("mean of the outcome" + (f" ({unit})" if unit else "") + ", 95 % interval", fontsize=8)
    axis.xaxis.set_major_formatter(_plain)
    tidy(axis)


# ---- heat map ------------------------------------------------------------------------------------------------------


def _heatmap(result: SobolData, outcomes: Sequence[str], top: int) -> Figure:
    """ST, factor by outcome."""
    columns = [result.outcomes.index(name) for name in outcomes]
    total = result.indices.ST[:, columns]
    order = largest(np.nan_to_num(total).max(axis=1), top)
    size = (2.8 + max(1.25 * len(columns), 1.6), 1.6 + 0.3 * len(order))
    figure, axis = subplots(figsize=size, layout="constrained")
    image = axis.imshow(np.clip(total[order], 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, g in enumerate(order):
        for j, k in enumerate(columns):
            sure = bool(result.indices.ST_low[g, k] > noise_floor(result, k))
            _write_cell(axis, i, j, float(result.indices.ST[g, k]), sure)
    axis.set_yticks(range(len(order)), [_label(result.factors[g]) for g in order], fontsize=8)
    turned = len(columns) > 6
    axis.set_xticks(
        range(len(columns)), [wrap(name, 26 if turned else 20, 3) for name in outcomes],
        fontsize=8, rotation=40 if turned else 0, ha="right" if turned else "center",
    )  # fmt: skip
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, fraction=0.05, pad=0.03)
    bar.set_label("total index ST (bold: above the noise floor)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    axis.set_title(wrap(_text(result), 48), fontsize=9, loc="left")
    return figure


def _write_cell(axis: Axes, i: int, j: int, value: float, sure: bool) -> None:
    if not math.isfinite(value):
        axis.text(j, i, "no variance", ha="center", va="center", fontsize=7, color=PALE)
        return
    colour = "white" if value > 0.45 else "black" if sure else "#767676"
    weight = "bold" if sure else "normal"
    axis.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour, weight=weight)


# ---- over time -----------------------------------------------------------------------------------------------------


def _bands(result: SobolData, courses: Sequence[str], top: int) -> Figure:
    """Per course its mean and spread, then S1 and ST of the leading factors with intervals, over time."""
    found = result.indices_over_time()
    size = (4.8 * len(courses) + 0.3, 6.9)
    figure, grid = subplots(
        3, len(courses), figsize=size, layout="constrained", squeeze=False, sharex=True, height_ratios=(1, 1.6, 1.6)
    )
    model = result.analysis.plan.model
    weeks = model.time_unit_seconds == 3600 and float(found["time"][-1]) > HOURS_PER_WEEK
    time = found["time"].values / (HOURS_PER_WEEK if weeks else 1.0)
    for axes, name in zip(grid.T, courses, strict=True):
        at, k = found.sel(course=name), result.runs.courses.index(name)
        _draw_spread(axes[0], time, at["mean"].values, at["variance"].values)
        axes[0].set_title(wrap(factor_label(name), 44), fontsize=10, loc="left")
        axes[0].set_ylabel(_course_label(result, name), fontsize=8)
        _draw_bands(axes[1:], result, k, time, min(top, len(LINES)))
        hours = "h" if model.time_unit_seconds == 3600 else "model units"
        axes[-1].set_xlabel("time (weeks)" if weeks else f"time ({hours})", fontsize=8)
    return figure


def _course_label(result: SobolData, name: str) -> str:
    known = {o.name: o for o in result.analysis.plan.reads[len(result.outcomes) :]}
    course = known.get(name)
    unit = "" if course is None else outcome_unit(result.analysis.plan.model, course)
    return (unit_label(unit) if unit else "no unit") + "\nmean, ± 1 sd"


def _draw_spread(axis: Axes, time: Any, mean: Any, variance: Any) -> None:
    deviation = np.sqrt(variance)
    axis.fill_between(time, mean - deviation, mean + deviation, color=PALE, alpha=0.35, lw=0)
    axis.plot(time, mean, color=DARK, lw=1.4)
    axis.yaxis.set_major_formatter(_plain)
    tidy(axis)


def _draw_bands(axes: Sequence[Axes], result: SobolData, course: int, time: Any, top: int) -> None:
    """S1 and ST of the factors with the largest ST at any time."""
    indices: Any = result.over_time
    shape = (len(result.factors), len(result.runs.courses), len(result.runs.times))
    part = {
        n + e: getattr(indices, n + e).reshape(shape)[:, course] for n in ("S1", "ST") for e in ("", "_low", "_high")
    }
    weight = np.where(np.isfinite(part["ST"]), part["ST"], 0.0).mean(axis=1)
    for axis, name, text in zip(axes, ("S1", "ST"), ("first order S1", "total ST"), strict=True):
        for colour, g in zip(LINES, largest(weight, top), strict=False):
            axis.fill_between(time, part[f"{name}_low"][g], part[f"{name}_high"][g], color=colour, alpha=0.18, lw=0)
            axis.plot(time, part[name][g], color=colour, lw=1.5, label=_label(result.factors[g]))
        axis.axhline(0, color=DARK, lw=0.6)
        axis.set_ylim(-0.1, 1.1 * float(np.clip(np.nanmax(part[name], initial=1.0), 1.0, TALLEST)))
        axis.set_ylabel(f"{text}, 95 % interval", fontsize=8)
        tidy(axis)
    _legend_below(axes[-1], -0.2)


# ---- interactions --------------------------------------------------------------------------------------------------


def _interactions(result: SobolData, outcomes: Sequence[str], top: int) -> Figure:
    """Factors on a circle, pairs as edges."""
    result.second_order()  # says so if it was not asked for
    figure, axes = panels(len(outcomes), columns=min(len(outcomes), 3), panel=(5.0, 4.2))
    for axis, name in zip(axes, outcomes, strict=True):
        _draw_graph(axis, result, result.outcomes.index(name), min(top, MOST_NODES))
        axis.set_title(wrap(name, 44), fontsize=10, loc="left")
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], marker="o", ls="", ms=7, color=TOTAL, label="area: alone (S1)"),
        Line2D([], [], marker="o", ls="", ms=11, color="#cfe3f1", label="area: in all (ST)"),
        Line2D([], [], color=PAIR, lw=3, label="width: pair (S2), interval above 0"),
        Line2D([], [], color=PALE, lw=1, ls="--", label="S2 not sure"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2, frameon=False, fontsize=8, title=_title(result))
    return figure


def _draw_graph(axis: Axes, result: SobolData, k: int, top: int) -> None:
    from matplotlib.patches import Circle

    indices: Any = result.indices
    nodes = [g for g in largest(indices.ST[:, k], top) if indices.ST_high[g, k] >= SMALLEST_NODE]
    angle = math.pi / 2 - 2 * math.pi * np.arange(len(nodes)) / max(len(nodes), 1)
    at = dict(zip(nodes, np.column_stack([np.cos(angle), np.sin(angle)]), strict=True))
    for pair in verdicts.possible_pairs(result, k):
        if pair.i in at and pair.j in at:
            _draw_pair(axis, at[pair.i], at[pair.j], pair)
    for g, (x, y) in at.items():
        axis.plot(x, y, marker="o", ms=3, color=TOTAL, zorder=4)
        for name, colour in (("ST", "#cfe3f1"), ("S1", TOTAL)):
            value = float(np.nan_to_num(getattr(indices, name)[g, k]))
            axis.add_patch(Circle((x, y), 0.3 * math.sqrt(min(max(value, 0.0), 1.0)), color=colour, lw=0, zorder=3))
        side = "center" if abs(x) < 0.2 else "left" if x > 0 else "right"
        reach = 0.08 + 0.3 * math.sqrt(min(max(float(np.nan_to_num(indices.ST[g, k])), 0.0), 1.0))
        name = _label(result.factors[g]).replace(": ", ":\n")
        axis.text(x * (1 + reach), y * (1 + reach), name, ha=side, va="center", fontsize=8, zorder=4)
    axis.set_xlim(-2.0, 2.0)
    axis.set_ylim(-1.45, 1.45)
    axis.set_aspect("equal")
    axis.axis("off")


def _draw_pair(axis: Axes, a: Any, b: Any, pair: verdicts.Pair) -> None:
    value, sure = pair.value, pair.low > 0
    if not sure and min(value, pair.most) < SMALLEST_PAIR:
        return
    style: dict[str, Any] = {"color": PAIR, "lw": 0.8 + 14 * min(value, 0.5)} if sure else {"color": PALE, "lw": 0.9}
    axis.plot([a[0], b[0]], [a[1], b[1]], ls="-" if sure else "--", solid_capstyle="butt", zorder=1, **style)
    if sure:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
        axis.text(
            (a[0] + b[0]) / 2,
            (a[1] + b[1]) / 2,
            f"{value:.2f}",
            fontsize=8,
            color=PAIR,
            ha="center",
            va="center",
            zorder=2,
            bbox=box,
        )


# ---- convergence ---------------------------------------------------------------------------------------------------


def _convergence(result: SobolData, outcomes: Sequence[str], top: int) -> Figure:
    """ST of the leading factors against the number of base rows."""
    table = result.convergence()
    figure, axes = panels(len(outcomes), columns=min(len(outcomes), 3), panel=(4.6, 3.6))
    for axis, name in zip(axes, outcomes, strict=True):
        k = result.outcomes.index(name)
        part = table[table["outcome"] == name]
        for colour, g in zip(LINES, largest(result.indices.ST[:, k], top), strict=False):
            course = part[part["factor"] == result.factors[g]]
            axis.fill_between(course["n"], course["ST_low"], course["ST_high"], color=colour, alpha=0.15, lw=0)
            axis.plot(
                course["n"], course["ST"], color=colour, lw=1.4, marker="o", ms=3, label=_label(result.factors[g])
            )
        axis.set_xscale("log", base=2)
        ticks = sorted(set(part["n"]))
        axis.set_xticks(ticks, [str(n) for n in ticks])
        axis.set_xlim(0.9 * ticks[0], 1.1 * ticks[-1])
        axis.axhline(0, color=DARK, lw=0.6)
        axis.set_ylim(-0.05, min(1.5, max(1.0, axis.get_ylim()[1])))
        axis.set_xlabel("base rows N", fontsize=8)
        axis.set_ylabel("total ST, 95 % interval", fontsize=8)
        axis.set_title(wrap(name, 44), fontsize=10, loc="left")
        tidy(axis)
        _legend_below(axis, -0.16)
    return figure


KINDS: dict[str, Callable[[SobolData, Sequence[str], int], Figure]] = {
    "bars": _bars,
    "tornado": _tornado,
    "heatmap": _heatmap,
    "bands": _bands,
    "interactions": _interactions,
    "convergence": _convergence,
}
