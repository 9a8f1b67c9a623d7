"""What asking for a cost leaves as it was, which arguments it takes, and how it shows what it found."""

from __future__ import annotations

import dataclasses
import json
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_sequence

from liafseq import LIAF, LIF, EnergyModel, LIFCell, cost


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.rnn = LIF(3, 4, batch_first=True)
        self.out = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("kept", torch.zeros(2))

    def forward(self, x, fail=False):
        self.calls += 1
        self.kept = torch.ones(2)
        x = self.drop(self.norm(self.conv(x))).transpose(1, 2)
        if fail:
            raise KeyError("inside")
        return self.out(self.rnn(x)[0] + torch.rand(1) * 0)


def hooks(model):
    return [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]


@pytest.mark.parametrize("fail", [False, True], ids=["runs", "raises"])
@pytest.mark.parametrize("timed", [False, True], ids=["counted", "timed"])
def test_nothing_is_changed(fail, timed):
    model = Net().train()
    model.norm.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    x = torch.randn(4, 2, 9)
    state = torch.get_rng_state()
    if fail:
        with pytest.raises(KeyError, match="inside"):
            cost(model, (x, True), timed=timed)
    else:
        cost(model, x, timed=timed)
    assert (torch.get_rng_state() == state).all()
    assert [m.training for m in model.modules()] == modes
    assert hooks(model) == [(0, 0)] * len(modes)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all((after[k] == before[k]).all() for k in before)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch._C._len_torch_dispatch_stack() == 0
    assert torch.is_grad_enabled()


@pytest.fixture
def flags():
    """How torch's switches are read and set; they are put back after the test."""
    switches = [
        (torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled),
        (torch._C._get_cudnn_enabled, torch._C._set_cudnn_enabled),
        (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    ]
    before = [read() for read, _ in switches]
    yield switches
    for (_, write), value in zip(switches, before, strict=True):
        write(value)


@pytest.mark.parametrize("value", [True, False])
def test_torchs_switches_are_put_back(flags, value):
    for _, write in flags:
        write(value)
    cost(nn.Linear(3, 4), torch.randn(2, 3))
    assert [read() for read, _ in flags] == [value] * 3


def test_it_runs_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(0.99), nn.Linear(100, 1)).train()
    assert cost(model, torch.ones(1, 100) / 2).macs == 100


def test_the_same_every_time():
    model, x = Net(), torch.randn(4, 2, 9)
    assert cost(model, x) == cost(model, x)


def test_all_of_a_model_is_the_sum_of_its_layers():
    found = cost(Net(), torch.randn(4, 2, 9))
    assert [layer.name for layer in found.layers] == ["conv", "norm", "rnn", "out"]
    for name in ("macs", "acs", "dense_macs", "neuron_ops"):
        assert getattr(found, name) == sum(getattr(layer, name) for layer in found.layers)
    assert found.dense_macs == 7 * (2 * 3 * 3 + 3 * 4 + 4 * 4 + 4 * 2)
    assert found.weights == 18 + 12 + 16 + 8


class Both(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(3, 4)

    def forward(self, first, second=None):
        return self.out(first if second is None else first + second)


@pytest.mark.parametrize(
    "batch",
    [
        torch.ones(5, 3) / 3,
        (torch.ones(5, 3) / 3,),
        (torch.ones(5, 3), torch.ones(5, 3) / 3),
        Both(torch.ones(5, 3), torch.ones(5, 3) / 3),
        {"second": torch.ones(5, 3) / 3, "first": torch.ones(5, 3)},
    ],
    ids=["tensor", "one", "two", "named-tuple", "mapping"],
)
def test_ways_to_give_a_batch(batch):
    found = cost(Two(), batch)
    assert (found.samples, found.macs) == (5, 12)


class Inside(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("model", "batch", "samples"),
    [
        (nn.GRU(3, 4), torch.randn(7, 2, 3), 2),
        (LIAF(3, 4), torch.randn(7, 2, 3), 2),
        (LIAF(3, 4, batch_first=True), torch.randn(2, 7, 3), 2),
        (LIAF(3, 4), torch.randn(7, 3), 1),
        (LIAF(3, 4), pack_sequence([torch.randn(n, 3) for n in (4, 2)]), 2),
        (Inside(nn.LSTM(3, 4)), pack_sequence([torch.randn(n, 3) for n in (4, 2)]), 2),
        (Inside(LIAF(3, 4, batch_first=True)), torch.randn(2, 7, 3), 2),
        (nn.GRUCell(3, 4), torch.randn(3), 1),
        (LIFCell(3, 4), torch.randn(2, 3), 2),
        (LIFCell(3, 4), {"input": torch.randn(3)}, 1),
        (nn.Linear(3, 4), torch.randn(6, 2, 3), 6),
    ],
)
def test_how_many_samples(model, batch, samples):
    assert cost(model, batch).samples == samples


@pytest.mark.parametrize("layer", [nn.GRU(3, 4), LIAF(3, 4)], ids=["gru", "liaf"])
def test_a_layer_that_disagrees_about_the_samples_is_told(layer):
    x = torch.randn(7, 2, 3)
    with pytest.raises(ValueError, match="hold 7 samples, but layer is given 2 sequences: give samples="):
        cost(Inside(layer), x)
    assert cost(Inside(layer), x, samples=2).dense_macs == cost(layer, x).dense_macs


@pytest.mark.parametrize("batch", [torch.randn(3), (), torch.randn(0, 3), torch.tensor(1.0)])
def test_samples_that_cannot_be_told(batch):
    with pytest.raises(ValueError, match="give samples="):
        cost(nn.Identity() if batch == () else nn.Linear(3, 4), batch)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": len}, TypeError, "model should be an nn.Module, got: builtin_function"),
        ({"energy": 4.6}, TypeError, "energy should be an EnergyModel, got: float"),
        ({"samples": 0}, ValueError, "samples should be at least 1, got: 0"),
        ({"samples": 2.0}, TypeError, "samples should be a whole number, got: float"),
        ({"samples": True}, TypeError, "samples should be a whole number, got: bool"),
        ({"max_spike": -1}, ValueError, "max_spike should be at least 0"),
        ({"max_spike": None}, TypeError, "max_spike should be a whole number"),
        ({"repeats": 0}, ValueError, "repeats should be at least 1"),
        ({"model": nn.LazyLinear(4)}, ValueError, "weight has no shape yet"),
        ({"model": nn.Linear(3, 4, device="meta")}, ValueError, "weight is on the meta device"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        cost(**{"model": nn.Linear(3, 4), "batch": torch.randn(2, 3), **arguments})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"mac_pj": -1}, ValueError), ({"ac_pj": float("nan")}, ValueError), ({"mac_pj": "4.6"}, TypeError),
     ({"ac_pj": True}, TypeError)],
)  # fmt: skip
def test_bad_energy_models(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        EnergyModel(**arguments)


def test_energy():
    x = torch.tensor([[0.5, 0.0], [0.0, 0.5]])
    found = cost(nn.Sequential(nn.Linear(2, 1000)), x)
    assert (found.energy_nj, found.dense_energy_nj) == (4.6, 9.2)
    assert cost(nn.Linear(2, 1000), x.ceil()).energy_nj == 0.9
    other = EnergyModel(mac_pj=1, ac_pj=0.25)
    assert cost(nn.Linear(2, 1000), x, energy=other).energy_nj == 1.0
    assert "Horowitz 2014" in str(EnergyModel())
    assert "Horowitz" not in str(other)


def test_weights_are_those_of_matrices_and_filters():
    model = nn.Sequential(weight_norm(nn.Linear(6, 5)), nn.LayerNorm(5), nn.Linear(5, 4, bias=False))
    model[2].weight.requires_grad_(False)
    found = cost(model, torch.randn(3, 6))
    assert found.weights == 30 + 20
    assert found.parameters == 30 + 5 + 5 + 10


def test_weights_that_are_shared_or_used_at_every_step_are_there_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, 5)
            self.cell = nn.GRUCell(5, 5)

        def forward(self, words):
            h = None
            for word in words.unbind(1):
                h = self.cell(self.words(word), h)
            return h @ self.words.weight.t()

    assert cost(Tied(), torch.randint(9, (2, 6))).weights == 2 * 75 + 45


def test_weights_on_either_side_of_a_product():
    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return (self.weight * 2) @ x.t()

    x = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 0.5]])
    found = cost(Left(), x)
    assert (found.macs, found.dense_macs, found.weights) == (4 * 3 / 2, 12, 12)


def test_activations_that_come_from_constants_are_no_weights():
    class Ignorant(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 4, bias=False), nn.Linear(4, 5)
            nn.init.ones_(self.first.weight)

        def forward(self, x):
            current = self.first(torch.full((len(x), 3), 0.5))
            return self.second((current > 0).float() * self.first.weight.sum() / 12)

    found = cost(Ignorant(), torch.randn(2, 1))
    assert (found.macs, found.acs, found.weights) == (12, 20, 12 + 20)


def test_a_look_up_is_an_activation():
    class Places(nn.Module):
        def __init__(self):
            super().__init__()
            self.places, self.out = nn.Embedding(3, 4, padding_idx=0), nn.Linear(4, 5)

        def forward(self, x):
            return self.out(self.places(torch.arange(3))).sum() + x

    assert cost(Places(), torch.randn(1, 1)).macs == 2 * 4 * 5


def test_an_expanded_weight_is_there_once():
    class Batched(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(1, 3, 4))

        def forward(self, x):
            return torch.bmm(x, self.weight.expand(len(x), 3, 4))

    found = cost(Batched(), torch.randn(5, 2, 3))
    assert (found.weights, found.macs) == (12, 24)


def test_a_state_written_into_a_buffer_is_no_weight():
    class Stateful(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("trace", torch.zeros(2, 3))
            self.out = nn.Linear(3, 4)

        def forward(self, x):
            self.trace[:] = x
            return self.out(self.trace)

    found = cost(Stateful(), torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 0.5]]))
    assert (found.macs, found.weights) == (6, 12)


def test_what_is_not_counted_is_named():
    class Distance(nn.Module):
        def __init__(self):
            super().__init__()
            self.mixed = nn.Bilinear(3, 3, 4)

        def forward(self, x):
            return self.mixed(x, x)

    found = cost(Distance(), torch.randn(2, 3))
    assert found.uncounted == ("aten::_trilinear",)
    assert "Not counted: aten::_trilinear." in str(found)


def test_inference_mode_inside_and_outside():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(3, 4)

        @torch.inference_mode()
        def forward(self, x):
            return F.scaled_dot_product_attention(self.out(x), self.out(x), self.out(x))

    x = torch.randn(2, 5, 3)
    expected = 3 * 60 + 2 * 5 * 5 * 4
    assert cost(Inner(), x).macs == expected
    with torch.inference_mode():
        assert cost(Inner(), x).macs == expected
        assert cost(Net(), torch.randn(4, 2, 9)).dense_macs == 7 * 54
        made_inside = nn.BatchNorm1d(3)
    cost(made_inside, x.transpose(1, 2))


def test_compiled_models_are_counted_without_the_compiler():
    x = torch.randn(7, 2, 3)
    assert cost(torch.compile(LIAF(3, 4), backend="aot_eager"), x).dense_macs == 7 * 28
    model = Inside(torch.compile(nn.Linear(3, 4), backend="aot_eager"))
    model(x)
    assert cost(model, x).dense_macs == 2 * 12


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_parts_are_counted_by_what_calls_them():
    model = nn.Sequential(torch.jit.trace(nn.Linear(3, 4), torch.randn(2, 3)), nn.Linear(4, 2))
    found = cost(model, torch.randn(2, 3))
    assert [(layer.name, layer.macs) for layer in found.layers] == [("Sequential", 12), ("1", 8)]


def test_function_transforms_inside():
    layer = LIAF(3, 4)

    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return torch.vmap(lambda one: self.layer(one)[0])(x)

    # the first state is one for all
    assert cost(Mapped(), torch.randn(5, 7, 3)).dense_macs == 7 * 12 + 6 * 16 + 16 / 5
    assert hooks(layer) == [(0, 0)]


def test_dispatch_modes_see_the_layers():
    from torch._subclasses import FakeTensorMode

    layer = LIAF(3, 4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        output, (h, c) = layer(torch.empty(7, 2, 3))
    assert (output.shape, h.shape, c.shape) == ((7, 2, 4), (1, 2, 4), (1, 2, 4))


def test_json_and_table():
    found = cost(Net(), torch.randn(4, 2, 9))
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["energy_nj"] == found.energy_nj
    assert content["energy_model"] == {"mac_pj": 4.6, "ac_pj": 0.9}
    assert len(content["layers"]) == 4
    assert "time" not in content
    lines = str(found).splitlines()
    assert lines[0].split()[:2] == ["layer", "kind"]
    assert lines[3].split()[:2] == ["rnn", "LIF"]
    assert lines[5].startswith("total")
    assert "54 synaptic weights" in str(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.macs = 1


def test_time_and_memory_are_measured():
    layer = nn.Sequential(nn.Linear(10, 1000), *(nn.ReLU() for _ in range(6)))
    found = cost(layer, torch.randn(64, 10), timed=True, repeats=3)
    assert found.seconds > 0
    # one layer's input and output at a time, and nothing of the model
    assert 2 * 64 * 1000 * 4 <= found.peak_memory < 3 * 64 * 1000 * 4
    assert found.to_json()["time"] == {"seconds": found.seconds, "peak_memory": found.peak_memory}
    assert "ms a sample" in str(found)
    assert (cost(layer, torch.randn(64, 10)).seconds, found.samples) == (None, 64)
