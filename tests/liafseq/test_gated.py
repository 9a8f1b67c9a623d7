"""A decay that is a gate: the equations, the fast loop against the reference, what it comes down to."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import GRU

from liafseq import LIAF, LIF, LIAFCell, surrogate
from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import _cpu_layout, cpu, cpu_gated, gated
from liafseq.ops.gated import Gate
from liafseq.surrogate import SURROGATES

_COMPILED = pytest.mark.skipif(not cpu.available(), reason="needs numba and torch's BLAS")


@pytest.fixture(params=[gated, pytest.param(cpu_gated, marks=_COMPILED)], ids=["torch", "compiled"])
def fast(request):
    return request.param.recurrence


NAMES = ["input", "weight_ih", "weight_hh", "bias", "threshold", "leak", "r0", "y0"]
LAYOUTS = {
    "dense": (None, False),
    "dense-reverse": (None, True),
    "packed": ((4, 4, 3, 2, 2, 1), False),
    "packed-reverse": ((4, 4, 3, 2, 2, 1), True),
    "one-step": ((4,), False),
}
EMITS = {
    "liaf": {"analog": True},
    "liaf-relu": {"analog": True, "activation": "relu", "threshold_related": True},
    "lif": {"analog": False},
    "mlif": {"analog": False, "reset": "soft", "levels": 3},
}


def arguments(sizes=None, share="neuron", *, leak=True, y0=True, dtype=torch.float64):
    steps, batch, inputs, hidden = 6, 4, 3, 5
    shape = () if share == "layer" else (hidden,)

    def randn(*size):
        return torch.randn(size, dtype=dtype)

    return [
        randn(sum(sizes), inputs) if sizes else randn(steps, batch, inputs),
        randn(2 * hidden, inputs),
        randn(2 * hidden, hidden) / 2,
        randn(2 * hidden),
        torch.rand(shape, dtype=dtype) + 0.3,
        randn(*shape) / 10 if leak else None,
        randn(batch, hidden),
        randn(batch, hidden) if y0 else None,
    ]


def run(op, args, *choices, use=(True, True, True)):
    args = [None if a is None else a.detach().clone().requires_grad_() for a in args]
    outputs = op(*args, *choices)
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    loss = sum((o * w).sum() for o, w, used in zip(outputs, weights, use, strict=True) if used)
    live = [(n, a) for n, a in zip(NAMES, args, strict=True) if a is not None]
    grads = torch.autograd.grad(loss, [a for _, a in live], materialize_grads=True, allow_unused=True)
    return outputs, {n: g for (n, _), g in zip(live, grads, strict=True)}


def assert_parity(fast, args, *choices, use=(True, True, True)):
    expected, expected_grads = run(gated.reference, args, *choices, use=use)
    found, found_grads = run(fast, args, *choices, use=use)
    torch.testing.assert_close(found, expected)
    for name, grad in expected_grads.items():
        torch.testing.assert_close(
            found_grads[name], grad, rtol=1e-9, atol=1e-10, msg=lambda m, name=name: f"d{name}: {m}"
        )


CASES = [
    case
    for case in itertools.product(
        EMITS, ("hard", "soft"), (False, True), (False, True), (False, True), LAYOUTS, ("layer", "neuron")
    )
    if case[0] != "mlif" or case[1] == "soft"
]


@pytest.mark.covers(3)
@pytest.mark.parametrize(("emit", "reset", "detach", "signed", "normalize", "layout", "share"), CASES)
def test_every_choice(fast, emit, reset, detach, signed, normalize, layout, share):
    choices = {"reset": reset, "surrogate": "arctan", **EMITS[emit]}
    neuron = Neuron(detach_reset=detach, v_reset=0.1 if reset == "hard" else 0.0, **choices)
    sizes, reverse = LAYOUTS[layout]
    assert_parity(fast, arguments(sizes, share), neuron, Gate(signed, normalize), sizes, reverse)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(fast, activation):
    neuron = Neuron(activation=activation, surrogate="sigmoid")
    assert_parity(fast, arguments(leak=False, y0=False), neuron, Gate(normalize=True))


USES = [use for use in itertools.product((True, False), repeat=3) if any(use)]


@pytest.mark.covers(2)
@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("layout", ["dense", "packed", "packed-reverse"])
def test_losses_of_any_of_the_results(fast, use, layout):
    sizes, reverse = LAYOUTS[layout]
    neuron, gate = Neuron(surrogate="gaussian"), Gate(normalize=True)
    assert_parity(fast, arguments(sizes), neuron, gate, sizes, reverse, use=use)


@pytest.mark.parametrize("frozen", NAMES)
def test_frozen_arguments(fast, frozen):
    neuron, gate, args = Neuron(surrogate="gaussian"), Gate(), arguments()
    expected = run(gated.reference, args, neuron, gate)[1]
    live = [a.requires_grad_(n != frozen) for n, a in zip(NAMES, args, strict=True)]
    outputs = fast(*live, neuron, gate)
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    for name, a in zip(NAMES, live, strict=True):
        if name == frozen:
            assert a.grad is None
        else:
            torch.testing.assert_close(a.grad, expected[name])


@pytest.mark.parametrize("layout", ["dense", "packed-reverse"])
def test_double_backward_of_the_fast_loops(fast, layout):
    sizes, reverse = LAYOUTS[layout]
    args = [a.requires_grad_() for a in arguments(sizes)]
    found = []
    for op in (fast, gated.reference):
        out, _, u = op(*args, Neuron(surrogate="arctan"), Gate(normalize=True), sizes, reverse)
        first = torch.autograd.grad((out**2).sum() + u.sum(), args, create_graph=True)
        found.append(torch.autograd.grad(sum((g**2).sum() for g in first), args))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("gate", [Gate(), Gate(normalize=True), Gate(signed=True)], ids=str)
def test_gradients_are_those_of_the_smooth_recurrence(gate, reset):
    neuron = Neuron(reset=reset, surrogate="sigmoid", surrogate_width=2.0)
    args = [a[:3].detach() if a.dim() == 3 else a.detach() for a in arguments()]
    args = [a.requires_grad_() for a in args]
    assert torch.autograd.gradcheck(
        lambda *args: gated.reference(*args, neuron, gate, spike=surrogate.primitive), args
    )


def test_by_hand():
    """One LIAF neuron, two steps, arithmetic written out."""
    layer = LIAF(1, 1, gated=True, activation="identity", decay=0.8, threshold=10.0, leak=0.1).double()
    values = {
        "weight_ih_l0": [[0.5], [-1.0]],
        "weight_hh_l0": [[0.25], [2.0]],
        "bias_ih_l0": [0.1, 0.2],
        "bias_hh_l0": [0.0, -0.3],
    }
    for name, value in values.items():
        getattr(layer, name).data = torch.tensor(value, dtype=torch.float64)
    out, (_, c) = layer(torch.tensor([[[1.0]], [[2.0]]], dtype=torch.float64))
    logit = torch.logit(torch.tensor(0.8, dtype=torch.float64))
    a1 = torch.sigmoid(logit - 1.0 - 0.1)
    u1 = 0.1 + (1 - a1) * (0.5 + 0.1)
    a2 = torch.sigmoid(logit - 2.0 - 0.1 + 2.0 * u1)
    u2 = a2 * u1 + 0.1 + (1 - a2) * (1.0 + 0.1 + 0.25 * u1)
    torch.testing.assert_close(out.flatten(), torch.stack([u1, u2]))
    torch.testing.assert_close(c.flatten(), u2[None])


@pytest.mark.parametrize("options", [{}, {"normalize_current": False}, {"learn_decay": False}], ids=str)
def test_a_gate_without_weights_is_the_decay(layer_type, options):
    if "normalize_current" in options and layer_type.__name__ == "DALIF":
        pytest.skip("DALIF has no normalised current")
    layer = layer_type(3, 8, 2, gated=True, bidirectional=True, **options).double()
    plain = layer_type(3, 8, 2, bidirectional=True, **options).double()
    values = layer.state_dict()
    for name, value in values.items():
        if name.startswith(("weight", "bias")):
            value[8:] = 0
    plain.load_state_dict({n: v[:8] for n, v in values.items()})
    x = 3 * torch.randn(7, 2, 3, dtype=torch.float64)
    hx = tuple(torch.randn(4, 2, 8, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(layer(x, hx), plain(x, hx))


def test_parameters_are_stacked_as_torchs_gates_are(layer_type):
    layer, gru = layer_type(3, 4, 2, gated=True), GRU(3, 4, 2)
    ours = {n: p.shape for n, p in layer.named_parameters() if n.startswith(("weight", "bias"))}
    theirs = {n: (p.shape[0] // 3 * 2, *p.shape[1:]) for n, p in gru.named_parameters()}
    assert ours == theirs
    assert "gated=True" in repr(layer)


@pytest.mark.parametrize("layer_type", [LIAF, LIAFCell])
def test_default_initial_values_of_liaf_are_those_that_were_measured(layer_type):
    """docs/results/appendix.md says what chose them."""
    torch.manual_seed(3)
    layer = layer_type(16, 640, gated=True)
    torch.manual_seed(3)
    given = layer_type(16, 640, gated=True, decay=(0.5, 0.99), recurrent_init="uniform")
    assert {n: p.tolist() for n, p in layer.named_parameters()} == {
        n: p.tolist() for n, p in given.named_parameters()
    }
    decay = layer.neuron_parameters()["decay"].detach()
    assert 0.5 <= decay.min() < 0.51
    assert 0.98 < decay.max() <= 0.99
    assert abs(decay.mean() - 0.745) < 0.02
    (w,) = (p.detach() for n, p in layer.named_parameters() if n.startswith("weight_hh"))
    assert 0.99 * 640**-0.5 < w.abs().max() <= 640**-0.5
    assert repr(layer) == f"{layer_type.__name__}(16, 640, gated=True)"


def test_the_orthogonal_rows_are_the_currents():
    torch.manual_seed(3)
    uniform = LIAF(16, 64, gated=True)
    torch.manual_seed(3)
    layer = LIAF(16, 64, gated=True, recurrent_init="orthogonal")
    w = layer.weight_hh_l0.detach()
    torch.testing.assert_close(w[:64] @ w[:64].t(), torch.eye(64), atol=1e-5, rtol=0)
    assert torch.equal(w[64:], uniform.weight_hh_l0[64:])


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate(fast, surrogate):
    neuron = Neuron(analog=False, surrogate=surrogate, surrogate_width=0.7)
    assert_parity(fast, arguments((4, 3, 1)), neuron, Gate(), (4, 3, 1), True)


@_COMPILED
@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_share_the_batch(layout, monkeypatch):
    monkeypatch.setattr(_cpu_layout, "_LEAST_ROWS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    sizes, reverse = LAYOUTS[layout]
    assert len(_cpu_layout.cut(4)) == 3
    neuron = Neuron(surrogate="gaussian")
    assert_parity(cpu_gated.recurrence, arguments(sizes), neuron, Gate(normalize=True), sizes, reverse)


@_COMPILED
@pytest.mark.parametrize("threshold", [0.5, 3.0, 50.0], ids=["busy", "sparse", "silent"])
def test_few_spikes_select_columns(threshold):
    args = [
        torch.randn(20, 4, 8, dtype=torch.float64),
        torch.randn(128, 8, dtype=torch.float64) / 2,
        torch.randn(128, 64, dtype=torch.float64) / 8,
        torch.zeros(128, dtype=torch.float64),
        torch.full((), threshold, dtype=torch.float64),
        None,
        torch.zeros(4, 64, dtype=torch.float64),
        None,
    ]
    neuron = Neuron(analog=False, surrogate="gaussian")
    rate = gated.reference(*args, neuron, Gate())[0].mean().item()
    low, high = {0.5: (0.2, 1.0), 3.0: (0.0, 0.06), 50.0: (-1, 0.0)}[threshold]
    assert low < rate <= high
    assert_parity(cpu_gated.recurrence, args, neuron, Gate())


def test_ordinary_calls_run_the_fast_loop(monkeypatch):
    calls = []
    used = cpu_gated if cpu.available() else gated
    monkeypatch.setattr(used, "recurrence", lambda *a: calls.append(a) or gated.reference(*a))
    layer, x = LIF(3, 4, gated=True), torch.randn(5, 2, 3)
    layer(x)
    assert len(calls) == 1
    torch.vmap(layer, in_dims=1, out_dims=1)(x)
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_keep_a_precise_membrane(dtype):
    layer = LIAF(3, 4, gated=True, dtype=dtype)
    out, (h, c) = layer(torch.randn(5, 2, 3, dtype=dtype))
    assert {out.dtype, h.dtype, c.dtype} == {dtype}
    exact = LIAF(3, 4, gated=True)
    exact.load_state_dict(layer.state_dict())
    torch.manual_seed(0)
    x = torch.randn(5, 2, 3, dtype=dtype)
    torch.testing.assert_close(layer(x)[0].float(), exact(x.float())[0], atol=0.03, rtol=0.03)


def test_autocast():
    layer, x = LIAF(3, 4, gated=True), torch.randn(5, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)[0]
    out.sum().backward()
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x)[0], atol=0.03, rtol=0.03)
