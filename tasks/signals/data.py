"""The data of a run on signals: read, divided, standardised, as tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from liafseq.tasks.sequences.ragged import IGNORED, Ragged, SequenceExamples
from liafseq.tasks.sequences.sources import stamp
from liafseq.tasks.sequences.split import divide
from liafseq.tasks.sequences.words import distinct
from liafseq.tasks.signals.arrays import NONE, Signal
from liafseq.tasks.signals.config import SignalsConfig
from liafseq.tasks.signals.files import read

__all__ = ["SignalData"]


@dataclass(frozen=True)
class SignalData:
    """What the training part says, which a network needs: never the validation or the test part.

    Attributes:
        classes: the names of the labels.
        mean, std: of each feature.
        per_step: whether each step has a label.
        steps: of each sequence, where that is the same for all.
        rate: samples a second of sounds; else 0.
    """

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    per_step: bool
    steps: int | None
    rate: int

    @classmethod
    def of(cls, config: SignalsConfig, kept: Any = None) -> SignalData:
        """The data of a run, or of a run folder that has ``kept`` what training said."""
        if kept is None:
            return _learnt(config.of_data(), stamp(config.source))
        try:
            fields: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()
            }
            found = cls(**fields)
            distinct(found.classes, "classes")
            if len(found.mean) != len(found.std) or not all(map(math.isfinite, found.mean + found.std)):
                raise ValueError("mean and std must be finite, one of each for a feature")
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not what a run on signals has kept: {error}") from None
        return found

    def kept(self) -> Any:
        return dict(vars(self))

    def split(self, config: SignalsConfig, split: str) -> SequenceExamples:
        """The examples of a split."""
        return _encoded(config.of_data(), stamp(config.source), split, self)

    def shown(self, config: SignalsConfig, split: str, row: int) -> tuple[str, Sequence[str]]:
        """Where a signal is from, and its steps: their classes, or the values of one feature."""
        signal = _parts(config.of_data(), stamp(config.source))[split][row]
        if self.per_step:
            names, at = _labels([signal])
            found = ["-" if names[number] is None else names[number] for number in at.tolist()]
            return signal.where, [
                f"{step}: {found[step]}" for step in _ordered(np.arange(len(found)), config)
            ]
        if signal.values.shape[1] > 1:
            return signal.where, [str(step) for step in range(len(signal.values))]
        return signal.where, [f"{value:.3g}" for value in _ordered(signal.values, config)[:, 0]]

    def encode(self, signals: Sequence[Signal], config: SignalsConfig) -> SequenceExamples:
        """Signals as tensors; those without labels have 0.

        Raises:
            ValueError: they are not as those of training.
        """
        for signal in signals:
            self._check(signal, config)
        values = [_ordered(signal.values, config) for signal in signals]
        flat = Ragged.of(values, torch.float32)
        flat = Ragged((flat.flat - torch.tensor(self.mean)) / torch.tensor(self.std), flat.ranges)
        known = {name: number for number, name in enumerate(self.classes)}
        labels, inverse = _labels([self._labelled(signal) for signal in signals])
        numbers = [IGNORED if name is None else known.get(name, -1) for name in labels]
        target = torch.tensor(numbers, dtype=torch.int64)[inverse]
        if not self.per_step:
            return SequenceExamples(flat, target)
        steps = [_ordered(part, config) for part in target.split(flat.lengths.tolist())]
        return SequenceExamples(flat, Ragged.of(steps, torch.int64))

    def _labelled(self, signal: Signal) -> Signal:
        if signal.label is not None:
            return signal
        return signal._replace(label=np.zeros(len(signal.values) if self.per_step else ()))

    def _check(self, signal: Signal, config: SignalsConfig) -> None:
        features = signal.values.shape[1]
        if features != len(self.mean) or signal.rate != self.rate:
            rate = f" and {self.rate} samples a second" if self.rate else ""
            raise ValueError(
                f"{signal.where}: expected {len(self.mean)} features{rate} as in training, got {features}"
                + (f" and {signal.rate}" if signal.rate or self.rate else "")
            )
        if signal.label is not None and signal.label.ndim != self.per_step:
            raise ValueError(
                f"{signal.where}: expected a label for each {'step' if self.per_step else 'sequence'}"
            )
        if config.permute is not None and len(signal.values) != self.steps:
            expected = "sequences of equal length" if self.steps is None else f"{self.steps} steps"
            raise ValueError(
                f"{signal.where}: --permute: expected {expected}, got {len(signal.values)} steps"
            )


@lru_cache(maxsize=2)
def _parts(config: SignalsConfig, _stamp: Any) -> dict[str, list[Signal]]:
    return divide(
        read(config),
        lambda signal: "" if signal.label.ndim else str(signal.label),
        test_fraction=config.test_fraction,
        valid_fraction=config.valid_fraction,
        seed=config.data_seed,
        test_part=config.test_part,
    )


@lru_cache(maxsize=4)
def _learnt(config: SignalsConfig, stamp: Any) -> SignalData:
    signals = _parts(config, stamp)["train"]
    first = signals[0]
    if config.labels != "auto" and first.label.ndim != (config.labels == "step"):
        raise ValueError(f"{first.where}: expected a label for each {config.labels}")
    classes = sorted({name for name in _labels(signals)[0] if name is not None}, key=_order)
    if len(classes) < 2:
        raise ValueError(
            f"{config.source}: all training signals have the labels {classes}; expected two or more"
        )
    values = np.concatenate([signal.values for signal in signals])
    mean, std = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    lengths = {len(signal.values) for signal in signals}
    return SignalData(
        classes=tuple(classes),
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
        per_step=first.label.ndim > 0,
        steps=lengths.pop() if len(lengths) == 1 else None,
        rate=first.rate,
    )


@lru_cache(maxsize=8)
def _encoded(config: SignalsConfig, stamp: Any, split: str, data: SignalData) -> SequenceExamples:
    return data.encode(_parts(config, stamp)[split], config)


def _ordered(steps: Any, config: SignalsConfig) -> Any:
    """Steps in the order in which they are read."""
    if config.permute is None:
        return steps
    # whose results stay the same in all versions of numpy
    return steps[np.random.RandomState(config.permute).permutation(len(steps))]


def _labels(signals: Sequence[Signal]) -> tuple[list[str | None], torch.Tensor]:
    """The names of all labels, None for steps without, and of each sequence or step which it is."""
    labels = np.concatenate([np.atleast_1d(signal.label) for signal in signals])
    values, inverse = np.unique(labels, return_inverse=True)
    names = [None if value == NONE else _name(value, signals[0].where) for value in values]
    return names, torch.from_numpy(inverse.reshape(-1))


def _name(value: Any, where: str) -> str:
    if isinstance(value, np.floating):
        if not math.isfinite(value) or value != int(value):
            raise ValueError(f"{where} and others: expected whole numbers or texts as labels, got {value}")
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def _order(name: str) -> tuple[int, int, str]:
    """Numbers in their order, then texts.

    >>> sorted(["b", "10", "9"], key=_order)
    ['9', '10', 'b']
    """
    return (0, int(name), "") if re.fullmatch(r"-?[0-9]{1,18}", name) else (1, 0, name)
