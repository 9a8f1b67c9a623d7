"""What a layer's time is held against: its matrix products alone, and their operations at full rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from liafseq.tasks.bench.config import BenchConfig, Shape

__all__ = ["floor_step", "floor_weights", "limit_share", "operations", "product_step", "weights"]

Step = Callable[[], object]
SIZE = 2048
"""Rows and columns of the large product."""


def floor_step(shape: Shape, config: BenchConfig, mode: str, rows: int) -> Step:
    """The matrix products that a layer cannot do without, into buffers that are there.

    Forward: the input projection of all steps as one product, then one (N, H) x (H, rows) product
    per step. Training has besides, backward, one transposed product per step, and over all steps one
    product for each of the gradients of W_ih, W_hh and the input.

    Args:
        rows: of the weights, H, or 2 H with a gate.
    """
    steps, batch, inputs, hidden = shape.steps, shape.batch, shape.inputs, shape.hidden
    kind = {"device": config.device, "dtype": getattr(torch, config.dtype)}
    x, y = torch.randn(steps * batch, inputs, **kind), torch.randn(steps * batch, hidden, **kind)
    w_ih, w_hh = torch.randn(rows, inputs, **kind) / hidden, torch.randn(rows, hidden, **kind) / hidden
    delta = torch.randn(steps * batch, rows, **kind)
    current, g_x = torch.empty_like(delta), torch.empty_like(x)
    g_ih, g_hh = torch.empty_like(w_ih), torch.empty_like(w_hh)
    now, back = torch.empty(batch, rows, **kind), torch.empty(batch, hidden, **kind)
    w_ih_t, w_hh_t, delta_t = w_ih.t(), w_hh.t(), delta.t()
    outputs, deltas = y.split(batch), delta.split(batch)[::-1]

    def forward() -> None:
        torch.mm(x, w_ih_t, out=current)
        for before in outputs:
            torch.mm(before, w_hh_t, out=now)

    def both() -> None:
        forward()
        for after in deltas:
            torch.mm(after, w_hh, out=back)
        torch.mm(delta, w_ih, out=g_x)
        torch.mm(delta_t, x, out=g_ih)
        torch.mm(delta_t, y, out=g_hh)

    return both if mode == "training" else forward


def product_step(config: BenchConfig) -> Step:
    """One large product of matrices in the benchmark's dtype: the rate that the device can reach."""
    a, b, out = torch.randn(3, SIZE, SIZE, device=config.device, dtype=getattr(torch, config.dtype))
    return lambda: torch.mm(a, b, out=out)


def limit_share(floating: int) -> float:
    """How many of the large products have as many operations."""
    return floating / (2 * SIZE**3)


def weights(layer: nn.Module) -> int:
    """How many numbers its matrices hold."""
    return sum(parameter.numel() for parameter in layer.parameters() if parameter.dim() == 2)


def floor_weights(shape: Shape, rows: int) -> int:
    return rows * (shape.inputs + shape.hidden)


def operations(weights: int, shape: Shape, mode: str) -> int:
    """Floating-point operations of all products of a step with that many weights, from the shapes.

    A weight is multiplied and added once for each row; in training as often for its own gradient and for
    that of what it reads.

    >>> operations(3, Shape(batch=2, steps=5, inputs=1, hidden=1), "training")
    180
    """
    return 2 * weights * shape.batch * shape.steps * (3 if mode == "training" else 1)
