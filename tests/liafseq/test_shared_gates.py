"""``neurons_per_gate``: neighbours share the weights of a gate."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import liafseq

LAYERS = ["LIAF", "LIF", "DALIF", "MLIF"]
OF_ROWS = ("weight", "bias", "norm")


def gate_of(neuron: int, hidden: int, count: int) -> int:
    """As many gates as ``count`` neighbours each need, shared as evenly as may be."""
    gates = -(-hidden // count)
    return neuron * gates // hidden


def spread(tensor: torch.Tensor, hidden: int, count: int) -> torch.Tensor:
    """What a gate of every neuron has where neighbours have the same."""
    rows = [tensor[hidden + gate_of(neuron, hidden, count)] for neuron in range(hidden)]
    return torch.cat([tensor[:hidden], torch.stack(rows)])


def pair(name: str, count: int, hidden: int, *sizes: int, **more: object) -> tuple[nn.Module, nn.Module]:
    """A layer with shared gates, and one of a gate per neuron with the same weights."""
    torch.manual_seed(1)
    shared = getattr(liafseq, name)(5, hidden, *sizes, gated=True, neurons_per_gate=count, **more)
    apart = getattr(liafseq, name)(5, hidden, *sizes, gated=True, **more)
    apart.load_state_dict(with_a_gate_each(shared, hidden, count))
    return shared, apart


def with_a_gate_each(shared: nn.Module, hidden: int, count: int) -> dict[str, torch.Tensor]:
    return {
        key: spread(value, hidden, count) if value.dim() and key.startswith(OF_ROWS) else value
        for key, value in shared.state_dict().items()
    }


def same_gradients(shared: nn.Module, apart: nn.Module, hidden: int, count: int) -> None:
    other = dict(apart.named_parameters())
    for key, parameter in shared.named_parameters():
        found = other[key].grad
        assert found is not None
        assert parameter.grad is not None
        if key.startswith(OF_ROWS):
            gates = found.new_zeros(-(-hidden // count), *found.shape[1:])
            for neuron in range(hidden):
                gates[gate_of(neuron, hidden, count)] += found[hidden + neuron]
            found = torch.cat([found[:hidden], gates])
        torch.testing.assert_close(parameter.grad, found, rtol=1e-4, atol=1e-5)


def same_results(shared: nn.Module, apart: nn.Module, x: object, hidden: int, count: int) -> None:
    """Output, last state and every gradient."""
    results = [(getattr(y, "data", y), *state) for y, state in (layer(x) for layer in (shared, apart))]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    for result in results:
        sum((part * part.detach().cos()).sum() for part in result).backward()
    same_gradients(shared, apart, hidden, count)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("hidden", "count"), [(8, 4), (10, 6), (7, 3), (6, 10)])
def test_a_layer_is_that_of_a_gate_per_neuron_with_equal_weights(name: str, hidden: int, count: int) -> None:
    shared, apart = pair(name, count, hidden, 2, bidirectional=True)
    rows = hidden + -(-hidden // count)
    assert shared.weight_hh_l1_reverse.shape == (rows, hidden)
    assert shared.bias_ih_l0.shape == (rows,)
    packed = pack_sequence([torch.randn(n, 5) for n in (6, 4, 1)])
    for x in (torch.randn(9, 3, 5), packed):
        same_results(shared, apart, x, hidden, count)


@pytest.mark.parametrize("name", LAYERS)
def test_a_cell_is_a_step_of_the_layer(name: str) -> None:
    shared, apart = pair(f"{name}Cell", 3, 7)
    layer = getattr(liafseq, name)(5, 7, gated=True, neurons_per_gate=3)
    layer.load_state_dict({f"{key}_l0": value for key, value in shared.state_dict().items()})
    x = torch.randn(4, 2, 5)
    state = other = None
    for now in x:
        state, other = shared(now, state), apart(now, other)
    for one, two, whole in zip(state, other, layer(x)[1], strict=True):
        torch.testing.assert_close(one, two)
        torch.testing.assert_close(one, whole[0])
    sum(part.sum() for part in (*state, *other)).backward()
    same_gradients(shared, apart, 7, 3)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("normalization", [None, "batch"])
@pytest.mark.parametrize(("channels", "count", "groups"), [(7, 3, 1), (8, 2, 2)])
def test_a_convolution_is_that_of_a_gate_per_channel(
    name: str, normalization: str | None, channels: int, count: int, groups: int
) -> None:
    torch.manual_seed(1)
    sizes = {"kernel_size": 3, "padding": 1, "groups": groups, "feedback": "output", "dtype": torch.float64}
    kind, more = getattr(liafseq, f"Conv{name}"), {"normalization": normalization, "gated": True, **sizes}
    shared = kind(4, channels, neurons_per_gate=count, **more)
    apart = kind(4, channels, **more)
    if shared.norm is not None:
        nn.init.uniform_(shared.norm.weight)
        nn.init.uniform_(shared.norm.bias)
    apart.load_state_dict(with_a_gate_each(shared, channels, count))
    rows = channels + -(-channels // count)
    assert shared.weight_hh.shape == (rows, channels // groups, 3, 3)
    packed = pack_sequence([torch.randn(n, 4, 5, 6, dtype=torch.float64) for n in (4, 2, 1)])
    for x in (torch.randn(5, 2, 4, 5, 6, dtype=torch.float64), packed):
        same_results(shared, apart, x, channels, count)


def test_groups_of_a_convolution_have_their_own_gates() -> None:
    with pytest.raises(ValueError, match="out_channels=6 has 3 gates, which must be divisible by groups"):
        liafseq.ConvLIAF(4, 6, 3, groups=2, gated=True, feedback="output", neurons_per_gate=2)


def test_decays_stay_each_neurons_own() -> None:
    layer = liafseq.LIAF(3, 8, gated=True, neurons_per_gate=4)
    assert layer.neuron_parameters()["decay"].unique().numel() == 8
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    assert [tuple(getattr(layer, name).shape) for name in names] == [(10, 3), (10, 8), (10,), (10,)]
    assert repr(layer) == "LIAF(3, 8, gated=True, neurons_per_gate=4)"


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_it_compiles_exports_and_maps() -> None:
    layer = liafseq.LIAF(3, 8, gated=True, neurons_per_gate=4)
    x = torch.randn(5, 2, 3)
    expected = layer(x)[0]
    torch.testing.assert_close(torch.compile(layer, fullgraph=True)(x)[0], expected)
    torch.testing.assert_close(torch.export.export(layer, (x,)).module()(x)[0], expected)
    mapped = torch.vmap(lambda one: layer(one)[0])(x.unsqueeze(0))
    torch.testing.assert_close(mapped[0], expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"gated": True, "neurons_per_gate": 0}, ValueError, "neurons_per_gate should be at least 1, got: 0"),
        ({"gated": True, "neurons_per_gate": 2.0}, TypeError, "should be of type int, got: float"),
        ({"gated": True, "neurons_per_gate": True}, TypeError, "should be of type int, got: bool"),
        ({"neurons_per_gate": 2}, ValueError, "neurons_per_gate=2 needs gated=True"),
    ],
)
def test_bad_values(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        liafseq.LIAF(3, 4, **options)


def test_only_what_is_needed_is_counted() -> None:
    x = torch.randn(6, 1, 3)
    shared, apart = (liafseq.LIAF(3, 8, gated=True, neurons_per_gate=count) for count in (4, 1))
    one, other = liafseq.cost(shared, x), liafseq.cost(apart, x)
    # 8 neurons and 2 gates, of which each reads 3 inputs and 8 outputs, but no outputs at the first step
    assert one.weights == 10 * (3 + 8)
    assert other.macs - one.macs == 6 * (6 * 3 + 5 * 8)


def test_an_rnn_is_replaced_by_one() -> None:
    model = nn.Sequential(nn.GRU(3, 8))
    liafseq.replace_rnn(model, "liaf", gated=True, neurons_per_gate=4)
    assert model[0].weight_hh_l0.shape == (10, 8)
