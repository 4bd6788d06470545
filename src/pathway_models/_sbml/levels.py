"""SBML of one level as SBML of another."""

from __future__ import annotations

import re
from collections import Counter

from ..errors import ModelError
from . import mend, sbml
from .edit import elements
from .findings import first_error
from .native import libsbml

LEVELS = {"sbml": (3, 2), "sbml-l3v1": (3, 1), "sbml-l2v5": (2, 5), "sbml-l2v4": (2, 4)}
_RDF = re.compile(r"(<rdf:RDF)(?![^>]*\sxmlns:dc=)")
_KEPT = "urn:pathway-models:kept"


def convert_level(text: str, *, level: int, version: int, name: str) -> str:
    """SBML of another level; `ModelError` with the reason where that level cannot hold the model.

    Warns with `ModelWarning` where only labels (units, annotations) do not fit and are left out.
    """
    document = sbml.read(text)
    old = (document.getLevel(), document.getVersion())
    if old == (level, version):
        return text
    where = f"SBML Level {level} Version {version}"
    hint = "" if (level, version) == LEVELS["sbml"] else "; write sbml instead"
    if level < 3 and (required := _required_packages(document)):
        raise ModelError(f"{where} cannot hold {name}: it needs the package {required[0]}{hint}")
    if old[0] < 3:
        _without_old_freedoms(document)
    document.getErrorLog().clearLog()
    # to a newer level nothing is lost, and the strict way refuses units that do not agree
    strict = (level, version) < old
    if not document.setLevelAndVersion(level, version, strict) or (strict and _has_errors(document)):
        raise ModelError(f"{where} cannot hold {name}: {first_error(document)}{hint}")
    made = _with_dublin_core(sbml.write(document))
    written, _ = mend.accept(made, name=f"{name} in {where}", same_level=True)
    return written


def _with_dublin_core(text: str) -> str:
    """The text with the namespace that libSBML forgets where it writes creators into Level 2 Version 4."""
    return _RDF.sub(r'\1 xmlns:dc="http://purl.org/dc/elements/1.1/"', text) if "<dc:creator" in text else text


def _has_errors(document: libsbml.SBMLDocument) -> bool:
    return bool(document.getNumErrors(libsbml.LIBSBML_SEV_ERROR))


def _required_packages(document: libsbml.SBMLDocument) -> list[str]:
    """Packages that a reader must know; in Level 2 there are none, though libSBML reports its layout plug-in there."""
    if document.getLevel() < 3:
        return []
    plugins = (document.getPlugin(i) for i in range(document.getNumPlugins()))
    names = [p.getPackageName() for p in plugins]
    return [n for n in names if n != "l3v2extendedmath" and document.getPackageRequired(n)]


# ---- what only the first versions of Level 2 allow --------------------------------------------------------------


def _without_old_freedoms(document: libsbml.SBMLDocument) -> None:
    if any(_reads_time(f) for f in document.getModel().getListOfFunctionDefinitions()):
        sbml.convert(document, "expandFunctionDefinitions")  # one that stays is refused afterwards, with its reason
    for element in elements(document):
        _part_namespaces(element)


def _reads_time(function: libsbml.FunctionDefinition) -> bool:
    """Whether a function reads time itself, not as an argument."""
    return "/symbols/time" in libsbml.writeMathMLToString(function.getMath())


def _part_namespaces(element: libsbml.SBase) -> None:
    """An annotation has one child of each namespace in later versions: put the others together into one of ours."""
    annotation = element.getAnnotation()
    if annotation is None:
        return
    spaces = [annotation.getChild(i).getURI() for i in range(annotation.getNumChildren())]
    crowded = {uri for uri, number in Counter(spaces).items() if number > 1}
    if not crowded:
        return
    declared = libsbml.XMLNamespaces()
    declared.add(_KEPT, "kept")
    triple = libsbml.XMLTriple("annotation", _KEPT, "kept")
    kept = libsbml.XMLNode(libsbml.XMLToken(triple, libsbml.XMLAttributes(), declared))
    whole = annotation.clone()
    for i in reversed(range(whole.getNumChildren())):
        if spaces[i] in crowded:
            kept.insertChild(0, whole.getChild(i))
            whole.removeChild(i)
    whole.addChild(kept)
    element.setAnnotation(whole)
