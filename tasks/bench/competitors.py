"""What is timed: a step of a layer, and the floor, the matrix products alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.models import ModelSpec, build_layer

__all__ = ["build", "draw", "floor_step", "layer_step", "synchronizer"]

Step = Callable[[], object]


def build(spec: ModelSpec | str, shape: Shape, config: BenchConfig) -> nn.Module:
    """The layer of a model, on the benchmark's device in its dtype."""
    torch.manual_seed(config.seed)
    layer: nn.Module = build_layer(spec, shape.inputs, shape.hidden)
    return layer.to(config.device, getattr(torch, config.dtype))


def draw(shape: Shape, config: BenchConfig, seed: int = 0) -> Tensor:
    """Normally distributed input, (T, N, I); as within a network, its gradient is wanted."""
    generator = torch.Generator().manual_seed(1000 * config.seed + seed)
    x = torch.randn(shape.steps, shape.batch, shape.inputs, generator=generator, dtype=torch.float64)
    return x.to(config.device, getattr(torch, config.dtype)).requires_grad_()


def layer_step(layer: Callable[[Tensor], tuple[Tensor, object]], x: Tensor, mode: str) -> Step:
    """One training step (forward, backward to every parameter and the input) or one inference."""
    parameters = [x, *layer.parameters()] if isinstance(layer, nn.Module) else [x]

    def inference() -> None:
        with torch.no_grad():
            layer(x)

    if mode == "inference":
        return inference
    with torch.no_grad():
        gradient = torch.randn_like(layer(x)[0])

    def training() -> None:
        for parameter in parameters:
            parameter.grad = None
        layer(x)[0].backward(gradient)

    return training


def floor_step(shape: Shape, config: BenchConfig, mode: str) -> Step:
    """The matrix products that a layer with one matrix cannot do without, into buffers that are there.

    Forward: the input projection of all steps as one product, then one (N, H) x (H, H) product per
    step. Training has besides, backward, one such product per step, and over all steps one product
    for each of the gradients of W_ih, W_hh and the input.
    """
    steps, batch, inputs, hidden = shape.steps, shape.batch, shape.inputs, shape.hidden
    kind = {"device": config.device, "dtype": getattr(torch, config.dtype)}
    x = torch.randn(steps * batch, inputs, **kind)
    w_ih, w_hh = torch.randn(hidden, inputs, **kind) / hidden, torch.randn(hidden, hidden, **kind) / hidden
    y, delta = torch.randn(2, steps * batch, hidden, **kind)
    current, g_x = torch.empty_like(y), torch.empty_like(x)
    g_ih, g_hh, now = torch.empty_like(w_ih), torch.empty_like(w_hh), torch.empty(batch, hidden, **kind)
    w_ih_t, w_hh_t, delta_t = w_ih.t(), w_hh.t(), delta.t()
    outputs, deltas = y.split(batch), delta.split(batch)[::-1]

    def forward() -> None:
        torch.mm(x, w_ih_t, out=current)
        for before in outputs:
            torch.mm(before, w_hh_t, out=now)

    def both() -> None:
        forward()
        for after in deltas:
            torch.mm(after, w_hh, out=now)
        torch.mm(delta, w_ih, out=g_x)
        torch.mm(delta_t, x, out=g_ih)
        torch.mm(delta_t, y, out=g_hh)

    return both if mode == "training" else forward


def synchronizer(device: str) -> Step:
    """What waits until the device has done its work."""
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
