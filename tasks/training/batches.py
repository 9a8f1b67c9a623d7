"""How examples become batches, the same for every task, and what a classifier makes of one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from liafseq.tasks.task import Tally

__all__ = ["Augmented", "Batches", "Examples", "ShuffledBatches", "TensorExamples", "batch_slices",
           "classified", "following"]  # fmt: skip

_POOL = 50
"""So many batches are sorted by length together."""


class Examples(Protocol):
    """Examples that can be asked for by number.

    ``lengths`` are those of the sequences, where they differ: batches are then made of sequences of like
    length. None where all are equal.
    """

    @property
    def lengths(self) -> Sequence[int] | None: ...

    def __len__(self) -> int: ...

    def batch(self, rows: Sequence[int]) -> Any:
        """These examples, in this order, as a tuple: the network's arguments, and last what is right."""
        ...


@runtime_checkable
class Augmented(Protocol):
    """Examples that are changed by chance in training."""

    def change(self, chance: random.Random) -> Any:
        """What is done to one example; None where nothing is done to any."""
        ...

    def changed(self, rows: Sequence[int], changes: Sequence[Any]) -> Any:
        """The batch of these examples, each changed."""
        ...


class Batches(Protocol):
    """The batches of one data set."""

    @property
    def examples(self) -> int:
        """The number of examples."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch; the same in every epoch."""
        ...

    def epoch(self, number: int, rank: int = 0, world: int = 1) -> Iterator[Any]:
        """The batches of an epoch (from 1), in an order that depends on ``number`` and a seed alone.

        Of ``world`` processes, ``rank`` gets its own, non-empty share of every batch.
        """
        ...


class TensorExamples:
    """Examples whose arguments and targets are the rows of tensors.

    >>> examples = TensorExamples(torch.zeros(3, 5), torch.tensor([0, 1, 1]))
    >>> len(examples), examples.batch([2])[1]
    (3, tensor([1]))
    """

    lengths = None

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, ...]:
        at = torch.as_tensor(list(rows), dtype=torch.int64)
        return tuple(tensor[at] for tensor in self.tensors)


class ShuffledBatches:
    """Batches of one data set.

    Args:
        examples: the data set.
        batch_size: examples per batch; the last batch may be smaller.
        seed: of the order and of the changes; None: in a fixed order and unchanged, for evaluation.
        world: the number of processes that share a batch; no batch is smaller than that.
        word: what the examples are called in an error.

    Raises:
        ValueError: there are fewer examples than processes, or none.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        seed: int | None = None,
        world: int = 1,
        word: str = "examples",
    ) -> None:
        self._slices = batch_slices(len(examples), batch_size, world, word)
        self._data, self._seed, self._size = examples, seed, max(batch_size, world)
        self._lengths = examples.lengths

    @property
    def examples(self) -> int:
        return len(self._data)

    def __len__(self) -> int:
        return len(self._slices)

    def rows(self, number: int) -> list[list[int]]:
        """The rows of each batch of an epoch."""
        return self._ordered(random.Random(f"order {self._seed} {number}"))

    def _ordered(self, chance: random.Random) -> list[list[int]]:
        order = list(range(len(self._data)))
        lengths = self._lengths
        if self._seed is None:
            if lengths is not None:
                order.sort(key=lengths.__getitem__)
            return [order[part] for part in self._slices]
        chance.shuffle(order)
        if lengths is None:
            return [order[part] for part in self._slices]
        pool = _POOL * self._size
        order = [
            row
            for at in range(0, len(order), pool)
            for row in sorted(order[at : at + pool], key=lengths.__getitem__)
        ]
        batches = [order[part] for part in self._slices]
        chance.shuffle(batches)
        return batches

    def epoch(self, number: int, rank: int = 0, world: int = 1) -> Iterator[Any]:
        """The batches of an epoch; of ``world`` processes ``rank`` has every ``world``-th example."""
        chance = random.Random(f"order {self._seed} {number}")
        data = self._data
        augmented = data if self._seed is not None and isinstance(data, Augmented) else None
        for rows in self._ordered(chance):
            if augmented is not None:
                changes = [augmented.change(chance) for _ in rows]
                if changes[0] is not None:
                    yield augmented.changed(rows[rank::world], changes[rank::world])
                    continue
            yield data.batch(rows[rank::world])


def batch_slices(count: int, size: int, world: int = 1, word: str = "examples") -> list[slice]:
    """Where each batch of ``count`` examples lies; the last may be smaller.

    Args:
        count: of the examples.
        size: of a batch.
        world: the number of processes that share a batch: none is smaller than that, and what would be is
            part of the one before.
        word: the examples are called in the error.

    Raises:
        ValueError: there are fewer examples than processes, or none.

    >>> batch_slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    >>> batch_slices(5, 2, world=2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    if count < max(1, world):
        raise ValueError(f"at least {max(1, world)} {word} are needed, got {count}")
    starts = list(range(0, count, max(size, world)))
    if count - starts[-1] < world:
        starts.pop()
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], count], strict=True)]


def following(batch: Any, state: Any) -> Any:
    """A batch that begins with the state in which the one before it in the epoch ended.

    No gradient goes back into the batch before.

    Args:
        batch: a named tuple with a field ``state``, where there is a state.
        state: of the tally of the batch before; None: there is none, and the batch stays as it is.

    >>> from typing import NamedTuple
    >>> class Piece(NamedTuple):
    ...     x: Tensor
    ...     state: Tensor | None
    >>> following(Piece(torch.zeros(1), None), torch.ones(1, requires_grad=True)).state
    tensor([1.])
    """
    return batch if state is None else batch._replace(state=_detached(state))


def _detached(state: Any) -> Any:
    return state.detach() if isinstance(state, Tensor) else tuple(map(_detached, state))


def classified(logits: Tensor, target: Tensor) -> Tally:
    """The tally of a classifier: the sum of the cross-entropies, and the number of right answers.

    Args:
        logits: (N, classes).
        target: (N); -1, a class that training has not seen, is wrong and left out of the loss.
    """
    logits = logits.float()
    loss = cross_entropy(logits, target, ignore_index=-1, reduction="sum")
    return Tally(loss, len(target), (logits.argmax(-1) == target).sum()[None])
