"""Read a model file of any kind as SBML text: SBML, comp with external parts, Antimony, COMBINE archives."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from xml.parsers import expat

from . import _omex, _sbml
from ._exchange_antimony import SUFFIXES, from_antimony
from ._native import libsbml
from .errors import ModelError

_OTHERS = (
    (b"\x1f\x8b", "it is packed with gzip; unpack it first"),
    (b"pk\x03\x04", "it is a zip archive; a COMBINE archive is named .omex"),
    (b"\xff\xfe", "it is UTF-16; SBML is UTF-8"),
    (b"\xfe\xff", "it is UTF-16; SBML is UTF-8"),
    (b"<\0", "it is UTF-16; SBML is UTF-8"),
    (b"\0<", "it is UTF-16; SBML is UTF-8"),
    (b"<!doctype html", "it is a web page; download the model file itself"),
    (b"<html", "it is a web page; download the model file itself"),
)


def model_text(source: str | Path) -> str:
    """The SBML text that a file holds or stands for, by its suffix: `.ant`, `.omex`, else SBML.

    Of an archive it is the master model (the one that its manifest or its SED-ML names first). External model
    definitions of a comp document are looked up beside the file and flattened in. Raises `ModelError` that names the
    file for everything that cannot be read; nothing is written outside a temporary folder, which is removed.
    """
    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        return from_antimony(read(path), path)
    if path.suffix.lower() == ".omex":
        return _from_archive(path)
    return _resolved(read(path), path)


def read(path: Path) -> str:
    """The text of a model file; `ModelError` that says what it is where it is plainly something else."""
    data = _sbml.read_bytes(path)
    for beginning, what in _OTHERS:
        if data.lstrip()[: len(beginning)].lower() == beginning:
            raise ModelError(f"cannot read {path}: {what}")
    if not data.strip():
        raise ModelError(f"cannot read {path}: it is empty")
    return _sbml.decoded(data, str(path))


def _from_archive(path: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="omex-") as folder:
        model = _omex.unpack(path, Path(folder))
        try:
            if model.suffix.lower() in SUFFIXES:
                return from_antimony(read(model), model)
            return _resolved(read(model), model)
        except ModelError as error:
            raise ModelError(f"{path.name}: {str(error).replace(folder, '').lstrip('/')}") from error


def _resolved(text: str, path: Path) -> str:
    """The text with its external model definitions flattened in; the text itself if it has none."""
    text = _without_foreign_packages(text)
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


_ROOT = re.compile(r"<(?:\w+:)?sbml\b[^>]*>")
_LEVEL_2 = re.compile(r"""\slevel\s*=\s*["']2["']""")
_REQUIRED = re.compile(r"""\s(\w+):required\s*=\s*["']\w*["']""")


def _without_foreign_packages(text: str) -> str:
    """Level 2 without the packages of Level 3 that it declares: some tools write that, and libSBML refuses the file.

    The text itself where the declarations are needed (elements that use a prefix and do not declare it themselves).
    """
    root = _ROOT.search(text)
    if (
        root is None
        or "<!DOCTYPE" in text
        or not _LEVEL_2.search(root.group())
        or not (prefixes := _REQUIRED.findall(root.group()))
    ):
        return text
    cleaned = _REQUIRED.sub("", root.group())
    for prefix in prefixes:
        cleaned = re.sub(rf"""\sxmlns:{prefix}\s*=\s*["'][^"']*["']""", "", cleaned)
    without = text[: root.start()] + cleaned + text[root.end() :]
    try:
        expat.ParserCreate(namespace_separator=" ").Parse(without, True)
    except expat.ExpatError:
        return text
    return without


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
    _sbml.screen(read(part), source)


def unresolved_text(source: str | Path) -> str:
    """As `model_text`, but a comp document stays as it is written."""
    path = Path(source)
    return model_text(path) if path.suffix.lower() in (*SUFFIXES, ".omex") else read(path)
