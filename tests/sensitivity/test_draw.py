"""Draws of parameters: their laws, their seed, and what is refused; gains of the loop for rows of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError


@pytest.fixture(scope="module")
def model() -> pm.Model:
    return pm.load("excitability")


def test_draws_fill_the_ranges_of_the_tables(model: pm.Model) -> None:
    columns = pm.draw(model, 64)
    table = model.parameters.loc[list(columns)]
    assert set(columns) == {p.id for p in model.constants if p.uncertain and p.id not in model.anchors}
    drawn = np.array(list(columns.values()))
    low, high = table["low"].to_numpy()[:, None], table["high"].to_numpy()[:, None]
    assert ((drawn >= low * (1 - 1e-12)) & (drawn <= high * (1 + 1e-12))).all()
    # a power of two of a Sobol sequence has one point in each of as many slices of the range
    name, (first, last) = "K_remodelling", table.loc["K_remodelling", ["low", "high"]]
    assert table.loc[name, "distribution"] == "loguniform"
    places = 64 * np.log(columns[name] / first) / np.log(last / first)
    assert_array_equal(np.sort(np.floor(places)), np.arange(64))


def test_same_seed_same_draws_and_more_of_them_begin_alike(model: pm.Model) -> None:
    few, many, other = (pm.draw(model, n, seed=s)["kappa"] for n, s in ((3, 7), (8, 7), (8, 8)))
    assert_array_equal(few, many[:3])
    assert (many != other).all()


def test_named_parameters_and_ranges(model: pm.Model) -> None:
    assert list(pm.draw(model, 2, factors=["kappa"])) == ["kappa"]
    assert np.all(pm.draw(model, 4, factors={"kappa": (2.0, 2.5)})["kappa"] <= 2.5)


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (2.5, 1), (-1, 1), (4, -1)])
def test_bad_numbers_are_refused(model: pm.Model, n: int, seed: int) -> None:
    with pytest.raises(InvalidValueError, match="allowed"):
        pm.draw(model, n, seed=seed)


def test_unknown_names_are_refused(model: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match="kapa"):
        pm.draw(model, 2, factors=["kapa"])


def test_gains_of_rows_are_those_of_single_models(model: pm.Model) -> None:
    rows = pm.draw(model, 4, factors={"K_remodelling": (0.25, 0.9), "share_structural": (0.2, 0.8)})
    gains = pm.loop_gains(model, rows, execution=pm.Execution(workers=1, progress=False))
    single = (model.with_parameters({k: v[i] for k, v in rows.items()}) for i in range(4))
    assert_allclose(
        gains, [pm.loop_gains(m, execution=pm.Execution(workers=1, progress=False))[0] for m in single], rtol=1e-3
    )
    assert np.ptp(gains) > 0.1


def test_gains_need_a_loop() -> None:
    with pytest.raises(ModelError, match="no feedback loop"):
        pm.loop_gains(pm.load("acupuncture"), {"efficacy": [1.0]})
