"""The settings of a network over maps."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from liafseq.tasks.config import MODEL, Config, Dropout, FieldError, Spec, option
from liafseq.tasks.models import Model, ModelSpec
from liafseq.tasks.settings import Mistyped

__all__ = ["NetConfig", "has_synapse", "parse_channels"]

_POSITIVE = {"ge": 1, "lt": 2**63}


def parse_channels(value: Any) -> Any:
    """Numbers of maps from ``16,32`` or from numbers.

    >>> parse_channels("16, 32"), parse_channels([16, 32])
    ((16, 32), (16, 32))
    """
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            raise ValueError(f": expected whole numbers such as 16,32, got {value!r}")
        return tuple(map(int, parts))
    if not isinstance(value, (tuple, list)):
        raise Mistyped(f"must be whole numbers such as (16, 32), got {value!r}")
    if not value:
        raise ValueError("must name at least one convolutional block, got none")
    return tuple(value)


def has_synapse(model: Model) -> bool:
    """Whether a model can have a synapse: the spiking convolutions."""
    return model.kind == "maps" and model.spiking


class NetConfig(Config):
    """A run of a :class:`liafseq.tasks.dvs.model.LiafNet`."""

    kinds: ClassVar[tuple[str, ...]] = ("layer", "maps")
    model: Spec = ModelSpec(name="conv-liaf", label="conv-liaf")
    channels: Annotated[
        tuple[Annotated[int, Field(**_POSITIVE)], ...],
        BeforeValidator(parse_channels),
        option("Maps of each convolutional block.", MODEL, metavar="16,32"),
    ] = (16, 32)
    kernel_size: Annotated[int, option("Side of the convolutions' kernels; odd.", MODEL, **_POSITIVE)] = 3
    normalization: Annotated[Literal["batch", "none"], option("After each convolution.", MODEL)] = "batch"
    synapse: Annotated[
        bool,
        option("Synaptic blocks: a learned exponential synapse behind each spiking convolution.", MODEL),
    ] = False
    head: Annotated[
        Literal["flat", "mean"], option("What answers: all pixels of the last maps, or their mean.", MODEL)
    ] = "flat"
    aggregate: Annotated[
        Literal["mean", "last", "max"], option("Over the steps, before the head.", MODEL)
    ] = "mean"
    dropout: Dropout = 0.2

    @model_validator(mode="after")
    def _is_a_network(self) -> NetConfig:
        if self.kernel_size % 2 == 0:
            raise FieldError("kernel_size", f"must be odd, got {self.kernel_size}")
        layer = self.layer()
        if self.synapse and not has_synapse(layer):
            raise FieldError("synapse", f"is for the spiking convolutions, not for {self.model.name}")
        return self
