"""Reading a file that may come from anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nir

__all__ = ["read"]

_RATIO = 1100  # deflate packs zeros at most 1032 to 1
_DEPTH = 64


def _check(group: Any, depth: int = 0) -> None:
    """Refuses what would read other files, read for ever, or fill the memory from a small file."""
    if depth > _DEPTH:
        raise ValueError(f"groups within groups more than {_DEPTH} deep")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to elsewhere")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check(item, depth + 1)
        elif isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise ValueError(f"{name!r} lies in another file")
            if item.size is not None and item.nbytes > _RATIO * (item.id.get_storage_size() + 64):
                raise ValueError(f"{name!r} says that it has {item.nbytes} bytes, more than the file holds")


def read(path: str | Path) -> Any:
    """The graph of a file, without the type check of ``nir.read``, which grouped convolutions do not pass.

    Raises:
        OSError: a file that cannot be read.
        ValueError: one that is no graph, or that says it is larger than it can be.
    """
    with Path(path).open("rb"):
        pass  # missing, or no file: the error of the system
    try:
        with h5py.File(path, "r") as file:
            _check(file)
        return nir.read(path, type_check=False)
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: expected a graph as nir.write writes it: {error}") from error
