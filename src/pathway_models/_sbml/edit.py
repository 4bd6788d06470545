"""Changes of a parsed model: values, parameters, rules, events, ids, units."""

from __future__ import annotations

from collections.abc import Mapping

from . import sbml
from .formulas import tree
from .native import libsbml
from .units import unit_key

# ---- values --------------------------------------------------------------------------------------------------------


def with_values(text: str, values: Mapping[str, float]) -> str:
    """The same SBML with other values of parameters, compartments or initial states."""
    if not values:
        return text
    document = sbml.read(text)
    model = document.getModel()
    for key in sorted(values, key=lambda k: model.getCompartment(k) is None):  # sizes first, for Level 1
        set_value(model, key, values[key])
    return sbml.write(document)


def set_value(model: libsbml.Model, key: str, value: float) -> None:
    """Give a parameter, a compartment or a species of a parsed model another value at the start.

    Of a species it is what its id stands for: the amount with `hasOnlySubstanceUnits`, else the concentration.
    """
    item = model.getElementBySId(key)
    model.removeInitialAssignment(key)  # it would win over the value
    kind = item.getElementName()
    if kind == "parameter":
        item.setValue(value)
    elif kind == "compartment":
        item.setSize(value)
    elif item.getHasOnlySubstanceUnits() or model.getCompartment(item.getCompartment()).getSpatialDimensions() == 0:
        item.setInitialAmount(value)
    elif model.getLevel() == 1:  # there are concentrations in formulas and amounts in the list of species
        compartment = model.getCompartment(item.getCompartment())
        item.setInitialAmount(value * (compartment.getSize() if compartment.isSetSize() else 1.0))
    else:
        item.setInitialConcentration(value)


# ---- new elements --------------------------------------------------------------------------------------------------


def add_parameter(
    model: libsbml.Model, name: str, value: float | None = None, unit: str = "", *, constant: bool = True
) -> libsbml.Parameter:
    """A new parameter; without a value or a unit where none is given."""
    parameter = model.createParameter()
    parameter.setId(name)
    parameter.setConstant(constant)
    if value is not None:
        parameter.setValue(value)
    if unit:
        parameter.setUnits(unit)
    return parameter


def add_rule(model: libsbml.Model, variable: str, math: libsbml.ASTNode) -> libsbml.Rule:
    """A new assignment rule."""
    rule = model.createAssignmentRule()
    rule.setVariable(variable)
    rule.setMath(math)
    return rule


def add_initial(model: libsbml.Model, symbol: str, math: libsbml.ASTNode) -> None:
    """A new initial assignment."""
    assignment = model.createInitialAssignment()
    assignment.setSymbol(symbol)
    assignment.setMath(math)


def add_event(model: libsbml.Model, name: str, trigger: str, changes: Mapping[str, str]) -> libsbml.Event:
    """A new event that gives each target of `changes` its new value, all of them at once.

    A trigger that is true at time 0 makes none happen then, which is all that Level 2 knows.
    """
    event = model.createEvent()
    event.setId(name)
    event.setUseValuesFromTriggerTime(True)
    condition = event.createTrigger()
    condition.setPersistent(True)
    condition.setInitialValue(True)
    condition.setMath(tree(trigger))
    for target, formula in changes.items():
        add_assignment(event, target, formula)
    return event


def add_assignment(event: libsbml.Event, target: str, formula: str) -> None:
    """One more value that an event gives to what may be constant so far."""
    element = event.getModel().getElementBySId(target)
    if element is not None and element.isSetConstant():
        element.setConstant(False)
    assignment = event.createEventAssignment()
    assignment.setVariable(target)
    assignment.setMath(tree(formula))


# ---- ids and units -------------------------------------------------------------------------------------------------


def free_id(model: libsbml.Model, wanted: str) -> str:
    """`wanted`, or with a number behind it if that is taken."""
    name, number = wanted, 1
    while model.getElementBySId(name) is not None:
        number += 1
        name = f"{wanted}_{number}"
    return name


def elements(base: libsbml.SBase) -> list[libsbml.SBase]:
    """A model or a document, and all that is in it."""
    found = base.getListOfAllElements()
    return [base, *(found.get(i) for i in range(found.getSize()))]


def rename(model: libsbml.Model, ids: Mapping[str, str]) -> None:
    """Give elements other ids (old -> new), everywhere."""
    everything = elements(model)
    for old, new in ids.items():
        model.getElementBySId(old).setIdAttribute(new)
        for element in everything:
            element.renameSIdRefs(old, new)


def merge_units(model: libsbml.Model) -> None:
    """Keep one definition of each unit: after flattening there are those of every submodel."""
    first: dict[object, str] = {}
    same = {d.getId(): first.setdefault(unit_key(d), d.getId()) for d in model.getListOfUnitDefinitions()}
    for old, new in same.items():
        if old != new:
            for element in elements(model):
                element.renameUnitSIdRefs(old, new)
            model.removeUnitDefinition(old)
