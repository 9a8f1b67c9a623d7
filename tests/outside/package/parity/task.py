"""Parity: is the number of ones in a sequence of bits odd? A regression twin is scored beside it."""

from typing import Annotated, Any

import torch
from torch import nn

from liafseq.tasks.config import DATA, MODEL, Config, Epochs, option
from liafseq.tasks.models import build_layer
from liafseq.tasks.task import LOSS, Metric, Part, Sums, Task
from liafseq.tasks.training.batches import TensorExamples


def error_rate(sums: Sums) -> float:
    return 1 - sums.values[0] / sums.count


class ParityConfig(Config):
    """A run on sequences of random bits."""

    steps: Annotated[int, option("Bits per sequence.", DATA, ge=1, le=1000)] = 6
    sequences: Annotated[int, option("Training {examples}.", DATA, ge=10, le=100_000)] = 400
    skip: Annotated[bool, option("Add the last input to the output.", MODEL)] = False
    epochs: Epochs = 3

    def about(self) -> str:
        return f"bits{self.steps}"


class Network(nn.Module):
    def __init__(self, config: ParityConfig) -> None:
        super().__init__()
        self.layer = build_layer(config.model, 1, config.hidden_size, num_layers=config.num_layers)
        self.head = nn.Linear(config.hidden_size, 2)
        self.skip = config.skip

    def forward(self, bits: torch.Tensor) -> torch.Tensor:
        last = self.layer(bits.T[..., None])[0][-1]
        return self.head(last) + (bits[:, -1:] if self.skip else 0)


class Bits:
    """The data: bits by split, the longer ones apart."""

    def __init__(self, config: ParityConfig) -> None:
        chance = torch.Generator().manual_seed(config.data_seed)
        self.bits = {}
        for split, count in (("train", config.sequences), ("valid", 100), ("test", 200)):
            self.bits[split] = torch.randint(0, 2, (count, 2 * config.steps), generator=chance).float()

    def kept(self) -> Any:
        return {"classes": ["even", "odd"]}


class Parity(Task[ParityConfig, Bits]):
    """Whether the number of ones is odd."""

    name, title, word, Config = "parity", "parity of bits", "sequences", ParityConfig
    metrics = (Metric("error", error_rate, "error rate", "%", 100, 1, False, (0.0, 1.0)), LOSS)

    def parts(self, config: ParityConfig) -> list[Part]:
        return [Part("short", f"{config.steps} bits"), Part("long", f"{2 * config.steps} bits")]

    def data(self, config: ParityConfig, kept: Any = None) -> Bits:
        return Bits(config)

    def examples(
        self, config: ParityConfig, data: Bits, split: str, part: str | None = None
    ) -> TensorExamples:
        bits = data.bits[split] if part == "long" else data.bits[split][:, : config.steps]
        return TensorExamples(bits, bits.sum(1).long() % 2)

    def network(self, config: ParityConfig, data: Bits) -> Network:
        return Network(config)
