"""The phases that a run is cut into: stretches of constant inputs, with doses at their starts."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .._sbml import sbml
from .._sbml.sbml import Quantity
from ..errors import (
    InvalidValueError,
    UnknownNameError,
    require_kind,
    require_range,
    unknown_name,
    warn,
)
from ..modules.flat import FlatModel
from ..treatments.schedule import HOURS_PER_WEEK, Dose, Level, Treatment, label, name_of, require_treatments
from .tolerances import LEAST_OUTPUTS


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch `start..stop` of constant inputs; the doses fall on its start. It may have no length (at the end)."""

    start: float
    stop: float
    levels: tuple[tuple[str, float], ...]
    doses: tuple[tuple[str, float], ...]


def phases(model: FlatModel, treatments: Sequence[Treatment], duration: float) -> tuple[Phase, ...]:
    """Cut `0..duration` at every known switch time.

    Raises `UnknownNameError` for an input that the model lacks, `InvalidValueError` for a level outside the input's
    range, for a dose on something that is no state, for two levels on one input at the same time, and for a treatment
    that moves nothing in a reduced model.
    """
    treatments = require_treatments(treatments)
    targets = _Targets(model)
    levels: list[tuple[Level, str]] = []
    doses: list[tuple[Dose, str]] = []
    for treatment in treatments:
        keys = [targets.of(item, treatment) for item in treatment.schedule()]
        targets.require_moving(keys, treatment)
        for item, key in zip(treatment.schedule(), keys, strict=True):
            if isinstance(item, Level):
                levels.append((item, key))
            else:
                doses.append((item, key))
    _check_overlaps(levels, duration, treatments)
    windows = [(key, item.value, snap(item.at, duration), snap(_stop(item), duration)) for item, key in levels]
    due: dict[float, dict[str, float]] = defaultdict(dict)
    for item, key in doses:
        for time in snap_all(item.times, duration) if item.amount else ():
            due[time][key] = due[time].get(key, 0.0) + item.amount
    return _pieces(windows, due, duration)


def _stop(level: Level) -> float:
    return math.inf if level.until is None else level.until


def _pieces(
    windows: Sequence[tuple[str, float, float, float]], due: Mapping[float, Mapping[str, float]], duration: float
) -> tuple[Phase, ...]:
    """One sweep over the switch times; a last phase of no length where something changes at the very end.

    What holds at a time must not depend on how long the run goes on: levels are half open, doses act at their time.
    """
    begins: dict[float, dict[str, float]] = defaultdict(dict)
    ends: dict[float, list[str]] = defaultdict(list)
    for key, value, begin, end in windows:
        begins[begin][key] = value
        ends[end].append(key)
    cuts = sorted({0.0, duration, *(t for t in (*begins, *ends, *due) if t < duration)})
    active: dict[str, float] = {}
    held: tuple[tuple[str, float], ...] = ()
    pieces: list[Phase] = []
    for start, stop in zip(cuts, [*cuts[1:], duration], strict=True):
        for key in ends.get(start, ()):
            active.pop(key, None)
        active |= begins.get(start, {})
        if start in begins or start in ends:
            held = tuple(active.items())
        doses = tuple(due[start].items()) if start in due else ()
        if start < duration or doses or held != pieces[-1].levels:
            pieces.append(Phase(start=start, stop=stop, levels=held, doses=doses))
    return tuple(pieces)


def cut_at(pieces: Sequence[Phase], times: Sequence[float]) -> tuple[Phase, ...]:
    """The same phases, cut at further `times` (increasing) as well."""
    inner = deque(times)
    found = []
    for piece in pieces:
        start, doses = piece.start, piece.doses
        while inner and inner[0] < piece.stop:
            time = inner.popleft()
            if time > start:
                found.append(replace(piece, start=start, stop=time, doses=doses))
                start, doses = time, ()
        found.append(replace(piece, start=start, doses=doses))
    return tuple(found)


def snap(time: float, duration: float) -> float:
    """`time` to twelve digits of the duration: times that differ by rounding (0.3 and 3*0.1) become one.

    >>> snap(0.1 + 0.2, 1.0)
    0.3
    """
    return snap_all([time], duration)[0]


def snap_all(times: Iterable[float], duration: float) -> list[float]:
    """`snap` of each."""
    digits = 12 - math.ceil(math.log10(duration))
    return [t if t == duration or not math.isfinite(t) else round(t, digits) for t in times]


class Leg(NamedTuple):
    """Where the solver stops in a phase, which rows of the result lie there, and at which of the stops."""

    stops: list[float]
    rows: slice
    places: np.ndarray[Any, np.dtype[np.intp]]


@lru_cache(maxsize=8)  # rows have the same, unless their inputs switch by themselves
def legs_between(asked: tuple[float, ...], spans: tuple[tuple[float, float], ...]) -> tuple[Leg, ...]:
    """The legs through `spans` of a run (start and stop each) with results at the times that are asked for."""
    duration = spans[-1][1]
    times = np.array(snap_all(asked, duration))
    grid = np.linspace(0.0, duration, LEAST_OUTPUTS + 1)  # the limit of steps holds from stop to stop
    between = np.array(snap_all(grid, duration))
    legs = []
    for start, stop in spans:
        first, last = np.searchsorted(times, start), np.searchsorted(times, stop, side="right")
        inner = between[(between > start) & (between < stop)]
        stops = np.unique(np.concatenate([[start], times[first:last], inner, [stop]]))
        legs.append(Leg(stops.tolist(), slice(first, last), np.searchsorted(stops, times[first:last])))
    return tuple(legs)


class _Targets:
    """What the levels and doses of a schedule act on; a name is looked up once."""

    def __init__(self, model: FlatModel) -> None:
        self.model = model
        self.ports = {p.id: p for p in model.input_ports}
        self.keys: dict[tuple[str, bool], str] = {}

    def of(self, item: Level | Dose, treatment: Treatment) -> str:
        """The id of the input; raises for one that is not there, that cannot be acted on, or a value out of range."""
        require_kind(
            f"an item of the schedule of {name_of(treatment)}", item, (Level, Dose), "Level(input='k', value=1)"
        )
        what = (item.input, isinstance(item, Dose))
        if what not in self.keys:
            self.keys[what] = self._found(item, treatment)
        key = self.keys[what]
        port = self.ports.get(key)
        if port is not None and isinstance(item, Dose):
            require_range(f"the dose of {key}", item.amount, port.low, port.high)
        elif port is not None and isinstance(item, Level):
            require_range(f"the level of {key}", item.value, port.low, port.high)
        return key

    def require_moving(self, keys: Sequence[str], treatment: Treatment) -> None:
        """Raise if all that a treatment acts on has lost its effect in a reduced model."""
        model = self.model
        if model.whole and keys and not {*keys} & {*self.ports, *(p.id for p in model.constants), *model.states}:
            names = ", ".join(dict.fromkeys(keys))
            raise InvalidValueError(
                f"{name_of(treatment)} acts on {names}, which moves nothing in the reduced model {model.name}; ask the "
                f"model that it was made of"
            )

    def _found(self, item: Level | Dose, treatment: Treatment) -> str:
        model = self.model
        try:
            key = model.resolve(item.input)
        except UnknownNameError:
            known = [p.id for p in model.input_ports] or [p.id for p in model.constants]
            who = "" if treatment is item else f", asked for by {name_of(treatment)},"
            raise unknown_name(f"input of {model.name}{who}", item.input, known) from None
        q = model.quantities.get(key)
        if isinstance(item, Dose):
            if key not in model.states:
                raise InvalidValueError(f"a dose acts on a state; {key} of {model.name} is none")
        elif key in sbml.content(model.sbml, model.name).conversion_factors:
            raise InvalidValueError(f"{key} of {model.name} is a conversion factor: SBML has it constant")
        elif q is None or q.ruled or not (q.kind == "parameter" or model.is_fixed(key)):
            raise InvalidValueError(f"{key} of {model.name} {_moved_by(q)}; a level acts on an input or a constant")
        return key


def _moved_by(q: Quantity | None) -> str:
    """Why a level cannot hold a quantity."""
    if q is None:
        return "is the rate of a reaction"
    if q.kind == "compartment":
        return "is the size of a compartment (set it for a whole run by with_parameters)"
    return "is computed by a rule" if q.ruled else "is changed by reactions"


def _check_overlaps(levels: Sequence[tuple[Level, str]], duration: float, treatments: Sequence[Treatment]) -> None:
    by_input: dict[str, list[tuple[float, float]]] = {}
    for item, key in levels:
        by_input.setdefault(key, []).append((item.at, _stop(item)))
    for key, windows in by_input.items():
        windows.sort()
        for (start, stop), (following, _) in pairwise(windows):
            if following < stop and following < duration:
                inputs = {item.input for item, k in levels if k == key}
                asking = [t for t in treatments if any(i.input in inputs for i in t.schedule())]
                raise InvalidValueError(
                    f"two levels on {key} overlap from {following:g}: the first runs from {start:g} to {stop:g} "
                    f"(asked for by {', '.join(map(name_of, asking))})"
                )


def warn_idle(model: FlatModel, treatments: Sequence[Treatment], duration: float) -> None:
    """A `ModelWarning` for each treatment that begins after the end of a run of this length, and so does nothing.

    A level at the end comes too late, a dose at the end does not. What has no part at all says so itself.
    """
    for treatment in treatments:
        starts = [
            math.nextafter(item.at, math.inf) if isinstance(item, Level) else min(item.times, default=math.inf)
            for item in treatment.schedule()
        ]
        first = min(starts, default=math.inf)
        if duration < first < math.inf:
            warn(
                f"{label(treatment)} starts at {_clock(model, first)} and does nothing: the run ends at "
                f"{_clock(model, duration)}"
            )


def _clock(model: FlatModel, time: float) -> str:
    """A time of the model to read; hours also as weeks, in which diets are given."""
    if model.time_unit_seconds != 3600.0:
        return f"{time:g}"
    return f"{time:g} h (week {time / HOURS_PER_WEEK:g})"
