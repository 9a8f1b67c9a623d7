"""One step of a cell or layer, which has a way of its own, against the definition."""

from __future__ import annotations

import pytest
import torch
from test_equalities import NEURONS, as_states, build

from liafseq import LIAFCell
from liafseq._modules.time_loop import call_of
from liafseq.ops import reference

ROWS = {"one": 1, "some": 3}


@pytest.fixture(params=NEURONS, ids=str)
def kind(request):
    return NEURONS[request.param]


def definition(module, x, suffix, hx):
    """Output and states of the reference for x (N, I), with all weights in the call."""
    h0, c0 = (None, hx[0]) if len(hx) == 1 else hx or (None, None)
    _, h, u = reference.run(call_of(module, x.unsqueeze(0), suffix, h0, c0, len(x)))
    return h, u


def run(module, x, hx):
    """Output and potential of a layer's or a cell's step, x (N, I)."""
    layer = hasattr(module, "num_layers")
    state = tuple(s.unsqueeze(0) for s in hx) if layer else hx
    state = None if not hx else state[0] if len(hx) == 1 else state
    if layer:
        output, found = module(x.unsqueeze(0), state)
        *h_n, u = (s[0] for s in as_states(found))
        assert all(torch.equal(h, output[0]) for h in h_n)
        return output[0], u
    found = module(x, state)
    return (module.emit(found), found) if isinstance(found, torch.Tensor) else found


def loss(results):
    return sum((r * torch.linspace(-1, 1, r.numel(), dtype=r.dtype).view(r.shape)).sum() for r in results)


@pytest.mark.covers(2)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("given", [False, True], ids=["rest", "hx"])
@pytest.mark.parametrize("part", ["layer", "cell"])
@pytest.mark.parametrize("share", ["neuron", "layer"])
def test_one_step_is_that_of_the_definition(kind, state_format, rows, given, part, share):
    """Results, all gradients, and those of the gradients."""
    layer_type, cell_type, options = kind
    learned = dict.fromkeys(("learn_threshold", "learn_leak"), True) if "leak" in options else {}
    more = {"state_format": state_format, "share": share, "surrogate": "gaussian", **learned}
    module_type, suffix = (layer_type, "_l0") if part == "layer" else (cell_type, "")
    module = build(module_type, {**options, **more}, 3, 4)
    x = (2 * torch.randn(ROWS[rows], 3, dtype=torch.float64)).requires_grad_()
    hx = ()
    if given:
        count = 1 if state_format == "gru" else 2
        hx = tuple(torch.randn(len(x), 4, dtype=x.dtype, requires_grad=True) for _ in range(count))
    leaves = [x, *hx, *module.parameters()]

    def gradients(value, **more):
        return torch.autograd.grad(value, leaves, materialize_grads=True, **more)

    found, expected = run(module, x, hx), definition(module, x, suffix, hx)
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(run(module, x, hx), expected)
    firsts = [gradients(loss(results), create_graph=True) for results in (found, expected)]
    torch.testing.assert_close(gradients(loss(found), retain_graph=True), firsts[1])
    torch.testing.assert_close(*firsts)
    torch.testing.assert_close(*(gradients(sum((g**2).sum() for g in first)) for first in firsts))


@pytest.mark.parametrize("part", ["layer", "cell"])
@pytest.mark.parametrize("how", ["bfloat16", "autocast"])
def test_one_step_in_16_bits(kind, how, part):
    layer_type, cell_type, options = kind
    module_type, suffix = (layer_type, "_l0") if part == "layer" else (cell_type, "")
    module = module_type(16, 16, **options)
    x, hx = torch.randn(3, 16), tuple(torch.randn(3, 16) for _ in range(2))
    if how == "bfloat16":
        module, x, *hx = (t.bfloat16() for t in (module, x, *hx))
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        found = run(module, x, tuple(hx))
        expected = definition(module, x, suffix, tuple(hx))
    assert found[0].dtype == x.dtype
    # near the threshold a rounding moves the output, not the potential
    torch.testing.assert_close(found[1].float(), expected[1].float(), rtol=0.05, atol=0.05)
    loss(found).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_every_weight_has_a_gradient_at_the_first_step(kind):
    _, cell_type, options = kind
    cell = cell_type(3, 4, **options)
    cell(torch.randn(2, 3))[1].sum().backward()
    assert all(p.grad is not None for p in cell.parameters())


def test_vmap_over_a_step(kind):
    _, cell_type, options = kind
    cell = build(cell_type, options, 3, 4)
    x, h, c = (torch.randn(5, n, dtype=torch.float64) for n in (3, 4, 4))
    torch.testing.assert_close(torch.vmap(lambda *a: cell(a[0], a[1:]))(x, h, c), cell(x, (h, c)))


def test_results_can_be_changed_in_place():
    cell = LIAFCell(3, 4)
    h, c = cell(torch.randn(2, 3), (torch.zeros(2, 4), torch.zeros(2, 4)))
    before = c.clone()
    h.add_(1)
    assert torch.equal(c, before)
    (h.sum() + c.mul_(2).sum()).backward()


def test_export_of_a_cell_with_a_dynamic_batch():
    cell, batch = LIAFCell(3, 4), torch.export.Dim("batch", min=2, max=64)
    few, more = ((torch.randn(n, 3), (torch.randn(n, 4), torch.randn(n, 4))) for n in (2, 5))
    shapes = {"input": {0: batch}, "hx": ({0: batch}, {0: batch})}
    program = torch.export.export(cell, few, dynamic_shapes=shapes)
    torch.testing.assert_close(program.module()(*more), cell(*more))
