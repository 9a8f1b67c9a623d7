"""Miniature files of images, as the formats have them."""

import io
import struct

import numpy as np
from PIL import Image


def pictures(count=24, size=8, channels=1, seed=0):
    """Images (count, size, size[, 3]) with a bright half, and which half: above 0, below 1, both by turns."""
    rng = np.random.default_rng(seed)
    shape = (count, size, size) if channels == 1 else (count, size, size, channels)
    x = rng.integers(0, 60, shape, np.uint8)
    y = np.arange(count) % 2
    for image, label in zip(x, y, strict=True):
        image[(size // 2) * label :][: size // 2] += 150
    return x, y


def idx(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder, part="train", count=24, seed=0):
    x, y = pictures(count, seed=seed)
    folder.mkdir(exist_ok=True)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(x))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))
    return x, y


def write_cifar(folder, fine=False):
    """Two files of training and one of test, or CIFAR-100's."""
    folder.mkdir(exist_ok=True)
    files = ("train.bin", "test.bin") if fine else ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")
    for seed, name in enumerate(files):
        x, y = pictures(12, 32, 3, seed)
        coarse = np.full((12, 1), 7) if fine else np.zeros((12, 0))
        rows = np.concatenate([coarse, y[:, None], x.transpose(0, 3, 1, 2).reshape(12, -1)], 1)
        (folder / name).write_bytes(rows.astype(np.uint8).tobytes())
    (folder / ("fine_label_names.txt" if fine else "batches.meta.txt")).write_text("upper\nlower\n\n")
    return x, y


def encoded(array, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return stream.getvalue()


def write_classes(folder, count=24, size=8, channels=1, form="PNG", seed=0):
    x, y = pictures(count, size, channels, seed)
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        path = folder / ("upper", "lower")[label] / f"{number:03}.{form.lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image, form))
    return x, y
