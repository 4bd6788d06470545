"""COMBINE archives of others: which model is meant, and what is in them instead of one."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest

import pathway_models as pm
from helpers import sbml
from pathway_models.errors import ModelError, ModelWarning, UnknownNameError

DECAY = "compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c"
SBML = "http://identifiers.org/combine.specifications/sbml"
LEVEL_1 = (
    '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model>'
    '<listOfCompartments><compartment name="c"/></listOfCompartments><listOfSpecies><species name="{}" compartment="c" '
    'initialAmount="1"/></listOfSpecies></model></sbml>'
)


def manifest(*listed: tuple[str, str]) -> str:
    contents = "".join(f'<content location="./{path}" format="{format}"/>' for path, format in listed)
    space = "http://identifiers.org/combine.specifications/omex-manifest"
    return f'<?xml version="1.0"?><omexManifest xmlns="{space}">{contents}</omexManifest>'


def archive(path: Path, *members: tuple[str, str], format: str = SBML, listed: str = "") -> Path:
    """An archive of these members, each listed with the format."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.xml", listed or manifest(*((name, format) for name, _ in members)))
        for name, text in members:
            file.writestr(name, text)
    return path


def annotated(resource: str) -> str:
    """The decay with a resource for its species, under a metaid of its own."""
    metaid = resource.replace(":", "_").replace("/", "_")
    rdf = (
        '<annotation><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:bqbiol="http://biomodels.net/biology-qualifiers/">'
        f'<rdf:Description rdf:about="#{metaid}"><bqbiol:is><rdf:Bag><rdf:li rdf:resource="{resource}"/></rdf:Bag>'
        "</bqbiol:is></rdf:Description></rdf:RDF></annotation>"
    )
    text = sbml(DECAY)
    start = text.index("<species ")
    end = text.index("/>", start)
    return f'{text[:start]}<species metaid="{metaid}" {text[start + 9 : end]}>{rdf}</species>{text[end + 2 :]}'


def quiet(path: Path, **how: str) -> pm.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pm.load(path, **how)


def test_the_same_model_with_other_labels_is_one_model(tmp_path: Path) -> None:
    """As BioModels packs them: resources named by address in one file and by URN in the other."""
    twice = (("m_url.xml", annotated("https://x.org/1")), ("m_urn.xml", annotated("urn:x:1")))
    path = archive(tmp_path / "a.omex", *twice)
    model = quiet(path)
    assert "https://x.org/1" in model.sbml
    assert pm.check(path)


def test_two_models_are_offered_and_one_can_be_picked(tmp_path: Path) -> None:
    members = (("sub/a.xml", sbml(DECAY)), ("b.xml", sbml(DECAY.replace("k = 1", "k = 2"))))
    path = archive(tmp_path / "a.omex", *members)
    with pytest.raises(ModelError, match=r"has several models and names no master: sub/a\.xml, b\.xml; pick one with"):
        pm.load(path)
    assert [quiet(path, model=m).quantities["k"].value for m in ("sub/a.xml", "./b.xml", "a.xml")] == [1, 2, 1]
    with pytest.raises(UnknownNameError, match=r"model of a\.omex 'c\.xml'.* Allowed: b\.xml, sub/a\.xml"):
        pm.load(path, model="c.xml")


def test_names_are_ids_in_level_1(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.omex", ("a.xml", LEVEL_1.format("A")), ("b.xml", LEVEL_1.format("B")))
    with pytest.raises(ModelError, match="has several models"):
        pm.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_packed_twice_is_one_if_it_is_the_same(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.omex", ("m.xml", sbml(DECAY)))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("manifest.xml", manifest(("m.xml", SBML)))
        file.writestr("m.xml", sbml(DECAY))
    assert quiet(path).states == ("S",)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_manifests_the_later_counts(tmp_path: Path) -> None:
    members = (("a.xml", sbml(DECAY)), ("b.xml", sbml(DECAY.replace("k = 1", "k = 2"))))
    path = archive(tmp_path / "a.omex", *members, listed=manifest(("a.xml", SBML)))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("manifest.xml", manifest(("b.xml", SBML)))
    with pytest.warns(ModelWarning, match=r"a\.omex has two manifests that differ; the later one is read"):
        assert pm.load(path).quantities["k"].value == 2


def test_a_model_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    listed = manifest(("m.xml", SBML), ("m.xml", f"{SBML}.level-3.version-2"))
    assert quiet(archive(tmp_path / "a.omex", ("m.xml", sbml(DECAY)), listed=listed)).states == ("S",)


def test_a_model_that_the_manifest_does_not_list_is_found(tmp_path: Path) -> None:
    listed = manifest(("data.csv", "text/csv"))
    assert quiet(archive(tmp_path / "a.omex", ("m.xml", sbml(DECAY)), listed=listed)).states == ("S",)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("m.cellml", '<model xmlns="http://www.cellml.org/cellml/1.0#" name="m"/>', "CellML"),
        ("m.nml", '<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" id="m"/>', "NeuroML"),
        ("m.bngl", "begin model\nend model\n", "BNGL"),
        ("m.ode", "par a=1\nx'=-a*x\ndone\n", "XPP"),
    ],
)
def test_an_archive_of_another_format_is_refused_by_its_name(tmp_path: Path, name: str, text: str, what: str) -> None:
    for format in (SBML, "http://purl.org/NET/mediatypes/application/xml"):
        path = archive(tmp_path / "a.omex", (name, text), format=format)
        with pytest.raises(ModelError, match=rf"a\.omex.*{name}.* holds .*{what}.*; this library reads SBML, Antimony"):
            pm.load(path)
