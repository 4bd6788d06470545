"""Read a model file of any kind as SBML text: SBML, comp with external parts, Antimony, COMBINE archives."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .._files.whole import decode, read_bytes
from ..errors import InvalidValueError, ModelError
from . import formats, omex, sbml
from .antimony import from_antimony
from .native import libsbml

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


def model_text(source: str | Path, *, member: str | None = None) -> str:
    """The SBML text that a file holds or stands for: SBML, Antimony, or of an archive (.omex) one of its models.

    That is the `member` (a path in the archive), else the master model, else the only one; what is no model at all is
    refused by its name. External model definitions of a comp document are looked up beside the file and flattened in.
    Raises `ModelError` that names the file for everything that cannot be read, and `InvalidValueError` for a `member`
    of a file that is no archive; nothing is written outside a temporary folder, which is removed.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() == ".omex":
        return _from_archive(path, member)
    if member is not None:
        raise InvalidValueError(f"{path.name} is one model; model={member!r} is for archives (.omex) with several")
    return _from_file(path)


def _from_file(path: Path) -> str:
    text = read(path)
    if other := formats.foreign(text):
        raise ModelError(f"cannot read {path}: it holds {other}; {formats.READ_HERE}")
    if formats.is_xml(text) or path.suffix.lower() in (".xml", ".sbml"):
        return _resolved(text, path)
    return from_antimony(text, path)


def read(path: Path) -> str:
    """The text of a model file; `ModelError` that says what it is where it is plainly something else."""
    data = read_bytes(path)
    for beginning, what in _OTHERS:
        if data.lstrip()[: len(beginning)].lower() == beginning:
            raise ModelError(f"cannot read {path}: {what}")
    if not data.strip():
        raise ModelError(f"cannot read {path}: it is empty")
    return decode(data, str(path))


def _from_archive(path: Path, member: str | None) -> str:
    with tempfile.TemporaryDirectory(prefix="omex-") as folder:
        model = omex.unpack(path, Path(folder), member)
        try:
            return _from_file(model)
        except ModelError as error:
            raise ModelError(f"{path.name}: {str(error).replace(folder, '').lstrip('/')}") from error


def _resolved(text: str, path: Path) -> str:
    """The text with its external model definitions flattened in; the text itself if it has none."""
    if "externalModelDefinition" not in text:
        return text
    sbml.screen(text, path.stem)
    document = sbml.read(text)
    plugin = document.getPlugin("comp")
    if plugin is None or plugin.getNumExternalModelDefinitions() == 0:
        return text
    for definition in plugin.getListOfExternalModelDefinitions():
        _check_external(definition, path)
    document.setLocationURI(path.resolve().as_uri())
    sbml.flatten(document, name=path.name)
    return sbml.write(document)


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
    sbml.screen(read(part), source)


def unresolved_text(source: str | Path) -> str:
    """As `model_text`, but a comp document stays as it is written."""
    path = Path(source).expanduser()
    text = "" if path.suffix.lower() == ".omex" else read(path)
    return text if formats.is_xml(text) and not formats.foreign(text) else model_text(path)
