"""The figure of an evidence report: numbers as predicted over observed, directions as right, wrong or disputed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..figures import subplots
from .observations import Observation
from .scores import DISPUTED, FROM_REST, RIGHT, WRONG, Score
from .tallies import totals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROUNDING = 1e-9  # percent, below which a change is none
CHECK_COLOUR, FIT_COLOUR, RIGHT_COLOUR, WRONG_COLOUR = "#0072B2", "#9a9a9a", "#009E73", "#D55E00"
DISPUTED_COLOUR = "#56B4E9"
RATIO_LIMITS = (1 / 30, 30.0)  # what lies outside is drawn on the edge, as an arrow


def plot_evidence(model: str, rows: Sequence[Score]) -> Figure:
    """Predicted over observed on a log axis beside the directions, at least eight lines a column."""
    numbers = [r for r in rows if r.observation.numeric]
    signs = [r for r in rows if not r.observation.numeric]
    lines = max(len(numbers), math.ceil(len(signs) / 2), 8)
    blocks = [signs[i : i + lines] for i in range(0, len(signs), lines)] or [[]]
    size = (6.6 + 4.9 * len(blocks), 0.2 * lines + 1.6)
    widths = (1.15, *(1.0 for _ in blocks))
    figure, axes = subplots(1, 1 + len(blocks), figsize=size, layout="constrained", width_ratios=widths)
    _draw_numbers(axes[0], numbers, lines)
    for axis, block in zip(axes[1:], blocks, strict=True):
        _draw_signs(axis, block, lines)
    axes[1].set_title(_signs_title(signs, narrow=len(blocks) == 1), fontsize=10, loc="left")
    figure.suptitle(f"{model}: model against published experiments", fontsize=12, x=0.01, ha="left")
    figure.legend(handles=_keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _signs_title(signs: Sequence[Score], *, narrow: bool) -> str:
    """How many directions are right, tests apart from what set the model."""
    parts = []
    for use, word in (("check", "tests"), ("fit", "set")):
        counts = totals([r for r in signs if r.observation.use == use])
        parts.append(f"{word}: {counts[RIGHT]} of {counts[RIGHT] + counts[WRONG]} right")
    disputed = sum(r.verdict == DISPUTED for r in signs)
    parts.append(f"{disputed} disputed")
    separator = ";\n" if narrow else "; "
    return f"Directions. {separator.join(parts)}"


def _keys() -> list[Any]:
    from matplotlib.lines import Line2D

    marks = [
        ("o", CHECK_COLOUR, CHECK_COLOUR, "number: model, a test of it"),
        ("o", FIT_COLOUR, "white", "number: row was used to set the model"),
        ("o", RIGHT_COLOUR, RIGHT_COLOUR, "direction right (open: used to set the model)"),
        ("X", WRONG_COLOUR, WRONG_COLOUR, "direction wrong or failed; * expected under another hypothesis"),
        ("D", DISPUTED_COLOUR, DISPUTED_COLOUR, "direction that other works dispute"),
    ]
    keys = [Line2D([], [], marker=m, ls="", color=c, mfc=f, label=text) for m, c, f, text in marks]
    return [*keys, Line2D([], [], color="#555555", lw=5, alpha=0.35, label="observed, one error either side")]


def _draw_numbers(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    axis.set_xscale("log")
    axis.axvline(1, color="#333333", lw=0.8)
    for y, row in enumerate(rows):
        axis.plot([1], [y], marker="|", color="#333333", ms=9)
        low, high = _error_band(row.observation)
        axis.plot([low, high], [y, y], color="#555555", lw=5, alpha=0.35, solid_capstyle="butt")
        _draw_prediction(axis, y, row)
    _label(axis, rows, lines)
    axis.set_xlim(*RATIO_LIMITS)
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlabel("predicted / observed", fontsize=9)
    tests = sum(r.observation.use == "check" for r in rows)
    axis.set_title(f"Numbers: {tests} tests, {len(rows) - tests} set the model", fontsize=10, loc="left")


def _error_band(o: Observation) -> tuple[float, float]:
    """Observed value less and plus one error, relative to it."""
    if o.error is None or not o.value:
        return 1.0, 1.0
    scale = 100 + o.value if o.comparison == "percent_change" else abs(o.value)
    return max(1 - o.error / scale, RATIO_LIMITS[0]), min(1 + o.error / scale, RATIO_LIMITS[1])


def _draw_prediction(axis: Axes, y: int, row: Score) -> None:
    check = row.observation.use == "check"
    colour, face = (CHECK_COLOUR, CHECK_COLOUR) if check else (FIT_COLOUR, "white")
    if not math.isfinite(row.ratio):
        axis.text(1.1, y, "failed", va="center", fontsize=8, color=WRONG_COLOUR)
        return
    low, high = RATIO_LIMITS[0] * 1.15, RATIO_LIMITS[1] / 1.15
    marker = "<" if row.ratio < low else ">" if row.ratio > high else "o"
    axis.plot(min(max(row.ratio, low), high), y, marker=marker, ms=6, color=colour, mfc=face, zorder=3)


def _draw_signs(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    for y, row in enumerate(rows):
        marker, colour = {RIGHT: ("o", RIGHT_COLOUR), DISPUTED: ("D", DISPUTED_COLOUR)}.get(
            row.verdict, ("X", WRONG_COLOUR)
        )
        face = colour if row.observation.use == "check" else "white"
        axis.plot(0.06, y, marker=marker, ms=7, color=colour, mfc=face)
        axis.text(0.14, y, _sign_text(row), va="center", fontsize=8)
    _label(axis, rows, lines)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)


def _sign_text(row: Score) -> str:
    seen = {"none": "no change"}.get(row.observation.comparison, row.observation.comparison)
    return f"{seen}; model {_change_text(row.prediction)}{'' if row.expected else ' *'}"


def _change_text(percent: float) -> str:
    if not math.isfinite(percent):
        return "failed"
    if abs(percent) >= FROM_REST:
        return "moves from 0"
    percent = 0.0 if abs(percent) < ROUNDING else percent
    return f"{percent:+.2g} %" if abs(percent) < 100 else f"x {1 + percent / 100:.3g}"


def _label(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    axis.set_yticks(range(len(rows)), [f"{r.observation.id}: {r.observation.observable}" for r in rows], fontsize=8)
    axis.set_ylim(lines - 0.4, -0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=8)
