"""The time loop on a CPU, compiled by numba: one call for all steps, products by torch's own BLAS.

Same signature and results as ``ops.reference``. Kept for the backward pass are the membrane
potentials alone. With several torch threads the backward pass cuts a large batch into as many
parts, each of which runs through the steps on its own: no thread waits for another at each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops._blas import gemm_address
from liafseq.ops._cpu_layout import as_array, choices, learned, numbers, repeats, rows_of_steps
from liafseq.ops.bptt import differentiable_backward
from liafseq.ops.cpu_backward import gradients

__all__ = ["available", "recurrence", "run_forward", "supports"]

# found out at import, without importing numba: a compiler cannot trace a look-up
_AVAILABLE = find_spec("numba") is not None and all(map(gemm_address, (torch.float32, torch.float64)))


def available() -> bool:
    """Whether numba is there and torch's BLAS can be called."""
    return _AVAILABLE


def supports(v0: Tensor, weight_ih: Tensor | None, weight_hh: Tensor | None, neuron: Neuron) -> bool:
    """Whether the kernels serve this: a CPU, float32 or float64 throughout, not an empty batch, and no
    activation or surrogate that somebody has added."""
    if v0.device.type != "cpu" or v0.dtype not in (torch.float32, torch.float64) or v0.numel() == 0:
        return False
    if not all(w is None or w.dtype == v0.dtype for w in (weight_ih, weight_hh)):
        return False
    return available() and _compiled(neuron)


def _compiled(neuron: Neuron) -> bool:
    from liafseq.ops._cpu_kernels import ACTIVATION, SURROGATE

    known = not neuron.analog or neuron.activation in ACTIVATION
    return known and neuron.surrogate in SURROGATE


def run_forward(
    current: Tensor,
    weight_hh: Tensor | None,
    decay: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    v0: Tensor,
    r0: Tensor | None,
    neuron: Neuron,
    sizes: Sequence[int],
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs, last y and u, and the potentials of all steps, which take the memory of ``current``."""
    from liafseq.ops._cpu_kernels import forward

    hidden = v0.shape[1]
    potentials = current.reshape(-1, hidden).contiguous()
    # as the caller returns it: a view of it could not be changed in place
    outputs = torch.empty(current.shape, dtype=potentials.dtype)
    v = v0.detach().clone(memory_format=torch.contiguous_format)
    y = torch.zeros_like(v) if r0 is None else r0.detach().clone(memory_format=torch.contiguous_format)
    u = torch.empty_like(v)
    arrays = (potentials, outputs.view(potentials.shape), v, y, u)
    u_array, out_array, v_array, y_array, last = (t.detach().numpy() for t in arrays)
    weight = as_array(weight_hh, u_array)
    # spikes select whole rows of it
    by_input = weight.T.copy() if not neuron.analog and neuron.feedback == "output" else weight
    own = numbers((decay, leak, threshold), hidden, v0, repeats(hidden, v0.shape[0]))
    starts, counts = rows_of_steps(sizes, reverse)

    # undivided: its products share the threads, which was measured to be faster than parts
    forward(
        gemm_address(v0.dtype), u_array[:0], u_array, out_array, weight, by_input, *own,
        v_array, y_array, last, starts, counts,
        *choices(neuron, u_array.dtype.type),
    )  # fmt: skip
    return outputs, y, u, potentials


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
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
        sizes: tuple[int, ...],
        reverse: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        current = input.clone() if weight_ih is None else F.linear(input, weight_ih, bias)
        outputs, y, u, potentials = run_forward(
            current, weight_hh, decay, threshold, leak, v0, r0, neuron, sizes, reverse
        )
        ctx.save_for_backward(potentials, input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
        ctx.neuron, ctx.sizes, ctx.reverse = neuron, sizes, reverse
        ctx.set_materialize_grads(False)
        return outputs, y, u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return differentiable_backward(ctx, grads)
        return gradients(ctx, grads, learned(ctx.needs_input_grad[4:7]))


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
    """As ``liafseq.ops.reference.recurrence``; for what ``supports`` says."""
    if weight_hh is None:
        from liafseq.ops import cpu_scan

        with torch.autocast("cpu", enabled=False):
            current = input if weight_ih is None else F.linear(input, weight_ih, bias)
        return cpu_scan.recurrence(current, decay, threshold, leak, v0, neuron, batch_sizes, reverse)
    sizes = batch_sizes if batch_sizes is not None else (v0.shape[0],) * input.shape[0]
    with torch.autocast("cpu", enabled=False):
        return _Recurrence.apply(
            input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0, neuron, sizes, reverse
        )
