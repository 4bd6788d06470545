"""Calibration: known answers on a small model, what is refused, what the data cannot tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest

import pathway_models as pm
from helpers import analysis, flat, tiny
from pathway_models.errors import InvalidValueError, SimulationError, UnknownNameError
from pathway_models.evidence.observations import treatment
from pathway_models.evidence.reports import report
from pathway_models.inference.objective import Target, find_targets, to_unit, to_values
from pathway_models.modules.flat import Context
from pathway_models.modules.module import Alternative

matplotlib.use("Agg")

# X rests at a*b*stimulus/k_out and follows a step of the stimulus with rate k_out
BODY = """
a = 1; b = 2; k_out = 0.1; idle = 1; stimulus = 1
species X in cell; compartment cell = 1; X = 20
-> X; a*b*stimulus
X -> ; k_out*X
"""
TRUE = {"a": 1.4, "k_out": 0.16}
HOURS = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0)


def step(*, kinds: dict[str, str] | None = None, hypotheses: tuple[pm.models.Hypothesis, ...] = ()) -> pm.Model:
    model = tiny(BODY, name="step")
    parameters = tuple(
        replace(p, kind=(kinds or {}).get(p.id, "fitted"), low=p.value / 4, high=p.value * 4)
        for p in model.constants
        if p.id != "stimulus"
    )
    contexts = {
        "healthy": Context(name="healthy", title="", settings={"stimulus": 1.0}),
        "epilepsy": Context(name="epilepsy", title="", settings={"stimulus": 2.0}),
    }
    made = replace(model, constants=parameters, contexts=contexts, hypothesis_set=hypotheses)
    return made.with_context("healthy")


def row(name: str, **changes: object) -> pm.evidence.Observation:
    made: dict[str, Any] = {"context": "healthy", "observable": "X", "hours": 0.0, **changes}
    return pm.evidence.Observation(id=name, **made)


def stepped(name: str, hours: float, **changes: object) -> pm.evidence.Observation:
    text = "level:stimulus=3"
    return row(name, treatments=text, schedule=(treatment(text),), hours=hours, **changes)


def course(a: float, k_out: float, hours: float, b: float = 2.0) -> float:
    rest = a * b / k_out
    return rest * (3 - 2 * np.exp(-k_out * hours))


def data(noise: np.random.Generator | None = None, error: float = 0.05) -> list[pm.evidence.Observation]:
    rows = []
    for t in HOURS:
        exact = course(**TRUE, hours=t)
        value = exact * (1 + error * noise.standard_normal()) if noise else exact
        rows.append(stepped(f"x{t:g}", t, value=value, error=error * exact, error_kind="SD"))
    return rows


def fit(model: pm.Model, parameters: object, rows: list[pm.evidence.Observation], **more: object) -> object:
    return flat(
        pm.calibrate, model, parameters, rows, **{"starts": 1, "workers": 1, "progress": False, "prior": False, **more}
    )


class TestKnownAnswer:
    def test_values_are_recovered_from_every_start(self):
        found = fit(step(), ["a", "k_out"], data(), starts=5)
        assert {k: pytest.approx(v, rel=1e-4) for k, v in TRUE.items()} == dict(found.values)
        assert found.cost < 1e-6
        assert all(s.cost_end < 1e-5 for s in found.starts)
        assert found.starts[0].begin == {"a": pytest.approx(1.0), "k_out": pytest.approx(0.1)}
        assert found.starts[0].cost_begin > 10
        assert "5 of 5 starts end there" in found.summary()

    def test_calibrated_model_gives_the_predictions(self):
        found = fit(step(), ["a", "k_out"], data())
        rows = [t.observation for t in found.targets]
        again = report(found.calibrated, rows).rows
        assert [s.prediction for s in again] == [s.prediction for s in found.after]
        assert found.residuals()["residual"].abs().max() < 1e-3
        assert found.residuals()["residual_before"].abs().max() > 1

    def test_intervals_cover_the_truth(self):
        rng = np.random.default_rng(5)
        inside = []
        for _ in range(40):
            table = fit(step(), ["a", "k_out"], data(rng)).to_dataframe()
            inside += [table.loc[k, "low95"] <= v <= table.loc[k, "high95"] for k, v in TRUE.items()]
        assert 0.86 <= np.mean(inside) <= 1.0

    def test_profile_agrees_with_the_interval_where_the_model_is_nearly_linear(self):
        found = fit(step(), ["a", "k_out"], data(error=0.01))
        profile = found.profile("k_out", execution=pm.Execution(workers=1))
        row = found.to_dataframe().loc["k_out"]
        assert profile.low == pytest.approx(row["low95"], rel=0.01)
        assert profile.high == pytest.approx(row["high95"], rel=0.01)
        assert (profile.open_low, profile.open_high) == (False, False)
        assert profile.to_dataframe()["rise"].min() == 0
        assert profile.to_dataframe()["value"].is_monotonic_increasing
        assert profile.plot().axes[0].get_xlabel() == "k_out"

    def test_profile_of_a_constant_without_influence_is_open(self):
        found = fit(step(), ["idle"], data())
        profile = found.profile("idle", points=12, execution=pm.Execution(workers=1))
        assert (profile.open_low, profile.open_high) == (True, True)
        assert (profile.low, profile.high) == (pytest.approx(0.25), pytest.approx(4.0))

    def test_seed_and_number_of_processes_do_not_matter(self):
        one = fit(step(), ["a", "k_out"], data(), starts=pm.inference.Starts(n=3, seed=4), workers=1)
        two = fit(step(), ["a", "k_out"], data(), starts=pm.inference.Starts(n=3, seed=4), workers=2)
        assert one.values == two.values
        other = fit(step(), ["a", "k_out"], data(), starts=pm.inference.Starts(n=3, seed=5))
        assert other.starts[1].begin != one.starts[1].begin
        assert other.values == {k: pytest.approx(v, rel=1e-4) for k, v in one.values.items()}

    def test_percent_changes_and_folds(self):
        rows = [
            stepped("percent", 6.0, baseline="self", comparison="percent_change", value=200 * (1 - np.exp(-0.16 * 6))),
            stepped("fold", 12.0, baseline="self", comparison="fold", value=3 - 2 * np.exp(-0.16 * 12)),
        ]
        assert fit(step(), ["k_out"], rows).values["k_out"] == pytest.approx(0.16, rel=1e-4)

    def test_a_baseline_in_health_follows_the_constants(self):
        # epilepsy doubles the stimulus: the ratio is 2 whatever the constants are
        rows = [row("ratio", context="epilepsy", baseline="healthy", comparison="fold", value=2.0), *data()]
        found = fit(step(), ["a", "k_out"], rows)
        assert found.after[0].prediction == pytest.approx(2.0)
        assert dict(found.values) == {k: pytest.approx(v, rel=1e-4) for k, v in TRUE.items()}

    def test_settings_of_an_observation_win_over_the_fit(self):
        rows = [*data(), row("knock_out", settings=(("a", 0.5),), value=0.5 * 2 / 0.16)]
        found = fit(step(), ["a", "k_out"], rows)
        assert dict(found.values) == {k: pytest.approx(v, rel=1e-4) for k, v in TRUE.items()}
        assert found.after[-1].prediction == pytest.approx(6.25, rel=1e-4)


class TestPrior:
    def test_without_influence_a_constant_stays_where_it_is(self):
        found = fit(step().with_parameters(idle=0.7), ["a", "idle"], data(), prior=True)
        assert found.values["idle"] == pytest.approx(0.7, rel=1e-3)
        table = found.to_dataframe()
        assert table.loc["idle", "informed"] == pytest.approx(0, abs=1e-6)
        assert table.loc["a", "informed"] > 0.9

    def test_interval_without_data_is_the_range(self):
        row = fit(step(), ["idle"], data(), prior=True).to_dataframe().loc["idle"]
        assert (row["low95"], row["high95"]) == (pytest.approx(0.25), pytest.approx(4.0))

    def test_prior_pulls_towards_the_value_in_use(self):
        loose = [stepped("x", 24.0, value=course(**TRUE, hours=24.0), error=20.0)]
        free = fit(step(), ["a"], loose).values["a"]
        held = fit(step(), ["a"], loose, prior=True).values["a"]
        assert min(1.0, free) < held < max(1.0, free)

    def test_a_value_at_the_end_of_its_range_is_reported(self):
        rows = [row("x", value=1000.0, error=1.0)]
        found = fit(step(), ["a"], rows)
        assert found.to_dataframe().loc["a", "at_edge"]
        assert "at the end of its range" in found.summary()


class TestAFileFromElsewhere:
    """S falls from 10 at 0.1 an hour: nothing but the file and the numbers."""

    model = tiny("compartment c = 1; species S in c; S = 10; k = 0.3; J: S -> ; k*S*c")

    @staticmethod
    def seen(hours: float, value: float, **changes: Any) -> pm.evidence.Observation:
        return pm.evidence.Observation(
            id=f"S at {hours:g} {len(changes)}", observable="S", hours=hours, value=value, **changes
        )

    def test_own_numbers_give_the_constant_from_the_start_of_the_file(self):
        dose = (pm.Dose(input="S", amount=5, times=(1.0,)),)
        rows = [
            self.seen(3, 10 * np.exp(-0.3), error=0.05),
            self.seen(2, 10 * np.exp(-0.2) + 5 * np.exp(-0.1), error=0.05, schedule=dose),
            self.seen(9, np.exp(-0.9), comparison="fold", baseline="self"),
        ]
        found = fit(self.model, {"k": (0.01, 1)}, rows, prior=False)
        assert found.values["k"] == pytest.approx(0.1, rel=1e-6)
        assert found.to_dataframe().loc["k", "before"] == 0.3

    def test_the_best_end_counts_and_not_the_best_begin(self):
        """sin(k) + k/100 has its maxima where cos(k) = -1/100; the second is nearer to 5, and hardly a start to it."""
        model = tiny("k = 1.58; y := sin(k) + k/100; x = 1; x' = -x")
        row = pm.evidence.Observation(id="y", observable="y", hours=1, value=5.0, error=1.0)
        found = fit(model, {"k": (0.1, 10.0, "uniform")}, [row], starts=4)
        assert len(found.starts) == 4
        assert found.starts[0].cost_begin == min(s.cost_begin for s in found.starts)
        assert found.values["k"] == pytest.approx(2 * np.pi + np.arccos(-0.01), rel=1e-3)

    def test_a_context_is_refused_as_a_file_has_none(self):
        for changes in ({"context": "healthy"}, {"baseline": "healthy", "comparison": "fold"}):
            with pytest.raises(InvalidValueError, match="context 'healthy', but tiny is a file from elsewhere"):
                fit(self.model, {"k": (0.01, 1)}, [self.seen(1, 2.0, **changes)])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"hours": -1}, "hours is -1"),
            ({"value": None}, "comparison absolute needs a number"),
            ({"comparison": "up", "baseline": "self"}, "comparison up needs nothing"),
            ({"error": 0}, "error is 0"),
            ({"reduce": "median"}, "unknown reduce 'median'"),
            ({"comparison": "fold"}, "baseline is ''"),
        ],
    )
    def test_what_makes_no_sense_by_itself(self, changes: dict[str, Any], message: str):
        with pytest.raises((InvalidValueError, UnknownNameError), match=message):
            pm.evidence.Observation(**{"id": "x", "observable": "S", "hours": 1.0, "value": 2.0, **changes})

    def test_a_petab_problem_of_it_is_refused(self, tmp_path):
        with pytest.raises(InvalidValueError, match="tiny is a file from elsewhere"):
            pm.inference.write_petab(self.model, {"k": (0.01, 1)}, [self.seen(1, 2.0)], tmp_path)


class TestWhatTheDataCannotTell:
    def test_a_product_is_named(self):
        found = fit(step(), ["a", "b", "k_out"], data(), prior=True)
        (sentence,) = found.not_identified
        assert sentence.startswith("The data cannot tell a and b apart: a x 2, b x 0.5 moves all predictions by 0.")
        assert found.values["a"] * found.values["b"] == pytest.approx(2.8, rel=5e-2)
        table = found.directions()
        assert list(table["resolved"]) == [True, True, False]
        assert table["deviation"].iloc[-1] > 10
        assert "a" in table["direction"].iloc[-1]
        assert "k_out" not in table["direction"].iloc[-1]
        assert sentence in found.summary()

    def test_a_silent_constant_is_named_beside_a_product(self):
        found = fit(step(), ["idle", "a", "b", "k_out"], data(), prior=True)
        assert found.not_identified[0] == "The data say less than the range does about idle."
        assert "cannot tell a and b apart" in found.not_identified[1]

    def test_one_observation_of_a_ratio(self):
        found = fit(step(), ["a", "k_out"], [row("rest", value=17.5, error=0.5)])
        assert "a x 2, k_out x 2" in found.not_identified[0] or "k_out x 2, a x 2" in found.not_identified[0]

    def test_everything_told(self):
        found = fit(step(), ["a", "k_out"], data())
        assert found.not_identified == ()
        assert "tell all constants" in found.summary()

    def test_linear_constants_move_by_differences(self):
        model = step()
        linear = tuple(replace(p, distribution="uniform") for p in model.constants)
        found = fit(replace(model, constants=linear), ["a", "b"], data(), prior=True)
        assert "a +" in found.not_identified[0] or "b +" in found.not_identified[0]


class TestDirections:
    def test_a_right_direction_costs_nothing_and_a_wrong_one_its_distance(self):
        target = Target(observation=stepped("d", 1.0, baseline="self", comparison="up"), error=0.25, printed=False)
        wrong = np.log(1.02 / 0.76) / 0.25
        assert target.residual(np.array([50.0, 2.0, -24.0, -100.0])).tolist() == pytest.approx([0, 0, wrong, 10])
        down = replace(target, observation=replace(target.observation, comparison="down"))
        assert down.residual(np.array([-50.0, 24.0])).tolist() == pytest.approx([0.0, np.log(1.24 / 0.98) / 0.25])
        none = replace(target, observation=replace(target.observation, comparison="none"))
        expected = [0.0, np.log(1.3 / 1.05) / 0.25, np.log(0.95 / 0.7) / 0.25]
        assert none.residual(np.array([4.0, 30.0, -30.0])).tolist() == pytest.approx(expected)

    def test_a_direction_bounds_a_fit_from_one_side(self):
        late = stepped("late", 0.5, baseline="self", comparison="none")
        found = fit(step(), ["k_out"], [late])
        assert found.before[0].verdict == "wrong"
        assert abs(found.residuals()["residual"].iloc[0]) < 1e-3
        assert found.residuals()["error_from"].tolist() == ["assumed"]


class TestRefused:
    def test_measured_and_derived_constants_by_name_with_the_reason(self):
        model = step(kinds={"a": "measured", "b": "derived", "k_out": "assumed"})
        with pytest.raises(InvalidValueError, match="a cannot be fitted: it was measured"):
            fit(model, ["a"], data())
        with pytest.raises(InvalidValueError, match="b cannot be fitted: it is computed from published"):
            fit(model, ["b"], data())
        with pytest.raises(InvalidValueError, match=r"k_out .* say allow=\('fitted', 'assumed'\)"):
            fit(model, ["k_out"], data())
        assert fit(model, ["k_out"], data(), allow=("fitted", "assumed")).values["k_out"] > 0
        with pytest.raises(InvalidValueError, match="allow names 'measured'"):
            fit(model, ["a"], data(), allow=("measured",))

    def test_measured_constant_of_a_library_model(self):
        model = pm.load("ketone_katp")
        name = model.parameters.index[model.parameters["kind"] == "measured"][0]
        with pytest.raises(InvalidValueError, match=f"{name} cannot be fitted: it was measured"):
            pm.calibrate(model, {name: (1e-3, 1.0)}, ["kd_glucose_4d"], allow=("fitted", "assumed"))

    def test_none_takes_the_fitted_ones_only(self):
        found = fit(step(kinds={"b": "measured", "idle": "assumed"}), None, data())
        assert [p.id for p in found.parameters] == ["a", "k_out"]
        kinds = dict.fromkeys(("a", "b", "k_out", "idle"), "assumed")
        with pytest.raises(InvalidValueError, match="no constant of kind fitted or unknown"):
            fit(step(kinds=kinds), None, data())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"observations": []}, "observations is empty"),
            ({"observations": "x1"}, "observations is empty or no list"),
            ({"allow": "assumed"}, "give a list of kinds"),
            ({"starts": 0}, "number of starts is 0"),
            ({"assumed_error": 0.0}, "assumed error"),
            ({"prior": "no"}, "prior is 'no'"),
            ({"checkpoint": "here"}, "checkpoint is here; a fit keeps none"),
            ({"parameters": ["a", "a"]}, "twice"),
            ({"workers": 0}, "workers is 0"),
        ],
    )
    def test_bad_arguments(self, arguments, message):
        given = {"parameters": ["a"], "observations": data(), "progress": False, "workers": 1, **arguments}
        with pytest.raises(InvalidValueError, match=message):
            flat(pm.calibrate, step(), given.pop("parameters"), given.pop("observations"), **given)

    def test_unknown_names(self):
        with pytest.raises(UnknownNameError, match="kind of constant"):
            fit(step(), ["a"], data(), allow=("guessed",))
        with pytest.raises(UnknownNameError, match="'kd_gsx'; did you mean 'kd_gsh'"):
            pm.calibrate(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsx"], allow=("assumed",))
        with pytest.raises(UnknownNameError, match="fitted constant"):
            fit(step(), ["a"], data()).profile("k_out")

    def test_rows_kept_for_tests(self):
        with pytest.raises(InvalidValueError, match="x1, x6: of use 'check'"):
            fit(step(), ["a"], [replace(o, use="check") if o.id in ("x1", "x6") else o for o in data()])

    def test_a_row_named_twice(self):
        with pytest.raises(InvalidValueError, match="name x1 twice"):
            fit(step(), ["a"], [data()[0], data()[0]])

    def test_a_zero_without_an_error(self):
        with pytest.raises(InvalidValueError, match="zero has value 0 and no error"):
            fit(step(), ["a"], [row("zero", value=0.0)])

    def test_a_row_of_another_hypothesis(self):
        readings = {"one": Alternative(settings={"idle": 1.0}), "two": Alternative(settings={"idle": 2.0})}
        model = step(hypotheses=(pm.models.Hypothesis(id="idling", title="", default="one", alternatives=readings),))
        other = replace(data()[0], expected_under=(("idling", "two"),))
        with pytest.raises(InvalidValueError, match=r"with_hypothesis\('idling', 'two'\)"):
            fit(model, ["a"], [other])
        assert fit(model.with_hypothesis("idling", "two"), ["a"], [other]).after[0].verdict == "within one error"

    def test_a_model_that_does_not_run(self):
        growing = step().with_parameters(k_out=0.0)
        with pytest.raises(SimulationError, match=r"x1, x3, .* cannot be predicted by step as it is: no steady state"):
            fit(growing, ["a"], data())


class TestErrors:
    def test_ratios_are_compared_as_logarithms(self):
        rows = [
            stepped("fold", 1.0, baseline="self", comparison="fold", value=3.0, error=0.3),
            stepped("percent", 1.0, baseline="self", comparison="percent_change", value=-60.0, error=4.0),
            row("absolute", value=4.0, error=0.5),
        ]
        fold, percent, absolute = find_targets(step(), rows, 0.25)
        assert fold.residual(np.array([30.0, 0.3])).tolist() == pytest.approx([np.log(10) / 0.1, -np.log(10) / 0.1])
        assert percent.residual(np.array([-20.0])).tolist() == pytest.approx([np.log(2) / 0.1])
        assert absolute.residual(np.array([5.0])).tolist() == [2.0]
        assert np.isfinite(fold.residual(np.array([0.0, -1.0]))).all()

    def test_a_fall_to_nothing_has_no_logarithm(self):
        gone = stepped("gone", 1.0, baseline="self", comparison="percent_change", value=-100.0, error=5.0)
        with pytest.raises(InvalidValueError, match="gone is a percent_change of -100; a ratio of 0 or less"):
            find_targets(step(), [gone], 0.25)

    def test_an_assumed_error_is_a_share_of_the_value_or_of_the_fold(self):
        rows = [
            row("absolute", value=-4.0),
            stepped("percent", 1.0, baseline="self", comparison="percent_change", value=-60.0),
            stepped("fold", 1.0, baseline="self", comparison="fold", value=3.0),
            row("printed", value=4.0, error=0.3, error_kind="SEM"),
        ]
        found = find_targets(step(), rows, 0.25)
        assert [t.error for t in found] == [1.0, 10.0, 0.75, 0.3]
        assert [t.printed for t in found] == [False, False, False, True]

    def test_summary_names_them(self):
        assert (
            "No error printed, a share of the value assumed: x." in fit(step(), ["a"], [row("x", value=17.5)]).summary()
        )


class TestScale:
    @pytest.mark.parametrize("law", ["loguniform", "uniform", "normal", "lognormal"])
    def test_there_and_back(self, law):
        p = pm.models.Parameter(id="p", value=2, unit="", kind="fitted", low=1, high=100, distribution=law)
        x = np.linspace(0, 1, 5)
        values = to_values([p], x[:, None])[:, 0]
        assert (values[0], values[-1]) == (pytest.approx(1), pytest.approx(100))
        assert [float(to_unit([p], [v])[0]) for v in values] == pytest.approx(list(x))
        assert values[2] == pytest.approx(10 if law.startswith("log") else 50.5)

    def test_a_range_over_zero_is_linear(self):
        p = pm.models.Parameter(id="p", value=0, unit="", kind="fitted", low=-1, high=1, distribution="loguniform")
        assert to_values([p], np.array([[0.5]]))[0, 0] == 0


class TestStartAt:
    def test_it_is_the_first_start_and_the_centre_of_the_prior(self):
        found = fit(
            step(), ["a", "idle"], data(), prior=True, starts=pm.inference.Starts(n=1, at={"a": 3.0, "idle": 0.6})
        )
        assert found.starts[0].begin == {"a": pytest.approx(3.0), "idle": pytest.approx(0.6)}
        assert found.values["idle"] == pytest.approx(0.6, rel=1e-3)
        assert found.to_dataframe().loc["a", "before"] == 3.0
        again = fit(step().with_parameters(a=3.0, idle=0.6), ["a", "idle"], data(), prior=True)
        assert dict(found.values) == dict(again.values)

    def test_it_does_not_change_the_hypothesis_in_force(self):
        """The size of acupuncture is a hypothesis and is fitted: rows that expect one reading stay allowed."""
        switch = pm.models.Hypothesis(
            id="size",
            title="",
            default="large",
            alternatives={
                "large": Alternative(settings={"a": 1.0}),
                "none": Alternative(settings={"a": 0.0}),
            },
        )
        rows = [stepped("x", 24.0, value=30.0, error=1.0, expected_under=(("size", "large"),))]
        assert (
            fit(step(hypotheses=(switch,)), ["a"], rows, starts=pm.inference.Starts(n=1, at={"a": 2.0})).values["a"] > 0
        )

    def test_bad_starts(self):
        with pytest.raises(UnknownNameError, match="fitted constant 'b'"):
            fit(step(), ["a"], data(), starts=pm.inference.Starts(n=1, at={"b": 2.0}))
        with pytest.raises(InvalidValueError, match=r"start of a is 9; allowed is 0\.25 to 4"):
            fit(step(), ["a"], data(), starts=pm.inference.Starts(n=1, at={"a": 9.0}))


class TestCommittedFit:
    """A part of `analyses/calibrate.py`: from the values before any fit back to those in the models."""

    def test_committed_constants_are_where_the_fit_ends(self):
        script = analysis("calibrate")
        model = pm.load("epilepsy")
        for name, alternative in script.HYPOTHESES.items():
            model = model.with_hypothesis(name, alternative)
        free = ("excitability.kappa",)
        found = pm.calibrate(
            model,
            {k: script.CONSTANTS[k] for k in free},
            script.OBSERVATIONS,
            starts=pm.inference.Starts(n=1, at={k: script.BEFORE[k] for k in free}),
            execution=pm.Execution(progress=False),
        )
        for name in free:
            key = model.resolve(name)
            assert found.values[key] == pytest.approx(model.parameters.loc[key, "value"], rel=0.03)
            assert found.starts[0].begin[key] == pytest.approx(script.BEFORE[name])
        assert found.cost < found.starts[0].cost_begin / 2

    def test_committed_constants_are_marked_and_in_their_ranges(self):
        script, model = analysis("calibrate"), pm.load("epilepsy")
        keys = {model.resolve(k) for k in script.CONSTANTS}
        assert keys <= {p.id for p in model.constants if p.kind == "fitted"}
        rows = {o.id: o for o in pm.evidence.read_observations(model)}
        assert {rows[k].use for k in script.OBSERVATIONS} == {"fit"}
        assert {rows[k].use for k in script.HELD_OUT} == {"check"}


class TestLibraryModel:
    OBSERVATIONS = ("aicar_pampk_4h", "aicar_nad_8h", "seizure_complex_i", "seizure_oxidation", "status_superoxide")

    def test_improves_and_agrees_with_the_evidence_report(self):
        model = pm.load("ampk_pgc1a")
        free = ["gain_seizure_ROS", "gain_ROS_GSH", "gain_ROS_PARP"]
        found = fit(model, free, list(self.OBSERVATIONS), allow=("assumed",), prior=True)
        table = found.residuals()
        assert (table["residual"] ** 2).sum() < (table["residual_before"] ** 2).sum()
        rows = {r.observation.id: r.prediction for r in pm.evidence.report(found.calibrated).rows}
        for name in self.OBSERVATIONS:
            assert rows[name] == pytest.approx(table.loc[name, "prediction"], rel=1e-6)
        assert set(found.to_dataframe()["kind"]) == {"assumed"}

    def test_figure(self):
        rows = [*data(), stepped("up", 6.0, baseline="self", comparison="up")]
        figure = fit(step(), ["a", "b", "k_out"], rows, prior=True).plot()
        left, right = figure.axes
        assert [t.get_text() for t in left.get_yticklabels()][-1] == "up: X up"
        assert {t.get_text() for t in right.get_yticklabels()} == {"a", "b", "k_out"}
