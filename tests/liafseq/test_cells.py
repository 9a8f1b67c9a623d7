"""The cells against nn.LSTMCell's and nn.GRUCell's interface."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from liafseq import DALIF, LIAF, LIF, MLIF, DALIFCell, LIAFCell, LIFCell, MLIFCell

PAIRS = [(LIAF, LIAFCell), (LIF, LIFCell), (DALIF, DALIFCell), (MLIF, MLIFCell)]


@pytest.mark.parametrize(("layer", "cell"), PAIRS)
def test_cell_and_layer_have_the_same_options_and_defaults(layer, cell):
    of_layer = dict(inspect.signature(layer).parameters)
    of_cell = dict(inspect.signature(cell).parameters)
    assert list(of_cell)[:3] == ["input_size", "hidden_size", "bias"]
    layers_only = {"num_layers", "batch_first", "dropout", "bidirectional"}
    assert [n for n in of_layer if n not in layers_only] == list(of_cell)
    assert all(of_cell[n].default == of_layer[n].default for n in of_cell)


def test_parameters_are_the_layers_without_suffix(cell_type):
    layer_type = {c: layer for layer, c in PAIRS}[cell_type]
    torch.manual_seed(3)
    layer = layer_type(3, 4)
    torch.manual_seed(3)
    cell = cell_type(3, 4)
    stripped = {name.replace("_l0", ""): value for name, value in layer.state_dict().items()}
    assert list(stripped) == list(cell.state_dict())
    assert all(torch.equal(stripped[n], v) for n, v in cell.state_dict().items())
    torch.manual_seed(3)
    rnn = nn.RNNCell(3, 4)
    torch.manual_seed(3)
    uniform = cell_type(3, 4, recurrent_init="uniform")
    assert all(torch.equal(v, uniform.state_dict()[n]) for n, v in rnn.state_dict().items())


def test_without_bias(cell_type):
    cell = cell_type(3, 4, bias=False)
    assert cell.bias_ih is None
    assert cell.bias_hh is None
    assert not any(n.startswith("bias") for n in cell.state_dict())
    assert repr(cell) == f"{cell_type.__name__}(3, 4, bias=False)"
    x = torch.zeros(2, 3)
    assert torch.equal(cell(x)[1], torch.zeros(2, 4))


def test_shapes_and_defaults(cell_type):
    cell = cell_type(3, 4)
    x = 3 * torch.randn(2, 3)
    h, c = cell(x)
    assert h.shape == c.shape == (2, 4)
    zeros = torch.zeros(2, 4)
    assert all(torch.equal(a, b) for a, b in zip((h, c), cell(x, (zeros, zeros)), strict=True))
    h1, c1 = cell(x[0])
    torch.testing.assert_close(h1, h[0])
    torch.testing.assert_close(c1, c[0])
    assert cell(input=x, hx=None)[0].shape == (2, 4)
    assert cell(x[:0])[0].shape == (0, 4)


@pytest.mark.parametrize("gated", [False, True])
def test_no_neurons_or_no_inputs_as_torch_allows(cell_type, gated):
    for sizes in ((3, 0), (0, 4)):
        cell, x = cell_type(*sizes, gated=gated), torch.randn(2, sizes[0], requires_grad=True)
        h, c = cell(x, cell(x))
        assert h.shape == c.shape == nn.GRUCell(*sizes)(x).shape
        (h.sum() + c.sum()).backward()
        assert x.grad.shape == x.shape


def test_gru_format(cell_type):
    pair, one = cell_type(3, 4), cell_type(3, 4, state_format="gru")
    one.load_state_dict(pair.state_dict())
    x = 3 * torch.randn(6, 2, 3)
    state, u = None, None
    for step in x:
        state = pair(step, state)
        u = one(step, u)
        torch.testing.assert_close(u, state[1])
        torch.testing.assert_close(one.emit(u), state[0])


ERRORS = [
    ((torch.zeros(2, 2, 3),), ValueError, "Expected input to be 1D or 2D, got 3D instead"),
    ((torch.zeros(3, 5),), RuntimeError, "input has inconsistent input_size: got 5 expected 3"),
    (
        (torch.zeros(2, 3), (torch.zeros(3, 4),) * 2),
        RuntimeError,
        "Input batch size 2 doesn't match hidden0 batch size 3",
    ),
    (
        (torch.zeros(2, 3), (torch.zeros(2, 4), torch.zeros(2, 5))),
        RuntimeError,
        "hidden1 has inconsistent hidden_size: got 5, expected 4",
    ),
    (
        (torch.zeros(2, 3), (torch.zeros(2, 4), torch.zeros(1, 2, 4))),
        ValueError,
        r"Expected hx\[1\] to be 1D or 2D, got 3D instead",
    ),
    ((torch.zeros(2, 3), torch.zeros(2, 4)), TypeError, r"hx should be a pair \(h_0, c_0\)"),
    (
        (torch.zeros(3), (torch.zeros(2, 4),) * 2),
        RuntimeError,
        "input is 1D, so hidden0 should be too, got 2D",
    ),
]


@pytest.mark.parametrize(("args", "error", "match"), ERRORS)
def test_errors(cell_type, args, error, match):
    with pytest.raises(error, match=match):
        cell_type(3, 4)(*args)


def test_errors_of_the_gru_format(cell_type):
    cell = cell_type(3, 4, state_format="gru")
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"Cell: Expected hidden to be 1D or 2D, got 3D instead"):
        cell(x, torch.zeros(1, 2, 4))
    with pytest.raises(TypeError, match="hx should be one tensor"):
        cell(x, (torch.zeros(2, 4),) * 2)


def test_plumbing(cell_type):
    cell = cell_type(3, 4)
    x = 3 * torch.randn(2, 3)
    before = cell(x)[1]
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert torch.equal(twin(x)[1], before)
        twin.weight_ih.data.zero_()
    assert torch.equal(cell(x)[1], before)
    assert cell.double()(x.double())[0].dtype == torch.float64
    meta = cell_type(3, 4, device="meta")
    assert meta(torch.empty(2, 3, device="meta"))[0].is_meta


@pytest.mark.parametrize(
    "cell_type",
    [LIAFCell, *(pytest.param(c, marks=pytest.mark.exhaustive) for c in (LIFCell, DALIFCell, MLIFCell))],
)
def test_one_graph_under_compile(cell_type):
    cell = cell_type(3, 4)
    x = 3 * torch.randn(2, 3)
    explained = torch._dynamo.explain(cell)(x)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)
    compiled = torch.compile(cell, fullgraph=True, backend="aot_eager")
    for a, b in zip(compiled(x), cell(x), strict=True):
        torch.testing.assert_close(a, b)
