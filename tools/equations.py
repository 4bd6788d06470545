"""The equations of a model as text, generated from its SBML, and what acts on what in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

import numpy as np

import pathway_models as pm
from pathway_models._sbml import sbml
from pathway_models._sbml.formulas import is_power, names_in, nodes
from pathway_models._sbml.native import libsbml
from pathway_models.simulation.job import at_rest

POINTS = 12  # places around rest at which signs are looked at
SPREAD = 0.3  # log-scale width of the places: three quarters to four thirds
STEP = 1e-4  # relative step of a difference quotient
NOTHING = 1e-6  # smallest relative change that counts as one
TINY = 1e-12
DOMAIN_ERRORS = (ArithmeticError, TypeError, ValueError)  # a complex number is no float
FUNCTIONS = {
    **{
        name: getattr(math, name)
        for name in ("exp", "sqrt", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh", "floor")
    },
    "ln": math.log,
    "abs": abs,
    "min": min,
    "max": max,
    "piecewise": lambda *parts: next((v for v, c in zip(parts[::2], parts[1::2], strict=False) if c), parts[-1]),
}


@dataclass(frozen=True, kw_only=True)
class Equation:
    """Left and right side as text, and the ids on the right."""

    left: str
    right: str
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Equations:
    """Rates of change by state, laws by reaction, and assigned variables, in the order of the file."""

    rates: Mapping[str, Equation]
    laws: Mapping[str, Equation]
    assigned: Mapping[str, Equation]

    def listing(self) -> str:
        """All equations as plain text, one a line."""
        groups = (self.rates, self.laws, self.assigned)
        return "\n\n".join("\n".join(f"{e.left} = {e.right}" for e in g.values()) for g in groups if g)


@lru_cache(maxsize=16)
def equations(text: str) -> Equations:
    """The equations of a valid SBML text."""
    document = sbml.parse(text)
    model = document.getModel()
    rules = list(model.getListOfRules())
    rates = {r.getVariable(): _equation(f"d/dt {r.getVariable()}", r.getMath()) for r in rules if r.isRate()}
    balances = {s.getId(): _balance(s, model) for s in model.getListOfSpecies() if _reacts(s)}
    order = [s.getId() for s in model.getListOfSpecies()]
    states = sorted({**rates, **{k: e for k, e in balances.items() if e}}.items(), key=lambda p: _place(p[0], order))
    return Equations(
        rates={k: e for k, e in states if e},
        laws={r.getId(): _equation(r.getId(), r.getKineticLaw().getMath()) for r in model.getListOfReactions()},
        assigned={r.getVariable(): _equation(r.getVariable(), r.getMath()) for r in rules if r.isAssignment()},
    )


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else len(order)


def _reacts(species: libsbml.Species) -> bool:
    return not (species.getBoundaryCondition() or species.getConstant())


def _equation(left: str, node: libsbml.ASTNode) -> Equation:
    return Equation(left=left, right=formula(node), ids=frozenset(names_in(node)))


def formula(node: libsbml.ASTNode) -> str:
    """An SBML formula as text, units of literal numbers left out."""
    settings = libsbml.L3ParserSettings()
    settings.setParseUnits(False)
    return str(libsbml.formulaToL3StringWithSettings(_bracketed(node.deepCopy()), settings))


def _bracketed(tree: libsbml.ASTNode) -> libsbml.ASTNode:
    """The same tree with powers of powers as a name in brackets: libSBML would write (a^b)^c as a^b^c."""
    for node in nodes(tree):
        if is_power(node) and is_power(node.getChild(0)):
            inner = libsbml.ASTNode(libsbml.AST_NAME)
            inner.setName(f"({formula(node.getChild(0))})")
            node.replaceChild(0, inner)
    return tree


def _balance(species: libsbml.Species, model: libsbml.Model) -> Equation | None:
    """The rate of a species as a sum of reactions, None for a species that no reaction changes."""
    terms: list[tuple[float, str]] = []
    for reaction in model.getListOfReactions():
        for sign, sides in ((-1.0, reaction.getListOfReactants()), (1.0, reaction.getListOfProducts())):
            same = (s for s in sides if s.getSpecies() == species.getId())
            terms += [(sign * s.getStoichiometry(), reaction.getId()) for s in same]
    if not terms:
        return None
    total = " ".join(_term(size, name) for size, name in terms).removeprefix("+ ")
    right = total if species.getHasOnlySubstanceUnits() else _over(total, len(terms), species.getCompartment())
    return Equation(left=f"d/dt {species.getId()}", right=right, ids=frozenset(name for _, name in terms))


def _term(size: float, name: str) -> str:
    factor = "" if abs(size) == 1 else f"{abs(size):g}*"
    return f"{'-' if size < 0 else '+'} {factor}{name}"


def _over(total: str, terms: int, compartment: str) -> str:
    return f"({total})/{compartment}" if terms > 1 else f"{total}/{compartment}"


# ---- what acts on what ----


def influences(model: pm.Model) -> dict[tuple[str, str], int]:
    """(from, to) -> +1, -1, or 0 where the sign changes, between inputs, states and assigned outputs.

    Direct effects: the other outputs are held, so that what acts through an output is drawn through it. Signs are
    those of difference quotients at places around the model's rest, all hypotheses at their defaults; what has no
    effect at any of them, and what a state does to itself, is left out.
    """
    found = equations(model.sbml)
    states = [s for s in model.states if s in found.rates]
    outputs = [p.id for p in model.output_ports if p.id in found.assigned]
    inputs = [p.id for p in model.input_ports if p.id not in states]
    signs = _signs(model, [*inputs, *states, *outputs], [*states, *outputs])
    return {(a, b): s for (a, b), s in signs.items() if a != b}


def _signs(model: pm.Model, causes: Sequence[str], effects: Sequence[str]) -> dict[tuple[str, str], int]:
    changes: dict[tuple[str, str], list[float]] = {}
    for place in _places(model, causes):
        held = {**place, **{k: Values(model.sbml, place)[k] for k in effects}}
        for pair in ((a, b) for a in causes for b in effects):
            changes.setdefault(pair, []).append(_change(model.sbml, held, *pair, frozenset(effects)))
    signs = {pair: {math.copysign(1, v) for v in values if abs(v) > NOTHING} for pair, values in changes.items()}
    return {pair: int(sum(found)) for pair, found in signs.items() if found}


def _places(model: pm.Model, causes: Iterable[str]) -> Iterator[dict[str, float]]:
    """Places around the model's rest at which all its equations have a value."""
    rest = {k: q.value for k, q in model.quantities.items()} | dict(model.settings)
    rest |= at_rest(model, (*model.states, *model.anchors))
    ports = {p.id: p for p in model.input_ports}
    moving = [k for k in causes if k not in equations(model.sbml).assigned]
    random = np.random.default_rng(1)
    for _ in range(POINTS):
        place = rest | {k: _moved(rest[k], ports.get(k), random.uniform()) for k in moving}
        try:
            Values(model.sbml, place).compute_all()
        except DOMAIN_ERRORS:  # more phosphate than there is adenylate, say
            continue
        yield place


def _moved(value: float, port: pm.models.Port | None, share: float) -> float:
    """A state near rest; an input on the first third of the way from its value to the upper end of its range."""
    if port is not None and math.isfinite(port.high):
        return value + share * (port.high - value) / 3
    return (value or 1.0) * math.exp(SPREAD * (2 * share - 1))


def _change(text: str, held: Mapping[str, float], cause: str, effect: str, fixed: frozenset[str]) -> float:
    """Change of the effect per relative change of the cause, relative to the effect; 0 where it has no value."""
    step = STEP * (abs(held[cause]) or 1.0)
    try:
        low, high = (Values(text, {**held, cause: held[cause] + d}, fixed).of(effect) for d in (-step, step))
    except DOMAIN_ERRORS:
        return 0.0
    return (high - low) / (2 * STEP * max(abs(low), abs(high), TINY))


class Values(dict[str, float]):
    """Values by id; what the model assigns is computed when it is asked for, unless it is held fixed."""

    def __init__(self, text: str, given: Mapping[str, float], fixed: frozenset[str] = frozenset()) -> None:
        self._assigned, self._rates = _codes(text)
        super().__init__({k: v for k, v in given.items() if k not in self._assigned or k in fixed})

    def __missing__(self, name: str) -> float:
        self[name] = self._run(self._assigned[name])
        return self[name]

    def of(self, effect: str) -> float:
        """The rate of a state, or what is assigned to a variable."""
        return self._run(self._rates[effect] if effect in self._rates else self._assigned[effect])

    def compute_all(self) -> None:
        """Every assigned variable and every rate."""
        for name in (*self._assigned, *self._rates):
            self.of(name)

    def _run(self, code: CodeType) -> float:
        return float(eval(code, {"__builtins__": {}, **FUNCTIONS}, self))


@lru_cache(maxsize=16)
def _codes(text: str) -> tuple[dict[str, CodeType], dict[str, CodeType]]:
    """Python code of what a library model assigns, and of its rates."""
    found = equations(text)

    def code(equation: Equation) -> CodeType:
        return compile(equation.right.replace("^", "**"), equation.left, "eval")

    assigned = {k: code(e) for k, e in {**found.laws, **found.assigned}.items()}
    return assigned, {k: code(e) for k, e in found.rates.items()}
