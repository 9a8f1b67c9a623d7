"""The time loop of neurons whose decay is a gate: the definition, and a faster way to the same.

    [C_t, g_t] = X_t + W_hh y_{t-1}            both halves of the rows; X_t is the input current
    a_t        = sigmoid(g_t)                  the decay of this step; tanh for DA-LIF
    u_t        = a_t R_{t-1} + beta + C_t      or, normalised, + (1 - a_t) C_t
    y_t, R_t   = emit, reset of u_t            (``liafseq.neurons``)

The neuron's own decay alpha is part of the gate's bias, logit(alpha).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import surrogate
from liafseq.neurons import Neuron, SpikeFunction, advance
from liafseq.ops.bptt import (
    feedback_gradient,
    input_products,
    local_derivatives,
    previous,
    reference_gradients,
    step_function,
)
from liafseq.ops.reference import product

__all__ = ["Flow", "Gate", "Loop", "recurrence", "reference"]


@dataclass(frozen=True)
class Gate:
    """The fixed choices of a gate.

    Attributes:
        signed: a_t = tanh(g_t) instead of sigmoid(g_t).
        normalize: the current is scaled by 1 - a_t.
    """

    signed: bool = False
    normalize: bool = False

    def open(self, g: Tensor) -> Tensor:
        return torch.tanh(g) if self.signed else torch.sigmoid(g)

    def slope(self, a: Tensor) -> Tensor:
        """da/dg from a itself."""
        return 1 - a * a if self.signed else a * (1 - a)


def _kept(
    u: Tensor, threshold: Tensor, neuron: Neuron, spike: SpikeFunction = surrogate.spike
) -> tuple[Tensor, Tensor]:
    """y and R of u: what is emitted, and the membrane after the reset, its decay still to come."""
    return advance(u, u.new_ones(()), threshold, None, neuron, spike)


def reference(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    r0: Tensor,
    y0: Tensor | None,
    neuron: Neuron,
    gate: Gate,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
    spike: SpikeFunction = surrogate.spike,
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer and direction as the equations read: plain torch, differentiated by autograd.

    Args:
        input: x, (T, N, I), or packed (sum of batch_sizes, I).
        weight_ih, weight_hh, bias: (2H, I), (2H, H), (2H,); rows of the current, then of the gate.
        threshold, leak: theta, beta; scalars or (H,); leak None is zero.
        r0: the membrane after its last reset, R_0, (N, H); its dtype is the membrane's.
        y0: y_0, (N, H); None is zero.
        neuron, gate: the fixed choices.
        batch_sizes, reverse, spike: as of ``liafseq.ops.reference.recurrence``.

    Returns:
        output (T, N, H) or packed, and of each sequence's last step y and u, both (N, H).
    """
    current = F.linear(input, weight_ih, bias).to(r0.dtype)
    steps = current.unbind(0) if batch_sizes is None else current.split(list(batch_sizes))
    y = torch.zeros_like(r0) if y0 is None else y0
    u, r = r0, r0
    outputs = []
    for now in reversed(steps) if reverse else steps:
        rows = now.shape[0]
        c, g = (now + product(y[:rows], weight_hh)).chunk(2, -1)
        a = gate.open(g)
        u_now = a * r[:rows] + ((1 - a) * c if gate.normalize else c)
        if leak is not None:
            u_now = u_now + leak
        y_now, r_now = _kept(u_now, threshold, neuron, spike)
        outputs.append(y_now)
        if rows == r.shape[0]:
            u, y, r = u_now, y_now, r_now
        else:
            u, y, r = (torch.cat([new, old[rows:]]) for new, old in ((u_now, u), (y_now, y), (r_now, r)))
    if reverse:
        outputs.reverse()
    return (torch.stack(outputs) if batch_sizes is None else torch.cat(outputs)), y, u


Flow = tuple[Tensor, Tensor, list[Tensor | None], Tensor, Tensor]
"""Gradients of [C_t, g_t] of all steps, the outputs, gradients of [threshold, leak], of R_0 and of y_0."""


class Loop(NamedTuple):
    """A way through all steps: its forward and backward pass, as ``_forward`` and ``_backward`` here."""

    forward: Callable[..., None]
    backward: Callable[..., Flow]


def _forward(
    both: Tensor,
    potentials: Tensor,
    outputs: Tensor,
    weight_hh: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    r: Tensor,
    y: Tensor,
    u: Tensor,
    neuron: Neuron,
    gate: Gate,
    sizes: tuple[int, ...],
    reverse: bool,
) -> None:
    """All steps: ``both`` holds input currents [C, g], then [C, a]; y and u become those of the last step."""
    hidden = r.shape[1]
    plain, transposed = weight_hh.dtype == r.dtype, weight_hh.t()
    whole = sizes[0] == sizes[-1]
    last = u, y
    steps = list(zip(both.split(sizes), potentials.split(sizes), outputs.split(sizes), strict=True))
    for now, u_now, y_now in reversed(steps) if reverse else steps:
        rows = now.shape[0]
        r_old, y_old = (r, y) if whole else (r[:rows], y[:rows])
        if plain:
            now.addmm_(y_old, transposed)
        else:
            now += product(y_old, weight_hh)
        c, a = now[:, :hidden], now[:, hidden:]
        a.copy_(gate.open(a))
        if gate.normalize:
            torch.lerp(c, r_old, a, out=u_now)
        else:
            torch.addcmul(c, a, r_old, out=u_now)
        if leak is not None:
            u_now += leak
        y_new, r_new = _kept(u_now, threshold, neuron, step_function)
        y_now.copy_(y_new)
        if whole:
            u, r, y = u_now, r_new, y_now
        else:
            u[:rows], r[:rows], y[:rows] = u_now, r_new, y_new
    if whole:
        for state, value in zip(last, (u, y), strict=True):
            state.copy_(value)


def _backward(ctx: Any, grads: Sequence[Tensor | None]) -> Flow:
    """Backward through time by hand.

    With delta_t = dL/du_t, the rows of the current receive dC_t = (1 - a_t) delta_t (or delta_t), those
    of the gate dg_t = a_t' (R_{t-1} - C_t) delta_t (or without C_t), and R_{t-1} a_t delta_t.
    """
    both, potentials, _, _, weight_hh, _, threshold, leak, r0, _ = ctx.saved_tensors
    gate, sizes, reverse, need = ctx.gate, ctx.sizes, ctx.reverse, ctx.needs_input_grad
    hidden = r0.shape[1]
    g_out, g_y, g_u = grads
    wants_threshold = need[4]
    one = r0.new_ones(())
    y, r, leaves, dy_du, dr_du = local_derivatives(
        potentials, one, threshold, None, ctx.neuron, wants_threshold
    )
    c, a = both[:, :hidden], both[:, hidden:]
    before = previous(r, r0, sizes, reverse)
    # what C_t, g_t and R_{t-1} receive of delta_t
    share = torch.empty_like(both).view(-1, 2, hidden)
    torch.mul(gate.slope(a), before - c if gate.normalize else before, out=share[:, 1])
    share[:, 0] = 1 - a if gate.normalize else 1

    to_y = torch.zeros_like(potentials) if g_out is None else g_out.reshape(potentials.shape)
    to_y = to_y.clone() if wants_threshold else to_y
    to_r = torch.empty_like(potentials) if wants_threshold else None
    delta = torch.empty_like(potentials)
    flow = torch.empty_like(share)
    back_y = torch.zeros_like(r0) if g_y is None else g_y.clone()
    back_r = torch.zeros_like(r0)
    plain = weight_hh.dtype == r0.dtype
    seen = 0
    parts = (delta, dy_du, dr_du, to_y, a, share, flow, delta if to_r is None else to_r)
    steps = list(zip(*(part.split(sizes) for part in parts), strict=True))
    for d, dy, dr, gy, open_, shared, flows, gr in steps if reverse else reversed(steps):
        rows = d.shape[0]
        from_y, from_r = back_y[:rows], back_r[:rows]
        total = gy + from_y
        if wants_threshold:
            gy.copy_(total)
            gr.copy_(from_r)
        torch.mul(total, dy, out=d)
        d.addcmul_(from_r, dr)
        if seen < rows:
            if g_u is not None:
                d[seen:rows] += g_u[seen:rows]
            seen = rows
        torch.mul(d, open_, out=from_r)
        torch.mul(d.unsqueeze(1), shared, out=flows)
        if plain:
            torch.mm(flows.view(rows, -1), weight_hh, out=from_y)
        else:
            from_y.copy_(product(flows.view(rows, -1), weight_hh.t()))

    own: list[Tensor | None] = [None, None]
    if wants_threshold:
        (found,) = torch.autograd.grad((y, r), (leaves[1],), (to_y, to_r), allow_unused=True)
        own[0] = torch.zeros_like(threshold) if found is None else found
    if need[5]:
        own[1] = delta.sum_to_size(leak.shape)
    return flow.view(both.shape), y, own, back_r, back_y


class _Gated(torch.autograd.Function):
    """Keeps C_t, a_t and u_t of each step."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor,
        threshold: Tensor,
        leak: Tensor | None,
        r0: Tensor,
        y0: Tensor | None,
        neuron: Neuron,
        gate: Gate,
        sizes: tuple[int, ...],
        reverse: bool,
        loop: Loop,
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden = r0.shape[1]
        both = F.linear(input, weight_ih, bias).to(r0.dtype).reshape(-1, 2 * hidden).contiguous()
        potentials = both.new_empty(both.shape[0], hidden)
        # returned as it is: a view of it could not be changed in place
        result = both.new_empty(*input.shape[:-1], hidden)
        outputs = result.view(potentials.shape)
        r = r0.clone(memory_format=torch.contiguous_format)
        y = torch.zeros_like(r) if y0 is None else y0.clone(memory_format=torch.contiguous_format)
        u = torch.empty_like(r)
        loop.forward(
            both, potentials, outputs, weight_hh, threshold, leak, r, y, u, neuron, gate, sizes, reverse
        )
        ctx.save_for_backward(both, potentials, input, weight_ih, weight_hh, bias, threshold, leak, r0, y0)
        ctx.neuron, ctx.gate, ctx.sizes, ctx.reverse, ctx.loop = neuron, gate, sizes, reverse, loop
        ctx.set_materialize_grads(False)
        return result, y, u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return _differentiable_backward(ctx, grads)
        delta, y, own, back_r, back_y = ctx.loop.backward(ctx, grads)
        _, _, input, weight_ih, weight_hh, bias, _, _, r0, y0 = ctx.saved_tensors
        need = ctx.needs_input_grad
        result: list[Tensor | None] = [None] * len(need)
        result[0], result[1], result[3] = input_products(need, delta, input, weight_ih, bias)
        if need[2]:
            first = torch.zeros_like(r0) if y0 is None else y0
            result[2] = feedback_gradient(delta, y, first, ctx.sizes, ctx.reverse).to(weight_hh.dtype)
        for k, value in enumerate((*own, back_r, back_y)):
            result[4 + k] = value if need[4 + k] else None
        return tuple(result)


def _differentiable_backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """The backward pass of a double backward: the reference, from the inputs, kept differentiable."""
    inputs = ctx.saved_tensors[2:]
    sizes = ctx.sizes if inputs[0].dim() == 2 else None
    arguments = (*inputs, ctx.neuron, ctx.gate, sizes, ctx.reverse)
    outputs = reference(*arguments)
    return reference_gradients(ctx, inputs, outputs, grads)


_TORCH = Loop(_forward, _backward)


def recurrence(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    r0: Tensor,
    y0: Tensor | None,
    neuron: Neuron,
    gate: Gate,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
    loop: Loop = _TORCH,
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``reference``: same arguments, same results, less time and memory; ``loop`` runs the steps."""
    sizes = batch_sizes if batch_sizes is not None else (r0.shape[0],) * input.shape[0]
    with torch.autocast(r0.device.type, enabled=False):
        return _Gated.apply(
            input, weight_ih, weight_hh, bias, threshold, leak, r0, y0, neuron, gate, sizes, reverse, loop
        )
