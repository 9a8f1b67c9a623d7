"""The modules of single nodes that know no time, and the checks of what nodes hold."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from liafseq._nir.network import Scale, output_shape

__all__ = ["MATRICES", "STATIC", "WEIGHTS", "conv_arguments", "static", "weights_of", "whole"]

MATRICES = (nir.Linear, nir.Affine)
WEIGHTS = (*MATRICES, nir.Conv2d)
STATIC = (*WEIGHTS, nir.Flatten, nir.AvgPool2d, nir.SumPool2d, nir.Scale)


def _array(node: Any, name: str, dims: int | None, dtype: torch.dtype) -> Tensor:
    value = np.asarray(getattr(node, name))
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        raise ValueError(f"{name} should be finite numbers, got: {value.dtype}")
    if (dims is not None and value.ndim != dims) or value.size == 0:
        raise ValueError(f"{name} should have {dims} dimensions, none of them empty, got shape {value.shape}")
    return torch.from_numpy(np.ascontiguousarray(value)).to(dtype, copy=True)


def whole(value: Any, name: str, low: int) -> int:
    number = np.asarray(value)
    if number.size != 1 or number.dtype.kind not in "iuf" or number.item() != int(number.item()):
        raise ValueError(f"{name} should be a whole number, got: {value!r}")
    if not low <= number.item() < 2**31:
        raise ValueError(f"{name} should be at least {low} and less than 2**31, got: {number.item()}")
    return int(number.item())


def _pair(value: Any, name: str, low: int) -> tuple[int, int]:
    numbers = np.asarray(value).reshape(-1)
    if numbers.size not in (1, 2):
        raise ValueError(f"{name} should be one number or two, got: {value!r}")
    return whole(numbers[0], name, low), whole(numbers[-1], name, low)


def weights_of(node: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    weight = _array(node, "weight", 4 if isinstance(node, nir.Conv2d) else 2, dtype)
    if isinstance(node, nir.Linear) or getattr(node, "bias", None) is None:
        return weight, None
    bias = _array(node, "bias", 1, dtype)
    if len(bias) != len(weight):
        raise ValueError(f"bias should have {len(weight)} numbers as weight has rows, got: {len(bias)}")
    return weight, bias


def conv_arguments(node: Any) -> dict[str, Any]:
    padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    groups = whole(node.groups, "groups", 1)
    rows, columns, *kernel = node.weight.shape
    if groups > rows:
        raise ValueError(f"groups should not be more than the {rows} rows of weight, got: {groups}")
    dilation = _pair(node.dilation, "dilation", 1)
    if not isinstance(padding, str):
        padding = _pair(padding, "padding", 0)
        if any(p > d * k for p, d, k in zip(padding, dilation, kernel, strict=True)):
            raise ValueError(f"padding should not be larger than the kernel, got: {padding}")
    return {
        "in_channels": columns * groups, "out_channels": rows, "kernel_size": tuple(kernel),
        "stride": _pair(node.stride, "stride", 1), "padding": padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip


def _module(node: Any, dtype: torch.dtype) -> nn.Module:
    """The module of a node that knows no time."""
    if isinstance(node, WEIGHTS):
        weight, bias = weights_of(node, dtype)
        module: Any
        if isinstance(node, nir.Conv2d):
            module = nn.Conv2d(**conv_arguments(node), bias=bias is not None, device="meta")
        else:
            module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        module.weight = Parameter(weight)
        if bias is not None:
            module.bias = Parameter(bias)
        return module
    if isinstance(node, nir.Scale):
        return Scale(_array(node, "scale", None, dtype))
    if isinstance(node, nir.Flatten):
        # NIR does not count the batch
        start, end = (whole(value, "start_dim, end_dim", -16) for value in (node.start_dim, node.end_dim))
        return nn.Flatten(*(d + 1 if d >= 0 else d for d in (start, end)))
    kernel = _pair(node.kernel_size, "kernel_size", 1)
    stride = _pair(node.stride, "stride", 1)
    padding = _pair(node.padding, "padding", 0)
    divisor = 1 if isinstance(node, nir.SumPool2d) else None
    return nn.AvgPool2d(kernel, stride, padding, divisor_override=divisor)


def static(node: Any, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[nn.Module, tuple[int, ...]]:
    """The module of a node behind that shape, and the shape of what it gives."""
    if isinstance(node, MATRICES) and len(shape) != 1:
        raise ValueError(f"a matrix takes vectors, without time and batch, got shape {shape}")
    module = _module(node, dtype)
    return module, output_shape(module, shape)
