"""Whole == pieces == cells in a loop == sequences of a packed batch: outputs, states, gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from liafseq import DALIF, LIAF, LIF, MLIF, DALIFCell, LIAFCell, LIFCell, MLIFCell

NEURONS = {
    "liaf": (LIAF, LIAFCell, {}),
    "liaf-soft": (LIAF, LIAFCell, {"reset": "soft", "threshold": 0.4, "activation": "relu", "leak": 0.2}),
    "liaf-membrane": (LIAF, LIAFCell, {"feedback": "membrane", "decay": 0.9}),
    "liaf-no-feedback": (LIAF, LIAFCell, {"feedback": None, "decay": (0.5, 0.9)}),
    "liaf-normalized": (LIAF, LIAFCell, {"normalize_current": True, "decay": (0.1, 0.9)}),
    "lif": (LIF, LIFCell, {"threshold": 0.3}),
    "dalif": (DALIF, DALIFCell, {"gain": (-0.9, 0.9), "decay": (-0.9, 0.9)}),
    "mlif": (MLIF, MLIFCell, {"levels": 3, "threshold": 0.3}),
    "liaf-gated": (LIAF, LIAFCell, {"gated": True}),
    "liaf-gated-reset": (LIAF, LIAFCell, {"gated": True, "reset": "hard", "leak": 0.2}),
    "lif-gated": (LIF, LIFCell, {"gated": True, "reset": "soft"}),
    "dalif-gated": (DALIF, DALIFCell, {"gated": True, "gain": (-0.9, 0.9)}),
    "mlif-gated": (MLIF, MLIFCell, {"gated": True, "bias": False}),
}


@pytest.fixture(params=NEURONS, ids=str)
def kind(request):
    return NEURONS[request.param]


def build(layer_type, options, *sizes, **more):
    return layer_type(*sizes, **options, **more).double()


def as_states(state):
    return (state,) if isinstance(state, torch.Tensor) else tuple(state)


def assert_same_gradients(layer, one, other):
    """Equal gradients of a fixed function of two results that should be equal."""
    weights = [torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view(t.shape) for t in one]
    grads = [
        torch.autograd.grad(
            sum((t * w).sum() for t, w in zip(result, weights, strict=True)), list(layer.parameters())
        )
        for result in (one, other)
    ]
    for (name, _), a, b in zip(layer.named_parameters(), *grads, strict=True):
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.covers(2)
@pytest.mark.parametrize("batch_first", [False, True])
def test_pieces_make_the_whole(kind, state_format, batch_first):
    layer_type, _, options = kind
    layer = build(layer_type, options, 3, 4, 2, batch_first=batch_first, state_format=state_format)
    time = 1 if batch_first else 0
    x = 3 * torch.randn((2, 7, 3) if batch_first else (7, 2, 3), dtype=torch.float64)
    whole, state = layer(x)
    outputs, hx = [], None
    for piece in x.split([3, 1, 3], dim=time):
        out, hx = layer(piece, hx)
        outputs.append(out)
    pieces = torch.cat(outputs, time)
    torch.testing.assert_close(pieces, whole)
    torch.testing.assert_close(as_states(hx), as_states(state))
    assert_same_gradients(layer, (whole, *as_states(state)), (pieces, *as_states(hx)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_pieces_in_16_bits_differ_by_the_rounding_of_the_state(dtype, state_format):
    """Within a call the membrane is float32, between calls it has the dtype of the input."""
    # a spike on one side alone would move a potential by far
    layer = LIAF(3, 16, threshold=100.0, decay=0.95, state_format=state_format, dtype=dtype)
    x = 3 * torch.randn(12, 2, 3, dtype=dtype)
    whole, _ = layer(x)
    first, hx = layer(x[:6])
    rest, _ = layer(x[6:], hx)
    assert {s.dtype for s in as_states(hx)} == {dtype}
    assert torch.equal(first, whole[:6])
    assert not torch.equal(rest, whole[6:]), "rounding shows"
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(rest.float(), whole[6:].float(), atol=8 * eps, rtol=8 * eps)


def test_pieces_under_autocast_make_the_whole(kind, state_format):
    layer_type, _, options = kind
    layer = layer_type(3, 4, 2, state_format=state_format, **options)
    x = 3 * torch.randn(7, 2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        whole, state = layer(x)
        first, hx = layer(x[:4])
        rest, last = layer(x[4:], hx)
    assert {s.dtype for s in as_states(hx)} == {torch.float32}
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    torch.testing.assert_close(as_states(last), as_states(state))


def test_cells_in_a_loop_make_the_layer(kind, state_format):
    layer_type, cell_type, options = kind
    layer = build(layer_type, options, 3, 4, 2, state_format=state_format)
    cells = [build(cell_type, options, size, 4, state_format=state_format) for size in (3, 4)]
    for k, cell in enumerate(cells):
        named = {n.replace(f"_l{k}", ""): v for n, v in layer.state_dict().items() if f"_l{k}" in n}
        cell.load_state_dict(named)
    x = 3 * torch.randn(6, 2, 3, dtype=torch.float64)
    whole, state = layer(x)
    states, outputs = [None, None], []
    for step in x:
        for k, cell in enumerate(cells):
            states[k] = cell(step, states[k])
            step = cell.emit(states[k]) if state_format == "gru" else states[k][0]
        outputs.append(step)
    torch.testing.assert_close(torch.stack(outputs), whole)
    loop = [torch.stack(s) for s in zip(*map(as_states, states), strict=True)]
    torch.testing.assert_close(loop, list(as_states(state)))
    torch.stack(outputs).sum().backward()
    whole.sum().backward()
    for k, cell in enumerate(cells):
        for name, parameter in cell.named_parameters():
            torch.testing.assert_close(parameter.grad, getattr(layer, f"{name}_l{k}").grad)


def test_gradients_that_are_differentiated_again_are_the_same(kind):
    """Weights are made of the decay, so that a gradient could be counted twice."""
    layer_type, _, options = kind
    layer = build(layer_type, options, 3, 4)
    parameters, x = list(layer.parameters()), 3 * torch.randn(5, 2, 3, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad(layer(x)[0].sum(), parameters, create_graph=again, materialize_grads=True)
        for again in (True, False)
    )
    torch.testing.assert_close(found, expected)


LENGTHS = {"sorted": [6, 4, 4, 1], "unsorted": [1, 6, 4, 4], "equal": [5, 5, 5, 5], "one": [3]}


@pytest.mark.covers(2)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("both", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("given", [False, True], ids=["rest", "hx"])
def test_packed_is_each_sequence_alone(kind, state_format, lengths, both, given):
    layer_type, _, options = kind
    layer = build(layer_type, options, 3, 4, 2, bidirectional=both, state_format=state_format)
    sizes = LENGTHS[lengths]
    x = 3 * torch.randn(max(sizes), len(sizes), 3, dtype=torch.float64)
    parts = 1 if state_format == "gru" else 2
    hx = tuple(torch.randn(4 if both else 2, len(sizes), 4, dtype=torch.float64) for _ in range(parts))
    pack = (lambda s: s[0]) if state_format == "gru" else tuple
    packed = pack_padded_sequence(x, torch.tensor(sizes), enforce_sorted=lengths == "sorted")
    out, state = layer(packed, pack(hx) if given else None)
    padded, found = pad_packed_sequence(out)
    assert found.tolist() == sizes
    alone = [
        layer(x[:size, i : i + 1], pack([h[:, i : i + 1] for h in hx]) if given else None)
        for i, size in enumerate(sizes)
    ]
    for i, size in enumerate(sizes):
        torch.testing.assert_close(padded[:size, i], alone[i][0][:, 0])
        assert not padded[size:, i].any()
    expected = [torch.cat(s, 1) for s in zip(*(as_states(a[1]) for a in alone), strict=True)]
    torch.testing.assert_close(list(as_states(state)), expected)
    assert_same_gradients(
        layer,
        (*(padded[:size, i] for i, size in enumerate(sizes)), *as_states(state)),
        (*(a[0][:, 0] for a in alone), *expected),
    )


def test_gru_format_is_the_same_layer_with_another_state(kind):
    layer_type, _, options = kind
    pair = build(layer_type, options, 3, 4, 2, bidirectional=True)
    one = build(layer_type, options, 3, 4, 2, bidirectional=True, state_format="gru")
    one.load_state_dict(pair.state_dict())
    x = 3 * torch.randn(5, 2, 3, dtype=torch.float64)
    (out, (h, c)), (out1, u) = pair(x), one(x)
    assert torch.equal(out, out1)
    assert torch.equal(c, u)
    torch.testing.assert_close(one.emit(u[-1]), h[-1])


def test_the_reverse_direction_is_the_layer_on_the_reversed_sequence(kind):
    layer_type, _, options = kind
    both = build(layer_type, options, 3, 4, bidirectional=True)
    single = build(layer_type, options, 3, 4)
    single.load_state_dict(
        {n.replace("_reverse", ""): v for n, v in both.state_dict().items() if n.endswith("_reverse")}
    )
    x = 3 * torch.randn(5, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(both(x)[0][..., 4:], single(x.flip(0))[0].flip(0))


@pytest.mark.parametrize(("steps", "batch"), list(itertools.product((1, 2, 9), (1, 3))))
def test_by_hand(steps, batch):
    """LIF with hard reset against arithmetic written out for one neuron."""
    layer = LIF(1, 1, bias=False, decay=0.5, learn_decay=False, threshold=1.0, v_reset=0.25).double()
    with torch.no_grad():
        layer.weight_ih_l0.fill_(0.75)
        layer.weight_hh_l0.fill_(-0.5)
    x = torch.ones(steps, batch, 1, dtype=torch.float64)
    out, (_, c) = layer(x)
    u, s, expected = 0.0, 0.0, []
    for _ in range(steps):
        kept = 0.25 if s else u
        u = 0.5 * kept + 0.75 - 0.5 * s
        s = float(u >= 1)
        expected.append(s)
    assert out[:, 0, 0].tolist() == expected
    assert c[0, 0, 0].item() == pytest.approx(u)
    assert steps < 9 or sum(expected) > 0


def test_a_potential_at_the_threshold_spikes():
    layer = LIF(1, 1, bias=False, threshold=0.3, decay=0.5, learn_decay=False)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(0.3)
    assert layer(torch.ones(1, 1, 1))[0].item() == 1.0
