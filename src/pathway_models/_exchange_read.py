"""Read a model file of any kind as SBML text: SBML, comp with external parts, Antimony, COMBINE archives."""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import _omex, _sbml
from ._native import libsbml
from .errors import ModelError

ANTIMONY = (".ant",)


def model_text(source: str | Path) -> str:
    """The SBML text that a file holds or stands for, by its suffix: `.ant`, `.omex`, else SBML.

    Of an archive it is the master model (the one that its manifest or its SED-ML names first). External model
    definitions of a comp document are looked up beside the file and flattened in. Raises `ModelError` that names the
    file for everything that cannot be read; nothing is written outside a temporary folder, which is removed.
    """
    path = Path(source)
    if path.suffix.lower() in ANTIMONY:
        return from_antimony(_sbml.read_text(path), path)
    if path.suffix.lower() == ".omex":
        return _from_archive(path)
    return _resolved(_sbml.read_text(path), path)


def from_antimony(text: str, path: Path) -> str:
    """SBML of the main model of an Antimony text; imports in it are looked up beside `path`."""
    import antimony

    if "\0" in text:
        raise ModelError(f"{path.name} is not valid Antimony: it holds a NUL character")
    if _nesting(text) > _sbml.MAX_DEPTH:
        raise ModelError(f"{path.name} is refused: its formulas are nested deeper than {_sbml.MAX_DEPTH:,}")
    antimony.clearPreviousLoads()
    antimony.addDirectory(str(path.parent))
    if antimony.loadAntimonyString(text) < 0:
        raise ModelError(f"{path.name} is not valid Antimony: {' '.join(antimony.getLastError().split())[:400]}")
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _from_archive(path: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="omex-") as folder:
        model = _omex.unpack(path, Path(folder))
        try:
            if model.suffix.lower() in ANTIMONY:
                return from_antimony(_sbml.read_text(model), model)
            return _resolved(_sbml.read_text(model), model)
        except ModelError as error:
            raise ModelError(f"{path.name}: {str(error).replace(folder, '').lstrip('/')}") from error


def _resolved(text: str, path: Path) -> str:
    """The text with its external model definitions flattened in; the text itself if it has none."""
    if "externalModelDefinition" not in text:
        return text
    _sbml.screen(text, path.stem)
    document = libsbml.readSBMLFromString(text)
    plugin = document.getPlugin("comp")
    if plugin is None or plugin.getNumExternalModelDefinitions() == 0:
        return text
    for definition in plugin.getListOfExternalModelDefinitions():
        _check_external(definition, path)
    document.setLocationURI(path.resolve().as_uri())
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("performValidation", False)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"{path.name}: libSBML could not flatten the model: {_sbml.first_error(document)}")
    return str(libsbml.writeSBMLToString(document))


def _check_external(definition: libsbml.ExternalModelDefinition, path: Path) -> None:
    """The part must be a file below the folder of the document: nothing is fetched, nothing read elsewhere."""
    source, folder = definition.getSource(), path.resolve().parent
    what = f"{path.name}: the external model definition {definition.getId()!r} names {source!r}"
    if "://" in source or source.startswith("urn:"):
        raise ModelError(f"{what}; only files beside the document are read: download it and name it there")
    part = (folder / source).resolve()
    if not part.is_relative_to(folder):
        raise ModelError(f"{what}, which lies outside its folder")
    if not part.is_file():
        raise ModelError(f"{what}, and there is no such file in {path.parent}")
    _sbml.screen(_sbml.read_text(part), source)


def unresolved_text(source: str | Path) -> str:
    """As `model_text`, but a comp document stays as it is written."""
    path = Path(source)
    return model_text(path) if path.suffix.lower() in (*ANTIMONY, ".omex") else _sbml.read_text(path)


def to_antimony(text: str, name: str) -> str:
    """Antimony of a flat SBML text; `ModelError` if Antimony cannot hold it."""
    import antimony

    antimony.clearPreviousLoads()
    if antimony.loadSBMLString(text) < 0:
        raise ModelError(f"{name}: antimony cannot read the SBML: {' '.join(antimony.getLastError().split())[:400]}")
    return str(antimony.getAntimonyString(antimony.getMainModuleName()))
