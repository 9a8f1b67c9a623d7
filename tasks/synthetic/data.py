"""The data of a run on a generated problem: sequences by chance, and what is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from liafseq.tasks.sequences.ragged import IGNORED, Ragged, SequenceExamples
from liafseq.tasks.synthetic.config import SyntheticConfig

__all__ = ["ASK", "SyntheticData"]

ASK = "?"


class SyntheticData(NamedTuple):
    """What a step can be (nothing for adding, whose steps are numbers), and the names of the answers."""

    words: list[str]
    classes: list[str]

    @classmethod
    def of(cls, config: SyntheticConfig, kept: Any = None) -> SyntheticData:
        few, marks = ([f"{number}" for number in range(n)] for n in (config.symbols, config.items + 1))
        keys, values, others = ([before + name for name in few] for before in "kvx")
        found = {
            "adding": cls([], ["sum"]),
            "copying": cls([*few, "-", ASK], few),
            "recall": cls([*few, *others, ASK], few),
            "mqar": cls([*keys, *values, "-"], values),
            "parity": cls(["0", "1"], ["even", "odd"]),
            "counting": cls([*few, "*"], marks),
        }[config.problem]
        if kept not in (None, found.kept()):
            raise ValueError(f"what the run has learnt has other words or answers than {config.problem} here")
        return found

    def kept(self) -> Any:
        return [self.words, self.classes]

    def split(self, config: SyntheticConfig, split: str) -> SequenceExamples:
        """The examples of a split."""
        return _splits(config.of_data())[split]

    def shown(self, config: SyntheticConfig, split: str, row: int) -> tuple[str, Sequence[str]]:
        """A sequence as :meth:`read` takes it, and its steps."""
        values = self.split(config, split).values[row].tolist()
        steps = [self.words[step] if self.words else f"{step[0]:.3f}{'*' * int(step[1])}" for step in values]
        return " ".join(steps), steps

    def read(self, steps: Sequence[str]) -> torch.Tensor:
        """A sequence for a network, (T, 1, ...); ValueError for what is no step of it."""
        for at, step in enumerate(steps or [""], 1):
            if step not in self.words and (self.words or not re.fullmatch(r"(0(\.\d+)?|1(\.0+)?)\*?", step)):
                expected = f"one of {' '.join(self.words[:40])}" if self.words else "0 to 1, or as 0.5*"
                raise ValueError(f"step {at}: expected {expected}, got {step!r}")
        if self.words:
            return torch.tensor([[self.words.index(step)] for step in steps])
        return torch.tensor([[[float(step.rstrip("*")), float("*" in step)]] for step in steps])


@lru_cache(maxsize=2)
def _splits(config: SyntheticConfig) -> dict[str, SequenceExamples]:
    """A stream of its own for each split, without the sequences of those before it."""
    held = max(1, round(config.sequences * config.valid_fraction))
    counts = {"test": config.test_sequences, "valid": held, "train": config.sequences - held}
    found, taken = {}, set[bytes]()
    for at, (split, count) in enumerate(counts.items()):
        # whose results stay the same in all versions of numpy
        chance = np.random.RandomState([*divmod(config.data_seed, 2**32), at])
        x, y = _draw(config, count, config.steps(split), chance)
        for _ in range(100):
            again = np.flatnonzero([row.tobytes() in taken for row in x])
            if not len(again):
                break
            x[again], y[again] = _draw(config, len(again), config.steps(split), chance)
        else:
            raise ValueError(f"{config.problem} has too few different sequences of length {config.length}")
        taken.update(row.tobytes() for row in x)
        target = torch.as_tensor(y) if y.ndim == 1 else Ragged.of(y, torch.int64)
        values = Ragged.of(x, torch.float32 if x.ndim > 2 else torch.int64)
        found[split] = SequenceExamples(values, target)
    return found


def _draw(config: SyntheticConfig, count: int, steps: int, chance: np.random.RandomState) -> Any:
    """Words (count, steps), or numbers and marks (count, steps, 2); and answers (count[, steps])."""
    symbols, items, rows = config.symbols, config.items, np.arange(count)
    x: Any
    y: Any = np.full((count, steps), IGNORED)
    if config.problem == "adding":
        x = np.stack([chance.rand(count, steps), y * 0], -1).astype(np.float32)
        x[rows, chance.randint(0, steps // 2, count), 1] = 1
        x[rows, chance.randint(steps // 2, steps, count), 1] = 1
        return x, x.prod(-1).sum(1)
    if config.problem == "recall":
        x = chance.randint(symbols, 2 * symbols, (count, steps))
        x[:, 0], x[:, -1] = chance.randint(0, symbols, count), 2 * symbols
        return x, x[:, 0].copy()
    if config.problem == "copying":
        x = np.full((count, steps), symbols)
        x[:, :items] = y[:, -items:] = chance.randint(0, symbols, (count, items))
        x[:, -items:] = symbols + 1
        return x, y
    if config.problem == "mqar":
        x = np.full((count, steps), 2 * symbols)
        keys, values = _ranks(chance, count, symbols)[:, :items], chance.randint(0, symbols, (count, items))
        x[:, : 2 * items : 2], x[:, 1 : 2 * items : 2] = keys, values + symbols
        places = 2 * items + _ranks(chance, count, steps - 2 * items)[:, :items]
        x[rows[:, None], places], y[rows[:, None], places] = keys, values
        return x, y
    if config.problem == "parity":
        x = marked = chance.randint(0, 2, (count, steps))
    else:
        marked = _ranks(chance, count, steps) < chance.randint(0, items + 1, (count, 1))
        x = np.where(marked, symbols, chance.randint(0, symbols, (count, steps)))
    y = marked.cumsum(1) % len(SyntheticData.of(config).classes)  # counts stay below
    return x, y if config.per_step else y[:, -1]


def _ranks(chance: np.random.RandomState, rows: int, columns: int) -> Any:
    """In each row the numbers of its columns in an order by chance."""
    return chance.rand(rows, columns).argsort(1)
