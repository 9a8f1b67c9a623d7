"""What a classifier is judged by, against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from torch.nn.functional import cross_entropy

from liafseq.tasks.sequences.scores import CLASS_METRICS, by_class, squared_error
from liafseq.tasks.task import Sums

CLASSES = 4


@given(st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1), st.data())
def test_as_of_scikit_learn_in_whatever_batches(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    said, right = map(list, zip(*pairs, strict=True))
    logits = torch.nn.functional.one_hot(torch.tensor(said), CLASSES).double()
    target = torch.tensor(right)
    cut = data.draw(st.integers(0, len(pairs)))
    tallies = [by_class(logits[part], target[part]) for part in (slice(cut), slice(cut, None))]
    values = sum(tally.sums for tally in tallies)
    sums = Sums(0.0, sum(tally.count for tally in tallies), tuple(values.tolist()))
    accuracy, f1 = (metric.of(sums) for metric in CLASS_METRICS)
    assert accuracy == pytest.approx(accuracy_score(right, said))
    expected = f1_score(right, said, labels=sorted(set(right)), average="macro", zero_division=0)
    assert f1 == pytest.approx(expected)


def test_a_class_that_training_has_not_seen_is_left_out_of_the_loss() -> None:
    logits = torch.randn(3, CLASSES)
    tally = by_class(logits, torch.tensor([2, -1, 0]))
    known = cross_entropy(logits[[0, 2]], torch.tensor([2, 0]), reduction="sum")
    torch.testing.assert_close(tally.loss, known)
    assert tally.count == 3


def test_squared_error() -> None:
    tally = squared_error(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    assert (float(tally.loss), tally.count, tally.sums.tolist()) == (5.0, 2, [5.0])
