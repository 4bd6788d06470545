"""SBML text and its document: one reader, one writer, one check; and what a model holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from xml.parsers import expat

from .._types import Frozen
from ..errors import ModelError
from .findings import Finding, cure, findings_of, first_error, raise_first_error
from .formulas import in_order, longest_chain, reads_at_start, shown_circle
from .native import libsbml
from .units import time_unit_seconds, unit_text

MAX_ELEMENTS = 20_000
MAX_DEPTH = 1_000
MAX_CHAIN = 60
_COUNTED = frozenset(
    {
        *("species", "parameter", "localParameter", "compartment", "reaction", "event", "unitDefinition", "submodel"),
        *("functionDefinition", "initialAssignment", "assignmentRule", "rateRule", "algebraicRule"),
    }
)


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


def read(text: str) -> libsbml.SBMLDocument:
    """The document of a text that was checked before; keep it for as long as anything of it is used.

    libSBML frees a model with its document.
    """
    return libsbml.readSBMLFromString(text)


def write(document: libsbml.SBMLDocument) -> str:
    """A document as SBML text."""
    return str(libsbml.writeSBMLToString(document))


def parse(text: str, *, name: str = "the model") -> libsbml.SBMLDocument:
    """Parse and check SBML; raise `ModelError` if it has a circle of rules, `InvalidSBMLError` if it has errors.

    Unit warnings do not count here; `findings` lists those too.
    """
    screen(text, name)
    parsed = read(text)
    raise_first_error(parsed, name, reading=True)
    if parsed.getModel() is None:
        raise ModelError(f"{name} holds no SBML model")
    if circle := _checked_order(parsed):
        raise ModelError(f"{name} is not valid SBML: its rules are circular: {shown_circle(circle)}")
    parsed.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    parsed.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
    parsed.checkConsistency()
    raise_first_error(parsed, name, reading=False)
    return parsed


def findings(text: str) -> list[Finding]:
    """Everything libSBML says of the text, units included; raises `ModelError` for a text that `screen` refuses."""
    screen(text, "the file")
    parsed = read(text)
    circle: tuple[str, ...] = ()
    if not parsed.getNumErrors(libsbml.LIBSBML_SEV_ERROR) and parsed.getModel() is not None:
        circle = _checked_order(parsed)
        parsed.checkConsistency()
    found = findings_of(parsed)
    if circle:
        message = f"the rules are circular: {shown_circle(circle)}"
        found.append(Finding(severity="error", line=0, message=message, cure=cure(message)))
    return found


def _checked_order(document: libsbml.SBMLDocument) -> tuple[str, ...]:
    """The first circle of rules; where libSBML's own search for circles would take minutes, it is switched off."""
    reads = reads_at_start(document.getModel())
    order, circle = in_order(reads)
    if circle or longest_chain(reads, order) > MAX_CHAIN:
        document.setConsistencyChecks(libsbml.LIBSBML_CAT_GENERAL_CONSISTENCY, False)
    return circle


# ---- documents as wholes -------------------------------------------------------------------------------------------


def convert(document: libsbml.SBMLDocument, option: str, **more: bool) -> bool:
    """Let libSBML convert a document where it stands ('flatten comp', 'promoteLocalParameters'); whether it could."""
    properties = libsbml.ConversionProperties()
    properties.addOption(option, True)
    for name, value in more.items():
        properties.addOption(name, value)
    return bool(document.convert(properties) == libsbml.LIBSBML_OPERATION_SUCCESS)


def flatten(document: libsbml.SBMLDocument, *, name: str) -> None:
    """Put the submodels of a document (SBML comp) into its model; `ModelError` if libSBML refuses."""
    if not convert(document, "flatten comp", performValidation=False, leavePorts=False):
        raise ModelError(f"{name}: libSBML could not flatten the model: {first_error(document)}")


def is_hierarchical(document: libsbml.SBMLDocument) -> bool:
    """Whether the document has submodels (SBML comp)."""
    plugin = document.getModel().getPlugin("comp")
    return plugin is not None and plugin.getNumSubmodels() > 0


# ---- what a model holds ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One species, parameter or compartment of a model: value, unit text and role.

    Attributes:
        id: as in the SBML.
        kind: 'species', 'parameter' or 'compartment'.
        value: at the start, in `unit`; NaN where the file gives none.
        unit: as text.
        constant: whether it never changes.
        ruled: kind of its rule: 'assignment', 'rate', or empty.
        amount: whether a species is counted in amounts, not concentrations.
        boundary: whether a species is not changed by reactions.

    Example:
        >>> import pathway_models as pm
        >>> pm.load("nlrp3_il1b").quantities["IL1B"].kind
        'species'
    """

    id: str
    kind: str
    value: float
    unit: str
    constant: bool
    ruled: str
    amount: bool
    boundary: bool = False


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
    parsed = read(text)
    model = parsed.getModel()
    events = model.getListOfEvents()
    return Content(
        conversion_factors=_conversion_factors(model),
        initially_assigned=frozenset(a.getSymbol() for a in model.getListOfInitialAssignments()),
        set_by_events=frozenset(a.getVariable() for e in events for a in e.getListOfEventAssignments()),
        quantities=Frozen(quantities(parsed, name=name)),
        reactions=frozenset(r.getId() for r in model.getListOfReactions()),
        time_unit_seconds=time_unit_seconds(parsed),
    )


def _conversion_factors(model: libsbml.Model) -> frozenset[str]:
    return frozenset(x.getConversionFactor() for x in (model, *model.getListOfSpecies()) if x.isSetConversionFactor())


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
