"""Generated problems as a task: adding, copying, recall, associative recall, parity, counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.synthetic.config import SyntheticConfig
from liafseq.tasks.task import ACCURACY, LOSS, Mistake, Tally

if TYPE_CHECKING:
    from torch import nn

    from liafseq.tasks.synthetic.data import SyntheticData

__all__ = ["Synthetic"]

NEAR = 0.04
"""A sum that is nearer than this counts as right (Hochreiter and Schmidhuber 1997, experiment 4)."""


class Synthetic(SequenceTask[SyntheticConfig, "SyntheticData"]):
    """Generated problems; the loss of adding is the squared error, of the others the cross entropy."""

    name = "synthetic"
    title = "synthetic problems"
    word = "sequences"
    Config = SyntheticConfig
    metrics = (ACCURACY, LOSS)

    def describe(self, config: SyntheticConfig) -> str:
        other = f", at test {config.test_length}" if config.test_length else ""
        return f"{config.problem}, length {config.length}{other}"

    def data(self, config: SyntheticConfig, kept: Any = None) -> SyntheticData:
        from liafseq.tasks.synthetic.data import SyntheticData

        return SyntheticData.of(config, kept)

    def network(self, config: SyntheticConfig, data: SyntheticData) -> nn.Module:
        from liafseq.tasks.sequences.reader import reader

        inputs, words = (config.embedding_size, len(data.words)) if data.words else (2, None)
        return reader(config, inputs, len(data.classes), words=words, per_step=config.per_step)

    def step(self, network: nn.Module, batch: Any) -> Tally:
        from liafseq.tasks.sequences.scores import squared_error

        if not batch.target.is_floating_point():
            return super().step(network, batch)
        said = network(batch.values, batch.lengths)[:, 0]
        near = (said - batch.target).abs() < NEAR
        return Tally(squared_error(said, batch.target).loss, len(said), near.sum()[None])

    def floor(self, config: SyntheticConfig) -> Mapping[str, float]:
        """What the most frequent class scores; for adding, what the answer 1 does."""
        if config.problem != "adding":
            return super().floor(config)
        near = (self.data(config).split(config, "test").scored - 1).abs() < NEAR
        return {config.about(): float(near.float().mean())}

    def predict(self, config: SyntheticConfig, data: SyntheticData, network: nn.Module, text: str) -> str:
        """The answer to a sequence, or those of the steps that ask; the steps have spaces between."""
        import torch

        from liafseq.tasks.synthetic.data import ASK

        steps = text.split()
        values = data.read(steps)
        with torch.no_grad():
            said = network(values, torch.tensor([len(steps)])).squeeze(1)
        if config.per_step:
            asks = [word == ASK or ("k" in word and word in steps[:at]) for at, word in enumerate(steps)]
            if config.answers != "step" and not any(asks):
                raise ValueError(f"no step asks for an answer, got {text!r}")
            said = said[torch.tensor(asks) | (config.answers == "step")]
        numbers = said.argmax(-1).tolist()
        return " ".join([data.classes[at] for at in numbers] if data.words else [f"{said.item():.3f}"])

    def mistakes(
        self, config: SyntheticConfig, data: SyntheticData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        examples = data.split(config, split)
        for row in range(len(examples)):
            text, _ = data.shown(config, split, row)
            given, right = self.predict(config, data, network, text), examples.target[row]
            names = (
                [data.classes[at] for at in right[right >= 0].tolist()] if data.words else [f"{right:.3f}"]
            )
            expected = " ".join(names)
            if expected != given if data.words else abs(float(given) - float(expected)) >= NEAR:
                yield Mistake(part, row, text, expected, given)

    def trace(self, config: SyntheticConfig, data: Any, *given: Any, **options: Any) -> tuple[bytes, str]:
        if not data.words:
            raise ValueError("adding has no pictures: its answer is a number, not a class")
        return super().trace(config, data, *given, **options)
