"""The integrator as machine code: Rosenbrock steps on all lanes at once, each lane with its own row, time and step.

Rodas5P by G. Steinebach, BIT 63:27 (2023), doi 10.1007/s10543-023-00967-x: order 5, L-stable, stiffly accurate, the
last stage is the error estimate of the embedded method of order 4, continuous extension of order 4. In the transformed
variables u of E. Hairer and G. Wanner, Solving Ordinary Differential Equations II, section IV.7 (doi
10.1007/978-3-642-05221-7), a step solves (I/(h gamma) - J) u_i = f(y + sum a_ij u_j) + sum c_ij u_j / h.

All arrays come in groups of as many rows as there are lanes: element `k` of row `r` is at `[r // lanes, k, r % lanes]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codegen import DOUBLE, INT, Code, Val

OK, UNDERFLOW, TOO_MANY = 0, 1, 2
SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 6.0
START_CHANGE = 0.03  # of a state, relative to its size, that the first step after a switch may bring
CAUTION = 4.0  # the mean square of the errors in their tolerances may be one over this
HOPELESS = 1e30  # error of a step that gave something else than numbers
UNDERFLOW_SHARE = 1e-15  # a step shorter than this share of the time is no step
SHORTEST = 1e-300  # and one shorter than this is none either

# Rodas5P in the transformed variables; the last stage is at y + sum of its row of A
Table = tuple[tuple[float, ...], ...]
_A5 = (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946)
GAMMA, ORDER = 0.21193756319429014, 5
A: Table = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    _A5,
    (*_A5, 1.0),
    (*_A5, 1.0, 1.0),
)
C: Table = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
DENSE: Table = (
    (25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073,
     1.1241088310450404, 0.4272876194431874, -0.17202221070155493),
    (-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044,
     15.98066361424651, -6.789040303419874, -6.710236069923372),
    (11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654,
     -59.78993625266729, -0.15582684282751913, 4.883087185713722),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The functions of one model in a module under construction, and the lengths of their arrays."""

    rates: Any  # (states, constants, out)
    system: Any  # (states, constants, out): the Jacobian's entries, then the rates
    lu: Any
    solve: Any
    size: int
    constants: int  # that the steps need
    all_constants: int  # and those that only outputs need
    jacobian: int
    factors: int


class _Advance:
    """Writes the function `advance`; see `advance` for its arguments."""

    def __init__(self, module: Any, lanes: int, k: Kernels) -> None:
        self.k, self.lanes = k, lanes
        self.code = code = Code(module, "advance", "iddppppdippdppp", lanes)
        (self.rows, self.start, self.stop, self.constants, self.states, self.steps_ahead, self.absolute, self.relative,
         self.count, self.times, self.out, self.limit, self.status, self.taken, self.work) = code.arguments  # fmt: skip
        self.parts = {name: code.at(self.work, i, code.vector) for name, i in workspace(k).items()}
        self.next = code.variable(code.constant(INT, 0))
        self.busy = code.variable(code.constant(INT, 0))

    def part(self, name: str) -> Val:
        """The address of a piece of the workspace."""
        return self.parts[name]

    def lane_values(self, name: str) -> Val:
        return self.code.load(self.part(name), 0, self.code.vector)

    def build(self) -> Any:
        code = self.code
        with code.loop(self.lanes) as lane:
            for name in ("h", "time", "taken"):
                code.store(code.constant(DOUBLE, 1.0), self.part(name), lane)
            self._fill(code.constant(INT, 0), lane)  # numbers that do no harm, should no row be left
            self._take(lane)
        with code.while_(lambda: code.get(self.busy) > 0):
            self._start_steps()
            self._iterate()
        return code.done()

    # ---- rows in and out -----------------------------------------------------------------------------------

    def _element(self, array: Val, row: Val, width: int) -> tuple[Val, Val]:
        """Address of a row's first element, and its lane there."""
        group = row / self.lanes
        base = self.code.at(array, group * (width * self.lanes), DOUBLE)
        return base, row - group * self.lanes

    def _fill(self, row: Val, lane: Val) -> None:
        """Copy a row's states and constants into a lane."""
        code = self.code
        for array, width, count, name in (
            (self.states, self.k.size, self.k.size, "y"),
            (self.constants, self.k.all_constants, self.k.constants, "c"),
        ):
            base, place = self._element(array, row, width)
            with code.loop(count) as i:
                value = code.load(base, i * self.lanes + place, DOUBLE)
                code.store(value, self.part(name), i * self.lanes + lane)

    def _take(self, lane: Val) -> None:
        """Give a lane the next row, or put it to rest."""
        code = self.code
        row = code.get(self.next)
        code.store(code.constant(DOUBLE, 0.0), self.part("busy"), lane)
        with code.when(row < self.rows):
            code.put(row + 1, self.next)
            code.put(code.get(self.busy) + 1, self.busy)
            self._fill(row, lane)
            code.store(row, self.part("row"), lane)
            code.store(code.constant(INT, 0), self.part("output"), lane)
            code.store(code.load(self.steps_ahead, row, DOUBLE), self.part("h"), lane)
            code.store(self.start, self.part("time"), lane)
            for name, value in (("busy", 1.0), ("taken", 0.0), ("ceiling", LARGEST_FACTOR)):
                code.store(code.constant(DOUBLE, value), self.part(name), lane)
            self._await_output(lane)

    def _await_output(self, lane: Val) -> None:
        """Note when the lane's next output is due."""
        code = self.code
        code.store(code.constant(DOUBLE, float("inf")), self.part("due"), lane)
        index = code.load(self.part("output"), lane, INT)
        with code.when(index < self.count):
            code.store(code.load(self.times, index, DOUBLE), self.part("due"), lane)

    def _finish(self, lane: Val) -> None:
        code = self.code
        row = code.load(self.part("row"), lane, INT)
        base, place = self._element(self.states, row, self.k.size)
        with code.loop(self.k.size) as i:
            code.store(code.load(self.part("y"), i * self.lanes + lane, DOUBLE), base, i * self.lanes + place)
        code.store(code.load(self.part("h"), lane, DOUBLE), self.steps_ahead, row)
        code.store(code.load(self.part("verdict"), lane, DOUBLE), self.status, row)
        code.store(code.load(self.part("taken"), lane, DOUBLE), self.taken, row)
        code.put(code.get(self.busy) - 1, self.busy)
        self._take(lane)

    # ---- one step ------------------------------------------------------------------------------------------

    def _scale(self, i: Val, size: Val) -> Val:
        return size * self.relative + self.code.load(self.absolute, i, DOUBLE)

    def _start_steps(self) -> None:
        """A first step for the lanes that have none, from how fast their states move."""
        code = self.code
        fresh = self.lane_values("h").same(0.0)
        with code.when(code.any(fresh)):
            code.call(self.k.rates, self.part("y"), self.part("c"), self.part("f"))
            fastest = code.variable(code.constant(code.vector, 0.0))
            with code.loop(self.k.size) as i:
                size = code.native("fabs", code.load(self.part("y"), i, code.vector))
                speed = code.native("fabs", code.load(self.part("f"), i, code.vector)) / self._scale(i, size)
                code.put(code.largest(speed, code.get(fastest)), fastest)
            step = code.splat(START_CHANGE / self.relative) / code.get(fastest)
            span = self.stop - self.start
            step = code.largest(code.smallest(step, span), code.largest(self.start * UNDERFLOW_SHARE, SHORTEST) * 10.0)
            code.store(code.where(fresh, step, self.lane_values("h")), self.part("h"), 0)

    def _stages(self, step: Val) -> None:
        """All stages; afterwards `new` is the state after the step and the last stage its error."""
        code, k = self.code, self.k
        code.store(1.0 / (step * GAMMA), self.part("shift"), 0)
        inverse = 1.0 / step
        code.call(k.system, self.part("y"), self.part("c"), self.part("j"))
        code.call(k.lu, self.part("j"), self.part("c"), self.part("shift"), self.part("lu"))
        for s in range(len(A)):
            rates = code.at(self.part("j"), k.jacobian, code.vector) if s == 0 else self.part("f")
            if s:
                self._stage_state(s)
                code.call(k.rates, self.part("new"), self.part("c"), rates)
            weights = [inverse * w for w in C[s]]
            u = self._stage(s)
            with code.loop(k.size) as i:
                value = code.load(rates, i, code.vector)
                for j, w in enumerate(weights):
                    value = value + w * code.load(self._stage(j), i, code.vector)
                code.store(value, u, i)
            code.call(k.solve, self.part("lu"), u)

    def _stage(self, s: int) -> Val:
        return self.code.at(self.part("u"), s * self.k.size, self.code.vector)

    def _stage_state(self, s: int) -> None:
        """The state at which stage `s` looks, into `new`."""
        code, a = self.code, A
        grows = s > 1 and a[s] == (*a[s - 1], 1.0)
        with code.loop(self.k.size) as i:
            value = code.load(self.part("new" if grows else "y"), i, code.vector)
            for j in [s - 1] if grows else range(s):
                u = code.load(self._stage(j), i, code.vector)
                value = value + (u if grows else u * a[s][j])
            code.store(value, self.part("new"), i)

    def _error(self) -> Val:
        """The size of the errors in their tolerances, HOPELESS where one is no number.

        The last stage is added to `new`.
        """
        code, last = self.code, self._stage(len(A) - 1)
        total = code.variable(code.constant(code.vector, 0.0))
        with code.loop(self.k.size) as i:
            error = code.load(last, i, code.vector)
            new = code.load(self.part("new"), i, code.vector) + error
            code.store(new, self.part("new"), i)
            old = code.native("fabs", code.load(self.part("y"), i, code.vector))
            share = error / self._scale(i, code.largest(code.native("fabs", new), old))
            code.put(share * share + code.get(total), total)
        error = code.native("sqrt", code.get(total) * (CAUTION / self.k.size))
        return code.where(error.same(error), error, HOPELESS)

    def _iterate(self) -> None:
        code = self.code
        time, ahead = self.lane_values("time"), self.lane_values("h")
        left = self.stop - time
        last = ahead >= left * 0.999
        step = code.where(last, left, code.where(ahead > left * 0.5, left * 0.5, ahead))
        self._stages(step)
        error = self._error()
        good = error <= 1.0
        factor = code.exp(code.log(code.largest(error, 1e-12)) * (-1.0 / ORDER)) * SAFETY
        factor = code.largest(code.smallest(factor, self.lane_values("ceiling")), SMALLEST_FACTOR)
        code.store(code.where(good, code.constant(code.vector, LARGEST_FACTOR), 1.0), self.part("ceiling"), 0)
        following = step * factor
        cut = good & (step < ahead)
        code.store(code.where(cut, code.largest(following, ahead), following), self.part("h"), 0)
        after = code.where(last, code.splat(self.stop), time + step)
        due = self.lane_values("due")
        busy = self.lane_values("busy") > 0.0
        self._outputs(busy & good & (due <= after), step, after)
        with code.loop(self.k.size) as i:
            old, new = code.load(self.part("y"), i, code.vector), code.load(self.part("new"), i, code.vector)
            code.store(code.where(good, new, old), self.part("y"), i)
        code.store(code.where(good, after, time), self.part("time"), 0)
        taken = self.lane_values("taken") + 1.0
        code.store(taken, self.part("taken"), 0)
        tiny = step <= code.largest(time * UNDERFLOW_SHARE, SHORTEST)
        self._verdict(busy, good, last, tiny & ~good, taken >= self.limit)

    def _verdict(self, busy: Val, good: Val, last: Val, tiny: Val, long: Val) -> None:
        code = self.code
        ended = good & last
        verdict = code.where(
            ended, code.constant(code.vector, OK), code.where(tiny, code.constant(code.vector, UNDERFLOW), TOO_MANY)
        )
        code.store(verdict, self.part("verdict"), 0)
        out = busy & (ended | tiny | long)
        with code.when(code.any(out)):
            flags = code.where(out, code.constant(code.vector, 1.0), 0.0)
            code.store(flags, self.part("flags"), 0)
            with code.loop(self.lanes) as lane, code.when(code.load(self.part("flags"), lane, DOUBLE) > 0.0):
                self._finish(lane)

    def _outputs(self, wanted: Val, step: Val, after: Val) -> None:
        """Values inside the step by its continuous extension, for the lanes that have an output there."""
        code, k = self.code, self.k
        with code.when(code.any(wanted)):
            code.store(code.where(wanted, code.constant(code.vector, 1.0), 0.0), self.part("flags"), 0)
            code.store(1.0 / step, self.part("shift"), 0)
            code.store(after, self.part("after"), 0)
            with code.loop(k.size) as i:
                stages = [code.load(self._stage(j), i, code.vector) for j in range(len(A))]
                for d, weights in enumerate(DENSE):
                    total = stages[0] * weights[0]
                    for stage, weight in zip(stages[1:], weights[1:], strict=True):
                        total = total + stage * weight
                    code.store(total, code.at(self.part("dense"), d * k.size, code.vector), i)
            with code.loop(self.lanes) as lane, code.when(code.load(self.part("flags"), lane, DOUBLE) > 0.0):
                self._lane_outputs(lane)

    def _lane_outputs(self, lane: Val) -> None:
        code, k = self.code, self.k
        row = code.load(self.part("row"), lane, INT)
        group = row / self.lanes
        end = code.load(self.part("after"), lane, DOUBLE)
        begin = code.load(self.part("time"), lane, DOUBLE)
        rate = code.load(self.part("shift"), lane, DOUBLE)
        with code.while_(lambda: code.load(self.part("due"), lane, DOUBLE) <= end):
            index = code.load(self.part("output"), lane, INT)
            theta = (code.load(self.part("due"), lane, DOUBLE) - begin) * rate
            rest = 1.0 - theta
            base = code.at(self.out, (group * self.count + index) * (k.size * self.lanes), DOUBLE)
            with code.loop(k.size) as i:
                place = i * self.lanes + lane
                inner = code.constant(DOUBLE, 0.0)
                for d in reversed(range(len(DENSE))):
                    inner = code.load(self.part("dense"), place + d * k.size * self.lanes, DOUBLE) + theta * inner
                value = code.load(self.part("y"), place, DOUBLE) * rest
                value = value + theta * (code.load(self.part("new"), place, DOUBLE) + rest * inner)
                code.store(value, base, i * self.lanes + (row - group * self.lanes))
            code.store(index + 1, self.part("output"), lane)
            self._await_output(lane)


def workspace(k: Kernels) -> dict[str, int]:
    """Where the pieces of the workspace begin, in vectors; the last entry, `end`, is its length."""
    lengths = {"y": k.size, "new": k.size, "f": k.size, "u": k.size * len(A), "c": k.constants}
    lengths |= {"j": k.jacobian + k.size, "lu": k.factors, "dense": k.size * len(DENSE)}
    single = ("h", "time", "due", "taken", "busy", "row", "output", "ceiling", "shift", "after", "verdict", "flags")
    lengths |= dict.fromkeys((*single, "end"), 1)
    places, position = {}, 0
    for name, length in lengths.items():
        places[name] = position
        position += length
    return places


def advance(module: Any, lanes: int, kernels: Kernels) -> Any:
    """The function that takes rows from one time to another.

    Its arguments are rows, start, stop, constants, states, steps, absolute, relative, count, times, out, limit, status,
    taken, work. Every row goes from `start` to `stop`. `states` is replaced by the states at the end, `steps` (per row;
    0 = choose) by the step that would come next; `absolute` has one tolerance per state. At the `count` increasing
    `times` between start and stop the states go to `out` (group, time, state, lane). `limit` bounds the steps of a row,
    `status` is one of OK, UNDERFLOW, TOO_MANY, `taken` counts the steps tried; `work` is scratch space.
    """
    return _Advance(module, lanes, kernels).build()


def over_groups(module: Any, lanes: int, name: str, function: Any, source: int, target: int) -> Any:
    """name(groups, parameters, out): a function of parameters alone, for many groups of rows."""
    code = Code(module, name, "ipp", lanes)
    groups, parameters, out = code.arguments
    with code.loop(groups) as g:
        code.call(function, code.at(parameters, g * source, code.vector), code.at(out, g * target, code.vector))
    return code.done()


def look(module: Any, lanes: int, observe: Any, parameters: int, constants: int, size: int) -> Any:
    """look(groups, count, parameters, constants, states, wanted, columns, out, scratch): chosen columns at all times.

    Column numbers below the number of parameters are parameters, the others variables.
    """
    code = Code(module, "look", "iipppippp", lanes)
    groups, count, values, fixed, states, wanted, columns, out, scratch = code.arguments
    with code.loop(groups) as g:
        p, c = code.at(values, g * parameters, code.vector), code.at(fixed, g * constants, code.vector)
        with code.loop(count) as j:
            here = g * count + j
            code.call(observe, code.at(states, here * size, code.vector), c, scratch)
            with code.loop(wanted) as k:
                index = code.load(columns, k, INT)
                own = index < parameters
                array = code.where(own, p, code.at(scratch, -parameters, code.vector))
                code.store(code.load(array, index, code.vector), out, here * wanted + k)
    return code.done()
