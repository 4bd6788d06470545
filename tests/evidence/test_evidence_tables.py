"""The evidence tables parse, and every evidence id that a module file cites is one of their rows."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SBML = Path(__file__).resolve().parents[2] / "sbml"
COLUMNS = {
    "measurements": "id quantity value low high unit organism tissue condition source_kind citation reference url note",
    "responses": (
        "id intervention organism disease_model tissue dose_or_schedule duration_days observable comparison metric "
        "value error error_kind unit n p source_kind citation reference url note"
    ),
}
MODULES = sorted(p for p in (SBML / "modules").iterdir() if (p / "module.toml").exists())
ID = re.compile(r"[a-z0-9_]+:[\w-]+")
REFERENCE = re.compile(r"doi:10\.\d{4,9}/\S+|pmid:\d+|pmcid:PMC\d+|biomodels:(BIOMD|MODEL)\d{10}")
NUMBER = r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?"
NUMERIC = re.compile(NUMBER)
NUMERIC_OR_RANGE = re.compile(rf"{NUMBER}((-| to ){NUMBER})?( \((IQR|range)\))?")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


TABLES = {name: read(SBML / "evidence" / f"{name}.tsv") for name in COLUMNS}
ROWS = {row["id"]: row for table in TABLES.values() for row in table}


def split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def cited(toml: Any, key: str = "") -> Iterator[str]:
    """The ids in the lists `for` and `against` and in the strings `source`, at any depth."""
    if isinstance(toml, dict):
        for name, item in toml.items():
            yield from cited(item, name)
    elif isinstance(toml, list):
        for item in toml:
            yield from cited(item, key)
    elif isinstance(toml, str) and key in {"for", "against", "source"}:
        yield from split(toml)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name: str) -> None:
    text = (SBML / "evidence" / f"{name}.tsv").read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    lines = text.removesuffix("\n").split("\n")
    header = COLUMNS[name].split()
    assert lines[0].split("\t") == header
    assert [n for n, line in enumerate(lines, 1) if len(line.split("\t")) != len(header)] == []
    assert [n for n, line in enumerate(lines, 1) if any(c != c.strip() or c[:1] == '"' for c in line.split("\t"))] == []
    assert len(lines) == len(TABLES[name]) + 1


def test_ids_are_unique_and_sorted_by_topic() -> None:
    assert len(ROWS) == sum(map(len, TABLES.values()))
    assert [i for i in ROWS if not ID.fullmatch(i)] == []
    for table in TABLES.values():
        topics = [row["id"].split(":")[0] for row in table]
        assert topics == sorted(topics)


def test_rows_say_where_they_come_from() -> None:
    assert {row["source_kind"] for row in ROWS.values()} == {"published", "derived"}
    assert [i for i, row in ROWS.items() if not row["citation"]] == []
    assert [i for i, row in ROWS.items() if not all(REFERENCE.fullmatch(r) for r in split(row["reference"]))] == []
    assert [i for i, row in ROWS.items() if row["url"] and not re.match(r"https?://[\w.-]+/", row["url"])] == []


def test_numbers_are_numbers() -> None:
    bad = []
    for row in TABLES["measurements"]:
        bad += [(row["id"], c, row[c]) for c in ("low", "high") if row[c] and not NUMERIC.fullmatch(row[c])]
    for row in TABLES["responses"]:
        if row["metric"] == "direction":
            ok = row["value"] in {"up", "down", "none", "up; down"}
        else:
            ok = row["metric"] in {"fold", "percent_change", "absolute"} and bool(NUMERIC.fullmatch(row["value"]))
        bad += [] if ok else [(row["id"], "value", row["value"])]
        columns = ("error", "duration_days")
        bad += [(row["id"], c, row[c]) for c in columns if row[c] and not NUMERIC_OR_RANGE.fullmatch(row[c])]
        bad += [] if row["error_kind"] in {"", "none", "SD", "SEM", "CI95"} else [(row["id"], "error_kind", "")]
    assert bad == []
    text = [row["id"] for row in TABLES["measurements"] if row["value"] and not NUMERIC.fullmatch(row["value"])]
    assert len(text) < 0.03 * len(TABLES["measurements"])


def test_modules_are_found() -> None:
    assert MODULES


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.name)
def test_cited_rows_exist(module: Path) -> None:
    ids = {i for row in read(module / "parameters.tsv") for i in split(row["source"])}
    ids |= set(cited(tomllib.loads((module / "module.toml").read_text(encoding="utf-8"))))
    assert sorted(ids - set(ROWS)) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.name)
def test_measured_parameters_cite_a_published_row(module: Path) -> None:
    measured = [row for row in read(module / "parameters.tsv") if row["kind"] == "measured"]
    published = {i for i, row in ROWS.items() if row["source_kind"] == "published"}
    assert [row["id"] for row in measured if not published.intersection(split(row["source"]))] == []
