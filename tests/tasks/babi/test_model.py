"""The network for bAbI."""

from __future__ import annotations

import math

import pytest
import torch

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.encode import Batch, encode
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.babi.task import Babi
from liafseq.tasks.babi.vocab import Vocabulary

ROWS = [
    {"story": ["a b ."], "question": "c ?", "answer": "x"},
    {"story": ["a b .", "c c a ."], "question": "where c b ?", "answer": "y"},
    {"story": ["d ."], "question": "a ?", "answer": "z"},
    {"story": ["a", "b c d a b c d a ."], "question": "where d ?", "answer": "new"},
]
VOCABULARY = Vocabulary.of(["a b c d where . ?"], ["x", "y", "z"])
MODELS = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


def make(**fields):
    torch.manual_seed(0)
    config = BabiConfig(**({"model": "gru", "embedding_size": 5, "hidden_size": 6} | fields))
    return BabiModel(config, len(VOCABULARY.words), len(VOCABULARY.answers)).eval()


def variants():
    for model in MODELS:
        yield {"model": model}
        yield {"model": model, "num_layers": 2, "bidirectional": True, "dropout": 0.3}
        if model not in ("rnn", "gru"):
            yield {"model": model, "readout": "membrane", "bidirectional": True}
            yield {"model": model, "readout": "both"}


def label(fields):
    return "-".join(str(value) for value in fields.values())


@pytest.mark.parametrize("fields", list(variants()), ids=label)
def test_a_packed_batch_answers_as_each_question_alone(fields):
    model = make(**fields)
    data = encode(ROWS, VOCABULARY)
    together = model(*data.batch(range(4))[:4])
    alone = torch.cat([model(*data.batch([row])[:4]) for row in range(4)])
    assert together.shape == (4, 3)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert together.std(0).min() > 1e-4 or fields["model"] in ("lif", "mlif", "dalif")


def test_padding_is_never_read():
    model = make(model="lstm", bidirectional=True, num_layers=2)
    batch = encode(ROWS, VOCABULARY).batch(range(4))
    inside = torch.arange(batch.story.shape[0])[:, None] < batch.story_lengths
    other = batch._replace(story=torch.where(inside, batch.story, 5))
    assert not other.story.equal(batch.story)
    assert model(*other[:4]).equal(model(*batch[:4]))


def test_it_is_what_the_words_say():
    """Word by word through plain GRUs, without packing."""
    model = make(model="gru")
    row = encode(ROWS, VOCABULARY).batch([1])
    _, asked = model.question(model.embedding(row.question[:, 0]))
    words = model.embedding(row.story[:, 0])
    read = torch.cat([words, asked[-1].expand(len(words), -1)], -1)
    _, final = model.story(read)
    torch.testing.assert_close(model(*row[:4])[0], model.answer(final[-1]))


def test_the_readouts_differ_and_both_is_the_two_side_by_side():
    batch = encode(ROWS, VOCABULARY).batch(range(4))
    sizes = {
        readout: make(model="lstm", readout=readout).answer.in_features
        for readout in ("output", "membrane", "both")
    }
    assert sizes == {"output": 6, "membrane": 6, "both": 12}
    output, membrane = (make(model="lstm", readout=readout) for readout in ("output", "membrane"))
    membrane.load_state_dict(output.state_dict())
    assert not torch.allclose(output(*batch[:4]), membrane(*batch[:4]))


@pytest.mark.parametrize("readout", ["membrane", "both"])
@pytest.mark.parametrize("model", ["gru", "rnn"])
def test_there_is_no_membrane_without_a_second_state(model, readout):
    with pytest.raises(ValueError, match=f"readout='{readout}' needs a second state, which {model} has not"):
        BabiConfig(model=model, readout=readout)


def test_both_directions_of_the_last_layer_answer():
    model = make(bidirectional=True, num_layers=2)
    assert model.answer.in_features == 12
    row = encode(ROWS, VOCABULARY).batch([1])
    seen = {}
    model.story.register_forward_hook(lambda _, __, result: seen.update(state=result[1]))
    logits = model(*row[:4])
    expected = model.answer(torch.cat([seen["state"][-2], seen["state"][-1]], -1))
    torch.testing.assert_close(logits, expected)


def test_tally_counts_unseen_answers_as_wrong_and_leaves_them_out_of_the_loss():
    batch = encode(ROWS, VOCABULARY).batch(range(4))
    assert batch.answer.tolist() == [0, 1, 2, -1]

    def always(*_):
        return torch.tensor([[0.0, 1.0, 0.0]]).expand(4, 3)

    found = Babi().step(always, batch)
    one = math.log(2 + math.e)
    assert found.loss.item() == pytest.approx(3 * one - 1)
    assert (found.sums.tolist(), found.count) == ([1], 4)


def test_dropout_acts_with_one_layer_too():
    model = make(dropout=0.5).train()
    batch = encode(ROWS, VOCABULARY).batch(range(4))
    assert not model(*batch[:4]).equal(model(*batch[:4]))
    model.eval()
    assert model(*batch[:4]).equal(model(*batch[:4]))


def test_lengths_stay_on_the_cpu():
    batch = encode(ROWS, VOCABULARY).batch([0]).to("meta")
    assert isinstance(batch, Batch)
    assert [part.device.type for part in batch] == ["meta", "cpu", "meta", "cpu", "meta"]


@pytest.mark.parametrize(("model", "count"), [("gru", 58_272), ("lstm", 77_216), ("rnn", 20_384)])
def test_numbers_of_parameters(model, count):
    built = BabiModel(BabiConfig(model=model), 21, 6)
    assert sum(parameter.numel() for parameter in built.parameters()) == count
