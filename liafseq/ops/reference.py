"""The time loop as the equations read: plain torch, differentiated by autograd.

This is the definition; every faster version is tested against it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import surrogate
from liafseq.neurons import SpikeFunction, advance, integrate
from liafseq.ops.types import Call, Result

__all__ = ["Matrix", "blocks", "run"]


class Matrix:
    """r W^T in the weight's precision, returned in r's: the membrane keeps its own precision."""

    def forward(self, read: Tensor, weight: Tensor) -> Tensor:
        return (read.to(weight.dtype) @ weight.t()).to(read.dtype)

    def transposed(self, delta: Tensor, weight: Tensor) -> Tensor:
        return (delta.to(weight.dtype) @ weight).to(delta.dtype)

    def weight(self, delta: Tensor, read: Tensor, weight: Tensor) -> Tensor:
        return delta.to(weight.dtype).t() @ read.to(weight.dtype)


def blocks(current: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
    """The columns of the current and those of a gate, if there is one."""
    if count == 1:
        return current, None
    own, gate = current.chunk(2, -1)
    return own, gate


def run(call: Call, spike: SpikeFunction = surrogate.spike) -> Result:
    """One layer and direction: synaptic current, then the membrane recurrence over time.

    With the input current X_t = W_ih x_t + b, for each step:

        I_t = X_t + W_hh y_{t-1}               feedback="output"
        I_t = X_t + W_hh v_{t-1}               feedback="membrane"
        I_t = X_t                              feedback=None
        u_t = integrate(v_{t-1}, I_t)          without v_{t-1} for feedback="membrane", which has read it
        y_t, v_t = advance(u_t)                (``liafseq.neurons``)

    ``spike`` is the differentiable H.
    """
    input, (weight_ih, weight_hh, bias), (decay, threshold, leak), (v0, y0), neuron, steps, product = call
    product = product or Matrix()
    current = input if weight_ih is None else F.linear(input, weight_ih, bias)
    current = current.to(v0.dtype)
    parts = current.unbind(0) if steps.sizes is None else current.split(list(steps.sizes))
    y = torch.zeros_like(v0) if y0 is None else y0
    u, v = v0, v0
    weight: Any = weight_hh  # there with feedback
    outputs = []
    for now in reversed(parts) if steps.reverse else parts:
        rows = now.shape[0]
        kept: Tensor | None = v[:rows]
        if neuron.feedback == "output":
            now = now + product.forward(y[:rows], weight)
        elif neuron.feedback == "membrane":
            now, kept = now + product.forward(v[:rows], weight), None
        u_now = integrate(kept, *blocks(now, neuron.blocks), leak, neuron)
        y_now, v_now = advance(u_now, decay, threshold, leak, neuron, spike)
        outputs.append(y_now)
        if rows == v.shape[0]:
            u, y, v = u_now, y_now, v_now
        else:
            u, y, v = (torch.cat([new, old[rows:]]) for new, old in ((u_now, u), (y_now, y), (v_now, v)))
    if steps.reverse:
        outputs.reverse()
    return (torch.stack(outputs) if steps.sizes is None else torch.cat(outputs)), y, u
