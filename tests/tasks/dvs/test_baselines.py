from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from liafseq.tasks.baselines import ConvLSTM


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def draw(*shape):
    return torch.randn(shape, dtype=torch.float64)


def loop(layer, x, state):
    """Shi et al. 2015, equation 3, without peepholes, each gate on its own."""
    w, b, u = layer.input_convolution.weight, layer.input_convolution.bias, layer.hidden_convolution.weight
    stride, padding = layer.input_convolution.stride, layer.input_convolution.padding
    h, c = state
    outputs = []
    for step in x:
        now = {}
        for k, gate in enumerate("ifgo"):
            part = slice(k * layer.hidden_channels, (k + 1) * layer.hidden_channels)
            bias = None if b is None else b[part]
            now[gate] = F.conv2d(step, w[part], bias, stride, padding) + F.conv2d(h, u[part], padding="same")
        c = now["f"].sigmoid() * c + now["i"].sigmoid() * now["g"].tanh()
        h = now["o"].sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs), (h, c)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("options", "side"),
    [({}, 7), ({"stride": 2, "recurrent_kernel_size": 5}, 4), ({"padding": 0}, 5)],
    ids=["same", "strided", "valid"],
)
def test_is_the_definition(bias, options, side):
    layer = ConvLSTM(2, 3, 3, bias=bias, **options).double()
    x, state = draw(4, 2, 2, 7, 7), (draw(2, 3, side, side), draw(2, 3, side, side))
    tensors = [t.requires_grad_() for t in (x, *state)] + list(layer.parameters())
    found, expected = layer(x, state), loop(layer, x, state)
    torch.testing.assert_close(found, expected)
    losses = [(out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum() + (h * c).sum()
              for out, (h, c) in (found, expected)]  # fmt: skip
    torch.testing.assert_close(*(torch.autograd.grad(loss, tensors) for loss in losses))
    zeros = tuple(torch.zeros_like(s) for s in state)
    torch.testing.assert_close(layer(x), loop(layer, x, zeros))


def test_one_pixel_is_nn_lstm():
    layer, torchs = ConvLSTM(3, 4, 1).double(), nn.LSTM(3, 4).double()
    with torch.no_grad():
        torchs.weight_ih_l0.copy_(layer.input_convolution.weight.flatten(1))
        torchs.weight_hh_l0.copy_(layer.hidden_convolution.weight.flatten(1))
        torchs.bias_ih_l0.copy_(layer.input_convolution.bias)
        torchs.bias_hh_l0.zero_()
    x = draw(5, 2, 3)
    out, (h, c) = layer(x[..., None, None])
    expected, (h1, c1) = torchs(x)
    torch.testing.assert_close((out[..., 0, 0], h[..., 0, 0], c[..., 0, 0]), (expected, h1[0], c1[0]))


def test_layouts_and_pieces():
    layer, other = ConvLSTM(2, 3, 3).double(), ConvLSTM(2, 3, 3, batch_first=True).double()
    other.load_state_dict(layer.state_dict())
    x = draw(6, 2, 2, 5, 4)
    out, state = layer(x)
    swapped, same = other(x.transpose(0, 1))
    torch.testing.assert_close((swapped.transpose(0, 1), same), (out, state))
    alone, own = layer(x[:, 1])
    torch.testing.assert_close((alone, own), (out[:, 1], tuple(s[1] for s in state)))
    first, hx = layer(x[:4, 1])
    second, hx = layer(x[4:, 1], hx)
    torch.testing.assert_close((torch.cat([first, second]), hx), (alone, own))
    first, hx = layer(x[:4])
    torch.testing.assert_close(torch.cat([first, layer(x[4:], hx)[0]]), out)


def test_errors():
    layer = ConvLSTM(2, 3, 3)
    x, good = torch.zeros(4, 2, 2, 5, 5), torch.zeros(2, 3, 5, 5)
    with pytest.raises(RuntimeError, match=r"Expected 4D \(unbatched\) or 5D \(batched\) input to ConvLSTM"):
        layer(x[0, 0])
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0"):
        layer(x[:0])
    with pytest.raises(TypeError, match=r"pair \(h_0, c_0\) of tensors, got: Tensor"):
        layer(x, good)
    with pytest.raises(RuntimeError, match=r"Expected c_0 size \(2, 3, 5, 5\), got \(1, 3, 5, 5\)"):
        layer(x, (good, good[:1]))
    with pytest.raises(TypeError, match="batch_first should be of type bool, got: int"):
        ConvLSTM(2, 3, 3, 1)


def test_plumbing():
    layer = ConvLSTM(2, 3, 3, device="meta")
    assert layer(torch.empty(2, 1, 2, 4, 4, device="meta"))[0].shape == (2, 1, 3, 4, 4)
    torch.manual_seed(1)
    one = ConvLSTM(2, 3, 3)
    torch.manual_seed(1)
    again = ConvLSTM(2, 3, 3)
    with torch.no_grad():
        again.input_convolution.weight.zero_()
    torch.manual_seed(1)
    again.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
