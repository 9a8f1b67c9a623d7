"""What one step of one sequence costs: a decoder, a stream, an agent pays it at every step.

A layer with T = 1, and the cell of the same neuron, each with a batch of one and a given state, beside
nn.LSTM, nn.GRU and their cells.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from liafseq.tasks.bench.competitors import draw, layer_step, placed, synchronizer
from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.bench.results import OneStep, Part
from liafseq.tasks.bench.timing import speed, time_rounds
from liafseq.tasks.models import ModelSpec, as_spec, build_layer

__all__ = ["one_step"]

SIZE = 64
"""Inputs and neurons."""
AGAINST = ("lstm", "gru")


def one_step(config: BenchConfig) -> tuple[OneStep, ...]:
    """Layers and cells of all models, and those that they are held against, in alternating rounds."""
    specs = list(config.models)
    specs += [as_spec(name) for name in AGAINST if all(spec.label != name for spec in specs)]
    torch.manual_seed(config.seed)
    parts: dict[tuple[str, Part], nn.Module] = {}
    for spec in specs:
        parts[spec.label, "layer"] = placed(build_layer(spec, SIZE, SIZE), config)
        if (cell := _cell_class(spec)) is not None:
            parts[spec.label, "cell"] = placed(cell(SIZE, SIZE, **spec.keywords), config)
    x = draw(Shape(1, 1, SIZE, SIZE), config)
    given = {}
    for key, module in list(parts.items()):
        try:
            given[key] = _given(module, x)
        except RuntimeError:  # torch's LSTM in float16, on some processors
            del parts[key]
    rows = []
    for mode in config.modes:
        steps = {key: layer_step(module, given[key], mode) for key, module in parts.items()}
        times = time_rounds(steps, config.rounds, config.min_time, synchronizer(config.device))
        for label, part in parts:
            others = {name: times[name, part] for name in AGAINST if name != label and (name, part) in times}
            rows.append(OneStep(model=label, part=part, mode=mode, speed=speed(times[label, part], others)))
    return tuple(rows)


def _cell_class(spec: ModelSpec) -> Any:
    """The class of its cell: its layer's with that ending; None where there is none."""
    model = spec.model()
    try:
        return dataclasses.replace(model, path=f"{model.path}Cell").layer_class()
    except ValueError:
        return None


def _given(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """An input and the state that a step before would leave."""
    layer = isinstance(module, nn.RNNBase)
    x = x if layer else x[0].detach().requires_grad_()
    with torch.no_grad():
        found = module(x)
    return x, found[1] if layer else found
