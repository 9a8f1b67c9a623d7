"""The passes over all steps of a call on Triton: what is launched, and with what."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.ops.gradients import Arriving, Flow, Forward, Passes, project
from liafseq.ops.reference import product
from liafseq.ops.triton import elementwise, graph, loop, steps
from liafseq.ops.triton.device import fits, interpreted, padded, precision
from liafseq.ops.types import Call, Gradients

__all__ = ["PASSES"]

ROWS = 8
"""Sequences a program of the loop: the least a tensor core multiplies from the right."""
SCAN_TILE = 512
"""Elements a program without W_hh, and of an element-wise pass twice as many."""
TILE = {"ROWS": 16, "COLS": 16, "SPLIT": 4, "num_warps": 4}
"""Of a program of one step."""
DEPTH = {2: 64, 4: 32, 8: 16}
"""By bytes of a number: columns of W_hh that each of the split products takes at a time."""


class Packing(NamedTuple):
    """Of unequal steps: each sequence's length, each step's size and first row, each sequence's row at its
    last step, and each row's row one step before, -1 - n at the start of sequence n, in either direction."""

    lengths: Tensor
    sizes: Tensor
    offsets: Tensor
    ends: Tensor
    before: tuple[Tensor, Tensor]


@functools.lru_cache(maxsize=16)
def _packing(sizes: tuple[int, ...], device: torch.device) -> Packing:
    active = torch.tensor(sizes)
    steps, n = torch.arange(len(sizes)).unsqueeze(1), torch.arange(sizes[0])
    lengths = (active.unsqueeze(1) > n).sum(0)
    offsets = active.cumsum(0) - active
    rows = offsets.unsqueeze(1) + n
    there = n < active.unsqueeze(1)
    start = (-1 - n).expand_as(rows)
    forward = torch.where(steps > 0, rows.roll(1, 0), start)[there]
    backward = torch.where(steps + 1 < lengths, rows.roll(-1, 0), start)[there]
    ends = offsets[lengths - 1] + n
    before = forward.to(device), backward.to(device)
    short = lengths.to(device, torch.int32), active.to(device, torch.int32)
    return Packing(*short, offsets.to(device), ends.to(device), before)


class _Plan:
    """What both passes of a call share."""

    def __init__(self, call: Call) -> None:
        self.call, self.neuron = call, call.neuron
        self.batch, self.hidden = call.membrane.shape
        self.rows = call.input.shape[0] * (1 if call.steps.sizes else self.batch)
        self.device, self.dtype = call.membrane.device, call.membrane.dtype
        self.gated = call.neuron.gate is not None
        self.packing = None if call.even else _packing(call.sizes, self.device)
        self.weight = call.weights.hh
        self.wide = self.weight is not None and not fits(
            self.hidden, self.weight.dtype, call.neuron.blocks, self.device
        )

    def new(self, blocks: int = 1) -> Tensor:
        return torch.empty(self.rows, blocks * self.hidden, dtype=self.dtype, device=self.device)

    def edge(self, last: bool) -> Any:
        """Of all rows those of each sequence's last step, or of its first."""
        if last == self.call.steps.reverse:
            return slice(0, self.batch)
        return slice(self.rows - self.batch, None) if self.packing is None else self.packing.ends

    @property
    def numbers(self) -> tuple[list[Tensor | None], list[int]]:
        """decay, threshold, leak and how far their values lie apart."""
        given = self.call.numbers
        return list(given), [0 if p is None or p.numel() == 1 else p.stride(0) for p in given]

    def launch(self, kernel: Any, grid: tuple[int, ...], *arguments: Any, **choices: Any) -> None:
        choices = {"NEURON": self.neuron, "num_warps": 4, "enable_fp_fusion": True, **choices}
        with self._here():
            kernel[grid](*arguments, **choices)

    def _here(self) -> contextlib.AbstractContextManager[Any]:
        """Where what is launched runs."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else contextlib.nullcontext()

    def products(self, weight: Tensor | None) -> dict[str, Any]:
        """How a kernel multiplies."""
        widen = weight is not None and weight.dtype == torch.bfloat16 and interpreted()
        return {"PRECISION": precision(weight), "WIDEN": widen, "REVERSE": self.call.steps.reverse}

    def through(self, kernel: Any, weight: Tensor | None, *arguments: Any) -> None:
        """The loop over all steps; sequences and neurons cut as W_hh allows."""
        cols = padded(self.hidden) if weight is not None else min(padded(self.hidden), SCAN_TILE)
        rows = ROWS if weight is not None else SCAN_TILE // cols
        tile = {"ROWS": rows, "COLS": cols, "num_warps": 4 if weight is None else loop.warps(cols)}
        stages = 4 if weight is None else 1
        grid = (-(-self.batch // rows), -(-self.hidden // cols))
        tile |= {"STAGES": stages, "num_stages": stages}
        self.launch(kernel, grid, *arguments, **self.products(weight), **tile)

    def stepwise(
        self, kernel: Any, pointers: Sequence[Tensor | None], *arguments: Any, **choices: Any
    ) -> None:
        """One launch a step."""
        weight = pointers[1]
        assert weight is not None
        choices |= self.products(weight) | TILE | {"DEPTH": DEPTH[weight.element_size()]}
        choices |= {
            "DTYPE": _type(self.dtype),
            "WEIGHT": _type(weight.dtype),
            "PACKED": self.packing is not None,
        }
        choices |= {"STAGES": 2, "num_stages": 2, "NEURON": self.neuron}
        grid = (-(-self.batch // TILE["ROWS"]), -(-self.hidden // TILE["COLS"]))
        count = len(self.call.sizes)

        def fill(table: Tensor, clock: Tensor) -> None:
            given = [table if p is None else p for p in pointers]
            given += [table] * (steps.SLOTS - len(given))
            steps.fill[(1,)](table, clock, *given, count, num_warps=1, enable_fp_fusion=True)

        def launch(table: Tensor, clock: Tensor, index: int) -> None:
            self.launch(kernel, grid, table, clock, index, self.batch, self.hidden, *arguments, **choices)

        key = (kernel.__name__, grid, self.batch, self.hidden, arguments, tuple(choices.items()))
        with self._here():
            graph.run(launch, fill, count, steps.SLOTS, self.device, key)


def _type(dtype: torch.dtype) -> Any:
    import triton.language as tl

    return getattr(tl, str(dtype).removeprefix("torch."))


def _aligned(t: Tensor) -> Tensor:
    """Contiguous, its start where a vector of 16 bytes may start."""
    t = t.contiguous()
    return t if t.data_ptr() % 16 == 0 else t.clone()


def _optional(t: Tensor | None) -> Tensor | None:
    return None if t is None else _aligned(t)


def _forward(call: Call, keep: bool) -> Forward:  # noqa: ARG001 - the outputs are made of the potentials
    p = _Plan(call)
    weight, v0, y0 = _optional(p.weight), _aligned(call.membrane), _optional(call.state.y)
    current = _aligned(project(call, own=False))
    potentials = p.new()
    whole = p.new(2) if p.gated and weight is not None else current
    # returned as it is: a view of it could not be changed in place
    result = torch.empty(*call.input.shape[:-1], p.hidden, dtype=p.dtype, device=p.device)
    numbers, strides = p.numbers
    packing = p.packing
    layout = [p.hidden, 1]
    if weight is not None and precision(weight) == "ieee" and weight.dtype == v0.dtype:
        # neurons side by side: what a warp reads of one column lies in different banks
        weight, layout = weight.t().contiguous(), [1, weight.shape[0]]
    if p.wide:
        assert weight is not None
        membrane = p.neuron.feedback == "membrane"
        first = v0 if membrane else (torch.zeros_like(v0) if y0 is None else y0)
        pointers = [current, weight, *numbers, v0.clone(), torch.stack([first, first]), potentials, whole]
        pointers += [] if packing is None else [packing.sizes, packing.offsets]
        p.stepwise(steps.forward, pointers, *layout, *strides, HAS_LEAK=numbers[2] is not None)
    else:
        arguments: list[Any] = [current, weight, *numbers, v0, y0]
        arguments += [None, None] if packing is None else [packing.lengths, packing.offsets]
        arguments += [potentials, whole, None if weight is not None else result]
        p.through(loop.forward, weight, *arguments, len(call.sizes), p.batch, p.hidden, *layout, *strides)
    if weight is not None:
        grid = (-(-result.numel() // (2 * SCAN_TILE)),)
        p.launch(
            elementwise.emit, grid, potentials, numbers[1], result, p.rows, p.hidden, strides[1],
            BLOCK=2 * SCAN_TILE,
        )  # fmt: skip
    last = p.edge(last=True)
    y, u = (t.view(-1, p.hidden)[last] for t in (result, potentials))
    if isinstance(last, slice):
        y, u = y.clone(), u.clone()
    return Forward(result, y, u, (whole, potentials) if p.gated else (potentials,))


def _backward(call: Call, kept: Sequence[Tensor], arriving: Arriving, needs: Gradients) -> Flow:
    p = _Plan(call)
    potentials = kept[-1].view(-1, p.hidden)
    weight, neuron = _optional(p.weight), p.neuron
    numbers, strides = p.numbers
    to_output, to_y, to_u = (_optional(g) for g in arriving)
    # with a gate the leak is in u
    wanted = [needs.decay, needs.threshold, needs.leak and not p.gated]
    own = any(wanted)
    fused = weight is None and not p.gated
    delta = p.new()
    flow = p.new(2) if p.gated else delta
    dy, dv = (None, None) if fused else (p.new(), p.new())
    opened, gating = (p.new(), p.new()) if p.gated else (None, None)
    read = p.new() if needs.weight_hh else None
    at_y, at_v = (p.new(), p.new()) if own else (None, None)
    packing = p.packing
    if not fused:
        before = None if packing is None else packing.before[call.steps.reverse]
        current = kept[0] if p.gated else None
        between: list[Any] = [
            potentials,
            current,
            _aligned(call.membrane),
            before,
            *numbers,
            dy,
            dv,
            opened,
            gating,
            read,
        ]
        p.launch(
            elementwise.slopes, (-(-delta.numel() // SCAN_TILE),), *between,
            p.rows, p.batch, p.hidden, *strides,
            REVERSE=call.steps.reverse, BLOCK=SCAN_TILE,
        )  # fmt: skip
    if p.wide:
        pointers = [to_output, weight, to_y, to_u, dy, dv, opened, gating, delta, flow, at_y, at_v]
        pointers += [] if packing is None else [packing.sizes, packing.offsets]
        p.stepwise(
            steps.backward, pointers, HAS_OUTPUT=to_output is not None, HAS_Y=to_y is not None,
            HAS_U=to_u is not None, OWN=own,
        )  # fmt: skip
    else:
        arguments: list[Any] = [
            potentials,
            to_output,
            to_y,
            to_u,
            weight,
            *numbers[:2],
            dy,
            dv,
            opened,
            gating,
        ]
        arguments += [None, None] if packing is None else [packing.lengths, packing.offsets]
        arguments += [delta, flow, at_y, at_v, len(call.sizes), p.batch, p.hidden, *strides[:2]]
        p.through(loop.backward, weight, *arguments)
    first = p.edge(last=False)
    v0 = y0 = None
    if needs.v0:
        v0 = delta[first]
        if p.gated:
            v0 = v0 * opened[first]  # type: ignore[index]
        elif neuron.feedback == "membrane":
            v0 = torch.zeros_like(v0) if weight is None else product(v0, weight.t())
    if needs.y0 and weight is not None and neuron.feedback == "output":
        y0 = product(flow[first], weight.t())
    found = _own_gradients(p, potentials, at_y, at_v, wanted)
    if p.gated and needs.leak and call.numbers.leak is not None:
        found[2] = delta.sum_to_size(call.numbers.leak.shape)
    decay, threshold, leak = found
    return Flow(flow, read, decay, threshold, leak, v0, y0)


def _own_gradients(
    p: _Plan, potentials: Tensor, at_y: Tensor | None, at_v: Tensor | None, wanted: list[bool]
) -> list[Tensor | None]:
    """Of decay, threshold and leak, as wanted."""
    found: list[Tensor | None] = [None] * 3
    if at_y is None:
        return found
    numbers, strides = p.numbers
    cols = min(padded(p.hidden), 32)
    # enough parts to fill a GPU, summed in a fixed order
    part = max(32, -(-p.rows // 128))
    parts = -(-p.rows // part)
    sums = [torch.empty(parts, p.hidden, dtype=p.dtype, device=p.device) if want else None for want in wanted]
    p.launch(
        elementwise.totals, (parts, -(-p.hidden // cols)), potentials, at_y, at_v, *numbers[:2], *sums,
        p.rows, part, p.hidden, *strides[:2], ROWS=32, COLS=cols,
    )  # fmt: skip
    for i, (total, number) in enumerate(zip(sums, numbers, strict=True)):
        if total is not None and number is not None:
            found[i] = total.sum(0).sum_to_size(number.shape).to(number.dtype)
    return found


PASSES = Passes(_forward, _backward)
