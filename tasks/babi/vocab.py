"""Words and answers of stories as numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from liafseq.tasks.sequences.words import Words, distinct, lists_of

__all__ = ["Vocabulary", "tokens"]

_TOKEN = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s?]")


def tokens(text: str) -> list[str]:
    """Words, in lower case, and punctuation marks but the question mark.

    Lower case, because the published files write names differently in statements and questions.
    A mark counts as a token, as in the literature; the question mark ends every question, so it
    says nothing, and would stand between the last word and what is read of the question.

    >>> tokens("Gertrude is a mouse. What is gertrude afraid of?")
    ['gertrude', 'is', 'a', 'mouse', '.', 'what', 'is', 'gertrude', 'afraid', 'of']
    """
    return _TOKEN.findall(text.lower())


class Vocabulary(Words):
    """The words and the answers of the training data.

    Args:
        words: all words in the order of their numbers; the first two are ``<unk>`` and ``<pad>``.
        answers: the classes in the order of their numbers; a list such as ``"football,milk"`` is
            one class, as in the literature.

    Raises:
        ValueError: a word or an answer twice, or the first two words are others.

    >>> vocabulary = Vocabulary.of(["Mary is here.", "Where is Mary?"], ["here"])
    >>> vocabulary.words
    ('<unk>', '<pad>', 'is', 'mary', '.', 'here', 'where')
    >>> vocabulary.numbers("Mary was here")
    [3, 0, 5]
    >>> vocabulary.answer("here"), vocabulary.answer("garden")
    (0, -1)
    """

    def __init__(self, words: Iterable[str], answers: Iterable[str]) -> None:
        super().__init__(words)
        self.answers = distinct(answers, "answers")
        self._answers = {answer: number for number, answer in enumerate(self.answers)}

    @classmethod
    def of(cls, sentences: Iterable[str] | Mapping[str, int], answers: Iterable[str]) -> Vocabulary:
        """From training data: words by falling frequency, then by alphabet; answers by alphabet.

        Args:
            sentences: texts, or texts with how often each occurs.
            answers: may repeat.
        """
        counts: Counter[str] = Counter()
        for sentence, times in Counter(sentences).items():
            for token in tokens(sentence):
                counts[token] += times
        return cls(Words.build(counts).words, sorted(set(answers)))

    def numbers(self, text: str) -> list[int]:
        """The numbers of a text's tokens; 0 for unknown ones."""
        return self.encode(tokens(text))

    def answer(self, answer: str) -> int:
        """The class of an answer; -1 where training has not seen it."""
        return self._answers.get(answer, -1)

    def to_json(self) -> dict[str, list[str]]:
        """The word list and the answers, in order."""
        return {"words": list(self.words), "answers": list(self.answers)}

    @classmethod
    def from_json(cls, content: Any, name: object = "vocabulary") -> Vocabulary:
        """The vocabulary of :meth:`to_json`; ValueError, naming the file ``name``, for other content."""
        words, answers = lists_of(content, ("words", "answers"), name)
        try:
            return cls(words, answers)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
