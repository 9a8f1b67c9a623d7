"""The fast time loops against the readable reference: outputs, final state, every gradient."""

from __future__ import annotations

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
    leaves,
    make_call,
    results,
)

from liafseq import ops
from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import State, Steps, Weights, reference
from liafseq.ops.types import Gradients
from liafseq.surrogate import SURROGATES

ON_CPU = [backend for backend in ops.BACKENDS if backend.name in ("torch", "cpu")]


@pytest.fixture(params=ON_CPU, ids=[backend.name for backend in ON_CPU])
def run(request):
    backend = request.param

    def checked(call):
        assert backend.supports(call)
        return backend.run(call)

    return checked


@pytest.mark.covers(3)
@pytest.mark.parametrize("share", ["layer", "neuron"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("emit", "choices"), PLAIN + GATED, ids=str)
def test_every_choice(run, emit, choices, layout, share):
    hard = choices["reset"] == "hard"
    neuron = Neuron(**{"surrogate": "arctan", "v_reset": 0.1 if hard else 0.0, **choices, **EMITS[emit]})
    assert_parity(run, make_call(neuron, LAYOUTS[layout], share=share))


@pytest.mark.covers(2)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(run, activation, gate):
    neuron = Neuron(activation=activation, surrogate="sigmoid", **GATES[gate])
    assert_parity(run, make_call(neuron, leak=False))


@pytest.mark.covers(2)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_every_surrogate(run, surrogate, width, gate):
    neuron = Neuron(analog=False, surrogate=surrogate, surrogate_width=width, **GATES[gate])
    assert_parity(run, make_call(neuron, Steps((4, 3, 1), reverse=True)))


@pytest.mark.covers(2)
@pytest.mark.parametrize("use", USES, ids=str)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", ["dense", "packed", "packed-reverse"])
def test_losses_of_any_of_the_results(run, use, feedback, layout):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity(run, make_call(neuron, LAYOUTS[layout]), use)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_currents_no_leak_no_initial_output(run, layout, feedback):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    call = make_call(neuron, LAYOUTS[layout], leak=False, weight_ih=False, y0=False)
    assert_parity(run, call)
    before = call.input.clone()
    run(call)
    assert torch.equal(call.input, before), "a given current must not be overwritten"


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("reverse", [False, True])
def test_no_bias_no_leak_no_initial_output(run, feedback, reverse):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity(run, make_call(neuron, Steps(reverse=reverse), leak=False, bias=False, y0=False))


@pytest.mark.covers(2)
@pytest.mark.parametrize("sizes", [(4, 2, 1), None])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("frozen", Gradients._fields)
def test_frozen_arguments(run, frozen, gate, sizes):
    assert_parity(run, make_call(Neuron(surrogate="gaussian", **GATES[gate]), Steps(sizes)), frozen=frozen)


# around the widths of vectors, panels and tiles
HIDDENS = (1, 7, 8, 15, 16, 17, 31, 33, 64, 70, 100)


@pytest.mark.covers(4)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("batch", [1, 2, 3, 5, 7, 13, 19])
@pytest.mark.parametrize("hidden", HIDDENS)
def test_every_size(run, hidden, batch, feedback):
    neuron = Neuron(surrogate="gaussian", **FEEDBACKS[feedback])
    assert_parity(run, make_call(neuron, batch=batch, hidden=hidden, length=4))


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("projects", [True, False])
def test_double_backward(run, layout, feedback, projects):
    neuron = Neuron(surrogate="arctan", **FEEDBACKS[feedback])
    call = make_call(neuron, LAYOUTS[layout], weight_ih=projects)
    call = call.with_tensors([t if t is None else t.requires_grad_() for t in call.tensors])
    found = []
    for op in (run, reference.run):
        live = [t for t in call.tensors if t is not None]
        out, _, u = op(call)
        first = torch.autograd.grad((out**2).sum() + u.sum(), live, create_graph=True, materialize_grads=True)
        second = sum((g**2).sum() for g in first)
        found.append(torch.autograd.grad(second, live, allow_unused=True, materialize_grads=True))
    torch.testing.assert_close(*found)


def test_float32_agrees_with_float64(run):
    call = make_call(Neuron(threshold_related=True))
    exact = results(reference.run, call)[1]
    rough = results(run, call.with_tensors([None if t is None else t.float() for t in call.tensors]))[1]
    for name, grad in exact.items():
        torch.testing.assert_close(rough[name].double(), grad, rtol=1e-3, atol=1e-3)


def test_neurons_alone_keep_their_potentials_alone(run):
    """Not the current that they are given, the output of a convolution for example."""
    call = leaves(make_call(Neuron(feedback=None), weight_ih=False))
    current = call.input * 1
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        run(call._replace(input=current))
    maps = {t.untyped_storage().data_ptr(): t for t in kept if t.numel() >= current.numel()}
    assert len(maps) == 1
    assert current.untyped_storage().data_ptr() not in maps


@pytest.mark.parametrize(("gate", "numbers"), [("plain", 1), ("gated", 3)])
def test_what_is_kept(run, gate, numbers):
    """The membrane potential of each neuron and step, and with a gate its current and the gate's."""
    call = make_call(Neuron(**GATES[gate]))
    call = call.with_tensors([None if t is None else t.requires_grad_() for t in call.tensors])
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        run(call._replace(input=call.input.clone()))
    given = {t.data_ptr() for t in call.tensors if t is not None}
    new = [t for t in kept if t.data_ptr() not in given and t.shape[-1] != 3]
    width = 5 if all(t.shape[-1] in (5, 10) for t in new) else new[-1].shape[-1]
    assert sum(t.numel() for t in new) == numbers * 6 * 4 * width


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("emit", EMITS)
def test_not_a_number_reaches_the_output(run, emit, feedback):
    neuron = Neuron(**{**FEEDBACKS[feedback], **EMITS[emit]})
    call = make_call(neuron)
    call.input[2, 1] = float("nan")
    output, y, u = run(call)
    assert all(part.isnan().all() for part in (output[2:, 1], y[1], u[1]))
    assert not any(part.isnan().any() for part in (output[:, 0], output[:2]))


@pytest.mark.covers(3)
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("share", ["layer", "neuron"])
@pytest.mark.parametrize(("emit", "choices"), PLAIN + GATED, ids=str)
def test_one_step_from_a_potential(run, emit, choices, share, batch):
    """Where the current is whole, as of cells and between convolutions."""
    neuron = Neuron(**{"surrogate": "arctan", **choices, **EMITS[emit]})
    call = make_call(neuron, share=share, weight_ih=False, length=1, batch=batch)
    call = call._replace(weights=Weights(None, None, None), state=State(None, None, call.state.v))
    assert_parity(run, call)
