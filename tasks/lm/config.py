"""One run of a language model as one frozen, checked value."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import model_validator

from liafseq.tasks.config import (
    DATA,
    MODEL,
    TRAINING,
    Config,
    Dropout,
    Epochs,
    FieldError,
    HiddenSize,
    option,
)
from liafseq.tasks.sequences.fields import MostWords, TestFraction
from liafseq.tasks.settings import Settings

__all__ = ["REFERENCE", "Continuation", "LmConfig"]

REFERENCE = "reference"
"""The embedded text."""


class LmConfig(Config):
    """One run of a language model.

    >>> LmConfig(model="gru").about(), LmConfig(source="books/emma.txt", level="word").about()
    ('reference-char', 'emma-word')
    """

    source: Annotated[
        str,
        option(
            "reference (Python's own language reference), hub:OWNER/NAME, a text file, or a folder with "
            "train.txt, valid.txt and test.txt.",
            DATA, metavar="SOURCE", path=(REFERENCE, "hub:"), min_length=1,
        ),
    ] = REFERENCE  # fmt: skip
    level: Annotated[
        Literal["char", "word", "byte"],
        option("What a token is: a character, a word between spaces (a line ends with <eos>), a byte.", DATA),
    ] = "char"
    text_column: Annotated[
        str, option("Column of the text, of the hub.", DATA, metavar="NAME", min_length=1)
    ] = "text"
    test_fraction: TestFraction = 0.1
    most_words: MostWords = 50_000
    least: Annotated[
        int,
        option(
            "Times that a word must occur in the training text to be known; others are <unk>.", DATA,
            metavar="N", ge=1, le=10**6, only="level=word",
        ),
    ] = 2  # fmt: skip
    hidden_size: HiddenSize = 128
    embedding_size: Annotated[
        int | None,
        option("Size of the vectors of tokens; by default as --hidden-size.", MODEL, ge=1, le=100_000),
    ] = None
    tied: Annotated[bool, option("The vectors of tokens are also the weights of the output.", MODEL)] = False
    dropout: Dropout = 0.0
    window: Annotated[
        int,
        option(
            "Steps that a gradient goes back; the state goes on over all of the text.", TRAINING,
            metavar="N", ge=1, le=1_000_000,
        ),
    ] = 64  # fmt: skip
    batch_size: Annotated[
        int,
        option("Pieces of the training text that are read beside one another.", TRAINING, ge=1, le=1_000_000),
    ] = 32
    epochs: Epochs = 8

    @model_validator(mode="after")
    def _fits_together(self) -> LmConfig:
        if self.tied and self.embedding_size not in (None, self.hidden_size):
            raise FieldError(
                "embedding_size", f"must be hidden_size {self.hidden_size} if tied, got {self.embedding_size}"
            )
        self.layer()
        return self

    @property
    def vector_size(self) -> int:
        """Size of the vectors of tokens."""
        return self.embedding_size or self.hidden_size

    def about(self) -> str:
        name = PurePath(self.source.partition(":")[2] or self.source).name.partition(".")[0]
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')[:32] or 'text'}-{self.level}"


class Continuation(Settings):
    """How a text is continued."""

    length: Annotated[int, option("Tokens that are added.", DATA, metavar="N", ge=1, le=1_000_000)] = 200
    temperature: Annotated[
        float,
        option("1: as the network has learnt; less: the likelier ones more often; 0: always the likeliest.",
               DATA, ge=0, le=100),
    ] = 0.8  # fmt: skip
    top_k: Annotated[
        int, option("Only among so many likeliest tokens; 0: among all.", DATA, metavar="N", ge=0, le=10**7)
    ] = 0
    sample_seed: Annotated[int, option("Seed of the choice.", DATA, metavar="N", ge=0, lt=2**63)] = 0
