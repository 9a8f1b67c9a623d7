"""A decay that is a gate: equations, what it comes down to, parameters. Its loops: ops/test_parity.py."""

from __future__ import annotations

import pytest
import torch
from torch.nn import GRU

from liafseq import LIAF, LIAFCell


def test_by_hand():
    """One LIAF neuron, two steps, arithmetic written out."""
    layer = LIAF(1, 1, gated=True, activation="identity", decay=0.8, threshold=10.0, leak=0.1).double()
    values = {
        "weight_ih_l0": [[0.5], [-1.0]],
        "weight_hh_l0": [[0.25], [2.0]],
        "bias_ih_l0": [0.1, 0.2],
        "bias_hh_l0": [0.0, -0.3],
    }
    for name, value in values.items():
        getattr(layer, name).data = torch.tensor(value, dtype=torch.float64)
    out, (_, c) = layer(torch.tensor([[[1.0]], [[2.0]]], dtype=torch.float64))
    logit = torch.logit(torch.tensor(0.8, dtype=torch.float64))
    a1 = torch.sigmoid(logit - 1.0 - 0.1)
    u1 = 0.1 + (1 - a1) * (0.5 + 0.1)
    a2 = torch.sigmoid(logit - 2.0 - 0.1 + 2.0 * u1)
    u2 = a2 * u1 + 0.1 + (1 - a2) * (1.0 + 0.1 + 0.25 * u1)
    torch.testing.assert_close(out.flatten(), torch.stack([u1, u2]))
    torch.testing.assert_close(c.flatten(), u2[None])


@pytest.mark.parametrize("options", [{}, {"normalize_current": False}, {"learn_decay": False}], ids=str)
def test_a_gate_without_weights_is_the_decay(layer_type, options):
    if "normalize_current" in options and layer_type.__name__ == "DALIF":
        pytest.skip("DALIF has no normalised current")
    # without a gate they are others by default
    given = {name: getattr(layer_type.kind.gated, name) for name in layer_type.kind.by_gate}
    options = {**given, **options}
    layer = layer_type(3, 8, 2, gated=True, bidirectional=True, **options).double()
    plain = layer_type(3, 8, 2, bidirectional=True, **options).double()
    values = layer.state_dict()
    for name, value in values.items():
        if name.startswith(("weight", "bias")):
            value[8:] = 0
    plain.load_state_dict({n: v[:8] for n, v in values.items()})
    x = 3 * torch.randn(7, 2, 3, dtype=torch.float64)
    hx = tuple(torch.randn(4, 2, 8, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(layer(x, hx), plain(x, hx))


def test_parameters_are_stacked_as_torchs_gates_are(layer_type):
    layer, gru = layer_type(3, 4, 2, gated=True), GRU(3, 4, 2)
    ours = {n: p.shape for n, p in layer.named_parameters() if n.startswith(("weight", "bias"))}
    theirs = {n: (p.shape[0] // 3 * 2, *p.shape[1:]) for n, p in gru.named_parameters()}
    assert ours == theirs
    assert "gated=True" in repr(layer)


@pytest.mark.parametrize("layer_type", [LIAF, LIAFCell])
def test_default_initial_values_of_liaf_are_those_that_were_measured(layer_type):
    """docs/results/appendix/defaults.md says what chose them."""
    torch.manual_seed(3)
    layer = layer_type(16, 640, gated=True)
    torch.manual_seed(3)
    given = layer_type(16, 640, gated=True, decay=(0.5, 0.99), recurrent_init="uniform", reset="none")
    assert {n: p.tolist() for n, p in layer.named_parameters()} == {
        n: p.tolist() for n, p in given.named_parameters()
    }
    decay = layer.neuron_parameters()["decay"].detach()
    assert 0.5 <= decay.min() < 0.51
    assert 0.98 < decay.max() <= 0.99
    assert abs(decay.mean() - 0.745) < 0.02
    (w,) = (p.detach() for n, p in layer.named_parameters() if n.startswith("weight_hh"))
    assert 0.99 * 640**-0.5 < w.abs().max() <= 640**-0.5
    assert repr(layer) == f"{layer_type.__name__}(16, 640, gated=True)"


def test_the_orthogonal_rows_are_the_currents():
    torch.manual_seed(3)
    uniform = LIAF(16, 64, gated=True)
    torch.manual_seed(3)
    layer = LIAF(16, 64, gated=True, recurrent_init="orthogonal")
    w = layer.weight_hh_l0.detach()
    torch.testing.assert_close(w[:64] @ w[:64].t(), torch.eye(64), atol=1e-5, rtol=0)
    assert torch.equal(w[64:], uniform.weight_hh_l0[64:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_keep_a_precise_membrane(dtype):
    layer = LIAF(3, 4, gated=True, dtype=dtype)
    out, (h, c) = layer(torch.randn(5, 2, 3, dtype=dtype))
    assert {out.dtype, h.dtype, c.dtype} == {dtype}
    exact = LIAF(3, 4, gated=True)
    exact.load_state_dict(layer.state_dict())
    torch.manual_seed(0)
    x = torch.randn(5, 2, 3, dtype=dtype)
    torch.testing.assert_close(layer(x)[0].float(), exact(x.float())[0], atol=0.03, rtol=0.03)


def test_autocast():
    layer, x = LIAF(3, 4, gated=True), torch.randn(5, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)[0]
    out.sum().backward()
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x)[0], atol=0.03, rtol=0.03)
