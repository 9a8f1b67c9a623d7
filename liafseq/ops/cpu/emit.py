"""Vector code by arithmetic: a small language over LLVM, in which ``liafseq.neurons`` can compute.

A ``Value`` is a vector of numbers of a kernel under construction. It adds and multiplies as a tensor does,
so that a function of tensors, called with values, writes its own compiled version. A ``Dual`` carries
derivatives with it, so that the same function writes its own backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

__all__ = ["Builder", "Dual", "Value", "where"]

INDEX = ir.IntType(64)
POINTER = ir.PointerType()
# a product and a sum may become one instruction, as torch's own kernels have it
CONTRACT = ("contract",)


class Builder:
    """A function under construction.

    Attributes:
        bits: 32 or 64, of a number.
        lanes: numbers of a vector; 1 for the rest of a row.
    """

    def __init__(self, builder: ir.IRBuilder, bits: int, lanes: int) -> None:
        self.ir, self.bits, self.lanes = builder, bits, lanes
        self.real: Any = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.bytes = bits // 8
        self.kind = self.wide(self.real)

    def with_lanes(self, lanes: int) -> Builder:
        return Builder(self.ir, self.bits, lanes)

    def wide(self, kind: Any) -> Any:
        return ir.VectorType(kind, self.lanes) if self.lanes > 1 else kind

    def constant(self, number: float) -> Value:
        return Value(self, self._constant(self.real, number))

    def _constant(self, kind: Any, number: Any) -> Any:
        return ir.Constant(self.wide(kind), [number] * self.lanes if self.lanes > 1 else number)

    def index(self, number: int) -> Any:
        return ir.Constant(INDEX, number)

    def at(self, base: Any, offset: Any) -> Any:
        """The address of a number behind ``base``."""
        return self.ir.gep(base, [offset], source_etype=self.real)

    def load(self, base: Any, offset: Any) -> Value:
        return Value(self, self.ir.load(self.at(base, offset), typ=self.kind, align=self.bytes))

    def gather(self, base: Any, places: Any, offset: Any) -> Value:
        """Numbers behind ``base`` at the whole numbers behind ``places``, from ``offset`` on."""
        found: Any = ir.Constant(self.kind, ir.Undefined)
        for lane in range(self.lanes):
            place = self.ir.gep(places, [self.add(offset, self.index(lane))], source_etype=INDEX)
            number = self.ir.load(self.at(base, self.ir.load(place, typ=INDEX)), typ=self.real)
            if self.lanes == 1:
                return Value(self, number)
            found = self.ir.insert_element(found, number, ir.Constant(ir.IntType(32), lane))
        return Value(self, found)

    def store(self, value: Value | float, base: Any, offset: Any) -> None:
        value = value if isinstance(value, Value) else self.constant(value)
        self.ir.store(value.ir, self.at(base, offset), align=self.bytes)

    def slot(self, kind: Any) -> Any:
        """A place of the function for a number or vector that changes."""
        with self.ir.goto_entry_block():
            return self.ir.alloca(kind)

    def spread(self, number: Any) -> Value:
        """A number in every lane."""
        if self.lanes == 1:
            return Value(self, number)
        undefined = ir.Constant(self.kind, ir.Undefined)
        first = self.ir.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return Value(self, self.ir.shuffle_vector(first, undefined, mask))

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a b + c."""
        return Value(self, self.call("fma", (a, b, c)))

    def call(self, name: str, values: tuple[Value, ...]) -> Any:
        """An intrinsic of LLVM, element by element."""
        suffix = f"{'v' + str(self.lanes) if self.lanes > 1 else ''}f{self.bits}"
        kind = ir.FunctionType(self.kind, [self.kind] * len(values))
        return self.ir.call(self.declare(f"llvm.{name}.{suffix}", kind), [v.ir for v in values])

    def declare(self, name: str, kind: Any) -> Any:
        module = self.ir.module
        return module.globals.get(name) or ir.Function(module, kind, name)

    def each_lane(self, function: Any, value: Value) -> Value:
        """A function of one number, of every lane."""
        if self.lanes == 1:
            return Value(self, self.ir.call(function, [value.ir]))
        found = ir.Constant(self.kind, ir.Undefined)
        for lane in range(self.lanes):
            place = ir.Constant(ir.IntType(32), lane)
            number = self.ir.call(function, [self.ir.extract_element(value.ir, place)])
            found = self.ir.insert_element(found, number, place)
        return Value(self, found)

    def add(self, *indices: Any) -> Any:
        total, *rest = indices
        for index in rest:
            total = self.ir.add(total, index)
        return total

    def mul(self, a: Any, b: Any) -> Any:
        return self.ir.mul(a, b)

    def least(self, a: Any, b: Any) -> Any:
        return self.ir.select(self.ir.icmp_signed("<", a, b), a, b)

    def most(self, a: Any, b: Any) -> Any:
        return self.ir.select(self.ir.icmp_signed(">", a, b), a, b)

    @contextmanager
    def loop(self, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
        """The index runs from ``start`` in steps while a whole step fits before ``stop``."""
        b = self.ir
        before = b.block
        head, body, after = (b.append_basic_block(name) for name in ("head", "body", "after"))
        last = b.sub(stop, self.index(step))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(INDEX)
        index.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<=", index, last), body, after)
        b.position_at_end(body)
        yield index
        index.add_incoming(b.add(index, self.index(step)), b.block)
        b.branch(head)
        b.position_at_end(after)

    @contextmanager
    def when(self, a: Any, test: str, b: Any) -> Iterator[None]:
        with self.ir.if_then(self.ir.icmp_signed(test, a, b)):
            yield


class Value:
    """A vector of numbers; ``+ - * /`` with others and with Python's numbers."""

    def __init__(self, builder: Builder, value: Any) -> None:
        self.builder, self.ir = builder, value

    def _with(self, other: Any, operation: str, swapped: bool = False) -> Any:
        if isinstance(other, Dual):
            return NotImplemented
        other = other if isinstance(other, Value) else self.builder.constant(other)
        a, b = (other, self) if swapped else (self, other)
        return Value(self.builder, getattr(self.builder.ir, operation)(a.ir, b.ir, flags=CONTRACT))

    def __add__(self, other: Any) -> Any:
        return self if isinstance(other, (int, float)) and other == 0 else self._with(other, "fadd")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with(other, "fsub")

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, "fsub", swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self if isinstance(other, (int, float)) and other == 1 else self._with(other, "fmul")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, "fdiv")

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(other, "fdiv", swapped=True)

    def __neg__(self) -> Value:
        return Value(self.builder, self.builder.ir.fneg(self.ir))

    def compare(self, test: str, other: Any) -> Any:
        """``>``, ``>=``, ``<``, ``<=``: false where one is not a number. ``uno``, ``!=``: true there."""
        other = other if isinstance(other, Value) else self.builder.constant(other)
        if test in ("uno", "!="):
            return self.builder.ir.fcmp_unordered(test, self.ir, other.ir)
        return self.builder.ir.fcmp_ordered(test, self.ir, other.ir)

    def abs(self) -> Value:
        return Value(self.builder, self.builder.call("fabs", (self,)))

    def step(self) -> Value:
        """``surrogate.heaviside``: 1 from 0 on, else 0; what is not a number stays so."""
        return where(self.compare("uno", self), self, where(self.compare(">=", 0.0), 1.0, 0.0, self.builder))

    def detach(self) -> Value:
        return self


def where(condition: Any, a: Any, b: Any, builder: Builder | None = None) -> Value:
    builder = builder or next(v.builder for v in (a, b) if isinstance(v, Value))
    a, b = (v if isinstance(v, Value) else builder.constant(v) for v in (a, b))
    return Value(builder, builder.ir.select(condition, a.ir, b.ir))


Part = Value | float


class Dual:
    """A value, and its derivatives by the names of what it depends on."""

    def __init__(self, value: Value, parts: Mapping[str, Part]) -> None:
        self.value, self.parts = value, dict(parts)

    @staticmethod
    def of(x: Any) -> tuple[Any, dict[str, Part]]:
        return (x.value, x.parts) if isinstance(x, Dual) else (x, {})

    def map(self, value: Value, slope: Part) -> Dual:
        """A function of this one, by its value and its derivative."""
        return Dual(value, {name: part * slope for name, part in self.parts.items()})

    def _linear(self, other: Any, value: Callable[[Any, Any], Any], sign: float) -> Dual:
        b, more = Dual.of(other)
        parts = dict(self.parts)
        for name, part in more.items():
            # 1 and -1 are most of them
            part = part if sign == 1 else -part
            parts[name] = parts[name] + part if name in parts else part
        return Dual(value(self.value, b), parts)

    def __add__(self, other: Any) -> Dual:
        return self._linear(other, lambda a, b: a + b, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Dual:
        return self._linear(other, lambda a, b: a - b, -1)

    def __neg__(self) -> Dual:
        return Dual(-self.value, {name: -part for name, part in self.parts.items()})

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __mul__(self, other: Any) -> Dual:
        b, more = Dual.of(other)
        parts = {name: part * b for name, part in self.parts.items()}
        for name, part in more.items():
            term = part * self.value
            parts[name] = parts[name] + term if name in parts else term
        return Dual(self.value * b, parts)

    __rmul__ = __mul__

    def detach(self) -> Value:
        return self.value

    def to(self, name: str) -> Part:
        """The derivative by what goes by that name."""
        return self.parts.get(name, 0.0)
