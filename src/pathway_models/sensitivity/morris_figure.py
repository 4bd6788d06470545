"""The figure of a Morris screening: sizes of effects, and beside them their spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import require_range, unknown_name
from ..figures import BLUE, DARK, plain, subplots, tidy, wrap
from .figures import PALE, largest
from .results import MorrisData
from .verdicts import factor_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELLED = 8
LABELLED = 0.05  # of the largest effect, from which on a point has a name


def plot_morris(result: MorrisData, outcome: str | None, top: int) -> Figure:
    """Per outcome the mean size of the effects with intervals, and beside it against their spread."""
    if outcome is not None and outcome not in result.outcomes:
        raise unknown_name("outcome", outcome, result.outcomes)
    require_range("top", top, 1, math.inf)
    names = result.outcomes if outcome is None else (outcome,)
    rows = min(top, len(result.factors))
    size = (9.6, max(0.3 * rows + 1.1, 3.2) * len(names) + 0.3)
    figure, grid = subplots(len(names), 2, figsize=size, layout="constrained", squeeze=False)
    for axes, name in zip(grid, names, strict=True):
        k = result.outcomes.index(name)
        _draw_sizes(axes[0], result, k, rows)
        _draw_spreads(axes[1], result, k)
        axes[0].set_title(wrap(name, 44), fontsize=10, loc="left")
    arm = result.arm.replace("_", " ")
    figure.suptitle(f"{result.model}, {arm}: {len(result.design.moved)} trajectories", fontsize=9, x=0.01, ha="left")
    return figure


def _draw_sizes(axis: Axes, result: MorrisData, k: int, rows: int) -> None:
    order = largest(result.mu_star[:, k], rows)[::-1]
    value, low, high = (m[order, k] for m in (result.mu_star, result.mu_star_low, result.mu_star_high))
    error = np.nan_to_num(np.clip(np.vstack([value - low, high - value]), 0, None))
    axis.barh(np.arange(len(order)), value, height=0.62, color=BLUE, xerr=error, ecolor=DARK, capsize=1.5)
    axis.set_yticks(range(len(order)), [plain(factor_label(result.factors[i])) for i in order], fontsize=8)
    axis.set_xlabel("mean size of the effect of a whole range (mu*), 95 % interval", fontsize=8)
    tidy(axis)


def _draw_spreads(axis: Axes, result: MorrisData, k: int) -> None:
    """sigma over mu*: above the line effects change sign or size with the other factors."""
    size, spread = result.mu_star[:, k], result.sigma[:, k]
    if np.isnan(spread).all():
        axis.text(0.5, 0.5, "groups have no spread", ha="center", va="center", color=PALE, transform=axis.transAxes)
        axis.axis("off")
        return
    axis.scatter(size, spread, s=16, color=BLUE, zorder=3)
    edge = float(np.nanmax(size, initial=0.0))
    axis.plot([0, edge], [0, edge], color=PALE, lw=0.9, ls="--")
    axis.text(edge, edge, "sigma = mu*", fontsize=7, color=PALE, ha="right", va="bottom")
    for g in [g for g in largest(size, MOST_LABELLED) if size[g] > LABELLED * edge]:
        at = (float(size[g]), float(spread[g]))
        axis.annotate(plain(factor_label(result.factors[g])), at, xytext=(4, 3), textcoords="offset points", fontsize=7)
    axis.margins(x=0.18)
    axis.set_xlabel("mean size mu*", fontsize=8)
    axis.set_ylabel("spread sigma: not linear, or interacting", fontsize=8)
    tidy(axis)
