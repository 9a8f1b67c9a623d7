"""Generated problems as a task: adding, copying, recall, associative recall, parity, counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.synthetic.config import SyntheticConfig
from liafseq.tasks.task import ACCURACY, LOSS, Mistake, Part, Tally

if TYPE_CHECKING:
    from torch import nn

    from liafseq.tasks.synthetic.data import SyntheticData

__all__ = ["Synthetic"]

NEAR = 0.04
"""A sum counts as right that is as near as this; Hochreiter and Schmidhuber 1997, section 5.4."""


class Synthetic(SequenceTask[SyntheticConfig, "SyntheticData"]):
    """Problems that need memory; the sequences are generated.

    The loss of adding is the squared error, of the others the cross entropy.
    """

    name = "synthetic"
    title = "synthetic problems"
    word = "sequences"
    Config = SyntheticConfig
    metrics = (ACCURACY, LOSS)

    def parts(self, config: SyntheticConfig) -> Sequence[Part]:
        return (Part(config.problem, self.describe(config)),)

    def describe(self, config: SyntheticConfig) -> str:
        longer = f", tested with {config.test_length}" if config.test_length else ""
        return f"{config.problem}, length {config.length}{longer}"

    def data(self, config: SyntheticConfig, kept: Any = None) -> SyntheticData:
        from liafseq.tasks.synthetic.data import SyntheticData

        return SyntheticData.of(config, kept)

    def network(self, config: SyntheticConfig, data: SyntheticData) -> nn.Module:
        from liafseq.tasks.sequences.reader import Reader

        return Reader(
            config.model,
            config.embedding_size if data.words else 2,
            config.hidden_size,
            len(data.classes),
            words=len(data.words) or None,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            pooling="steps" if config.per_step else config.pooling,
        )

    def step(self, network: nn.Module, batch: Any) -> Tally:
        from liafseq.tasks.sequences.scores import squared_error

        if not batch.target.is_floating_point():
            return super().step(network, batch)
        said = network(batch.values, batch.lengths)[:, 0]
        near = (said - batch.target).abs() < NEAR
        return squared_error(said, batch.target)._replace(sums=near.sum()[None])

    def floor(self, config: SyntheticConfig) -> Mapping[str, float]:
        """What the most frequent class scores, or that a sum is 1."""
        if config.problem != "adding":
            return super().floor(config)
        near = (self.data(config).split(config, "test").scored - 1).abs() < NEAR
        return {config.problem: float(near.float().mean())}

    def predict(self, config: SyntheticConfig, data: SyntheticData, network: nn.Module, text: str) -> str:
        """The answer to a sequence, or at each step that is asked for one.

        Args:
            config, data, network: of a run.
            text: the steps with spaces between, as ``liafseq evaluate --errors`` shows them.
        """
        import torch

        from liafseq.tasks.synthetic.problems import is_asked

        steps, values = data.read(text)
        with torch.no_grad():
            said = network(values, torch.tensor([len(steps)]))
        if not config.per_step:
            return _named(said[0], data)
        asked = [at for at in range(len(steps)) if is_asked(steps, at)]
        if not asked:
            raise ValueError(f"no step of the sequence asks for an answer: {text!r}")
        return " ".join(_named(said[at, 0], data) for at in asked)

    def mistakes(
        self, config: SyntheticConfig, data: SyntheticData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        examples = data.split(config, split)
        for row in range(len(examples)):
            text, _ = data.shown(config, split, row)
            given = self.predict(config, data, network, text).split()
            right = examples.target[row]
            if data.words:
                expected = [data.classes[at] for at in right[right >= 0].reshape(-1).tolist()]
                wrong = expected != given
            else:
                expected = [f"{right:.3f}"]
                wrong = abs(float(right) - float(given[0])) >= NEAR
            if wrong:
                yield Mistake(part, row, text, " ".join(expected), " ".join(given))

    def trace(
        self, config: SyntheticConfig, data: SyntheticData, network: nn.Module, example: int, **options: Any
    ) -> tuple[bytes, str]:
        if not data.words:
            raise ValueError("adding has no pictures: its answer is a number, not a class")
        return super().trace(config, data, network, example, **options)


def _named(said: Any, data: SyntheticData) -> str:
    return data.classes[int(said.argmax())] if data.words else f"{float(said[0]):.3f}"
