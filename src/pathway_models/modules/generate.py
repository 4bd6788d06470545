"""SBML from what is authored: a module's folder, or modules and wires."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .._files.authored import short_path
from .._files.whole import read_text
from .._sbml import sbml
from .._sbml.antimony import from_antimony
from ..errors import ModelError
from .annotate import annotate
from .coupling import SharedInput, Wire, couple, flatten
from .module import Module, read_module_file


def module_sbml(folder: Path, evidence: Sequence[Path]) -> str:
    """SBML of a module's `model.ant`, annotated; `ModelError` for a syntax error or any warning, units included.

    `evidence` are the folders of the tables that parameters.tsv cites.
    """
    path = folder / "model.ant"
    authored = read_text(path)
    try:
        text = from_antimony(authored, path)
    except ModelError as error:
        raise ModelError(f"{short_path(folder)}: {error}") from error
    made = read_module_file(folder)
    annotated = annotate(text, folder, evidence, title=made.title, summary=made.summary)
    return check_text(_without_generator_comment(annotated), f"{folder.name}/model.ant")


def coupled_sbml(
    name: str, title: str, modules: Sequence[Module], wires: Sequence[Wire], shared: Sequence[SharedInput]
) -> tuple[str, str]:
    """(flat, hierarchical) SBML of a coupled model.

    In the hierarchical text libSBML remarks that the stand-ins for ports have no value; they get it when flattened.
    """
    document = couple(name, title, modules, wires, shared)
    hierarchical = sbml.write(document)
    return _without_generator_comment(flatten(document, name=name)), hierarchical


def check_text(text: str, name: str) -> str:
    """The text if libSBML has nothing to say of it; else `ModelError`."""
    for found in sbml.findings(text):
        raise ModelError(f"{name}: {found.severity} in line {found.line} of the SBML: {found.message[:400]}")
    return text


def _without_generator_comment(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<!-- Created by"))
