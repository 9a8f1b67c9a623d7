"""The data of a run on a generated problem."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from liafseq.tasks.sequences.ragged import Ragged, SequenceExamples
from liafseq.tasks.synthetic.config import SyntheticConfig
from liafseq.tasks.synthetic.problems import Rows, classes, draw, words

__all__ = ["SyntheticData"]

_SPLITS = ("test", "valid", "train")


@dataclass(frozen=True)
class SyntheticData:
    """What a network needs of a problem.

    Attributes:
        words: what a step can be; nothing for adding.
        classes: the names of the answers.
    """

    words: tuple[str, ...]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, config: SyntheticConfig, kept: Any = None) -> SyntheticData:
        found = cls(words(config), classes(config))
        if kept is not None and kept != found.kept():
            raise ValueError(f"the run has learnt other words or answers than those of {config.problem}")
        return found

    def kept(self) -> Any:
        return {"words": list(self.words), "classes": list(self.classes)}

    def split(self, config: SyntheticConfig, split: str) -> SequenceExamples:
        """The examples of a split."""
        return _examples(config.of_data(), split)

    def shown(self, config: SyntheticConfig, split: str, row: int) -> tuple[str, Sequence[str]]:
        """A sequence as :meth:`read` takes it, and its steps."""
        values = self.split(config, split).values[row]
        if self.words:
            steps = [self.words[number] for number in values.tolist()]
        else:
            steps = [f"{value:.3f}" + "*" * bool(mark) for value, mark in values.tolist()]
        return " ".join(steps), steps

    def read(self, text: str) -> tuple[list[str], torch.Tensor]:
        """The words of a sequence with spaces between, and the values for a network, (T, 1, ...).

        Raises:
            ValueError: a word that the problem has not, or none at all.
        """
        steps = text.split()
        known = {word: number for number, word in enumerate(self.words)}
        what = (
            f"one of {' '.join(self.words[:40])}" if known else "a number from 0 to 1, a * behind it for two"
        )
        for at, step in enumerate(steps or [""], 1):
            if step not in known and (known or not re.fullmatch(r"(0?\.\d+|[01](\.0*)?)\*?", step)):
                raise ValueError(f"step {at}: expected {what}, got {step!r}")
        if known:
            return steps, torch.tensor([known[step] for step in steps])[:, None]
        numbers = [[float(step.rstrip("*")), float(step.endswith("*"))] for step in steps]
        return steps, torch.tensor(numbers)[:, None]


@lru_cache(maxsize=6)
def _examples(config: SyntheticConfig, split: str) -> SequenceExamples:
    x, y = _rows(config, split)
    kind = torch.float32 if x.ndim > 2 else torch.int64
    ends = np.arange(len(x) + 1) * x.shape[1]
    ranges = torch.as_tensor(np.stack([ends[:-1], ends[1:]], 1))
    flat, target = torch.as_tensor(x.reshape(-1, *x.shape[2:]), dtype=kind), torch.as_tensor(y)
    return SequenceExamples(Ragged(flat, ranges), Ragged(target.flatten(), ranges) if y.ndim > 1 else target)


@lru_cache(maxsize=6)
def _rows(config: SyntheticConfig, split: str) -> Rows:
    """A stream of its own for each split, without the sequences of those that are drawn before it."""
    held = max(1, round(config.sequences * config.valid_fraction))
    count = {"test": config.test_sequences, "valid": held, "train": config.sequences - held}[split]
    at, steps = _SPLITS.index(split), config.steps(split)
    # whose results stay the same in all versions of numpy
    chance = np.random.RandomState([*divmod(config.data_seed, 2**32), at])
    before = [_rows(config, other)[0] for other in _SPLITS[:at] if config.steps(other) == steps]
    taken = {row.tobytes() for rows in before for row in rows}
    x, y = draw(config, count, steps, chance)
    for _ in range(100):
        (again,) = np.nonzero([row.tobytes() in taken for row in x])
        if not len(again):
            return x, y
        x[again], y[again] = draw(config, len(again), steps, chance)
    raise ValueError(
        f"{config.problem} of length {config.length} has too few different sequences for {config.sequences} "
        f"of training and {config.test_sequences} others of the test part; take fewer, or a greater length"
    )
