"""Images and their classes from files, by their format."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.idx import idx_pairs, is_idx, labels_beside, read_idx
from liafseq.tasks.sequences.npz import read_npz
from liafseq.tasks.sequences.sources import HUB, WHOLE, from_hub, parts, place, read_bytes, read_text
from liafseq.tasks.storage.archive import MAX_TOTAL_BYTES

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Images", "decode_image", "image_array", "read", "read_image"]

SUFFIXES = (".png", ".jpg", ".jpeg")
_LARGEST = 2**26
"""Pixels of one image."""

_MOST_A_BYTE = 8300
"""Pixels that a byte of a file can stand for: PNG's deflate packs 1030 bytes of 8 pixels each into one."""


@dataclass(frozen=True)
class Images:
    """A part of the data: pixels (N, C, H, W) of uint8 or float32, and the names of the N classes."""

    pixels: NDArray[Any]
    names: tuple[str, ...]

    @classmethod
    def of(cls, pixels: NDArray[Any], labels: NDArray[Any], where: object) -> Images:
        """Arrays (N, H, W), (N, H, W, C) or (N, C, H, W), the fewest being the channels, and (N).

        Raises:
            ValueError: other shapes, no finite numbers, or labels that are no whole numbers or texts.
        """
        if pixels.ndim not in (3, 4) or pixels.dtype.kind not in "biuf" or 0 in pixels.shape:
            raise ValueError(
                f"{where}: expected images (N, H, W), (N, H, W, C) or (N, C, H, W) of numbers, got "
                f"{pixels.shape} of {pixels.dtype}"
            )
        labels = labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.shape != pixels.shape[:1]:
            raise ValueError(f"{where}: expected {len(pixels)} labels, got labels of shape {labels.shape}")
        if labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()):
            labels = labels.astype(np.int64)
        if labels.dtype.kind not in "biuSU":
            raise ValueError(f"{where}: expected labels that are whole numbers or texts, got {labels.dtype}")
        if pixels.ndim == 3:
            pixels = pixels[:, None]
        elif pixels.shape[3] <= pixels.shape[1]:
            pixels = pixels.transpose(0, 3, 1, 2)
        if pixels.dtype != np.uint8:
            pixels = pixels.astype(np.float32)
            bad = ~np.isfinite(pixels).reshape(len(pixels), -1).all(1)
            if bad.any():
                raise ValueError(f"{where}: image {int(bad.argmax())}: expected finite numbers, got others")
        texts = [
            label.decode("latin-1") if isinstance(label, bytes) else str(label) for label in labels.tolist()
        ]
        return cls(np.ascontiguousarray(pixels), tuple(texts))


def read(
    source: str, *, size: int = 0, image_column: str = "image", label_column: str = "label"
) -> dict[str, Images]:
    """The images of each part of the data: ``train``, ``valid``, ``test``, or ``whole``.

    Args:
        source: ``digits``, ``hub:...``, or a file, folder or archive of one of the formats.
        size: of PNG and JPEG files and of those of the hub, to which they are resized; 0: they are alike.
        image_column, label_column: of the hub.

    Raises:
        FileNotFoundError: no such source.
        ValueError: what cannot be read; with the file.
    """
    if source.startswith(HUB):
        found = {
            part: _stacked(_rows_of_hub(f"{source} {part}", rows, image_column, label_column), size, source)
            for part, rows in from_hub(source).items()
        }
    else:
        found = {WHOLE: _digits()} if source == "digits" else _of_path(place(source), size)
    (height, width), *others = dict.fromkeys(images.pixels.shape[2:] for images in found.values())
    if others:
        raise ValueError(f"{source}: expected images of one size, got {height} x {width} and {others[0]}")
    if size and (height, width) != (size, size):
        raise ValueError(f"size={size}: is for PNG and JPEG files; {source} has {height} x {width} pixels")
    return found


def _of_path(path: Path, size: int) -> dict[str, Images]:
    if path.is_dir() and (pairs := idx_pairs(path)):
        return {part: _idx(*pair) for part, pair in pairs.items()}
    if path.is_dir() and (batches := _cifar_parts(path)):
        return {part: _cifar(files) for part, files in batches.items()}
    return {part: _part(inner, size) for part, inner in parts(path, (".npz",)).items()}


def _part(path: Path, size: int) -> Images:
    if path.is_dir():
        return _stacked(_classes(path), size, path)
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, ("x", "y"))
        if missing := {"x", "y"} - set(arrays):
            raise ValueError(
                f"{path}: expected the arrays x and y, got no {' and no '.join(sorted(missing))}"
            )
        return Images.of(arrays["x"], arrays["y"], path)
    if is_idx(path):
        return _idx(path, labels_beside(path))
    if path.suffix.lower() == ".bin":
        return _cifar([path])
    _refuse_pickled(path)
    raise ValueError(f"{path}: expected images as IDX, .npz, CIFAR's .bin files, or a folder per class")


def _digits() -> Images:
    from sklearn.datasets import load_digits

    found = load_digits()
    return Images.of((found.images * (255 / 16)).round().astype(np.uint8), found.target, "digits")


def _idx(images: Path, labels: Path) -> Images:
    return Images.of(read_idx(images), read_idx(labels), images)


def _cifar_parts(folder: Path) -> dict[str, list[Path]]:
    """CIFAR's files: ``data_batch_*.bin`` or ``train.bin``, ``test_batch.bin`` or ``test.bin``."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        _refuse_pickled(path)
        if path.suffix.lower() == ".bin":
            found.setdefault("test" if path.name.startswith("test") else "train", []).append(path)
    return found if "train" in found or not found else {WHOLE: found["test"]}


def _refuse_pickled(path: Path) -> None:
    if path.is_file() and re.fullmatch(r"(data|test)_batch(_\d)?|train|test|.*\.pkl", path.name):
        raise ValueError(f"{path}: is CIFAR's pickled python version; expected its binary version (*.bin)")


def _cifar(files: Sequence[Path]) -> Images:
    """Records of a label (CIFAR-100: a coarse and a fine one) and 3 x 32 x 32 bytes."""
    rows = []
    for path in files:
        data, labels = read_bytes(path), 2 if path.name in ("train.bin", "test.bin") else 1
        record = labels + 3072
        if not data or len(data) % record:
            raise ValueError(f"{path}: expected records of {record} bytes, got {len(data)} bytes")
        found = np.frombuffer(data, np.uint8).reshape(-1, record)
        rows.append(np.concatenate([found[:, labels - 1 : labels], found[:, labels:]], 1))
    whole = np.concatenate(rows)
    names: NDArray[Any] = whole[:, 0]
    for listed in ("batches.meta.txt", "fine_label_names.txt"):
        if (path := files[0].parent / listed).is_file():
            words = np.array(read_text(path).split())
            if names.max() >= len(words):
                raise ValueError(f"{path}: expected a name for class {names.max()}, got {len(words)} names")
            names = words[names]
    return Images.of(whole[:, 1:].reshape(-1, 3, 32, 32), names, files[0])


def _classes(path: Path) -> Iterator[tuple[Image.Image, str, str]]:
    """Each folder is a class, each PNG or JPEG file in it an image."""
    folders = sorted(inner for inner in path.iterdir() if inner.is_dir())
    if not folders:
        raise ValueError(f"{path}: expected a folder of PNG or JPEG files per class, IDX, .npz or .bin files")
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                yield read_image(file), folder.name, str(file)


def _rows_of_hub(
    where: str, rows: Iterable[Mapping[str, Any]], image_column: str, label_column: str
) -> Iterator[tuple[Image.Image, str, str]]:
    for number, row in enumerate(rows):
        place = f"{where} row {number}"
        for column in (image_column, label_column):
            if column not in row:
                raise ValueError(f"{place}: no column {column!r}; the columns are {', '.join(row)}")
        if not hasattr(row[image_column], "getbands"):
            raise ValueError(
                f"{place}: expected an image as {image_column!r}, got {type(row[image_column]).__name__}"
            )
        yield _plain(row[image_column]), str(row[label_column]), place


def _stacked(rows: Iterable[tuple[Image.Image, str, str]], size: int, source: object) -> Images:
    """Images of one size; colours where one of them has some."""
    found, names, first, total = [], [], None, 0
    for image, name, where in rows:
        if size:
            image = image.resize((size, size))
        first = first or (image.size, where)
        if image.size != first[0]:
            raise ValueError(
                f"{where}: expected {first[0][0]} x {first[0][1]} pixels as of {first[1]}, got "
                f"{image.width} x {image.height}; --size resizes all"
            )
        total += image.width * image.height * 3
        if total > MAX_TOTAL_BYTES:
            raise ValueError(f"{source}: more than {MAX_TOTAL_BYTES} bytes of pixels; use a smaller --size")
        found.append(image_array(image))
        names.append(name)
    if not found:
        raise ValueError(f"{source}: expected PNG or JPEG files, got none")
    if len({array.shape[0] for array in found}) > 1:
        found = [np.broadcast_to(array, (3, *array.shape[1:])) for array in found]
    return Images(np.stack(found), tuple(names))


def read_image(path: str | Path) -> Image.Image:
    """The image of a PNG or JPEG file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such an image, or one that is too large.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return decode_image(read_bytes(path), path)


def decode_image(data: bytes, where: object) -> Image.Image:
    """The image of the content of a PNG or JPEG file; in grey or in colours of 8 bits."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                pixels = math.prod(image.size)
                if pixels > min(_LARGEST, 2**16 + _MOST_A_BYTE * len(data)):
                    raise ValueError(
                        f"{image.width} x {image.height} pixels, which is more than {len(data)} bytes can hold, "
                        f"or than {_LARGEST}"
                    )
                return _plain(image)
        except Exception as error:  # Pillow does not say what a damaged file may raise
            raise ValueError(f"{where}: not a readable PNG or JPEG file: {str(error)[:200]}") from None


def _plain(image: Image.Image) -> Image.Image:
    """In grey (mode L) or in colours (RGB)."""
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"expected 8 bits a pixel, got mode {image.mode}")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def image_array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels (C, H, W) of an image in grey or in colours."""
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
