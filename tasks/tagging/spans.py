"""Spans of tags such as ``B-NP I-NP O``, by seqeval, and the metrics of a tagger."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from liafseq.tasks.task import ACCURACY, Metric, Sums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["METRICS", "Spans"]

_TAG = re.compile(r"O|[BIES]-.+")


def _f1(sums: Sums) -> float:
    _, hits, given, right, *_ = sums.values
    return 2 * hits / (given + right) if given + right else 0.0


def _intents(sums: Sums) -> float | None:
    *_, hits, sentences = sums.values
    return hits / sentences if sentences else None


METRICS = (
    Metric("F1", _f1, "span F1", "%", 100.0, 1, bounds=(0.0, 1.0)),
    Metric("tokens", ACCURACY.of, "token accuracy", "%", 100.0, 1, bounds=(0.0, 1.0)),
    Metric("intents", _intents, "intent accuracy", "%", 100.0, 1, bounds=(0.0, 1.0)),
)
"""Of the sums: tokens right; spans right, given and there; intents right, and sentences with an intent.

The F1 of spans is micro-averaged: 2 right / (given + there) over the whole data set, as of CoNLL's
evaluation. Where tags are no spans (parts of speech), each token is a span of one, so that F1 is the
accuracy of tokens.
"""


@dataclass(frozen=True)
class Spans:
    """Where spans are among the tags of a sentence.

    A span is of the scheme IOB, IOB2 or BIOES, read as CoNLL's evaluation reads it: an ``I-X`` that follows
    something else begins a span (``seqeval.metrics.sequence_labeling.get_entities``). Tags that are not all
    ``O`` or begin with ``B-``, ``I-``, ``E-`` or ``S-`` are no spans.

    Attributes:
        tags: of the training part.
        types: of each type of span its number.
        real: whether the tags are spans; otherwise each token is one.

    >>> spans = Spans.of(("B-NP", "I-NP", "O"))
    >>> spans.within(["B-NP", "I-NP", "B-NP", "O", "I-VP"])
    [('NP', 0, 1), ('NP', 2, 2), ('VP', 4, 4)]
    """

    tags: tuple[str, ...]
    types: Mapping[str, int]
    real: bool

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, tags: tuple[str, ...]) -> Spans:
        real = all(map(_TAG.fullmatch, tags)) and set(tags) != {"O"}
        kinds = {tag[2:] for tag in tags if tag != "O"} if real else set(tags)
        return cls(tags, {kind: at for at, kind in enumerate(sorted(kinds))}, real)

    def within(self, tags: Sequence[str]) -> list[tuple[str, int, int]]:
        """The spans of a sentence: type, first and last token."""
        if not self.real:
            return [(tag, at, at) for at, tag in enumerate(tags)]
        from seqeval.metrics.sequence_labeling import get_entities

        found: list[tuple[str, int, int]] = get_entities(
            [tag if _TAG.fullmatch(tag) else "O" for tag in tags]
        )
        return found

    def count(self, said: Tensor, target: Tensor) -> list[int]:
        """Spans that are right, given, and there.

        Args:
            said: (T, N) numbers of tags.
            target: (T, N, 4) as of the data, behind an end negative throughout.
        """
        import torch

        from liafseq.tasks.sequences.ragged import IGNORED

        inside = target[..., 2] != IGNORED
        there = int((target[..., 2] > 0).sum())
        # an O behind each sentence, so that no span goes on into the next one
        flat, ends = (torch.cat([part, part[:1] * 0]).T.reshape(-1).tolist() for part in (said, inside))
        names = [self.tags[tag] if end else "O" for tag, end in zip(flat, ends, strict=True)]
        spans = [span for span in self.within(names) if ends[span[1]]]
        if not spans:
            return [0, 0, there]
        kinds = torch.tensor([self.types[kind] for kind, _, _ in spans])
        bounds = torch.tensor([span[1:] for span in spans])
        right = torch.cat([target[..., 1:3], target[:1, :, 1:3] * 0]).transpose(0, 1).reshape(-1, 2).cpu()
        at = right[bounds[:, 0]]
        hits = (at[:, 0] == kinds) & (at[:, 1] == bounds[:, 1] - bounds[:, 0] + 1)
        return [int(hits.sum()), len(spans), there]
