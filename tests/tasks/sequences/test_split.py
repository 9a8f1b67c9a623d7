"""Parts of data that brings none."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liafseq.tasks.sequences.sources import WHOLE
from liafseq.tasks.sequences.split import divide, hold_out

ROWS = [(number, "ab"[number % 5 == 0]) for number in range(100)]  # 80 of a, 20 of b
FRACTIONS = {"test_fraction": 0.2, "valid_fraction": 0.25}


def label(row: tuple[int, str]) -> str:
    return row[1]


def test_each_class_has_its_share_and_no_row_is_twice() -> None:
    found = divide({WHOLE: ROWS}, label, seed=0, **FRACTIONS)
    assert list(found) == ["train", "valid", "test"]
    assert {part: Counter(map(label, rows)) for part, rows in found.items()} == {
        "train": {"a": 48, "b": 12},
        "valid": {"a": 16, "b": 4},
        "test": {"a": 16, "b": 4},
    }
    assert sorted(row for rows in found.values() for row in rows) == ROWS
    assert all(rows == sorted(rows) for rows in found.values())  # in their order


def test_the_seed_decides() -> None:
    found = [divide({WHOLE: ROWS}, label, seed=seed, **FRACTIONS) for seed in (0, 0, 1, 2**40)]
    assert found[0] == found[1]
    assert found[0]["test"] != found[2]["test"] != found[3]["test"]


@pytest.mark.parametrize("own", [("test",), ("valid",), ("valid", "test"), ()])
def test_official_parts_stay_as_they_are(own: tuple[str, ...]) -> None:
    official = {"valid": [(-1, "a")], "test": [(-2, "c"), (-3, "a")]}
    found = divide({"train": ROWS, **{part: official[part] for part in own}}, label, seed=0, **FRACTIONS)
    for part in own:
        assert found[part] == official[part]
    held = sum(len(found[part]) for part in ("valid", "test") if part not in own)
    assert len(found["train"]) == len(ROWS) - held
    assert held == {(): 40, ("test",): 25, ("valid",): 20}.get(own, 0)


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=40), st.floats(0.01, 0.99), st.integers(0, 99))
def test_both_sides_have_a_row_whatever_the_classes(labels: list[str], fraction: float, seed: int) -> None:
    kept, held = hold_out(labels, fraction, seed)
    assert kept
    assert held
    assert sorted(kept + held) == list(range(len(labels)))
    assert len(held) == min(max(1, round(fraction * len(labels))), len(labels) - 1)


def test_one_row_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="expected at least 2 examples to hold some out, got 1"):
        divide({WHOLE: [(0, "a")]}, label, seed=0, **FRACTIONS)
