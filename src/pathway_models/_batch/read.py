"""Flat SBML to expressions: rates of all states, values at the start, and everything that can be looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._formulas.tape import constants
from .._sbml import sbml
from .._sbml.formulas import kind_of, nodes, participants
from .._sbml.native import libsbml
from ..errors import ModelError
from .operations import operations
from .symbolic import COMPARISONS, Graph

TIME = "<time>"  # no id: name of the state that counts time, where a model uses it


class Unsupported(ModelError):
    """The model has a construct that this engine does not run; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A model as expressions. States are amounts (species) or values (parameters with a rate rule)."""

    graph: Graph
    parameters: Mapping[str, float]  # constants, inputs, compartments, constant species; with the published value
    states: tuple[str, ...]
    layout: tuple[str, ...]  # the order of state vectors of libroadrunner; may hold species that a rule computes
    volumes: Mapping[str, str]  # state -> compartment, for species that are counted as concentrations
    rates: tuple[int, ...]
    variables: Mapping[str, int]  # what can be looked at: concentrations, assigned variables, reaction rates, ...


def read(text: str) -> Reading:
    """Read a flat text; raises `Unsupported` with the reason if this engine cannot run the model."""
    document = sbml.read(text)
    model = document.getModel()
    if model is None or document.getNumErrors(libsbml.LIBSBML_SEV_ERROR):
        raise Unsupported("the text is no readable SBML")
    _refuse(document, model)
    for option in ("expandFunctionDefinitions", "promoteLocalParameters"):
        if not sbml.convert(document, option):
            raise Unsupported(f"libSBML's {option} failed")
    return _Reader(document.getModel()).reading()


def _refuse(document: Any, model: Any) -> None:
    for i in range(document.getNumPlugins() if document.getLevel() > 2 else 0):  # Level 2 has layouts at most
        package = document.getPlugin(i).getPackageName()
        if document.getPackageRequired(package) and package != "l3v2extendedmath":
            raise Unsupported(f"the document needs the SBML package {package!r}")
    if model.getNumEvents():
        raise Unsupported(f"event {model.getEvent(0).getId()!r}: events are not supported")
    if any(r.isAlgebraic() for r in model.getListOfRules()):
        raise Unsupported("algebraic rules are not supported")
    if model.isSetConversionFactor() or any(s.isSetConversionFactor() for s in model.getListOfSpecies()):
        raise Unsupported("conversion factors are not supported")
    for reaction in model.getListOfReactions():
        if reaction.isSetFast() and reaction.getFast():
            raise Unsupported(f"reaction {reaction.getId()!r} is fast; fast reactions are not supported")


class _Reader:
    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, Graph()
        self.rules = {r.getVariable(): r for r in model.getListOfRules()}
        self.initial = {a.getSymbol() for a in model.getListOfInitialAssignments()}
        self.species = {s.getId(): s for s in model.getListOfSpecies()}
        self.sizes = {c.getId(): c.getSize() if c.isSetSize() else 1.0 for c in model.getListOfCompartments()}
        for key in self.sizes:
            if key in self.rules:
                raise Unsupported(f"compartment {key!r} varies; variable compartments are not supported")
        self.reactions = {r.getId(): r for r in model.getListOfReactions()}
        self.references = {x.getId(): x for r in self.reactions.values() for x in participants(r) if x.getId()}
        self.states = self._states()
        self.index: dict[str, int] = {}
        self.parameters = self._parameters()
        self._known: dict[str, int] = {}

    # ---- what there is -------------------------------------------------------------------------------------

    def _rated(self, key: str) -> bool:
        return key in self.rules and self.rules[key].isRate()

    def _fixed(self, key: str) -> bool:
        """A species that neither rules nor reactions change."""
        s = self.species[key]
        return key not in self.rules and (s.getConstant() or s.getBoundaryCondition())

    def _states(self) -> list[str]:
        plain = [k for k in self.species if k not in self.rules and not self._fixed(k)]
        ruled = [r.getVariable() for r in self.model.getListOfRules() if r.isRate()]
        return [*plain, *ruled]

    def layout(self) -> tuple[str, ...]:
        floating = [k for k, s in self.species.items() if not s.getBoundaryCondition()]
        free = [k for k in floating if k not in self.rules]
        ruled = [k for k in floating if k in self.rules]
        return (*free, *ruled, *(k for k in self.states if k not in floating and k != TIME))

    def _parameters(self) -> dict[str, float]:
        found = {p.getId(): p.getValue() for p in self.model.getListOfParameters() if p.getId() not in self.rules}
        found |= self.sizes | dict.fromkeys((k for k in self.species if self._fixed(k)), math.nan)
        self.index = {k: i for i, k in enumerate(found)}
        return found

    # ---- values of names -----------------------------------------------------------------------------------

    def lookup(self, name: str) -> int:
        """The value of a name while the model runs.

        What it follows from is computed first: a chain of rules may be longer than Python's calls may be deep. On
        demand, not in the order of `in_order`: the order numbers the graph, and the numbers order its sums.
        """
        path = [] if name in self._known else [(name, iter(self._reads(name)))]
        below = {name}
        while path:
            here, rest = path[-1]
            following = next((k for k in rest if k not in self._known), None)
            if following is None:
                self._known[here] = self._running(here)
                below.discard(here)
                path.pop()
            elif following in below:
                raise Unsupported(f"rules form a loop through {following!r}")
            else:
                below.add(following)
                path.append((following, iter(self._reads(following))))
        return self._known[name]

    def _reads(self, name: str) -> list[str]:
        """The names that `_running` will look up for a name."""
        law = self.reactions[name].getKineticLaw() if name in self.reactions else None
        formula = None if law is None else law.getMath()
        if name in self.rules and not self._rated(name):
            formula = self.rules[name].getMath()
        return [] if formula is None else [n.getName() for n in nodes(formula) if kind_of(n) == libsbml.AST_NAME]

    def _running(self, name: str) -> int:
        g = self.graph
        if name in self.rules and not self._rated(name):
            return self.math(self.rules[name].getMath())
        if name in self.states:
            amount = g.state(self.states.index(name))
            volume = self._volume(name)
            return amount if volume is None else g.div(amount, g.param(self.index[volume]))
        if name in self.index:
            return g.param(self.index[name])
        return self._other(name)

    def _other(self, name: str) -> int:
        if name in self.reactions:
            law = self.reactions[name].getKineticLaw()
            if law is None or law.getMath() is None:
                raise Unsupported(f"reaction {name!r} has no kinetic law")
            return self.math(law.getMath())
        if name in self.references:
            return self.graph.const(self._stoichiometry(self.references[name]))
        if name == TIME:
            return self.graph.state(self.states.index(TIME))
        raise Unsupported(f"{name!r} has no value that this engine can compute")

    def _volume(self, name: str) -> str | None:
        s = self.species.get(name)
        return None if s is None or s.getHasOnlySubstanceUnits() else str(s.getCompartment())

    def _stoichiometry(self, reference: Any) -> float:
        name = reference.getId()
        varies = name and (name in self.rules or name in self.initial)
        math_set = hasattr(reference, "isSetStoichiometryMath") and reference.isSetStoichiometryMath()
        value = float(reference.getStoichiometry())
        if varies or math_set or value != value:
            raise Unsupported(f"the stoichiometry of {reference.getSpecies()!r} is computed")
        return value

    # ---- the system ----------------------------------------------------------------------------------------

    def reading(self) -> Reading:
        if _uses_time(self.model):
            self.states.append(TIME)
        g = self.graph
        rates = dict.fromkeys(self.states, g.zero)
        for key, reaction in self.reactions.items():
            for sign, side in ((-1.0, reaction.getListOfReactants()), (1.0, reaction.getListOfProducts())):
                for x in side:
                    s = x.getSpecies()
                    if s in rates and not self._rated(s):
                        flux = g.mul(g.const(sign * self._stoichiometry(x)), self.lookup(key))
                        rates[s] = g.add(rates[s], flux)
        for key in self.states:
            if self._rated(key):
                rates[key] = self._amount(key, self.math(self.rules[key].getMath()))
        if TIME in rates and TIME not in self.rules:
            rates[TIME] = g.one
        self._refuse_switches(tuple(rates.values()))
        names = (*self.species, *self.rules, *self.reactions)
        return Reading(
            graph=g,
            parameters=self.parameters,
            states=tuple(self.states),
            layout=self.layout(),
            volumes={k: v for k in self.states if (v := self._volume(k)) is not None},
            rates=tuple(rates.values()),
            variables={k: self.lookup(k) for k in dict.fromkeys(names) if k not in self.index},
        )

    def _refuse_switches(self, rates: Sequence[int]) -> None:
        """No conditions on time: where everything rests, a step is long enough to jump over a pulse unseen."""
        g = self.graph
        timed = {g.state(i) for i, rate in enumerate(rates) if rate != g.zero and g.rank[rate] < 2}  # clocks
        for node in g.needed(rates, stop_below=2):
            if timed.intersection(g.args[node]):
                timed.add(node)
                if g.op[node] in (*COMPARISONS, "floor", "ceil"):
                    raise Unsupported("a rate switches at a time; conditions on time are not supported")

    def _amount(self, key: str, value: int) -> int:
        volume = self._volume(key)
        return value if volume is None else self.graph.mul(value, self.lookup(volume))

    # ---- formulas ------------------------------------------------------------------------------------------

    def math(self, formula: Any) -> int:
        """An expression from a libSBML formula."""
        if formula is None:
            raise Unsupported("the formula of a rule is missing")
        values: list[int] = []
        for node in nodes(formula):
            first = len(values) - node.getNumChildren()
            values[first:] = [self._value(node, values[first:])]
        return values[0]

    def _value(self, node: Any, arguments: Sequence[int]) -> int:
        g, kind = self.graph, kind_of(node)
        if node.isNumber():
            return g.const(node.getValue())
        if kind in constants():
            return g.const(constants()[kind])
        if kind == libsbml.AST_NAME:
            return self.lookup(node.getName())
        if kind == libsbml.AST_NAME_TIME:
            return self.lookup(TIME)
        operation = operations().get(kind)
        if operation is None:
            raise Unsupported(f"the function {node.getName() or kind!r} is not supported")
        return operation(g, arguments)


def _uses_time(model: Any) -> bool:
    maths = [r.getMath() for r in model.getListOfRules()]
    maths += [r.getKineticLaw().getMath() for r in model.getListOfReactions() if r.getKineticLaw()]
    return any(kind_of(n) == libsbml.AST_NAME_TIME for m in maths if m is not None for n in nodes(m))
