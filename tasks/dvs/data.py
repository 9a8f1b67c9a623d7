"""The data of a run: what its network must know of it, and its compressed splits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from liafseq.tasks.config import FieldError
from liafseq.tasks.dvs.compression import Compression
from liafseq.tasks.dvs.config import DvsConfig
from liafseq.tasks.dvs.encode import Compressed, compress_all, hold_out
from liafseq.tasks.dvs.events import Recordings, Sensor
from liafseq.tasks.dvs.sources import open_recordings
from liafseq.tasks.storage.cache import cache_folder

__all__ = ["DvsData", "Split", "load_split", "open_split"]


@dataclass(frozen=True)
class DvsData:
    """The names of the classes, and the sensor; the recordings are read where they are asked for."""

    classes: tuple[str, ...]
    sensor: Sensor

    @classmethod
    def of(cls, config: DvsConfig, kept: Any = None) -> DvsData:
        """The data of a run, or of a run folder that has ``kept`` classes and sensor.

        Raises:
            FileNotFoundError, ValueError: as of :func:`load_split`, or ``kept`` is of something else.
        """
        if kept is None:
            found = load_split(config, "train")
            return cls(found.classes, found.sensor)
        try:
            width, height = kept["sensor"]
            return cls(tuple(map(str, kept["classes"])), Sensor(int(width), int(height)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the classes and the sensor of a run: {kept!r:.80}") from error

    def kept(self) -> Any:
        return {"classes": list(self.classes), "sensor": list(self.sensor)}

    def split(self, config: DvsConfig, name: str) -> Compressed:
        """The recordings of ``train`` (without the validation part), ``valid`` or ``test``.

        Raises:
            FileNotFoundError, ValueError: as of :func:`load_split`, or they are of other classes or of
                another sensor.
        """
        found = load_split(config, name)
        if (found.classes, found.sensor) != (self.classes, self.sensor):
            raise ValueError(
                f"{config.data} has other classes or another sensor ({len(found.classes)}, "
                f"{found.sensor.width} x {found.sensor.height} pixels) than the network was trained for "
                f"({len(self.classes)}, {self.sensor.width} x {self.sensor.height} pixels)"
            )
        return found.data


class Split(NamedTuple):
    """A compressed split, its sensor and the names of its classes."""

    data: Compressed
    sensor: Sensor
    classes: tuple[str, ...]


def open_split(config: DvsConfig, split: str) -> Recordings:
    """The recordings of the train or test split of a run, not compressed."""
    count = config.recordings if split == "train" else config.test_recordings
    return _open(config.data, config.data_dir, config.data_options, config.data_seed, split, count)


def load_split(config: DvsConfig, split: str) -> Split:
    """A split of a run: ``train`` (without the validation part), ``valid`` or ``test``.

    Raises:
        FileNotFoundError, ValueError: as of :func:`open_recordings` and of the compression.
    """
    if split not in ("train", "valid", "test"):
        raise ValueError(f"split must be train, valid or test, got {split!r}")
    part = "test" if split == "test" else "train"
    key = (config.data, config.data_dir, config.data_options, config.data_seed)
    count = config.recordings if part == "train" else config.test_recordings
    found = _compressed(*key, part, count, config.compression())
    if split == "test":
        return found
    train, valid = hold_out(found.data, config.valid_fraction, config.data_seed)
    return found._replace(data=train if split == "train" else valid)


# A worker does several runs on equal data: the last splits stay in memory.
@lru_cache(maxsize=4)
def _compressed(
    name: str,
    data_dir: str | None,
    options: tuple[tuple[str, object], ...],
    seed: int,
    split: str,
    count: int,
    compression: Compression,
) -> Split:
    recordings = _open(name, data_dir, options, seed, split, count)
    data = compress_all(recordings, compression, cache_folder() / "compressed")
    return Split(data, recordings.sensor, recordings.classes)


def _open(
    name: str,
    data_dir: str | None,
    options: tuple[tuple[str, object], ...],
    seed: int,
    split: str,
    count: int,
) -> Recordings:
    try:
        return open_recordings(name, split, data_dir, count=count, seed=seed, **dict(options))
    except TypeError as error:  # no such option
        raise FieldError("data_options", f": {error}") from error
