"""Antimony to SBML and back, for files that nobody vouches for."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from .._files.whole import read_text
from ..errors import ModelError, ModelWarning
from . import sbml
from .edit import elements
from .formulas import is_power, maths, tree
from .native import alone, libsbml
from .uncertainty import NAMESPACE

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n]*", re.DOTALL)
_IMPORT = re.compile(r'\bimport\s*"([^"\n]*)"')


@alone
def from_antimony(text: str, path: Path) -> str:
    """SBML of the main model of an Antimony text; imports in it are looked up beside `path`.

    Raises `ModelError` for what antimony cannot read, and for imports that lie elsewhere or import each other.
    """
    import antimony

    _check(text, path, (path.resolve(),))
    antimony.clearPreviousLoads()
    antimony.addDirectory(str(path.parent))
    if antimony.loadAntimonyString(text) < 0:
        neither = "" if path.suffix == ".ant" else "neither SBML nor "
        raise ModelError(f"{path.name} is {neither or 'not '}valid Antimony: {_complaint()}")
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def _check(text: str, path: Path, chain: tuple[Path, ...]) -> None:
    """Refuse what would hang or crash antimony, or make it read files that are none of the model's."""
    if "\0" in text:
        raise ModelError(f"{path.name} is not valid Antimony: it holds a NUL character")
    if _nesting(text) > sbml.MAX_DEPTH:
        raise ModelError(f"{path.name} is refused: its formulas are nested deeper than {sbml.MAX_DEPTH:,}")
    for name in _IMPORT.findall(_COMMENT.sub("", text)):
        part = _imported(name, path, chain)
        other = read_text(part)
        if other.lstrip().startswith("<"):
            sbml.screen(other, name)
        else:
            _check(other, part, (*chain, part))


def _imported(name: str, path: Path, chain: tuple[Path, ...]) -> Path:
    """The file that an import names; `chain` are the files that lead to it, the main one first."""
    folders = (path.resolve().parent, chain[0].parent)
    found = [part for folder in folders if (part := (folder / name).resolve()).is_file()]
    if not found:
        raise ModelError(f"{path.name} imports {name!r}, and there is no such file in {path.parent}")
    if not found[0].is_relative_to(chain[0].parent):
        raise ModelError(f"{path.name} imports {name!r}, which lies outside its folder")
    if found[0] in chain:
        raise ModelError(f"{path.name} imports {name!r}, which imports it in turn")
    return found[0]


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


@alone
def to_antimony(text: str, name: str) -> str:
    """Antimony of a flat SBML text; `ModelError` if Antimony cannot hold it, a warning if it renames something."""
    import antimony

    antimony.clearPreviousLoads()
    if antimony.loadSBMLString(_unambiguous(text)) < 0:
        raise ModelError(f"{name}: antimony cannot read the SBML: {_complaint()}")
    written = str(antimony.getAntimonyString(antimony.getMainModuleName()))
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(written) >= 0:
        if lost := sorted(_ids(text) - _ids(str(antimony.getSBMLString(antimony.getMainModuleName())))):
            said = f"{name}: antimony renames {', '.join(lost)}, words of its own language"
            warnings.warn(said, ModelWarning, stacklevel=4)
        if NAMESPACE in text:
            said = f"{name}: Antimony keeps no annotations of others: ranges, kinds and sources of parameters are lost"
            warnings.warn(said, ModelWarning, stacklevel=4)
        return written
    if "<notes" in text:  # it writes notes with namespaces of their own and cannot read them
        return to_antimony(_without_notes(text), name)
    raise ModelError(f"{name}: antimony cannot hold it, as it cannot read what it wrote: {_complaint()}")


def _ids(text: str) -> set[str]:
    document = sbml.read(text)
    model = document.getModel()
    kinds = (model.getListOfSpecies(), model.getListOfParameters(), model.getListOfCompartments())
    return {item.getId() for kind in kinds for item in kind}


def _unambiguous(text: str) -> str:
    """The same model without formulas that antimony writes wrongly, as libSBML does.

    (a^b)^c would become a^b^c, which is a^(b^c), and -(-a) the unreadable --a: the inner part is multiplied by 1.
    """
    document = sbml.read(text)
    waiting = [math for _, math in maths(document.getModel())]
    one, changed = "1 dimensionless" if document.getLevel() > 2 else "1", False
    while waiting:
        node = waiting.pop()
        if (sign := _sign(node)) and sign == _sign(node.getChild(0)):
            product = tree(f"{one} * x")
            product.replaceChild(1, node.getChild(0).deepCopy())
            node.replaceChild(0, product)
            changed = True
        waiting += [node.getChild(i) for i in range(node.getNumChildren())]
    return sbml.write(document) if changed else text


def _sign(node: libsbml.ASTNode) -> str:
    """'power' or 'minus' for a power or a change of sign, else ''."""
    if node.getNumChildren() == 0:
        return ""
    if node.isUMinus():
        return "minus"
    return "power" if is_power(node) else ""


def _complaint() -> str:
    import antimony

    return " ".join(antimony.getLastError().split())[:400]


def _without_notes(text: str) -> str:
    document = sbml.read(text)
    for element in elements(document):
        element.unsetNotes()
    return sbml.write(document)
