"""The generated data sets by name: made once, then read from the cache."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.events import Sensor
from liafseq.tasks.dvs.generated import digits, gestures
from liafseq.tasks.dvs.generated.store import Stored, read_stored, write_stored
from liafseq.tasks.storage.cache import cache_folder
from liafseq.tasks.storage.lock import folder_lock

__all__ = ["GENERATED", "SPLITS", "GeneratedRecordings", "open_generated"]

SPLITS = ("train", "test")
_MOST = 1_000_000
_WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class _Set:
    """What makes a data set."""

    version: int
    """Part of the cache file's name: to be raised with every change of what is generated."""
    code: int
    """Part of every recording's seed."""
    options: type[Any]
    classes: tuple[str, ...]
    counts: dict[str, int]
    """How many recordings a split has if nobody asks for another number."""
    label: Callable[[str, int], int]
    record: Callable[[Any, str, int, np.random.Generator], NDArray[Any]]
    most: dict[str, int]
    """How many recordings a split can have."""


GENERATED: dict[str, _Set] = {
    "digits": _Set(
        1, 1, digits.DigitOptions, digits.CLASSES, {"train": 1438, "test": 359},
        lambda split, index: int(digits.digit_labels(split)[index]),
        digits.digit_recording,
        {"train": 1438, "test": 359},
    ),
    "gestures": _Set(
        1, 2, gestures.GestureOptions, gestures.CLASSES, {"train": 1100, "test": 330},
        lambda _, index: gestures.gesture_label(index),
        lambda options, _, index, rng: gestures.gesture_recording(options, index, rng),
        {"train": _MOST, "test": _MOST},
    ),
}  # fmt: skip
"""The data sets that can be generated."""


class GeneratedRecordings:
    """A split of a generated data set; a ``liafseq.tasks.dvs.events.Recordings``.

    Attributes:
        name: of the data set.
        split: ``"train"`` or ``"test"``.
        sensor: its size.
        classes: their names.
        labels: the class of each recording, int64 (recordings,).
        options: how it was made.
        path: the cache file, or None where it could not be written.
        fingerprint: another one for other content.
    """

    def __init__(
        self,
        name: str,
        split: str,
        options: Any,
        classes: tuple[str, ...],
        stored: Stored,
        path: Path | None,
        fingerprint: str,
    ) -> None:
        self.name = name
        self.split = split
        self.sensor: Sensor = options.sensor
        self.classes = classes
        self.options = options
        self.path = path
        self.fingerprint = fingerprint
        self.labels: NDArray[np.int64] = stored.labels.astype(np.int64)
        self._events = stored.events
        self._offsets = stored.offsets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The events of a recording, a copy; negative numbers count from the end."""
        at = self._index(index)
        return self._events[self._offsets[at] : self._offsets[at + 1]].copy()

    def title(self, index: int) -> str:
        """Data set, split and number."""
        return f"{self.name}/{self.split}#{self._index(index)}"

    def __repr__(self) -> str:
        return f"<{self.name}/{self.split}: {len(self)} recordings, {len(self._events)} events>"

    def _index(self, index: int) -> int:
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"a recording's number must be a whole number, got {index!r}")
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name}/{self.split} has {len(self)} recordings, got number {index}")
        return int(index) % len(self)


def open_generated(
    name: str,
    split: str,
    *,
    count: int | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> GeneratedRecordings:
    """The recordings of a generated data set, made at the first call and read from a file later.

    Args:
        name: ``"digits"`` or ``"gestures"``.
        split: ``"train"`` or ``"test"``: other scans, other random numbers.
        count: how many recordings, at least 1: the first ones of the split, which do not depend on
            ``count``. Default: digits all (1,438 and 359, which is also the most), gestures 1,100 and 330.
        seed: of all that is random but the digits' split into training and test set.
        cache_dir: folder of the file; default: see
            :func:`~liafseq.tasks.storage.cache.cache_folder`. A damaged file is made again, with
            a warning; where none can be written there is a warning and the recordings are in memory.
        **options: fields of :class:`~liafseq.tasks.dvs.generated.digits.DigitOptions` or
            :class:`~liafseq.tasks.dvs.generated.gestures.GestureOptions`.

    Raises:
        ValueError: no such data set or split, a count or an option out of range.
        TypeError: an option that does not exist, or a value of the wrong kind.
    """
    if name not in GENERATED:
        raise ValueError(f"name must be one of {', '.join(GENERATED)}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    kind = GENERATED[name]
    known = [field.name for field in fields(kind.options)]
    for option in options:
        if option not in known:
            raise TypeError(f"{name} has no option {option!r}; its options are {', '.join(known)}")
    chosen = kind.options(**options)
    count = _whole("count", kind.counts[split] if count is None else count, 1)
    if count > kind.most[split]:
        raise ValueError(f"count must be at most {kind.most[split]} for {name}/{split}, got {count}")
    seed = _whole("seed", seed, 0)

    content = {"set": name, "version": kind.version, "split": split, "count": count, "seed": seed}
    key = json.dumps({**content, "options": asdict(chosen)}, sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    # a folder of its own, because a lock is a folder's
    path = cache_folder(cache_dir) / "generated" / f"{name}-{split}-{digest}" / "recordings.npz"

    def make() -> Stored:
        return _make(kind, chosen, split, count, seed)

    stored, kept = _cached(path, make, chosen.sensor, len(kind.classes), count)
    return GeneratedRecordings(name, split, chosen, kind.classes, stored, path if kept else None, digest)


def _cached(
    path: Path, make: Callable[[], Stored], sensor: Sensor, classes: int, count: int
) -> tuple[Stored, bool]:
    """What is in the file, made where it is not, and whether there is a file now."""
    stored = _read(path, sensor, classes, count)
    if stored is not None:
        return stored, True
    try:
        # who makes the same at the same time is waited for, and then has left the file
        with folder_lock(path.parent, wait=_WAIT_SECONDS):
            stored = _read(path, sensor, classes, count, warn=True)
            if stored is None:
                stored = make()
                write_stored(path, stored)
        return stored, True
    except OSError as error:
        warnings.warn(f"{path}: not kept for the next time: {error}", RuntimeWarning, stacklevel=3)
        return make() if stored is None else stored, False


def _read(path: Path, sensor: Sensor, classes: int, count: int, *, warn: bool = False) -> Stored | None:
    try:
        return read_stored(path, sensor, classes, count)
    except FileNotFoundError:
        return None
    except ValueError as error:
        if warn:
            warnings.warn(f"{error}; it is made again", RuntimeWarning, stacklevel=4)
        return None


def _make(kind: _Set, options: Any, split: str, count: int, seed: int) -> Stored:
    parts = []
    for index in range(count):
        # of its own seed, so that it does not depend on the others
        rng = np.random.default_rng([seed, kind.code, SPLITS.index(split), index])
        parts.append(kind.record(options, split, index, rng))
    offsets = np.concatenate([[0], np.cumsum([len(events) for events in parts])]).astype(np.int64)
    labels = np.array([kind.label(split, index) for index in range(count)], np.int64)
    return Stored(np.concatenate(parts), offsets, labels)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)
