"""Compose modules with wires into one hierarchical (comp) SBML document, and flatten it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .._sbml import sbml
from .._sbml.annotation import describe_model
from .._sbml.edit import add_parameter, add_rule, elements, merge_units, rename
from .._sbml.formulas import in_order, reads_at_once, tree
from .._sbml.native import libsbml
from .._sbml.units import unit_id
from ..errors import InvalidValueError, ModelError, unknown_name
from .module import Module, Port

Documents: TypeAlias = "Mapping[str, libsbml.SBMLDocument]"  # quoted: libSBML loads at its first use


Combine: TypeAlias = Literal["", "sum", "product"]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """An output that drives an input: alone `input := r + gain*(scale*output - r)`, where r is the input's reference.

    Attributes:
        source: `module.output`, or the name of an input of the coupled model.
        target: `module.input`.
        scale: factor on the output.
        combine: how several wires drive one input, which one of them must say: 'sum' is
            `r + sum of gain*(scale*output - reference)`, 'product' is
            `r * product of (1 + gain*(scale*output/reference - 1))`.
        reference: value of `scale*output` without effect, in the unit of the output; None for r.

    Example:
        >>> Wire(source="BHB_brain.BHB", target="nlrp3_il1b.BHB").gain
        'gain_BHB_to_nlrp3_il1b__BHB'
    """

    source: str
    target: str
    scale: float = 1.0
    combine: Combine = ""
    reference: float | None = None

    @property
    def gain(self) -> str:
        """Id of the gain parameter: 1 couples, 0 cuts the wire. One that joins others names its module as well."""
        module, port = self.target.split(".")
        source = self.source.replace(".", "__") if self.combine else self.source.rsplit(".", 1)[-1]
        return f"gain_{source}_to_{module}__{port}"


@dataclass(frozen=True, kw_only=True)
class SharedInput:
    """An input of the coupled model that feeds several modules.

    Attributes:
        id: its name.
        title: what it is.
        reference: value in health, dimensionless.
        low: least value allowed.
        high: largest value allowed.

    Example:
        >>> SharedInput(id="stress", title="stress", reference=1.0, low=0.0, high=3.0).reference
        1.0
    """

    id: str
    title: str
    reference: float
    low: float
    high: float


def couple(
    name: str, title: str, modules: Sequence[Module], wires: Sequence[Wire], shared: Sequence[SharedInput]
) -> libsbml.SBMLDocument:
    """The hierarchical document of a coupled model.

    Shared inputs are dimensionless. Raises `UnknownNameError` for a wire to or from nowhere, `InvalidValueError`
    for units that do not fit, for wires into one input that do not say how they combine, and for a loop through
    assignments alone.
    """
    _check_wires(modules, wires, shared)
    document = libsbml.SBMLDocument(libsbml.SBMLNamespaces(3, 2, "comp", 1))
    document.setPackageRequired("comp", True)
    plugin = document.getPlugin("comp")
    model = document.createModel()
    model.setId(name)
    describe_model(model, title=title, summary=f"Coupled from {len(modules)} modules. {_summaries(modules)}")
    # libSBML frees a model with its document: hold the documents for as long as anything of them is used
    documents = {m.name: sbml.read(m.sbml) for m in modules}
    for module in modules:
        plugin.addModelDefinition(libsbml.ModelDefinition(documents[module.name].getModel()))
    _copy_units(model, documents[modules[0].name].getModel())
    composite = model.getPlugin("comp")
    for module in modules:
        submodel = composite.createSubmodel()
        submodel.setId(module.name)
        submodel.setModelRef(module.name)
    for port in shared:
        add_parameter(model, port.id, port.reference, "dimensionless", constant=False).setName(port.title)
    exposed: set[str] = set()
    for wire in wires:
        if "." in wire.source:
            _expose(model, documents, wire.source, exposed)
    for together in by_target(wires).values():
        _drive(model, documents, together)
    return document


def by_target(wires: Iterable[Wire]) -> dict[str, list[Wire]]:
    """Input -> the wires that drive it."""
    found: dict[str, list[Wire]] = {}
    for wire in wires:
        found.setdefault(wire.target, []).append(wire)
    return found


def _summaries(modules: Sequence[Module]) -> str:
    return " ".join(f"{m.name}: {m.title}." for m in modules)


def flatten(document: libsbml.SBMLDocument, *, name: str) -> str:
    """The flat SBML text of a comp document; ids become `submodel__id`. `ModelError` if libSBML refuses."""
    flat = sbml.read(sbml.write(document))
    submodels = [s.getId() for s in flat.getModel().getPlugin("comp").getListOfSubmodels()]
    sbml.flatten(flat, name=name)
    merge_units(flat.getModel())
    _rename_ports(flat.getModel(), submodels)
    return sbml.write(flat)


def _parent_id(module: str, port: str) -> str:
    """Id in the parent of a port of a submodel.

    Not `module__port`: libSBML would then flatten with another prefix, `module1__`. `flatten` renames it.
    """
    return f"port_{module}_{port}"


def _rename_ports(model: libsbml.Model, submodels: Sequence[str]) -> None:
    longest_first = sorted(submodels, key=len, reverse=True)  # one module's name may begin with another's
    ids = {}
    for old in (element.getIdAttribute() for element in elements(model)):
        owner = next((m for m in longest_first if old.startswith(_parent_id(m, ""))), None)
        if owner is not None and model.getElementBySId(old) is not None:
            ids[old] = f"{owner}__{old.removeprefix(_parent_id(owner, ''))}"
    rename(model, ids)


def _check_wires(modules: Sequence[Module], wires: Sequence[Wire], shared: Sequence[SharedInput]) -> None:
    inputs = {f"{m.name}.{p.id}": p for m in modules for p in m.inputs if p.role == "level"}
    outputs = {f"{m.name}.{p.id}": p for m in modules for p in m.outputs}
    shared_ids = {s.id for s in shared}
    for wire in wires:
        if wire.target not in inputs:
            raise unknown_name("wire target", wire.target, inputs)
        if wire.source not in outputs and wire.source not in shared_ids:
            raise unknown_name("wire source", wire.source, [*outputs, *shared_ids])
    for target, together in by_target(wires).items():
        _check_together(inputs[target], target, together)
        for wire in together:
            source_unit = outputs[wire.source].unit if wire.source in outputs else "dimensionless"
            relative = wire.reference is not None and _rule(together) == "product"  # to a reference in its own unit
            if source_unit != inputs[target].unit and not relative:
                raise InvalidValueError(
                    f"wire {wire.source} -> {target}: unit {source_unit!r} does not fit {inputs[target].unit!r}"
                )
    _check_loops(modules, wires)
    _check_time_units(modules)


def _rule(together: Sequence[Wire]) -> str:
    """How the wires into one input combine; one wire alone is a sum."""
    return next((w.combine for w in together if w.combine), "sum")


def _check_together(port: Port, target: str, together: Sequence[Wire]) -> None:
    """The wires into one input differ, state one rule, and a product has references to divide by."""
    sources = ", ".join(w.source for w in together)
    if len({w.source for w in together}) < len(together):
        raise InvalidValueError(f"two wires from one source drive {target}: {sources}")
    rules = {w.combine for w in together if w.combine}
    if len(together) > 1 and not rules:
        raise InvalidValueError(
            f'several wires drive {target} ({sources}): write combine = "sum" (effects are added) or '
            f'combine = "product" (they multiply) in the new one'
        )
    if len(rules) > 1:
        raise InvalidValueError(f"the wires into {target} ({sources}) say both sum and product; allowed is one rule")
    if len({w.gain for w in together}) < len(together):
        raise InvalidValueError(f"the wires into {target} ({sources}) have gains of one name: write combine in each")
    if rules == {"product"} and 0 in (port.reference, *(w.reference for w in together)):
        raise InvalidValueError(f"the wires into {target} ({sources}) have a reference of 0; a product needs another")


def _check_time_units(modules: Sequence[Module]) -> None:
    seconds = {m.name: sbml.content(m.sbml, m.name).time_unit_seconds for m in modules}
    if len(set(seconds.values())) > 1:
        raise InvalidValueError(f"the modules differ in their unit of time (seconds): {seconds}")


def _check_loops(modules: Sequence[Module], wires: Sequence[Wire]) -> None:
    reads: dict[str, set[str]] = {}
    for module in modules:
        document = sbml.read(module.sbml)
        for key, names in reads_at_once(document.getModel()).items():
            reads[f"{module.name}.{key}"] = {f"{module.name}.{n}" for n in names}
    for wire in wires:
        reads.setdefault(wire.target, set()).add(wire.source)
    _, circle = in_order(dict(sorted(reads.items())))
    if circle:
        raise InvalidValueError(f"loop through assignments alone: {' <- '.join(circle)}")


def _copy_units(model: libsbml.Model, source: libsbml.Model) -> None:
    for definition in source.getListOfUnitDefinitions():
        model.addUnitDefinition(definition)
    model.setSubstanceUnits(source.getSubstanceUnits())
    model.setTimeUnits(source.getTimeUnits())
    model.setVolumeUnits(source.getVolumeUnits())
    model.setExtentUnits(source.getExtentUnits())


def _unit_of(model: libsbml.Model, port: libsbml.SBase) -> str:
    unit = unit_id(model, port.getDerivedUnitDefinition())
    if not unit:
        raise ModelError(f"{port.getId()} has no unit, and a wire is to end there; declare it")
    return unit


def _expose(model: libsbml.Model, documents: Documents, source: str, done: set[str]) -> None:
    """A parameter of the parent that stands for an output of a submodel, so that a rule can name it."""
    module, port = source.split(".")
    name = _parent_id(module, port)
    if name in done:
        return
    done.add(name)
    element = documents[module].getModel().getElementBySId(port)
    parameter = add_parameter(model, name, unit=_unit_of(model, element), constant=False)
    if element.isSetMetaId():  # comp wants a metaid on both or on none
        parameter.setMetaId(name)
    link = parameter.getPlugin("comp").createReplacedBy()
    link.setSubmodelRef(module)
    link.setIdRef(port)


def _drive(model: libsbml.Model, documents: Documents, together: Sequence[Wire]) -> None:
    """The rule of one input, by the law in `Wire`."""
    module, port = together[0].target.split(".")
    element = documents[module].getModel().getElementBySId(port)
    unit = _unit_of(model, element)
    target = add_parameter(model, _parent_id(module, port), element.getValue(), unit, constant=False)
    _copy_annotation(element, target)
    link = target.getPlugin("comp").createReplacedElement()
    link.setSubmodelRef(module)
    link.setIdRef(port)
    usual = f"({element.getValue()!r} {unit})"
    terms = [_effect(model, wire, usual, _rule(together)) for wire in together]
    formula = (" + " if _rule(together) == "sum" else " * ").join([usual, *terms])
    add_rule(model, target.getId(), tree(formula))


def _effect(model: libsbml.Model, wire: Wire, usual: str, rule: str) -> str:
    """What a wire adds to its input, or multiplies it by, as a formula; its gain becomes a parameter."""
    add_parameter(model, wire.gain, 1.0, "dimensionless").setName(f"gain of {wire.source} -> {wire.target}")
    source = _parent_id(*wire.source.split(".")) if "." in wire.source else wire.source
    scaled = source if wire.scale == 1.0 else f"({wire.scale!r} dimensionless) * {source}"
    reference = usual if wire.reference is None else f"({wire.reference!r} {model.getParameter(source).getUnits()})"
    if rule == "sum":
        return f"{wire.gain} * ({scaled} - {reference})"
    return f"((1 dimensionless) + {wire.gain} * ({scaled} / {reference} - (1 dimensionless)))"


def _copy_annotation(source: libsbml.SBase, target: libsbml.SBase) -> None:
    """Annotate the element that takes the place of another when the document is flattened."""
    target.setSBOTerm(source.getSBOTerm())
    if source.isSetMetaId():
        target.setMetaId(target.getId())
        for term in source.getCVTerms() or ():
            target.addCVTerm(term)
