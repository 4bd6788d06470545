"""Machine code of models in a folder of the user: taken only where nobody else can have written it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import llvmlite.binding as llvm

from .whole import UntrustedFileError, own_bytes, trust, whole_file

CACHE_VARIABLE = "PATHWAY_MODELS_CACHE"
CACHED_BYTES = 1_000_000_000  # the oldest files beyond this go; `epilepsy` takes 4 MB
DIGEST = hashlib.sha256().digest_size
KINDS = ("batch", "roadrunner")  # how our files end: whatever else lies in the folder is somebody's own


def host() -> tuple[str, str, int]:
    """CPU name, its features, and how many doubles fit into one of its registers."""
    found = llvm.get_host_cpu_features()
    lanes = 8 if found.get("avx512f") else 4
    return llvm.get_host_cpu_name(), found.flatten(), lanes


def name_of(kind: str, *parts: str) -> str:
    """The file of a model's code: a hash of all that it depends on, this machine included."""
    text = "\0".join((*parts, *map(str, host()), sys.platform))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.{kind}"


def cache_folder() -> Path:
    """Where compiled models lie: PATHWAY_MODELS_CACHE, or the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "pathway_models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pathway_models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pathway_models"


def stored(name: str) -> bytes | None:
    """What `keep` wrote under this name; None, with a warning, if somebody else may write to the file or its folder.

    None also if there is no such file, or its checksum does not fit.
    """
    path = cache_folder() / name
    try:
        trust(path.parent)
        data = own_bytes(path)
    except UntrustedFileError as error:
        if multiprocessing.parent_process() is None:  # once, not from every worker
            warnings.warn(f"the cache of compiled models is not used, which takes seconds: {error}", stacklevel=2)
        return None
    except OSError:
        return None
    body = data[DIGEST:]
    return body if hashlib.sha256(body).digest() == data[:DIGEST] else None


def keep(name: str, body: bytes) -> None:
    """Write the file in one move, so that no reader sees half of it; a folder that cannot be written to is no error."""
    folder = cache_folder()
    with suppress(OSError):  # what is not trusted is one, too: it is left alone
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trust(folder)
        with suppress(FileNotFoundError):
            own_bytes(folder / name)
        with whole_file(folder / name) as part:
            part.write_bytes(hashlib.sha256(body).digest() + body)
        _drop_oldest(folder)


def _drop_oldest(folder: Path) -> None:
    left = CACHED_BYTES
    files = [(path, path.stat()) for kind in KINDS for path in folder.glob(f"[!.]*.{kind}")]
    for path, status in sorted(files, key=lambda f: f[1].st_mtime, reverse=True):
        left -= status.st_size
        if left < 0:
            path.unlink()
