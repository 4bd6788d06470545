"""MIRIAM and SBO: everything carries a resource, every resource is well formed, and no number changes by it."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import antimony
import libsbml
import numpy as np
import pytest

from pathway_models._files.data import sbml_root
from pathway_models._files.whole import read_text
from pathway_models._sbml import sbml
from pathway_models._sbml.annotation import LICENCE, Coverage, coverage, describe_model, resources
from pathway_models.errors import ModelError
from pathway_models.models.collection import OURS
from pathway_models.modules import annotate, coupling
from pathway_models.modules.generate import module_sbml
from pathway_models.modules.module import ParameterRow
from pathway_models.simulation import runner as runners
from sbml_equations import read_equations

ROOT = sbml_root()
EVIDENCE = ROOT / "evidence"
NAMES = tuple(OURS.modules)
FILES = [
    *(f"modules/{n}/model.xml" for n in NAMES),
    *(f"coupled/{path.name}" for path in sorted((ROOT / "coupled").glob("*.xml"))),
]
FLAT = [f for f in FILES if "-comp" not in f]
each_module = pytest.mark.parametrize("name", NAMES)
each_file = pytest.mark.parametrize("file", FILES)
each_flat = pytest.mark.parametrize("file", FLAT)
SLOW = {f"coupled/{n}.xml" for n in OURS.coupled if OURS.read_coupled(n).reduction}  # a minute to compile

# The patterns that identifiers.org publishes for these collections.
PATTERNS = {
    "CHEBI": r"\d+",
    "GO": r"\d{7}",
    "UBERON": r"\d{7}",
    "CL": r"\d{7}",
    "reactome": r"R-[A-Z]{3}-\d+",
    "MOD": r"\d{5}",
    "uniprot": r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9]([A-Z][A-Z0-9]{2}[0-9]){1,2}",
    "hgnc": r"\d{1,5}",
    "kegg.reaction": r"R\d{5}",
    "ec-code": r"\d+\.\d+\.\d+\.\d+",
    "mesh": r"[CD]\d{6,9}",
    "taxonomy": r"\d+",
    "doi": r"10\.\d{4,9}/\S+",
    "pubmed": r"\d+",
    "pmc": r"PMC\d+",
    "biomodels.db": r"(BIOMD|MODEL)\d{10}",
}


def folder(name: str) -> Path:
    return ROOT / "modules" / name


@cache
def text(file: str) -> str:
    return read_text(ROOT / file)


@cache
def document(source: str) -> libsbml.SBMLDocument:
    """Kept, because libSBML frees a model with its document."""
    return libsbml.readSBMLFromString(source)


def read(source: str) -> libsbml.Model:
    return document(source).getModel()


@cache
def plain(name: str) -> str:
    """The module as Antimony writes it, without annotation."""
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(read_text(folder(name) / "model.ant")) >= 0
    return str(antimony.getSBMLString(name))


def table(name: str) -> list[dict[str, str]]:
    lines = read_text(folder(name) / "annotations.tsv").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def tsv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(read_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def annotated(name: str, target: Path) -> str:
    return annotate.annotate(plain(name), target, [EVIDENCE], title="t", summary="s")


def broken(name: str, target: Path, edit: str) -> Path:
    """A copy of the module's tables in which the second line of annotations.tsv is `edit`."""
    copy = target / name
    copy.mkdir()
    (copy / "parameters.tsv").write_text(read_text(folder(name) / "parameters.tsv"), encoding="utf-8")
    header, _, *rest = read_text(folder(name) / "annotations.tsv").splitlines()
    (copy / "annotations.tsv").write_text("\n".join([header, edit, *rest]) + "\n", encoding="utf-8")
    return copy


# ---- coverage ----


@each_flat
def test_every_species_compartment_and_reaction_has_a_resource_and_a_term(file: str) -> None:
    for kind, found in coverage(text(file)).items():
        assert found.with_resource == found.elements, kind
        assert found.with_sbo == found.elements, kind


def test_coverage_counts() -> None:
    assert coverage(text("modules/gaba_gad67/model.xml")) == {
        "species": Coverage(elements=16, with_resource=16, with_sbo=16),
        "compartments": Coverage(elements=2, with_resource=2, with_sbo=2),
        "reactions": Coverage(elements=19, with_resource=19, with_sbo=19),
    }
    bare = coverage(plain("gaba_gad67"))["species"]
    assert bare == Coverage(elements=16, with_resource=0, with_sbo=0)


def test_coverage_of_a_broken_text_is_an_error() -> None:
    with pytest.raises(ModelError, match="not valid SBML"):
        coverage("<sbml/>")


@each_module
def test_every_port_has_a_resource(name: str) -> None:
    module = OURS.module(name)
    rows = {row["id"] for row in table(name)}
    assert {p.id for p in (*module.inputs, *module.outputs)} <= rows


@each_module
def test_every_parameter_has_an_sbo_term(name: str) -> None:
    model = read(text(f"modules/{name}/model.xml"))
    assert [p.getId() for p in model.getListOfParameters() if not p.isSetSBOTerm()] == []


@pytest.mark.parametrize(
    ("name", "parameter", "term"),
    [
        ("gaba_gad67", "Km_GAD", "SBO:0000027"),
        ("gaba_gad67", "Vmax_GAD67", "SBO:0000186"),
        ("ketone_katp", "Tmax_MCT1_BHB", "SBO:0000186"),
        ("ampk_pgc1a", "t_half_NRF1", "SBO:0000332"),
        ("acupuncture", "tau_session", "SBO:0000348"),
        ("acupuncture", "t_onset_lag", "SBO:0000225"),
        ("nlrp3_il1b", "IC50_MCC950", "SBO:0000288"),
        ("ketone_katp", "EC50_BHB_KATP", "SBO:0000287"),
        ("ketone_katp", "Ki_insulin_ketogenesis", "SBO:0000261"),
        ("mtor_autophagy", "Kd_rapamycin_MTORC1", "SBO:0000282"),
        ("ketone_katp", "Ktt_KATP", "SBO:0000282"),
        ("nlrp3_il1b", "Hill_BHB_NLRP3", "SBO:0000190"),
        ("nlrp3_il1b", "k_deg_NLRP3", "SBO:0000356"),
        ("ketone_katp", "k_CK", "SBO:0000009"),
        ("nlrp3_il1b", "K_TNF_signal", "SBO:0000193"),
        ("gaba_gad67", "flux_VGAT", "SBO:0000612"),
        ("gaba_gad67", "GLN_a_reference", "SBO:0000196"),
        ("excitability", "weight_GABA", "SBO:0000380"),
        ("excitability", "kappa", "SBO:0000002"),
    ],
)
def test_names_of_parameters_give_their_sbo_terms(name: str, parameter: str, term: str) -> None:
    model = read(text(f"modules/{name}/model.xml"))
    assert model.getParameter(parameter).getSBOTermID() == term


# ---- tables ----


@each_module
def test_every_row_names_an_element(name: str) -> None:
    model = read(plain(name))
    unknown = [r["id"] for r in table(name) if r["id"] != name and model.getElementBySId(r["id"]) is None]
    assert unknown == []


@each_module
def test_rows_arrive_in_the_model(name: str) -> None:
    model = read(text(f"modules/{name}/model.xml"))
    expected: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for row in table(name):
        given = expected[row["id"]]
        given[row["qualifier"]] = (*given.get(row["qualifier"], ()), row["resource"])
        if row["sbo"]:
            assert model.getElementBySId(row["id"]).getSBOTermID() == row["sbo"]
    for key, given in expected.items():
        element = model if key == name else model.getElementBySId(key)
        found = resources(element)
        found.pop("isDescribedBy", None)
        assert found == given, key


@each_module
def test_an_id_has_one_sbo_term_and_no_resource_twice(name: str) -> None:
    rows = table(name)
    with_term = [r["id"] for r in rows if r["sbo"]]
    assert len(with_term) == len(set(with_term))
    keys = [(r["id"], r["qualifier"], r["resource"]) for r in rows]
    assert len(keys) == len(set(keys))


@each_file
def test_resources_follow_the_pattern_of_their_collection(file: str) -> None:
    found = set(re.findall(r'rdf:resource="([^"]*)"', text(file)))
    assert found
    for resource in found:
        match = re.fullmatch(r"https://identifiers\.org/([\w.-]+?):(.+)", resource)
        assert match, resource
        assert match[1] in PATTERNS, resource
        assert re.fullmatch(PATTERNS[match[1]], match[2]), resource


def test_a_resource_has_one_name_everywhere() -> None:
    names = defaultdict(set)
    for module in NAMES:
        for row in table(module):
            names[row["resource"]].add(row["name"])
    assert {k: v for k, v in names.items() if len(v) != 1} == {}


def test_a_wrong_row_is_named(tmp_path: Path) -> None:
    good = "brain\tSBO:0000290\tis\thttps://identifiers.org/UBERON:0000955\tbrain"
    faults = {
        "'brian'": good.replace("brain", "brian", 1),
        "5 cells|4 cells": good.rsplit("\t", 1)[0],
        "'290' is no SBO term": good.replace("SBO:0000290", "290"),
        "'equals' is no qualifier": good.replace("\tis\t", "\tequals\t"),
        "'UBERON:0000955' is no resource": good.replace("https://identifiers.org/", ""),
        "has no name": good.rsplit("\t", 1)[0] + "\t",
    }
    for number, (message, line) in enumerate(faults.items()):
        (tmp_path / str(number)).mkdir()
        copy = broken("nlrp3_il1b", tmp_path / str(number), line)
        with pytest.raises(ModelError, match=rf"nlrp3_il1b/annotations\.tsv:2: .*({message})"):
            annotated("nlrp3_il1b", copy)


def test_a_wrong_column_is_named(tmp_path: Path) -> None:
    copy = broken("nlrp3_il1b", tmp_path, "")
    lines = read_text(folder("nlrp3_il1b") / "annotations.tsv").replace("qualifier", "relation", 1)
    (copy / "annotations.tsv").write_text(lines, encoding="utf-8")
    with pytest.raises(ModelError, match=r"nlrp3_il1b/annotations\.tsv:1: .*'relation'"):
        annotated("nlrp3_il1b", copy)


def test_an_empty_table_is_an_error_and_none_is_none(tmp_path: Path) -> None:
    copy = broken("acupuncture", tmp_path, "")
    (copy / "annotations.tsv").write_text("", encoding="utf-8")
    with pytest.raises(ModelError, match=r"annotations\.tsv:1"):
        annotated("acupuncture", copy)
    (copy / "annotations.tsv").unlink()
    assert "taxonomy" not in annotated("acupuncture", copy)


def test_a_source_for_a_parameter_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    first = read_text(folder("acupuncture") / "annotations.tsv").splitlines()[1]
    copy = broken("acupuncture", tmp_path, first)
    lines = read_text(copy / "parameters.tsv").replace("t_onset_lag", "t_onset_lug", 1)
    (copy / "parameters.tsv").write_text(lines, encoding="utf-8")
    with pytest.raises(ModelError, match=r"acupuncture/parameters\.tsv: 't_onset_lug'"):
        annotated("acupuncture", copy)


# ---- sources of the numbers ----


def works(file: str, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Parameter -> what it is described by."""
    parameters = read(text(file)).getListOfParameters()
    found = {p.getId(): resources(p).get("isDescribedBy", ()) for p in parameters}
    return {k.removeprefix(prefix): v for k, v in found.items() if v and k.startswith(prefix)}


def referenced(name: str) -> set[str]:
    """Measured and derived parameters of which a source has a reference."""
    rows = {r["id"]: r for t in ("measurements", "responses") for r in tsv(EVIDENCE / f"{t}.tsv")}
    return {
        p["id"]
        for p in tsv(folder(name) / "parameters.tsv")
        if p["kind"] in ("measured", "derived")
        and any(rows[s.strip()]["reference"] for s in p["source"].split(";") if s.strip())
    }


@each_module
def test_parameters_name_the_work_that_their_source_cites(name: str) -> None:
    found = works(f"modules/{name}/model.xml")
    assert set(found) == referenced(name)
    assert all(len(work) == 1 for work in found.values())


def test_the_first_source_with_a_doi_or_pmid_is_the_one() -> None:
    assert works("modules/acupuncture/model.xml")["t_onset_lag"] == (
        f"https://identifiers.org/doi:{reference('clinical:P090', 'doi')}",
    )
    collections = {w[0].split("/")[3].split(":")[0] for n in NAMES for w in works(f"modules/{n}/model.xml").values()}
    assert collections == {"doi", "pubmed", "pmc", "biomodels.db"}


def reference(row: str, kind: str) -> str:
    cell = next(r["reference"] for r in tsv(EVIDENCE / "measurements.tsv") if r["id"] == row)
    return next(part.partition(":")[2] for part in cell.split(";") if part.startswith(f"{kind}:"))


def test_an_evidence_row_may_have_several_references(tmp_path: Path) -> None:
    header = "id\treference\n"
    rows = "t:a\tpmcid:PMC1;doi:10.1234/a\nt:b\t\nt:c\tisbn:1;pmid:7; biomodels:BIOMD0000000001\n"
    (tmp_path / "measurements.tsv").write_text(header + rows, encoding="utf-8")
    (tmp_path / "responses.tsv").write_text(header, encoding="utf-8")
    base = "https://identifiers.org/"
    assert annotate._references(tmp_path / "measurements.tsv", 0) == {
        "t:a": {"pmcid": f"{base}pmc:PMC1", "doi": f"{base}doi:10.1234/a"},
        "t:c": {"pmid": f"{base}pubmed:7", "biomodels": f"{base}biomodels.db:BIOMD0000000001"},
    }
    cited = (("p", "measured", "t:b;t:a;t:c"), ("q", "assumed", "t:a"), ("r", "derived", ""), ("s", "measured", "t:no"))
    common: dict[str, Any] = {"low": None, "high": None, "distribution": "fixed", "note": ""}
    rows = [ParameterRow(id=i, kind=k, source=s, **common) for i, k, s in cited]
    assert annotate._described_by(rows, [tmp_path]) == {"p": f"{base}doi:10.1234/a"}


# ---- the model element ----


@each_flat
def test_models_have_a_name_notes_a_licence_and_a_term(file: str) -> None:
    model = read(text(file))
    assert model.getName()
    assert model.getSBOTermID() == "SBO:0000293"
    notes = model.getNotesString()
    assert 'xmlns="http://www.w3.org/1999/xhtml"' in notes
    assert LICENCE in notes
    assert len(re.sub(r"<[^>]*>", "", notes).split()) > 25


def test_notes_may_hold_anything() -> None:
    new = libsbml.SBMLDocument(3, 2)
    model = new.createModel()
    model.setId("m")
    describe_model(model, title="A & B <1>", summary='x < 1 & y > 2,\n  µ "quoted"')
    back = read(libsbml.writeSBMLToString(new))
    assert back.getName() == "A & B <1>"
    assert "x &lt; 1 &amp; y &gt; 2, µ &quot;quoted&quot;" in back.getNotesString()


# ---- nothing else changes ----


@each_flat
def test_annotation_brings_no_warning(file: str) -> None:
    assert sbml.findings(text(file)) == []


@each_file
def test_metaids_are_unique_and_every_annotation_has_its_own(file: str) -> None:
    metaids = re.findall(r'metaid="([^"]*)"', text(file))
    about = re.findall(r'rdf:about="#([^"]*)"', text(file))
    assert len(metaids) == len(set(metaids))
    assert len(about) == len(set(about))
    assert set(about) <= set(metaids)


def test_flattening_keeps_what_the_modules_say() -> None:
    """Every element of every module carries the same terms in the coupled model, inputs that a wire drives too."""
    for name in OURS.coupled:
        flat = read(text(f"coupled/{name}.xml"))
        for module in OURS.read_coupled(name).modules:
            model = read(text(f"modules/{module}/model.xml"))
            for element in annotate._annotated(model):
                if element is not model and element.getElementName() != "model":
                    twin = flat.getElementBySId(f"{module}__{element.getId()}")
                    assert resources(twin) == resources(element), element.getId()
                    assert twin.getSBOTermID() == element.getSBOTermID(), element.getId()


def test_a_wire_between_modules_without_annotation_needs_none() -> None:
    """Coupling copies what there is; a module without metaids stays without."""
    element = read(plain("excitability")).getParameter("GABA")
    target = libsbml.Parameter(3, 2)
    target.setId("GLU")
    coupling._copy_annotation(element, target)
    assert not target.isSetMetaId()
    assert not target.isSetSBOTerm()


def stripped(source: str) -> str:
    """The text without annotation, notes, metaids and SBO terms."""
    bare = re.sub(r"\s*<(annotation|notes)>.*?</\1>", "", source, flags=re.DOTALL)
    return re.sub(r' (metaid|sboTerm)="[^"]*"', "", bare)


@pytest.mark.parametrize("file", [f for f in FLAT if f not in SLOW])
def test_numbers_do_not_change(file: str) -> None:
    """The same trajectory to the last bit, over 200 h from a displaced start."""
    runs = []
    for source in (text(file), stripped(text(file))):
        runner = runners.Runner(source).engine  # by far the fastest to compile
        states = runner.model.getFloatingSpeciesIds()
        if not states:  # nothing moves: its values
            runs.append(np.array(runner.model.getGlobalParameterValues()))
            continue
        runner.model.setFloatingSpeciesAmounts(1.01 * runner.model.getFloatingSpeciesAmounts())
        runs.append(np.array(runner.simulate(0, 200, 21, ["time", *(f"[{s}]" for s in states)])))
    assert runs[0].size > 1
    np.testing.assert_array_equal(runs[0], runs[1])


@each_flat
def test_what_is_computed_does_not_change(file: str) -> None:
    """Every value and every rate to the last bit, from a displaced start, by an evaluator that compiles nothing."""
    found = []
    for source in (text(file), stripped(text(file))):
        model = read_equations(source)
        stored = model.start({})
        moving = [1.01 * stored[k] for k in model.moving]
        resting = [v for k, v in stored.items() if k not in model.moving]
        found.append((model.everything(1.0, moving, resting), model.rates(1.0, moving, resting)))
    assert all(found[0])
    assert found[0] == found[1]


@each_module
def test_only_annotation_is_added(name: str) -> None:
    """What Antimony wrote is still there, element for element."""
    bare = libsbml.writeSBMLToString(libsbml.readSBMLFromString(plain(name)))
    title = re.escape(OURS.module(name).title)
    ours = re.sub(rf'(<model [^>]*)name="{title}" ', r"\1", stripped(module_sbml(folder(name), OURS.evidence)))
    lines = [
        line.replace("/>", ">") for line in ours.splitlines() if not re.match(r"\s*</(parameter|species|compart)", line)
    ]
    theirs = [
        line.replace("/>", ">")
        for line in stripped(bare).splitlines()
        if not re.match(r"<!--|\s*</(parameter|species|compart)", line)
    ]
    assert [re.sub(r"\s+", " ", x) for x in lines] == [re.sub(r"\s+", " ", x) for x in theirs]
