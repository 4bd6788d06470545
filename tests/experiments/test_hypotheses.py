"""Hypotheses as a discrete factor: the runs are those of with_hypothesis, the indices those of a known function."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.experiments.hypotheses import LARGEST, _indices
from pathway_models.modules.flat import Context
from pathway_models.modules.module import Alternative

matplotlib.use("Agg")


def switches(**values: tuple[float, ...]) -> tuple[pm.models.Hypothesis, ...]:
    """A hypothesis per constant, with an alternative per value; the first is the default."""
    return tuple(
        pm.models.Hypothesis(
            id=f"about_{key}",
            title=key,
            default=f"{key}_{numbers[0]:g}",
            alternatives={f"{key}_{v:g}": Alternative(settings={key: v}) for v in numbers},
        )
        for key, numbers in values.items()
    )


def model() -> pm.Model:
    """X rests at a + 2*b + a*b*c."""
    body = "a = 0; b = 0; c = 1; species X in cell; compartment cell = 1; X = 1\n-> X; a + 2*b + a*b*c\nX -> ; 1*X"
    made = tiny(body)
    found = switches(a=(0.0, 1.0), b=(0.0, 1.0), c=(1.0, 3.0))
    contexts = {"healthy": Context(name="healthy", title="", settings={})}
    return replace(made, hypothesis_set=found, contexts=contexts).with_context("healthy")


def scan(**more: object) -> object:
    given = {"outcomes": ["X"], "duration": 10.0, "workers": 1, "progress": False, **more}
    return flat(pm.hypothesis_scan, given.pop("model", model()), [], **given)


class TestOneway:
    def test_values(self):
        found = scan()
        table = found.to_dataframe()
        assert table["X"].tolist() == pytest.approx([0.0, 1.0, 2.0, 0.0], abs=1e-6)
        assert table["hypothesis"].tolist() == ["", "about_a", "about_b", "about_c"]
        assert table["alternative"].tolist() == ["as it is", "a_1", "b_1", "c_3"]
        assert table["status"].tolist() == ["ok"] * 4

    def test_spread_is_sorted(self):
        spread = scan().spread().loc["X"]
        assert list(spread.index) == ["about_b", "about_a", "about_c"]
        assert spread["range"].tolist() == pytest.approx([2, 1, 0], abs=1e-6)
        assert spread.loc["about_b", ["low_under", "high_under"]].tolist() == ["b_0", "b_1"]

    def test_starts_from_the_readings_in_force(self):
        found = scan(model=model().with_hypothesis("about_a", "a_1").with_hypothesis("about_b", "b_1"))
        assert found.in_force == {"about_a": "a_1", "about_b": "b_1", "about_c": "c_1"}
        table = found.to_dataframe().set_index("alternative")["X"]
        assert table.to_dict() == pytest.approx({"as it is": 4.0, "a_0": 2.0, "b_0": 1.0, "c_3": 6.0}, abs=1e-5)

    def test_the_runs_are_those_of_with_hypothesis(self):
        library = pm.load("nlrp3_il1b")
        treatments = [pm.Level(input="BHB", value=2.0)]
        outcome = [pm.Outcome(variable="IL1B", relative=True, label="IL1B")]
        found = pm.hypothesis_scan(
            library, treatments, outcomes=outcome, weeks=2, execution=pm.Execution(workers=1, progress=False)
        )
        table = found.to_dataframe()
        assert len(table) == 1 + sum(len(h.alternatives) - 1 for h in library.hypothesis_set)
        for _, row in table.iloc[1:].iterrows():
            variant = library.with_hypothesis(row["hypothesis"], row["alternative"])
            alone = pm.ensemble(
                variant,
                {"IC50_BHB_NLRP3": [library.parameters.loc["IC50_BHB_NLRP3", "value"]]},
                treatments,
                outcomes=outcome,
                weeks=2,
                execution=pm.Execution(workers=1, progress=False),
            )
            assert row["IL1B"] == pytest.approx(alone.values[0, 0], rel=1e-4)

    def test_summary_and_figure(self):
        found = scan(model=model().with_hypothesis("about_a", "a_1"))
        text = found.summary()
        assert "X: 1, over all runs" in text
        assert "2 of 3 hypotheses move it: about_b 1 to 4; about_a" in text
        axis = found.plot().axes[0]
        assert [t.get_text() for t in axis.get_yticklabels()] == ["about_b", "about_a", "about_c"]
        assert found.plot("X", top=2).axes[0].get_title(loc="left") == "X"
        with pytest.raises(UnknownNameError, match="outcome"):
            found.plot("Y")


class TestFull:
    def test_every_combination(self):
        found = scan(which="full")
        table = found.to_dataframe()
        assert len(table) == 8
        a, b, c = (table[f"about_{k}"].str.split("_").str[1].astype(float) for k in "abc")
        assert table["X"].to_numpy() == pytest.approx((a + 2 * b + a * b * c).to_numpy(), abs=1e-5)

    def test_indices_of_a_known_function(self):
        # a + 2b + abc with a, b in {0, 1} and c in {1, 3}: variances of the conditional means, by hand
        values = np.array([0, 0, 2, 2, 1, 1, 4, 6], dtype=float)
        alternatives = [{"a": f"{i}", "b": f"{j}", "c": f"{k}"} for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        first, total = _indices(alternatives, ("a", "b", "c"), values)
        assert first == pytest.approx(np.array([1, 9 / 4, 1 / 16]) / 3.75)
        assert total == pytest.approx(np.array([1.375, 2.625, 0.25]) / 3.75)

    def test_additive_function_has_equal_indices(self):
        alternatives = [{"a": f"{i}", "b": f"{j}"} for i in range(2) for j in range(3)]
        values = np.array([i + 5.0 * j for i in range(2) for j in range(3)])
        first, total = _indices(alternatives, ("a", "b"), values)
        assert first == pytest.approx(total)
        assert first.sum() == pytest.approx(1)

    def test_what_does_not_vary_has_none(self):
        found = scan(which="full", hypotheses=["about_c"])
        assert np.isnan(found.spread()[["S1", "ST"]].to_numpy(dtype=float)).all()
        assert found.spread()["range"].tolist() == pytest.approx([0.0], abs=1e-9)

    def test_some_hypotheses_only(self):
        spread = scan(which="full", hypotheses=["about_a", "about_b"]).spread().loc["X"]
        assert spread["S1"].sum() == pytest.approx(1 - (spread["ST"] - spread["S1"]).mean(), rel=1e-6)
        assert spread["as_it_is"].to_dict() == pytest.approx({"about_b": 0.5, "about_a": 1.0}, abs=1e-5)


class TestRefused:
    def test_too_many(self):
        many = switches(a=tuple(map(float, range(70))), b=tuple(map(float, range(70))))
        with pytest.raises(InvalidValueError, match=f"4,900 combinations; at most {LARGEST:,}"):
            scan(model=replace(model(), hypothesis_set=many), which="full")

    def test_names(self):
        with pytest.raises(UnknownNameError, match="'about_x'; did you mean"):
            scan(hypotheses=["about_x"])
        with pytest.raises(UnknownNameError, match="'twoway'"):
            scan(which="twoway")

    @pytest.mark.parametrize("given", [[], "about_a"])
    def test_no_list(self, given):
        with pytest.raises(InvalidValueError, match="give a list of names"):
            scan(hypotheses=given)

    def test_a_model_without_hypotheses(self):
        with pytest.raises(InvalidValueError, match="has 0"):
            scan(model=replace(model(), hypothesis_set=()))

    def test_a_constant_that_fits_no_alternative(self):
        with pytest.raises(InvalidValueError, match="fit no alternative of about_a"):
            scan(model=model().with_parameters(a=0.5))
