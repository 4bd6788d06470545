"""Somebody else's SBML as a module, and coupled models with it in the place of one of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .._sbml import files, sbml
from .._sbml.edit import rename
from .._sbml.levels import convert_level
from .._types import Frozen
from ..errors import InvalidValueError, unknown_name
from ..modules.coupling import couple, flatten
from ..modules.flat import Context
from ..modules.module import Module, Port, finite_or_none
from .collection import DEFAULT_CONTEXT, library
from .foreign import from_sbml
from .model import Model


def module_from(path: str | Path, *, ports: Mapping[str, str] | Sequence[str], name: str | None = None) -> Module:
    """A module made of anybody's SBML (any file that `load` takes), to be coupled in the place of one of ours.

    A parameter without a rule is an input and keeps its value as reference; a species or a computed parameter is an
    output. Units stay: a wire checks them.

    Args:
        path: of the file.
        ports: which ids of the file are ports, as `{"IL1B": "il1b_conc", "BHB": "ketones"}` (our name: id in the file)
            or as a list where the names are the same; the file's ids are renamed.
        name: of the module; None for that of the file.

    Returns:
        The module, for `with_module`.

    Raises:
        UnknownNameError: an id that the file lacks.
        InvalidValueError: a name that the file uses for something else.
        ModelError: a file that cannot be read.

    Example:
        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     theirs = pm.export(pm.load("acupuncture"), f"{folder}/theirs.xml")
        ...     pm.exchange.module_from(theirs, ports={"drive": "vagal_drive"}).outputs[0].id
        'drive'
    """
    source = Path(path)
    title = name or source.stem
    model = from_sbml(files.model_text(source), name=title)
    renaming = dict(ports) if isinstance(ports, Mapping) else {p: p for p in ports}
    text = convert_level(_renamed(model, renaming), level=3, version=2, name=title)
    parts = replace(from_sbml(text, name=title), title=model.title)
    found = [_port(parts, port) for port in renaming]
    return Module(
        name=title,
        title=parts.title,
        summary="",
        notes="",
        sbml=text,
        parameters=tuple(replace(p, module=title) for p in parts.constants if p.id not in renaming),
        inputs=tuple(replace(p, module=title) for p in found if p.role == "level"),
        outputs=tuple(replace(p, module=title) for p in found if p.role == "output"),
        hypotheses=(),
    )


def _renamed(model: Model, ports: Mapping[str, str]) -> str:
    document = sbml.read(model.sbml)
    top = document.getModel()
    for port, old in ports.items():
        if old not in model.quantities:
            raise unknown_name(f"id in {model.name}", old, model.quantities)
        if port != old:
            if top.getElementBySId(port) is not None:
                raise InvalidValueError(f"{model.name} uses the id {port!r} already, for something else than {old!r}")
            rename(top, {old: port})
    for port in ports:
        element = top.getElementBySId(port)
        if element.getElementName() == "parameter":
            element.setConstant(False)  # a wire will drive it
    return sbml.write(document)


def _port(model: Model, name: str) -> Port:
    q = model.quantities[name]
    role = "level" if q.kind == "parameter" and not q.ruled else "output"
    return Port(id=name, title=name, unit=q.unit, role=role, reference=finite_or_none(q.value))


def with_module(name: str, module: Module, *, replacing: str, context: str = DEFAULT_CONTEXT) -> Model:
    """The coupled model `name` of the library with `module` in the place of its module `replacing`.

    Wires, the other modules and contexts stay.

    Args:
        name: of a coupled model.
        module: what comes in, such as `module_from` gives.
        replacing: name of the module that goes.
        context: as in `load`.

    Returns:
        The coupled model.

    Raises:
        UnknownNameError: a module that the model does not have, an unknown context.
        InvalidValueError: ports that the wires need and the module lacks, units that do not fit, a reduced model.

    Example:
        >>> import pathway_models as pm
        >>> ours = pm.library().module("acupuncture")
        >>> model = pm.exchange.with_module("epilepsy", ours, replacing="acupuncture")
        >>> model.gains == pm.load("epilepsy").gains
        True
    """
    found = library()
    base = found.load(name, context=context)
    if base.whole:
        raise InvalidValueError(f"{name} is a reduced model; replace the module in the whole one, then reduce that")
    parts, wires, shared = found.parts(name)
    if replacing not in {p.name for p in parts}:
        raise unknown_name(f"module of {name}", replacing, [p.name for p in parts])
    guest = replace(module, name=replacing, sbml=_with_model_id(module.sbml, replacing))
    needed = {w.target for w in wires} | {w.source for w in wires}
    offered = {f"{replacing}.{p.id}" for p in (*guest.inputs, *guest.outputs)}
    if missing := sorted(n for n in needed if n.startswith(f"{replacing}.") and n not in offered):
        raise InvalidValueError(f"{module.name} cannot replace {replacing}: it lacks the ports {', '.join(missing)}")
    modules = [guest if p.name == replacing else p for p in parts]
    title = f"{base.title}; {replacing} replaced by {module.name}"
    text = flatten(couple(base.name, title, modules, wires, shared), name=base.name)
    return _adapted(base, guest.prefixed(), text, title, driven={w.target.replace(".", "__") for w in wires})


def _with_model_id(text: str, name: str) -> str:
    document = sbml.read(text)
    document.getModel().setId(name)
    return sbml.write(document)


def _adapted(base: Model, guest: Module, text: str, title: str, *, driven: set[str]) -> Model:
    """The model's tables with the guest's rows in the place of those of the module that it replaces."""
    prefix = f"{guest.name}__"
    known = sbml.content(text, base.name).quantities

    def settled(values: Mapping[str, float]) -> Mapping[str, float]:
        return Frozen({k: v for k, v in values.items() if k in known and not k.startswith(prefix)})

    def fitting(context: Context) -> Context:
        anchors = {k: v for k, v in context.anchors.items() if k in known and v in known}
        loop = context.loop if set(context.loop.values()) <= set(known) else {}
        return replace(
            context, settings=settled(context.settings), anchors=anchors, held=settled(context.held), loop=loop
        )

    return replace(
        base,
        title=title,
        sbml=text,
        constants=tuple(p for p in base.constants if not p.id.startswith(prefix)) + guest.parameters,
        input_ports=tuple(p for p in base.input_ports if not p.id.startswith(prefix))
        + tuple(p for p in guest.inputs if p.id not in driven),
        output_ports=tuple(p for p in base.output_ports if not p.id.startswith(prefix)) + guest.outputs,
        hypothesis_set=tuple(h for h in base.hypothesis_set if h.module != guest.name),
        contexts=Frozen({k: fitting(c) for k, c in base.contexts.items()}),
        aliases=Frozen({k: v for k, v in base.aliases.items() if v in known}),
        settings=settled(base.settings),
    )
