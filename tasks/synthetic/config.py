"""One run on a generated problem as one frozen, checked value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from liafseq.tasks.config import DATA, Bidirectional, Config, Epochs, FieldError, option
from liafseq.tasks.sequences.fields import EmbeddingSize, PoolingField

__all__ = ["SyntheticConfig"]

Problem = Literal["adding", "copying", "recall", "mqar", "parity", "counting"]
_LENGTH = "Steps; for copying, recall and mqar those after what is to be kept."
_WHOLE = {"ge": 1, "le": 10**7}


class SyntheticConfig(Config):
    """One run on a generated problem.

    >>> SyntheticConfig(model="gru", problem="recall", length=30).key()[:15]
    'gru-recall30-s0'
    """

    problem: Annotated[Problem, option("What is to be learnt.", DATA)] = "copying"
    length: Annotated[int, option(_LENGTH, DATA, **_WHOLE)] = 10
    test_length: Annotated[
        int, option("Length of the test part; 0: as in training.", DATA, ge=0, le=10**7)
    ] = 0
    symbols: Annotated[int, option("Different symbols (not of adding, parity).", DATA, ge=2, le=10**5)] = 8
    items: Annotated[
        int, option("Symbols to copy, pairs of mqar, most marks to count.", DATA, ge=1, le=10**5)
    ] = 4
    answers: Annotated[
        Literal["end", "step"], option("When parity and counting are asked: at the end, each step.", DATA)
    ] = "end"
    sequences: Annotated[int, option("Sequences of training and validation.", DATA, ge=2, le=10**7)] = 4000
    test_sequences: Annotated[int, option("Sequences of the test part.", DATA, **_WHOLE)] = 1000
    embedding_size: EmbeddingSize = 32
    pooling: PoolingField = "last"
    bidirectional: Bidirectional = False
    epochs: Epochs = 15

    @model_validator(mode="after")
    def _fits(self) -> SyntheticConfig:
        least = min(self.length, self.test_length or self.length)
        if self.problem == "adding" and least < 2:
            raise FieldError("length", f"must be at least 2 for adding, got {least}")
        most = {"mqar": min(self.symbols, least), "counting": least}.get(self.problem, self.items)
        if self.items > most:
            raise FieldError("items", f"must be at most {most} for {self.problem}, got {self.items}")
        if self.answers == "step" and self.problem not in ("parity", "counting"):
            raise FieldError("answers", f"=step is for parity and counting, not for {self.problem}")
        width = max(self.steps("train"), self.steps("test"), self.symbols)
        if width * (self.sequences + self.test_sequences) > 10**8:
            raise FieldError(
                "sequences", f"and test sequences must be {10**8 // width} at most of this length"
            )
        return self

    @property
    def per_step(self) -> bool:
        """Whether steps have answers, not only the end."""
        return self.answers == "step" or self.problem in ("copying", "mqar")

    def steps(self, split: str) -> int:
        """Of each sequence of a split."""
        more = {"copying": 2 * self.items, "mqar": 2 * self.items, "recall": 2}.get(self.problem, 0)
        return more + ((self.test_length or self.length) if split == "test" else self.length)

    def about(self) -> str:
        return f"{self.problem}{self.length}"
