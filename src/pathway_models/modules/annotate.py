"""MIRIAM annotation and SBO terms: from annotations.tsv, parameters.tsv and the evidence tables into SBML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated

from .._files.authored import read_lines, read_rows, short_path
from .._sbml import sbml
from .._sbml.annotation import describe_model
from .._sbml.native import libsbml
from .._sbml.uncertainty import Uncertainty, write_uncertainty
from .._sbml.units import unit_text
from ..errors import ModelError, unknown_name
from .module import ParameterRow

IDENTIFIERS = "https://identifiers.org/"

# How a reference of the evidence tables is written at identifiers.org, and which kind is preferred over which.
_COLLECTIONS = {"doi": "doi", "pmid": "pubmed", "pmcid": "pmc", "biomodels": "biomodels.db"}
_RANKS = (("doi", "pmid"), ("pmcid",), ("biomodels",))

# Parameters are named after their role (Km_GAD, t_half_S6K): the first pattern that fits gives the SBO term.
_SBO_OF_NAME = tuple(
    (re.compile(pattern), term)
    for pattern, term in (
        (r"Km_|Km$", 27),  # Michaelis constant
        (r"[VT]max_", 186),  # maximal velocity
        (r"t_half_", 332),  # half-life of an exponential decay
        (r"tau_", 348),  # exponential time constant
        (r"t_onset_", 225),  # delay
        (r"IC50_", 288),  # IC50
        (r"EC50_", 287),  # EC50
        (r"Ki_", 261),  # inhibitory constant
        (r"K[dt][dt]?_", 282),  # dissociation constant
        (r"[Hh]ill_|n_", 190),  # Hill coefficient
        (r"k_(deg|clear|elimination|degrade|dephos|deact)_", 356),  # decay constant
        (r"k_", 9),  # kinetic constant
        (r"K_", 193),  # equilibrium or steady-state constant: here a half-saturation
        (r"flux_|CMRglc_rest", 612),  # rate of reaction
        (r"exponent_|ketogenesis_order_", 382),  # biochemical exponential coefficient
        (r"(gain|inhibition|loss|share|fraction|weight|w|max|sign)_", 380),  # biochemical coefficient
    )
)
_SBO_OF_UNIT = {"mmol/L": 196, "umol/L": 196, "nmol/L": 196}  # concentration of an entity pool
_SBO_PARAMETER = 2  # quantitative systems description parameter


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Annotation:
    """A row of annotations.tsv: a resource that says what an element of the model is."""

    id: Annotated[str, "the model, a compartment, species, parameter or reaction"]
    sbo: Annotated[str, "its term of the Systems Biology Ontology, as SBO:0000252, or nothing"]
    qualifier: Annotated[str, "of biology: is, isVersionOf, hasPart, occursIn, ..."]
    resource: Annotated[str, "address at identifiers.org"]
    name: Annotated[str, "the resource in words"]


def annotate(text: str, folder: Path, evidence: Sequence[Path], *, title: str, summary: str) -> str:
    """The SBML of a module with names, notes, SBO terms and resources.

    `folder` holds parameters.tsv and perhaps annotations.tsv, `evidence` are the folders of the tables that
    parameters.tsv cites. Raises `ModelError` that names file, line and value for a row that does not fit the model.
    """
    document = sbml.read(text)
    model = document.getModel()
    if model.getId() != folder.name:
        raise ModelError(f"{folder.name}/model.ant: the model is named {model.getId()!r}; name it as its folder")
    describe_model(model, title=title, summary=summary)
    path = folder / "annotations.tsv"
    rows = read_annotations(path, ids={model.getId(), *_ids(model)}) if path.exists() else ()
    for element in _annotated(model):
        _annotate_element(element, [r for r in rows if r.id == element.getId()])
    table = read_rows(folder / "parameters.tsv", ParameterRow)
    for name, resource in _described_by(table, evidence).items():
        parameter = model.getParameter(name)
        if parameter is None:
            raise ModelError(f"{folder.name}/parameters.tsv: {name!r} is no parameter of the model")
        _add_resources(parameter, "isDescribedBy", [resource])
    for row in table:
        write_uncertainty(model.getParameter(row.id), uncertainty_of(row))
    return sbml.write(document)


def read_annotations(path: Path, *, ids: Iterable[str]) -> tuple[Annotation, ...]:
    """The rows of an annotations.tsv; `ModelError` with file and line for a wrong column, id, qualifier or resource."""
    known = set(ids)
    rows = []
    for number, cells in read_lines(path, [f.name for f in fields(Annotation)]):
        row = Annotation(**cells)
        if fault := _fault(row, known):
            raise ModelError(f"{short_path(path)}:{number}: {fault}")
        rows.append(row)
    return tuple(rows)


def _fault(row: Annotation, known: set[str]) -> str:
    if row.id not in known:
        return str(unknown_name("id", row.id, known))
    if row.sbo and libsbml.SBO.stringToInt(row.sbo) < 0:
        return f"{row.sbo!r} is no SBO term; write it as SBO:0000252"
    if libsbml.BiolQualifierType_fromString(row.qualifier) == libsbml.BQB_UNKNOWN:
        return f"{row.qualifier!r} is no qualifier of biology (is, isVersionOf, hasPart, ...)"
    if not re.fullmatch(re.escape(IDENTIFIERS) + r"[\w.-]+:\S+", row.resource):
        return f"{row.resource!r} is no resource such as {IDENTIFIERS}CHEBI:17066"
    return "" if row.name else f"{row.resource} has no name"


def _annotated(model: libsbml.Model) -> Iterator[libsbml.SBase]:
    """The elements that a row can name, the model itself first."""
    yield model
    yield from model.getListOfCompartments()
    yield from model.getListOfSpecies()
    yield from model.getListOfParameters()
    yield from model.getListOfReactions()


def _ids(model: libsbml.Model) -> Iterator[str]:
    return (element.getId() for element in _annotated(model))


def _annotate_element(element: libsbml.SBase, rows: list[Annotation]) -> None:
    given = next((row.sbo for row in rows if row.sbo), "")
    if given:
        element.setSBOTerm(given)
    elif element.getElementName() == "parameter":
        element.setSBOTerm(_sbo_of_parameter(element))
    for qualifier in dict.fromkeys(row.qualifier for row in rows):
        _add_resources(element, qualifier, [row.resource for row in rows if row.qualifier == qualifier])


def _sbo_of_parameter(parameter: libsbml.Parameter) -> int:
    for pattern, term in _SBO_OF_NAME:
        if pattern.match(parameter.getId()):
            return term
    return _SBO_OF_UNIT.get(unit_text(parameter.getDerivedUnitDefinition()), _SBO_PARAMETER)


def _add_resources(element: libsbml.SBase, qualifier: str, uris: Iterable[str]) -> None:
    """One statement: all resources stand in one bag. An annotation needs a metaid, unique among coupled modules too."""
    if not element.isSetMetaId():
        element.setMetaId(f"{element.getModel().getId()}__{element.getId()}")
    term = libsbml.CVTerm(libsbml.BIOLOGICAL_QUALIFIER)
    term.setBiologicalQualifierType(libsbml.BiolQualifierType_fromString(qualifier))
    for uri in uris:
        term.addResource(uri)
    if element.addCVTerm(term) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"libSBML could not annotate {element.getId()!r} with {qualifier}")


def _described_by(table: Iterable[ParameterRow], evidence: Sequence[Path]) -> dict[str, str]:
    """Parameter -> the work that its first source with a DOI or PMID cites; measured and derived parameters only."""
    paths = (folder / name for folder in evidence for name in ("measurements.tsv", "responses.tsv"))
    cited = {k: v for p in paths if p.exists() for k, v in _references(p, p.stat().st_mtime_ns).items()}
    found = {}
    for row in table:
        if row.kind in ("measured", "derived"):
            works = [cited.get(source.strip(), {}) for source in row.source.split(";")]
            best = (work[kind] for rank in _RANKS for work in works for kind in rank if kind in work)
            if address := next(best, ""):
                found[row.id] = address
    return found


@cache
def _references(table: Path, _changed: int) -> Mapping[str, Mapping[str, str]]:
    """Evidence row -> kind of reference -> its address: {'doi': 'https://identifiers.org/doi:10.1002/...'}."""
    found: dict[str, dict[str, str]] = {}
    for _, row in read_lines(table):
        for reference in filter(None, map(str.strip, row["reference"].split(";"))):
            kind, _, key = reference.partition(":")
            if kind in _COLLECTIONS:
                found.setdefault(row["id"], {}).setdefault(kind, f"{IDENTIFIERS}{_COLLECTIONS[kind]}:{key}")
    return found


def uncertainty_of(row: ParameterRow) -> Uncertainty:
    """The uncertainty in a row of parameters.tsv."""
    evidence = tuple(part.strip() for part in row.source.split(";") if part.strip())
    return Uncertainty(distribution=row.distribution, kind=row.kind, low=row.low, high=row.high, evidence=evidence)
