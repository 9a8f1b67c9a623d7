"""Words as numbers, and their pretrained vectors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from liafseq.tasks.sequences.words import PAD, UNKNOWN, Words, lists_of

COUNTS = Counter({"b": 3, "c": 2, "a": 2, "d": 1})


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({}, "bacd"), ({"most": 2}, "ba"), ({"least": 2}, "bac"), ({"most": 1, "least": 3}, "b")],
)
def test_the_most_frequent_come_first_then_the_alphabet(limits: dict[str, int], expected: str) -> None:
    words = Words.build(COUNTS, **limits)
    assert words.words == (UNKNOWN, PAD, *expected)
    assert len(words) == 2 + len(expected)
    assert words.encode(["b", "z", PAD]) == [2, 0, 1]
    assert "z" not in words.vocab.stoi  # looking up is no learning


def test_kept_words_are_the_same() -> None:
    words = Words.build(COUNTS)
    (kept,) = lists_of({"words": list(words.words)}, ["words"])
    assert Words(kept).encode("abcdz") == words.encode("abcdz")


def test_vectors_are_of_the_file_and_random_for_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    # as in GloVe's largest file, one word has a space
    path.write_text("b 1 2\nat home 0.5 0.5\nz 5 5\na -1 0.25\n")
    words = Words.build(COUNTS)
    torch.manual_seed(0)
    found = words.load_vectors(path, 2)
    assert found.shape == (len(words), 2)
    assert found[words.encode("ba")].tolist() == [[1, 2], [-1, 0.25]]
    assert len(set(found[:, 0].tolist())) == len(words)  # each of the others is drawn on its own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b 1 2\na 1\n", ":2: expected a word and 2 numbers, got 1"),
        ("b 1 2 3\n", ":1: expected a word and 2 numbers, got 3"),
        ("b 1 x\n", ":1: could not convert string to float: 'x'"),
        ("b 1 nan\n", ":1: a number that is not finite"),
        ("z 1 2\n", "has none of the 6 words"),
    ],
)
def test_bad_vectors(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Words.build(COUNTS).load_vectors(path, 2)
