"""Tags of words as a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.tagging.config import PYTHON, TaggingConfig
from liafseq.tasks.tagging.spans import METRICS
from liafseq.tasks.task import Mistake, Part, Sums, Tally, check_example

if TYPE_CHECKING:
    from torch import Tensor, nn

    from liafseq.tasks.tagging.data import TaggingData

__all__ = ["Tagging"]


class Tagging(SequenceTask[TaggingConfig, "TaggingData"]):
    """A tag for each word of a sentence, and where the data has them the intent of the sentence.

    Embedded are functions of Python's standard library: what is each of their tokens?
    """

    name = "tagging"
    title = "tags of words"
    word = "sentences"
    Config = TaggingConfig
    metrics = METRICS

    def parts(self, config: TaggingConfig) -> Sequence[Part]:
        return (Part(config.about()),)

    def data(self, config: TaggingConfig, kept: Any = None) -> TaggingData:
        from liafseq.tasks.tagging.data import TaggingData

        return TaggingData.of(config, kept)

    def describe(self, config: TaggingConfig) -> str:
        if config.source != PYTHON:
            return f"tagged sentences of {config.about()}"
        from liafseq.tasks.tagging.python import version

        return f"functions of the standard library of Python {version()}"

    def network(self, config: TaggingConfig, data: TaggingData) -> nn.Module:
        import torch

        from liafseq.tasks.tagging.network import Tagger

        network = Tagger(config, data)
        if config.vectors is not None and data.trains:
            with torch.no_grad():
                network.words.weight.copy_(
                    data.vocabulary.load_vectors(config.vectors, config.embedding_size)
                )
        return network

    def step(self, network: nn.Module, batch: Any) -> Tally:
        from liafseq.tasks.tagging.network import tally

        return tally(network, *batch)

    def floor(self, config: TaggingConfig) -> Mapping[str, float]:
        """What the most frequent training tag scores, given to each word."""
        import torch

        data = self.data(config)
        tags = data.split(config, "train").target.flat[:, 0]  # type: ignore[union-attr]
        common = int(tags[tags >= 0].bincount().argmax())
        test = data.split(config, "test")
        target = test.batch(range(len(test))).target
        counts = data.spans.count(torch.full(target.shape[:2], common), target)
        (part,) = self.parts(config)
        return {part.name: self.metric.of(Sums(0.0, 1.0, (0.0, *counts, 0.0, 0.0))) or 0.0}

    def unanswerable(self, config: TaggingConfig, data: TaggingData, part: str) -> str | None:
        target = data.split(config, "test").target
        if bool((target.flat[:, 0] < 0).all()):  # type: ignore[union-attr]
            return "none of its tags is among those that the network has learnt"
        return None

    def predict(self, config: TaggingConfig, data: TaggingData, network: nn.Module, text: str) -> str:
        """The words of a sentence, between spaces, each with its tag; the intent before them."""
        from liafseq.tasks.tagging.python import words as tokens

        words = tokens(text) if config.source == PYTHON else text.split()
        if not words:
            raise ValueError(f"expected words, got {text!r}")
        tags, intents = _said(network, data.numbers(words)[:, None])
        tagged = _tagged(words, [data.tags[tag] for (tag,) in tags])
        return tagged if intents is None else f"{data.intents[intents[0]]}: {tagged}"

    def mistakes(
        self, config: TaggingConfig, data: TaggingData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        """The sentences with a mistake, of each the words whose tags are wrong, and the intent if it is."""
        examples, sentences = data.split(config, split), data.sentences(config, split)
        for row, sentence in enumerate(sentences):
            tags, intents = _said(network, examples.batch([row]).values)
            names = [data.tags[tag] for (tag,) in tags]
            wrong = [
                at for at, (name, tag) in enumerate(zip(names, sentence.tags, strict=True)) if name != tag
            ]
            expected, given = (
                _tagged([sentence.words[at] for at in wrong], [found[at] for at in wrong])
                for found in (sentence.tags, names)
            )
            if intents is not None and (intent := data.intents[intents[0]]) != sentence.intent:
                expected, given = f"{sentence.intent}: {expected}".rstrip(), f"{intent}: {given}".rstrip()
            if expected != given:
                yield Mistake(part, row, " ".join(sentence.words), expected, given)

    def trace(
        self,
        config: TaggingConfig,
        data: TaggingData,
        network: nn.Module,
        example: int,
        *,
        neurons: int,
        part: str,
        split: str,
    ) -> tuple[bytes, str]:
        from liafseq.tasks.tagging.show import picture

        sentences = data.sentences(config, split)
        check_example(example, len(sentences), f"{split} sentences")
        what = f"{part}, {split} sentence {example}"
        return picture(config, data, network, sentences[example], what=what, neurons=neurons)


def _said(network: Any, values: Tensor) -> tuple[list[list[int]], list[int] | None]:
    """The tags of a sentence's words, (T, 1), and its intent."""
    import torch

    with torch.no_grad():
        logits, intents = network(values.long(), torch.tensor([len(values)]))
        inside = torch.ones(logits.shape[:2], dtype=torch.bool)
        return network.said(logits, inside).tolist(), None if intents is None else intents.argmax(-1).tolist()


def _tagged(words: Sequence[str], tags: Sequence[str]) -> str:
    """
    >>> _tagged(["to", "Boston"], ["O", "B-city"])
    'to/O Boston/B-city'
    """
    return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
