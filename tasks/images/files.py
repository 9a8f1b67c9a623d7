"""Images and their classes from files, by their format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.idx import idx_pairs, is_idx, labels_beside, read_idx
from liafseq.tasks.sequences.image_files import SUFFIXES, plain, read_image, stacked
from liafseq.tasks.sequences.npz import read_npz
from liafseq.tasks.sequences.sources import HUB, WHOLE, from_hub, parts, place, read_bytes, read_text

__all__ = ["Images", "arrays", "read"]


class Images(NamedTuple):
    """A part of the data: pixels (N, C, H, W) of uint8 or float32, and the names of the N classes."""

    pixels: NDArray[Any]
    names: Sequence[str]


def read(
    source: str, *, size: int = 0, image_column: str = "image", label_column: str = "label"
) -> dict[str, Images]:
    """The images of each part of the data: ``train``, ``valid``, ``test``, or ``whole``.

    Args:
        source: ``digits``, ``hub:...``, or a file, folder or archive of one of the formats.
        size: to which PNG and JPEG files and images of the hub are resized; 0: they are alike.
        image_column, label_column: of the hub.

    Raises:
        FileNotFoundError: no such source.
        ValueError: what cannot be read; with the file.
    """
    if source == "digits":
        found = {WHOLE: _digits()}
    elif source.startswith(HUB):
        columns = image_column, label_column
        tables = from_hub(source)
        found = {part: _hub(f"{source} {part}", rows, columns, size) for part, rows in tables.items()}
    else:
        path = place(source)
        whole = path.is_dir()
        if whole and (pairs := idx_pairs(path)):
            found = {part: _idx(*pair) for part, pair in pairs.items()}
        elif whole and (batches := _cifar_parts(path)):
            found = {part: _cifar(files) for part, files in batches.items()}
        else:
            found = {part: _part(inner, size) for part, inner in parts(path, (".npz",)).items()}
    shape, *others = dict.fromkeys(images.pixels.shape[1:] for images in found.values())
    if others:
        raise ValueError(f"{source}: expected images of one shape (C, H, W), got {shape} and {others[0]}")
    if size and shape[1:] != (size, size):
        raise ValueError(
            f"{source}: --size is for PNG and JPEG files; these are {shape[1]} x {shape[2]} pixels"
        )
    return found


def arrays(pixels: NDArray[Any], labels: NDArray[Any], where: object) -> Images:
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), of fewer channels than pixels a side, and labels (N).

    Raises:
        ValueError: other shapes, no finite numbers, or labels that are no whole numbers or texts.
    """
    if pixels.ndim not in (3, 4) or pixels.dtype.kind not in "biuf" or 0 in pixels.shape:
        got = f"{pixels.shape} of {pixels.dtype}"
        raise ValueError(f"{where}: expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got {got}")
    labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != pixels.shape[:1] or labels.dtype.kind not in "biuSU":
        got = f"{labels.shape} of {labels.dtype}"
        raise ValueError(f"{where}: expected {len(pixels)} labels, whole numbers or texts, got {got}")
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[3] <= pixels.shape[1]:
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32)
        if not (finite := np.isfinite(pixels).all((1, 2, 3))).all():
            raise ValueError(f"{where}: image {int(finite.argmin())}: expected finite numbers, got others")
    names = labels.astype(str) if labels.dtype.kind != "S" else np.char.decode(labels, "latin-1")
    return Images(np.ascontiguousarray(pixels), names.tolist())


def _part(path: Path, size: int) -> Images:
    if path.is_dir():
        return _classes(path, size)
    if path.suffix.lower() == ".npz":
        found = read_npz(path, ("x", "y"))
        if len(found) < 2:
            raise ValueError(f"{path}: expected the arrays x and y, got {', '.join(found) or 'neither'}")
        return arrays(found["x"], found["y"], path)
    if is_idx(path):
        return _idx(path, labels_beside(path))
    if path.suffix.lower() == ".bin":
        return _cifar([path])
    _refuse_pickled(path)
    raise ValueError(f"{path}: expected images as IDX, .npz, CIFAR's .bin files, or a folder per class")


def _digits() -> Images:
    from sklearn.datasets import load_digits

    found = load_digits()
    return arrays((found.images * (255 / 16)).round().astype(np.uint8), found.target, "digits")


def _idx(images: Path, labels: Path) -> Images:
    return arrays(read_idx(images), read_idx(labels), images)


def _refuse_pickled(path: Path) -> None:
    if path.is_file() and re.fullmatch(r"(data|test)_batch(_\d)?|train|test|.*\.pkl", path.name):
        raise ValueError(f"{path}: is CIFAR's pickled python version; expected its binary version (*.bin)")


def _cifar_parts(folder: Path) -> dict[str, list[Path]]:
    """CIFAR's files: ``data_batch_*.bin`` or ``train.bin``, ``test_batch.bin`` or ``test.bin``."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        _refuse_pickled(path)
        if path.suffix.lower() == ".bin":
            found.setdefault("test" if path.name.startswith("test") else "train", []).append(path)
    return found if "train" in found or not found else {WHOLE: found["test"]}


def _cifar(files: Sequence[Path]) -> Images:
    """Records of a label (CIFAR-100: a coarse and a fine one) and 3 x 32 x 32 bytes."""
    rows = []
    for path in files:
        data, head = read_bytes(path), 2 if path.name in ("train.bin", "test.bin") else 1
        if not data or len(data) % (head + 3072):
            raise ValueError(f"{path}: expected records of {head + 3072} bytes, got {len(data)} bytes")
        rows.append(np.frombuffer(data, np.uint8).reshape(-1, head + 3072)[:, head - 1 :])
    whole = np.concatenate(rows)
    labels: NDArray[Any] = whole[:, 0]
    for listed in ("batches.meta.txt", "fine_label_names.txt"):
        if (path := files[0].parent / listed).is_file():
            words = np.array(read_text(path).split())
            if labels.max() >= len(words):
                raise ValueError(f"{path}: expected a name for class {labels.max()}, got {len(words)} names")
            labels = words[labels]
    return arrays(whole[:, 1:].reshape(-1, 3, 32, 32), labels, files[0])


def _classes(path: Path, size: int) -> Images:
    """Each folder is a class, each PNG or JPEG file in it an image."""
    files = [
        (file, folder.name)
        for folder in sorted(path.iterdir()) if folder.is_dir()
        for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES
    ]  # fmt: skip
    pixels = stacked(((read_image(file), str(file)) for file, _ in files), size, path)
    return Images(pixels, [name for _, name in files])


def _hub(where: str, rows: Iterable[Mapping[str, Any]], columns: tuple[str, str], size: int) -> Images:
    found, names = [], []
    for number, row in enumerate(rows):
        for column in columns:
            if column not in row:
                known = ", ".join(row)
                raise ValueError(f"{where} row {number}: no column {column!r}; the columns are {known}")
        image, label = (row[column] for column in columns)
        if not hasattr(image, "getbands"):
            got = type(image).__name__
            raise ValueError(f"{where} row {number}: expected an image as {columns[0]!r}, got {got}")
        found.append((plain(image), f"{where} row {number}"))
        names.append(str(label))
    return Images(stacked(found, size, where), names)
