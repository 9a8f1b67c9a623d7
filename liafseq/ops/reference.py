"""The time loop as the equations read: plain torch, differentiated by autograd.

This is the definition; every faster version has the same signature and is tested against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import surrogate
from liafseq.neurons import Neuron, SpikeFunction, advance

__all__ = ["Product", "product", "recurrence"]


Product = Callable[[Tensor, Tensor], Tensor]


def product(r: Tensor, weight: Tensor) -> Tensor:
    """r W^T in the weight's precision, returned in r's: the membrane keeps its own precision."""
    return (r.to(weight.dtype) @ weight.t()).to(r.dtype)


def recurrence(
    input: Tensor,
    weight_ih: Tensor | None,
    weight_hh: Tensor | None,
    bias: Tensor | None,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    r0: Tensor | None,
    neuron: Neuron,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
    spike: SpikeFunction = surrogate.spike,
    product: Product = product,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer and direction: synaptic current, then the membrane recurrence over time.

    With the input current X_t = W_ih x_t + b, for each step:

        u_t = v_{t-1} + X_t + W_hh y_{t-1}     feedback="output"
        u_t = X_t + W_hh v_{t-1}               feedback="membrane"
        u_t = v_{t-1} + X_t                    feedback=None
        y_t, v_t = advance(u_t)                (``liafseq.neurons``)

    Args:
        input: x, (T, N, I), or packed (sum of batch_sizes, I).
        weight_ih: (H, I), or None where ``input`` is the input current itself.
        weight_hh: (H, H), or None without feedback.
        bias: (H,) or None.
        decay, threshold, leak: alpha, theta, beta; scalars or (H,); leak None is zero.
        v0: what the membrane keeps from before the first step, (N, H). Its dtype is the
            membrane's, whatever the precision of the products.
        r0: y_0, which W_hh reads at the first step, (N, H); None is zero. Read with
            feedback="output" only.
        neuron: the fixed choices.
        batch_sizes: how many sequences are active at each step of packed data, descending.
        reverse: run from the last step to the first; packed sequences start at their own end.
        spike: the differentiable H.
        product: W_hh r from (rows, H) and W_hh; a convolution for maps.

    Returns:
        output (T, N, H) or packed, and of each sequence's last step the output y and the
        membrane potential u, both (N, H); all in the membrane's dtype.
    """
    current = input if weight_ih is None else F.linear(input, weight_ih, bias)
    current = current.to(v0.dtype)
    steps = current.unbind(0) if batch_sizes is None else current.split(list(batch_sizes))
    y = torch.zeros_like(v0) if r0 is None else r0
    u, v = v0, v0
    weight: Any = weight_hh  # there with feedback
    outputs = []
    for now in reversed(steps) if reverse else steps:
        rows = now.shape[0]
        if neuron.feedback == "output":
            u_now = v[:rows] + now + product(y[:rows], weight)
        elif neuron.feedback == "membrane":
            u_now = now + product(v[:rows], weight)
        else:
            u_now = v[:rows] + now
        y_now, v_now = advance(u_now, decay, threshold, leak, neuron, spike)
        outputs.append(y_now)
        if rows == v.shape[0]:
            u, y, v = u_now, y_now, v_now
        else:
            u, y, v = (torch.cat([new, old[rows:]]) for new, old in ((u_now, u), (y_now, y), (v_now, v)))
    if reverse:
        outputs.reverse()
    return (torch.stack(outputs) if batch_sizes is None else torch.cat(outputs)), y, u
