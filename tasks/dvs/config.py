"""One run on recordings of an event camera as one frozen, validated value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liafseq.tasks.dvs.compression import METHODS, Compression
from liafseq.tasks.dvs.names import DATA_SETS, GENERATED
from liafseq.tasks.fields import Kinds, build, check_fields, check_whole, digest, to_json
from liafseq.tasks.models import check_model, is_spiking_convolution

__all__ = ["DvsRun"]

_KINDS = Kinds(
    whole={
        "recordings": 0,
        "test_recordings": 0,
        "steps": 0,
        "step_us": 0,
        "pool": 1,
        "kernel_size": 1,
        "shift": 0,
    },
    real={
        "tau_us": (0.0, False, math.inf, False),
        "turn": (0.0, True, 180.0, True),
        "zoom": (0.0, True, 1.0, True),
    },
    choice={
        "data": DATA_SETS,
        "compress": METHODS,
        "normalization": ("batch", "none"),
        "head": ("flat", "mean"),
        "aggregate": ("mean", "last", "max"),
    },
    pairs=("options", "data_options"),
    flag=("synapse",),
)


@dataclass(frozen=True)
class DvsRun:
    """Everything that is needed to repeat one run.

    Attributes:
        model: a name of the registry (:mod:`liafseq.tasks.models`).
        data: the data set.
        data_dir: the folder of a published data set; None for generated ones.
        data_options: options of the data set, as ``(("scale", 4), ...)`` or a mapping.
        recordings, test_recordings: how many of each split are used at most; 0: all.
        valid_fraction: the part of the training recordings held out for validation.
        compress, steps, step_us, tau_us, pool: see :class:`liafseq.tasks.dvs.compression.Compression`.
        channels: of the convolutional blocks, one number each; the ``conv`` models.
        kernel_size: of all convolutions; odd.
        normalization: after each convolution.
        synapse: convolutions through a learned exponential synapse over the steps.
        hidden_size, num_layers: of the recurrent models over flattened frames.
        head: what the linear layer reads of the last maps: all of their pixels, or their mean.
        aggregate: over the steps, before the head: mean, last or largest.
        dropout: before the head.
        shift: most pixels by which training recordings are moved by chance.
        turn, zoom: most degrees by which they are turned, and part of their size by which they are
            enlarged or made smaller, by chance.
        options: neuron options of a liafseq layer, as ``(("decay", 0.5), ...)`` or a mapping.
        epochs, ..., score_test: as of :class:`liafseq.tasks.babi.config.BabiRun`.

    Raises:
        TypeError, ValueError: a field of another type, or out of its range; names the field.

    >>> DvsRun(model="conv-liaf").key()[:20]
    'conv-liaf-digits-s0-'
    >>> DvsRun.from_json(DvsRun(channels=(8, 16)).to_json()) == DvsRun(channels=(8, 16))
    True
    """

    model: str = "conv-liaf"
    data: str = "digits"
    data_dir: str | None = None
    data_options: tuple[tuple[str, Any], ...] = ()
    recordings: int = 0
    test_recordings: int = 0
    valid_fraction: float = 0.1
    compress: str = "time"
    steps: int = 6
    step_us: int = 0
    tau_us: float = 20_000.0
    pool: int = 2
    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3
    normalization: str = "batch"
    synapse: bool = False
    hidden_size: int = 128
    num_layers: int = 1
    head: str = "flat"
    aggregate: str = "mean"
    dropout: float = 0.2
    shift: int = 1
    turn: float = 0.0
    zoom: float = 0.0
    options: tuple[tuple[str, Any], ...] = ()
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    warmup: float = 0.05
    clip: float = 1.0
    patience: int = 0
    data_seed: int = 0
    seed: int = 0
    device: str = "cpu"
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1
    threads: int = 1
    score_test: bool = True

    def __post_init__(self) -> None:
        check_fields(self, _KINDS)
        if self.data_dir is not None and not isinstance(self.data_dir, str):
            raise TypeError(f"data_dir must be the path of a folder or None, got {self.data_dir!r}")
        if isinstance(self.channels, (str, bytes)) or not hasattr(self.channels, "__iter__"):
            raise TypeError(f"channels must be whole numbers such as (16, 32), got {self.channels!r}")
        object.__setattr__(self, "channels", tuple(self.channels))
        if not self.channels:
            raise ValueError("channels must name at least one convolutional block, got none")
        for number in self.channels:
            check_whole("channels", number, 1)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        if self.data in GENERATED and self.data_dir is not None:
            raise ValueError(f"data_dir is for published data sets; {self.data} is generated")
        if self.data not in GENERATED and self.data_dir is None:
            raise ValueError(f"data_dir must name the folder of {self.data}, got None")
        check_model(self.model, "dvs", dict(self.options))
        if self.synapse and not is_spiking_convolution(self.model):
            raise ValueError(f"synapse is for the spiking convolutions, not for {self.model}")
        self.compression()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The data set, as a study's one task."""
        return (self.data,)

    def compression(self) -> Compression:
        """How recordings become steps."""
        return Compression(self.compress, self.steps, self.step_us, self.tau_us, self.pool)

    def key(self) -> str:
        """A name for the run's folder: model, data set, seed and a hash of all fields."""
        return f"{self.model}-{self.data}-s{self.seed}-{digest(self.to_json())}"

    def to_json(self) -> dict[str, Any]:
        """All fields as values of JSON: tuples become lists, pairs a mapping."""
        return to_json(self, _KINDS)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DvsRun:
        """The run of :meth:`to_json`; fields that are missing have their defaults.

        Raises:
            TypeError, ValueError: not a mapping, an unknown field, or a value out of its range.
        """
        return build(cls, content)
