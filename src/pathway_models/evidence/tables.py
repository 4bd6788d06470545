"""The published numbers as tables: their columns, how their files are read and checked, the ids of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from .._files.authored import read_lines, short_path
from .._types import Frozen
from ..errors import ModelError, unknown_name
from ..models.collection import Library
from ..models.collection import library as usual

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["measurements", "responses"]


def column_names(text: str) -> tuple[str, ...]:
    """The names in a text, one word each."""
    return tuple(text.split())


TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "measurements": column_names(
        "id quantity value low high unit organism tissue condition source_kind citation reference url note"
    ),
    "responses": column_names(
        "id intervention organism disease_model tissue dose_or_schedule duration_days observable comparison metric "
        "value error error_kind unit n p source_kind citation reference url note"
    ),
}


def evidence_table(kind: Kind = "responses", *, library: Library | None = None) -> pd.DataFrame:
    """The published numbers, as they were printed.

    Args:
        kind: 'measurements' (constants) or 'responses' (what changed).
        library: whose tables; those of your own folders come after ours.

    Returns:
        One row per number, all of it text, index `id`; its unit is in the column `unit`.

    Raises:
        UnknownNameError: another kind.
        ModelError: a table that breaks its schema, with file and line.

    Example:
        >>> evidence_table("responses").loc["clinical:C001", "value"]
        '62'
    """
    import pandas as pd

    found = _rows(usual() if library is None else library, one_of("kind of table", kind, Kind))
    rows = [dict(zip(TABLE_COLUMNS[kind], row, strict=True)) for row in found]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS[kind])).set_index("id")


def _rows(library: Library, kind: str) -> tuple[tuple[str, ...], ...]:
    """The rows of one kind of table in all folders; `ModelError` for an id that is there twice."""
    found: dict[str, tuple[Path, tuple[str, ...]]] = {}
    for path in [path for folder in library.evidence if (path := folder / f"{kind}.tsv").exists()]:
        for row in _table(path, kind, path.stat().st_mtime_ns):
            if row[0] in found:
                files = f"{short_path(found[row[0]][0])} and {short_path(path)}"
                raise ModelError(f"two evidence rows have the id {row[0]!r}: {files}; rename one")
            found[row[0]] = path, row
    return tuple(row for _, row in found.values())


@lru_cache(maxsize=16)
def _table(path: Path, kind: str, _changed: int) -> tuple[tuple[str, ...], ...]:
    return read_table(path, kind)


def read_table(path: Path, kind: str) -> tuple[tuple[str, ...], ...]:
    """Rows of an evidence table; `ModelError` for wrong columns, a double id or an unknown source_kind."""
    seen: set[str] = set()
    rows = []
    for line, row in read_lines(path, TABLE_COLUMNS[kind]):
        if not row["id"] or row["id"] in seen:
            raise ModelError(f"{short_path(path)}:{line}: id {row['id']!r} is {'double' if row['id'] else 'missing'}")
        if row["source_kind"] not in ("published", "derived"):
            raise ModelError(
                f"{short_path(path)}:{line}: source_kind is {row['source_kind']!r}; allowed are published and derived"
            )
        seen.add(row["id"])
        rows.append(tuple(row.values()))
    return tuple(rows)


def one_of(what: str, value: str, allowed: Any) -> str:
    """`value` if it is one of the names of a `Literal`, else `UnknownNameError`."""
    if value not in get_args(allowed):
        raise unknown_name(what, value, [a or "(empty)" for a in get_args(allowed)])
    return value


def evidence_rows(library: Library) -> Mapping[str, Mapping[str, str]]:
    """The rows of both tables by id, each its cells by column."""
    rows = (
        dict(zip(columns, row, strict=True)) for kind, columns in TABLE_COLUMNS.items() for row in _rows(library, kind)
    )
    return Frozen({row["id"]: row for row in rows})


def evidence_ids(library: Library) -> frozenset[str]:
    """Ids of all rows of the evidence tables."""
    return frozenset(row[0] for kind in TABLE_COLUMNS for row in _rows(library, kind))


def split_cell(cell: str) -> list[str]:
    """The parts of a cell between semicolons."""
    return [part.strip() for part in cell.split(";") if part.strip()]
