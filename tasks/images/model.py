"""The networks for images: the LIAF-Net, and a ResNet of convolutional layers with memory."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from liafseq.tasks.dvs.model import LiafNet
from liafseq.tasks.dvs.net import NetConfig, has_synapse
from liafseq.tasks.models import build_conv

__all__ = ["ResNet"]

_BLOCKS = 3


class ResNet(LiafNet):
    """ResNet-20 (He et al. 2016, arXiv:1512.03385, section 4.2) with layers of the registry over the steps.

    A convolution, normalisation and neuron, then stages of three blocks, the first of each but the first
    with stride 2. A block is x + f(f(x)), f being convolution, normalisation and neuron or relu: the sum
    stands behind the neuron, as in the SEW-ResNet (Fang et al. 2021, arXiv:2102.04159), so that the neurons
    of the path see no more than the layers of this package do. Where the maps change, x is every second
    pixel with channels of zeros, which has no weights. Then the mean of the maps, and of the steps.

    Args and shapes: as of ``LiafNet``, all lengths being T.
    """

    def _append_blocks(self, config: NetConfig, inner: int, height: int, width: int) -> tuple[int, int, int]:
        arguments: dict[str, Any] = {"normalization": "batch", "bias": False}
        if has_synapse(config.layer()):
            arguments["synapse"] = config.synapse

        def append(inner: int, outer: int, stride: int = 1) -> None:
            self.layers.append(
                build_conv(config.model, inner, outer, config.kernel_size, stride=stride, **arguments)
            )

        append(inner, config.channels[0])
        inner = config.channels[0]
        for stage, outer in enumerate(config.channels):
            for block in range(_BLOCKS):
                stride = 2 if stage and not block else 1
                append(inner, outer, stride)
                append(outer, outer)
                inner, height, width = outer, -(-height // stride), -(-width // stride)
        return inner, height, width

    def _through_steps(self, frames: Tensor, lengths: Tensor) -> Tensor:
        first, *others = self.layers
        x = first(frames)[0]
        for inner, outer in zip(others[::2], others[1::2], strict=True):
            y = outer(inner(x)[0])[0]
            x = y + _shortcut(x, y)
        return x


def _shortcut(x: Tensor, like: Tensor) -> Tensor:
    """Maps with as many pixels and channels as others have: every second pixel, then zeros."""
    stride = max(-(-x.shape[side] // like.shape[side]) for side in (-2, -1))
    more = like.shape[2] - x.shape[2]
    return nn.functional.pad(x[..., ::stride, ::stride], (0, 0, 0, 0, 0, more)) if more or stride > 1 else x
