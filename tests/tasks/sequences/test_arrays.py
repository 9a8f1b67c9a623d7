"""IDX and npz files: what they hold, and that nothing they say of themselves is believed."""

import gzip
import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liafseq.tasks.sequences.idx import TYPES, decode_idx, gunzip, idx_pairs, read_idx
from liafseq.tasks.sequences.npz import decode_npz, read_npz

FUZZ = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def idx_bytes(array):
    """An IDX file of an array."""
    code = next(code for code, kind in TYPES.items() if np.dtype(kind) == array.dtype.newbyteorder(">"))
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(TYPES[code]).tobytes()


def npz_bytes(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_idx_of_each_type(tmp_path, kind):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(idx_bytes(array))
    assert np.array_equal(read_idx(path), array)
    assert read_idx(path).dtype == array.dtype
    path.write_bytes(gzip.compress(idx_bytes(array)))
    assert np.array_equal(read_idx(path), array)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "byte 0: expected the head"),
        (b"\0\1\x08\1\0\0\0\1\5", "byte 0: expected the head"),
        (b"\0\0\x07\1\0\0\0\1\5", "byte 0: expected the head"),
        (b"\0\0\x08\2\0\0\0\1", "byte 4: expected 2 sizes"),
        (b"\0\0\x08\1\0\0\0\2\5", "byte 8: expected 2 bytes of values.*got 1"),
        (b"\0\0\x08\1\0\0\0\1\5\5", "byte 8: expected 1 bytes of values.*got 2"),
        (b"\0\0\x08\3" + b"\xff" * 12 + b"\5", r"4294967295 x 4294967295 x 4294967295.*got 1"),
        (b"\0\0\x08\x60" + b"\0\0\0\1" * 96 + b"\5", "a.idx: .*dimension"),
    ],
)
def test_lying_idx(data, expected):
    with pytest.raises(ValueError, match=f"a.idx: .*{expected}" if "a.idx" not in expected else expected):
        decode_idx(data, "a.idx")


def test_pairs_in_a_folder(tmp_path):
    def names():
        return {part: tuple(path.name for path in pair) for part, pair in idx_pairs(tmp_path).items()}

    test = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte")
    (tmp_path / test[0]).touch()
    with pytest.raises(FileNotFoundError, match="expected its labels beside it, t10k-labels-idx1-ubyte"):
        names()
    (tmp_path / test[1]).touch()
    assert names() == {"whole": test}
    train = ("train-images.idx3-ubyte", "train-labels.idx1-ubyte")
    for name in train:
        (tmp_path / name).touch()
    assert names() == {"test": test, "train": train}


def test_gzip_bombs_and_damage():
    with pytest.raises(ValueError, match=r"a.gz: unpacks to more than 1000 bytes"):
        gunzip(gzip.compress(bytes(10_000)), "a.gz", most=1000)
    with pytest.raises(ValueError, match=r"a.gz: not a readable gzip file"):
        gunzip(gzip.compress(bytes(100))[:-9], "a.gz")


def test_npz(tmp_path):
    x, y = np.arange(6.0).reshape(2, 3), np.array(["a", "b"])
    path = tmp_path / "train.npz"
    path.write_bytes(npz_bytes(x=np.asfortranarray(x), y=y, other=np.array([None])))
    found = read_npz(path, ["x", "y", "lengths"])
    assert set(found) == {"x", "y"}
    assert np.array_equal(found["x"], x)
    assert np.array_equal(found["y"], y)
    with pytest.raises(ValueError, match=r"train.npz: other: expected an array of numbers or texts"):
        read_npz(path, ["other"])


def attempt(read, data):
    """Reads; the result is an array, or there is a ValueError that names the file; memory is bounded."""
    tracemalloc.start()
    text = "file: "
    try:
        read(data)
    except ValueError as error:
        text = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert text.startswith("file: ")
    assert peak < 20 * len(data) + 2**21 + 2**18


ARRAY = np.arange(60, dtype="u1").reshape(3, 4, 5)
READERS = {
    "idx": (lambda data: decode_idx(data, "file"), idx_bytes(ARRAY)),
    "gz": (lambda data: decode_idx(gunzip(data, "file"), "file"), gzip.compress(idx_bytes(ARRAY))),
    "npz": (lambda data: decode_npz(data, "file", ["x", "y"]), npz_bytes(x=ARRAY, y=np.arange(3))),
}


@pytest.mark.parametrize("form", READERS)
def test_fuzz(form):
    read, whole = READERS[form]

    @FUZZ
    @given(
        st.binary(max_size=100)
        | st.tuples(st.integers(0, len(whole) - 1), st.binary(max_size=4), st.integers(0, 8)).map(
            lambda cut: whole[: cut[0]] + cut[1] + whole[cut[0] + cut[2] :]
        )
    )
    def run(data):
        attempt(read, data)

    run()
