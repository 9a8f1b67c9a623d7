"""No content of a file makes a reader do anything but read, warn of a cut, or raise ValueError.

LIAFSEQ_FUZZ_EXAMPLES sets how many examples of each kind and format there are.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liafseq.tasks.dvs.events import EVENT, Sensor, check_events
from liafseq.tasks.dvs.formats import TruncatedWarning, decode_events, parse_cuts
from liafseq.tasks.storage.archive import unpacked

from .writers import (
    AEDAT2_HEADER,
    AEDAT3_HEADER,
    packet,
    polarity,
    random_events,
    write_aedat2,
    write_aedat3,
    write_cuts,
    write_nmnist,
    write_npy,
    write_npz,
)

EXAMPLES = int(os.environ.get("LIAFSEQ_FUZZ_EXAMPLES", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
EVENTS = random_events(40)
PLAIN = np.stack([EVENTS[name] for name in "xytp"], 1)
VALID = {
    "nmnist": write_nmnist(EVENTS),
    "aedat1": write_aedat2(EVENTS, header=b"#!AER-DAT1.0\r\n", version=1),
    "aedat2": write_aedat2(EVENTS),
    "aedat3": write_aedat3(EVENTS, each=13) + packet(0, bytes(8), each=8, number=1) + polarity(EVENTS[-1:]),
    "npy": write_npy(EVENTS),
    "npz": write_npz(EVENTS),
    None: write_npz(EVENTS, compress=False),
}
HEADERS = {
    "aedat1": b"#!AER-DAT1.0\r\n",
    "aedat2": AEDAT2_HEADER,
    "aedat3": AEDAT3_HEADER,
    "npy": write_npy(EVENTS[:0]),
    "npz": b"PK\x03\x04",
}
forms = pytest.mark.parametrize("form", VALID, ids=str)


def attempt(data, form):
    """Reads; what comes is sound, or there is a ValueError that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TruncatedWarning)
        try:
            events = decode_events(data, "file.bin", form, Sensor(128, 128))
        except ValueError as error:
            text = str(error)
            events = None
    if events is None:
        assert text.startswith("file.bin: ")
        return None
    assert events.dtype == EVENT
    assert len(events) > 0
    check_events(events, Sensor(128, 128), "fuzz")
    return events


@st.composite
def mutated(draw, data):
    """A valid file with some bytes set, some cut out, some repeated, some put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["set", "word", "cut", "repeat", "insert"]))
        if kind == "set":
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "word":
            extreme = st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**20])
            data[at : at + 4] = draw(extreme).to_bytes(
                4, draw(st.sampled_from(["little", "big"])), signed=True
            )
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=20))
    return bytes(data)


@forms
def test_random_bytes(form):
    @FUZZ
    @given(st.binary(max_size=300), st.booleans())
    def run(data, headed):
        attempt(HEADERS.get(form, b"") * headed + data, form)

    run()


@forms
def test_mutated_files(form):
    @FUZZ
    @given(mutated(VALID[form]))
    def run(data):
        attempt(data, form)

    run()


@forms
def test_cut_files(form):
    whole = VALID[form]

    @FUZZ
    @given(st.integers(0, len(whole) - 1))
    def run(length):
        events = attempt(whole[:length], form)
        if events is not None:
            assert np.array_equal(events, EVENTS[: len(events)])

    run()


def test_headers_of_arrays():
    """Shapes and types of all kinds, in a header that is well formed."""
    descr = st.sampled_from(
        [
            "'|O'",
            "'<i8'",
            "'|V0'",
            "'<U3'",
            "'|b1'",
            "'<M8[us]'",
            "'<c16'",
            "'>f2'",
            "''",
            "'<i3'",
            "3",
            "None",
        ]
    )
    fields = st.lists(
        st.tuples(st.sampled_from(["'x'", "'y'", "'t'", "'p'", "''", "'x', 'z'"]), descr), max_size=5
    )
    kinds = descr | fields.map(lambda pairs: "[" + ", ".join(f"({n}, {d})" for n, d in pairs) + "]")
    sizes = st.lists(st.sampled_from([0, 1, 2, 4, 10, -1, 2**31, 2**63, 10**30]), max_size=3)

    @FUZZ
    @given(kinds, sizes, st.sampled_from(["True", "False", "0"]), st.binary(max_size=100))
    def run(kind, shape, fortran, body):
        text = (
            f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {tuple(shape)!r}, }}".encode() + b"\n"
        )
        attempt(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body, "npy")

    run()


def test_tables():
    whole = write_cuts([(1, 10, 20), (11, 20, 30)])

    @FUZZ
    @given(st.binary(max_size=60) | mutated(whole) | st.binary(max_size=60).map(lambda b: whole + b))
    def run(data):
        try:
            cuts, text = parse_cuts(data, "file.csv", 11), ""
        except ValueError as error:
            cuts, text = [], str(error)
        assert bool(cuts) != text.startswith("file.csv:")
        assert all(0 <= cut.label < 11 and cut.begin < cut.end for cut in cuts)

    run()


def archive(name):
    """A small archive of two recordings of N-MNIST."""
    stream = io.BytesIO()
    recordings = {f"a/Train/{digit}/{digit}.bin": VALID["nmnist"][:50] for digit in (1, 2)}
    if name.endswith(".zip"):
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            for inside, data in recordings.items():
                file.writestr(inside, data)
    else:
        with tarfile.open(fileobj=stream, mode=f"w:{name[6:]}") as file:
            for inside, data in recordings.items():
                info = tarfile.TarInfo(inside)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize("name", ["a.tar.", "a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_archives(tmp_path, monkeypatch, name):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))
    path = tmp_path / name.rstrip(".")
    whole = archive(name)

    @FUZZ
    @given(mutated(whole) | st.integers(0, len(whole) - 1).map(lambda length: whole[:length]))
    def run(data):
        path.write_bytes(data)
        try:
            sizes, text = [file.stat().st_size for file in unpacked(path).rglob("*.bin")], ""
        except ValueError as error:
            sizes, text = [], str(error)
        assert not text or text.startswith(f"{path}: ")
        assert sum(sizes) <= 20 * len(data) + 1000
        shutil.rmtree(tmp_path / "cache")  # another example may have the same size and time

    run()


@forms
def test_memory(form):
    """Nothing that a file says of itself is believed before there is as much of it."""
    attempt(VALID[form], form)

    @settings(FUZZ, max_examples=min(EXAMPLES, 2000))
    @given(mutated(VALID[form]))
    def run(data):
        tracemalloc.start()
        try:
            attempt(data, form)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 20 * len(data) + 2**18

    run()
