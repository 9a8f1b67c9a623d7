"""Signals from each kind of file, and what is said of files that are not as they should be."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liafseq.tasks.sequences.matlab import decode_mat
from liafseq.tasks.signals.arrays import NONE, of_arrays
from liafseq.tasks.signals.config import SignalsConfig
from liafseq.tasks.signals.files import checked, read, read_file
from liafseq.tasks.signals.sound import log_mel

from .files_made import idx, mat, npz, put, ramps, table, tone, ts, wav

X, Y = ramps(6)
WIDE, _ = ramps(6, features=3)
NAMES = np.array(["a", "b"])[Y]
SETTINGS = SignalsConfig()


def config(path, **fields):
    return SignalsConfig(source=str(path), **fields)


def whole(path, **fields):
    return read(config(path, **fields))["whole"]


def labels(signals):
    return [str(signal.label) for signal in signals]


@pytest.mark.parametrize("kind", ["npz", "mat", "plain.mat", "csv", "tsv", "ts", "idx"])
def test_each_format(tmp_path, kind):
    content = {
        "npz": npz(x=X[..., 0], y=Y),
        "mat": mat(x=X[..., 0], y=Y),
        "plain.mat": mat(compress=False, x=X[..., 0], y=Y),
        "csv": table(X[..., 0], Y),
        "tsv": table(X[..., 0], Y, "\t"),
        "ts": ts(X, NAMES),
        "idx": idx(X[..., 0].astype("f4")),
    }[kind]
    put(tmp_path / "labels.idx", idx(Y.astype("u1")))
    signals = whole(put(tmp_path / f"images.{kind}", content))
    assert np.allclose(np.stack([signal.values for signal in signals]), X, atol=1e-4)
    assert signals[0].values.dtype == np.float32
    assert labels(signals) == list(NAMES if kind == "ts" else Y.astype(str))


def test_the_digits():
    signals = read(SETTINGS)["whole"]
    assert len(signals) == 1797
    assert signals[0].values.shape == (64, 1)


def test_features_and_one_hot_labels(tmp_path):
    signals = whole(put(tmp_path / "a.npz", npz(x=WIDE, y=np.eye(2)[Y])))
    assert signals[0].values.shape == (6, 3)
    assert labels(signals) == list(Y.astype(str))


def test_labels_of_steps(tmp_path):
    y = np.arange(36).reshape(6, 6) % 3
    for content in (npz(x=WIDE, y=y), npz(x=WIDE, y=np.eye(3, dtype="u1")[y])):
        signals = whole(put(tmp_path / "a.npz", content))
        assert np.array_equal(np.stack([signal.label for signal in signals]), y)
    unlabelled = np.eye(3)[y]
    unlabelled[1, 2] = 0
    assert whole(put(tmp_path / "a.npz", npz(x=WIDE, y=unlabelled)))[1].label[2] == NONE
    unlabelled[2] = 0
    with pytest.raises(ValueError, match=r"a.npz: y\[2\]: no step has a class"):
        whole(put(tmp_path / "a.npz", npz(x=WIDE, y=unlabelled)))
    unlabelled[1, 2] = 2
    with pytest.raises(ValueError, match=r"a.npz: y\[1\]: expected one 1 among zeros"):
        whole(put(tmp_path / "a.npz", npz(x=WIDE, y=unlabelled)))


def test_lengths_of_padded_and_of_flat_arrays(tmp_path):
    lengths = np.array([[6], [3], [1]])
    padded = {"x": WIDE[:3].copy(), "max_i": lengths, "y": np.arange(18).reshape(3, 6)}
    padded["x"][1, 3:] = np.nan  # behind an end
    signals = whole(put(tmp_path / "a.mat", mat(**padded)), lengths="max_i")
    assert [len(signal.values) for signal in signals] == [6, 3, 1]
    assert signals[1].label.tolist() == [6, 7, 8]
    flat = {"x": np.concatenate([signal.values for signal in signals]), "lengths": lengths.ravel()}
    for y, shape in ((np.arange(10), (6,)), (np.arange(3), ())):
        again = whole(put(tmp_path / "a.npz", npz(**flat, y=y)))
        assert [len(signal.values) for signal in again] == [6, 3, 1]
        assert np.array_equal(again[1].values, signals[1].values)
        assert again[0].label.shape == shape


def test_rows_of_different_length_and_a_head(tmp_path):
    text = "label,t0,t1,t2\na,1,2,3\n\nb,4,5,\na,6,NaN,nan\n"
    signals = whole(put(tmp_path / "a.csv", text.encode()))
    assert [signal.values[:, 0].tolist() for signal in signals] == [[1, 2, 3], [4, 5], [6]]
    assert signals[0].where.endswith("a.csv:2")


def test_official_parts(tmp_path):
    put(tmp_path / "Ramps_TRAIN.ts", ts(X, NAMES))
    put(tmp_path / "Ramps_TEST.ts", ts(X[:2], NAMES[:2]))
    assert {part: len(signals) for part, signals in read(config(tmp_path)).items()} == {"train": 6, "test": 2}


def test_images_of_a_folder(tmp_path):
    images = np.arange(24, dtype="u1").reshape(2, 3, 4)
    put(tmp_path / "t10k-images-idx3-ubyte.gz", gzip.compress(idx(images)))
    put(tmp_path / "t10k-labels-idx1-ubyte", idx(np.array([7, 1], "u1")))
    signals = whole(tmp_path)
    assert signals[1].values[:, 0].tolist() == list(range(12, 24))
    assert labels(signals) == ["7", "1"]


def test_sounds(tmp_path):
    for name, pitch in (("low", 300), ("high", 2500)):
        put(tmp_path / name / "one.wav", wav(tone(pitch)))
    high, low = whole(tmp_path, mels=10, hop=20.0)
    assert labels([high, low]) == ["high", "low"]
    assert high.values.shape == (4, 10)
    assert low.values.argmax(1).max() < high.values.argmax(1).min()
    assert high.rate == 8000
    stereo = read_file(put(tmp_path / "s.wav", wav(np.stack([tone(300)] * 2, 1))), SETTINGS)
    assert np.allclose(stereo[0].values, read_file(tmp_path / "low" / "one.wav", SETTINGS)[0].values)


def test_the_mel_bands_hold_what_they_should():
    bands = [int(log_mel(tone(pitch, 200), 8000, 20, 25, 10)[0].argmax()) for pitch in (250, 1000, 3000)]
    mel = [2595 * np.log10(1 + pitch / 700) for pitch in (250, 1000, 3000)]
    width = 2595 * np.log10(1 + 4000 / 700) / 21
    assert np.abs(np.array(bands) + 1 - np.array(mel) / width).max() <= 1
    assert log_mel(np.zeros(3), 8000, 20, 25, 10).shape == (1, 20)


def first(array, value):
    array = array.copy()
    array[(1, 2) if array.ndim > 1 else 1] = value
    return array


BAD = {
    "no-x.npz": (npz(values=X, y=Y), "no-x.npz: expected an array 'x'.*got none"),
    "dims.npz": (
        npz(x=np.zeros((2, 2, 2, 2)), y=Y),
        r"dims.npz: expected an array 'x' of shape.*\(2, 2, 2, 2\)",
    ),
    "texts.npz": (npz(x=np.array([["a", "b"]]), y=Y), "texts.npz: expected numbers as 'x'"),
    "pickle.npz": (npz(x=np.array([[None]]), y=Y), "pickle.npz: x: expected an array of numbers or texts"),
    "labels.npz": (npz(x=X, y=Y[:5]), r"labels.npz: expected 'y' of shape \(6,\) or \(6, 6\).*got \(5,\)"),
    "none.npz": (npz(x=X), r"none.npz: x\[0\]: has no label"),
    "nan.npz": (
        npz(x=first(X, np.nan), y=Y),
        r"nan.npz: x\[1\]: step 2, feature 0: .*finite number, got nan",
    ),
    "large.npz": (npz(x=first(X, 1e300), y=Y), r"large.npz: x\[1\]: step 2, feature 0: .*got inf"),
    "long.npz": (npz(x=X, y=Y, lengths=first(Y + 1, 7)), r"long.npz: 'lengths' must be 1 to 6 steps"),
    "zero.npz": (npz(x=X, y=Y, lengths=Y), r"zero.npz: 'lengths' must be"),
    "half.npz": (npz(x=X, y=Y, lengths=np.full(6, np.nan)), r"half.npz: 'lengths': expected whole numbers"),
    "cells.mat": (
        mat(x=np.array([["ab"]], object), y=Y),
        "cells.mat: .*x: expected an array of real numbers",
    ),
    "complex.mat": (mat(x=X[..., 0] * 1j, y=Y), "complex.mat: .*x: expected an array of real numbers"),
    "old.mat": (b"MATLAB", "old.mat: byte 124: expected the head of a MATLAB 5 file"),
    "word.csv": (b"a,1,2\nb,1,x\n", "word.csv:2: value 2: expected a number, got 'x'"),
    "hole.csv": (b"a,1,,2\nb,1,2\n", "hole.csv:1: value 2: expected a number, got ''"),
    "nan.csv": (b"a,1,2,3\nb,1,nan,2\n", "nan.csv:2: step 1, feature 0: .*finite number, got nan"),
    "empty.csv": (b"\n", "empty.csv: has no sequences"),
    "short.csv": (b"a,1,2\nb\n", "short.csv:2: is empty"),
    "latin.csv": (b"a,1,2\n\xe4,3\n", "latin.csv:2: byte 6 is not UTF-8"),
    "quote.csv": (b'a,1,2\n"b,3\n', "quote.csv:2: unexpected end of data"),
    "head.ts": (b"@problemName a\n1,2:a\n", "head.ts:2: expected a line with @ before @data"),
    "times.ts": (b"@timestamps true\n@data\n", "times.ts:1: expected values without times"),
    "target.ts": (
        b"@targetlabel true\n@data\n",
        "target.ts:1: expected values without times and with classes",
    ),
    "missing.ts": (b"@data\n1,?,2:a\n", r"missing.ts:2: value 2: expected a number, got '\?'"),
    "ragged.ts": (b"@data\n1,2:1,2,3:a\n", "ragged.ts:2: expected channels of equal length"),
    "channels.ts": (b"@data\n1,2:1,3:a\n1,2:b\n", "channels.ts:3: expected 2 features as in .*:2, got 1"),
    "nothing.ts": (b"@problemName a\n", "nothing.ts: has no sequences behind @data"),
    "broken.wav": (b"RIFFabcd", "broken.wav: not a readable wav file"),
    "silent.wav": (wav(np.zeros(0, "i2")), "silent.wav: expected samples"),
    "other.txt": (b"", "other.txt: expected a file of .npz, .mat"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong(tmp_path, name):
    content, expected = BAD[name]
    with pytest.raises(ValueError, match=expected):
        read(config(put(tmp_path / name, content)))


@pytest.mark.parametrize(
    ("fields", "y", "expected"),
    [
        ({"labels": "step"}, Y, r"expected 'y' of shape \(6, 6\), also one-hot, got \(6,\)"),
        ({"labels": "sequence"}, np.zeros((6, 6, 2)), r"expected 'y' of shape \(6,\), also one-hot"),
    ],
)
def test_labels_that_were_asked_for(fields, y, expected):
    with pytest.raises(ValueError, match=expected):
        of_arrays({"x": X, "y": y}, SignalsConfig(**fields), "a.npz")
    assert of_arrays({"x": X, "y": np.eye(6)}, SETTINGS, "a")[0].label.shape == (6,)
    assert of_arrays({"x": X, "y": np.eye(6)}, SignalsConfig(labels="sequence"), "a")[0].label.shape == ()


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read(config(tmp_path / "none.npz"))
    with pytest.raises(FileNotFoundError, match="expected files named train and test of"):
        read(config(tmp_path))


def test_rates_differ(tmp_path):
    for name, rate in (("a", 8000), ("b", 16000)):
        put(tmp_path / name / "one.wav", wav(tone(300), rate))
    with pytest.raises(ValueError, match=r"one.wav: expected 8000 samples a second, as in .*, got 16000"):
        read(config(tmp_path))


def test_matlab_as_scipy_writes_it():
    """Types and shapes, compressed or not; only what is asked for."""
    arrays = {
        "x": np.arange(24, dtype="i2").reshape(2, 3, 4),
        "y": np.array([[1.5, -2.0]]),
        "b": np.array([[True]]),
        "other": np.array(["text"]),
    }
    for compress in (False, True):
        found = decode_mat(mat(compress, **arrays), "a", ["x", "y", "b"])
        assert set(found) == {"x", "y", "b"}
        for name, array in found.items():
            assert np.array_equal(array, arrays[name])


def attempt(data, path):
    """Reads; there are checked signals or a ValueError that names the file; memory is bounded."""
    path.write_bytes(data)
    text = str(path)
    tracemalloc.start()
    try:
        signals = read_file(path, SETTINGS)
        checked(signals, signals[0])
    except ValueError as error:
        text = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert str(path) in text
    return peak


EXAMPLES = int(os.environ.get("LIAFSEQ_FUZZ_EXAMPLES", "40"))
VALID = {
    "a.npz": npz(x=X, y=Y),
    "a.mat": mat(x=X, y=Y),
    "b.mat": mat(compress=False, x=X, y=Y, lengths=Y + 1),
    "a.csv": table(X[..., 0], Y),
    "a.ts": ts(WIDE, NAMES),
    "a.wav": wav(tone(400, 300)),
    "a.idx": idx(X.astype("f4")),
}


@st.composite
def mutated(draw, data):
    """A valid file with some bytes set, cut out or put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.sampled_from([0, 1, 4, 20]))
        extreme = [0, 1, -1, 2**31 - 1, -(2**31), 2**20]
        word = st.sampled_from([number.to_bytes(4, "little", signed=True) for number in extreme])
        data[at : at + size] = draw(st.binary(max_size=4) | word)
    return bytes(data)


@pytest.mark.parametrize("name", VALID)
def test_fuzz(tmp_path, name):
    whole = VALID[name]
    attempt(whole, tmp_path / name)  # what is imported at the first call

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 40, database=None)
    @given(st.binary(max_size=200) | mutated(whole) | mutated(whole) | mutated(whole))
    def run(data):
        assert attempt(data, tmp_path / name) < 300 * len(data) + 2**22

    run()


def test_the_real_files():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    archive = Path(folder or ".") / "text_and_signals.tar.xz"
    if folder is None or not archive.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with text_and_signals.tar.xz")
    ecg = read(config(archive / "sequences/signals/ecg_qtdb", lengths="max_i"))
    assert {part: len(signals) for part, signals in ecg.items()} == {"train": 618, "test": 141}
    assert ecg["test"][0].values.shape == (1301, 4)
    assert len(np.unique(ecg["test"][0].label)) == 7  # six classes, and steps without
    digits = whole(archive / "sequences/signals/mnist")
    assert len(digits) == 10_000
    assert digits[0].values.shape == (784, 1)
    assert labels(digits[:4]) == ["7", "2", "1", "0"]
