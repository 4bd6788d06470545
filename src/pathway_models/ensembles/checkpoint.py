"""A folder of finished blocks: a rerun resumes, other runs are refused, two processes may share it.

    run.json                        what was asked: model, schedule, outcomes, solver, versions; its hash
    rows-000000000-000000032.npz    values, status, messages and a digest of each row of parameters; then the file's own
    courses-000000000-000000032.nc  with store=True: the courses of these rows, plain netCDF

Every file is written under another name and then renamed, so that no process ever sees half of one. A row gives the
same bits wherever it runs, so that two processes on one folder may only do some work twice. What was damaged later
is refused: run.json by its hash, rows by the SHA-256 at their end, courses by the one that their rows hold.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .._files.whole import UntrustedFileError, own_bytes, whole_file
from .._types import Array
from ..errors import InvalidValueError, PathwayModelsError
from ..simulation.job import Job
from .outcomes import Outcome
from .rows import WORKER_DIED, Block, Limits

RECORD = "run.json"
SEAL = 32  # bytes of SHA-256 at the end of a file of rows; readers of npz look for its directory before them
SHOWN = 160  # characters of a setting in a message
DIGESTS = {"sbml": "model file", "times": "grid of output times"}  # settings that are kept as a digest
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


class CheckpointError(PathwayModelsError, OSError):
    """A checkpoint folder that cannot be read or written; nothing in it is lost."""


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import platform

    names = ("pathway-models", "libroadrunner", "numpy")
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


def describe_run(job: Job, outcomes: Sequence[Outcome], limits: Limits, engine: str, stored: bool) -> dict[str, object]:
    """Everything that decides the result of a row, as JSON; the rows themselves have a digest each."""
    solver = {k: v for k, v in versions().items() if k != "python"}
    return {
        "sbml": hashlib.sha256((job.sbml + (job.whole.sbml if job.whole else "")).encode()).hexdigest(),
        "settings": {k: v.hex() for k, v in (*job.settings, *(("held " + k, v) for k, v in job.held))},
        "start": "steady" if job.steady else "file",
        "anchors": dict(job.anchors),
        "schedule": [repr(p) for p in job.phases],
        "times": hashlib.sha256(np.array(job.times).tobytes()).hexdigest(),
        "parameters": list(job.varied),
        "outcomes": [f"{type(o).__module__}.{o!r}" for o in outcomes],
        "columns": list(job.columns) if stored else [],
        "relative tolerance": job.relative_tolerance,
        "limits": repr(limits),
        "engine": engine,
        "versions": solver,
    }


def row_digests(table: Array) -> Counts:
    """A number per row of parameter values, the same for the same bits."""
    rows = np.ascontiguousarray(table)
    found = [int.from_bytes(hashlib.blake2b(r.tobytes(), digest_size=8).digest(), "little", signed=True) for r in rows]
    return np.array(found, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Done:
    """What is known of the rows: values (NaN else), status, messages, and which rows are finished."""

    values: Array
    status: Counts
    messages: dict[int, str]
    finished: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @staticmethod
    def nothing(rows: int, columns: int) -> Done:
        """No row is finished."""
        status = np.full(rows, WORKER_DIED, dtype=np.int64)
        return Done(
            values=np.full((rows, columns), np.nan), status=status, messages={}, finished=np.zeros(rows, dtype=np.bool_)
        )

    def put(self, start: int, block: Block) -> None:
        """Take over a block of rows; a row whose worker died is not finished, so that a rerun tries it again."""
        fresh = np.flatnonzero(~self.finished[start : start + len(block.status)])
        self.values[start + fresh] = np.asarray(block.values)[fresh]
        self.status[start + fresh] = np.asarray(block.status, dtype=np.int64)[fresh]
        self.messages.update({start + int(k): block.messages[k] for k in fresh if block.messages[k]})
        self.finished[start + fresh] = self.status[start + fresh] != WORKER_DIED


class Checkpoint:
    """One folder for one set of runs; raises `CheckpointError` if it cannot be used."""

    def __init__(self, folder: str | os.PathLike[str], spec: Mapping[str, object], table: Array) -> None:
        self.folder = Path(folder)
        self.digests = row_digests(table)
        self.hash = _hash(spec)
        text = json.dumps({"hash": self.hash, **spec}, indent=1)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / RECORD).exists():
                _write(self.folder / RECORD, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise self._trouble("cannot be used", error) from error
        self._compare(spec)

    def _compare(self, spec: Mapping[str, object]) -> None:
        stored = read_record(self.folder)
        if stored["hash"] == self.hash:
            return
        plain = json.loads(json.dumps(spec))
        other = [k for k in plain if stored.get(k) != plain[k]]
        shown = "; ".join(_difference(k, stored.get(k), plain[k]) for k in other)
        raise self._others(f"({shown})")

    def _others(self, what: str) -> InvalidValueError:
        return InvalidValueError(
            f"the checkpoint {self.folder} holds other runs {what}; name another folder, or delete this one"
        )

    def load(self, columns: int) -> Done:
        """What the folder holds of our rows."""
        done = Done.nothing(len(self.digests), columns)
        for path in sorted(self.folder.glob("rows-*.npz")):
            rows = read_rows(path)
            start, block = rows.start, rows.block
            count = min(len(rows.digests), max(0, len(self.digests) - start))
            if rows.run != self.hash:
                raise self._others(f"({path.name})")
            if not np.array_equal(rows.digests[:count], self.digests[start : start + count]):
                what = f"(rows {start} to {start + len(rows.digests)}): another seed, range or table"
                raise self._others(f"of other parameter values {what}")
            done.put(start, Block(block.values[:count], block.status[:count], block.messages[:count]))
        return done

    def save(self, start: int, block: Block, done: int, write_courses: Callable[[Path, int, Block], None]) -> None:
        """Write a finished block; `done` rows were finished before."""
        stop = start + len(block.status)
        path = self.folder / f"rows-{start:09d}-{stop:09d}.npz"
        courses = ""
        try:
            if block.courses is not None:
                courses = _write(courses_beside(path), lambda part: write_courses(part, start, block))
            rows = Rows(start=start, block=block, digests=self.digests[start:stop], run=self.hash, courses=courses)
            _write(path, lambda part: _save_arrays(part, rows))
        except OSError as error:
            safe = f"{done} of {len(self.digests)} rows are safe in it: make room, then run the same again"
            raise self._trouble(f"cannot be written ({safe})", error) from error

    def _trouble(self, what: str, error: Exception) -> CheckpointError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return CheckpointError(f"the checkpoint {self.folder} {what}: {reason}")


# ---- files ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A file of finished rows: the first one, the results, digests of the parameters, hashes of run and courses."""

    start: int
    block: Block
    digests: Counts
    run: str
    courses: str  # '' where none are stored


def read_record(folder: Path) -> dict[str, object]:
    """What the folder says of its runs; raises `CheckpointError` for a file that is damaged or not ours."""
    path = folder / RECORD
    try:
        stored = json.loads(content(path))
    except (ValueError, RecursionError) as error:
        raise damage_error(path) from error
    if not isinstance(stored, dict) or stored.get("hash") != _hash({k: v for k, v in stored.items() if k != "hash"}):
        raise damage_error(path)
    return stored


def read_rows(path: Path) -> Rows:
    """The rows in a file; raises `CheckpointError` for one that is damaged or not ours."""
    data = content(path)
    body, seal = data[:-SEAL], data[-SEAL:]
    if hashlib.sha256(body).digest() != seal:
        raise damage_error(path)
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        block = Block(file["values"], file["status"].tolist(), about["messages"])
        return Rows(
            start=about["start"], block=block, digests=file["digests"], run=about["run"], courses=about["courses"]
        )


def content(path: Path) -> bytes:
    """The bytes of a file of a checkpoint; raises `CheckpointError` if it cannot be read or is not ours."""
    try:
        return own_bytes(path)
    except UntrustedFileError as error:
        raise CheckpointError(f"the checkpoint {path.parent} is not used: {error}") from error
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {path.parent} has an unreadable {path.name}: {error.strerror}"
        ) from error


def damage_error(*paths: Path) -> CheckpointError:
    """The error for a file that is not what was written, the first of those that must go."""
    cure = f"delete {' and '.join(p.name for p in paths)} and run the same again"
    return CheckpointError(f"the checkpoint {paths[0].parent} holds a damaged {paths[0].name}: {cure}")


def courses_beside(path: Path) -> Path:
    """The file of courses that belongs to a file of rows."""
    return path.with_name(path.name.replace("rows-", "courses-", 1)).with_suffix(".nc")


def _save_arrays(path: Path, rows: Rows) -> None:
    block, body = rows.block, io.BytesIO()
    about = {"start": rows.start, "run": rows.run, "courses": rows.courses, "messages": block.messages}
    text, status = np.array(json.dumps(about)), np.array(block.status)
    np.savez(body, values=block.values, status=status, about=text, digests=rows.digests)
    with open(path, "wb") as file:
        file.write(body.getvalue() + hashlib.sha256(body.getvalue()).digest())
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, write: Callable[[Path], object]) -> str:
    """Write a whole file or none; its SHA-256."""
    with whole_file(path) as part:
        write(part)
        with open(part, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(spec: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def _difference(what: str, stored: object, now: object) -> str:
    """What differs, in a message; a digest says nothing to a reader."""
    if what in DIGESTS:
        return f"another {DIGESTS[what]}"
    if isinstance(stored, dict) and isinstance(now, dict):
        keys = [k for k in {**stored, **now} if stored.get(k) != now.get(k)]
        stored, now = ({k: _plain(values.get(k)) for k in keys} for values in (stored, now))
    return f"{what}: stored {_short(stored)}, now {_short(now)}"


def _plain(value: object) -> object:
    """Settings are kept to the last bit, as hexadecimal numbers."""
    return float.fromhex(value) if isinstance(value, str) and value.lstrip("-").startswith("0x") else value


def _short(value: object) -> str:
    text = json.dumps(value).replace(f"{__package__}.outcomes.", "")
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
