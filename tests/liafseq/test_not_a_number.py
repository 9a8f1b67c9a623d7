"""What is not a number shows: in the output and in the loss, in its own sequence and nowhere else."""

from __future__ import annotations

import pytest
import torch
from calls import EMITS, make_call
from conftest import CELLS, LAYERS
from test_outside import CONVS, flat

from liafseq import ops
from liafseq.neurons import ACTIVATIONS, Neuron
from liafseq.ops import State, Steps, cpu, operator, reference

RUNS = {found.name: found.run for found in ops.BACKENDS if found.name in ("torch", "cpu")}
RUNS |= {"reference": reference.run}
if cpu.available():
    RUNS |= {"operator": operator.BACKEND.run}

NEURONS = {
    "output": {},
    "membrane": {"feedback": "membrane"},
    "none": {"feedback": None},
    "gated": {"gate": "sigmoid", "normalize": True},
    "gated-tanh": {"gate": "tanh"},
}


def spoilt(call, where):
    """The same call with one number in the second sequence that is none."""
    _, y, _ = state = call.state
    if where == "potential":
        state = State(None, y, call.state.v)
    call = call._replace(state=state)
    tensors = {"input": call.input[0], "kept": state.v, "potential": state.u, "output": state.y}
    tensors[where][1, 2] = torch.nan
    return call


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


@pytest.mark.covers(2)
@pytest.mark.parametrize("where", ["input", "kept", "potential", "output"])
@pytest.mark.parametrize(("steps", "hidden"), [(1, 5), (6, 40)])
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("function", EMITS)
@pytest.mark.parametrize("choices", NEURONS)
def test_every_way_through_the_steps(run, choices, function, reset, steps, hidden, where):
    if function == "mlif":
        reset = "soft"
    neuron = Neuron(**{"reset": reset, **NEURONS[choices], **EMITS[function]})
    if where == "output" and neuron.feedback != "output":
        where = "kept"
    call = spoilt(make_call(neuron, length=steps, hidden=hidden), where)
    call.input.requires_grad_()
    output, y, u = run(call)
    own = output[-1, 1].isnan()
    # without products a neuron spoils itself alone
    alone = neuron.feedback is None and where != "input"
    assert own[2]
    assert y[1, 2].isnan()
    assert u[1, 2].isnan()
    # what was kept reaches other neurons by what is fed back, a step later
    assert own.all() or alone or steps == 1
    assert not output[:, [0, 2, 3]].isnan().any()
    assert output.sum().isnan()


@pytest.mark.covers(1)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("choices", NEURONS)
def test_every_activation(run, choices, activation):
    call = spoilt(make_call(Neuron(**NEURONS[choices], activation=activation)), "input")
    output, y, u = run(call)
    assert all(t[..., 1, 2].isnan().all() for t in (output[-1], y, u))
    assert not output[:, [0, 2, 3]].isnan().any()


@pytest.mark.parametrize("function", EMITS)
@pytest.mark.parametrize("choices", NEURONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed_sequences(run, choices, function, reverse):
    neuron = Neuron(**{**NEURONS[choices], **EMITS[function]})
    call = make_call(neuron, Steps((4, 4, 3, 2), reverse=reverse))
    call.input[1] = torch.nan
    output, y, u = run(call)
    rows = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 0, 1])
    assert output[1].isnan().all()
    assert not output[rows != 1].isnan().any()
    assert y.isnan().any(1).tolist() == u.isnan().any(1).tolist() == [False, True, False, False]


GATED = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


def assert_shows(module, x):
    """In one sequence of the input, or of the state: in all of its results, in the loss, in no other."""
    features = 3 if x.dim() == 5 else 1

    def sequence(t, i):
        return t.select(t.dim() - features - 1, i)

    states = flat(module(x))[-2:]
    bad, *states = (t.detach().clone() for t in (x, *states))
    for t in (bad, *states):
        sequence(t, 1).fill_(torch.nan)
    for results in (flat(module(bad)), flat(module(x, tuple(states)))):
        for t in results:
            assert sequence(t, 1).isnan().all()
            assert not sequence(t, 0).isnan().any()
            assert t.sum().isnan()


@GATED
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("steps", [1, 5])
def test_layers(kind, gated, steps):
    assert_shows(kind(3, 4, 2, gated=gated), torch.randn(steps, 2, 3))


@GATED
@pytest.mark.parametrize("kind", CELLS)
def test_cells(kind, gated):
    assert_shows(kind(3, 4, gated=gated), torch.randn(2, 3))


@GATED
@pytest.mark.parametrize("kind", CONVS)
@pytest.mark.parametrize("steps", [1, 4])
def test_convolutions(kind, gated, steps):
    module = kind(3, 4, 3, padding=1, gated=gated, feedback="output")
    assert_shows(module, torch.randn(steps, 2, 3, 5, 5))


@GATED
@pytest.mark.parametrize("kind", LAYERS)
def test_under_a_compiler(kind, gated):
    torch._dynamo.reset()
    module = kind(3, 4, gated=gated)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    x = torch.randn(5, 2, 3)
    x[2, 1] = torch.nan
    output, _ = compiled(x)
    assert output[2:, 1].isnan().all()
    assert not output[:2].isnan().any()
    assert not output[:, 0].isnan().any()
