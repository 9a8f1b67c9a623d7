"""The compiled backward pass: all steps of a part of the batch from the last to the first, products included.

What the step that ran after has to do with a step's rows goes by ``known``: the first ``known`` sequences
go on there, the others end here. The current's gradients of some steps lie together with what the weights
were multiplied with (``pairs``), so that the weights' gradients are large products.
"""

from __future__ import annotations

from typing import Any

from liafseq.neurons import integrate
from liafseq.ops.cpu.emit import INDEX, Builder, Dual, Value
from liafseq.ops.cpu.functions import activate
from liafseq.ops.cpu.kernel import Kernel, Spec
from liafseq.ops.cpu.tiles import Matrix, Rows

__all__ = ["ARGUMENTS", "backward"]

_POINTERS = (
    "starts", "counts", "u", "current", "to_output", "to_y", "to_u", "v0", "y0", "alpha", "beta", "theta",
    "w_hh", "w_ih", "input", "zeros", "gy", "before", "back_v", "back_y", "delta", "pairs", "d_weight",
    "d_input", "sums", "step_sums", "gate_of", "gate_bias", "neurons_of", "apart",
)  # fmt: skip
_WHOLE_NUMBERS = (
    "steps", "low", "high", "block", "width", "columns", "inputs", "room", "to_output_stride", "to_y_stride",
    "to_u_stride", "y0_stride", "wants_weight", "wants_input", "wants_first",
)  # fmt: skip
ARGUMENTS = _POINTERS + _WHOLE_NUMBERS


def backward(spec: Spec) -> Kernel:
    """Runs back over all steps.

    In: ``u`` and with a gate ``current`` of all steps, gradients of the results (those that are zero have
    the stride 0). At the end ``back_v`` has the gradient of v_0, and with ``wants_first`` = 1 ``back_y``
    that of y_0 (with feedback="membrane" it is where v_0's goes, too); ``delta`` has the current's gradient
    of the steps since the last product. ``d_weight`` is the gradient of [W_hh, W_ih] side by side,
    ``sums`` in double precision those of the numbers in ``spec.learned``.
    """
    return _Backward(spec).build()


class _Backward:
    def __init__(self, spec: Spec) -> None:
        self.spec, self.neuron = spec, spec.neuron
        self.kernel = k = Kernel(spec, "backward", ARGUMENTS, frozenset(_POINTERS))
        b = self.b = k.b
        self.width = k["width"]
        self.columns = k["columns"]
        # what is multiplied here
        self.feedback = self.neuron.feedback if spec.recurrent else None
        read = self.width if spec.recurrent else b.index(0)
        self.pair = b.add(read, k["inputs"]) if spec.projects else read
        self.read = read
        # without products the current's gradient is the result itself
        self.multiplies = spec.projects or spec.recurrent

    def build(self) -> Kernel:
        b, k = self.b, self.kernel
        seen, at, last = (b.slot(INDEX) for _ in range(3))
        with k.blocks() as (low, high):
            for slot in (seen, at, last):
                b.ir.store(b.index(0), slot)
            with b.loop(b.index(0), k["steps"]) as i:
                step = b.ir.sub(b.ir.sub(k["steps"], b.index(1)), i)
                first, count = k.active(step, low, high)
                with b.when(count, ">", b.index(0)):
                    now, after = (b.ir.load(slot, typ=INDEX) for slot in (at, last))
                    self._step(step, low, high, first, count, b.ir.load(seen, typ=INDEX), now, after)
                    b.ir.store(b.most(b.ir.load(seen, typ=INDEX), count), seen)
                    b.ir.store(now, last)
                    b.ir.store(b.add(now, count), at)
                    if self.multiplies:
                        full = b.add(now, count, b.ir.sub(high, low))
                        with b.when(full, ">", k["room"]):
                            self._multiply(now)
                            self._move(now, count)
                            b.ir.store(b.index(0), last)
                            b.ir.store(count, at)
            if self.multiplies:
                self._multiply(b.ir.load(at, typ=INDEX))
        k.finish()
        return k

    # one step

    def _step(
        self, step: Any, low: Any, high: Any, first: Any, count: Any, seen: Any, at: Any, after: Any
    ) -> None:
        b, k, feedback = self.b, self.kernel, self.feedback
        known = b.least(seen, count)
        to_output = k.rows("to_output", first, k["to_output_stride"])
        gy, back_v = k.rows("gy"), k.rows("back_v", low)
        delta = (
            k.rows("delta", at, self.columns) if self.multiplies else k.rows("d_input", first, self.columns)
        )
        later = k.rows("delta", after, self.columns)
        if feedback is not None:
            start, to = (to_output, gy) if feedback == "output" else (self._zeros(), back_v)
            w_hh = k.tiles.packed(b, k["w_hh"], self.columns)
            k.tiles.product(b, start, later, w_hh, to, known, self.columns, self.width)
        to_y = k.rows("to_y", low, k["to_y_stride"])
        with b.loop(known, count) as row:
            self._add(gy.row(b, row), to_output.row(b, row), to_y.row(b, row))
        # how many of these sequences ran a step before
        earlier, ran = k.active(b.most(b.ir.sub(step, b.index(1)), b.index(0)), low, high)
        ran = b.ir.select(b.ir.icmp_signed(">", step, b.index(0)), b.least(ran, count), b.index(0))
        if self.neuron.gate:
            u_before, before = k.rows("u", earlier), k.rows("before")
            with b.loop(b.index(0), ran) as row:
                self._kept(u_before.row(b, row), before.row(b, row))
        with b.loop(b.index(0), count) as row:
            goes_on = b.ir.icmp_signed("<", row, known)
            self._row(low, first, row, goes_on, ran, delta.row(b, row), after)
        self._flush_sums()
        if self.feedback is not None:
            # of sequences that begin here
            with b.when(k["wants_first"], ">", b.index(0)):
                rest, to = b.ir.sub(count, ran), k.rows("back_y", b.add(low, ran))
                begun = delta.after(b, ran)
                k.tiles.product(b, self._zeros(), begun, w_hh, to, rest, self.columns, self.width)
        if self.multiplies:
            self._pairs(low, first, at, ran, count)
            if not self.spec.projects:
                with b.when(k["wants_input"], ">", b.index(0)), b.loop(b.index(0), count) as row:
                    into = k.rows("d_input", first, self.columns).row(b, row)
                    k.copy(into, delta.row(b, row), self.columns)
        if self.spec.projects:
            with b.when(k["wants_input"], ">", b.index(0)):
                w_ih = k.tiles.packed(b, k["w_ih"], self.columns)
                to = k.rows("d_input", first, k["inputs"])
                k.tiles.product(b, self._zeros(), delta, w_ih, to, count, self.columns, k["inputs"])

    def _zeros(self) -> Rows:
        return Rows(self.kernel["zeros"], self.b.index(0))

    def _add(self, to: Any, x: Any, y: Any) -> None:
        self.kernel.each(lambda b, i: b.store(b.load(x, i) + b.load(y, i), to, i))

    def _kept(self, u: Any, to: Any) -> None:
        """R of the step before, of which the gate keeps a part."""

        def body(b: Builder, i: Any) -> None:
            _, left = self.kernel.advance(b.load(u, i), self.kernel.numbers(b, i))
            b.store(left, to, i)

        self.kernel.each(body)

    def _row(self, low: Any, first: Any, row: Any, goes_on: Any, ran: Any, delta: Any, after: Any) -> None:
        """Through the neurons of a row, from the gradients of output and kept membrane to the current's."""
        b, k, neuron = self.b, self.kernel, self.neuron
        own = b.add(first, row)
        u = k.rows("u").row(b, own)
        gy = k.rows("gy").row(b, row)
        if self.feedback != "output":
            # nothing comes from later steps
            given = k.rows("to_output", None, k["to_output_stride"]).row(b, own)
            gy = b.ir.select(goes_on, given, gy)
        back_v = k.rows("back_v", low).row(b, row)
        to_u = k.rows("to_u", low, k["to_u_stride"]).row(b, row)
        to_u = b.ir.select(goes_on, k["zeros"], to_u)
        read = None
        if self.feedback is not None:
            # rows that end here have no later step that read them
            read = k.rows("pairs", after, self.pair).row(b, row)
            read = b.ir.select(goes_on, read, k.rows("pairs", k["room"], self.pair).base)
        before = k.rows("v0", low).row(b, row)
        drive = None
        if neuron.gate:
            drive = k.rows("current", None, self.columns).row(b, own)
            before = b.ir.select(b.ir.icmp_signed("<", row, ran), k.rows("before").row(b, row), before)

        def body(b: Builder, i: Any) -> None:
            self._neurons(b, i, u, gy, back_v, to_u, delta, read, drive, before)

        k.each(body)
        if self.spec.shares:
            self._shared(b.at(delta, self.width))

    def _shared(self, to: Any) -> None:
        """The gradient of each gate: the sum of those of the neurons that share it."""
        k, one = self.kernel, self.b.with_lanes(1)
        total = one.slot(one.kind)
        with one.loop(one.index(0), one.ir.sub(self.columns, self.width)) as gate:
            first, after = (k.array("neurons_of", at) for at in (gate, one.add(gate, one.index(1))))
            one.ir.store(one.constant(0.0).ir, total)
            with one.loop(first, after) as i:
                so_far = Value(one, one.ir.load(total, typ=one.kind))
                one.ir.store((so_far + one.load(k["apart"], i)).ir, total)
            one.store(Value(one, one.ir.load(total, typ=one.kind)), to, gate)

    def _neurons(
        self, b: Builder, i: Any, u: Any, gy: Any, back_v: Any, to_u: Any, delta: Any, read: Any, drive: Any,
        before: Any,
    ) -> None:  # fmt: skip
        neuron, learned = self.neuron, self.spec.learned
        numbers: dict[str, Any] = self.kernel.numbers(b, i)
        named = {name: Dual(x, {name: 1.0}) if name in learned else x for name, x in numbers.items()}
        y, v = self.kernel.advance(Dual(b.load(u, i), {"u": 1.0}), named)
        to_y, to_v = b.load(gy, i), b.load(back_v, i)

        def arriving(name: str) -> Any:
            return sum(
                (g * x.parts[name] for g, x in ((to_y, y), (to_v, v)) if name in getattr(x, "parts", ())),
                start=0.0,
            )

        d = arriving("u") + b.load(to_u, i)
        found = {name: arriving(name) for name in learned if name != "bias"}
        if read is not None:
            kept, _ = Dual.of(y if neuron.feedback == "output" else v)
            b.store(kept, read, i)
        parts = [d]
        left: Any = d
        if neuron.gate or self.spec.start:
            now = self._integrated(b, i, drive, before, named)
            parts = [d * now.to("c"), *([d * now.to("g")] if neuron.gate else [])]
            left = d * now.to("v")
            for name in found:
                found[name] = found[name] + d * now.to(name)
        if neuron.gate:
            gates = self.kernel["apart"] if self.spec.shares else b.at(delta, self.width)
            b.store(parts[1], gates, i)
        if neuron.feedback != "membrane":
            b.store(left, back_v, i)
        b.store(parts[0], delta, i)
        if "bias" in learned:
            found |= {f"bias{n}": part for n, part in enumerate(parts)}
        for n, value in enumerate(found.values()):
            if isinstance(value, Value):
                self._gather(b, n, i, value)

    def _integrated(self, b: Builder, i: Any, drive: Any, before: Any, named: dict[str, Any]) -> Dual:
        """u, as it depends on what was kept (v), the current (c), the gate's (g) and the neuron's numbers."""
        neuron = self.neuron
        old: Any = self.kernel.start(b, before, i, named, "v")
        own, gate = Dual(b.constant(0.0), {"c": 1.0}), None
        if neuron.gate:
            own = Dual(b.load(drive, i), {"c": 1.0})
            gate = Dual(self.kernel.gate(b, drive, i), {"g": 1.0})
        kept = None if neuron.feedback == "membrane" else old
        return integrate(kept, own, gate, named["leak"], neuron, activate)  # type: ignore[arg-type,return-value]

    # sums over all rows

    def _gather(self, b: Builder, n: int, i: Any, value: Value) -> None:
        sums = self.kernel["sums" if b.bits == 64 else "step_sums"]
        place = b.add(b.mul(self.width, b.index(n)), i)
        b.store(b.load(sums, place) + value, sums, place)

    def _flush_sums(self) -> None:
        """Sums of a step in single precision into those of all steps in double precision."""
        count = summed(self.spec)
        if self.spec.bits == 64 or not count:
            return
        k = self.kernel

        def body(b: Builder, i: Any) -> None:
            double = Builder(b.ir, 64, b.lanes)
            part = Value(double, b.ir.fpext(b.load(k["step_sums"], i).ir, double.kind))
            double.store(double.load(k["sums"], i) + part, k["sums"], i)
            b.store(0.0, k["step_sums"], i)

        k.each(body, self.b.mul(self.width, self.b.index(count)))

    # products over some steps

    def _pairs(self, low: Any, first: Any, at: Any, ran: Any, count: Any) -> None:
        """What the weights were multiplied with, beside the current's gradient of the same row."""
        b, k = self.b, self.kernel
        with b.when(k["wants_weight"], ">", b.index(0)):
            pairs = k.rows("pairs", at, self.pair)
            if self.feedback is not None:
                given = k.rows("v0", low)
                if self.feedback == "output":
                    given = k.rows("y0", low, k["y0_stride"])
                with b.loop(ran, count) as row:
                    k.copy(pairs.row(b, row), given.row(b, row))
            if self.spec.projects:
                x = k.rows("input", first, k["inputs"])
                with b.loop(b.index(0), count) as row:
                    k.copy(b.at(pairs.row(b, row), self.read), x.row(b, row), k["inputs"])

    def _multiply(self, count: Any) -> None:
        """The weights' gradient of the first ``count`` rows of delta and pairs."""
        b, k = self.b, self.kernel
        with b.when(k["wants_weight"], ">", b.index(0)):
            d_weight = k.rows("d_weight", None, self.pair)
            delta = Rows(k["delta"], b.index(1))
            pairs = Matrix(k["pairs"], b.index(self.spec.panel), self.pair)
            arguments = (d_weight, delta, pairs, d_weight, self.columns, count, self.pair, self.columns)
            k.tiles.product(b, *arguments)

    def _move(self, at: Any, count: Any) -> None:
        """The last step's rows, whose partners are to come, to the beginning."""
        b, k = self.b, self.kernel
        with b.loop(b.index(0), count) as row:
            for name, width in (("delta", self.columns), ("pairs", self.pair)):
                rows = k.rows(name, None, width)
                k.copy(rows.row(b, row), rows.row(b, b.add(at, row)), width)


def summed(spec: Spec) -> int:
    """Rows of ``sums``: one for each number that is learned, for a bias one for each block."""
    return len(spec.learned) + ("bias" in spec.learned) * (spec.neuron.blocks - 1)
