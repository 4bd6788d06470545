"""Where functions of time jump: from the inner operations outwards, exactly where they are straight, else on a grid."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ._formula import Array, Tape, Value

MAX_TIMES = 100_000
MAX_FOCI = 500
GRID = 200_000
SHORTEST_STEP = 1e-5  # of the run, that a bound may ask for
FAST = 1e-2  # of the run: what varies within less needs a bound
UNSOLVED_STEP = 1e-3  # of the run, where a condition could not be solved for certain
SAME = 1e-12  # of the run: nearer times are one
RESOLVED = 0.02  # of its range: how far a function may bend between points of the grid
STILL = 1e-3  # of the fastest rate of a function: below, it counts as at rest
DECAY = 20  # widths after which a single rise or fall is over
MAX_RUNS = 1_000  # stretches in which a function varies; more are no pulses but an oscillation
BISECTIONS = 60
LEAVES = frozenset({"number", "constant", "state", "time"})
LEVELLED = frozenset({"floor", "ceiling", "quotient", "rem"})  # jump where their argument passes an integer
BENDING = frozenset({"min", "max", "abs"})
COMPARED = frozenset({"lt", "le", "eq", "ne"})  # jump where the difference of their arguments passes 0
BREAKING = LEVELLED | COMPARED | BENDING


class Clockwork:
    """What of a tape depends on time and on what changes, and how: 0 in steps, 1 straight in pieces, 2 otherwise."""

    def __init__(self, tape: Tape, clocks: Mapping[int, tuple[int, int]], changed: Container[str]) -> None:
        self.tape = tape
        count = len(tape.op)
        self.timed, self.stated, self.degree = [False] * count, [False] * count, [0] * count
        self.rising: Mapping[int, tuple[int, int]] = {}
        self._restarted: set[int] = set()
        self._classify()
        steady = {n: c for n, c in clocks.items() if tape.op[n] == "state" and not self._moves(c[1])}
        self._restarted = {n for n in steady if tape.label[n] in changed}  # clocks that an event sets
        self.rising = {n: c for n, c in steady.items() if n not in self._restarted}
        self._classify()
        self.ancestors = lru_cache(maxsize=1024)(self._ancestors)

    def _moves(self, node: int) -> bool:
        return self.timed[node] or self.stated[node]

    def _classify(self) -> None:
        for node, (op, args) in enumerate(zip(self.tape.op, self.tape.args, strict=True)):
            clock = op == "time" or node in self.rising
            self.timed[node] = clock or node in self._restarted or any(self.timed[k] for k in args)
            changes = (op == "state" and not clock) or (op == "delay" and self.timed[node])
            self.stated[node] = changes or any(self.stated[k] for k in args)
            self.degree[node] = int(clock) if not args else _degree(op, [self.degree[k] for k in args])

    def core(self, node: int) -> int:
        """The function that a node only scales and shifts: as fast, and the same for many values of constants."""
        while self.tape.op[node] in ("times", "plus", "minus", "negative", "divide"):
            varying = [k for k in self.tape.args[node] if self.timed[k]]
            below = self.tape.op[node] == "divide" and varying[0] != self.tape.args[node][0]
            if below or len(varying) > 1 or self.degree[varying[0]] != self.degree[node]:
                break
            node = varying[0]
        return node

    def _ancestors(self, node: int) -> tuple[int, ...]:
        """The operations that depend on time and lead to a node, itself included, in order."""
        found, waiting = set[int](), [node]
        while waiting:
            k = waiting.pop()
            if k not in found and self.timed[k]:
                found.add(k)
                waiting += self.tape.args[k]
        return tuple(sorted(found))

    def places(self, roots: Iterable[tuple[int, str]]) -> dict[int, str]:
        """All operations below the roots, in order, each with the name of the first root that reads it."""
        found: dict[int, str] = {}
        for root, name in roots:
            waiting = [root]
            while waiting:
                k = waiting.pop()
                if k not in found:
                    found[k] = name
                    waiting += self.tape.args[k]
        return dict(sorted(found.items()))

    def constants(self, nodes: Iterable[int]) -> tuple[str, ...]:
        """The ids whose values these operations read, and where the clocks start and how they rise."""
        reached, waiting = set[int](), list(nodes)
        while waiting:
            k = waiting.pop()
            if k not in reached:
                reached.add(k)
                waiting += (*self.tape.args[k], *self.rising.get(k, ()))
        return tuple(sorted({self.tape.label[k] for k in reached if self.tape.op[k] == "constant"}))


def _degree(op: str, degrees: Sequence[int]) -> int:
    highest = max(degrees)
    if op in (*COMPARED, "floor", "ceiling", "quotient"):
        return 0
    if op == "rem":
        return highest if degrees[1] == 0 else 2
    if op == "select":
        return max(degrees[1:])
    if op in ("plus", "minus", "negative", "min", "max", "abs", "slot") or highest == 0:
        return highest
    if op == "times":
        return min(sum(degrees), 2)
    if op == "divide" and degrees[1] == 0:
        return degrees[0]
    return 2


class Breaks:
    """The search on one run: values of the constants, and what has been found so far."""

    def __init__(self, work: Clockwork, constants: Mapping[str, float], stop: float) -> None:
        self.work, self.tape, self.stop = work, work.tape, stop
        self.longest_step: float | None = None
        self.reasons: dict[str, None] = {}
        self._values = self._constant_values(constants)
        self._own: dict[int, Array] = {}  # by operation: where it jumps or bends, but not what it reads
        self._switches: list[Array] = []

    def _constant_values(self, constants: Mapping[str, float]) -> list[Value]:
        tape = self.tape
        values: list[Value] = [None] * len(tape.op)
        known = np.zeros(len(tape.op), dtype=bool)
        for node, number in tape.numbers().items():
            values[node], known[node] = number, True
        order = []
        for node, (op, args) in enumerate(zip(tape.op, tape.args, strict=True)):
            if op == "constant" and tape.label[node] in constants:
                values[node], known[node] = np.float64(constants[tape.label[node]]), True
            elif op not in LEAVES and all(known[k] for k in args):
                known[node] = True
                order.append(node)
        tape.run(order, values)
        return values

    def times(self) -> tuple[float, ...]:
        """All switches found; beyond `MAX_TIMES` none, but a bound of the step."""
        found = self._merged(self._switches)
        if len(found) > MAX_TIMES:
            self.bound(SHORTEST_STEP * self.stop, f"there are more than {MAX_TIMES:,} switches")
            return ()
        return tuple(found.tolist())

    def bound(self, step: float, reason: str) -> None:
        """No step of the solver longer than this."""
        self.longest_step = step if self.longest_step is None else min(step, self.longest_step)
        self.reasons[reason] = None

    # ---- evaluation ------------------------------------------------------------------------------------------------

    def at(self, node: int, times: Array) -> Array:
        """The values of an operation at these times."""
        values = list(self._values)
        order = self.work.ancestors(node)
        for k in order:
            if k in self.work.rising:
                start, rate = (self._values[n] for n in self.work.rising[k])
                values[k] = start + rate * times
            elif self.tape.op[k] == "time":
                values[k] = times
        self.tape.run((k for k in order if self.tape.op[k] not in LEAVES), values)
        return np.broadcast_to(np.asarray(values[node], dtype=np.float64), times.shape)

    def _difference(self, above: int, below: int, times: Array) -> Array:
        with np.errstate(all="ignore"):
            difference: Array = self.at(above, times) - self.at(below, times)
        return difference

    def _argument(self, node: int, times: Array) -> Array:
        """What passes 0, or integers, where an operation jumps."""
        args = self.tape.args[node]
        if self.tape.op[node] in COMPARED:
            return self._difference(args[0], args[1], times)
        if len(args) == 1:
            return self.at(args[0], times)
        with np.errstate(all="ignore"):
            ratio: Array = self.at(args[0], times) / self.at(args[1], times)
        return ratio

    # ---- jumps -----------------------------------------------------------------------------------------------------

    def solve(self, node: int, place: str) -> None:
        """Find where an operation jumps."""
        self.kinks(node, place)
        self._switches.append(self._own[node])

    def kinks(self, node: int, place: str) -> Array:
        """Where a node jumps, or bends in a way that its degree does not tell, all that it reads included."""
        ancestors = self.work.ancestors(node)
        for k in ancestors:
            if k not in self._own and self.tape.op[k] in BREAKING:
                inner = self._merged([self.kinks(a, place) for a in self.tape.args[k] if self.work.timed[a]])
                self._own[k] = self._breaks(k, inner, place)
        return self._merged([self._own[k] for k in ancestors if k in self._own])

    def _breaks(self, node: int, inner: Array, place: str) -> Array:
        op, args = self.tape.op[node], self.tape.args[node]
        degrees = [self.work.degree[k] for k in args]
        if op in BENDING:
            return self._bends(node, inner, place) if max(degrees) == 1 else np.zeros(0)
        if max(degrees) == 0:
            return np.zeros(0)
        levelled = op in LEVELLED
        if max(degrees) == 1 and (len(args) == 1 or not levelled or degrees[1] == 0):
            return self._straight(lambda t: self._argument(node, t), inner, levelled, place)
        return self._curved(node, inner, levelled, place)

    def _bends(self, node: int, inner: Array, place: str) -> Array:
        args = self.tape.args[node]
        if self.tape.op[node] == "abs":
            return self._straight(lambda t: self.at(args[0], t), inner, False, place)
        pairs = [(a, b) for i, a in enumerate(args) for b in args[:i]]
        roots = [self._straight(lambda t, a=a, b=b: self._difference(a, b, t), inner, False, place) for a, b in pairs]
        return self._merged(roots)

    def _straight(self, function: Any, inner: Array, levelled: bool, place: str) -> Array:
        """Where a function that is straight between the `inner` times passes 0, or integers."""
        low, high = self._segments(inner)
        width = high - low
        first, last = function(low + width / 4), function(high - width / 4)
        with np.errstate(all="ignore"):
            slope = (last - first) / (width / 2)
            ends = first - slope * width / 4, last + slope * width / 4
            if not levelled:
                roots = low + width / 4 - first / slope
                return self._inside(roots[_between(roots, low, high, SAME * self.stop)])
            slack = 1e-9 * (1 + np.maximum(np.abs(ends[0]), np.abs(ends[1])))
            least, most = np.ceil(np.minimum(*ends) - slack), np.floor(np.maximum(*ends) + slack)
        counts = np.where(np.isfinite(slope) & (slope != 0), most - least + 1, 0.0)
        if counts.sum() > MAX_TIMES:
            self.bound(SHORTEST_STEP * self.stop, f"{place} jumps more than {MAX_TIMES:,} times")
            return np.zeros(0)
        at, levels = _each(least, counts)
        roots = low[at] + width[at] / 4 + (levels - first[at]) / slope[at]
        return self._inside(roots[_between(roots, low[at], high[at], SAME * self.stop)])

    def _curved(self, node: int, inner: Array, levelled: bool, place: str) -> Array:
        """The same for any function: where it changes sides between points of a grid, by bisection."""
        grid = self._grid(self.tape.args[node], inner)
        values = self._argument(node, grid)
        apart = np.diff(np.searchsorted(inner, grid)) != 0
        grid, values = _with_extrema(lambda t: self._argument(node, t), grid, values, apart, levelled)
        apart = np.diff(np.searchsorted(inner, grid)) != 0
        low, high, level = _brackets(grid, values, apart, levelled)
        if len(low) > MAX_TIMES:
            self.bound(SHORTEST_STEP * self.stop, f"{place} jumps more than {MAX_TIMES:,} times")
            return np.zeros(0)
        if _bends_unseen(values, apart):
            self.bound(UNSOLVED_STEP * self.stop, f"{place} has a condition on a function of time that varies too fast")
        above = self._argument(node, low) > level
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            same = (self._argument(node, middle) > level) == above
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return self._inside(high)

    # ---- smooth functions ------------------------------------------------------------------------------------------

    def resolve(self, node: int, place: str) -> None:
        """Bound the step where a function of time alone varies fast, with cuts where it begins and ends to vary."""
        inner = self.kinks(node, place)
        grid = self._grid((node,), inner)
        values = self.at(node, grid)
        apart = np.diff(np.searchsorted(inner, grid)) != 0
        with np.errstate(all="ignore"):
            rate = np.where(apart, 0.0, np.abs(np.diff(values)) / np.diff(grid))
        rate = np.where(np.isfinite(rate), rate, 0.0)
        finite = values[np.isfinite(values)]
        if not len(finite) or not rate.any():
            return
        width = float(np.ptp(finite) / rate.max())
        if width >= FAST * self.stop:
            return
        begins, ends = _runs(rate > STILL * rate.max(), grid, width)
        known = np.concatenate([[0.0], inner])
        started = begins - known[np.searchsorted(known, begins, side="right") - 1] <= 2 * self.stop / GRID
        if len(begins) <= MAX_RUNS and (ends - begins).sum() < 0.5 * self.stop:
            self._switches += [self._inside(begins[~started]), self._inside(ends)]
        if np.all(started) and np.all(ends - begins <= DECAY * width):
            return  # the solver starts afresh where it begins, with steps that fit, and it soon comes to rest
        step = max(width, SHORTEST_STEP * self.stop)
        self.bound(step, f"{place} has a function of time that varies within {width:.3g}")

    def _grid(self, nodes: Iterable[int], inner: Array) -> Array:
        """Even points, more near where something straight passes 0 (the middle of a pulse), and both sides of jumps."""
        foci = self._foci(nodes)
        spread = self.stop * 2.0 ** -np.arange(1, 45)
        near = np.concatenate([foci[:, None] - spread, foci[:, None] + spread, foci[:, None]], axis=1).ravel()
        gap = 2 * SAME * self.stop
        points = np.concatenate([np.linspace(0, self.stop, GRID + 1), near])
        if len(inner):  # at a jump a point would belong to either side
            after = np.minimum(np.searchsorted(inner, points), len(inner) - 1)
            distance = np.minimum(np.abs(points - inner[after]), np.abs(points - inner[np.maximum(after - 1, 0)]))
            points = np.concatenate([points[distance > gap], inner - gap, inner + gap])
        kept: Array = np.unique(points[(points >= gap) & (points <= self.stop - gap)])  # a jump at an end is none
        return kept

    def _foci(self, nodes: Iterable[int]) -> Array:
        """Where what is straight and read by something that is not passes 0."""
        reached = {k for node in nodes for k in self.work.ancestors(node) if self.work.degree[k] == 2}
        bent = {a for k in reached for a in self.tape.args[k] if self.work.degree[a] == 1}
        roots = [self._straight(lambda t, n=n: self.at(n, t), self.kinks(n, ""), False, "") for n in sorted(bent)]
        found = self._merged(roots)
        return found[:MAX_FOCI]

    # ---- times -----------------------------------------------------------------------------------------------------

    def _segments(self, inner: Array) -> tuple[Array, Array]:
        edges = np.concatenate([[0.0], inner, [self.stop]])
        wide = np.diff(edges) > 4 * SAME * self.stop
        return edges[:-1][wide], edges[1:][wide]

    def _inside(self, times: Array) -> Array:
        """The times within the run, as the short decimal that they are but for rounding."""
        with np.errstate(all="ignore"):
            digits = np.clip(11 - np.floor(np.log10(np.abs(times))), 0, 22)
            short = np.round(times * 10.0**digits) / 10.0**digits
        snapped = np.where(np.abs(short - times) <= SAME / 10 * self.stop, short, times)
        kept: Array = np.unique(snapped[(snapped > SAME * self.stop) & (snapped < self.stop * (1 - SAME))])
        return kept

    def _merged(self, several: Sequence[Array]) -> Array:
        filled = [a for a in several if len(a)]
        if len(filled) < 2:
            return filled[0] if filled else np.zeros(0)
        times: Array = np.unique(np.concatenate(filled))
        apart: Array = times[np.concatenate([[True], np.diff(times) > SAME * self.stop])]
        return apart


def _between(roots: Array, low: Array, high: Array, slack: float) -> Any:
    return np.isfinite(roots) & (roots >= low - slack) & (roots <= high + slack)


def _brackets(grid: Array, values: Array, apart: Any, levelled: bool) -> tuple[Array, Array, Array]:
    """Neighbours on the grid between which the function passes 0, or integers: each with its level."""
    finite = np.isfinite(values[1:]) & np.isfinite(values[:-1]) & ~apart
    low, high = np.minimum(values[1:], values[:-1]), np.maximum(values[1:], values[:-1])
    with np.errstate(invalid="ignore"):
        count = np.floor(high) - np.floor(low) if levelled else (high > 0) & (low <= 0)
    counts = np.where(finite, count, 0)
    if counts.sum() > MAX_TIMES:
        return grid[:1].repeat(MAX_TIMES + 1), grid[:1].repeat(MAX_TIMES + 1), np.zeros(MAX_TIMES + 1)
    at, levels = _each(np.floor(low) + 1 if levelled else np.zeros(len(low)), counts)
    return grid[at], grid[at + 1], levels


def _each(first: Array, counts: Array) -> tuple[Any, Array]:
    """As many rows as counted: the index of each, and its level from the first one upwards."""
    whole = np.maximum(counts, 0).astype(np.int64)
    at = np.repeat(np.arange(len(whole)), whole)
    return at, first[at] + np.arange(len(at)) - np.repeat(np.cumsum(whole) - whole, whole)


def _with_extrema(function: Any, grid: Array, values: Array, apart: Any, levelled: bool) -> tuple[Array, Array]:
    """The grid with the highest and lowest points between its neighbours, where they may touch what is looked for."""
    left, here, right = values[:-2], values[1:-1], values[2:]
    low = (here < left) & (here <= right) & (levelled | (here > 0))
    high = (here > left) & (here >= right) & (levelled | (here <= 0))
    found = np.flatnonzero((low | high) & ~apart[:-1] & ~apart[1:])
    if not len(found):
        return grid, values
    a, b = grid[found], grid[found + 2]
    sign = np.where(low[found], 1.0, -1.0)
    for _ in range(BISECTIONS):
        c, d = a + 0.382 * (b - a), a + 0.618 * (b - a)
        smaller = sign * function(c) < sign * function(d)
        a, b = np.where(smaller, a, c), np.where(smaller, d, b)
    best = (a + b) / 2
    every: Array = np.concatenate([grid, best])
    order = np.argsort(every, kind="stable")
    known: Array = np.concatenate([values, function(best)])
    return every[order], known[order]


def _bends_unseen(values: Array, apart: Any) -> bool:
    """Whether a function bends so much between points of its grid that a root may lie unseen."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return False
    with np.errstate(all="ignore"):
        bend = np.abs(values[:-2] - 2 * values[1:-1] + values[2:]) / 8
    bend = bend[~apart[:-1] & ~apart[1:] & np.isfinite(bend)]
    return bool(len(bend) and bend.max() > RESOLVED * np.ptp(finite))


def _runs(active: Any, grid: Array, gap: float) -> tuple[Array, Array]:
    """Where the active stretches of a grid begin and end; those less than a gap apart are one."""
    edges = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    begins, ends = grid[:-1][edges[:-1] == 1], grid[1:][edges[1:] == -1]
    apart = begins[1:] - ends[:-1] > gap
    return begins[np.concatenate([[True], apart])[: len(begins)]], ends[np.concatenate([apart, [True]])[-len(ends) :]]
