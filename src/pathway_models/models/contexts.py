"""Contexts: named overlays, read from the contexts.toml of every folder and cut down to what a model has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, TypeAlias

from .._files.authored import read_toml_tables, short_path
from .._types import Frozen
from ..errors import ModelError, unknown_name
from ..modules.flat import Context


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoopEntry:
    """`loop` of a context: input and output of the feedback loop, and the constant that closes it."""

    input: Annotated[str, "module.input that stands for the output while the loop is open"]
    switch: Annotated[str, "module.constant that is 0 while the loop is open"]
    output: Annotated[str, "module.variable that is fed back"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContextEntry:
    """[NAME] of contexts.toml."""

    title: Annotated[str, "what the context is"]
    extends: Annotated[str, "a context, of this file or another, that this one adds to"] = ""
    module_overlays: Annotated[bool, "whether the [epilepsy] tables of the modules apply"] = False
    inputs: Annotated[Mapping[str, float], "input -> value, where a model has that input"] = field(default_factory=dict)
    constants: Annotated[Mapping[str, float], "module.constant -> its value here, over that of the overlays"] = field(
        default_factory=dict
    )
    held: Annotated[Mapping[str, float], "module.constant -> its value while the rest is searched"] = field(
        default_factory=dict
    )
    anchors: Annotated[Mapping[str, str], "module.constant -> module.variable whose value at rest it takes"] = field(
        default_factory=dict
    )
    loop: Annotated[LoopEntry | None, "the vicious circle of this context"] = None


Entries: TypeAlias = "dict[str, tuple[str, ContextEntry]]"  # name -> where it stands, and the entry


def read_contexts(paths: Sequence[Path]) -> Entries:
    """The contexts of all files, each with what it extends; `ModelError` for a name that is there twice."""
    found: Entries = {}
    for path in paths:
        for name, entry in read_toml_tables(path, ContextEntry).items():
            where = f"{short_path(path)}: {name}"
            if name in found:
                raise ModelError(f"two contexts have one name: {found[name][0]} and {where}; rename one")
            found[name] = where, entry
    return {name: (found[name][0], _whole(found, name, ())) for name in found}


def _whole(found: Entries, name: str, chain: tuple[str, ...]) -> ContextEntry:
    where, entry = found[name]
    if not entry.extends:
        return entry
    if entry.extends not in found:
        raise ModelError(f"{where}.extends: {unknown_name('context', entry.extends, found)}")
    if name in chain:
        raise ModelError(f"{where}.extends: a ring of {', '.join(chain)}")
    base = _whole(found, entry.extends, (*chain, name))
    return replace(
        entry,
        module_overlays=base.module_overlays or entry.module_overlays,
        inputs={**base.inputs, **entry.inputs},
        constants={**base.constants, **entry.constants},
        held={**base.held, **entry.held},
        anchors={**base.anchors, **entry.anchors},
        loop=entry.loop or base.loop,
    )


def contexts_for(
    entries: Entries,
    inputs: set[str],
    epilepsy: Mapping[str, float],
    names: Mapping[str, str],
    modules: Collection[str],
    every_input: Callable[[], Collection[str]],
) -> Mapping[str, Context]:
    """The contexts of a model with these `inputs` and these `names` (module.id -> id); `epilepsy` is its overlay."""
    found = {}
    for name, (where, entry) in entries.items():
        _check(where, entry, inputs, names, modules, every_input)
        settings = {k: v for k, v in entry.inputs.items() if k in inputs}
        if entry.module_overlays:
            settings |= epilepsy
        settings |= {names[k]: v for k, v in entry.constants.items() if k in names}
        anchors = {names[k]: names[v] for k, v in entry.anchors.items() if k in names and v in names}
        held = {names[k]: v for k, v in entry.held.items() if k in names}
        loop = {} if entry.loop is None else {k: names[v] for k, v in vars(entry.loop).items() if v in names}
        found[name] = Context(name=name, title=entry.title, settings=settings, anchors=anchors, held=held, loop=loop)
    return Frozen(found)


def _check(
    where: str,
    entry: ContextEntry,
    inputs: set[str],
    names: Mapping[str, str],
    modules: Collection[str],
    every_input: Callable[[], Collection[str]],
) -> None:
    """Every name belongs to a model of the library; what this model lacks may belong to another one."""
    loop = [] if entry.loop is None else vars(entry.loop).values()
    here = {n.partition(".")[0] for n in names}
    for name in (*entry.constants, *entry.held, *entry.anchors, *entry.anchors.values(), *loop):
        owner = name.partition(".")[0]
        if owner not in modules or (owner in here and name not in names):
            raise ModelError(f"{where}: {unknown_name('variable', name, names)}")
    for key in entry.inputs:
        if key not in inputs and key not in every_input():
            raise ModelError(f"{where}.inputs: {unknown_name('input', key, every_input())}")
