"""One run on recordings of an event camera as one frozen, checked value."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import model_validator

from liafseq.tasks.config import (
    DATA,
    MODEL,
    TRAINING,
    BatchSize,
    Epochs,
    FieldError,
    Pairs,
    Warmup,
    WeightDecay,
    option,
)
from liafseq.tasks.dvs.compression.settings import Compression, Method
from liafseq.tasks.dvs.names import DATA_SETS, GENERATED, DataSet
from liafseq.tasks.dvs.net import NetConfig

__all__ = ["DvsConfig"]

_WHOLE = {"ge": 0, "lt": 2**63}
_POSITIVE = {"ge": 1, "lt": 2**63}


class DvsConfig(NetConfig):
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
    hidden_size: Annotated[
        int, option("Units of the recurrent models over flattened frames.", MODEL, ge=1, le=1_000_000)
    ] = 128
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
        if self.data in GENERATED and self.data_dir is not None:
            raise FieldError("data_dir", f"is for published data sets; {self.data} is generated")
        if self.data not in GENERATED and self.data_dir is None:
            raise FieldError("data_dir", f"must name the folder of {self.data}, got None")
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
