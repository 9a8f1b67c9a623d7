"""Sequences of different lengths: kept flat, cut into batches of like lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["IGNORED", "Ragged", "SequenceBatch", "SequenceExamples", "padded"]

IGNORED = -100
"""The target of a step behind a sequence's end, and of one that is not scored."""


def padded(flat: Tensor, ranges: Tensor, fill: float | None) -> tuple[Tensor, Tensor]:
    """Ranges of a flat tensor as columns, (longest, N, ...), and their lengths.

    Args:
        flat: (values, ...); whole numbers come back as int64.
        ranges: (N, 2) start and end of each.
        fill: what stands behind an end; None: the first element of the column.

    >>> padded(torch.tensor([5, 6, 7]), torch.tensor([[0, 2], [2, 3]]), 0)
    (tensor([[5, 7],
            [6, 0]]), tensor([2, 1]))
    """
    starts, lengths = ranges[:, 0], ranges[:, 1] - ranges[:, 0]
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0)[:, None]
    inside = steps < lengths
    values = flat[torch.where(inside, starts + steps, starts)]
    values = values if values.is_floating_point() else values.long()
    if fill is None or bool(inside.all()):
        return values, lengths
    return torch.where(inside.view(*inside.shape, *(1,) * (values.ndim - 2)), values, fill), lengths


@dataclass(frozen=True)
class Ragged:
    """N sequences of like elements, one after another.

    Attributes:
        flat: (sum of lengths, ...).
        ranges: (N, 2) start and end of each in ``flat``.
    """

    flat: Tensor
    ranges: Tensor

    @classmethod
    def of(cls, parts: Sequence[Any], dtype: torch.dtype) -> Ragged:
        """Of lists, arrays or tensors; each has a step at least."""
        ends = list(accumulate(map(len, parts)))
        flat = torch.cat([torch.as_tensor(part, dtype=dtype) for part in parts])
        return cls(flat, torch.tensor([[0, *ends[:-1]], ends], dtype=torch.int64).T)

    def __len__(self) -> int:
        return len(self.ranges)

    @property
    def lengths(self) -> Tensor:
        return self.ranges[:, 1] - self.ranges[:, 0]

    def __getitem__(self, row: int) -> Tensor:
        start, end = self.ranges[row].tolist()
        return self.flat[start:end]

    def select(self, rows: Sequence[int]) -> Ragged:
        """Only these rows, in this order."""
        return Ragged(self.flat, self.ranges[torch.as_tensor(rows, dtype=torch.int64)])

    def padded(self, rows: Sequence[int], fill: float) -> tuple[Tensor, Tensor]:
        """These rows as columns, (longest, N, ...), and their lengths."""
        return padded(self.flat, self.select(rows).ranges, fill)


class SequenceBatch(NamedTuple):
    """N sequences; what stands behind a length is padding.

    Attributes:
        values: (longest, N) numbers of words, or (longest, N, features).
        lengths: (N), on the CPU.
        target: (N, ...) what is right for each, or (longest, N) for each step, ``IGNORED`` behind the end.
    """

    values: Tensor
    lengths: Tensor
    target: Tensor

    def to(self, device: Any, **options: Any) -> SequenceBatch:
        """On another device; the lengths stay, because packing reads them on the CPU."""
        return self._replace(
            values=self.values.to(device, **options), target=self.target.to(device, **options)
        )


@dataclass(frozen=True)
class SequenceExamples:
    """Sequences and what is right for each, or for each of their steps.

    Attributes:
        values: words or features.
        target: a row for each sequence, or a number for each step.
        fill: the value behind an end.

    >>> examples = SequenceExamples(Ragged.of([[1, 2], [3]], torch.int32), torch.tensor([0, 1]))
    >>> examples.batch([1, 0])
    SequenceBatch(values=tensor([[3, 1],
            [0, 2]]), lengths=tensor([1, 2]), target=tensor([1, 0]))
    """

    values: Ragged
    target: Tensor | Ragged
    fill: float = 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def lengths(self) -> list[int] | None:
        """None where all are equal."""
        lengths: list[int] = self.values.lengths.tolist()
        return lengths if len(set(lengths)) > 1 else None

    @property
    def scored(self) -> Tensor:
        """What is right, of all sequences, or of all their steps that are scored."""
        if not isinstance(self.target, Ragged):
            return self.target
        steps = torch.cat([self.target[row] for row in range(len(self))])
        return steps[steps != IGNORED]

    def select(self, rows: Sequence[int]) -> SequenceExamples:
        """Only these rows, in this order."""
        target = self.target
        chosen = target.select(rows) if isinstance(target, Ragged) else target[torch.as_tensor(rows)]
        return SequenceExamples(self.values.select(rows), chosen, self.fill)

    def batch(self, rows: Sequence[int]) -> SequenceBatch:
        """These rows, in this order."""
        values, lengths = self.values.padded(rows, self.fill)
        target = self.target
        right = (
            target.padded(rows, IGNORED)[0] if isinstance(target, Ragged) else target[torch.as_tensor(rows)]
        )
        return SequenceBatch(values, lengths, right)
