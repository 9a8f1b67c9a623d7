"""The text of a run: read, checked, cut into its parts, as numbers of tokens."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from liafseq.tasks.lm.config import REFERENCE, LmConfig
from liafseq.tasks.sequences import sources
from liafseq.tasks.sequences.words import PAD, UNKNOWN, Words, lists_of

__all__ = ["EOS", "LmData", "joined", "tokens"]

LOG = logging.getLogger("liafseq")

EOS = "<eos>"
"""The word that ends a line."""

SUFFIXES = (".txt", ".text", ".tokens", ".raw", ".md", ".rst")
"""Of the files that count in a folder."""


def tokens(text: str, level: str) -> Sequence[str]:
    """The tokens of a text. Bytes are the characters of the same numbers, U+0000 to U+00FF.

    >>> tokens("To be\\n\\nor", "word")
    ['To', 'be', '<eos>', '<eos>', 'or', '<eos>']
    >>> len(tokens("\\u00e9t\\u00e9", "char")), len(tokens("\\u00e9t\\u00e9", "byte"))
    (3, 5)
    """
    if level == "char":
        return text
    if level == "byte":
        return text.encode(errors="surrogateescape").decode("latin-1")
    return [word for line in text.removesuffix("\n").split("\n") for word in (*line.split(), EOS)]


def joined(found: Sequence[str], level: str) -> str:
    """The text of tokens.

    >>> joined(["To", "be", "<eos>", "or"], "word")
    'To be\\nor'
    """
    if level != "word":
        text = "".join(found)
        return text if level == "char" else text.encode("latin-1").decode(errors="replace")
    return " ".join(found).replace(f" {EOS}", "\n").replace(EOS, "\n").replace("\n ", "\n")


@dataclass(frozen=True)
class LmData:
    """The vocabulary, of the training part; the numbers where they are asked for."""

    vocabulary: Words

    @classmethod
    def of(cls, config: LmConfig, kept: Any = None) -> LmData:
        """The data of a run, or of a run folder.

        Raises:
            FileNotFoundError: no such file.
            ValueError: what cannot be read, with file and line, or a part without a text.
        """
        if kept is not None:
            (words,) = lists_of(kept, ("words",))
            return cls(Words(words))
        return cls(_vocabulary(*_key(config)))

    def kept(self) -> Any:
        return {"words": list(self.vocabulary.words)}

    def numbers(self, config: LmConfig, split: str) -> np.ndarray:
        """The numbers of the tokens of a part, int32."""
        return _encoded(*_key(config), split, self.vocabulary)

    def encode(self, found: Sequence[str]) -> np.ndarray:
        """The numbers of tokens, int32."""
        number = self.vocabulary.vocab.stoi.get
        return np.fromiter((number(token, 0) for token in found), np.int32, len(found))


def _key(config: LmConfig) -> tuple[LmConfig, Any]:
    return config.of_data(), sources.stamp(config.source)


@lru_cache(maxsize=2)
def _parts(config: LmConfig, _stamp: Any) -> Mapping[str, Sequence[str]]:
    """The tokens of ``train``, ``valid`` and ``test``; what the data does not bring is cut off at the end."""
    found = {part: tokens(text, config.level) if text else "" for part, text in _texts(config)}
    rest = found.pop(sources.WHOLE if sources.WHOLE in found else "train")
    for part, fraction in (("test", config.test_fraction), ("valid", config.valid_fraction)):
        if part not in found:
            cut = max(0, len(rest) - max(2, round(fraction * len(rest))))
            found[part], rest = rest[cut:], rest[:cut]
    found["train"] = rest
    for part, tokens_of in found.items():
        if len(tokens_of) < 2:
            what = f"expected at least 2 tokens as {part} part, got {len(tokens_of)}"
            raise ValueError(f"{config.source}: {what}")
    return found


def _texts(config: LmConfig) -> Iterator[tuple[str, str]]:
    if config.source == REFERENCE:
        from pydoc_data.topics import topics

        yield sources.WHOLE, "\n".join(topics[name] for name in sorted(topics))
    elif config.source.startswith(sources.HUB):
        for part, rows in sources.from_hub(config.source).items():
            yield part, "".join(_lines(rows, config, part))
    else:
        for part, path in sources.parts(config.source, SUFFIXES).items():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            yield part, "".join(_text(file, config.level) for file in files or [path])


def _lines(rows: Iterator[Mapping[str, Any]], config: LmConfig, part: str) -> Iterator[str]:
    """The rows of the hub as lines."""
    for at, row in enumerate(rows):
        text = row.get(config.text_column)
        if not isinstance(text, str):
            where = f"{config.source} {part} row {at}"
            raise ValueError(f"{where}: no text as {config.text_column!r}; the columns are {', '.join(row)}")
        yield text.removesuffix("\n") + "\n"


def _text(file: Path, level: str) -> str:
    if file.is_dir():
        raise FileNotFoundError(f"{file}: no text file in it ({', '.join(SUFFIXES)})")
    if level == "byte":
        return sources.read_bytes(file).decode(errors="surrogateescape")
    return sources.read_text(file)


@lru_cache(maxsize=4)
def _vocabulary(config: LmConfig, stamp: Any) -> Words:
    """Of the training part alone."""
    found = _parts(config, stamp)["train"]
    if config.level == "byte":
        return Words([UNKNOWN, PAD, *map(chr, range(256))])
    counts = Counter(found)
    return Words.build(counts, config.most_words, config.least if config.level == "word" else 1)


@lru_cache(maxsize=6)
def _encoded(config: LmConfig, stamp: Any, split: str, vocabulary: Words) -> np.ndarray:
    found = _parts(config, stamp)[split]
    numbers = LmData(vocabulary).encode(found)
    unknown = int((numbers == 0).sum()) - (found.count(UNKNOWN) if config.level == "word" else 0)
    if unknown and split != "train":
        LOG.warning(
            f"{config.source}: {unknown:,} of {len(found):,} tokens of the {split} part are not known from "
            f"training; they count as {UNKNOWN}"
        )
    return numbers
