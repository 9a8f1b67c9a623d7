"""The time loop on a GPU: one Triton kernel for all steps, another for the backward pass.

The input projection of all steps is one matrix product; then each program of the kernel takes a
tile of sequences through time, W_hh staying on the multiprocessor from the first step to the
last, so a step costs no launch and reads nothing but its current. The backward kernel needs the
membrane potentials alone; weight gradients are one product each over all steps. Without
feedback the same kernels tile over sequences and neurons and run at memory bandwidth.

``supports`` says what is served: float32 membranes, with W_hh of float32, bfloat16 or float16
where ``fits`` holds. Products take their operands in the weights' precision and are summed in
float32; float32 ones use no TF32. Elsewhere ``liafseq.ops.bptt`` runs.

Tested through Triton's interpreter (TRITON_INTERPRET=1) against ``reference`` and compiled for
compute capability 8.0 and 9.0; no GPU was at hand, so speed, the choices of tile and warps, and
the behaviour on the device itself are unmeasured.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import bptt

__all__ = ["available", "fits", "recurrence", "supports"]

SHARED_MEMORY = 160 * 1024
"""Bytes of shared memory a program may have on compute capability 8.0, the smaller one of 8.0 and 9.0."""
ROWS = 16
"""Sequences a program: the least a tensor core multiplies, and so the most programs."""
SCAN_TILE = 512
"""Elements a program without feedback."""


@functools.cache
def _kernels() -> Any:
    """The module of the kernels; importing Triton takes long and is done when first needed."""
    from liafseq.ops import triton_kernels

    return triton_kernels


@functools.cache
def available() -> bool:
    """Whether Triton can be imported and has something to run on: a GPU, or its interpreter."""
    if importlib.util.find_spec("triton") is None:
        return False
    if torch.cuda.is_available():
        return True
    return os.environ.get("TRITON_INTERPRET") == "1" and _interpreted()


@functools.cache
def _interpreted() -> bool:
    """Whether the kernels were defined for the interpreter, which is settled when they are imported."""
    import triton

    return not isinstance(_kernels().forward, triton.JITFunction)


def _padded(hidden: int) -> int:
    return max(16, 1 << (hidden - 1).bit_length())


def fits(hidden: int, dtype: torch.dtype, shared: int = SHARED_MEMORY) -> bool:
    """Whether W_hh stays on one multiprocessor: its padded matrix and a tile of rows in ``shared`` bytes.

    With the default, hidden sizes up to 128 in float32 and up to 256 in 16 bits.

    >>> [fits(h, torch.float32) for h in (100, 128, 129)]
    [True, True, False]
    >>> [fits(h, torch.bfloat16) for h in (128, 256, 257)]
    [True, True, False]
    """
    size = _padded(hidden)
    return size * size * dtype.itemsize + ROWS * size * 4 <= shared


def supports(
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
) -> bool:
    """Whether ``recurrence`` serves these arguments, and serves them well; float64 is not."""
    tensors = (input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
    if not available() or any(t is not None and t.device != v0.device for t in tensors):
        return False
    if not (v0.is_cuda or _interpreted()) or v0.dtype != torch.float32:
        return False
    floats = (torch.float32, torch.bfloat16, torch.float16)
    products = [t for t in (input, weight_ih, weight_hh) if t is not None]
    if any(t.dtype not in floats for t in products) or 0 in input.shape or v0.numel() == 0:
        return False
    if v0.is_cuda and torch.version.hip is None:
        capability = torch.cuda.get_device_capability(v0.device)
        if capability < ((8, 0) if any(t.dtype == torch.bfloat16 for t in products) else (7, 0)):
            return False
    hidden = v0.shape[1]
    if any(p.numel() != 1 and p.shape != (hidden,) for p in (decay, threshold, leak) if p is not None):
        return False
    from liafseq.ops.triton_neuron import SERVED_ACTIVATIONS, SERVED_SURROGATES

    if neuron.activation not in SERVED_ACTIVATIONS or neuron.surrogate not in SERVED_SURROGATES:
        return False
    return weight_hh is None or fits(hidden, weight_hh.dtype, _shared_memory(v0.device))


@functools.cache
def _shared_memory(device: torch.device) -> int:
    if device.type != "cuda":
        return SHARED_MEMORY
    properties = torch.cuda.get_device_properties(device)
    return getattr(properties, "shared_memory_per_block_optin", 0) or 64 * 1024


def _packing(sizes: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """The length of each sequence and the first row of each step; nothing where all are as long."""
    return (None, None) if sizes[0] == sizes[-1] else _unequal(sizes, device)


@functools.lru_cache(maxsize=16)
def _unequal(sizes: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    active = torch.tensor(sizes)
    lengths = (active.unsqueeze(0) > torch.arange(sizes[0]).unsqueeze(1)).sum(1)
    return lengths.to(torch.int32).to(device), (active.cumsum(0) - active).to(device)


def _stride(parameter: Tensor | None) -> int:
    return 0 if parameter is None or parameter.numel() == 1 else parameter.stride(0)


def _launch(kernel: Any, pointers: list[Any], numbers: list[int], neuron: Neuron, **choices: Any) -> None:
    """Run ``kernel`` over all sequences and neurons; ``numbers`` begins with T, N, H."""
    _, batch, hidden = numbers[:3]
    weight = choices.pop("weight")
    if weight is None:
        cols = min(_padded(hidden), SCAN_TILE)
        rows, warps, stages = SCAN_TILE // cols, 4, 4
        precision, widen = "ieee", False
    else:
        rows, cols, stages = ROWS, _padded(hidden), 1
        warps = min(8, cols // 16)  # eight elements a thread
        precision, widen = "ieee", _interpreted() and weight.dtype == torch.bfloat16
    device = pointers[0].device
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        kernel[(-(-batch // rows), -(-hidden // cols))](
            *pointers,
            *numbers,
            FEEDBACK="none" if weight is None else neuron.feedback,
            ANALOG=neuron.analog,
            ACTIVATION=neuron.activation,
            RELATED=neuron.threshold_related,
            SOFT=neuron.reset == "soft",
            V_RESET=float(neuron.v_reset),
            LEVELS=neuron.levels,
            PRECISION=precision,
            WIDEN=widen,
            ROWS=rows,
            COLS=cols,
            STAGES=stages,
            num_warps=warps,
            num_stages=stages,
            enable_fp_fusion=True,
            **choices,
        )


def _forward(
    tensors: tuple[Any, ...], neuron: Neuron, sizes: tuple[int, ...], reverse: bool, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Outputs, last outputs and potentials, and with ``keep`` the potentials of all steps."""
    input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0 = tensors
    batch, hidden = v0.shape
    current = input if weight_ih is None else F.linear(input, weight_ih, bias)
    current = current.reshape(-1, hidden).contiguous()
    # returned as it is: a view of it could not be changed in place
    outputs = torch.empty(*input.shape[:-1], hidden, dtype=v0.dtype, device=v0.device)
    potentials = None
    if keep:  # written over the current, which each step reads before
        own = weight_ih is not None and current.dtype == v0.dtype
        potentials = current if own else torch.empty_like(current, dtype=v0.dtype)
    y, u = (torch.empty_like(v0, memory_format=torch.contiguous_format) for _ in range(2))
    r0 = r0 if neuron.feedback == "output" else None
    contiguous = (None if t is None else t.contiguous() for t in (weight_hh, v0, r0))
    weight, start, first = contiguous
    packing = _packing(sizes, v0.device)
    _launch(
        _kernels().forward,
        [current, weight, decay, threshold, leak, start, first, *packing, potentials, outputs, y, u],
        [len(sizes), batch, hidden, *map(_stride, (decay, threshold, leak))],
        neuron,
        weight=weight,
        HAS_LEAK=leak is not None,
        HAS_R0=first is not None,
        PACKED=packing[0] is not None,
        REVERSE=reverse,
        KEEP=keep,
    )
    return outputs, y, u, potentials


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        tensors, (neuron, sizes, reverse) = arguments[:9], arguments[9:]
        outputs, y, u, potentials = _forward(tensors, neuron, sizes, reverse, keep=True)
        ctx.save_for_backward(potentials, *tensors)
        ctx.neuron, ctx.sizes, ctx.reverse = neuron, sizes, reverse
        ctx.set_materialize_grads(False)
        return outputs, y, u

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return bptt.differentiable_backward(ctx, grads)
        saved = ctx.saved_tensors
        potentials, input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0 = saved
        neuron, sizes, need = ctx.neuron, ctx.sizes, ctx.needs_input_grad
        batch, hidden = v0.shape
        grad_outputs, grad_y, grad_u = (None if g is None else g.contiguous() for g in grads)
        # the current's gradient has the current's precision
        projection = input if weight_ih is None else weight_ih
        delta = torch.empty(potentials.shape, dtype=projection.dtype, device=v0.device)
        before = torch.empty(potentials.shape, dtype=weight_hh.dtype, device=v0.device) if need[2] else None
        back_v, back_r = (torch.empty_like(v0, memory_format=torch.contiguous_format) for _ in range(2))
        own = [torch.empty_like(back_v) if wanted else None for wanted in need[4:7]]
        first = r0.contiguous() if r0 is not None and neuron.feedback == "output" else None
        weight = None if weight_hh is None else weight_hh.contiguous()
        packing = _packing(sizes, v0.device)
        pointers = [potentials, grad_outputs, grad_y, grad_u, weight, decay, threshold, leak]
        pointers += [v0.contiguous(), first, *packing, delta, before, back_v, back_r, *own]
        _launch(
            _kernels().backward,
            pointers,
            [len(sizes), batch, hidden, *map(_stride, (decay, threshold, leak))],
            neuron,
            weight=weight,
            DETACH=neuron.detach_reset,
            SURROGATE=neuron.surrogate,
            WIDTH=float(neuron.surrogate_width),
            HAS_LEAK=leak is not None,
            HAS_R0=first is not None,
            HAS_OUTPUTS=grad_outputs is not None,
            HAS_Y=grad_y is not None,
            HAS_U=grad_u is not None,
            WANT_BEFORE=before is not None,
            WANT_DECAY=own[0] is not None,
            WANT_THRESHOLD=own[1] is not None,
            WANT_LEAK=own[2] is not None,
            PACKED=packing[0] is not None,
            REVERSE=ctx.reverse,
        )
        result: list[Tensor | None] = [None] * 12
        if need[0]:
            d_input = delta if weight_ih is None else delta @ weight_ih
            result[0] = d_input.to(input.dtype).reshape(input.shape)
        if need[1]:
            result[1] = delta.t() @ input.reshape(-1, input.shape[-1]).to(delta.dtype)
        if before is not None:
            result[2] = delta.to(before.dtype).t() @ before
        if need[3] and bias is not None:
            result[3] = delta.sum(0, dtype=v0.dtype).to(bias.dtype)
        for k, (total, parameter) in enumerate(zip(own, (decay, threshold, leak), strict=True)):
            if total is not None:
                total = total.sum() if parameter.numel() == 1 else total.sum(0)
                result[4 + k] = total.reshape(parameter.shape).to(parameter.dtype)
        result[7] = back_v if need[7] else None
        if need[8]:
            result[8] = back_r if neuron.feedback == "output" else torch.zeros_like(v0)
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
    """As ``liafseq.ops.reference.recurrence``, for arguments that ``supports`` accepts."""
    sizes = batch_sizes if batch_sizes is not None else (v0.shape[0],) * input.shape[0]
    tensors = (input, weight_ih, weight_hh, bias, decay, threshold, leak, v0, r0)
    with torch.autocast(v0.device.type, enabled=False):
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
            return _Recurrence.apply(*tensors, neuron, sizes, reverse)
        return _forward(tensors, neuron, sizes, reverse, keep=False)[:3]
