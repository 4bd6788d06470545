"""A scenario as SBML: what is in use as initial values, the schedule of the treatments as events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._formulas.start import start_values
from .._sbml import sbml
from .._sbml.edit import add_assignment, add_parameter, free_id, set_value, with_values
from .._sbml.native import libsbml
from .._sbml.units import unit_id
from ..errors import InvalidValueError
from ..models.collection import Library
from ..models.model import Model
from ..simulation.events import MAX_EVENTS, add_switch, with_beginning
from ..simulation.job import make_job, run_job
from ..simulation.phases import Phase, phases, warn_idle
from ..treatments.schedule import Treatment

NEGLIGIBLE = 1e-9  # of a state's size; the search for the rest is a thousand times coarser


@dataclass(frozen=True, kw_only=True)
class Change:
    """At `time`, `target` takes `value`, or `value` is added to it (a dose)."""

    time: float
    target: str
    value: float
    adds: bool


def scenario_sbml(model: Model, treatments: Sequence[Treatment] = (), duration: float | None = None) -> str:
    """Flat SBML L3V2 of a model with its settings, at rest in its context, under a schedule.

    What begins at time 0 is in the initial values; what follows is one event per time and input, `time >= t`, so that
    tools without simultaneous or multiple assignments read it too. Doses add to the state in its own unit. Amounts of
    doses are parameters (`dose_<input>`). `duration` in model time. Raises `InvalidValueError` as `phases` does.
    """
    _, changes = _schedule(model, treatments, duration)
    text = model.to_sbml()
    if treatments and duration is not None:
        text = with_beginning(text, {}, phases(model, treatments, duration)[0])
    return _with_changes(model, text, changes)


def untreated_sbml(
    model: Model, treatments: Sequence[Treatment], duration: float
) -> tuple[str, dict[str, float], list[Change]]:
    """(SBML of the model at rest, what a schedule sets at time 0, what it changes later).

    Initial assignments are values in it, so that they do not see what is set at time 0.
    """
    start, changes = _schedule(model, treatments, duration)
    frozen = _values_at_start(model, [k for k in _initially_assigned(model) if k in start])
    begin = {k: v for k, v in start.items() if frozen.get(k) != v}
    return _with_changes(model, with_values(model.to_sbml(), frozen), ()), begin, changes


def _with_changes(model: Model, text: str, changes: Sequence[Change]) -> str:
    found = sbml.content(text, model.name).quantities
    empty = _empty(model, {k: found[k].value for k in model.states}) if model.context else {}
    document = sbml.read(text)
    _write(document.getModel(), {}, empty, changes, _at_once(text, changes))
    return sbml.write(document)


def _at_once(text: str, changes: Sequence[Change]) -> frozenset[float]:
    """Times at which a species is dosed and its compartment changes: one event must do both."""
    values = start_values(text)
    targets: dict[float, set[str]] = {}
    for change in changes:
        targets.setdefault(change.time, set()).add(change.target)
    sizes = {t: values.follows(k for k in keys if k in values.settable) for t, keys in targets.items() if len(keys) > 1}
    return frozenset(t for t, moved in sizes.items() if any(values.volumes.get(k) in moved for k in targets[t]))


def scenario_comp(model: Model, treatments: Sequence[Treatment] = (), duration: float | None = None) -> str:
    """The same as a hierarchical document: settings and events stand in the submodel that they concern.

    Raises `InvalidValueError` for a model that the library does not hold in hierarchical form.
    """
    text = _hierarchical(model)
    start, changes = _schedule(model, treatments, duration)
    rest = _values_at_start(model, (*model.states, *model.anchors)) if model.settings and model.context else {}
    rest |= _empty(model, rest)
    document = sbml.read(text)
    definitions = {d.getId(): d for d in document.getPlugin("comp").getListOfModelDefinitions()}
    _write(document.getModel(), definitions, {**model.settings, **rest, **start}, changes, frozenset())
    return sbml.write(document)


def _hierarchical(model: Model) -> str:
    library = Library(folders=model.folders)
    parted = [n for n in library.coupled if not library.read_coupled(n).reduction]
    if model.name in parted and library.text(model.name) == model.sbml:
        return library.text(model.name, hierarchical=True)
    allowed = ", ".join(parted)
    raise InvalidValueError(
        f"{model.name} has no parts; format comp is for the coupled models of the library: {allowed}"
    )


# ---- the schedule ------------------------------------------------------------------------------------------


def _schedule(
    model: Model, treatments: Sequence[Treatment], duration: float | None
) -> tuple[dict[str, float], list[Change]]:
    """What differs at time 0, and what changes later."""
    if not treatments:
        return {}, []
    if duration is None:
        raise InvalidValueError("an export with treatments needs weeks=... or duration=...")
    pieces = phases(model, treatments, duration)
    warn_idle(model, treatments, duration)
    levels = sorted({k for p in pieces for k, _ in p.levels})
    dosed = sorted({k for k, _ in pieces[0].doses})
    frozen = _initially_assigned(model) if pieces[0].levels or dosed else []
    base = _values_at_start(model, list(dict.fromkeys([*levels, *dosed, *frozen])))
    start = {k: base[k] for k in frozen} | dict(pieces[0].levels)
    start |= {k: base[k] + amount for k, amount in pieces[0].doses}
    changes = list(_changes(pieces, {k: base[k] for k in levels}))
    if len(changes) > MAX_EVENTS:
        raise InvalidValueError(
            f"the schedule has {len(changes)} switches and doses; allowed are {MAX_EVENTS}: shorten the export"
        )
    return start, changes


def _changes(pieces: Sequence[Phase], base: Mapping[str, float]) -> Iterator[Change]:
    now = {**base, **dict(pieces[0].levels)}
    for piece in pieces[1:]:
        wanted = {**base, **dict(piece.levels)}
        for key, value in wanted.items():
            if value != now[key]:
                yield Change(time=piece.start, target=key, value=value, adds=False)
        for key, amount in piece.doses:
            yield Change(time=piece.start, target=key, value=amount, adds=True)
        now = wanted


def _values_at_start(model: Model, names: Sequence[str]) -> dict[str, float]:
    """Values where a run begins: at rest in the context, or as the file says."""
    if not names:
        return {}
    job = make_job(model, (), duration=1.0, times=np.zeros(1), columns=names, start="auto")
    return dict(zip(names, map(float, run_job(job).before), strict=True))


def _empty(model: Model, rest: Mapping[str, float]) -> dict[str, float]:
    """States whose value at rest is rounding: 0.

    libroadrunner multiplies a scalar absolute tolerance by the initial value, and nothing integrates to 1e-71.
    """
    sizes = {k: abs(model.quantities[k].value) or 1.0 for k in rest if k in model.states}
    return {k: 0.0 for k, size in sizes.items() if 0 < abs(rest[k]) < NEGLIGIBLE * size}


def _initially_assigned(model: Model) -> list[str]:
    """Quantities with an initial assignment: it must not be evaluated again with the values of the treatment."""
    return sorted(k for k in sbml.content(model.sbml, model.name).initially_assigned if k in model.quantities)


# ---- writing -----------------------------------------------------------------------------------------------


def _write(
    top: libsbml.Model,
    definitions: Mapping[str, libsbml.Model],
    start: Mapping[str, float],
    changes: Sequence[Change],
    at_once: frozenset[float],
) -> None:
    for key, value in start.items():
        set_value(*_owner(top, definitions, key), value)
    doses: dict[tuple[str, float], str] = {}
    events: dict[float, libsbml.Event] = {}
    for number, change in enumerate(changes, 1):
        model, target = _owner(top, definitions, change.target)
        unit = unit_id(model, model.getElementBySId(target).getDerivedUnitDefinition())
        if change.adds:
            amount = doses.get((change.target, change.value)) or _dose(model, target, change.value, unit)
            doses[change.target, change.value] = amount
            formula = f"{target} + {amount}"
        else:
            formula = f"{change.value!r} {unit}"
        if change.time in at_once and change.time in events:
            add_assignment(events[change.time], target, formula)
        else:
            events[change.time] = add_switch(model, number, change.time, {target: formula})


def _owner(top: libsbml.Model, definitions: Mapping[str, libsbml.Model], key: str) -> tuple[libsbml.Model, str]:
    """The model and the id there of what is called `module__id` in the flat text."""
    module, _, rest = key.partition("__")
    return (definitions[module], rest) if rest and module in definitions else (top, key)


def _dose(model: libsbml.Model, target: str, amount: float, unit: str) -> str:
    """A constant that holds the amount of a dose, so that others can change it in one place."""
    parameter = add_parameter(model, free_id(model, f"dose_{target}"), amount, unit)
    parameter.setName(f"dose of {target}")
    return str(parameter.getId())
