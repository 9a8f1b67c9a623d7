"""The settings that every run has, as one frozen, checked value.

Each field says once what it is: its type, its bounds, its help, the panel of the help it stands in. The
commands are made from these fields. A task adds its own by a subclass, which may also give another default:

>>> class Mine(Config):
...     epochs: Epochs = 3
>>> Mine().epochs, Mine().batch_size
(3, 64)
>>> Mine(epochs=0)
Traceback (most recent call last):
    ...
liafseq.tasks.settings.FieldError: epochs must be at least 1, got 0
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator

from liafseq.tasks.models import Model, ModelSpec, as_spec
from liafseq.tasks.settings import (
    DATA,
    MACHINE,
    MANY,
    MODEL,
    STUDY,
    TRAINING,
    FieldError,
    Pairs,
    Settings,
    digest,
    extra,
    flags_of,
    option,
    pairs,
    replace,
)  # fmt: skip

__all__ = [
    "DATA", "MACHINE", "MANY", "MODEL", "STUDY", "TRAINING", "Config", "FieldError", "Pairs", "option",
    "pairs", "replace",
]  # fmt: skip

C = TypeVar("C", bound="Config")

_SEED = {"ge": 0, "lt": 2**63}
_COUNT = {"ge": 1, "le": 1_000_000}

Spec = Annotated[
    ModelSpec,
    BeforeValidator(as_spec),
    option("The model, with its settings.", STUDY, short="m", metavar="NAME[:OPTION=VALUE...]"),
]
HiddenSize = Annotated[int, option("Units of each recurrent layer.", MODEL, **_COUNT)]
NumLayers = Annotated[
    int, option("Recurrent layers on top of one another.", MODEL, flag="layers", ge=1, le=1000)
]
Dropout = Annotated[float, option("Dropout probability.", MODEL, ge=0, lt=1)]
Bidirectional = Annotated[bool, option("Read in both directions.", MODEL)]
ValidFraction = Annotated[
    float, option("Part of the training {examples} that is held out for validation.", DATA, gt=0, lt=1)
]
DataSeed = Annotated[
    int, option("Seed of generated {examples}, of splits and of the validation part.", DATA, **_SEED)
]
Epochs = Annotated[int, option("Passes over the training {examples}.", TRAINING, **_COUNT)]
BatchSize = Annotated[int, option("Training {examples} per step.", TRAINING, **_COUNT)]
LearningRate = Annotated[float, option("Step size of Adam.", TRAINING, gt=0)]
WeightDecay = Annotated[float, option("Weight decay of Adam.", TRAINING, ge=0)]
Schedule = Annotated[
    Literal["cosine", "constant"], option("Learning rate over time, after the warm-up.", TRAINING)
]
Warmup = Annotated[
    float, option("Part of all steps in which the learning rate rises from 0.", TRAINING, ge=0, lt=1)
]
Clip = Annotated[float, option("Largest norm of the gradient; 0: no clipping.", TRAINING, ge=0)]
Patience = Annotated[
    int,
    option("Epochs without a better validation score before a stop; 0: never stop.", TRAINING, ge=0),
]
Seed = Annotated[int, option("Seed of weights, batches and dropout.", TRAINING, **_SEED)]
Device = Annotated[
    str, option("cpu, cuda, mps, or auto.", MACHINE, metavar="cpu|cuda|mps|auto", min_length=1)
]
Devices = Annotated[
    int, option("Devices of a machine that share a run, a process each.", MACHINE, ge=1, le=1024)
]
Nodes = Annotated[
    int,
    option(
        "Machines that share a run; the same command on each, by torchrun or with NODE_RANK, MASTER_ADDR and "
        "MASTER_PORT set.",
        MACHINE,
        ge=1,
        le=1_000_000,
    ),
]
Precision = Annotated[
    str, option("32-true, bf16-mixed, 16-mixed, 64-true, ...", MACHINE, metavar="PRECISION", min_length=1)
]
Threads = Annotated[int, option("CPU threads of torch in each process.", MACHINE, ge=1, le=1024)]


class Config(Settings):
    """One run on a task: everything that is needed to repeat it.

    A task's own fields stand in a subclass. The names, bounds and meanings of these here are the fields'
    own; ``liafseq train TASK --help`` prints them. ``score_test`` is False for a run that must not read the
    test part, such as one of a search.
    """

    kinds: ClassVar[tuple[str, ...]] = ("layer",)
    """Which models of the registry a run may have: layers over vectors, or over maps."""

    model: Spec = ModelSpec(name="liaf", label="liaf")
    hidden_size: HiddenSize = 64
    num_layers: NumLayers = 1
    dropout: Dropout = 0.0
    valid_fraction: ValidFraction = 0.1
    data_seed: DataSeed = 0
    epochs: Epochs = 10
    batch_size: BatchSize = 64
    learning_rate: LearningRate = 3e-3
    weight_decay: WeightDecay = 0.0
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    clip: Clip = 1.0
    patience: Patience = 0
    seed: Seed = 0
    device: Device = "cpu"
    devices: Devices = 1
    nodes: Nodes = 1
    precision: Precision = "32-true"
    threads: Threads = 1
    score_test: Annotated[bool, option("Whether the test part is read.", MACHINE, hidden=True)] = True

    def about(self) -> str:
        """What of the data a run is on, in a word for its folder's name."""
        return "run"

    def key(self) -> str:
        """A name for the run's folder: model, data, seed and a hash of all fields.

        The same on every machine and in every process for equal runs, another for runs that differ.
        """
        label = re.sub(r"[^A-Za-z0-9._]+", "-", self.model.label).strip("-.")[:48]
        return f"{label}-{self.about()}-s{self.seed}-{digest(self.to_json())}"

    def of_data(self: C) -> C:
        """What decides about the data, all else by default, so that equal data is equal."""
        kept = flags_of(type(self), lambda info: extra(info, "panel") == DATA)
        return type(self)(**{name: getattr(self, name) for name in kept})

    def layer(self) -> Model:
        """The model of the registry; FieldError where there is none."""
        try:
            self.model.check(self.kinds)
            return self.model.model()
        except ValueError as error:
            raise FieldError("model", f": {error}") from None
