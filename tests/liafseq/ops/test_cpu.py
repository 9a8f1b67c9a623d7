"""The compiled passes on a CPU: vectors of any width, threads, the same results again, who serves what."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from calls import EMITS, FEEDBACKS, LAYOUTS, SHARED, assert_parity, make_call, results

from liafseq import LIAF, ops
from liafseq.neurons import Neuron
from liafseq.ops import Steps, cpu, reference
from liafseq.ops.cpu import engine, plan, team
from liafseq.ops.types import Call

pytestmark = pytest.mark.skipif(not cpu.available(), reason="needs llvmlite")

CALLS = {name: {"neuron": Neuron(surrogate="gaussian", **choices)} for name, choices in FEEDBACKS.items()} | {
    "shared": SHARED
}
OPTIONS = [{}, {"gated": True}, {"gated": True, "neurons_per_gate": 4}]


def run(call: Call):
    assert cpu.BACKEND.supports(call)
    return cpu.BACKEND.run(call)


@pytest.fixture
def fresh():
    plan._plan.cache_clear()
    yield
    plan._plan.cache_clear()


@pytest.fixture(params=[128, 256, 512])
def vectors(request, monkeypatch, fresh):  # noqa: ARG001 - one fixture needs the other
    """Vectors of another processor: LLVM makes them of what this one has."""
    monkeypatch.setattr(engine, "vector_bits", lambda: request.param)


@pytest.mark.covers(3)
@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden", [3, 16, 40])
@pytest.mark.parametrize("choices", CALLS)
def test_any_width_of_vectors(choices, hidden, dtype):
    call = make_call(**CALLS[choices], steps=Steps((7, 5, 5, 1)), hidden=hidden, dtype=dtype)
    exact = {"rtol": 1e-3, "atol": 1e-3} if dtype == torch.float32 else {}
    assert_parity(run, call, **exact)


@pytest.mark.covers(3)
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("openmp", [True, False])
@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("choices", CALLS)
def test_threads_share_the_batch(choices, layout, threads, openmp, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(plan, "_LEAST_ROWS", 1)
    monkeypatch.setattr(plan, "_LEAST_POTENTIALS", 1)
    monkeypatch.setattr(plan, "_FEW", 0)
    if not openmp:
        monkeypatch.setattr(team, "_openmp", lambda: None)
    call = make_call(**CALLS[choices], steps=LAYOUTS[layout])
    assert len(plan.plan(call).cuts) == threads or call.neuron.feedback is None
    assert_parity(run, call)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("choices", CALLS)
def test_little_room(choices, layout, monkeypatch):
    """The weights' gradients are formed every few steps; blocks of few sequences go through all steps."""
    monkeypatch.setattr(plan, "_ROOM", 1)
    monkeypatch.setattr(plan, "_BLOCK", 10)
    monkeypatch.setattr(plan, "_WIDTH", 15)
    monkeypatch.setattr(plan, "_FEW", 0)
    assert_parity(run, make_call(**CALLS[choices], steps=LAYOUTS[layout]))


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("threshold", [0.5, 3.0, 50.0], ids=["busy", "sparse", "silent"])
def test_few_spikes_select_columns(batch, threshold):
    """Products with few spikes are sums of columns; many, and none, give the same."""
    call = make_call(
        Neuron(analog=False, surrogate="gaussian"), length=20, batch=batch, inputs=8, hidden=64, leak=False
    )
    numbers = call.numbers._replace(threshold=torch.tensor(threshold, dtype=torch.float64))
    weights = call.weights._replace(bias=None, ih=call.weights.ih / 2)
    call = call._replace(numbers=numbers, weights=weights)
    rate = reference.run(call)[0].mean().item()
    low, high = {0.5: (0.2, 1.0), 3.0: (0.0, 0.06), 50.0: (-1, 0.0)}[threshold]
    assert low < rate <= high
    assert_parity(run, call)


def _layer(hidden=40, **options):
    torch.manual_seed(1)
    return LIAF(12, hidden, threshold=5.0, **options), torch.randn(30, 9, 12)


def _gradients(layer, x):
    layer.zero_grad()
    output, (_, c) = layer(x)
    (output.sin().sum() + c.sum()).backward()
    return [output.detach(), *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize("options", [*OPTIONS, {"feedback": None}], ids=str)
def test_the_same_call_gives_the_same_bits(options):
    layer, x = _layer(**options)
    first = _gradients(layer, x)
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(first, _gradients(layer, x), strict=True))


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_number_of_threads_changes_rounding_alone(options, monkeypatch):
    layer, x = _layer(**options)
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(_gradients(layer, x))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_companions_in_the_batch_change_rounding_alone(options):
    layer, x = _layer(**options)
    whole = layer(x)[0]
    for n in range(x.shape[1]):
        torch.testing.assert_close(layer(x[:, n : n + 1])[0], whole[:, n : n + 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("emit", EMITS)
def test_weights_of_16_bits(emit, dtype):
    """Products in float32 of weights in 16 bits are at least as exact as those of the reference."""
    torch.manual_seed(2)
    call = make_call(Neuron(**EMITS[emit]), dtype=torch.float32)
    low = [None if t is None else t.to(dtype) for t in call.tensors[:4]]
    call = call.with_tensors([*low, *call.tensors[4:]])
    exact = call.with_tensors([None if t is None else t.double() for t in call.tensors])
    found, near, right = (f(c) for f, c in ((run, call), (reference.run, call), (reference.run, exact)))
    errors = [(a[0].double() - right[0]).abs().mean() for a in (found, near)]
    assert errors[0] <= errors[1] + 1e-6
    grads = results(run, call)[1]
    assert grads["weight_hh"].dtype == dtype
    assert all(g.isfinite().all() for g in grads.values())


def test_what_is_served():
    call = make_call(hidden=4)
    assert cpu.BACKEND.supports(call)
    assert not cpu.BACKEND.supports(call.with_tensors([t.to("meta") for t in call.tensors[:9]]))
    assert not cpu.BACKEND.supports(make_call(batch=0))
    halves = call._replace(state=call.state._replace(v=call.state.v.half()))
    assert not cpu.BACKEND.supports(halves)


def test_without_llvmlite_torch_runs(monkeypatch):
    layer, x = LIAF(3, 4), torch.randn(5, 2, 3)
    expected = layer(x)[0]
    monkeypatch.setattr(cpu, "available", lambda: False)
    assert ops.backend(make_call()).name == "torch"
    torch.testing.assert_close(layer(x)[0], expected)


def test_an_import_compiles_nothing():
    code = "import sys, liafseq; sys.exit('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
