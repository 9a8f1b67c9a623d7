"""replace_rnn inside models that people have, each trained a few steps."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
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


def test_a_subclass_without_methods_is_replaced():
    class MyCell(nn.LSTMCell):
        def __init__(self):
            super().__init__(2, 3, bias=False)

    model = nn.ModuleDict({"cell": MyCell()})
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


class Doubled(nn.LSTM):
    def forward(self, input, hx=None):
        output, state = super().forward(input, hx)
        return 2 * output, state


class WeightDrop(nn.Module):
    """As in AWD-LSTM: the weight that the layer uses is a thinned copy, made anew at each call."""

    def __init__(self):
        super().__init__()
        self.module = nn.LSTM(2, 3)
        self.weight_raw = nn.Parameter(self.module._parameters.pop("weight_hh_l0").data)
        self.module.weight_hh_l0 = F.dropout(self.weight_raw, 0.5)


class Parts(nn.LSTM):
    def __init__(self):
        super().__init__(2, 3)
        self.norm = nn.LayerNorm(3)
        self.scale = 2


def normalised():
    layer = nn.LSTM(2, 3)
    nn.utils.parametrizations.orthogonal(layer, "weight_hh_l0")
    return layer


def pruned():
    layer = nn.GRU(2, 3)
    prune.l1_unstructured(layer, "weight_hh_l0", 0.5)
    return layer


def hooked():
    layer = nn.GRUCell(2, 3)
    layer.weight_hh.register_hook(lambda gradient: gradient)
    return layer


def told():
    layer = nn.LSTM(2, 3)
    layer.register_state_dict_post_hook(lambda *_: None)
    return layer


def tied():
    model = nn.ModuleDict({"rnn": nn.RNN(3, 3), "head": nn.Linear(3, 3, bias=False)})
    model["head"].weight = model["rnn"].weight_hh_l0
    return model


LOST = [
    (lambda: nn.ModuleDict({"rnn": Doubled(2, 3)}), "rnn: .* what the class Doubled defines \\(forward\\)"),
    (WeightDrop, "module: .* what computes weight_hh_l0, which is no parameter"),
    (lambda: nn.ModuleDict({"rnn": Parts()}), "rnn: .* what was added to it \\(scale, norm\\)"),
    (lambda: nn.Sequential(normalised()), "0: .* the parametrization of weight_hh_l0"),
    (lambda: nn.Sequential(pruned()), "0: .* L1Unstructured, which makes its weights"),
    (lambda: nn.Sequential(hooked()), "0: .* the hook on weight_hh"),
    (lambda: nn.Sequential(told()), "0: .* its hooks on state dicts"),
    (tied, "rnn: .* that its weight_hh_l0 is head.weight"),
]


@pytest.mark.parametrize(("make", "match"), LOST)
def test_what_cannot_be_carried_is_refused_or_with_strict_false_lost_with_a_warning(make, match):
    model = make()
    before = dict(model.named_modules())
    with pytest.raises(ValueError, match=match) as raised:
        replace_rnn(model)
    assert str(raised.value).count("would lose") == 1
    assert dict(model.named_modules()) == before
    with pytest.raises(ValueError, match=match):
        replace_rnn(model, dry_run=True)
    with pytest.warns(UserWarning, match=match):
        assert len(replace_rnn(model, strict=False)) == 1


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_old_weight_norm_is_refused():
    model = nn.Sequential(nn.utils.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"))
    with pytest.raises(ValueError, match="0: the new layer would lose WeightNorm, which makes its weights"):
        replace_rnn(model)


def test_frozen_stays_frozen():
    model = nn.ModuleList([nn.GRU(2, 3), nn.LSTM(2, 3, bidirectional=True), nn.LSTM(2, 3)])
    model[0].requires_grad_(False)
    model[1].weight_ih_l0_reverse.requires_grad_(False)
    replace_rnn(model, "dalif")
    assert not any(weight.requires_grad for weight in model[0].parameters())
    assert [n for n, weight in model[1].named_parameters() if not weight.requires_grad] == [
        "weight_ih_l0_reverse"
    ]
    assert all(weight.requires_grad for weight in model[2].parameters())


def test_hooks_go_over_and_their_handles_remove_them():
    model, seen = nn.Sequential(nn.LSTM(2, 3)), []
    handles = [
        model[0].register_forward_pre_hook(lambda *_: seen.append("before")),
        model[0].register_forward_hook(lambda *_, **__: seen.append("after"), with_kwargs=True),
        model[0].register_full_backward_hook(lambda *_: seen.append("backward")),
    ]
    replace_rnn(model)
    model[0](torch.ones(4, 1, 2, requires_grad=True))[0].sum().backward()
    assert seen == ["before", "after", "backward"]
    for handle in handles:
        handle.remove()
    model[0](torch.ones(4, 1, 2))
    assert len(seen) == 3


def test_weights_that_two_layers_share_stay_shared():
    model = nn.ModuleList([nn.GRU(2, 3), nn.GRU(2, 3)])
    model[1].weight_ih_l0 = model[0].weight_ih_l0
    replace_rnn(model)
    assert model[1].weight_ih_l0 is model[0].weight_ih_l0
    assert model[1].weight_hh_l0 is not model[0].weight_hh_l0


def test_a_dry_run_changes_nothing():
    model = nn.Sequential(nn.GRU(2, 3), nn.Tanh())
    old = model[0]
    assert replace_rnn(model, "lif", dry_run=True) == {"0": old}
    assert model[0] is old


def test_a_model_without_recurrent_layers_is_told():
    with pytest.warns(UserWarning, match="nothing is replaced"):
        assert replace_rnn(nn.Sequential(nn.Linear(2, 3))) == {}
