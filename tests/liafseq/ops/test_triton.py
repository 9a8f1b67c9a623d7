"""The Triton time loop against the readable reference: outputs, final state, every gradient.

On a GPU the compiled kernels run; elsewhere Triton's interpreter runs the same kernels on the CPU.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import ptx
import pytest
import torch
from calls import (
    EMITS,
    FEEDBACKS,
    GATED,
    GATES,
    LAYOUTS,
    PLAIN,
    USES,
    assert_parity,
    clear_of_thresholds,
    leaves,
    make_call,
    results,
)
from torch._subclasses.fake_tensor import FakeTensorMode

from liafseq import DALIF, LIAF, MLIF, ops
from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import Numbers, State, Steps, Weights, operator, reference
from liafseq.ops import triton as backend
from liafseq.ops.gradients import differentiable
from liafseq.ops.types import Gradients
from liafseq.surrogate import SURROGATES

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"


def _prepare() -> str:
    """Why these tests cannot run here; tests/conftest.py chooses the interpreter where there is no GPU."""
    if not backend.available():
        return "triton is not installed"
    from liafseq.ops.triton.device import interpreted

    return "" if GPU or interpreted() else "TRITON_INTERPRET is not 1"


REASON = _prepare()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "triton is there")
if not REASON:
    from liafseq.ops.triton import check, elementwise, graph, loop, steps
    from liafseq.ops.triton import run as triton_run


GPU_DTYPE = getattr(torch, os.environ.get("LIAFSEQ_GPU_DTYPE", "float32"))


def run(call):
    """The results in the call's own precision and place, wherever the kernels run."""
    there = [t if t is None else t.to(DEVICE, GPU_DTYPE if GPU else t.dtype) for t in call.tensors]
    found = differentiable(triton_run.PASSES, call.with_tensors(there))
    return tuple(t.to("cpu", call.membrane.dtype) for t in found)


TOLERANCE = (
    {"rtol": 1e-3, "atol": 1e-3} if GPU and GPU_DTYPE is torch.float32 else {"rtol": 1e-9, "atol": 1e-10}
)
SINGLE = {"rtol": 2e-4, "atol": 2e-4}


def assert_parity_here(call, *args, **options):
    assert_parity(run, clear_of_thresholds(call, 1e-5) if GPU else call, *args, **TOLERANCE, **options)


def single(call):
    return call.with_tensors([t if t is None else t.float() for t in call.tensors])


@pytest.fixture
def _wide(monkeypatch):
    """Every matrix is too large for one multiprocessor."""
    monkeypatch.setattr(triton_run, "fits", lambda *_: False)


@pytest.fixture(params=["loop", "steps"])
def kernel(request):
    if request.param == "steps":
        request.getfixturevalue("_wide")
    return request.param


on_both = pytest.mark.usefixtures("kernel")


@pytest.mark.covers(1)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("emit", "choices"), PLAIN + GATED, ids=str)
@on_both
def test_every_choice(emit, choices, layout):
    hard, share = choices["reset"] == "hard", ("layer", "neuron")[list(LAYOUTS).index(layout) % 2]
    neuron = Neuron(**{"surrogate": "arctan", "v_reset": 0.1 if hard else 0.0, **choices, **EMITS[emit]})
    assert_parity_here(make_call(neuron, LAYOUTS[layout], share=share))


@pytest.mark.covers(1)
@pytest.mark.parametrize(("emit", "choices"), PLAIN + GATED, ids=str)
@on_both
def test_every_choice_in_float32(emit, choices):
    neuron = Neuron(**{"surrogate": "arctan", **choices, **EMITS[emit]})
    call = clear_of_thresholds(make_call(neuron, LAYOUTS["packed-reverse"]), 1e-5)
    assert_parity(run, single(call), **SINGLE)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, gate):
    if GPU or activation != "hardsigmoid":
        assert_parity_here(make_call(Neuron(activation=activation, surrogate="sigmoid", **GATES[gate])))


def neurons_alone(current, neuron, threshold=1.0):
    current = current.view(1, 2, -1)
    numbers = Numbers(*(torch.tensor(x, dtype=current.dtype) for x in (0.0, threshold)), None)
    start = State(torch.zeros_like(current[0]))
    return ops.Call(current, Weights(None, None, None), numbers, start, neuron)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_with_its_kinks_and_tails(activation):
    kinks = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 20.0])
    call = neurons_alone(
        torch.cat([torch.linspace(-40, 40, 41), kinks]).double(), Neuron(activation=activation)
    )
    # torch's own derivative of hardsigmoid is 1/6 in float32 whatever the precision
    assert_parity(run, call, **({"rtol": 1e-7, "atol": 1e-7} if activation == "hardsigmoid" else TOLERANCE))


@pytest.mark.parametrize("size", [1e-6, 1e-4, 1e-2, 0.2, 0.4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_small_signals_keep_their_digits(activation, size):
    """Where 1 is taken from something near 1, float32 would have three digits left."""
    call = neurons_alone(
        torch.tensor([-size, -size / 3, size / 2, size]).double(), Neuron(activation=activation)
    )
    exact = reference.run(call)[0]
    torch.testing.assert_close(run(single(call))[0].double(), exact, rtol=5e-7, atol=1e-30)


@pytest.mark.parametrize("activation", ["softplus", "elu", "mish", "sigmoid"])
def test_tails_keep_their_digits(activation):
    call = neurons_alone(torch.tensor([-30.0, -20.0, -10.0, -5.0]).double(), Neuron(activation=activation))
    torch.testing.assert_close(run(single(call))[0].double(), reference.run(call)[0], rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate(surrogate, width, gate):
    neuron = Neuron(
        analog=False, surrogate=surrogate, surrogate_width=width, levels=2, reset="soft", **GATES[gate]
    )
    assert_parity_here(make_call(neuron, Steps((4, 3, 1), reverse=True)))


SHAPES = [(1, 1, 1), (3, 17, 16), (2, 33, 5), (4, 9, 31), (3, 2, 65), (2, 3, 130)]


@pytest.mark.covers(1)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_odd_shapes(kernel, shape, feedback):
    if kernel == "steps" and shape[-1] == 1:
        pytest.skip("such a matrix fits")
    length, batch, hidden = shape
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity_here(make_call(neuron, length=length, batch=batch, hidden=hidden))


def test_more_neurons_than_a_tile_without_feedback():
    assert_parity_here(make_call(Neuron(feedback=None), hidden=601))


@pytest.mark.covers(2)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("feedback", FEEDBACKS)
@on_both
def test_packed_sequences_over_several_programs(feedback, reverse):
    sizes = (37, 37, 20, 17, 16, 3, 1)
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity_here(make_call(neuron, Steps(sizes, reverse), hidden=19))


@pytest.mark.covers(2)
@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", ["dense", "packed", "packed-reverse"])
@on_both
def test_losses_of_any_of_the_results(use, feedback, layout):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity_here(make_call(neuron, LAYOUTS[layout]), use)


@pytest.mark.covers(2)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", LAYOUTS)
@on_both
def test_given_currents_no_leak_no_initial_output(layout, feedback):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    call = make_call(neuron, LAYOUTS[layout], leak=False, weight_ih=False, y0=False)
    assert_parity_here(call)
    before = call.input.clone()
    run(call)
    assert torch.equal(call.input, before), "a given current must not be overwritten"


@pytest.mark.covers(1)
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize(("emit", "choices"), PLAIN + GATED, ids=str)
def test_whole_currents_from_a_potential(emit, choices, length, batch):
    """As of cells and between convolutions."""
    neuron = Neuron(**{"surrogate": "arctan", **choices, **EMITS[emit]})
    call = make_call(neuron, weight_ih=False, length=length, batch=batch)
    call = call._replace(weights=Weights(None, None, None), state=State(None, None, call.state.v))
    assert_parity_here(call)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_potentials_exactly_at_a_threshold(surrogate):
    neuron = Neuron(analog=False, reset="soft", levels=3, surrogate=surrogate, feedback=None)
    assert_parity(run, neurons_alone(torch.arange(0, 2.5, 0.25).double(), neuron, 0.5), **TOLERANCE)


@pytest.mark.covers(2)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("frozen", Gradients._fields)
@on_both
def test_frozen_arguments(frozen, gate):
    call = make_call(Neuron(surrogate="gaussian", **GATES[gate]), Steps((4, 2, 1)))
    assert_parity_here(call, frozen=frozen)


@on_both
def test_strided_arguments_and_expanded_gradients():
    call = make_call(Neuron(surrogate="gaussian"))
    x, w_ih, w_hh, bias, decay, threshold, leak, v0, y0 = call.tensors[:9]
    call = call.with_tensors(
        [
            x.transpose(0, 1).contiguous().transpose(0, 1),
            w_ih.t().contiguous().t(), w_hh.t().contiguous().t(), bias,
            torch.stack([decay, threshold], -1)[:, 0], threshold, leak, v0.t().contiguous().t(),
            y0[:1].expand(4, 5), None,
        ]
    )  # fmt: skip
    given = [t.requires_grad_() if t.is_leaf else t.detach().requires_grad_() for t in call.tensors[:9]]
    call = call.with_tensors([*given, None])
    for found, expected in zip(run(call), reference.run(call), strict=True):
        grads = [
            torch.autograd.grad(r.sum(), given, retain_graph=True, materialize_grads=True, allow_unused=True)
            for r in (found, expected)
        ]
        torch.testing.assert_close(*grads, **TOLERANCE)


@pytest.mark.parametrize(("gate", "numbers"), [("plain", 1), ("gated", 3)])
@on_both
def test_what_is_kept(gate, numbers):
    """The potentials, and with a gate the current; nothing without gradients, with the same results."""
    call = leaves(make_call(Neuron(**GATES[gate])))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        trained = differentiable(triton_run.PASSES, call)
    given = {t.data_ptr() for t in call.tensors if t is not None}
    assert sum(t.numel() for t in kept if t.data_ptr() not in given) == numbers * 6 * 4 * 5
    with torch.no_grad():
        found = differentiable(triton_run.PASSES, call)
    assert not any(t.requires_grad for t in found)
    assert all(torch.equal(a, b) for a, b in zip(found, trained, strict=True))


@on_both
def test_no_kernel_writes_over_what_it_reads(monkeypatch):
    """Of the loop's arguments no two are the same memory, so that the order of loads and stores is free."""
    seen = []
    real = triton_run._Plan.launch, triton_run._Plan.stepwise

    def launch(self, used, grid, *arguments, **choices):
        if used in (loop.forward, loop.backward):
            seen.append(arguments)
        real[0](self, used, grid, *arguments, **choices)

    def stepwise(self, used, pointers, *arguments, **choices):
        seen.append(pointers[:9])
        real[1](self, used, pointers, *arguments, **choices)

    monkeypatch.setattr(triton_run._Plan, "launch", launch)
    monkeypatch.setattr(triton_run._Plan, "stepwise", stepwise)
    results(run, make_call(Neuron(**GATES["gated"])))
    assert len(seen) == 2
    for arguments in seen:
        places = [t.untyped_storage().data_ptr() for t in arguments if isinstance(t, torch.Tensor)]
        assert len(places) == len(set(places)) >= 8


@pytest.mark.covers(1)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@on_both
def test_second_derivatives(feedback):
    call = leaves(make_call(Neuron(surrogate="arctan", **FEEDBACKS[feedback])))
    found = []
    for f in (run, reference.run):
        live = [t for t in call.tensors if t is not None]
        output, _, u = f(call)
        first = torch.autograd.grad(
            output.square().sum() + u.sum(), live, create_graph=True, materialize_grads=True
        )
        second = sum(g.square().sum() for g in first)
        found.append(torch.autograd.grad(second, live, allow_unused=True, materialize_grads=True))
    torch.testing.assert_close(*found, **TOLERANCE)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("emit", EMITS)
@on_both
def test_not_a_number_reaches_the_output(emit, feedback):
    call = make_call(Neuron(**{**FEEDBACKS[feedback], **EMITS[emit]}))
    call.input[2, 1] = float("nan")
    output, y, u = run(call)
    assert output[2:, 1].isnan().all()
    assert y[1].isnan().all()
    assert u[1].isnan().all()
    assert not output[:, 0].isnan().any()
    assert not output[:2].isnan().any()


def rounded(r, dtype):
    """r in ``dtype``; the interpreter cuts float32 off to bfloat16 where a GPU rounds."""
    if dtype == torch.bfloat16 and not GPU:
        cut = (r.detach().view(torch.int32) & -65536).view(torch.float32)
        return r + (cut - r.detach())
    return r.to(dtype).float()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("steps", [Steps(), Steps((5, 5, 3, 1))], ids=["dense", "packed"])
@on_both
def test_sixteen_bits(dtype, feedback, steps, monkeypatch):
    """Operands of the products in ``dtype``, all else in float32: the reference is told to do the same."""
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    call = single(make_call(neuron, steps, length=4, batch=5, hidden=24))
    narrow = [None if t is None else t.to(dtype) for t in (call.input, *call.weights)]
    call = call.with_tensors([*narrow, *call.tensors[4:]])
    monkeypatch.setattr(reference, "product", lambda r, w: rounded(r, dtype) @ w.float().t())
    monkeypatch.setattr(triton_run, "product", reference.product)
    rough = 3e-3 if dtype == torch.float16 else 2e-2
    (found, grads), (expected, wanted) = (
        results(f, clear_of_thresholds(call, 1e-4)) for f in (run, reference.run)
    )
    pairs = [*zip(found, expected, strict=True), *((grads[n], wanted[n]) for n in wanted)]
    for a, b in pairs:
        scale = b.abs().max().float().clamp_min(1e-6)
        torch.testing.assert_close(a.float() / scale, b.float() / scale, rtol=0, atol=rough)


@pytest.mark.parametrize(
    "options", [{}, {"feedback": "membrane"}, {"feedback": None}, {"gated": True}], ids=str
)
@pytest.mark.parametrize("layer_type", [LIAF, DALIF, MLIF])
def test_layers(layer_type, options, monkeypatch):
    if layer_type is DALIF and "feedback" in options:
        pytest.skip("no such neuron")
    layer = layer_type(4, 7, num_layers=2, bidirectional=True, **options).double()
    x = torch.nn.utils.rnn.pack_sequence(
        [torch.randn(n, 4, dtype=torch.float64) for n in (2, 5, 3)], enforce_sorted=False
    )
    grads = []
    for recurrence in (reference.run, run):
        monkeypatch.setattr(ops, "recurrence", recurrence)
        y, (h, c) = layer(x)
        loss = y.data.square().sum() + h.sum() + c.square().sum()
        grads.append([y.data, h, c, *torch.autograd.grad(loss, tuple(layer.parameters()))])
    torch.testing.assert_close(grads[1], grads[0], **TOLERANCE)


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 130])
def test_a_graph_replays_any_number_of_steps(steps, monkeypatch):
    """With a graph that keeps what is launched while it captures, and launches it again."""

    class Graph:
        def __init__(self):
            self.calls, self.open = [], False

        def capture_begin(self, **_):
            self.open = True

        def capture_end(self):
            self.open = False

        def replay(self):
            for call in self.calls:
                call()

    made, seen = [], []

    def launch(table, clock, index):
        def one():
            if clock[0] + index < clock[1]:
                seen.append((int(clock[0]) + index, int(table[0])))

        made[-1].calls.append(one) if made and made[-1].open else one()

    made.append(Graph())
    advance = graph._advance
    monkeypatch.setattr(graph, "_advance", lambda clock: made[0].calls.append(lambda: advance(clock)))
    stream = SimpleStream()
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda s: s)
    chunk = graph.Chunk(launch, torch.device("cpu"), 3, made[0])
    assert len(made[0].calls) == graph.CHUNK + 1
    for pointer in (7, 8):
        seen.clear()

        def fill(table, clock, pointer=pointer):
            table[0], clock[0], clock[1] = pointer, 0, steps

        chunk.run(fill, steps)
        assert seen == [(t, pointer) for t in range(steps)]


class SimpleStream:
    def wait_stream(self, _):
        pass

    def synchronize(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.usefixtures("_wide")
def test_steps_beyond_the_last_touch_nothing(monkeypatch):
    """As the rest of a chunk does."""
    launched = graph.run

    def longer(launch, fill, steps, slots, device, key):
        def again(table, clock, index):
            launch(table, clock, index)
            if index == steps - 1:
                for beyond in range(3):
                    launch(table, clock, steps + beyond)

        launched(again, fill, steps, slots, device, key)

    monkeypatch.setattr(graph, "run", longer)
    for layout in ("dense", "packed-reverse"):
        assert_parity_here(make_call(Neuron(**GATES["gated"]), LAYOUTS[layout]))


@pytest.mark.skipif(GPU, reason="the interpreter reads what it is told to")
@pytest.mark.parametrize("feedback", ["output", "membrane", "gated"])
@pytest.mark.usefixtures("_wide")
def test_a_chunk_compiles_before_there_are_tensors(feedback, monkeypatch):
    """With a clock that is past the end and pointers to nowhere, a step reads nothing through them."""
    nowhere = torch.full((steps.SLOTS,), 16, dtype=torch.int64)

    def compiled(launch, fill, count, slots, device, key):
        table, clock = torch.zeros(slots, dtype=torch.int64), torch.tensor([1, 1])
        fill(table, torch.zeros(2, dtype=torch.int64))
        for slot in sizes_and_offsets[key[0]]:
            nowhere[slot] = table[slot]
        launch(nowhere, clock, 0)
        graph_run(launch, fill, count, slots, device, key)

    graph_run, sizes_and_offsets = graph.run, {"forward": (9, 10), "backward": (12, 13)}
    monkeypatch.setattr(graph, "run", compiled)
    assert_parity_here(make_call(Neuron(**FEEDBACKS[feedback]), LAYOUTS["packed"]))


def test_lengths_and_batches_compile_nothing_again():
    """What differs from batch to batch is no constant of a kernel."""
    kernels = {
        loop.forward: {"steps", "batch"}, loop.backward: {"steps", "batch"},
        steps.forward: {"index", "batch"}, steps.backward: {"index", "batch"},
        elementwise.emit: {"rows"}, elementwise.slopes: {"rows", "batch"},
        elementwise.totals: {"rows", "part"},
    }  # fmt: skip
    for kernel, names in kernels.items():
        chosen = kernel.do_not_specialize if GPU else kernel.kwargs["do_not_specialize"]
        assert names <= set(chosen), kernel


@pytest.mark.parametrize("setting", ["allow_tf32", "set_float32_matmul_precision"])
def test_tf32_as_torch_is_told(setting):
    from liafseq.ops.triton.device import precision

    weight, half = torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.float16)
    before = torch.get_float32_matmul_precision()
    assert precision(weight) == "ieee"
    try:
        if setting == "allow_tf32":
            torch.backends.cuda.matmul.allow_tf32 = True
        else:
            torch.set_float32_matmul_precision("high")
        assert precision(weight) == "tf32"
        assert precision(half) == precision(None) == "ieee"
    finally:
        torch.set_float32_matmul_precision(before)
    assert precision(weight) == "ieee"


class OnGpu:
    """A tensor as it would be on a GPU, for what asks of its kind alone."""

    def __init__(self, tensor):
        self.shape, self.dtype, self.device = tensor.shape, tensor.dtype, torch.device("cuda:0")
        self.numel, self.is_cuda = tensor.numel, True


def on_gpu(call):
    return call.with_tensors([None if t is None else OnGpu(t) for t in call.tensors])


def test_what_is_served(monkeypatch):
    def served(neuron=Neuron(), cast=torch.float32, state=torch.float32, hidden=5, **changes):  # noqa: B008
        call = make_call(neuron, length=2, hidden=hidden, dtype=state)
        tensors = [None if t is None else t.to(cast) if i < 4 else t for i, t in enumerate(call.tensors)]
        changed = dict(zip(Gradients._fields, tensors, strict=True)) | changes
        return backend.serves(on_gpu(call.with_tensors(list(changed.values()))))

    assert served()
    assert all(served(Neuron(activation=f, **g)) for f in ACTIVATIONS for g in GATES.values())
    assert all(served(Neuron(surrogate=s)) for s in SURROGATES)
    assert all(served(hidden=h, cast=c) for h in (128, 300) for c in (torch.float32, torch.float16))
    assert not served(state=torch.float64)
    assert not served(decay=torch.zeros(3, 5))
    assert not served(input=torch.zeros(0, 3, 3))
    assert not backend.serves(single(make_call()))
    monkeypatch.setitem(ACTIVATIONS, "sine", torch.sin)
    assert not served(Neuron(activation="sine"))
    assert served(Neuron(activation="sine", analog=False))
    monkeypatch.setattr(backend, "_AVAILABLE", False)
    assert not served()


def on_fake_gpu(t):
    return torch.empty(t.shape, dtype=t.dtype, device="cuda")


@pytest.mark.parametrize("trusted", [True, False], ids=["triton", "torch"])
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", ["dense", "packed-reverse"])
def test_the_operator_of_a_gpu(layout, feedback, trusted, monkeypatch):
    """Its passes, and torch's in their place, keep what its backward and its shapes expect."""
    gpu = operator._DEVICES["cuda"]
    monkeypatch.setitem(operator._DEVICES, "cpu", gpu._replace(supports=lambda _: True))
    monkeypatch.setattr(backend, "supports", lambda _: trusted)
    call = make_call(Neuron(surrogate="arctan", **FEEDBACKS[feedback]), LAYOUTS[layout])
    assert_parity(operator.BACKEND.run, call, **TOLERANCE)
    rest = [getattr(call.neuron, name) for name in operator._FIELDS]
    given = [*call.tensors[:9], *rest, list(call.steps.sizes or ()), call.steps.reverse]
    found = operator._recurrence(*given, True)
    sizes = operator._kept_sizes(call, True)
    assert tuple(t.numel() for t in found[3:]) == sizes
    with FakeTensorMode():
        fake = [on_fake_gpu(t) if isinstance(t, torch.Tensor) else t for t in given]
        shapes = operator._recurrence(*fake, True)
    assert [t.shape for t in shapes] == [t.shape for t in found]
    assert {t.device.type for t in shapes} == {"cuda"}


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_a_compiler_is_told_of_a_gpu_by_its_kind_alone(feedback, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: pytest.fail("asked the device"))
    call = single(make_call(Neuron(**FEEDBACKS[feedback])))
    with FakeTensorMode():
        fake = [None if t is None else on_fake_gpu(t) for t in call.tensors]
        assert operator.BACKEND.supports(call.with_tensors(fake))
    monkeypatch.setattr(backend, "_AVAILABLE", False)
    assert not operator.BACKEND.supports(call.with_tensors(fake))


def test_importing_it_imports_no_triton():
    code = "import sys, liafseq; sys.exit('triton' in sys.modules or 'liafseq.ops.triton.run' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bank_conflicts_are_seen():
    """A column of an unswizzled matrix of 128 numbers lies in one bank; side by side they lie in all."""
    assert ptx.ways("ld.shared.b32", [512 * lane for lane in range(32)]) == 32
    assert ptx.ways("ld.shared.b32", [4 * lane for lane in range(32)]) == 1
    assert ptx.ways("ld.shared.b32", [0] * 32) == 1
    assert ptx.ways("ld.shared.v4.b32", [16 * lane for lane in range(32)]) == 1
    assert ptx.ways("ldmatrix.sync.aligned.m8n8.x4.shared.b16", [256 * lane for lane in range(32)]) == 8
    lines = """
        mov.u32 %r1, %tid.x;
        shl.b32 %r2, %r1, 9;
    $L__loop:
        ld.shared.b32 %r4, [%r2+128];
        bar.sync 0;
        @%p1 bra $L__loop;
    """
    loop = ptx.Loop.largest(lines)
    assert (loop.barriers, loop.conflicts) == (1, (1, 31, 32, 0))


@pytest.mark.exhaustive
def test_kernels_compile_and_keep_to_what_they_may_use():
    script = Path(__file__).with_name("compile_triton.py")
    quiet = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=quiet, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture
def _untried(monkeypatch):
    monkeypatch.setattr(check, "_found", {})


def trusted(call):
    return check.trusted(call.with_tensors([None if t is None else t.to(DEVICE) for t in call.tensors]))


@pytest.mark.usefixtures("_untried")
@pytest.mark.covers(1)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_it_is_trusted_where_it_agrees_with_torch(mode, dtype, feedback):
    call = single(make_call(Neuron(**FEEDBACKS[feedback])))
    call = call._replace(weights=Weights(*(t if t is None else t.to(dtype) for t in call.weights)))
    with mode():
        assert trusted(call)


@pytest.mark.usefixtures("_untried", "_wide")
def test_steps_are_tried_on_their_own(monkeypatch):
    monkeypatch.setattr(check, "fits", lambda *_: False)
    assert trusted(single(make_call(Neuron(**GATES["gated"]))))


@pytest.mark.usefixtures("_untried")
def test_each_kind_of_call_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(check, "_deviation", lambda kind: tried.append(kind) or 0.0)
    calls = [
        single(make_call(Neuron(**FEEDBACKS[name]), hidden=hidden))
        for name, hidden in itertools.product(FEEDBACKS, (5, 20, 40))
    ]
    calls += [call._replace(weights=call.weights._replace(hh=call.weights.hh.half())) for call in calls[:3]]
    assert all(trusted(call) for call in calls)
    assert len(tried) == len(set(tried)) == len(calls)
    assert all(trusted(call) for call in calls)
    assert len(tried) == len(calls)


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_what_is_tried_spikes_and_is_packed(feedback):
    cpu, neuron = torch.device("cpu"), Neuron(**FEEDBACKS[feedback])
    call = check.problem(neuron, 64, torch.float32, cpu, check.SIZES)
    assert len(set(call.sizes)) > 1
    assert call.sizes[0] > 2 * triton_run.ROWS
    for u in reference.trace(call)[3].split(list(call.sizes)):
        assert 0.2 < (u > call.numbers.threshold).double().mean() < 0.8
        assert (u - call.numbers.threshold).abs().min() > 0.1


@pytest.mark.usefixtures("_untried")
@pytest.mark.parametrize("fault", ["raises", "wrong", "nan"])
def test_it_is_not_trusted_where_it_fails(fault, monkeypatch):
    real = triton_run.PASSES

    def broken(call, keep):
        if fault == "raises":
            raise RuntimeError("no such instruction")
        found = real.forward(call, keep)
        return found._replace(output=found.output * (1.01 if fault == "wrong" else float("nan")))

    monkeypatch.setattr(triton_run, "PASSES", real._replace(forward=broken))
    call = single(make_call())
    with pytest.warns(RuntimeWarning, match="Triton kernels are not used on"):
        assert not trusted(call)
    monkeypatch.undo()
    if fault == "raises":
        return
    monkeypatch.setattr(check, "_found", {})
    assert trusted(call)


@pytest.mark.usefixtures("_untried")
@pytest.mark.parametrize("error", [BlockingIOError("fork"), torch.OutOfMemoryError("out of memory")], ids=str)
def test_what_passes_by_is_tried_again(error, monkeypatch):
    real, errors = check._deviation, [error]

    def once(kind):
        if errors:
            raise errors.pop()
        return real(kind)

    monkeypatch.setattr(check, "_deviation", once)
    call = single(make_call())
    with pytest.warns(RuntimeWarning, match="this time"):
        assert not trusted(call)
    assert trusted(call)


@pytest.mark.usefixtures("_untried")
def test_nothing_is_tried_within_a_capture(monkeypatch):
    tried = []
    monkeypatch.setattr(check, "_deviation", lambda kind: tried.append(kind) or 0.0)
    monkeypatch.setattr(check, "fits", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    call = on_gpu(single(make_call()))
    assert not check.trusted(call)
    assert not tried
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert check.trusted(call)
    assert len(tried) == 1


@pytest.mark.skipif(not GPU, reason="no GPU")
@pytest.mark.parametrize("hidden", [64, 128, 256, 300, 1024])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_sizes_on_the_device(hidden, dtype, feedback, monkeypatch):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    call = single(make_call(neuron, length=70, batch=40, hidden=hidden, dtype=torch.float32))
    call = call._replace(weights=Weights(*(t if t is None else t.to(dtype) for t in call.weights)))
    monkeypatch.setattr(reference, "product", lambda r, w: rounded(r, dtype) @ w.float().t())
    assert_parity(run, clear_of_thresholds(call, 1e-4), rtol=0, atol=1e-3 if dtype == torch.float32 else 3e-2)
