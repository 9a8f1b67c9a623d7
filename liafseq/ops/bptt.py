"""The time loop as one autograd function with its backward through time derived by hand.

The forward pass keeps the membrane potentials u and nothing else. The backward pass recomputes
from them, for all steps at once, how output and kept membrane depend on u; each step is then

    delta_t = dL/du_t = A_t (dL/dy_t + W_hh^T delta_{t+1}) + B_t delta_{t+1}     (feedback="output")

with the diagonals A = dy/du and B = dv/du taken from ``liafseq.neurons`` itself, so that no
neuron is written down twice. The weight gradients of all steps are one matrix product each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron, advance
from liafseq.ops import reference
from liafseq.ops.reference import product

__all__ = [
    "backward_products",
    "differentiable_backward",
    "feedback_gradient",
    "input_products",
    "local_derivatives",
    "previous",
    "recurrence",
    "reference_gradients",
    "step_function",
]


def step_function(x: Tensor, *_: Any) -> Tensor:
    """``surrogate.heaviside`` in one kernel instead of two."""
    return torch.ge(x, 0, out=torch.empty_like(x))


def local_derivatives(
    u: Tensor, decay: Tensor, threshold: Tensor, leak: Tensor | None, neuron: Neuron, parameters: bool
) -> tuple[Tensor, Tensor, list[Tensor], Tensor, Tensor]:
    """y, v and their diagonal derivatives dy/du, dv/du for all steps, from the neuron's definition.

    The third result holds the neuron's parameters as leaves of that small graph, kept only
    where ``parameters`` says that their gradients are wanted.
    """
    with torch.enable_grad():
        u = u.detach().requires_grad_()
        leaves = [p.detach().requires_grad_(parameters) for p in (decay, threshold, leak) if p is not None]
        beta = leaves[2] if leak is not None else None
        y, v = advance(u, leaves[0], leaves[1], beta, neuron)
        ones = torch.ones_like(u)
        (dy,) = torch.autograd.grad(y, u, ones, retain_graph=True)
        (dv,) = torch.autograd.grad(v, u, ones, retain_graph=parameters)
    return y, v, leaves, dy, dv


def previous(r: Tensor, first: Tensor, sizes: Sequence[int], reverse: bool) -> Tensor:
    """For each row of packed ``r`` the row of the step that ran before it; ``first`` at the start."""
    steps = r.split(list(sizes))
    before = [first, *steps[:-1]] if not reverse else [*steps[1:], first[:0]]
    rows = [
        old[:size] if old.shape[0] >= size else torch.cat([old, first[old.shape[0] : size]])
        for old, size in zip(before, sizes, strict=True)
    ]
    return torch.cat(rows)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight_ih: Tensor | None,
        weight_hh: Any,  # a Tensor or None
        bias: Tensor | None,
        decay: Tensor,
        threshold: Tensor,
        leak: Tensor | None,
        v0: Tensor,
        r0: Tensor | None,
        neuron: Neuron,
        sizes: tuple[int, ...],
        reverse: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden = v0.shape[1]
        current = input if weight_ih is None else F.linear(input, weight_ih, bias)
        potentials = current.to(v0.dtype).reshape(-1, hidden)
        if weight_ih is None and potentials.data_ptr() == input.data_ptr():
            potentials = potentials.clone()
        # returned as it is: a view of it could not be changed in place
        result = potentials.new_empty(*input.shape[:-1], hidden)
        outputs = result.view(potentials.shape)
        plain = weight_hh is not None and weight_hh.dtype == v0.dtype
        transposed = None if weight_hh is None else weight_hh.t()
        whole = sizes[0] == sizes[-1]
        u = torch.empty_like(v0)
        v, y = v0, (torch.zeros_like(v0) if r0 is None else r0)
        if not whole:
            v, y = v.clone(), y.clone()
        steps = list(zip(potentials.split(sizes), outputs.split(sizes), strict=True))
        for u_now, y_now in reversed(steps) if reverse else steps:
            rows = u_now.shape[0]
            v_old, y_old = (v, y) if whole else (v[:rows], y[:rows])
            if neuron.feedback != "membrane":
                u_now += v_old
            if neuron.feedback is not None:
                r = y_old if neuron.feedback == "output" else v_old
                if plain:
                    u_now.addmm_(r, transposed)
                else:
                    u_now += product(r, weight_hh)
            y_new, v_new = advance(u_now, decay, threshold, leak, neuron, step_function)
            y_now.copy_(y_new)
            if whole:
                u, v, y = u_now, v_new, y_now
            else:
                u[:rows], v[:rows], y[:rows] = u_now, v_new, y_new
        ctx.save_for_backward(potentials, input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
        ctx.neuron, ctx.sizes, ctx.reverse = neuron, sizes, reverse
        ctx.set_materialize_grads(False)
        return result, y.clone() if whole else y, u.clone() if whole else u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return differentiable_backward(ctx, grads)
        potentials, _, _, weight_hh, _, decay, threshold, leak, v0, _ = ctx.saved_tensors
        neuron, sizes, reverse = ctx.neuron, ctx.sizes, ctx.reverse
        need = ctx.needs_input_grad
        feedback = neuron.feedback
        g_out, g_y, g_u = grads
        keep_y = any(need[4:7])
        y, v, leaves, dy_du, dv_du = local_derivatives(potentials, decay, threshold, leak, neuron, keep_y)

        # what arrives at y and at v from the future, kept per sequence and, for the neuron's
        # own parameters, per step
        to_y = torch.zeros_like(potentials) if g_out is None else g_out.reshape(potentials.shape)
        to_y = to_y.clone() if keep_y else to_y
        to_v = torch.empty_like(potentials) if keep_y else None
        delta = torch.empty_like(potentials)
        back_y = torch.zeros_like(v0) if g_y is None else g_y.clone()
        back_v = torch.zeros_like(v0)
        seen = 0
        plain = weight_hh is not None and weight_hh.dtype == v0.dtype
        steps = list(
            zip(
                delta.split(sizes),
                dy_du.split(sizes),
                dv_du.split(sizes),
                to_y.split(sizes),
                to_v.split(sizes) if to_v is not None else (None,) * len(sizes),
                strict=True,
            )
        )
        for d, a, b, gy, gv in steps if reverse else reversed(steps):
            rows = d.shape[0]
            first = seen < rows
            from_y, from_v = back_y[:rows], back_v[:rows]
            if gv is not None:
                gv.copy_(from_v)
            if feedback == "output" or first:
                total = gy + from_y
                if keep_y:
                    gy.copy_(total)
            else:
                total = gy
            torch.mul(total, a, out=d)
            d.addcmul_(from_v, b)
            if first:
                if g_u is not None:
                    d[seen:rows] += g_u[seen:rows]
                if feedback != "output":
                    back_y[seen:rows] = 0
                seen = rows
            if feedback == "output":
                from_v.copy_(d)
                if plain:
                    torch.mm(d, weight_hh, out=from_y)
                else:
                    from_y.copy_(product(d, weight_hh.t()))
            elif feedback == "membrane":
                from_v.copy_(torch.mm(d, weight_hh) if plain else product(d, weight_hh.t()))
            else:
                from_v.copy_(d)

        own: list[Tensor | None] = [None, None, None]
        if keep_y:
            wanted = [leaf for leaf, n in zip(leaves, need[4:7], strict=False) if n]
            found = iter(torch.autograd.grad((y, v), wanted, (to_y, to_v), allow_unused=True))
            for k, leaf in enumerate(leaves):
                if need[4 + k]:
                    g = next(found)
                    own[k] = torch.zeros_like(leaf) if g is None else g
        return backward_products(ctx, delta, y if feedback == "output" else v, own, back_v, back_y)


def backward_products(
    ctx: Any, delta: Tensor, read: Tensor, own: Sequence[Tensor | None], back_v: Tensor, back_y: Tensor
) -> tuple[Tensor | None, ...]:
    """All gradients from delta = dL/du of all steps: one product for each weight.

    Args:
        ctx: of a function with the arguments of ``recurrence``, all tensors saved after the potentials.
        delta: (rows of all steps, H).
        read: what W_hh read from each step, y or v, as delta; not used without feedback.
        own: gradients of decay, threshold, leak.
        back_v, back_y: gradients of v_0 and y_0.
    """
    _, input, weight_ih, weight_hh, bias, _, _, _, v0, r0 = ctx.saved_tensors
    need = ctx.needs_input_grad
    result: list[Tensor | None] = [None] * 12
    if weight_ih is None:
        result[0] = delta.to(input.dtype).reshape(input.shape) if need[0] else None
    else:
        result[0], result[1], result[3] = input_products(need, delta, input, weight_ih, bias)
    if need[2]:
        first = r0 if ctx.neuron.feedback == "output" else v0
        first = torch.zeros_like(v0) if first is None else first
        result[2] = feedback_gradient(delta, read, first, ctx.sizes, ctx.reverse).to(weight_hh.dtype)
    for k in range(3):
        result[4 + k] = own[k] if need[4 + k] else None
    result[7] = back_v if need[7] else None
    result[8] = back_y if need[8] else None
    return tuple(result)


def input_products(
    need: Sequence[bool], delta: Tensor, input: Tensor, weight_ih: Tensor, bias: Tensor | None
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of input, W_ih and bias, the arguments 0, 1 and 3, from those of the current, as needed."""
    flat = delta.to(weight_ih.dtype)
    return (
        (flat @ weight_ih).to(input.dtype).reshape(input.shape) if need[0] else None,
        flat.t() @ input.reshape(-1, input.shape[-1]).to(flat.dtype) if need[1] else None,
        delta.sum(0).to(bias.dtype) if need[3] and bias is not None else None,
    )


def feedback_gradient(
    delta: Tensor, read: Tensor, first: Tensor, sizes: Sequence[int], reverse: bool
) -> Tensor:
    """sum over steps of delta_t^T r_{t-1}; steps of equal size are neighbours and need no copy."""
    rows = first.shape[0]
    if sizes[0] != sizes[-1]:
        return delta.t() @ previous(read, first, sizes, reverse)
    now, before = (delta[:-rows], read[rows:]) if reverse else (delta[rows:], read[: len(read) - rows])
    start = delta[-rows:] if reverse else delta[:rows]
    return torch.addmm(start.t() @ first, now.t(), before)


def differentiable_backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """The backward pass of a double backward: the reference, from the inputs, kept differentiable."""
    inputs = ctx.saved_tensors[1:]
    sizes = ctx.sizes
    packed = inputs[0].dim() == 2
    arguments = (*inputs, ctx.neuron, sizes if packed else None, ctx.reverse)
    outputs = reference.recurrence(*arguments)
    return reference_gradients(ctx, inputs, outputs, grads)


def reference_gradients(
    ctx: Any, inputs: Sequence[Any], outputs: Sequence[Tensor], grads: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Gradients of a function's arguments, of which ``inputs`` are the first, kept differentiable."""
    pairs = [(o, g) for o, g in zip(outputs, grads, strict=True) if g is not None]
    wanted = [i for i in range(len(inputs)) if ctx.needs_input_grad[i]]
    found = torch.autograd.grad(
        [o for o, _ in pairs],
        [inputs[i] for i in wanted],
        [g for _, g in pairs],
        create_graph=True,
        allow_unused=True,
    )
    result: list[Tensor | None] = [None] * len(ctx.needs_input_grad)
    for i, g in zip(wanted, found, strict=True):
        result[i] = g
    return tuple(result)


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
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``liafseq.ops.reference.recurrence``: same arguments, same results, less time and memory."""
    sizes = batch_sizes if batch_sizes is not None else (v0.shape[0],) * input.shape[0]
    with torch.autocast(v0.device.type, enabled=False):
        return _Recurrence.apply(
            input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0, neuron, sizes, reverse
        )
