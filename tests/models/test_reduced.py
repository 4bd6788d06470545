"""Reduced models: they rest where the whole one does; constants and quasi-steady states are the limits of pace."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pathway_models as pm
from pathway_models._sbml import sbml
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.evidence.observations import cannot_answer, read_observations
from pathway_models.inference import write_petab
from pathway_models.models import can_be_quasi_steady, paced, reduced
from pathway_models.modules.reduction import reduced_text

QUIET = pm.Execution(workers=1, progress=False)
# module, constant states, quasi-steady states, a treatment: rate rules; reactions in concentrations; in amounts
CASES = {
    "nlrp3_il1b": (["microglia"], ["NFKB", "IL6"], pm.Drug(name="LPS")),
    "gaba_gad67": (["GLU_a"], ["ASP", "GAD67"], pm.Level(input="seizure_drive", value=2.0)),
    "serotonin": (["Trp_blood", "HT5_blood"], ["HIAA"], pm.Level(input="EA_drive", value=1.0)),
}
CONTEXTS = ("healthy", "epilepsy")
DRAWS = 8


def final(
    model: pm.Model, treatment: pm.Treatment, rows: dict[str, np.ndarray], names: list[str], engine: str
) -> np.ndarray:
    outcomes = [pm.Outcome(variable=k, reduce="final") for k in names]
    study = pm.Study(model, [treatment], outcomes=outcomes, weeks=1)
    return pm.ensemble(study, rows, execution=replace(QUIET, engine=engine, rtol=1e-9)).values


def draws(model: pm.Model) -> dict[str, np.ndarray]:
    return dict(pm.draw(model, n=DRAWS, seed=3))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_it_rests_where_the_whole_model_does_for_every_draw(name: str, context: str, engine: str) -> None:
    whole = pm.load(name, context=context)
    constant, quasi_steady, _ = CASES[name]
    small = reduced(whole, constant=constant, quasi_steady=quasi_steady)
    assert set(small.states) == set(whole.states) - {*constant, *quasi_steady}
    outcomes = [pm.Outcome(variable=k, reduce="final") for k in whole.states]
    on = replace(QUIET, engine=engine)
    found = [pm.ensemble(pm.Study(m, outcomes=outcomes, weeks=8), draws(whole), execution=on) for m in (whole, small)]
    assert found[0].ok.all()
    assert found[1].ok.all()
    np.testing.assert_allclose(found[1].values, found[0].values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_rest_and_exported_rest_are_those_of_the_whole_to_the_last_bit(name: str, tmp_path: Path) -> None:
    whole = pm.load(name)
    constant, quasi_steady, _ = CASES[name]
    small = reduced(whole, constant=constant, quasi_steady=quasi_steady)
    rest = whole.steady_state()
    assert small.steady_state() == {k: v for k, v in rest.items() if k in small.states}
    file = pm.load(pm.export(small, tmp_path / "small.xml"))
    assert len(file.states) == len(whole.states) - len(constant) - len(quasi_steady)
    run = file.simulate(duration=100.0, variables=constant)
    for key in (*constant, *small.states):
        assert float(run[key][0]) == pytest.approx(rest[key], rel=1e-12)
        assert float(run[key][-1]) == pytest.approx(rest[key], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_a_constant_state_is_pace_0_and_a_quasi_steady_one_the_limit_of_a_high_pace(name: str) -> None:
    whole = pm.load(name)
    constant, quasi_steady, treatment = CASES[name]
    names, rows = list(whole.states), draws(whole)
    small = final(reduced(whole, constant=constant, quasi_steady=quasi_steady), treatment, rows, names, "batch")
    gaps = []
    for pace in (1.0, 1e3, 1e6):
        given = {**rows, **{f"pace_of_{k}": np.zeros(DRAWS) for k in constant}}
        given |= {f"pace_of_{k}": np.full(DRAWS, pace) for k in quasi_steady}
        gaps.append(np.abs(final(paced(whole), treatment, given, names, "batch") / small - 1).max())
    assert gaps[1] < 2e-3
    assert gaps[2] < 1e-5
    assert gaps[0] > gaps[2]


@pytest.mark.parametrize("name", CASES)
def test_both_engines_run_it_alike(name: str) -> None:
    whole = pm.load(name)
    constant, quasi_steady, treatment = CASES[name]
    small = reduced(whole, constant=constant, quasi_steady=quasi_steady)
    found = [final(small, treatment, draws(whole), list(whole.states), e) for e in ("roadrunner", "batch")]
    np.testing.assert_allclose(*found, rtol=1e-6, atol=1e-12)


def test_pace_1_is_the_model_itself() -> None:
    whole = pm.load("gaba_gad67")
    treatment = CASES["gaba_gad67"][2]
    rows = {"pace_of_GLU_a": np.ones(1)}
    found = final(paced(whole), treatment, rows, list(whole.states), "roadrunner")
    theirs = final(
        whole, treatment, {"Km_EAAT": np.array([whole.quantities["Km_EAAT"].value])}, list(whole.states), "roadrunner"
    )
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


def test_no_unit_is_lost() -> None:
    for name, (constant, quasi_steady, _) in CASES.items():
        text = reduced_text(pm.load(name).sbml, tuple(constant), tuple(quasi_steady))
        assert not sbml.findings(text)
        assert not sbml.findings(paced(pm.load(name)).sbml)


@pytest.mark.parametrize(
    ("name", "states", "words"),
    [
        ("nlrp3_il1b", {"quasi_steady": ["TNF"]}, "rate of TNF is not linear in it"),
        ("nlrp3_il1b", {"constant": ["NFKB"], "quasi_steady": ["NFKB"]}, "NFKB is named twice"),
        ("safety", {"quasi_steady": ["stone_hazard"]}, "rate of stone_hazard does not depend on it"),
        ("ampk_pgc1a", {"quasi_steady": ["PGC1A", "PGC1A_mRNA"]}, "states PGC1A, PGC1A_mRNA follow from each other"),
        ("nlrp3_il1b", {"constant": "NFKB"}, "the states is 'NFKB'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, states: dict[str, list[str]], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        reduced(pm.load(name), **states)


def test_what_is_no_state_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="unknown state 'vagal_drive'"):
        reduced(pm.load("nlrp3_il1b"), constant=["vagal_drive"])
    with pytest.raises(InvalidValueError, match="reduced already"):
        reduced(reduced(pm.load("nlrp3_il1b"), constant=["NFKB"]), constant=["IL6"])


def test_states_that_follow_from_each_other_are_told_beforehand() -> None:
    found = can_be_quasi_steady(pm.load("ampk_pgc1a"))
    assert "PGC1A_mRNA" in found["PGC1A"]
    assert "PGC1A" in found["PGC1A_mRNA"]
    assert "NAD" not in found


def test_a_treatment_that_moves_nothing_any_more_is_refused() -> None:
    small = reduced(pm.load("serotonin"), constant=["Trp_blood"])
    assert "tryptophan_intake" not in small.inputs.index
    with pytest.raises(InvalidValueError, match="acts on tryptophan_intake, which moves nothing in the reduced model"):
        small.simulate([pm.Level(input="tryptophan_intake", value=0.5)], weeks=1)


def test_an_observation_of_what_is_constant_is_not_asked() -> None:
    whole = pm.load("nlrp3_il1b")
    asked = read_observations(whole)
    assert read_observations(reduced(whole)) == asked
    small = reduced(whole, constant=list(whole.states))
    assert not read_observations(small)
    reasons = [cannot_answer(small, row) for row in asked]
    words = (
        "is constant in the reduced model|is a constant of|a dose acts on a state|moves nothing in the reduced model"
    )
    assert all(re.search(words, reason) for reason in reasons)


def test_the_loop_gain_is_that_of_what_still_moves() -> None:
    whole = pm.load("excitability")
    variants = (whole, reduced(whole), reduced(whole, constant=["inflammation"]))
    gains = [pm.loop_gains(m, execution=QUIET)[0] for m in variants]
    assert gains[1] == pytest.approx(gains[0], rel=1e-6)
    assert 0 < gains[2] < 0.9 * gains[0]


def test_what_a_reduced_model_cannot_say_is_refused(tmp_path: Path) -> None:
    small = reduced(pm.load("ampk_pgc1a"), constant=["NAD"])
    with pytest.raises(InvalidValueError, match="which PEtab cannot say"):
        write_petab(small, ["gain_BHB_GSH"], ["kd_gsh"], tmp_path, allow=["assumed"])


# ---- in a file -----------------------------------------------------------------------------------------------------

WHOLE = """title = "Stimulation and inflammation"
modules = ["acupuncture", "nlrp3_il1b"]

[aliases]
IL1B = "nlrp3_il1b.IL1B"

[[wire]]
from = "acupuncture.vagal_drive"
to = "nlrp3_il1b.vagal_drive"
"""
SMALL = """title = "Stimulation and inflammation, reduced"

[reduction]
of = "whole"
constant = ["nlrp3_il1b.microglia"]
quasi_steady = ["nlrp3_il1b.NFKB"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "coupled").mkdir()
    (tmp_path / "coupled/whole.toml").write_text(WHOLE, encoding="utf-8")
    (tmp_path / "coupled/small.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def test_a_file_says_which_states_go(folder: Path) -> None:
    whole, small = (pm.library(folder).load(name) for name in ("whole", "small"))
    assert set(whole.states) - set(small.states) == {"nlrp3_il1b__microglia", "nlrp3_il1b__NFKB"}
    assert small.whole == whole.sbml.replace('id="whole"', 'id="small"').replace(whole.title, small.title)
    assert (small.constants, small.hypothesis_set) == (whole.constants, whole.hypothesis_set)
    assert small.aliases == whole.aliases
    rest = whole.steady_state()
    assert small.steady_state() == pytest.approx({k: rest[k] for k in small.states}, rel=1e-9)


def test_what_extends_a_reduced_model_is_reduced(folder: Path) -> None:
    text = 'title = "t"\nextends = "small"\nmodules = ["safety"]\n'
    (folder / "coupled/more.toml").write_text(text, encoding="utf-8")
    states = pm.library(folder).load("more").states
    assert "nlrp3_il1b__NFKB" not in states
    assert "safety__stone_hazard" in states


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('of = "whole"', 'of = "whale"', "small.toml: reduction: of: unknown model 'whale'; did you mean 'whole'"),
        ('of = "whole"', 'of = "small"', "reduction: of: a ring of small"),
        ("microglia", "microgla", "unknown state 'nlrp3_il1b__microgla'; did you mean 'nlrp3_il1b__microglia'"),
        ("[reduction]", 'modules = ["safety"]\n[reduction]', "modules and wires belong there"),
        ("nlrp3_il1b.NFKB", "nlrp3_il1b.TNF", "nlrp3_il1b__TNF is not linear in it"),
    ],
)
def test_a_wrong_file_is_refused_by_name(folder: Path, old: str, new: str, words: str) -> None:
    path = folder / "coupled/small.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match=words):
        pm.library(folder).load("small")


def test_a_reduction_of_a_reduction_and_its_parts_are_refused(folder: Path) -> None:
    again = SMALL.replace('of = "whole"', 'of = "small"').replace("NFKB", "IL6")
    (folder / "coupled/again.toml").write_text(again, encoding="utf-8")
    with pytest.raises(ModelError, match="is reduced already"):
        pm.library(folder).load("again")
    with pytest.raises(ModelError, match="small is a reduced model: it has no parts"):
        pm.library(folder).text("small", hierarchical=True)
