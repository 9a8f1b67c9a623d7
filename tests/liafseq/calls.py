"""Calls of the time loop, and what a backend makes of them beside the reference."""

from __future__ import annotations

import itertools

import torch

from liafseq.neurons import Neuron
from liafseq.ops import Call, Numbers, State, Steps, Weights, reference
from liafseq.ops.types import Gradients

LAYOUTS = {
    "dense": Steps(),
    "dense-reverse": Steps(reverse=True),
    "packed": Steps((4, 4, 3, 2, 2, 1)),
    "packed-reverse": Steps((4, 4, 3, 2, 2, 1), reverse=True),
    "one-step": Steps((4,)),
}
EMITS = {
    "liaf": {"analog": True},
    "liaf-relu": {"analog": True, "activation": "relu", "threshold_related": True},
    "lif": {"analog": False},
    "mlif": {"analog": False, "reset": "soft", "levels": 3},
}
RESETS = [
    {"reset": reset, "detach_reset": detach}
    for reset, detach in (("hard", False), ("hard", True), ("soft", False), ("soft", True), ("none", False))
]
# a normalised current does not go with the gate of DA-LIF
KINDS_OF_GATE = [
    {"gate": gate, "normalize": normalize}
    for gate, normalize in (("sigmoid", False), ("sigmoid", True), ("tanh", False))
]
# several levels know no hard reset; whether the reset is detached has nothing to do with the activation
PLAIN, GATED = (
    [
        (emit, {**kind, **reset})
        for emit, kind, reset in itertools.product(EMITS, kinds, RESETS)
        if not (emit == "mlif" and reset["reset"] == "hard")
        and not (emit == "liaf-relu" and reset["detach_reset"])
    ]
    for kinds in ([{"feedback": feedback} for feedback in ("output", "membrane", None)], KINDS_OF_GATE)
)
GATES = {"plain": {}, "gated": {"gate": "sigmoid", "normalize": True}}
SHARED = {"neuron": Neuron(surrogate="gaussian", gate="sigmoid", normalize=True), "gates": 2}
USES = [use for use in itertools.product((True, False), repeat=3) if any(use)]
FEEDBACKS = {"output": {}, "membrane": {"feedback": "membrane"}, "none": {"feedback": None}} | {
    "gated": GATES["gated"]
}


def make_call(
    neuron=None,
    steps=None,
    *,
    share="neuron",
    leak=True,
    weight_ih=True,
    bias=True,
    y0=True,
    length=6,
    batch=4,
    inputs=3,
    hidden=5,
    gates=None,
    dtype=torch.float64,
):
    """Random tensors of the sizes that the neuron and the steps ask for, and of ``gates`` that are shared."""
    neuron, steps = neuron or Neuron(), steps or Steps()
    blocks = neuron.blocks
    shape = () if share == "layer" else (hidden,)
    inputs = inputs if weight_ih else blocks * hidden

    def randn(*size):
        return torch.randn(size, dtype=dtype)

    rows = blocks * hidden
    of_weights = hidden + gates if gates else rows
    batch = steps.sizes[0] if steps.sizes else batch
    return Call(
        randn(sum(steps.sizes), inputs) if steps.sizes else randn(length, batch, inputs),
        Weights(
            randn(of_weights, inputs) if weight_ih else None,
            randn(of_weights, hidden) / hidden**0.5 if neuron.feedback else None,
            randn(rows) if weight_ih and bias else None,
        ),
        Numbers(
            None if neuron.gate else torch.rand(shape, dtype=dtype),
            torch.rand(shape, dtype=dtype) + 0.3,
            randn(*shape) / 10 if leak else None,
        ),
        State(randn(batch, hidden), randn(batch, hidden) if y0 else None),
        neuron,
        steps,
    )


def leaves(call, frozen=""):
    """The same call with tensors that want gradients, but for the one of that name."""
    return call.with_tensors(
        [
            None if t is None else t.detach().clone().requires_grad_(name != frozen)
            for name, t in zip(Gradients._fields, call.tensors, strict=True)
        ]
    )


def results(run, call, use=(True, True, True), frozen=""):
    """What ``run`` gives, and the gradients of a loss of the results that are used, by name."""
    call = leaves(call, frozen)
    outputs = run(call)
    weights = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    loss = sum((o * w).sum() for o, w, used in zip(outputs, weights, use, strict=True) if used)
    live = {n: t for n, t in zip(Gradients._fields, call.tensors, strict=True) if t is not None}
    live = {n: t for n, t in live.items() if t.requires_grad}
    grads = torch.autograd.grad(loss, list(live.values()), allow_unused=True, materialize_grads=True)
    return outputs, dict(zip(live, grads, strict=True))


def assert_parity(run, call, use=(True, True, True), frozen="", rtol=1e-9, atol=1e-10):
    expected, expected_grads = results(reference.run, call, use, frozen)
    found, found_grads = results(run, call, use, frozen)
    for name, a, b in zip(("output", "h", "u"), found, expected, strict=True):
        torch.testing.assert_close(
            a, b, rtol=max(rtol, 1e-7), atol=max(atol, 1e-7), msg=lambda m, name=name: f"{name}: {m}"
        )
    assert set(found_grads) == set(expected_grads)
    for name, grad in expected_grads.items():
        torch.testing.assert_close(
            found_grads[name], grad, rtol=rtol, atol=atol, msg=lambda m, name=name: f"d{name}: {m}"
        )


def clear_of_thresholds(call, margin):
    """The call up to its first step in which a potential is within ``margin`` of a threshold.

    Beyond, a spike may be there or not by rounding alone.
    """
    with torch.no_grad():
        u = reference.trace(call)[3].double()
    sizes = call.sizes
    levels = torch.arange(1, call.neuron.levels + 1).view(-1, 1, 1) * call.numbers.threshold.double().cpu()
    near = ((u.cpu().view(-1, call.membrane.shape[1]) - levels).abs() < margin).any(0).any(1)
    order = range(len(sizes))[::-1] if call.steps.reverse else range(len(sizes))
    steps = near.split(list(sizes))
    clear = next((i for i, t in enumerate(order) if steps[t].any()), len(sizes))
    if clear == len(sizes):
        return call
    assert clear, "a potential is near a threshold at the first step already"
    kept = order[:clear]
    rows = [part for t, part in enumerate(call.input.reshape(sum(sizes), -1).split(list(sizes))) if t in kept]
    if call.steps.sizes is None:
        return call._replace(input=torch.stack(rows))
    cut = tuple(size for t, size in enumerate(sizes) if t in kept)
    assert cut[0] == sizes[0], "backwards the sequences of later starts are lost"
    return call._replace(input=torch.cat(rows), steps=Steps(cut, call.steps.reverse))
