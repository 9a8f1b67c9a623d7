from __future__ import annotations

import math

import pytest
import torch

from liafseq.surrogate import SURROGATES, heaviside, primitive, spike, surrogate_gradient

KINDS = pytest.mark.parametrize("kind", SURROGATES)
WIDTHS = pytest.mark.parametrize("width", [0.5, 1.0, 3.0])
PEAKS = {"gaussian": 1 / math.sqrt(2 * math.pi), "sigmoid": 0.25}


@KINDS
def test_forward_is_the_step_with_h_of_zero_one(kind):
    x = torch.tensor([-1.0, -1e-30, 0.0, 1e-30, 2.0])
    assert spike(x, kind, 1.0).tolist() == [0, 0, 1, 1, 1]
    assert torch.equal(heaviside(x), spike(x, kind, 1.0))


@KINDS
@WIDTHS
def test_backward_is_the_surrogate(kind, width):
    x = torch.linspace(-4, 4, 201, dtype=torch.float64, requires_grad=True)
    weights = torch.linspace(1, 2, 201, dtype=torch.float64)
    (grad,) = torch.autograd.grad((spike(x, kind, width) * weights).sum(), x)
    assert torch.equal(grad, weights * surrogate_gradient(x.detach(), kind, width))


@KINDS
@WIDTHS
def test_surrogate_is_the_derivative_of_its_primitive(kind, width):
    # off the kinks of the piecewise ones
    x = torch.linspace(-4.013, 4.017, 200, dtype=torch.float64)
    step = 1e-6
    slope = (primitive(x + step, kind, width) - primitive(x - step, kind, width)) / (2 * step)
    torch.testing.assert_close(slope, surrogate_gradient(x, kind, width), atol=1e-6, rtol=1e-6)


@KINDS
@WIDTHS
def test_area_peak_and_limits(kind, width):
    far = torch.tensor([-1e9, 0.0, 1e9], dtype=torch.float64)
    torch.testing.assert_close(primitive(far, kind, width), torch.tensor([0.0, 0.5, 1.0]).double())
    peak = surrogate_gradient(torch.zeros((), dtype=torch.float64), kind, width)
    assert peak.item() == pytest.approx(PEAKS.get(kind, 1.0) / width)


@KINDS
def test_vmap_and_second_derivative(kind):
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4)
    torch.testing.assert_close(torch.vmap(lambda v: spike(v, kind, 2.0))(x), spike(x, kind, 2.0))
    x = x.requires_grad_()
    (first,) = torch.autograd.grad(spike(x, kind, 2.0).sum(), x, create_graph=True)
    if not first.requires_grad:  # the rectangle is flat
        assert kind == "rectangular"
        return
    (second,) = torch.autograd.grad(first.sum(), x)
    y = x.detach().requires_grad_()
    (expected,) = torch.autograd.grad(surrogate_gradient(y, kind, 2.0).sum(), y)
    torch.testing.assert_close(second, expected)
