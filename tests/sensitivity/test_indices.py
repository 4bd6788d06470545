"""Design and estimators against SALib, an explicit bootstrap loop, and functions with known indices."""

from __future__ import annotations

import dataclasses
import doctest
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from SALib.analyze import sobol as salib_analyze
from SALib.sample import sobol as salib_sample
from scipy.stats import t as student_t

import pathway_models as pm
from pathway_models.sensitivity import indices as _indices
from pathway_models.sensitivity import intervals

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

GROUPS = ["uptake", "decay", "uptake", "feedback"]


def problem(design: pm.sensitivity.Design, group_of: list[str] | None = None) -> dict[str, Any]:
    d = design.unit.shape[1]
    described = {"num_vars": d, "names": [f"x{i}" for i in range(d)], "bounds": [[0, 1]] * d}
    return described if group_of is None else described | {"groups": group_of}


def salib(y: np.ndarray, design: pm.sensitivity.Design, group_of: list[str] | None = None) -> dict[str, np.ndarray]:
    """What SALib makes of one outcome; its own intervals are not asked for."""
    options = {"calc_second_order": design.second_order, "num_resamples": 2, "seed": 1}
    indices: dict[str, np.ndarray] = salib_analyze.analyze(problem(design, group_of), y, **options)
    return indices


def outcomes(unit: np.ndarray) -> np.ndarray:
    """Three columns of different size, offset and tail, with interactions."""
    smooth = np.sin(6 * unit[:, 0]) + unit[:, 1] * unit[:, 2] + unit[:, -1] ** 3
    heavy = np.exp(6 * unit[:, 0] * unit[:, 1] + unit[:, -1])
    return np.column_stack([smooth, 10 + smooth * unit[:, 1], 1e9 * heavy])


def ishigami(unit: np.ndarray, a: float = 7.0, b: float = 0.1) -> np.ndarray:
    """Ishigami & Homma 1990, doi:10.1109/ISUMA.1990.151285."""
    x = np.pi * (2 * unit - 1)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def ishigami_parts(a: float = 7.0, b: float = 0.1) -> tuple[np.ndarray, float]:
    """Shares of x1, x2 and the pair (x1, x3) in the variance, and the variance."""
    v1, v2 = (1 + b * np.pi**4 / 5) ** 2 / 2, a**2 / 8
    v13 = 8 * b**2 * np.pi**8 / 225
    variance = v1 + v2 + v13
    return np.array([v1, v2, v13]) / variance, variance


def assert_analytic(result: pm.sensitivity.Indices, name: str, exact: np.ndarray) -> None:
    """Close, and within the interval widened by a quarter on either side."""
    estimate, low, high = (getattr(result, name + end)[:, 0] for end in ("", "_low", "_high"))
    margin = 0.25 * (high - low)
    assert_allclose(estimate, exact, rtol=0, atol=0.02)
    assert ((low - margin <= exact) & (exact <= high + margin)).all()
    assert (high - low < 0.2).all()


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("group_of", [None, GROUPS])
def test_design_is_the_one_of_salib(group_of: list[str] | None, second_order: bool) -> None:
    design = pm.sensitivity.saltelli_design(4, 16, 0, group_of=group_of, second_order=second_order)
    scrambling = np.random.default_rng(np.random.SeedSequence(0))
    expected = salib_sample.sample(problem(design, group_of), 16, calc_second_order=second_order, seed=scrambling)
    assert_array_equal(design.unit, expected)
    assert design.groups == ((0, 1, 2, 3) if group_of is None else ("uptake", "decay", "feedback"))
    assert len(design.unit) == design.n * design.rows_per_base


def test_design_repeats_with_its_seed_and_zero_is_a_seed() -> None:
    first = pm.sensitivity.saltelli_design(3, 32, 0)
    assert first.unit.tobytes() == pm.sensitivity.saltelli_design(3, 32, 0).unit.tobytes()
    assert (first.unit != pm.sensitivity.saltelli_design(3, 32, 1).unit).all()


def test_design_cannot_be_changed() -> None:
    design = pm.sensitivity.saltelli_design(2, 4, 0)
    with pytest.raises(ValueError, match="read-only"):
        design.unit[0, 0] = 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        design.n = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (1000, "n = 1000 .* 512 or 1024"),
        (3, "n = 3 .* 2 or 4"),
        (1025, "n = 1025 .* 1024 or 2048"),
        (1, "n is 1; .* from 2"),
        (0, "n is 0; .* from 2"),
        (-8, "n is -8; .* from 2"),
    ],
)
def test_design_wants_a_power_of_two(n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pm.sensitivity.saltelli_design(3, n, 0)


@pytest.mark.parametrize("n", [2**30, 2**40])
def test_a_design_that_no_memory_holds_is_refused_before_it_is_laid_out(n: int) -> None:
    with pytest.raises(ValueError, match=f"n (is|=) {n}"):
        pm.sensitivity.saltelli_design(3000, n, 0)


def test_design_wants_parameters_and_a_group_for_each() -> None:
    with pytest.raises(ValueError, match="n_params = 0"):
        pm.sensitivity.saltelli_design(0, 8, 0)
    with pytest.raises(ValueError, match="names 4 groups for 3 parameters"):
        pm.sensitivity.saltelli_design(3, 8, 0, group_of=GROUPS)


def test_seed_must_be_given_as_a_number() -> None:
    design = pm.sensitivity.saltelli_design(2, 4, 0)
    with pytest.raises(ValueError, match="seed is None; allowed are whole numbers from 0"):
        pm.sensitivity.saltelli_design(2, 4, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pm.sensitivity.sobol_indices(design.unit, design, seed=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("group_of", [None, GROUPS])
def test_estimates_are_those_of_salib(group_of: list[str] | None, second_order: bool) -> None:
    design = pm.sensitivity.saltelli_design(4, 256, 3, group_of=group_of, second_order=second_order)
    y = outcomes(design.unit)
    result = pm.sensitivity.sobol_indices(y, design, resamples=2)
    for k in range(y.shape[1]):
        expected = salib(y[:, k], design, group_of)
        for name in ["S1", "ST", "S2"] if second_order else ["S1", "ST"]:
            assert_allclose(getattr(result, name)[..., k], expected[name], rtol=1e-12, atol=1e-13)
    assert (result.S2 is not None) == (result.S2_low is not None) == second_order
    assert (result.n_used, result.n_dropped, result.groups) == (256, 0, design.groups)


def test_intervals_are_those_of_a_loop_over_resampled_base_rows() -> None:
    design = pm.sensitivity.saltelli_design(3, 16, 5, second_order=True)
    y = outcomes(design.unit)
    y[design.rows_per_base * 3 + 1, 0] = 1e6  # one run far away from the others
    result = pm.sensitivity.sobol_indices(y, design, resamples=40, confidence=0.8, seed=7)

    base_rows = y.reshape(16, design.rows_per_base, 3)
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(1,)))
    samples: dict[str, list[list[np.ndarray]]] = {"S1": [], "ST": [], "S2": []}
    for _ in range(40):
        resampled = base_rows[rng.integers(16, size=16)].reshape(-1, 3)
        columns = [salib(resampled[:, k], design) for k in range(3)]
        for name, values in samples.items():
            values.append([column[name] for column in columns])
    reach = student_t.ppf(0.9, df=15)
    for name, values in samples.items():
        found = [np.moveaxis(getattr(result, name + end), -1, 0) for end in ("", "_low", "_high")]
        estimate, low, high = np.log(found) if name == "ST" else found
        resamples = np.log(values) if name == "ST" else np.array(values)
        spread = np.sqrt(np.mean((resamples - estimate) ** 2, axis=0))
        assert_allclose(low, estimate - reach * spread, rtol=1e-9, atol=1e-11)
        assert_allclose(high, estimate + reach * spread, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("scrambled", [False, True])
def test_intervals_hold_the_known_indices_of_a_linear_function(scrambled: bool) -> None:
    """100 analyses, one per column: as often as promised for independent rows, more often for a Sobol sequence."""
    slopes, n, analyses = np.array([1.0, 2.0, 3.0]), 256, 100
    design = pm.sensitivity.saltelli_design(3, n, 0)
    if scrambled:
        y = np.column_stack([pm.sensitivity.saltelli_design(3, n, seed).unit @ slopes for seed in range(analyses)])
    else:
        a, b = np.random.default_rng(1).random((2, n, analyses, 3)) * slopes
        ends = [rows.sum(axis=-1)[:, None] for rows in (a, b)]
        y = np.concatenate([ends[0], ends[0] + np.moveaxis(b - a, -1, 1), ends[1]], axis=1).reshape(-1, analyses)
    found = pm.sensitivity.sobol_indices(y, design, resamples=300)
    exact = (slopes**2 / (slopes**2).sum())[:, None]
    for low, high in ((found.S1_low, found.S1_high), (found.ST_low, found.ST_high)):
        share = np.mean((low <= exact) & (exact <= high), axis=1)
        assert (share >= 0.9).all()
        assert scrambled or share.mean() < 0.98, "not by being wide"


def test_a_large_offset_costs_no_digits() -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 0, second_order=True)
    y = np.round(outcomes(design.unit)[:, :1] * 2**20) / 2**20
    near, far = (pm.sensitivity.sobol_indices(y + offset, design, resamples=50) for offset in (0.0, 2.0**30))
    for name in ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high", "S2", "S2_low", "S2_high", "variance"):
        assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-12, atol=1e-13)


def test_the_unit_of_an_outcome_does_not_matter() -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 0)
    y = outcomes(design.unit)
    usual, tiny = (pm.sensitivity.sobol_indices(y * factor, design, resamples=50) for factor in (1.0, 2.0**-600))
    for name in ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high"):
        assert_allclose(getattr(tiny, name), getattr(usual, name), rtol=1e-12, atol=1e-13)


def test_result_repeats_with_its_seed() -> None:
    design = pm.sensitivity.saltelli_design(3, 32, 0)
    y = outcomes(design.unit)
    first, again, other = (pm.sensitivity.sobol_indices(y, design, resamples=50, seed=seed) for seed in (0, 0, 1))
    for name in ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert_array_equal(first.ST, other.ST)
    assert (first.ST_low != other.ST_low).all()


def test_ishigami() -> None:
    (s1, s2, s13), _ = ishigami_parts()
    design = pm.sensitivity.saltelli_design(3, 4096, 0)
    result = pm.sensitivity.sobol_indices(ishigami(design.unit)[:, None], design)
    assert_analytic(result, "S1", np.array([s1, s2, 0.0]))
    assert_analytic(result, "ST", np.array([s1 + s13, s2, s13]))


def test_ishigami_pairs() -> None:
    (_, _, s13), _ = ishigami_parts()
    design = pm.sensitivity.saltelli_design(3, 4096, 0, second_order=True)
    result = pm.sensitivity.sobol_indices(ishigami(design.unit)[:, None], design, resamples=200)
    assert result.S2 is not None
    assert result.S2_low is not None
    assert result.S2_high is not None
    pairs = np.triu_indices(3, 1)
    exact = np.array([0.0, s13, 0.0])
    assert_allclose(result.S2[*pairs, 0], exact, rtol=0, atol=0.02)
    assert ((result.S2_low[*pairs, 0] < exact) & (exact < result.S2_high[*pairs, 0])).all()
    assert np.isnan(result.S2[np.tril_indices(3)]).all()


def test_sobol_g() -> None:
    """Saltelli & Sobol 1995, doi:10.1016/0951-8320(95)00099-2."""
    a = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])
    design = pm.sensitivity.saltelli_design(8, 4096, 0)
    y = np.prod((np.abs(4 * design.unit - 2) + a) / (1 + a), axis=1)
    parts = 1 / (3 * (1 + a) ** 2)
    product = np.prod(1 + parts)
    result = pm.sensitivity.sobol_indices(y[:, None], design)
    assert_analytic(result, "S1", parts / (product - 1))
    assert_analytic(result, "ST", parts / (1 + parts) * product / (product - 1))


def test_groups_of_a_linear_model_add_up() -> None:
    slopes = np.array([1.0, 2.0, 3.0, 0.5])
    design = pm.sensitivity.saltelli_design(4, 4096, 0, group_of=GROUPS, second_order=True)
    result = pm.sensitivity.sobol_indices(design.unit @ slopes[:, None], design, resamples=200)
    exact = np.array([1.0 + 9.0, 4.0, 0.25]) / (slopes**2).sum()
    assert_analytic(result, "S1", exact)
    assert_analytic(result, "ST", exact)
    assert result.S2 is not None
    assert_allclose(result.S2[*np.triu_indices(3, 1), 0], 0, atol=0.02)


def test_mean_and_variance_are_those_of_the_independent_rows() -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 0)
    y = outcomes(design.unit)
    independent = y.reshape(64, 5, 3)[:, [0, -1]].reshape(-1, 3)
    result = pm.sensitivity.sobol_indices(y, design, resamples=2)
    assert_allclose(result.mean, independent.mean(axis=0), rtol=1e-12)
    assert_allclose(result.variance, independent.var(axis=0), rtol=1e-9)


def test_failed_rows_drop_their_base_rows() -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 0, second_order=True)
    y = outcomes(design.unit)
    failed, step = y.copy(), design.rows_per_base
    failed[0 * step + 2, 1] = np.nan
    failed[5 * step + 7, 0] = np.inf
    failed[5 * step + 1, 2] = -np.inf
    failed[9 * step] = np.nan
    ok = np.ones(len(y), dtype=bool)
    ok[63 * step + 4] = False
    result = pm.sensitivity.sobol_indices(failed, design, resamples=50, ok=ok)

    kept = np.delete(np.arange(64), [0, 5, 9, 63])
    rest = dataclasses.replace(design, n=60, unit=design.unit.reshape(64, step, 3)[kept].reshape(-1, 3))
    expected = pm.sensitivity.sobol_indices(y.reshape(64, step, 3)[kept].reshape(-1, 3), rest, resamples=50)
    assert (result.n_used, result.n_dropped) == (60, 4)
    for field in dataclasses.fields(pm.sensitivity.Indices):
        if field.name != "n_dropped":
            assert_array_equal(getattr(result, field.name), getattr(expected, field.name))
    remaining = y.reshape(64, step, 3)[kept, :, 0].ravel()
    assert_allclose(result.ST[:, 0], salib(remaining, rest)["ST"], rtol=1e-12)


def test_too_few_base_rows_say_how_many_rows_failed() -> None:
    design = pm.sensitivity.saltelli_design(2, 4, 0)
    y = design.unit.copy()
    y[[0, 1, 6]] = np.nan
    assert pm.sensitivity.sobol_indices(y, design, resamples=5).n_used == 2
    y[-1] = np.nan
    with pytest.raises(ValueError, match="4 of 16 rows failed, which leaves 1 of 4 base rows"):
        pm.sensitivity.sobol_indices(y, design)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e12, 1e-300])
def test_a_constant_column_has_no_indices_and_leaves_the_others_alone(constant: float) -> None:
    design = pm.sensitivity.saltelli_design(3, 64, 0, second_order=True)
    y = outcomes(design.unit)
    alone = pm.sensitivity.sobol_indices(y, design, resamples=50)
    result = pm.sensitivity.sobol_indices(np.insert(y, 1, constant, axis=1), design, resamples=50)
    for name in ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high", "S2", "S2_low", "S2_high"):
        values = getattr(result, name)
        assert np.isnan(values[..., 1]).all()
        assert_allclose(np.delete(values, 1, axis=-1), getattr(alone, name), rtol=1e-9, atol=1e-12)
    assert result.variance[1] == 0
    assert result.mean[1] == constant


@pytest.mark.filterwarnings("error")
def test_resamples_without_variance_are_left_out_of_the_interval() -> None:
    design = pm.sensitivity.saltelli_design(2, 8, 0)
    y = np.full((len(design.unit), 1), 0.3)
    y[8:12, 0] = [0.9, 0.4, 1.1, 0.3]  # only base row 2 differs: A, AB_1, AB_2, B
    result = pm.sensitivity.sobol_indices(y, design, resamples=30, seed=2)

    rng = np.random.default_rng(np.random.SeedSequence(2, spawn_key=(1,)))
    times = [np.count_nonzero(rng.integers(8, size=8) == 2) for _ in range(30)]
    assert 0 in times
    a, ab, b = 0.6, np.array([0.1, 0.8]), 0.0  # above 0.3
    totals = [
        0.5 * m / 8 * (a - ab) ** 2 / (m / 8 * (a**2 + b**2) / 2 - (m / 8 * (a + b) / 2) ** 2) for m in times if m
    ]
    spread = np.sqrt(np.mean(np.log(np.array(totals) / result.ST[:, 0]) ** 2, axis=0))
    factor = np.exp(student_t.ppf(0.975, df=7) * spread)
    assert_allclose(result.ST_low[:, 0], result.ST[:, 0] / factor, rtol=1e-12)
    assert_allclose(result.ST_high[:, 0], result.ST[:, 0] * factor, rtol=1e-12)


def test_an_interval_of_st_begins_at_0_where_a_resample_has_no_step() -> None:
    design = pm.sensitivity.saltelli_design(3, 8, 0)
    y = outcomes(design.unit)[:, :1]
    y[1::5] = y[::5]  # the first parameter does nothing ...
    y[11] += 0.3  # ... but in one base row, which some resamples lack
    result = pm.sensitivity.sobol_indices(y, design, resamples=100)
    assert result.ST_low[0, 0] == 0 < result.ST[0, 0] < result.ST_high[0, 0] < np.inf
    assert result.ST_low[1, 0] > 0


def test_a_dummy_parameter_has_exactly_no_effect() -> None:
    design = pm.sensitivity.saltelli_design(4, 64, 0)
    result = pm.sensitivity.sobol_indices(ishigami(design.unit)[:, None], design, resamples=50)
    ends = ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high")
    assert all(getattr(result, name)[3, 0] == 0 for name in ends)
    assert (result.ST[:3, 0] > 0).all()


def test_columns_in_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    design = pm.sensitivity.saltelli_design(3, 32, 0, second_order=True)
    y = outcomes(design.unit)
    whole = pm.sensitivity.sobol_indices(y, design, resamples=50)
    assert _indices._chunk_width((32, design.rows_per_base), 51) > 3
    monkeypatch.setattr(_indices, "_CHUNK_BYTES", 1)
    assert _indices._chunk_width((32, design.rows_per_base), 51) == 1
    pieces = pm.sensitivity.sobol_indices(y, design, resamples=50)
    for name in ("S1", "S1_low", "ST", "ST_high", "S2", "S2_low", "mean", "variance"):
        assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(40)}, r"shape \(40,\): give \(40, K\)"),
        ({"y": np.zeros((39, 2))}, r"shape \(39, 2\): give \(40, K\)"),
        ({"y": np.zeros((40, 0))}, r"shape \(40, 0\): .* K at least 1"),
        ({"ok": np.zeros(40, dtype=int)}, "ok is int64"),
        ({"ok": np.ones(39, dtype=bool)}, r"shape \(39,\): give 40 booleans"),
        ({"resamples": 0}, "resamples = 0"),
        ({"confidence": 95}, "confidence = 95"),
        ({"confidence": 0.0}, "confidence = 0.0"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    design = pm.sensitivity.saltelli_design(3, 8, 0)
    arguments: dict[str, Any] = {"y": design.unit, "design": design, **change}
    with pytest.raises(ValueError, match=message):
        pm.sensitivity.sobol_indices(**arguments)


def test_the_examples_in_the_docstrings_run() -> None:
    for module, examples in ((_indices, 8), (intervals, 1)):
        results = doctest.testmod(module)
        assert results.attempted >= examples
        assert results.failed == 0
