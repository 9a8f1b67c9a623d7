"""Rows of CSV, TSV and JSONL files, of folders with one folder per class, and of the hub."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liafseq.tasks.sequences.sources import HUB, from_hub, parts, read_text

__all__ = ["SUFFIXES", "Row", "json_lines", "read"]

SUFFIXES = (".csv", ".tsv", ".jsonl")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Row:
    """A row: its values by column, and where it stands, ``file:line``."""

    values: Mapping[str, Any]
    where: str

    def __getitem__(self, column: str) -> Any:
        """ValueError, with the place, for a column that the row has not."""
        try:
            return self.values[column]
        except KeyError:
            known = ", ".join(self.values)
            raise ValueError(f"{self.where}: no column {column!r}; the columns are {known}") from None

    def text(self, column: str) -> str:
        """A value that is a text, stripped; numbers count as texts. ValueError for an empty one."""
        value = self[column]
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f"{self.where}: expected a text as {column!r}, got {value!r}")
        if not (text := str(value).strip()):
            raise ValueError(f"{self.where}: {column!r} is empty")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"{self.where}: {column!r} has half of a character (a lone surrogate)")
        return text


def read(source: str, *, text_column: str = "text", label_column: str = "label") -> dict[str, list[Row]]:
    """The rows of each part of the data: ``train``, ``valid`` and ``test``, or ``whole``.

    Args:
        source: a file or folder of :func:`liafseq.tasks.sequences.sources.parts`, in CSV, TSV or JSONL
            (by the end of the name), or with a folder of text files per class; or ``hub:...``.
        text_column, label_column: the names that the rows of a folder per class have.

    Raises:
        FileNotFoundError: no such source.
        ValueError: what cannot be read; with file and line.
    """
    if source.startswith(HUB):
        return {
            part: [Row(row, f"{source} {part} row {number}") for number, row in enumerate(rows)]
            for part, rows in from_hub(source).items()
        }
    found = parts(source, SUFFIXES)
    return {
        part: list(_folder(path, text_column, label_column) if path.is_dir() else _file(path))
        for part, path in found.items()
    }


def _file(path: Path) -> Iterator[Row]:
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise ValueError(f"{path}: expected a file of {', '.join(SUFFIXES)}, or a folder per class")
    text = read_text(path)
    yield from json_lines(path, text) if kind == ".jsonl" else _separated(path, text, _DELIMITERS[kind])


def json_lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path}:{number}: expected an object, got {type(values).__name__}")
        yield Row(values, f"{path}:{number}")


def _separated(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = next(reader, [])
        _check_columns(path, columns)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(columns):
                raise ValueError(f"{where}: expected {len(columns)} values, got {len(cells)}")
            yield Row(dict(zip(columns, cells, strict=True)), where)
    except csv.Error as error:
        raise ValueError(f"{path}:{reader.line_num}: {error}") from None


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if not columns:
        raise ValueError(f"{path}: is empty; expected a line with the names of the columns")
    for name in columns:
        if columns.count(name) > 1:
            raise ValueError(f"{path}:1: the column {name!r} is there twice")


def _folder(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    """Each folder is a class, each text file in it a row."""
    classes = sorted(inner for inner in path.iterdir() if inner.is_dir())
    if not classes:
        raise ValueError(
            f"{path}: expected a folder per class, or files of {', '.join(SUFFIXES)} named train, valid, test"
        )
    for folder in classes:
        for file in sorted(folder.rglob("*.txt")):
            yield Row({text_column: read_text(file), label_column: folder.name}, str(file))
