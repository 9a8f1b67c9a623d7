"""The data of a run on tagged sentences: read, checked, divided, as numbers."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from liafseq.tasks.sequences import sources
from liafseq.tasks.sequences.ragged import Ragged, SequenceExamples
from liafseq.tasks.sequences.split import divide
from liafseq.tasks.sequences.words import Words, distinct, lists_of
from liafseq.tasks.tagging import files, python
from liafseq.tasks.tagging.config import FEATURES, PYTHON, TaggingConfig
from liafseq.tasks.tagging.files import Sentence
from liafseq.tasks.tagging.spans import Spans

__all__ = ["CHARACTERS", "TaggingData"]

LOG = logging.getLogger("liafseq")

CHARACTERS = 20
"""So many of the last characters of a word are read."""

_PAD = 1


def _plain(word: str) -> str:
    """A word in lower case, its digits 0: what these were, the other features say."""
    return re.sub(r"\d", "0", word.lower())


def _shape(word: str) -> str:
    """
    >>> _shape("McDonald"), _shape("1,000.5"), _shape("U.S.")
    ('XxXx', '0,0.0', 'X.X.')
    """
    classes = re.sub(r"[^\W\d_]", lambda found: "X" if found[0].isupper() else "x", word)
    return re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "0", classes))[:10]


@dataclass(frozen=True)
class TaggingData:
    """Vocabularies, tags and intents, of the training part; the examples where they are asked for.

    Attributes:
        features: the vocabularies of ``FEATURES``, by name.
        tags, intents: by alphabet; no intents where the data has none.
        version: of the Python whose library the embedded sentences are of.
        trains: False for data that a trained network is used with.
    """

    features: dict[str, Words]
    tags: tuple[str, ...]
    intents: tuple[str, ...]
    version: str | None = None
    trains: bool = True

    @classmethod
    def of(cls, config: TaggingConfig, kept: Any = None) -> TaggingData:
        """The data of a run, or of a run folder.

        Raises:
            FileNotFoundError: no such file.
            ValueError: what cannot be read, with file and line, or data of one tag alone.
        """
        names = FEATURES[config.word_features]
        if kept is not None:
            *lists, tags, intents = lists_of(kept, (*names, "tags", "intents"))
            features = {name: Words(words, name) for name, words in zip(names, lists, strict=True)}
            found = distinct(tags, "tags"), distinct(intents, "intents")
            return cls(features, *found, kept.get("version"), trains=False)
        known = _known(*_key(config), config.word_features)
        return cls(*known, python.version() if config.source == PYTHON else None)

    @property
    def vocabulary(self) -> Words:
        return self.features["words"]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.tags

    @property
    def spans(self) -> Spans:
        return Spans.of(self.tags)

    def kept(self) -> Any:
        lists = {name: list(words.words) for name, words in self.features.items()}
        found = {**lists, "tags": list(self.tags), "intents": list(self.intents)}
        return found if self.version is None else {**found, "version": self.version}

    def sentences(self, config: TaggingConfig, split: str) -> Sequence[Sentence]:
        return _sentences(*_key(config))[split]

    def split(self, config: TaggingConfig, split: str) -> SequenceExamples:
        return _encoded(*_key(config), split, tuple(self.features.items()), self.tags, self.intents)

    def shown(self, config: TaggingConfig, split: str, row: int) -> tuple[str, Sequence[str]]:
        words = self.sentences(config, split)[row].words
        return " ".join(words), words

    def numbers(self, words: Sequence[str]) -> torch.Tensor:
        """What the network reads of the words of a sentence, (words, features)."""
        return _numbers(words, self.features)


def _key(config: TaggingConfig) -> tuple[TaggingConfig, Any]:
    return config.of_data(), sources.stamp(config.source)


@lru_cache(maxsize=4)
def _sentences(config: TaggingConfig, _stamp: Any) -> dict[str, list[Sentence]]:
    """The sentences of ``train``, ``valid`` and ``test``."""
    found = python.sentences() if config.source == PYTHON else files.read(config)
    for part, rows in found.items():
        if not rows:
            where = f" in the {part} part" * (part != sources.WHOLE)
            raise ValueError(f"{config.source}: no sentences{where}")
    rows = [row for part in found.values() for row in part]
    if 0 < sum(row.intent is None for row in rows) < len(rows):
        bare = next(row for row in rows if row.intent is None)
        raise ValueError(f"{bare.where}: has no intent; others have")
    return divide(
        found,
        lambda sentence: sentence.intent,
        test_fraction=config.test_fraction,
        valid_fraction=config.valid_fraction,
        seed=config.data_seed,
    )


def _read_of(word: str, names: Iterable[str]) -> list[list[str]]:
    """Of each vocabulary what is read of a word."""
    plain = _plain(word)
    read = {
        "words": [plain],
        "suffixes2": [plain[-2:]],
        "suffixes3": [plain[-3:]],
        "shapes": [_shape(word)],
        "characters": list(word[-CHARACTERS:]),
    }
    return [read[name] for name in names]


@lru_cache(maxsize=4)
def _known(
    config: TaggingConfig, stamp: Any, word_features: str
) -> tuple[dict[str, Words], tuple[str, ...], tuple[str, ...]]:
    """Vocabularies, tags and intents of the training part."""
    rows = _sentences(config, stamp)["train"]
    tags = sorted({tag for row in rows for tag in row.tags})
    if len(tags) < 2:
        raise ValueError(f"{config.source}: expected two tags at least, got {tags[0]!r} alone")
    intents = sorted({row.intent for row in rows if row.intent is not None})
    if len(intents) == 1:
        raise ValueError(f"{config.source}: expected two intents at least, got {intents[0]!r} alone")
    names = FEATURES[word_features]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for word, count in Counter(word for row in rows for word in row.words).items():
        for name, read in zip(names, _read_of(word, names), strict=True):
            for text in read:
                counts[name][text] += count
    features = {
        name: Words.build(found, config.most_words, config.min_count) for name, found in counts.items()
    }
    return features, tuple(tags), tuple(intents)


def _numbers(words: Sequence[str], features: dict[str, Words]) -> torch.Tensor:
    rows = []
    for word in words:
        row: list[int] = []
        for (name, vocabulary), read in zip(features.items(), _read_of(word, features), strict=True):
            found = vocabulary.encode(read)
            row += found + [_PAD] * (CHARACTERS - len(found)) if name == "characters" else found
        rows.append(row)
    return torch.tensor(rows, dtype=torch.int32)


@lru_cache(maxsize=8)
def _encoded(
    config: TaggingConfig,
    stamp: Any,
    split: str,
    features: tuple[tuple[str, Words], ...],
    tags: tuple[str, ...],
    intents: tuple[str, ...],
) -> SequenceExamples:
    """Examples whose target is, of each word: the tag, the span that begins here as its type and length
    (:class:`liafseq.tasks.tagging.spans.Spans`), and the intent of its sentence; -1: unknown, or none."""
    rows = _sentences(config, stamp)[split]
    _tell_unseen(rows, split, tags, intents)
    spans = Spans.of(tags)
    known = {word: _numbers([word], dict(features))[0] for row in rows for word in row.words}
    values = [torch.stack([known[word] for word in row.words]) for row in rows]
    number, numbers = ({name: at for at, name in enumerate(names)} for names in (tags, intents))
    targets = []
    for row in rows:
        target = torch.full((len(row.words), 4), -1)
        target[:, 0] = torch.tensor([number.get(tag, -1) for tag in row.tags])
        for kind, start, end in spans.within(row.tags):
            target[start, 1] = spans.types.get(kind, len(spans.types))
            target[start, 2] = end - start + 1
        target[:, 3] = numbers.get(row.intent or "", -1)
        targets.append(target)
    return SequenceExamples(Ragged.of(values, torch.int32), Ragged.of(targets, torch.int32))


def _tell_unseen(
    rows: Sequence[Sentence], split: str, tags: tuple[str, ...], intents: tuple[str, ...]
) -> None:
    for what, known, found in (
        ("tag", set(tags), [(row, set(row.tags)) for row in rows]),
        ("intent", set(intents), [(row, {row.intent} - {None}) for row in rows]),
    ):
        unseen = [(row, names - known) for row, names in found if names - known]
        if unseen:
            row, names = unseen[0]
            LOG.warning(
                f"{row.where}: the {what} {min(map(str, names))!r} is not in the training part; "
                f"{len(unseen)} of {len(rows)} {split} sentences have one like that, which counts as wrong"
            )
