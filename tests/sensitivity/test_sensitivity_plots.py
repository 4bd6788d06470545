"""Figures of sensitivity analyses: what is drawn is what was found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.sensitivity import figures as plots

HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}
BODY = "a = 1; b = 1; c = 1; y := 2*a - b + 0*c; z := a*b; t := a + b*time; still := 0*a"
RANGES = dict.fromkeys("abc", (-1.0, 1.0))


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def result() -> pm.sensitivity.SobolResult:
    return flat(
        pm.sobol,
        tiny(BODY),
        outcomes=["y", "z", "t"],
        n=128,
        parameters=RANGES,
        second_order=True,
        times=[0.0, 0.5, 1.0],
        **HERE,
    )


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()
    return figure


def words(axis: Any) -> list[str]:
    return [t.get_text() for t in axis.texts]


# ---- tornado -------------------------------------------------------------------------------------------------------


def test_the_tornado_has_the_direction_and_the_size_of_a_linear_model(result: pm.sensitivity.SobolResult) -> None:
    table = result.directions().query("outcome == 'y'").set_index("factor")
    # the mean of a uniform law on -1..1 is -0.8 in its lowest fifth and 0.8 in its highest
    for factor, slope in (("a", 2.0), ("b", -1.0), ("c", 0.0)):
        assert_allclose(table.loc[factor, "low"], -0.8 * slope, atol=0.35)
        assert_allclose(table.loc[factor, "high"], 0.8 * slope, atol=0.35)
    assert table.index.tolist()[:2] == ["a", "b"]
    (axis,) = drawn(result.plot("y", kind="tornado")).axes
    low, high = axis.patches[:3], axis.patches[3:6]
    assert [t.get_text() for t in axis.get_yticklabels()][::-1][:2] == ["a", "b"]
    assert_allclose([p.get_width() for p in low], table["low"][::-1])
    assert_allclose([p.get_width() for p in high], table["high"][::-1])
    assert [to_hex(p.get_facecolor()).upper() for p in low] == [plots.UNSURE.upper(), plots.LOW, plots.LOW]


def test_chance_among_many_parameters_is_grey() -> None:
    """The intervals hold for all factors at once: 100 parameters that do nothing stay within them."""
    body = "x = 1; " + "; ".join(f"k{i} = 1" for i in range(100)) + "; y := x"
    found = flat(pm.sobol, tiny(body), outcomes=["y"], n=64, **HERE).directions().set_index("factor")
    idle = found.drop("x")
    assert (idle[["low", "high"]].abs().max(axis=1) < idle["error"]).mean() > 0.98
    assert abs(found.loc["x", "low"]) > found.loc["x", "error"]


def test_a_tail_that_a_fifth_has_not_met_is_no_direction() -> None:
    """One run in a hundred is huge; a fifth without such a run has a small spread but is not known better."""
    body = "a = 1; b = 1; y := exp(12*a)"
    table = flat(pm.sobol, tiny(body), outcomes=["y"], n=64, parameters={"a": (0, 1), "b": (0, 1)}, **HERE).directions()
    idle = table.set_index("factor").loc["b"]
    assert max(abs(idle["low"]), abs(idle["high"])) < idle["error"]


def test_groups_and_few_runs_have_no_direction() -> None:
    groups = {"ab": ["a", "b"], "c": ["c"]}
    found = flat(pm.sobol, tiny(BODY), outcomes=["y"], n=64, parameters=RANGES, groups=groups, **HERE)
    table = found.directions().set_index("factor")
    assert np.isnan(table.loc["ab", "low"])
    assert np.isfinite(table.loc["c", "low"])
    few = flat(pm.sobol, tiny(BODY), outcomes=["y"], n=8, parameters=RANGES, **HERE)
    with pytest.raises(InvalidValueError, match="no directions"):
        few.plot(kind="tornado")


# ---- heat map ------------------------------------------------------------------------------------------------------


def test_the_heat_map_holds_the_total_indices(result: pm.sensitivity.SobolResult) -> None:
    axis = drawn(result.plot(kind="heatmap")).axes[0]
    labels = [t.get_text() for t in axis.get_yticklabels()]
    order = [result.factors.index(name) for name in labels]
    assert set(labels) == {"a", "b", "c"}
    assert [t.get_text() for t in axis.get_xticklabels()] == ["y", "z", "t"]
    assert_allclose(axis.images[0].get_array(), np.clip(result.indices.ST[order], 0, 1))
    assert words(axis) == [f"{v:.2f}" for v in result.indices.ST[order].ravel()]
    bold = np.array([t.get_fontweight() == "bold" for t in axis.texts]).reshape(3, 3)
    floor = np.maximum(np.abs(result.indices.S1_dummy_low), np.abs(result.indices.S1_dummy_high))
    assert (bold == (result.indices.ST_low[order] > floor)).all()
    assert bold[labels.index("a"), 0]
    assert not bold[labels.index("c")].any()


def test_what_does_not_vary_says_so() -> None:
    found = flat(pm.sobol, tiny(BODY), outcomes=["still", "y"], n=16, parameters=RANGES, **HERE)
    axis = drawn(found.plot(kind="heatmap", top=2)).axes[0]
    assert words(axis).count("no variance") == 2
    assert len(axis.get_yticklabels()) == 2
    assert drawn(found.plot("still", kind="convergence")).axes[0].get_xlabel() == "base rows N"


# ---- over time -----------------------------------------------------------------------------------------------------


def test_bands_are_the_indices_over_time(result: pm.sensitivity.SobolResult) -> None:
    figure = drawn(result.plot("t", kind="bands"))
    spread, first, total = figure.axes
    found = result.indices_over_time().sel(course="t")
    assert_allclose(spread.lines[0].get_ydata(), found["mean"])
    for axis, name in ((first, "S1"), (total, "ST")):
        lines = {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}
        assert set(lines) == {"a", "b", "c"}
        for factor, line in lines.items():
            assert_allclose(line.get_ydata(), found[name].sel(factor=factor))
            assert_allclose(line.get_xdata(), [0.0, 0.5, 1.0])
    at = found["ST"].sel(factor="b")
    assert at[0] < 0.05 < 0.3 < at[2], "b counts only later"
    with pytest.raises(UnknownNameError, match="course"):
        result.plot("colour", kind="bands")


def test_weeks_are_written_where_the_model_has_hours() -> None:
    model, needles = pm.load("acupuncture"), [pm.Electroacupuncture(weeks=1)]
    study = pm.Study(model, needles, outcomes=["vagal_drive"], weeks=2, times=[24, 168, 336])
    execution = pm.Execution(workers=1, progress=False)
    found = pm.sobol(study, factors=["gain_vagal", "tau_session"], n=4, execution=execution)
    axes = drawn(found.plot(kind="bands")).axes
    assert axes[-1].get_xlabel() == "time (weeks)"
    assert_allclose(axes[-1].lines[0].get_xdata(), [1 / 7, 1, 2])


# ---- pairs, N ------------------------------------------------------------------------------------------------------


def test_pairs_that_are_sure_are_edges_with_their_index(result: pm.sensitivity.SobolResult) -> None:
    (axis,) = drawn(result.plot("z", kind="interactions")).axes
    value = result.second_order().query("outcome == 'z' and a == 'a' and b == 'b'")["S2"].item()
    assert f"{value:.2f}" in words(axis)
    edges = [line for line in axis.lines if to_hex(line.get_color()).upper() == plots.PAIR and line.get_ls() == "-"]
    assert len(edges) == 1
    radii = sorted(p.radius for p in axis.patches)
    assert_allclose(radii[-1], 0.3 * math.sqrt(min(result.indices.ST[:, 1].max(), 1.0)))
    (axis,) = drawn(result.plot("y", kind="interactions")).axes
    assert not [t for t in words(axis) if t.startswith(("0.", "1."))], "an additive outcome has no sure pair"


def test_convergence_is_the_trace(result: pm.sensitivity.SobolResult) -> None:
    (axis,) = drawn(result.plot("y", kind="convergence", top=2)).axes
    frame = result.convergence().query("outcome == 'y' and factor == 'a'")
    lines = {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}
    assert set(lines) == {"a", "b"}
    assert_allclose(lines["a"].get_xdata(), [8, 16, 32, 64, 128])
    assert_allclose(lines["a"].get_ydata(), frame["ST"])


# ---- what is not there ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kind": "cake"}, UnknownNameError, "'cake'.*tornado"),
        ({"kind": "bands"}, InvalidValueError, "times="),
        ({"kind": "interactions"}, InvalidValueError, "second_order=True"),
        ({"top": 0}, InvalidValueError, "top is 0"),
        ({"kind": "heatmap", "outcome": "colour"}, UnknownNameError, "colour"),
    ],
)
def test_what_was_not_asked_for_cannot_be_drawn(options: dict[str, Any], error: type[Exception], words: str) -> None:
    plain = flat(pm.sobol, tiny(BODY), outcomes=["y"], n=8, parameters=RANGES, **HERE)
    with pytest.raises(error, match=words):
        plain.plot(**options)
    assert plt.get_fignums() == []


def test_names_are_no_formulas() -> None:
    outcome = pm.Outcome(variable="y", label="cost in $ of x_{1")
    groups = {"$a_": ["a"], "b": ["b", "c"]}
    found = flat(pm.sobol, tiny(BODY), outcomes=[outcome], n=32, groups=groups, parameters=RANGES, **HERE)
    for kind in ("bars", "tornado", "heatmap", "convergence"):
        drawn(found.plot(kind=kind))


# ---- screening -----------------------------------------------------------------------------------------------------


def test_the_screening_shows_sizes_and_spreads() -> None:
    screen = flat(pm.morris, tiny(BODY), outcomes=["y", "z"], trajectories=6, parameters=RANGES, **HERE)
    axes = drawn(screen.plot()).axes
    assert len(axes) == 4
    order = np.argsort(-screen.mu_star[:, 0])[::-1]
    assert_allclose([p.get_width() for p in axes[0].patches], screen.mu_star[order, 0])
    assert [t.get_text() for t in axes[0].get_yticklabels()] == [screen.factors[i] for i in order]
    assert_allclose(axes[1].collections[0].get_offsets(), np.column_stack([screen.mu_star[:, 0], screen.sigma[:, 0]]))
    assert [t for t in words(axes[1]) if t in "abc"] == ["a", "b"], "c does nothing and has no name in the figure"
    (bars, _) = screen.plot("z", top=1).axes
    assert len(bars.patches) == 1
    with pytest.raises(UnknownNameError, match="colour"):
        screen.plot("colour")


def test_a_screening_of_groups_has_no_spreads() -> None:
    groups = {"ab": ["a", "b"], "rest": ["c"]}
    both = flat(pm.morris, tiny(BODY), outcomes=["y"], trajectories=4, parameters=RANGES, groups=groups, **HERE)
    drawn(both.plot())
    alone = flat(
        pm.morris, tiny(BODY), outcomes=["y"], trajectories=4, parameters=RANGES, groups={"abc": [*"abc"]}, **HERE
    )
    assert "groups have no spread" in words(drawn(alone.plot()).axes[1])
