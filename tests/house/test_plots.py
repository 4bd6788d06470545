"""Figures: what is on the axes, in which order, in which unit; and the look-up of variables by short names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import antimony
import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from pathway_models.errors import UnknownNameError

# ketone_katp has variables in mmol/L; a foreign file may declare no unit at all.
LINEAR = "model linear()\n a = 2; b = 3; e = 5; x = 1; y := a + b; z := a*b + 4*e; x' = -a*x\nend"


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def linear(tmp_path: Path) -> pm.Model:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(LINEAR) >= 0, antimony.getLastError()
    path = tmp_path / "linear.xml"
    path.write_text(antimony.getSBMLString("linear"), encoding="utf-8")
    return pm.load(path)


@pytest.fixture
def result(linear: pm.Model) -> pm.sensitivity.SobolResult:
    return pm.sobol(
        pm.Study(linear, outcomes=["y", "z"], duration=1, every=1),
        n=64,
        execution=pm.Execution(workers=1, progress=False),
    )


def panels(figure: Figure) -> list[Axes]:
    return [axis for axis in figure.axes if axis.get_visible()]


def courses(axis: Axes) -> list[Any]:
    return [line for line in axis.get_lines() if len(line.get_xdata()) > 2]


def bars(axis: Axes, label: str) -> list[Any]:
    (found,) = (c for c in axis.containers if c.get_label() == label)
    return list(found)


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


# ---- time courses ------------------------------------------------------------------------------------------


def test_one_panel_per_variable_with_title_unit_and_weeks() -> None:
    model = pm.load("ketone_katp")
    run = model.simulate([pm.KetogenicDiet()], weeks=2)
    names = ["BHB_plasma", "glucose_plasma", "KATP_conductance"]
    figure = drawn(run.pm.plot(*names))
    axes = panels(figure)
    assert len(axes) == 3
    for axis, name in zip(axes, names, strict=True):
        (line,) = courses(axis)
        assert_allclose(line.get_xdata(), run["time"].values / 168)
        assert_array_equal(line.get_ydata(), run[name].values)
        assert axis.get_xlabel() == "time (weeks)"
        assert axis.get_title(loc="left").replace("\n", " ")[:20] == model.outputs.loc[name, "title"][:20]
    assert [axis.get_ylabel() for axis in axes] == ["mmol/L", "mmol/L", "relative (no unit)"]
    assert figure.legends == []


def test_a_file_without_units_says_so(linear: pm.Model) -> None:
    (axis,) = panels(linear.simulate(duration=3).pm.plot("x"))
    assert axis.get_xlabel() == "time (model units)"
    assert axis.get_ylabel() == "value (unit not declared)"
    assert_allclose(courses(axis)[0].get_xdata()[-1], 3.0)


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (5, (2, 3)), (7, (3, 3))])
def test_panels_fill_a_grid(count: int, shape: tuple[int, int]) -> None:
    run = pm.load("nlrp3_il1b").simulate(weeks=1)
    names = [str(v) for v in run.data_vars][:count]
    figure = drawn(run.pm.plot(*names))
    assert len(panels(figure)) == count
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == shape


def test_four_arms_are_four_lines_with_a_legend() -> None:
    arms = pm.compare(
        pm.load("nlrp3_il1b"),
        pm.Level(input="vagal_drive", value=0.5),
        pm.Level(input="MCC950", value=0.1),
        weeks=2,
        outcomes=["IL1B", "TNF"],
    )
    figure = drawn(arms.plot())
    axes = panels(figure)
    assert len(axes) == 2
    for axis, name in zip(axes, ("IL1B", "TNF"), strict=True):
        lines = courses(axis)
        assert len(lines) == 4
        assert len({line.get_color() for line in lines}) == 4
        for i, line in enumerate(lines):
            assert_array_equal(line.get_ydata(), arms.runs[name].isel(arm=i).values)
        assert axis.get_ylabel() == "relative (no unit)"
        assert axis.get_xlabel() == "time (weeks)"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["none", "vagal drive", "MCC950", "both"]
    assert len(panels(arms.plot("IL6"))) == 1


def test_unknown_variables_are_refused() -> None:
    run = pm.load("acupuncture").simulate(weeks=1)
    with pytest.raises(UnknownNameError, match="'colour'"):
        run.pm.plot("colour")
    assert plt.get_fignums() == []


# ---- Sobol indices -----------------------------------------------------------------------------------------


def test_bars_are_sorted_with_the_largest_total_on_top(result: pm.sensitivity.SobolResult) -> None:
    figure = drawn(result.plot())
    axes = panels(figure)
    assert [axis.get_title(loc="left") for axis in axes] == ["y", "z"]
    frame = result.to_dataframe()
    for axis, outcome in zip(axes, ("y", "z"), strict=True):
        table = frame[frame["outcome"] == outcome].iloc[::-1]
        totals = bars(axis, "total ST")
        assert [t.get_text() for t in axis.get_yticklabels()] == table["factor"].tolist()
        assert_allclose([b.get_width() for b in totals], table["ST"])
        assert_allclose([b.get_width() for b in bars(axis, "first order S1")], table["S1"].clip(lower=0))
        heights = [b.get_y() for b in totals]
        assert heights == sorted(heights), "the last bar, of the largest index, is on top"
        assert axis.get_xlabel() == "share of the variance, 95 % interval"
    assert [t.get_text() for t in axes[0].get_yticklabels()] != [t.get_text() for t in axes[1].get_yticklabels()]


def test_whiskers_are_the_intervals(result: pm.sensitivity.SobolResult) -> None:
    (axis,) = panels(result.plot("y"))
    table = result.to_dataframe().query("outcome == 'y'").iloc[::-1]
    segments = [np.array(c.get_segments()) for c in axis.collections]
    assert len(segments) == 2
    for part, name in zip(segments, ("S1", "ST"), strict=True):
        assert_allclose(part[:, 0, 0], np.minimum(table[f"{name}_low"], table[name]), atol=1e-12)
        assert_allclose(part[:, 1, 0], np.maximum(table[f"{name}_high"], table[name]), atol=1e-12)


def test_the_legend_names_model_arm_and_size(result: pm.sensitivity.SobolResult) -> None:
    (legend,) = result.plot().legends
    assert {text.get_text() for text in legend.get_texts()} == {"first order S1", "total ST"}
    assert legend.get_title().get_text() == "linear, none: N = 64, too small for intervals"


def test_the_top_factors_only(result: pm.sensitivity.SobolResult) -> None:
    (axis,) = panels(result.plot("z", top=2))
    best = result.to_dataframe().query("outcome == 'z'")["factor"].tolist()[:2]
    assert [t.get_text() for t in axis.get_yticklabels()] == best[::-1]
    assert len(bars(axis, "total ST")) == 2


def test_an_outcome_that_does_not_vary_can_be_plotted() -> None:
    model = pm.load("acupuncture")
    still = pm.sobol(model, outcomes=["vagal_drive"], weeks=1, n=2, execution=pm.Execution(workers=1, progress=False))
    assert np.isnan(still.indices.ST).all()
    (axis,) = panels(drawn(still.plot()))
    assert len(axis.get_yticklabels()) == min(15, len(still.factors))


def test_an_unknown_outcome_is_refused(result: pm.sensitivity.SobolResult) -> None:
    with pytest.raises(UnknownNameError, match="'colour'"):
        result.plot("colour")


def test_figures_can_be_saved(result: pm.sensitivity.SobolResult, tmp_path: Path) -> None:
    for suffix in ("png", "svg", "pdf"):
        path = tmp_path / f"figure.{suffix}"
        result.plot().savefig(path)
        assert os.path.getsize(path) > 2000


# ---- variables by short names ------------------------------------------------------------------------------


def test_variables_by_alias_module_and_last_part() -> None:
    run = pm.load("epilepsy").simulate([pm.KetogenicDiet()], weeks=0.1)
    full = "ketone_katp__BHB_plasma"
    for name in ("BHB", "ketone_katp.BHB_plasma", "BHB_plasma", full):
        assert run.pm[name].name == full
        assert_array_equal(run.pm[name].values, run[full].values)
    assert run.pm["BHB"].attrs["units"] == "mmol/L"
    with pytest.raises(UnknownNameError, match="BHB_plasma"):
        run.pm["BHB_plasm"]


def test_a_last_part_that_two_variables_share_is_refused() -> None:
    run = xr.Dataset({"one__x": ("time", [1.0]), "two__x": ("time", [2.0]), "two__y": ("time", [3.0])})
    assert run.pm["y"].item() == 3.0
    assert run.pm["two.x"].item() == 2.0
    with pytest.raises(UnknownNameError, match=r"ambiguous.*one__x, two__x"):
        run.pm["x"]
