"""The compiled CPU loop as torch operators, so that ``torch.compile`` sees one operator, not a loop.

``liafseq::scan`` runs the membrane recurrence of one layer and direction from its input currents;
``liafseq::scan_backward`` is its backward pass. The neuron travels as its fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import cpu, cpu_backward, cpu_scan
from liafseq.ops.bptt import feedback_gradient

__all__ = ["recurrence", "supports"]

_FIELDS = [field.name for field in dataclasses.fields(Neuron)]
_NEURON = (
    "bool analog, str activation, bool threshold_related, str? feedback, str reset, float v_reset, "
    "int levels, str surrogate, float surrogate_width, bool detach_reset"
)
_STATE = "Tensor? weight_hh, Tensor decay, Tensor threshold, Tensor? leak, Tensor v0, Tensor? r0"
_LAYOUT = "SymInt[] sizes, bool reverse"


def _sizes(sizes: Any, rows: int, batch: int) -> tuple[int, ...]:
    """Rows a step: as given for packed data; empty stands for equal steps."""
    return tuple(sizes) if len(sizes) else (batch,) * (rows // batch)


@torch.library.custom_op(
    "liafseq::scan",
    mutates_args=(),
    device_types="cpu",
    schema=f"(Tensor current, {_STATE}, {_NEURON}, {_LAYOUT}) -> (Tensor, Tensor, Tensor, Tensor)",
)
def _scan(current, weight_hh, decay, threshold, leak, v0, r0, *rest):  # type: ignore[no-untyped-def]
    *fields, sizes, reverse = rest
    neuron, steps = Neuron(*fields), _sizes(sizes, current.numel() // v0.shape[1], v0.shape[0])
    if weight_hh is None:
        return cpu_scan.run_forward(current, decay, threshold, leak, v0, neuron, steps, reverse)
    outputs, y, u, potentials = cpu.run_forward(
        current.clone(), weight_hh, decay, threshold, leak, v0, r0, neuron, steps, reverse
    )
    return outputs, y, u, potentials.view(current.shape)


def _like(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


@_scan.register_fake
def _(current, *rest):  # type: ignore[no-untyped-def]
    v0 = rest[4]
    return _like(current), _like(v0), _like(v0), _like(current)


@torch.library.custom_op(
    "liafseq::scan_backward",
    mutates_args=(),
    device_types="cpu",
    schema=(
        f"(Tensor g_out, Tensor g_y, Tensor g_u, Tensor potentials, {_STATE}, {_NEURON}, {_LAYOUT}) "
        "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
    ),
)
def _scan_backward(g_out, g_y, g_u, potentials, weight_hh, decay, threshold, leak, v0, r0, *rest):  # type: ignore[no-untyped-def]
    *fields, sizes, reverse = rest
    neuron = Neuron(*fields)
    flat = potentials.reshape(-1, v0.shape[1])
    steps = _sizes(sizes, len(flat), v0.shape[0])
    weight = v0.new_zeros(())
    if weight_hh is None:
        delta, own, back_v = cpu_scan.run_backward(
            (g_out, g_y, g_u), flat, decay, threshold, leak, v0, neuron, steps, reverse, 7
        )
        back_y = torch.zeros_like(back_v)
    else:
        backward = cpu_backward.Backward(
            (g_out, g_y, g_u), flat, weight_hh, decay, threshold, leak, v0, neuron, steps, reverse, 7
        )
        delta, read, own, back_v, back_y = backward.whole()
        first = r0 if neuron.feedback == "output" else v0
        first = torch.zeros_like(v0) if first is None else first
        weight = feedback_gradient(delta, read, first, steps, reverse)
    own = [v0.new_zeros(()) if g is None else g for g in own]
    return delta.view(potentials.shape), weight, *own, back_v, back_y


@_scan_backward.register_fake
def _(*args):  # type: ignore[no-untyped-def]
    potentials, weight_hh, decay, threshold, leak, v0 = args[3:9]
    given = (potentials, weight_hh, decay, threshold, leak, v0, v0)
    return tuple(v0.new_empty(()) if t is None else _like(t) for t in given)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(output[3], *inputs[1:7])
    ctx.rest = inputs[7:]


def _backward(ctx: Any, g_out: Tensor, g_y: Tensor, g_u: Tensor, _: Any) -> tuple[Any, ...]:
    potentials, weight_hh, decay, threshold, leak, v0, r0 = ctx.saved_tensors
    delta, weight, d_decay, d_threshold, d_leak, back_v, back_y = _scan_backward(
        g_out, g_y, g_u, potentials, weight_hh, decay, threshold, leak, v0, r0, *ctx.rest
    )
    found = (
        delta,
        None if weight_hh is None else weight,
        d_decay,
        d_threshold,
        None if leak is None else d_leak,
        back_v,
        None if r0 is None else back_y,
    )
    return *found, *(None for _ in ctx.rest)


_scan.register_autograd(_backward, setup_context=_keep)


def supports(v0: Tensor, weight_ih: Tensor | None, weight_hh: Tensor | None, neuron: Neuron) -> bool:
    """Whether the operators serve this, as ``ops.cpu`` says; not while exporting, which wants torch's own."""
    exporting = getattr(torch.compiler, "is_exporting", lambda: True)
    return not exporting() and cpu.supports(v0, weight_ih, weight_hh, neuron)


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
    """As ``liafseq.ops.reference.recurrence``, for a compiler; for what ``supports`` says."""
    current = input if weight_ih is None else F.linear(input, weight_ih, bias)
    fields = [getattr(neuron, name) for name in _FIELDS]
    sizes = () if batch_sizes is None else batch_sizes
    return _scan(current, weight_hh, decay, threshold, leak, v0, r0, *fields, list(sizes), reverse)[:3]
