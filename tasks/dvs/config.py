"""One run on recordings of an event camera as one frozen, checked value."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from liafseq.tasks.config import (
    DATA,
    MODEL,
    TRAINING,
    BatchSize,
    Config,
    Dropout,
    Epochs,
    FieldError,
    Pairs,
    Spec,
    Warmup,
    WeightDecay,
    option,
)
from liafseq.tasks.dvs.compression.settings import Compression, Method
from liafseq.tasks.dvs.names import DATA_SETS, GENERATED, DataSet
from liafseq.tasks.models import Model, ModelSpec
from liafseq.tasks.settings import Mistyped

__all__ = ["DvsConfig", "has_synapse", "parse_channels"]

_WHOLE = {"ge": 0, "lt": 2**63}
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


class DvsConfig(Config):
    """One run on recordings of an event camera.

    ``channels``, ``kernel_size``, ``normalization`` and ``head`` are of the models over maps, ``hidden_size``
    and ``num_layers`` of the recurrent ones over flattened maps. How a recording becomes steps:
    :meth:`compression`. Where ``step_us`` is given and ``steps`` is not, ``steps`` is 0.

    >>> DvsConfig().key()[:20]
    'conv-liaf-digits-s0-'
    >>> DvsConfig.from_json(DvsConfig(channels=(8, 16)).to_json()) == DvsConfig(channels=(8, 16))
    True
    >>> DvsConfig(step_us=9_000).steps
    0
    """

    kinds: ClassVar[tuple[str, ...]] = ("layer", "maps")
    model: Spec = ModelSpec(name="conv-liaf", label="conv-liaf")
    data: Annotated[
        DataSet, option(f"The data set: {', '.join(DATA_SETS)}.", DATA, metavar="NAME")
    ] = "digits"  # fmt: skip
    data_dir: Annotated[
        str | None,
        option(
            "Folder of a published data set, as its authors publish it.", DATA, metavar="FOLDER", path=True
        ),
    ] = None
    data_options: Annotated[
        Pairs,
        option(
            "Option of the data set, such as motion=slow (digits) or scale=8 (mnist-dvs). Repeatable.",
            DATA, flag="data-option", metavar="NAME=VALUE",
        ),
    ] = ()  # fmt: skip
    recordings: Annotated[
        int, option("Training recordings, validation included; 0: all.", DATA, metavar="N", **_WHOLE)
    ] = 0
    test_recordings: Annotated[int, option("Test recordings; 0: all.", DATA, metavar="N", **_WHOLE)] = 0
    compress: Annotated[
        Method,
        option(
            "time, count: frames of equal time or number of events; voxel: bilinear in time; synapse: "
            "spatio-temporal compression.",
            DATA,
        ),
    ] = "time"
    steps: Annotated[
        int, option("Time steps T of every recording; 0 with --step-us.", DATA, metavar="T", **_WHOLE)
    ] = 6
    step_us: Annotated[
        int,
        option("Microseconds per step, so that T grows with the recording; 0: --steps.", DATA, **_WHOLE),
    ] = 0
    tau_us: Annotated[
        float,
        option("Time constant of the synapse in microseconds.", DATA, only="compress=synapse", gt=0),
    ] = 20_000.0
    pool: Annotated[int, option("Add up blocks of this many pixels a side.", DATA, **_POSITIVE)] = 2
    channels: Annotated[
        tuple[Annotated[int, Field(**_POSITIVE)], ...],
        BeforeValidator(parse_channels),
        option("Maps of each convolutional block.", MODEL, metavar="16,32"),
    ] = (16, 32)
    kernel_size: Annotated[
        int, option("Side of the convolutions' kernels; odd.", MODEL, **_POSITIVE)
    ] = 3  # fmt: skip
    normalization: Annotated[Literal["batch", "none"], option("After each convolution.", MODEL)] = "batch"
    synapse: Annotated[
        bool,
        option(
            "Synaptic blocks: a learned exponential synapse behind each spiking convolution.", MODEL
        ),
    ] = False  # fmt: skip
    hidden_size: Annotated[
        int, option("Units of the recurrent models over flattened frames.", MODEL, ge=1, le=1_000_000)
    ] = 128
    head: Annotated[
        Literal["flat", "mean"], option("What answers: all pixels of the last maps, or their mean.", MODEL)
    ] = "flat"
    aggregate: Annotated[
        Literal["mean", "last", "max"], option("Over the steps, before the head.", MODEL)
    ] = "mean"  # fmt: skip
    dropout: Dropout = 0.2
    shift: Annotated[
        int,
        option("Training recordings are moved by up to so many pixels by chance.", TRAINING, **_WHOLE),
    ] = 1
    turn: Annotated[
        float, option("They are turned by up to so many degrees by chance.", TRAINING, ge=0, le=180)
    ] = 0.0
    zoom: Annotated[
        float,
        option("They are enlarged or made smaller by up to this part by chance.", TRAINING, ge=0, le=1),
    ] = 0.0
    epochs: Epochs = 20
    batch_size: BatchSize = 32
    weight_decay: WeightDecay = 1e-2
    warmup: Warmup = 0.05

    @model_validator(mode="before")
    @classmethod
    def _steps_give_way(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("step_us") and "steps" not in values:
            return {**values, "steps": 0}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> DvsConfig:
        if self.kernel_size % 2 == 0:
            raise FieldError("kernel_size", f"must be odd, got {self.kernel_size}")
        if self.data in GENERATED and self.data_dir is not None:
            raise FieldError("data_dir", f"is for published data sets; {self.data} is generated")
        if self.data not in GENERATED and self.data_dir is None:
            raise FieldError("data_dir", f"must name the folder of {self.data}, got None")
        try:
            self.model.check()
        except ValueError as error:
            raise FieldError("model", f": {error}") from error
        if self.synapse and not has_synapse(self.layer()):
            raise FieldError("synapse", f"is for the spiking convolutions, not for {self.model.name}")
        self.compression()
        return self

    def compression(self) -> Compression:
        """How recordings become steps."""
        return Compression(
            method=self.compress,
            steps=self.steps,
            step_us=self.step_us,
            tau_us=self.tau_us,
            pool=self.pool,
        )

    def about(self) -> str:
        return self.data
