"""Files of others: read where libroadrunner reads them, completed and mended openly, else refused by their name."""

from __future__ import annotations

import warnings
from pathlib import Path

import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import from_sbml, sbml
from pathway_models._sbml.native import roadrunner
from pathway_models.errors import InvalidValueError, ModelError, ModelWarning

CORE = "http://www.sbml.org/sbml/level3/version1/core"
LEVEL_2 = "http://www.sbml.org/sbml/level2/version4"
MATHML = "http://www.w3.org/1998/Math/MathML"
DECAY = "compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c"
FREE = 'hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"'


def written(folder: Path, text: str, name: str = "theirs.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def older(text: str, level: int, version: int) -> str:
    document = libsbml.readSBMLFromString(text)
    assert document.setLevelAndVersion(level, version, False)
    return str(libsbml.writeSBMLToString(document))


def silent(text: str) -> pm.Model:
    """The model of a text that gives no reason to warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return from_sbml(text, name="theirs")


# ---- values that a file lacks ------------------------------------------------------------------------------


def filling(compartment: str, species: str) -> str:
    """A species that is made at the rate 1 (amount) in a compartment; both with these attributes of their value."""
    law = f'<kineticLaw><math xmlns="{MATHML}"><cn>1</cn></math></kineticLaw>'
    made = '<listOfProducts><speciesReference species="S" stoichiometry="1" constant="true"/></listOfProducts>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="{CORE}" level="3" version="1"><model id="m">'
        f'<listOfCompartments><compartment id="c" spatialDimensions="3" {compartment} constant="true"/>'
        f'</listOfCompartments><listOfSpecies><species id="S" compartment="c" {species} {FREE}/></listOfSpecies>'
        f'<listOfReactions><reaction id="J" reversible="false" fast="false">{made}{law}</reaction></listOfReactions>'
        "</model></sbml>"
    )


@pytest.mark.parametrize(
    ("compartment", "species", "said"),
    [
        ('size="2"', "", r"theirs gives no value to species 'S' \(0 is taken\)"),
        ("", 'initialConcentration="3"', r"theirs gives no value to compartment 'c' \(1 is taken\)"),
        ("", "", r"theirs gives no value to species 'S' \(0 is taken\); compartment 'c' \(1 is taken\)"),
    ],
)
def test_missing_values_are_those_of_libroadrunner_and_are_said(compartment: str, species: str, said: str) -> None:
    text = filling(compartment, species)
    with pytest.warns(ModelWarning, match=f"^{said}$") as caught:
        model = from_sbml(text, name="theirs")
    assert len(caught) == 1
    engine = roadrunner.RoadRunner(text)
    engine.timeCourseSelections = ["[S]"]
    theirs = np.ravel(engine.simulate(0, 1, 3))
    np.testing.assert_allclose(model.simulate(duration=1, every=0.5)["S"], theirs, rtol=1e-6)
    silent(model.to_sbml())  # what was taken stands in the text, so that every tool has it


def test_first_line_of_every_antimony_tutorial_runs(tmp_path: Path) -> None:
    path = written(tmp_path, "S1 -> S2; k1*S1; k1 = 0.1; S1 = 10", "first.ant")
    with pytest.warns(ModelWarning, match="species 'S2'"):
        model = pm.load(path)
    run = model.simulate(duration=10, every=10)
    assert [float(run[k][-1]) for k in ("S1", "S2")] == pytest.approx([10 * np.exp(-1), 10 - 10 * np.exp(-1)], rel=1e-6)


def test_a_compartment_whose_size_nothing_feels_needs_none() -> None:
    silent(filling("", 'initialAmount="3"').replace('OnlySubstanceUnits="false"', 'OnlySubstanceUnits="true"'))


def test_a_parameter_without_value_is_refused_unless_nothing_reads_it() -> None:
    text = sbml("S = 1; k = 2; S' = -k*S; q = 3; at S < 0.5: q = 1")
    with pytest.raises(ModelError, match="theirs: parameter 'k' has no value"):
        from_sbml(text.replace('id="k" value="2"', 'id="k"'), name="theirs")
    with pytest.warns(ModelWarning, match=r"no value to parameter 'q' \(nothing reads it\)"):
        model = from_sbml(text.replace('id="q" value="3"', 'id="q"'), name="theirs")
    assert np.isnan(model.quantities["q"].value)
    np.testing.assert_allclose(model.simulate(duration=1, every=1)["S"], [1, np.exp(-2)], rtol=1e-6)


def test_not_a_number_written_in_the_file_is_a_value() -> None:
    model = silent(sbml("S = 1; S' = -S; q = 3").replace('id="q" value="3"', 'id="q" value="NaN"'))
    assert model.parameters.loc["q", "distribution"] == "fixed"


def test_a_model_in_which_nothing_changes_says_so() -> None:
    with pytest.warns(ModelWarning, match="theirs has no reaction, rule or event"):
        from_sbml(sbml("k = 1"), name="theirs")


# ---- errors beside the mathematics -------------------------------------------------------------------------


def _unknown_element_of_a_package() -> str:
    render = "http://www.sbml.org/sbml/level3/version1/render/version1"
    layout = "http://www.sbml.org/sbml/level3/version1/layout/version1"
    drawing = "<layout:listOfLayouts><render:listOfGlobalRenderInformation><render:globalRenderInformation/>"
    drawing += "</render:listOfGlobalRenderInformation></layout:listOfLayouts>"
    declared = f'<sbml xmlns:layout="{layout}" xmlns:render="{render}" layout:required="false" render:required="false" '
    text = older(sbml(DECAY), 3, 1).replace("<sbml ", declared, 1)
    return text.replace("</model>", f"{drawing}</model>")


def _term_of_another_branch() -> str:
    return older(sbml(DECAY), 2, 3).replace('<species id="S"', '<species sboTerm="SBO:0000345" id="S"')


def _unknown_base_unit() -> str:
    unit = '<listOfUnitDefinitions><unitDefinition id="u"><listOfUnits><unit kind="cell"/></listOfUnits>'
    text = older(sbml(DECAY), 2, 4).replace(
        "<listOfComp", f"{unit}</unitDefinition></listOfUnitDefinitions><listOfComp", 1
    )
    return text.replace('<parameter id="k"', '<parameter units="u" id="k"')


def _notes_that_are_no_xhtml() -> str:
    return sbml(DECAY).replace("<listOfComp", '<notes><p xmlns="http://example.org">x</p></notes><listOfComp', 1)


def _one_metaid_twice() -> str:
    text = sbml(DECAY).replace('<parameter id="k"', '<parameter metaid="a" id="k"')
    return text.replace('<species id="S"', '<species metaid="a" id="S"')


def _reaction_of_nothing() -> str:
    law = f'<kineticLaw><math xmlns="{MATHML}"><cn>1</cn></math></kineticLaw>'
    empty = f'<reaction id="N" reversible="false" fast="false">{law}</reaction></listOfReactions>'
    return older(sbml(DECAY), 3, 1).replace("</listOfReactions>", empty)


def _dangling_unit() -> str:
    return sbml(DECAY).replace('<parameter id="k"', '<parameter units="nobody" id="k"')


@pytest.mark.parametrize(
    ("make", "without"),
    [
        (_unknown_element_of_a_package, "the packages that may be ignored"),
        (_term_of_another_branch, "its SBO terms"),
        (_unknown_base_unit, "its units"),
        (_dangling_unit, "its units"),
        (_notes_that_are_no_xhtml, "its notes"),
        (_one_metaid_twice, "its metaids"),
        (_reaction_of_nothing, "the rules that later versions of SBML dropped"),
    ],
)
def test_what_is_invalid_beside_the_mathematics_is_left_out_and_said(
    make: object, without: str, tmp_path: Path
) -> None:
    text = make()  # type: ignore[operator]
    assert roadrunner.RoadRunner(text)
    path = written(tmp_path, text)
    with pytest.warns(ModelWarning, match=rf"theirs is taken without {without}, .*\(line \d+: ") as caught:
        model = pm.load(path)
    assert len(caught) == 1
    np.testing.assert_allclose(model.simulate(duration=1, every=1)["S"], [1, np.exp(-1)], rtol=1e-6)
    silent(model.to_sbml())


def test_only_what_is_in_the_way_is_left_out() -> None:
    notes = '<notes><body xmlns="http://www.w3.org/1999/xhtml"><p>mine</p></body></notes>'
    text = _term_of_another_branch().replace("<listOfComp", f"{notes}<listOfComp", 1)
    with pytest.warns(ModelWarning, match="without its SBO terms, where"):
        model = from_sbml(text, name="theirs")
    assert "mine" in model.sbml
    assert "sboTerm" not in model.sbml


def test_the_unit_of_time_stays_where_units_are_left_out() -> None:
    text = sbml(f"unit time_unit = 3600 second; {DECAY}").replace('<parameter id="k"', '<parameter units="no" id="k"')
    with pytest.warns(ModelWarning, match="without its units"):
        assert from_sbml(text, name="theirs").time_unit_seconds == 3600.0


def test_submodels_that_a_file_calls_unnecessary_are_read() -> None:
    comp = "http://www.sbml.org/sbml/level3/version1/comp/version1"
    core = "http://www.sbml.org/sbml/level3/version2/core"
    part = sbml(DECAY, name="part").split("<model ")[1].split("</model>")[0]
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="{core}" xmlns:comp="{comp}" level="3" version="2" '
        'comp:required="false"><model id="top"><comp:listOfSubmodels><comp:submodel comp:id="A" comp:modelRef="part"/>'
        f"</comp:listOfSubmodels></model><comp:listOfModelDefinitions><comp:modelDefinition {part}"
        "</comp:modelDefinition></comp:listOfModelDefinitions></sbml>"
    )
    with pytest.warns(ModelWarning, match="comp"):
        assert from_sbml(text, name="theirs").states == ("A__S",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<ci> k </ci>", "<ci> nobody </ci>"),
        ('compartment="c"', 'compartment="nowhere"'),
        ("initialConcentration=", "initialConcentrations="),
        ("<listOfReactions>", "<listOfReaktions/><listOfReactions>"),
        ('<parameter id="k"', '<parameter id="S"'),
    ],
)
def test_what_is_invalid_in_the_mathematics_is_refused(old: str, new: str) -> None:
    text = _term_of_another_branch()
    assert old in text
    with pytest.raises(ModelError, match=r"theirs is not valid SBML \(line \d+\)"):
        from_sbml(text.replace(old, new, 1), name="theirs")


# ---- what is something else --------------------------------------------------------------------------------


def package(name: str, inner: str, required: str = "true") -> str:
    uri = f"http://www.sbml.org/sbml/level3/version1/{name}/version1"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="{CORE}" xmlns:{name}="{uri}" level="3" version="1" '
        f'{name}:required="{required}"><model id="m"><listOfCompartments><compartment id="c" constant="true"/>'
        f"</listOfCompartments>{inner}</model></sbml>"
    )


def test_mathematics_in_a_package_is_refused_by_its_name() -> None:
    genes = '<qual:qualitativeSpecies qual:id="G" qual:compartment="c" qual:constant="false" qual:maxLevel="1"/>'
    network = package("qual", f"<qual:listOfQualitativeSpecies>{genes}</qual:listOfQualitativeSpecies>")
    with pytest.raises(ModelError, match=r"theirs holds a qualitative .* network \(SBML package qual\)"):
        from_sbml(network, name="theirs")
    with pytest.raises(ModelError, match=r"theirs holds a flux balance model \(SBML package fbc\)"):
        from_sbml(package("fbc", "", "false"), name="theirs")


def test_a_package_that_is_declared_and_not_used_is_no_reason() -> None:
    uri = "http://www.sbml.org/sbml/level3/version1/arrays/version1"
    text = older(sbml(DECAY), 3, 1).replace("<sbml ", f'<sbml xmlns:arrays="{uri}" arrays:required="true" ', 1)
    with pytest.warns(ModelWarning, match="theirs is taken without the packages that may be ignored"):
        assert from_sbml(text, name="theirs").states == ("S",)
    used = text.replace('<parameter id="k"', '<parameter arrays:x="1" id="k"')
    with pytest.raises(ModelError, match=r"theirs holds arrays of elements \(SBML package arrays\)"):
        from_sbml(used, name="theirs")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        (
            "m.cellml",
            '<?xml version="1.0"?><!-- <sbml> --><model xmlns="http://www.cellml.org/cellml/1.0#"/>',
            "CellML",
        ),
        ("m.xml", '<model xmlns="http://www.cellml.org/cellml/2.0#" name="m"/>', "CellML"),
        ("m.nml", '<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" id="m"/>', "NeuroML"),
        ("m.sedml", '<sedML xmlns="http://sed-ml.org/sed-ml/level1/version3" level="1" version="3"/>', "SED-ML"),
        ("m.bngl", "begin model\nbegin parameters\nk 1\nend parameters\nend model\n", "BNGL"),
        ("m.ode", "par a=1\nx'=-a*x\ninit x=1\ndone\n", "XPP"),
        ("m.txt", '{"model": 1}', "JSON"),
    ],
)
def test_other_formats_are_refused_by_their_name(tmp_path: Path, name: str, text: str, what: str) -> None:
    path = written(tmp_path, text, name)
    for read in (pm.load, pm.check):
        with pytest.raises(
            ModelError, match=rf"{name}: it holds .*{what}.*; this library reads SBML, Antimony"
        ) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_antimony_is_known_by_its_content(tmp_path: Path) -> None:
    text = "function quad(x)\n  x*x\nend\nmodel m()\n  S = 1; S' = -quad(S)\nend\n"
    assert pm.load(written(tmp_path, text, "m.txt")).states == ("S",)
    assert pm.load(written(tmp_path, sbml(DECAY), "m.ant")).states == ("S",)
    with pytest.raises(ModelError, match=r"prose\.txt is neither SBML nor valid Antimony: "):
        pm.load(written(tmp_path, "Dear Sir,", "prose.txt"))


def test_the_home_folder_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, sbml(DECAY), "m.xml")
    assert pm.load("~/m.xml").states == ("S",)
    assert pm.check("~/m.xml")


def test_model_is_for_archives(tmp_path: Path) -> None:
    for name in (written(tmp_path, sbml(DECAY)), "acupuncture"):
        with pytest.raises(InvalidValueError, match=r"is one model; model='a\.xml' is for archives"):
            pm.load(name, model="a.xml")


def test_an_id_called_time_is_read() -> None:
    """libSBML takes the label of the symbol of time for it."""
    text = sbml("S = 1; t_ := 2*time; S' = -S").replace('"t_"', '"time"')
    model = silent(text)
    assert model.quantities["time"].ruled == "assignment"
    silent(model.to_sbml())


def test_a_drawing_declared_as_a_package_of_level_2_is_no_reason_to_refuse() -> None:
    old = """<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4" layout:required="false"
xmlns:layout="http://www.sbml.org/sbml/level3/version1/layout/version1" drawing:required="false"
xmlns:drawing="http://projects.eml.org/bcb/sbml/level2"><model id="m"><listOfParameters>
<parameter id="S" value="1" constant="false"/></listOfParameters><listOfRules><rateRule variable="S">
<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>S</ci></math></rateRule></listOfRules></model></sbml>"""
    assert from_sbml(old, name="m").states == ("S",)


OLD = """<?xml version="1.0"?>
<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">
<listOfCompartments><compartment name="C" volume="2"/></listOfCompartments>
<listOfSpecies><species name="A" compartment="C" initialAmount="6"/>
<species name="B" compartment="C" initialAmount="0"/></listOfSpecies>
<listOfParameters><parameter name="k" value="0.1"/></listOfParameters>
<listOfReactions><reaction name="J" reversible="false">
<listOfReactants><speciesReference species="A"/></listOfReactants>
<listOfProducts><speciesReference species="B" stoichiometry="3" denominator="2"/></listOfProducts>
<kineticLaw formula="k*A*C"/></reaction></listOfReactions></model></sbml>"""


@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_fractions_as_stoichiometries_and_no_encoding(engine: str) -> None:
    model, right = from_sbml(OLD, name="m"), 1.5 * 3 * (1 - np.exp(-1.0))
    last = [pm.Outcome(variable="B", reduce="final")]
    runs = pm.ensemble(
        model, {"k": [0.1]}, outcomes=last, duration=10, execution=pm.Execution(progress=False, engine=engine)
    )
    np.testing.assert_allclose(runs.values, right, rtol=1e-6)
    np.testing.assert_allclose(model.simulate(duration=10)["B"][-1], right, rtol=1e-6)
