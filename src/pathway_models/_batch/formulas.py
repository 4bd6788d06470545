"""Functions of machine code from expressions: formulas, the factors of a sparse matrix, its solution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .codegen import Code, Val
from .symbolic import COMPARISONS, Elimination, Graph


class Formulas:
    """Puts nodes of a graph into a function, each once, in the order in which they are asked for."""

    def __init__(self, code: Code, graph: Graph, leaf: Callable[[int], Val | None]) -> None:
        self.code, self.graph, self.leaf = code, graph, leaf
        self.made: dict[int, Val] = {}
        self.logs: dict[int, Val] = {}

    def value(self, root: int) -> Val:
        """The value of a node."""
        stack = [root]
        while stack:
            node = stack[-1]
            if node not in self.made:
                found = self.leaf(node)
                if found is None:
                    missing = [a for a in self.graph.args[node] if a not in self.made]
                    if missing:
                        stack += reversed(missing)
                        continue
                    found = self._operation(node)
                self.made[node] = found
            stack.pop()
        return self.made[root]

    def _operation(self, node: int) -> Val:
        op, code = self.graph.op[node], self.code
        if op == "const":
            return code.constant(code.vector, self.graph.value[node])
        a = [self.made[k] for k in self.graph.args[node]]
        if op in COMPARISONS:
            symbol = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}[op]
            return code.where(code.compare(symbol, a[0], a[1]), code.constant(code.vector, 1.0), 0.0)
        match op:
            case "add":
                return a[0] + a[1]
            case "sub":
                return a[0] - a[1]
            case "mul":
                return a[0] * a[1]
            case "div":
                return a[0] / a[1]
            case "neg":
                return -a[0]
            case "inv":
                return 1.0 / a[0]
            case "pow":
                base = self.graph.args[node][0]
                if base not in self.logs:
                    self.logs[base] = code.log(code.native("fabs", a[0]))
                return code.power(a[0], a[1], self.logs[base])
            case "select":
                return code.where(code.compare("!=", a[0], 0.0), a[1], a[2])
            case "exp":
                return code.exp(a[0])
            case "log":
                return code.log(a[0])
            case "abs":
                return code.native("fabs", a[0])
            case "sqrt" | "floor" | "ceil":
                return code.native(op, a[0])
        return code.by_lane(op, a[0])


def formulas(
    module: Any, name: str, lanes: int, graph: Graph, roots: Sequence[int], slots: Mapping[int, int] | None
) -> Any:
    """A function f(parameters, out), or f(states, constants, out) where `slots` says where constants are."""
    code = Code(module, name, "pp" if slots is None else "ppp", lanes)
    first, out = code.arguments[0], code.arguments[-1]

    def leaf(node: int) -> Val | None:
        if graph.op[node] in ("param", "state"):
            known = slots is not None and node in slots
            return code.load(code.arguments[1] if known else first, _slot(graph, slots, node), code.vector)
        if slots is not None and node in slots:
            return code.load(code.arguments[1], slots[node], code.vector)
        return None

    values = Formulas(code, graph, leaf)
    for i, root in enumerate(roots):
        code.store(values.value(root), out, i)
    return code.done()


def _slot(graph: Graph, slots: Mapping[int, int] | None, node: int) -> int:
    return slots[node] if slots is not None and node in slots else int(graph.value[node])


def factorise(
    module: Any, lanes: int, graph: Graph, entries: Mapping[tuple[int, int], int], slots: Mapping[int, int],
    places: Mapping[tuple[int, int], int], plan: Elimination,
) -> Any:  # fmt: skip
    """lu(jacobian, constants, diagonal, out): the factors of diagonal * I - J without pivoting, pivots inverted.

    An infinite pivot (the slope of a root at 0) would pass for a state that never moves: it spoils the last one.
    """
    code = Code(module, "lu", "pppp", lanes)
    jacobian, constants, shift, out = code.arguments
    diagonal = code.load(shift, 0, code.vector)
    where = {entry: i for i, entry in enumerate(plan.entries)}
    work: dict[tuple[int, int], Val] = {}

    def entry(i: int, j: int) -> Val | None:
        if (i, j) in work:
            return work[i, j]
        node = entries.get((i, j))
        value = None
        if node is not None and graph.is_const(node):
            value = code.constant(code.vector, graph.value[node])
        elif node is not None:
            known = node in slots
            value = code.load(constants if known else jacobian, slots[node] if known else places[i, j], code.vector)
        if i == j:
            return diagonal if value is None else diagonal - value
        return None if value is None else -value

    nothing = code.constant(code.vector, 0.0)
    for k in plan.pivots:
        pivot = entry(k, k)
        assert pivot is not None
        nothing = nothing + pivot * 0.0
        inverse = 1.0 / pivot + nothing if k == plan.pivots[-1] else 1.0 / pivot
        code.store(inverse, out, where[k, k])
        right = {j: entry(k, j) for j in plan.columns[k]}
        for j, value in right.items():
            assert value is not None
            code.store(value, out, where[k, j])
        for i in plan.rows[k]:
            left = entry(i, k)
            assert left is not None
            factor = left * inverse
            code.store(factor, out, where[i, k])
            for j, value in right.items():
                assert value is not None
                old = entry(i, j)
                work[i, j] = -(factor * value) if old is None else old - factor * value
    return code.done()


def substitute(module: Any, lanes: int, plan: Elimination) -> Any:
    """solve(factors, b): b becomes the solution."""
    code = Code(module, "solve", "pp", lanes)
    factors, b = code.arguments
    where = {entry: i for i, entry in enumerate(plan.entries)}
    x = {k: code.load(b, k, code.vector) for k in range(plan.size)}
    for k in plan.pivots:
        for i in plan.rows[k]:
            x[i] = x[i] - code.load(factors, where[i, k], code.vector) * x[k]
    for k in reversed(plan.pivots):
        for j in plan.columns[k]:
            x[k] = x[k] - code.load(factors, where[k, j], code.vector) * x[j]
        x[k] = x[k] * code.load(factors, where[k, k], code.vector)
        code.store(x[k], b, k)
    return code.done()
