"""Settings that several tasks on sequences have."""

from __future__ import annotations

from typing import Annotated, Literal

from liafseq.tasks.config import DATA, MODEL, option

__all__ = ["EmbeddingSize", "MostWords", "PoolingField", "TestFraction", "TestPart", "Vectors"]

TestFraction = Annotated[
    float, option("Part of all {examples} that is the test part, where the data has none.", DATA, gt=0, lt=1)
]
TestPart = Annotated[
    Literal["drawn", "last"],
    option("Which {examples} are the test part, where the data has none: by chance, or the last.", DATA),
]
MostWords = Annotated[
    int, option("Most frequent words that are known; others are one word.", DATA, metavar="N", ge=1, le=10**7)
]
EmbeddingSize = Annotated[int, option("Size of the word vectors.", MODEL, ge=1, le=100_000)]
Vectors = Annotated[
    str | None, option("Text file of pretrained word vectors.", MODEL, metavar="FILE", path=True)
]
PoolingField = Annotated[
    Literal["last", "mean", "max", "attention"],
    option("What the answer is read from, of the outputs of all steps.", MODEL),
]
