"""Where functions of time jump: from the inner operations outwards, exactly where they are straight, else on a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .._types import Array
from .clockwork import BENDING, BREAKING, COMPARED, LEAVES, LEVELLED, Clockwork
from .tape import Value

MAX_TIMES = 100_000
MAX_FOCI = 500
GRID = 200_000
SHORTEST_STEP = 1e-5  # of the run, that a bound may ask for
FAST = 1e-2  # of the run: what varies within less needs a bound
UNSOLVED_STEP = 1e-3  # of the run, where a condition could not be solved for certain
SAME = 1e-12  # of the run: nearer times are one
RESOLVED = 0.02  # of its range: how far a function may bend between points of the grid
STILL = 1e-3  # of the fastest rate of a function: below, it counts as at rest
DECAY = 20  # widths after which a rise or fall from a switch on is over
MAX_CUTS = 10_000  # for a function that varies fast now and then; more cost more than short steps
BISECTIONS = 60


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
        grid = self._grid(self.tape.args[node], inner, place)
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
        """Cut the run where a function of time alone varies fast, as finely as it varies, or bound the step."""
        inner = self.kinks(node, place)
        grid = self._grid((node,), inner, place)
        values = self.at(node, grid)
        apart = np.diff(np.searchsorted(inner, grid)) != 0
        with np.errstate(all="ignore"):
            rate = np.where(apart, 0.0, np.abs(np.diff(values)) / np.diff(grid))
        rate = np.where(np.isfinite(rate), rate, 0.0)
        finite = values[np.isfinite(values)]
        width = float(np.ptp(finite) / rate.max()) if len(finite) and rate.any() else np.inf
        if width >= FAST * self.stop:
            return
        begins, ends = _runs(rate > STILL * rate.max(), grid, width)
        known = np.concatenate([[0.0], inner])
        fresh = begins - known[np.searchsorted(known, begins, side="right") - 1] <= 2 * self.stop / GRID
        over = ends - begins <= DECAY * width
        begins, ends = begins[~(fresh & over)], ends[~(fresh & over)]  # there the solver starts with steps that fit
        pieces = np.ceil((ends - begins) / width)
        if pieces.sum() > MAX_CUTS or (ends - begins).sum() > 0.5 * self.stop:
            step = max(width, SHORTEST_STEP * self.stop)
            self.bound(step, f"{place} has a function of time that varies within {width:.2g}")
            return
        at, number = _each(np.zeros(len(begins)), pieces + 1)
        self._switches.append(self._inside(begins[at] + number * ((ends - begins) / pieces)[at]))

    def _grid(self, nodes: Iterable[int], inner: Array, place: str) -> Array:
        """Even points, more near where something straight passes 0 (the middle of a pulse), and both sides of jumps."""
        foci = self._foci(nodes, place)
        spread = self.stop * 2.0 ** (-np.arange(4, 176) / 4)
        near = np.concatenate([foci[:, None] - spread, foci[:, None] + spread, foci[:, None]], axis=1).ravel()
        gap = 2 * SAME * self.stop
        points = np.concatenate([np.linspace(0, self.stop, GRID + 1), near])
        if len(inner):  # at a jump a point would belong to either side
            after = np.minimum(np.searchsorted(inner, points), len(inner) - 1)
            distance = np.minimum(np.abs(points - inner[after]), np.abs(points - inner[np.maximum(after - 1, 0)]))
            points = np.concatenate([points[distance > gap], inner - gap, inner + gap])
        kept: Array = np.unique(points[(points >= gap) & (points <= self.stop - gap)])  # a jump at an end is none
        return kept

    def _foci(self, nodes: Iterable[int], place: str) -> Array:
        """Where what is straight and read by something that is not passes 0."""
        reached = {k for node in nodes for k in self.work.ancestors(node) if self.work.degree[k] == 2}
        bent = {a for k in reached for a in self.tape.args[k] if self.work.degree[a] == 1}
        roots = [self._straight(lambda t, n=n: self.at(n, t), self.kinks(n, place), False, place) for n in sorted(bent)]
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
    apart = np.concatenate([[True], begins[1:] - ends[:-1] > gap])
    return begins[apart], ends[np.concatenate([apart[1:], [True]])]
