"""The convolutional layers: nn.Conv2d's contract, the recurrent layers' states, plumbing."""

from __future__ import annotations

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import skip_init
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from liafseq import ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, SynapticConv2d, over_time

CONVS = [ConvLIAF, ConvLIF, ConvDALIF, ConvMLIF]
ALL = [*CONVS, SynapticConv2d]
of_torch = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


@pytest.fixture(params=CONVS, ids=lambda c: c.__name__)
def conv_type(request):
    return request.param


GATED = {"gated": True, "feedback": "output"}
MEMORY = {"plain": {"synapse": True}, "recurrent": {"synapse": True, "feedback": "output"}, "gated": GATED}


@pytest.fixture(params=ALL, ids=lambda c: c.__name__)
def any_type(request):
    return request.param


def states(state):
    return (state,) if isinstance(state, torch.Tensor) else tuple(state)


def maps(*shape):
    return 2 * torch.randn(shape)


# constructor


def test_signature_is_torchs_and_the_rest_is_keyword_only(any_type):
    parameters = list(inspect.signature(any_type).parameters.values())
    torchs = list(inspect.signature(nn.Conv2d).parameters.values())[:9]
    assert [(p.name, p.default) for p in parameters[:9]] == [(p.name, p.default) for p in torchs]
    assert parameters[9].name == "batch_first"
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[10:])


TORCHS_ERRORS = [
    {"groups": 0},
    {"groups": 2},
    {"groups": 3},
    {"padding": "full"},
    {"padding": "same", "stride": 2},
    {"padding_mode": "ones"},
]


@pytest.mark.parametrize("options", TORCHS_ERRORS, ids=str)
def test_arguments_are_refused_as_torch_refuses_them(any_type, options):
    with pytest.raises(ValueError) as torchs:  # noqa: PT011 - the text is compared
        nn.Conv2d(3, 4, 3, **options)
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        any_type(3, 4, 3, **options)
    assert str(ours.value) == str(torchs.value)


OPTION_ERRORS = [
    ({"normalization": "layer"}, ValueError, "normalization should be one of 'batch', None, got: 'layer'"),
    ({"batch_first": 1}, TypeError, "batch_first should be of type bool, got: int"),
    ({"share": "neuron"}, ValueError, "share should be one of 'layer', 'channel', got: 'neuron'"),
    ({"synapse_decay": 1.5, "synapse": True}, ValueError, "synapse_decay should be an initial value"),
    ({"learn_synapse_decay": 1, "synapse": True}, TypeError, "learn_synapse_decay should be of type bool"),
]
NEURON_ERRORS = [
    ({"synapse": 1}, TypeError, "synapse should be of type bool, got: int"),
    ({"recurrent_kernel_size": 3}, ValueError, "recurrent_kernel_size: without feedback"),
    ({"feedback": "spikes"}, ValueError, "feedback should be one of 'output', 'membrane', None"),
    ({"decay": torch.full((3,), 0.5)}, ValueError, r"shape \(\) or \(4,\).*got: \(3,\)"),
    ({"state_format": "rnn"}, ValueError, "state_format should be one of 'lstm', 'gru'"),
    ({"gated": 1}, TypeError, "gated should be of type bool, got: int"),
    ({"gated": True}, ValueError, "gated=True needs feedback='output'"),
    ({**GATED, "synapse": True}, ValueError, "synapse=True cannot be with gated=True"),
]


@pytest.mark.parametrize(("options", "error", "match"), OPTION_ERRORS, ids=str)
def test_errors_of_options(any_type, options, error, match):
    if any_type is SynapticConv2d:
        options = {name: value for name, value in options.items() if name != "synapse"}
    with pytest.raises(error, match=match):
        any_type(3, 4, 3, **options)


@pytest.mark.parametrize(("options", "error", "match"), NEURON_ERRORS, ids=str)
def test_errors_of_neuron_options(conv_type, options, error, match):
    with pytest.raises(error, match=match):
        conv_type(3, 4, 3, **options)


def test_groups_divide_the_channels_not_the_rows_of_the_weights(conv_type):
    with pytest.raises(ValueError, match="out_channels must be divisible by groups"):
        conv_type(2, 3, 3, groups=2, **GATED)


# parameters


def test_a_seed_gives_nn_conv2ds_weights(any_type):
    torch.manual_seed(3)
    torchs = nn.Conv2d(4, 6, (3, 2), groups=2)
    torch.manual_seed(3)
    ours = any_type(4, 6, (3, 2), groups=2)
    assert torch.equal(ours.weight, torchs.weight)
    assert torch.equal(ours.bias, torchs.bias)
    assert isinstance(ours, nn.Conv2d)


def test_a_gated_layers_weights_are_those_of_twice_the_channels(conv_type):
    torch.manual_seed(3)
    torchs = nn.Conv2d(4, 12, (3, 2), groups=2)
    torch.manual_seed(3)
    ours = conv_type(4, 6, (3, 2), groups=2, **GATED)
    assert torch.equal(ours.weight, torchs.weight)
    assert torch.equal(ours.bias, torchs.bias)
    bound = (3 * 3 * 2) ** -0.5
    assert 0.9 * bound < ours.weight_hh[6:].abs().max() <= bound


@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_reset_parameters_repeats_the_constructor(conv_type, memory):
    options = {"normalization": "batch", "decay": (0.2, 0.4), **memory}
    torch.manual_seed(3)
    layer = conv_type(2, 3, 3, **options)
    first = copy.deepcopy(layer.state_dict())
    for tensor in layer.state_dict().values():
        tensor.fill_(7)
    torch.manual_seed(3)
    layer.reset_parameters()
    assert all(torch.equal(first[name], value) for name, value in layer.state_dict().items())


def test_names_and_shapes_of_parameters():
    layer = ConvLIAF(
        4, 6, 3, groups=2, feedback="output", recurrent_kernel_size=(1, 5), normalization="batch",
        synapse=True, share="layer",
    )  # fmt: skip
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    assert shapes == {
        "weight": (6, 2, 3, 3), "bias": (6,), "weight_hh": (6, 3, 1, 5), "decay": (), "synapse_decay": (),
        "norm.weight": (6,), "norm.bias": (6,),
    }  # fmt: skip
    buffers = {name for name, _ in layer.named_buffers()}
    assert buffers == {
        "fixed_threshold", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    }  # fmt: skip
    gated = ConvLIAF(4, 6, 3, groups=2, normalization="batch", recurrent_kernel_size=(1, 5), **GATED)
    shapes = {name: tuple(p.shape) for name, p in gated.named_parameters()}
    assert shapes == {
        "weight": (12, 2, 3, 3), "bias": (12,), "weight_hh": (12, 3, 1, 5), "decay": (6,),
        "norm.weight": (12,), "norm.bias": (12,),
    }  # fmt: skip
    assert gated.out_channels == 6
    assert ConvLIF(4, 6, 3).decay.shape == (6,)
    assert ConvLIF(4, 6, 3).weight_hh is None
    assert layer.neuron_parameters()["synapse_decay"].item() == pytest.approx(0.5)


@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_state_dict_round_trip_and_refusal(conv_type, memory):
    options = {"normalization": "batch", "decay": (0.2, 0.8), **memory}
    one, other = conv_type(2, 3, 3, **options), conv_type(2, 3, 3, **options)
    x = maps(3, 2, 2, 6, 6)
    one(x)  # running statistics
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.eval()(x), one.eval()(x))
    with pytest.raises(RuntimeError, match="fixed_decay"):
        conv_type(2, 3, 3, learn_decay=False, **options).load_state_dict(one.state_dict())


def test_copies(any_type):
    layer = any_type(2, 3, 3, normalization="batch").eval()
    x = maps(3, 2, 2, 6, 6)
    layer(x)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        torch.testing.assert_close(twin(x), layer(x))
        assert next(twin.parameters()) is not next(layer.parameters())


def test_skip_init_and_meta(any_type):
    layer = skip_init(any_type, 2, 3, 3, padding=1)
    layer.reset_parameters()
    assert layer(maps(2, 1, 2, 5, 5))[0].isfinite().all()
    out, _ = any_type(2, 3, 3, device="meta")(torch.empty(4, 2, 2, 6, 6, device="meta"))
    assert (out.shape, out.device.type) == ((4, 2, 3, 4, 4), "meta")


def test_repr():
    layer = ConvLIAF(
        2, 3, 3, padding=1, batch_first=True, normalization="batch", decay=torch.full((3,), 0.5), synapse=True
    )
    first = repr(layer).splitlines()[0]
    assert first == ("ConvLIAF(")
    line = repr(layer).splitlines()[1].strip()
    assert line == (
        "2, 3, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), batch_first=True, "
        "normalization='batch', synapse=True, decay=tensor(shape=(3,))"
    )
    assert "(norm): BatchNorm2d(3" in repr(layer)
    assert repr(ConvLIF(2, 3, 3)) == "ConvLIF(2, 3, kernel_size=(3, 3), stride=(1, 1))"
    gated = "ConvLIF(2, 3, kernel_size=(3, 3), stride=(1, 1), feedback='output', gated=True)"
    assert repr(ConvLIF(2, 3, 3, **GATED)) == gated
    assert repr(SynapticConv2d(2, 3, 1)).startswith("SynapticConv2d(\n  2, 3, kernel_size=(1, 1)")


def test_dtype_moves_everything(any_type):
    layer = any_type(2, 3, 3, normalization="batch").to(torch.float64)
    out, state = layer(maps(2, 1, 2, 5, 5).double())
    assert {t.dtype for t in (out, *states(state), *layer.parameters())} == {torch.float64}
    half = any_type(2, 3, 3, dtype=torch.bfloat16)
    out, state = half(maps(2, 1, 2, 5, 5).bfloat16())
    assert {t.dtype for t in (out, *states(state))} == {torch.bfloat16}


def test_the_membrane_is_float32_under_bfloat16():
    layer = ConvLIAF(1, 1, 1, bias=False, decay=1.0, learn_decay=False, threshold=1e6, dtype=torch.bfloat16)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    x = torch.full((600, 1, 1, 1, 1), 1.0, dtype=torch.bfloat16)
    # bfloat16 would stop counting at 256
    assert layer(x)[0][-1].item() == 600


def test_autocast(any_type):
    layer = any_type(2, 3, 3)
    x = maps(3, 2, 2, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        out, state = layer(x)
        again, _ = layer(x, state)
    assert {t.dtype for t in (out, again, *states(state))} == {torch.float32}
    out.sum().backward()
    assert layer.weight.grad.isfinite().all()
    if any_type in (ConvLIAF, SynapticConv2d):
        torch.testing.assert_close(out, layer(x)[0], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_gate_in_lower_precision(conv_type, dtype):
    layer = conv_type(2, 3, 3, normalization="batch", threshold=50.0, **GATED)
    x = maps(3, 2, 2, 6, 6)
    layer(x)
    layer.eval()
    out, (_, c) = layer(x)
    with torch.autocast("cpu", dtype):
        cast, (_, cast_c) = layer(x)
    half, (_, half_c) = layer.to(dtype)(x.to(dtype))
    assert (cast.dtype, cast_c.dtype, half.dtype, half_c.dtype) == (out.dtype, out.dtype, dtype, dtype)
    torch.testing.assert_close(cast_c, c, atol=0.1, rtol=0.1)
    torch.testing.assert_close(half_c.float(), c, atol=0.1, rtol=0.1)


# input and state


@pytest.mark.covers(2)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("memory", [{}, *MEMORY.values()], ids=["none", *MEMORY])
def test_shapes(conv_type, batch_first, memory, state_format):
    layer = conv_type(
        2, 3, (3, 2), stride=(2, 1), padding=(0, 1), batch_first=batch_first, state_format=state_format,
        **memory,
    )  # fmt: skip
    synapse = "synapse" in memory
    out, state = layer(maps(4, 5, 2, 7, 6))
    assert out.shape == (4, 5, 3, 3, 7)
    batch = 4 if batch_first else 5
    assert len(states(state)) == (1 if state_format == "gru" else 2) + synapse
    assert all(s.shape == (batch, 3, 3, 7) for s in states(state))
    out, state = layer(maps(4, 2, 7, 6))
    assert out.shape == (4, 3, 3, 7)
    assert all(s.shape == (3, 3, 7) for s in states(state))
    out, state = layer(maps(4, 2, 7, 6), state)
    assert out.shape == (4, 3, 3, 7)


@pytest.mark.parametrize("options", [{}, GATED], ids=["plain", "gated"])
def test_h_n_is_the_last_output_and_emit_gives_it(conv_type, options):
    layer = conv_type(2, 3, 3, state_format="lstm", **options)
    out, (h, c) = layer(maps(4, 2, 2, 6, 6))
    assert torch.equal(out[-1], h)
    torch.testing.assert_close(layer.emit(c), h)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 0, 4), (3, 0, 4), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("memory", [{}, GATED], ids=["plain", "gated"])
def test_small_sizes(any_type, size, memory):
    steps, batch, side = size
    layer = any_type(2, 3, 1, normalization=None, **({} if any_type is SynapticConv2d else memory))
    x = maps(steps, batch, 2, side, side).requires_grad_()
    out, state = layer(x)
    assert out.shape == (steps, batch, 3, side, side)
    assert all(s.shape == (batch, 3, side, side) for s in states(state))
    out.sum().backward()
    assert x.grad.shape == x.shape


BAD_INPUT = [
    (
        lambda: maps(2, 6, 6),
        RuntimeError,
        r"Expected 4D \(unbatched\) or 5D \(batched\) input to \w+, but got",
    ),
    (lambda: maps(1, 2, 2, 2, 6, 6), RuntimeError, r"Expected 4D \(unbatched\) or 5D"),
    (lambda: maps(4, 2, 3, 6, 6), RuntimeError, "to have 2 channels, but got 3 channels"),
    (lambda: maps(4, 2, 2, 2, 2), RuntimeError, "Kernel size can't be greater than actual input size"),
    (lambda: maps(0, 2, 2, 6, 6), RuntimeError, "Expected sequence length to be larger than 0"),
    (lambda: maps(4, 2, 2, 6, 6).double(), RuntimeError, "should be the same|Input type|same dtype"),
    (lambda: PackedSequence(maps(3, 2), torch.tensor([2, 1])), RuntimeError, "packed data of 4 dimensions"),
]


@pytest.mark.parametrize(("make", "error", "match"), BAD_INPUT, ids=[b[2][:20] for b in BAD_INPUT])
def test_bad_input(any_type, make, error, match):
    with pytest.raises(error, match=match):
        any_type(2, 3, 3)(make())


def test_bad_states():
    x = maps(4, 2, 2, 6, 6)
    good = torch.zeros(2, 3, 4, 4)
    pair, one = ConvLIAF(2, 3, 3), ConvLIAF(2, 3, 3, state_format="gru")
    more = ConvLIAF(2, 3, 3, synapse=True)
    for layer, hx, error, match in [
        (pair, good, TypeError, r"ConvLIAF: hx should be \(h_0, c_0\), 2 tensors, got: Tensor"),
        (pair, (good,), TypeError, "got: 1 values"),
        (pair, (good, None), TypeError, r"hx should be \(h_0, c_0\)"),
        (one, (good, good), TypeError, "hx should be one tensor, c_0, got: tuple"),
        (more, (good, good), TypeError, r"hx should be \(h_0, c_0, i_0\), 3 tensors, got: 2 values"),
        (SynapticConv2d(2, 3, 3), (good,), TypeError, "hx should be one tensor, i_0, got: tuple"),
        (pair, (good, good[:1]), RuntimeError, r"Expected c_0 size \(2, 3, 4, 4\), got \(1, 3, 4, 4\)"),
        (one, good[0], RuntimeError, r"Expected c_0 size \(2, 3, 4, 4\), got \(3, 4, 4\)"),
        (one, good.double(), RuntimeError, "c_0 dtype .*float64.* does not match input dtype"),
    ]:
        with pytest.raises(error, match=match):
            layer(x, hx)


def test_a_given_state_and_input_stay_as_they_are(any_type):
    layer = any_type(2, 3, 3, normalization=None)
    x = maps(4, 2, 2, 6, 6)
    _, state = layer(x)
    kept = [t.clone() for t in (x, *states(state))]
    layer(x, state)
    assert all(torch.equal(a, b) for a, b in zip(kept, (x, *states(state)), strict=True))


def test_batch_normalisation_is_torchs_over_steps_and_sequences():
    layer = ConvLIAF(2, 3, 3, normalization="batch", threshold=1e6, activation="identity", decay=0.0,
                     learn_decay=False)  # fmt: skip
    norm = nn.BatchNorm2d(3)
    x = maps(4, 5, 2, 6, 6)
    current = nn.functional.conv2d(x.flatten(0, 1), layer.weight, layer.bias)
    torch.testing.assert_close(layer(x)[0].flatten(0, 1), norm(current), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer.norm.state_dict(), norm.state_dict())
    norm.eval()
    torch.testing.assert_close(layer.eval()(x)[0].flatten(0, 1), norm(current), atol=1e-5, rtol=1e-5)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in layer.modules()) == 1


# packing, pieces


@pytest.mark.covers(2)
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [1, 5, 3, 3], [4, 4]], ids=["sorted", "unsorted", "equal"])
@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_packed_is_each_sequence_alone(conv_type, state_format, lengths, memory):
    layer = conv_type(2, 3, 3, state_format=state_format, **memory).double()
    x = 3 * torch.randn(max(lengths), len(lengths), 2, 5, 6, dtype=torch.float64)
    ordered = lengths == sorted(lengths, reverse=True)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=ordered)
    out, state = layer(packed)
    again, last = layer(packed, state)
    padded, found = pad_packed_sequence(out)
    assert found.tolist() == lengths
    twice, _ = pad_packed_sequence(again)
    for i, length in enumerate(lengths):
        alone, own = layer(x[:length, i : i + 1])
        torch.testing.assert_close(padded[:length, i : i + 1], alone)
        torch.testing.assert_close([s[i : i + 1] for s in states(state)], list(states(own)))
        alone, own = layer(x[:length, i : i + 1], own)
        torch.testing.assert_close(twice[:length, i : i + 1], alone)
        torch.testing.assert_close([s[i : i + 1] for s in states(last)], list(states(own)))


@pytest.mark.covers(2)
@pytest.mark.parametrize(
    "memory",
    [*MEMORY.values(), {"synapse": True, "feedback": "membrane"}],
    ids=[*MEMORY, "membrane"],
)
@pytest.mark.parametrize("batch_first", [False, True])
def test_pieces_make_the_whole(conv_type, state_format, memory, batch_first):
    layer = conv_type(
        2, 3, 3, normalization="batch", state_format=state_format, batch_first=batch_first, **memory
    ).double()
    time = 1 if batch_first else 0
    shape = (2, 7, 2, 6, 6) if batch_first else (7, 2, 2, 6, 6)
    x = 3 * torch.randn(shape, dtype=torch.float64)
    layer(x)
    layer.eval()
    whole, state = layer(x)
    outputs, hx = [], None
    for piece in x.split([3, 1, 3], dim=time):
        out, hx = layer(piece, hx)
        outputs.append(out)
    torch.testing.assert_close(torch.cat(outputs, time), whole)
    torch.testing.assert_close(states(hx), states(state))
    parameters = list(layer.parameters())
    grads = [
        torch.autograd.grad((o**2).sum() + sum(t.sum() for t in states(s)), parameters)
        for o, s in ((whole, state), (torch.cat(outputs, time), hx))
    ]
    torch.testing.assert_close(grads[0], grads[1])


def test_stacking_blocks_before_a_layer_is_the_option():
    """SynapticConv2d and then a neuron per pixel are the layer with ``synapse``."""
    block = SynapticConv2d(2, 3, 3, normalization="batch")
    layer = ConvLIAF(2, 3, 3, normalization="batch", synapse=True)
    neuron = ConvLIAF(3, 3, 1, bias=False)
    layer.load_state_dict({**layer.state_dict(), **block.state_dict()})
    with torch.no_grad():
        neuron.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
    x = maps(5, 2, 2, 6, 6)
    current, charge = block(x)
    out, (_, c, i) = layer(x)
    torch.testing.assert_close(neuron(current)[0], out, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(neuron(current)[1][1], c, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(charge, i)


# other modules around it


def test_over_time():
    x = maps(4, 2, 3, 8, 8)
    pool, head = nn.MaxPool2d(2), nn.Linear(8, 5)
    assert torch.equal(over_time(pool, x), torch.stack([pool(step) for step in x]))
    out, _ = ConvLIAF(3, 4, 3)(x)
    assert over_time(pool, out).shape == (4, 2, 4, 3, 3)
    assert over_time(head, x).shape == (4, 2, 3, 8, 5)
    packed = pack_padded_sequence(x, torch.tensor([4, 1]))
    pooled = over_time(pool, packed)
    assert isinstance(pooled, PackedSequence)
    assert torch.equal(pad_packed_sequence(pooled)[0][:, 0], torch.stack([pool(s) for s in x[:, 0]]))
    with pytest.raises(ValueError, match="at least 3 dimensions"):
        over_time(pool, maps(4, 2))


def test_layers_stack_without_copies_of_maps():
    """What a layer gives is what the next one's convolution wants: channels last."""
    out, _ = ConvLIAF(2, 8, 3)(maps(3, 2, 2, 9, 9))
    assert out.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert out.flatten(0, 1).data_ptr() == out.data_ptr()


def test_results_can_be_changed_in_place(any_type):
    layer = any_type(2, 3, 3)
    out, state = layer(maps(3, 2, 2, 6, 6))
    nn.ReLU(inplace=True)(out)
    states(state)[0].mul_(2)
    (out.sum() + states(state)[0].sum()).backward()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("options", [{}, GATED], ids=["plain", "gated"])
def test_what_is_not_a_number_shows(conv_type, options):
    out, (_, c) = conv_type(2, 3, 3, **options)(torch.full((2, 1, 2, 5, 5), torch.nan))
    assert out.isnan().all()
    assert c.isnan().all()


# torch.func, compile, export


def results(layer, x):
    out, state = layer(x)
    loss = (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() + states(state)[-1].sum()
    return [out, *states(state), *torch.autograd.grad(loss, list(layer.parameters()))]


QUICK = ((ConvLIAF, "plain"), (ConvMLIF, "recurrent"), (ConvDALIF, "gated"))
COMPILED = [
    pytest.param(c, MEMORY[m], id=f"{c.__name__}-{m}",
                 marks=() if (c, m) in QUICK else pytest.mark.exhaustive)
    for c in CONVS
    for m in MEMORY
]  # fmt: skip


@of_torch
@pytest.mark.parametrize(("conv_type", "memory"), COMPILED)
def test_compile_in_one_graph(conv_type, memory):
    torch._dynamo.reset()
    layer = conv_type(2, 3, 3, normalization="batch", **memory).eval()
    x = maps(3, 2, 2, 5, 5)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for found, expected in zip(results(compiled, x), results(layer, x), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_export(conv_type, memory):
    layer = conv_type(2, 3, 3, **memory)
    x = maps(3, 2, 2, 5, 5)
    program = torch.export.export(layer, (x,))
    assert "liafseq" not in str(program.graph)
    torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.parametrize(
    "memory",
    [{"synapse": True}, {"feedback": "membrane"}, {**GATED, "normalization": "batch"}],
    ids=["plain", "membrane", "gated"],
)
def test_vmap_over_unbatched_sequences(conv_type, memory):
    layer = conv_type(2, 3, 3, **memory).eval()
    x = maps(4, 3, 2, 6, 6)
    out, state = torch.vmap(layer, in_dims=1, out_dims=(1, 0))(x)
    expected, found = layer(x)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state, found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY)
def test_vmap_over_an_ensemble_and_its_gradients(conv_type, memory):
    models = [conv_type(2, 3, 3, **memory) for _ in range(2)]
    parameters, buffers = torch.func.stack_module_state(models)
    x = maps(3, 2, 2, 5, 5)

    def loss(p, b):
        return torch.func.functional_call(models[0], (p, b), (x,))[0].square().sum()

    grads = torch.vmap(torch.func.grad(loss))(parameters, buffers)
    for k, model in enumerate(models):
        model(x)[0].square().sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(grads[name][k], parameter.grad, atol=1e-4, rtol=1e-4)


@of_torch
def test_jvp_agrees_with_the_backward_pass(conv_type):
    layer = conv_type(2, 3, 3, synapse=True)
    x, tangent = maps(3, 2, 2, 5, 5), maps(3, 2, 2, 5, 5)
    _, forward = torch.func.jvp(lambda x: layer(x)[0].sum(), (x,), (tangent,))
    (grad,) = torch.autograd.grad(layer(x.requires_grad_())[0].sum(), x)
    torch.testing.assert_close(forward, (grad * tangent).sum(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "memory",
    [pytest.param(MEMORY["plain"], marks=pytest.mark.exhaustive), MEMORY["recurrent"], GATED],
    ids=MEMORY,
)
def test_gradients_once_and_twice_where_nothing_crosses_the_threshold(memory):
    kernel = 1 if "feedback" in memory else None
    layer = ConvLIAF(1, 2, 2, threshold=50.0, activation="tanh", recurrent_kernel_size=kernel, **memory)
    layer = layer.double()
    names = [n for n, _ in layer.named_parameters()]
    x = torch.randn(3, 1, 1, 3, 2, dtype=torch.float64, requires_grad=True)

    def f(x, *values):
        out, (_, *rest) = torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))
        return out, *rest

    inputs = (x, *(p.detach().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs, atol=1e-4)


def test_what_is_kept_for_the_backward_pass():
    """Beside parameters and the input: currents and potentials, and nothing else as large."""
    layer = ConvLIF(2, 8, 3, share="layer")
    x = maps(5, 3, 2, 10, 10).flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (5, 3))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        out, _ = layer(x)
    large = [t for t in kept if t.numel() >= out.numel()]
    assert sum(t.numel() for t in large) <= out.numel()
