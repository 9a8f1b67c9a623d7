"""One run on images as one frozen, checked value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import model_validator

from liafseq.tasks.config import (
    DATA,
    MODEL,
    TRAINING,
    Epochs,
    FieldError,
    HiddenSize,
    NumLayers,
    WeightDecay,
    option,
)
from liafseq.tasks.dvs.net import NetConfig
from liafseq.tasks.sequences.fields import TestFraction, TestPart

__all__ = ["ImagesConfig"]


class ImagesConfig(NetConfig):
    """One run on images.

    ``channels`` has a block of the LIAF-Net, or a stage of the ResNet, for each number; of the ResNet it is
    16, 32, 64 where it is not given, and its head reads means, as in ResNet-20.

    >>> ImagesConfig().key()[:20]
    'conv-liaf-digits-s0-'
    >>> ImagesConfig(network="resnet").channels
    (16, 32, 64)
    """

    source: Annotated[
        str,
        option(
            "digits (of scikit-learn), hub:OWNER/NAME, or a file, folder or archive: IDX, npz, CIFAR's "
            "binary files, a folder per class.",
            DATA, metavar="SOURCE", path=("digits", "hub:"), min_length=1,
        ),
    ] = "digits"  # fmt: skip
    size: Annotated[
        int, option("Resize PNG and JPEG files to so many pixels a side; 0: no.", DATA, ge=0, le=4096)
    ] = 0
    image_column: Annotated[str, option("Column of the images, of the hub.", DATA, min_length=1)] = "image"
    label_column: Annotated[str, option("Column of the classes, of the hub.", DATA, min_length=1)] = "label"
    test_fraction: TestFraction = 0.2
    test_part: TestPart = "drawn"
    network: Annotated[
        Literal["liafnet", "resnet"], option("liafnet: blocks with pooling. resnet: ResNet-20.", MODEL)
    ] = "liafnet"
    coding: Annotated[
        Literal["direct", "rate", "latency"],
        option(
            "direct: the image at each step. rate: a pixel spikes by chance, bright ones more often. "
            "latency: it spikes once, bright ones sooner.",
            MODEL,
        ),
    ] = "direct"
    steps: Annotated[int, option("Time steps T.", MODEL, metavar="T", ge=1, le=10_000)] = 4
    hidden_size: Annotated[HiddenSize, option("Not of these networks.", MODEL, hidden=True)] = 64
    num_layers: Annotated[NumLayers, option("Not of these networks.", MODEL, hidden=True)] = 1
    crop: Annotated[
        int, option("Training images are moved by up to so many pixels by chance.", TRAINING, ge=0, le=1024)
    ] = 0
    flip: Annotated[bool, option("They are mirrored, left and right, by chance.", TRAINING)] = False
    epochs: Epochs = 15
    weight_decay: WeightDecay = 1e-2

    @model_validator(mode="before")
    @classmethod
    def _of_the_network(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("network") == "resnet":
            return {"channels": (16, 32, 64), "head": "mean", **values}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> ImagesConfig:
        if self.network == "resnet" and not self.layer().takes("normalization"):
            raise FieldError("network", f"=resnet is not for {self.model.name}, which has no normalisation")
        if self.network == "resnet" and self.normalization != "batch":
            raise FieldError("normalization", f"must be batch in a resnet, got {self.normalization}")
        return self

    def about(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", Path(self.source).name.lower())[:32].strip("-") or "data"
