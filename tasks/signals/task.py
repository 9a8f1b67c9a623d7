"""Signals and other sequences of numbers as a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from liafseq.tasks.sequences.scores import CLASS_METRICS
from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.signals.config import DIGITS, SignalsConfig
from liafseq.tasks.task import Mistake

if TYPE_CHECKING:
    from torch import nn

    from liafseq.tasks.signals.data import SignalData

__all__ = ["Signals"]


class Signals(SequenceTask[SignalsConfig, "SignalData"]):
    """Signals: a class for each sequence, or for each of its steps."""

    name = "signals"
    title = "signals"
    word = "signals"
    Config = SignalsConfig
    metrics = CLASS_METRICS
    most_steps = 136

    def describe(self, config: SignalsConfig) -> str:
        name = (
            "scikit-learn's digits, a pixel a step"
            if config.source == DIGITS
            else PurePath(config.source).name
        )
        return name if config.permute is None else f"{name}, permuted"

    def data(self, config: SignalsConfig, kept: Any = None) -> SignalData:
        from liafseq.tasks.signals.data import SignalData

        return SignalData.of(config, kept)

    def network(self, config: SignalsConfig, data: SignalData) -> nn.Module:
        from liafseq.tasks.sequences.reader import reader

        return reader(config, len(data.mean), len(data.classes), per_step=data.per_step)

    def predict(self, config: SignalsConfig, data: SignalData, network: nn.Module, text: str) -> str:
        """The class of each signal in a file, a line each; or of one signal, whose values are given.

        Args:
            config, data, network: of a run.
            text: the path of a file, of any kind that training reads, labels or not; or the numbers of a
                signal with one feature, with spaces or commas between.
        """
        import torch

        from liafseq.tasks.signals.arrays import Signal
        from liafseq.tasks.signals.files import checked, numbers, read_file

        path = Path(text).expanduser()
        signals = read_file(path, config) if path.is_file() else [Signal(numbers(text), None, "signal")]
        unknown = [signal._replace(label=None) for signal in checked(signals, signals[0])]
        examples = data.encode(unknown, config)
        lines = []
        for start in range(0, len(examples), config.batch_size):
            batch = examples.batch(range(start, min(start + config.batch_size, len(examples))))
            with torch.no_grad():
                said = network(batch.values, batch.lengths).argmax(-1)
            rows = said.T.tolist() if data.per_step else said[:, None].tolist()
            for row, length in zip(rows, batch.lengths.tolist(), strict=True):
                lines.append(" ".join(data.classes[at] for at in row[:length]))
        return "\n".join(lines)

    def mistakes(
        self, config: SignalsConfig, data: SignalData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        """The signals with a wrong class; of labels for each step, the class that is mistaken most often."""
        if not data.per_step:
            yield from super().mistakes(config, data, network, split, part)
            return
        import torch

        from liafseq.tasks.sequences.ragged import IGNORED

        examples = data.split(config, split)
        for row in range(len(examples)):
            batch = examples.batch([row])
            with torch.no_grad():
                said = network(batch.values, batch.lengths)[:, 0].argmax(-1)
            right = batch.target[:, 0]
            missed = (said != right) & (right != IGNORED)
            wrong = Counter(zip(right[missed].tolist(), said[missed].tolist(), strict=True))
            if wrong:
                (expected, given), _ = wrong.most_common(1)[0]
                where, _ = data.shown(config, split, row)
                count = int((right != IGNORED).sum())
                text = f"{where}: {wrong.total()} of {count} steps wrong, most often so"
                name = data.classes[expected] if expected >= 0 else "a class that training has not seen"
                yield Mistake(part, row, text, name, data.classes[given])
