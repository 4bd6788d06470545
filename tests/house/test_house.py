"""The bars of the house: how large things may be, what says where a line lives, and that imports run one way."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import grimp
import pytest

import pathway_models as pm

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pathway_models"
AROUND = ("tools", "benchmarks", "analyses", "tests")
MOST_FILES, MOST_LINES, MOST_ARGUMENTS, MOST_FLOORS = 20, 60, 8, 10


def _trees(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def _rooms() -> dict[str, str]:
    """Name -> docstring of every room."""
    folders = [path.parent for path in SOURCE.glob("*/__init__.py")]
    return {
        f.name: ast.get_docstring(ast.parse((f / "__init__.py").read_text(encoding="utf-8"))) or "" for f in folders
    }


def _layers() -> list[str]:
    """The rooms and files of the contract of imports, the highest first."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    return [name.strip() for table in tables for line in table.get("layers", ()) for name in line.split("|")]


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports from elsewhere; no name for a whole module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)


def _lines(function: ast.FunctionDef) -> int:
    first = function.body[0]
    said = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if said else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_no_folder_of_the_source_has_too_many_files() -> None:
    folders = [SOURCE, *(p for p in SOURCE.rglob("*") if p.is_dir())]
    assert {f.name: n for f in folders if (n := len(list(f.glob("*.py")))) > MOST_FILES} == {}


def test_no_function_of_the_source_is_too_long() -> None:
    functions = ((path, f) for path, tree in _trees(SOURCE) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef))
    assert {f"{path}:{f.name}": n for path, f in functions if (n := _lines(f)) > MOST_LINES} == {}


def _public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    for name in pm.__all__:
        item = getattr(pm, name)
        if inspect.isfunction(item):
            yield name, item
        elif inspect.isclass(item):
            methods = inspect.getmembers(item, inspect.isfunction)
            yield from ((f"{name}.{key}", method) for key, method in methods if not key.startswith("_"))


def test_no_public_function_has_too_many_arguments() -> None:
    counts = {name: len({*inspect.signature(f).parameters} - {"self"}) for name, f in _public_functions()}
    assert {name: n for name, n in counts.items() if n > MOST_ARGUMENTS} == {}


def test_every_room_says_in_one_line_what_lives_there() -> None:
    first = {name: text.split("\n")[0] for name, text in _rooms().items()}
    assert {name: line for name, line in first.items() if not line.endswith(".")} == {}


def test_the_contract_of_imports_names_every_room() -> None:
    files = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    assert set(_layers()) == {*_rooms(), *files}


def test_the_rooms_are_no_more_floors_than_a_visitor_can_climb() -> None:
    graph = grimp.build_graph("pathway_models", cache_dir=None)
    floors = graph.find_children("pathway_models")
    for name in floors:
        graph.squash_module(name)

    @functools.cache
    def floor(name: str) -> int:
        below = (graph.find_modules_directly_imported_by(name) & floors) - {name}
        return 1 + max(map(floor, below), default=0)

    assert max(map(floor, floors)) <= MOST_FLOORS


def test_no_import_of_a_room_hides_within_a_function_or_a_condition() -> None:
    """But for the batch engine (llvmlite takes a tenth of the import of the package) and late rooms of the front."""
    inner = (
        (path, node)
        for path, tree in _trees(SOURCE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level and node not in tree.body and path.parent.name != SOURCE.name
    )
    assert {(path.parent.name, node.module) for path, node in inner} <= {("ensembles", "_batch")}


def test_the_library_imports_nothing_that_stands_around_it() -> None:
    around = {*AROUND, *(path.stem for name in AROUND for path in (ROOT / name).glob("*.py"))}
    found = [(str(path), module) for path, tree in _trees(SOURCE) for module, _ in _imported(tree)]
    assert [(path, module) for path, module in found if module.split(".")[0] in around] == []


# ---- what is public ------------------------------------------------------------------------------------------------


def _hidden(module: str, names: list[str]) -> bool:
    """Whether the names, one within the other, lead to what the library does not show at its front doors."""
    room: object = sys.modules.get(module)
    for name in names:
        if not isinstance(room, ModuleType):
            return name.startswith("_")
        shown = getattr(room, "__all__", [n for n in vars(room) if not n.startswith("_")])
        if name not in shown:
            return True
        room = getattr(room, name)
    return room is None


def _chain(node: ast.expr) -> list[str]:
    """`pm.errors.ModelError` as its names; nothing for an expression of another kind."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


def _reached_within(tree: ast.Module) -> Iterator[str]:
    """What a script takes from the inside of the library."""
    for module, name in _imported(tree):
        root, *rooms = module.split(".")
        if root == "pathway_models" and _hidden(root, [*rooms, *([name] if name else [])]):
            yield f"{module} {name}"
    for node in ast.walk(tree):
        names = _chain(node) if isinstance(node, ast.Attribute) else []
        if (names[:1] == ["pm"] and _hidden("pathway_models", names[1:])) or any(_private(n) for n in names[1:]):
            yield ".".join(names)


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_analyses_use_the_front_doors_alone() -> None:
    found = [(str(path), what) for path, tree in _trees(ROOT / "analyses") for what in _reached_within(tree)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from pathway_models.simulation.job import make_job",
        "from pathway_models._sbml import sbml",
        "import pathway_models._files",
        "pm.simulation.job.make_job",
        "pm.load('epilepsy')\nmodel._compiled",
    ],
)
def test_what_an_analysis_may_not_reach_is_seen(line: str) -> None:
    assert list(_reached_within(ast.parse(line))) != []
