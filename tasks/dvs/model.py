"""The networks over maps: blocks over the steps, an aggregation over time, a linear head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from liafseq.padding import exporting, padded
from liafseq.tasks.dvs.net import NetConfig, has_synapse
from liafseq.tasks.models import build_conv, build_layer

__all__ = ["LiafNet"]


class LiafNet(nn.Module):
    """Classifies maps over a few steps: compressed recordings of an event camera, or coded images.

    A ``conv`` model is a LIAF-Net (Wu et al. 2020, arXiv:2011.06176): blocks of a convolutional
    layer with its own memory over the steps, normalisation and pooling by 2 (sums, in the last block
    means); the temporal aggregation, which makes one set of maps of all steps; and a linear layer
    with softmax. The baselines have the same shape: in the place of convolution, normalisation and
    neuron stand a ConvLSTM and normalisation, or a convolution over space *and* time (3 steps),
    normalisation and relu; conv-relu is the same network without memory. Any other model is a
    recurrent layer over the flattened maps, and the same aggregation and head.

    Args:
        config: kind and sizes of the layers.
        channels: of the maps that come in.
        size: their height and width.
        classes: number of classes.

    Shapes: ``forward`` takes frames (T, N, channels, height, width) and the lengths (N) in descending
    order, on the CPU, and gives logits (N, classes). Steps behind a recording's end change nothing
    but for conv3d, which sees them as empty steps.
    """

    def __init__(self, config: NetConfig, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.name = config.model.name
        self.over_maps = config.layer().kind == "maps"
        self.aggregate = config.aggregate
        self.mean_of_maps = config.head == "mean"
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        if self.over_maps:
            inner, height, width = self._append_blocks(config, channels, *size)
            features = inner if self.mean_of_maps else inner * height * width
        else:
            features = config.hidden_size
            inner = channels * size[0] * size[1]
            self.layers.append(
                build_layer(
                    config.model, inner, features, num_layers=config.num_layers, dropout=config.dropout
                )
            )
        self.head = nn.Linear(features, classes)

    def _append_blocks(self, config: NetConfig, inner: int, height: int, width: int) -> tuple[int, int, int]:
        """Makes all layers over maps; the channels, height and width of the last maps."""
        for outer in config.channels:
            self._append_block(config, inner, outer)
            inner = outer
            height, width = -(-height // 2), -(-width // 2)
        return inner, height, width

    def _append_block(self, config: NetConfig, inner: int, channels: int) -> None:
        arguments: dict[str, Any] = {}
        batch = config.normalization == "batch"
        if has_synapse(config.layer()):
            arguments["synapse"] = config.synapse
        if config.layer().takes("normalization"):
            arguments["normalization"] = "batch" if batch else None
            norm: nn.Module = nn.Identity()  # it stands between convolution and neuron
        elif not batch:
            norm = nn.Identity()
        else:
            norm = nn.BatchNorm3d(channels) if self.name == "conv3d" else nn.BatchNorm2d(channels)
        if self.name == "conv3d" and batch:
            arguments["bias"] = False  # the normalisation has its own
        self.layers.append(build_conv(config.model, inner, channels, config.kernel_size, **arguments))
        self.norms.append(norm)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Logits of recordings."""
        return self.head(self.dropout(self._aggregated(self.features(frames, lengths), lengths)))

    def features(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """What the head would see of each step, (T, N, features)."""
        if not self.over_maps:
            if exporting():
                return padded(self.layers[0], frames.flatten(2), lengths)[0]
            flat = pack_padded_sequence(frames.flatten(2), lengths)
            out = self.layers[0](flat)[0]
            return _padded(out)
        if self.name == "conv3d":
            maps = self._through_space_and_time(frames)
        else:
            maps = self._through_steps(frames, lengths)
        return maps.mean((-2, -1)) if self.mean_of_maps else maps.flatten(2)

    def _through_space_and_time(self, frames: Tensor) -> Tensor:
        x = frames.permute(1, 2, 0, 3, 4)  # (N, channels, T, height, width)
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = torch.relu(norm(layer(x)))
            x = _pooled(x.flatten(1, 2), self._divisor(number)).unflatten(1, x.shape[1:3])
        return x.permute(2, 0, 1, 3, 4)

    def _through_steps(self, frames: Tensor, lengths: Tensor) -> Tensor:
        steps, many = frames.shape[:2]
        # Of unequal lengths only what is there is computed, and counts in the normalisation.
        whole = exporting() or int(lengths[-1]) == steps
        packed = None if whole else pack_padded_sequence(frames, lengths)
        x = frames.flatten(0, 1) if packed is None else packed.data
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            if packed is None:
                x = padded(layer, x.unflatten(0, (steps, many)), lengths)[0].flatten(0, 1)
            elif self.name == "conv-lstm":
                x = pack_padded_sequence(layer(_padded(packed._replace(data=x)))[0], lengths).data
            else:
                x = layer(packed._replace(data=x))[0].data
            x = _pooled(norm(x), self._divisor(number))
        return x.unflatten(0, (steps, many)) if packed is None else _padded(packed._replace(data=x))

    def _divisor(self, block: int) -> int:
        # Sums of spikes are whole numbers: accumulates for the next convolution, whose normalisation
        # does not see the factor. The head reads means.
        return 4 if block + 1 == len(self.layers) else 1

    def _aggregated(self, features: Tensor, lengths: Tensor) -> Tensor:
        """One vector per recording, (N, features), from those of its own steps."""
        lengths = lengths.to(features.device)
        if self.aggregate == "last":
            return features[lengths - 1, torch.arange(lengths.shape[0], device=features.device)]
        inside = (torch.arange(features.shape[0], device=features.device)[:, None] < lengths)[..., None]
        if self.aggregate == "max":
            return features.masked_fill(~inside, -torch.inf).amax(0)
        return (features * inside).sum(0) / lengths[:, None]


def _pooled(maps: Tensor, divisor: int) -> Tensor:
    """Sums of 2 x 2 pixels, over ``divisor``."""
    if not exporting():
        return nn.functional.avg_pool2d(maps, 2, ceil_mode=True, divisor_override=divisor)
    # torch 2.13 writes no divisor to ONNX
    edges = (0, maps.shape[-1] % 2, 0, maps.shape[-2] % 2)
    return nn.functional.avg_pool2d(nn.functional.pad(maps, edges), 2) * (4 / divisor)


def _padded(packed: PackedSequence) -> Tensor:
    return nn.utils.rnn.pad_packed_sequence(packed)[0]
