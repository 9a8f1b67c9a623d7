"""What is timed: a step of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.models import ModelSpec, build_layer

__all__ = ["HALVES", "build", "draw", "layer_step", "placed", "synchronizer"]

Step = Callable[[], object]
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def build(spec: ModelSpec | str, shape: Shape, config: BenchConfig) -> nn.Module:
    """The layer of a model, on the benchmark's device in its dtype."""
    torch.manual_seed(config.seed)
    return placed(build_layer(spec, shape.inputs, shape.hidden), config)


def placed(layer: nn.Module, config: BenchConfig) -> nn.Module:
    """A module on the benchmark's device in its dtype; of 16 bits as ``torch.autocast`` has it."""
    layer.to(config.device, _stored(config))
    if config.dtype in HALVES:
        autocast: Any = torch.autocast(torch.device(config.device).type, HALVES[config.dtype])
        layer.forward = autocast(layer.forward)
    return layer


def _stored(config: BenchConfig) -> torch.dtype:
    """The dtype of weights and inputs."""
    return torch.float32 if config.dtype in HALVES else getattr(torch, config.dtype)


def draw(shape: Shape, config: BenchConfig, seed: int = 0) -> Tensor:
    """Normally distributed input, (T, N, I); as within a network, its gradient is wanted."""
    generator = torch.Generator().manual_seed(1000 * config.seed + seed)
    x = torch.randn(shape.steps, shape.batch, shape.inputs, generator=generator, dtype=torch.float64)
    return x.to(config.device, _stored(config)).requires_grad_()


def layer_step(layer: nn.Module, given: Sequence[Any], mode: str) -> Step:
    """One training step (forward, backward to every parameter and the input) or one inference.

    Args:
        layer: a layer or a cell.
        given: what it is called with, the input first.
    """
    tensors = [given[0], *layer.parameters()]

    def output() -> Tensor:
        found = layer(*given)
        return found if isinstance(found, Tensor) else found[0]

    def inference() -> None:
        with torch.no_grad():
            layer(*given)

    if mode == "inference":
        return inference
    with torch.no_grad():
        gradient = torch.randn_like(output())

    def training() -> None:
        for tensor in tensors:
            tensor.grad = None
        output().backward(gradient)

    return training


def synchronizer(device: str) -> Step:
    """What waits until the device has done its work."""
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None
