"""The operators that torch.compile sees in the place of the loop."""

from __future__ import annotations

import pytest
import torch

from liafseq import LIAF
from liafseq.neurons import Neuron
from liafseq.ops import cpu, library, reference

pytestmark = pytest.mark.skipif(not cpu.available(), reason="needs numba and torch's BLAS")

FEEDBACKS = pytest.mark.parametrize("feedback", ["output", "membrane", None])
LAYOUTS = pytest.mark.parametrize("layout", [(None, False), ((2, 2, 1), True)], ids=["dense", "packed"])


def arguments(feedback, sizes, leak=True):
    def randn(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    return [
        randn(sum(sizes), 2) if sizes else randn(3, 2, 2),
        randn(4, 2),
        randn(4, 4) if feedback else None,
        randn(4),
        torch.rand(4, dtype=torch.float64, requires_grad=True),
        (torch.rand((), dtype=torch.float64) + 0.3).requires_grad_(),
        randn(()) if leak else None,
        randn(2, 4),
        randn(2, 4) if leak else None,
    ]


@pytest.mark.covers(2)
@FEEDBACKS
@LAYOUTS
@pytest.mark.parametrize("leak", [True, False])
def test_parity(feedback, layout, leak):
    neuron = Neuron(feedback=feedback, surrogate="arctan")
    args = arguments(feedback, layout[0], leak)
    live = [a for a in args if a is not None]
    found = []
    for op in (library, reference):
        out, y, u = op.recurrence(*args, neuron, *layout)
        loss = (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() + (y * u).sum()
        grads = torch.autograd.grad(loss, live, allow_unused=True)
        grads = [torch.zeros_like(a) if g is None else g for a, g in zip(live, grads, strict=True)]
        found.append([out, y, u, *grads])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@FEEDBACKS
@LAYOUTS
def test_torchs_own_checks_of_operators(feedback, layout):
    neuron = Neuron(feedback=feedback)
    current, _, weight_hh, _, decay, threshold, leak, v0, r0 = arguments(feedback, layout[0])
    current = torch.randn(*current.shape[:-1], 4, dtype=torch.float64, requires_grad=True)
    fields = [getattr(neuron, name) for name in library._FIELDS]
    args = (current, weight_hh, decay, threshold, leak, v0, r0, *fields, list(layout[0] or ()), layout[1])
    results = torch.library.opcheck(library._scan, args)
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


def test_the_graph_holds_one_operator_a_direction_and_does_not_grow_with_time():
    layer = LIAF(3, 4, 2, bidirectional=True)
    short, long = (nodes(layer, torch.randn(steps, 2, 3)) for steps in (3, 40))
    assert short.count(torch.ops.liafseq.scan.default) == 4
    assert len(short) == len(long)


def test_export_stays_free_of_them():
    program = torch.export.export(LIAF(3, 4), (torch.randn(3, 2, 3),))
    assert "liafseq" not in str(program.graph)
