"""Small random SBML models (hypothesis strategies): every construct that the library reads, with mild numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import libsbml
from hypothesis import strategies as st

from pathway_models import Dose, Level

DURATION = 4.0
STEP = 0.25
LEVELS = ((3, 2), (3, 1), (2, 4))
NUMBERS = st.sampled_from((1.0, 2.0, 0.5, 3.0, 0.2))
SIZES = st.sampled_from((1.0, 2.0, 0.5, 5.0))
SWITCHES = st.sampled_from((1.0, 0.6, 1.7, 2.5))  # 1.0 and 2.5 are output times
THRESHOLDS = st.sampled_from((0.7368, 1.3713, 0.3377, 2.2341))  # reached between output times
CHANGES = (0.0, 1.25, 0.55, 2.05, 2.75, DURATION)  # of a schedule: none is the time of an event; 1.25 is an output time
IDLE = "idle"  # a parameter that nothing reads


GIVEN_UP = "event that waits and is given up if its trigger becomes false"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A model text, what of it can be set, and the constructs that some tools are known not to take."""

    text: str = field(repr=False)  # printed once, as it is
    settable: tuple[str, ...] = field(repr=False)  # whatever has a value at the start and no assignment rule
    inputs: tuple[str, ...] = field(repr=False)  # parameters and constant boundary species that a level can hold
    states: tuple[str, ...] = field(repr=False)  # what a dose can be added to
    columns: tuple[str, ...] = field(repr=False)  # what a run gives
    constructs: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A model with other values at the start and a schedule."""

    model: Drawn
    values: Mapping[str, float]
    treatments: tuple[Level | Dose, ...] = ()


class Builder:
    """Makes one model element by element; formulas read only what was made before them, so that there is no circle."""

    def __init__(self, draw: st.DrawFn, level: tuple[int, int]) -> None:
        self.draw = draw
        self.document = libsbml.SBMLDocument(*level)
        self.model = self.document.createModel()
        self.model.setId("drawn")
        self.level = level[0]
        self.known: list[str] = []  # ids that formulas may read
        self.constants: list[str] = []
        self.settable: list[str] = []
        self.inputs: list[str] = []
        self.states: list[str] = []
        self.columns: list[str] = []
        self.assignable: list[str] = []  # what an event may change
        self.initial: list[tuple[str, str]] = []
        self.rules: list[tuple[str, str, str]] = []
        self.constructs: set[str] = set()
        self.homes: dict[str, str] = {}  # compartments and what they are

    def one_of(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def formula(self, known: Sequence[str] | None = None, *, timed: bool = False) -> str:
        """A positive formula of one or two ids."""
        pool = st.sampled_from(list(known or self.known))
        a, b, number = self.draw(pool), self.draw(pool), self.draw(NUMBERS)
        forms = [f"{number} * {a}", a, f"{a} + {b}", f"{a} / (1 + {b})", f"f({a}, {b})", f"{a}^2 / (1 + {a})"]
        if timed:
            forms += [
                f"{a} * (1 + 0.5 * sin(time))",
                f"piecewise({a}, time < {self.draw(SWITCHES)}, {b})",
                f"{a} + time",
            ]
        return self.one_of(*forms)

    # ---- quantities ------------------------------------------------------------------------------------------------

    def function(self) -> None:
        made = self.model.createFunctionDefinition()
        made.setId("f")
        made.setMath(math("lambda(x, y, x * y / (1 + y))"))

    def parameter(self, key: str, kind: str) -> None:
        """A parameter that is constant, changed by events, initially assigned, or under a rule."""
        made = self.model.createParameter()
        made.setId(key)
        made.setConstant(kind in ("constant", "initial"))
        if kind != "assigned" and (kind != "initial" or self.draw(st.booleans())):
            made.setValue(self.draw(NUMBERS))
        self.ruled(key, kind, growth=f"{self.draw(NUMBERS)} - 0.5 * {key}")
        if kind in ("constant", "changed"):
            self.constants.append(key)
        if kind in ("constant", "initial", "changed"):
            self.inputs.append(key)
        if kind == "changed":
            self.assignable.append(key)

    def ruled(self, key: str, kind: str, *, growth: str) -> None:
        """The initial assignment or the rule that `kind` asks for; the id can be read from here on."""
        if kind == "initial":
            self.initial.append((key, self.formula(self.known or self.constants)))
        elif kind == "assigned":
            self.rules.append(("assignment", key, self.formula(timed=True)))
        elif kind == "rated":
            self.rules.append(("rate", key, growth))
            self.states.append(key)
            self.assignable.append(key)
        if kind != "assigned":
            self.settable.append(key)
        if kind in ("assigned", "rated") or (key[0] == "S" and kind != "constant"):
            self.columns.append(key)
        self.known.append(key)

    def compartment(self, key: str) -> None:
        kind = self.one_of("constant", "initial", "assigned", "rated", "changed")
        made = self.model.createCompartment()
        made.setId(key)
        made.setSpatialDimensions(3)
        made.setConstant(kind in ("constant", "initial"))
        if kind not in ("assigned", "initial"):
            made.setSize(self.draw(SIZES))
        self.ruled(key, kind, growth=self.one_of(f"0.2 * {key}", f"-0.2 * {key}", "0.3"))
        if kind == "changed":
            self.assignable.append(key)
        self.homes[key] = kind

    def species(self, key: str) -> str:
        """A species; returns 'free' if reactions may change it."""
        role = self.one_of("free", "free", "boundary", "constant", "assigned", "rated")
        made = self.model.createSpecies()
        made.setId(key)
        home = self.draw(st.sampled_from(list(self.homes)))
        made.setCompartment(home)
        made.setHasOnlySubstanceUnits(self.draw(st.booleans()))
        made.setBoundaryCondition(role != "free")
        made.setConstant(role == "constant")
        given = "none" if role == "assigned" else self.one_of("concentration", "amount", "initial")
        if given == "concentration":
            made.setInitialConcentration(self.draw(NUMBERS))
        elif given == "amount":
            made.setInitialAmount(self.draw(NUMBERS))
        if self.level == 3 and role == "free" and self.draw(st.integers(0, 5)) == 5:
            made.setConversionFactor(self.draw(st.sampled_from(self.factors())))
            self.constructs.add("conversion factor of a species")
        if given == "initial":
            self.initial.append((key, self.formula()))
        kind = "free" if role == "boundary" else role
        self.ruled(key, kind, growth=f"{self.formula()} - 0.5 * {key}")
        if role == "assigned" and made.getHasOnlySubstanceUnits() and home in self.rules[-1][2]:
            self.constructs.add("amount that a rule reading its compartment assigns")
        if role == "rated" and not made.getHasOnlySubstanceUnits() and self.homes[home] != "constant":
            self.constructs.add(f"rate of a concentration, compartment {self.homes[home]}")
        if role == "free":
            self.states.append(key)
        if role in ("free", "boundary"):
            self.assignable.append(key)
        if role == "constant":
            self.inputs.append(key)
        return role

    def factors(self) -> list[str]:
        """Constant parameters: what conversion factors have to be."""
        return [p.getId() for p in self.model.getListOfParameters() if p.getConstant() and p.getId() != IDLE]

    # ---- reactions and events --------------------------------------------------------------------------------------

    def reaction(self, key: str, species: Sequence[str]) -> None:
        made = self.model.createReaction()
        made.setId(key)
        made.setReversible(False)
        made.setFast(False)
        several = st.lists(st.sampled_from(list(species)), max_size=2)
        left = self.draw(several)
        right = self.draw(several if left else st.lists(st.sampled_from(list(species)), min_size=1, max_size=2))
        for n, name in enumerate(left):
            self.reference(made.createReactant(), name, f"{key}_r{n}", (left + right).count(name) > 1)
        for n, name in enumerate(right):
            self.reference(made.createProduct(), name, f"{key}_p{n}", (left + right).count(name) > 1)
        law = made.createKineticLaw()
        rate = self.draw(st.sampled_from(self.known))
        if self.draw(st.booleans()):
            rate = "k"
            parameter = law.createParameter() if self.level == 2 else law.createLocalParameter()
            parameter.setId("k")
            parameter.setValue(self.draw(NUMBERS))
        drive = left[0] if left else self.draw(st.sampled_from(self.known))
        forms = ["{r} * {s}", "0.5 * {r} * {s} / (1 + {s})", "f({r}, {s})", "piecewise({r}, time < 1.7, 0.5) * {s}"]
        text = self.one_of(*forms).format(r=rate, s=drive)
        law.setMath(math(text))
        for name in sorted({n for n in names_in(law.getMath()) if self.model.getSpecies(n)} - {*left, *right}):
            made.createModifier().setSpecies(name)
        self.known.append(key)

    def reference(self, made: libsbml.SpeciesReference, species: str, key: str, twice: bool) -> None:
        """A reactant or product; `twice` says that the reaction has the species in another place too."""
        made.setSpecies(species)
        kind = self.one_of(*(9 if twice else 3) * ("number",), "named", "computed", "ruled")
        if twice and kind != "number":
            self.constructs.add("species twice in a reaction, one stoichiometry has an id")
        if kind == "computed" and self.level == 2:
            made.createStoichiometryMath().setMath(math(self.formula(self.constants, timed=True)))
            self.constructs.add("stoichiometry that varies")
            return
        if self.level == 3:
            made.setConstant(kind in ("number", "computed"))
        made.setStoichiometry(self.draw(st.sampled_from((1.0, 2.0, 0.5))))
        if self.level == 2 or kind == "number":
            return
        made.setId(key)
        if kind == "computed":
            self.initial.append((key, self.formula()))
            return
        if kind == "ruled":
            self.constructs.add("stoichiometry that varies")
            made.unsetStoichiometry()
            self.rules.append(("assignment", key, self.formula(self.constants, timed=True)))
        else:
            self.assignable.append(key)

    def event(self, key: str) -> None:
        made = self.model.createEvent()
        made.setId(key)
        delayed = self.draw(st.booleans())
        made.setUseValuesFromTriggerTime(self.draw(st.booleans()) if delayed or self.level == 3 else True)
        trigger = made.createTrigger()
        watched = self.draw(st.sampled_from(self.known))
        threshold = self.draw(THRESHOLDS)
        timed = (f"time >= {self.draw(SWITCHES)}", "time > 0.31 && time < 2.21")
        trigger.setMath(math(self.one_of(*timed, f"{watched} > {threshold}", f"{watched} < {threshold}")))
        if self.level == 3:
            trigger.setPersistent(self.draw(st.booleans()))
            trigger.setInitialValue(self.draw(st.booleans()))
            if not trigger.getInitialValue():
                self.constructs.add("event that may happen at the start")
            made.createPriority().setMath(math(key[1:]))
        if delayed:
            made.createDelay().setMath(
                math(self.one_of("0.41", "1.13", f"0.1 + 0.37 * {self.draw(st.sampled_from(self.constants))}"))
            )
        if delayed and not trigger.getPersistent():
            self.constructs.add(GIVEN_UP)
        targets = st.lists(st.sampled_from(self.assignable), min_size=1, max_size=2, unique=True)
        chosen = self.draw(targets)
        if len(chosen) > 1 and set(chosen) & set(self.homes):
            self.constructs.add("event on a compartment and more")
        if any(key.startswith("J") for key in chosen):
            self.constructs.add("stoichiometry that varies")
        varying = {k for k, kind in self.homes.items() if kind not in ("constant", "initial")}
        if delayed and any(s.getCompartment() in varying for s in map(self.model.getSpecies, chosen) if s):
            self.constructs.add("delayed change of a species in a varying compartment")
        for target in chosen:
            assignment = made.createEventAssignment()
            assignment.setVariable(target)
            assignment.setMath(math(self.formula()))

    # ---- the whole -------------------------------------------------------------------------------------------------

    def finished(self) -> Drawn:
        """Rules and initial assignments in any order, then the text."""
        factors = {s.getConversionFactor() for s in self.model.getListOfSpecies()} if self.level == 3 else set()
        fixed = {IDLE, *factors, self.model.getConversionFactor()}  # SBML wants conversion factors constant
        for key, text in self.draw(st.permutations(self.initial)):
            made = self.model.createInitialAssignment()
            made.setSymbol(key)
            made.setMath(math(text))
        for kind, key, text in self.draw(st.permutations(self.rules)):
            rule = self.model.createAssignmentRule() if kind == "assignment" else self.model.createRateRule()
            rule.setVariable(key)
            rule.setMath(math(text))
        return Drawn(
            text=libsbml.writeSBMLToString(self.document),
            settable=tuple(self.settable),
            inputs=tuple(k for k in self.inputs if k not in fixed),
            states=tuple(self.states),
            columns=tuple(self.columns),
            constructs=frozenset(self.constructs),
        )


def math(formula: str) -> libsbml.ASTNode:
    """libSBML's tree of a formula."""
    made = libsbml.parseL3Formula(formula)
    if made is None:
        raise ValueError(libsbml.getLastParseL3Error())
    return made


def names_in(node: libsbml.ASTNode) -> set[str]:
    """The ids that a formula names."""
    own = {node.getName()} if node.isName() else set()
    return own.union(*(names_in(node.getChild(i)) for i in range(node.getNumChildren())))


@st.composite
def models(draw: st.DrawFn) -> Drawn:
    """A model of 1 to 4 species in 1 to 3 compartments."""
    builder = Builder(draw, draw(st.sampled_from(LEVELS)))
    builder.function()
    builder.parameter(IDLE, "constant")
    builder.known.clear()
    builder.settable.clear()
    builder.constants.clear()
    builder.parameter("p0", "constant")
    for n in range(1, 1 + draw(st.integers(0, 3))):
        builder.parameter(f"p{n}", builder.one_of("constant", "changed", "initial", "assigned", "rated"))
    for n in range(draw(st.integers(1, 3))):
        builder.compartment(f"C{n}")
    species = [f"S{n}" for n in range(draw(st.integers(1, 4)))]
    roles = {key: builder.species(key) for key in species}
    usable = [k for k, role in roles.items() if role in ("free", "boundary")]
    if usable:
        for n in range(draw(st.integers(1, 3))):
            builder.reaction(f"J{n}", usable)
    if builder.level == 3 and draw(st.integers(0, 9)) == 9:
        builder.constructs.add("conversion factor of the model")
        builder.model.setConversionFactor(draw(st.sampled_from(builder.factors())))
    for n in range(draw(st.integers(0, 2))):
        builder.parameter(f"y{n}", "assigned")
    if builder.assignable:
        most = 2 if builder.level == 3 else 1  # without priorities two at one time have no order
        for n in range(draw(st.integers(0, most))):
            builder.event(f"E{n}")
        if builder.model.getNumEvents() > 1:
            builder.constructs.add("two events")
    return builder.finished()


@st.composite
def valued(draw: st.DrawFn) -> Scenario:
    """A model with other values of up to three of the things that can be set."""
    model = draw(models())
    return Scenario(model=model, values=draw(values_of(model)))


@st.composite
def values_of(draw: st.DrawFn, model: Drawn) -> dict[str, float]:
    names = draw(st.lists(st.sampled_from(model.settable), max_size=3, unique=True))
    return {name: draw(st.sampled_from((1.5, 4.0, 0.7))) for name in names}


@st.composite
def scheduled(draw: st.DrawFn) -> Scenario:
    """A model under levels and doses, now and then with other values."""
    model = draw(models())
    treatments: list[Level | Dose] = []
    held = st.lists(st.sampled_from(model.inputs), max_size=2, unique=True) if model.inputs else st.just([])
    for key in draw(held):
        cuts = sorted(draw(st.lists(st.sampled_from(CHANGES[:-1]), min_size=1, max_size=4, unique=True)))
        for start, stop in zip(cuts[::2], [*cuts[1::2], None], strict=False):
            treatments.append(Level(input=key, value=draw(NUMBERS), at=start, until=stop))
    if model.states:
        for key in draw(st.lists(st.sampled_from(model.states), max_size=2)):
            times = draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3))
            treatments.append(Dose(input=key, amount=draw(NUMBERS), times=tuple(times)))
    values = draw(values_of(model)) if draw(st.integers(0, 3)) == 3 else {}
    return Scenario(model=model, values=values, treatments=tuple(treatments))
