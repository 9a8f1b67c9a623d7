"""Fetching through tonic, with a stand-in for it: nothing comes from the network."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from liafseq.tasks.dvs.published.data_sets import FOLDER_DATA_SETS
from liafseq.tasks.dvs.published.download import OFFERED, download
from liafseq.tasks.dvs.published.folders import open_folder

from .writers import put, random_events, write_nmnist, write_npy


class NMNIST:
    """Leaves what tonic's class of the same name leaves; so do the others."""

    calls: ClassVar[list] = []

    def __init__(self, save_to, train=True):
        self.calls.append((save_to, train))
        root = Path(save_to) / "NMNIST"
        put(root / ("train.zip" if train else "test.zip"), b"")
        put(
            root / ("Train" if train else "Test") / "3" / "00001.bin",
            write_nmnist(random_events(5, width=34, height=34)),
        )


class DVSGesture:
    def __init__(self, save_to, train=True):
        part, user = ("Train", "user01_lab") if train else ("Test", "user24_lab")
        events = random_events(9, last=1000)
        plain = np.stack([events[name] for name in "xypt"], 1)
        put(Path(save_to) / "DVSGesture" / f"ibmGesture{part}" / user / "4.npy", write_npy(plain))


class CIFAR10DVS:
    def __init__(self, save_to):
        for number in range(10):
            put(Path(save_to) / "CIFAR10DVS" / "frog" / f"cifar10_frog_{number}.aedat4", b"#!AER-DAT4.0\r\n")


@pytest.fixture
def tonic(monkeypatch):
    datasets = types.ModuleType("tonic.datasets")
    for data_class in (NMNIST, DVSGesture, CIFAR10DVS):
        setattr(datasets, data_class.__name__, data_class)
    package = types.ModuleType("tonic")
    package.datasets = datasets
    monkeypatch.setitem(sys.modules, "tonic", package)
    monkeypatch.setitem(sys.modules, "tonic.datasets", datasets)
    monkeypatch.setattr(NMNIST, "calls", [])
    return datasets


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_fetched_opens(tmp_path, tonic, name):
    folder = download(name, tmp_path / "new")
    assert folder == tmp_path / "new" / OFFERED[name]
    for data_dir in (folder, tmp_path / "new"):
        for split in ("train", "test"):
            recordings = open_folder(name, split, data_dir)
            if name != "cifar10-dvs":
                assert len(recordings[0]) > 0
    if name == "nmnist":
        assert tonic.NMNIST.calls == [(str(tmp_path / "new"), True), (str(tmp_path / "new"), False)]


def test_tonic_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(ImportError, match=r"needs tonic: pip install 'liafseq\[tonic\]'"):
        download("nmnist", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("tonic")
def test_what_tonic_does_not_offer(tmp_path):
    url = FOLDER_DATA_SETS["mnist-dvs"].url
    with pytest.raises(ValueError, match=f"tonic does not offer MNIST-DVS; fetch it from {url}"):
        download("mnist-dvs", tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'mnist'; those that can be fetched are nmnist, "):
        download("mnist", tmp_path)


@pytest.mark.usefixtures("tonic")
def test_a_file_in_the_way(tmp_path):
    put(tmp_path / "file", b"")
    with pytest.raises(NotADirectoryError, match="file: not a folder"):
        download("nmnist", tmp_path / "file")


def test_a_wrong_checksum(tmp_path, tonic, monkeypatch):
    def broken(**_):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(tonic, "NMNIST", broken)
    with pytest.raises(OSError, match="tonic could not fetch nmnist: File not found or corrupted"):
        download("nmnist", tmp_path)


def test_tonic_leaves_too_little(tmp_path, tonic, monkeypatch):
    monkeypatch.setattr(tonic, "NMNIST", lambda **_: None)
    with pytest.raises(FileNotFoundError, match="N-MNIST is expected as"):
        download("nmnist", tmp_path)


def test_tonic_has_these_classes():
    datasets = pytest.importorskip("tonic.datasets", reason="tonic is not installed")
    assert all(hasattr(datasets, called) for called in OFFERED.values())
    assert not any("mnist" in name.lower() and "dvs" in name.lower() for name in dir(datasets))


def test_a_folder_of_other_files_is_left_alone(tmp_path, tonic):
    put(tmp_path / "full" / "NMNIST" / "Train" / "notes.txt", b"mine")
    with pytest.raises(ValueError, match=r"full: holds other files \(NMNIST\); give a new"):
        download("nmnist", tmp_path / "full")
    assert tonic.NMNIST.calls == []
    assert [path.name for path in (tmp_path / "full").rglob("*")] == ["NMNIST", "Train", "notes.txt"]


@pytest.mark.usefixtures("tonic")
def test_a_folder_takes_several_data_sets_one_after_the_other(tmp_path):
    download("nmnist", tmp_path / "new")
    download("dvs128-gesture", tmp_path / "new")
    assert download("nmnist", tmp_path / "new") == tmp_path / "new" / "NMNIST"
