"""Files of events: what is written comes back, and what is wrong is told with file and byte."""

from __future__ import annotations

import os
import tracemalloc

import numpy as np
import pytest

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events, make_events
from liafseq.tasks.dvs.formats import (
    FORMATS,
    TruncatedWarning,
    common,
    decode_nmnist,
    read_events,
)

from .writers import (
    SENSOR,
    WRITERS,
    decode,
    random_events,
    save,
    write_nmnist,
    write_npz,
)

BINARY = ["nmnist", "aedat1", "aedat2", "aedat3", "npy"]
RECORD = {"nmnist": 5, "aedat1": 6, "aedat2": 8, "aedat3": 8, "npy": 13}


# Round trips


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("count", [1, 250, 2 * common.CHUNK + 3])
def test_what_is_written_comes_back(tmp_path, form, count):
    events = random_events(count)
    path = save(tmp_path, form, WRITERS[form][1](events))
    for read in (read_events(path), read_events(str(path), form, SENSOR)):
        assert read.dtype == EVENT
        assert np.array_equal(read, events)


def test_every_format_has_a_name_that_is_accepted(tmp_path):
    assert set(WRITERS) | {"aedat4", "hdf5"} == set(FORMATS)
    with pytest.raises(ValueError, match=r"format should be one of nmnist, .*, got 'gif'"):
        read_events(tmp_path / "a.bin", "gif")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "none.bin")


def test_folders_and_pipes_are_no_recordings(tmp_path):
    os.mkfifo(tmp_path / "pipe.bin")
    for name in ("", "pipe.bin"):
        with pytest.raises(ValueError, match="no regular file"):
            read_events(tmp_path / name)


def test_too_large_a_file(tmp_path, monkeypatch):
    path = save(tmp_path, "nmnist", write_nmnist(random_events(10)))
    monkeypatch.setattr(common, "MAX_FILE_BYTES", 49)
    with pytest.raises(ValueError, match=r"a\.bin: 50 bytes; at most 49"):
        read_events(path)


def test_an_unknown_format(tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"a\.aedat: byte 0: no known format.*'aedat1'"):
        read_events(path)


# All binary formats


@pytest.mark.parametrize("form", BINARY)
def test_a_cut_off_tail(tmp_path, form):
    events = random_events(30)
    data = WRITERS[form][1](events)
    path = save(tmp_path, form, data[:-1])
    begin = len(data) - RECORD[form]
    with pytest.warns(TruncatedWarning, match=f"a.*: byte {begin}: .*the 29 whole events") as caught:
        read = read_events(path)
    assert len(caught) == 1
    assert np.array_equal(read, events[:-1])


@pytest.mark.parametrize("form", BINARY)
def test_nothing_but_the_beginning_of_an_event(form):
    data = WRITERS[form][1](random_events(1))
    with (
        pytest.warns(TruncatedWarning),
        pytest.raises(ValueError, match=r"^a\..*: byte \d+: an empty recording"),
    ):
        decode(data[:-1], form)


@pytest.mark.parametrize("form", WRITERS)
def test_an_empty_recording(form):
    with pytest.raises(ValueError, match=r"^a\..*: byte \d+: an empty recording"):
        decode(WRITERS[form][1](random_events(0)), form)


@pytest.mark.parametrize("form", sorted(set(WRITERS) - {"nmnist"}))
def test_an_empty_file(form):
    with pytest.raises(ValueError, match=r"^a\."):
        decode(b"", form)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_outside_the_sensor(form, axis):
    events = random_events(70, width=30, height=20)
    events[axis][42] = 40
    data = WRITERS[form][1](events)
    where = r"a\.npz" if form == "npz" else rf"a\..*: byte {len(data) - 28 * RECORD[form]}"
    with pytest.raises(ValueError, match=rf"^{where}: event 42: {axis} is 40, outside .* 30 x 20"):
        decode(data, form, sensor=Sensor(30, 20))


@pytest.mark.parametrize("form", WRITERS)
def test_time_runs_backwards(form):
    events = random_events(70)
    events["t"][42] = events["t"][41] - 1
    data = WRITERS[form][1](events)
    where = r"a\.npz" if form == "npz" else rf"a\..*: byte {len(data) - 28 * RECORD[form]}"
    was, now = events["t"][41:43].tolist()
    with pytest.raises(ValueError, match=rf"^{where}: event 42: time runs backwards, from {was} to {now}"):
        decode(data, form)


@pytest.mark.parametrize("form", WRITERS)
def test_memory_is_a_small_multiple_of_the_file(form):
    events = random_events(100_000)
    data = write_npz(events, compress=False) if form == "npz" else WRITERS[form][1](events)
    tracemalloc.start()
    try:
        decode(data, form)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The file itself is not counted; five bytes of N-MNIST become 13 in memory.
    assert peak < 5 * len(data) + 2**20


# N-MNIST


def test_nmnist_by_hand():
    data = bytes([33, 7, 0x81, 0x02, 0x03, 0, 33, 0x7F, 0xFF, 0xFF])
    assert decode_nmnist(data, "a.bin").tolist() == [(33, 7, 0x10203, True), (0, 33, 0x7FFFFF, False)]


def test_nmnist_overflow_events_shift_what_follows():
    events = make_events(
        [1, 9, 2, 9, 9, 3], [1, 240, 2, 240, 240, 3], [5, 6, 7, 8, 9, 10], [0, 1, 0, 1, 0, 1]
    )
    read = decode_nmnist(write_nmnist(events), "a.bin", Sensor(34, 34))
    assert read.tolist() == [(1, 1, 5, False), (2, 2, 7 + 8192, False), (3, 3, 10 + 3 * 8192, True)]


def test_nmnist_offsets_count_overflow_events():
    events = make_events([1, 9, 40], [1, 240, 2], [5, 6, 7], [0, 0, 0])
    with pytest.raises(ValueError, match=r"^a\.bin: byte 10: event 1: x is 40"):
        decode_nmnist(write_nmnist(events), "a.bin", Sensor(34, 34))


def test_nmnist_of_overflows_alone():
    with pytest.raises(ValueError, match="an empty recording"):
        decode_nmnist(write_nmnist(make_events([0], [240], [0], [0])), "a.bin")


# check_events


def test_check_events_without_a_sensor():
    events = random_events(5, width=1000)
    check_events(events, None, "a")
    check_events(events[:0], SENSOR, "a")
    with pytest.raises(ValueError, match=r"^a: event 1: x is 999"):
        check_events(make_events([1, 999], [1, 1], [0, 0], [0, 0]), SENSOR, "a")
    with pytest.raises(ValueError, match=r"^a: event 0: y is -1"):
        check_events(make_events([1], [-1], [0], [0]), SENSOR, "a")
