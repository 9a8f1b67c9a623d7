"""About how long the runs of a study take, from a few of their steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from liafseq.tasks.config import Config
from liafseq.tasks.task import Task

__all__ = ["seconds"]

_SHORT = 2_000
"""Fewer steps in all than this are not worth an estimate."""

_STEPS = 3
_BESIDE = 1.9
"""What validation, evaluation and reading cost beside the training steps, and cores that are shared."""


def seconds(task: Task[Any, Any], configs: Sequence[Config]) -> float:
    """Processor seconds of some runs, one after another; 0.0 where they are few steps.

    Of each model a few training steps are timed on the data of its first run.
    """
    from liafseq.tasks.training.folder import torch_for

    by_parts: dict[Any, int] = {}
    total = 0
    for config in configs:
        key = tuple(part.name for part in task.parts(config))
        if key not in by_parts:
            data = task.data(config)
            by_parts[key] = len(task.batches(config, data, "train", seed=0))
        total += config.epochs * by_parts[key]
    if total < _SHORT:
        return 0.0
    steps: dict[str, float] = {}
    found = 0.0
    for config in configs:
        if config.model.label not in steps:
            with torch_for(config):
                steps[config.model.label] = _step(task, config)
        key = tuple(part.name for part in task.parts(config))
        found += config.epochs * by_parts[key] * steps[config.model.label]
    return _BESIDE * found


def _step(task: Task[Any, Any], config: Config) -> float:
    """Seconds of a training step: the median of a few, after one that compiles."""
    data = task.data(config)
    network = task.network(config, data)
    times = []
    for batch in islice(task.batches(config, data, "train", seed=0).epoch(1), _STEPS + 1):
        began = time.perf_counter()
        tally = task.step(network, batch)
        if tally.loss.requires_grad:
            tally.loss.backward()
        times.append(time.perf_counter() - began)
    later = sorted(times[1:] or times)
    return later[len(later) // 2]
