"""What an SBML text says, as equations: start values, derived values, rates of change, events.

Written from the SBML specification (Level 2 Version 5, Level 3 Version 2) and from nothing of the library; the text is
read as plain XML, only Level 1 is turned into Level 2 by libSBML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import libsbml

from sbml_formulas import FUNCTIONS, Formulas, NotRead, local, names_in, written

Values = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event; formulas are names of derived values, '' where the file has none."""

    trigger: str
    delay: str
    priority: str
    assigned: Mapping[str, str]  # id -> the name of its formula
    from_trigger_time: bool
    persistent: bool
    was_true: bool  # what the trigger is taken to have been before the start


@dataclass(frozen=True, kw_only=True)
class Equations:
    """A model as functions of time and of what it remembers (`stored`, in that order)."""

    stored: tuple[str, ...]
    moving: tuple[str, ...]  # those of `stored` that have a rate of change
    start: Callable[[Mapping[str, float]], Values]  # other values of ids -> stored values
    rates: Callable[[float, Sequence[float], Sequence[float]], tuple[float, ...]]
    jumps: Callable[[float, Sequence[float], Sequence[float]], tuple[float, ...]]
    everything: Callable[[float, Sequence[float], Sequence[float]], Values]
    events: tuple[Event, ...]
    home: Mapping[str, str]  # species that is a concentration -> its compartment
    by_amount: frozenset[str]  # species of which the amount is remembered
    by_value: frozenset[str]  # species with a rate rule: the value is remembered


def children(parent: Element | None, holder: str) -> list[Element]:
    """The elements of a `listOf...`."""
    found = None if parent is None else child(parent, holder)
    return [] if found is None else [e for e in found if local(e) not in ("notes", "annotation")]


def child(parent: Element, name: str) -> Element | None:
    """The first child of that name."""
    return next((e for e in parent if local(e) == name), None)


def formula(parent: Element | None, name: str = "math") -> Element | None:
    """The MathML of an element, None where there is none."""
    found = None if parent is None else child(parent, name)
    return None if found is None or (name == "math" and len(found) == 0) else found


def number(element: Element, name: str) -> float | None:
    """A numerical attribute."""
    text = element.get(name)
    return None if text is None else float(text.replace("INF", "inf"))


def yes(element: Element, name: str, default: bool) -> bool:
    """A boolean attribute."""
    return element.get(name, str(default)).lower() in ("true", "1")


class Reader:
    """Collects the expressions of a model; `now` hold at every time, `first` only at the start."""

    def __init__(self, text: str) -> None:
        root = _root(text)
        model = child(root, "model")
        if model is None:
            raise NotRead("no model")
        self.model, self.level = model, int(root.get("level", "0"))
        functions = {f.get("id", ""): formula(f) for f in children(model, "listOfFunctionDefinitions")}
        self.formulas = Formulas(definitions={k: f[0] for k, f in functions.items() if f is not None})
        self.initial = {a.get("symbol", ""): formula(a) for a in children(model, "listOfInitialAssignments")}
        self.rules: dict[str, tuple[str, Element | None]] = {}
        for rule in children(model, "listOfRules"):
            if local(rule) == "algebraicRule":
                raise NotRead("algebraic rule")
            self.rules[rule.get("variable", "")] = (local(rule), formula(rule))
        self.now: dict[str, str] = {}
        self.first: dict[str, str] = {}
        self.rate: dict[str, str] = {}
        self.home: dict[str, str] = {}
        self.by_amount: set[str] = set()
        self.by_value: set[str] = set()
        self.terms: dict[str, list[str]] = {}
        self.events: list[Event] = []

    def read(self) -> Equations:
        """Everything of the model."""
        for item in children(self.model, "listOfCompartments"):
            self.plain(item.get("id", ""), number(item, "size"))
        for item in children(self.model, "listOfParameters"):
            self.plain(item.get("id", ""), number(item, "value"))
        for item in children(self.model, "listOfReactions"):
            self.reaction(item)
        for item in children(self.model, "listOfSpecies"):
            self.species(item)
        for item in children(self.model, "listOfEvents"):
            self.event(item)
        self.rates_of()
        stored = tuple(k for k in self.first if k not in self.now)
        moving = tuple(k for k in stored if self.rate.get(k, "0") != "0")
        rates = [self.rate[k] for k in moving]
        resting = tuple(k for k in stored if k not in moving)
        return Equations(
            stored=stored,
            moving=moving,
            start=_starting({**self.now, **self.first}, stored),
            rates=_compiled(self.now, moving, resting, _tuple(rates)),
            jumps=_compiled(self.now, moving, resting, _tuple(self.formulas.jumps)),
            everything=_compiled(self.now, moving, resting, _dict([*stored, *self.now])),
            events=tuple(self.events),
            home=self.home,
            by_amount=frozenset(self.by_amount),
            by_value=frozenset(self.by_value),
        )

    # ---- values ----------------------------------------------------------------------------------------------------

    def plain(self, key: str, value: float | None) -> None:
        """A parameter, a compartment or a stoichiometry: what it is at the start, and its rule."""
        self.begin(f"v_{key}", key, written(value))

    def begin(self, name: str, key: str, attribute: str) -> None:
        kind, rule = self.rules.get(key, ("", None))
        if kind == "assignmentRule" and rule is not None:
            self.now[name] = self.formulas.expression(rule)
            return
        assigned = self.initial.get(key)
        self.first[name] = attribute if assigned is None else self.once(assigned)
        if kind == "rateRule" and rule is not None:
            self.rate[name] = self.formulas.expression(rule)

    def once(self, node: Element) -> str:
        """A formula that is evaluated at the start only: its jumps do not matter."""
        return Formulas(definitions=self.formulas.definitions).expression(node)

    def species(self, item: Element) -> None:
        key, home = item.get("id", ""), item.get("compartment", "")
        value, size = f"v_{key}", f"v_{home}"
        counted = yes(item, "hasOnlySubstanceUnits", False) or self.dimensions(home) == 0
        amount, concentration = number(item, "initialAmount"), number(item, "initialConcentration")
        attribute = "NAN"
        if amount is not None:
            attribute = written(amount) if counted else f"f_divide({written(amount)}, {size})"
        elif concentration is not None:
            attribute = f"({written(concentration)} * {size})" if counted else written(concentration)
        self.begin(value, key, attribute)
        if not counted:
            self.home[key] = home
        if value in self.now:
            return
        if value in self.rate:
            self.by_value.add(key)
            return
        self.by_amount.add(key)
        self.now[value] = f"n_{key}" if counted else f"f_divide(n_{key}, {size})"
        self.first[f"n_{key}"] = value if counted else f"({value} * {size})"
        free = not yes(item, "boundaryCondition", False) and not yes(item, "constant", False)
        if free and key in self.terms:
            factor = item.get("conversionFactor") or self.model.get("conversionFactor")
            total = " + ".join(self.terms[key])
            self.rate[f"n_{key}"] = f"v_{factor} * ({total})" if factor else total

    def dimensions(self, compartment: str) -> float | None:
        found = (c for c in children(self.model, "listOfCompartments") if c.get("id") == compartment)
        return next((number(c, "spatialDimensions") for c in found), None)

    def reaction(self, item: Element) -> None:
        if yes(item, "fast", False):
            raise NotRead("fast reaction")
        law = child(item, "kineticLaw")
        math = formula(law)
        known = {}
        for parameter in [*children(law, "listOfParameters"), *children(law, "listOfLocalParameters")]:
            known[parameter.get("id", "")] = written(number(parameter, "value"))
        key = item.get("id", "")
        self.now[f"v_{key}"] = "NAN" if math is None else self.formulas.expression(math, known)
        if law is None:
            self.now[f"v_{key}"] = "0.0"
        for holder, sign in (("listOfReactants", "-"), ("listOfProducts", "+")):
            for reference in children(item, holder):
                term = f"({sign}{self.stoichiometry(reference)} * v_{key})"
                self.terms.setdefault(reference.get("species", ""), []).append(term)

    def stoichiometry(self, reference: Element) -> str:
        """The factor of a species in a reaction; one with an id is a quantity of its own."""
        key, computed = reference.get("id", ""), child(reference, "stoichiometryMath")
        value = number(reference, "stoichiometry")
        if computed is not None:
            text = self.formulas.expression(computed[0])
            if key:
                self.now[f"v_{key}"] = text
            return text
        if value is None and self.level < 3:
            value = 1.0
        if not key:
            return written(value)
        self.plain(key, value)
        return f"v_{key}"

    # ---- rates of change and events --------------------------------------------------------------------------------

    def rates_of(self) -> None:
        """The values of csymbol rateOf that formulas ask for."""
        asked = {n for text in [*self.now.values(), *self.first.values(), *self.rate.values()] for n in names_in(text)}
        for name in (n for n in sorted(asked) if n.startswith("d_")):
            key = name[2:]
            if f"v_{key}" in self.now and key not in self.by_amount:
                raise NotRead("rateOf something that a rule assigns")
            if key not in self.by_amount:
                self.now[name] = self.rate.get(f"v_{key}", "0.0")
            elif key not in self.home:
                self.now[name] = self.rate.get(f"n_{key}", "0.0")
            else:
                size = f"v_{self.home[key]}"
                if size in self.now:
                    raise NotRead("rateOf in a compartment that a rule assigns")
                growth = f"v_{key} * ({self.rate.get(size, '0.0')})"
                self.now[name] = f"f_divide(({self.rate.get(f'n_{key}', '0.0')}) - {growth}, {size})"

    def event(self, item: Element) -> None:
        number_ = len(self.events)
        trigger, priority = child(item, "trigger"), formula(child(item, "priority"))
        delay = child(item, "delay")

        def named(part: str, math: Element | None, watched: bool = False) -> str:
            if math is None:
                return ""
            name = f"v_event {number_} {part}".replace(" ", "__")
            self.now[name] = self.formulas.expression(math) if watched else self.once(math)
            return name

        assigned = {a.get("variable", ""): formula(a) for a in children(item, "listOfEventAssignments")}
        on = formula(trigger)
        if trigger is None or on is None:
            return
        self.events.append(
            Event(
                trigger=named("trigger", on, True),
                delay=named("delay", formula(delay)),
                priority=named("priority", priority),
                assigned={k: named(f"to {k}", m) for k, m in assigned.items() if m is not None},
                from_trigger_time=yes(item, "useValuesFromTriggerTime", True),
                persistent=yes(trigger, "persistent", True),
                was_true=yes(trigger, "initialValue", True),
            )
        )


def _root(text: str) -> Element:
    root = ElementTree.fromstring(text.encode())
    if root.get("level") != "1":
        return root
    document = libsbml.readSBMLFromString(text)
    if not document.setLevelAndVersion(2, 4, False):
        raise NotRead("Level 1 that Level 2 cannot hold")
    return ElementTree.fromstring(libsbml.writeSBMLToString(document).encode())


def read_equations(text: str) -> Equations:
    """The equations of an SBML text; raises `NotRead` for what the evaluator does not know."""
    return Reader(text).read()


# ---- code ----------------------------------------------------------------------------------------------------------


def _ordered(definitions: Mapping[str, str], wanted: Iterable[str], given: Iterable[str]) -> list[str]:
    """The definitions that `wanted` need, each after those that it reads."""
    done, order = set(given), list[str]()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in above:
            raise NotRead(f"rules in a circle through {name}")
        if name not in definitions:
            raise NotRead(f"id {name[2:]}")
        for other in names_in(definitions[name]):
            visit(other, (*above, name))
        done.add(name)
        order.append(name)

    for name in wanted:
        visit(name, ())
    return order


def _tuple(expressions: Iterable[str]) -> str:
    return "(" + "".join(f"{e}, " for e in expressions) + ")"


def _dict(names: Iterable[str]) -> str:
    return "{" + ", ".join(f"{n!r}: {n}" for n in names) + "}"


def _compiled(now: Mapping[str, str], moving: Sequence[str], resting: Sequence[str], result: str) -> Callable:
    """A function of time, the moving and the resting values."""
    needed = _ordered(now, names_in(result), [*moving, *resting])
    lines = ["def made(t, moving, resting):", f"    {_tuple(moving)} = moving", f"    {_tuple(resting)} = resting"]
    lines += [f"    {name} = {now[name]}" for name in needed]
    return _executed([*lines, f"    return {result}"])


def _starting(definitions: Mapping[str, str], stored: Sequence[str]) -> Callable[[Mapping[str, float]], Values]:
    """Values of ids -> what is stored at the start: a given value replaces attribute and initial assignment."""

    def start(values: Mapping[str, float]) -> Values:
        texts = {**definitions, **{f"v_{k}": written(v) for k, v in values.items()}}
        order = _ordered(texts, stored, ())
        lines = ["def made():", "    t = 0.0", *(f"    {name} = {texts[name]}" for name in order)]
        return _executed([*lines, f"    return {_dict(stored)}"])()

    return start


def _executed(lines: Sequence[str]) -> Callable:
    space = dict(FUNCTIONS)
    exec("\n".join(lines), space)
    return space["made"]  # type: ignore[return-value]
