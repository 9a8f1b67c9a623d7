"""One layer and direction, or one cell: from a module's parameters and state to the time loop."""

from __future__ import annotations

from typing import Any, overload

import torch
from torch import Tensor

from liafseq import ops
from liafseq._modules.spiking import SpikingModule
from liafseq.ops import Call, Steps, Weights

__all__ = [
    "autocast_enabled", "call_of", "membrane_dtype", "product_dtype", "run_direction", "scaled",
    "scaled_bias",
]  # fmt: skip


def membrane_dtype(dtype: torch.dtype) -> torch.dtype:
    """The membrane integrates in float32 at least: halves lose small currents on it."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def autocast_enabled(tensor: Tensor) -> bool:
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


def product_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which matrix products with these weights run, autocast considered."""
    if tensor.dtype == torch.float32 and autocast_enabled(tensor):
        return torch.get_autocast_dtype(tensor.device.type)
    return tensor.dtype


@overload
def scaled(weight: Tensor, gain: Tensor | None, dtype: torch.dtype) -> Tensor: ...
@overload
def scaled(weight: None, gain: Tensor | None, dtype: torch.dtype) -> None: ...
def scaled(weight: Tensor | None, gain: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A weight or bias times the gain of the current, a number or one per output feature."""
    if weight is None:
        return None
    if gain is not None:
        gain = gain.to(weight.dtype)
        weight = weight * gain.reshape(gain.shape + (1,) * (weight.dim() - 1))
    return weight.to(dtype)


def scaled_bias(
    bias: Tensor | None, gain: Tensor | None, offset: Tensor | None, dtype: torch.dtype
) -> Tensor | None:
    """A bias times the gain, plus the offset, which is added in its own precision."""
    if offset is None:
        return scaled(bias, gain, dtype)
    return (offset if bias is None else scaled(bias, gain, offset.dtype) + offset).to(dtype)


def call_of(
    module: SpikingModule,
    x: Tensor,
    suffix: str,
    h0: Tensor | None,
    c0: Tensor | None,
    batch: int,
    steps: Steps = Steps(),  # noqa: B008 - a constant
) -> Call:
    """What the time loop is told of a layer and direction (or cell)."""

    def get(name: str) -> Any:
        return getattr(module, name + suffix, None)

    weight_ih, weight_hh, b_ih, b_hh = (get(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    dtype = product_dtype(weight_ih)
    precise = membrane_dtype(weight_ih.dtype)
    values = module._trait_values(suffix, precise)
    hidden = weight_ih.shape[0] // module.options.blocks
    gain = module._row_gain(values, hidden)
    bias = scaled_bias(
        b_ih if b_hh is None else b_ih + b_hh, gain, module._row_offset(suffix, hidden, precise), dtype
    )
    rest = torch.zeros(batch, hidden, dtype=precise, device=x.device)
    h0, c0 = (None if s is None else s.to(precise) for s in (h0, c0))
    weights = Weights(scaled(weight_ih, gain, dtype), scaled(weight_hh, gain, dtype), bias)
    numbers = module._numbers(values)
    state = module._start(values, h0, c0, rest)
    return Call(x.to(dtype), weights, numbers, state, module.neuron, steps)


def run_direction(
    module: SpikingModule,
    x: Tensor,
    suffix: str,
    h0: Tensor | None,
    c0: Tensor | None,
    batch: int,
    steps: Steps = Steps(),  # noqa: B008 - a constant
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer and direction (or cell) of ``module``: its weights, its state, the time loop."""
    y, h, c = ops.recurrence(call_of(module, x, suffix, h0, c0, batch, steps))
    return y.to(x.dtype), h.to(x.dtype), c.to(x.dtype)
