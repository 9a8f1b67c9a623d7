"""What a network reads of images: changed by chance in training, and coded into steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from liafseq.tasks.dvs.encode import Batch
from liafseq.tasks.images.config import ImagesConfig

if TYPE_CHECKING:
    from liafseq.tasks.images.data import ImagesData

__all__ = ["Change", "ImageExamples", "coded"]


def coded(pixels: Tensor, seeds: Sequence[int], config: ImagesConfig, data: ImagesData) -> Tensor:
    """The steps (T, N, C, H, W) of images (N, C, H, W).

    ``direct``: (x - mean) / std, by channel, at each step. ``rate``: at each step a pixel spikes with
    probability p = (x - low) / (high - low), each image by the chance of its seed (a Bernoulli process).
    ``latency``: a pixel spikes once, at step round((1 - p)(T - 1)) from 0, and never where p = 0.
    """
    x, steps = pixels.float(), config.steps
    if config.coding == "direct":
        mean, std = (x.new_tensor(value)[:, None, None] for value in (data.mean, data.std))
        return ((x - mean) / std).expand(steps, *x.shape)
    p = ((x - data.low) / (data.high - data.low)).clamp(0, 1)
    if config.coding == "latency":
        spike = torch.where(p > 0, ((1 - p) * (steps - 1)).round(), -1.0)
        return (spike == torch.arange(steps).view(-1, 1, 1, 1, 1)).float()
    chance = torch.Generator()
    noise = [torch.rand(steps, *x.shape[1:], generator=chance.manual_seed(seed)) for seed in seeds]
    return (torch.stack(noise, 1) < p).float()


class Change(NamedTuple):
    """What is done to a training image: moved by whole pixels, then mirrored; and the seed of its coding."""

    down: int
    right: int
    flip: bool
    seed: int


@dataclass(frozen=True)
class ImageExamples:
    """Images of a split.

    Attributes:
        pixels: (N, C, H, W), as read.
        target: (N) classes; -1: one that training has not seen.
        config, data: of the run.
    """

    pixels: Tensor
    target: Tensor
    config: ImagesConfig
    data: ImagesData

    lengths = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def scored(self) -> Tensor:
        """What is right, of all images."""
        return self.target

    def batch(self, rows: Sequence[int]) -> Batch:
        """The batch of some rows, unchanged; an image is always coded alike."""
        seeds = [(1_000_003 * self.config.data_seed + row) % 2**63 for row in rows]
        return self._batch(self.pixels[list(rows)], rows, seeds)

    def change(self, chance: random.Random) -> Change | None:
        """What is done to one image; None where nothing is done to any."""
        config, far = self.config, self.config.crop
        if not far and not config.flip and config.coding != "rate":
            return None
        down, right = chance.randint(-far, far), chance.randint(-far, far)
        return Change(down, right, config.flip and chance.random() < 0.5, chance.getrandbits(62))

    def changed(self, rows: Sequence[int], changes: Sequence[Change]) -> Batch:
        """The batch of some rows, each changed; what enters an image is 0."""
        pixels, far = self.pixels[list(rows)], self.config.crop
        height, width = pixels.shape[2:]
        down, right, flip, seeds = zip(*changes, strict=True)
        across = torch.arange(width).expand(len(rows), -1)
        across = torch.where(torch.tensor(flip)[:, None], width - 1 - across, across)
        across = across - torch.tensor(right)[:, None] + far
        along = torch.arange(height) - torch.tensor(down)[:, None] + far
        number = torch.arange(len(rows))[:, None, None]
        # indexed so, the channels come last
        moved = pad(pixels, (far,) * 4)[number, :, along[:, :, None], across[:, None]].permute(0, 3, 1, 2)
        return self._batch(moved, rows, seeds)

    def _batch(self, pixels: Tensor, rows: Sequence[int], seeds: Sequence[int]) -> Batch:
        lengths = torch.full((len(rows),), self.config.steps)
        return Batch(coded(pixels, seeds, self.config, self.data), lengths, self.target[list(rows)])
