"""What a reader holds, step by step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from liafseq.tasks.models import ModelSpec, states
from liafseq.tasks.sequences import picture as module
from liafseq.tasks.sequences.picture import picture, trace
from liafseq.tasks.sequences.reader import Reader

CLASSES = ("x", "y", "z")


def make(model: str, **fields: Any) -> Reader:
    torch.manual_seed(0)
    return Reader(model, 4, 6, 3, words=9, num_layers=2, **fields).train()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "steps"])
@pytest.mark.parametrize("model", ["liaf", "gru", "lstm"])
def test_each_step_is_as_if_the_sequence_ended_there(
    model: str, pooling: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", 3)
    network = make(model, pooling=pooling, bidirectional=bidirectional, dropout=0.5)
    values = torch.tensor([1, 5, 2, 8, 0, 3, 3])[:, None]
    found = trace(network, values, torch.arange(1, len(values) + 1))
    assert network.training  # as it was
    network.eval()
    for steps in range(1, len(values) + 1):
        with torch.no_grad():
            part, ends = values[:steps], torch.tensor([steps])
            said = network(part, ends)
            h, c = states(network.layer(network.packed(part, ends))[1])
        said = said[-1, 0] if pooling == "steps" else said[0]
        torch.testing.assert_close(found.probabilities[steps - 1], said.softmax(-1))
        own = (h if c is None else c)[-2 if bidirectional else -1, 0]
        torch.testing.assert_close(found.state[steps - 1], own)
    assert (found.spikes is not None) == (model == "liaf")


@pytest.mark.parametrize("right", [1, -1])
def test_a_picture(right: int) -> None:
    config = SimpleNamespace(model=ModelSpec(name="liaf", label="mine"), seed=3, num_layers=2)
    network = make("liaf")
    values = torch.tensor([1, 5, 2])[:, None]
    png, title = picture(network, values, ["a", "b", "c"], right, CLASSES, config=config, what="test text 3")
    assert png.startswith(b"\x89PNG\r\n")
    expected = "y" if right == 1 else "one that training has not seen"
    assert title.startswith(f"test text 3: {expected}. Answered: ")
