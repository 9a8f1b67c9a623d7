"""DVS128 Gesture: recordings, and the tables that cut them into gestures; or tonic's single gestures."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import Sensor
from liafseq.tasks.dvs.formats import Cut, decode_npy, parse_cuts, read_events, read_file
from liafseq.tasks.dvs.published.data_sets import ByUser, FolderDataSet

__all__ = ["find_gestures"]

_USER = re.compile(r"user(\d+)_.+")

Found = tuple[int, str, Callable[[], NDArray[Any]], tuple[Path, ...]]


def find_gestures(folder: Path, split: str, data_set: FolderDataSet) -> list[Found]:
    """The gestures of a split: class, title, how to read each, and the files that it is read from.

    Looked for in the folder, then in those directly inside: ``trials_to_<split>.txt``, which lists
    the recordings; without it, ``user*.aedat``, of which the number of the person decides; or tonic's
    ``ibmGestureTrain`` and ``ibmGestureTest``. A gesture is all events with begin <= t < end.

    Raises:
        FileNotFoundError: a listed recording or a table is missing.
        ValueError: a list or a table that is none; a person who belongs to the other part.
    """
    trials = f"trials_to_{split}.txt"
    tonic = f"ibmGesture{split.capitalize()}"
    for root in (folder, *sorted(f for f in folder.iterdir() if f.is_dir())):
        if (root / trials).is_file():
            return _cut(_listed(root / trials, split, data_set), data_set)
        if (root / tonic).is_dir():
            return _single(root / tonic, split, data_set)
        paths = [p for p in sorted(root.glob("user*.aedat")) if _USER.fullmatch(p.stem)]
        if paths:
            return _cut([p for p in paths if _belongs(p.stem, split, data_set)], data_set)
    return []


def _belongs(name: str, split: str, data_set: FolderDataSet) -> bool:
    assert isinstance(data_set.split, ByUser)
    user = _USER.fullmatch(name)
    return user is not None and int(user[1]) in getattr(data_set.split, split)


def _listed(trials: Path, split: str, data_set: FolderDataSet) -> list[Path]:
    paths = []
    for number, line in enumerate(read_file(trials).decode("utf-8", "replace").splitlines(), 1):
        name = line.strip()
        if not name:
            continue
        if PurePosixPath(name).name != name or "\\" in name or not name.endswith(".aedat"):
            raise ValueError(f"{trials}:{number}: expected the name of an .aedat file, got {name[:80]!r}")
        path = trials.with_name(name)
        if not _belongs(path.stem, split, data_set):
            raise ValueError(f"{trials}:{number}: {name} is of nobody in the {split} set")
        if not path.is_file():
            raise FileNotFoundError(f"{trials}:{number}: there is no {path}")
        if path in paths:
            raise ValueError(f"{trials}:{number}: {name} is listed twice")
        paths.append(path)
    return paths


def _cut(paths: list[Path], data_set: FolderDataSet) -> list[Found]:
    cutter = _Cutter(data_set.sensor)
    found: list[Found] = []
    for path in paths:
        table = path.with_name(f"{path.stem}_labels.csv")
        if not table.is_file():
            raise FileNotFoundError(f"{path}: its table of gestures is missing: {table}")
        found += [
            (
                cut.label,
                f"{path} ({table.name}:{cut.line})",
                partial(cutter.read, path, table, cut),
                (path, table),
            )
            for cut in parse_cuts(read_file(table), str(table), len(data_set.classes))
        ]
    return found


def _single(folder: Path, split: str, data_set: FolderDataSet) -> list[Found]:
    """tonic's copy: a file for each gesture, called after its class from 0, times in milliseconds."""
    found: list[Found] = []
    for user in sorted(f for f in folder.iterdir() if f.is_dir()):
        if not _USER.fullmatch(user.name):
            continue
        if not _belongs(user.name, split, data_set):
            raise ValueError(f"{user}: is of nobody in the {split} set")
        for path in sorted(user.glob("*.npy"), key=lambda path: (len(path.stem), path.stem)):
            if not (path.stem.isascii() and path.stem.isdecimal() and int(path.stem) < len(data_set.classes)):
                raise ValueError(
                    f"{path}: expected the number of a class from 0 to {len(data_set.classes) - 1}"
                )
            read = partial(_read_single, path, data_set.sensor)
            found.append((int(path.stem), str(path), read, (path,)))
    return found


def _read_single(path: Path, sensor: Sensor) -> NDArray[Any]:
    return decode_npy(read_file(path), str(path), sensor, columns="xypt", tick=1000)


class _Cutter:
    """Cuts gestures out of recordings; keeps the last recording, for its other gestures."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self._last: tuple[Path, NDArray[Any], NDArray[np.int64]] | None = None

    def read(self, path: Path, table: Path, cut: Cut) -> NDArray[Any]:
        """The events of a gesture; a copy.

        Raises:
            ValueError: less than half of the gesture lies within the recording, or no event.
        """
        if self._last is None or self._last[0] != path:
            # Not two recordings in memory at once.
            self._last = None
            events = read_events(path, "aedat3", self.sensor)
            self._last = path, events, np.ascontiguousarray(events["t"])
        _, events, times = self._last
        first, last = int(times[0]), int(times[-1])
        begin, end = np.searchsorted(times, (cut.begin, cut.end)).tolist()
        if begin == end or 2 * (min(cut.end, last) - max(cut.begin, first)) < cut.end - cut.begin:
            raise ValueError(
                f"{table}:{cut.line}: the gesture from {cut.begin} to {cut.end} microseconds is not in the "
                f"recording {path}, which goes from {first} to {last}"
            )
        return events[begin:end].copy()

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads for itself.
        return {"sensor": self.sensor, "_last": None}
