"""Data sets in folders: what is found, how it is split, and what is said when it is not as it should be."""

from __future__ import annotations

import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from liafseq.tasks.dvs.compression import Compression
from liafseq.tasks.dvs.encode import compress_all
from liafseq.tasks.dvs.events import EVENT
from liafseq.tasks.dvs.formats import TruncatedWarning
from liafseq.tasks.dvs.published.folders import FOLDER_DATA_SETS, FolderRecordings, open_folder
from liafseq.tasks.storage import archive as storage_archive

from .writers import (
    put,
    random_events,
    write_aedat2,
    write_nmnist,
    write_npy,
    write_npz,
)

CIFAR = FOLDER_DATA_SETS["cifar10-dvs"].classes


def numbers(recordings):
    """What the names of the files say: class and number."""
    return [(int(label), Path(recordings.title(i)).stem) for i, label in enumerate(recordings.labels)]


# All


def test_what_a_data_set_is():
    assert list(FOLDER_DATA_SETS) == ["nmnist", "mnist-dvs", "cifar10-dvs", "dvs128-gesture"]
    for data_set in FOLDER_DATA_SETS.values():
        assert len(data_set.classes) == len(set(data_set.classes))
        assert data_set.url.startswith("http")
    gesture = FOLDER_DATA_SETS["dvs128-gesture"]
    assert len(gesture.classes) == 11
    assert (len(gesture.split.train), len(gesture.split.test)) == (23, 6)


@pytest.mark.parametrize("name", FOLDER_DATA_SETS)
def test_a_missing_folder(tmp_path, name):
    for folder, told in ((tmp_path / "none", "no such folder"), (tmp_path, "nothing of the train set")):
        with pytest.raises(FileNotFoundError) as caught:
            open_folder(name, "train", folder)
        data_set = FOLDER_DATA_SETS[name]
        for words in (str(folder), told, data_set.title, data_set.layout[0], data_set.url):
            assert words in str(caught.value)


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="unknown data set 'mnist'; those in folders are nmnist, "):
        open_folder("mnist", "train", tmp_path)
    with pytest.raises(ValueError, match="split should be 'train' or 'test', got 'validation'"):
        open_folder("nmnist", "validation", tmp_path)
    with pytest.raises(ValueError, match="scale should be one of 4, 8, 16, got 5"):
        open_folder("mnist-dvs", "train", tmp_path, scale=5)


def test_a_file_in_place_of_a_folder(tmp_path):
    path = put(tmp_path / "a.tar.gz", b"")
    with pytest.raises(ValueError, match=r"a\.tar\.gz: a file; CIFAR10-DVS is read from a folder: unpack"):
        open_folder("cifar10-dvs", "train", path)
    with pytest.raises(ValueError, match=r"a\.bin: a file; N-MNIST is read from a folder"):
        open_folder("nmnist", "train", put(tmp_path / "a.bin", b""))


# N-MNIST


def nmnist(root, classes=(0, 3, 9), each=3):
    """Recordings told apart by their number of events."""
    for part, base in (("Train", 10), ("Test", 20)):
        for digit in classes:
            for number in range(each):
                events = random_events(base + number, width=34, height=34, seed=digit)
                put(root / part / str(digit) / f"{number + 8}.bin", write_nmnist(events))
    return root


@pytest.mark.parametrize("above", ["", "nmnist_small", "NMNIST"])
def test_nmnist(tmp_path, above):
    nmnist(tmp_path / above)
    train, test = (open_folder("nmnist", split, tmp_path) for split in ("train", "test"))
    for recordings, base in ((train, 10), (test, 20)):
        assert isinstance(recordings, FolderRecordings)
        assert (recordings.name, recordings.sensor, len(recordings.classes)) == ("nmnist", (34, 34), 10)
        assert recordings.labels.dtype == np.int64
        # 8, 9, 10: by number, not by letter.
        assert numbers(recordings) == [(d, str(n)) for d in (0, 3, 9) for n in (8, 9, 10)]
        assert [len(recordings[i]) for i in range(9)] == [base, base + 1, base + 2] * 3
        assert recordings[4].dtype == EVENT
        assert np.array_equal(recordings[-1], random_events(base + 2, width=34, height=34, seed=9))
        with pytest.raises(IndexError):
            recordings[9]
    assert Path(test.title(3)) == tmp_path / above / "Test" / "3" / "8.bin"


def test_recordings_travel_to_other_processes(tmp_path):
    recordings = open_folder("nmnist", "train", nmnist(tmp_path))
    copy = pickle.loads(pickle.dumps(recordings))
    assert np.array_equal(copy[5], recordings[5])
    assert copy.title(5) == recordings.title(5)


def test_the_first_recordings_of_each_class(tmp_path):
    recordings = open_folder("nmnist", "train", nmnist(tmp_path))
    assert numbers(recordings.first(4)) == [(0, "8"), (0, "9"), (3, "8"), (9, "8")]
    assert numbers(recordings.first(100)) == numbers(recordings)
    assert len(recordings.first(3)[2]) == 10
    with pytest.raises(ValueError, match="count should be at least 1, got 0"):
        recordings.first(0)


def test_what_is_compressed_is_kept_until_a_file_changes(tmp_path):
    root, cache = nmnist(tmp_path / "data"), tmp_path / "cache"
    compression = Compression(method="time", steps=2, pool=2)

    def compressed(recordings):
        compress_all(recordings, compression, cache)
        return len(list(cache.iterdir()))

    recordings = open_folder("nmnist", "train", root)
    assert compressed(recordings) == 1
    assert compressed(open_folder("nmnist", "train", root)) == 1
    assert compressed(recordings.first(4)) == 2
    assert compressed(open_folder("nmnist", "test", root)) == 3
    put(root / "Train" / "3" / "9.bin", write_nmnist(random_events(7, width=34, height=34)))
    assert compressed(open_folder("nmnist", "train", root)) == 4


def test_nmnist_that_is_there_twice(tmp_path):
    nmnist(tmp_path / "a")
    nmnist(tmp_path / "b")
    with pytest.raises(ValueError, match=r"there more than once; name one of .*a, .*b"):
        open_folder("nmnist", "train", tmp_path)


def test_errors_name_the_recording(tmp_path):
    nmnist(tmp_path)
    put(tmp_path / "Train" / "0" / "8.bin", write_nmnist(random_events(5, width=128, seed=1)))
    put(tmp_path / "Train" / "0" / "9.bin", write_nmnist(random_events(5, width=34, height=34))[:-1])
    recordings = open_folder("nmnist", "train", tmp_path)
    with pytest.raises(ValueError, match=r"Train.0.8\.bin: byte \d+: event \d+: x is \d+, outside"):
        recordings[0]
    with pytest.warns(TruncatedWarning, match=r"Train.0.9\.bin: byte 20"):
        assert len(recordings[1]) == 4


def pack(folder, path):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(folder.parent))
    else:
        with tarfile.open(path, f"w:{path.suffix[1:].replace('tar', '')}") as archive:
            for file in files:
                archive.add(file, file.relative_to(folder.parent))
    return path


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_nmnist_from_an_archive(tmp_path, name):
    folder = nmnist(tmp_path / "data")
    put(folder / "README.txt", b"text")
    path = pack(folder, tmp_path / name)
    for split in ("train", "test"):
        packed, unpacked = open_folder("nmnist", split, path), open_folder("nmnist", split, folder)
        assert packed.labels.tolist() == unpacked.labels.tolist()
        assert numbers(packed) == numbers(unpacked)
        for index in range(len(packed)):
            assert np.array_equal(packed[index], unpacked[index])
    assert packed.title(3) == f"{path}: data/Test/3/8.bin"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 100])
    with pytest.raises(ValueError, match=f"{name}: not a readable archive"):
        open_folder("nmnist", "test", path)


def test_archives_that_are_not_to_be_trusted(tmp_path, monkeypatch):
    folder = nmnist(tmp_path / "data", classes=(3,), each=1)
    link = folder / "Train" / "3" / "7.bin"
    link.symlink_to("/etc/hostname")
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        archive.add(link, "Train/3/7.bin")
    with pytest.raises(ValueError, match=r"link\.tar: member 'Train/3/7.bin' is no regular file"):
        open_folder("nmnist", "train", tmp_path / "link.tar")
    link.unlink()
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.write(folder / "Train" / "3" / "8.bin", "../Train/3/8.bin")
    with pytest.raises(ValueError, match=r"member '\.\./Train/3/8.bin' leads out"):
        open_folder("nmnist", "train", tmp_path / "out.zip")
    for kind in ("big.tar.gz", "big.zip"):
        path = pack(folder, tmp_path / kind)
        with monkeypatch.context() as patch:
            patch.setattr(storage_archive, "MAX_FILE_BYTES", 49)
            with pytest.raises(ValueError, match=f"{kind}: member .* has 100 bytes; at most 49"):
                open_folder("nmnist", "train", path)
            patch.undo()
            patch.setattr(storage_archive, "MAX_TOTAL_BYTES", 49)
            with pytest.raises(ValueError, match=f"{kind}: more than 49 bytes of recordings"):
                open_folder("nmnist", "train", path)


def test_a_tar_whose_headers_claim_much(tmp_path):
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**30
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(name.tobuf())
        file.truncate(2**30)
    with pytest.raises(ValueError, match="more headers than files before the next member"):
        open_folder("nmnist", "train", tmp_path / "a.tar")


@pytest.fixture(scope="module")
def reference():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    if not folder:
        pytest.skip("LIAFSEQ_REFERENCE_DATA is not set")
    path = Path(folder) / "nmnist_small.tar.xz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def test_real_nmnist(reference):
    test = open_folder("nmnist", "test", reference)
    assert len(test) == 200
    assert set(test.labels.tolist()) == set(range(10))
    assert sum(len(test[i]) for i in range(200)) == 852_222


# MNIST-DVS


def mnist_dvs(root, scales=(4, 8), digits=range(10), each=20, layout="grabbed_data{d}/scale{s}"):
    for digit in digits:
        for scale in scales:
            for number in range(1, each + 1):
                events = random_events(number, seed=100 * digit + scale)
                name = f"mnist_{digit}_scale{scale:02d}_{number:04d}.aedat"
                put(root / layout.format(d=digit, s=scale) / name, write_aedat2(events))
    return root


def members(recordings):
    return {tuple(Path(recordings.title(i)).stem.split("_")[1::2]) for i in range(len(recordings))}


@pytest.mark.parametrize(
    "layout",
    [
        "grabbed_data{d}/scale{s}",
        "grabbed_data{d}/grabbed_data{d}/scale{s}",
        "processed_data{d}/scale{s}",
        "MNIST_DVS/grabbed_data{d}/scale{s:02d}",
        "all",
    ],
)
def test_mnist_dvs(tmp_path, layout):
    mnist_dvs(tmp_path, layout=layout)
    parts = {s: open_folder("mnist-dvs", s, tmp_path, scale=8) for s in ("train", "test")}
    train, test = parts["train"], parts["test"]
    assert (len(train), len(test)) == (180, 20)
    assert np.bincount(test.labels).tolist() == [2] * 10
    assert not members(train) & members(test)
    assert all(f"_scale08_{len(test[i]):04d}" in test.title(i) for i in range(0, 20, 7))
    assert test.sensor == (128, 128)


def test_the_drawn_split(tmp_path):
    mnist_dvs(tmp_path)
    tests = [
        members(open_folder("mnist-dvs", "test", tmp_path, scale=s, seed=seed))
        for s, seed in ((4, 0), (8, 0), (4, 0), (4, 1))
    ]
    # The same digits at each scale and time, others by another seed.
    assert tests[0] == tests[1] == tests[2]
    assert tests[0] != tests[3]
    # Not the same places in each class.
    assert len({number for _, number in tests[0]}) > 2


def test_the_split_does_not_depend_on_the_folder(tmp_path):
    mnist_dvs(tmp_path / "a", scales=(4,))
    mnist_dvs(tmp_path / "b", scales=(4,), layout="all")
    a, b = (members(open_folder("mnist-dvs", "test", tmp_path / f)) for f in "ab")
    assert a == b


def test_small_classes_are_tested_too(tmp_path):
    mnist_dvs(tmp_path, scales=(4,), digits=(1,), each=2)
    mnist_dvs(tmp_path, scales=(4,), digits=(2,), each=1)
    assert open_folder("mnist-dvs", "test", tmp_path).labels.tolist() == [1]
    assert open_folder("mnist-dvs", "train", tmp_path).labels.tolist() == [1, 2]


def test_mnist_dvs_named_by_its_folders(tmp_path):
    for number in range(10):
        put(tmp_path / "grabbed_data7" / "scale16" / f"{number}.aedat", write_aedat2(random_events(3)))
    assert open_folder("mnist-dvs", "train", tmp_path, scale=16).labels.tolist() == [7] * 9
    with pytest.raises(FileNotFoundError):
        open_folder("mnist-dvs", "train", tmp_path, scale=4)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("grabbed_data1/scale4/mnist_2_scale04_0001.aedat", "contradict each other on digit and scale"),
        ("grabbed_data1/scale4/mnist_1_scale08_0001.aedat", "contradict each other on digit and scale"),
        ("scale4/1.aedat", "tell neither digit and scale"),
        ("other/mnist_1_scale04_0003.aedat", "also there as"),
    ],
)
def test_mnist_dvs_in_disorder(tmp_path, path, told):
    mnist_dvs(tmp_path, digits=(1,), each=3)
    put(tmp_path / path, b"")
    with pytest.raises(ValueError, match=f"{told}"):
        open_folder("mnist-dvs", "train", tmp_path)


# CIFAR10-DVS


@pytest.mark.parametrize("above", ["", "CIFAR10DVS"])
@pytest.mark.parametrize(
    ("suffix", "write"), [(".aedat", write_aedat2), (".npz", write_npz), (".npy", write_npy)]
)
def test_cifar10_dvs(tmp_path, above, suffix, write):
    for label, name in enumerate(CIFAR):
        for number in range(10):
            events = random_events(number + 1, seed=label)
            put(tmp_path / above / name / f"cifar10_{name}_{number}{suffix}", write(events))
        put(tmp_path / above / name / "notes.txt", b"")
    train, test = (open_folder("cifar10-dvs", split, tmp_path) for split in ("train", "test"))
    assert train.labels.tolist() == np.repeat(np.arange(10), 9).tolist()
    assert test.labels.tolist() == list(range(10))
    for recordings in (train, test):
        for index in range(0, len(recordings), 4):
            number = int(Path(recordings.title(index)).stem.split("_")[2])
            events = random_events(number + 1, seed=int(recordings.labels[index]))
            assert np.array_equal(recordings[index], events)


def test_a_clock_that_was_set_back(tmp_path):
    events = random_events(3)
    events["t"] = [5, 3, 4]
    for number in range(2):
        put(tmp_path / "cat" / f"{number}.aedat", write_aedat2(events))
    with pytest.raises(ValueError, match=r"\.aedat: byte \d+: event 1: time runs backwards"):
        open_folder("cifar10-dvs", "train", tmp_path)[0]
    found = open_folder("cifar10-dvs", "train", tmp_path, backwards="continue")
    assert found[0]["t"].tolist() == [5, 8, 9]
    assert found.fingerprint != open_folder("cifar10-dvs", "train", tmp_path).fingerprint
    with pytest.raises(ValueError, match="backwards should be 'error' or 'continue', got 'sort'"):
        open_folder("cifar10-dvs", "train", tmp_path, backwards="sort")
    with pytest.raises(ValueError, match="backwards is for mnist-dvs and cifar10-dvs, not for nmnist"):
        open_folder("nmnist", "train", tmp_path, backwards="continue")


def test_cifar10_dvs_of_two_kinds(tmp_path):
    put(tmp_path / "cat" / "1.aedat", write_aedat2(random_events(3)))
    put(tmp_path / "cat" / "1.npz", write_npz(random_events(3)))
    with pytest.raises(ValueError, match=r"cat: files of more than one kind: \.aedat, \.npz; keep one"):
        open_folder("cifar10-dvs", "train", tmp_path)
