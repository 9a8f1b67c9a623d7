"""Tagged sentences out of files: columns as of CoNLL, JSONL, or ``seq.in``, ``seq.out`` and ``label``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liafseq.tasks.config import FieldError
from liafseq.tasks.sequences import tables
from liafseq.tasks.sequences.sources import HUB, parts, read_text
from liafseq.tasks.tagging.config import TaggingConfig

__all__ = ["Sentence", "read"]

_COLUMNS = (".txt", ".conll", ".conllu", ".tsv", ".iob", ".iob2", ".bio", ".bioes")
_WORDS, _TAGS, _INTENTS = "seq.in", "seq.out", "label"


@dataclass(frozen=True)
class Sentence:
    """Words, of each its tag, the intent of all where there is one, and where it stands."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    intent: str | None
    where: str


def read(config: TaggingConfig) -> dict[str, list[Sentence]]:
    """The sentences of each part of the data: ``train``, ``valid`` and ``test``, or ``whole``.

    Raises:
        FileNotFoundError: no such source.
        ValueError: what cannot be read; with file and line.
    """
    if config.source.startswith(HUB):
        found = tables.read(config.source)
        return {part: [_of_row(row, config) for row in rows] for part, rows in found.items()}
    paths = parts(config.source, (*_COLUMNS, ".jsonl"))
    return {part: list(_sentences(path, config)) for part, path in paths.items()}


def _sentences(path: Path, config: TaggingConfig) -> Iterator[Sentence]:
    if path.is_dir():
        return _lines(path)
    if path.suffix.lower() == ".jsonl":
        return (_of_row(row, config) for row in tables.json_lines(path, read_text(path)))
    if path.suffix.lower() in _COLUMNS:
        return _columns(path, config)
    raise ValueError(f"{path}: expected a file of {', '.join(_COLUMNS)} or .jsonl, or a folder with {_WORDS}")


def _of_row(row: tables.Row, config: TaggingConfig) -> Sentence:
    words = _texts(row, config.word_column or "words")
    tags = _texts(row, config.tag_column or "tags")
    if len(words) != len(tags):
        raise ValueError(f"{row.where}: expected a tag for each of {len(words)} words, got {len(tags)} tags")
    intent = row.text(config.intent_column) if config.intent_column in row.values else None
    return Sentence(words, tags, intent, row.where)


def _texts(row: tables.Row, column: str) -> tuple[str, ...]:
    values: Any = row[column]
    if not isinstance(values, list) or not values:
        raise ValueError(
            f"{row.where}: expected a list as {column!r}, with a word at least, got {values!r:.60}"
        )
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
            raise ValueError(f"{row.where}: expected texts as {column!r}, got {value!r:.60}")
    return tuple(map(str, values))


def _columns(path: Path, config: TaggingConfig) -> Iterator[Sentence]:
    """A word on each line, its tag in another column; an empty line behind each sentence."""
    text = read_text(path)
    universal = path.suffix.lower() == ".conllu"
    word = _number("word_column", config.word_column, 2 if universal else 1) - 1
    tag = -1 if config.tag_column is None else _number("tag_column", config.tag_column, 0) - 1
    if universal and config.tag_column is None:
        tag = 3
    delimiter = "\t" if "\t" in text else " +"
    count = 0
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if not line.strip():
            if pairs:
                words, tags = zip(*pairs, strict=True)
                yield Sentence(words, tags, None, f"{path}:{number - len(pairs)}")
            pairs = []
            continue
        # comments, and what stands for several words or for none; the mark of a document
        if line.startswith("-DOCSTART-") or (universal and re.match(r"#|\d+[-.]\d+\t", line)):
            continue
        cells = [cell.strip() for cell in re.split(delimiter, line.strip(" "))]
        count = count or len(cells)
        if len(cells) != count or count < 2:
            raise ValueError(f"{path}:{number}: expected {max(count, 2)} columns, got {len(cells)}")
        for name, at in (("word", word), ("tag", tag)):
            if at >= count:
                raise ValueError(f"{path}:{number}: no column {at + 1} of the {name}, only {count}")
            if not cells[at]:
                raise ValueError(f"{path}:{number}: the {name} is empty")
        pairs.append((cells[word], cells[tag]))


def _number(field: str, value: str | None, default: int) -> int:
    if value is None:
        return default
    if not re.fullmatch(r"[1-9]\d{0,3}", value, re.ASCII):
        raise FieldError(field, f"must be the number of a column, from 1, got {value!r}")
    return int(value)


def _lines(folder: Path) -> Iterator[Sentence]:
    """A sentence on each line of ``seq.in``, its tags in ``seq.out``, its intent in ``label``."""
    names = [name for name in (_WORDS, _TAGS, _INTENTS) if name != _INTENTS or (folder / name).exists()]
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder}: has no {name}; expected {_WORDS}, {_TAGS} and {_INTENTS}, or files of "
                f"{', '.join(_COLUMNS)} or .jsonl named train, valid, test"
            )
    columns: list[Sequence[str]] = [read_text(folder / name).rstrip().split("\n") for name in names]
    for name, lines in zip(names, columns, strict=True):
        if len(lines) != len(columns[0]):
            raise ValueError(f"{folder / name}: expected {len(columns[0])} lines, got {len(lines)}")
    for number, (line, line_of_tags, *intents) in enumerate(zip(*columns, strict=True), 1):
        words, tags = (re.findall(r"[^ \t]+", part) for part in (line, line_of_tags))
        if not words:
            raise ValueError(f"{folder / _WORDS}:{number}: is empty")
        if len(words) != len(tags):
            raise ValueError(f"{folder / _TAGS}:{number}: expected {len(words)} tags, got {len(tags)}")
        if intents and not intents[0].strip():
            raise ValueError(f"{folder / _INTENTS}:{number}: is empty")
        intent = intents[0].strip() if intents else None
        yield Sentence(tuple(words), tuple(tags), intent, f"{folder / _WORDS}:{number}")
