"""A recurrent layer with the constructor and the state of nn.GRU, and one option."""

from typing import Any

import torch
from torch import nn


class Leaky(nn.Module):
    """h_t = keep h_{t-1} + tanh(W x_t + U h_{t-1})."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        keep: float = 0.5,
    ) -> None:
        super().__init__()
        if not 0 <= keep <= 1:
            raise ValueError(f"keep should be from 0 to 1, got {keep}")
        self.keep = keep
        self.inside = nn.Linear(input_size, hidden_size, bias)
        self.back = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x: torch.Tensor, hx: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        h = x.new_zeros(x.shape[1], self.back.in_features) if hx is None else hx[0]
        outputs = []
        for current in self.inside(x):
            h = self.keep * h + torch.tanh(current + self.back(h))
            outputs.append(h)
        return torch.stack(outputs), h[None]
