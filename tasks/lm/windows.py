"""A text as streams that are read beside one another, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from liafseq.tasks.config import FieldError

__all__ = ["Window", "Windows", "check_length"]


class Window(NamedTuple):
    """N streams for T steps.

    Attributes:
        tokens: (T, N) what is read.
        state: of the layers before it; None: rest.
        target: (T, N) the token after each.
    """

    tokens: Tensor
    state: Any
    target: Tensor


class Windows:
    """The windows of a text in their order, the same in every epoch.

    The text is cut into ``streams`` pieces of equal length (what is left over, fewer tokens than streams, is
    not read), and each window goes on where the one before it ended.

    Args:
        numbers: of the tokens, int32.
        streams: the pieces.
        window: steps of a window at most; the windows are as equal as may be.

    >>> windows = Windows(np.arange(10, dtype=np.int32), streams=2, window=3)
    >>> [window.tokens.T.tolist() for window in windows.epoch(1)]
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    >>> next(windows.epoch(1)).target.T.tolist()
    [[1, 2], [5, 6]]
    """

    def __init__(self, numbers: np.ndarray, streams: int, window: int) -> None:
        flat = torch.from_numpy(numbers)
        self._length = (len(flat) - 1) // streams
        if self._length < 1:
            raise ValueError(f"a text of {len(flat)} tokens is too short for {streams} streams")
        self.examples = streams * self._length
        # (steps, streams), so that a window lies in one piece
        self._tokens, self._target = (
            flat[first : first + self.examples].view(streams, -1).T.contiguous() for first in (0, 1)
        )
        self._count = -(-self._length // window)

    def __len__(self) -> int:
        return self._count

    def epoch(self, number: int, rank: int = 0, world: int = 1) -> Iterator[Window]:
        """All windows; of ``world`` processes ``rank`` has every ``world``-th stream."""
        ends = [self._length * at // self._count for at in range(self._count + 1)]
        for start, end in pairwise(ends):
            tokens, target = (part[start:end, rank::world].long() for part in (self._tokens, self._target))
            yield Window(tokens, None, target)


def check_length(count: int, batch_size: int, window: int) -> None:
    """Refuses a training text of fewer tokens than one batch has."""
    if count <= batch_size * window:
        raise FieldError(
            "batch_size",
            f"={batch_size}, with window={window}: needs a training text of more than "
            f"{batch_size * window:,} tokens, got {count:,}",
        )
