"""Figures: time courses (`run.pm.plot`), the four arms, Sobol indices. Colours are Okabe-Ito."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .errors import unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._sensitivity import SobolResult

# colour, width, dashes of none, a, b, both: wider lines lie below, so that equal courses stay visible
ARMS = (("#9a9a9a", 3.2, "-"), ("#D55E00", 2.0, "-"), ("#0072B2", 1.4, "-"), ("#000000", 1.2, (0, (4, 2))))
FIRST, TOTAL = "#56B4E9", "#0072B2"
HOURS_PER_WEEK = 168.0
PANEL = (3.6, 2.6)  # inches


@xr.register_dataset_accessor("pm")  # type: ignore[no-untyped-call]
class RunAccessor:
    """`run.pm`: look up variables by short names and plot them.

    >>> import pathway_models as pm
    >>> run = pm.load("acupuncture").simulate([pm.Electroacupuncture()], weeks=9)
    >>> run.pm["vagal_drive"].attrs["units"]
    'dimensionless'
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def __getitem__(self, name: str) -> xr.DataArray:
        """The variable of that id, alias, `module.id`, or unambiguous last part; else `UnknownNameError`."""
        return self._dataset[self.resolve(name)]

    def resolve(self, name: str) -> str:
        """Full name of a variable of the run."""
        names = [str(v) for v in self._dataset.data_vars]
        for candidate in (name, name.replace(".", "__")):
            if candidate in names:
                return candidate
        hits = [v for v in names if self._dataset[v].attrs.get("alias") == name]
        hits = hits or [v for v in names if v.endswith(f"__{name}")]
        if len(hits) == 1:
            return hits[0]
        raise unknown_name("(ambiguous) variable" if hits else "variable", name, hits or names)

    def plot(self, *names: str) -> Figure:
        """One panel per variable over time; with a dim `arm` one line per arm."""
        return plot_arms(self._dataset, names)


def plot_arms(runs: xr.Dataset, names: Sequence[str]) -> Figure:
    """Panels of the named variables over time, one line per arm."""
    if not names:
        raise unknown_name("variable", "", [str(v) for v in runs.data_vars])
    full = [runs.pm.resolve(n) for n in names]
    figure, axes = _panels(len(full))
    for axis, name in zip(axes, full, strict=True):
        _draw_course(axis, runs[name])
    if "arm" in runs.dims:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    columns = min(count, 3 if count > 4 else 2)
    rows = math.ceil(count / columns)
    size = (PANEL[0] * columns + 0.4, PANEL[1] * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    axes = list(grid.ravel())
    for extra in axes[count:]:
        extra.set_visible(False)
    return figure, axes[:count]


def _draw_course(axis: Axes, course: xr.DataArray) -> None:
    weeks = course["time"].attrs.get("units") == "h"
    time = course["time"].values / (HOURS_PER_WEEK if weeks else 1.0)
    if "arm" in course.dims:
        for i, arm in enumerate(course["arm"].values):
            text = "both" if i == 3 else str(arm).replace("_", " ")
            colour, width, dashes = ARMS[i % len(ARMS)]
            axis.plot(time, course.isel(arm=i).values, color=colour, lw=width, ls=dashes, label=text)
    else:
        axis.plot(time, course.values, color=TOTAL, lw=1.4)
    unit = course.attrs.get("units", "")
    axis.set_title(_wrapped(course.attrs.get("long_name", str(course.name))), fontsize=9, loc="left")
    axis.set_ylabel(_unit_label(unit), fontsize=8)
    axis.set_xlabel("time (weeks)" if weeks else "time (model units)", fontsize=8)
    _tidy(axis)


def _unit_label(unit: str) -> str:
    return {"dimensionless": "relative (no unit)", "": "value (unit not declared)"}.get(unit, unit)


def _wrapped(text: str, width: int = 50) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width)[:2])


def _tidy(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.5)


def plot_sobol(result: SobolResult, outcomes: Sequence[str], top: int) -> Figure:
    """S1 and ST with intervals, the largest ST on top."""
    import matplotlib.pyplot as plt

    rows = min(top, len(result.factors))
    columns = min(len(outcomes), 3)
    lines = math.ceil(len(outcomes) / columns)
    size = (4.6 * columns + 0.4, (0.3 * rows + 1.1) * lines + 0.5)
    figure, grid = plt.subplots(lines, columns, figsize=size, layout="constrained", squeeze=False)
    axes = list(grid.ravel())
    for extra in axes[len(outcomes) :]:
        extra.set_visible(False)
    for axis, name in zip(axes, outcomes, strict=False):
        _draw_indices(axis, result, result.outcomes.index(name), rows)
        axis.set_title(name, fontsize=10, loc="left")
    handles, labels = axes[0].get_legend_handles_labels()
    title = f"{result.model}, {result.arm.replace('_', ' ')}: N = {result.design.n}"
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, title=title, title_fontsize=9)
    return figure


def _draw_indices(axis: Axes, result: SobolResult, k: int, rows: int) -> None:
    indices: Any = result.indices
    total = np.nan_to_num(indices.ST[:, k], nan=0.0)
    order = np.argsort(-total, kind="stable")[:rows][::-1]
    y = np.arange(len(order))
    for name, colour, shift, text in (
        ("S1", FIRST, 0.19, "first order S1"),
        ("ST", TOTAL, -0.19, "total ST"),
    ):
        value, low, high = (getattr(indices, name + part)[order, k] for part in ("", "_low", "_high"))
        error = np.clip(np.vstack([value - low, high - value]), 0, None)
        axis.barh(y + shift, np.clip(value, 0, None), height=0.36, color=colour, label=text)
        axis.errorbar(value, y + shift, xerr=error, fmt="none", ecolor="#333333", elinewidth=0.9, capsize=1.5)
    axis.set_yticks(y, [result.factors[i].replace("__", ": ") for i in order], fontsize=8)
    axis.set_xlabel("share of the variance, 95 % interval", fontsize=8)
    lowest = min(0.0, float(np.nanmin(indices.S1_low[order, k], initial=0.0)))
    axis.set_xlim(left=1.1 * lowest)
    axis.axvline(0, color="#333333", lw=0.6)
    _tidy(axis)
