"""The readers against tonic's, and on real recordings."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from liafseq.tasks.dvs.events import EVENT, Sensor
from liafseq.tasks.dvs.formats import (
    decode_nmnist,
    read_events,
)

from .writers import (
    random_events,
    write_aedat2,
    write_aedat3,
    write_nmnist,
)


@pytest.fixture
def tonic_io(monkeypatch):
    """tonic 1.7 finds three things in a header, of which its own readers expect two."""
    module = pytest.importorskip("tonic.io", reason="tonic is not installed")
    header = module.read_aedat_header_from_file
    monkeypatch.setattr(module, "read_aedat_header_from_file", lambda path: header(path)[:2])
    return module


def test_nmnist_as_tonic_reads_it(tmp_path, tonic_io):
    events = random_events(500, width=34, height=34)
    events["y"][[3, 77, 78]] = 240
    path = tmp_path / "a.bin"
    path.write_bytes(write_nmnist(events))
    theirs = tonic_io.read_mnist_file(str(path), EVENT)
    assert np.array_equal(read_events(path), theirs)


def test_aedat2_as_tonic_reads_it(tmp_path, tonic_io):
    path = tmp_path / "a.aedat"
    path.write_bytes(write_aedat2(random_events(500)))
    shape, theirs = tonic_io.read_dvs_128(str(path))
    ours = read_events(path)
    assert shape == (128, 128)
    assert np.array_equal(ours["x"], 127 - theirs["y"])
    assert np.array_equal(ours["y"], 127 - theirs["x"])
    assert np.array_equal(ours["p"], ~theirs["p"])
    assert np.array_equal(ours["t"], theirs["t"])


def test_aedat3_as_tonic_reads_it(tmp_path, tonic_io):
    path = tmp_path / "a.aedat"
    path.write_bytes(write_aedat3(random_events(500)))
    assert np.array_equal(read_events(path), tonic_io.read_dvs_ibm(str(path))[1])


def test_hdf5_as_tonic_writes_it(tmp_path):
    cache = pytest.importorskip("tonic.cached_dataset", reason="tonic is not installed")
    events = random_events(500)
    cache.save_to_disk_cache(events, 3, tmp_path / "a.hdf5")
    assert np.array_equal(read_events(tmp_path / "a.hdf5"), events)


@pytest.fixture(scope="module")
def recordings():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    if not folder:
        pytest.skip("LIAFSEQ_REFERENCE_DATA is not set")
    path = Path(folder) / "nmnist_small.tar.xz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    import tarfile

    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive if m.name.endswith(".bin")}


def test_real_recordings(recordings):
    assert len(recordings) == 1000
    total = 0
    for name, data in recordings.items():
        events = decode_nmnist(data, name, Sensor(34, 34))
        assert 200_000 < np.ptp(events["t"]) < 400_000, name
        total += len(events)
    assert total == 4_133_231


def test_real_recordings_as_tonic_reads_them(recordings, tonic_io):
    for name, data in recordings.items():
        theirs = tonic_io.read_mnist_file(io.BytesIO(data), EVENT, is_stream=True)
        assert np.array_equal(decode_nmnist(data, name), theirs), name
