"""One layer and direction, or one cell: from a module's parameters and state to the time loop."""

from __future__ import annotations

from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import ops
from liafseq._modules.spiking import SpikingModule
from liafseq.ops import Call, State, Steps, Weights
from liafseq.ops.reference import spread
from liafseq.ops.scan import exporting
from liafseq.ops.steps import read_first

__all__ = [
    "autocast_enabled", "call_of", "membrane_dtype", "product_dtype", "run_direction", "run_step", "scaled",
    "scaled_bias", "start",
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


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """``tensor.to(dtype)``, quicker where there is nothing to do."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _weights(module: SpikingModule, suffix: str) -> tuple[Any, Any, Any, Any]:
    return (
        getattr(module, "weight_ih" + suffix),
        getattr(module, "weight_hh" + suffix, None),
        getattr(module, "bias_ih" + suffix, None),
        getattr(module, "bias_hh" + suffix, None),
    )


def start(
    h0: Tensor | None, c0: Tensor | None, shape: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> State:
    """The state (N, H) that was given, or rest.

    A single tensor, the gru format, is ``c0`` without ``h0``.
    """
    if c0 is None:
        return State(torch.zeros(shape, dtype=dtype, device=device))
    return State(None, None if h0 is None else _cast(h0, dtype), _cast(c0, dtype))


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
    weight_ih, weight_hh, b_ih, b_hh = _weights(module, suffix)
    dtype = product_dtype(weight_ih)
    precise = membrane_dtype(weight_ih.dtype)
    values = module._trait_values(suffix, precise)
    hidden: Any = module.hidden_size
    gain = module._row_gain(values, hidden)
    bias = b_ih if b_hh is None else b_ih + b_hh
    bias = None if bias is None else spread(bias, hidden)
    bias = scaled_bias(bias, gain, module._row_offset(suffix, hidden, precise), dtype)
    gain = module._weight_gain(gain, hidden)
    weights = Weights(scaled(weight_ih, gain, dtype), scaled(weight_hh, gain, dtype), bias)
    state = start(h0, c0, (batch, hidden), precise, x.device)
    return Call(x.to(dtype), weights, module._numbers(values), state, module.neuron, steps)


def run_step(
    module: SpikingModule, x: Tensor, suffix: str, h0: Tensor | None, c0: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One step of a layer and direction (or cell), x (N, I): output and membrane potential, (N, H).

    Weights that are used once are not multiplied with the gain: the current is.
    """
    weight_ih, weight_hh, b_ih, b_hh = _weights(module, suffix)
    precise = membrane_dtype(weight_ih.dtype)
    values = module._trait_values(suffix, precise)
    hidden: Any = module.hidden_size
    numbers = module._numbers(values)
    state = start(h0, c0, (x.shape[0], hidden), precise, x.device)
    current = _cast(F.linear(_cast(x, weight_ih.dtype), weight_ih, b_ih), precise)
    if weight_hh is not None:
        read: Any = read_first(state, numbers, module.neuron)
        # zeros are read, too: W_hh has a gradient at each call
        read = state.v if read is None else read
        current = current + _cast(F.linear(_cast(read, weight_hh.dtype), weight_hh, b_hh), precise)
    current = spread(current, hidden) if module.options.gated else current
    gain, offset = module._row_gain(values, hidden), module._row_offset(suffix, hidden, precise)
    current = current if gain is None else current * gain
    current = current if offset is None else current + offset
    one = Steps((x.shape[0],))
    _, y, u = ops.recurrence(Call(current, Weights(), numbers, state, module.neuron, one))
    return _cast(y, x.dtype), _cast(u, x.dtype)


def run_direction(
    module: SpikingModule,
    x: Tensor,
    suffix: str,
    h0: Tensor | None,
    c0: Tensor | None,
    batch: int,
    steps: Steps = Steps(),  # noqa: B008 - a constant
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer and direction of ``module``: its weights, its state, the time loop."""
    if steps.sizes is None and not exporting() and x.shape[0] == 1:
        h, c = run_step(module, x.squeeze(0), suffix, h0, c0)
        return h.unsqueeze(0), h, c
    y, h, c = ops.recurrence(call_of(module, x, suffix, h0, c0, batch, steps))
    return _cast(y, x.dtype), _cast(h, x.dtype), _cast(c, x.dtype)
