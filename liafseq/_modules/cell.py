"""The cells: one step of a layer, with the interface of nn.LSTMCell (or nn.GRUCell)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter, init

from liafseq._modules.layer import check_state_type
from liafseq._modules.spiking import SpikingModule, orthogonalize, uniform_bound
from liafseq._modules.time_loop import run_step
from liafseq.options import Options

__all__ = ["SpikingCellBase"]


class SpikingCellBase(SpikingModule):
    """Everything of a spiking cell that nn.GRUCell or nn.LSTMCell has too."""

    __constants__ = ["input_size", "hidden_size", "bias"]  # noqa: RUF012 - as torch declares it

    weight_hh: Parameter | None

    def _build(
        self,
        options: Options,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Any,
        dtype: torch.dtype | None,
    ) -> None:
        nn.Module.__init__(self)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self._configure(options)
        factory = {"device": device, "dtype": dtype}
        recurrent = self.neuron.feedback is not None
        rows = self.options.rows(hidden_size)
        shapes = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, hidden_size) if recurrent else None,
            "bias_ih": (rows,) if bias else None,
            "bias_hh": (rows,) if bias and recurrent else None,
        }
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else Parameter(torch.empty(shape, **factory)))
        self._create_traits("", hidden_size, factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as the layers do: nn.RNNCell's draws, then W_hh's option, then the neuron."""
        bound = uniform_bound(self.hidden_size) if self.hidden_size > 0 else 0
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            if getattr(self, name) is not None:
                init.uniform_(getattr(self, name), -bound, bound)
        if self.options.recurrent_init == "orthogonal" and self.weight_hh is not None:
            orthogonalize(self.weight_hh[: self.hidden_size])
        self._reset_traits("")

    def extra_repr(self) -> str:
        bias = "" if self.bias is True else f", bias={self.bias}"
        return f"{self.input_size}, {self.hidden_size}{bias}{self._options_repr()}"

    def _check(self, input: Tensor, states: tuple[Tensor, ...]) -> None:
        shape = input.shape
        expected = (*shape[:-1], self.hidden_size)
        if shape[-1:] == (self.input_size,) and len(shape) < 3 and all(s.shape == expected for s in states):
            return
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for i, state in enumerate(states):
            if state.dim() not in (1, 2):
                which = "hidden" if self.state_format == "gru" else f"hx[{i}]"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.dim()}D instead")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.size(-1)} expected {self.input_size}"
            )
        for i, state in enumerate(states):
            if state.dim() != input.dim():
                raise RuntimeError(
                    f"{name}: input is {input.dim()}D, so hidden{i} should be too, got {state.dim()}D"
                )
            if input.dim() == 2 and state.size(0) != input.size(0):
                raise RuntimeError(
                    f"Input batch size {input.size(0)} doesn't match hidden{i} batch size {state.size(0)}"
                )
            if state.size(-1) != self.hidden_size:
                raise RuntimeError(
                    f"hidden{i} has inconsistent hidden_size: "
                    f"got {state.size(-1)}, expected {self.hidden_size}"
                )

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """One step; see the class for shapes."""
        if hx is not None:
            check_state_type(self, hx)
        states = () if hx is None else (hx,) if isinstance(hx, Tensor) else tuple(hx)
        self._check(input, states)
        batched = input.dim() == 2
        if not batched:
            input, states = input.unsqueeze(0), tuple(s.unsqueeze(0) for s in states)
        h0, c0 = (None, None) if not states else (None, *states) if len(states) == 1 else states
        h, c = run_step(self, input, "", h0, c0)
        # the backward pass keeps the potential; this one may be changed in place
        c = c.clone() if c.requires_grad and not torch.jit.is_tracing() else c
        if not batched:
            h, c = h.squeeze(0), c.squeeze(0)
        return c if self.state_format == "gru" else (h, c)
