"""The fast time loops against the readable reference: outputs, final state, every gradient."""

from __future__ import annotations

import itertools

import pytest
import torch

from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import _cpu_layout, bptt, cpu, cpu_backward, reference
from liafseq.surrogate import SURROGATES

_COMPILED = pytest.mark.skipif(not cpu.available(), reason="needs numba and torch's BLAS")
# Pieces of four and of two of the six steps; three of the four rows read as one, then the last.
_SMALL = ((cpu_backward, "_PIECE", 16), (_cpu_layout, "_WIDTH", 15))
OPS = [
    pytest.param((bptt, ()), id="bptt"),
    pytest.param((cpu, ()), id="cpu", marks=_COMPILED),
    pytest.param((cpu, _SMALL), id="cpu-pieces", marks=_COMPILED),
]


@pytest.fixture(params=OPS)
def op(request, monkeypatch):
    module, sizes = request.param
    for size in sizes:
        monkeypatch.setattr(*size)
    return module


NAMES = ["input", "weight_ih", "weight_hh", "bias", "decay", "threshold", "leak", "v0", "r0"]
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


def arguments(neuron, sizes, share, *, leak=True, weight_ih=True):
    steps, batch, inputs, hidden = 6, 4, 3, 5
    if not weight_ih:
        inputs = hidden
    shape = () if share == "layer" else (hidden,)

    def randn(*size):
        return torch.randn(*size, dtype=torch.float64)

    return [
        randn(sum(sizes), inputs) if sizes else randn(steps, batch, inputs),
        randn(hidden, inputs) if weight_ih else None,
        randn(hidden, hidden) / 2 if neuron.feedback else None,
        randn(hidden) if weight_ih else None,
        torch.rand(shape, dtype=torch.float64),
        torch.rand(shape, dtype=torch.float64) + 0.3,
        randn(shape) / 10 if leak else None,
        randn(batch, hidden),
        randn(batch, hidden),
    ]


def run(op, args, neuron, sizes, reverse, use=(True, True, True), **more):
    args = [None if a is None else a.detach().clone().requires_grad_() for a in args]
    outputs = op.recurrence(*args, neuron, sizes, reverse, **more)
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    loss = sum((o * w).sum() for o, w, used in zip(outputs, weights, use, strict=True) if used)
    live = [(n, a) for n, a in zip(NAMES, args, strict=True) if a is not None]
    grads = torch.autograd.grad(loss, [a for _, a in live], allow_unused=True)
    return outputs, {
        n: torch.zeros_like(a) if g is None else g for (n, a), g in zip(live, grads, strict=True)
    }


def assert_parity(op, args, neuron, sizes, reverse, use=(True, True, True)):
    expected, expected_grads = run(reference, args, neuron, sizes, reverse, use)
    found, found_grads = run(op, args, neuron, sizes, reverse, use)
    for name, a, b in zip(("output", "h", "u"), found, expected, strict=True):
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}")
    for name, expected_grad in expected_grads.items():
        torch.testing.assert_close(
            found_grads[name], expected_grad, rtol=1e-9, atol=1e-10, msg=lambda m, name=name: f"d{name}: {m}"
        )


CASES = [
    (emit, feedback, reset, detach, layout, share)
    for emit, feedback, reset, detach, layout, share in itertools.product(
        EMITS, ("output", "membrane", None), ("hard", "soft"), (False, True), LAYOUTS, ("layer", "neuron")
    )
    if emit != "mlif" or reset == "soft"
]


@pytest.mark.covers(3)
@pytest.mark.parametrize(("emit", "feedback", "reset", "detach", "layout", "share"), CASES)
def test_every_choice(op, emit, feedback, reset, detach, layout, share):
    choices = {"reset": reset, "surrogate": "arctan", **EMITS[emit]}
    neuron = Neuron(
        feedback=feedback, detach_reset=detach, v_reset=0.1 if reset == "hard" else 0.0, **choices
    )
    sizes, reverse = LAYOUTS[layout]
    assert_parity(op, arguments(neuron, sizes, share), neuron, sizes, reverse)


@pytest.mark.covers(2)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(op, activation):
    neuron = Neuron(activation=activation, surrogate="sigmoid")
    assert_parity(op, arguments(neuron, None, "neuron"), neuron, None, False)


@pytest.mark.covers(2)
@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate(op, surrogate, width):
    neuron = Neuron(analog=False, surrogate=surrogate, surrogate_width=width)
    assert_parity(op, arguments(neuron, (4, 3, 1), "neuron"), neuron, (4, 3, 1), True)


USES = [use for use in itertools.product((True, False), repeat=3) if any(use)]


@pytest.mark.covers(2)
@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("feedback", ["output", "membrane", None])
@pytest.mark.parametrize("layout", ["dense", "packed", "packed-reverse"])
def test_losses_of_any_of_the_results(op, use, feedback, layout):
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    sizes, reverse = LAYOUTS[layout]
    assert_parity(op, arguments(neuron, sizes, "neuron"), neuron, sizes, reverse, use)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_currents_no_leak_no_initial_output(op, layout):
    neuron = Neuron(surrogate="gaussian")
    sizes, reverse = LAYOUTS[layout]
    args = arguments(neuron, sizes, "neuron", leak=False, weight_ih=False)
    args[-1] = None
    assert_parity(op, args, neuron, sizes, reverse)
    before = args[0].clone()
    op.recurrence(*args, neuron, sizes, reverse)
    assert torch.equal(args[0], before), "a given current must not be overwritten"


@pytest.mark.parametrize("feedback", ["output", "membrane"])
@pytest.mark.parametrize("reverse", [False, True])
def test_no_bias_no_leak_no_initial_output(op, feedback, reverse):
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    args = arguments(neuron, None, "neuron", leak=False)
    args[3] = args[-1] = None
    assert_parity(op, args, neuron, None, reverse)


@pytest.mark.covers(2)
@pytest.mark.parametrize("sizes", [(4, 2, 1), None])
@pytest.mark.parametrize("frozen", NAMES)
def test_frozen_arguments(op, frozen, sizes):
    neuron = Neuron(surrogate="gaussian")
    args = arguments(neuron, sizes, "neuron")
    expected = run(reference, args, neuron, sizes, False)[1]
    live = [a.requires_grad_(n != frozen) for n, a in zip(NAMES, args, strict=True)]
    outputs = op.recurrence(*live, neuron, sizes, False)
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    for name, a in zip(NAMES, live, strict=True):
        if name == frozen:
            assert a.grad is None
        else:
            torch.testing.assert_close(a.grad, expected[name])


def test_float32_agrees_with_float64(op):
    neuron = Neuron(threshold_related=True)
    args = arguments(neuron, None, "neuron")
    exact = run(reference, args, neuron, None, False)[1]
    rough = run(op, [a.float() for a in args], neuron, None, False)[1]
    for name, grad in exact.items():
        torch.testing.assert_close(rough[name].double(), grad, rtol=1e-3, atol=1e-3)


def test_only_the_membrane_is_kept(op):
    neuron = Neuron()
    args = [a if a is None else a.requires_grad_() for a in arguments(neuron, None, "neuron")]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        op.recurrence(*args, neuron)
    given = {a.data_ptr() for a in args if a is not None}
    new = [t for t in kept if t.data_ptr() not in given]
    assert [t.numel() for t in new] == [6 * 4 * 5]


needs_cpu = pytest.mark.skipif(not cpu.available(), reason="needs numba and torch's BLAS")


@needs_cpu
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("threshold", [0.5, 3.0, 50.0], ids=["busy", "sparse", "silent"])
def test_few_spikes_select_columns(batch, threshold):
    """Products with few spikes are sums of columns; many, and none, give the same."""
    neuron = Neuron(analog=False, surrogate="gaussian")
    args = [
        torch.randn(20, batch, 8, dtype=torch.float64),
        torch.randn(64, 8, dtype=torch.float64) / 2,
        torch.randn(64, 64, dtype=torch.float64) / 8,
        None,
        torch.full((), 0.5, dtype=torch.float64),
        torch.full((), threshold, dtype=torch.float64),
        None,
        torch.zeros(batch, 64, dtype=torch.float64),
        None,
    ]
    rate = reference.recurrence(*args, neuron)[0].mean().item()
    low, high = {0.5: (0.2, 1.0), 3.0: (0.0, 0.06), 50.0: (-1, 0.0)}[threshold]
    assert low < rate <= high
    assert_parity(cpu, args, neuron, None, False)


@needs_cpu
@pytest.mark.parametrize("piece", [8, 1024])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_share_the_batch(layout, piece, monkeypatch):
    monkeypatch.setattr(_cpu_layout, "_LEAST_ROWS", 1)
    monkeypatch.setattr(cpu_backward, "_PIECE", piece)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    neuron = Neuron(surrogate="gaussian")
    sizes, reverse = LAYOUTS[layout]
    assert len(_cpu_layout.cut(4)) == 3
    assert_parity(cpu, arguments(neuron, sizes, "neuron"), neuron, sizes, reverse)


@needs_cpu
def test_what_the_compiled_loop_serves():
    v0, w, neuron = torch.zeros(2, 3), torch.zeros(3, 3), Neuron()
    assert cpu.supports(v0, w, w, neuron)
    assert cpu.supports(v0.double(), w.double(), None, neuron)
    assert not cpu.supports(v0, w.bfloat16(), w.bfloat16(), neuron)
    assert not cpu.supports(v0[:0], w, w, neuron)
    assert not cpu.supports(v0.to("meta"), w, w, neuron)


def test_without_numba_torch_runs(monkeypatch):
    from liafseq import LIAF

    layer, x = LIAF(3, 4), torch.randn(5, 2, 3)
    expected = layer(x)[0]
    monkeypatch.setattr(cpu, "available", lambda: False)
    monkeypatch.setattr(cpu, "recurrence", None)
    torch.testing.assert_close(layer(x)[0], expected)
