"""The synaptic convolutional block: convolution, normalisation, exponential synapse over the steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from liafseq._modules.constructor import constructor
from liafseq._modules.conv import Layout, TemporalConv2d
from liafseq._modules.parameters import Initial
from liafseq.options import KINDS

__all__ = ["SynapticConv2d"]


class SynapticConv2d(TemporalConv2d):
    """A convolution whose output is a synaptic current that fades instead of jumping, over (T, N, C, H, W).

    For each time step, with lambda in [0, 1] per channel or per layer, usually learned:

        I_t = lambda I_{t-1} + norm(conv(x_t))

    It smooths the jumps between the few steps to which a stream of events is compressed. What
    comes next is up to you; a spiking layer with ``synapse=True`` has this block built in.
    The convolution of all steps is one call, and the sum over time is that of the neurons' membrane.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: as of nn.Conv2d.
        bias, padding_mode, device, dtype: likewise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.
        synapse_decay: lambda of the fading current, in [0, 1]; given as decay is.
        learn_synapse_decay: whether lambda is learned.
        share: the neuron's numbers are one per neuron (per channel, of maps) or one per ``"layer"``.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: i_0, the current, (N, C', H', W') or, unbatched, (C', H', W'). None is rest.

    Outputs: ``output, i_n``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - i_n: I of each sequence's last step, shaped as hx. Passing it on continues the sequence; with
          batch normalisation the pieces are equal to the whole in ``eval`` mode. It has the input's dtype:
          in 16 bits the current, float32 within a call, is rounded between calls.

    Initialisation: weight and bias with nn.Conv2d's random numbers.

    Attributes:
        weight, bias: as of nn.Conv2d.
        norm: the ``nn.BatchNorm2d``, or None.
        synapse_decay: (C',) or (): lambda if learned, unconstrained; fixed it is a buffer
            ``fixed_synapse_decay``.

    Raises:
        TypeError, ValueError: an argument, as of nn.Conv2d, or an option.
        RuntimeError: sizes of input or state that do not fit.

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> block = SynapticConv2d(2, 8, 3, padding=1, synapse_decay=0.5, learn_synapse_decay=False)
    >>> x = torch.randn(6, 4, 2, 10, 10)
    >>> current, last = block.eval()(x)
    >>> current.shape, last.shape
    (torch.Size([6, 4, 8, 10, 10]), torch.Size([4, 8, 10, 10]))
    >>> fading = block(torch.zeros(1, 4, 2, 10, 10), last)[0][0] - block(torch.zeros(1, 4, 2, 10, 10))[0][0]
    >>> torch.allclose(fading, 0.5 * last, atol=1e-6)
    True
    """

    kind = KINDS["synaptic-conv"]

    @constructor
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        batch_first: bool = False,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str | None = "batch",
        synapse_decay: Initial = 0.5,
        learn_synapse_decay: bool = True,
        share: str = "channel",
    ) -> None: ...

    def _state_names(self) -> tuple[str, ...]:
        return ("i_0",)

    def _advance(
        self,
        current: Tensor,
        values: dict[str, Tensor],
        states: tuple[Tensor, ...] | None,
        layout: Layout,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return current, ()
