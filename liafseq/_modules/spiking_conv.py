"""The spiking convolution: a neuron of ``liafseq.neurons`` at each pixel and channel."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter, init

from liafseq import ops
from liafseq._modules.conv import Layout, TemporalConv2d, apart, side_by_side, to_rows
from liafseq._modules.spiking import SpikingModule
from liafseq._modules.time_loop import scaled, start
from liafseq.neurons import advance
from liafseq.ops import Call, Product, Weights
from liafseq.ops.reference import spread
from liafseq.options import Options

__all__ = ["SpikingConv2d"]


def _convolve(maps: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Of stride 1 and padding "same": an even kernel sees a row or column of zeros more, behind the last."""
    height, width = weight.shape[-2:]
    if not height % 2 or not width % 2:
        maps = F.pad(maps, (0, 1 - width % 2, 0, 1 - height % 2))
    return F.conv2d(maps, weight, padding=((height - 1) // 2, (width - 1) // 2), groups=groups)


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
        rows = self.options.rows(channels)
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
        return self._gain(values), self._row_offset("", self.out_channels, dtype)

    def _gain(self, values: dict[str, Tensor]) -> Tensor | None:
        """The factor of each row of the weights."""
        return self._weight_gain(self._row_gain(values, self.out_channels), self.out_channels)

    def _recurrent(self, layout: Layout) -> Product:
        """What stands for the product with W_hh, on rows: the second convolution.

        Its weight has the blocks of a group side by side, what it gives the groups of a block.
        """

        parts = self.options.parts(self.out_channels)

        def product(rows: Tensor, weight: Tensor) -> Tensor:
            maps = _convolve(layout.maps(rows).to(weight.dtype), weight, self.groups)
            return spread(to_rows(apart(maps, 1, parts, self.groups)), self.out_channels).to(rows.dtype)

        return product

    def _advance(
        self, current: Tensor, values: dict[str, Tensor], states: tuple[Tensor, ...] | None, layout: Layout
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h0, c0 = None, None
        if states is not None:
            h0, c0 = (None, states[0]) if self.state_format == "gru" else states[:2]
        state = start(h0, c0, (layout.rows, self.out_channels), current.dtype, current.device)
        weight = None
        if self.weight_hh is not None:
            weight = scaled(self.weight_hh, self._gain(values), self.weight.dtype)
            weight = side_by_side(weight, 0, self.options.parts(self.out_channels), self.groups)
        out, h, c = ops.recurrence(
            Call(
                current, Weights(None, weight, None), self._numbers(values), state, self.neuron,
                layout.steps, None if weight is None else self._recurrent(layout),
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
