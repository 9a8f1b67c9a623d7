"""The operators that torch.compile sees in the place of the loop."""

from __future__ import annotations

import pytest
import torch
from calls import LAYOUTS, SHARED, assert_parity, leaves, make_call

from liafseq import LIAF
from liafseq.neurons import Neuron
from liafseq.ops import cpu, operator

pytestmark = pytest.mark.skipif(not cpu.available(), reason="needs llvmlite")

CHOICES = {
    "output": {}, "membrane": {"feedback": "membrane"}, "none": {"feedback": None},
    "gated": {"gate": "sigmoid", "normalize": True},
}  # fmt: skip
NEURONS = pytest.mark.parametrize("choices", CHOICES)


@pytest.mark.covers(2)
@NEURONS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("leak", [True, False])
@pytest.mark.parametrize("projects", [True, False])
def test_parity(choices, layout, leak, projects):
    neuron = Neuron(surrogate="arctan", **CHOICES[choices])
    call = make_call(neuron, LAYOUTS[layout], leak=leak, y0=leak, weight_ih=projects)
    assert operator.BACKEND.supports(call)
    assert_parity(operator.BACKEND.run, call)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gates_that_neighbours_share(layout):
    assert_parity(operator.BACKEND.run, make_call(**SHARED, steps=LAYOUTS[layout]))


@NEURONS
@pytest.mark.parametrize("layout", ["dense", "packed-reverse"])
def test_torchs_own_checks_of_operators(choices, layout):
    call = leaves(make_call(Neuron(**CHOICES[choices]), LAYOUTS[layout]))
    fields = [getattr(call.neuron, name) for name in operator._FIELDS]
    steps = call.steps
    args = (*call.tensors[:9], *fields, list(steps.sizes or ()), steps.reverse, True)
    results = torch.library.opcheck(operator._recurrence, args)
    assert set(results.values()) == {"SUCCESS"}


def nodes(layer, x):
    """Node targets of the one graph that a compiler gets."""
    seen = []

    def backend(graph, _):
        seen.extend(node.target for node in graph.graph.nodes)
        return graph.forward

    torch._dynamo.reset()
    torch.compile(layer, fullgraph=True, backend=backend)(x)
    return seen


@pytest.mark.parametrize("gated", [False, True])
def test_the_graph_holds_one_operator_a_direction_and_does_not_grow_with_time(gated):
    layer = LIAF(3, 4, 2, bidirectional=True, gated=gated)
    short, long = (nodes(layer, torch.randn(steps, 2, 3)) for steps in (3, 40))
    assert short.count(torch.ops.liafseq.recurrence.default) == 4
    assert len(short) == len(long)


def test_export_stays_free_of_them():
    program = torch.export.export(LIAF(3, 4), (torch.randn(3, 2, 3),))
    assert "liafseq" not in str(program.graph)
