"""What an element of a model means: resources of biology, SBO terms, and how many elements have them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from . import sbml
from .native import libsbml

LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"


_SBO_MODEL = 293  # non-spatial continuous framework


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many elements of one kind a model has, and how many of them carry a resource and an SBO term."""

    elements: int
    with_resource: int
    with_sbo: int


def describe_model(model: libsbml.Model, *, title: str, summary: str) -> None:
    """Give a model a name, an SBO term and notes in XHTML: the summary and the licence."""
    model.setName(title)
    model.setSBOTerm(_SBO_MODEL)
    words = escape(" ".join(summary.split()), quote=False)
    licence = f'Licence: <a href="{LICENCE}">CC0 1.0</a>, no rights reserved.'
    model.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml"><p>{words}</p><p>{licence}</p></body>')


def coverage(text: str) -> dict[str, Coverage]:
    """Coverage of species, compartments and reactions by annotation, by kind.

    Raises `ModelError` for a text that is no valid SBML.
    """
    document = sbml.parse(text)
    return {
        kind: Coverage(
            elements=len(items),
            with_resource=sum(bool(resources(item)) for item in items),
            with_sbo=sum(item.isSetSBOTerm() for item in items),
        )
        for kind, items in described(document.getModel()).items()
    }


def described(model: libsbml.Model) -> dict[str, list[libsbml.SBase]]:
    """What should carry a resource, by kind."""
    return {
        "species": list(model.getListOfSpecies()),
        "compartments": list(model.getListOfCompartments()),
        "reactions": list(model.getListOfReactions()),
    }


def coverage_text(text: str) -> str:
    """The coverage of a model's SBML in one line."""
    parts = (f"{c.with_resource} of {c.elements} {k}" for k, c in coverage(text).items() if c.elements)
    return "annotated with resources: " + (", ".join(parts) or "nothing to annotate")


def resources(element: libsbml.SBase) -> dict[str, tuple[str, ...]]:
    """Qualifier -> resources of biology that an element of a model carries."""
    found: dict[str, tuple[str, ...]] = {}
    for term in element.getCVTerms() or ():
        if term.getQualifierType() == libsbml.BIOLOGICAL_QUALIFIER:
            key = libsbml.BiolQualifierType_toString(term.getBiologicalQualifierType())
            uris = tuple(term.getResourceURI(i) for i in range(term.getNumResources()))
            found[key] = found.get(key, ()) + uris
    return found
