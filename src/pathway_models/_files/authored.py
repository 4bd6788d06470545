"""Files that people write, TOML and tab-separated tables, read into frozen dataclasses: the class is the schema.

A field without a default is needed, a key without a field is refused, and each error names file, place and what is
allowed. Such classes neither compare nor print themselves: each of these methods would be made at every import. A
field `from_` stands for the key `from`, which Python keeps for itself.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import ModelError, repr_short, unknown_name
from .whole import read_text

T = TypeVar("T")


def short_path(path: Path) -> str:
    """A path as messages name it: from `sbml/` on if it lies in such a folder.

    >>> short_path(Path("/home/me/sbml/modules/mine/module.toml"))
    'modules/mine/module.toml'
    """
    if "sbml" not in path.parts:
        return str(path)
    last = len(path.parts) - 1 - path.parts[::-1].index("sbml")
    return Path(*path.parts[last + 1 :]).as_posix()


def read_toml(path: Path, kind: type[T]) -> T:
    """A TOML file as a `kind`; `ModelError` that names file and key for what does not fit."""
    made: T = _converted(kind, parsed_toml(path), short_path(path), "")
    return made


def read_toml_tables(path: Path, kind: type[T]) -> dict[str, T]:
    """A TOML file of named tables, each of them a `kind`; `ModelError` as `read_toml`."""
    tables: dict[str, T] = _converted(dict[str, kind], parsed_toml(path), short_path(path), "")  # type: ignore[valid-type]
    return tables


def parsed_toml(path: Path) -> dict[str, Any]:
    """A TOML file as it stands; `ModelError` with file and line for bad syntax."""
    import tomllib  # here and not above: its patterns take a while to compile

    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{short_path(path)}: {error}") from error


def read_rows(path: Path, kind: type[T], key: str = "id") -> list[T]:
    """The rows of a table whose columns are the fields of `kind`, an empty cell of a number being None.

    Raises `ModelError` that names file, line and column for a wrong column or cell, and for a key that is there twice.
    """
    rows: dict[object, T] = {}
    hints = get_type_hints(kind)
    for line, cells in read_lines(path, list(hints)):
        where = f"{short_path(path)}:{line}"
        row = _converted(kind, {k: _cell(hints[k], text, where, k) for k, text in cells.items()}, where, "")
        name = getattr(row, key)
        if name in rows:
            raise ModelError(f"{where}: {key} {name!r} is double")
        rows[name] = row
    return list(rows.values())


def read_lines(path: Path, columns: Sequence[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of every row of a tab-separated file with exactly these columns, or with any."""
    lines = read_text(path).removesuffix("\n").split("\n")
    header = lines[0].split("\t")
    columns = columns or header
    if header != list(columns):
        wrong = [f"{c!r} is missing" for c in columns if c not in header]
        wrong += [f"{c!r} is unknown" for c in header if c not in columns] or ["their order is another"]
        raise ModelError(
            f"{short_path(path)}:1: the columns are {header}; they must be {list(columns)} ({'; '.join(wrong)})"
        )
    found = []
    for number, text in enumerate(lines[1:], 2):
        cells = [c.strip() for c in text.split("\t")]
        if len(cells) != len(columns):
            raise ModelError(f"{short_path(path)}:{number}: {len(cells)} cells; the header has {len(columns)}")
        found.append((number, dict(zip(columns, cells, strict=True))))
    return found


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of what `read_toml` and `read_rows` take as a `kind`: types, needed keys, what each is for.

    >>> json_schema(Mapping[str, float])
    {'type': 'object', 'additionalProperties': {'type': 'number'}}
    """
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _object_schema(kind)  # type: ignore[arg-type]
    if origin is Annotated:
        return {"description": inner[1], **json_schema(inner[0])}
    if origin in (Union, types.UnionType):  # only `X | None`
        return {"anyOf": [json_schema(inner[0]), {"type": "null"}]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": json_schema(inner[1])}
    if origin is tuple:
        return {"type": "array", "items": json_schema(inner[0])}
    return {"type": {str: "string", bool: "boolean", float: "number"}[kind]}


def _object_schema(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "description": kind.__doc__,
        "type": "object",
        "properties": {name.removesuffix("_"): json_schema(hint) for name, hint in hints.items()},
        "required": [name.removesuffix("_") for name in needed],
        "additionalProperties": False,
    }


# ---- values ----------------------------------------------------------------------------------------------------------


def _converted(kind: Any, value: Any, file: str, place: str) -> Any:
    """`value` as a `kind`: a dataclass, a mapping, a tuple, a `Literal`, a number, a text, a truth value, or None."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _filled(kind, _expected(value, Mapping, "a table", file, place), file, place)  # type: ignore[arg-type]
    if origin in (Union, types.UnionType):  # only `X | None`
        return None if value is None else _converted(inner[0], value, file, place)
    if origin is Literal:
        if value not in inner:
            raise _error(file, place, str(unknown_name("value", value, [a or "(empty)" for a in inner])))
        return value
    if origin in (dict, Mapping):
        table = _expected(value, Mapping, "a table", file, place)
        return {k: _converted(inner[1], v, file, _under(place, k)) for k, v in table.items()}
    if origin is tuple:
        items = _expected(value, list, "a list", file, place)
        return tuple(_converted(inner[0], v, file, f"{place}[{i}]") for i, v in enumerate(items))
    if kind is float:
        return _number(value, file, place)
    return _expected(value, kind, {str: "text", bool: "true or false"}[kind], file, place)


def _filled(kind: type[Any], table: Mapping[str, Any], file: str, place: str) -> Any:
    known = {f.name.removesuffix("_"): f for f in fields(kind)}
    for key in table:
        if key not in known:
            raise _error(file, place, str(unknown_name("key", key, known)))
    for key, f in known.items():
        if key not in table and f.default is MISSING and f.default_factory is MISSING:
            raise _error(file, place, f"key {key!r} is missing")
    hints = get_type_hints(kind)
    return kind(
        **{known[k].name: _converted(hints[known[k].name], v, file, _under(place, k)) for k, v in table.items()}
    )


def _cell(hint: Any, text: str, file: str, place: str) -> str | float | None:
    """A cell as TOML would have it: a number, or text; None for an empty one that may be."""
    if float not in (hint, *get_args(hint)):
        return text
    if not text and hint is not float:
        return None
    try:
        return float(text)
    except ValueError:
        raise _error(file, place, f"{text!r} is no number") from None


def _number(value: Any, file: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise _error(file, place, f"{repr_short(value)} is no number")
    return float(value)


def _expected(value: Any, kind: Any, what: str, file: str, place: str) -> Any:
    if not isinstance(value, kind):
        raise _error(file, place, f"{repr_short(value)} is not {what}")
    return value


def _under(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _error(file: str, place: str, text: str) -> ModelError:
    return ModelError(f"{file}: {place}: {text}" if place else f"{file}: {text}")
