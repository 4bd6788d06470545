"""Public docstrings: every argument, field and error has its line, and what a public name gives has a public name."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, ForwardRef, get_args

import pytest

import pathway_models as pm

ROOMS = (pm, *(room for name in pm.__all__ if isinstance(room := getattr(pm, name), ModuleType) and room != pm.errors))
PUBLIC = {id(thing): thing for room in ROOMS for name in room.__all__ if callable(thing := getattr(room, name))}
FUNCTIONS = [f for f in PUBLIC.values() if inspect.isfunction(f)]
CLASSES: list[type[Any]] = [c for c in PUBLIC.values() if inspect.isclass(c) and not issubclass(c, Exception)]
MEMBERS = [(c, name) for c in CLASSES for name in dir(c) if not name.startswith("_")]
RECORDS = {"Plan"}  # what ran, resolved to ids and output times; only `with_outcomes` reads it
HEADING = re.compile(r"^(Args|Attributes|Returns|Raises|Source|Example):\n", re.MULTILINE)
ERRORS = {
    name
    for place in (builtins, pm.errors, *ROOMS)
    for name, thing in vars(place).items()
    if inspect.isclass(thing) and issubclass(thing, Exception)
}


def sections(documentation: str) -> dict[str, str]:
    """Heading -> text of a docstring; the text before the first heading has none."""
    first, *parts = HEADING.split(documentation)
    return {"": first} | {k: textwrap.dedent(v) for k, v in zip(parts[::2], parts[1::2], strict=True)}


def entries(text: str) -> list[str]:
    """The names that a section has lines for; `S1, S1_low: ...` is a line for both."""
    return [name for line in re.findall(r"^(\w[\w, ]*):", text, re.MULTILINE) for name in line.split(", ")]


def parameters(function: Callable[..., object]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def raises(function: Callable[..., object]) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def faults(thing: Callable[..., object], names: list[str], heading: str, needed: set[str]) -> list[str]:
    """What the docstring of a thing lacks: sections, lines for `names` under `heading`, errors that are there."""
    found = sections(inspect.getdoc(thing) or "")
    lacking = needed | ({heading} if names else set())
    said = entries(found.get(heading, ""))
    unknown = [e for e in entries(found.get("Raises", "")) if e not in ERRORS]
    return [
        *([] if found[""].split("\n\n")[0].rstrip().endswith((".", "?")) else ["a first sentence"]),
        *sorted(lacking - found.keys()),
        *(f"{heading}: {n}" for n in sorted({*names} ^ {*said})),
        *(f"no error {e}" for e in unknown),
        *([] if "Example" not in found or ">>> " in found["Example"] else ["an example that runs"]),
    ]


def function_of(cls: type, name: str) -> Callable[..., Any] | None:
    """The function behind a method or property that one of our classes defines."""
    member = inspect.getattr_static(cls, name)
    member = member.fget if isinstance(member, property) else member
    member = member.func if isinstance(member, cached_property) else getattr(member, "__func__", member)
    own = inspect.isfunction(member) and member.__module__.startswith("pathway_models")
    return member if own else None


def field_names(cls: type[Any]) -> list[str]:
    """Fields of a dataclass or a named tuple, but for those that their annotation describes (formats of files)."""
    if not is_dataclass(cls):
        return list(getattr(cls, "_fields", ()))
    return [f.name for f in fields(cls) if not str(f.type).startswith("Annotated[")]


METHODS = [(f"{c.__name__}.{n}", f) for c, n in MEMBERS if (f := function_of(c, n)) is not None]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_public_function_says_what_it_takes_gives_and_raises(function: Callable[..., object]) -> None:
    names = parameters(function)
    assert faults(function, names, "Args", {"Returns", "Example"} | ({"Raises"} if names else set())) == []


@pytest.mark.parametrize("method", [m for _, m in METHODS], ids=[name for name, _ in METHODS])
def test_a_public_method_says_what_it_takes_and_raises(method: Callable[..., object]) -> None:
    assert faults(method, parameters(method), "Args", {"Raises"} if raises(method) else set()) == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_a_public_class_says_what_its_fields_are(cls: type[Any]) -> None:
    file_format = is_dataclass(cls) and not field_names(cls)
    checked = {"Raises"} if hasattr(cls, "__post_init__") else set()
    assert faults(cls, field_names(cls), "Attributes", checked | (set() if file_format else {"Example"})) == []


# ---- what a public name gives ----------------------------------------------------------------------------------------


def our_classes(annotation: object, known: Mapping[str, object]) -> Iterator[type]:
    """Our own classes in an annotation; names that only type checkers know are of other packages."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        for node in ast.walk(ast.parse(annotation, mode="eval")):
            if isinstance(node, ast.Name) and node.id in known:
                yield from our_classes(known[node.id], known)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield from our_classes(getattr(known.get(node.value.id), node.attr, None), known)
    elif isinstance(annotation, type) and annotation.__module__.startswith("pathway_models"):
        yield annotation
    for part in get_args(annotation):
        yield from our_classes(part, known) if not isinstance(part, str) else ()


def given() -> Iterator[tuple[str, type]]:
    """(public name, class) of everything that functions, methods, properties and fields give."""
    functions: list[tuple[str, Callable[..., Any]]] = [*((f.__name__, f) for f in FUNCTIONS), *METHODS]
    for name, function in functions:
        plain = inspect.unwrap(function)
        yield from ((name, c) for c in our_classes(plain.__annotations__.get("return"), plain.__globals__))
    for cls in CLASSES:
        for base in cls.__mro__:
            known = vars(inspect.getmodule(base))
            for name in field_names(base) if is_dataclass(base) else ():
                annotation = base.__annotations__.get(name)
                yield from ((f"{cls.__name__}.{name}", c) for c in our_classes(annotation, known))


def test_what_a_public_name_gives_has_a_public_name() -> None:
    hidden = {(name, c.__name__) for name, c in given() if id(c) not in PUBLIC}
    assert {(name, c) for name, c in hidden if c not in RECORDS} == set()
