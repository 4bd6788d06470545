"""What people write for people: files, targets of make and code that are named are there, and lists are complete."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pathway_models"
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
GUIDES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *DECISIONS.glob("*.md")})
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|md|toml|tsv))`|\]\(([^)#:]+)\)")
MAKE = re.compile(r"(?:^|`|: )make(?: PYTHON=\S+)? ([a-z-]+)", re.MULTILINE)
PLACED = re.compile(r"`([\w./]+\.py)` \((`\w+`(?:, `\w+`)*)\)")  # a file, and names that it defines
PLACES = ("", "src/pathway_models", "analyses", "benchmarks", "sbml/modules/acupuncture")  # that paths are relative to
MADE = set((ROOT / ".gitignore").read_text(encoding="utf-8").split())
MOST_LINES = 30
OF_THE_USER = "own-module.md"

each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda p: str(p.relative_to(ROOT)))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)


def _written(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def _docstring(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def _defined(path: Path) -> set[str]:
    """Names of functions, classes, methods and constants of a file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}


@each_guide
def test_every_path_that_is_named_exists(guide: Path) -> None:
    if guide.name == OF_THE_USER:
        pytest.skip("its folders are the user's; the commands are run by a test of their own")
    named = {a or b for a, b in PATH.findall(_written(guide))} - MADE
    places = (guide.parent, *(ROOT / place for place in PLACES))
    assert [n for n in sorted(named) if not any((place / n).exists() for place in places)] == []


@each_guide
def test_every_target_of_make_that_is_named_exists(guide: Path) -> None:
    assert set(MAKE.findall(_written(guide))) - TARGETS == set()


def test_every_target_of_make_is_explained() -> None:
    explained = set(re.findall(r"^\| `make ([\w-]+)", _written(ROOT / "CONTRIBUTING.md"), re.MULTILINE))
    assert explained == TARGETS - {"clean"}


def test_the_hook_runs_what_is_there() -> None:
    assert (
        set(re.findall(r"^ +entry: make ([\w-]+)$", _written(ROOT / ".pre-commit-config.yaml"), re.MULTILINE))
        <= TARGETS
    )


def _floors() -> Iterator[tuple[str, str, str]]:
    tables = tomllib.loads(_written(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(table["layers"] for table in tables if "layers" in table)
    for number, line in zip(range(len(layers), 0, -1), layers, strict=True):
        for room in line.split(" | "):
            folder = SOURCE / room
            path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
            yield str(number), room, _docstring(path)


def test_the_table_of_rooms_is_that_of_the_contract_and_says_what_the_rooms_say() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", _written(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    assert rows == list(_floors())


@each_page
def test_a_page_is_short_and_says_context_decision_and_consequences(page: Path) -> None:
    lines = _written(page).splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]
    assert lines[-1].startswith("Code: `")


@each_page
def test_the_code_of_a_decision_is_where_the_page_says(page: Path) -> None:
    placed = PLACED.findall(_written(page))
    missing = [
        (path, name)
        for path, names in placed
        for name in names.replace("`", "").split(", ")
        if not (SOURCE / path).exists() or name not in _defined(SOURCE / path)
    ]
    assert missing == []


def test_every_page_is_listed_once_under_its_own_title() -> None:
    listed = re.findall(r"^- \[(.*)\]\((.*)\)$", _written(DECISIONS / "README.md"), re.MULTILINE)
    assert listed == [(_written(page).split("\n")[0].removeprefix("# "), page.name) for page in PAGES]
    assert [page.name[:4] for page in PAGES] == [f"{n:04d}" for n in range(1, len(PAGES) + 1)]
