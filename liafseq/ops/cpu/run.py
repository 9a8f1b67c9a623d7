"""The compiled passes as a backend: how a call is laid out for them, and what becomes of their results.

Rows are as wide as whole panels of a product: hidden sizes between are padded with neurons that stay at
rest. Where nothing is multiplied, narrow rows (the channels of a pixel) are read as wider ones instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops.cpu.team import Pass, parts, rows_of_steps
from liafseq.ops.gradients import Arriving, Forward, Passes
from liafseq.ops.types import Call, Gradients

__all__ = ["PASSES", "compiled_pass", "lanes_for"]

_LEAST_ROWS = 2
"""A thread's part of the batch has at least so many rows, where products are."""
_LEAST_POTENTIALS = 32768
"""Where nothing is multiplied, potentials of a thread's part, at least."""
_WIDTH, _WIDEST = 256, 1024
"""Features to which narrower rows are joined, and no more than the second."""
_BLOCK = 131072
"""Features of a block of rows that goes through all steps, where nothing is multiplied."""
_ROOM = 256
"""Rows after which the weights' gradients are formed, at least."""


def lanes_for(hidden: int, bits: int) -> int:
    """Numbers of a vector: as wide as the processor's, unless narrower ones need less padding."""
    from liafseq.ops.cpu.engine import vector_bits

    most = vector_bits() // bits
    return min((lanes for lanes in (most, most // 2) if lanes > 1), key=lambda n: (_up(hidden, 2 * n), -n))


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


@cache
def compiled_pass(spec: Any, forward: bool) -> tuple[Pass, dict[str, int], Any]:
    """A pass, the places of its arguments by name, and its spec's rows of sums; compiled when first used."""
    from liafseq.ops.cpu import backward as back
    from liafseq.ops.cpu import forward as ahead
    from liafseq.ops.cpu.engine import compiled
    from liafseq.ops.cpu.kernel import entry

    kernel = ahead.forward(spec) if forward else back.backward(spec)
    names = kernel.arguments
    team = entry(kernel.module, kernel.name, len(names))
    one, many = compiled(kernel.module, kernel.name, team)
    return Pass(one, many), {name: place for place, name in enumerate(names)}, back.summed(spec)


class _Arguments:
    """The arguments of a pass for each part of the batch; keeps alive what they point to."""

    def __init__(self, places: dict[str, int], cuts: list[tuple[int, int]]) -> None:
        self.places = places
        self.table = np.zeros((len(cuts), len(places)), np.int64)
        self.alive: list[Any] = []
        self.set(low=[low for low, _ in cuts], high=[high for _, high in cuts])

    def set(self, **values: Any) -> None:
        """Tensors and arrays by where they begin; lists have one value for each part."""
        for name, value in values.items():
            if name in self.places:
                self.table[:, self.places[name]] = self._number(value)

    def _number(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._number(each) for each in value]
        if isinstance(value, Tensor):
            self.alive.append(value)
            return value.data_ptr()
        if isinstance(value, np.ndarray):
            self.alive.append(value)
            return value.ctypes.data
        return 0 if value is None else int(value)


@lru_cache(maxsize=256)
def _joined(hidden: int, sizes: tuple[int, ...]) -> int:
    """How many rows are read as one: a divisor of the rows of every step."""
    common = math.gcd(*sizes)
    divisors = [k for k in range(1, min(max(1, _WIDEST // hidden), common) + 1) if common % k == 0]
    return next((k for k in divisors if k * hidden >= _WIDTH), divisors[-1])


class Layout:
    """A call as the passes read it."""

    def __init__(self, call: Call) -> None:
        from liafseq.ops.cpu.kernel import Spec

        v0, weights, self.neuron = call.state.v, call.weights, call.neuron
        self.call, self.dtype = call, v0.dtype
        self.batch, self.hidden = v0.shape
        self.projects = weights.ih is not None
        self.recurrent = weights.hh is not None and call.product is None
        self.blocks = self.neuron.blocks
        bits = v0.dtype.itemsize * 8
        multiplies = self.projects or self.recurrent
        lanes = lanes_for(self.hidden, bits)
        sizes = call.sizes
        self.joined = 1 if multiplies or self.neuron.gate else _joined(self.hidden, sizes)
        self.panel = 2 * lanes
        self.width = _up(self.hidden, self.panel) if multiplies else self.hidden * self.joined
        self.pad = self.width - self.hidden if multiplies else 0
        self.columns = self.blocks * self.width
        inputs = call.input.shape[-1]
        self.inputs = _up(inputs, self.panel) if self.projects else 0
        self.rows = sum(sizes) // self.joined
        self.starts, self.counts = rows_of_steps([n // self.joined for n in sizes], call.steps.reverse)
        rows = self.batch // self.joined
        if multiplies:
            self.cuts = parts(rows, _LEAST_ROWS)
            self.block = rows
        else:
            self.cuts = parts(rows, max(1, _LEAST_POTENTIALS * rows // max(1, self.rows * self.width)))
            self.block = max(1, _BLOCK // self.width)
        whole = self.width % lanes == 0
        self.spec = Spec(self.neuron, bits, lanes, self.projects, self.recurrent, whole)

    def arguments(self, places: dict[str, int]) -> _Arguments:
        found = _Arguments(places, self.cuts)
        found.set(
            starts=self.starts, counts=self.counts, steps=len(self.counts), block=self.block, width=self.width,
            inputs=self.inputs, **self._numbers(),
        )  # fmt: skip
        return found

    def _numbers(self) -> dict[str, Tensor]:
        decay, threshold, leak = self.call.numbers
        # a neuron of padding never fires
        return {
            "alpha": self._number(decay, 0.0), "theta": self._number(threshold, 1.0),
            "beta": self._number(leak, 0.0),
        }  # fmt: skip

    def _number(self, value: Tensor | None, rest: float) -> Tensor:
        """A number of each neuron of a row."""
        if value is None:
            return torch.zeros(self.width, dtype=self.dtype)
        value = value.detach().to(self.dtype).expand(self.hidden)
        if self.pad:
            value = F.pad(value, (0, self.pad), value=rest)
        return (value.repeat(self.joined) if self.joined > 1 else value).contiguous()

    def wide(self, rows: Tensor, blocks: int = 1) -> Tensor:
        """Rows of ``blocks`` times the neurons, as wide as the passes read them."""
        rows = rows.detach().to(self.dtype)
        if self.pad:
            rows = F.pad(rows.reshape(-1, blocks, self.hidden), (0, self.pad))
        return rows.reshape(-1, blocks * self.width).contiguous()

    def narrow(self, rows: Tensor, blocks: int = 1) -> Tensor:
        """The inverse of ``wide``."""
        if not self.pad:
            return rows.view(-1, blocks * self.hidden)
        return rows.view(-1, blocks, self.width)[..., : self.hidden].reshape(-1, blocks * self.hidden)

    def result(self, rows: Tensor) -> Tensor:
        """Rows of all steps in the shape of the output; no view of it, which could not be changed in place."""
        shape = (*self.call.input.shape[:-1], self.hidden)
        return rows[..., : self.hidden].reshape(shape) if self.pad else rows.view(shape)

    def x(self) -> Tensor:
        """The input, as wide as whole panels."""
        x = self.call.input.detach().to(self.dtype).reshape(-1, self.call.input.shape[-1])
        if self.inputs != x.shape[-1]:
            x = F.pad(x, (0, self.inputs - x.shape[-1]))
        return x.contiguous()

    def weight(self, weight: Tensor, inputs: int) -> Tensor:
        """(blocks * width, inputs), padded with zeros."""
        weight = weight.detach().to(self.dtype)
        more = inputs - weight.shape[1]
        if self.pad or more:
            weight = weight.reshape(self.blocks, self.hidden, -1)
            weight = F.pad(weight, (0, more, 0, self.pad)).reshape(self.columns, inputs)
        return weight

    def ends(self, rows: Tensor) -> Tensor:
        """Of each sequence the row of its last step, of rows of all steps."""
        batch, sizes = self.batch // self.joined, self.call.sizes
        if self.call.steps.reverse:
            return rows[:batch].clone()
        if self.call.even:
            return rows[-batch:].clone()
        return rows[_last_rows(sizes)]


@lru_cache(maxsize=64)
def _last_rows(sizes: tuple[int, ...]) -> Tensor:
    active = torch.tensor(sizes)
    lengths = (active.unsqueeze(0) > torch.arange(sizes[0]).unsqueeze(1)).sum(1)
    starts = active.cumsum(0) - active
    return starts[lengths - 1] + torch.arange(sizes[0])


def _packed(weight: Tensor, panel: int) -> Tensor:
    from liafseq.ops.cpu.tiles import packed

    return packed(weight, panel)


def _new(layout: Layout, rows: int, width: int) -> Tensor:
    return torch.empty(rows, width, dtype=layout.dtype)


def _forward(call: Call, keep: bool) -> Forward:
    layout = Layout(call)
    weights, state, width, columns = call.weights, call.state, layout.width, layout.columns
    run, places, _ = compiled_pass(layout.spec, True)
    arguments = layout.arguments(places)
    batch = layout.batch // layout.joined
    if layout.projects:
        bias = torch.zeros(columns, dtype=layout.dtype)
        if weights.bias is not None:
            bias = layout.wide(weights.bias, layout.blocks)
        x = layout.x()
        w_ih = _packed(layout.weight(weights.ih, layout.inputs).t(), layout.panel)
        arguments.set(input=x, w_ih=w_ih, bias=bias, input_stride=layout.inputs)
    else:
        current = call.input.detach().reshape(-1, layout.blocks * layout.hidden)
        current = layout.wide(current, layout.blocks)
        arguments.set(input=current, input_stride=columns)
    if layout.recurrent:
        w_hh = _packed(layout.weight(weights.hh, width).t(), layout.panel)
        y = layout.wide(torch.zeros_like(state.v) if state.y is None else state.y)
        spikes = [np.empty(width + 1, np.int64) for _ in layout.cuts]
        arguments.set(w_hh=w_hh, y=y, spikes=spikes)
    v = layout.wide(state.v).clone()
    u = torch.empty(layout.rows if keep else batch, width, dtype=layout.dtype)
    output = torch.empty(layout.rows, width, dtype=layout.dtype)
    kept: tuple[Tensor, ...] = (u,)
    if layout.neuron.gate:
        if layout.projects or layout.recurrent:
            current = torch.empty(layout.rows if keep else batch, columns, dtype=layout.dtype)
        arguments.set(current=current)
        kept = (current, u)
    arguments.set(v=v, u=u, output=output, keep=keep)
    run(arguments.table)
    last_u = layout.ends(u) if keep else u
    ends = (layout.narrow(rows.view(batch, width)) for rows in (layout.ends(output), last_u))
    y_n, u_n = (rows.view(layout.batch, layout.hidden) for rows in ends)
    return Forward(layout.result(output), y_n, u_n, kept)


def _learned(needs: Gradients) -> tuple[str, ...]:
    return tuple(name for name in ("decay", "threshold", "leak", "bias") if getattr(needs, name))


def _backward(call: Call, kept: Sequence[Tensor], arriving: Arriving, needs: Gradients) -> Gradients:
    layout = Layout(call)
    weights, state, width, columns = call.weights, call.state, layout.width, layout.columns
    # of a given current the bias is nobody's
    spec = replace(layout.spec, learned=_learned(needs))
    run, places, summed = compiled_pass(spec, False)
    arguments = layout.arguments(places)
    cuts, batch, rows = layout.cuts, layout.batch // layout.joined, layout.rows
    most = min(layout.block, max(high - low for low, high in cuts))
    wants_weight = needs.weight_ih or needs.weight_hh
    zeros = torch.zeros(max(width, columns, layout.inputs), dtype=layout.dtype)
    back_v = torch.zeros(batch, width, dtype=layout.dtype)
    sums = torch.zeros(len(cuts), max(1, summed), width, dtype=torch.float64)
    arguments.set(
        zeros=zeros, back_v=back_v, sums=list(sums), step_sums=[torch.zeros(sums[0].numel()) for _ in cuts],
        gy=[_new(layout, most, width) for _ in cuts], u=kept[-1],
        wants_weight=wants_weight, wants_input=needs.input,
    )  # fmt: skip
    for name, gradient in zip(("to_output", "to_y", "to_u"), arriving, strict=True):
        given = zeros if gradient is None else layout.wide(gradient.reshape(-1, layout.hidden))
        if gradient is not None:
            given = given.view(-1, width)
        arguments.set(**{name: given, f"{name}_stride": 0 if gradient is None else width})
    back_y = back_v if layout.neuron.feedback == "membrane" else torch.zeros_like(back_v)
    arguments.set(back_y=back_y, wants_first=needs.v0 if back_y is back_v else needs.y0)
    v0 = layout.wide(state.v)
    arguments.set(v0=v0, before=[_new(layout, most, width) for _ in cuts])
    if layout.neuron.gate:
        arguments.set(current=kept[0])
    d_weight = d_input = None
    if needs.input or not (layout.projects or layout.recurrent):
        d_input = _new(layout, rows, layout.inputs or columns)
        arguments.set(d_input=d_input)
    if layout.projects or layout.recurrent:
        pair = width * layout.recurrent + layout.inputs
        room = max(_ROOM, 2 * most)
        arguments.set(
            room=room, delta=[_new(layout, room, columns) for _ in cuts],
            pairs=[_new(layout, room + 1, pair) for _ in cuts],
        )  # fmt: skip
        if wants_weight:
            d_weight = torch.zeros(len(cuts), columns, pair, dtype=layout.dtype)
            arguments.set(d_weight=list(d_weight))
    if layout.projects:
        w_ih = _packed(layout.weight(weights.ih, layout.inputs), layout.panel)
        arguments.set(w_ih=w_ih, input=layout.x())
    if layout.recurrent:
        w_hh = _packed(layout.weight(weights.hh, width), layout.panel)
        y0 = zeros if state.y is None else layout.wide(state.y)
        arguments.set(w_hh=w_hh, y0=y0, y0_stride=0 if state.y is None else width)
    run(arguments.table)
    return _results(layout, needs, sums.sum(0), (back_v, back_y), d_weight, d_input)


def _results(
    layout: Layout,
    needs: Gradients,
    sums: Tensor,
    back: tuple[Tensor, Tensor],
    d_weight: Tensor | None,
    d_input: Tensor | None,
) -> Gradients:
    call, width = layout.call, layout.width
    found: dict[str, Tensor | None] = {}
    if d_weight is not None:
        split = width * layout.recurrent
        whole = d_weight[0] if len(d_weight) == 1 else d_weight.sum(0)
        whole = whole.view(layout.blocks, width, -1)[:, : layout.hidden].reshape(-1, whole.shape[-1])
        for name, part, like in (
            ("weight_hh", whole[:, : layout.hidden], call.weights.hh),
            ("weight_ih", whole[:, split : split + call.input.shape[-1]], call.weights.ih),
        ):
            if like is not None:
                found[name] = part.to(like.dtype, memory_format=torch.contiguous_format, copy=True)
    if d_input is not None:
        d_input = d_input[:, : call.input.shape[-1]] if layout.projects else layout.narrow(d_input, layout.blocks)
        found["input"] = d_input.to(call.input.dtype).reshape(call.input.shape)
    names = _learned(needs)
    for place, name in enumerate(names):
        bias = name == "bias"
        like = call.weights.bias if bias else getattr(call.numbers, name)
        rows = layout.narrow(sums[place : place + (layout.blocks if bias else 1)])
        total = rows.reshape(-1) if bias else rows.sum(0)
        found[name] = total.to(like.dtype).sum_to_size(like.shape).clone()
    shape = call.state.v.shape
    found["v0"] = layout.narrow(back[0]).view(shape)
    if layout.neuron.feedback == "output":
        found["y0"] = layout.narrow(back[1]).view(shape)
    return Gradients(**{n: g for n, g in found.items() if getattr(needs, n)})


PASSES = Passes(_forward, _backward)
