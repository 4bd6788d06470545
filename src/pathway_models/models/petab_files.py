"""The files of a PEtab problem: its YAML and the rows of its tables, each knowing where it stands."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._sbml.files import read
from ..errors import ModelError

SUFFIXES = (".yaml", ".yml")
MISSING = ("", "nan", "NaN", "NA")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table, and where it stands."""

    cells: Mapping[str, str]
    where: str

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def number(self, column: str) -> float:
        """The number of a cell; NaN where it is empty."""
        text = self[column]
        try:
            return math.nan if text in MISSING else float(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}; allowed are numbers") from None

    def choice(self, column: str, allowed: Iterable[str]) -> str:
        if self[column] not in allowed:
            raise self.error(f"{column} is {self[column]!r}; allowed are {list_names(allowed)}")
        return self[column]

    def error(self, what: str) -> ModelError:
        return ModelError(f"{self.where}: {what}")


@dataclass(frozen=True, kw_only=True)
class ProblemFiles:
    """The files of a problem as its YAML names them: the SBML file, and the rows of each kind of table."""

    path: Path
    version: int
    sbml: Path
    tables: Mapping[str, Sequence[Row]]


def yaml_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    found = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
    if len(found) != 1:
        if (source / "module.toml").exists():
            raise ModelError(
                f"{source} is a module; say its library and its name, as in library(FOLDER).load({source.name!r})"
            )
        names = f": {list_names(p.name for p in found)}; name one of them" if found else ""
        raise ModelError(f"the folder {source} holds {len(found)} YAML files; allowed is one PEtab problem{names}")
    return found[0]


def read_files(path: Path) -> ProblemFiles:
    import yaml  # here and not above: a tenth of the time to import the package

    try:
        content = yaml.safe_load(read(path))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise ModelError(f"{path.name} is not valid YAML{place}: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise ModelError(f"{path.name} is no PEtab problem: it lacks format_version")
    version = str(content["format_version"]).partition(".")[0]
    if version not in ("1", "2"):
        raise ModelError(f"{path.name}: format_version is {content['format_version']!r}; allowed are 1 and 2")
    _refuse_extensions(path, content.get("extensions"), version)
    return (_version_1 if version == "1" else _version_2)(path, content)


def _refuse_extensions(path: Path, extensions: object, version: str) -> None:
    for name, entry in extensions.items() if isinstance(extensions, dict) else ():
        if version == "1" or not isinstance(entry, dict) or entry.get("required", True):
            raise ModelError(f"{path.name} needs the PEtab extension {name!r}; none is supported")


def _version_1(path: Path, content: Mapping[str, Any]) -> ProblemFiles:
    problems = content.get("problems")
    if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
        count = len(problems) if isinstance(problems, list) else 0
        raise ModelError(f"{path.name}: problems has {count} entries; allowed is one, with one model")
    (entry,) = problems
    _refuse_mapping(path, {**content, **entry})
    models = _paths(path, entry, "sbml_files")
    if len(models) != 1:
        raise ModelError(f"{path.name}: sbml_files names {len(models)} files; allowed is one model")
    return ProblemFiles(
        path=path,
        version=1,
        sbml=models[0],
        tables={
            "parameters": _table(_paths(path, content, "parameter_file"), ("parameterId",)),
            "conditions": _table(_paths(path, entry, "condition_files"), ("conditionId",)),
            "observables": _table(_paths(path, entry, "observable_files"), ("observableId", "observableFormula")),
            "measurements": _table(
                _paths(path, entry, "measurement_files"),
                ("observableId", "simulationConditionId", "measurement", "time"),
            ),
        },
    )


def _version_2(path: Path, content: Mapping[str, Any]) -> ProblemFiles:
    _refuse_mapping(path, content)
    models = content.get("model_files")
    if not isinstance(models, dict) or len(models) != 1:
        count = len(models) if isinstance(models, dict) else 0
        raise ModelError(f"{path.name}: model_files has {count} entries; allowed is one model")
    (entry,) = models.values()
    language = entry.get("language") if isinstance(entry, dict) else None
    if language != "sbml":
        raise ModelError(f"{path.name}: the language of the model is {language!r}; allowed is 'sbml'")
    return ProblemFiles(
        path=path,
        version=2,
        sbml=_paths(path, entry, "location")[0],
        tables={
            "parameters": _table(_paths(path, content, "parameter_files"), ("parameterId",)),
            "conditions": _table(
                _paths(path, content, "condition_files", optional=True), ("conditionId", "targetId", "targetValue")
            ),
            "experiments": _table(
                _paths(path, content, "experiment_files", optional=True), ("experimentId", "time", "conditionId")
            ),
            "observables": _table(_paths(path, content, "observable_files"), ("observableId", "observableFormula")),
            "measurements": _table(_paths(path, content, "measurement_files"), ("observableId", "measurement", "time")),
        },
    )


def _refuse_mapping(path: Path, content: Mapping[str, Any]) -> None:
    """Mapping tables may say more of an id, but not give it another."""
    for row in _table(_paths(path, content, "mapping_files", optional=True), ("petabEntityId", "modelEntityId")):
        if row["modelEntityId"] not in (*MISSING, row["petabEntityId"]):
            raise row.error(f"modelEntityId is {row['modelEntityId']!r}; allowed are the ids of the model themselves")


def _paths(path: Path, entry: Mapping[str, Any], key: str, *, optional: bool = False) -> list[Path]:
    """The files that a key of the YAML names, beside it or by path."""
    found = entry.get(key)
    names = [found] if isinstance(found, str) else found
    if not names and optional:
        return []
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ModelError(f"{path.name}: {key} is {found!r}; allowed is the name of a file, or a list of them")
    for name in names:
        if "://" in name:
            raise ModelError(f"{path.name}: {key} names {name!r}; only files are read: download it and name it there")
    return [path.parent / n for n in names]


def _table(paths: Iterable[Path], required: Sequence[str]) -> tuple[Row, ...]:
    return tuple(row for path in paths for row in _rows(path, required))


def _rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(read(path)), delimiter="\t")
    try:
        header = [c.strip() for c in next(lines)]
        for column in required:
            if column not in header:
                raise ModelError(f"{path.name} lacks the column {column}; it has {list_names(header)}")
        for cells in lines:
            where = f"{path.name}:{lines.line_num}"
            if any(c.strip() for c in cells[len(header) :]):
                raise ModelError(f"{where}: {len(cells)} cells in a table of {len(header)} columns")
            if any(c.strip() for c in cells):
                yield Row(cells={k: c.strip() for k, c in zip(header, cells, strict=False)}, where=where)
    except csv.Error as error:
        raise ModelError(f"{path.name}:{lines.line_num}: {error}") from error


def by_id(rows: Iterable[Row], column: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if not row[column] or row[column] in found:
            raise row.error(f"{column} is {row[column]!r}; allowed is an id that is in no other row")
        found[row[column]] = row
    return found


def list_names(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
