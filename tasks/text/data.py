"""The data of a run on texts: read, checked, divided, as numbers."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from liafseq.tasks.sequences import sources, tables
from liafseq.tasks.sequences.ragged import Ragged, SequenceBatch, SequenceExamples
from liafseq.tasks.sequences.split import divide
from liafseq.tasks.sequences.words import Words, distinct, lists_of
from liafseq.tasks.text import docstrings
from liafseq.tasks.text.config import DOCSTRINGS, TextConfig

__all__ = ["Example", "PairExamples", "TextData", "tokens"]

LOG = logging.getLogger("liafseq")

_TOKEN = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Words in lower case, and marks.

    >>> tokens("It's state-of-the-art, isn't it?")
    ["it's", 'state-of-the-art', ',', "isn't", 'it', '?']
    """
    return _TOKEN.findall(text.lower())


@dataclass(frozen=True)
class Example:
    """A text, or two, the class, and where it stands."""

    texts: tuple[str, ...]
    label: str
    where: str


class PairExamples(SequenceExamples):
    """Pairs of texts: of N pairs the first texts, then the second ones, in one batch of 2N sequences."""

    def __len__(self) -> int:
        return len(self.target)

    @property
    def lengths(self) -> list[int]:
        """Of both texts together."""
        found: list[int] = self.values.lengths.view(2, -1).sum(0).tolist()
        return found

    def batch(self, rows: Sequence[int]) -> SequenceBatch:
        values, lengths = self.values.padded([*rows, *(row + len(self) for row in rows)], self.fill)
        assert isinstance(self.target, torch.Tensor)
        return SequenceBatch(values, lengths, self.target[torch.as_tensor(rows)])


@dataclass(frozen=True)
class TextData:
    """Vocabulary and classes, of the training and the validation part; the examples where they are asked for.

    Attributes:
        vocabulary: the words.
        classes: by alphabet.
        versions: of the packages of the embedded sentences.
        trains: False for data that a trained network is used with.
    """

    vocabulary: Words
    classes: tuple[str, ...]
    versions: Mapping[str, str] | None = None
    trains: bool = True

    @classmethod
    def of(cls, config: TextConfig, kept: Any = None) -> TextData:
        """The data of a run, or of a run folder.

        Raises:
            FileNotFoundError: no such file.
            ValueError: what cannot be read, with file and line, or data of one class alone.
        """
        if kept is not None:
            words, classes = lists_of(kept, ("words", "classes"))
            return cls(Words(words), distinct(classes, "classes"), kept.get("versions"), trains=False)
        versions = docstrings.versions() if config.source == DOCSTRINGS else None
        return cls(*_known(*_key(config)), versions)

    def kept(self) -> Any:
        found = {"words": list(self.vocabulary.words), "classes": list(self.classes)}
        return found if self.versions is None else {**found, "versions": dict(self.versions)}

    def split(self, config: TextConfig, split: str) -> SequenceExamples:
        if config.source == DOCSTRINGS and self.versions is not None:
            docstrings.check(self.versions)
        return _encoded(*_key(config), split, self.vocabulary, self.classes)

    def shown(self, config: TextConfig, split: str, row: int) -> tuple[str, Sequence[str]]:
        """The text, both of a pair, and the words of what is read last."""
        texts = _rows(*_key(config))[split][row].texts
        return " ||| ".join(texts), tokens(texts[-1])[: config.longest]

    def batch(self, config: TextConfig, texts: Sequence[str]) -> SequenceBatch:
        """A text, or the two of a pair, as a batch without an answer."""
        numbers = [self.numbers(text, config.longest) for text in texts]
        values, lengths = Ragged.of(numbers, torch.int32).padded(range(len(texts)), 0)
        return SequenceBatch(values, lengths, torch.tensor([-1]))

    def numbers(self, text: str, longest: int) -> list[int]:
        return self.vocabulary.encode(tokens(text)[:longest])


def _key(config: TextConfig) -> tuple[TextConfig, Any]:
    return config.of_data(), sources.stamp(config.source)


@lru_cache(maxsize=4)
def _rows(config: TextConfig, _stamp: Any) -> dict[str, list[Example]]:
    """The examples of ``train``, ``valid`` and ``test``."""
    if config.source == DOCSTRINGS:
        found = {
            sources.WHOLE: [
                Example((text,), name, f"docstring {at}")
                for at, (text, name) in enumerate(docstrings.sentences())
            ]
        }
    else:
        columns = {"text_column": config.text_column, "label_column": config.label_column}
        found = {
            part: [_example(row, config) for row in rows]
            for part, rows in tables.read(config.source, **columns).items()
        }
    for part, rows in found.items():
        if not rows:
            raise ValueError(f"{config.source}: no texts" + f" in the {part} part" * (part != sources.WHOLE))
    return divide(
        found,
        lambda example: example.label,
        test_fraction=config.test_fraction,
        valid_fraction=config.valid_fraction,
        seed=config.data_seed,
    )


def _example(row: tables.Row, config: TextConfig) -> Example:
    second = () if config.pair_column is None else (row.text(config.pair_column),)
    return Example((row.text(config.text_column), *second), row.text(config.label_column), row.where)


@lru_cache(maxsize=4)
def _known(config: TextConfig, stamp: Any) -> tuple[Words, tuple[str, ...]]:
    """Words and classes, of what is not the test part."""
    parts = _rows(config, stamp)
    seen = [*parts["train"], *parts["valid"]]
    classes = sorted({example.label for example in parts["train"]})
    if len(classes) < 2:
        raise ValueError(f"{config.source}: expected two classes at least, got {classes[0]!r} alone")
    counts = Counter(token for example in seen for text in example.texts for token in tokens(text))
    return Words.build(counts, config.most_words), tuple(classes)


@lru_cache(maxsize=8)
def _encoded(
    config: TextConfig, stamp: Any, split: str, vocabulary: Words, classes: tuple[str, ...]
) -> SequenceExamples:
    rows = _rows(config, stamp)[split]
    number = {name: at for at, name in enumerate(classes)}
    if unseen := [example for example in rows if example.label not in number]:
        first = unseen[0]
        LOG.warning(
            f"{first.where}: the class {first.label!r} is not in the training part; {len(unseen)} of "
            f"{len(rows)} {split} texts have such a class and count as wrong"
        )
    texts = [example.texts[at] for at in range(len(rows[0].texts)) for example in rows]
    numbers = [vocabulary.encode(tokens(text)[: config.longest]) for text in texts]
    target = torch.tensor([number.get(example.label, -1) for example in rows])
    kind = SequenceExamples if config.pair_column is None else PairExamples
    return kind(Ragged.of(numbers, torch.int32), target)
