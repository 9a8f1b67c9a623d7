"""The metrics of a run, a JSON line an epoch; apart from training, so that reading them needs no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["METRICS", "best_line", "read_metrics", "so_far"]

METRICS = "metrics.jsonl"


def best_line(metrics: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The line of the best epoch: by validation accuracy, then lower loss, then earlier.

    >>> lines = [{"epoch": n, "valid_accuracy": a, "valid_loss": 1.0} for n, a in ((1, 0.5), (2, 0.5))]
    >>> best_line(lines)["epoch"]
    1
    """
    return max(metrics, key=lambda line: (line["valid_accuracy"], -line["valid_loss"], -line["epoch"]))


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a ``metrics.jsonl``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no line of metrics, or not the next epoch's; with file and line.
    """
    path = Path(path)
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from error
    lines = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            numbers = [line[name] for name in ("loss", "valid_loss", "valid_accuracy")]
            good = line["epoch"] == number and all(isinstance(value, (int, float)) for value in numbers)
        except (ValueError, TypeError, KeyError):
            good = False
        if not good:
            raise ValueError(f"{path}:{number}: not the metrics of epoch {number}: {text[:60]!r}")
        lines.append(line)
    return lines


def so_far(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a run that has not finished has reached: ``epochs_run``, ``best_epoch``, ``valid_accuracy``.

    The latter two are None where no epoch is whole, or the metrics cannot be read.
    """
    try:
        lines = read_metrics(Path(folder) / METRICS)
    except (OSError, ValueError):
        lines = []
    if not lines:
        return {"epochs_run": 0, "best_epoch": None, "valid_accuracy": None}
    best = best_line(lines)
    return {
        "epochs_run": len(lines),
        "best_epoch": best["epoch"],
        "valid_accuracy": best["valid_accuracy"],
    }
