"""What a classifier made of a batch, class by class, and the metrics of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liafseq.tasks.task import ACCURACY, Metric, Sums, Tally

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MACRO_F1", "by_class", "by_class_of_steps", "squared_error"]


def _macro_f1(sums: Sums) -> float:
    """The mean of the classes' F1 = 2 hits / (given + right); of the classes that are there."""
    classes = (len(sums.values) - 1) // 3
    hits, given, right = (sums.values[1 + part * classes :][:classes] for part in range(3))
    f1 = [2 * h / (g + r) for h, g, r in zip(hits, given, right, strict=True) if r]
    return sum(f1) / len(f1)


MACRO_F1 = Metric("macro-F1", _macro_f1, unit="%", scale=100.0, digits=1, bounds=(0.0, 1.0))
"""Of :func:`by_class`; as of ``sklearn.metrics.f1_score(average="macro", labels=classes of the data)``."""


def by_class(logits: Tensor, target: Tensor) -> Tally:
    """The tally of a classifier, whose sums are the right answers and of each class the hits, how often it
    was given and how often it was right.

    Args:
        logits: (N, classes).
        target: (N); -1, a class that training has not seen, is wrong, a class of its own, and left out of
            the loss.
    """
    import torch
    from torch.nn.functional import cross_entropy

    classes = logits.shape[-1] + 1
    loss = cross_entropy(logits.float(), target, ignore_index=-1, reduction="sum")
    said, right = logits.argmax(-1), torch.where(target < 0, classes - 1, target)
    counts = [torch.bincount(found, minlength=classes) for found in (right[said == right], said, right)]
    return Tally(loss, len(target), torch.cat([counts[0].sum()[None], *counts]))


def by_class_of_steps(logits: Tensor, target: Tensor) -> Tally:
    """:func:`by_class` of all steps that are scored: (T, N, classes) and (T, N)."""
    from liafseq.tasks.sequences.ragged import IGNORED

    inside = target != IGNORED
    return by_class(logits[inside], target[inside])


def squared_error(value: Tensor, target: Tensor) -> Tally:
    """The tally of a regression, (N): its loss, and its only sum, is that of the squared errors."""
    loss = (value.float() - target).square().sum()
    return Tally(loss, len(target), loss.detach()[None])


CLASS_METRICS = (ACCURACY, MACRO_F1)
"""Of a classifier."""
