"""The recordings of a data set by its name: generated, or from a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from liafseq.tasks.dvs.events import Recordings
from liafseq.tasks.dvs.names import DATA_SETS, GENERATED

__all__ = ["open_recordings"]


def open_recordings(
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    count: int = 0,
    seed: int = 0,
    **options: Any,
) -> Recordings:
    """A split of a data set.

    Args:
        name: ``digits`` or ``gestures`` (generated), ``nmnist``, ``mnist-dvs``, ``cifar10-dvs`` or
            ``dvs128-gesture``.
        split: ``train`` or ``test``.
        data_dir: the folder of a published data set, in the layout of its authors.
        count: how many recordings at most, in equal parts of the classes; 0: all there are.
        seed: of generated recordings, and of the split where the authors give none.
        options: of the data set, such as ``scale`` of MNIST-DVS and ``motion`` of digits.

    Raises:
        FileNotFoundError: no such folder.
        ValueError, TypeError: an unknown name, split or option.
    """
    if name not in DATA_SETS:
        raise ValueError(f"unknown data set {name!r}; the data sets are {', '.join(DATA_SETS)}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, got {split!r}")
    if name in GENERATED:
        from liafseq.tasks.dvs.generated import GENERATED as KINDS
        from liafseq.tasks.dvs.generated import open_generated

        count = min(count, KINDS[name].most[split])
        return open_generated(name, split, count=count or None, seed=seed, **options)
    if data_dir is None:
        raise ValueError(f"{name} is read from a folder; data_dir is missing")
    for option in options:
        if option not in ("scale", "backwards"):
            raise TypeError(f"{name} has no option {option!r}; data in folders has scale and backwards")
    from liafseq.tasks.dvs.published.folders import open_folder

    found = open_folder(name, split, Path(data_dir), seed=seed, **options)
    return found if count == 0 else found.first(count)
