"""Figures of time courses (`run.pm.plot`) and of the four arms, and what all figures share. Colours are Okabe-Ito."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from .errors import require_kind, unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colour, width, dashes of none, a, b, both: wider lines lie below, so that equal courses stay visible
ARMS = (("#9a9a9a", 3.2, "-"), ("#D55E00", 2.0, "-"), ("#0072B2", 1.4, "-"), ("#000000", 1.2, (0, (4, 2))))
BLUE, DARK = "#0072B2", "#333333"
HOURS_PER_WEEK = 168.0
PANEL = (3.6, 2.6)  # inches
MOST_PANELS = 9


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
        require_kind("the name of a variable", name, str, "run.pm.plot('IL1B', 'GABA')")
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
        """One panel per variable over time (without names the first few); with a dim `arm` one line per arm."""
        return plot_arms(self._dataset, names or self._usual())

    def _usual(self) -> list[str]:
        """What has a short name, else a title, else everything: the first of them."""
        names = [str(v) for v in self._dataset.data_vars]
        short = [n for n in names if "alias" in self._dataset[n].attrs]
        titled = [n for n in names if self._dataset[n].attrs.get("long_name", n) != n]
        return (short or titled or names)[:MOST_PANELS]


def plot_arms(runs: xr.Dataset, names: Sequence[str]) -> Figure:
    """Panels of the named variables over time, one line per arm."""
    full = [runs.pm.resolve(n) for n in names]
    figure, axes = panels(len(full))
    for axis, name in zip(axes, full, strict=True):
        _draw_course(axis, runs[name])
    if "arm" in runs.dims:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def subplots(*arguments: Any, **options: Any) -> tuple[Figure, Any]:
    """`pyplot.subplots`, shown once in a notebook: by the cell that returns the figure, not by pyplot as well."""
    import matplotlib
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(*arguments, **options)
    if "inline" in matplotlib.get_backend():
        plt.close(figure)
    return figure, axes


def panels(count: int, *, columns: int | None = None, panel: tuple[float, float] = PANEL) -> tuple[Figure, list[Axes]]:
    """A grid of `count` panels of that size in inches; by default two or three beside each other."""
    columns = columns or min(count, 3 if count > 4 else 2)
    rows = math.ceil(count / columns)
    size = (panel[0] * columns + 0.4, panel[1] * rows + 0.5)
    figure, grid = subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
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
        axis.plot(time, course.values, color=BLUE, lw=1.4)
    unit = course.attrs.get("units", "")
    axis.set_title(wrap(course.attrs.get("long_name", str(course.name))), fontsize=9, loc="left")
    axis.set_ylabel(unit_label(unit), fontsize=8)
    axis.set_xlabel("time (weeks)" if weeks else "time (model units)", fontsize=8)
    tidy(axis)


def unit_label(unit: str) -> str:
    """Text for an axis."""
    return {"dimensionless": "relative (no unit)", "": "value (unit not declared)"}.get(unit, unit)


def wrap(text: str, width: int = 50, lines: int = 2) -> str:
    """Text in at most that many lines."""
    import textwrap

    return plain("\n".join(textwrap.wrap(text, width)[:lines]))


def plain(text: str) -> str:
    """Text that matplotlib does not read as a formula.

    >>> plain("5 $ a day")
    '5 \\\\$ a day'
    """
    return text.replace("$", "\\$")


def tidy(axis: Axes) -> None:
    """Two spines, small numbers, a faint grid."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.5)
