"""What a training run tells of itself while it runs; apart, so that a command line needs no torch for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Where a run is: ``batch`` of ``batches`` in ``epoch`` (from 1) of ``epochs``.

    ``loss`` is the mean of this epoch so far, ``valid`` the validation score of the last finished epoch, in
    words.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    valid: str | None
