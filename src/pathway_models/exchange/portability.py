"""What keeps a model from other people's tools or from being understood: constructs and annotation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .._sbml import sbml
from .._sbml.annotation import described, resources
from .._sbml.findings import Finding
from .._sbml.formulas import kind_of, maths, nodes, participants
from .._sbml.native import libsbml

Found: TypeAlias = "Iterable[libsbml.SBase]"
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Construct:
    """A construct of SBML that some tools do not take: how to find it, who does what with it, what to do instead.

    `dropped` says who runs a file as if it were not there, so that the numbers differ without a word.
    """

    what: str
    find: Callable[[libsbml.SBMLDocument], Found]
    tools: str
    cure: str
    runs_here: bool = True
    dropped: str = ""


# ---- finding -----------------------------------------------------------------------------------------------


def _events(test: Callable[[libsbml.Event], bool]) -> Callable[[libsbml.SBMLDocument], Found]:
    return lambda document: [e for e in document.getModel().getListOfEvents() if test(e)]


def _rules(test: Callable[[libsbml.Rule], bool]) -> Callable[[libsbml.SBMLDocument], Found]:
    return lambda document: [r for r in document.getModel().getListOfRules() if test(r)]


def _reactions(test: Callable[[libsbml.Reaction], bool]) -> Callable[[libsbml.SBMLDocument], Found]:
    return lambda document: [r for r in document.getModel().getListOfReactions() if test(r)]


def _formulas(function: str) -> Callable[[libsbml.SBMLDocument], Found]:
    return lambda document: [e for e, math in maths(document.getModel()) if _calls(math, function)]


def _calls(math: libsbml.ASTNode, function: str) -> bool:
    kind = getattr(libsbml, f"AST_FUNCTION_{function}")
    return any(kind_of(node) == kind for node in nodes(math))


def _piecewise_laws(document: libsbml.SBMLDocument) -> Found:
    laws = ((r, r.getKineticLaw()) for r in document.getModel().getListOfReactions())
    laws = ((r, law.getMath()) for r, law in laws if law is not None)
    return [r for r, math in laws if math is not None and _calls(math, "PIECEWISE")]


def _submodels(document: libsbml.SBMLDocument) -> Found:
    plugin = document.getModel().getPlugin("comp")
    return list(plugin.getListOfSubmodels()) if plugin is not None else []


def _package(name: str) -> Callable[[libsbml.SBMLDocument], Found]:
    return lambda document: [document.getModel()] if document.getPlugin(name) is not None else []


def _moving_stoichiometry(document: libsbml.SBMLDocument) -> Found:
    model = document.getModel()
    ruled = {r.getVariable() for r in model.getListOfRules() if not r.isAlgebraic()}

    def moves(side: libsbml.SpeciesReference) -> bool:
        return bool(side.isSetStoichiometryMath() or (side.isSetId() and side.getId() in ruled))

    return [r for r in model.getListOfReactions() if any(map(moves, participants(r)))]


def _conversion_factors(document: libsbml.SBMLDocument) -> Found:
    model = document.getModel()
    return [s for s in model.getListOfSpecies() if s.isSetConversionFactor() or model.isSetConversionFactor()]


def _moving_compartments(document: libsbml.SBMLDocument) -> Found:
    model = document.getModel()
    moved = {r.getVariable() for r in model.getListOfRules() if not r.isAlgebraic()}
    moved |= {a.getVariable() for e in model.getListOfEvents() for a in e.getListOfEventAssignments()}
    return [c for c in model.getListOfCompartments() if c.getId() in moved]


def _later_than_l3v1(document: libsbml.SBMLDocument) -> Found:
    return [document.getModel()] if (document.getLevel(), document.getVersion()) > (3, 1) else []


def _before_l3(document: libsbml.SBMLDocument) -> Found:
    return [document.getModel()] if document.getLevel() < 3 else []


def _no_dynamics(document: libsbml.SBMLDocument) -> Found:
    model = document.getModel()
    moving = model.getNumReactions() or any(r.isRate() for r in model.getListOfRules()) or _submodels(document)
    return [] if moving else [model]


# ---- the profile -------------------------------------------------------------------------------------------

# SimBiology: https://www.mathworks.com/help/simbio/gs/simbiology-and-sbml.html. Events: issue 116 of
# Computational-Biology-Aachen/MxlPy, issue 9 of AnabelSMRuggiero/sbmltoodepy. COPASI: python-copasi 4.48.311.
PROFILE = (
    Construct(
        what="submodels (package comp)",
        find=_submodels,
        tools="SimBiology ignores them, SBMLToolkit refuses them, libroadrunner 2.10 drops them without a word",
        cure="load and export the model again: that flattens it",
        dropped="SimBiology and libroadrunner 2.10 ignore submodels",
    ),
    Construct(
        what="algebraic rules",
        find=_rules(lambda r: bool(r.isAlgebraic())),
        tools="libroadrunner and COPASI refuse them",
        cure="solve for the variable and write an assignment rule",
        runs_here=False,
    ),
    Construct(
        what="delay() in a formula",
        find=_formulas("DELAY"),
        tools="libroadrunner, AMICI, SimBiology and SBMLToolkit refuse it",
        cure="replace it by a chain of first-order stages with the same mean delay",
        runs_here=False,
    ),
    Construct(
        what="fast reactions",
        find=_reactions(lambda r: bool(r.isSetFast() and r.getFast())),
        tools="libroadrunner, COPASI and SimBiology treat them as slow, AMICI refuses them",
        cure="set fast to false and a rate that is large beside the others, or write the equilibrium as a rule",
        runs_here=False,
    ),
    Construct(
        what="random distributions (package distrib)",
        find=_package("distrib"),
        tools="AMICI, SimBiology and SBMLToolkit ignore or refuse them",
        cure="draw the values outside of the model: parameters with ranges, as for a Sobol analysis",
    ),
    Construct(
        what="flux bounds (package fbc)",
        find=_package("fbc"),
        tools="ODE tools ignore them, SBMLToolkit refuses the file",
        cure="use a tool for flux balance analysis, or write kinetic laws and drop the package",
    ),
    Construct(
        what="events",
        find=_events(lambda e: True),
        tools="MxlPy 0.64 and sbmltoodepy run the model without them, and without a word",
        cure="in MxlPy change the values between runs; other tools take events",
        dropped="MxlPy 0.64 and sbmltoodepy drop all events",
    ),
    Construct(
        what="events with delay",
        find=_events(lambda e: bool(e.isSetDelay())),
        tools="AMICI and SBMLToolkit refuse them, SimBiology ignores the delay",
        cure="put the delay into the trigger (time >= t + delay)",
        dropped="SimBiology ignores the delay of events",
    ),
    Construct(
        what="events with priority",
        find=_events(lambda e: bool(e.isSetPriority())),
        tools="SimBiology ignores it, SBMLToolkit refuses it, Level 2 has none",
        cure="let events that fire together change different variables, so that their order does not matter",
        dropped="SimBiology ignores the priority of events",
    ),
    Construct(
        what="events that are not persistent",
        find=_events(lambda e: e.getTrigger() is not None and not e.getTrigger().getPersistent()),
        tools="SimBiology ignores it, Level 2 has none",
        cure="without delay nothing is lost by persistent=true",
        dropped="SimBiology takes every event as persistent",
    ),
    Construct(
        what="events that may fire at time 0 (initialValue false)",
        find=_events(lambda e: e.getTrigger() is not None and not e.getTrigger().getInitialValue()),
        tools="SimBiology does not fire them, Level 2 has none",
        cure="write what happens at time 0 into the initial values",
        dropped="SimBiology fires no event at time 0",
    ),
    Construct(
        what="events with several assignments",
        find=_events(lambda e: e.getNumEventAssignments() > 1),
        tools="SBMLToolkit refuses them",
        cure="write one event per assignment if none of them reads what another sets",
    ),
    Construct(
        what="piecewise in kinetic laws",
        find=_piecewise_laws,
        tools="SimBiology ignores the definition",
        cure="move the piecewise into an assignment rule that the law names, or use a smooth switch (Hill function)",
        dropped="SimBiology ignores piecewise in kinetic laws",
    ),
    Construct(
        what="rateOf() in a formula",
        find=_formulas("RATE_OF"),
        tools="SimBiology and SBMLToolkit do not know it, Level 2 and L3V1 have none",
        cure="write out the rate that it stands for",
    ),
    Construct(
        what="stoichiometry that changes in time",
        find=_moving_stoichiometry,
        tools="COPASI and SBMLToolkit do not follow it",
        cure="put the factor into the kinetic law",
        dropped="COPASI does not follow a stoichiometry that changes",
    ),
    Construct(
        what="compartments that change in time",
        find=_moving_compartments,
        tools="SBMLToolkit does not follow the concentrations, AMICI not at events",
        cure="keep volumes constant where their change does not matter",
    ),
    Construct(
        what="conversion factors",
        find=_conversion_factors,
        tools="COPASI 4.48 ignores them",
        cure="put the factor into the stoichiometries or the kinetic laws",
        dropped="COPASI 4.48 ignores conversion factors",
    ),
    Construct(
        what="constraints",
        find=lambda document: list(document.getModel().getListOfConstraints()),
        tools="SBMLToolkit refuses them, the others ignore them",
        cure="drop them; say the limits in the notes",
    ),
    Construct(
        what="factorial() in a formula",
        find=_formulas("FACTORIAL"),
        tools="SBMLToolkit refuses it",
        cure="write the number",
    ),
    Construct(
        what="nothing that moves (no reactions, no rate rules)",
        find=_no_dynamics,
        tools="SBMLToolkit and AMICI have nothing to integrate",
        cure="couple it to a model with states, or add `clock` with rate 1",
    ),
    Construct(
        what="Level 3 Version 2",
        find=_later_than_l3v1,
        tools="SimBiology reads Level 3 Version 1",
        cure="export with format sbml-l3v1",
    ),
    Construct(
        what="Level 2",
        find=_before_l3,
        tools="units of numbers cannot be said, so that their check is incomplete",
        cure="load and convert it to Level 3",
    ),
)


def portability_remarks(text: str) -> Iterator[Finding]:
    """One remark per construct that some tool does not take; a warning where this library cannot run it either."""
    document = sbml.read(text)
    for construct in PROFILE:
        found = list(construct.find(document))
        if found:
            yield Finding(
                severity="note" if construct.runs_here else "warning",
                line=found[0].getLine(),
                message=f"{construct.what}{_named(found)}: {construct.tools}",
                cure=construct.cure,
            )


def losses(text: str) -> list[str]:
    """What other tools are known to run this text without, one sentence each: tool and construct."""
    document = sbml.read(text)
    return [c.dropped for c in PROFILE if c.dropped and list(c.find(document))]


def _named(found: list[libsbml.SBase]) -> str:
    if found[0].getTypeCode() == libsbml.SBML_MODEL:
        return ""
    names = [e.getIdAttribute() or e.getName() or _variable(e) for e in found]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    shown = ", ".join(filter(None, names[:SHOWN]))
    return f" ({shown}{more})" if shown else f" ({len(found)})"


def _variable(element: libsbml.SBase) -> str:
    return str(element.getVariable()) if hasattr(element, "getVariable") else ""


# ---- annotation --------------------------------------------------------------------------------------------


def annotation_remarks(text: str) -> Iterator[Finding]:
    """One remark per kind of element of which some carry no resource that says what they are."""
    document = sbml.read(text)
    for kind, items in described(document.getModel()).items():
        bare = [item for item in items if not resources(item)]
        if bare:
            yield Finding(
                severity="note",
                line=bare[0].getLine(),
                message=f"{len(bare)} of {len(items)} {kind} have no annotation{_named(bare)}",
                cure="say what each stands for with a resource (bqbiol:is or isVersionOf, https://identifiers.org/...)",
            )
