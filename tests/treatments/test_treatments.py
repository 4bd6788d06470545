"""Diets, stimulation, drugs and provocations: their schedules, what they refuse, and their names."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import pathway_models as pm
from helpers import flat
from pathway_models._files.data import facts
from pathway_models.errors import InvalidValueError, ModelWarning, UnknownNameError
from pathway_models.models.collection import OURS
from pathway_models.simulation.phases import phases, warn_idle
from pathway_models.treatments.diets import ketogenic_capacities
from pathway_models.treatments.drugs import known_agents
from pathway_models.treatments.schedule import CONSTANTS, label, snake
from pathway_models.treatments.stimulation import known_points
from pathway_models.treatments.text import treatment_classes, treatment_from_text

WEEK = 168.0
DIETS: tuple[type[Any], ...] = (pm.KetogenicDiet, pm.ModifiedAtkinsDiet, pm.MCTDiet)


def values(treatment: pm.Treatment) -> dict[str, float]:
    return {i.input: i.value if isinstance(i, pm.Level) else i.amount for i in treatment.schedule()}


def late(treatment: pm.Treatment, variable: str, hours: float) -> float:
    """Value in the ketone module after so many hours."""
    return float(pm.load("ketone_katp").simulate([treatment], duration=hours, every=hours)[variable][-1])


# ---- diets -------------------------------------------------------------------------------------------------


def test_a_modified_atkins_diet_by_hand() -> None:
    """20 of 250 g carbohydrate are left; 65 percent of energy from fat at 9 kcal/g, the rest at 4 kcal/g."""
    found = values(pm.ModifiedAtkinsDiet(age_group="adult"))
    assert found == {
        "carb_restriction": pytest.approx(1 - 20 / 250),
        "fat_ratio": pytest.approx((0.65 / 9) / (0.35 / 4)),
        "ketogenic_capacity": ketogenic_capacities()["adult"],
    }
    child = values(pm.ModifiedAtkinsDiet(carbohydrate_g=10, energy_kcal=1000, age_group="child"))
    assert child["carb_restriction"] == pytest.approx(1 - 10 / 125)
    assert child["ketogenic_capacity"] == ketogenic_capacities()["child"]


def test_carbohydrate_above_the_usual_is_no_restriction() -> None:
    diet = pm.ModifiedAtkinsDiet(carbohydrate_g=60, energy_kcal=600)
    assert values(diet)["carb_restriction"] == pytest.approx(1 - 60 / 75)
    assert values(pm.ModifiedAtkinsDiet(carbohydrate_g=60, energy_kcal=600, adherence=0))["carb_restriction"] == 0


def test_an_mct_diet_brings_its_own_fatty_acids() -> None:
    """60 percent of 70 kcal/kg at 8.3 kcal/g and 167 g/mol, over 24 h."""
    child = values(pm.MCTDiet(age_group="child", decanoic_share=0.5, adherence=0.5))
    assert child["MCT_intake"] == pytest.approx(0.5 * 0.6 * 70 / 8.3 / 0.167 / 24)
    assert child["decanoic_share"] == 0.5
    assert child["carb_restriction"] == pytest.approx(0.5 * (1 - 0.19 / 0.5))
    assert child["meal"] == 1.0
    assert phases(pm.load("epilepsy"), [pm.MCTDiet()], WEEK)


def test_more_mct_than_all_fat_takes_from_carbohydrate() -> None:
    assert values(pm.MCTDiet(mct_energy=0.75))["carb_restriction"] == pytest.approx(1 - 0.15 / 0.5)
    assert values(pm.MCTDiet(mct_energy=0.75))["fat_ratio"] == 0.0


def test_mct_oil_brings_ketones_beside_a_usual_diet() -> None:
    """Ketones of C8 are several-fold those of the vehicle (ketone_katp:KK_R081)."""
    ketones = pm.load("ketone_katp").simulate([pm.treatments.MCTOil()], duration=4, every=0.1)["ketone_bodies"]
    assert float(ketones.max()) > 2 * float(ketones[0])
    assert pm.treatments.MCTOil(times_per_day=2, days=2).schedule()[0].times == (0.0, 12.0, 24.0, 36.0)


def test_a_meal_lowers_the_peak_of_an_ester() -> None:
    """ketone_katp:KK_R079: by a third."""
    fasted, fed = (
        pm.load("ketone_katp", context="healthy").simulate(
            [pm.treatments.KetoneEster(mg_per_kg=395, meal=m)], duration=6, every=0.05
        )
        for m in (0, 1)
    )
    assert float(fed["BHB_plasma"].max() / fasted["BHB_plasma"].max()) == pytest.approx(0.67, abs=0.05)


@pytest.mark.parametrize("diet", DIETS)
def test_adherence_of_none_is_the_usual_diet(diet: type[Any]) -> None:
    found = values(diet(adherence=0.0))
    assert found["carb_restriction"] == 0.0
    assert found["fat_ratio"] == pytest.approx(0.25)
    assert found.get("MCT_intake", 0.0) == 0.0


@pytest.mark.parametrize("diet", DIETS)
def test_weeks_become_hours(diet: type[Any]) -> None:
    for level in diet(start=1, stop=3).schedule():
        assert (level.at, level.until) == (WEEK, 3 * WEEK)
    assert all(level.until is None for level in diet().schedule())


@pytest.mark.parametrize("kind", dict.fromkeys(treatment_classes().values()))
def test_a_plain_keyword_of_time_is_in_weeks_and_any_other_names_its_unit(kind: type[Any]) -> None:
    own, drug = {f.name for f in fields(kind)}, {"name": "rapamycin"} if kind is pm.Drug else {}
    (start,) = own & {"start", "start_hours", "start_days"}
    item = kind(**{start: 7.0}, **drug).schedule()[0]
    first = item.at if isinstance(item, pm.Level) else item.times[0]
    assert first == 7.0 * {"start": WEEK, "start_days": 24.0, "start_hours": 1.0}[start]
    assert not own & {"stop", "weeks"} or start == "start"


def test_all_diets_are_for_the_same_age_unless_said() -> None:
    assert {diet().age_group for diet in DIETS} == {"reference"}


@pytest.mark.parametrize("diet", DIETS)
@pytest.mark.parametrize("group", ketogenic_capacities())
def test_age_groups_set_the_capacity(diet: type[Any], group: str) -> None:
    found = values(diet(age_group=group))
    assert found.get("ketogenic_capacity", 1.0) == ketogenic_capacities()[group]
    assert ("ketogenic_capacity" in found) == (group != "reference")


def test_every_step_of_a_titration_has_the_capacity() -> None:
    diet = pm.KetogenicDiet(ratio=4, titration_weeks=3, age_group="child")
    capacities = [level for level in diet.schedule() if level.input == "ketogenic_capacity"]
    assert [c.at / WEEK for c in capacities] == [0, 1, 2, 3]
    assert {c.value for c in capacities} == {ketogenic_capacities()["child"]}
    assert phases(pm.load("ketone_katp"), [diet], 8 * WEEK)


def test_a_diet_that_ends_where_a_step_of_its_titration_begins_has_no_such_step() -> None:
    levels = pm.KetogenicDiet(ratio=4, titration_weeks=3, stop=1).schedule()
    assert [(level.at, level.until) for level in levels] == [(0, 168)] * 2


def test_a_course_of_a_day_has_the_needles_of_that_day() -> None:
    for days in (1, 2, 3):
        assert len(pm.Electroacupuncture(sessions_per_week=7, weeks=days / 7).schedule()[0].times) == days


def test_children_reach_the_series_of_children() -> None:
    """ketone_katp:KK_R002, which set the capacity: BHB 4.2 mmol/L; responders 1.1 to 4.9 (KK_P004)."""
    assert late(pm.KetogenicDiet(age_group="child"), "BHB_plasma", 96) == pytest.approx(4.2, rel=0.25)


def test_adults_reach_the_series_of_adults() -> None:
    """clinical:C058, which set the capacity: BHB 1.14 mmol/L on a modified Atkins diet."""
    assert late(pm.ModifiedAtkinsDiet(age_group="adult"), "BHB_plasma", 12 * WEEK) == pytest.approx(1.14, rel=0.1)


def test_ketosis_falls_with_age() -> None:
    child, reference, adult = (
        late(pm.KetogenicDiet(age_group=g), "BHB_plasma", 720) for g in ("child", "reference", "adult")
    )
    assert child > reference > adult > 0.2


@pytest.mark.parametrize(
    ("diet", "options", "message"),
    [
        (pm.ModifiedAtkinsDiet, {"carbohydrate_g": 4}, "carbohydrate of the modified Atkins diet.*allowed is 5 to 60"),
        (pm.ModifiedAtkinsDiet, {"energy_kcal": 100}, "energy of the modified Atkins diet.*allowed is 600 to 4000"),
        (pm.ModifiedAtkinsDiet, {"fat_energy": 0.9}, "share of energy from fat is 0.9; allowed is 0.4 to 0.8"),
        (pm.ModifiedAtkinsDiet, {"adherence": math.nan}, "adherence to the modified Atkins diet is nan"),
        (pm.ModifiedAtkinsDiet, {"start": 2, "stop": 1}, "the stop of the modified Atkins diet is 1"),
        (pm.MCTDiet, {"mct_energy": 0.2}, "share of energy from MCT is 0.2; allowed is 0.3 to 0.75"),
        (pm.MCTDiet, {"decanoic_share": 2}, "share of decanoic acid is 2; allowed is 0 to 1"),
        (pm.MCTDiet, {"adherence": 1.5}, "adherence to the MCT diet is 1.5"),
        (pm.MCTDiet, {"start": -1}, "the start of the MCT diet is -1"),
    ],
    ids=str,
)
def test_diets_refuse_what_is_out_of_range(diet: type[Any], options: Mapping[str, float], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        diet(**options)


@pytest.mark.parametrize("diet", DIETS)
def test_unknown_age_groups_are_named(diet: type[Any]) -> None:
    with pytest.raises(UnknownNameError, match=r"age group 'infant'") as error:
        diet(age_group="infant")
    assert all(group in str(error.value) for group in ketogenic_capacities())


# ---- acupuncture -------------------------------------------------------------------------------------------


def test_the_table_of_points() -> None:
    table = pm.treatments.acupuncture_points()
    assert table.index.name == "point"
    assert table.index.tolist() == list(known_points())
    assert table.columns.tolist() == ["efficacy", "kind", "source", "note"]
    assert set(table["efficacy"]) == {0.0, 1.0}
    assert table["note"].str.len().gt(10).all()


def test_a_point_scales_the_dose() -> None:
    for name, point in known_points().items():
        (dose,) = pm.Electroacupuncture(point=name, minutes=15).schedule()
        assert dose.amount == pytest.approx(0.5 * point.efficacy)


def test_a_prescription_is_its_own_row_or_counts_as_its_best_point() -> None:
    for name, efficacy in (("BL15+GV20", 1.0), ("BL15+LI4", 0.0), ("PC6+LI11", 0.0)):
        assert pm.Electroacupuncture(point=name).schedule()[0].amount == efficacy
    with pytest.raises(UnknownNameError, match="'LI11'"):
        pm.Electroacupuncture(point="GV20+LI11")


def test_sham_falls_on_the_days_of_the_needles() -> None:
    (needled,), (sham,) = (
        made(sessions_per_week=3, weeks=2, start=1, minutes=15).schedule()
        for made in (pm.Electroacupuncture, pm.treatments.ShamAcupuncture)
    )
    assert (sham.times, sham.amount) == (needled.times, needled.amount)
    assert (sham.input, needled.input) == ("session_sham", "session")
    with pytest.raises(InvalidValueError, match="the start of sham acupuncture"):
        pm.treatments.ShamAcupuncture(start=-1)


def test_a_point_without_effect_does_nothing() -> None:
    """clinical:C091."""
    run = pm.load("acupuncture").simulate([pm.Electroacupuncture(point="PC6+LI11", weeks=2)], weeks=2)
    assert float(abs(run["vagal_drive"]).max()) == 0.0


@pytest.mark.parametrize(("hertz", "target"), [(2, "session"), (49.9, "session"), (100, "session_100Hz")])
def test_frequency_chooses_the_input(hertz: float, target: str) -> None:
    (dose,) = pm.Electroacupuncture(frequency_hz=hertz).schedule()
    assert dose.input == target
    high = facts(CONSTANTS)["high_frequency"].value
    assert pm.Electroacupuncture(frequency_hz=high).schedule()[0].input == "session_100Hz"


def test_stimulation_refuses_what_is_out_of_range() -> None:
    for hertz in (0.5, 201, math.nan):
        with pytest.raises(InvalidValueError, match="the frequency in Hz"):
            pm.Electroacupuncture(frequency_hz=hertz)
    with pytest.raises(UnknownNameError, match="'ST3'; did you mean 'ST36'"):
        pm.Electroacupuncture(point="ST3")


# ---- drugs and provocations --------------------------------------------------------------------------------


def test_the_table_of_agents() -> None:
    table = pm.treatments.agents()
    assert table.index.tolist() == list(known_agents())
    assert table.columns.tolist() == ["input", "amount", "unit", "hours", "action", "kind", "source", "note"]
    assert table.loc["rapamycin", "input"] == "rapamycin"
    assert (table["amount"] > 0).all()


@pytest.mark.parametrize("name", known_agents())
def test_every_agent_fits_a_model(name: str) -> None:
    """The usual amount lies in the range of the input of the module that it acts on."""
    drug = pm.Drug(name=name)
    (item,) = drug.schedule()
    for model in (pm.load(n) for n in (*OURS.modules, "epilepsy")):
        if item.input in {p.id.rsplit("__", 1)[-1] for p in model.input_ports} | set(model.states):
            assert phases(model, [drug], WEEK)
            return
    pytest.fail(f"no model has {item.input}")


@pytest.mark.parametrize("name", sorted(set(known_agents()) - {"LPS", "glutamate_pulse"}))
def test_agents_fit_the_whole_model(name: str) -> None:
    assert phases(pm.load("epilepsy"), [pm.Drug(name=name)], WEEK)


def test_an_input_that_a_wire_drives_is_refused() -> None:
    """In the whole model circulating TNF primes microglia: give endotoxin instead."""
    with pytest.raises(InvalidValueError, match="nlrp3_il1b__systemic_priming of epilepsy is computed"):
        phases(pm.load("epilepsy"), [pm.Drug(name="LPS")], WEEK)
    assert phases(pm.load("nlrp3_il1b"), [pm.Drug(name="LPS")], WEEK)
    assert phases(pm.load("epilepsy"), [pm.Drug(name="LPS", amount=5, input="endotoxin")], WEEK)


def test_a_drug_is_a_level_over_its_hours() -> None:
    (usual,) = pm.Drug(name="vigabatrin", start_hours=10).schedule()
    assert usual == pm.Level(input="vigabatrin", value=1.0, at=10, until=34)
    (lasting,) = pm.Drug(name="rapamycin").schedule()
    assert lasting == pm.Level(input="rapamycin", value=10.0, at=0, until=None)
    (mine,) = pm.Drug(name="rapamycin", amount=3, start_hours=5, hours=2).schedule()
    assert mine == pm.Level(input="rapamycin", value=3, at=5, until=7)


def test_no_hours_is_one_dose() -> None:
    (pulse,) = pm.Drug(name="glutamate_pulse", start_hours=2).schedule()
    assert pulse == pm.Dose(input="GLU_x", amount=0.05, times=(2.0,))


def test_a_provocation_may_act_on_a_module_alone() -> None:
    drug = pm.Drug(name="status_epilepticus", input="seizure_drive", hours=6)
    assert drug.schedule() == (pm.Level(input="seizure_drive", value=3.0, at=0.0, until=6.0),)
    run = pm.load("nlrp3_il1b", context="healthy").simulate([drug], duration=24, every=1)
    assert float(run["IL1B"].max()) > 1.2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "rapamicin"}, UnknownNameError, "'rapamicin'; did you mean 'rapamycin'"),
        ({"name": "rapamycin", "amount": -1}, InvalidValueError, "the amount of rapamycin is -1; allowed is 0"),
        ({"name": "rapamycin", "amount": math.nan}, InvalidValueError, "the amount of rapamycin is nan"),
        ({"name": "rapamycin", "amount": "much"}, InvalidValueError, "is 'much'; allowed is a number from 0"),
        ({"name": None}, UnknownNameError, "unknown drug None"),
        ({"name": "rapamycin", "hours": -1}, InvalidValueError, "the hours of rapamycin is -1"),
        ({"name": "rapamycin", "start_hours": -1}, InvalidValueError, "the start of rapamycin is -1"),
    ],
    ids=str,
)
def test_drugs_refuse_what_is_out_of_range(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pm.Drug(**options)


def test_too_much_for_the_model_is_refused_by_the_model() -> None:
    with pytest.raises(InvalidValueError, match="rapamycin is 500; allowed is 0 to 100"):
        phases(pm.load("mtor_autophagy"), [pm.Drug(name="rapamycin", amount=500)], WEEK)


# ---- names -------------------------------------------------------------------------------------------------


def test_every_treatment_has_a_name() -> None:
    assert {
        *known_agents(),
        "ketogenic_diet",
        "modified_atkins_diet",
        "mct_diet",
        "electroacupuncture",
        "sham_acupuncture",
        "fasting",
    } < set(treatment_classes())
    for name in treatment_classes():
        assert label(treatment_from_text(name)) == name
    assert snake("MCTDiet") == "mct_diet"


@pytest.mark.parametrize(
    ("text", "treatment"),
    [
        ("modified_atkins_diet", pm.ModifiedAtkinsDiet()),
        ("modified_atkins_diet:carbohydrate_g=15,stop=12", pm.ModifiedAtkinsDiet(carbohydrate_g=15, stop=12)),
        ("mct_diet:mct_energy=0.5,age_group=child", pm.MCTDiet(mct_energy=0.5, age_group="child")),
        ("ketogenic_diet:age_group=child,ratio=3", pm.KetogenicDiet(age_group="child", ratio=3)),
        ("electroacupuncture:point=PC6+LI11,frequency_hz=2", pm.Electroacupuncture(point="PC6+LI11", frequency_hz=2)),
        ("rapamycin", pm.Drug(name="rapamycin")),
        ("rapamycin:amount=5,start_hours=24,hours=48", pm.Drug(name="rapamycin", amount=5, start_hours=24, hours=48)),
        ("homocysteic_acid:input=seizure_drive", pm.Drug(name="homocysteic_acid", input="seizure_drive")),
    ],
)
def test_named_forms(text: str, treatment: pm.Treatment) -> None:
    assert treatment_from_text(text) == treatment


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("mct_die", UnknownNameError, "'mct_die'; did you mean 'mct_diet'"),
        ("mct_diet:ratio=3", UnknownNameError, "unknown option of mct_diet 'ratio'"),
        ("mct_diet:age_group=infant", UnknownNameError, "'infant'"),
        ("rapamycin:name=AICAR", UnknownNameError, "unknown option of rapamycin 'name'"),
        ("rapamycin:amount=much", InvalidValueError, "amount=much of rapamycin: write a number"),
        ("electroacupuncture:point=ST3", UnknownNameError, "'ST3'; did you mean 'ST36'"),
        ("electroacupuncture:frequency_hz=0", InvalidValueError, "the frequency in Hz is 0"),
    ],
)
def test_named_errors(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        treatment_from_text(text)


def test_a_treatment_can_be_repeated_from_its_text() -> None:
    made = [pm.MCTDiet(), pm.ModifiedAtkinsDiet(stop=3), pm.Drug(name="MCC950"), pm.Electroacupuncture(point="ear")]
    assert eval(repr(made), vars(pm)) == made


# ---- what comes too late ---------------------------------------------------------------------------------------------


def idle(*treatments: pm.Treatment, weeks: float = 4) -> list[str]:
    """Warnings for a run of that many weeks."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_idle(pm.load("ketone_katp"), treatments, weeks * WEEK)
    assert {w.category for w in found} <= {ModelWarning}
    return [str(w.message) for w in found]


def test_a_treatment_after_the_end_of_the_run_says_so_in_its_own_unit() -> None:
    (text,) = idle(pm.KetogenicDiet(start=24), pm.KetogenicDiet(start=1, stop=2))
    assert text == ("ketogenic_diet starts at 4032 h (week 24) and does nothing: the run ends at 672 h (week 4)")
    assert idle(pm.Electroacupuncture(start=5))[0].startswith("electroacupuncture starts at 840 h")


LATE: list[pm.Treatment] = [pm.Electroacupuncture(start=9)]
WEEK_OF: dict[str, Any] = {"outcomes": ["vagal_drive"], "weeks": 1}
VERBS: dict[str, Callable[[pm.Model, Path], object]] = {
    "simulate": lambda m, _: m.simulate(LATE, weeks=1),
    "ensemble": lambda m, _: flat(pm.ensemble, m, {"gain_vagal": [0.5]}, LATE, workers=1, **WEEK_OF),
    "compare": lambda m, _: flat(pm.compare, m, LATE, pm.Electroacupuncture(), **WEEK_OF),
    "export": lambda m, path: pm.export(m, path / "late.xml", treatments=LATE, weeks=1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_which_treatment_comes_too_late(verb: str, tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match="electroacupuncture starts at 1512 h"):
        VERBS[verb](pm.load("acupuncture"), tmp_path)


def test_a_part_within_the_run_is_enough() -> None:
    dose = pm.Dose(input="ketone_ester", amount=1, times=(4 * WEEK, 9 * WEEK))
    long = (pm.KetogenicDiet(start=3), pm.Electroacupuncture(start=2, weeks=30), dose)
    assert idle(*long) == []
    assert idle(pm.Electroacupuncture(weeks=0)) == [], "no session at all is no session too late"


def test_a_level_at_the_end_is_too_late_and_a_dose_is_not() -> None:
    end = 4 * WEEK
    assert len(idle(pm.Level(input="fasting", value=1, at=end))) == 1
    assert idle(pm.Dose(input="ketone_ester", amount=1, times=(end,))) == []


def test_a_run_warns_of_what_comes_too_late() -> None:
    with pytest.warns(ModelWarning, match="ketogenic_diet starts at 4032 h"):
        pm.load("ketone_katp").simulate([pm.KetogenicDiet(start=24)], weeks=1)


def test_the_treatment_that_asked_for_an_input_is_named() -> None:
    with pytest.raises(UnknownNameError, match="acupuncture, asked for by ketogenic_diet, 'carb_restriction'"):
        phases(pm.load("acupuncture"), [pm.KetogenicDiet()], 1.0)
    with pytest.raises(UnknownNameError, match="input of acupuncture 'fasting'"):
        phases(pm.load("acupuncture"), [pm.Level(input="fasting", value=1)], 1.0)
    with pytest.raises(InvalidValueError, match=r"overlap from 0: .* \(asked for by ketogenic_diet, mct_diet\)$"):
        phases(pm.load("ketone_katp"), [pm.KetogenicDiet(), pm.MCTDiet()], 1.0)


@pytest.mark.parametrize("group", sorted(set(ketogenic_capacities()) - {"reference"}))
@pytest.mark.parametrize("state", ["healthy", "epilepsy"])
def test_contexts_have_the_capacity_of_their_age_group(state: str, group: str) -> None:
    model = pm.load("ketone_katp", context=f"{state}_{group}")
    assert float(model.simulate([], duration=1)["HMGCS2"][-1]) == pytest.approx(1.0)
    found = model.contexts[f"{state}_{group}"].settings
    assert found["ketogenic_capacity"] == ketogenic_capacities()[group]
