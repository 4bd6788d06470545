"""Morris screening: the design, effects against SALib, failed runs, a model with known effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from SALib.analyze import morris as salib_morris

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import InvalidValueError
from pathway_models.sensitivity.screening import _interval, elementary_effects, morris_design

HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}


def wavy(unit: np.ndarray) -> np.ndarray:
    return np.column_stack([np.sin(3 * unit[:, 0]) + unit[:, 1] * unit[:, 2] - 2 * unit[:, 3], unit[:, 0] ** 2])


def test_a_trajectory_moves_each_parameter_once_on_the_grid() -> None:
    design = morris_design(5, 40, 3, levels=6)
    points = design.unit.reshape(40, 6, 5)
    moves = np.diff(points, axis=1)
    assert_array_equal((moves != 0).sum(axis=2), 1)
    assert_array_equal((moves != 0).sum(axis=1), 1)
    assert_allclose(np.abs(moves[moves != 0]), 0.6)
    assert_allclose(np.unique(design.unit.round(12)), np.linspace(0, 1, 6))
    again, other = morris_design(5, 40, 3, levels=6), morris_design(5, 40, 4, levels=6)
    assert_array_equal(design.unit, again.unit)
    assert (design.unit != other.unit).any()


def test_effects_are_those_of_salib() -> None:
    design = morris_design(4, 30, 1)
    y = wavy(design.unit)
    problem = {"num_vars": 4, "names": list("abcd"), "bounds": [[0, 1]] * 4}
    effects = elementary_effects(y, design)
    for k in range(2):
        other = salib_morris.analyze(problem, design.unit, y[:, k], num_levels=4, num_resamples=2)
        assert_allclose(np.abs(effects[:, :, k]).mean(axis=0), other["mu_star"], rtol=1e-12, atol=1e-14)
        assert_allclose(effects[:, :, k].mean(axis=0), other["mu"], rtol=1e-12, atol=1e-14)
        assert_allclose(effects[:, :, k].std(axis=0, ddof=1), other["sigma"], rtol=1e-12, atol=1e-14)


def test_groups_move_together_and_have_sizes_only() -> None:
    design = morris_design(4, 30, 1, group_of=["a", "a", "b", "a"])
    assert design.groups == ("a", "b")
    moves = np.diff(design.unit.reshape(30, 3, 4), axis=1) != 0
    assert_array_equal(moves[:, :, 0], moves[:, :, 1])
    assert_array_equal(moves[:, :, 0], moves[:, :, 3])
    assert (elementary_effects(wavy(design.unit), design)[:, 0] >= 0).all()


def test_a_failed_run_costs_its_two_effects() -> None:
    design = morris_design(4, 10, 1)
    whole = elementary_effects(wavy(design.unit), design)
    y = wavy(design.unit)
    y[12, 1] = np.nan
    part = elementary_effects(y, design)
    assert np.isnan(part[:, :, 0]).sum() == 2
    assert_array_equal(part[~np.isnan(part)], whole[~np.isnan(part)])


def test_a_model_with_known_effects() -> None:
    model = tiny("a = 1; b = 1; c = 1; k = 1; y := 3*a - b; z := sqrt(k)*a")
    ranges = {"a": (0.0, 2.0), "b": (0.0, 1.0), "c": (0.0, 1.0), "k": (-1.0, 2.0)}
    screen = flat(pm.morris, model, outcomes=["y"], parameters=ranges, trajectories=5, **HERE)
    assert_allclose(screen.mu[:, 0], [6, -1, 0, 0], atol=1e-12)
    assert_allclose(screen.mu_star[:, 0], [6, 1, 0, 0], atol=1e-12)
    assert_allclose(screen.sigma[:, 0], 0, atol=1e-12)
    assert_allclose(screen.mu_star_low, screen.mu_star)
    frame = screen.to_dataframe()
    assert list(frame["factor"])[:2] == ["a", "b"]
    assert frame["effects"].tolist() == [5, 5, 5, 5]
    assert screen.summary().splitlines()[1].startswith("y: 2 of 4 factors make up 90 % of the effects; a (6)")

    failing = flat(pm.morris, model, outcomes=["z"], parameters=ranges, trajectories=8, **HERE)
    assert 0 < failing.effects[0] < 8
    assert np.isfinite(failing.mu_star[0]).all()
    assert "failed" in failing.summary()
    none = flat(pm.morris, model, outcomes=["y"], parameters={"c": (0.0, 1.0)}, trajectories=4, **HERE)
    assert none.summary().endswith("y: no factor has an effect.")


def test_intervals_are_those_of_salib_and_follow_the_seed() -> None:
    design = morris_design(4, 30, 1)
    y = wavy(design.unit)
    sizes = np.abs(elementary_effects(y, design))
    (low, high), again, other = (np.array(_interval(sizes, 4000, seed)) for seed in (7, 7, 8))
    assert_array_equal([low, high], again)
    assert (other != again).any()
    problem = {"num_vars": 4, "names": list("abcd"), "bounds": [[0, 1]] * 4}
    theirs = salib_morris.analyze(problem, design.unit, y[:, 0], num_levels=4, num_resamples=4000, seed=1)
    assert_allclose((high - low)[:, 0] / 2, theirs["mu_star_conf"], rtol=0.1, atol=1e-12)


def test_morris_resamples_with_its_own_seed() -> None:
    model = tiny("a = 1; b = 1; y := a^2*b")
    ranges = {"a": (0.0, 2.0), "b": (0.0, 2.0)}
    for seed in (1, 7):
        screen = flat(
            pm.morris, model, outcomes=["y"], parameters=ranges, trajectories=8, seed=seed, resamples=50, **HERE
        )
        sizes = np.abs(elementary_effects(screen.runs.values, screen.design))
        assert_array_equal([screen.mu_star_low, screen.mu_star_high], _interval(sizes, 50, seed))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"trajectories": 1}, "trajectories"), ({"levels": 5}, "levels = 5"), ({"levels": 2}, "levels is 2")],
)
def test_what_makes_no_sense(change: dict[str, Any], message: str) -> None:
    model = tiny("a = 1; y := a")
    with pytest.raises(InvalidValueError, match=message):
        flat(pm.morris, model, outcomes=["y"], **{**HERE, **change})
