"""Which formulas depend on time alone, which on what changes, and what shape they have in time."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache

from .tape import Tape

LEAVES = frozenset({"number", "constant", "state", "time"})
LEVELLED = frozenset({"floor", "ceiling", "quotient", "rem"})  # jump where their argument passes an integer
BENDING = frozenset({"min", "max", "abs"})
COMPARED = frozenset({"lt", "le", "eq", "ne"})  # jump where the difference of their arguments passes 0
JUMPING = LEVELLED | COMPARED
# what keeps slow what is slow; everything else can make a pulse of it
LINEAR = LEAVES | frozenset(
    ["plus", "minus", "negative", "times", "divide", "select", "slot", "and", "or", "not", "xor"]
)
BREAKING = JUMPING | BENDING


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
        uneven = {n for n, c in clocks.items() if tape.op[n] == "state" and self.timed[c[1]] and not self.stated[c[1]]}
        if uneven:  # clocks whose rate depends on time
            self._restarted |= uneven
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

    def steady(self, nodes: Iterable[int]) -> frozenset[str]:
        """The clocks that these operations read, and the ids that say how they rise."""
        reached = {k for node in nodes for k in self.ancestors(node)} & self.rising.keys()
        return frozenset(self.tape.label[k] for k in reached) | set(self.constants(self.rising[k][1] for k in reached))

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
