"""The time loop as the equations read: plain torch, differentiated by autograd.

This is the definition; every faster version is tested against it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import surrogate
from liafseq.neurons import SpikeFunction, advance, integrate
from liafseq.ops.types import Call, Result, State, Weights

__all__ = [
    "blocks", "gate_of", "input_current", "product", "run", "spread", "started", "step", "trace", "whole",
]  # fmt: skip


def product(read: Tensor, weight: Tensor) -> Tensor:
    """r W^T in the weight's precision, returned in r's: the membrane keeps its own precision."""
    return (read.to(weight.dtype) @ weight.t()).to(read.dtype)


def started(call: Call) -> Call:
    """The same call with v and y made of a given membrane potential."""
    _, y, u = call.state
    if u is None:
        return call
    emitted, v = advance(u, *call.numbers, call.neuron)
    return call._replace(state=State(v, emitted if y is None else y))


def blocks(current: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
    """The columns of the current and those of a gate, if there is one."""
    if count == 1:
        return current, None
    own, gate = current.chunk(2, -1)
    return own, gate


def gate_of(hidden: int, gates: int, device: torch.device | None = None) -> Tensor:
    """Which of G gates each of H neurons has, (H,) integers: neuron j has number j G / H, rounded down."""
    return torch.arange(hidden, device=device) * gates // hidden


def spread(current: Tensor, hidden: int, dim: int = -1) -> Tensor:
    """A gate for each of H neurons, of the G that there are (``gate_of``).

    Args:
        current: of size H, or H + G along ``dim``.
    """
    gates = current.shape[dim] - hidden
    if gates in (0, hidden):
        return current
    own, gate = current.split([hidden, gates], dim)
    return torch.cat([own, gate.index_select(dim, gate_of(hidden, gates, current.device))], dim)


def whole(call: Call) -> Call:
    """The same call, its weights with a row for the gate of each neuron."""
    ih, hh, bias = call.weights
    if call.neuron.gate is None or (ih is None and hh is None):
        return call
    hidden = call.membrane.shape[-1]
    ih, hh = (None if t is None else spread(t, hidden, 0) for t in (ih, hh))
    return call._replace(weights=Weights(ih, hh, bias))


def input_current(call: Call) -> Tensor:
    """X of all steps in the membrane's dtype, or the synaptic current where the input is all of it."""
    weight, _, bias = call.weights
    if weight is None:
        return call.input.to(call.membrane.dtype)
    if bias is None or len(bias) == len(weight):
        current = F.linear(call.input, weight, bias)
    else:
        current = spread(F.linear(call.input, weight), call.membrane.shape[-1]) + bias
    return current.to(call.membrane.dtype)


def step(
    call: Call, now: Tensor, y: Tensor, v: Tensor, spike: SpikeFunction
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of the equations of ``run``: y, v and u of it.

    Args:
        call: whose weights, numbers, neuron and product are read.
        now: X_t.
        y, v: of the step before, the rows of ``now``.
    """
    weight, neuron = call.weights.hh, call.neuron
    kept = None if neuron.feedback == "membrane" else v
    if weight is not None:
        now = now + spread((call.product or product)(v if kept is None else y, weight), v.shape[-1])
    u = integrate(kept, *blocks(now, neuron.blocks), call.numbers.leak, neuron)
    return *advance(u, *call.numbers, neuron, spike), u


def run(call: Call, spike: SpikeFunction = surrogate.spike) -> Result:
    """One layer and direction: synaptic current, then the membrane recurrence over time.

    With the input current X_t = W_ih x_t + b, for each step:

        I_t = X_t + W_hh y_{t-1}               feedback="output"
        I_t = X_t + W_hh v_{t-1}               feedback="membrane"
        I_t = X_t                              feedback=None, or the input is all of it
        u_t = integrate(v_{t-1}, I_t)          without v_{t-1} for feedback="membrane", which has read it
        y_t, v_t = advance(u_t)                (``liafseq.neurons``)

    ``spike`` is the differentiable H.
    """
    outputs, _, y, u = _loop(started(call), spike)
    return _joined(call, outputs), y, u


def trace(call: Call) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The results, and the potentials of all steps in the shape of the output."""
    outputs, us, y, u = _loop(started(call), surrogate.spike)
    return _joined(call, outputs), y, u, _joined(call, us)


def _joined(call: Call, rows: list[Tensor]) -> Tensor:
    rows = rows[::-1] if call.steps.reverse else rows
    return torch.stack(rows) if call.steps.sizes is None else torch.cat(rows)


def _loop(call: Call, spike: SpikeFunction) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    """Outputs and potentials in the order of the steps, and y and u of each sequence's last step."""
    steps, v0, y0 = call.steps, call.membrane, call.state.y
    current = input_current(call)
    parts = current.unbind(0) if steps.sizes is None else current.split(list(steps.sizes))
    y = torch.zeros_like(v0) if y0 is None else y0
    u, v = v0, v0
    outputs, us = [], []
    for now in reversed(parts) if steps.reverse else parts:
        rows = now.shape[0]
        y_now, v_now, u_now = step(call, now, y[:rows], v[:rows], spike)
        outputs.append(y_now)
        us.append(u_now)
        if steps.sizes is None or rows == v.shape[0]:
            u, y, v = u_now, y_now, v_now
        else:
            u, y, v = (torch.cat([new, old[rows:]]) for new, old in ((u_now, u), (y_now, y), (v_now, v)))
    return outputs, us, y, u
