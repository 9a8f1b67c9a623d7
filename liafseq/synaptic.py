"""The synaptic convolutional block: convolution, normalisation, exponential synapse over the steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from liafseq._doc import documented
from liafseq.conv_base import Layout, TemporalConv2d
from liafseq.parameters import Initial

__all__ = ["SynapticConv2d"]


@documented
class SynapticConv2d(TemporalConv2d):
    """A convolution whose output is a synaptic current that fades instead of jumping, over (T, N, C, H, W).

    For each time step, with lambda in [0, 1] one a channel or one a layer, usually learned:

        I_t = lambda I_{t-1} + norm(conv(x_t))

    It smooths the jumps between the few steps to which a stream of events is compressed. What
    comes next is up to you; a spiking layer with ``synapse=True`` has this block built in.
    The convolution of all steps is one call, and the sum over time is that of the neurons' membrane.

    {arguments}

    {rest}

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
    ) -> None:
        self._prepare(locals())

    def _configure(self, options: dict[str, Any]) -> None:
        if options["share"] not in ("layer", "channel"):
            raise ValueError(f"share should be one of 'layer', 'channel', got: {options['share']!r}")
        self._options = options

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
