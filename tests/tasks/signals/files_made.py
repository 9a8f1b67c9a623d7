"""Small files of signals in each format: class b is a rising ramp, class a a falling one."""

from __future__ import annotations

import csv
import io

import numpy as np
import scipy.io
import scipy.io.wavfile

from liafseq.tasks.sequences.idx import TYPES


def ramps(count, steps=6, features=1, seed=0):
    """(count, steps, features) values and (count) labels 0 and 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    slope = np.where(labels, 1.0, -1.0)[:, None, None]
    time = np.linspace(-1, 1, steps)[None, :, None]
    return slope * time + 0.1 * rng.normal(size=(count, steps, features)), labels


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def mat(compress=True, **arrays):
    stream = io.BytesIO()
    scipy.io.savemat(stream, arrays, do_compression=compress)
    return stream.getvalue()


def table(values, labels, delimiter=","):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    for row, label in zip(values, labels, strict=True):
        writer.writerow([label, *(f"{value:.4f}" for value in row)])
    return stream.getvalue().encode()


def ts(values, labels):
    """(N, T, F) values, as in the archive."""
    lines = ["# made", "@problemName ramps", "@timeStamps false", "@classLabel true a b", "@data"]
    for signal, label in zip(values, labels, strict=True):
        channels = [",".join(f"{value:.4f}" for value in channel) for channel in np.transpose(signal)]
        lines.append(":".join([*channels, label]))
    return "\n".join(lines).encode()


def idx(array):
    code = next(code for code, kind in TYPES.items() if np.dtype(kind) == array.dtype.newbyteorder(">"))
    return (
        bytes([0, 0, code, array.ndim])
        + np.array(array.shape, ">u4").tobytes()
        + array.astype(TYPES[code]).tobytes()
    )


def wav(sound, rate=8000):
    stream = io.BytesIO()
    scipy.io.wavfile.write(stream, rate, sound)
    return stream.getvalue()


def tone(pitch, samples=800, rate=8000):
    sound = 0.5 * np.sin(2 * np.pi * pitch * np.arange(samples) / rate)
    return (sound * 32767).astype("i2")


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
