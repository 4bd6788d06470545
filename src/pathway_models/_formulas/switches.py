"""The times at which the inputs of a model switch by themselves: conditions and pulses in time that the file writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .._sbml.formulas import participants
from .._sbml.sbml import read
from ..errors import InvalidValueError, ModelError
from .breaks import Breaks
from .clockwork import BENDING, JUMPING, LINEAR, Clockwork
from .tape import Formulas, Recipe, Tape, built, ids_in, rate_name

MIXED_STEPS = 1_000  # of the solver at least, where a condition mixes time with states


class Root(NamedTuple):
    """A formula of the running model: its node, what it is, whether anything moves by it (else it is only seen)."""

    node: int
    place: str
    moves: bool = True


@dataclass(frozen=True, kw_only=True)
class Found:
    """The times found, a bound of the solver's step where there may be more, and why there is one."""

    times: tuple[float, ...]  # increasing, between 0 and the end, both excluded
    longest_step: float | None
    reasons: tuple[str, ...]  # a sentence for each formula that bounds the step


@lru_cache(maxsize=64)
def clocks(sbml: str) -> Clocks:
    """What in a flat SBML text depends on time by itself; raises `ModelError` for a formula that cannot be read.

    >>> import pathway_models as pm
    >>> clocks(pm.load("epilepsy").sbml).none
    True
    """
    document = read(sbml)
    if document.getModel() is None:
        raise ModelError("the text holds no SBML model")
    return Clocks(document.getModel())


class Clocks:
    """The formulas of a model that depend on time: on the symbol itself, or on a parameter that rises steadily.

    `none`: nothing does, or only evenly. `reads`: the ids whose values decide on the times; one that a schedule moves
    has other times in each of its phases. `steady`: the clocks among them and what they rise by, which no schedule may
    move if the times are to hold.
    """

    def __init__(self, model: Any) -> None:
        reader = _Reader(model)
        op, args = reader.tape.op, reader.tape.args
        self._work = Clockwork(reader.tape, reader.clocks(), reader.set_by_events)
        self._places = self._work.places((root.node, root.place) for root in reader.roots)
        timed, stated, degree = self._work.timed, self._work.stated, self._work.degree
        needed = [n for n in self._places if timed[n]]
        steps = [n for n in needed if op[n] in JUMPING]
        bends = [n for n in needed if op[n] in BENDING and not stated[n]]  # a ramp may begin after a long rest
        self._solved = tuple(sorted({*(n for n in steps if not stated[n]), *bends}))
        mixed = [n for n in steps if stated[n]] + [n for n in needed if op[n] == "delay"]
        mixed += [n for n in needed if op[n] not in LINEAR and any(timed[k] and stated[k] for k in args[n])]
        self._mixed = tuple(dict.fromkeys(self._places[n] for n in mixed))
        moving = self._work.places((root.node, root.place) for root in reader.roots if root.moves)
        consumed = {k for n in moving if timed[n] and not stated[n] for k in args[n]}
        ends = [n for n in moving if timed[n] and not stated[n] and n not in consumed]
        cores = [self._work.core(n) for n in ends if degree[n] == 2]
        self._smooth = tuple(dict.fromkeys(cores))
        self.none = not (self._solved or self._mixed or self._smooth)
        self.reads: tuple[str, ...] = self._work.constants((*self._solved, *self._smooth))
        self.steady: frozenset[str] = self._work.steady((*self._solved, *self._smooth))
        self._search = lru_cache(maxsize=256)(self._found)

    def times(self, values: Mapping[str, float], stop: float) -> Found:
        """The switches between 0 and `stop`, for the values at time 0 of all ids.

        Raises `InvalidValueError` where `stop` is no positive number.
        """
        if not 0 < stop < np.inf:
            raise InvalidValueError(f"the end is {stop:g}; allowed is a positive time")
        if self.none:
            return Found(times=(), longest_step=None, reasons=())
        return self._search(tuple(float(values[k]) for k in self.reads), float(stop))

    def _found(self, constants: tuple[float, ...], stop: float) -> Found:
        breaks = Breaks(self._work, dict(zip(self.reads, constants, strict=True)), stop)
        for node in self._solved:
            breaks.solve(node, self._places[node])
        for node in self._smooth:
            breaks.resolve(node, self._places[node])
        for place in self._mixed:
            breaks.bound(stop / MIXED_STEPS, f"{place} has a condition on, or a function of, time and what changes")
        return Found(times=breaks.times(), longest_step=breaks.longest_step, reasons=tuple(breaks.reasons))


class _Reader:
    """The formulas of a running model on one tape: constants, states and time are its leaves."""

    def __init__(self, model: Any) -> None:
        self.model, self.tape = model, Tape()
        self.formulas = Formulas(model, self.tape)
        rules = [r for r in model.getListOfRules() if r.getMath() is not None]
        self.assigned = {r.getVariable(): r.getMath() for r in rules if r.isAssignment()}
        self.rated = {r.getVariable(): r.getMath() for r in rules if r.isRate()}
        self.reactions = list(model.getListOfReactions())
        self.references = [x for reaction in self.reactions for x in participants(reaction)]
        events = model.getListOfEvents()
        self.set_by_events = frozenset(a.getVariable() for e in events for a in e.getListOfEventAssignments())
        self.changed = self._changed()
        self.moving = self.changed | set(self.rated) | set(self.assigned)
        self.nodes = built(self._recipes())
        self.rates = {k: self.formulas.put(f, self.nodes) for k, f in self.rated.items()}
        self.roots = [Root(n, f"the rate of {k}") for k, n in self.rates.items()]
        self.roots += [Root(self.nodes[r.getId()], f"reaction {r.getId()}") for r in self.reactions]
        self.roots += [Root(self.formulas.put(f, self.nodes), f"the stoichiometry of {k}") for k, f in self._counts()]
        sizes = {c.getId() for c in model.getListOfCompartments()} | {x.getId() for x in self.references}
        self.roots += [Root(self.nodes[k], f"the rule of {k}", moves=k in sizes) for k in self.assigned]
        for number, event in enumerate(model.getListOfEvents(), start=1):
            if event.getTrigger() is not None and event.getTrigger().getMath() is not None:
                trigger = self.formulas.put(event.getTrigger().getMath(), self.nodes)
                name = event.getId() or f"number {number}"
                self.roots.append(Root(self.tape.truth(trigger), f"event {name}"))

    def clocks(self) -> dict[int, tuple[int, int]]:
        """Leaves that rise steadily if their rate is constant: (where they start, rate)."""
        rates = self.rates | self._rates_of_species()
        return {self.nodes[k]: (self.tape.add("constant", label=k), rate) for k, rate in rates.items()}

    def _rates_of_species(self) -> dict[str, int]:
        """Rates of the species that reactions move, of fixed stoichiometries in compartments of fixed sizes."""
        model, found = self.model, dict[str, int]()
        sides = [(r, x, sign) for r in self.reactions for sign, x in _sides(r)]
        for species in model.getListOfSpecies():
            key, size = species.getId(), species.getCompartment()
            mine = [(r, x, sign) for r, x, sign in sides if x.getSpecies() == key]
            hard = size in self.moving or key in self.rated or key in self.assigned or model.isSetConversionFactor()
            odd = any(x.getId() or not x.isSetStoichiometry() for _, x, _ in mine) or species.isSetConversionFactor()
            if not mine or hard or odd or species.getBoundaryCondition() or species.getConstant():
                continue
            total = self.tape.number(0.0)
            for reaction, x, sign in mine:
                part = (self.tape.number(sign * x.getStoichiometry()), self.nodes[reaction.getId()])
                total = self.tape.add("plus", (total, self.tape.add("times", part)))
            amount = species.getHasOnlySubstanceUnits()
            found[key] = total if amount else self.tape.add("divide", (total, self.nodes[size]))
        return found

    def _changed(self) -> frozenset[str]:
        """The ids that reactions or events move, or perhaps an algebraic rule."""
        found = set(self.set_by_events)
        boundary = {s.getId() for s in self.model.getListOfSpecies() if s.getBoundaryCondition() or s.getConstant()}
        found |= {x.getSpecies() for x in self.references} - boundary
        if any(r.isAlgebraic() for r in self.model.getListOfRules()):
            model = self.model
            lists = (model.getListOfSpecies(), model.getListOfParameters(), model.getListOfCompartments())
            found |= {x.getId() for items in lists for x in items if not x.getConstant()}
        return frozenset(found)

    def _counts(self) -> list[tuple[str, Any]]:
        """The formulas of stoichiometries, as Level 2 writes them."""
        counted = [x for x in self.references if x.getLevel() == 2 and x.isSetStoichiometryMath()]
        maths = [(x.getSpecies(), x.getStoichiometryMath().getMath()) for x in counted]
        return [(key, math) for key, math in maths if math is not None]

    def _recipes(self) -> dict[str, Recipe]:
        moving = self.moving
        found = {x.getId(): self._leaf(x.getId(), moving) for x in self.model.getListOfCompartments()}
        found |= {x.getId(): self._leaf(x.getId(), moving) for x in self.model.getListOfParameters()}
        for species in self.model.getListOfSpecies():
            diluted = not species.getHasOnlySubstanceUnits() and species.getCompartment() in moving
            key = species.getId()
            found[key] = self._leaf(key, moving | {key} if diluted else moving)
        found |= {x.getId(): self._leaf(x.getId(), moving) for x in self.references if x.getId()}
        found |= {r.getId(): self.formulas.law_recipe(r) for r in self.reactions}
        found |= {rate_name(k): self._leaf(rate_name(k), {rate_name(k)}) for k in tuple(found)}
        for key, formula in self.assigned.items():
            found[key] = Recipe(ids_in(formula), lambda names, f=formula: self.formulas.put(f, names))  # type: ignore[misc]
        return found

    def _leaf(self, key: str, moving: frozenset[str] | set[str]) -> Recipe:
        return Recipe(frozenset(), lambda _: self.tape.add("state" if key in moving else "constant", label=key))


def _sides(reaction: Any) -> list[tuple[float, Any]]:
    """(sign, reference) of what a reaction takes and makes."""
    return [*((-1.0, x) for x in reaction.getListOfReactants()), *((1.0, x) for x in reaction.getListOfProducts())]
