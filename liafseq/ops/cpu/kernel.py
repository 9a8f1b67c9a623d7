"""What the compiled passes share: the choices that are compiled in, arguments by name, loops over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from liafseq.neurons import Neuron, advance
from liafseq.ops.cpu.emit import INDEX, POINTER, Builder, Dual, Value
from liafseq.ops.cpu.functions import activate, spike
from liafseq.ops.cpu.tiles import Rows, Tiles

__all__ = ["Kernel", "Spec", "entry"]


@dataclass(frozen=True)
class Spec:
    """What a pass is compiled for.

    Attributes:
        bits: of a number, 32 or 64.
        lanes: numbers of a vector.
        projects: the input is x, of which W_ih makes the current.
        recurrent: what is fed back is multiplied with W_hh here; else the current has it already.
        whole: rows are as wide as whole vectors; else their rest is done number by number.
        start: None: what the membrane keeps is the state, in and out. Of a single step also ``"potential"``:
            the membrane potential before it, of which that is made.
        learned: of "decay", "threshold", "leak" and "bias" those whose gradients are wanted.
        shares: neighbours share gates: a row of the current has their columns, not one for each neuron.
    """

    neuron: Neuron
    bits: int
    lanes: int
    projects: bool
    recurrent: bool
    whole: bool
    start: str | None = None
    learned: tuple[str, ...] = ()
    shares: bool = False

    @property
    def panel(self) -> int:
        return 2 * self.lanes


@dataclass
class Kernel:
    """A pass under construction: its module, its arguments and what it computes with."""

    spec: Spec
    name: str
    arguments: tuple[str, ...]
    pointers: frozenset[str]
    module: ir.Module = field(default_factory=ir.Module)

    def __post_init__(self) -> None:
        spec = self.spec
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER]), self.name)
        self.b = b = Builder(ir.IRBuilder(function.append_basic_block()), spec.bits, spec.lanes)
        self.tiles = Tiles(self.module, spec.bits, spec.lanes)
        given = {}
        for place, name in enumerate(self.arguments):
            address = b.ir.gep(function.args[0], [b.index(place)], source_etype=INDEX)
            kind = POINTER if name in self.pointers else INDEX
            given[name] = b.ir.load(address, typ=kind)
        self.given = given

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def array(self, name: str, index: Any) -> Any:
        """A whole number of an argument's array."""
        return self.b.ir.load(self.b.ir.gep(self[name], [index], source_etype=INDEX), typ=INDEX)

    def rows(self, name: str, first: Any = None, width: Any = None) -> Rows:
        """Rows of an argument's array, from ``first`` on; as wide as the neurons unless it is said."""
        width = self["width"] if width is None else width
        rows = Rows(self[name], width)
        return rows if first is None else rows.after(self.b, first)

    def active(self, step: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """Of a step the first row of the sequences low to high, and how many there are."""
        b = self.b
        count = b.ir.sub(b.least(self.array("counts", step), high), low)
        return b.add(self.array("starts", step), low), b.most(count, b.index(0))

    @contextmanager
    def blocks(self) -> Iterator[tuple[Any, Any]]:
        """Sequences low to high, a block at a time: what they keep stays in cache."""
        b = self.b
        blocks = b.ir.sdiv(
            b.ir.sub(b.add(self["high"], self["block"]), b.add(self["low"], b.index(1))), self["block"]
        )
        with b.loop(b.index(0), blocks) as i:
            low = b.add(self["low"], b.mul(i, self["block"]))
            yield low, b.least(b.add(low, self["block"]), self["high"])

    def each(self, body: Callable[[Builder, Any], None], width: Any = None) -> None:
        """``body`` for every vector of a row, then for every number that is left."""
        b = self.b
        width = self["width"] if width is None else width
        with b.loop(b.index(0), width, b.lanes) as i:
            body(b, i)
        if not self.spec.whole and b.lanes > 1:
            one = b.with_lanes(1)
            rest = b.mul(b.ir.sdiv(width, b.index(b.lanes)), b.index(b.lanes))
            with one.loop(rest, width) as i:
                body(one, i)

    def copy(self, to: Any, source: Any, width: Any = None) -> None:
        self.each(lambda b, i: b.store(b.load(source, i), to, i), width)

    def numbers(self, b: Builder, i: Any) -> dict[str, Value | None]:
        """alpha, theta, beta of the neurons from ``i`` on."""
        decay = None if self.spec.neuron.gate else b.load(self["alpha"], i)
        return {"decay": decay, "threshold": b.load(self["theta"], i), "leak": b.load(self["beta"], i)}

    def gate(self, b: Builder, drive: Any, i: Any) -> Value:
        """The gate's current of the neurons from ``i`` on; ``drive`` is a row of the current."""
        gates = b.at(drive, self["width"])
        if not self.spec.shares:
            return b.load(gates, i)
        return b.gather(gates, self["gate_of"], i) + b.load(self["gate_bias"], i)

    def start(self, b: Builder, state: Any, i: Any, numbers: dict[str, Any], name: str = "") -> Any:
        """What the membrane has kept; with a name as a dual, which depends on the state by that name."""
        given: Any = b.load(state, i)
        given = Dual(given, {name: 1.0}) if name else given
        if self.spec.start is None:
            return given
        return self.advance(given, numbers)[1]

    def advance(self, u: Any, numbers: dict[str, Any]) -> tuple[Any, Any]:
        """``neurons.advance`` of compiled values."""
        decay, threshold, leak = (numbers[name] for name in ("decay", "threshold", "leak"))
        return advance(u, decay, threshold, leak, self.spec.neuron, spike, activate)

    def finish(self) -> None:
        self.b.ir.ret_void()


def entry(module: ir.Module, name: str, size: int) -> str:
    """A function that runs ``name`` for parts of the work, one after the other or by a team of threads.

    Its argument has the number of parts, the arguments of all of them, and the addresses of
    OpenMP's functions for the number of the calling thread and of the team's threads.
    """
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER]), f"{name}_team")
    b = Builder(ir.IRBuilder(function.append_basic_block()), 64, 1)

    def argument(place: int, kind: Any) -> Any:
        return b.ir.load(b.ir.gep(function.args[0], [b.index(place)], source_etype=INDEX), typ=kind)

    parts, table = argument(0, INDEX), argument(1, POINTER)
    number, count = (
        b.ir.sext(b.ir.call(argument(place, ir.FunctionType(ir.IntType(32), []).as_pointer()), []), INDEX)
        for place in (2, 3)
    )
    share = b.ir.sdiv(b.ir.sub(b.add(parts, count), b.index(1)), count)
    with b.loop(b.index(0), share) as i:
        part = b.add(number, b.mul(i, count))
        with b.when(part, "<", parts):
            own = b.ir.gep(table, [b.mul(part, b.index(size))], source_etype=INDEX)
            b.ir.call(module.globals[name], [own])
    b.ir.ret_void()
    return function.name
