"""Products of a few rows with a matrix, as vector code: C = start + R W^T, W packed in panels.

A tile of some rows by some panels is held in vector registers from the first column of R to the last. A
panel has two vectors of output features; W is packed once (``packed``), so that it is read in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir
from torch import Tensor

from liafseq.ops.cpu.emit import INDEX, POINTER, Builder, Value, where

__all__ = ["VECTORS", "Matrix", "Rows", "Tiles", "packed"]

VECTORS = 2
"""Vectors of a panel."""
MOST = 6
"""Rows of a tile: with two vectors each, what 16 registers hold beside the operands."""
_SPARSE = 5
"""Where fewer than one number of so many is not zero, columns are added up one by one."""


def packed(weight: Tensor, panel: int) -> Tensor:
    """The matrix (K, columns) of a product R W as panels of columns: (columns / panel, K, panel)."""
    rows, columns = weight.shape
    return weight.reshape(rows, columns // panel, panel).transpose(0, 1).contiguous()


class Rows(NamedTuple):
    """Rows of numbers: where the first begins, and numbers from one to the next."""

    base: Any
    stride: Any

    def row(self, b: Builder, index: Any) -> Any:
        return b.at(self.base, b.mul(index, self.stride))

    def after(self, b: Builder, index: Any) -> Rows:
        return Rows(self.row(b, index), self.stride)


class Matrix(NamedTuple):
    """A matrix (k, n) by panels of columns: numbers from one panel to the next, and from row to row."""

    base: Any
    panel: Any
    row: Any


class Tiles:
    """The products of a kernel."""

    def __init__(self, module: ir.Module, bits: int, lanes: int) -> None:
        self.module, self.bits, self.lanes = module, bits, lanes
        self.panel = VECTORS * lanes
        self.tiles: dict[tuple[int, int], ir.Function] = {}
        self.whole: ir.Function | None = None
        self.sparse: ir.Function | None = None

    def packed(self, b: Builder, base: Any, k: Any) -> Matrix:
        """What ``packed`` made."""
        return Matrix(base, b.mul(k, b.index(self.panel)), b.index(self.panel))

    def product(
        self,
        b: Builder,
        start: Rows,
        read: Rows,
        w: Matrix,
        to: Rows,
        rows: Any,
        k: Any,
        n: Any,
        step: Any = None,
    ) -> None:
        """to = start + read W for so many ``rows``; ``k`` columns are read, ``n`` are written.

        ``step``: numbers from a column that is read to the next, if they are not neighbours.
        """
        if self.whole is None:
            self.whole = self._product()
        b.ir.call(self.whole, [*start, *read, b.index(1) if step is None else step, *w, *to, rows, k, n])

    def spikes(
        self, b: Builder, start: Rows, read: Rows, w: Any, to: Rows, rows: Any, k: Any, n: Any, places: Any
    ) -> None:
        """As ``product``, of rows that may be mostly zero; ``places`` has room for one row."""
        if self.sparse is None:
            self.sparse = self._sparse()
        b.ir.call(self.sparse, [*start, *read, b.index(1), *self.packed(b, w, k), *to, rows, k, n, places])

    def _sparse(self) -> ir.Function:
        """Rows one by one: their numbers that are not zero select columns of W. Many of them: tiles."""
        if self.whole is None:
            self.whole = self._product()
        function, b = self._function("sparse", "pi" + "pii" + "pii" + "pi" + "iii" + "p")
        s, s_stride, r, r_stride, _, w, _, _, c, c_stride, rows, k, n, places = function.args
        start, read, to = Rows(s, s_stride), Rows(r, r_stride), Rows(c, c_stride)
        total = b.slot(b.kind)
        b.ir.store(b.constant(0.0).ir, total)
        with b.loop(b.index(0), rows) as i, b.loop(b.index(0), k, self.lanes) as j:
            spiked = where(b.load(read.row(b, i), j).compare("!=", 0.0), 1.0, 0.0, b)
            b.ir.store((Value(b, b.ir.load(total, typ=b.kind)) + spiked).ir, total)
        lanes = b.ir.load(total, typ=b.kind)
        active = b.add(*(
            b.ir.fptosi(b.ir.extract_element(lanes, ir.Constant(ir.IntType(32), lane)), INDEX)
            for lane in range(self.lanes)
        ))  # fmt: skip
        many = b.ir.icmp_signed(">", b.mul(active, b.index(_SPARSE)), b.mul(rows, k))
        with b.ir.if_else(many) as (dense, few):
            with dense:
                b.ir.call(self.whole, function.args[:-1])
            with few, b.loop(b.index(0), rows) as i:
                self._few(b, start.row(b, i), read.row(b, i), w, to.row(b, i), k, n, places)
        b.ir.ret_void()
        return function

    def _few(self, b: Builder, s: Any, r: Any, w: Any, c: Any, k: Any, n: Any, places: Any) -> None:
        """A row of which few numbers are not zero: first where they are, then their columns."""
        one, found = b.with_lanes(1), b.slot(INDEX)

        def place(index: Any) -> Any:
            return b.ir.gep(places, [index], source_etype=INDEX)

        b.ir.store(b.index(0), found)
        with b.loop(b.index(0), k) as j:
            count = b.ir.load(found, typ=INDEX)
            b.ir.store(j, place(count))
            spiked = b.ir.zext(one.load(r, j).compare("!=", 0.0), INDEX)
            b.ir.store(b.add(count, spiked), found)
        count = b.ir.load(found, typ=INDEX)
        size = b.mul(k, b.index(self.panel))
        columns = [b.index(v * self.lanes) for v in range(VECTORS)]
        sums = [b.slot(b.kind) for _ in columns]
        with b.loop(b.index(0), n, self.panel) as j:
            panel = b.at(w, b.mul(b.ir.sdiv(j, b.index(self.panel)), size))
            for column, total in zip(columns, sums, strict=True):
                b.ir.store(b.load(b.at(s, j), column).ir, total)
            with b.loop(b.index(0), count) as i:
                at = b.ir.load(place(i), typ=INDEX)
                x = b.spread(b.ir.load(b.at(r, at), typ=b.real))
                for column, total in zip(columns, sums, strict=True):
                    vector = b.load(panel, b.add(b.mul(at, b.index(self.panel)), column))
                    b.ir.store(b.fma(x, vector, Value(b, b.ir.load(total, typ=b.kind))).ir, total)
            for column, total in zip(columns, sums, strict=True):
                b.store(Value(b, b.ir.load(total, typ=b.kind)), b.at(c, j), column)

    def _function(self, name: str, kinds: str) -> tuple[ir.Function, Builder]:
        index = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [POINTER if c == "p" else index for c in kinds])
        function = ir.Function(self.module, kind, name)
        function.linkage = "internal"
        return function, Builder(ir.IRBuilder(function.append_basic_block()), self.bits, self.lanes)

    def _product(self) -> ir.Function:
        function, b = self._function("product", "pi" + "pii" + "pii" + "pi" + "iii")
        s, s_stride, r, r_stride, r_step, *w, c, c_stride, rows, k, n = function.args
        start, read, to = Rows(s, s_stride), Rows(r, r_stride), Rows(c, c_stride)
        # tiles of nearly equal heights: as few as there can be
        tiles = b.ir.sdiv(b.add(rows, b.index(MOST - 1)), b.index(MOST))
        with b.when(rows, ">", b.index(0)), b.loop(b.index(0), tiles) as i:
            first = b.ir.sdiv(b.mul(rows, i), tiles)
            height = b.ir.sub(b.ir.sdiv(b.mul(rows, b.add(i, b.index(1))), tiles), first)
            done = b.ir.append_basic_block("done")
            choice = b.ir.switch(height, done)
            for rows_of_tile in range(1, MOST + 1):
                block = b.ir.append_basic_block(f"rows{rows_of_tile}")
                choice.add_case(b.index(rows_of_tile), block)
                b.ir.position_at_end(block)
                s_own, r_own, c_own = (rows.after(b, first) for rows in (start, read, to))
                self._columns(b, rows_of_tile, s_own, r_own, c_own, r_step, Matrix(*w), k, n)
                b.ir.branch(done)
            b.ir.position_at_end(done)
        b.ir.ret_void()
        return function

    def _columns(
        self, b: Builder, rows: int, start: Rows, read: Rows, to: Rows, r_step: Any, w: Matrix, k: Any, n: Any
    ) -> None:
        """All panels of a tile's rows. Few rows take several panels at once, to fill the registers."""
        panels = max(1, min(4, MOST // rows))
        done: Any = b.index(0)
        for together in (panels, 1) if panels > 1 else (1,):
            step = together * self.panel
            with b.loop(done, n, step) as j:
                own = w._replace(base=b.at(w.base, b.mul(b.ir.sdiv(j, b.index(self.panel)), w.panel)))
                arguments = [
                    b.at(start.base, j), start.stride, *read, r_step, *own, b.at(to.base, j), to.stride, k,
                ]  # fmt: skip
                b.ir.call(self._tile(rows, together), arguments)
            done = b.mul(b.ir.sdiv(n, b.index(step)), b.index(step))

    def _tile(self, rows: int, panels: int) -> ir.Function:
        found = self.tiles.get((rows, panels))
        return found or self.tiles.setdefault((rows, panels), self._make_tile(rows, panels))

    def _make_tile(self, rows: int, panels: int) -> ir.Function:
        function, b = self._function(f"tile{rows}x{panels}", "pi" + "pii" + "pii" + "pi" + "i")
        s, s_stride, r, r_stride, r_step, w, size, w_row, c, c_stride, k = function.args
        start, read, to = Rows(s, s_stride), Rows(r, r_stride), Rows(c, c_stride)
        places = [(i, v) for i in range(rows) for v in range(panels * VECTORS)]
        sums = {place: b.slot(b.kind) for place in places}
        columns = [b.index(v * self.lanes) for v in range(panels * VECTORS)]
        bases = [b.at(w, b.mul(size, b.index(p))) for p in range(panels)]
        reads = [read.row(b, b.index(i)) for i in range(rows)]
        for i, v in places:
            b.ir.store(b.load(start.row(b, b.index(i)), columns[v]).ir, sums[i, v])
        with b.loop(b.index(0), k) as at:
            first, place = b.mul(at, w_row), b.mul(at, r_step)
            vectors = [b.load(base, b.add(first, column)) for base in bases for column in columns[:VECTORS]]
            for i in range(rows):
                x = b.spread(b.ir.load(b.at(reads[i], place), typ=b.real))
                for v, vector in enumerate(vectors):
                    total = Value(b, b.ir.load(sums[i, v], typ=b.kind))
                    b.ir.store(b.fma(x, vector, total).ir, sums[i, v])
        for i, v in places:
            b.store(Value(b, b.ir.load(sums[i, v], typ=b.kind)), to.row(b, b.index(i)), columns[v])
        b.ir.ret_void()
        return function
