"""Language models as a task: which token comes next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.lm.config import REFERENCE, Continuation, LmConfig
from liafseq.tasks.task import Metric, Mistake, Part, Study, Sums, Tally, Task

if TYPE_CHECKING:
    from torch import nn

    from liafseq.tasks.lm.data import LmData
    from liafseq.tasks.training.batches import Batches

__all__ = ["BITS", "PERPLEXITY", "LanguageModel"]

MOST = 100
"""So many tokens are listed as mistakes."""


def _perplexity(sums: Sums) -> float:
    nats = sums.loss / sums.count
    return math.exp(nats) if nats < 700 else math.inf


BITS = Metric(
    "bits per token", lambda sums: sums.loss / sums.count / math.log(2), digits=3, higher_is_better=False,
    bounds=(0.0, math.inf),
)  # fmt: skip
"""The mean of -log2 p(next token): of characters what is known as bits per character, of bytes per byte."""

PERPLEXITY = Metric("perplexity", _perplexity, digits=2, higher_is_better=False, bounds=(1.0, math.inf))
"""Per token: 2 to the power of the bits, so that both choose the same epoch."""


class LanguageModel(Task[LmConfig, "LmData"]):
    """Which token comes next, of characters, words or bytes.

    The state goes on over the whole text, in training too (truncated backpropagation through time): it is an
    argument of a window and a result of :meth:`step`, and begins as rest with each epoch.
    """

    name = "lm"
    title = "language model"
    word = "tokens"
    Config = LmConfig
    Answering = Continuation
    metrics = (BITS, PERPLEXITY)
    study = Study(settings={"epochs": 3})
    constant = "training frequencies"

    def parts(self, config: LmConfig) -> Sequence[Part]:
        return (Part(config.about()),)

    def describe(self, config: LmConfig) -> str:
        unit = {"char": "characters", "word": "words", "byte": "bytes"}[config.level]
        if config.source != REFERENCE:
            return f"{unit} of {config.about().rpartition('-')[0]}"
        import platform

        return f"{unit} of the language reference of Python {platform.python_version()}"

    def data(self, config: LmConfig, kept: Any = None) -> LmData:
        from liafseq.tasks.lm.data import LmData

        return LmData.of(config, kept)

    def network(self, config: LmConfig, data: LmData) -> nn.Module:
        from liafseq.tasks.lm.network import LanguageNetwork

        return LanguageNetwork(config, len(data.vocabulary))

    def batches(
        self,
        config: LmConfig,
        data: LmData,
        split: str,
        *,
        part: str | None = None,
        seed: int | None = None,
        world: int = 1,
    ) -> Batches:
        """Of training ``batch_size`` streams; the test text is one, so that nothing is read without what goes
        before it; other texts have as many streams of a window at least as there may be, for speed."""
        from liafseq.tasks.lm.windows import Windows, check_length

        numbers = data.numbers(config, split)
        most = max(config.batch_size, world)
        if seed is not None:
            check_length(len(numbers), most, config.window)
            return Windows(numbers, most, config.window)
        streams = world if split == "test" else max(world, min(most, (len(numbers) - 1) // config.window))
        return Windows(numbers, streams, config.window * most // streams)

    def step(self, network: nn.Module, batch: Any) -> Tally:
        from torch.nn.functional import cross_entropy

        logits, state = network(batch.tokens, batch.state)
        target = batch.target.flatten()
        loss = cross_entropy(logits.flatten(0, 1).float(), target, reduction="sum")
        return Tally(loss, len(target), loss.new_empty(0), state)

    def sample(self, config: LmConfig, data: LmData, count: int) -> tuple[Any, int]:
        """The first window of the test text as one stream; its cost is that of a token."""
        from liafseq.tasks.lm.windows import Windows

        window = next(iter(Windows(data.numbers(config, "test"), 1, config.window).epoch(0)))
        return window, len(window.tokens)

    def floor(self, config: LmConfig) -> Mapping[str, float]:
        """Bits per token where each has its share of the training text (one is added to every count)."""
        import numpy as np

        from liafseq.tasks.lm.windows import check_length

        data = self.data(config)
        train, test = data.numbers(config, "train"), data.numbers(config, "test")
        check_length(len(train), config.batch_size, config.window)
        counts = 1 + np.bincount(train, minlength=len(data.vocabulary))
        bits = np.log2(counts.sum()) - np.log2(counts)
        return {config.about(): float(bits[test[1:]].mean())}

    def facts(self, config: LmConfig, data: LmData) -> Mapping[str, float]:
        """Size of the vocabulary, and the share of tokens that are unknown; of the validation part where the
        test part is not read."""
        numbers = data.numbers(config, "test" if config.score_test else "valid")
        return {"vocabulary": len(data.vocabulary), "unknown": float((numbers == 0).mean())}

    def predict(self, config: LmConfig, data: LmData, network: nn.Module, text: str, **options: Any) -> str:
        """The text and how it goes on; of no text, what comes after the end of a line."""
        from liafseq.tasks.lm.show import continued

        return continued(config, data, network, text, Continuation(**options))

    def mistakes(
        self, config: LmConfig, data: LmData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        """The tokens that surprise the network most, most surprising first; ``index`` is where they stand."""
        from liafseq.tasks.lm.show import surprising

        for at, before, token, likeliest in surprising(config, data, network, split, MOST):
            yield Mistake(part, at, before, token, likeliest)

    def trace(
        self, config: LmConfig, data: LmData, network: nn.Module, example: int, **where: Any
    ) -> tuple[bytes, str]:
        """Over the ``example``-th piece of the text; what stands before it has been read."""
        from liafseq.tasks.lm.show import picture

        return picture(config, data, network, example, **where)
