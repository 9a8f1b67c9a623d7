"""Tensors and JSON together in one safetensors file, so that one move of one file commits both.

safetensors itself notices a file that is cut, not one in which a bit has changed: checksums do.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from liafseq.tasks.storage.files import write_atomic

__all__ = ["load_into", "load_tensors", "read_state", "save_tensors"]

_KEY = "liafseq"
"""The one metadata entry; safetensors keeps several in no fixed order, and equal runs make equal files."""


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, torch.Tensor], state: Any) -> Path:
    """Writes tensors with a JSON value beside them in the file's header, atomically."""
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(state)
    entry = {"state": text, "state_crc32": zlib.crc32(text.encode()), "tensors_crc32": _checksum(own)}
    return write_atomic(path, save(own, metadata={_KEY: json.dumps(entry)}))


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], Any]:
    """The tensors and the JSON value of :func:`save_tensors`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or was not written by :func:`save_tensors`.
    """
    return _read(path, with_tensors=True)


def read_state(path: str | os.PathLike[str]) -> Any:
    """Only the JSON value of a file of :func:`save_tensors`; errors as of :func:`load_tensors`."""
    return _read(path, with_tensors=False)[1]


def load_into(
    model: torch.nn.Module, tensors: Mapping[str, torch.Tensor], name: object, *, assign: bool = False
) -> None:
    """Puts tensors into a model; ValueError, naming the file ``name``, where they are not the model's.

    Args:
        assign: the model takes these tensors in the place of its own, which may be on the device "meta".
    """
    try:
        model.load_state_dict(dict(tensors), assign=assign)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:300]
        raise ValueError(f"{name}: not the weights of this model: {why}") from error


def _checksum(tensors: Mapping[str, torch.Tensor]) -> int:
    found = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def _read(path: str | os.PathLike[str], with_tensors: bool) -> tuple[dict[str, torch.Tensor], Any]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        path.open("rb").close()
    except OSError as error:  # the file may be whole
        raise OSError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        with safe_open(path, framework="pt") as file:
            entry = json.loads((file.metadata() or {})[_KEY])
            if zlib.crc32(entry["state"].encode()) != entry["state_crc32"]:
                raise ValueError("the checksum of its header is wrong")
            # Cloned: the file is mapped into memory only while it is open.
            names = file.keys() if with_tensors else ()
            tensors = {name: file.get_tensor(name).clone() for name in names}
            if with_tensors and _checksum(tensors) != entry["tensors_crc32"]:
                raise ValueError("the checksum of its tensors is wrong")
            return tensors, json.loads(entry["state"])
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise ValueError(
            f"{path}: damaged, or not a checkpoint of liafseq ({type(error).__name__}: {str(error)[:200]}); "
            f"delete the run folder {path.parent} (or give another) and run again"
        ) from error
