"""Low-level reading, checking and rewriting of SBML text through libSBML; no knowledge of our own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from xml.parsers import expat

from .._types import Frozen
from ..errors import ModelError
from .native import libsbml

# (multiplier to SI, ((base unit, exponent), ...)) -> the text that a modeller writes
_UNIT_TEXT = {
    (1.0, ()): "dimensionless",
    (3600.0, (("second", 1),)): "h",
    (1 / 3600.0, (("second", -1),)): "1/h",
    (1e-3, (("mole", 1),)): "mmol",
    (1e-6, (("mole", 1),)): "umol",
    (1.0, (("mole", 1), ("metre", -3))): "mmol/L",
    (1e-3, (("mole", 1), ("metre", -3))): "umol/L",
    (1e-6, (("mole", 1), ("metre", -3))): "nmol/L",
    (1 / 3600.0, (("mole", 1), ("metre", -3), ("second", -1))): "mmol/L/h",
    (1e-3 / 3600.0, (("mole", 1), ("metre", -3), ("second", -1))): "umol/L/h",
    (1e-3 / 3600.0, (("mole", 1), ("second", -1))): "mmol/h",
    (1 / 3600.0, (("metre", 3), ("mole", -1), ("second", -1))): "L/mmol/h",
    (1.0, (("metre", 3), ("mole", -1))): "L/mmol",
    (1e-3, (("metre", 3),)): "L",
    (1.0, (("kilogram", -1), ("mole", 1))): "mol/kg",
    (1e-3, (("kilogram", -1), ("mole", 1))): "mmol/kg",
    (1e-3 / 3600.0, (("kilogram", -1), ("mole", 1), ("second", -1))): "mmol/kg/h",
    (1e-3, (("kilogram", -1), ("metre", 3))): "L/kg",
    (1e-3 / 86400.0, (("kilogram", 1), ("second", -1))): "g/d",
    (1e-2, (("kilogram", 1), ("metre", -3))): "mg/dL",
    (1e-2, (("kilogram", 1), ("mole", -1))): "mg/dL per mmol/L",
}
MAX_ELEMENTS = 20_000
MAX_DEPTH = 1_000
MAX_CHAIN = 60
_COUNTED = frozenset(
    {
        *("species", "parameter", "localParameter", "compartment", "reaction", "event", "unitDefinition", "submodel"),
        *("functionDefinition", "initialAssignment", "assignmentRule", "rateRule", "algebraicRule"),
    }
)
_ORDER = {"mole": 0, "metre": 1, "kilogram": -1, "second": 9}


_FIRST_OF_SBML = 10_000  # libSBML's errors below are of XML


class InvalidSBMLError(ModelError):
    """What libSBML says against a text: its first complaint, how many there are, whether it could read on at all."""

    complaint: str = ""
    count: tuple[bool, int] = (True, 1)  # (while reading, number): complaints while reading hide those of the check
    fatal: bool = True


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One species, parameter or compartment of a model: value, unit text and role."""

    id: str
    kind: str  # species, parameter, compartment
    value: float
    unit: str
    constant: bool
    ruled: str  # "", "assignment" or "rate"
    amount: bool  # a species that is counted in amounts, not concentrations
    boundary: bool = False  # a species that reactions do not change


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a model text holds: quantities, ids of reactions, what events do, its unit of time in seconds."""

    quantities: Mapping[str, Quantity]
    reactions: frozenset[str]
    set_by_events: frozenset[str]
    initially_assigned: frozenset[str]
    conversion_factors: frozenset[str]
    time_unit_seconds: float | None


@lru_cache(maxsize=64)
def content(text: str, name: str) -> Content:
    """Read the text of a model once per process; the many variants of one model share it, and it is checked before."""
    document = libsbml.readSBMLFromString(text)
    events = document.getModel().getListOfEvents()
    return Content(
        conversion_factors=_conversion_factors(document.getModel()),
        initially_assigned=frozenset(a.getSymbol() for a in document.getModel().getListOfInitialAssignments()),
        set_by_events=frozenset(a.getVariable() for e in events for a in e.getListOfEventAssignments()),
        quantities=Frozen(quantities(document, name=name)),
        reactions=frozenset(r.getId() for r in document.getModel().getListOfReactions()),
        time_unit_seconds=time_unit_seconds(document),
    )


def _conversion_factors(model: libsbml.Model) -> frozenset[str]:
    return frozenset(x.getConversionFactor() for x in (model, *model.getListOfSpecies()) if x.isSetConversionFactor())


def screen(text: str, name: str) -> None:
    """Refuse what would hang or crash libSBML: entities, deep nesting, very many elements.

    Raises `ModelError`. What is merely no XML passes: libSBML says where it breaks.
    """
    parser = expat.ParserCreate()
    depth = counted = 0

    def refuse(reason: str) -> None:
        raise ModelError(f"{name} is refused (line {parser.CurrentLineNumber}): {reason}")

    def doctype(*_: object) -> None:
        refuse("it has a DOCTYPE; SBML needs none, and its entities can expand without end")

    def start(tag: str, _: object) -> None:
        nonlocal depth, counted
        depth += 1
        counted += tag.rpartition(":")[2] in _COUNTED
        if depth > MAX_DEPTH:
            refuse(f"elements are nested deeper than {MAX_DEPTH:,}")
        if counted > MAX_ELEMENTS:
            refuse(f"it has more than {MAX_ELEMENTS:,} species, parameters, reactions and rules")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(text, True)
    except expat.ExpatError:
        return


def parse(text: str, *, name: str = "the model") -> libsbml.SBMLDocument:
    """Parse and check SBML; raise `ModelError` if it has a circle of rules, `InvalidSBMLError` if it has errors.

    Unit warnings do not count here; `findings` lists those too.
    """
    screen(text, name)
    document = libsbml.readSBMLFromString(text)
    _raise_first_error(document, name, reading=True)
    if document.getModel() is None:
        raise ModelError(f"{name} holds no SBML model")
    circle, _ = rule_order(document.getModel())
    if circle:
        raise ModelError(f"{name} is not valid SBML: its rules are circular: {_shortened(circle)}")
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    _check_consistency(document)
    _raise_first_error(document, name, reading=False)
    return document


def _shortened(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= 12 else (*names[:10], f"... {len(names) - 11} more ...", names[-1])
    return " <- ".join(shown)


def _check_consistency(document: libsbml.SBMLDocument) -> None:
    """libSBML's check, but for its search for circles where that takes minutes (`rule_order` has made it)."""
    circle, longest = rule_order(document.getModel())
    if circle or longest > MAX_CHAIN:
        document.setConsistencyChecks(libsbml.LIBSBML_CAT_GENERAL_CONSISTENCY, False)
    document.checkConsistency()


def rule_order(model: libsbml.Model) -> tuple[tuple[str, ...], int]:
    """(the first circle of rules, initial assignments and kinetic laws; the length of the longest chain of them)."""
    return chains(_reads(model))


def chains(reads: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], int]:
    """(the first circle, the length of the longest chain) of what is computed from what."""
    length: dict[str, int] = {}  # 0 while the walk is below this id
    for first in reads:
        path = [] if first in length else [(first, iter(reads[first]))]
        if path:
            length[first] = 0
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                length[node] = 1 + max((length.get(k, 0) for k in reads[node]), default=0)
                path.pop()
            elif length.get(following) == 0:
                names = [n for n, _ in path]
                return (*names[names.index(following) :], following), 0
            elif following in reads and following not in length:
                length[following] = 0
                path.append((following, iter(reads[following])))
    return (), max(length.values(), default=0)


def _reads(model: libsbml.Model) -> dict[str, list[str]]:
    """What the value of each id follows from at once, through assignments (states break a circle)."""
    formulas = [(r.getVariable(), r.getMath()) for r in model.getListOfRules() if r.isAssignment()]
    formulas += [(a.getSymbol(), a.getMath()) for a in model.getListOfInitialAssignments()]
    reads = {name: sorted(names_in(math)) for name, math in formulas}
    laws = ((r.getId(), r.getKineticLaw()) for r in model.getListOfReactions())
    own = {
        name: ({p.getId() for p in law.getListOfParameters()}, law.getMath()) for name, law in laws if law is not None
    }
    return reads | {name: sorted(names_in(math) - local) for name, (local, math) in own.items()}


def names_in(math: libsbml.ASTNode | None) -> set[str]:
    """The ids that a formula names; time, the rate of another and Avogadro's number are none."""
    # not getType(): it gives no number any more once libsedml or libcombine is imported
    named = (n for n in nodes(math) if n.isName() and not n.getDefinitionURLString()) if math is not None else ()
    return {node.getName() for node in named}


def nodes(math: libsbml.ASTNode) -> list[libsbml.ASTNode]:
    """All nodes of a formula, arguments before what uses them, from left to right, however deep it is nested."""
    found, waiting = [], [math]
    while waiting:
        found.append(waiting.pop())
        waiting += [found[-1].getChild(i) for i in range(found[-1].getNumChildren())]
    return found[::-1]


def _raise_first_error(document: libsbml.SBMLDocument, name: str, *, reading: bool) -> None:
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
    if errors:
        line, complaint = errors[0].getLine(), said(errors[0])[:400]
        worst = max(e.getSeverity() for e in errors) >= libsbml.LIBSBML_SEV_FATAL
        invalid = InvalidSBMLError(f"{name} is not valid SBML (line {line}): {complaint}")
        invalid.complaint = f"line {line}: {complaint}"
        invalid.count = (reading, len(errors))
        invalid.fatal = worst or document.getModel() is None or any(e.getErrorId() < _FIRST_OF_SBML for e in errors)
        raise invalid


def said(error: libsbml.SBMLError) -> str:
    """What libSBML says in this case and the section it refers to; its general rule where it says no more."""
    rule, mark, rest = error.getMessage().partition("Reference: ")
    section, _, case = rest.partition("\n")
    if not case.strip():
        return " ".join(error.getMessage().split())
    return f"{' '.join(case.split()).rstrip('.')} ({section.strip()})" if mark else " ".join(rule.split())


def first_error(document: libsbml.SBMLDocument) -> str:
    """The first complaint of a document's log, on one line and without its full stop."""
    errors = (document.getError(i) for i in range(document.getNumErrors()))
    worst = (e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR)
    return next((said(e).rstrip(".")[:400] for e in worst), "libSBML gives no reason")


def findings(text: str) -> list[tuple[str, int, str]]:
    """Everything libSBML says of the text, units included: (severity, line, message) each.

    Raises `ModelError` for a text that `screen` refuses.
    """
    screen(text, "the file")
    document = libsbml.readSBMLFromString(text)
    circle: tuple[str, ...] = ()
    if not document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) and document.getModel() is not None:
        circle, _ = rule_order(document.getModel())
        _check_consistency(document)
    errors = (document.getError(i) for i in range(document.getNumErrors()))
    found = [(e.getSeverityAsString().lower(), e.getLine(), " ".join(e.getMessage().split())) for e in errors]
    return [*found, ("error", 0, f"the rules are circular: {_shortened(circle)}")] if circle else found


def is_hierarchical(document: libsbml.SBMLDocument) -> bool:
    """Whether the document has submodels (SBML comp)."""
    plugin = document.getModel().getPlugin("comp")
    return plugin is not None and plugin.getNumSubmodels() > 0


def quantities(document: libsbml.SBMLDocument, *, name: str) -> dict[str, Quantity]:
    """Species, parameters and compartments by id; `ModelError` where the value of a parameter is missing."""
    model = document.getModel()
    ruled = {r.getVariable(): "assignment" for r in model.getListOfRules() if r.isAssignment()}
    ruled |= {r.getVariable(): "rate" for r in model.getListOfRules() if r.isRate()}
    initial = {a.getSymbol() for a in model.getListOfInitialAssignments()}
    cure = "give it a value, a rule or an initial assignment"
    if any(r.isAlgebraic() for r in model.getListOfRules()):
        cure = "algebraic rules are not solved by libroadrunner: write assignment rules, or give values"
    found: dict[str, Quantity] = {}
    for kind, items in (
        ("species", model.getListOfSpecies()),
        ("parameter", model.getListOfParameters()),
        ("compartment", model.getListOfCompartments()),
    ):
        for item in items:
            q = _quantity(item, kind, ruled.get(item.getId(), ""))
            missing = kind == "parameter" and not item.isSetValue()
            if missing and q.ruled != "assignment" and q.id not in initial:
                raise ModelError(f"{name}: {kind} {q.id!r} has no value; {cure}")
            found[q.id] = q
    return found


def _quantity(item: libsbml.SBase, kind: str, ruled: str) -> Quantity:
    amount = False
    if kind == "species":
        amount = item.getHasOnlySubstanceUnits()
        by_amount = item.isSetInitialAmount()
        value = item.getInitialAmount() if by_amount else item.getInitialConcentration()
        if not by_amount and not item.isSetInitialConcentration():
            value = float("nan")
    elif kind == "parameter":
        value = item.getValue() if item.isSetValue() else float("nan")
    else:
        value = item.getSize() if item.isSetSize() else float("nan")
    return Quantity(
        id=item.getId(),
        kind=kind,
        value=value,
        unit=unit_text(item.getDerivedUnitDefinition()),
        constant=item.getConstant() and not ruled,
        ruled=ruled,
        amount=amount,
        boundary=kind == "species" and (item.getBoundaryCondition() or item.getConstant()),
    )


def unit_text(definition: libsbml.UnitDefinition | None) -> str:
    """A unit as a modeller writes it ('mmol/L'), libSBML's own text for unusual ones, '' if unknown."""
    key = unit_key(definition)
    if key is None:
        return ""
    multiplier, dimensions = key
    for (known, dims), text in _UNIT_TEXT.items():
        if set(dims) == set(dimensions) and abs(multiplier / known - 1) < 1e-9:
            return text
    return str(libsbml.UnitDefinition.printUnits(definition, True))


def unit_key(definition: libsbml.UnitDefinition | None) -> tuple[float, tuple[tuple[str, int], ...]] | None:
    """(multiplier to SI, sorted dimensions) of a unit; None where it is not declared."""
    if definition is None or definition.getNumUnits() == 0:
        return None
    si = libsbml.UnitDefinition.convertToSI(definition)
    multiplier, exponents = 1.0, dict[str, int]()
    for unit in si.getListOfUnits():
        kind, exponent = libsbml.UnitKind_toString(unit.getKind()), unit.getExponent()
        multiplier *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
        if kind not in ("dimensionless", "item", "avogadro"):
            exponents[kind] = exponents.get(kind, 0) + exponent
    dims = sorted(((k, e) for k, e in exponents.items() if e), key=lambda p: _ORDER.get(p[0], 5))
    return multiplier, tuple(dims)


def time_unit_seconds(document: libsbml.SBMLDocument) -> float | None:
    """Length of the model's unit of time in seconds; None where the file does not say."""
    model = document.getModel()
    if document.getLevel() < 3 and model.getUnitDefinition("time") is None:
        return 1.0  # level 2 defines the second as default
    name = "time" if document.getLevel() < 3 else model.getTimeUnits()
    if name == "second":
        return 1.0
    key = unit_key(model.getUnitDefinition(name)) if name else None
    return key[0] if key and key[1] == (("second", 1),) else None


def with_values(text: str, values: Mapping[str, float]) -> str:
    """The same SBML with other values of parameters, compartments or initial states."""
    if not values:
        return text
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    for key in sorted(values, key=lambda k: model.getCompartment(k) is None):  # sizes first, for Level 1
        set_value(model, key, values[key])
    return str(libsbml.writeSBMLToString(document))


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


def is_power(node: libsbml.ASTNode) -> bool:
    """Whether a node is a power, in either of libSBML's forms.

    Not by getType(): it gives no number any more once libsedml or libcombine is imported.
    """
    return bool(node.getNumChildren() > 0 and (node.getCharacter() == "^" or node.getName() == "power"))
