"""What a network holds word by word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.data import BabiData
from liafseq.tasks.babi.encode import encode
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.babi.show import trace
from liafseq.tasks.babi.task import Babi
from liafseq.tasks.babi.vocab import Vocabulary

ROWS = [{"story": ["a b c .", "c c a .", "d a b ."], "question": "where c b ?", "answer": "y"}]
VOCABULARY = Vocabulary.of(["a b c d where . ?"], ["x", "y", "z"])
MODELS = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


def make(**fields: Any) -> BabiModel:
    torch.manual_seed(0)
    config = BabiConfig(**({"embedding_size": 5, "hidden_size": 6} | fields))
    model = BabiModel(config, len(VOCABULARY.words), len(VOCABULARY.answers))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(3)  # so that binary neurons fire
    return model


def variants() -> list[dict[str, Any]]:
    found = []
    for model in MODELS:
        found += [{"model": model}, {"model": model, "num_layers": 2, "dropout": 0.5}]
        found += [{"model": model, "bidirectional": True, "num_layers": 2}]
        if model not in ("rnn", "gru"):
            found += [{"model": model, "readout": "both"}]
    return found


@pytest.mark.parametrize("fields", variants(), ids=lambda fields: "-".join(map(str, fields.values())))
def test_after_each_word_it_is_what_the_network_makes_of_the_story_so_far(fields: dict[str, Any]) -> None:
    model = make(**fields)
    batch = encode(ROWS, VOCABULARY).batch([0])
    found = trace(model, batch)
    assert model.training  # as it was
    model.eval()
    seen: list[Any] = []
    model.story.register_forward_hook(lambda _, __, out: seen.append(out[1]))
    for at in range(len(batch.story)):
        with torch.no_grad():
            story, length = batch.story[: at + 1], torch.tensor([at + 1])
            logits = model(story, length, batch.question, batch.question_lengths)
        torch.testing.assert_close(found.probabilities[at], logits[0].softmax(-1), rtol=1e-5, atol=1e-6)
        held = seen[-1][1] if fields["model"] not in ("rnn", "gru") else seen[-1]
        own = held[-2 if fields.get("bidirectional") else -1, 0]
        torch.testing.assert_close(found.state[at], own, rtol=1e-5, atol=1e-6)
    assert found.state.shape == (12, 6)
    assert not found.probabilities.requires_grad


@pytest.mark.parametrize("more", [{}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("model", ["liaf", "gru", "lstm"])
def test_a_story_model_is_shown_sentence_by_sentence(model: str, more: dict[str, Any]) -> None:
    config = BabiConfig(model=model, kind="story", embedding_size=5, hidden_size=6, hops=2, **more)
    torch.manual_seed(0)
    network = Babi().network(config, BabiData(VOCABULARY)).eval()
    data = encode(ROWS, VOCABULARY)
    batch = data.sentences([0])
    found = trace(network, batch)
    assert found.state.shape == (3, 6)
    for at in range(3):
        short = [{**ROWS[0], "story": ROWS[0]["story"][: at + 1]}]
        with torch.no_grad():
            logits = network(*encode(short, VOCABULARY).sentences([0])[:-1])
        torch.testing.assert_close(found.probabilities[at], logits[0].softmax(-1), rtol=1e-4, atol=1e-6)
    assert (found.spikes is not None) == (model == "liaf")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("model", ["lif", "mlif", "dalif"])
def test_spikes_are_what_the_layer_emits(model: str, layers: int) -> None:
    network = make(model=model, num_layers=layers).eval()
    batch = encode(ROWS, VOCABULARY).batch([0])
    outputs: list[torch.Tensor] = []
    network.story.register_forward_hook(lambda _, __, out: outputs.append(out[0].detach()))
    found = trace(network, batch)
    assert found.spikes is not None
    assert torch.equal(found.spikes.float(), torch.cat(outputs)[:, 0])
    assert found.spikes.sum() > 0


def test_liaf_has_spikes_and_torchs_own_layers_have_none() -> None:
    batch = encode(ROWS, VOCABULARY).batch([0])
    liaf = make(model="liaf")
    found = trace(liaf, batch)
    threshold = liaf.story.neuron_parameters()["threshold"].detach()
    assert found.spikes is not None
    assert torch.equal(found.spikes, (found.state >= threshold).long())
    assert 0 < found.spikes.float().mean() < 1
    assert trace(make(model="gru"), batch).spikes is None
