"""The spiking convolution: a neuron of ``liafseq.neurons`` at each pixel and channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter, init
from torch.nn.grad import conv2d_weight

from liafseq import ops
from liafseq._modules.conv import Layout, TemporalConv2d, exchange, to_rows
from liafseq._modules.spiking import SpikingModule
from liafseq._modules.time_loop import scaled
from liafseq.neurons import advance
from liafseq.ops import Call, Steps, Weights
from liafseq.options import Options

__all__ = ["Convolution", "SpikingConv2d"]


def _extended(maps: Tensor, weight: Tensor, first: bool = False) -> Tensor:
    """Maps that ``padding=_half(weight)`` leaves their size: an even kernel needs one more, last or first."""
    height, width = (1 - size % 2 for size in weight.shape[-2:])
    if not height and not width:
        return maps
    return F.pad(maps, (width, 0, height, 0) if first else (0, width, 0, height))


def _half(weight: Tensor) -> tuple[int, int]:
    height, width = weight.shape[-2:]
    return (height - 1) // 2, (width - 1) // 2


@dataclass(frozen=True)
class Convolution:
    """What stands for the product with W_hh: the second convolution, on rows of pixels.

    Attributes:
        groups, blocks: the weight has the blocks of a group side by side, the current has the groups of a
            block side by side.
    """

    layout: Layout
    groups: int
    blocks: int

    def forward(self, read: Tensor, weight: Tensor) -> Tensor:
        maps = _extended(self.layout.maps(read).to(weight.dtype), weight)
        maps = F.conv2d(maps, weight, padding=_half(weight), groups=self.groups)
        return to_rows(exchange(maps, 1, self.groups, self.blocks)).to(read.dtype)

    def _flow(self, delta: Tensor, weight: Tensor) -> Tensor:
        return exchange(self.layout.maps(delta).to(weight.dtype), 1, self.blocks, self.groups)

    def transposed(self, delta: Tensor, weight: Tensor) -> Tensor:
        maps = _extended(self._flow(delta, weight), weight, first=True)
        # of stride 1: the same convolution with the kernel turned round, padded on the other side
        turned = weight.unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 1).flip(-2, -1)
        return to_rows(F.conv2d(maps, turned, padding=_half(weight), groups=self.groups)).to(delta.dtype)

    def weight(self, delta: Tensor, read: Tensor, weight: Tensor) -> Tensor:
        maps = _extended(self.layout.maps(read).to(weight.dtype), weight)
        shape, flow = list(weight.shape), self._flow(delta, weight)
        return conv2d_weight(maps, shape, flow, padding=_half(weight), groups=self.groups)


class SpikingConv2d(SpikingModule, TemporalConv2d):
    """A convolution of all steps and the membrane recurrence on its maps, channels as neurons."""

    weight_hh: Parameter | None

    def _configure(self, options: Options) -> None:
        if options.gated and options.synapse:
            raise ValueError("synapse=True cannot be with gated=True, whose gate reads the input as it comes")
        super()._configure(options)

    def _create_recurrent(self, factory: dict[str, Any]) -> None:
        size = self.options.recurrent_kernel_size
        if self.neuron.feedback is None:
            if size is not None:
                raise ValueError("recurrent_kernel_size: without feedback there is no recurrent convolution")
            self.register_parameter("weight_hh", None)
            return
        channels = self.out_channels
        kernel: Any = self.kernel_size if size is None else size
        rows = self.options.blocks * channels
        like = nn.Conv2d(channels, rows, kernel, groups=self.groups, device="meta")
        self.weight_hh = Parameter(torch.empty(like.weight.shape, **factory))

    def _reset_more(self) -> None:
        if self.weight_hh is not None:
            init.kaiming_uniform_(self.weight_hh, a=math.sqrt(5))
        super()._reset_more()

    def _state_names(self) -> tuple[str, ...]:
        names = ("c_0",) if self.state_format == "gru" else ("h_0", "c_0")
        return (*names, "i_0") if self.options.synapse else names

    def _scale(self, values: dict[str, Tensor], dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
        return self._row_gain(values, self.out_channels), self._row_offset("", self.out_channels, dtype)

    def _advance(
        self, current: Tensor, values: dict[str, Tensor], states: tuple[Tensor, ...] | None, layout: Layout
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h0, c0 = None, None
        if states is not None:
            h0, c0 = (None, states[0]) if self.state_format == "gru" else states[:2]
        rest = current.new_zeros(layout.rows, self.out_channels)
        blocks, weight = self.options.blocks, None
        if self.weight_hh is not None:
            weight = scaled(self.weight_hh, self._row_gain(values, self.out_channels), self.weight.dtype)
            weight = exchange(weight, 0, blocks, self.groups)
        out, h, c = ops.recurrence(
            Call(
                current, Weights(None, weight, None), self._numbers(values),
                self._start(values, h0, c0, rest), self.neuron, Steps(layout.sizes),
                None if weight is None else Convolution(layout, self.groups, blocks),
            )
        )  # fmt: skip
        return out, ((c,) if self.state_format == "gru" else (h, c))

    def emit(self, membrane: Tensor) -> Tensor:
        """The output y that belongs to a membrane potential u (..., C', H', W').

        Useful with ``state_format="gru"``, where only u is returned.
        """
        values = self._trait_values("", membrane.dtype)
        maps = {name: value.reshape(*value.shape, 1, 1) for name, value in values.items()}
        return advance(membrane, *self._numbers(maps), self.neuron)[0]
