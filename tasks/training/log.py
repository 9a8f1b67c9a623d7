"""The metrics of a run, a JSON line per epoch; apart from training, so that reading them needs no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from liafseq.tasks.results import Reached, Value
from liafseq.tasks.task import Metric

__all__ = ["METRICS", "Epoch", "best_epoch", "log_text", "reached", "read_log"]

METRICS = "metrics.jsonl"


class Epoch(Value):
    """What an epoch (from 1) did: mean losses, validation metrics by name.

    ``left_out`` counts the steps whose gradient was not finite; they changed nothing.
    """

    epoch: int
    loss: float
    valid_loss: float
    valid: dict[str, float]
    learning_rate: float
    seconds: float
    left_out: int = 0


def best_epoch(log: Sequence[Epoch], metric: Metric) -> Epoch:
    """The best epoch: by the validation metric, then lower loss, then earlier.

    >>> from liafseq.tasks.task import ACCURACY
    >>> log = [Epoch(epoch=n, loss=1, valid_loss=1, valid={"accuracy": 0.5}, learning_rate=1, seconds=0)
    ...        for n in (1, 2)]
    >>> best_epoch(log, ACCURACY).epoch
    1
    """
    return max(log, key=lambda line: (metric.better(line.valid[metric.name]), -line.valid_loss, -line.epoch))


def log_text(log: Sequence[Epoch]) -> str:
    """The content of ``metrics.jsonl``."""
    return "".join(json.dumps(line.to_json()) + "\n" for line in log)


def read_log(path: Path) -> list[Epoch]:
    """The lines of a ``metrics.jsonl``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no line of metrics, or not the next epoch's; with file and line.
    """
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from error
    log = []
    for number, text in enumerate(texts, 1):
        try:
            line = Epoch.model_validate_json(text)
        except ValidationError:
            line = None
        if line is None or line.epoch != number:
            raise ValueError(f"{path}:{number}: not the metrics of epoch {number}: {text[:60]!r}")
        log.append(line)
    return log


def reached(folder: Path, metric: Metric) -> Reached:
    """What a run that has not finished has reached; nothing where its metrics cannot be read."""
    try:
        log = read_log(folder / METRICS)
        best = best_epoch(log, metric)
    except (OSError, ValueError, KeyError):
        return Reached()
    return Reached(epochs_run=len(log), best_epoch=best.epoch, valid=best.valid[metric.name])
