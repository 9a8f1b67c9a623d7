"""Events as arrays of numpy and HDF5, and AEDAT 4 through its package."""

from __future__ import annotations

import sys
import tracemalloc
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from liafseq.tasks.dvs.formats import (
    TruncatedWarning,
    decode_npy,
    decode_npz,
    read_events,
)

from .writers import (
    SENSOR,
    random_events,
    write_npy,
    write_npz,
)


@pytest.mark.parametrize(
    "dtype",
    [
        [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("p", "?")],
        [("x", "<i8"), ("y", "<i8"), ("t", "<i8"), ("p", "<i8")],
        [("x", ">f4"), ("y", "<f8"), ("more", "<f8", (2,)), ("t", "<f8"), ("p", "i1")],
    ],
)
def test_other_structures(dtype):
    events = random_events(50)
    other = np.zeros(50, dtype)
    for name in "xytp":
        other[name] = events[name]
    assert np.array_equal(decode_npy(write_npy(other), "a.npy"), events)


def test_polarity_of_minus_one():
    events = random_events(50)
    other = events.astype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "i1")])
    other["p"] = 2 * other["p"] - 1
    assert np.array_equal(decode_npy(write_npy(other), "a.npy"), events)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_plain_arrays(order, dtype):
    events = random_events(50, last=1000)
    plain = np.asarray(np.stack([events[name] for name in "xypt"], 1), dtype, order=order)
    read = decode_npy(write_npy(plain), "a.npy", columns="xypt", tick=1000)
    events["t"] *= 1000
    assert np.array_equal(read, events)
    with pytest.raises(ValueError, match=r"a\.npy: an array \(50, 4\).*expected \(events,\)"):
        decode_npy(write_npy(plain), "a.npy")
    with pytest.raises(ValueError, match="columns should be"):
        decode_npy(write_npy(plain), "a.npy", columns="xyyt")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("x", -1, "x is -1.0, expected 0 to 32767"),
        ("y", 32768, "y is 32768.0, expected 0 to 32767"),
        ("t", np.nan, "t is nan, expected"),
        ("t", np.inf, "t is inf, expected"),
        ("t", 1e300, r"t is 1e\+300, expected"),
        ("p", 2, "p is 2.0, expected -1 to 1"),
        ("x", 0.5, "x is 0.5, expected a whole number"),
    ],
)
def test_numbers_that_are_no_events(name, value, told):
    other = random_events(50).astype([(name, "<f8") for name in "xytp"])
    other[name][7] = value
    with pytest.raises(ValueError, match=f"^a.npy: event 7: {told}"):
        decode_npy(write_npy(other), "a.npy")


def test_no_pickle():
    import pickle

    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    header = write_npy(np.zeros(1)).replace(b"'<f8'", b"'|O' ")[: len(write_npy(np.zeros(0)))]
    with pytest.raises(ValueError, match=r"^a\.npy: byte 0: an array .* of object"):
        decode_npy(header + pickle.dumps(Trap()), "a.npy")
    with pytest.raises(ValueError, match=r"^a\.npy: byte 0: not a \.npy file"):
        decode_npy(pickle.dumps(Trap()), "a.npy")


def test_an_array_that_claims_to_be_large():
    data = write_npy(random_events(100)).replace(b"(100,), }", b"(10**9,)}")
    with pytest.raises(ValueError, match=r"not a \.npy file"):
        decode_npy(data, "a.npy")
    data = write_npy(random_events(100)).replace(b"(100,), }       ", b"(10000000000,), }")[:-13]
    assert b"10000000000" in data
    tracemalloc.start()
    try:
        with pytest.warns(TruncatedWarning):
            decode_npy(data, "a.npy")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_npz_of_one_array(tmp_path):
    events = random_events(50)
    np.savez(tmp_path / "a.npz", events)
    assert np.array_equal(read_events(tmp_path / "a.npz"), events)


def test_npz_with_other_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(ValueError, match=r"expected arrays x, y, t and p, or one of events; found a, b"):
        read_events(tmp_path / "a.npz")


def test_npz_of_different_lengths(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3), y=np.zeros(3), t=np.zeros(3), p=np.zeros(2))
    with pytest.raises(ValueError, match=r"p: \(2,\) of float64; expected \(3,\)"):
        read_events(tmp_path / "a.npz")


def test_npz_that_grows_too_much(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in "xytp":
            file.writestr(f"{name}.npy", write_npy(np.zeros(10_000_000, np.int8)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.npz: \d+ bytes in \d+ bytes; at most \d+ are read"):
            read_events(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_npz_that_is_cut_off():
    with pytest.raises(ValueError, match=r"^a\.npz: not a readable \.npz file"):
        decode_npz(write_npz(random_events(50))[:-30], "a.npz")


def test_hdf5_without_h5py(tmp_path, monkeypatch):
    path = tmp_path / "a.hdf5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"a\.hdf5: reading HDF5 needs h5py: pip install h5py"):
        read_events(path)


def test_aedat4_without_its_package(tmp_path, monkeypatch):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(ImportError, match="reading AEDAT 4 needs the package aedat"):
        read_events(path)


def test_aedat4(tmp_path, monkeypatch):
    """With a stand-in for the package, whose names of fields are its own."""
    events = random_events(50)
    theirs = np.zeros(50, [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
    for name, field in zip("txyp", theirs.dtype.names, strict=True):
        theirs[field] = events[name]

    class Decoder:
        def __init__(self, path):
            if Path(path).stat().st_size < 15:
                raise RuntimeError("the file is too short")

        def id_to_stream(self):
            return {0: {"type": "frame"}, 3: {"type": "events"}, 5: {"type": "events"}}

        def __iter__(self):
            yield {"stream_id": 0, "frame": {}}
            yield {"stream_id": 3, "events": theirs[:20]}
            yield {"stream_id": 5, "events": theirs[5:7]}
            yield {"stream_id": 3, "events": theirs[20:]}

    package = types.ModuleType("aedat")
    package.Decoder = Decoder
    monkeypatch.setitem(sys.modules, "aedat", package)
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n\0")
    assert np.array_equal(read_events(path, sensor=SENSOR), events)
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    with pytest.raises(ValueError, match=r"a\.aedat4: not a readable AEDAT 4 file: the file is too short"):
        read_events(path)


@pytest.mark.parametrize("layout", ["data/0", "events", "", "events of one array"])
def test_hdf5(tmp_path, layout):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    events = random_events(50)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        if layout == "events of one array":
            file.create_dataset("events", data=events)
        else:
            for name in "xytp":
                file.create_dataset(f"{layout}/{name}", data=events[name], compression="lzf")
    assert np.array_equal(read_events(path, sensor=SENSOR), events)


def test_hdf5_of_something_else(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
        file["y"] = h5py.ExternalLink("/etc/hostname", "/y")
        file["t"] = h5py.Empty("f4")
        file["p"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"a\.h5: /: no y; expected"):
        read_events(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        read_events(path)
