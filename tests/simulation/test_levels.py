"""Levels of SBML, in and out, and parameters that are local to a kinetic law."""

from __future__ import annotations

import warnings
from pathlib import Path

import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import from_sbml, sbml
from pathway_models._sbml.levels import LEVELS
from pathway_models._sbml.locals import demote
from pathway_models._sbml.native import roadrunner

MATHML = "http://www.w3.org/1998/Math/MathML"
DECAY = "compartment c = 2; species S in c; S = 3; k = 1; J: S -> ; k*S*c"
OLD = [(1, 2), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]


def older(text: str, level: int, version: int) -> str:
    document = libsbml.readSBMLFromString(text)
    assert document.setLevelAndVersion(level, version, False)
    return str(libsbml.writeSBMLToString(document))


def final(model: pm.Model, name: str = "S") -> float:
    return float(model.simulate(duration=1, every=1)[name][-1])


def local_law(level: int, version: int) -> str:
    """The decay with k local to its law, which hides a global k of another value."""
    document = libsbml.readSBMLFromString(sbml(DECAY))
    assert document.setLevelAndVersion(level, version, False)
    law = document.getModel().getReaction("J").getKineticLaw()
    local = law.createLocalParameter() if level > 2 else law.createParameter()
    local.setId("k")
    local.setValue(0.5)
    return str(libsbml.writeSBMLToString(document))


@pytest.mark.parametrize("level", [*OLD, (3, 1), (3, 2)])
def test_local_parameters_of_every_level_are_read(level: tuple[int, int]) -> None:
    model = from_sbml(local_law(*level), name="theirs")
    assert final(model) == pytest.approx(3 * np.exp(-0.5), rel=1e-6)
    assert model.parameters["value"].to_dict() == {"k": 1.0, "J_k": 0.5}
    assert final(model.with_parameters(J_k=2)) == pytest.approx(3 * np.exp(-2), rel=1e-6)


@pytest.mark.parametrize("level", OLD)
@pytest.mark.parametrize("format", LEVELS)
def test_every_old_level_can_be_written_as_every_other(tmp_path: Path, level: tuple[int, int], format: str) -> None:
    model = from_sbml(local_law(*level), name="theirs").with_parameters(J_k=2, c=4)
    path = pm.export(model, tmp_path / "m.xml", format=format)
    document = libsbml.readSBMLFromFile(str(path))
    assert (document.getLevel(), document.getVersion()) == LEVELS[format]
    assert final(pm.load(path)) == pytest.approx(final(model), rel=1e-6)


def test_a_schedule_is_written_into_level_2(tmp_path: Path) -> None:
    model = from_sbml(older(sbml(DECAY), 2, 4), name="theirs")
    dose = pm.Dose(input="S", amount=2, times=(0.5,))
    for format in ("sbml-l2v4", "sbml-l2v5"):
        with pytest.warns(pm.errors.ModelWarning, match="MxlPy"):
            path = pm.export(model, tmp_path / "m.xml", format=format, treatments=[dose], duration=1)
        assert final(pm.load(path)) == pytest.approx(3 * np.exp(-1) + 2 * np.exp(-0.5), rel=1e-6)


@pytest.mark.parametrize("format", LEVELS)
def test_time_in_a_function_of_an_old_level_is_written_out(tmp_path: Path, format: str) -> None:
    """Level 2 Version 1 lets a function read time, later versions do not."""
    path = pm.export(from_sbml(_reads_time(), name="theirs"), tmp_path / "m.xml", format=format)
    assert final(pm.load(path)) == pytest.approx(1.0, rel=1e-6)  # the integral of 2 t
    assert "functionDefinition" not in path.read_text(encoding="utf-8")


def _reads_time() -> str:
    time = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'
    body = f"<lambda><bvar><ci>a</ci></bvar><apply><times/><ci>a</ci>{time}</apply></lambda>"
    call = "<apply><ci>f</ci><cn>2</cn></apply>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level2" level="2" version="1">'
        f'<model id="m"><listOfFunctionDefinitions><functionDefinition id="f"><math xmlns="{MATHML}">{body}</math>'
        '</functionDefinition></listOfFunctionDefinitions><listOfParameters><parameter id="S" value="0" '
        f'constant="false"/></listOfParameters><listOfRules><rateRule variable="S"><math xmlns="{MATHML}">{call}'
        "</math></rateRule></listOfRules></model></sbml>"
    )


@pytest.mark.parametrize("format", LEVELS)
def test_annotations_that_share_a_namespace_are_kept_together(tmp_path: Path, format: str) -> None:
    """JDesigner writes such files; later versions allow one child of each namespace."""
    drawing = (
        '<annotation><a xmlns="http://x.org" n="1"/><b xmlns="http://x.org"/><c xmlns="http://y.org"/></annotation>'
    )
    text = older(sbml(DECAY), 2, 1).replace("<listOfComp", f"{drawing}<listOfComp", 1)
    model = from_sbml(text, name="theirs")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = pm.export(model, tmp_path / "m.xml", format=format)
    document = libsbml.readSBMLFromFile(str(path))
    annotation = document.getModel().getAnnotation()
    assert annotation.getNumChildren() == 2
    assert 'n="1"' in annotation.toXMLString()
    assert pm.load(path).states == ("S",)


@pytest.mark.parametrize("format", LEVELS)
def test_creators_of_a_model_are_kept_in_every_level(tmp_path: Path, format: str) -> None:
    document = libsbml.readSBMLFromString(older(sbml(DECAY), 3, 1))
    top, creator, history = document.getModel(), libsbml.ModelCreator(), libsbml.ModelHistory()
    top.setMetaId("top")
    creator.setFamilyName("Lovelace")
    creator.setGivenName("Ada")
    date = libsbml.Date("2020-01-01T00:00:00Z")
    history.addCreator(creator)
    history.setCreatedDate(date)
    history.setModifiedDate(date)
    assert top.setModelHistory(history) == libsbml.LIBSBML_OPERATION_SUCCESS
    model = from_sbml(libsbml.writeSBMLToString(document), name="theirs")
    again = pm.load(pm.export(model, tmp_path / "m.xml", format=format))
    assert "Lovelace" in again.sbml


# ---- local again -------------------------------------------------------------------------------------------


def chain(length: int) -> str:
    """A chain of species, each with a rate of its own; one rate is read twice, one by a rule, one by an event."""
    steps = "; ".join(f"S{i} -> S{i + 1}; k{i}*S{i}; k{i} = {1 + i / 7!r}; S{i} = {1 + i}" for i in range(length))
    return sbml(f"{steps}; S{length} = 0; S{length} -> ; k0*S{length}; y := k1; at S3 < 1: k2 = 5")


@pytest.mark.parametrize("level", [(3, 2), (2, 4)])
def test_local_again_is_the_same_model(level: tuple[int, int]) -> None:
    text = older(chain(120), *level)
    made = demote(text, frozenset({"k9"}))
    engines = [roadrunner.RoadRunner(t) for t in (text, made)]
    assert global_ids(made) == {"k0", "k1", "k2", "k9", "y"}
    a, b = (np.array(e.simulate(0, 2, 5)) for e in engines)
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_few_parameters_and_what_is_needed_elsewhere_stay_global() -> None:
    few = chain(20)
    assert demote(few, frozenset()) is few
    many = chain(120).replace('<species id="S5"', '<species conversionFactor="k7" id="S5"')
    assert "conversionFactor" in many
    assert {"k0", "k1", "k2", "k7"} <= global_ids(demote(many, frozenset()))


def test_an_argument_of_a_function_is_no_reader_of_the_parameter_of_its_name() -> None:
    body = f'<math xmlns="{MATHML}"><lambda><bvar><ci>k5</ci></bvar><ci>k5</ci></lambda></math>'
    functions = f'<listOfFunctionDefinitions><functionDefinition id="f">{body}</functionDefinition>'
    text = chain(120).replace("<listOfSpecies>", f"{functions}</listOfFunctionDefinitions><listOfSpecies>", 1)
    assert "k5" not in global_ids(demote(text, frozenset()))


def global_ids(text: str) -> set[str]:
    document = libsbml.readSBMLFromString(text)
    return {p.getId() for p in document.getModel().getListOfParameters()}
