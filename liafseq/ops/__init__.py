"""The time loop of the layers: ``reference`` is the definition, the others are faster ways to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from liafseq import surrogate
from liafseq.neurons import Neuron
from liafseq.ops import bptt, cpu, cpu_gated, gated, library, reference
from liafseq.ops import triton as triton_ops
from liafseq.ops.triton_check import trusted

__all__ = ["gated_recurrence", "recurrence", "transformed"]


def transformed(tensors: tuple[Tensor | None, ...]) -> bool:
    """Whether a function transform or shape propagation must see plain torch operations."""
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return any(
        t is not None and (t.is_meta or torch._C._functorch.is_functorch_wrapped_tensor(t)) for t in tensors
    )


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
    product: reference.Product | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The fastest version that serves these arguments; see ``reference.recurrence``.

    ``product`` takes the place of W_hh's matrix product; then the reference runs.
    """
    tensors = (input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
    spike = surrogate.spike
    if torch.compiler.is_compiling():
        served = product is None and library.supports(v0, weight_ih, weight_hh, neuron)
        chosen = library if served else reference
    elif transformed(tensors):
        chosen = reference
    elif torch._C._len_torch_dispatch_stack():
        # a mode that looks on (a counter of operations, fake tensors) must see plain torch operations
        chosen = reference
        spike = getattr(_get_current_dispatch_mode(), "liafseq_spike", spike)
    elif product is not None:
        chosen = reference
    elif v0.is_cuda and triton_ops.supports(*tensors, neuron) and trusted(str(v0.device)):
        chosen = triton_ops
    elif cpu.supports(v0, weight_ih, weight_hh, neuron):
        chosen = cpu
    else:
        chosen = bptt
    if chosen is reference:
        product = product or reference.product
        return reference.recurrence(*tensors, neuron, batch_sizes, reverse, spike, product)
    return chosen.recurrence(*tensors, neuron, batch_sizes, reverse)


def gated_recurrence(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    threshold: Tensor,
    leak: Tensor | None,
    r0: Tensor,
    y0: Tensor | None,
    neuron: Neuron,
    gate: gated.Gate,
    batch_sizes: tuple[int, ...] | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The fastest version that serves these arguments; see ``gated.reference``."""
    tensors = (input, weight_ih, weight_hh, bias, threshold, leak, r0, y0)
    if not (torch.compiler.is_compiling() or transformed(tensors) or torch._C._len_torch_dispatch_stack()):
        fast = cpu_gated if cpu.supports(r0, weight_ih, weight_hh, neuron) else gated
        return fast.recurrence(*tensors, neuron, gate, batch_sizes, reverse)
    spike = surrogate.spike
    if not torch.compiler.is_compiling():
        spike = getattr(_get_current_dispatch_mode(), "liafseq_spike", spike)
    return gated.reference(*tensors, neuron, gate, batch_sizes, reverse, spike)
