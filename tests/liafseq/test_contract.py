"""What nn.GRU and nn.LSTM honour, for every layer: shapes, state, errors, plumbing."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, skip_init
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from liafseq import DALIF, LIAF, LIF

ARGUMENTS = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
SHAPES = [(layers, both, bf) for layers in (1, 2, 3) for both in (False, True) for bf in (False, True)]


def states(state):
    return (state,) if isinstance(state, torch.Tensor) else tuple(state)


# constructor


def test_signature_is_torchs_and_the_rest_is_keyword_only(layer_type):
    parameters = list(inspect.signature(layer_type).parameters.values())
    assert [p.name for p in parameters[:7]] == ARGUMENTS
    assert [p.default for p in parameters[2:7]] == [1, True, False, 0.0, False]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[7:])
    assert [p.name for p in parameters[7:9]] == ["device", "dtype"]


def test_attributes(layer_type):
    layer = layer_type(3, 4, 2, False, True, 0.5, True)
    found = {name: getattr(layer, name) for name in nn.RNNBase.__constants__}
    assert found == {
        "mode": layer_type.__name__,
        "input_size": 3,
        "hidden_size": 4,
        "num_layers": 2,
        "bias": False,
        "batch_first": True,
        "dropout": 0.5,
        "bidirectional": True,
        "proj_size": 0,
    }
    assert isinstance(layer.dropout, float)
    assert isinstance(layer, nn.RNNBase)


CONSTRUCTOR_ERRORS = [
    ((3, 4), {"dropout": 1.5}, ValueError, r"dropout should be a number in range \[0, 1\]"),
    ((3, 4), {"dropout": True}, ValueError, r"dropout should be a number in range \[0, 1\]"),
    ((3, 4), {"dropout": "0.5"}, ValueError, r"dropout should be a number in range \[0, 1\]"),
    ((3, 4), {"bias": 1}, TypeError, "bias should be of type bool, got: int"),
    ((3, 4), {"bias": "True"}, TypeError, "bias should be of type bool, got: str"),
    ((3, 4), {"batch_first": 0}, TypeError, "batch_first should be of type bool, got: int"),
    ((3.0, 4), {}, TypeError, "input_size should be of type int, got: float"),
    (("3", 4), {}, TypeError, "input_size should be of type int, got: str"),
    ((3, 4.0), {}, TypeError, "hidden_size should be of type int, got: float"),
    ((0, 4), {}, ValueError, "input_size must be greater than zero"),
    ((-1, 4), {}, ValueError, "input_size must be greater than zero"),
    ((3, 0), {}, ValueError, "hidden_size must be greater than zero"),
    ((3, 4, 0), {}, ValueError, "num_layers must be greater than zero"),
    ((3, 4), {"proj_size": 2}, TypeError, "proj_size"),
    ((3, 4), {"decay": 1.5}, ValueError, r"decay should be an initial value .* got: \[1.5\]"),
    ((3, 4), {"decay": (0.9, 0.1)}, ValueError, "low <= high"),
    ((3, 4), {"decay": "fast"}, TypeError, "decay should be a number, a pair"),
    ((3, 4), {"decay": torch.full((5,), 0.5)}, ValueError, r"shape \(\) or \(4,\).*got: \(5,\)"),
    ((3, 4), {"threshold": 0.0}, ValueError, "threshold should be a value in"),
    ((3, 4), {"threshold": float("nan")}, ValueError, "threshold should be a value in"),
    ((3, 4), {"feedback": "spikes"}, ValueError, "feedback should be one of 'output', 'membrane', None"),
    ((3, 4), {"share": "channel"}, ValueError, "share should be one of 'layer', 'neuron'"),
    ((3, 4), {"surrogate": "step"}, ValueError, "surrogate should be one of 'rectangular'"),
    ((3, 4), {"surrogate_width": 0}, ValueError, "surrogate_width should be greater than zero"),
    ((3, 4), {"detach_reset": 1}, TypeError, "detach_reset should be of type bool, got: int"),
    ((3, 4), {"learn_decay": 1}, TypeError, "learn_decay should be of type bool, got: int"),
    ((3, 4), {"recurrent_init": "zeros"}, ValueError, "recurrent_init should be one of"),
    ((3, 4), {"gated": 1}, TypeError, "gated should be of type bool, got: int"),
    ((3, 4), {"gated": True, "feedback": None}, ValueError, "gated=True needs feedback='output'"),
    ((3, 4), {"state_format": "rnn"}, ValueError, "state_format should be one of 'lstm', 'gru'"),
]


@pytest.mark.parametrize(("args", "kwargs", "error", "match"), CONSTRUCTOR_ERRORS)
def test_constructor_errors(layer_type, args, kwargs, error, match):
    with pytest.raises(error, match=match):
        layer_type(*args, **kwargs)


def test_options_of_one_neuron_only():
    with pytest.raises(ValueError, match=r"activation should be one of .*got: 'swish'"):
        LIAF(3, 4, activation="swish")
    with pytest.raises(ValueError, match="reset should be one of 'hard', 'soft', 'none'"):
        LIF(3, 4, reset="sideways")
    with pytest.raises(ValueError, match="output should be one of 'spike', 'analog'"):
        DALIF(3, 4, output="both")
    with pytest.raises(ValueError, match="learn_threshold=True needs a threshold that something reads"):
        LIAF(3, 4, gated=True, learn_threshold=True)
    with pytest.raises(ValueError, match="gain should be an initial value"):
        DALIF(3, 4, gain=1.0)
    with pytest.raises(TypeError, match="normalize_current should be of type bool"):
        LIF(3, 4, normalize_current=1)


def test_dropout_with_one_layer_warns_as_torch_does(layer_type):
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last") as caught:
        layer_type(3, 4, dropout=0.5)
    with pytest.warns(UserWarning, match="dropout option") as torchs:
        nn.GRU(3, 4, dropout=0.5)
    assert str(caught[0].message) == str(torchs[0].message)
    assert caught[0].filename == __file__


# parameters


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_weights_have_torchs_names_order_shapes_and_draws(layer_type, bias, bidirectional):
    torch.manual_seed(3)
    rnn = nn.RNN(3, 4, 2, bias=bias, bidirectional=bidirectional)
    torch.manual_seed(3)
    layer = layer_type(3, 4, 2, bias=bias, bidirectional=bidirectional, recurrent_init="uniform")
    ours = {n: p for n, p in layer.named_parameters() if n.startswith(("weight", "bias"))}
    theirs = dict(rnn.named_parameters())
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs)
    assert [[p.shape for p in w] for w in layer.all_weights] == [
        [p.shape for p in w] for w in rnn.all_weights
    ]


def test_a_seeds_weights_do_not_depend_on_the_neuron(layer_type):
    torch.manual_seed(3)
    one = layer_type(3, 4, 2, decay=0.5)
    torch.manual_seed(3)
    other = layer_type(3, 4, 2, decay=(0.1, 0.3), threshold=(0.5, 2.0), learn_threshold=True)
    assert all(
        torch.equal(p, q) for a, b in zip(one.all_weights, other.all_weights, strict=True)
        for p, q in zip(a, b, strict=True)
    )  # fmt: skip


def test_orthogonal_feedback_matrices(layer_type):
    layer = layer_type(3, 8, 2, bidirectional=True, recurrent_init="orthogonal")
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        w = getattr(layer, "weight_hh" + suffix)
        torch.testing.assert_close(w @ w.t(), torch.eye(8), atol=1e-5, rtol=0)


def test_initial_values_are_those_given(layer_type):
    layer = layer_type(3, 50, decay=(0.2, 0.4), threshold=0.7, learn_threshold=True)
    values = layer.neuron_parameters()
    assert values["decay"].shape == (50,)
    assert 0.2 <= values["decay"].min() < 0.25
    assert 0.35 < values["decay"].max() <= 0.4
    torch.testing.assert_close(values["threshold"], torch.full((50,), 0.7))
    shared = layer_type(3, 50, decay=0.25, share="layer")
    assert shared.neuron_parameters()["decay"].shape == ()
    given = torch.linspace(0.1, 0.9, 50)
    torch.testing.assert_close(layer_type(3, 50, decay=given).neuron_parameters()["decay"], given)


@pytest.mark.parametrize(("hidden", "slow"), [(1, 0), (2, 0), (3, 1), (4, 1), (64, 16), (66, 16)])
@pytest.mark.parametrize("learn", [True, False])
def test_fast_and_slow_neurons(hidden, slow, learn):
    decay = LIAF(3, hidden, decay="fast-and-slow", learn_decay=learn).neuron_parameters()["decay"]
    expected = torch.tensor([0.05] * (hidden - slow) + [0.98] * slow)
    torch.testing.assert_close(decay.detach(), expected)
    shared = LIAF(3, hidden, decay="fast-and-slow", share="layer").neuron_parameters()["decay"]
    assert shared.item() == pytest.approx(0.05)


DEFAULTS = {
    "LIAF": {"decay": [0.05] * 48 + [0.98] * 16, "threshold": [1.0] * 64},
    "LIF": {"decay": [0.5] * 64, "threshold": [0.3] * 64},
    "DALIF": {"decay": [0.5] * 64, "gain": [0.9] * 64, "threshold": [0.25] * 64},
    "MLIF": {"decay": [0.2] * 64, "threshold": [0.5] * 64},
}


def test_default_initial_values_are_those_that_were_measured(layer_type):
    """docs/guide/layers.md says what chose them."""
    layer = layer_type(3, 64, 2, bidirectional=True)
    for suffix in ("_l0", "_l1_reverse"):
        found = layer.neuron_parameters(suffix)
        expected = DEFAULTS[layer_type.__name__]
        assert found.keys() == expected.keys()
        for name, value in found.items():
            torch.testing.assert_close(value.detach(), torch.tensor(expected[name]))
    w = layer.weight_hh_l0
    orthogonal = torch.allclose(w @ w.t(), torch.eye(64), atol=1e-4)
    assert orthogonal == (layer_type is LIAF)


def test_learned_numbers_are_parameters_and_fixed_ones_buffers(layer_type):
    learned = layer_type(3, 4, learn_decay=True, learn_threshold=True)
    assert {"decay_l0", "threshold_l0"} <= dict(learned.named_parameters()).keys()
    fixed = layer_type(3, 4, learn_decay=False, decay=0.3, threshold=0.3)
    assert {"fixed_decay_l0", "fixed_threshold_l0"} <= dict(fixed.named_buffers()).keys()
    assert fixed.fixed_threshold_l0.tolist() == torch.full((4,), 0.3).tolist()
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"fixed_decay_l0\""):
        fixed.load_state_dict(learned.state_dict())


def test_every_parameter_and_buffer_gets_used(layer_type):
    layer = layer_type(3, 16, 2, bidirectional=True, threshold=0.2, learn_threshold=True)
    x = 3 * torch.randn(6, 2, 3)
    out, (_, c) = layer(x)
    (out.sum() + c.sum()).backward()
    assert [n for n, p in layer.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_state_dict_round_trip_decides_everything(layer_type):
    one, other = layer_type(3, 4, 2, learn_decay=False), layer_type(3, 4, 2, learn_decay=False)
    x = 3 * torch.randn(5, 2, 3)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x)[0], other(x)[0])
    fresh = layer_type(3, 4, 2, learn_decay=False, device="meta")
    fresh.load_state_dict(one.state_dict(), assign=True)
    assert torch.equal(one(x)[0], fresh(x)[0])


# forward


@pytest.mark.covers(2)
@pytest.mark.parametrize(("layers", "both", "batch_first"), SHAPES)
def test_shapes_and_order_of_the_state(layer_type, state_format, layers, both, batch_first):
    layer = layer_type(3, 4, layers, batch_first=batch_first, bidirectional=both, state_format=state_format)
    directions = 2 if both else 1
    out, state = layer(3 * torch.randn((2, 5, 3) if batch_first else (5, 2, 3)))
    time_major = out.transpose(0, 1) if batch_first else out
    assert time_major.shape == (5, 2, 4 * directions)
    assert [s.shape for s in states(state)] == [(layers * directions, 2, 4)] * len(states(state))
    if state_format == "lstm":
        h_n = state[0].view(layers, directions, 2, 4)
        assert torch.equal(h_n[-1, 0], time_major[-1, :, :4])
        if both:
            assert torch.equal(h_n[-1, 1], time_major[0, :, 4:])
        assert h_n.untyped_storage().data_ptr() != out.untyped_storage().data_ptr()


@pytest.mark.covers(2)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_unbatched_is_a_batch_of_one(layer_type, state_format, both, batch_first, given):
    layer = layer_type(3, 4, 2, batch_first=batch_first, bidirectional=both, state_format=state_format)
    x = 3 * torch.randn(5, 3)
    hx = (
        [torch.randn(4 if both else 2, 4) for _ in range(1 if state_format == "gru" else 2)]
        if given
        else None
    )
    pack = (lambda s: s[0]) if state_format == "gru" else tuple
    out, state = layer(x, pack(hx) if given else None)
    batched, state1 = layer(
        x.unsqueeze(0 if batch_first else 1), pack([h.unsqueeze(1) for h in hx]) if given else None
    )
    assert torch.equal(out, batched.squeeze(0 if batch_first else 1))
    for one, many in zip(states(state), states(state1), strict=True):
        assert torch.equal(one, many.squeeze(1))


def test_no_state_is_zeros_by_default(layer_type):
    layer = layer_type(3, 4, 2)
    x = 3 * torch.randn(5, 2, 3)
    zeros = torch.zeros(2, 2, 4)
    assert torch.equal(layer(x)[0], layer(x, (zeros, zeros))[0])
    assert torch.equal(layer(x)[0], layer(x, [zeros, zeros])[0])
    assert torch.equal(layer(input=x)[0], layer(input=x, hx=None)[0])


def test_rest_is_silent_even_with_a_leak():
    layer = LIAF(3, 4, activation="sigmoid", leak=0.5, bias=False)
    torch.testing.assert_close(layer(torch.zeros(1, 1, 3))[1][1], torch.zeros(1, 1, 4))


def test_gradients_reach_a_given_state(layer_type):
    layer = layer_type(3, 4, bidirectional=True)
    hx = [torch.randn(2, 2, 4, requires_grad=True) for _ in range(2)]
    layer(3 * torch.randn(5, 2, 3), hx)[0].sum().backward()
    assert all(h.grad is not None and h.grad.abs().sum() > 0 for h in hx)


def test_empty_batch(layer_type):
    layer = layer_type(3, 4, 2, bidirectional=True)
    x = torch.randn(5, 0, 3, requires_grad=True)
    out, (h, c) = layer(x)
    assert (out.shape, h.shape, c.shape) == ((5, 0, 8), (4, 0, 4), (4, 0, 4))
    out.sum().backward()
    assert x.grad.shape == x.shape


def test_non_contiguous_input_and_state(layer_type):
    layer = layer_type(3, 4)
    x = 3 * torch.randn(3, 2, 5).permute(2, 1, 0)
    hx = [torch.randn(1, 4, 2).transpose(1, 2) for _ in range(2)]
    expected = layer(x.contiguous(), [h.contiguous() for h in hx])[0]
    torch.testing.assert_close(layer(x, hx)[0], expected)


X, H = torch.zeros(5, 2, 3), torch.zeros(1, 2, 4)
FORWARD_ERRORS = {
    "4-D input": ((X[None],), ValueError, r"{name}: Expected input to be 2D or 3D, got 4D instead"),
    "no steps": ((X[:0],), RuntimeError, "Expected sequence length to be larger than 0 in RNN"),
    "features": ((torch.zeros(5, 2, 4),), RuntimeError, r"must be equal to input_size. Expected 3, got 4"),
    "dtype": ((X.double(),), ValueError, r"RNN input dtype \(torch.float64\) does not match weight dtype"),
    "2-D state": ((X, (H[0], H[0])), RuntimeError, r"also be 3-D but got \(2-D, 2-D\) tensors"),
    "3-D state unbatched": ((X[:, 0], (H, H)), RuntimeError, r"also be 2-D but got \(3-D, 3-D\) tensors"),
    "hidden size": (
        (X, (H[..., :2], H)),
        RuntimeError,
        r"Expected hidden\[0\] size \(1, 2, 4\), got \[1, 2, 2\]",
    ),
    "cell size": (
        (X, (H, H[:, :1])),
        RuntimeError,
        r"Expected hidden\[1\] size \(1, 2, 4\), got \[1, 1, 4\]",
    ),
    "one tensor": ((X, H), TypeError, r"hx should be a pair \(h_0, c_0\)"),
    "state dtype": ((X, (H.double(), H)), RuntimeError, "hx dtype .*float64.* does not match input dtype"),
}
GRU_ERRORS = {
    "2-D state": ((X, H[0]), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D tensor"),
    "3-D unbatched": (
        (X[:, 0], H),
        RuntimeError,
        "For unbatched 2-D input, hx should also be 2-D but got 3-D",
    ),
    "size": ((X, H[:, :1]), RuntimeError, r"Expected hidden size \(1, 2, 4\), got \[1, 1, 4\]"),
    "pair": ((X, (H, H)), TypeError, "hx should be one tensor, the membrane potential, got: tuple"),
}


@pytest.mark.parametrize("case", FORWARD_ERRORS)
def test_forward_errors(layer_type, case):
    args, error, match = FORWARD_ERRORS[case]
    with pytest.raises(error, match=match.format(name=layer_type.__name__)):
        layer_type(3, 4)(*args)


@pytest.mark.parametrize("case", GRU_ERRORS)
def test_forward_errors_of_the_gru_format(layer_type, case):
    args, error, match = GRU_ERRORS[case]
    with pytest.raises(error, match=match):
        layer_type(3, 4, state_format="gru")(*args)


# packed sequences: the oracle tests are in test_equalities.py


@pytest.mark.parametrize("lengths", [(5, 3, 2), (2, 5, 3)], ids=["sorted", "unsorted"])
def test_packed_output_keeps_the_index_objects(layer_type, lengths):
    ordered = lengths == tuple(sorted(lengths, reverse=True))
    packed = pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor(lengths), enforce_sorted=ordered)
    out, _ = layer_type(3, 4)(packed)
    assert isinstance(out, PackedSequence)
    assert out.batch_sizes is packed.batch_sizes
    assert out.sorted_indices is packed.sorted_indices
    assert out.unsorted_indices is packed.unsorted_indices
    assert out.data.shape == (sum(lengths), 4)


def test_packed_errors_come_before_the_permutation(layer_type):
    packed = pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([2, 5, 3]), enforce_sorted=False)
    small = torch.zeros(1, 2, 4)
    with pytest.raises(RuntimeError, match=r"Expected hidden\[0\] size \(1, 3, 4\), got \[1, 2, 4\]"):
        layer_type(3, 4)(packed, (small, small))
    with pytest.raises(RuntimeError, match="input must have 2 dimensions, got 3"):
        layer_type(3, 4)(PackedSequence(torch.zeros(4, 1, 3), torch.tensor([2, 2])))


# dropout


def test_dropout_touches_outputs_between_layers_only(layer_type):
    layer = layer_type(3, 16, 2, dropout=1.0, threshold=0.1)
    x = 3 * torch.randn(6, 4, 3)
    _, (h, _) = layer(x)
    assert h[0].abs().sum() > 0
    first = torch.equal(layer(x)[0], layer(torch.zeros_like(x))[0])
    assert first, "with every output between the layers dropped the input cannot matter"
    layer.eval()
    assert not torch.equal(layer(x)[0], layer(torch.zeros_like(x))[0])
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_dropout_is_drawn_anew_for_each_step():
    layer = LIAF(3, 50, 2, dropout=0.5, activation="identity", feedback=None, decay=0.0, learn_decay=False)
    with torch.no_grad():
        layer.weight_ih_l1.copy_(torch.eye(50))
        layer.bias_ih_l1.zero_()
        out, _ = layer(torch.ones(2, 1, 3))
    assert ((out[0] == 0) != (out[1] == 0)).any()


# plumbing


def test_extra_repr():
    assert repr(LIAF(3, 4)) == "LIAF(3, 4)"
    layer = LIAF(3, 4, 2, False, True, 0.2, True, activation="relu", decay=torch.rand(4))
    assert repr(layer) == (
        "LIAF(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.2, bidirectional=True, "
        "activation='relu', decay=tensor(shape=(4,)))"
    )


def test_helpers_that_code_in_the_wild_calls(layer_type):
    layer = layer_type(3, 4, 2, bidirectional=True)
    x = torch.zeros(5, 2, 3)
    layer.flatten_parameters()
    assert layer.get_expected_hidden_size(x, None) == (4, 2, 4)
    assert layer.get_expected_cell_size(x, None) == (4, 2, 4)
    layer.check_input(x, None)
    hidden = torch.arange(32.0).view(4, 2, 4)
    layer.check_forward_args(x, (hidden, hidden), None)
    swapped = layer.permute_hidden((hidden, hidden), torch.tensor([1, 0]))
    assert torch.equal(swapped[1], hidden.flip(1))


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_copies_are_equal_and_independent(layer_type, how):
    layer = layer_type(3, 4, 2, learn_decay=False, decay=torch.rand(4))
    if how == "deepcopy":
        twin = copy.deepcopy(layer)
    elif how == "pickle":
        twin = pickle.loads(pickle.dumps(layer))
    else:
        file = io.BytesIO()
        torch.save(layer, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    x = 3 * torch.randn(5, 2, 3)
    before = layer(x)[0]
    assert torch.equal(before, twin(x)[0])
    with torch.no_grad():
        twin.weight_hh_l0.add_(1)
        twin.fixed_decay_l0.zero_()
    assert torch.equal(before, layer(x)[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_conversion_to_other_dtypes(layer_type, dtype):
    layer = layer_type(3, 4, 2).to(dtype)
    out, (h, c) = layer(torch.randn(5, 2, 3, dtype=dtype))
    assert out.dtype == h.dtype == c.dtype == dtype
    assert {p.dtype for p in layer.parameters()} | {b.dtype for b in layer.buffers()} == {dtype}
    out.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == dtype for p in layer.parameters())


def test_low_precision_stays_close_to_float32():
    layer = LIAF(16, 32, threshold=100.0)  # a spike on one side alone would move a potential by far
    x = torch.randn(30, 4, 16)
    exact = layer(x)[0]
    rough = copy.deepcopy(layer).bfloat16()(x.bfloat16())[0].float()
    torch.testing.assert_close(rough, exact, atol=0.1, rtol=0.1)


def test_autocast_keeps_the_inputs_dtype_and_the_membrane_precise(layer_type):
    layer = layer_type(3, 4, 2)
    x = 3 * torch.randn(5, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, (h, c) = layer(x)
        half, _ = layer(x.bfloat16())
    assert out.dtype == h.dtype == c.dtype == torch.float32
    assert half.dtype == torch.bfloat16
    # products in bfloat16, membrane in float32: the potentials are not rounded to bfloat16
    assert not torch.equal(c, c.bfloat16().float())
    out.sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters())


def test_meta_device_and_materialisation(layer_type):
    with torch.device("meta"):
        layer = layer_type(3, 4, 2, bidirectional=True)
    out, (h, _) = layer(torch.empty(5, 2, 3, device="meta"))
    assert out.is_meta
    assert out.shape == (5, 2, 8)
    assert h.shape == (4, 2, 4)
    layer.to_empty(device="cpu")
    torch.manual_seed(5)
    layer.reset_parameters()
    torch.manual_seed(5)
    expected = layer_type(3, 4, 2, bidirectional=True)
    x = torch.randn(5, 2, 3)
    assert torch.equal(layer(x)[0], expected(x)[0])
    assert skip_init(layer_type, 3, 4).weight_ih_l0.shape == (4, 3)


def test_functional_call_and_replaced_parameters(layer_type):
    layer = layer_type(3, 4)
    x = 3 * torch.randn(5, 2, 3)
    other = layer_type(3, 4)
    changed = torch.func.functional_call(layer, dict(other.named_parameters()), (x,))[0]
    assert torch.equal(changed, other(x)[0])
    layer.load_state_dict(other.state_dict())
    layer.weight_ih_l0 = nn.Parameter(torch.zeros(4, 3))
    assert torch.equal(layer(x)[0], layer(torch.zeros_like(x))[0])
    del layer.weight_ih_l0
    layer.weight_ih_l0 = other.weight_ih_l0.detach().clone()
    assert torch.equal(layer(x)[0], other(x)[0])


def test_parametrisation(layer_type):
    layer = layer_type(3, 4)
    x = 3 * torch.randn(5, 2, 3)
    before = layer(x)[0]
    parametrizations.weight_norm(layer, "weight_hh_l0")
    torch.testing.assert_close(layer(x)[0], before)
    layer.parametrizations.weight_hh_l0.original0.data.zero_()
    silenced = copy.deepcopy(layer)
    assert not torch.allclose(silenced.weight_ih_l0, torch.zeros(()))
    assert silenced.weight_hh_l0.abs().sum() == 0


def test_hook_sees_the_tuple(layer_type):
    layer = layer_type(3, 4)
    seen = []
    layer.register_forward_hook(lambda _m, _i, out: seen.append(out))
    out = layer(torch.randn(5, 2, 3))
    assert seen[0][0] is out[0]
    assert len(seen[0][1]) == 2
