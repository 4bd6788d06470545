"""A compiled model on libroadrunner: its start, its state, the settings of its solver, and integration."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .._files.cache import keep, name_of, stored
from .._formulas.start import STOICHIOMETRY, start_values
from .._formulas.switches import clocks
from .._sbml.libroadrunner import for_libroadrunner
from .._sbml.native import alone, roadrunner
from .._types import Array
from ..errors import SimulationError
from .events import sees_time_0, waits
from .values import Values

SETTLE_HORIZONS = (20_000.0, 40_000.0, 160_000.0, 640_000.0)  # model time units; hours in our models
SETTLED = 1e-6  # largest change of a state, in its scale, over the last stretch
GROWN = 1e-3  # of its value now, for a state of which the file did not tell the size
SHORTEST = 1e-9  # model time: a step that says nothing
NOTHING = Values()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where numbers go: those at `parameters` to libroadrunner's global parameters `index`, the others by name."""

    parameters: np.ndarray[Any, np.dtype[np.intp]]
    index: np.ndarray[Any, np.dtype[np.int32]]
    others: tuple[tuple[str, int], ...]


class Runner:
    """One compiled model; nothing of a run survives into the next one."""

    def __init__(self, sbml: str, compiled: bytes | None = None, *, once: bool = False) -> None:
        """`compiled` is machine code from another process; `once`: a text that no other run will have."""
        self.start, self.clocks = start_values(sbml), clocks(sbml)
        # Whether numbers alone put the model back to its start: events have a state too, and stoichiometries that are
        # set must be valid ones.
        plain = "listOfEvents" not in sbml and STOICHIOMETRY not in self.start.settable.values()
        self.first: Mapping[str, float] = self.start.values({}) if plain else {}
        self.engine = _engine(sbml, compiled, starts=not plain, once=once)
        self.core = self.engine.model
        self.events = int(self.core.getNumEvents())
        self.delayed, self.at_start = waits(sbml), sees_time_0(sbml)
        self.parameters = {k: i for i, k in enumerate(self.core.getGlobalParameterIds())}
        self.compartments = frozenset(self.core.getCompartmentIds())
        self.species = {k: i for i, k in enumerate(self.core.getFloatingSpeciesIds())}
        # those that no rule computes: libroadrunner sets no others
        self.free = np.array([i for k, i in self.species.items() if k in self.start.settable], dtype=np.int32)
        self.boundary = frozenset(self.core.getBoundarySpeciesIds())
        rated = self.core.getRateRuleSymbols()  # the solver has these first, then the species that have no rule
        free = (k for k in self.species if k not in rated and k in self.start.settable)
        self.vector = (*(self.core.getStateVectorId(i) for i in range(len(rated))), *free)
        self.ruled = tuple(k for k in self.vector if k not in self.species)
        amount = self.engine.getHasOnlySubstanceUnits
        self.amounts = frozenset(k for k in (*self.species, *self.boundary) if amount(k))
        self.published = {k: float(self.core.getValue(k)) for k in self.parameters}
        self._configured: dict[str, Any] = {}
        self._columns: tuple[str, ...] | None = None
        self._away = False
        self._places = lru_cache(maxsize=64)(self._find)

    def selection(self, name: str) -> str:
        """The libroadrunner name of an id's value: concentrations of species, except those in amounts."""
        species = name in self.species or name in self.boundary
        return f"[{name}]" if species and name not in self.amounts else name

    def value(self, name: str) -> float:
        """What an id stands for at this moment."""
        return float(self.core.getValue(self.selection(name)))

    def set_values(self, values: Values) -> None:
        """Constants, inputs and fixed species to these values; nothing else moves."""
        places = self._places(values.names)
        if len(places.index):
            self.core.setGlobalParameterValues(places.index, values.numbers[places.parameters])
        for key, i in places.others:
            self.core.setValue(key, float(values.numbers[i]))

    def _find(self, names: tuple[str, ...]) -> Places:
        known = [i for i, k in enumerate(names) if k in self.parameters]
        return Places(
            parameters=np.array(known, dtype=np.intp),
            index=np.array([self.parameters[names[i]] for i in known], dtype=np.int32),
            others=tuple((self.selection(k), i) for i, k in enumerate(names) if k not in self.parameters),
        )

    def state(self) -> Array:
        """The state in libroadrunner's order, in amounts."""
        amounts = np.array(self.core.getFloatingSpeciesAmounts())
        ruled = [self.core.getValue(k) for k in self.ruled]
        return np.concatenate([amounts, ruled]) if ruled else amounts

    def set_state(self, state: Array) -> None:
        """Inverse of `state`."""
        n = len(self.species)
        self._set_amounts(state[:n])
        if self.ruled:
            for key, value in zip(self.ruled, state[n:], strict=True):
                self.core.setValue(key, float(value))

    def _set_amounts(self, amounts: Array) -> None:
        if len(self.free):
            self.core.setFloatingSpeciesAmounts(self.free, np.ascontiguousarray(amounts[self.free]))

    def state_names(self) -> tuple[str, ...]:
        """Ids in the order of `state`."""
        return (*self.species, *self.ruled)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Settings of the integrator; what is as it was is not touched."""
        for key, value in settings.items():
            if self._configured.get(key) != value:
                self.engine.integrator.setValue(key, value)
                self._configured[key] = value

    def set_tolerances(self, relative: float, absolute: Sequence[float]) -> None:
        """Absolute tolerances as a vector: a scalar is rescaled by libroadrunner at every call."""
        by_name = dict(zip(self.state_names(), absolute, strict=True))
        self.configure({"relative_tolerance": relative})
        if self.vector:
            self.configure({"absolute_tolerance": [by_name[k] for k in self.vector]})

    def begin(self, values: Values = NOTHING, origin: Array | None = None) -> None:
        """Time 0, the published constants, then `values`; states from `origin` or as the file says.

        The same as loading the file anew with `values` written into it: what follows from them at the start is computed
        here, since libroadrunner leaves amounts, initial assignments and stoichiometries where they were.
        """
        if self._away:  # of a run that ended in a later call libroadrunner keeps which triggers were true
            self.core.setTime(0.0)
            self.advance((0.0, SHORTEST), ())
        self.engine.resetAll()
        self.core.setTime(0.0)
        moved = self.start.effect(values.names)(values.numbers) if values.names else {}
        self._put({**self.first, **moved})
        if origin is not None:
            self.set_state(origin)

    def _put(self, moved: Mapping[str, float]) -> None:
        """The sizes, constants, stoichiometries and amounts of time 0, in this order."""
        free = {k: v for k, v in moved.items() if k in self.start.settable}
        sizes = {k: v for k, v in free.items() if k in self.compartments}
        amounts = self.species.keys() | self.boundary
        for key, value in sizes.items():
            self.core.setValue(key, value)
        self.set_values(Values.of({k: v for k, v in free.items() if k not in sizes and k not in amounts}))
        if not moved.keys().isdisjoint(amounts | self.compartments):
            counted = self.start.amounts(moved)
            self._set_amounts(np.array([counted[k] for k in self.species]))
            for key in self.boundary & self.start.settable.keys():
                self.core.setValue(key, counted[key])

    def advance(self, times: Sequence[float] | Array, columns: tuple[str, ...]) -> Array:
        """Integrate through increasing `times` (the first is now); values of `columns` there."""
        self._away = bool(times[0] > 0 and self.events)
        if columns != self._columns:
            self.engine.timeCourseSelections = ["time", *columns]
            self._columns = columns
        try:
            result = self.engine.simulate(times=list(times))
        except RuntimeError as error:
            raise SimulationError(
                f"the integrator gave up between {times[0]:g} and {times[-1]:g}: {_first_line(error)}"
            ) from error
        return np.array(result)[:, 1:]

    def settle(self, scales: Array, values: Values) -> Array:
        """Integrate to the steady state from where the model stands, then set the clock back to 0."""
        before, start = self.state(), 0.0
        for stop in SETTLE_HORIZONS:
            for a, b in pairwise((start, *self._switches(values, start, stop), stop)):
                self.advance((a, b), ())
            after = self.state()
            change = np.abs(after - before) / np.maximum(scales, GROWN * np.abs(after))
            if start > 0 and np.all(change < SETTLED):
                self.core.setTime(0.0)
                return after
            before, start = after, stop
        name = self.state_names()[int(np.argmax(change))]
        raise SimulationError(f"no steady state: {name} still moves after {start:g} units of time")

    def _switches(self, values: Values, start: float, stop: float) -> list[float]:
        """Times between `start` and `stop` at which an input of the model switches by itself."""
        if self.clocks.none:
            return []
        return [t for t in self.clocks.times(self.start.values(values.mapping()), stop).times if t > start]


# LLJIT compiles the same numbers in 0.6 of the time of libroadrunner's default.
SETTINGS = {
    "ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES": True,  # else a parameter `reset` takes that method from the class
    "LLVM_BACKEND": roadrunner.Config.LLJIT,
    "LLJIT_OPTIMIZATION_LEVEL": roadrunner.Config.LESS,
}
WORTH_KEEPING = 1.0  # s of compilation


@contextmanager
def _settings(settings: Mapping[str, Any]) -> Iterator[None]:
    """libroadrunner's settings of the process, as we need them for a moment."""
    config = roadrunner.Config
    before = {k: config.getValue(getattr(config, k)) for k in settings}
    try:
        for key, value in settings.items():
            config.setValue(getattr(config, key), value)
        yield
    finally:
        for key, value in before.items():
            config.setValue(getattr(config, key), value)


def _engine(sbml: str, compiled: bytes | None, *, starts: bool, once: bool) -> Any:
    """A RoadRunner of this text: of machine code that is at hand, that the cache has, or that is made now.

    `starts`: whether `resetAll` has to work. Functions for that are 0.4 of the time.
    """
    text = for_libroadrunner(sbml)
    settings = {**SETTINGS, "LOADSBMLOPTIONS_MUTABLE_INITIAL_CONDITIONS": starts}
    name = "" if once else name_of("roadrunner", text, roadrunner.__version__, repr(settings))
    code = stored(name) if compiled is None and name else compiled
    try:
        with _settings(settings):
            if code is not None:
                engine = roadrunner.RoadRunner()
                engine.loadStateS(code)
                return engine
            begin = time.perf_counter()
            engine = roadrunner.RoadRunner(text)
    except RuntimeError as error:
        raise SimulationError(f"libroadrunner cannot load the model: {_first_line(error)}") from error
    if name and time.perf_counter() - begin > WORTH_KEEPING:
        keep(name, bytes(engine.saveStateS()))
    return engine


_COMPILED: dict[str, bytes] = {}


@alone
@lru_cache(maxsize=16)
def runner(sbml: str) -> Runner:
    """The compiled model of this text in this process; what uses it must be `alone` as long as it does."""
    return Runner(sbml, _COMPILED.get(sbml))


@alone
def machine_code(sbml: str) -> bytes:
    """The machine code of a model, for another process: it loads in a tenth of a second, compiling takes seconds."""
    engine = runner(sbml)
    engine.begin()
    return bytes(engine.engine.saveStateS())


def adopt(sbml: str, code: bytes) -> None:
    """Use the machine code that `machine_code` gave in another process of the same machine and version."""
    _COMPILED[sbml] = code


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
