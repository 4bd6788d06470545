"""What a model file holds, told from its beginning, so that what cannot be read is refused by its name."""

from __future__ import annotations

import re

READ_HERE = "this library reads SBML, Antimony and COMBINE archives (.omex)"
_START = re.compile(r"<(?![?!])(?:[\w.-]+:)?([\w.-]+)(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_ROOTS = {
    "neuroml": "NeuroML",
    "Lems": "LEMS",
    "sedML": "SED-ML, which names a model and holds none",
    "omexManifest": "the manifest of a COMBINE archive",
    "RDF": "RDF metadata",
    "PharmML": "PharmML",
    "vcml": "a VCell document",
    "COPASI": "a COPASI file (export SBML from COPASI)",
    "sbgn": "an SBGN map",
    "Pathway": "a GPML pathway",
    "pathway": "a KEGG pathway",
    "svg": "a drawing (SVG)",
    "PhysiCell_settings": "PhysiCell settings",
    "SimBiology": "a SimBiology project",
}
# Of each language of text what its files begin a line with and what no Antimony file has.
_LANGUAGES = (
    ("BNGL (BioNetGen)", re.compile(r"^\s*begin\s+(model|parameters|molecule types|reaction rules)\b", re.MULTILINE)),
    ("an XPP file", re.compile(r"^\s*(d\w+/dt\s*=|par(am)?\s+\w+\s*=|@\s*\w+\s*=|done\s*$)", re.MULTILINE)),
    ("a PEtab problem", re.compile(r"^(format_version|parameter_file|problems)\s*:", re.MULTILINE)),
    ("a Kappa model", re.compile(r"^\s*%(agent|init|obs|var)\s*:", re.MULTILINE)),
    ("a Myokit model", re.compile(r"^\s*\[\[model\]\]", re.MULTILINE)),
    ("JSON", re.compile(r"\A\s*[\[{]\s*[\"\]}\[{]")),
    ("Python code", re.compile(r"^(import|from)\s+\w+|^def\s+\w+\(", re.MULTILINE)),
    ("MATLAB code", re.compile(r"^\s*function\s+[\w\[\], ]+=\s*\w+\(", re.MULTILINE)),
)


def foreign(text: str) -> str:
    """The name of what a text holds if that is a known format that is not read here, else ''.

    >>> foreign('<model xmlns="http://www.cellml.org/cellml/1.0#" name="m"/>')
    'CellML'
    >>> foreign("S1 -> S2; k*S1")
    ''
    """
    if is_xml(text):
        root = _root(text)
        if root is None or root.group(1) == "sbml":
            return ""
        return "CellML" if "cellml.org" in root.group() else _ROOTS.get(root.group(1), "")
    return next((name for name, sign in _LANGUAGES if sign.search(text)), "")


def is_xml(text: str) -> bool:
    """Whether a text is, or wants to be, XML."""
    return text.lstrip().startswith("<")


def is_sbml(text: str) -> bool:
    """Whether a text begins as SBML does."""
    root = _root(text) if is_xml(text) else None
    return root is not None and root.group(1) == "sbml"


def _root(text: str) -> re.Match[str] | None:
    return _START.search(re.sub(r"<!--.*?-->", "", text[:100_000], flags=re.DOTALL))
