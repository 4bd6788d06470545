"""Uncertainty in SBML: what is written is read, other tools run the file, and most hand it on."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import antimony
import libsbml
import pytest
from roadrunner import RoadRunner

import pathway_models as pm
from helpers import from_sbml, sbml, tiny
from pathway_models._sbml import sbml as _sbml
from pathway_models._sbml import uncertainty as _uncertainty
from pathway_models._sbml.uncertainty import Uncertainty
from pathway_models.errors import ModelError, ModelWarning
from pathway_models.models.collection import OURS
from pathway_models.modules import coupling
from pathway_models.modules.annotate import uncertainty_of
from pathway_models.modules.module import ParameterRow

NAMES = tuple(OURS.modules)
TEXT = sbml("k = 2; j = 3; x = 1; x' = -k*x*j")
RANGE = Uncertainty(distribution="loguniform", kind="measured", low=0.06, high=1 / 3, evidence=("a:b1", "c:d-2"))
FIXED = Uncertainty(distribution="fixed", kind="assumed")


def of(p: pm.models.Parameter) -> Uncertainty:
    cited = tuple(part.strip() for part in p.source.split(";") if part.strip())
    return Uncertainty(distribution=p.distribution, kind=p.kind, low=p.low, high=p.high, evidence=cited)


@cache
def carrying(name: str) -> str:
    """A module with the uncertainty of all its constants."""
    document = libsbml.readSBMLFromString(OURS.module(name).sbml)
    for p in OURS.module(name).parameters:
        _uncertainty.write_uncertainty(document.getModel().getParameter(p.id), of(p))
    return str(libsbml.writeSBMLToString(document))


def resources(text: str) -> dict[str, str]:
    """Parameter -> its annotation less ours."""
    document = libsbml.readSBMLFromString(text)
    parameters = list(document.getModel().getListOfParameters())
    for p in parameters:
        p.removeTopLevelAnnotationElement(_uncertainty.ELEMENT, _uncertainty.NAMESPACE)
    return {p.getId(): p.getAnnotationString() for p in parameters}


def written(uncertainty: Uncertainty, text: str = TEXT) -> str:
    document = libsbml.readSBMLFromString(text)
    _uncertainty.write_uncertainty(document.getModel().getParameter("k"), uncertainty)
    return str(libsbml.writeSBMLToString(document))


def uncertainties(text: str) -> dict[str, Uncertainty]:
    document = _sbml.parse(text)  # libSBML frees a model with its document
    return _uncertainty.of_parameters(document.getModel())


# ---- writing and reading ----


@pytest.mark.parametrize("uncertainty", [RANGE, FIXED])
def test_what_is_written_is_read(uncertainty: Uncertainty) -> None:
    found = uncertainties(written(uncertainty))
    assert list(found) == ["k"]
    assert found["k"].low == pytest.approx(uncertainty.low, rel=1e-14) if uncertainty.low else found["k"] == uncertainty
    assert (found["k"].kind, found["k"].evidence) == (uncertainty.kind, uncertainty.evidence)


def test_writing_again_replaces() -> None:
    text = written(FIXED, written(RANGE))
    assert uncertainties(text)["k"] == FIXED
    assert text.count(f"<{_uncertainty.PREFIX}:") == 1


def test_a_row_of_the_table_is_read() -> None:
    row = ParameterRow(id="k", low=0.1, high=2.0, distribution="uniform", kind="derived", source="a:b; c:d", note="")
    expected = Uncertainty(distribution="uniform", kind="derived", low=0.1, high=2.0, evidence=("a:b", "c:d"))
    assert uncertainty_of(row) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"distribution": "cauchy"}, "'cauchy'"),
        ({"kind": "guessed"}, "'guessed'"),
        ({"low": 2.0}, "low below high"),
        ({"high": None}, "low below high"),
    ],
)
def test_what_is_no_uncertainty_is_an_error(values: dict[str, object], message: str) -> None:
    fields = {"distribution": "uniform", "kind": "assumed", "low": 0.0, "high": 1.0}
    with pytest.raises(ModelError, match=message):
        Uncertainty(**(fields | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new"), [('"loguniform"', '"cauchy"'), ('"0.06"', '"six"'), ('"measured"', '""'), ('"0.06"', '"60"')]
)
def test_a_broken_annotation_is_said_and_not_used(old: str, new: str) -> None:
    with pytest.warns(ModelWarning, match="the uncertainty of 'k'.*; it is not used"):
        assert uncertainties(written(RANGE).replace(old, new)) == {}


def test_files_from_elsewhere_have_none() -> None:
    assert uncertainties(TEXT) == {}
    foreign = written(RANGE).replace(_uncertainty.NAMESPACE, "urn:somebody:else")
    assert uncertainties(foreign) == {}


# ---- the modules ----


@pytest.mark.parametrize("name", NAMES)
def test_modules_carry_it_without_any_warning(name: str) -> None:
    text = carrying(name)
    assert _sbml.findings(text) == []
    assert uncertainties(text) == {p.id: of(p) for p in OURS.module(name).parameters}
    assert resources(text) == resources(OURS.module(name).sbml)


def test_coupling_and_flattening_keep_it() -> None:
    from dataclasses import replace

    module = replace(OURS.module("acupuncture"), sbml=carrying("acupuncture"))
    flat = coupling.flatten(coupling.couple("one", "one", [module], [], []), name="one")
    expected = {f"acupuncture__{p.id}": of(p) for p in module.parameters}
    assert {k: v for k, v in uncertainties(flat).items() if k in expected} == expected


# ---- other tools ----


def test_libroadrunner_hands_it_on() -> None:
    text = carrying("nlrp3_il1b")
    assert uncertainties(RoadRunner(text).getCurrentSBML()) == uncertainties(text)


def test_antimony_reads_the_file_and_loses_it() -> None:
    antimony.clearPreviousLoads()
    assert antimony.loadSBMLString(carrying("nlrp3_il1b")) > 0
    assert uncertainties(antimony.getSBMLString(antimony.getMainModuleName())) == {}


def test_copasi_hands_it_on() -> None:
    basico = pytest.importorskip("basico")
    text = carrying("nlrp3_il1b")
    handle = basico.load_model_from_string(text)
    back = basico.save_model_to_string(type="sbml", model=handle)
    assert uncertainties(back) == uncertainties(text)
    basico.remove_datamodel(handle)


# ---- read back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "epilepsy"])
@pytest.mark.parametrize("format", ["sbml", "sbml-l2v5"])
def test_an_exported_model_is_loaded_with_the_ranges_of_its_tables(tmp_path: Path, name: str, format: str) -> None:
    model = pm.load(name)
    again = pm.load(pm.export(model, tmp_path / "m.xml", format=format))
    known = {p.id: p for p in again.constants}
    columns = ("low", "high", "distribution", "kind", "unit")
    for p in model.constants:
        if p.kind == "gain":
            assert not known[p.id].uncertain  # the file says nothing of it
            continue
        assert [getattr(known[p.id], c) for c in columns] == [getattr(p, c) for c in columns], p.id
        assert known[p.id].source.split(";") == [part.strip() for part in p.source.split(";")], p.id
    assert {p.id for p in again.constants if p.uncertain} == {p.id for p in model.constants if p.uncertain}


def test_a_file_without_our_annotation_gets_ranges_by_rule() -> None:
    assert {p.id: (p.low, p.high) for p in tiny("k = 2; x = 1; x' = -k*x").constants} == {"k": (1.0, 4.0)}


def test_an_annotation_that_cannot_be_read_is_said_and_not_used() -> None:
    document = libsbml.readSBMLFromString(TEXT)
    _uncertainty.write_uncertainty(document.getModel().getParameter("k"), RANGE)
    text = libsbml.writeSBMLToString(document).replace('kind="measured"', 'kind="guessed"')
    with pytest.warns(ModelWarning, match="the uncertainty of 'k'.*guessed.*; it is not used"):
        model = from_sbml(text, name="theirs")
    assert model.parameters.loc["k", "kind"] == "unknown"
