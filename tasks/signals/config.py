"""One run on signals as one frozen, checked value."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal

from liafseq.tasks.config import DATA, Bidirectional, Config, Epochs, option
from liafseq.tasks.sequences.fields import PoolingField, TestFraction, TestPart

__all__ = ["DIGITS", "SignalsConfig"]

DIGITS = "digits"


class SignalsConfig(Config):
    """One run on signals.

    >>> SignalsConfig(model="gru", source="data/ECG.npz", permute=1).key()[:21]
    'gru-ECG-permuted1-s0-'
    """

    source: Annotated[
        str,
        option(
            "digits, or a file or folder: npz, mat, csv, tsv, ts, IDX, or wav in a folder per class.",
            DATA, metavar="SOURCE", path=(DIGITS,), min_length=1,
        ),
    ] = DIGITS  # fmt: skip
    labels: Annotated[
        Literal["auto", "sequence", "step"],
        option("What has a label: each sequence or each step; auto: as the data is.", DATA),
    ] = "auto"
    x: Annotated[str, option("Name of the array of values (npz, mat).", DATA, metavar="NAME")] = "x"
    y: Annotated[str, option("Name of the array of labels (npz, mat).", DATA, metavar="NAME")] = "y"
    lengths: Annotated[
        str, option("Name of the array of lengths, if there is one (npz, mat).", DATA, metavar="NAME")
    ] = "lengths"
    permute: Annotated[
        int | None,
        option(
            "Read the steps in a fixed order by chance, of this seed.", DATA, metavar="SEED", ge=0, lt=2**32
        ),
    ] = None
    mels: Annotated[int, option("Bands of the log-mel spectrum of sounds.", DATA, ge=1, le=1024)] = 40
    window: Annotated[float, option("Milliseconds of sound that a step hears.", DATA, gt=0, le=10_000)] = 25.0
    hop: Annotated[float, option("Milliseconds from one step to the next.", DATA, gt=0, le=10_000)] = 10.0
    test_fraction: TestFraction = 0.2
    test_part: TestPart = "drawn"
    pooling: PoolingField = "last"
    bidirectional: Bidirectional = False
    epochs: Epochs = 40

    def about(self) -> str:
        name = PurePath(self.source).name.split(".")[0] or "signals"
        return name if self.permute is None else f"{name}-permuted{self.permute}"
