"""One run on texts as one frozen, checked value."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated

from pydantic import model_validator

from liafseq.tasks.config import (
    DATA,
    TRAINING,
    Bidirectional,
    Config,
    Dropout,
    Epochs,
    FieldError,
    option,
)
from liafseq.tasks.sequences.fields import EmbeddingSize, MostWords, PoolingField, TestFraction, Vectors
from liafseq.tasks.sequences.sources import HUB

__all__ = ["DOCSTRINGS", "TextConfig"]

DOCSTRINGS = "docstrings"
"""The embedded sentences."""


class TextConfig(Config):
    """One run on texts, each of which has a class.

    >>> TextConfig(model="gru").about(), TextConfig(source="reviews/train.csv").about()
    ('docstrings', 'train')
    """

    source: Annotated[
        str,
        option(
            "docstrings (embedded sentences), hub:OWNER/NAME, or a file or folder: CSV, TSV, JSONL, or a "
            "folder per class.",
            DATA, metavar="SOURCE", path=(DOCSTRINGS, HUB), min_length=1,
        ),
    ] = DOCSTRINGS  # fmt: skip
    text_column: Annotated[str, option("Column of the text.", DATA, metavar="NAME", min_length=1)] = "text"
    label_column: Annotated[str, option("Column of the class.", DATA, metavar="NAME", min_length=1)] = "label"
    pair_column: Annotated[
        str | None,
        option("Column of a second text; the class is that of both.", DATA, metavar="NAME", min_length=1),
    ] = None
    test_fraction: TestFraction = 0.2
    most_words: MostWords = 50_000
    longest: Annotated[
        int, option("Words of a text that are read; the rest is left out.", DATA, metavar="N", ge=1, le=10**6)
    ] = 400
    embedding_size: EmbeddingSize = 100
    vectors: Vectors = None
    pooling: PoolingField = "attention"
    bidirectional: Bidirectional = True
    dropout: Dropout = 0.5
    word_dropout: Annotated[
        float,
        option("Part of the words that are read as unknown in training.", TRAINING, ge=0, lt=1),
    ] = 0.1
    epochs: Epochs = 10

    @model_validator(mode="after")
    def _fits_together(self) -> TextConfig:
        columns = [self.text_column, self.label_column, self.pair_column]
        for name in ("label_column", "pair_column"):
            if columns.count(column := getattr(self, name)) > 1:
                raise FieldError(name, f"={column!r} is the column of something else already")
        if self.source == DOCSTRINGS and self.pair_column is not None:
            raise FieldError("pair_column", f"is for data of your own, not for source {self.source!r}")
        self.layer()
        return self

    def about(self) -> str:
        name = PurePath(self.source.partition(":")[2] or self.source).name.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:32] or "texts"
