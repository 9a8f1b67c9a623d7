"""The data of a run on images: classes and statistics, and what a network reads of an image at each step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.tasks.dvs.encode import Batch
from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.images.files import read
from liafseq.tasks.sequences.sources import stamp
from liafseq.tasks.sequences.split import divide

__all__ = ["Change", "Coder", "ImageExamples", "ImagesData"]


@dataclass(frozen=True)
class Coder:
    """How an image becomes T steps.

    Attributes:
        coding: ``direct``: (x - mean) / std of its channel at each step. ``rate``: at each step a pixel spikes
            with the probability p = (x - low) / (high - low) (Bernoulli). ``latency``: it spikes once, at step
            round((1 - p)(T - 1)) from 0, and never where p = 0.
        steps: T.
        mean, std: of each channel of the training part.
        low, high: what is black and what is white: 0 and 255, or the training part's least and largest value.
    """

    coding: str
    steps: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: float
    high: float

    def frames(self, pixels: Tensor, seeds: Sequence[int]) -> Tensor:
        """(T, N, C, H, W) of pixels (N, C, H, W); ``seeds`` are the chance of each image, in rate coding."""
        x = pixels.float()
        if self.coding == "direct":
            mean, std = (x.new_tensor(value)[:, None, None] for value in (self.mean, self.std))
            return ((x - mean) / std).expand(self.steps, *x.shape)
        p = ((x - self.low) / (self.high - self.low)).clamp(0, 1)
        if self.coding == "latency":
            spike = torch.where(p > 0, ((1 - p) * (self.steps - 1)).round(), -1.0)
            return (spike == torch.arange(self.steps).view(-1, 1, 1, 1, 1)).float()
        chance = torch.Generator()
        noise = [torch.rand(self.steps, *x.shape[1:], generator=chance.manual_seed(seed)) for seed in seeds]
        return (torch.stack(noise, 1) < p).float()


class Change(NamedTuple):
    """What is done to a training image: moved by whole pixels, then mirrored; and its chance."""

    down: int
    right: int
    flip: bool
    seed: int


@dataclass(frozen=True)
class ImageExamples:
    """Images of a split; those of training are moved, mirrored and coded by chance.

    Attributes:
        pixels: (N, C, H, W), as read.
        target: (N) classes; -1: one that training has not seen.
        coder: what makes steps of them.
        seed: of the chance in which an unchanged image is coded, with its number.
        crop, flip: how far training images are moved, and whether they are mirrored.
    """

    pixels: Tensor
    target: Tensor
    coder: Coder
    seed: int = 0
    crop: int = 0
    flip: bool = False

    lengths = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def scored(self) -> Tensor:
        return self.target

    def batch(self, rows: Sequence[int]) -> Batch:
        """The batch of some rows, unchanged."""
        seeds = [(1_000_003 * self.seed + row) % 2**63 for row in rows]
        return self._batch(self.pixels[list(rows)], rows, seeds)

    def change(self, chance: random.Random) -> Change | None:
        """What is done to one image; None where nothing is done to any."""
        if not self.crop and not self.flip and self.coder.coding != "rate":
            return None
        down, right = (chance.randint(-self.crop, self.crop) for _ in range(2))
        return Change(down, right, self.flip and chance.random() < 0.5, chance.getrandbits(62))

    def changed(self, rows: Sequence[int], changes: Sequence[Change]) -> Batch:
        """The batch of some rows, each changed; what enters an image is 0."""
        pixels = self.pixels[list(rows)]
        if self.crop or self.flip:
            (height, width), far = pixels.shape[2:], self.crop
            down, right, flip, _ = (torch.tensor(column)[:, None] for column in zip(*changes, strict=True))
            across = torch.arange(width).expand(len(rows), -1)
            across = torch.where(flip, width - 1 - across, across) - right + far
            along = torch.arange(height) - down + far
            padded = torch.nn.functional.pad(pixels, (far,) * 4)
            number = torch.arange(len(rows))[:, None, None]
            # the channels come last of what is indexed so
            pixels = padded[number, :, along[:, :, None], across[:, None]].permute(0, 3, 1, 2)
        return self._batch(pixels, rows, [change.seed for change in changes])

    def _batch(self, pixels: Tensor, rows: Sequence[int], seeds: Sequence[int]) -> Batch:
        lengths = torch.full((len(rows),), self.coder.steps)
        return Batch(self.coder.frames(pixels, seeds), lengths, self.target[list(rows)])


class Splits(NamedTuple):
    """The splits of a source: pixels and names of classes, and what training says."""

    pixels: dict[str, Tensor]
    names: dict[str, list[str]]


@lru_cache(maxsize=2)
def _splits(config: ImagesConfig, _stamp: Any) -> Splits:
    found = read(
        config.data, size=config.size, image_column=config.image_column, label_column=config.label_column
    )
    rows = {part: [(part, row) for row in range(len(images.names))] for part, images in found.items()}
    parts = divide(
        rows,
        lambda at: found[at[0]].names[at[1]],
        test_fraction=config.test_fraction,
        valid_fraction=config.valid_fraction,
        seed=config.data_seed,
        test_part=config.test_part,
    )
    pixels, names = {}, {}
    for split, chosen in parts.items():
        (part, _), at = chosen[0], [row for _, row in chosen]  # a split is of one part
        pixels[split] = torch.from_numpy(found[part].pixels)[at]
        names[split] = [found[part].names[row] for row in at]
    return Splits(pixels, names)


def _in_order(names: Sequence[str]) -> list[str]:
    """Classes in the order of their numbers, or of their names."""
    numbers = all(name.lstrip("-").isdecimal() for name in names)
    return sorted(set(names), key=int if numbers else None)


@dataclass(frozen=True)
class ImagesData:
    """What a network must know of the data: classes, shape and statistics of the training part.

    Attributes:
        classes: their names.
        shape: (C, H, W) of an image.
        mean, std: of each channel.
        low, high: what is black and what is white.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: float
    high: float

    @classmethod
    def of(cls, config: ImagesConfig, kept: Any = None) -> ImagesData:
        """The data of a run, or of a run folder that has ``kept``; ValueError where it cannot be learned."""
        if kept is not None:
            return cls._of_kept(kept)
        pixels, names = _splits(config.of_data(), stamp(config.data))
        train = pixels["train"]
        classes = _in_order(names["train"])
        if len(classes) < 2:
            raise ValueError(f"{config.data}: expected at least two classes, got {', '.join(classes)} alone")
        low, high = (0.0, 255.0) if train.dtype == torch.uint8 else (float(train.min()), float(train.max()))
        high = high if high > low else low + 1.0
        # a channel at a time: of all together the numbers would be large
        found = [torch.std_mean(channel.float(), correction=0) for channel in train.unbind(1)]
        std = tuple(max(float(std), 1e-6 * (high - low)) for std, _ in found)
        mean = tuple(float(mean) for _, mean in found)
        return cls(tuple(classes), tuple(train.shape[1:]), mean, std, low, high)

    @classmethod
    def _of_kept(cls, kept: Any) -> ImagesData:
        try:
            channels, height, width = map(int, kept["shape"])
            mean, std = (tuple(map(float, kept[name])) for name in ("mean", "std"))
            if not len(mean) == len(std) == channels:
                raise ValueError
            return cls(
                tuple(map(str, kept["classes"])), (channels, height, width), mean, std,
                float(kept["low"]), float(kept["high"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"not the classes and the statistics of a run: {kept!r:.80}") from None

    def kept(self) -> Any:
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }

    def coder(self, config: ImagesConfig) -> Coder:
        """What makes steps of the images."""
        return Coder(config.coding, config.steps, self.mean, self.std, self.low, self.high)

    def split(self, config: ImagesConfig, name: str) -> ImageExamples:
        """The images of ``train``, ``valid`` or ``test``; ValueError where they have another shape."""
        pixels, names = _splits(config.of_data(), stamp(config.data))
        if (shape := tuple(pixels[name].shape[1:])) != self.shape:
            raise ValueError(f"{config.data}: expected images (C, H, W) = {self.shape}, got {shape}")
        number = {label: at for at, label in enumerate(self.classes)}
        target = torch.tensor([number.get(label, -1) for label in names[name]])
        found = ImageExamples(pixels[name], target, self.coder(config), config.data_seed)
        return replace(found, crop=config.crop, flip=config.flip) if name == "train" else found

    def shown(self, config: ImagesConfig, split: str, row: int) -> tuple[str, Sequence[Any]]:
        """An image as a line of text."""
        return f"{split} image {row}", ()
