"""Words and answers as numbers, on torchtext's Vocab.

torchtext is pinned to 0.6.0, which is pure Python: newer ones load only with torch 2.3 or older.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchtext.vocab import Vocab

if TYPE_CHECKING:
    import torch

__all__ = ["PAD", "UNKNOWN", "Vocabulary", "read_vectors", "tokens"]

UNKNOWN, PAD = "<unk>", "<pad>"

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


class Vocabulary:
    """The words and the answers of the training data.

    Args:
        words: all words in the order of their numbers; the first two are ``<unk>`` and ``<pad>``.
        answers: the classes in the order of their numbers; a list such as ``"football,milk"`` is
            one class, as in the literature.

    Raises:
        ValueError: a word or an answer twice, or the first two words are others.

    >>> vocabulary = Vocabulary.build(["Mary is here.", "Where is Mary?"], ["here"])
    >>> vocabulary.words
    ('<unk>', '<pad>', 'is', 'mary', '.', 'here', 'where')
    >>> vocabulary.encode("Mary was here")
    [3, 0, 5]
    >>> vocabulary.answer("here"), vocabulary.answer("garden")
    (0, -1)
    """

    def __init__(self, words: Iterable[str], answers: Iterable[str]) -> None:
        self.words, self.answers = tuple(words), tuple(answers)
        for name, found in (("words", self.words), ("answers", self.answers)):
            if not all(isinstance(word, str) for word in found):
                raise ValueError(f"vocabulary: {name} must be texts")
            if len(set(found)) != len(found):
                twice = next(word for word, count in Counter(found).items() if count > 1)
                raise ValueError(f"vocabulary: {twice!r} is twice among the {name}")
        if self.words[:2] != (UNKNOWN, PAD):
            raise ValueError(f"vocabulary: words must begin with {UNKNOWN}, {PAD}; got {self.words[:2]}")
        # All words as specials: Vocab keeps these in the order given.
        self.vocab = Vocab(Counter(), specials=list(self.words))
        self._answers = {answer: number for number, answer in enumerate(self.answers)}

    @classmethod
    def build(cls, sentences: Iterable[str] | Mapping[str, int], answers: Iterable[str]) -> Vocabulary:
        """From training data: words by falling frequency, then by alphabet; answers by alphabet.

        Args:
            sentences: texts, or texts with how often each occurs.
            answers: may repeat.
        """
        counts: Counter[str] = Counter()
        for sentence, times in Counter(sentences).items():
            for token in tokens(sentence):
                counts[token] += times
        return cls(Vocab(counts, specials=[UNKNOWN, PAD]).itos, sorted(set(answers)))

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens; 0 for unknown ones."""
        vocab = self.vocab
        return [vocab[token] for token in tokens(text)]

    def answer(self, answer: str) -> int:
        """The class of an answer; -1 where training has not seen it."""
        return self._answers.get(answer, -1)

    def load_vectors(self, path: str | os.PathLike[str], size: int) -> torch.Tensor:
        """Pretrained vectors of the words, (words, size); words that the file lacks are drawn from N(0, 1).

        Errors as of :func:`read_vectors`.
        """
        import torch

        index, vectors = read_vectors(path, size, self.vocab.stoi)
        self.vocab.set_vectors(index, torch.tensor(vectors), size, unk_init=torch.Tensor.normal_)
        return self.vocab.vectors

    def to_json(self) -> dict[str, list[str]]:
        """The word list and the answers, in order."""
        return {"words": list(self.words), "answers": list(self.answers)}

    @classmethod
    def from_json(cls, content: Any, name: object = "vocabulary") -> Vocabulary:
        """The vocabulary of :meth:`to_json`; ValueError, naming the file ``name``, for other content."""
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), list) for key in ("words", "answers")
        ):
            raise ValueError(f"{name}: not a vocabulary: expected the lists 'words' and 'answers'")
        try:
            return cls(content["words"], content["answers"])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def read_vectors(
    path: str | os.PathLike[str], size: int, words: Mapping[str, int]
) -> tuple[dict[str, int], list[list[float]]]:
    """Word vectors out of a text file: on each line a word and ``size`` numbers (GloVe's format).

    A first line of two whole numbers (word2vec's header) is passed over. torchtext's own reader is
    not used, because it keeps a pickle beside the file.

    Returns:
        For those of ``words`` that the file has: row numbers, and the rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line of another length, or something that is no finite number; with file and line.
    """
    index: dict[str, int] = {}
    rows: list[list[float]] = []
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        for at, line in enumerate(file, 1):
            word, *values = line.rstrip().split(" ")
            if not line.strip() or (at == 1 and len(values) == 1 and word.isdigit()):
                continue
            if len(values) != size:
                raise ValueError(
                    f"{path}:{at}: expected a word and {size} numbers, got {len(values)} numbers"
                )
            if word not in words or word in index:
                continue
            try:
                row = [float(value) for value in values]
            except ValueError as error:
                raise ValueError(f"{path}:{at}: {error}") from error
            if not all(map(math.isfinite, row)):
                raise ValueError(f"{path}:{at}: a number that is not finite")
            index[word] = len(rows)
            rows.append(row)
    if not rows:
        raise ValueError(f"{path}: has none of the {len(words)} words of the vocabulary")
    return index, rows
