"""COMBINE archives (OMEX): safe reading, and writing of a scenario that others can run."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from . import _sbml
from .errors import ModelError

MAX_MEMBERS = 1_000
MAX_TOTAL_BYTES = 4 * _sbml.MAX_BYTES
_CHUNK = 1 << 16
_MANIFEST = "http://identifiers.org/combine.specifications/omex-manifest"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp: the same scenario gives the same bytes


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of an archive: path, format (a URI of COMBINE or a media type), whether it is the master."""

    path: str
    format: str
    data: bytes = b""
    master: bool = False


# ---- reading -----------------------------------------------------------------------------------------------


def unpack(path: Path, folder: Path) -> Path:
    """Extract an archive into `folder` and return the path there of its master model.

    Raises `ModelError` for a file that is no archive, for members that lie outside it, are links, encrypted or too
    large, and where no model or no single model is named.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            _extract(archive, folder, path.name)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(f"{path.name} is no readable COMBINE archive: {error}") from error
    return folder / master_model(folder, path.name)


def _extract(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ModelError(f"{name} is refused: it has {len(members):,} members; allowed are {MAX_MEMBERS:,}")
    left = MAX_TOTAL_BYTES
    for member in members:
        target = _inside(folder, member, name)
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        left -= _copy(archive, member, target, min(left, _sbml.MAX_BYTES), name)


def _inside(folder: Path, member: zipfile.ZipInfo, name: str) -> Path:
    relative = PurePosixPath(member.filename)
    bad = relative.is_absolute() or ".." in relative.parts or "\\" in member.filename or ":" in member.filename
    if bad or not relative.parts:
        raise ModelError(f"{name} is refused: its member {member.filename!r} lies outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelError(f"{name} is refused: its member {member.filename!r} is a link")
    target = folder / relative
    if target.exists() and not (member.is_dir() and target.is_dir()):
        raise ModelError(f"{name} is refused: it has two members {member.filename!r}")
    return target


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, allowed: int, name: str) -> int:
    """Write one member and count what really comes out: the size in the directory of a zip may lie."""
    written = 0
    with archive.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > allowed:
                raise ModelError(f"{name} is refused: {member.filename!r} unpacks to more than {allowed:,} bytes")
            sink.write(chunk)
    return written


def master_model(folder: Path, name: str) -> str:
    """Path in an unpacked archive of the model to load."""
    members = _manifest(folder, name)
    masters = [m for m in members if m.master] or members
    for member in masters:
        if _is_model(member):
            if member.master or sum(map(_is_model, masters)) == 1:
                return _existing(folder, member.path, name)
            choices = ", ".join(m.path for m in masters if _is_model(m))
            raise ModelError(f"{name} has several models and names no master: {choices}; extract the one you want")
        if member.master and "sed-ml" in member.format:
            return _existing(folder, _model_of(folder, member.path, name), name)
    models = [m for m in members if _is_model(m)]
    if len(models) == 1:
        return _existing(folder, models[0].path, name)
    raise ModelError(f"{name} holds no SBML or Antimony model that its manifest names")


def _is_model(member: Member) -> bool:
    suffix = PurePosixPath(member.path).suffix.lower()
    return "sbml" in member.format.lower() or (suffix == ".ant" and "sed-ml" not in member.format)


def _manifest(folder: Path, name: str) -> list[Member]:
    path = folder / "manifest.xml"
    if not path.is_file():
        raise ModelError(f"{name} has no manifest.xml; it is no COMBINE archive")
    found = []
    for element in _xml(path, name):
        if element.tag.rpartition("}")[2] == "content":
            location = element.get("location", "").removeprefix("./")
            master = element.get("master", "false") == "true"
            if location not in (".", "", "manifest.xml"):
                found.append(Member(path=location, format=element.get("format", ""), master=master))
    return found


def _xml(path: Path, name: str) -> ElementTree.Element:
    text = _sbml.decoded(_sbml.read_bytes(path), f"{name}: {path.name}")
    _sbml.screen(text, f"{name}: {path.name}")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ModelError(f"{name}: {path.name} is no XML: {error}") from error


def _model_of(folder: Path, sedml: str, name: str) -> str:
    """The first model that a SED-ML file names; a change of the model there is not made, and said."""
    path = _existing(folder, sedml, name)
    for element in _xml(folder / path, name).iter():
        if element.tag.rpartition("}")[2] == "model":
            if any(child.tag.rpartition("}")[2] == "listOfChanges" and len(child) for child in element):
                warnings.warn(f"{name}: {sedml} changes its model; it is loaded as it stands", stacklevel=2)
            source = element.get("source", "")
            return str(PurePosixPath(path).parent / source.removeprefix("./"))
    raise ModelError(f"{name}: {sedml} names no model")


def _existing(folder: Path, location: str, name: str) -> str:
    target = (folder / location).resolve()
    if not target.is_relative_to(folder.resolve()) or not target.is_file():
        raise ModelError(f"{name}: {location!r} is named and not in the archive")
    return str(target.relative_to(folder.resolve()))


# ---- writing -----------------------------------------------------------------------------------------------


def pack(members: Sequence[Member]) -> bytes:
    """The bytes of an archive with these members and their manifest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in (Member(path="manifest.xml", format=_MANIFEST, data=_manifest_xml(members)), *members):
            info = zipfile.ZipInfo(member.path, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.data)
    return buffer.getvalue()


def _manifest_xml(members: Sequence[Member]) -> bytes:
    root = ElementTree.Element("omexManifest", xmlns=_MANIFEST)
    _content(root, ".", "http://identifiers.org/combine.specifications/omex", master=False)
    _content(root, "./manifest.xml", _MANIFEST, master=False)
    for member in members:
        _content(root, f"./{member.path}", member.format, master=member.master)
    return xml_bytes(root)


def _content(root: ElementTree.Element, location: str, format: str, *, master: bool) -> None:
    attributes: Mapping[str, str] = {"location": location, "format": format} | ({"master": "true"} if master else {})
    ElementTree.SubElement(root, "content", dict(attributes))


def xml_bytes(root: ElementTree.Element) -> bytes:
    """An XML file: declaration, indented."""
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"
