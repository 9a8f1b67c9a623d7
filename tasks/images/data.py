"""The data of a run on images: classes, statistics, and the examples of each split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.images.examples import ImageExamples
from liafseq.tasks.images.files import read
from liafseq.tasks.sequences.sources import stamp
from liafseq.tasks.sequences.split import divide

__all__ = ["ImagesData"]


class ImagesData(BaseModel):
    """What a network must know of the data: classes, shape and statistics of the training part.

    Attributes:
        classes: their names.
        shape: (C, H, W) of an image.
        mean, std: of each channel.
        low, high: what is black and what is white: of bytes 0 and 255, else the least and largest value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
            try:
                return cls.model_validate(kept)
            except ValidationError:
                raise ValueError(f"not the classes and statistics of a run: {kept!r:.80}") from None
        pixels, names = _splits(config.of_data(), stamp(config.source))["train"]
        numbers = all(name.lstrip("-").isdecimal() for name in names)
        classes = sorted(set(names), key=int if numbers else None)
        if len(classes) < 2:
            raise ValueError(f"{config.source}: expected at least two classes, got {classes[0]} alone")
        bytes_ = pixels.dtype == torch.uint8
        low, high = (0.0, 255.0) if bytes_ else (float(pixels.min()), float(pixels.max()))
        high = high if high > low else low + 1.0
        # a channel at a time, which needs less memory
        found = [torch.std_mean(channel.float(), correction=0) for channel in pixels.unbind(1)]
        return cls(
            classes=tuple(classes),
            shape=(pixels.shape[1], pixels.shape[2], pixels.shape[3]),
            mean=tuple(float(mean) for _, mean in found),
            std=tuple(max(float(std), 1e-6 * (high - low)) for std, _ in found),
            low=low,
            high=high,
        )

    def kept(self) -> Any:
        return self.model_dump(mode="json")

    def split(self, config: ImagesConfig, name: str) -> ImageExamples:
        """The images of ``train``, ``valid`` or ``test``; ValueError where they have another shape."""
        pixels, names = _splits(config.of_data(), stamp(config.source))[name]
        if (shape := tuple(pixels.shape[1:])) != self.shape:
            raise ValueError(f"{config.source}: expected images (C, H, W) = {self.shape}, got {shape}")
        number = {label: at for at, label in enumerate(self.classes)}
        target = torch.tensor([number.get(label, -1) for label in names])
        return ImageExamples(pixels, target, config, self)

    def shown(self, config: ImagesConfig, split: str, row: int) -> tuple[str, Sequence[Any]]:
        """An image as a line of text."""
        return f"{split} image {row}", ()


@lru_cache(maxsize=2)
def _splits(config: ImagesConfig, _stamp: Any) -> dict[str, tuple[Tensor, list[str]]]:
    found = read(
        config.source, size=config.size, image_column=config.image_column, label_column=config.label_column
    )
    splits = divide(
        {part: [(part, row) for row in range(len(images.names))] for part, images in found.items()},
        lambda at: found[at[0]].names[at[1]],
        test_fraction=config.test_fraction,
        valid_fraction=config.valid_fraction,
        seed=config.data_seed,
        test_part=config.test_part,
    )
    made = {}
    for split, chosen in splits.items():
        images = found[chosen[0][0]]  # a split is of one part
        rows = [row for _, row in chosen]
        made[split] = torch.from_numpy(images.pixels)[rows], [images.names[row] for row in rows]
    return made
