"""One run on a generated problem as one frozen, checked value."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import model_validator

from liafseq.tasks.config import DATA, Bidirectional, Config, Epochs, FieldError, option
from liafseq.tasks.sequences.fields import EmbeddingSize, PoolingField

__all__ = ["PROBLEMS", "SyntheticConfig"]

Problem = Literal["adding", "copying", "recall", "mqar", "parity", "counting"]
PROBLEMS: tuple[Problem, ...] = get_args(Problem)

_MOST_STEPS = 10**8


class SyntheticConfig(Config):
    """One run on a generated problem.

    >>> SyntheticConfig(model="gru", problem="recall", length=30).key()[:15]
    'gru-recall30-s0'
    >>> SyntheticConfig(problem="mqar", items=9)
    Traceback (most recent call last):
        ...
    liafseq.tasks.settings.FieldError: items must be at most 8 (symbols) for mqar, got 9
    """

    problem: Annotated[
        Problem,
        option(
            "adding, copying, recall (after distractors), mqar (key-value pairs), parity, counting.", DATA
        ),
    ] = "copying"
    length: Annotated[
        int, option("Steps; of copying, recall and mqar those between what is shown and the end.", DATA,
                    ge=1, le=1_000_000),
    ] = 10  # fmt: skip
    test_length: Annotated[
        int, option("The same of the test part; 0: as in training.", DATA, ge=0, le=1_000_000)
    ] = 0
    symbols: Annotated[int, option("Different symbols (not of adding, parity).", DATA, ge=2, le=100_000)] = 8
    items: Annotated[
        int, option("Symbols to copy, pairs of mqar, most marks of counting.", DATA, ge=1, le=10_000)
    ] = 4
    answers: Annotated[
        Literal["end", "step"], option("When parity and counting are asked: at the end or each step.", DATA)
    ] = "end"
    sequences: Annotated[
        int, option("Sequences of training and validation.", DATA, metavar="N", ge=2, le=10**8)
    ] = 4000
    test_sequences: Annotated[
        int, option("Sequences of the test part, none of them trained on.", DATA, metavar="N", ge=1, le=10**8)
    ] = 1000
    embedding_size: EmbeddingSize = 32
    pooling: PoolingField = "last"
    bidirectional: Bidirectional = False
    epochs: Epochs = 15

    @model_validator(mode="after")
    def _fits(self) -> SyntheticConfig:
        least = min(self.length, self.test_length or self.length)
        if self.problem == "mqar" and self.items > self.symbols:
            raise FieldError("items", f"must be at most {self.symbols} (symbols) for mqar, got {self.items}")
        if self.problem in ("mqar", "counting") and self.items > least:
            raise FieldError(
                "items", f"must be at most {least} (length) for {self.problem}, got {self.items}"
            )
        if self.problem == "adding" and least < 2:
            raise FieldError("length", f"must be at least 2 for adding, got {least}")
        if self.answers == "step" and self.problem not in ("parity", "counting"):
            raise FieldError("answers", f"='step' is for parity and counting, not for {self.problem}")
        for name, count, split in (("sequences", self.sequences, "train"),
                                   ("test_sequences", self.test_sequences, "test")):  # fmt: skip
            if count * self.steps(split) > _MOST_STEPS:
                raise FieldError(
                    name, f"of {self.steps(split)} steps must be {_MOST_STEPS} steps at most in all"
                )
        return self

    @property
    def per_step(self) -> bool:
        """Whether steps have answers, not only the end."""
        return self.answers == "step" or self.problem in ("copying", "mqar")

    def steps(self, split: str) -> int:
        """Of each sequence of a split."""
        length = (self.test_length or self.length) if split == "test" else self.length
        return length + {"copying": 2 * self.items, "mqar": 2 * self.items, "recall": 2}.get(self.problem, 0)

    def about(self) -> str:
        return f"{self.problem}{self.length}"
