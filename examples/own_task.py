"""A task of one's own in one file: is a melody of numbers the same when it is played backwards?

Run: python examples/own_task.py
In a package of yours, with this in its pyproject.toml, all commands know it (liafseq compare palindromes):

    [project.entry-points."liafseq.tasks"]
    palindromes = "my_package.own_task:Palindromes"
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from liafseq.tasks.config import DATA, Config, Epochs, LearningRate, option
from liafseq.tasks.models import build_layer
from liafseq.tasks.task import Task
from liafseq.tasks.training.batches import TensorExamples
from liafseq.tasks.training.run import run

NOTES = 5


class PalindromeConfig(Config):
    """A run; each field is an option of the commands."""

    length: Annotated[int, option("Notes per melody.", DATA, ge=2, le=100)] = 4
    melodies: Annotated[int, option("Training {examples}.", DATA, ge=10, le=1_000_000)] = 4_000
    epochs: Epochs = 6
    learning_rate: LearningRate = 1e-2


@dataclass(frozen=True)
class Melodies:
    """The data of a run: notes and labels by split."""

    splits: dict[str, TensorExamples]

    @classmethod
    def of(cls, config: PalindromeConfig) -> Melodies:
        chance = torch.Generator().manual_seed(config.data_seed)
        counts = {"train": config.melodies, "valid": 500, "test": 500}
        return cls({split: melodies(count, config.length, chance) for split, count in counts.items()})

    def kept(self) -> Any:
        return {"notes": NOTES}


def melodies(count: int, length: int, chance: torch.Generator) -> TensorExamples:
    """As many palindromes as others, which differ from one in a single note."""
    notes = torch.randint(0, NOTES, (count, length), generator=chance)
    half = length // 2
    notes[:, length - half :] = notes[:, :half].flip(1)
    label = torch.randint(0, 2, (count,), generator=chance)
    changed = torch.randint(0, half, (count,), generator=chance)
    shift = torch.randint(1, NOTES, (count,), generator=chance) * (1 - label)
    rows = torch.arange(count)
    notes[rows, changed] = (notes[rows, changed] + shift) % NOTES
    return TensorExamples(notes, label)


class Network(nn.Module):
    def __init__(self, config: PalindromeConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(NOTES, 16)
        self.layer = build_layer(config.model, 16, config.hidden_size, num_layers=config.num_layers)
        self.head = nn.Linear(config.hidden_size, 2)

    def forward(self, notes: Tensor) -> Tensor:
        return self.head(self.layer(self.embedding(notes.T))[0][-1])


class Palindromes(Task[PalindromeConfig, Melodies]):
    """Whether a melody is the same backwards."""

    name, title, word, Config = (
        "palindromes",
        "melodies that read the same backwards",
        "melodies",
        PalindromeConfig,
    )

    def data(self, config: PalindromeConfig, kept: Any = None) -> Melodies:
        return Melodies.of(config)

    def examples(
        self, config: PalindromeConfig, data: Melodies, split: str, part: str | None = None
    ) -> TensorExamples:
        return data.splits[split]

    def network(self, config: PalindromeConfig, data: Melodies) -> Network:
        return Network(config)


def main() -> None:
    task = Palindromes()
    for model in ("liaf:gated=true", "gru"):
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(task, PalindromeConfig(model=model), folder)
        print(f"{model}: {task.metric.text(outcome.mean('accuracy'))}% of {task.word}")


if __name__ == "__main__":
    main()
