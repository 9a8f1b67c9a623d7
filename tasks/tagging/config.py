"""One run on tagged sentences as one frozen, checked value."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import model_validator

from liafseq.tasks.config import DATA, MODEL, Bidirectional, Config, Dropout, Epochs, option
from liafseq.tasks.sequences.fields import EmbeddingSize, MostWords, PoolingField, TestFraction, Vectors
from liafseq.tasks.sequences.sources import HUB

__all__ = ["FEATURES", "PYTHON", "TaggingConfig"]

PYTHON = "python"
"""The embedded sentences: functions of Python's standard library."""

FEATURES = {
    "none": ("words",),
    "suffixes": ("words", "suffixes2", "suffixes3", "shapes"),
    "characters": ("words", "characters"),
}
"""Of each choice of ``word_features`` the vocabularies of a run."""


class TaggingConfig(Config):
    """One run on sentences, each word of which has a tag.

    >>> TaggingConfig(model="gru").about(), TaggingConfig(source="data/conll2000").about()
    ('python', 'conll2000')
    """

    source: Annotated[
        str,
        option(
            "python (embedded), hub:OWNER/NAME, or a file or folder: columns as of CoNLL, JSONL, or seq.in, "
            "seq.out and label.",
            DATA, metavar="SOURCE", path=(PYTHON, HUB), min_length=1,
        ),
    ] = PYTHON  # fmt: skip
    word_column: Annotated[
        str | None,
        option("Column of words: its number, or in JSONL its name.", DATA, metavar="COLUMN", min_length=1),
    ] = None
    tag_column: Annotated[
        str | None,
        option("Column of tags: its number, or in JSONL its name.", DATA, metavar="COLUMN", min_length=1),
    ] = None
    intent_column: Annotated[
        str, option("Column of the intent in JSONL, if there is one.", DATA, metavar="NAME", min_length=1)
    ] = "intent"
    test_fraction: TestFraction = 0.2
    most_words: MostWords = 50_000
    min_count: Annotated[
        int,
        option(
            "How often a word must be in the training part to be known.", DATA, metavar="N", ge=1, le=10**6
        ),
    ] = 2
    word_features: Annotated[
        Literal["none", "suffixes", "characters"],
        option(
            "What is read of a word beside itself: its last 2 and 3 characters and its shape, or all "
            "characters by a convolution.",
            MODEL,
        ),
    ] = "suffixes"  # fmt: skip
    embedding_size: EmbeddingSize = 100
    vectors: Vectors = None
    head: Annotated[
        Literal["linear", "crf"],
        option("Tags each by itself, or together by a conditional random field.", MODEL),
    ] = "linear"
    pooling: PoolingField = "last"
    bidirectional: Bidirectional = True
    dropout: Dropout = 0.3
    epochs: Epochs = 10

    @model_validator(mode="after")
    def _fits_together(self) -> TaggingConfig:
        self.layer()
        return self

    def about(self) -> str:
        name = PurePath(self.source.partition(":")[2] or self.source).name.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:32] or "tags"
