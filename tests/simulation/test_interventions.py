"""Treatments as schedules of levels and doses, and the phases that come of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.simulation.phases import phases
from pathway_models.treatments.schedule import label
from pathway_models.treatments.text import treatment_from_text

WEEK = 168.0


@pytest.fixture(scope="module")
def ketone() -> pm.Model:
    return pm.load("ketone_katp")


@pytest.fixture(scope="module")
def probe() -> pm.Model:
    """y shows the level k, S collects doses."""
    return tiny("k = 0; S = 0; S' = 0*k; y := k", name="probe")


def _ratio(
    model: pm.Model, treatments: Sequence[pm.Treatment], weeks: float
) -> list[tuple[float, float, float | None]]:
    """(start, stop, fat ratio or None) in weeks of each phase."""
    pieces = phases(model, treatments, weeks * WEEK)
    return [
        (p.start / WEEK, p.stop / WEEK, {k.rsplit("__", 1)[-1]: v for k, v in p.levels}.get("fat_ratio"))
        for p in pieces
    ]


# ---- phases ------------------------------------------------------------------------------------------------


def test_no_treatment_is_one_phase(probe: pm.Model) -> None:
    (only,) = phases(probe, [], 10.0)
    assert (only.start, only.stop, only.levels, only.doses) == (0.0, 10.0, (), ())


def test_start_and_stop_cut_the_run(ketone: pm.Model) -> None:
    assert _ratio(ketone, [pm.KetogenicDiet(ratio=3, start=1, stop=3)], 5) == [(0, 1, None), (1, 3, 3), (3, 5, None)]


def test_restart_with_two_diets(ketone: pm.Model) -> None:
    diets = [pm.KetogenicDiet(ratio=4, stop=2), pm.KetogenicDiet(ratio=2, start=3)]
    assert _ratio(ketone, diets, 5) == [(0, 2, 4), (2, 3, None), (3, 5, 2)]


def test_intervals_are_half_open(ketone: pm.Model) -> None:
    diets = [pm.KetogenicDiet(ratio=4, stop=2), pm.KetogenicDiet(ratio=2, start=2)]
    assert _ratio(ketone, diets, 5) == [(0, 2, 4), (2, 5, 2)]


def test_order_of_the_list_does_not_matter(ketone: pm.Model) -> None:
    diets = [pm.KetogenicDiet(ratio=4, stop=2), pm.KetogenicDiet(ratio=2, start=2)]
    assert _ratio(ketone, diets[::-1], 5) == _ratio(ketone, diets, 5)


def test_what_lies_after_the_end_of_the_run_is_ignored(ketone: pm.Model) -> None:
    diets = [pm.KetogenicDiet(start=6), pm.KetogenicDiet(start=7)]
    assert _ratio(ketone, diets, 5) == [(0, 5, None)]


def test_a_stop_after_the_end_of_the_run_is_cut(ketone: pm.Model) -> None:
    assert _ratio(ketone, [pm.KetogenicDiet(stop=9)], 5) == [(0, 5, 4)]


@pytest.mark.parametrize("second", [{"start": 1.0}, {"start": 0.0, "stop": 1.0}, {"start": 1.5, "stop": 1.6}])
def test_overlap_on_one_input_is_an_error_that_names_it(ketone: pm.Model, second: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=r"two levels on (carb_restriction|fat_ratio) overlap from"):
        phases(ketone, [pm.KetogenicDiet(stop=2), pm.KetogenicDiet(**second)], 5 * WEEK)


def test_overlap_through_two_spellings_of_one_input_is_found() -> None:
    model = pm.load("epilepsy")
    levels = [pm.Level(input="rapamycin", value=1), pm.Level(input="mtor_autophagy.rapamycin", value=2)]
    with pytest.raises(InvalidValueError, match="mtor_autophagy__rapamycin overlap"):
        phases(model, levels, 10.0)


def test_dose_at_time_zero_and_two_doses_at_once(probe: pm.Model) -> None:
    doses = [pm.Dose(input="S", amount=1, times=(0.0, 2.0, 2.0)), pm.Dose(input="S", amount=5, times=(2.0,))]
    assert [(p.start, p.doses) for p in phases(probe, doses, 4.0)] == [(0.0, (("S", 1.0),)), (2.0, (("S", 7.0),))]
    run = probe.simulate(doses, duration=4, every=1)
    np.testing.assert_allclose(run["S"], [1, 1, 8, 8, 8], atol=1e-9)


@pytest.mark.parametrize(
    "plan", [pm.Dose(input="S", amount=1, times=(4.0, 9.0)), pm.Level(input="k", value=3, until=4)]
)
def test_the_value_at_a_switch_does_not_depend_on_the_length_of_the_run(probe: pm.Model, plan: pm.Treatment) -> None:
    ends, goes_on = (probe.simulate([plan], duration=t, every=1, variables=["k"]) for t in (4, 5))
    for name in ("S", "k"):
        np.testing.assert_allclose(ends[name], goes_on[name][:5], atol=1e-9)


@pytest.mark.parametrize("times", [[0, 1, 2], np.arange(3.0), range(3)], ids=["list", "array", "range"])
def test_dose_takes_any_sequence_of_times(probe: pm.Model, times: Sequence[float]) -> None:
    run = probe.simulate([pm.Dose(input="S", amount=1, times=times)], duration=3, every=1)  # type: ignore[arg-type]
    np.testing.assert_allclose(run["S"], [1, 2, 3, 3], atol=1e-9)


# ---- errors ------------------------------------------------------------------------------------------------


def test_unknown_input_is_named_with_what_is_allowed() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown input of nlrp3_il1b 'MCC95'; did you mean 'MCC950'.*IL1Ra"):
        phases(pm.load("nlrp3_il1b"), [pm.Level(input="MCC95", value=1)], 1.0)


@pytest.mark.parametrize("value", [-0.1, 10.5])
def test_level_outside_the_range_of_its_input(value: float) -> None:
    with pytest.raises(InvalidValueError, match=rf"the level of MCC950 is {value}; allowed is 0 to 10"):
        phases(pm.load("nlrp3_il1b"), [pm.Level(input="MCC950", value=value)], 1.0)


def test_dose_outside_the_range_of_its_input() -> None:
    with pytest.raises(InvalidValueError, match=r"session.* is 50; allowed is 0 to"):
        phases(pm.load("acupuncture"), [pm.Dose(input="session", amount=50, times=(0.0,))], 1.0)


@pytest.mark.parametrize(
    "treatment",
    [
        pm.Electroacupuncture(minutes=120),
        pm.Electroacupuncture(minutes=1, sessions_per_week=7),
        pm.treatments.KetoneEster(mg_per_kg=2000),
        pm.KetogenicDiet(ratio=5),
        pm.KetogenicDiet(ratio=1),
        pm.KetogenicDiet(adherence=0),
        pm.treatments.Fasting(hours=720),
    ],
    ids=repr,
)
def test_every_allowed_treatment_fits_the_inputs_of_the_model(treatment: pm.Treatment) -> None:
    """The range of a treatment's options lies within the range of the input that it acts on."""
    model = pm.load("epilepsy")
    ports = {p.id: p for p in model.input_ports}
    for item in treatment.schedule():
        port = ports[model.resolve(item.input)]
        value = item.value if isinstance(item, pm.Level) else item.amount
        assert port.low <= value <= port.high, (item.input, value, port.high)
    assert phases(model, [treatment], WEEK)


def test_level_on_something_computed_is_an_error() -> None:
    with pytest.raises(
        InvalidValueError, match="IL1B of nlrp3_il1b is computed by a rule; a level acts on an input or a constant"
    ):
        phases(pm.load("nlrp3_il1b"), [pm.Level(input="IL1B", value=1)], 1.0)
    with pytest.raises(InvalidValueError, match="nlrp3_il1b__BHB of epilepsy is computed"):
        phases(pm.load("epilepsy"), [pm.Level(input="nlrp3_il1b.BHB", value=1)], 1.0)


def test_dose_on_something_that_is_no_state_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="a dose acts on a state; MCC950 of nlrp3_il1b is none"):
        phases(pm.load("nlrp3_il1b"), [pm.Dose(input="MCC950", amount=1, times=(0.0,))], 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_level_must_be_finite(value: float) -> None:
    with pytest.raises(InvalidValueError, match="the level of x is"):
        pm.Level(input="x", value=value)


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_dose_must_be_finite_and_not_negative(amount: float) -> None:
    with pytest.raises(InvalidValueError, match="the dose of x is"):
        pm.Dose(input="x", amount=amount, times=(0.0,))


@pytest.mark.parametrize("time", [-1.0, math.nan])
def test_times_are_not_negative(time: float) -> None:
    with pytest.raises(InvalidValueError, match="a time of the dose of x"):
        pm.Dose(input="x", amount=1, times=(0.0, time))
    with pytest.raises(InvalidValueError, match="the start of x"):
        pm.Level(input="x", value=1, at=time)


@pytest.mark.parametrize("stop", [1.0, 2.0, math.nan])
def test_stop_must_follow_start(stop: float) -> None:
    with pytest.raises(InvalidValueError, match="the stop of x is"):
        pm.Level(input="x", value=1, at=2.0, until=stop)
    with pytest.raises(InvalidValueError, match="the stop of the ketogenic diet is"):
        pm.KetogenicDiet(start=2, stop=stop)


def test_a_single_treatment_and_a_text_are_refused(probe: pm.Model) -> None:
    with pytest.raises(InvalidValueError, match=r"treatments is KetogenicDiet\(.*give a list"):
        phases(probe, pm.KetogenicDiet(), 1.0)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"is no treatment; it needs a schedule\(\)"):
        phases(probe, ["ketogenic_diet"], 1.0)  # type: ignore[list-item]


# ---- ketogenic diet ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.9, 5.1, math.nan, -4])
def test_ratio_out_of_range(ratio: float) -> None:
    with pytest.raises(InvalidValueError, match=r"the ratio of the ketogenic diet.*allowed is 1 to 5"):
        pm.KetogenicDiet(ratio=ratio)


@pytest.mark.parametrize(
    ("option", "value"), [("adherence", 1.1), ("adherence", -0.1), ("titration_weeks", -1), ("start", -1)]
)
def test_other_options_of_the_diet_out_of_range(option: str, value: float) -> None:
    with pytest.raises(InvalidValueError, match=f"{option.split('_')[0]}.*ketogenic diet"):
        pm.KetogenicDiet(**{option: value})


def _diet_values(diet: pm.KetogenicDiet) -> dict[str, float]:
    return {level.input: level.value for level in diet.schedule()}


@pytest.mark.parametrize(
    ("ratio", "carb"),
    # share of energy that is not fat, 4/(9 r + 4), less 6 % protein, against 50 % carbohydrate
    [(4.0, 1 - (0.10 - 0.06) / 0.5), (1.0, 1 - (4 / 13 - 0.06) / 0.5), (3.0, 1 - (4 / 31 - 0.06) / 0.5)],
)
def test_carbohydrate_follows_from_the_ratio(ratio: float, carb: float) -> None:
    values = _diet_values(pm.KetogenicDiet(ratio=ratio))
    assert values == {"carb_restriction": pytest.approx(carb), "fat_ratio": ratio}


def test_adherence_mixes_with_the_usual_diet() -> None:
    full, half, none = (_diet_values(pm.KetogenicDiet(adherence=a)) for a in (1.0, 0.5, 0.0))
    assert none == {"carb_restriction": 0.0, "fat_ratio": 0.25}
    for key in full:
        assert half[key] == pytest.approx((full[key] + none[key]) / 2)


def test_titration_climbs_in_steps_of_one(ketone: pm.Model) -> None:
    diet = pm.KetogenicDiet(ratio=4, start=1, titration_weeks=3)
    assert _ratio(ketone, [diet], 8) == [(0, 1, None), (1, 2, 1), (2, 3, 2), (3, 4, 3), (4, 8, 4)]


def test_titration_to_a_ratio_between_steps_and_to_one(ketone: pm.Model) -> None:
    diet = pm.KetogenicDiet(ratio=2.5, titration_weeks=2)
    assert _ratio(ketone, [diet], 5) == [(0, 1, 1), (1, 2, 2), (2, 5, 2.5)]
    assert _ratio(ketone, [pm.KetogenicDiet(ratio=1, titration_weeks=2)], 5) == [(0, 5, 1)]


def test_stop_within_the_titration(ketone: pm.Model) -> None:
    diet = pm.KetogenicDiet(ratio=4, titration_weeks=3, stop=1.5)
    assert _ratio(ketone, [diet], 3) == [(0, 1, 1), (1, 1.5, 2), (1.5, 3, None)]


# ---- electroacupuncture, fasting, ketone ester ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "days"),
    [
        (1, [0]),
        (2, [0, 4]),
        (3, [0, 2, 4]),
        (4, [0, 1, 3, 4]),
        (5, [0, 1, 2, 3, 4]),
        (6, [0, 1, 2, 3, 4, 5]),
        (7, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_sessions_fall_on_weekdays(sessions: int, days: list[int]) -> None:
    (dose,) = pm.Electroacupuncture(sessions_per_week=sessions, weeks=2).schedule()
    assert [t / 24 for t in dose.times] == [*days, *(7 + d for d in days)]
    assert (dose.input, dose.amount) == ("session", 1.0)


def test_session_count_length_and_start() -> None:
    (dose,) = pm.Electroacupuncture(sessions_per_week=3, weeks=8, start=2, minutes=15).schedule()
    assert (len(dose.times), dose.times[0], dose.amount) == (24, 2 * WEEK, 0.5)
    (short,) = pm.Electroacupuncture(sessions_per_week=5, weeks=1.5).schedule()
    assert len(short.times) == 5 + 4  # Monday to Thursday: half a week is 84 h
    assert pm.Electroacupuncture(weeks=1 / 7).schedule()[0].times == (0.0,)  # one day: the end is not part of it
    assert pm.Electroacupuncture(weeks=0).schedule()[0].times == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sessions_per_week": 0}, "number of sessions per week is 0; allowed is 1 to 7"),
        ({"sessions_per_week": 8}, "number of sessions per week is 8"),
        ({"sessions_per_week": 2.5}, "sessions per week is 2.5; allowed are whole numbers"),
        ({"minutes": 0.0}, "length of a session in minutes is 0"),
        ({"minutes": math.nan}, "length of a session in minutes is nan"),
        ({"weeks": -1.0}, "length of the course in weeks is -1"),
        ({"start": -1.0}, "the start of electroacupuncture is -1"),
    ],
)
def test_electroacupuncture_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        pm.Electroacupuncture(**options)  # type: ignore[arg-type]


def test_fasting_is_a_level() -> None:
    (level,) = pm.treatments.Fasting(hours=36, start_hours=12).schedule()
    assert (level.input, level.value, level.at, level.until) == ("fasting", 1.0, 12, 48)
    with pytest.raises(InvalidValueError, match="the length of the fast in hours is 0"):
        pm.treatments.Fasting(hours=0)


def test_ketone_ester_in_mmol_per_kg() -> None:
    """714 mg/kg of a monoester of 176.2 g/mol that holds two BHB: 8.10 mmol BHB per kg."""
    (dose,) = pm.treatments.KetoneEster(mg_per_kg=714, times_per_day=3, days=2, start_days=1).schedule()
    assert dose.input == "ketone_ester"
    assert dose.amount == pytest.approx(714 / 176.2 * 2)
    np.testing.assert_allclose(dose.times, [24, 32, 40, 48, 56, 64])


@pytest.mark.parametrize(
    "options",
    [{"mg_per_kg": -1}, {"mg_per_kg": 2001}, {"times_per_day": 7}, {"times_per_day": 2.5}, {"days": -1}],
    ids=str,
)
def test_ketone_ester_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="allowed"):
        pm.treatments.KetoneEster(**options)  # type: ignore[arg-type]


# ---- names -------------------------------------------------------------------------------------------------


def test_named_treatments() -> None:
    assert treatment_from_text("ketogenic_diet:ratio=3,start=2") == pm.KetogenicDiet(ratio=3, start=2)
    assert treatment_from_text("ketogenic_diet") == pm.KetogenicDiet()
    assert treatment_from_text("electroacupuncture:sessions_per_week=3") == pm.Electroacupuncture(sessions_per_week=3)
    assert treatment_from_text("fasting:hours=12") == pm.treatments.Fasting(hours=12)
    assert treatment_from_text("ketone_ester:times_per_day=2,days=3") == pm.treatments.KetoneEster(
        times_per_day=2, days=3
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ketogenic_die", UnknownNameError, "unknown treatment 'ketogenic_die'; did you mean 'ketogenic_diet'"),
        ("ketogenic_diet:rati=3", UnknownNameError, "unknown option of ketogenic_diet 'rati'; did you mean 'ratio'"),
        ("ketogenic_diet:ratio=four", InvalidValueError, "ratio=four of ketogenic_diet: write a number"),
        ("ketogenic_diet:ratio", InvalidValueError, "ratio of ketogenic_diet: write a number"),
        ("ketogenic_diet:ratio=9", InvalidValueError, "is 9; allowed is 1 to 5"),
        ("ketogenic_diet:ratio=nan", InvalidValueError, "is nan; allowed is 1 to 5"),
        ("", UnknownNameError, "unknown treatment ''"),
    ],
)
def test_named_errors(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        treatment_from_text(text)


class Infusion:
    """A user's own treatment, not a dataclass."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def schedule(self) -> list[pm.Level | pm.Dose]:
        return [
            pm.Dose(input="S", amount=5, times=(1.0,)),
            pm.Level(input="k", value=self.rate, at=1, until=3),
        ]


def test_labels() -> None:
    assert label([]) == "none"
    assert label(pm.KetogenicDiet()) == "ketogenic_diet"
    assert label([pm.KetogenicDiet(), pm.Electroacupuncture()]) == "ketogenic_diet+electroacupuncture"
    assert label([pm.Level(input="rapamycin", value=1), Infusion(1)]) == "rapamycin+Infusion"


def test_a_treatment_of_your_own(probe: pm.Model) -> None:
    assert isinstance(Infusion(1), pm.Treatment)
    run = probe.simulate([Infusion(2)], duration=4, every=1)
    np.testing.assert_allclose(run["S"], [0, 5, 5, 5, 5], atol=1e-9)
    np.testing.assert_allclose(run["y"], [0, 2, 2, 0, 0])
    assert run.attrs["arm"] == "Infusion"


def test_the_record_of_a_treatment_of_your_own_says_what_was_done(probe: pm.Model) -> None:
    """The address of an object in memory is no record."""
    text, same, other = (probe.simulate([Infusion(r)], duration=4).attrs["treatments"] for r in (2, 2, 3))
    assert text == same
    assert text != other
    assert " at 0x" not in text
