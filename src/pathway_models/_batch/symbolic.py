"""Expressions as a graph without duplicates, their Jacobian, and the elimination order of a sparse matrix.

Every distinct expression exists once (hash consing), so common subexpressions cost nothing to find. A node's rank says
what it depends on: 0 nothing, 1 parameters only (computed once per row and phase), 2 states (computed at every stage).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

LARGEST_POWER = 12  # integer exponents up to this become multiplications
UNARY: dict[str, Callable[[float], float]] = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "abs": abs, "floor": math.floor, "ceil": math.ceil,
}  # fmt: skip
COMPARISONS = ("lt", "le", "eq", "ne")


class Graph:
    """A set of expressions; a node is an integer, arguments have smaller numbers than what uses them."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.value: list[float] = []  # of constants; the index of parameters and states
        self.rank: list[int] = []
        self._known: dict[tuple[str, tuple[int, ...], float | str], int] = {}
        self.zero, self.one = self.const(0.0), self.const(1.0)

    def _node(self, op: str, args: tuple[int, ...] = (), value: float = 0.0, rank: int = -1) -> int:
        key = (op, args, value if value or op != "const" else str(value))  # 0.0 and -0.0 differ
        if key not in self._known:
            self._known[key] = len(self.op)
            self.op.append(op)
            self.args.append(args)
            self.value.append(value)
            self.rank.append(max((self.rank[a] for a in args), default=0) if rank < 0 else rank)
        return self._known[key]

    def const(self, value: float) -> int:
        """A number."""
        return self._node("const", (), float(value), 0)

    def param(self, index: int) -> int:
        """The parameter with this index."""
        return self._node("param", (), index, 1)

    def state(self, index: int) -> int:
        """The state with this index."""
        return self._node("state", (), index, 2)

    def is_const(self, node: int, value: float | None = None) -> bool:
        """Whether the node is a number (this number)."""
        return self.op[node] == "const" and (value is None or self.value[node] == value)

    def _pulled(self, op: str, a: int, b: int) -> int | None:
        """Regroup a sum or product so that what depends on parameters alone stays together."""
        low, high = (a, b) if self.rank[a] < 2 else (b, a)
        if self.rank[low] < 2 <= self.rank[high]:
            if self.op[high] == op and self.rank[self.args[high][0]] < 2:
                first, second = self.args[high]
                return self._commuting(op, self._commuting(op, low, first), second)
            return self._node(op, (low, high))
        if self.rank[a] == self.rank[b] == 2:
            for x, y in ((a, b), (b, a)):
                if self.op[x] == op and self.rank[self.args[x][0]] < 2:
                    return self._commuting(op, self.args[x][0], self._commuting(op, self.args[x][1], y))
        return None

    def _commuting(self, op: str, a: int, b: int) -> int:
        if self.is_const(a) and self.is_const(b):
            x, y = self.value[a], self.value[b]
            return self.const(x + y if op == "add" else x * y)
        neutral = 0.0 if op == "add" else 1.0
        if self.is_const(a, neutral):
            return b
        if self.is_const(b, neutral):
            return a
        if op == "mul" and (self.is_const(a, 0.0) or self.is_const(b, 0.0)):
            return self.zero
        pulled = self._pulled(op, a, b)
        return self._node(op, (min(a, b), max(a, b))) if pulled is None else pulled

    def add(self, a: int, b: int) -> int:
        """a + b."""
        for x, y in ((a, b), (b, a)):
            if self.op[y] == "neg":
                return self.sub(x, self.args[y][0])
        return self._commuting("add", a, b)

    def sub(self, a: int, b: int) -> int:
        """a - b."""
        if a == b:
            return self.zero
        if self.is_const(b) or self.rank[b] < 2 <= self.rank[a]:
            return self._commuting("add", a, self.neg(b))
        if self.is_const(a, 0.0):
            return self.neg(b)
        return self.add(a, self.args[b][0]) if self.op[b] == "neg" else self._node("sub", (a, b))

    def neg(self, a: int) -> int:
        """-a."""
        if self.is_const(a):
            return self.const(-self.value[a])
        if self.op[a] == "neg":
            return self.args[a][0]
        if self.op[a] == "sub":
            return self._node("sub", (self.args[a][1], self.args[a][0]))
        if self.op[a] == "mul" and self.rank[self.args[a][0]] < self.rank[a] == 2:
            return self._commuting("mul", self.neg(self.args[a][0]), self.args[a][1])
        return self._node("neg", (a,))

    def mul(self, a: int, b: int) -> int:
        """a * b."""
        for x, y in ((a, b), (b, a)):
            if self.is_const(x, -1.0):
                return self.neg(y)
            if self.op[x] == "neg" and self.rank[x] >= self.rank[y]:
                return self.neg(self.mul(self.args[x][0], y))
        return self._commuting("mul", a, b)

    def inv(self, a: int) -> int:
        """1 / a; quotients are products with it, so that a denominator is divided by only once."""
        if self.is_const(a) and self.value[a]:
            return self.const(1.0 / self.value[a])
        if self.op[a] == "inv":
            return self.args[a][0]
        if self.op[a] == "mul" and self.rank[self.args[a][0]] < 2 <= self.rank[a]:
            return self.mul(self.inv(self.args[a][0]), self.inv(self.args[a][1]))
        return self._node("inv", (a,))

    def div(self, a: int, b: int) -> int:
        """a / b."""
        if self.is_const(a) and self.is_const(b) and self.value[b]:
            return self.const(self.value[a] / self.value[b])
        return self._node("div", (a, b)) if self.rank[a] < 2 and self.rank[b] < 2 else self.mul(a, self.inv(b))

    def total(self, terms: Iterable[int]) -> int:
        """The sum of the terms."""
        result = self.zero
        for term in terms:
            result = self.add(result, term)
        return result

    def power(self, base: int, exponent: int) -> int:
        """base ** exponent; small whole and half exponents become products and square roots."""
        if self.is_const(exponent):
            n = self.value[exponent]
            if self.is_const(base) and self.value[base] > 0:
                return self.const(self.value[base] ** n)
            if 2 * n == int(2 * n) and abs(n) <= LARGEST_POWER:
                whole = self._whole(base, int(abs(n)))
                half = self.call("sqrt", base) if n != int(n) else self.one
                return self.mul(whole, half) if n >= 0 else self.inv(self.mul(whole, half))
        return self._node("pow", (base, exponent))

    def _whole(self, base: int, n: int) -> int:
        if n == 0:
            return self.one
        half = self._whole(base, n // 2)
        return self.mul(self.mul(half, half), base) if n % 2 else self.mul(half, half)

    def call(self, name: str, a: int) -> int:
        """A function of one argument."""
        if self.is_const(a):
            try:
                return self.const(UNARY[name](self.value[a]))
            except (ValueError, OverflowError):
                return self.const(math.nan)
        return self._node(name, (a,))

    def compare(self, op: str, a: int, b: int) -> int:
        """1 where a < b (lt), a <= b (le), a == b (eq), a != b (ne), else 0."""
        return self._node(op, (a, b))

    def select(self, condition: int, a: int, b: int) -> int:
        """a where the condition is not 0, else b."""
        if self.is_const(condition):
            return a if self.value[condition] else b
        return a if a == b else self._node("select", (condition, a, b))

    # ---- derivatives ---------------------------------------------------------------------------------------

    def partials(self, node: int) -> list[tuple[int, int]]:
        """(argument, derivative of the node with respect to it) for the arguments that depend on states."""
        op, args = self.op[node], self.args[node]
        found = [(a, self._partial(node, op, args, i)) for i, a in enumerate(args) if self.rank[a] == 2]
        merged: dict[int, int] = {}
        for a, d in found:
            merged[a] = self.add(merged[a], d) if a in merged else d
        return [(a, d) for a, d in merged.items() if not self.is_const(d, 0.0)]

    def _partial(self, node: int, op: str, args: tuple[int, ...], i: int) -> int:
        x, number = args[0], self.const
        match op:
            case "add":
                return self.one
            case "sub":
                return self.one if i == 0 else number(-1)
            case "neg":
                return number(-1)
            case "mul":
                return args[1 - i]
            case "inv":
                return self.neg(self.mul(node, node))
            case "pow" if i == 0:
                return self.mul(args[1], self.power(x, self.sub(args[1], self.one)))
            case "pow":
                return self.mul(node, self.call("log", x))
            case "select":
                if i == 0:
                    return self.zero
                return self.select(x, self.one, self.zero) if i == 1 else self.select(x, self.zero, self.one)
            case "sqrt":
                return self.inv(self.mul(number(2), node))
            case "exp":
                return node
            case "log":
                return self.inv(x)
            case "sin":
                return self.call("cos", x)
            case "cos":
                return self.neg(self.call("sin", x))
            case "tan":
                return self.add(self.one, self.mul(node, node))
            case "sinh":
                return self.call("cosh", x)
            case "cosh":
                return self.call("sinh", x)
            case "tanh":
                return self.sub(self.one, self.mul(node, node))
            case "asin" | "acos":
                root = self.inv(self.call("sqrt", self.sub(self.one, self.mul(x, x))))
                return root if op == "asin" else self.neg(root)
            case "atan":
                return self.inv(self.add(self.one, self.mul(x, x)))
            case "abs":
                return self.select(self.compare("lt", x, self.zero), number(-1), self.one)
        return self.zero  # comparisons, floor, ceil

    def needed(self, roots: Iterable[int], *, stop_below: int = 0) -> list[int]:
        """The roots and all that they are made of, arguments first, without ranks below `stop_below`."""
        seen: set[int] = set()
        stack = [r for r in roots if self.rank[r] >= stop_below]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                stack += [a for a in self.args[node] if self.rank[a] >= stop_below]
        return sorted(seen)

    def jacobian(self, rates: Sequence[int]) -> dict[tuple[int, int], int]:
        """Derivatives of the rates, (row, column) -> node.

        Vertices of the graph of partial derivatives are eliminated, cheapest first (A. Griewank and A. Walther,
        Evaluating Derivatives, chapter 10, doi 10.1137/1.9780898717761).
        """
        sinks = {-1 - i: r for i, r in enumerate(rates)}
        inner = self.needed(rates, stop_below=2)
        above: dict[int, dict[int, int]] = {v: {} for v in inner}  # vertex -> user -> derivative
        below: dict[int, dict[int, int]] = {v: {} for v in (*inner, *sinks)}
        for v in inner:
            for a, d in self.partials(v):
                above[a][v] = below[v][a] = d
        for sink, r in sinks.items():
            if self.rank[r] == 2:
                above[r][sink] = below[sink][r] = self.one
        left = {v for v in inner if self.op[v] != "state"}
        while left:
            v = min(left, key=lambda k: (len(above[k]) * len(below[k]), k))
            left.discard(v)
            for a in below[v]:
                del above[a][v]
            for user, outer in above[v].items():
                del below[user][v]
                for a, d in below[v].items():
                    product = self.mul(outer, d)
                    old = below[user].get(a)
                    above[a][user] = below[user][a] = product if old is None else self.add(old, product)
        entries = {}
        for sink in sinks:
            for a, d in below[sink].items():
                if not self.is_const(d, 0.0):
                    entries[-1 - sink, int(self.value[a])] = d
        return entries


@dataclass(frozen=True, kw_only=True)
class Elimination:
    """How a matrix of fixed pattern is factorised: pivots in order, with the rows and columns left at each."""

    size: int
    pivots: tuple[int, ...]
    rows: Mapping[int, tuple[int, ...]]  # pivot -> rows with an entry in its column
    columns: Mapping[int, tuple[int, ...]]  # pivot -> columns with an entry in its row
    entries: tuple[tuple[int, int], ...]  # the pattern with its fill-in

    @property
    def multiplications(self) -> int:
        """Of one factorisation, without the reciprocals of the pivots."""
        return sum(len(self.rows[k]) * (1 + len(self.columns[k])) for k in self.pivots)


def eliminate(size: int, pattern: Iterable[tuple[int, int]]) -> Elimination:
    """Order the pivots, all on the diagonal, so that each causes the least possible fill-in (H. Markowitz, 1957)."""
    by_row: list[set[int]] = [{i} for i in range(size)]
    by_column: list[set[int]] = [{i} for i in range(size)]
    for i, j in pattern:
        by_row[i].add(j)
        by_column[j].add(i)
    left, pivots = set(range(size)), []
    rows: dict[int, tuple[int, ...]] = {}
    columns: dict[int, tuple[int, ...]] = {}
    while left:
        k = min(left, key=lambda p: ((len(by_row[p]) - 1) * (len(by_column[p]) - 1), p))
        left.discard(k)
        pivots.append(k)
        rows[k] = tuple(sorted(by_column[k] - {k}))
        columns[k] = tuple(sorted(by_row[k] - {k}))
        for i in rows[k]:
            by_row[i].discard(k)
            by_row[i].update(columns[k])
        for j in columns[k]:
            by_column[j].discard(k)
            by_column[j].update(rows[k])
    entries = {(k, k) for k in pivots} | {(i, k) for k in pivots for i in rows[k]}
    entries |= {(k, j) for k in pivots for j in columns[k]}
    return Elimination(size=size, pivots=tuple(pivots), rows=rows, columns=columns, entries=tuple(sorted(entries)))
