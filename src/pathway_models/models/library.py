"""Find and read the models: our own by name, anybody's SBML by path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from .._authored import read_toml, read_toml_tables, short_path
from .._data import sbml_root
from .._files import read_text
from .._sbml import sbml
from .._sbml.files import model_text
from .._types import Frozen
from ..errors import InvalidValueError, ModelError, require_kind, unknown_name
from ..modules.coupling import SharedInput, Wire
from ..modules.flat import Context
from ..modules.module import Module, Parameter, Port, read_module, read_module_file
from .foreign import from_sbml
from .model import Model
from .petab_read import load_problem

DEFAULT_CONTEXT = "epilepsy"


@dataclass(frozen=True, kw_only=True)
class SharedEntry:
    """[inputs.NAME] of a coupled model: an input that feeds several modules."""

    title: str
    reference: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WireEntry:
    """[[wire]] of a coupled model."""

    from_: str
    to: str
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CoupledFile:
    """The TOML of a coupled model."""

    title: str
    modules: tuple[str, ...]
    notes: str = ""
    extends: str = ""
    wire: tuple[WireEntry, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, SharedEntry] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LoopEntry:
    """`loop` of a context: input and output of the feedback loop, and the constant that closes it."""

    input: str
    switch: str
    output: str


@dataclass(frozen=True, kw_only=True)
class ContextEntry:
    """[NAME] of contexts.toml."""

    title: str
    module_overlays: bool = False
    inputs: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    anchors: Mapping[str, str] = field(default_factory=dict)
    loop: LoopEntry | None = None


def module_names() -> tuple[str, ...]:
    """Names of the modules of the library."""
    return tuple(sorted(p.parent.name for p in sbml_root().glob("modules/*/module.toml")))


def coupled_names() -> tuple[str, ...]:
    """Names of the coupled models of the library."""
    return tuple(sorted(p.stem for p in sbml_root().glob("coupled/*.toml")))


def available() -> Mapping[str, str]:
    """Name -> title of every model that `load` knows.

    >>> "epilepsy" in available()
    True
    """
    titles = {n: read_coupled(n).title for n in coupled_names()}
    return titles | {n: read_module_file(_folder(n)).title for n in module_names()}


def load(name: str | Path, *, context: str = DEFAULT_CONTEXT, model: str | None = None) -> Model:
    """A model of the library by name, or anybody's file by path: SBML, comp, Antimony, a COMBINE archive, PEtab.

    `context` is 'epilepsy' (untreated, the default) or 'healthy'; an SBML file from elsewhere has none and starts
    from the values in the file. A PEtab problem (.yaml, or the folder that holds it alone) comes with its nominal
    parameters, `measurements` and `experiments`. `model` picks one of several models of an archive (.omex) by its path
    there. Warns with `ModelWarning` of values that a file lacks and are taken as libroadrunner does (species 0,
    compartments 1), and of what is not valid in it beside the mathematics. Raises `UnknownNameError` for an unknown
    name or context and `ModelError` for a file that is missing, broken, of another format or lacks the value of a
    parameter.

    >>> load("ketone_katp", context="healthy").inputs.loc["carb_restriction", "reference"]
    np.float64(0.0)
    """
    require_kind("name", name, (str, os.PathLike), 'load("epilepsy") or load("file.xml")')
    ours = isinstance(name, str) and name in (*coupled_names(), *module_names())
    if ours and model is not None:
        raise InvalidValueError(f"{name} is one model; model={model!r} is for archives (.omex) with several")
    if isinstance(name, str) and name in coupled_names():
        return _load_coupled(name).with_context(context)
    if isinstance(name, str) and name in module_names():
        return _load_module(name).with_context(context)
    path = Path(name).expanduser()
    if path.suffix.lower() in (".yaml", ".yml") or path.is_dir():
        if model is not None:
            raise InvalidValueError(f"{path.name} names its model itself; model={model!r} is for archives (.omex)")
        return load_problem(path)
    if path.suffix or path.exists():
        return from_sbml(model_text(path, member=model), name=path.stem)
    raise unknown_name("model", str(name), [*coupled_names(), *module_names(), "a path to an SBML file"])


def _folder(module: str) -> Path:
    return sbml_root() / "modules" / module


@cache
def module(name: str) -> Module:
    """A module of the library, read from its folder."""
    return read_module(_folder(name))


def read_coupled(name: str) -> CoupledFile:
    """The TOML of a coupled model; what it `extends` comes first (modules, wires, inputs, aliases)."""
    made, *others = (read_toml(_coupled_path(n), CoupledFile) for n in reversed(lineage(name)))
    for base in others:
        made = replace(
            made,
            modules=base.modules + made.modules,
            wire=base.wire + made.wire,
            aliases={**base.aliases, **made.aliases},
            inputs={**base.inputs, **made.inputs},
        )
    for n in made.modules:
        if n not in module_names():
            raise ModelError(f"{short_path(_coupled_path(name))}: modules: {unknown_name('module', n, module_names())}")
    return made


def lineage(name: str) -> tuple[str, ...]:
    """A coupled model after those that it extends, the oldest first; `ModelError` for a ring."""
    names = [name]
    while base := read_toml(_coupled_path(names[0]), CoupledFile).extends:
        file = short_path(_coupled_path(names[0]))
        if base in names:
            raise ModelError(f"{file}: extends: a ring of {', '.join(names)}")
        if base not in coupled_names():
            raise ModelError(f"{file}: extends: {unknown_name('model', base, coupled_names())}")
        names.insert(0, base)
    return tuple(names)


def _coupled_path(name: str) -> Path:
    return sbml_root() / "coupled" / f"{name}.toml"


def coupled_parts(made: CoupledFile) -> tuple[list[Module], list[Wire], list[SharedInput]]:
    """Modules, wires and shared inputs that the TOML of a coupled model names."""
    wires = [Wire(source=w.from_, target=w.to, scale=w.scale) for w in made.wire]
    shared = [
        SharedInput(id=k, title=v.title, reference=v.reference, low=v.low, high=v.high) for k, v in made.inputs.items()
    ]
    return [module(n) for n in made.modules], wires, shared


@cache
def _load_module(name: str) -> Model:
    m = module(name)
    return Model(
        name=name,
        title=m.title,
        sbml=m.sbml,
        parameters_=m.parameters,
        inputs_=m.inputs,
        outputs_=m.outputs,
        hypotheses_=m.hypotheses,
        contexts=_contexts({p.id for p in m.inputs}, m.epilepsy, {f"{name}.{p.id}": p.id for p in _ports(m)}),
    )


@cache
def _load_coupled(name: str) -> Model:
    made = read_coupled(name)
    parts, wires, shared = coupled_parts(made)
    text = read_text(sbml_root() / "coupled" / f"{name}.xml")
    _check_coupled(name, made, wires, sbml.content(text, name).quantities)
    modules = [m.prefixed() for m in parts]
    driven = {w.target.replace(".", "__") for w in wires}
    inputs = tuple(
        Port(
            id=s.id,
            title=s.title,
            unit="dimensionless",
            role="level",
            reference=s.reference,
            low=s.low,
            high=s.high,
        )
        for s in shared
    )
    gains = tuple(
        Parameter(
            id=w.gain,
            value=1.0,
            unit="dimensionless",
            kind="gain",
            module="wires",
            note=f"{w.source} -> {w.target}",
        )
        for w in wires
    )
    ports = {p.id.replace("__", ".", 1): p.id for m in modules for p in _ports(m)}
    overlay = {k: v for m in modules for k, v in m.epilepsy.items()}
    return Model(
        name=name,
        title=made.title,
        sbml=text,
        parameters_=tuple(p for m in modules for p in m.parameters) + gains,
        inputs_=inputs + tuple(p for m in modules for p in m.inputs if p.id not in driven),
        outputs_=tuple(p for m in modules for p in m.outputs),
        hypotheses_=tuple(h for m in modules for h in m.hypotheses),
        contexts=_contexts({s.id for s in shared}, overlay, ports),
        aliases=Frozen({k: v.replace(".", "__") for k, v in made.aliases.items()}),
    )


def _check_coupled(name: str, made: CoupledFile, wires: Sequence[Wire], ids: Iterable[str]) -> None:
    """The generated model has every wire and every alias of its TOML."""
    file = short_path(_coupled_path(name))
    for wire in wires:
        if wire.target.count(".") != 1:
            raise ModelError(f"{file}: the wire {wire.source} -> {wire.target!r}: write the target as module.input")
        if wire.gain not in ids:
            raise ModelError(f"{file}: the wire {wire.source} -> {wire.target} is not in {name}.xml: run make models")
    for alias, target in made.aliases.items():
        if target.replace(".", "__") not in ids:
            known = [i.replace("__", ".", 1) for i in ids]
            raise ModelError(f"{file}: aliases.{alias}: {unknown_name('variable', target, known)}")


def _ports(m: Module) -> tuple[Port | Parameter, ...]:
    return m.inputs + m.outputs + m.parameters


def _contexts(inputs: set[str], epilepsy: Mapping[str, float], names: Mapping[str, str]) -> Mapping[str, Context]:
    """contexts.toml, cut down to what this model has; the modules' own overlays belong to 'epilepsy'."""
    path = sbml_root() / "contexts.toml"
    found = {}
    for name, entry in read_toml_tables(path, ContextEntry).items():
        _check_context(f"{short_path(path)}: {name}", entry, inputs, names)
        settings = {k: v for k, v in entry.inputs.items() if k in inputs}
        if entry.module_overlays:
            settings |= epilepsy
        anchors = {names[k]: names[v] for k, v in entry.anchors.items() if k in names and v in names}
        held = {names[k]: v for k, v in entry.held.items() if k in names}
        loop = {} if entry.loop is None else {k: names[v] for k, v in vars(entry.loop).items() if v in names}
        found[name] = Context(name=name, title=entry.title, settings=settings, anchors=anchors, held=held, loop=loop)
    return Frozen(found)


def _check_context(where: str, entry: ContextEntry, inputs: set[str], names: Mapping[str, str]) -> None:
    """Every name belongs to a model of the library; what this model lacks may belong to another one."""
    loop = [] if entry.loop is None else vars(entry.loop).values()
    here = {n.partition(".")[0] for n in names}
    for name in (*entry.held, *entry.anchors, *entry.anchors.values(), *loop):
        owner = name.partition(".")[0]
        if owner not in module_names() or (owner in here and name not in names):
            raise ModelError(f"{where}: {unknown_name('variable', name, names)}")
    for key in entry.inputs:
        if key not in inputs and key not in _every_input():
            raise ModelError(f"{where}.inputs: {unknown_name('input', key, _every_input())}")


@cache
def _every_input() -> frozenset[str]:
    """Inputs of all models of the library."""
    modules = [read_module_file(_folder(n)).inputs for n in module_names()]
    return frozenset(k for found in (*modules, *(read_coupled(n).inputs for n in coupled_names())) for k in found)
