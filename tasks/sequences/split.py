"""Parts of data that brings none: seeded, and with each class in its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["hold_out"]


def hold_out(labels: Sequence[Hashable], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """The rows that stay and those that are held out, both in their order.

    Stratified, by scikit-learn's ``train_test_split``, where each class has two rows at least.

    Args:
        labels: of the rows; where they are no classes, all alike.
        fraction: of the rows that is held out; one at least.
        seed: of the choice.

    Raises:
        ValueError: fewer than two rows.

    >>> kept, held = hold_out(["a"] * 8 + ["b"] * 2, 0.5, seed=0)
    >>> len(held), sum(row >= 8 for row in held)
    (5, 1)
    """
    from sklearn.model_selection import train_test_split

    if len(labels) < 2:
        raise ValueError(f"expected at least 2 examples to hold some out, got {len(labels)}")
    count = min(max(1, round(fraction * len(labels))), len(labels) - 1)
    counts = Counter(labels)
    fits = min(counts.values()) > 1 and len(counts) <= min(count, len(labels) - count)
    kept, held = train_test_split(
        range(len(labels)),
        test_size=count,
        random_state=seed % 2**32,
        stratify=list(labels) if fits and len(counts) > 1 else None,
    )
    return sorted(kept), sorted(held)
