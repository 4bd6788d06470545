"""An evaluator of SBML that shares nothing with the library: what every engine has to give.

`evaluate` integrates the equations of `sbml_equations` with LSODA at a tight tolerance and stops wherever a
comparison, a trigger or a schedule switches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.integrate import LSODA

from sbml_equations import Equations, Event, Values, read_equations

RELATIVE = 1e-10
ABSOLUTE = 1e-14
LOOKS = (0.25, 0.5, 0.75, 1.0)  # where within a step it is looked whether something has switched
LONGEST = 1 / 50  # of the run, in one step
MOST_EVENTS = 1_000  # at one time
MOST_STEPS = 200_000


class Scheduled(Protocol):
    """A level (input, value, start, stop) or a dose (input, amount, times)."""

    input: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """At `time` the id takes `value`, or `value` is added to it."""

    time: float
    target: str
    value: float
    adds: bool


@dataclass(kw_only=True)
class Pending:
    """An event that was triggered and is not executed yet."""

    event: Event
    time: float
    values: Values | None


def evaluate(
    text: str,
    times: Sequence[float],
    columns: Sequence[str],
    values: Mapping[str, float] | None = None,
    changes: Iterable[Scheduled] = (),
) -> np.ndarray:
    """Values of `columns` (ids, in their own units) at increasing `times`, from 0 on.

    `values` are other values at the start: of the text in which the id has that value instead of its attribute or
    initial assignment. `changes` are levels and doses. At a switch the values are those after it. Raises `NotRead` for
    what it does not know and `ArithmeticError` if there is no solution.
    """
    run = Run(read_equations(text), values or {}, max(times))
    base = run.everything()
    due = sorted(_changes(changes, base), key=lambda c: (c.time, c.adds))
    return run.through(times, columns, due)


def _changes(items: Iterable[Scheduled], base: Values) -> Iterable[Change]:
    for item in items:
        if hasattr(item, "amount"):
            for time in item.times:
                yield Change(time=time, target=item.input, value=item.amount, adds=True)
        else:
            yield Change(time=item.at, target=item.input, value=item.value, adds=False)
            if item.until is not None and math.isfinite(item.until):
                yield Change(time=item.until, target=item.input, value=base[f"v_{item.input}"], adds=False)


@dataclass
class Run:
    """One run: the clock, what the model remembers, the events that wait."""

    equations: Equations
    values: Mapping[str, float]
    end: float
    time: float = 0.0
    stored: Values = field(default_factory=dict)
    was: list[bool] = field(default_factory=list)
    waiting: list[Pending] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.stored = self.equations.start(self.values)
        self.was = [e.was_true for e in self.equations.events]

    def resting(self) -> list[float]:
        return [v for k, v in self.stored.items() if k not in self.equations.moving]

    def moving(self) -> list[float]:
        return [self.stored[k] for k in self.equations.moving]

    def everything(self) -> Values:
        """All values by their names, now."""
        return self.equations.everything(self.time, self.moving(), self.resting())

    def through(self, times: Sequence[float], columns: Sequence[str], due: list[Change]) -> np.ndarray:
        """The whole run."""
        found: dict[float, list[float]] = {}
        self.switch(due)
        while True:
            if self.time in times:
                now = self.everything()
                found[self.time] = [float(now[f"v_{c}"]) for c in columns]
            if self.time >= self.end:
                return np.array([found[t] for t in times])
            stops = [self.end, *(c.time for c in due if c.time > self.time), *(p.time for p in self.waiting)]
            wanted = [t for t in times if t > self.time]
            self.advance(min(stops), wanted, columns, found)
            self.switch(due)

    # ---- between switches ------------------------------------------------------------------------------------------

    def advance(self, stop: float, wanted: Sequence[float], columns: Sequence[str], found: dict) -> None:
        """Integrate to `stop`, or to just after the first switch on the way."""
        equations, resting = self.equations, self.resting()
        before = equations.jumps(self.time, self.moving(), resting)
        solver = LSODA(
            lambda t, y: [*equations.rates(t, y[:-1].tolist(), resting), 0.0],
            self.time,
            [*self.moving(), 1.0],  # never without a state
            stop,
            rtol=RELATIVE,
            atol=ABSOLUTE,
            max_step=LONGEST * self.end,
        )
        while solver.status == "running":
            message = solver.step()
            self.steps += 1
            if solver.status == "failed" or not np.all(np.isfinite(solver.y)) or self.steps > MOST_STEPS:
                raise ArithmeticError(f"no solution beyond {solver.t:g}: {message}")
            course = solver.dense_output()

            def jumps(t: float, course=course) -> tuple[float, ...]:
                return equations.jumps(t, course(t)[:-1].tolist(), resting)

            begin = solver.t_old
            until = solver.t
            if before:
                last = begin
                for share in LOOKS:
                    look = begin + share * (solver.t - begin)
                    if jumps(look) != before:
                        until = _first_change(jumps, before, last, look)
                        break
                    last = look
            for t in wanted:
                if begin < t < until:
                    now = equations.everything(t, course(t)[:-1].tolist(), resting)
                    found[t] = [float(now[f"v_{c}"]) for c in columns]
            self.time = until
            at = solver.y if until == solver.t else course(until)
            self.stored.update(zip(equations.moving, at[:-1].tolist(), strict=True))
            if until < solver.t or (before and equations.jumps(self.time, self.moving(), resting) != before):
                return

    # ---- at a switch -----------------------------------------------------------------------------------------------

    def switch(self, due: list[Change]) -> None:
        """Apply the schedule, then the events, one by one, until nothing happens any more at this time."""
        now, values = self.everything(), {}
        for change in [c for c in due if c.time == self.time]:  # all at once, as the assignments of one event
            old = values.get(change.target, now[f"v_{change.target}"]) if change.adds else 0.0
            values[change.target] = old + change.value
        self.assign(values)
        for _ in range(MOST_EVENTS):
            self.look()
            ready = [p for p in self.waiting if p.time <= self.time]
            if not ready:
                return
            now = self.everything()
            first = max(ready, key=lambda p: now[p.event.priority] if p.event.priority else -math.inf)
            self.waiting.remove(first)
            self.assign(first.values if first.values is not None else _results(first.event, now))
        raise ArithmeticError(f"events without end at {self.time:g}")

    def look(self) -> None:
        """Note the events of which the trigger has become true, forget those that do not persist."""
        now = self.everything()
        for k, event in enumerate(self.equations.events):
            on = bool(now[event.trigger])
            if on and not self.was[k]:
                delay = now[event.delay] if event.delay else 0.0
                values = _results(event, now) if event.from_trigger_time else None
                self.waiting.append(Pending(event=event, time=self.time + delay, values=values))
            elif not on and not event.persistent:
                self.waiting = [p for p in self.waiting if p.event is not event]
            self.was[k] = on

    def assign(self, values: Values) -> None:
        """All at once; amounts stay where a compartment changes (cases 01506 and 01779 of the SBML Test Suite)."""
        equations = self.equations
        before = self.everything()
        species = {k: v for k, v in values.items() if k in equations.by_amount or k in equations.by_value}
        self.stored.update({f"v_{k}": v for k, v in values.items() if k not in species})
        after = self.everything()

        def size(key: str, now: Values) -> float:
            return now[f"v_{equations.home[key]}"] if key in equations.home else 1.0

        for key, value in species.items():  # a concentration assigned together with its compartment: in the old size
            if key in equations.by_amount:
                self.stored[f"n_{key}"] = value * size(key, before)
        for key in equations.by_value:
            value = species.get(key, before[f"v_{key}"])
            resized = size(key, before) != size(key, after)
            self.stored[f"v_{key}"] = value * size(key, before) / size(key, after) if resized else value


def _results(event: Event, now: Values) -> Values:
    return {key: float(now[name]) for key, name in event.assigned.items()}


def _first_change(jumps, before: tuple[float, ...], low: float, high: float) -> float:
    """The first floating-point time in (low, high] at which something has switched."""
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return high
        if jumps(middle) != before:
            high = middle
        else:
            low = middle
