"""Signals in arrays, of npz and MATLAB files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.signals.config import SignalsConfig

__all__ = ["NONE", "Signal", "of_arrays"]


NONE = -(2**62)
"""The label of a step that has none: it is not scored."""


class Signal(NamedTuple):
    """A sequence.

    Attributes:
        values: (T, features).
        label: an array () of the sequence, or (T) of its steps: numbers (``NONE``: of no class) or texts;
            None: unknown.
        where: the file, and the place in it.
        rate: samples a second, of sounds.
    """

    values: NDArray[Any]
    label: Any
    where: str
    rate: int = 0


def of_arrays(arrays: Mapping[str, NDArray[Any]], config: SignalsConfig, where: str) -> list[Signal]:
    """The sequences of arrays.

    Args:
        arrays: values (N, T) or (N, T, features), or with lengths (sum of lengths[, features]), one sequence
            after another. Labels (N), or of steps (N, T) or (sum of lengths); or with one dimension more,
            which holds a one for the label's class. Lengths (N).
        config: the names of the arrays, and what has a label.
        where: the file.

    Raises:
        ValueError: an array is missing, or has another shape.
    """
    x = _numbers(arrays, config.x, where)
    if x is None or not 1 <= x.ndim <= 3:
        shape = "none" if x is None else x.shape
        raise ValueError(f"{where}: expected an array {config.x!r} of shape (N, T) or (N, T, F), got {shape}")
    ends = _numbers(arrays, config.lengths, where)
    if ends is not None and (not np.isfinite(ends).all() or (ends % 1).any()):
        raise ValueError(f"{where}: {config.lengths!r}: expected whole numbers")
    lengths = None if ends is None else [int(end) for end in ends.ravel()]
    flat = lengths is not None and x.ndim < 3 and len(lengths) != len(x)
    if lengths is None:
        lengths = [x.shape[1]] * len(x) if x.ndim > 1 else []
    most = len(x) if flat else x.shape[1] if x.ndim > 1 else 0
    if not lengths or min(lengths) < 1 or max(lengths) > most or (flat and sum(lengths) != len(x)):
        raise ValueError(
            f"{where}: {config.lengths!r} must be 1 to {most} steps of each sequence, or add up to the "
            f"{len(x)} rows of {config.x!r}"
        )
    labels = _labels(arrays.get(config.y), config, (len(lengths), len(x) if flat else most), flat, where)
    x = x if x.ndim == 3 or (flat and x.ndim == 2) else x[..., None]
    found, start = [], 0
    for row, length in enumerate(lengths):
        part = np.s_[start : start + length] if flat else np.s_[row, :length]
        label = None
        if labels is not None:
            per_step, one_hot, y = labels
            label = y[part] if per_step else y[row]
            label = _class(label, f"{where}: {config.y}[{row}]") if one_hot else label
        found.append(Signal(x[part], label, f"{where}: {config.x}[{row}]"))
        start += length
    return found


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, where: str) -> NDArray[Any] | None:
    found = arrays.get(name)
    if found is not None and (found.dtype.kind not in "biuf" or not found.size):
        raise ValueError(f"{where}: expected numbers as {name!r}, got {found.shape} of {found.dtype}")
    return found


def _labels(
    y: NDArray[Any] | None, config: SignalsConfig, sizes: tuple[int, int], flat: bool, where: str
) -> tuple[bool, bool, NDArray[Any]] | None:
    """Whether they are of steps, whether they are one-hot, and the labels."""
    if y is None:
        return None
    count, steps = sizes
    of_steps = (steps,) if flat else (count, steps)
    if y.size == count and config.labels != "step":
        return False, False, y.reshape(count)
    if config.labels != "sequence" and y.shape[: len(of_steps)] == of_steps:
        if y.ndim <= len(of_steps) + 1:
            return True, y.ndim > len(of_steps), y
    elif config.labels != "step" and y.ndim == 2 and len(y) == count:
        return False, True, y
    expected = {"sequence": f"({count},)", "step": f"{of_steps}"}
    words = " or ".join(text for kind, text in expected.items() if config.labels in ("auto", kind))
    raise ValueError(f"{where}: expected {config.y!r} of shape {words}, also one-hot, got {y.shape}")


def _class(one_hot: NDArray[Any], where: str) -> NDArray[Any]:
    """Classes of one-hot labels; :data:`NONE` for the steps that have only zeros."""
    count = (one_hot != 0).sum(-1) if one_hot.dtype.kind in "biuf" else np.full(1, 2)
    if count.max() > 1 or (one_hot.max(-1) != count).any() or (one_hot.ndim == 1 and not count):
        raise ValueError(f"{where}: expected one 1 among zeros for each label")
    if not count.any():
        raise ValueError(f"{where}: no step has a class")
    return np.where(count, one_hot.argmax(-1), NONE)
