"""How a call is laid out for the compiled passes.

Rows are as wide as whole panels of a product: hidden sizes between are padded with neurons that stay at
rest. Where nothing is multiplied, narrow rows (the channels of a pixel) are read as wider ones instead.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import reference
from liafseq.ops.cpu.arguments import Arguments, compiled_pass
from liafseq.ops.types import Call, Steps

__all__ = ["Plan", "columns_of", "lanes_for", "plan", "width_of"]

_LEAST_ROWS = 2
"""A thread's part of the batch has at least so many rows, where products are."""
_LEAST_POTENTIALS = 32768
"""Where nothing is multiplied, potentials of a thread's part, at least."""
_WIDTH, _WIDEST = 256, 1024
"""Features to which narrower rows are joined, and no more than the second."""
_FEW = 8192
"""So few potentials are quicker as they are."""
_BLOCK = 131072
"""Features of a block of rows that goes through all steps, where nothing is multiplied."""
_ROOM = 256
"""Rows after which the weights' gradients are formed, at least."""


def lanes_for(hidden: int, bits: int) -> int:
    """Numbers of a vector: as wide as the processor's, unless narrower ones need less padding."""
    from liafseq.ops.cpu.engine import vector_bits

    most = vector_bits() // bits
    return min((lanes for lanes in (most, most // 2) if lanes > 1), key=lambda n: (_up(hidden, 2 * n), -n))


def panel_of(hidden: int, dtype: torch.dtype) -> int:
    """Columns that a product makes together."""
    return 2 * lanes_for(hidden, dtype.itemsize * 8)


def width_of(hidden: int, dtype: torch.dtype) -> int:
    """Numbers of a row where products are."""
    return _up(hidden, panel_of(hidden, dtype))


def gates_of(call: Call) -> int:
    """How many gates neighbours share; 0 where each neuron has its own, or none."""
    hidden = call.membrane.shape[-1]
    gates = 0 if call.weights.ih is None else call.weights.ih.shape[0] - hidden
    return gates if gates < hidden else 0


def columns_of(call: Call) -> int:
    """Numbers of a row of the current, where products are."""
    hidden, dtype = call.membrane.shape[-1], call.membrane.dtype
    return _columns(width_of(hidden, dtype), call.neuron.blocks, gates_of(call), panel_of(hidden, dtype))


def _columns(width: int, blocks: int, gates: int, panel: int) -> int:
    return width + _up(gates, panel) if gates else blocks * width


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


@lru_cache(maxsize=256)
def _joined(hidden: int, sizes: tuple[int, ...]) -> int:
    """How many rows are read as one: a divisor of the rows of every step."""
    common = math.gcd(*sizes)
    divisors = [k for k in range(1, min(max(1, _WIDEST // hidden), common) + 1) if common % k == 0]
    return next((k for k in divisors if k * hidden >= _WIDTH), divisors[-1])


def plan(call: Call, start: str | None = None) -> Plan:
    """The layout of a call; ``start`` as of ``Spec``."""
    input, weights, state, steps = call.input, call.weights, call.membrane, call.steps
    batch, hidden = state.shape
    return _plan(
        call.neuron, state.dtype, batch, hidden, None if weights.ih is None else input.shape[-1],
        weights.hh is not None, steps, 0 if steps.sizes else len(input), start, gates_of(call),
        torch.get_num_threads(),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _plan(*key: Any) -> Plan:
    return Plan(*key)


class Plan:
    """What is the same for all calls of the same neuron and sizes.

    Attributes:
        width: numbers of a row, padding and joined rows included.
        gates: how many gates neighbours share; 0 where each neuron has its own, or none.
        columns: of the current: ``blocks`` times the width, or the width and then the gates.
        cuts: each thread's sequences.
    """

    def __init__(
        self,
        neuron: Neuron,
        dtype: torch.dtype,
        batch: int,
        hidden: int,
        inputs: int | None,
        recurrent: bool,
        steps: Steps,
        length: int,
        start: str | None,
        gates: int,
        threads: int,
    ) -> None:
        from liafseq.ops.cpu.kernel import Spec

        self.dtype, self.hidden, self.blocks, self.recurrent = dtype, hidden, neuron.blocks, recurrent
        sizes = steps.sizes or (batch,) * length
        bits = dtype.itemsize * 8
        lanes = lanes_for(hidden, bits)
        projects = inputs is not None
        self.multiplies = projects or recurrent
        few = sum(sizes) * hidden <= _FEW
        self.joined = 1 if self.multiplies or neuron.gate or few else _joined(hidden, sizes)
        self.panel = 2 * lanes
        self.width = width_of(hidden, dtype) if self.multiplies else hidden * self.joined
        self.pad = self.width - hidden if self.multiplies else 0
        self.gates = gates
        self.columns = _columns(self.width, self.blocks, gates, self.panel)
        if gates:
            # the first neuron of each gate and behind its last; gates of padding have none
            gate_of = reference.gate_of(hidden, gates).numpy()
            self.neurons_of = np.searchsorted(gate_of, np.arange(self.columns - self.width + 1))
            self.gate_of = np.pad(gate_of, (0, self.pad))
        self.inputs = _up(inputs or 0, self.panel)
        self.batch, self.rows = batch // self.joined, sum(sizes) // self.joined
        self.cuts = self._cuts(threads)
        self.block = self.batch if self.multiplies else max(1, _BLOCK // self.width)
        self.most = min(self.block, max(high - low for low, high in self.cuts))
        self.pair = self.width * recurrent + self.inputs
        self.room = max(_ROOM, 2 * self.most)
        whole = self.width % lanes == 0
        self.spec = Spec(neuron, bits, lanes, projects, recurrent, whole, start, shares=gates > 0)
        counts = np.array([n // self.joined for n in sizes], dtype=np.int64)
        starts = np.cumsum(counts) - counts
        if steps.reverse:
            starts, counts = starts[::-1].copy(), counts[::-1].copy()
        self.starts, self.counts = starts, counts
        self.zeros = torch.zeros(max(self.columns, self.inputs), dtype=dtype)
        self._backward: dict[tuple[str, ...], Arguments] = {}
        # of each sequence the row of its last step
        self.last: slice | Tensor
        if steps.reverse:
            self.last = slice(0, self.batch)
        elif sizes[0] == sizes[-1]:
            self.last = slice(self.rows - self.batch, self.rows)
        else:
            lengths = (counts[None, :] > np.arange(self.batch)[:, None]).sum(1)
            self.last = torch.from_numpy(starts[lengths - 1] + np.arange(self.batch))

    def _cuts(self, threads: int) -> list[tuple[int, int]]:
        enough = self.batch // _LEAST_ROWS
        if not self.multiplies:
            enough = min(self.batch, self.rows * self.width // _LEAST_POTENTIALS)
        parts = max(1, min(threads, enough))
        return [(self.batch * i // parts, self.batch * (i + 1) // parts) for i in range(parts)]

    @cached_property
    def _forward(self) -> Arguments:
        return self._arguments(self.spec, True)

    def forward(self) -> Arguments:
        """The arguments of the forward pass that are the same for all calls."""
        return self._forward.copy()

    def backward(self, learned: tuple[str, ...]) -> Arguments:
        """Likewise of the backward pass."""
        found = self._backward.get(learned)
        if found is None:
            found = self._backward[learned] = self._arguments(replace(self.spec, learned=learned), False)
        return found.copy()

    def _arguments(self, spec: Any, forward: bool) -> Arguments:
        run, places = compiled_pass(spec, forward)
        found = Arguments(run, places, len(self.cuts))
        same = {
            "starts": self.starts.ctypes.data, "counts": self.counts.ctypes.data, "steps": len(self.counts),
            "block": self.block, "width": self.width, "columns": self.columns, "inputs": self.inputs,
            "room": self.room, "zeros": self.zeros.data_ptr(),
        }  # fmt: skip
        if self.gates:
            same |= {"gate_of": self.gate_of.ctypes.data, "neurons_of": self.neurons_of.ctypes.data}
        for name, value in same.items():
            if name in places:
                found.set(**{name: value})
        found.each("low", [low for low, _ in self.cuts])
        found.each("high", [high for _, high in self.cuts])
        return found

    # tensors as the passes read them, and back

    def new(self, rows: int, width: int) -> Tensor:
        return torch.empty(rows, width, dtype=self.dtype)

    def parts(self, rows: int, width: int) -> Tensor:
        """Memory of each thread."""
        return torch.empty(len(self.cuts), rows, width, dtype=self.dtype)

    def numbers(self, call: Call) -> dict[str, Tensor]:
        decay, threshold, leak = call.numbers
        # a neuron of padding never fires
        return {
            "alpha": self._number(decay, 0.0), "theta": self._number(threshold, 1.0),
            "beta": self._number(leak, 0.0),
        }  # fmt: skip

    def _number(self, value: Tensor | None, rest: float) -> Tensor:
        """A number of each neuron of a row."""
        if value is None:
            return self.zeros
        if value.dim() and self.width == self.hidden and value.dtype == self.dtype:
            return value.contiguous()
        value = value.to(self.dtype).expand(self.hidden)
        if self.pad:
            value = F.pad(value, (0, self.pad), value=rest)
        return (value.repeat(self.joined) if self.joined > 1 else value).contiguous()

    def wide(self, rows: Tensor, blocks: int = 1) -> Tensor:
        """Rows of ``blocks`` times the neurons, as wide as the passes read them."""
        if rows.dtype != self.dtype:
            rows = rows.to(self.dtype)
        if self.pad:
            rows = F.pad(rows.reshape(-1, blocks, self.hidden), (0, self.pad))
        return rows.contiguous()

    def narrow(self, rows: Tensor, blocks: int = 1) -> Tensor:
        """The inverse of ``wide``: (rows, blocks * H)."""
        if self.pad:
            rows = rows.view(-1, blocks, self.width)[..., : self.hidden]
        return rows.reshape(-1, blocks * self.hidden)

    def x(self, input: Tensor) -> Tensor:
        """The input, as wide as whole panels."""
        if input.dtype != self.dtype:
            input = input.to(self.dtype)
        more = self.inputs - input.shape[-1]
        return F.pad(input, (0, more)) if more else input.contiguous()

    def weight(self, weight: Tensor, inputs: int) -> Tensor:
        """(columns, inputs), padded with zeros."""
        if weight.dtype != self.dtype:
            weight = weight.to(self.dtype)
        more = inputs - weight.shape[1]
        if self.gates:
            found = weight.new_zeros(self.columns, inputs)
            found[: self.hidden, : weight.shape[1]] = weight[: self.hidden]
            found[self.width : self.width + self.gates, : weight.shape[1]] = weight[self.hidden :]
            return found
        if self.pad or more:
            weight = F.pad(weight.reshape(self.blocks, self.hidden, -1), (0, more, 0, self.pad))
            weight = weight.reshape(self.columns, inputs)
        return weight

    def of_weight(self, found: Tensor) -> Tensor:
        """The inverse of ``weight``, whose columns stay padded."""
        if self.gates:
            return torch.cat([found[: self.hidden], found[self.width : self.width + self.gates]])
        return found.view(self.blocks, self.width, -1)[:, : self.hidden].reshape(-1, found.shape[1])

    def biases(self, bias: Tensor | None) -> dict[str, Tensor]:
        """What the current of a step begins with, and what each neuron adds to a gate that it shares."""
        if bias is None:
            return {"bias": self.zeros, "gate_bias": self.zeros}
        wide = self.wide(bias, self.blocks)
        if not self.gates:
            return {"bias": wide}
        own, gate = wide.view(2, self.width)
        return {"bias": F.pad(own, (0, self.columns - self.width)), "gate_bias": gate}
