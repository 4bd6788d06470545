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
from xml.parsers import expat

from .._files.whole import MAX_BYTES, decode, read_bytes, read_text
from ..errors import ModelError, ModelWarning, unknown_name
from . import formats, mend, sbml

MAX_MEMBERS = 1_000
MAX_TOTAL_BYTES = 4 * MAX_BYTES
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


def unpack(path: Path, folder: Path, wanted: str | None = None) -> Path:
    """Extract an archive into `folder` and return the path there of its model: the `wanted` one, else the master.

    Raises `ModelError` for a file that is no archive, for members that lie outside it, are links, encrypted or too
    large, and where no model or no single model is named; `UnknownNameError` for a `wanted` one that is not there.
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
    return folder / (master_model(folder, path.name) if wanted is None else _chosen(folder, wanted, path.name))


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
        before = target.read_bytes() if target.exists() else None
        left -= _copy(archive, member, target, min(left, MAX_BYTES), name)
        if before is not None and before != target.read_bytes():
            _superseded(member.filename, name)


def _superseded(member: str, name: str) -> None:
    """A member that comes twice with other contents: of the manifest the later one counts, as where a zip is updated.

    Which of two models is meant nobody can tell.
    """
    if member != "manifest.xml":
        raise ModelError(f"{name} is refused: it has two members {member!r} that differ")
    warnings.warn(f"{name} has two manifests that differ; the later one is read", ModelWarning, stacklevel=7)


def _inside(folder: Path, member: zipfile.ZipInfo, name: str) -> Path:
    relative = PurePosixPath(member.filename)
    bad = relative.is_absolute() or ".." in relative.parts or "\\" in member.filename or ":" in member.filename
    if bad or not relative.parts:
        raise ModelError(f"{name} is refused: its member {member.filename!r} lies outside the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelError(f"{name} is refused: its member {member.filename!r} is a link")
    target = folder / relative
    if target.exists() and member.is_dir() != target.is_dir():
        raise ModelError(f"{name} is refused: its member {member.filename!r} is a file and a folder")
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
    master = next((m for m in members if m.master and (_is_model(m) or "sed-ml" in m.format)), None)
    if master is not None:
        path = master.path if _is_model(master) else _model_of(folder, master.path, name)
        return _existing(folder, path, name)
    models = [_existing(folder, m.path, name) for m in members if _is_model(m)] or _unlisted(folder)
    if not models:
        raise ModelError(f"{name} holds no SBML or Antimony model{_instead(folder)}")
    if len(models) > 1 and not _are_one(folder, models):
        raise ModelError(f"{name} has several models and names no master: {', '.join(models)}; pick one with model=")
    return models[0]


def _chosen(folder: Path, wanted: str, name: str) -> str:
    """The model of this path, or of this file name if only one has it."""
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    found = [f for f in files if wanted.removeprefix("./") in (f, PurePosixPath(f).name)]
    exact = [f for f in found if f == wanted.removeprefix("./")]
    if len(exact or found) == 1:
        return (exact or found)[0]
    listed = [m.path for m in _manifest(folder, name) if _is_model(m)] or _unlisted(folder)
    raise unknown_name(f"model of {name}", wanted, listed)


def _unlisted(folder: Path) -> list[str]:
    """The SBML files of an archive whose manifest calls none of its files a model."""
    return [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.xml")) if formats.is_sbml(_beginning(p))]


def _instead(folder: Path) -> str:
    """What an archive without a model holds, in words."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.xml")
    held = ((p, formats.foreign(_beginning(p))) for p in files)
    what, path = next(((what, path) for path, what in held if what and "metadata" not in what), ("", folder))
    return f": {path.relative_to(folder)} holds {what}; {formats.READ_HERE}" if what else " that its manifest names"


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_CHUNK).decode("utf-8", errors="replace")


def _are_one(folder: Path, models: Sequence[str]) -> bool:
    """Whether models differ at most in what does not touch the mathematics (as with resources named in two ways)."""
    try:
        texts = {mend.mathematics(read_text(folder / m)) for m in models}
    except (ModelError, expat.ExpatError):
        return False
    return len(texts) == 1


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
    return list(dict.fromkeys(found))


def _xml(path: Path, name: str) -> ElementTree.Element:
    text = decode(read_bytes(path), f"{name}: {path.name}")
    sbml.screen(text, f"{name}: {path.name}")
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
