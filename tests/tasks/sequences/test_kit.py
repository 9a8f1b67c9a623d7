"""Pieces that tasks on sequences share, by themselves."""

import pytest
import torch

from liafseq.tasks.sequences.ragged import IGNORED, Ragged, SequenceExamples
from liafseq.tasks.sequences.scores import by_class_of_steps
from liafseq.tasks.sequences.sources import parts
from liafseq.tasks.sequences.split import divide


def test_parts_by_the_beginning_or_the_end_of_a_name(tmp_path):
    for name in ("GunPoint_TRAIN.ts", "GunPoint_TEST.ts", "readme.ts", "train.txt"):
        (tmp_path / name).touch()
    found = parts(tmp_path, [".ts"])
    assert {part: path.name for part, path in found.items()} == {
        "train": "GunPoint_TRAIN.ts",
        "test": "GunPoint_TEST.ts",
    }
    (tmp_path / "train.ts").touch()
    with pytest.raises(ValueError, match="could both be the train part"):
        parts(tmp_path, [".ts"])


def test_the_last_rows_are_the_test_part():
    found = divide(
        {"whole": range(10)}, lambda _: 0, test_fraction=0.2, valid_fraction=0.25, seed=1, test_part="last"
    )
    assert found["test"] == [8, 9]
    assert sorted(found["train"] + found["valid"]) == list(range(8))
    assert found["valid"] != [6, 7]


def test_steps_are_scored_up_to_each_end():
    values = Ragged.of([[1.0, 2.0], [3.0]], torch.float32)
    examples = SequenceExamples(values, Ragged.of([[1, IGNORED], [0]], torch.int64))
    assert examples.scored.tolist() == [1, 0]
    assert examples.select([1]).scored.tolist() == [0]
    batch = examples.batch([0, 1])
    logits = torch.zeros(2, 2, 2)
    logits[..., 1] = 1.0
    tally = by_class_of_steps(logits, batch.target)
    assert (tally.count, float(tally.sums[0])) == (2, 1.0)
