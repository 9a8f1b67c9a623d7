"""The layers: ``LIAF``, ``LIF``, ``DALIF``, ``MLIF``."""

from __future__ import annotations

from typing import Any

import torch

from liafseq.base import SpikingRNNBase
from liafseq.parameters import Initial
from liafseq.spec import options_of

__all__ = ["DALIF", "LIAF", "LIF", "MLIF"]


class LIAF(SpikingRNNBase):
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
        device: Any = None,
        dtype: torch.dtype | None = None,
        activation: str = "tanh",
        threshold_related: bool = False,
        feedback: str | None = "output",
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 1.0,
        decay: Initial = (0.02, 0.2),
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "rectangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        recurrent_init: str = "orthogonal",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=True,
        )  # fmt: skip


class LIF(SpikingRNNBase):
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
        device: Any = None,
        dtype: torch.dtype | None = None,
        feedback: str | None = "output",
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 1.0,
        decay: Initial = (0.5, 0.99),
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "triangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        recurrent_init: str = "orthogonal",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=False,
        )  # fmt: skip


class DALIF(SpikingRNNBase):
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
        device: Any = None,
        dtype: torch.dtype | None = None,
        output: str = "spike",
        activation: str = "tanh",
        threshold_related: bool = False,
        feedback: str | None = "output",
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 0.3,
        decay: Initial = 0.5,
        gain: Initial = 0.9,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_gain: bool = True,
        learn_threshold: bool = False,
        surrogate: str = "triangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        recurrent_init: str = "orthogonal",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=output == "analog", dual=True,
        )  # fmt: skip


class MLIF(SpikingRNNBase):
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
        device: Any = None,
        dtype: torch.dtype | None = None,
        levels: int = 4,
        feedback: str | None = "output",
        threshold: Initial = 1.0,
        decay: Initial = (0.5, 0.99),
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "triangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        recurrent_init: str = "orthogonal",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=False, soft=True,
        )  # fmt: skip
