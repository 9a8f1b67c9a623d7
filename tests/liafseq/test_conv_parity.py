"""The convolutional layers against a plain loop of the equations: outputs, final state, every gradient."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from liafseq import ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, SynapticConv2d
from liafseq.neurons import Neuron
from liafseq.ops import cpu, cpu_scan, reference
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
    kernel = layer.weight_hh

    def feed(r):
        return 0.0 if kernel is None else F.conv2d(r, kernel, padding="same", groups=layer.groups)

    def fire(u):
        return sum(spike(u - k * theta, o.surrogate, o.surrogate_width) for k in range(1, levels + 1))

    def kept(u):
        s = fire(u)
        s = s.detach() if o.detach_reset else s
        soft = o.reset == "soft"
        r = u - theta * s if soft else u * (1 - s) + o.v_reset * s
        return alpha * r + beta

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
        now = F.conv2d(step, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation,
                       layer.groups)  # fmt: skip
        if layer.norm is not None:
            now = layer.norm(now)
        charge = (p["synapse_decay"] * charge if o.synapse else 0.0) + now
        if not torch.is_tensor(y):
            v, y = torch.zeros_like(now), torch.zeros_like(now)
        if o.feedback == "membrane":
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
        NEURONS, ("hard", "soft"), (None, "output", "membrane"), ("layer", "channel"), (False, True)
    )
    if case[0] != "mlif" or case[1] == "soft"
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


# the loop without feedback

needs_cpu = pytest.mark.skipif(not cpu.available(), reason="needs numba and torch's BLAS")


def scan_arguments(rows, hidden, sizes):
    return [
        torch.randn(sum(sizes), hidden, dtype=torch.float64),
        torch.rand(hidden, dtype=torch.float64),
        torch.rand((), dtype=torch.float64) + 0.3,
        torch.randn(hidden, dtype=torch.float64) / 10,
        torch.randn(rows, hidden, dtype=torch.float64),
    ]


def scan(op, args, neuron, sizes, reverse):
    if op is cpu_scan:
        return op.recurrence(*args, neuron, sizes, reverse)
    current, *numbers, v0 = args
    return op.recurrence(current, None, None, None, *numbers, v0, None, neuron, sizes, reverse)


def run_scan(op, args, neuron, sizes, reverse):
    args = [a.detach().clone().requires_grad_() for a in args]
    out, y, u = scan(op, args, neuron, sizes, reverse)
    loss = (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() + (y * u).sum()
    grads = torch.autograd.grad(loss, args, allow_unused=True)
    return [out, y, u, *(torch.zeros_like(a) if g is None else g for a, g in zip(args, grads, strict=True))]


@pytest.mark.covers(2)
@needs_cpu
@pytest.mark.parametrize("hidden", [1, 3, 16, 1500])
@pytest.mark.parametrize("sizes", [(60, 60, 60), (60, 40, 20), (31, 31, 7), (1,), (64, 64)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_joined_rows_blocks_and_threads(hidden, sizes, reverse, threads, monkeypatch):
    monkeypatch.setattr(cpu_scan, "_LEAST", 1)
    monkeypatch.setattr(cpu_scan, "_BLOCK", 40)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    neuron = Neuron(analog=False, feedback=None, reset="soft", levels=2, surrogate="sigmoid")
    args = scan_arguments(sizes[0], hidden, sizes)
    for found, expected in zip(
        run_scan(cpu_scan, args, neuron, sizes, reverse),
        run_scan(reference, args, neuron, sizes, reverse),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@needs_cpu
def test_what_is_joined():
    """Rows of at least 256 numbers, if a divisor of every step's rows makes them and 1024 suffice."""
    assert cpu_scan._joined(32, (289 * 32,) * 3) == 8
    assert cpu_scan._joined(32, (289 * 4, 289, 289)) == 17
    assert cpu_scan._joined(16, (31, 7)) == 1
    assert cpu_scan._joined(16, (6, 4)) == 2
    assert cpu_scan._joined(2000, (64,)) == 1
    assert cpu_scan._joined(300, (64,)) == 1
    shape = cpu_scan._Shape(torch.zeros(1156, 32), (1156, 289), False)
    assert (shape.width, shape.starts.tolist(), shape.counts.tolist()) == (544, [0, 68], [68, 17])


@needs_cpu
@pytest.mark.parametrize("sizes", [(4, 4, 4), (4, 3, 1)], ids=["dense", "packed"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("analog", [False, True])
def test_double_backward_without_feedback(sizes, reverse, analog):
    neuron = Neuron(analog=analog, feedback=None, surrogate="arctan")
    start = scan_arguments(4, 3, sizes)
    found = []
    for op in (cpu_scan, reference):
        args = [a.detach().clone().requires_grad_() for a in start]
        out, y, u = scan(op, args, neuron, sizes, reverse)
        weight = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        loss = (out * weight).sum() + (out**2).sum() + (y * u).sum() + u.sum()
        first = torch.autograd.grad(loss, args, create_graph=True)
        found.append([*first, *torch.autograd.grad(sum((g**2).sum() for g in first), args)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@needs_cpu
def test_without_a_graph_nothing_is_kept_and_the_result_is_the_same():
    neuron = Neuron(feedback=None)
    args = scan_arguments(6, 4, (6, 6))
    before = args[0].clone()
    plain = cpu_scan.recurrence(*args, neuron, (6, 6))
    live = [a.clone().requires_grad_() for a in args]
    for a, b in zip(plain, cpu_scan.recurrence(*live, neuron, (6, 6)), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(args[0], before)
