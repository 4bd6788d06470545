"""The values of everything in a flat SBML text at time 0, given other values for some of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .._sbml.sbml import read
from .._types import Array, Frozen
from ..errors import InvalidValueError, ModelError, unknown_name
from .tape import Formulas, Recipe, Tape, Value, built, ids_in, rate_name

SPECIES, PARAMETER, COMPARTMENT, STOICHIOMETRY = "species", "parameter", "compartment", "stoichiometry"


@lru_cache(maxsize=64)
def start_values(sbml: str) -> Start:
    """The values at time 0 of a flat SBML text; raises `ModelError` for what cannot be computed.

    >>> import pathway_models as pm
    >>> start_values(pm.load("gaba_gad67").sbml).settable["GLU_e"]
    'species'
    """
    document = read(sbml)
    if document.getModel() is None:
        raise ModelError("the text holds no SBML model")
    return Start(document.getModel())


class Start:
    """What each id of a model is worth at time 0.

    A value that is given stands in place of the value or the initial assignment in the file. So a compartment of
    another size keeps the concentration of a species that the file gives as `initialConcentration`, and the amount of
    one with `initialAmount`. The value of a species is what its id means in formulas: the amount where the file says
    `hasOnlySubstanceUnits` or the compartment has no dimensions, else the concentration.
    """

    def __init__(self, model: Any) -> None:
        self._tape = Tape()
        reader = _Reader(model, self._tape)
        recipes = reader.recipes()
        nodes = {k: n for k, n in built(recipes).items() if k in reader.kinds}
        self.ids = frozenset(nodes)
        self.settable: Mapping[str, str] = Frozen(
            {k: kind for k, kind in reader.kinds.items() if k not in reader.assigned}
        )
        self._nodes = nodes
        self.volumes = {k: c for k, c in reader.compartments.items() if k not in reader.amounts}
        self._species = tuple(reader.compartments)
        self._readers: list[list[int]] = [[] for _ in self._tape.op]
        for node, args in enumerate(self._tape.args):
            for k in args:
                self._readers[k].append(node)
        self._nominal = self._computed()
        self._ids_of: dict[int, list[str]] = {}
        for key, node in nodes.items():
            self._ids_of.setdefault(node, []).append(key)
        self._values = {k: float(self._nominal[n]) for k, n in nodes.items()}
        self._order = lru_cache(maxsize=256)(self._dependents)
        self.effect = lru_cache(maxsize=64)(self._effect)

    def values(self, given: Mapping[str, float | Array]) -> dict[str, Any]:
        """The value at time 0 of every id; where arrays are given (all of one length), arrays for all that follows.

        Raises `UnknownNameError` for an id the model does not have, `InvalidValueError` for one that a rule computes.
        """
        return {**self._values, **self.effect(tuple(given), everything=True)(given.values())}

    def _effect(self, names: tuple[str, ...], *, everything: bool = False) -> Effect:
        """How values of `names` change those that a run starts with (species, compartments, what can be set), or all.

        Found once for all rows: only what these read is computed.
        """
        moved = self.follows(names)
        started = {*self.settable, *self._species, *self.volumes.values()}
        ids = {k: self._nodes[k] for k in (moved if everything else moved & started)}
        given = tuple(self._nodes[k] for k in names)
        order = self._order(frozenset(names))
        return Effect(self._tape, self._nominal, given, self._steps(order, given, ids.values()), ids)

    def _steps(self, order: Sequence[int], given: Iterable[int], wanted: Iterable[int]) -> tuple[int, ...]:
        """The nodes of `order`, without the given ones, that the wanted ones read."""
        open_nodes, found = set(order).difference(given), set[int]()
        waiting = list(wanted)
        while waiting:
            node = waiting.pop()
            if node in open_nodes:
                open_nodes.discard(node)
                found.add(node)
                waiting += self._tape.args[node]
        return tuple(sorted(found))

    def amounts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The amount of each species where these values are not as the file has them."""
        known = {**self._values, **values}
        return {k: known[k] * known[self.volumes[k]] if k in self.volumes else known[k] for k in self._species}

    def follows(self, keys: Iterable[str]) -> frozenset[str]:
        """The ids whose value at time 0 depends on that of one of these, and these."""
        order = self._order(frozenset(self._require(k) for k in keys))
        return frozenset(key for node in order for key in self._ids_of.get(node, ()))

    def _require(self, key: str) -> str:
        if key not in self.ids:
            raise unknown_name("value at time 0", key, self.settable)
        if key not in self.settable:
            raise InvalidValueError(f"{key} is computed by a rule at time 0; allowed is what no assignment rule sets")
        return key

    def _dependents(self, keys: frozenset[str]) -> tuple[int, ...]:
        found, waiting = set[int](), [self._nodes[k] for k in keys]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self._readers[node]
        return tuple(sorted(found))

    def _computed(self) -> list[Value]:
        tape = self._tape
        values: list[Value] = [None] * len(tape.op)
        for node, number in tape.numbers().items():
            values[node] = number
        tape.run((n for n, op in enumerate(tape.op) if op != "number"), values)
        return values


@dataclass(frozen=True, eq=False)
class Effect:
    """The values of `ids` at time 0 that follow from numbers of the `given` nodes, by the `steps` of a tape."""

    tape: Tape
    nominal: Sequence[Value]
    given: tuple[int, ...]
    steps: tuple[int, ...]
    ids: Mapping[str, int]

    def __call__(self, numbers: Iterable[float | Array]) -> dict[str, Any]:
        """From one number each, or arrays of one length."""
        values = list(self.nominal)
        for node, number in zip(self.given, numbers, strict=True):
            values[node] = np.asarray(number, dtype=np.float64)[()]
        self.tape.run(self.steps, values)
        found = ((k, values[node]) for k, node in self.ids.items())
        return {k: v if isinstance(v, np.ndarray) else float(v) for k, v in found}


class _Reader:
    """How each id of a model gets its value at time 0."""

    def __init__(self, model: Any, tape: Tape) -> None:
        self.model, self.tape = model, tape
        self.formulas = Formulas(model, tape)
        rules = [r for r in model.getListOfRules() if r.getMath() is not None]
        self.assigned = {r.getVariable(): r.getMath() for r in rules if r.isAssignment()}
        self.rated = {r.getVariable(): r.getMath() for r in rules if r.isRate()}
        assignments = [a for a in model.getListOfInitialAssignments() if a.getMath() is not None]
        self.initial = {a.getSymbol(): a.getMath() for a in assignments}
        self.reactions = list(model.getListOfReactions())
        self.references = {x.getId(): x for _, x, _ in self._participants() if x.getId()}
        for key, reference in self.references.items():
            if model.getLevel() == 2 and reference.isSetStoichiometryMath():
                self.assigned[key] = reference.getStoichiometryMath().getMath()
        self.assigned = {k: formula for k, formula in self.assigned.items() if formula is not None}
        species = list(model.getListOfSpecies())
        self.compartments = {s.getId(): s.getCompartment() for s in species}
        self.fixed = {s.getId() for s in species if s.getBoundaryCondition() or s.getConstant()}
        common = model.getConversionFactor() if model.getLevel() == 3 else ""
        self.factors = {s.getId(): s.getConversionFactor() or common for s in species} if model.getLevel() == 3 else {}
        flat = {c.getId() for c in model.getListOfCompartments() if c.getSpatialDimensions() == 0}
        self.amounts = {s.getId() for s in species if s.getHasOnlySubstanceUnits() or s.getCompartment() in flat}
        self.kinds = {c.getId(): COMPARTMENT for c in model.getListOfCompartments()}
        self.kinds |= {s.getId(): SPECIES for s in species}
        self.kinds |= {p.getId(): PARAMETER for p in model.getListOfParameters()}
        self.kinds |= dict.fromkeys(self.references, STOICHIOMETRY)

    def recipes(self) -> dict[str, Recipe]:
        """For each id, and for each reaction with a kinetic law."""
        found = {r.getId(): self.formulas.law_recipe(r) for r in self.reactions}
        for species in self.model.getListOfSpecies():
            found[species.getId()] = self._written_species(species)
        for item in self.model.getListOfParameters():
            found[item.getId()] = self._number(item.getId(), item.getValue() if item.isSetValue() else math.nan)
        for item in self.model.getListOfCompartments():
            found[item.getId()] = self._number(item.getId(), item.getSize() if item.isSetSize() else 1.0)
        for key, reference in self.references.items():
            found[key] = self._number(key, stoichiometry(reference))
        for key, formula in {**self.initial, **self.assigned}.items():
            if key in self.kinds:
                found[key] = self._formula(key, formula)
        named = {name for recipe in found.values() for name in recipe.reads}
        return found | {rate_name(k): self._rate(k) for k in self.kinds if rate_name(k) in named}

    def _slot(self, key: str, node: int) -> int:
        return self.tape.add("slot", (node,), label=key)

    def _number(self, key: str, value: float) -> Recipe:
        return Recipe(frozenset(), lambda _: self._slot(key, self.tape.number(value)))

    def _formula(self, key: str, formula: Any) -> Recipe:
        return Recipe(ids_in(formula), lambda names: self._slot(key, self.formulas.put(formula, names)))

    def _written_species(self, species: Any) -> Recipe:
        """The value in the file, as the amount or the concentration that the id means."""
        key, compartment = species.getId(), species.getCompartment()
        counted = key in self.amounts
        if species.isSetInitialAmount():
            value, op = species.getInitialAmount(), "" if counted else "divide"
        elif species.isSetInitialConcentration():
            value, op = species.getInitialConcentration(), "times" if counted else ""
        else:
            value, op = 0.0, ""
        if not op:
            return self._number(key, value)

        def build(names: Mapping[str, int]) -> int:
            return self._slot(key, self.tape.add(op, (self.tape.number(value), names[compartment])))

        return Recipe(frozenset({compartment}), build)

    def _rate(self, key: str) -> Recipe:
        """How fast an id changes at time 0: by its rate rule, or a species by its reactions."""
        if key in self.assigned:
            raise ModelError(f"rateOf({key}) is not defined: an assignment rule computes {key}")
        if key in self.rated:
            return Recipe(ids_in(self.rated[key]), lambda names: self.formulas.put(self.rated[key], names))
        sides = [(x, r.getId(), sign) for r, x, sign in self._participants() if x.getSpecies() == key]
        if not sides or key in self.fixed:
            return Recipe(frozenset(), lambda _: self.tape.number(0.0))
        compartment, factor = self.compartments[key], self.factors.get(key, "")
        if key not in self.amounts and (compartment in self.assigned or compartment in self.rated):
            raise ModelError(f"rateOf({key}) is not supported: its compartment {compartment} changes")
        reads = {compartment, *([factor] if factor else [])}
        reads |= {name for x, reaction, _ in sides for name in (x.getId(), reaction) if name}

        def build(names: Mapping[str, int]) -> int:
            tape, total = self.tape, self.tape.number(0.0)
            for x, reaction, op in sides:
                count = names[x.getId()] if x.getId() else tape.number(stoichiometry(x))
                total = tape.add(op, (total, tape.add("times", (count, names[reaction]))))
            total = tape.add("times", (total, names[factor])) if factor else total
            return total if key in self.amounts else tape.add("divide", (total, names[compartment]))

        return Recipe(frozenset(reads), build)

    def _participants(self) -> list[tuple[Any, Any, str]]:
        """(reaction, species reference, what its flux does to the amount) each."""
        sides = [(r, (("minus", r.getListOfReactants()), ("plus", r.getListOfProducts()))) for r in self.reactions]
        return [(r, x, op) for r, both in sides for op, items in both for x in items]


def stoichiometry(reference: Any) -> float:
    """The number that a species reference is written with, 1 where there is none."""
    value = float(reference.getStoichiometry())
    return 1.0 if math.isnan(value) else value
