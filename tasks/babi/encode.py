"""Questions as integer tensors: kept flat, cut into batches of stories of like lengths.

A batch gives a story as one sequence of words (:class:`Batch`) or as a sequence of sentences
(:class:`SentenceBatch`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.tasks.babi.vocab import Vocabulary
from liafseq.tasks.sequences.ragged import padded
from liafseq.tasks.sequences.words import PAD, UNKNOWN

__all__ = ["Batch", "Encoded", "Questions", "Row", "SentenceBatch", "encode"]

Row = Mapping[str, Any]
"""A question as the sources give it: ``story`` (sentences before it), ``question``, ``answer``."""

_PAD = [UNKNOWN, PAD].index(PAD)


class Batch(NamedTuple):
    """N questions; what stands behind a length is padding.

    Attributes:
        story: (longest story, N) numbers of words.
        story_lengths: (N), on the CPU.
        question: (longest question, N) numbers of words.
        question_lengths: (N), on the CPU.
        answer: (N) classes; -1 where training has not seen the answer.
    """

    story: Tensor
    story_lengths: Tensor
    question: Tensor
    question_lengths: Tensor
    answer: Tensor

    def to(self, device: Any, **options: Any) -> Batch:
        """On another device; the lengths stay, because packing reads them on the CPU."""
        return self._replace(
            story=self.story.to(device, **options),
            question=self.question.to(device, **options),
            answer=self.answer.to(device, **options),
        )


class SentenceBatch(NamedTuple):
    """N questions on stories of sentences; what stands behind a length is padding.

    Attributes:
        words: (longest sentence, S) numbers of words of the S different sentences of the batch.
        word_lengths: (S), on the CPU.
        story: (most sentences, N) which of the S each sentence is; 0 behind the end.
        story_lengths: (N) sentences a story, at least 1; on the CPU.
        question: (longest question, N) numbers of words.
        question_lengths: (N), on the CPU.
        answer: (N) classes; -1 where training has not seen the answer.
    """

    words: Tensor
    word_lengths: Tensor
    story: Tensor
    story_lengths: Tensor
    question: Tensor
    question_lengths: Tensor
    answer: Tensor

    def to(self, device: Any, **options: Any) -> SentenceBatch:
        """On another device; the lengths stay, because packing reads them on the CPU."""
        return self._replace(
            words=self.words.to(device, **options),
            story=self.story.to(device, **options),
            question=self.question.to(device, **options),
            answer=self.answer.to(device, **options),
        )


@dataclass(frozen=True)
class Encoded:
    """Questions, each with its story as a range of ``words``; questions of one story share the words.

    Attributes:
        words: the words of all stories, int32.
        queries: the words of all questions, int32.
        story: (questions, 2) start and end of each one's story in ``words``.
        query: (questions, 2) start and end of each question in ``queries``.
        answer: (questions) class, or -1.
        texts: the words of all different sentences, int32.
        text: (different sentences, 2) start and end of each in ``texts``.
        told: which different sentence each sentence of all stories is, int32.
        telling: (questions, 2) start and end of each one's story in ``told``.
    """

    words: Tensor
    queries: Tensor
    story: Tensor
    query: Tensor
    answer: Tensor
    texts: Tensor
    text: Tensor
    told: Tensor
    telling: Tensor

    def __len__(self) -> int:
        return len(self.answer)

    def select(self, rows: Sequence[int]) -> Encoded:
        """Only these rows, in this order."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        return replace(
            self,
            story=self.story[at],
            query=self.query[at],
            answer=self.answer[at],
            telling=self.telling[at],
        )

    @staticmethod
    def join(parts: Sequence[Encoded]) -> Encoded:
        """The questions of several, one after another."""

        def flat(name: str) -> Tensor:
            return torch.cat([getattr(part, name) for part in parts])

        def shifted(name: str, into: str) -> Tensor:
            starts = [0, *accumulate(len(getattr(part, into)) for part in parts)]
            return torch.cat([getattr(part, name) + at for part, at in zip(parts, starts, strict=False)])

        return Encoded(
            words=flat("words"),
            queries=flat("queries"),
            story=shifted("story", "words"),
            query=shifted("query", "queries"),
            answer=flat("answer"),
            texts=flat("texts"),
            text=shifted("text", "texts"),
            told=shifted("told", "text"),
            telling=shifted("telling", "told"),
        )

    def batch(self, rows: Sequence[int]) -> Batch:
        """The questions of these rows, in this order."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        story, story_lengths = padded(self.words, self.story[at], _PAD)
        query, query_lengths = padded(self.queries, self.query[at], _PAD)
        return Batch(story, story_lengths, query, query_lengths, self.answer[at])

    def sentences(self, rows: Sequence[int]) -> SentenceBatch:
        """The questions of these rows, in this order, their stories as sequences of sentences."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        told, story_lengths = padded(self.told, self.telling[at], None)
        different, story = told.unique(return_inverse=True)
        words, word_lengths = padded(self.texts, self.text[different], _PAD)
        query, query_lengths = padded(self.queries, self.query[at], _PAD)
        return SentenceBatch(words, word_lengths, story, story_lengths, query, query_lengths, self.answer[at])


def encode(rows: Iterable[Row], vocabulary: Vocabulary) -> Encoded:
    """Questions as numbers. An empty story or question becomes one unknown word: nothing else is padded.

    >>> vocabulary = Vocabulary(["<unk>", "<pad>", "a", "b"], ["yes", "no"])
    >>> rows = [{"story": ["a b"], "question": "b", "answer": "no"},
    ...         {"story": ["a b", "b"], "question": "c a", "answer": "maybe"}]
    >>> data = encode(rows, vocabulary)
    >>> data.words.tolist(), data.story.tolist(), data.answer.tolist()
    ([2, 3, 3], [[0, 2], [0, 3]], [1, -1])
    """
    cache: dict[str, array[int]] = {}
    words, queries, told = array("i"), array("i"), array("i")
    stories, asked, answers, telling = array("q"), array("q"), array("q"), array("q")
    texts: dict[tuple[int, ...], int] = {}
    nothing = array("i", [vocabulary.words.index(UNKNOWN)])

    def numbers(text: str) -> array[int]:
        found = cache.get(text)
        if found is None:
            found = cache[text] = array("i", vocabulary.numbers(text))
        return found

    def say(sentence: array[int]) -> None:
        words.extend(sentence)
        if sentence:
            told.append(texts.setdefault(tuple(sentence), len(texts)))

    before: list[str] = []
    start = first = 0
    for row in rows:
        story = row["story"]
        if not before or story[: len(before)] != before:
            start, first, before = len(words), len(told), []
        for sentence in story[len(before) :]:
            say(numbers(sentence))
        if len(words) == start:
            say(nothing)
        before = story
        stories.extend((start, len(words)))
        telling.extend((first, len(told)))
        asked.append(len(queries))
        queries.extend(numbers(row["question"]) or nothing)
        asked.append(len(queries))
        answers.append(vocabulary.answer(row["answer"]))
    ends = [0, *accumulate(map(len, texts))]
    return Encoded(
        words=_tensor(words, torch.int32),
        queries=_tensor(queries, torch.int32),
        story=_tensor(stories, torch.int64).view(-1, 2),
        query=_tensor(asked, torch.int64).view(-1, 2),
        answer=_tensor(answers, torch.int64),
        texts=torch.tensor([word for text in texts for word in text], dtype=torch.int32),
        text=torch.tensor([ends[:-1], ends[1:]], dtype=torch.int64).T,
        told=_tensor(told, torch.int32),
        telling=_tensor(telling, torch.int64).view(-1, 2),
    )


@dataclass(frozen=True)
class Questions:
    """Questions as a network reads them: words one after another, or sentences."""

    data: Encoded
    by_sentence: bool = False

    @classmethod
    def join(cls, parts: Sequence[Encoded], by_sentence: bool) -> Questions:
        """Several parts together."""
        return cls(parts[0] if len(parts) == 1 else Encoded.join(list(parts)), by_sentence)

    @property
    def lengths(self) -> list[int]:
        """Words or sentences per story."""
        ranges = self.data.telling if self.by_sentence else self.data.story
        return (ranges[:, 1] - ranges[:, 0]).tolist()

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, rows: Sequence[int]) -> Batch | SentenceBatch:
        return self.data.sentences(rows) if self.by_sentence else self.data.batch(rows)


def _tensor(values: array[int], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(values, dtype=dtype).clone() if values else torch.empty(0, dtype=dtype)
