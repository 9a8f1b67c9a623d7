"""replace_rnn inside models that people have, each trained a few steps."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from liafseq import DALIF, LIAF, LIF, MLIF, LIAFCell, LIFCell, replace_rnn

LAYERS = {"liaf": LIAF, "lif": LIF, "dalif": DALIF, "mlif": MLIF}


class Seq2Seq(nn.Module):
    """GRU encoder, and a decoder of GRU cells that attends over the encoder's outputs."""

    def __init__(self, words=12, size=16):
        super().__init__()
        self.embed = nn.Embedding(words, size)
        self.encoder = nn.GRU(size, size, num_layers=2, batch_first=True, dropout=0.1)
        self.decoder = nn.GRUCell(2 * size, size)
        self.out = nn.Linear(2 * size, words)

    def forward(self, source, target):
        memory, h_n = self.encoder(self.embed(source))
        h = h_n[-1]
        logits = []
        for word in self.embed(target).unbind(1):
            scores = torch.einsum("nth,nh->nt", memory, h).softmax(-1)
            context = torch.einsum("nt,nth->nh", scores, memory)
            h = self.decoder(torch.cat([word, context], -1), h)
            logits.append(self.out(torch.cat([h, context], -1)))
        return torch.stack(logits, 1)


class Classifier(nn.Module):
    """A packed bidirectional LSTM read from its last states."""

    def __init__(self, words=12, size=16):
        super().__init__()
        self.embed = nn.Embedding(words, size)
        self.rnn = nn.LSTM(size, size, bidirectional=True)
        self.out = nn.Linear(4 * size, 3)

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embed(tokens), lengths, enforce_sorted=False)
        _, (h_n, c_n) = self.rnn(packed)
        return self.out(torch.cat([*h_n, *c_n], -1))


class LanguageModel(nn.Module):
    """Tied input and output embedding, state carried on between the pieces of a text."""

    def __init__(self, words=12, size=16):
        super().__init__()
        self.embed = nn.Embedding(words, size)
        self.rnn = nn.LSTM(size, size, num_layers=2)
        self.head = nn.Linear(size, words, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens, state=None):
        out, state = self.rnn(self.embed(tokens), state)
        return self.head(out), state


def train(model, loss, steps=25):
    """Losses of the first and the last steps, each parameter having moved."""
    before = copy.deepcopy(dict(model.named_parameters()))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(value.item())
    still = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    assert still == []
    return sum(losses[:3]) / 3, sum(losses[-3:]) / 3


NEURONS = pytest.mark.parametrize("neuron", LAYERS)


@pytest.mark.parametrize(
    "neuron", ["liaf", *(pytest.param(n, marks=pytest.mark.exhaustive) for n in LAYERS if n != "liaf")]
)
def test_seq2seq_with_attention(neuron):
    model = Seq2Seq()
    replaced = replace_rnn(model, neuron)
    assert {n: type(m) for n, m in replaced.items()} == {"encoder": nn.GRU, "decoder": nn.GRUCell}
    assert isinstance(model.encoder, LAYERS[neuron])
    assert (model.encoder.num_layers, model.encoder.batch_first, model.encoder.dropout) == (2, True, 0.1)
    assert model.encoder.state_format == model.decoder.state_format == "gru"
    source = torch.randint(12, (8, 5))
    first, last = train(model, lambda: F.cross_entropy(model(source, source).transpose(1, 2), source))
    assert last < 0.8 * first


@NEURONS
def test_packed_bidirectional_classifier(neuron):
    model = Classifier()
    replace_rnn(model, neuron)
    assert model.rnn.bidirectional
    assert model.rnn.state_format == "lstm"
    lengths = torch.tensor([3, 6, 1, 4, 2, 6])
    tokens, labels = torch.randint(12, (6, 6)), torch.tensor([0, 1, 2, 0, 1, 2])
    first, last = train(model, lambda: F.cross_entropy(model(tokens, lengths), labels))
    assert last < 0.5 * first


@NEURONS
def test_language_model_with_tied_weights(neuron):
    model = LanguageModel()
    replace_rnn(model, neuron)
    assert model.head.weight is model.embed.weight
    text = torch.randint(12, (9, 4))

    def loss():
        first, state = model(text[:4])
        second, _ = model(text[4:8], tuple(s.detach() for s in state))
        return F.cross_entropy(torch.cat([first, second]).flatten(0, 1), text[1:].flatten())

    first, last = train(model, loss)
    assert last < 0.8 * first


def test_the_replaced_modules_come_back_with_their_names():
    model = nn.ModuleDict({"a": nn.RNN(2, 3), "b": nn.ModuleList([nn.LSTMCell(2, 3), nn.Linear(2, 2)])})
    old = {"a": model["a"], "b.0": model["b"][0]}
    replaced = replace_rnn(model, "lif")
    assert list(replaced) == ["a", "b.0"]
    assert all(replaced[n] is old[n] for n in old)
    assert isinstance(model["a"], LIF)
    assert isinstance(model["b"][0], LIFCell)
    assert replace_rnn(model, "liaf") == {}


def test_sizes_bias_dtype_mode_and_options_carry_over():
    model = nn.ModuleDict({"rnn": nn.LSTM(2, 3, 2, False, True, 0.25, True, dtype=torch.float64)}).eval()
    replace_rnn(model, "liaf", decay=0.125, learn_decay=False, share="layer")
    new = model["rnn"]
    assert repr(new) == (
        "LIAF(2, 3, num_layers=2, bias=False, batch_first=True, dropout=0.25, bidirectional=True, "
        "decay=0.125, share='layer', learn_decay=False)"
    )
    assert not new.training
    assert new.weight_ih_l0.dtype == torch.float64
    assert new.neuron_parameters()["decay"].item() == 0.125


def test_a_shared_module_stays_shared():
    rnn = nn.GRU(2, 2)
    model = nn.ModuleDict({"a": rnn, "b": nn.ModuleList([rnn])})
    assert list(replace_rnn(model)) == ["a", "b.0"]
    assert isinstance(model["a"], LIAF)
    assert model["a"] is model["b"][0]


def test_single_layer_dropout_is_kept_without_a_second_warning():
    with pytest.warns(UserWarning, match="dropout option"):
        model = nn.Sequential(nn.GRU(2, 3, dropout=0.5))
    replace_rnn(model)  # warnings are errors here
    assert model[0].dropout == 0.5


def test_subclasses_are_replaced():
    class MyCell(nn.LSTMCell):
        pass

    model = nn.ModuleDict({"cell": MyCell(2, 3, bias=False)})
    replace_rnn(model)
    assert isinstance(model["cell"], LIAFCell)
    assert model["cell"].bias is False


ERRORS = [
    ({"neuron": "gru"}, ValueError, "neuron should be one of 'liaf', 'lif', 'dalif', 'mlif', got: 'gru'"),
    ({"decay": 2.0}, ValueError, "decay should be"),
    ({"colour": 1}, TypeError, "colour"),
    ({"state_format": "gru"}, TypeError, "chooses state_format"),
]


@pytest.mark.parametrize(("arguments", "error", "match"), ERRORS)
def test_errors_leave_the_model_as_it_was(arguments, error, match):
    model = nn.ModuleList([nn.GRU(2, 3), nn.LSTM(2, 3)])
    before = list(model)
    with pytest.raises(error, match=match):
        replace_rnn(model, **arguments)
    assert list(model) == before


def test_projections_are_refused_before_anything_is_replaced():
    model = nn.ModuleDict({"good": nn.GRU(2, 3), "bad": nn.LSTM(2, 3, proj_size=2)})
    with pytest.raises(ValueError, match="bad: a layer with proj_size=2 cannot be replaced"):
        replace_rnn(model)
    assert isinstance(model["good"], nn.GRU)


def test_a_bare_layer_and_other_things_are_refused():
    with pytest.raises(TypeError, match=r"model is itself an nn.GRU"):
        replace_rnn(nn.GRU(2, 3))
    with pytest.raises(TypeError, match=r"model should be an nn.Module, got: list"):
        replace_rnn([nn.GRU(2, 3)])
