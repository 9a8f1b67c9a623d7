"""Parts of data that brings none: seeded, and with each class in its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from liafseq.tasks.sequences.sources import WHOLE

__all__ = ["divide", "hold_out"]

T = TypeVar("T")


def divide(
    parts: Mapping[str, Sequence[T]],
    label: Callable[[T], Hashable],
    *,
    test_fraction: float,
    valid_fraction: float,
    seed: int,
    test_part: str = "drawn",
) -> dict[str, list[T]]:
    """The rows of ``train``, ``valid`` and ``test``: official parts stay as they are, others are held out.

    Args:
        parts: of :func:`liafseq.tasks.sequences.sources.parts`.
        label: what each part has in its share.
        test_fraction: of all rows, where there is no test part.
        valid_fraction: of the training rows, where there is no validation part.
        seed: of the choice.
        test_part: ``drawn`` by chance, or the ``last`` rows.

    Raises:
        ValueError: too few rows.

    >>> found = divide({"whole": range(10)}, lambda row: 0, test_fraction=0.2, valid_fraction=0.25, seed=1)
    >>> {part: len(rows) for part, rows in found.items()}
    {'train': 6, 'valid': 2, 'test': 2}
    """
    rest = list(parts[WHOLE] if WHOLE in parts else parts["train"])
    found = {part: list(parts[part]) for part in ("valid", "test") if part in parts}
    for part, fraction in (("test", test_fraction), ("valid", valid_fraction)):
        if part not in found:
            last = part == "test" and test_part == "last"
            kept, held = hold_out([label(row) for row in rest], fraction, seed, last=last)
            found[part], rest = [rest[row] for row in held], [rest[row] for row in kept]
    return {"train": rest, **{part: found[part] for part in ("valid", "test")}}


def hold_out(
    labels: Sequence[Hashable], fraction: float, seed: int, *, last: bool = False
) -> tuple[list[int], list[int]]:
    """The rows that stay and those that are held out, both in their order.

    Stratified, by scikit-learn's ``train_test_split``, where each class has two rows at least.

    Args:
        labels: of the rows; where they are no classes, all alike.
        fraction: of the rows that is held out; one at least.
        seed: of the choice.
        last: whether the last rows are held out in place of some by chance.

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
    if last:
        return list(range(len(labels) - count)), list(range(len(labels) - count, len(labels)))
    counts = Counter(labels)
    fits = min(counts.values()) > 1 and len(counts) <= min(count, len(labels) - count)
    kept, held = train_test_split(
        range(len(labels)),
        test_size=count,
        random_state=seed % 2**32,
        stratify=list(labels) if fits and len(counts) > 1 else None,
    )
    return sorted(kept), sorted(held)
