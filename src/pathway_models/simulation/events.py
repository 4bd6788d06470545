"""A schedule in the text of the model itself: what it does at time 0 in the start values, what follows as events.

libroadrunner looks at triggers while it integrates and takes what they are at the beginning of a call for what they
were: where a switch can make a trigger true, or an event waits for its delay, it must see the switch happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

from .._formulas.start import STOICHIOMETRY, start_values
from .._sbml import sbml
from .._sbml.edit import add_event, add_initial, add_parameter, free_id, set_value, with_values
from .._sbml.formulas import names_in, reads_at_once, tree
from .._sbml.native import libsbml
from ..errors import InvalidValueError, ModelError
from .phases import Phase

MAX_EVENTS = 5_000
_DELAY = re.compile(r"<(\w+:)?delay\b")  # of an event; the function of that name is no element
_AT_START = re.compile(r"""<(\w+:)?trigger\b[^>]*\binitialValue\s*=\s*["'](false|0)["']""")


def switches_reach_triggers(text: str, pieces: Sequence[Phase]) -> bool:
    """Whether a level or a dose after time 0 acts at once on what a trigger of the model reads."""
    if len(pieces) == 1:
        return False
    moved = {k for piece in pieces for k, _ in piece.levels} | {k for p in pieces[1:] for k, _ in p.doses}
    return waits(text) or not moved.isdisjoint(_names_of_triggers(text))


def waits(text: str) -> bool:
    """Whether events of the model wait for a delay."""
    return _DELAY.search(text) is not None


def sees_time_0(text: str) -> bool:
    """Whether events of the model may happen at time 0."""
    return _AT_START.search(text) is not None


@lru_cache(maxsize=64)
def _names_of_triggers(text: str) -> frozenset[str]:
    """What the triggers read: ids in them, and those that these follow from at once."""
    document = sbml.read(text)
    model = document.getModel()
    reads = reads_at_once(model)
    reads |= {s.getId(): reads.get(s.getId(), set()) | {s.getCompartment()} for s in model.getListOfSpecies()}
    triggers = (e.getTrigger() for e in model.getListOfEvents())
    waiting = [name for t in triggers if t is not None for name in names_in(t.getMath())]
    found = set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += reads.get(name, ())
    return frozenset(found)


def with_beginning(text: str, values: Mapping[str, float], first: Phase) -> str:
    """The text with `values`, and with what a schedule does at time 0: after initial assignments, before triggers.

    As at any other switch initial assignments do not see it, and amounts stay where a size changes.
    """
    if not first.levels and not first.doses:
        return with_values(text, values)
    start = start_values(text)
    base = start.values(values)
    amounts = start.amounts(base)
    document = sbml.read(with_values(text, values))
    model = document.getModel()
    computed = {a.getSymbol() for a in model.getListOfInitialAssignments()}
    changed = [k for k, _ in (*first.levels, *first.doses)]
    moved = start.follows(k for k in changed if k in start.settable)
    held = {s.getId() for s in model.getListOfSpecies() if s.getCompartment() in moved} | computed
    for key in sorted(held & start.settable.keys()):
        model.removeInitialAssignment(key)
        if key in amounts:
            model.getSpecies(key).setInitialAmount(amounts[key])
        elif start.settable[key] == STOICHIOMETRY:
            model.getElementBySId(key).setStoichiometry(base[key])
        else:
            set_value(model, key, base[key])
    for key, value in first.levels:
        set_value(model, key, value)
    for key, amount in first.doses:
        if key in amounts:
            model.removeInitialAssignment(key)
            size = base[start.volumes[key]] if key in start.volumes else 1.0
            model.getSpecies(key).setInitialAmount((base[key] + amount) * size)
        else:
            set_value(model, key, base[key] + amount)
    return sbml.write(document)


@lru_cache(maxsize=64)
def with_schedule(text: str, pieces: tuple[Phase, ...]) -> tuple[str, tuple[Phase, ...]]:
    """The text with what changes after time 0 as events, and the one phase that is left.

    A level that ends gives back the value that its input has at time 0, whatever that is.
    """
    document = sbml.read(text)
    model = document.getModel()
    if any(e.isSetDelay() and not e.getTrigger().getPersistent() for e in model.getListOfEvents()):
        raise ModelError(
            "an event waits for its delay and is given up if its trigger becomes false: libroadrunner computes that "
            "wrongly under a schedule that changes later; make the trigger persistent, or leave the schedule out"
        )
    changes = list(_changes(model, pieces))
    if len(changes) > MAX_EVENTS:
        raise InvalidValueError(
            f"the schedule has {len(changes)} switches that act on triggers of events; allowed are {MAX_EVENTS}"
        )
    for number, (time, together) in enumerate(groupby(changes, key=lambda change: change[0]), 1):
        add_switch(model, number, time, {target: formula for _, target, formula in together})
    whole = Phase(start=0.0, stop=pieces[-1].stop, levels=pieces[0].levels, doses=pieces[0].doses)
    return sbml.write(document), (whole,)


def _changes(model: libsbml.Model, pieces: Sequence[Phase]) -> Iterator[tuple[float, str, str]]:
    """(time, target, formula of its new value) of each change after time 0."""
    ends = sorted({k for p in pieces for k, _ in p.levels})
    base = dict(zip(ends, (_value_at_start(model, k) for k in ends), strict=True))
    now = {**base, **{k: repr(v) for k, v in pieces[0].levels}}
    for piece in pieces[1:]:
        wanted = {**base, **{k: repr(v) for k, v in piece.levels}}
        yield from ((piece.start, k, formula) for k, formula in wanted.items() if formula != now[k])
        yield from ((piece.start, k, f"{k} + {amount!r}") for k, amount in piece.doses)
        now = wanted


def _value_at_start(model: libsbml.Model, key: str) -> str:
    """Id of a new constant that takes the value of `key` at time 0."""
    name = free_id(model, f"start_of_{key}")
    add_parameter(model, name)
    add_initial(model, name, tree(key))
    return name


def add_switch(model: libsbml.Model, number: int, time: float, changes: Mapping[str, str]) -> libsbml.Event:
    """An event at a time of a schedule; what holds at time 0 stands in the initial values."""
    return add_event(model, free_id(model, f"schedule_{number}"), f"time >= {time!r} {model.getTimeUnits()}", changes)
