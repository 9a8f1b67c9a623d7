"""The convolutional layers against a plain loop of the equations: outputs, final state, every gradient."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from calls import assert_parity, make_call

from liafseq import LIAF, ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, SynapticConv2d, ops
from liafseq._modules.conv import Layout
from liafseq.ops import Steps
from liafseq.surrogate import SURROGATES, spike

NEURONS = {
    "liaf": (ConvLIAF, {"threshold": 0.6, "leak": 0.1}),
    "liaf-related": (ConvLIAF, {"threshold_related": True, "activation": "tanh", "normalize_current": True}),
    "lif": (ConvLIF, {"learn_threshold": True, "normalize_current": True}),
    "dalif": (ConvDALIF, {"gain": (-0.9, 0.9), "decay": (-0.9, 0.9)}),
    "dalif-analog": (ConvDALIF, {"output": "analog", "activation": "softplus"}),
    "mlif": (ConvMLIF, {"levels": 3, "threshold": 0.3}),
}
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "softplus": F.softplus}


def loop(layer, x, state=None):
    """(T, N, C, H, W) through the equations of the documentation; output and the whole state."""
    o = layer.options
    p = {name: value.reshape(-1, 1, 1) for name, value in layer.neuron_parameters().items()}
    alpha, theta, beta = p["decay"], p["threshold"], p.get("leak", 0.0)
    analog = o.output == "analog"
    levels = o.levels
    gain = p["gain"] if "gain" in p else 1 - alpha if o.normalize_current else 1.0
    opened, closed = (torch.tanh, torch.atanh) if "gain" in p else (torch.sigmoid, torch.logit)
    channels = layer.out_channels
    blocks = [slice(None)] if not o.gated else [slice(channels), slice(channels, None)]

    def project(x):
        bias = layer.bias
        parts = [
            F.conv2d(x, layer.weight[rows], None if bias is None else bias[rows], layer.stride, layer.padding,
                     layer.dilation, layer.groups)
            for rows in blocks
        ]  # fmt: skip
        current = torch.cat(parts, 1)
        current = current if layer.norm is None else layer.norm(current)
        return current[:, :channels], current[:, channels:]

    def feed(r, rows=blocks[0]):
        kernel = layer.weight_hh
        if kernel is None:
            return 0.0
        # of an even kernel the last side is the larger one
        padded = F.pad(r, [n for k in kernel.shape[:1:-1] for n in ((k - 1) // 2, k // 2)])
        return F.conv2d(padded, kernel[rows], groups=layer.groups)

    def fire(u):
        return sum(spike(u - k * theta, o.surrogate, o.surrogate_width) for k in range(1, levels + 1))

    def kept(u):
        s = fire(u)
        s = s.detach() if o.detach_reset else s
        resets = {"hard": u * (1 - s) + o.v_reset * s, "soft": u - theta * s, "none": u}
        r = resets[o.reset]
        return r if o.gated else alpha * r + beta

    def emit(u):
        if not analog:
            return fire(u)
        return ACTIVATIONS[o.activation](u - theta if o.threshold_related else u)

    v = y = charge = 0.0
    if state is not None:
        y, u = state[:2]
        v = kept(u)
        charge = state[2] if o.synapse else 0.0
    outputs = []
    for step in x:
        now, gate = project(step)
        charge = (p["synapse_decay"] * charge if o.synapse else 0.0) + now
        if not torch.is_tensor(y):
            v, y = torch.zeros_like(now), torch.zeros_like(now)
        if o.gated:
            a = opened(closed(alpha) + gate + feed(y, blocks[1]))
            u = a * v + beta + ((1 - a) if o.normalize_current else gain) * (now + feed(y))
        elif o.feedback == "membrane":
            u = gain * (charge + feed(v))
        else:
            u = v + gain * (charge + (feed(y) if o.feedback else 0.0))
        y, v = emit(u), kept(u)
        outputs.append(y)
    return torch.stack(outputs), (y, u, charge)[: 3 if o.synapse else 2]


def gradients(layer, given, results):
    loss = sum((t * torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view(t.shape)).sum() for t in results)
    named = [*layer.named_parameters(), *given]
    found = torch.autograd.grad(loss, [t for _, t in named], allow_unused=True)
    return {n: torch.zeros_like(t) if g is None else g for (n, t), g in zip(named, found, strict=True)}


def assert_is_the_loop(layer, x, state=None):
    given = [("input", x), *((f"state {i}", s) for i, s in enumerate(state or ()))]
    for _, tensor in given:
        tensor.requires_grad_()
    expected, ends = loop(layer, x, state)
    found, found_ends = layer(x, state)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(tuple(found_ends), tuple(ends))
    ours = gradients(layer, given, (found, *found_ends))
    for name, grad in gradients(layer, given, (expected, *ends)).items():
        torch.testing.assert_close(
            ours[name], grad, rtol=1e-9, atol=1e-9, msg=lambda m, name=name: f"d{name}: {m}"
        )


CASES = [
    case
    for case in itertools.product(
        NEURONS, ("hard", "soft", "none"), (None, "output", "membrane"), ("layer", "channel"), (False, True)
    )
    if case[0] != "mlif" or case[1] == "soft"
    if case[1] != "none" or case[3:] == ("channel", False)
]


def draw(*shape):
    return 2 * torch.randn(shape, dtype=torch.float64)


@pytest.mark.covers(2)
@pytest.mark.parametrize(("neuron", "reset", "feedback", "share", "synapse"), CASES)
def test_every_choice(neuron, reset, feedback, share, synapse):
    kind, options = NEURONS[neuron]
    options = {"surrogate": "arctan", **options, "share": share, "synapse": synapse, "feedback": feedback}
    if kind is not ConvMLIF:
        options |= {"reset": reset, "v_reset": 0.1 if reset == "hard" else 0.0}
    layer = kind(2, 3, 3, padding=1, **options).double()
    parts = 3 if synapse else 2
    assert_is_the_loop(layer, draw(4, 2, 2, 3, 4), tuple(draw(2, 3, 3, 4) for _ in range(parts)))


@pytest.mark.covers(2)
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("share", ["layer", "channel"])
@pytest.mark.parametrize("given", [False, True])
def test_every_choice_with_a_gate(neuron, reset, share, given):
    kind, options = NEURONS[neuron]
    options = {"surrogate": "arctan", **options, "share": share, "gated": True, "feedback": "output"}
    if kind is not ConvMLIF:
        options["reset"] = reset
    layer = kind(2, 3, 3, padding=1, learn_decay=given, **options).double()
    assert_is_the_loop(
        layer, draw(4, 2, 2, 3, 4), tuple(draw(2, 3, 3, 4) for _ in range(2)) if given else None
    )


@pytest.mark.covers(2)
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("feedback", [None, "output"])
def test_every_surrogate(surrogate, detach, feedback):
    options = {"surrogate": surrogate, "surrogate_width": 0.7, "detach_reset": detach, "feedback": feedback}
    assert_is_the_loop(ConvLIF(2, 3, 3, **options).double(), draw(4, 2, 2, 5, 6))


GEOMETRY = [
    {"kernel_size": 1},
    {"kernel_size": (1, 3), "stride": (2, 1), "padding": (0, 1)},
    {"kernel_size": 3, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "groups": 2, "bias": False},
    {"kernel_size": 3, "padding": 1, "normalization": "batch"},
    {"kernel_size": 3, "padding": 1, "recurrent_kernel_size": (3, 1), "feedback": "output", "groups": 2},
]


@pytest.mark.parametrize("geometry", GEOMETRY, ids=str)
@pytest.mark.parametrize("synapse", [False, True])
def test_geometry(geometry, synapse):
    layer = ConvDALIF(4, 6, synapse=synapse, output="analog", **geometry).double()
    layer(draw(4, 3, 4, 7, 6))
    assert_is_the_loop(layer.eval(), draw(5, 3, 4, 7, 6))


GATED_GEOMETRY = [
    *(g for g in GEOMETRY if "recurrent_kernel_size" not in g),
    {"kernel_size": (3, 4), "stride": 2, "groups": 2, "bias": False},
    {"kernel_size": 3, "padding": 1, "recurrent_kernel_size": (3, 1), "groups": 2, "normalization": "batch"},
]


@pytest.mark.parametrize("geometry", GATED_GEOMETRY, ids=str)
@pytest.mark.parametrize("kind", [ConvDALIF, ConvLIAF])
def test_geometry_with_a_gate(kind, geometry):
    options = {"output": "analog"} if kind is ConvDALIF else {"normalize_current": True}
    layer = kind(4, 6, gated=True, feedback="output", **options, **geometry).double()
    layer(draw(4, 3, 4, 7, 6))
    if layer.norm is not None:
        torch.nn.init.uniform_(layer.norm.weight)
        torch.nn.init.normal_(layer.norm.bias)
    assert_is_the_loop(layer.eval(), draw(5, 3, 4, 7, 6))


@pytest.mark.parametrize("options", [{}, {"groups": 2}, {"normalization": "batch"}], ids=str)
def test_a_gate_without_weights_is_the_decay(options):
    more = {"feedback": "output", "normalize_current": True, "decay": (0.1, 0.9), "reset": "hard"}
    options = {**options, **more}
    layer, plain = ConvLIAF(4, 6, 3, gated=True, **options), ConvLIAF(4, 6, 3, **options)
    values = layer.state_dict()
    with torch.no_grad():
        for name, value in values.items():
            if name.startswith(("weight", "bias", "norm.weight")):
                value[6:] = 0
    plain.load_state_dict({n: v[:6] if v.shape and v.shape[0] == 12 else v for n, v in values.items()})
    x = 2 * torch.randn(5, 2, 4, 6, 5)
    state = tuple(2 * torch.randn(2, 6, 4, 3) for _ in range(2))
    torch.testing.assert_close(layer(x, state), plain(x, state), atol=1e-5, rtol=1e-5)


def test_a_layer_of_one_pixel_is_the_sequence_layer():
    conv = ConvLIAF(3, 4, 1, gated=True, feedback="output", activation="tanh", normalize_current=True)
    layer = LIAF(3, 4, gated=True, decay=0.5)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(conv.weight.flatten(1))
        layer.weight_hh_l0.copy_(conv.weight_hh.flatten(1))
        layer.bias_ih_l0.copy_(conv.bias)
        layer.bias_hh_l0.zero_()
        layer.decay_l0.copy_(conv.decay)
    x = torch.randn(7, 2, 3)
    out, (h, c) = conv(x[..., None, None])
    expected, state = layer(x)
    torch.testing.assert_close((out[..., 0, 0], (h[None, ..., 0, 0], c[None, ..., 0, 0])), (expected, state))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes_are_nn_conv2ds(mode):
    layer = SynapticConv2d(2, 3, 3, padding=1, padding_mode=mode, normalization=None, synapse_decay=0.0,
                           learn_synapse_decay=False)  # fmt: skip
    torchs = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode)
    torchs.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    x = torch.randn(4, 2, 2, 6, 5)
    torch.testing.assert_close(layer(x)[0].flatten(0, 1), torchs(x.flatten(0, 1)))


@pytest.mark.parametrize("share", ["layer", "channel"])
@pytest.mark.parametrize("learn", [False, True])
def test_the_synaptic_block(share, learn):
    block = SynapticConv2d(2, 3, 3, synapse_decay=(0.2, 0.9), share=share, learn_synapse_decay=learn).double()
    x, first = draw(5, 2, 2, 6, 5), draw(2, 3, 4, 3)
    block(x)
    block.eval()
    inputs = [x.requires_grad_(), first.requires_grad_(), *block.parameters()]
    decay = block._trait_values("")["synapse_decay"].reshape(-1, 1, 1)
    now, outputs = first, []
    for step in x:
        now = decay * now + block.norm(F.conv2d(step, block.weight, block.bias))
        outputs.append(now)
    expected = [torch.stack(outputs), now]
    found = block(x, first)
    for ours, theirs in ((found, expected),):
        torch.testing.assert_close(list(ours), theirs)
        loss = [(r[0] ** 2).sum() + r[1].sum() for r in (ours, theirs)]
        torch.testing.assert_close(*(torch.autograd.grad(value, inputs) for value in loss))
    assert learn == ("synapse_decay" in dict(block.named_parameters()))


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("feedback", [None, "output"])
def test_layouts_are_the_same_layer(neuron, feedback):
    kind, options = NEURONS[neuron]
    options = {**options, "feedback": feedback, "synapse": True}
    layer = kind(2, 3, 3, **options).double()
    other = kind(2, 3, 3, batch_first=True, state_format="gru", **options).double()
    other.load_state_dict(layer.state_dict())
    x = draw(5, 2, 2, 6, 5)
    out, (h, c, i) = layer(x)
    swapped, (c1, i1) = other(x.transpose(0, 1))
    torch.testing.assert_close((swapped.transpose(0, 1), c1, i1), (out, c, i))
    torch.testing.assert_close(other.emit(c1), h)
    again, _ = layer(x, (h, c, i))
    torch.testing.assert_close(other(x.transpose(0, 1), (c1, i1))[0].transpose(0, 1), again)
    alone, (h0, c0, i0) = layer(x[:, 0])
    torch.testing.assert_close((alone, h0, c0, i0), (out[:, 0], h[0], c[0], i[0]))


# the recurrent convolution, as the time loop sees it

CHOICES = {"plain": {}, "gated": {"gated": True}, "membrane": {"feedback": "membrane"}}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("sizes", [None, (24, 24, 12)], ids=["dense", "packed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_fastest_way_against_the_reference(choice, groups, sizes, reverse):
    options = {"surrogate": "gaussian", "feedback": "output", **CHOICES[choice]}
    layer = ConvLIAF(6, 6, (3, 2), groups=groups, **options).double()
    call = make_call(layer.neuron, Steps(sizes, reverse), weight_ih=False, batch=24, hidden=6, length=3)
    weights = call.weights._replace(hh=layer.weight_hh.detach())
    call = call._replace(weights=weights, product=layer._recurrent(Layout(2, 4, 3, sizes)))
    assert_parity(ops.backend(call).run, call)
