"""Machine code for vectors of rows through LLVM: one row per lane, no branches that depend on a lane.

Sums of products are fused where the CPU can. exp and log are those of FDLIBM (Sun Microsystems 1993) and a Taylor
series of degree 13, in straight lines; their relative error is below 1e-14 for normal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import llvmlite.ir as ir

DOUBLE, INT, POINTER = ir.DoubleType(), ir.IntType(64), ir.PointerType()
FUSE = ("contract",)
Operand: TypeAlias = "Val | float"

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG_SERIES = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
ROUNDING = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest whole number in the low bits
EXP_LARGEST, EXP_SMALLEST = 709.782712893384, -708.3964185322641
SMALLEST = 2.2250738585072014e-308


class Val:
    """A value in the code under construction: a double, a vector of doubles, a whole number, a bit or a mask."""

    __slots__ = ("code", "ir")

    def __init__(self, code: Code, value: Any) -> None:
        self.code, self.ir = code, value

    def __add__(self, other: Operand) -> Val:
        return self.code.arithmetic("add", self, other)

    def __sub__(self, other: Operand) -> Val:
        return self.code.arithmetic("sub", self, other)

    def __mul__(self, other: Operand) -> Val:
        return self.code.arithmetic("mul", self, other)

    def __truediv__(self, other: Operand) -> Val:
        return self.code.arithmetic("div", self, other)

    def __rsub__(self, other: float) -> Val:
        return self.code.arithmetic("sub", self.code.like(other, self), self)

    def __rtruediv__(self, other: float) -> Val:
        return self.code.arithmetic("div", self.code.like(other, self), self)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Val:
        return Val(self.code, self.code.builder.fneg(self.ir))

    def __lt__(self, other: Operand) -> Val:
        return self.code.compare("<", self, other)

    def __le__(self, other: Operand) -> Val:
        return self.code.compare("<=", self, other)

    def __gt__(self, other: Operand) -> Val:
        return self.code.compare(">", self, other)

    def __ge__(self, other: Operand) -> Val:
        return self.code.compare(">=", self, other)

    def same(self, other: Operand) -> Val:
        return self.code.compare("==", self, other)

    def __and__(self, other: Val) -> Val:
        return Val(self.code, self.code.builder.and_(self.ir, other.ir))

    def __or__(self, other: Val) -> Val:
        return Val(self.code, self.code.builder.or_(self.ir, other.ir))

    def __invert__(self) -> Val:
        return Val(self.code, self.code.builder.not_(self.ir))


class Code:
    """One function under construction; `lanes` doubles per vector."""

    def __init__(self, module: Any, name: str, arguments: str, lanes: int) -> None:
        self.module, self.lanes = module, lanes
        self.vector = ir.VectorType(DOUBLE, lanes)
        kinds = {"p": POINTER, "i": INT, "d": DOUBLE}
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), [kinds[a] for a in arguments]), name)
        self.function.attributes.add("noinline")
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        self.arguments = [Val(self, a) for a in self.function.args]

    # ---- numbers -------------------------------------------------------------------------------------------

    def constant(self, kind: Any, value: float) -> Val:
        """A number of this LLVM type, the same in all lanes."""
        if isinstance(kind, ir.VectorType):
            return Val(self, ir.Constant(kind, [value] * self.lanes))
        return Val(self, ir.Constant(kind, value))

    def like(self, value: Operand, other: Val) -> Val:
        """`value` in the type of `other`; one number becomes a vector of equal ones."""
        if not isinstance(value, Val):
            whole = not isinstance(_element(other.ir.type), ir.DoubleType)
            return self.constant(other.ir.type, int(value) if whole else float(value))
        if isinstance(other.ir.type, ir.VectorType) and not isinstance(value.ir.type, ir.VectorType):
            return self.splat(value)
        return value

    def splat(self, value: Val) -> Val:
        """A vector with the same number in all lanes."""
        kind = ir.VectorType(value.ir.type, self.lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value.ir, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return Val(self, self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros))

    def arithmetic(self, name: str, a: Val, b: Operand) -> Val:
        right = self.like(b, a)
        left = self.like(a, right)
        if isinstance(_element(left.ir.type), ir.DoubleType):
            return Val(self, getattr(self.builder, f"f{name}")(left.ir, right.ir, flags=FUSE))
        return Val(self, getattr(self.builder, {"div": "sdiv"}.get(name, name))(left.ir, right.ir))

    def compare(self, op: str, a: Val, b: Operand) -> Val:
        right = self.like(b, a)
        left = self.like(a, right)
        double = isinstance(_element(left.ir.type), ir.DoubleType)
        function = self.builder.fcmp_ordered if double else self.builder.icmp_signed
        return Val(self, function(op, left.ir, right.ir))

    def where(self, condition: Val, a: Val, b: Operand) -> Val:
        """a where the condition holds, else b."""
        right = self.like(b, a)
        return Val(self, self.builder.select(condition.ir, self.like(a, right).ir, right.ir))

    def largest(self, a: Val, b: Operand) -> Val:
        """The larger one; b where a is no number."""
        return self.where(a > b, a, b)

    def smallest(self, a: Val, b: Operand) -> Val:
        """The smaller one; b where a is no number."""
        return self.where(a < b, a, b)

    def native(self, name: str, a: Val) -> Val:
        """An LLVM operation on doubles: sqrt, fabs, floor, ceil."""
        suffix = f"v{self.lanes}f64" if isinstance(a.ir.type, ir.VectorType) else "f64"
        kind = ir.FunctionType(a.ir.type, [a.ir.type])
        return Val(self, self.builder.call(self.external(f"llvm.{name}.{suffix}", kind), [a.ir]))

    def external(self, name: str, kind: Any) -> Any:
        return self.module.globals.get(name) or ir.Function(self.module, kind, name)

    def by_lane(self, name: str, a: Val) -> Val:
        """A function of the C library, lane by lane."""
        function = self.external(name, ir.FunctionType(DOUBLE, [DOUBLE]))
        result = ir.Constant(a.ir.type, ir.Undefined)
        for lane in range(self.lanes):
            index = ir.Constant(ir.IntType(32), lane)
            value = self.builder.call(function, [self.builder.extract_element(a.ir, index)])
            result = self.builder.insert_element(result, value, index)
        return Val(self, result)

    def bits(self, a: Val) -> Val:
        return Val(self, self.builder.bitcast(a.ir, ir.VectorType(INT, self.lanes)))

    def from_bits(self, a: Val) -> Val:
        return Val(self, self.builder.bitcast(a.ir, self.vector))

    def shifted(self, a: Val, by: int, left: bool) -> Val:
        operation = self.builder.shl if left else self.builder.lshr
        return Val(self, operation(a.ir, self.constant(a.ir.type, by).ir))

    def exp(self, x: Val) -> Val:
        """e**x."""
        inside = self.where(x > EXP_LARGEST, self.like(EXP_LARGEST, x), x)
        inside = self.where(inside < EXP_SMALLEST, self.like(EXP_SMALLEST, x), inside)
        shifted = inside * (1 / math.log(2)) + ROUNDING
        whole = shifted - ROUNDING
        rest = inside - whole * LN2_HIGH - whole * LN2_LOW
        series = self.like(1 / math.factorial(13), x)
        for k in range(12, -1, -1):
            series = series * rest + 1 / math.factorial(k)
        half = self.shifted(self.bits(shifted), 52, left=True)
        value = self.from_bits(self.bits(series) + half)
        value = self.where(x > EXP_LARGEST, self.like(math.inf, x), value)
        return self.where(x < EXP_SMALLEST, self.like(0.0, x), value)

    def log(self, x: Val) -> Val:
        """The natural logarithm; -inf at 0, NaN below."""
        tiny = x < SMALLEST
        scaled = self.where(tiny, x * 2.0**54, x)
        shifted = self.bits(scaled) - 0x3FE6A09E667F3BCD  # bits of the square root of 1/2
        exponent = self.shifted(shifted + (1024 << 52), 52, left=False)  # plus 1024: shifts of signed numbers are slow
        whole = Val(self, self.builder.and_(shifted.ir, self.constant(shifted.ir.type, -1 << 52).ir))
        mantissa = self.from_bits(self.bits(scaled) - whole)
        k = self.from_bits(exponent + 0x4338000000000000) - (ROUNDING + 1024.0)
        k = k - self.where(tiny, self.like(54.0, x), 0.0)
        f = mantissa - 1.0
        s = f / (f + 2.0)
        z = s * s
        series = self.like(LOG_SERIES[-1], x)
        for coefficient in LOG_SERIES[-2::-1]:
            series = series * z + coefficient
        half = f * f * 0.5
        value = k * LN2_HIGH - ((half - (s * (half + series * z) + k * LN2_LOW)) - f)
        value = self.where(x > 1.7976931348623157e308, x, value)
        value = self.where(x > 0.0, value, math.nan)
        return self.where(x.same(0.0), self.like(-math.inf, x), value)

    def power(self, base: Val, exponent: Val, log_of_size: Val) -> Val:
        """base**exponent as the C library has it, with whole exponents of negative numbers."""
        value = self.exp(exponent * log_of_size)
        half = exponent * 0.5
        odd = ~self.native("floor", half).same(half)
        whole = self.native("floor", exponent).same(exponent)
        negative = self.where(whole, self.where(odd, -value, value), math.nan)
        value = self.where(base < 0.0, negative, value)
        return self.where(exponent.same(0.0), self.like(1.0, value), value)

    # ---- memory and control --------------------------------------------------------------------------------

    def at(self, pointer: Val, index: Operand, kind: Any) -> Val:
        """Address of element `index` of an array of this type."""
        where = index if isinstance(index, Val) else self.constant(INT, int(index))
        return Val(self, self.builder.gep(pointer.ir, [where.ir], source_etype=kind))

    def load(self, pointer: Val, index: Operand, kind: Any) -> Val:
        return Val(self, self.builder.load(self.at(pointer, index, kind).ir, align=8, typ=kind))

    def store(self, value: Val, pointer: Val, index: Operand) -> None:
        self.builder.store(value.ir, self.at(pointer, index, value.ir.type).ir, align=8)

    def variable(self, value: Val) -> Val:
        """A place for a value that changes in loops; use `get` and `put`."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(value.ir.type)
        self.builder.store(value.ir, place)
        return Val(self, place)

    def get(self, place: Val) -> Val:
        return Val(self, self.builder.load(place.ir))

    def put(self, value: Val, place: Val) -> None:
        self.builder.store(value.ir, place.ir)

    @contextmanager
    def loop(self, count: Operand) -> Iterator[Val]:
        """Repeat the body for 0, 1, ... count - 1; a count of 0 is fine."""
        stop = count if isinstance(count, Val) else self.constant(INT, int(count))
        index = self.variable(self.constant(INT, 0))
        with self.while_(lambda: self.get(index) < stop):
            yield self.get(index)
            self.put(self.get(index) + 1, index)

    @contextmanager
    def while_(self, condition: Callable[[], Val]) -> Iterator[None]:
        """Repeat the body as long as the condition, computed anew, holds."""
        head, body, end = (self.function.append_basic_block() for _ in range(3))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        self.builder.cbranch(condition().ir, body, end)
        self.builder.position_at_end(body)
        yield
        self.builder.branch(head)
        self.builder.position_at_end(end)

    @contextmanager
    def when(self, condition: Val) -> Iterator[None]:
        """Do the body only if the bit is set."""
        with self.builder.if_then(condition.ir):
            yield

    def any(self, mask: Val) -> Val:
        """Whether a lane of the mask is set."""
        whole = self.builder.bitcast(mask.ir, ir.IntType(self.lanes))
        return Val(self, self.builder.icmp_unsigned("!=", whole, ir.Constant(whole.type, 0)))

    def call(self, function: Any, *arguments: Val) -> None:
        self.builder.call(function, [a.ir for a in arguments])

    def done(self) -> Any:
        self.builder.ret_void()
        return self.function


def _element(kind: Any) -> Any:
    return kind.element if isinstance(kind, ir.VectorType) else kind
