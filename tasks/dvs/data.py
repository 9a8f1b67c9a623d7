"""The compressed splits of a run: training, validation, test."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from liafseq.tasks.dvs.compression import Compression
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.dvs.encode import Compressed, compress_all, hold_out
from liafseq.tasks.dvs.events import Recordings, Sensor
from liafseq.tasks.dvs.sources import open_recordings
from liafseq.tasks.storage.cache import cache_folder

__all__ = ["Split", "load_split", "open_split", "prepare"]


class Split(NamedTuple):
    """A compressed split, its sensor and the names of its classes."""

    data: Compressed
    sensor: Sensor
    classes: tuple[str, ...]


class Prepared(NamedTuple):
    """What a run trains on, and the size of its network's input and output."""

    train: Compressed
    valid: Compressed
    size: tuple[int, int]
    classes: tuple[str, ...]


def open_split(config: DvsRun, split: str) -> Recordings:
    """The recordings of the train or test split of a run, not compressed."""
    count = config.recordings if split == "train" else config.test_recordings
    return open_recordings(
        config.data,
        split,
        config.data_dir,
        count=count,
        seed=config.data_seed,
        **dict(config.data_options),
    )


def load_split(config: DvsRun, split: str) -> Split:
    """A split of a run: ``train`` (without the validation part), ``valid`` or ``test``.

    Raises:
        FileNotFoundError, ValueError: as of :func:`open_recordings` and of the compression.
    """
    part = "test" if split == "test" else "train"
    key = (config.data, config.data_dir, config.data_options, config.data_seed)
    count = config.recordings if part == "train" else config.test_recordings
    found = _compressed(*key, part, count, config.compression())
    if split == "test":
        return found
    train, valid = hold_out(found.data, config.valid_fraction, config.data_seed)
    return found._replace(data=train if split == "train" else valid)


def prepare(config: DvsRun) -> Prepared:
    """Training and validation part of a run."""
    train, valid = load_split(config, "train"), load_split(config, "valid")
    return Prepared(train.data, valid.data, config.compression().shape(train.sensor), train.classes)


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
    recordings = open_recordings(name, split, data_dir, count=count, seed=seed, **dict(options))
    data = compress_all(recordings, compression, cache_folder() / "compressed")
    return Split(data, recordings.sensor, recordings.classes)
