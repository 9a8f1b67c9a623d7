"""Words as numbers, on torchtext's Vocab.

torchtext is pinned to 0.6.0, which is pure Python: newer ones load only with torch 2.3 or older.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchtext.vocab import Vocab

if TYPE_CHECKING:
    import torch

__all__ = ["PAD", "UNKNOWN", "Words", "distinct", "lists_of", "read_vectors"]

UNKNOWN, PAD = "<unk>", "<pad>"


class Words:
    """The words of the training data, or its characters: of each its number.

    Args:
        words: all words in the order of their numbers; the first two are ``<unk>`` and ``<pad>``.
        name: what they are called in errors.

    Raises:
        ValueError: a word twice, or the first two words are others.

    >>> words = Words.build(Counter("a rose is a rose".split()))
    >>> words.words
    ('<unk>', '<pad>', 'a', 'rose', 'is')
    >>> words.encode(["a", "tulip"])
    [2, 0]
    """

    def __init__(self, words: Iterable[str], name: str = "words") -> None:
        self.words = distinct(words, name)
        if self.words[:2] != (UNKNOWN, PAD):
            raise ValueError(f"vocabulary: {name} must begin with {UNKNOWN}, {PAD}; got {self.words[:2]}")
        # All words as specials: Vocab keeps these in the order given.
        self.vocab = Vocab(Counter(), specials=list(self.words))

    @classmethod
    def build(cls, counts: Counter[str], most: int | None = None, least: int = 1) -> Words:
        """From how often each occurs: by falling frequency, then by alphabet.

        Args:
            counts: of the training data.
            most: words at most, those that are most frequent.
            least: times that a word occurs at least.
        """
        return cls(Vocab(counts, max_size=most, min_freq=least, specials=[UNKNOWN, PAD]).itos)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The numbers of tokens; 0 for unknown ones."""
        vocab = self.vocab
        return [vocab[token] for token in tokens]

    def load_vectors(self, path: str | os.PathLike[str], size: int) -> torch.Tensor:
        """Pretrained vectors of the words, (words, size); words that the file lacks are drawn from N(0, 1).

        Errors as of :func:`read_vectors`.
        """
        import torch

        index, vectors = read_vectors(path, size, self.vocab.stoi)
        self.vocab.set_vectors(index, torch.tensor(vectors), size, unk_init=torch.Tensor.normal_)
        return self.vocab.vectors


def distinct(texts: Iterable[str], name: str) -> tuple[str, ...]:
    """Texts of a vocabulary, checked: ValueError for one that is no text or is there twice."""
    found = tuple(texts)
    if not all(isinstance(text, str) for text in found):
        raise ValueError(f"vocabulary: {name} must be texts")
    if len(set(found)) != len(found):
        twice = next(text for text, count in Counter(found).items() if count > 1)
        raise ValueError(f"vocabulary: {twice!r} is twice among the {name}")
    return found


def lists_of(content: Any, names: Iterable[str], file: object = "vocabulary") -> list[list[str]]:
    """Lists of a vocabulary that was kept as JSON; ValueError, naming the file, for other content."""
    names = list(names)
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in names):
        expected = " and ".join(f"{name!r}" for name in names)
        raise ValueError(f"{file}: not a vocabulary: expected the lists {expected}")
    return [content[name] for name in names]


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
            if len(values) > size and not _is_number(values[0]):
                continue  # a word with spaces, as GloVe's largest file has
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


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
