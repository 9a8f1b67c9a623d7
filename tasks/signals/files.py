"""Signals in files: which format a file has, and the formats that are text, images or sound."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.idx import idx_pairs, is_idx, labels_beside, read_idx
from liafseq.tasks.sequences.matlab import read_mat
from liafseq.tasks.sequences.npz import read_npz
from liafseq.tasks.sequences.sources import WHOLE, parts, place, read_text
from liafseq.tasks.signals.arrays import Signal, of_arrays
from liafseq.tasks.signals.config import DIGITS, SignalsConfig
from liafseq.tasks.signals.sound import read_wav

__all__ = ["checked", "numbers", "read", "read_file"]

SUFFIXES = (".npz", ".mat", ".csv", ".tsv", ".ts", ".wav")


def read(config: SignalsConfig) -> dict[str, list[Signal]]:
    """The signals of each part of the data, ``train``, ``valid`` and ``test``, or ``whole``; all checked.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: what cannot be read; with the file and the place in it.
    """
    if config.source == DIGITS:
        return {WHOLE: _digits()}
    path = place(config.source)
    if path.is_dir() and (pairs := idx_pairs(path)):
        found = {part: _images(*pair) for part, pair in pairs.items()}
    else:
        found = {
            part: _folder(inner, config) if inner.is_dir() else read_file(inner, config)
            for part, inner in parts(path, SUFFIXES).items()
        }
    first = next(iter(found.values()))[0]
    for signal in (signal for signals in found.values() for signal in signals):
        if signal.label is None:
            raise ValueError(f"{signal.where}: has no label")
    return {part: checked(signals, first) for part, signals in found.items()}


def read_file(path: Path, config: SignalsConfig) -> list[Signal]:
    """The signals of one file, which may be without labels."""
    kind, where = path.suffix.lower(), str(path)
    if is_idx(path):
        return _images(path, labels_beside(path) if "images" in path.name else None)
    if kind == ".npz":
        return of_arrays(read_npz(path, (config.x, config.y, config.lengths)), config, where)
    if kind == ".mat":
        return of_arrays(read_mat(path, (config.x, config.y, config.lengths)), config, where)
    if kind in (".csv", ".tsv"):
        return _table(read_text(path), where, "," if kind == ".csv" else "\t")
    if kind == ".ts":
        return _archive(read_text(path), where)
    if kind == ".wav":
        return [read_wav(path, config)]
    raise ValueError(f"{path}: expected a file of {', '.join(SUFFIXES)}, IDX, or a folder of them")


def checked(signals: Sequence[Signal], first: Signal) -> list[Signal]:
    """Signals as float32, each with a step at least; ValueError, with the place, for one that is not finite,
    or has not the features and the rate of the first."""
    found = []
    for signal in signals:
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(signal.values, np.float32)
        if not len(values):
            raise ValueError(f"{signal.where}: is empty; expected at least one step")
        if values.shape[1] != first.values.shape[1]:
            raise ValueError(
                f"{signal.where}: expected {first.values.shape[1]} features as in {first.where}, "
                f"got {values.shape[1]}"
            )
        if signal.rate != first.rate:
            raise ValueError(
                f"{signal.where}: expected {first.rate} samples a second, as in {first.where}, got "
                f"{signal.rate}"
            )
        if not np.isfinite(values).all():
            step, feature = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ValueError(
                f"{signal.where}: step {step}, feature {feature}: expected a finite number, got "
                f"{values[step, feature]}"
            )
        found.append(signal._replace(values=values))
    return found


def _digits() -> list[Signal]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return [
        Signal(pixels[:, None].astype(np.float32), label, f"{DIGITS} {row}")
        for row, (pixels, label) in enumerate(zip(digits.data, digits.target, strict=True))
    ]


def _images(images: Path, labels: Path | None) -> list[Signal]:
    """Images of an IDX file, row by row, a pixel a step; or rows of numbers."""
    x, y = read_idx(images), None if labels is None else read_idx(labels)
    if x.ndim < 2 or not x.size:
        raise ValueError(f"{images}: expected images, (N, height, width), got shape {x.shape}")
    if y is not None and y.shape != x.shape[:1]:
        raise ValueError(f"{labels}: expected {len(x)} labels, as many as images, got shape {y.shape}")
    pixels = x.reshape(len(x), -1, 1)
    return [
        Signal(pixels[row], None if y is None else y[row], f"{images}: image {row}") for row in range(len(x))
    ]


def _folder(path: Path, config: SignalsConfig) -> list[Signal]:
    """A folder per class, with sounds in it."""
    found = [
        read_wav(file, config)._replace(label=np.asarray(folder.name))
        for folder in sorted(inner for inner in path.iterdir() if inner.is_dir())
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() == ".wav"
    ]
    if not found:
        raise FileNotFoundError(
            f"{path}: expected files named train and test of {', '.join(SUFFIXES[:-1])}, IDX files, or a "
            "folder per class of .wav files"
        )
    return found


def _table(text: str, where: str, delimiter: str) -> list[Signal]:
    """A row for each sequence: its label, then its values, as in the UCR archive; lengths may differ."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[Signal] = []
    try:
        for cells in reader:
            place = f"{where}:{reader.line_num}"
            while cells and cells[-1].strip().lower() in ("", "nan"):  # behind the end of a short sequence
                cells.pop()
            if not cells or (reader.line_num == 1 and len(cells) > 1 and _is_head(cells)):
                continue
            found.append(Signal(_column(cells[1:], place)[:, None], _label(cells[0]), place))
    except csv.Error as error:
        raise ValueError(f"{where}:{reader.line_num}: {error}") from None
    if not found:
        raise ValueError(f"{where}: has no sequences")
    return found


def _is_head(cells: Sequence[str]) -> bool:
    return not any(re.fullmatch(r"[-+.\d]*\d[-+.\de]*", cell.strip().lower()) for cell in cells[1:])


def _archive(text: str, where: str) -> list[Signal]:
    """The format of the UCR and UEA archives: ``@`` lines, then of each sequence the channels and the label,
    with colons between (sktime.org, "ts" format)."""
    found: list[Signal] = []
    inside, labelled = False, True
    for number, line in enumerate(text.split("\n"), 1):
        place, line = f"{where}:{number}", line.strip()
        if not line or line.startswith("#"):
            continue
        if not inside:
            word, *rest = line.lower().split()
            if (word, *rest[:1]) in (("@timestamps", "true"), ("@targetlabel", "true")):
                raise ValueError(
                    f"{place}: expected values without times and with classes, got {line[:60]!r}"
                )
            if not word.startswith("@"):
                raise ValueError(f"{place}: expected a line with @ before @data, got {line[:60]!r}")
            labelled = labelled and (word, *rest[:1]) != ("@classlabel", "false")
            inside = word == "@data"
            continue
        *channels, label = line.split(":") if labelled else [*line.split(":"), ""]
        columns = [_column(channel.split(","), place) for channel in channels]
        if not columns or len({len(column) for column in columns}) > 1:
            raise ValueError(f"{place}: expected channels of equal length, then the label, got {line[:60]!r}")
        found.append(Signal(np.stack(columns, 1), _label(label) if labelled else None, place))
    if not found:
        raise ValueError(f"{where}: has no sequences behind @data")
    return found


def _column(cells: Sequence[str], place: str) -> NDArray[Any]:
    try:
        return np.array(list(map(float, cells)), np.float64)
    except ValueError:
        at, cell = next((at, cell) for at, cell in enumerate(cells, 1) if not _is_number(cell))
        raise ValueError(f"{place}: value {at}: expected a number, got {cell[:40]!r}") from None


def numbers(text: str) -> NDArray[Any]:
    """The values of a signal with one feature, (T, 1), out of a text with spaces or commas between them."""
    return _column(re.split(r"[\s,]+", text.strip()), "signal")[:, None]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label(text: str) -> NDArray[Any]:
    return np.asarray(text.strip())
