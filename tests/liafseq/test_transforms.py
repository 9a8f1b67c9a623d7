"""torch.compile, torch.export, torch.func and higher derivatives."""

from __future__ import annotations

import shutil

import pytest
import torch
from calls import make_call

from liafseq import DALIF, LIAF, LIF, MLIF, ops, surrogate
from liafseq.neurons import Neuron
from liafseq.ops import cpu, reference

OPTIONS = {LIAF: {}, LIF: {"threshold": 0.3}, DALIF: {}, MLIF: {"threshold": 0.3}}
RESETS = ("hard", "soft", "none")


@pytest.fixture(params=[False, True], ids=["plain", "gated"])
def layer(layer_type, request):
    return layer_type(3, 4, 2, bidirectional=True, gated=request.param, **OPTIONS[layer_type])


@pytest.fixture
def x():
    return 3 * torch.randn(5, 2, 3)


def results(layer, x):
    out, (h, c) = layer(x)
    loss = (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() + c.sum()
    return [out, h, c, *torch.autograd.grad(loss, list(layer.parameters()))]


# torch's own code warns of torch.jit where it still uses it
of_torch = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def assert_compiles(layer, x, backend):
    """Forward and backward in one graph, with the surrogate gradient that training uses."""
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    for found, expected in zip(results(compiled, x), results(layer, x), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.covers(1)
@of_torch
def test_compile_in_one_graph(layer, x):
    assert_compiles(layer, x[:3], "aot_eager")


@pytest.mark.exhaustive
@of_torch
@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor needs a C++ compiler")
def test_compile_with_inductor(x):
    assert_compiles(LIAF(3, 4), x[:3], "inductor")


@pytest.mark.parametrize(
    "layer_type", [LIF, *(pytest.param(t, marks=pytest.mark.exhaustive) for t in (LIAF, DALIF, MLIF))]
)
def test_compile_with_a_state(layer_type, x):
    torch._dynamo.reset()
    layer = layer_type(3, 4, state_format="gru", **OPTIONS[layer_type])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    hx = torch.randn(1, 2, 4)
    torch.testing.assert_close(compiled(x, hx), layer(x, hx))


@pytest.mark.covers(1)
def test_export(layer, x):
    program = torch.export.export(layer, (x,))
    torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.covers(1)
def test_export_with_a_dynamic_batch(layer, x):
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(layer, (x,), dynamic_shapes={"input": {1: batch}})
    more = 3 * torch.randn(5, 7, 3)
    torch.testing.assert_close(program.module()(more), layer(more))


def test_vmap_over_unbatched_sequences(layer, x):
    out, (h, c) = torch.vmap(layer, in_dims=1, out_dims=1)(x)
    expected, (h1, c1) = layer(x)
    torch.testing.assert_close((out, h, c), (expected, h1, c1))


def test_vmap_over_an_ensemble_and_its_gradients(layer_type, x):
    models = [layer_type(3, 4, **OPTIONS[layer_type]) for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(models)

    def loss(p, b, x):
        out, _ = torch.func.functional_call(models[0], (p, b), (x,))
        return (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum()

    losses = torch.vmap(loss, in_dims=(0, 0, None))(parameters, buffers, x)
    grads = torch.vmap(torch.func.grad(loss), in_dims=(0, 0, None))(parameters, buffers, x)
    for k, model in enumerate(models):
        own = {n: p.detach().requires_grad_() for n, p in model.named_parameters()}
        expected = loss(own, dict(model.named_buffers()), x)
        torch.testing.assert_close(losses[k], expected)
        for (name, _), g in zip(own.items(), torch.autograd.grad(expected, list(own.values())), strict=True):
            torch.testing.assert_close(grads[name][k], g, atol=1e-5, rtol=1e-4)


@of_torch
def test_jvp_agrees_with_the_backward_pass(layer, x):
    tangent = torch.randn_like(x)
    _, forward = torch.func.jvp(lambda x: layer(x)[0].sum(), (x,), (tangent,))
    x = x.requires_grad_()
    (grad,) = torch.autograd.grad(layer(x)[0].sum(), x)
    torch.testing.assert_close(forward, (grad * tangent).sum(), atol=1e-4, rtol=1e-4)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x.detach(), tangent)
        out = layer(dual)[0].sum()
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(out).tangent, forward)


def smooth(call):
    """The reference with the surrogate's smooth primitive in the place of the step, and what it takes."""
    places = [i for i, t in enumerate(call.tensors) if t is not None]

    def f(*given):
        tensors = list(call.tensors)
        for place, t in zip(places, given, strict=True):
            tensors[place] = t
        return reference.run(call.with_tensors(tensors), surrogate.primitive)

    return f, [call.tensors[place].requires_grad_() for place in places]


LOOPS = [
    *(
        {"feedback": feedback, "reset": reset}
        for feedback in ("output", "membrane", None)
        for reset in RESETS
    ),
    *(
        {"gate": gate, "normalize": normalize, "reset": reset}
        for gate, normalize in (("sigmoid", False), ("sigmoid", True), ("tanh", False))
        for reset in RESETS
    ),
]


@pytest.mark.covers(2)
@pytest.mark.parametrize("kind", ["gaussian", "sigmoid", "arctan"])
@pytest.mark.parametrize("analog", [True, False])
@pytest.mark.parametrize("choices", LOOPS, ids=str)
def test_gradients_are_those_of_the_smooth_recurrence(kind, analog, choices):
    """Finite differences, once and twice, of the recurrence whose spike is the smooth primitive."""
    neuron = Neuron(analog=analog, surrogate=kind, surrogate_width=2.0, **choices)
    f, given = smooth(make_call(neuron, length=3, batch=2, inputs=2, hidden=3))
    assert torch.autograd.gradcheck(f, given)
    assert torch.autograd.gradgradcheck(f, given, atol=1e-4)


def test_layers_true_gradient_in_double_where_nothing_crosses_the_threshold():
    layer = LIAF(2, 3, 2, bidirectional=True, threshold=50.0).double()
    x = torch.randn(3, 1, 2, dtype=torch.float64, requires_grad=True)
    names = [n for n, _ in layer.named_parameters()]

    def f(x, *values):
        out, (_, c) = torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))
        return out, c

    inputs = (x, *(p.detach().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs, atol=1e-4)


@pytest.mark.parametrize("gated", [False, True])
def test_a_fast_loop_serves_ordinary_calls(monkeypatch, x, gated):
    calls = []
    first = "cpu" if cpu.available() else "torch"
    spied = [
        found._replace(run=lambda call, found=found: calls.append(found.name) or found.run(call))
        for found in ops.BACKENDS
    ]
    monkeypatch.setattr(ops, "BACKENDS", tuple(spied))
    layer = LIAF(3, 4, gated=gated)
    layer(x)
    assert calls == [first]
    torch.vmap(layer, in_dims=1, out_dims=1)(x)
    assert calls == [first]
