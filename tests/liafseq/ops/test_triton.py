"""The Triton time loop against the readable reference: outputs, final state, every gradient.

On a GPU the compiled kernels run; elsewhere Triton's interpreter runs the same kernels on the CPU.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from liafseq import LIAF, MLIF
from liafseq._modules import time_loop
from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import reference, triton_check
from liafseq.ops import triton as op
from liafseq.surrogate import SURROGATES

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
DTYPE = torch.float32 if GPU else torch.float64
TOLERANCE = {"rtol": 1e-3, "atol": 1e-3} if GPU else {"rtol": 1e-9, "atol": 1e-10}


def _prepare() -> str:
    """Define the kernels for what is to run here; otherwise say why these tests cannot run.

    Triton itself may be there already: what the kernels call of it does not depend on the interpreter.
    """
    before = os.environ.get("TRITON_INTERPRET")
    if not GPU:
        os.environ["TRITON_INTERPRET"] = "1"
    try:
        import triton

        from liafseq.ops import triton_kernels
    except ImportError:
        return "triton is not installed"
    finally:
        if before is None:
            os.environ.pop("TRITON_INTERPRET", None)
    if not GPU and isinstance(triton_kernels.forward, triton.JITFunction):
        return "the kernels were imported before these tests could choose Triton's interpreter"
    return ""


REASON = _prepare()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "triton is there")
on_gpu = pytest.mark.skipif(not GPU, reason="no GPU")


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    if not GPU:
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    op.available.cache_clear()
    yield
    op.available.cache_clear()


NAMES = ["input", "weight_ih", "weight_hh", "bias", "decay", "threshold", "leak", "v0", "r0"]
LAYOUTS = {
    "dense": (None, False),
    "dense-reverse": (None, True),
    "packed": ((4, 4, 3, 2, 2, 1), False),
    "packed-reverse": ((4, 4, 3, 2, 2, 1), True),
    "equal-lengths": ((4, 4), True),
    "one-step": ((4,), False),
}
EMITS = {
    "liaf": {"analog": True},
    "liaf-relu": {"analog": True, "activation": "relu", "threshold_related": True},
    "lif": {"analog": False},
    "mlif": {"analog": False, "reset": "soft", "levels": 3},
}


def arguments(neuron, sizes, share="neuron", *, leak=True, weight_ih=True, shape=(6, 4, 5)):
    steps, batch, hidden = shape
    inputs = 3 if weight_ih else hidden
    one = () if share == "layer" else (hidden,)

    def randn(*size):
        return torch.randn(*size, dtype=torch.float64).to(DEVICE, DTYPE)

    return [
        randn(sum(sizes), inputs) if sizes else randn(steps, batch, inputs),
        randn(hidden, inputs) if weight_ih else None,
        randn(hidden, hidden) / hidden**0.5 if neuron.feedback else None,
        randn(hidden) if weight_ih else None,
        randn(one).sigmoid(),
        randn(one).sigmoid() + 0.3,
        randn(one) / 10 if leak else None,
        randn(batch, hidden),
        randn(batch, hidden),
    ]


def run(recurrence, args, neuron, sizes, reverse, use=(True, True, True)):
    args = [None if a is None else a.detach().clone().requires_grad_() for a in args]
    outputs = recurrence(*args, neuron, sizes, reverse)
    loss = 0
    for o, used in zip(outputs, use, strict=True):
        if used:
            loss = (
                loss
                + (o * torch.linspace(-1, 1, o.numel(), dtype=o.dtype, device=o.device).view(o.shape)).sum()
            )
    live = [(n, a) for n, a in zip(NAMES, args, strict=True) if a is not None]
    grads = torch.autograd.grad(loss, [a for _, a in live], allow_unused=True)
    grads = {n: torch.zeros_like(a) if g is None else g for (n, a), g in zip(live, grads, strict=True)}
    return outputs, grads


def assert_parity(args, neuron, sizes=None, reverse=False, use=(True, True, True), scaled=False, **tolerance):
    expected, expected_grads = run(reference.recurrence, args, neuron, sizes, reverse, use)
    found, grads = run(op.recurrence, args, neuron, sizes, reverse, use)
    tolerance = tolerance or TOLERANCE
    pairs = [(n, a, b) for n, a, b in zip(("output", "h", "u"), found, expected, strict=True)]
    pairs += [(f"d{n}", grads[n], expected_grads[n]) for n in expected_grads]
    for name, a, b in pairs:
        assert a.dtype == b.dtype, name
        if scaled:
            a, b = (t.float() / b.abs().max().float().clamp_min(1e-6) for t in (a, b))
        torch.testing.assert_close(a, b, **tolerance, msg=lambda m, name=name: f"{name}: {m}")


SAMPLE = [
    (emit, feedback, reset, detach, list(LAYOUTS)[i % len(LAYOUTS)], ("layer", "neuron")[i // 2 % 2])
    for i, (emit, feedback, reset, detach) in enumerate(
        itertools.product(EMITS, ("output", "membrane", None), ("hard", "soft"), (False, True))
    )
    if emit != "mlif" or reset == "soft"
]
SAMPLE += [
    ("liaf", feedback, "hard", False, layout, share)
    for feedback, layout, share in itertools.product(
        ("output", "membrane", None), LAYOUTS, ("layer", "neuron")
    )
]


@pytest.mark.covers(2)
@pytest.mark.parametrize(("emit", "feedback", "reset", "detach", "layout", "share"), dict.fromkeys(SAMPLE))
def test_every_choice(emit, feedback, reset, detach, layout, share):
    choices = {"reset": reset, "surrogate": "arctan", "detach_reset": detach, **EMITS[emit]}
    neuron = Neuron(feedback=feedback, v_reset=0.1 if reset == "hard" else 0.0, **choices)
    sizes, reverse = LAYOUTS[layout]
    assert_parity(arguments(neuron, sizes, share), neuron, sizes, reverse)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_with_its_kinks_and_tails(activation):
    neuron = Neuron(activation=activation, surrogate="sigmoid", feedback=None)
    kinks = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 20.0])
    current = torch.cat([torch.linspace(-40, 40, 41), kinks]).to(DEVICE, DTYPE).view(1, 2, 24)
    zero, one = (torch.full((), x, dtype=DTYPE, device=DEVICE) for x in (0.0, 1.0))
    args = [current, None, None, None, zero, one, None, torch.zeros_like(current[0]), None]
    # torch's own derivative of hardsigmoid is 1/6 in float32 whatever the precision
    assert_parity(
        args, neuron, **({"rtol": 1e-7, "atol": 1e-7} if activation == "hardsigmoid" else TOLERANCE)
    )


@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate(surrogate, width):
    neuron = Neuron(analog=False, surrogate=surrogate, surrogate_width=width, levels=2, reset="soft")
    assert_parity(arguments(neuron, (4, 3, 1)), neuron, (4, 3, 1), True)


@pytest.mark.parametrize("feedback", ["output", "membrane", None])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 17, 16), (2, 33, 5), (5, 16, 31), (3, 2, 65), (2, 2, 601)], ids=str
)
def test_odd_shapes(shape, feedback):
    if feedback is not None and shape[-1] > 256:
        pytest.skip("a matrix that does not fit")
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    assert_parity(arguments(neuron, None, shape=shape), neuron)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("feedback", ["output", "membrane", None])
def test_packed_sequences_over_several_programs(feedback, reverse):
    sizes = (37, 37, 20, 17, 16, 3, 1)
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    assert_parity(arguments(neuron, sizes, shape=(0, 37, 19)), neuron, sizes, reverse)


@pytest.mark.covers(2)
@pytest.mark.parametrize(
    "use", [use for use in itertools.product((True, False), repeat=3) if any(use)], ids=str
)
@pytest.mark.parametrize("layout", ["dense", "packed", "packed-reverse"])
def test_losses_of_any_of_the_results(use, layout):
    sizes, reverse = LAYOUTS[layout]
    for feedback in ("output", "membrane", None):
        neuron = Neuron(feedback=feedback, surrogate="gaussian")
        assert_parity(arguments(neuron, sizes), neuron, sizes, reverse, use)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_currents_no_leak_no_initial_output(layout):
    neuron = Neuron(surrogate="gaussian")
    sizes, reverse = LAYOUTS[layout]
    args = arguments(neuron, sizes, leak=False, weight_ih=False)
    args[-1] = None
    if sizes == (4,):
        args[0] = args[0][:4]
    assert_parity(args, neuron, sizes, reverse)
    before = args[0].clone()
    op.recurrence(args[0].requires_grad_(), *args[1:], neuron, sizes, reverse)
    assert torch.equal(args[0], before), "a given current must not be overwritten"


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_potentials_exactly_at_a_threshold(surrogate):
    neuron = Neuron(analog=False, reset="soft", levels=3, surrogate=surrogate, feedback=None)
    current = torch.arange(0, 2.5, 0.25, dtype=DTYPE, device=DEVICE).view(1, 2, 5)
    half = torch.full((5,), 0.5, dtype=DTYPE, device=DEVICE)
    args = [current, None, None, None, half, half, None, torch.zeros_like(current[0]), None]
    assert_parity(args, neuron)


@pytest.mark.parametrize("frozen", NAMES)
def test_frozen_arguments(frozen):
    neuron = Neuron(surrogate="gaussian")
    args = arguments(neuron, (4, 2, 1))
    expected = run(reference.recurrence, args, neuron, (4, 2, 1), False)[1]
    live = [a.requires_grad_(n != frozen) for n, a in zip(NAMES, args, strict=True)]
    weights = [torch.linspace(-1, 1, n, dtype=DTYPE, device=DEVICE) for n in (35, 20, 20)]
    outputs = op.recurrence(*live, neuron, (4, 2, 1), False)
    sum((o.flatten() * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    assert args[NAMES.index(frozen)].grad is None
    for name, a in zip(NAMES, live, strict=True):
        if name != frozen:
            torch.testing.assert_close(a.grad, expected[name], **TOLERANCE)


def test_strided_arguments_and_expanded_gradients():
    neuron = Neuron(surrogate="gaussian")
    args = arguments(neuron, None)
    args[0] = args[0].transpose(0, 1).contiguous().transpose(0, 1)
    args[1], args[2], args[7] = (args[i].t().contiguous().t() for i in (1, 2, 7))
    args[4] = torch.stack([args[4], args[5]], -1)[:, 0]
    args[8] = args[8][:1].expand(4, 5)
    args = [a.requires_grad_() if a.is_leaf else a.detach().requires_grad_() for a in args]
    for k, result in enumerate(
        zip(*(f(*args, neuron) for f in (op.recurrence, reference.recurrence)), strict=True)
    ):
        found, expected = (
            torch.autograd.grad(r.sum(), args, retain_graph=True, allow_unused=True) for r in result
        )
        for name, a, b in zip(NAMES, found, expected, strict=True):
            torch.testing.assert_close(a, b, **TOLERANCE, msg=lambda m, name=name, k=k: f"d{k}/d{name}: {m}")


def test_without_gradients_nothing_is_kept_and_nothing_changes():
    neuron = Neuron()
    args = [a.requires_grad_() for a in arguments(neuron, None)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        trained = op.recurrence(*args, neuron)
    given = {a.data_ptr() for a in args}
    assert [t.numel() for t in kept if t.data_ptr() not in given] == [6 * 4 * 5]
    with torch.no_grad():
        outputs = op.recurrence(*args, neuron)
    assert not any(o.requires_grad for o in outputs)
    for a, b in zip(outputs, trained, strict=True):
        assert torch.equal(a, b)


def test_second_derivatives():
    neuron = Neuron(surrogate="arctan")
    args = [a.requires_grad_() for a in arguments(neuron, None)]
    found = []
    for f in (op.recurrence, reference.recurrence):
        first = torch.autograd.grad(f(*args, neuron)[0].square().sum(), args[:3], create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), args[:3]))
    torch.testing.assert_close(found[0], found[1], **TOLERANCE)


def test_nan_stays_in_its_sequence():
    neuron = Neuron()
    args = arguments(neuron, None)
    args[0][2, 1] = torch.nan
    y, _, u = op.recurrence(*args, neuron)
    assert y[2:, 1].isnan().all()
    assert u[1].isnan().all()
    assert y[:2].isfinite().all()
    assert u[[0, 2, 3]].isfinite().all()


def rounded(r, dtype):
    """r in ``dtype``; the interpreter cuts float32 off to bfloat16 where a GPU rounds."""
    if dtype == torch.bfloat16 and not GPU:
        cut = (r.detach().view(torch.int32) & -65536).view(torch.float32)
        return r + (cut - r.detach())
    return r.to(dtype).float()


@pytest.mark.covers(2)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("feedback", ["output", "membrane", None])
@pytest.mark.parametrize("sizes", [None, (5, 5, 3, 1)], ids=["dense", "packed"])
def test_precisions(dtype, feedback, sizes, monkeypatch):
    """Operands of the products in ``dtype``, all else in float32: the reference is told to do the same."""
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    args = [None if a is None else a.float() for a in arguments(neuron, sizes, shape=(4, 5, 24))]
    cast = [a if a is None or i > 3 else a.to(dtype) for i, a in enumerate(args)]
    monkeypatch.setattr(reference, "product", lambda r, w: rounded(r, dtype) @ w.float().t())
    rough = {torch.float32: 1e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}[dtype]
    assert_parity(cast, neuron, sizes, scaled=True, rtol=0, atol=rough)


@pytest.mark.parametrize("options", [{}, {"feedback": "membrane"}, {"feedback": None}], ids=str)
@pytest.mark.parametrize("layer_type", [LIAF, MLIF])
def test_layers(layer_type, options, monkeypatch):
    layer = layer_type(4, 7, num_layers=2, bidirectional=True, **options).to(DEVICE, DTYPE)
    x = [torch.randn(n, 4, dtype=DTYPE, device=DEVICE) for n in (2, 5, 3)]
    x = torch.nn.utils.rnn.pack_sequence(x, enforce_sorted=False)
    grads = []
    for recurrence in (reference.recurrence, op.recurrence):
        monkeypatch.setattr(time_loop.ops, "recurrence", recurrence)
        y, (h, c) = layer(x)
        loss = y.data.square().sum() + h.sum() + c.square().sum()
        grads.append([y.data, h, c, *torch.autograd.grad(loss, tuple(layer.parameters()))])
    torch.testing.assert_close(grads[1], grads[0], **TOLERANCE)


def test_what_is_served(monkeypatch):
    def served(neuron=Neuron(), cast=torch.float32, hidden=5, **changes):  # noqa: B008 - frozen
        args = [None if a is None else a.float() for a in arguments(neuron, None, shape=(2, 3, hidden))]
        args = [a if a is None or i > 3 else a.to(cast) for i, a in enumerate(args)]
        for name, value in changes.items():
            args[NAMES.index(name)] = value
        return op.supports(*args, neuron)

    assert served()
    assert all(served(Neuron(activation=f)) for f in ACTIVATIONS)
    assert all(served(Neuron(surrogate=s)) for s in SURROGATES)
    assert served(hidden=128)
    assert not served(hidden=129)
    assert served(hidden=256, cast=torch.float16)
    assert not served(hidden=257, cast=torch.float16)
    assert served(Neuron(feedback=None), hidden=2000)
    assert not served(v0=torch.zeros(3, 5, dtype=torch.float64, device=DEVICE))
    assert not served(decay=torch.zeros(3, 5, device=DEVICE))
    assert not served(input=torch.zeros(0, 3, 3, device=DEVICE))
    assert not served(bias=torch.zeros(5, device="meta"))
    monkeypatch.setattr(op.importlib.util, "find_spec", lambda _: None)
    op.available.cache_clear()
    assert not op.available()
    assert not served()


def test_importing_it_defines_no_kernel():
    code = "import sys, liafseq.ops.triton; sys.exit('liafseq.ops.triton_kernels' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.exhaustive
def test_kernels_compile_and_keep_to_their_shared_memory():
    script = Path(__file__).with_name("compile_triton.py")
    quiet = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=quiet, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture
def _untried():
    triton_check.trusted.cache_clear()
    yield
    triton_check.trusted.cache_clear()


@pytest.mark.usefixtures("_untried")
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_loop_is_trusted_where_it_agrees_with_torch(mode):
    with mode():
        assert triton_check.trusted(DEVICE)


@pytest.mark.usefixtures("_untried")
@pytest.mark.parametrize("fault", ["raises", "wrong", "nan"])
def test_it_is_not_trusted_where_it_fails(fault, monkeypatch):
    def broken(*args, **options):
        if fault == "raises":
            raise RuntimeError("no such instruction")
        out, y, u = triton_check.bptt.recurrence(*args, **options)
        return out * (1.01 if fault == "wrong" else float("nan")), y, u

    monkeypatch.setattr(op, "recurrence", broken)
    with pytest.warns(RuntimeWarning, match="Triton kernels are not used on"):
        assert not triton_check.trusted(DEVICE)


@on_gpu
@pytest.mark.parametrize(
    ("hidden", "dtype"), [(128, torch.float32), (256, torch.bfloat16), (256, torch.float16)]
)
@pytest.mark.parametrize("feedback", ["output", "membrane", None])
def test_largest_matrices_on_the_device(hidden, dtype, feedback, monkeypatch):
    neuron = Neuron(feedback=feedback, surrogate="gaussian")
    args = arguments(neuron, None, shape=(20, 40, hidden))
    cast = [a if a is None or i > 3 else a.to(dtype) for i, a in enumerate(args)]
    assert op.supports(*cast, neuron)
    monkeypatch.setattr(reference, "product", lambda r, w: rounded(r, dtype) @ w.float().t())
    assert_parity(cast, neuron, scaled=True, rtol=0, atol=1e-3 if dtype == torch.float32 else 3e-2)
