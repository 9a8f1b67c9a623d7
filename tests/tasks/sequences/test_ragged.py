"""Sequences of different lengths as batches."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from liafseq.tasks.sequences.ragged import IGNORED, Ragged, SequenceExamples, padded

SEQUENCES = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=6)


@given(SEQUENCES, st.data())
def test_a_batch_holds_each_sequence_and_padding(sequences: list[list[int]], data: st.DataObject) -> None:
    ragged = Ragged.of(sequences, torch.int32)
    assert [ragged[row].tolist() for row in range(len(ragged))] == sequences
    rows = data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1, max_size=5))
    values, lengths = ragged.padded(rows, -7)
    assert values.dtype == torch.int64
    for column, row in enumerate(rows):
        steps = len(sequences[row])
        assert int(lengths[column]) == steps
        assert values[:, column].tolist() == sequences[row] + [-7] * (len(values) - steps)
    assert len(values) == max(map(int, lengths))
    again, _ = ragged.select(rows).padded(range(len(rows)), -7)
    assert torch.equal(again, values)


def test_features_are_padded_too() -> None:
    parts = [torch.ones(2, 3), 2 * torch.ones(1, 3)]
    values, lengths = Ragged.of(parts, torch.float32).padded([0, 1], 0.5)
    assert values.shape == (2, 2, 3)
    assert values[:, 1].tolist() == [[2] * 3, [0.5] * 3]
    assert lengths.tolist() == [2, 1]


def test_without_a_fill_the_first_element_stands_behind_an_end() -> None:
    flat = torch.tensor([5, 6, 7])
    values, _ = padded(flat, torch.tensor([[0, 2], [2, 3]]), None)
    assert values.tolist() == [[5, 7], [6, 7]]


def test_targets_per_sequence_and_per_step() -> None:
    values = Ragged.of([[1, 2, 3], [4]], torch.int32)
    each = SequenceExamples(values, torch.tensor([8, 9]))
    assert each.batch([1, 0]).target.tolist() == [9, 8]
    assert each.select([1]).batch([0]).target.tolist() == [9]
    steps = SequenceExamples(values, Ragged.of([[1, 0, 1], [0]], torch.int32))
    assert steps.batch([1, 0]).target.tolist() == [[0, 1], [IGNORED, 0], [IGNORED, 1]]
    assert steps.select([1]).batch([0]).target.tolist() == [[0]]


def test_lengths_are_told_only_where_they_differ() -> None:
    target = torch.zeros(2)
    assert SequenceExamples(Ragged.of([[1, 2], [3]], torch.int32), target).lengths == [2, 1]
    assert SequenceExamples(Ragged.of([[1, 2], [3, 4]], torch.int32), target).lengths is None


def test_a_batch_moves_but_for_its_lengths() -> None:
    batch = SequenceExamples(Ragged.of([[1, 2], [3]], torch.int32), torch.zeros(2)).batch([0, 1])
    moved = batch.to("meta")
    assert (moved.values.device.type, moved.lengths.device.type) == ("meta", "cpu")
    assert moved.target.device.type == "meta"
