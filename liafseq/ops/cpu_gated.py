"""``ops.gated`` on a CPU, compiled by numba as ``ops.cpu`` is: one call for all steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops._blas import gemm_address
from liafseq.ops._cpu_layout import as_array, choices, cut, in_parts, learned, numbers, rows_of_steps
from liafseq.ops.gated import Gate, differentiable_backward, gradients

__all__ = ["recurrence"]


def _choices(neuron: Neuron, gate: Gate, real: Any) -> tuple[Any, ...]:
    # what is fed back is the output
    return gate.signed, gate.normalize, *choices(neuron, real)[1:]


class _Gated(torch.autograd.Function):
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
    ) -> tuple[Tensor, Tensor, Tensor]:
        from liafseq.ops._cpu_kernels import gated_forward

        hidden = r0.shape[1]
        both = F.linear(input, weight_ih, bias).reshape(-1, 2 * hidden).contiguous()
        potentials = both.new_empty(both.shape[0], hidden)
        # returned as it is: a view of it could not be changed in place
        outputs = both.new_empty(*input.shape[:-1], hidden)
        r = r0.clone(memory_format=torch.contiguous_format)
        y = torch.zeros_like(r) if y0 is None else y0.clone(memory_format=torch.contiguous_format)
        u = torch.empty_like(r)
        arrays = [t.detach().numpy() for t in (both, potentials, outputs.view(potentials.shape))]
        weight = as_array(weight_hh, arrays[0])
        # spikes select whole rows of it
        by_input = weight if neuron.analog else weight.T.copy()
        gated_forward(
            gemm_address(r0.dtype), *arrays, weight, by_input, *numbers((leak, threshold), hidden, r0, 1),
            *(t.detach().numpy() for t in (r, y, u)), *rows_of_steps(sizes, reverse),
            *_choices(neuron, gate, weight.dtype.type),
        )  # fmt: skip
        ctx.save_for_backward(both, potentials, input, weight_ih, weight_hh, bias, threshold, leak, r0, y0)
        ctx.neuron, ctx.gate, ctx.sizes, ctx.reverse = neuron, gate, sizes, reverse
        ctx.set_materialize_grads(False)
        return outputs, y, u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        if torch.is_grad_enabled():
            return differentiable_backward(ctx, grads)
        return _backward(ctx, grads)


def _backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    from liafseq.ops._cpu_kernels import SURROGATE, gated_backward

    both, potentials, _, _, weight_hh, _, threshold, leak, r0, _ = ctx.saved_tensors
    neuron, (batch, hidden) = ctx.neuron, r0.shape
    g_out, g_y, g_u = grads
    back_r = torch.zeros(r0.shape, dtype=r0.dtype)
    back_y = back_r.clone() if g_y is None else g_y.clone(memory_format=torch.contiguous_format)
    to_u = back_r.clone() if g_u is None else g_u.contiguous()
    delta, y = torch.empty_like(both), torch.empty_like(potentials)
    u = potentials.numpy()
    real = u.dtype.type
    to_output = as_array(None if g_out is None else g_out.reshape(potentials.shape), u)
    state = [t.numpy() for t in (r0.detach().contiguous(), to_u, back_y, back_r)]
    starts, counts = rows_of_steps(ctx.sizes, ctx.reverse)
    learn = learned((False, *ctx.needs_input_grad[4:6]))
    surrogate = SURROGATE[neuron.surrogate], real(neuron.surrogate_width), neuron.detach_reset

    def call(low: int, high: int) -> np.ndarray:
        sums = np.zeros((2, hidden))
        first, last_u, last_y, last_r = (a[low:high] for a in state)
        gated_backward(
            gemm_address(r0.dtype), both.numpy(), u, as_array(weight_hh, u),
            *numbers((threshold,), hidden, r0, 1), first, to_output, last_u, last_y, last_r,
            delta.numpy(), y.numpy(), starts + low, np.clip(counts - low, 0, high - low),
            *_choices(neuron, ctx.gate, real), *surrogate, learn, sums,
        )  # fmt: skip
        return sums

    sums = sum(in_parts(cut(batch), call))
    own = [
        None if p is None else torch.from_numpy(row).to(p.dtype).sum_to_size(p.shape).clone()
        for p, row in zip((threshold, leak), sums, strict=True)
    ]
    return gradients(ctx, delta, y, own, back_r, back_y)


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
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``liafseq.ops.gated.reference``; for what ``liafseq.ops.cpu.supports`` says."""
    sizes = batch_sizes if batch_sizes is not None else (r0.shape[0],) * input.shape[0]
    with torch.autocast("cpu", enabled=False):
        return _Gated.apply(
            input, weight_ih, weight_hh, bias, threshold, leak, r0, y0, neuron, gate, sizes, reverse
        )
