"""How far indices are to be trusted: failures bounded, the noise floor, the trace over N, more base rows, cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from helpers import count_rows, flat, tiny
from pathway_models.errors import InvalidValueError
from pathway_models.sensitivity import analysis
from pathway_models.sensitivity.analysis import make_analysis
from pathway_models.sensitivity.reliability import failure_bounds, trace, where_failed, widest
from pathway_models.simulation.tolerances import OF_ENSEMBLES_ELSEWHERE

ISHIGAMI = "x1 = 0; x2 = 0; x3 = 0; y := sin(x1) + 7*sin(x2)^2 + 0.1*x3^4*sin(x1)"
MOVING = "x1 = 0; x2 = 0; x3 = 0; y := sin(x1) + 7*sin(x2)^2 + time*x3^4*sin(x1)"  # Ishigami with b = time
FALLING = "k = 1; y = 1; y' = -k*y"  # the batch engine needs a state
PARTLY = "k = 0; a = 1; b = 1; y := a*sqrt(k) + b"
RANGES = {f"x{i}": (-math.pi, math.pi) for i in (1, 2, 3)}
HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}


def ishigami_shares(b: float, a: float = 7.0) -> tuple[np.ndarray, np.ndarray, float]:
    """S1, ST of x1, x2, x3 and S2 of x1 and x3."""
    v1, v2, v13 = (1 + b * math.pi**4 / 5) ** 2 / 2, a**2 / 8, 8 * b**2 * math.pi**8 / 225
    total = v1 + v2 + v13
    return np.array([v1, v2, 0]) / total, np.array([v1 + v13, v2, v13]) / total, v13 / total


# ---- over time -----------------------------------------------------------------------------------------------------


def test_ishigami_that_changes_in_time() -> None:
    times = [0.0, 0.05, 0.1, 0.5]
    result = flat(pm.sobol, tiny(MOVING), outcomes=["y"], n=1024, parameters=RANGES, times=times, **HERE)
    found = result.indices_over_time()
    assert found["ST"].dims == ("factor", "course", "time")
    for t in times:
        first, total, _ = ishigami_shares(t)
        at = found.sel(time=t, course="y")
        assert_allclose(at["S1"], first, atol=0.04)
        assert_allclose(at["ST"], total, atol=0.04)
        assert (at["ST_low"] <= at["ST"]).all()
    with pytest.raises(InvalidValueError, match="times="):
        flat(pm.sobol, tiny(MOVING), outcomes=["y"], n=4, parameters=RANGES, **HERE).indices_over_time()


def test_a_time_that_differs_from_the_grid_by_rounding_is_one_time() -> None:
    """3*0.1 on the grid of every=0.1 is the asked 0.3."""
    options: dict[str, Any] = {**HERE, "every": 0.1}
    result = flat(pm.sobol, tiny("a = 1; b = 1; y := a*time + b"), outcomes=["y"], n=8, times=[0.3, 0.6], **options)
    assert result.runs.ok.all()
    assert result.runs.over_time is not None
    a, b = result.analysis.table(result.design.unit).T
    assert_allclose(result.runs.over_time[:, 0], np.column_stack([0.3 * a + b, 0.6 * a + b]), rtol=1e-9)


def test_a_course_that_is_no_number_at_a_time_leaves_the_others_alone() -> None:
    model = tiny("a = 1; b = 1; y := a*time + b; z := (a + b)/(time - 0.5)")
    result = flat(pm.sobol, model, outcomes=["y"], n=8, times=[0.0, 1.0], **HERE)
    assert np.isfinite(result.indices_over_time()["ST"].sel(time=1.0)).all()


# ---- known second order --------------------------------------------------------------------------------------------


def test_a_linear_model_with_one_product_has_its_known_pair() -> None:
    """y = a + 2 b + 3 a b with a, b uniform on -1..1: variances 1/3, 4/3 and 9/9."""
    model = tiny("a = 0; b = 0; c = 0; y := a + 2*b + 3*a*b")
    ranges = dict.fromkeys("abc", (-1.0, 1.0))
    result = flat(pm.sobol, model, outcomes=["y"], n=2048, parameters=ranges, second_order=True, **HERE)
    total = 1 / 3 + 4 / 3 + 1
    pairs = result.second_order().set_index(["a", "b"])
    assert_allclose(pairs.loc[("a", "b"), "S2"], 1 / total, atol=0.03)
    assert_allclose(pairs["S2"].iloc[1:], 0, atol=0.03)
    low, high = pairs["S2_low"], pairs["S2_high"]
    assert low["a", "b"] < 1 / total < high["a", "b"]


# ---- failed runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.002, 0.02])
def test_the_bounds_hold_for_whatever_the_failed_runs_would_have_given(share: float) -> None:
    design = pm.sensitivity.saltelli_design(3, 256, 2)
    unit = design.unit
    y = np.column_stack([unit[:, 0] + unit[:, 1] * unit[:, 2], np.exp(3 * unit[:, 0] * unit[:, 1])])
    random = np.random.default_rng(0)
    ok = random.random(len(y)) > share
    ok[y[:, 1] == y[:, 1].max()] = True
    bounds = failure_bounds(y, design, ok)
    inside = np.clip(y, y[ok].min(axis=0), y[ok].max(axis=0))  # the bounds speak of values in the range of the others
    for trial in range(20):
        filled = inside.copy()
        if trial:
            ends = random.random((np.sum(~ok), 2)) < 0.5
            filled[~ok] = np.where(ends, y[ok].min(axis=0), y[ok].max(axis=0))
        total = pm.sensitivity.sobol_indices(filled, design, resamples=2).ST
        assert (bounds.ST_low <= total + 1e-12).all()
        assert (total <= bounds.ST_high + 1e-12).all()
    assert bounds.largest_shift(pm.sensitivity.sobol_indices(y, design, resamples=2, ok=ok).ST) < (
        0.5 if share < 0.01 else 2.0
    )


def test_without_failures_the_bounds_are_the_estimate() -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 2)
    y = design.unit @ np.array([[1.0], [2.0], [3.0]])
    bounds = failure_bounds(y, design, np.ones(len(y), dtype=bool))
    total = pm.sensitivity.sobol_indices(y, design, resamples=2).ST
    assert_allclose(bounds.ST_low, total, rtol=1e-12)
    assert_allclose(bounds.ST_high, total, rtol=1e-12)


def test_the_report_says_how_much_failures_could_matter_and_where_they_lie() -> None:
    ranges = {"k": (-0.1, 1.0), "a": (0.5, 2.0), "b": (0.5, 2.0)}
    result = flat(pm.sobol, tiny(PARTLY), outcomes=["y"], n=64, parameters=ranges, **HERE)
    lines = result.summary().splitlines()
    assert "no ST would differ by more than" in lines[1]
    assert "of the range of k (others 0.5" in lines[1]
    table = result.failures()
    assert table["parameter"][0] == "k"
    assert table["failed"][0] < 0.1
    assert table["distance"][0] == 1.0


def test_where_nothing_failed_there_is_no_distance() -> None:
    table = where_failed(np.random.default_rng(0).random((8, 2)), np.ones(8, dtype=bool), ["a", "b"])
    assert table["distance"].isna().all()


# ---- noise, N ------------------------------------------------------------------------------------------------------


def test_a_dummy_shows_the_noise_floor_which_falls_with_n() -> None:
    noise = []
    for n in (64, 4096):
        design = pm.sensitivity.saltelli_design(4, n, 1)
        y = np.sin(6 * design.unit[:, :1]) + design.unit[:, 1:2] * design.unit[:, 2:3]
        found = pm.sensitivity.sobol_indices(y, design, resamples=300)
        assert found.S1_dummy_low[0] <= 0 <= found.S1_dummy_high[0]
        assert found.ST_dummy_low[0] <= 0 <= found.ST_dummy_high[0]
        noise.append(found.S1_dummy_high[0] - found.S1_dummy_low[0])
        a, b = y.reshape(n, -1, 1)[:, 0, 0], y.reshape(n, -1, 1)[:, -1, 0]
        both = np.concatenate([a, b])
        expected = (np.mean(a * b) - a.mean() * b.mean()) / both.var()
        assert_allclose(found.S1_dummy, expected, rtol=1e-9, atol=1e-12)
        assert_allclose(found.ST_dummy, 1 - a.var() / both.var(), rtol=1e-9, atol=1e-12)
    assert noise[1] < noise[0] / 4


def test_the_trace_ends_with_the_result_and_narrows() -> None:
    result = flat(pm.sobol, tiny(ISHIGAMI), outcomes=["y"], n=128, parameters=RANGES, **HERE)
    frame = result.convergence(resamples=100)
    assert frame["n"].unique().tolist() == [8, 16, 32, 64, 128]
    last = frame[frame["n"] == 128]
    assert_array_equal(last["ST"], result.indices.ST[:, 0])
    design = pm.sensitivity.saltelli_design(3, 32, 1)
    part = pm.sensitivity.sobol_indices(result.runs.values[: len(design.unit)], design, resamples=100, seed=1)
    assert_array_equal(frame[frame["n"] == 32]["ST"], part.ST[:, 0])
    options: dict[str, Any] = {"ok": result.runs.ok, "resamples": 100, "confidence": 0.95, "seed": 1}
    width = [widest(part) for _, part in trace(result.runs.values, result.design, **options)]
    assert width[-1] < width[1]


def test_n_is_doubled_until_the_intervals_are_narrow() -> None:
    options: dict[str, Any] = {"outcomes": ["y"], "n": 16, "parameters": RANGES, **HERE}
    result = flat(pm.sobol, tiny(ISHIGAMI), target_width=0.3, **options)
    steps = [d.n for d in result.doublings]
    assert steps == [16 * 2**i for i in range(len(steps))]
    assert len(steps) > 1
    assert result.doublings[-1].width <= 0.3 < result.doublings[-2].width
    assert "the target 0.3 is reached" in result.summary()
    direct = flat(pm.sobol, tiny(ISHIGAMI), **{**options, "n": steps[-1]})
    assert_array_equal(result.runs.values, direct.runs.values)
    assert_array_equal(result.indices.ST_high, direct.indices.ST_high)


def test_the_budget_stops_the_doubling() -> None:
    result = flat(
        pm.sobol, tiny(ISHIGAMI), outcomes=["y"], n=16, parameters=RANGES, target_width=1e-6, budget=5 * 64, **HERE
    )
    assert [d.n for d in result.doublings] == [16, 32, 64]
    assert "the next doubling would exceed the budget of 320 runs" in result.summary()


# ---- more base rows, other outcomes --------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [True, False])
def test_more_base_rows_run_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool) -> None:
    seen = count_rows(monkeypatch, OF_ENSEMBLES_ELSEWHERE)
    options: dict[str, Any] = {"outcomes": ["y"], "parameters": RANGES, "times": [0.0, 1.0], **HERE}
    few = flat(pm.sobol, tiny(ISHIGAMI), n=8, checkpoint=tmp_path if folder else None, **options)
    more = few.extend(32, execution=pm.Execution(workers=1, progress=False))
    assert len(seen) == 32 * 5
    assert more.runs.cost is not None
    assert (more.runs.cost.run, more.runs.cost.reused) == (24 * 5, 8 * 5)
    direct = flat(pm.sobol, tiny(ISHIGAMI), n=32, **options)
    assert_array_equal(more.runs.values, direct.runs.values)
    assert_array_equal(more.indices.ST_low, direct.indices.ST_low)
    assert more.over_time is not None
    assert direct.over_time is not None
    assert_array_equal(more.over_time.ST, direct.over_time.ST)
    with pytest.raises(InvalidValueError, match="above 8"):
        few.extend(8)


def test_more_base_rows_keep_engine_tolerances_limits_and_checkpoint(tmp_path: Path) -> None:
    asked = pm.Execution(
        workers=1, progress=False, checkpoint=tmp_path, engine="batch", rtol=1e-4, limits=pm.ensembles.Limits(steps=99)
    )
    study = pm.Study(tiny(FALLING), outcomes=["y"], duration=1, every=1)
    few = pm.sobol(study, n=4, factors={"k": (0.5, 2.0)}, execution=asked)
    with ThreadPoolExecutor(1) as pool:
        more = few.extend(8, execution=pm.Execution(workers=pool, progress=False, rtol=1e-9, engine="roadrunner"))
        assert more.analysis.execution == replace(asked, workers=pool)
    assert more.runs.plan.engine == "batch"


def test_without_a_budget_n_is_doubled_six_times_at_most() -> None:
    result = flat(pm.sobol, tiny(ISHIGAMI), outcomes=["y"], n=2, parameters=RANGES, target_width=1e-6, **HERE)
    assert [d.n for d in result.doublings] == [2 * 2**i for i in range(7)]
    assert "the budget of 640 runs" in result.stopped  # 128 base rows of 5 runs


def test_a_rerun_with_the_folder_runs_nothing_and_another_seed_is_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {"outcomes": ["y"], "parameters": RANGES, "n": 8, "checkpoint": tmp_path, **HERE}
    first = flat(pm.sobol, tiny(ISHIGAMI), seed=3, **options)
    again = flat(pm.sobol, tiny(ISHIGAMI), seed=3, **options)
    assert again.runs.cost is not None
    assert again.runs.cost.run == 0
    assert_array_equal(first.indices.ST_low, again.indices.ST_low)
    with pytest.raises(InvalidValueError, match="other parameter values"):
        flat(pm.sobol, tiny(ISHIGAMI), seed=4, **options)
    with pytest.raises(InvalidValueError, match="other parameter values"):
        flat(pm.sobol, tiny(ISHIGAMI), seed=3, **{**options, "parameters": {**RANGES, "x3": (-1.0, 1.0)}})


def test_indices_of_new_outcomes_come_from_the_stored_courses(tmp_path: Path) -> None:
    options: dict[str, Any] = {"parameters": {"k": (0.1, 2.0), "x0": (0.5, 2.0)}, "n": 8, **HERE, "every": 0.1}
    model = tiny("x0 = 1; k = 1; x := x0*exp(-k*time); s = 0; s' = x")
    stored = flat(pm.sobol, model, outcomes=["x"], checkpoint=tmp_path, store=True, **options)
    area = [pm.Outcome(variable="s", reduce="peak")]
    other = stored.with_outcomes(area, times=[0.5])
    direct = flat(pm.sobol, model, outcomes=area, times=[0.5], **options)
    assert_allclose(other.indices.ST, direct.indices.ST, rtol=1e-6)
    assert other.outcomes == ("s peak",)
    assert other.indices_over_time()["ST"].shape == (2, 1, 1)


# ---- cost ----------------------------------------------------------------------------------------------------------


def test_the_cost_is_known_before_the_start(tmp_path: Path) -> None:
    cost = pm.sensitivity.sobol_cost(
        pm.Study(tiny(ISHIGAMI), outcomes=["y"], duration=1, every=1),
        factors=RANGES,
        n=1024,
        execution=pm.Execution(workers=2),
    )
    assert cost.runs == 1024 * 5
    assert cost.seconds_per_run > 0
    assert cost.hours == pytest.approx(cost.runs * cost.seconds_per_run / 2 / 3600)
    assert str(cost).startswith("5120 runs of ")
    folder = tmp_path / "not made"
    stored = pm.sensitivity.sobol_cost(
        pm.Study(tiny(ISHIGAMI), outcomes=["y"], duration=1, every=1),
        factors=RANGES,
        execution=pm.Execution(checkpoint=folder, store=True),
    )
    assert not folder.exists()
    runs, times, columns = 256 * 5, 2, 1  # in doubles of 8 bytes, beside the outcome, status and seconds of each row
    assert stored.disk_bytes == 8 * runs * (times * columns + 1 + 2)
    assert stored.memory_bytes == 8 * runs * (2 * 3 + 1)
    assert cost.disk_bytes == 0
    with pytest.raises(InvalidValueError, match="power of two"):
        pm.sensitivity.sobol_cost(tiny(ISHIGAMI), outcomes=["y"], duration=1, factors=RANGES, n=3)


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("groups", [None, {"two": ["x1", "x2"], "one": ["x3"]}])
def test_the_runs_that_are_counted_are_those_of_the_design(
    groups: dict[str, list[str]] | None, second_order: bool
) -> None:
    study = pm.Study(tiny(ISHIGAMI), outcomes=["y"], duration=1, every=1)
    factors = pm.Factors(parameters=RANGES, groups=groups)
    made = make_analysis(study, factors, pm.Sampling(second_order=second_order), pm.Execution(workers=1))
    assert made.runs_for(8) == len(made.design(8).unit)


@pytest.mark.parametrize(("engine", "rows"), [("roadrunner", 4), ("batch", 64)])
def test_the_seconds_of_a_run_are_those_of_the_probe_over_its_rows(
    monkeypatch: pytest.MonkeyPatch, engine: str, rows: int
) -> None:
    seen, clock = [], iter([10.0, 18.0])

    def probe(*_: object) -> Callable[[np.ndarray], None]:
        return lambda table: seen.append(len(table))

    monkeypatch.setattr(analysis, "make_probe", probe)
    monkeypatch.setattr(analysis.time, "perf_counter", lambda: next(clock))
    study = pm.Study(tiny(FALLING), outcomes=["y"], duration=1, every=1)
    cost = pm.sensitivity.sobol_cost(study, factors={"k": (0.5, 2.0)}, execution=pm.Execution(engine=engine))
    assert seen == [1, rows]
    assert cost.seconds_per_run == 8 / rows


def test_the_result_carries_what_a_report_needs() -> None:
    result = flat(pm.sobol, tiny(ISHIGAMI), outcomes=["y"], n=8, parameters=RANGES, **HERE)
    assert set(result.timings) == {"design", "simulation", "estimator"}
    assert set(result.runs.versions) == {"pathway-models", "libroadrunner", "numpy", "python"}
    assert result.runs.counts == {"ok": 40}
    cost = result.runs.cost
    assert cost is not None
    assert cost.run == 40
    assert cost.peak_bytes > 2**20
    assert 0 < cost.efficiency <= 1.5
