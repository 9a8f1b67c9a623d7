"""The published data sets, from the folders in which their authors publish them.

What a data set is (classes, sensor, split, layout): :mod:`liafseq.tasks.dvs.published.data_sets`.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import Sensor
from liafseq.tasks.dvs.formats import Backwards, decode_aedat2, decode_nmnist, read_events, read_file
from liafseq.tasks.dvs.published.data_sets import FOLDER_DATA_SETS, ByFolder, FolderDataSet, Stratified
from liafseq.tasks.dvs.published.gesture_files import find_gestures
from liafseq.tasks.settings import digest
from liafseq.tasks.storage.archive import is_archive, unpacked

__all__ = ["FOLDER_DATA_SETS", "FolderRecordings", "open_folder"]

_IMAGE_SUFFIXES = (".aedat", ".aedat4", ".npz", ".npy")
_MNIST_NAME = re.compile(r"mnist_(\d)_scale(\d+)_(\d+)\.aedat", re.IGNORECASE)
_MNIST_DIGIT = re.compile(r"(?:grabbed|processed)_data(\d)", re.IGNORECASE)
_MNIST_SCALE = re.compile(r"scale(\d+)", re.IGNORECASE)


class Recording(NamedTuple):
    """A recording that can be read: its class, what to call it, how to get its events, and from where."""

    label: int
    title: str
    read: Callable[[], NDArray[Any]]
    files: tuple[Path, ...]


class FolderRecordings:
    """The recordings of a split, read from their files when they are asked for.

    Attributes:
        name: of the data set.
        sensor: its size.
        classes: their names.
        labels: the class of each recording, int64 (recordings,).
    """

    def __init__(self, name: str, recordings: Sequence[Recording], backwards: Backwards = "error") -> None:
        data_set = FOLDER_DATA_SETS[name]
        self.name = name
        self.sensor: Sensor = data_set.sensor
        self.classes: tuple[str, ...] = data_set.classes
        self.labels: NDArray[np.int64] = np.array([r.label for r in recordings], np.int64)
        self._recordings = tuple(recordings)
        self._backwards: Backwards = backwards

    @property
    def fingerprint(self) -> str:
        """Another one for other recordings, or files of another size or time of change."""
        marks: dict[Path, tuple[int, int]] = {}
        for path in {path for recording in self._recordings for path in recording.files}:
            about = path.stat()
            marks[path] = about.st_size, about.st_mtime_ns
        content = [
            (recording.label, recording.title, [marks[path] for path in recording.files])
            for recording in self._recordings
        ]
        return digest({"name": self.name, "backwards": self._backwards, "recordings": content})

    def __len__(self) -> int:
        return len(self._recordings)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The events of a recording, as :func:`~liafseq.tasks.dvs.formats.read_events` gives them."""
        return self._recordings[operator.index(index)].read()

    def title(self, index: int) -> str:
        """The file of a recording; of a gesture also the line of its table."""
        return self._recordings[operator.index(index)].title

    def first(self, count: int) -> FolderRecordings:
        """At most ``count`` recordings: the first of each class, the second of each, and so on."""
        if count < 1:
            raise ValueError(f"count should be at least 1, got {count}")
        seen = np.zeros(len(self.classes), np.int64)
        turns = np.empty(len(self), np.int64)
        for index, label in enumerate(self.labels):
            turns[index] = seen[label]
            seen[label] += 1
        chosen = np.sort(np.lexsort((self.labels, turns))[:count])
        return FolderRecordings(self.name, [self._recordings[index] for index in chosen], self._backwards)


def open_folder(
    name: str,
    split: str,
    data_dir: str | os.PathLike[str],
    *,
    scale: int = 4,
    seed: int = 0,
    backwards: Backwards = "error",
) -> FolderRecordings:
    """A split of a published data set.

    Args:
        name: a key of :data:`FOLDER_DATA_SETS`.
        split: ``train`` or ``test``; a validation set is for the caller to cut.
        data_dir: the folder in which the files lie in the authors' layout, or the one above it; for
            ``nmnist`` also an archive of it, which is unpacked into the cache. A part of the data set
            is opened as it is.
        scale: of ``mnist-dvs``: 4, 8 or 16.
        seed: where the authors give no split: of each class, the test set is a tenth (at least one
            recording, if there are two) drawn by this seed. The same digits for each scale.

        backwards: of ``mnist-dvs`` and ``cifar10-dvs``: what a step back in time is in an AEDAT 1.0 or
            2.0 file, an error or (``"continue"``) a clock that was set back;
            see :func:`~liafseq.tasks.dvs.formats.decode_aedat2`.

    Returns:
        The recordings, in the order of their classes and numbers (gestures: as the authors list them).

    Raises:
        FileNotFoundError: no such folder, or nothing of the data set in it; says what is expected.
        ValueError: an unknown name, split or scale; files that contradict their folder or their table.
    """
    if name not in FOLDER_DATA_SETS:
        raise ValueError(f"unknown data set {name!r}; those in folders are {', '.join(FOLDER_DATA_SETS)}")
    if split not in ("train", "test"):
        raise ValueError(f"split should be 'train' or 'test', got {split!r}")
    data_set = FOLDER_DATA_SETS[name]
    if data_set.scales and scale not in data_set.scales:
        raise ValueError(f"scale should be one of {', '.join(map(str, data_set.scales))}, got {scale}")
    if backwards not in ("error", "continue"):
        raise ValueError(f"backwards should be 'error' or 'continue', got {backwards!r}")
    if backwards != "error" and not isinstance(data_set.split, Stratified):
        raise ValueError(f"backwards is for mnist-dvs and cifar10-dvs, not for {name}")
    folder = Path(data_dir)
    if folder.is_file():
        if name != "nmnist" or not is_archive(folder):
            raise ValueError(f"{folder}: a file; {data_set.title} is read from a folder: unpack it there")
        recordings = _nmnist_archive(folder, split, data_set)
    elif not folder.is_dir():
        raise _missing(folder, data_set, "no such folder")
    elif name == "nmnist":
        recordings = _nmnist(folder, split, data_set)
    elif name == "dvs128-gesture":
        recordings = [Recording(*found) for found in find_gestures(folder, split, data_set)]
    elif name == "mnist-dvs":
        recordings = _part(_mnist_dvs(folder, scale), split, data_set, seed, backwards)
    else:
        recordings = _part(_classes(folder, data_set), split, data_set, seed, backwards)
    if not recordings:
        raise _missing(folder, data_set, f"nothing of the {split} set here")
    return FolderRecordings(name, recordings, backwards)


def _missing(folder: Path, data_set: FolderDataSet, what: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"{folder}: {what}; {data_set.title} is expected as {'; '.join(data_set.layout)}; "
        f"it is published at {data_set.url}"
    )


def _number(path: Path) -> list[tuple[int, int | str]]:
    """Orders 2 before 10."""
    words = re.split(r"(\d+)", path.name)
    return [(0, int(word)) if word.isdecimal() else (1, word) for word in words]


def _subfolders(folder: Path) -> list[Path]:
    """Folders within, without those that only an operating system wants."""
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith((".", "__")))


def _only(roots: Iterable[Path], folder: Path) -> Path | None:
    found = list(roots)
    if len(found) > 1:
        raise ValueError(
            f"{folder}: the data set is there more than once; name one of {', '.join(map(str, found))}"
        )
    return found[0] if found else None


def _root(folder: Path, qualifies: Callable[[Path], bool]) -> Path | None:
    """The folder itself, or the only one directly inside that qualifies."""
    if qualifies(folder):
        return folder
    return _only((f for f in _subfolders(folder) if qualifies(f)), folder)


def _nmnist(folder: Path, split: str, data_set: FolderDataSet) -> list[Recording]:
    assert isinstance(data_set.split, ByFolder)
    wanted = getattr(data_set.split, split).lower()

    def part(root: Path) -> list[Path]:
        return [f for f in _subfolders(root) if f.name.lower() == wanted]

    root = _root(folder, lambda root: bool(part(root)))
    if root is None:
        return []
    base = _only(part(root), root)
    assert base is not None
    return [
        Recording(label, str(path), partial(_read_nmnist, path, str(path), data_set.sensor), (path,))
        for label, digit in enumerate(data_set.classes)
        for path in sorted((base / digit).glob("*.bin"), key=_number)
    ]


def _nmnist_archive(archive: Path, split: str, data_set: FolderDataSet) -> list[Recording]:
    """The recordings of an archive, called by their place in it and marked by its size and time."""
    folder = unpacked(archive)
    recordings = []
    for label, _, _, (path,) in _nmnist(folder, split, data_set):
        title = f"{archive}: {path.relative_to(folder).as_posix()}"
        read = partial(_read_nmnist, path, title, data_set.sensor)
        recordings.append(Recording(label, title, read, (archive,)))
    return recordings


def _read_nmnist(path: Path, title: str, sensor: Sensor) -> NDArray[Any]:
    return decode_nmnist(read_file(path), title, sensor)


def _mnist_dvs(folder: Path, scale: int) -> list[tuple[int, Path]]:
    """All recordings of a scale: digit and scale as the names of files or folders tell."""
    found: dict[tuple[int, str], Path] = {}
    for path in sorted(folder.rglob("*.aedat")):
        inside = path.relative_to(folder.parent).parts[:-1]
        if any(part.startswith("__") for part in inside):
            continue
        name = _MNIST_NAME.fullmatch(path.name)
        digits = {int(m[1]) for m in map(_MNIST_DIGIT.fullmatch, inside) if m}
        scales = {int(m[1]) for m in map(_MNIST_SCALE.fullmatch, inside) if m}
        if name:
            digits.add(int(name[1]))
            scales.add(int(name[2]))
        if len(digits) != 1 or len(scales) != 1:
            told = "tell neither" if not digits or not scales else "contradict each other on"
            raise ValueError(f"{path}: the names of file and folder {told} digit and scale")
        (digit,), (its_scale,) = digits, scales
        if its_scale != scale:
            continue
        other = found.setdefault((digit, path.name.lower()), path)
        if other is not path:
            raise ValueError(f"{path}: also there as {other}; name one of the folders")
    return [(digit, path) for (digit, _), path in found.items()]


def _classes(folder: Path, data_set: FolderDataSet) -> list[tuple[int, Path]]:
    """All recordings in folders that are called as the classes are."""
    root = _root(folder, lambda root: any((root / c).is_dir() for c in data_set.classes))
    found: list[tuple[int, Path]] = []
    for label, name in enumerate(data_set.classes if root is not None else ()):
        assert root is not None
        paths = [p for p in (root / name).glob("*") if p.suffix.lower() in _IMAGE_SUFFIXES]
        suffixes = sorted({p.suffix.lower() for p in paths})
        if len(suffixes) > 1:
            raise ValueError(f"{root / name}: files of more than one kind: {', '.join(suffixes)}; keep one")
        found += [(label, path) for path in paths]
    return found


def _read_image(path: Path, sensor: Sensor, backwards: Backwards) -> NDArray[Any]:
    if backwards == "error" or path.suffix.lower() != ".aedat":
        return read_events(path, None, sensor)
    return decode_aedat2(read_file(path), str(path), sensor, backwards=backwards)


def _part(
    found: list[tuple[int, Path]], split: str, data_set: FolderDataSet, seed: int, backwards: Backwards
) -> list[Recording]:
    """The part of a split that is drawn: for each class with a generator of its own."""
    assert isinstance(data_set.split, Stratified)
    recordings = []
    for label in range(len(data_set.classes)):
        paths = sorted((path for its_label, path in found if its_label == label), key=_number)
        tested = round(data_set.split.test * len(paths))
        if len(paths) >= 2:
            tested = max(tested, 1)
        drawn = np.zeros(len(paths), np.bool_)
        drawn[np.random.default_rng([seed, label]).permutation(len(paths))[:tested]] = True
        recordings += [
            Recording(label, str(path), partial(_read_image, path, data_set.sensor, backwards), (path,))
            for path, test in zip(paths, drawn, strict=True)
            if test == (split == "test")
        ]
    return recordings
