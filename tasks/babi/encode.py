"""Questions as integer tensors: kept flat, cut into batches of stories of like lengths."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.tasks.babi.vocab import PAD, UNKNOWN, Vocabulary

__all__ = ["Batch", "Encoded", "QuestionBatches", "encode", "hold_out", "story_numbers"]

Row = Mapping[str, Any]
"""A question as the sources give it: ``story`` (sentences before it), ``question``, ``answer``."""

_POOL = 50
"""So many batches are sorted by length together: enough to save padding, few enough to stay random."""


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


@dataclass(frozen=True)
class Encoded:
    """Questions, each with its story as a range of ``words``; questions of one story share the words.

    Attributes:
        words: the words of all stories, int32.
        queries: the words of all questions, int32.
        story: (questions, 2) start and end of each one's story in ``words``.
        query: (questions, 2) start and end of each question in ``queries``.
        answer: (questions) class, or -1.
    """

    words: Tensor
    queries: Tensor
    story: Tensor
    query: Tensor
    answer: Tensor

    def __len__(self) -> int:
        return len(self.answer)

    def select(self, rows: Sequence[int]) -> Encoded:
        """Only these rows, in this order."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        return replace(self, story=self.story[at], query=self.query[at], answer=self.answer[at])

    @staticmethod
    def join(parts: Sequence[Encoded]) -> Encoded:
        """The questions of several, one after another."""
        words = [0, *accumulate(len(part.words) for part in parts)]
        queries = [0, *accumulate(len(part.queries) for part in parts)]
        return Encoded(
            torch.cat([part.words for part in parts]),
            torch.cat([part.queries for part in parts]),
            torch.cat([part.story + at for part, at in zip(parts, words, strict=False)]),
            torch.cat([part.query + at for part, at in zip(parts, queries, strict=False)]),
            torch.cat([part.answer for part in parts]),
        )

    def batch(self, rows: Sequence[int]) -> Batch:
        """The questions of these rows, in this order."""
        at = torch.as_tensor(rows, dtype=torch.int64)
        story, story_lengths = _padded(self.words, self.story[at])
        query, query_lengths = _padded(self.queries, self.query[at])
        return Batch(story, story_lengths, query, query_lengths, self.answer[at])


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
    words, queries = array("i"), array("i")
    stories, asked, answers = array("q"), array("q"), array("q")
    nothing = array("i", [vocabulary.words.index(UNKNOWN)])

    def numbers(text: str) -> array[int]:
        found = cache.get(text)
        if found is None:
            found = cache[text] = array("i", vocabulary.encode(text))
        return found

    before: list[str] = []
    start = 0
    for row in rows:
        story = row["story"]
        if not before or story[: len(before)] != before:
            start, before = len(words), []
        for sentence in story[len(before) :]:
            words.extend(numbers(sentence))
        if len(words) == start:
            words.extend(nothing)
        before = story
        stories.extend((start, len(words)))
        asked.append(len(queries))
        queries.extend(numbers(row["question"]) or nothing)
        asked.append(len(queries))
        answers.append(vocabulary.answer(row["answer"]))
    return Encoded(
        _tensor(words, torch.int32),
        _tensor(queries, torch.int32),
        _tensor(stories, torch.int64).view(-1, 2),
        _tensor(asked, torch.int64).view(-1, 2),
        _tensor(answers, torch.int64),
    )


def story_numbers(rows: Iterable[Row]) -> list[int]:
    """For each question the number of its story: a story goes on while it extends the one before.

    >>> story_numbers([{"story": ["a"]}, {"story": ["a", "b"]}, {"story": ["b"]}])
    [0, 0, 1]
    """
    numbers: list[int] = []
    before: list[str] | None = None
    number = -1
    for row in rows:
        story = row["story"]
        if before is None or story[: len(before)] != before:
            number += 1
        before = story
        numbers.append(number)
    return numbers


def hold_out(numbers: Sequence[int], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Rows for training and for validation, in order; a story is in one of them as a whole.

    Args:
        numbers: the story of each row.
        fraction: of the rows that go to validation; met as nearly as whole stories, taken in a
            random order, allow.
        seed: of that order.

    Raises:
        ValueError: fewer than two stories.
    """
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbers):
        members.setdefault(number, []).append(row)
    if len(members) < 2:
        raise ValueError(
            f"validation needs questions on at least 2 stories, got {len(numbers)} on {len(members)}; "
            "take more questions"
        )
    order = sorted(members)
    random.Random(f"validation {seed}").shuffle(order)
    wanted = max(1, round(fraction * len(numbers)))
    held: set[int] = set()
    for number in order[:-1]:  # training keeps one story at least
        size = len(members[number])
        # A story is taken where that brings the number of rows nearer to what is wanted.
        if held and len(held) + size - wanted > wanted - len(held):
            continue
        held.update(members[number])
        if len(held) >= wanted:
            break
    return [row for row in range(len(numbers)) if row not in held], sorted(held)


class QuestionBatches:
    """Batches of one data set, as :class:`liafseq.tasks.training.Batches` asks for them.

    Args:
        data: the questions.
        batch_size: questions a batch; the last batch may be smaller.
        seed: of the order; None: by length and without chance, for evaluation.
        world: the number of processes that share a batch; no batch is smaller than that.

    Raises:
        ValueError: there are fewer questions than processes, or none.
    """

    def __init__(self, data: Encoded, batch_size: int, *, seed: int | None = None, world: int = 1) -> None:
        if len(data) < max(1, world):
            raise ValueError(f"at least {max(1, world)} questions are needed, got {len(data)}")
        self._data, self._seed, self._size = data, seed, max(batch_size, world)
        self._lengths = (data.story[:, 1] - data.story[:, 0]).tolist()
        self._starts = list(range(0, len(data), self._size))
        if len(data) - self._starts[-1] < world:
            self._starts.pop()

    def __len__(self) -> int:
        return len(self._starts)

    def rows(self, number: int) -> list[list[int]]:
        """The rows of each batch of an epoch."""
        count = len(self._data)
        order = list(range(count))
        if self._seed is None:
            order.sort(key=self._lengths.__getitem__)
            return self._cut(order)
        chance = random.Random(f"order {self._seed} {number}")
        chance.shuffle(order)
        pool = _POOL * self._size
        order = [
            row
            for at in range(0, count, pool)
            for row in sorted(order[at : at + pool], key=self._lengths.__getitem__)
        ]
        batches = self._cut(order)
        chance.shuffle(batches)
        return batches

    def epoch(self, number: int, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """The batches of an epoch; of ``world`` processes ``rank`` has every ``world``-th question."""
        for rows in self.rows(number):
            yield self._data.batch(rows[rank::world])

    def _cut(self, order: list[int]) -> list[list[int]]:
        ends = [*self._starts[1:], len(order)]
        return [order[start:end] for start, end in zip(self._starts, ends, strict=True)]


def _padded(flat: Tensor, ranges: Tensor) -> tuple[Tensor, Tensor]:
    """Ranges of a flat tensor as columns, (longest, N), and their lengths."""
    starts, lengths = ranges[:, 0], ranges[:, 1] - ranges[:, 0]
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0)[:, None]
    inside = steps < lengths
    at = torch.where(inside, starts + steps, 0)
    return torch.where(inside, flat[at].long(), _PAD), lengths


def _tensor(values: array[int], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(values, dtype=dtype).clone() if values else torch.empty(0, dtype=dtype)


_PAD = [UNKNOWN, PAD].index(PAD)
