"""The validation part: whole stories held out of the training questions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from liafseq.tasks.babi.encode import Row

__all__ = ["hold_out", "story_numbers"]


def story_numbers(rows: Iterable[Row]) -> list[int]:
    """For each question the number of its story: a story goes on while it extends the one before.

    >>> story_numbers([{"story": ["a"]}, {"story": ["a", "b"]}, {"story": ["b"]}])
    [0, 0, 1]
    """
    numbers: list[int] = []
    before: list[str] | None = None
    number = -1
    for row in rows:
        story = row["story"]
        if before is None or story[: len(before)] != before:
            number += 1
        before = story
        numbers.append(number)
    return numbers


def hold_out(numbers: Sequence[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Rows for training and for validation, in order; a story is in one of them as a whole.

    Args:
        numbers: the story of each row.
        fraction: of the rows that go to validation; met as nearly as whole stories, taken in a
            random order, allow.
        seed: of that order.

    Raises:
        ValueError: fewer than two stories.
    """
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbers):
        members.setdefault(number, []).append(row)
    if len(members) < 2:
        raise ValueError(
            f"validation needs questions on at least 2 stories, got {len(numbers)} on {len(members)}; "
            "take more questions"
        )
    order = sorted(members)
    random.Random(f"validation {seed}").shuffle(order)
    wanted = max(1, round(fraction * len(numbers)))
    held: set[int] = set()
    for number in order[:-1]:  # training keeps one story at least
        size = len(members[number])
        # A story is taken where that brings the number of rows nearer to what is wanted.
        if held and len(held) + size - wanted > wanted - len(held):
            continue
        held.update(members[number])
        if len(held) >= wanted:
            break
    return [row for row in range(len(numbers)) if row not in held], sorted(held)
