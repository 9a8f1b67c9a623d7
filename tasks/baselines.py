"""The baselines on maps, with the interface of the convolutional spiking layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from liafseq.conv import over_time

__all__ = ["ConvLSTM", "ConvReLU"]

_Size = int | tuple[int, int]


class ConvLSTM(nn.Module):
    """An LSTM whose products with matrices are convolutions, over (T, N, C, H, W).

    For each time step, * being a convolution and (.) an element-wise product:

        i, f, o = sigmoid(W_x * x_t + W_h * h_{t-1} + b), one each
        g = tanh(W_x * x_t + W_h * h_{t-1} + b)
        c_t = f (.) c_{t-1} + i (.) g
        h_t = o (.) tanh(c_t)

    The peephole terms of the paper (gates that read c) are left out, as in nn.LSTM. The input
    convolution of all steps is one call; four gates lie in the order i, f, g, o, as in nn.LSTM.

    Args:
        in_channels, hidden_channels: channels of x and of h, c.
        kernel_size: of both convolutions, unless recurrent_kernel_size says otherwise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        stride, padding: of the input convolution, as nn.Conv2d has them; padding ``None`` is half the
            kernel. W_h has stride 1 and padding ``"same"``.
        bias: whether there is b.
        recurrent_kernel_size: of W_h.
        device, dtype: of the parameters.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, or (T, C, H, W) without a batch.
        - hx: (h_0, c_0), each (N, hidden_channels, H', W'); None is zeros.

    Outputs: ``output, (h_n, c_n)``
        - output: h of all steps; h_n, c_n: of the last one.

    Attributes:
        input_convolution: an ``nn.Conv2d`` to 4 * hidden_channels, initialised as such.
        hidden_convolution: the same from hidden_channels, without bias.

    Raises:
        RuntimeError: sizes of input or state that do not fit.

    Source: Shi et al. 2015 (arXiv:1506.04214).

    >>> layer = ConvLSTM(2, 8, 3)
    >>> output, (h_n, c_n) = layer(torch.randn(6, 4, 2, 10, 10))
    >>> output.shape, h_n.shape, bool((h_n == output[-1]).all())
    (torch.Size([6, 4, 8, 10, 10]), torch.Size([4, 8, 10, 10]), True)
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: _Size,
        batch_first: bool = False,
        *,
        stride: _Size = 1,
        padding: str | _Size | None = None,
        bias: bool = True,
        recurrent_kernel_size: _Size | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(batch_first, bool):
            raise TypeError(f"batch_first should be of type bool, got: {type(batch_first).__name__}")
        if padding is None:
            sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
            padding = (sides[0] // 2, sides[1] // 2)
        self.hidden_channels = hidden_channels
        self.batch_first = batch_first
        factory = {"device": device, "dtype": dtype}
        gates = 4 * hidden_channels
        self.input_convolution = nn.Conv2d(
            in_channels, gates, kernel_size, stride, padding, bias=bias, **factory
        )
        self.hidden_convolution = nn.Conv2d(
            hidden_channels,
            gates,
            recurrent_kernel_size or kernel_size,
            padding="same",
            bias=False,
            **factory,
        )

    def reset_parameters(self) -> None:
        """Initialise both convolutions anew."""
        self.input_convolution.reset_parameters()
        self.hidden_convolution.reset_parameters()

    def _start(self, hx: Any, gates: Tensor, batched: bool) -> tuple[Tensor, Tensor]:
        shape = (gates.shape[1], self.hidden_channels, *gates.shape[3:])
        if hx is None:
            return gates.new_zeros(shape), gates.new_zeros(shape)
        if not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise TypeError(f"ConvLSTM: hx should be a pair (h_0, c_0) of tensors, got: {type(hx).__name__}")
        h, c = hx if batched else (state.unsqueeze(0) for state in hx)
        for name, state in (("h_0", h), ("c_0", c)):
            if tuple(state.shape) != shape:
                raise RuntimeError(f"Expected {name} size {shape}, got {tuple(state.shape)}")
        return h, c

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over a sequence of maps; see the class for shapes."""
        if input.dim() not in (4, 5):
            raise RuntimeError(
                "Expected 4D (unbatched) or 5D (batched) input to ConvLSTM, "
                f"but got input of size: {list(input.shape)}"
            )
        batched = input.dim() == 5
        x = input.transpose(0, 1) if batched and self.batch_first else input
        x = x if batched else x.unsqueeze(1)
        if x.size(0) == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in ConvLSTM")
        flat = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        gates = self.input_convolution(flat).unflatten(0, x.shape[:2])
        h, c = self._start(hx, gates, batched)
        outputs = []
        for step in gates.unbind(0):
            i, f, g, o = (step + self.hidden_convolution(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        output = torch.stack(outputs)
        if not batched:
            return output.squeeze(1), (h.squeeze(0), c.squeeze(0))
        return (output.transpose(0, 1) if self.batch_first else output), (h, c)

    def extra_repr(self) -> str:
        return "batch_first=True" if self.batch_first else ""


class ConvReLU(nn.Module):
    """A convolution and relu of each step by itself, over (T, N, C, H, W): y_t = relu(norm(W * x_t + b)).

    It has no memory, so that for the same input at each step one step says all.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, bias: as of nn.Conv2d.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between convolution and relu.
        device, dtype: of the parameters.

    Inputs: ``input``: (T, N, C, H, W), or a ``PackedSequence`` of data (sum of lengths, C, H, W).

    Outputs: ``output, None``: as the input, and that there is no state.

    >>> output, _ = ConvReLU(2, 8, 3, padding=1, normalization="batch")(torch.randn(6, 4, 2, 10, 10))
    >>> output.shape, bool((output >= 0).all())
    (torch.Size([6, 4, 8, 10, 10]), True)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: str | _Size = 0,
        bias: bool = True,
        *,
        normalization: str | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if normalization not in (None, "batch"):
            raise ValueError(f"normalization must be 'batch' or None, got {normalization!r}")
        factory = {"device": device, "dtype": dtype}
        self.convolution = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=bias, **factory
        )
        self.norm = nn.BatchNorm2d(out_channels, **factory) if normalization else nn.Identity()

    def forward(self, input: Any, hx: None = None) -> tuple[Any, None]:
        """Run over maps; see the class for shapes."""
        return over_time(self._step, input), None

    def _step(self, maps: Tensor) -> Tensor:
        maps = self.convolution(maps.contiguous(memory_format=torch.channels_last))
        return torch.relu(self.norm(maps))
