"""Fetches published data sets through tonic, where it is installed and has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liafseq.tasks.dvs.published.data_sets import FOLDER_DATA_SETS
from liafseq.tasks.dvs.published.folders import open_folder
from liafseq.tasks.storage.files import write_atomic

__all__ = ["OFFERED", "download"]

OFFERED: dict[str, str] = {
    "nmnist": "NMNIST",
    "cifar10-dvs": "CIFAR10DVS",
    "dvs128-gesture": "DVSGesture",
}
"""The data sets that tonic fetches, and what it calls them; its folder has the same name."""

_MARK = ".liafseq-download"
"""A file that says that a folder was made for what is fetched."""


def download(name: str, data_dir: str | os.PathLike[str]) -> Path:
    """Fetches a data set with tonic and sees that it opens.

    tonic keeps the archives beside the unpacked files, checks their sums, and fetches nothing that is
    there; a damaged archive it replaces. Its CIFAR10-DVS is in AEDAT 4, which needs the package aedat; its
    DVS128 Gesture has the gestures already cut, with times rounded to milliseconds.

    Args:
        name: a key of :data:`OFFERED`.
        data_dir: where tonic makes its folder: new, empty, or one of an earlier fetch.

    Returns:
        The folder to give to :func:`~liafseq.tasks.dvs.published.folders.open_folder`.

    Raises:
        ImportError: tonic is not installed.
        ValueError: tonic does not offer the data set; the folder holds other files.
        OSError: it could not be fetched.
    """
    if name not in FOLDER_DATA_SETS:
        raise ValueError(f"unknown data set {name!r}; those that can be fetched are {', '.join(OFFERED)}")
    if name not in OFFERED:
        data_set = FOLDER_DATA_SETS[name]
        raise ValueError(f"tonic does not offer {data_set.title}; fetch it from {data_set.url}")
    # Checked first, so that the way is free before gigabytes come.
    folder = Path(data_dir)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: not a folder")
    mark = folder / _MARK
    if folder.exists() and not mark.exists():
        foreign = min((path.name for path in folder.iterdir()), default=None)
        if foreign is not None:
            raise ValueError(f"{folder}: holds other files ({foreign}); give a new or an empty folder")
    data_class = _data_class(OFFERED[name])
    write_atomic(mark, "liafseq fetches event-camera data sets into this folder.\n")
    try:
        if name == "cifar10-dvs":
            data_class(save_to=str(folder))
        else:
            for train in (True, False):
                data_class(save_to=str(folder), train=train)
    except RuntimeError as error:
        # A checksum that does not fit.
        raise OSError(f"{folder}: tonic could not fetch {name}: {error}") from error
    found = folder / OFFERED[name]
    for split in ("train", "test"):
        open_folder(name, split, found)
    return found


def _data_class(called: str) -> Callable[..., Any]:
    try:
        import tonic.datasets
    except ImportError as error:
        raise ImportError(
            f"fetching data sets needs tonic: pip install 'liafseq[tonic]' (large; {error})"
        ) from error
    data_class: Callable[..., Any] = getattr(tonic.datasets, called)
    return data_class
