"""Images of PNG and JPEG files, by Pillow: no size is believed before it is checked."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.sources import read_bytes
from liafseq.tasks.storage.archive import MAX_TOTAL_BYTES

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SUFFIXES", "as_array", "decode_image", "plain", "read_image", "stacked"]

SUFFIXES = (".png", ".jpg", ".jpeg")
_MOST_PIXELS = 2**26
# PNG's deflate packs at most 1030 bytes of 8 pixels each into one
_MOST_PER_BYTE = 8300


def read_image(path: Path) -> Image.Image:
    """The image of a PNG or JPEG file; FileNotFoundError, or ValueError as of :func:`decode_image`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return decode_image(read_bytes(path), path)


def decode_image(data: bytes, where: object) -> Image.Image:
    """The image of the content of a file, as :func:`plain` has it.

    Raises:
        ValueError: not such a file, or more pixels than 2**26 or than so many bytes can hold.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                if math.prod(image.size) > min(_MOST_PIXELS, 2**16 + _MOST_PER_BYTE * len(data)):
                    raise ValueError(f"{image.width} x {image.height} pixels are too many")
                return plain(image)
        except Exception as error:  # Pillow does not say what a damaged file may raise
            raise ValueError(f"{where}: not a readable PNG or JPEG file: {str(error)[:200]}") from None


def plain(image: Image.Image) -> Image.Image:
    """An image in grey (mode L) or in colours (RGB); ValueError for more than 8 bits."""
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"expected 8 bits a pixel, got mode {image.mode}")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels (C, H, W) of a plain image."""
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def stacked(images: Iterable[tuple[Image.Image, str]], size: int, source: object) -> NDArray[np.uint8]:
    """Plain images as one array (N, C, H, W); in colours where one of them is.

    Args:
        images: each with its place, for errors.
        size: to which each side is resized; 0: all are alike.
        source: of all, for errors.
    """
    found: list[NDArray[np.uint8]] = []
    total, first = 0, ""
    for image, where in images:
        array = as_array(image.resize((size, size)) if size else image)
        first, total = first or where, total + 3 * array[0].size
        if total > MAX_TOTAL_BYTES:
            raise ValueError(f"{source}: more than {MAX_TOTAL_BYTES} bytes of pixels; resize to fewer")
        if found and array.shape[1:] != found[0].shape[1:]:
            height, width = found[0].shape[1:]
            raise ValueError(
                f"{where}: expected {width} x {height} pixels as of {first}, got {image.width} x "
                f"{image.height}; --size resizes all"
            )
        found.append(array)
    if not found:
        raise ValueError(f"{source}: expected PNG or JPEG files, got none")
    channels = max(len(array) for array in found)
    return np.stack([np.broadcast_to(array, (channels, *array.shape[1:])) for array in found])
