"""Files: read within limits, written whole or not at all, and whether a stored one is its user's own."""

from __future__ import annotations

import os
import stat
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import ModelError, PathwayModelsError

PLAIN = 0o644  # of what we write: a group that may write would make it a file that we do not trust


class UntrustedFileError(PathwayModelsError, OSError):
    """A stored file that somebody else may have written."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A draft beside `path` to write into; it takes the place of `path` at the end of the block, or goes if that fails.

    Nobody meets half a file, and only its owner may write to it, whatever the umask. A pipe or a terminal is its own
    draft. A draft ends as `path` does: some writers take the format from there.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    target = path.resolve()
    part = target.with_name(f".part-{uuid.uuid4().hex}-{target.name}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PLAIN))
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file of the user's, whole or not at all; `ModelError` if that fails. Returns the path."""
    data = content.encode() if isinstance(content, str) else content
    try:
        with whole_file(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files (name -> text) into a folder, made where there is none; `ModelError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write {folder}: {error.strerror}") from error
    for name, text in files.items():
        write_whole(folder / name, text)
    return folder


def own_bytes(path: Path) -> bytes:
    """The content of a plain file that is ours; `UntrustedFileError` if somebody else may have written it."""
    # without waiting: nobody writes into a pipe of that name; checked once open: it cannot be exchanged then
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UntrustedFileError(f"{path} is no plain file")
        _trust(path, status)
        return file.read()


def trust(folder: Path) -> None:
    """`UntrustedFileError` if somebody else may put files into the folder."""
    _trust(folder, folder.stat())


def _trust(path: Path, status: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise UntrustedFileError(f"{path} belongs to another user (number {status.st_uid}); use a copy of your own")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        raise UntrustedFileError(f"others may write to {path} (mode {mode:o}); if you trust it: chmod go-w {path}")


def read_text(source: str | Path) -> str:
    """The text of a model file; `ModelError` if it cannot be read or has more than `MAX_BYTES`."""
    return decode(read_bytes(source), str(source))


def read_bytes(source: str | Path) -> bytes:
    """The bytes of a file; `ModelError` if it cannot be read or has more than `MAX_BYTES`."""
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ModelError(f"cannot read {path}: it has more than {MAX_BYTES // 1_000_000} MB")
    return data


def decode(data: bytes, name: str) -> str:
    """Text from UTF-8, with or without a byte order mark."""
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"cannot read {name}: not UTF-8 text") from error


# Beyond these libSBML takes minutes (its checks are quadratic) or overflows its stack; real models stay far below.
MAX_BYTES = 50_000_000
