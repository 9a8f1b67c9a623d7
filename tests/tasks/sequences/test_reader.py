"""The network of tasks on sequences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from liafseq.tasks.sequences.ragged import Ragged
from liafseq.tasks.sequences.reader import Reader

POOLINGS = ("last", "mean", "max", "attention", "steps")
MODELS = ("liaf", "liaf:gated=true", "lif", "dalif", "mlif", "rnn", "gru", "lstm")
SEQUENCES = Ragged.of([[4, 2, 6, 1, 3], [5], [3, 3, 0]], torch.int64)


def make(pooling: str, model: str = "gru", **fields: Any) -> Reader:
    torch.manual_seed(0)
    return Reader(model, 4, 5, 3, pooling=pooling, **{"words": 7, **fields})


def by_hand(reader: Reader, values: Tensor) -> Tensor:
    """The answer to one sequence (T, 1), from what the layers give out."""
    vectors = values if reader.embedding is None else reader.embedding(values)
    outputs, _ = reader.layer(vectors)
    half = reader.layer.hidden_size
    if reader.pooling == "last":
        seen = torch.cat([outputs[-1, :, :half], outputs[0, :, half:]], -1)
    elif reader.pooling == "mean":
        seen = outputs.mean(0)
    elif reader.pooling == "max":
        seen = outputs.max(0).values
    elif reader.pooling == "attention":
        scores = torch.stack([reader.attention.weight[0] @ output for output in outputs[:, 0]])
        seen = sum(weight * output for weight, output in zip(scores.softmax(0), outputs, strict=True))
    else:
        seen = outputs
    return reader.head(seen)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("words", [7, None])
def test_a_batch_is_as_one_sequence_after_another(
    pooling: str, bidirectional: bool, words: int | None
) -> None:
    reader = make(pooling, bidirectional=bidirectional, words=words).double()
    chance = torch.randn(len(SEQUENCES.flat), 4, dtype=torch.float64)
    sequences = SEQUENCES if words else Ragged(chance, SEQUENCES.ranges)
    answers = reader(*sequences.padded([0, 1, 2], 0))
    for row in range(3):
        steps = int(sequences.lengths[row])
        own = answers[:steps, row] if pooling == "steps" else answers[row]
        torch.testing.assert_close(own, by_hand(reader, sequences[row][:, None]).squeeze(-2))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("model", MODELS)
def test_padding_changes_nothing(model: str, pooling: str) -> None:
    reader = make(pooling, model, num_layers=2, bidirectional=True).double()
    values, lengths = SEQUENCES.padded([0, 1, 2], 0)
    inside = torch.arange(len(values))[:, None] < lengths
    seen = []
    for fill in (0, 6):
        reader.zero_grad()
        answers = reader(values.where(inside, torch.tensor(fill)), lengths)
        answers = answers[inside] if pooling == "steps" else answers
        answers.square().sum().backward()
        grads = [parameter.grad.clone() for parameter in reader.parameters() if parameter.grad is not None]
        seen.append([answers.detach(), *grads])
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)


def test_equal_lengths_are_not_packed() -> None:
    reader = make("last")
    values = torch.tensor([[1, 2], [3, 4]])
    assert isinstance(reader.packed(values, torch.tensor([2, 2])), Tensor)
    assert not isinstance(reader.packed(values, torch.tensor([2, 1])), Tensor)


def test_dropout_is_of_words_layers_and_head() -> None:
    reader = make("max", num_layers=2, dropout=0.5)
    assert reader.layer.dropout == 0.5
    batch = SEQUENCES.padded([0, 1, 2], 0)
    torch.manual_seed(1)
    assert not torch.equal(reader(*batch), reader(*batch))
    reader.eval()
    assert torch.equal(reader(*batch), reader(*batch))
