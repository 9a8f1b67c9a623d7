"""The compiled forward pass: all steps of a part of the batch, products included."""

from __future__ import annotations

from typing import Any

from liafseq.neurons import integrate
from liafseq.ops.cpu.emit import Builder
from liafseq.ops.cpu.functions import activate
from liafseq.ops.cpu.kernel import Kernel, Spec
from liafseq.ops.cpu.tiles import Rows

__all__ = ["ARGUMENTS", "forward"]

_POINTERS = (
    "starts", "counts", "input", "w_ih", "bias", "w_hh", "current", "u", "output", "v", "y", "alpha", "beta",
    "theta", "spikes", "gate_of", "gate_bias",
)  # fmt: skip
_WHOLE_NUMBERS = ("steps", "low", "high", "block", "width", "columns", "inputs", "input_stride", "keep")
ARGUMENTS = _POINTERS + _WHOLE_NUMBERS


def forward(spec: Spec) -> Kernel:
    """Runs over all steps; v is the state, in and out.

    ``input`` has x, or the current where nothing is projected. ``current`` (with a gate) and ``u`` have
    the rows of all steps with ``keep`` = 1; else one for each sequence, which holds those of the last step
    at the end.
    """
    kernel = Kernel(spec, "forward", ARGUMENTS, frozenset(_POINTERS))
    b, neuron = kernel.b, spec.neuron
    columns = kernel["columns"]
    with kernel.blocks() as (low, high), b.loop(b.index(0), kernel["steps"]) as step:
        first, count = kernel.active(step, low, high)
        with b.when(count, ">", b.index(0)):
            kept = b.ir.select(b.ir.icmp_signed("!=", kernel["keep"], b.index(0)), first, low)
            u = kernel.rows("u", kept)
            drive = kernel.rows("current", kept, columns) if neuron.gate else u
            drive = _current(kernel, spec, step, (low, high), first, count, drive)
            out, v = kernel.rows("output", first), kernel.rows("v", low)
            with b.loop(b.index(0), count) as row:
                _step(kernel, drive.row(b, row), v.row(b, row), u.row(b, row), out.row(b, row))
    kernel.finish()
    return kernel


def _current(
    kernel: Kernel, spec: Spec, step: Any, block: tuple[Any, Any], first: Any, count: Any, to: Rows
) -> Rows:
    """The synaptic current of a step's rows, in ``to``; where nothing is multiplied it stays in the input."""
    b, neuron, width = kernel.b, spec.neuron, kernel["width"]
    source = kernel.rows("input", first, kernel["input_stride"])
    columns, start = to.stride, source
    if spec.projects:
        bias = Rows(kernel["bias"], b.index(0))
        w_ih = kernel.tiles.packed(b, kernel["w_ih"], kernel["inputs"])
        kernel.tiles.product(b, bias, source, w_ih, to, count, kernel["inputs"], columns)
        start = to
    if not spec.recurrent:
        return start

    def feedback(read: Rows, begin: Any, rows: Any) -> None:
        own, into, w_hh = start.after(b, begin), to.after(b, begin), kernel["w_hh"]
        if neuron.analog or neuron.feedback == "membrane":
            w = kernel.tiles.packed(b, w_hh, width)
            kernel.tiles.product(b, own, read, w, into, rows, width, columns)
        else:
            kernel.tiles.spikes(b, own, read, w_hh, into, rows, width, columns, kernel["spikes"])

    low, high = block
    if neuron.feedback == "membrane":
        feedback(kernel.rows("v", low), b.index(0), count)
        return to
    # sequences that ran a step before read their output of it, the others y_0
    before = b.most(b.ir.sub(step, b.index(1)), b.index(0))
    last, known = kernel.active(before, low, high)
    known = b.ir.select(b.ir.icmp_signed(">", step, b.index(0)), b.least(known, count), b.index(0))
    feedback(kernel.rows("output", last), b.index(0), known)
    feedback(kernel.rows("y", low).after(b, known), known, b.ir.sub(count, known))
    return to


def _step(kernel: Kernel, drive: Any, v: Any, u: Any, out: Any) -> None:
    """The neurons of a row: from the current and what was kept to the output and what is kept."""
    neuron = kernel.spec.neuron

    def body(b: Builder, i: Any) -> None:
        numbers = kernel.numbers(b, i)
        kept = None if neuron.feedback == "membrane" else kernel.start(b, v, i, numbers)
        gate = kernel.gate(b, drive, i) if neuron.gate else None
        now: Any = integrate(kept, b.load(drive, i), gate, numbers["leak"], neuron, activate)  # type: ignore[arg-type]
        y, left = kernel.advance(now, numbers)
        b.store(now, u, i)
        b.store(y, out, i)
        if kernel.spec.start is None:
            b.store(left, v, i)

    kernel.each(body)
