"""How examples are cut into batches, the same for every adapter."""

from __future__ import annotations

__all__ = ["batch_slices"]


def batch_slices(count: int, size: int, world: int = 1, what: str = "examples") -> list[slice]:
    """Where each batch of ``count`` examples lies; the last may be smaller.

    Args:
        count: of the examples.
        size: of a batch.
        world: the number of processes that share a batch: none is smaller than that, and what would be is
            part of the one before.
        what: the examples are called in the error.

    Raises:
        ValueError: there are fewer examples than processes, or none.

    >>> batch_slices(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    >>> batch_slices(5, 2, world=2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    if count < max(1, world):
        raise ValueError(f"at least {max(1, world)} {what} are needed, got {count}")
    starts = list(range(0, count, max(size, world)))
    if count - starts[-1] < world:
        starts.pop()
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], count], strict=True)]
