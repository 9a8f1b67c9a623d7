"""Compressed recordings: cache, validation part, batches, shifts, shares of processes."""

from __future__ import annotations

import logging
import random

import numpy as np
import pytest
import torch

from liafseq.tasks.dvs.compression import Compression
from liafseq.tasks.dvs.compression.maps import compress
from liafseq.tasks.dvs.encode import Compressed, Move, Moved, compress_all, hold_out
from liafseq.tasks.dvs.events import Sensor, make_events
from liafseq.tasks.training.batches import Augmented, ShuffledBatches


class Few:
    """A small data set; every reading of a recording is counted."""

    name = "few"
    sensor = Sensor(6, 5)
    classes = ("a", "b")

    def __init__(self, count=12, fingerprint="1"):
        self.labels = np.arange(count) % 2
        self.fingerprint = fingerprint
        self.read = 0

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.read += 1
        count = 3 + index
        rng = np.random.default_rng(index)
        x, y = rng.integers(0, 6, count), rng.integers(0, 5, count)
        return make_events(x, y, np.arange(count) * 1000, np.ones(count, bool))

    def title(self, index):
        return f"few#{index}"


FIXED, GROWING = Compression(method="time", steps=3), Compression(method="time", steps=0, step_us=4000)


@pytest.fixture
def data():
    return compress_all(Few(), GROWING)


@pytest.mark.parametrize("compression", [FIXED, GROWING], ids=["steps", "step_us"])
def test_every_recording_is_compressed_into_its_place(compression):
    few = Few()
    found = compress_all(few, compression)
    assert found.labels.tolist() == few.labels.tolist()
    for at in range(len(few)):
        own = found.frames[found.starts[at] : found.starts[at + 1]].numpy()
        np.testing.assert_array_equal(own, compress(few[at], few.sensor, compression))


def test_the_cache_is_used_for_equal_content_and_settings_alone(tmp_path):
    first = Few()
    made = compress_all(first, FIXED, tmp_path)
    assert first.read == 12
    again = Few()
    taken = compress_all(again, FIXED, tmp_path)
    assert again.read == 0
    for one, other in zip(
        (made.frames, made.starts, made.labels), (taken.frames, taken.starts, taken.labels), strict=True
    ):
        assert torch.equal(one, other)
    for changed, compression in ((Few(fingerprint="2"), FIXED), (Few(), GROWING)):
        compress_all(changed, compression, tmp_path)
        assert changed.read == 12
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_cache_is_made_again(tmp_path, caplog):
    compress_all(Few(), FIXED, tmp_path)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    few = Few()
    with caplog.at_level(logging.WARNING):
        compress_all(few, FIXED, tmp_path)
    assert few.read == 12
    assert "damaged, made again" in caplog.text
    assert path.read_bytes() == whole


def test_nothing_is_cached_without_a_fingerprint(tmp_path):
    compress_all(Few(fingerprint=None), FIXED, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_bad_recording_is_named():
    few = Few()
    few.sensor = Sensor(2, 5)
    with pytest.raises(ValueError, match=r"few#0: event \d+: x is \d, outside the sensor of 2 x 5"):
        compress_all(few, FIXED)


def test_the_validation_part_is_of_each_class_the_same_and_repeats(data):
    train, valid = hold_out(data, 0.33, seed=1)
    assert sorted(valid.labels.tolist()) == [0, 0, 1, 1]
    assert len(train) == 8
    again = hold_out(data, 0.33, seed=1)[1]
    assert torch.equal(valid.frames, again.frames)
    assert len(hold_out(data, 0.01, seed=1)[1]) == 1
    with pytest.raises(ValueError, match="cannot be split"):
        hold_out(data.select([0]), 0.5, seed=0)


def test_a_batch_is_sorted_padded_with_zeros_and_whole(data):
    rows = [0, 11, 5]
    batch = data.batch(rows)
    assert batch.lengths.tolist() == sorted(
        (int(data.starts[r + 1] - data.starts[r]) for r in rows), reverse=True
    )
    for column, row in enumerate([11, 5, 0]):
        steps = data.frames[data.starts[row] : data.starts[row + 1]]
        assert torch.equal(batch.frames[: len(steps), column], steps)
        assert not batch.frames[len(steps) :, column].any()
        assert batch.label[column] == data.labels[row]


def test_a_shift_moves_the_recording_and_loses_what_leaves(data):
    here = data.batch([7]).frames
    moved = data.batch([7], [Move(1, -2)]).frames
    expected = torch.zeros_like(here)
    expected[..., 1:, :-2] = here[..., :-1, 2:]
    assert torch.equal(moved, expected)
    assert not data.batch([7], [Move(5, 0)]).frames.any()


def test_a_quarter_turn_and_a_zoom_about_the_centre():
    square = torch.arange(2 * 5 * 5.0).reshape(1, 2, 5, 5)
    data = Compressed(square, torch.tensor([0, 1]), torch.zeros(1, dtype=torch.long))
    turned = data.batch([0], [Move(0, 0, 90.0)]).frames[:, 0]
    torch.testing.assert_close(turned, square.rot90(1, (-2, -1)), rtol=1e-4, atol=1e-4)
    ones = Compressed(torch.ones(1, 2, 5, 7), data.starts, data.labels)
    half = ones.batch([0], [Move(0, 0, 0.0, 0.5)]).frames.sum()
    assert half == pytest.approx(2 * 35 / 4, rel=0.1)
    there = ones.batch([0], [Move(0, 0, 90.0)]).frames[0, 0, 0]
    assert there[:, 1:6].allclose(torch.ones(5, 5), atol=1e-4)
    assert there[:, [0, 6]].abs().max() < 1e-4


def test_an_epoch_has_every_recording_once_in_an_order_of_its_own(data):
    batches = ShuffledBatches(Moved(data), 5, seed=3)
    assert len(batches) == 3
    orders = []
    for epoch in (1, 2, 1):
        orders.append([int(f.sum()) for b in batches.epoch(epoch) for f in b.frames.unbind(1)])
        assert sorted(orders[-1]) == list(range(3, 15))
    assert orders[0] == orders[2] != orders[1]


def test_the_moves_of_an_epoch_are_drawn_after_its_order_row_by_row(data):
    chance = random.Random("order 3 4")
    order = list(range(len(data)))
    chance.shuffle(order)
    moves = []
    for _ in order:
        down, right = chance.randint(-1, 1), chance.randint(-1, 1)
        zoom = 1.1 ** chance.uniform(-1, 1)
        moves.append(Move(down, right, chance.uniform(-10.0, 10.0), zoom))
    moved = Moved(data, shift=1, turn=10.0, zoom=0.1)
    assert isinstance(moved, Augmented)
    batches = ShuffledBatches(moved, 5, seed=3)
    for at, batch in enumerate(batches.epoch(4)):
        part = slice(5 * at, 5 * at + 5)
        assert torch.equal(batch.frames, data.batch(order[part], moves[part]).frames)


def test_places_lead_back_from_a_batch(data):
    rows = [0, 11, 5, 7]
    batch = data.batch(rows)
    assert [int(batch.label[at]) for at in data.places(rows)] == [int(data.labels[row]) for row in rows]
    lengths = data.starts.diff()
    assert [int(batch.lengths[at]) for at in data.places(rows)] == [int(lengths[row]) for row in rows]


def test_evaluation_neither_shuffles_nor_shifts(data):
    batches = ShuffledBatches(Moved(data, shift=3), 12)
    [batch] = batches.epoch(1)
    assert batch.label.tolist() == data.batch(list(range(12))).label.tolist()
    assert torch.equal(batch.frames, data.batch(list(range(12))).frames)


@pytest.mark.parametrize("size", [4, 5, 11])
def test_two_processes_share_every_batch_and_see_the_same_shifts(data, size):
    moved = Moved(data, shift=1, turn=10.0, zoom=0.1)
    alone = ShuffledBatches(moved, size, seed=3, world=2)
    both = [ShuffledBatches(moved, size, seed=3, world=2) for _ in range(2)]
    for whole, *parts in zip(
        alone.epoch(4), *(b.epoch(4, rank, 2) for rank, b in enumerate(both)), strict=True
    ):
        assert all(len(part.label) for part in parts)
        sums = sorted(f.sum().item() for part in parts for f in part.frames.unbind(1))
        assert sums == pytest.approx(sorted(f.sum().item() for f in whole.frames.unbind(1)), rel=1e-5)


def test_fewer_recordings_than_processes_are_refused(data):
    with pytest.raises(ValueError, match="at least 2 recordings are needed, got 1"):
        ShuffledBatches(Moved(data.select([0])), 4, world=2, word="recordings")


def test_selecting_nothing_gives_nothing(data):
    assert len(Compressed(data.frames[:0], torch.zeros(1, dtype=torch.long), data.labels[:0]).select([])) == 0
