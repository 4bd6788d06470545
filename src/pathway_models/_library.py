"""Find and read the models: our own by name, anybody's SBML by path."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import _sbml
from ._coupling import SharedInput, Wire
from ._model import Context, Model, from_sbml
from ._module import Module, Parameter, Port, read_module
from .errors import InvalidValueError, ModelError, unknown_name

DEFAULT_CONTEXT = "epilepsy"


@cache
def sbml_root() -> Path:
    """The folder `sbml/`: inside the installed package, or at the root of a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "sbml", here.parents[1] / "sbml"):
        if (folder / "modules").is_dir():
            return folder
    raise ModelError(f"the folder sbml/ is missing beside {here}; reinstall pathway-models")


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
    titles = {n: read_coupled(n)["title"] for n in coupled_names()}
    return titles | {n: tomllib.loads(_sbml.read_text(_folder(n) / "module.toml"))["title"] for n in module_names()}


def load(name: str | Path, *, context: str = DEFAULT_CONTEXT, model: str | None = None) -> Model:
    """A model of the library by name, or anybody's file by path: SBML, comp, Antimony, a COMBINE archive, PEtab.

    `context` is 'epilepsy' (untreated, the default) or 'healthy'; an SBML file from elsewhere has none and starts
    from the values in the file. A PEtab problem (.yaml, or the folder that holds it alone) comes with its nominal
    parameters, `measurements` and `experiments`. `model` picks one of several models of an archive (.omex) by its path
    there. Warns with `ModelWarning` of values that a file lacks and are taken as libroadrunner does (species 0,
    compartments 1), and of what is not valid in it beside the mathematics. Raises `UnknownNameError` for an unknown name or context and
    `ModelError` for a file that is missing, broken, of another format or lacks the value of a parameter.

    >>> load("ketone_katp", context="healthy").inputs.loc["carb_restriction", "reference"]
    np.float64(0.0)
    """
    ours = isinstance(name, str) and name in (*coupled_names(), *module_names())
    if ours and model is not None:
        raise InvalidValueError(f"{name} is one model; model={model!r} is for archives (.omex) with several")
    if isinstance(name, str) and name in coupled_names():
        return _load_coupled(name).with_context(context)
    if isinstance(name, str) and name in module_names():
        return _load_module(name).with_context(context)
    path = Path(name).expanduser()
    if path.suffix.lower() in (".yaml", ".yml") or path.is_dir():
        from ._petab_read import load_problem

        if model is not None:
            raise InvalidValueError(f"{path.name} names its model itself; model={model!r} is for archives (.omex)")
        return load_problem(path)
    if path.suffix or path.exists():
        from ._exchange_read import model_text

        return from_sbml(model_text(path, member=model), name=path.stem)
    raise unknown_name("model", str(name), [*coupled_names(), *module_names(), "a path to an SBML file"])


def _folder(module: str) -> Path:
    return sbml_root() / "modules" / module


@cache
def module(name: str) -> Module:
    """A module of the library, read from its folder."""
    return read_module(_folder(name))


def read_coupled(name: str) -> dict[str, Any]:
    """The TOML of a coupled model; what it `extends` comes first (modules, wires, inputs, aliases)."""
    toml = tomllib.loads(_sbml.read_text(sbml_root() / "coupled" / f"{name}.toml"))
    if "extends" not in toml:
        return toml
    base = read_coupled(toml["extends"])
    merged: dict[str, Any] = {k: base.get(k, []) + toml.get(k, []) for k in ("modules", "wire")}
    merged |= {k: base.get(k, {}) | toml.get(k, {}) for k in ("aliases", "inputs")}
    return {**toml, **merged}


def lineage(name: str) -> tuple[str, ...]:
    """A coupled model after those that it extends, the oldest first."""
    base = tomllib.loads(_sbml.read_text(sbml_root() / "coupled" / f"{name}.toml")).get("extends")
    return (*lineage(base), name) if base else (name,)


def coupled_parts(toml: Mapping[str, Any]) -> tuple[list[Module], list[Wire], list[SharedInput]]:
    """Modules, wires and shared inputs that the TOML of a coupled model names."""
    known = module_names()
    for n in toml["modules"]:
        if n not in known:
            raise unknown_name("module", n, known)
    wires = [Wire(source=w["from"], target=w["to"], scale=float(w.get("scale", 1.0))) for w in toml["wire"]]
    shared = [SharedInput(id=k, **v) for k, v in toml.get("inputs", {}).items()]
    return [module(n) for n in toml["modules"]], wires, shared


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
    toml = read_coupled(name)
    parts, wires, shared = coupled_parts(toml)
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
        title=toml["title"],
        sbml=_sbml.read_text(sbml_root() / "coupled" / f"{name}.xml"),
        parameters_=tuple(p for m in modules for p in m.parameters) + gains,
        inputs_=inputs + tuple(p for m in modules for p in m.inputs if p.id not in driven),
        outputs_=tuple(p for m in modules for p in m.outputs),
        hypotheses_=tuple(h for m in modules for h in m.hypotheses),
        contexts=_contexts({s.id for s in shared}, overlay, ports),
        aliases=MappingProxyType({k: v.replace(".", "__") for k, v in toml.get("aliases", {}).items()}),
    )


def _ports(m: Module) -> tuple[Port | Parameter, ...]:
    return m.inputs + m.outputs + m.parameters


def _contexts(inputs: set[str], epilepsy: Mapping[str, float], names: Mapping[str, str]) -> Mapping[str, Context]:
    """contexts.toml, cut down to what this model has; the modules' own overlays belong to 'epilepsy'."""
    toml = tomllib.loads(_sbml.read_text(sbml_root() / "contexts.toml"))
    found = {}
    for name, entry in toml.items():
        settings = {k: float(v) for k, v in entry.get("inputs", {}).items() if k in inputs}
        if entry.get("module_overlays", False):
            settings |= epilepsy
        anchors = {names[k]: names[v] for k, v in entry.get("anchors", {}).items() if k in names and v in names}
        held = {names[k]: float(v) for k, v in entry.get("held", {}).items() if k in names}
        loop = {k: names[v] for k, v in entry.get("loop", {}).items() if v in names}
        found[name] = Context(name=name, title=entry["title"], settings=settings, anchors=anchors, held=held, loop=loop)
    return MappingProxyType(found)
