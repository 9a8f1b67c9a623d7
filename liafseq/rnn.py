"""The layers over time: LIAF, LIF, DA-LIF and multi-threshold LIF, used as nn.LSTM is."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._doc import documented
from liafseq.base import SpikingRNNBase
from liafseq.parameters import Initial
from liafseq.spec import by_gate, is_analog, options_of

__all__ = ["DALIF", "LIAF", "LIF", "MLIF"]


@documented
class LIAF(SpikingRNNBase):
    """A multi-layer recurrent layer of leaky integrate-and-analog-fire neurons, used as nn.LSTM is.

    For each time step, with alpha, beta and theta one a neuron or one a layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = f(u_t)                              or  f(u_t - theta)    (threshold_related)

    The spike s_t only resets the membrane; what travels on, to the next layer and through W_hh, is
    analog. H has a surrogate gradient in the backward pass (``liafseq.surrogate``).

    {arguments}

    {rest}

    Source: Wu et al. 2020, LIAF-Net (arXiv:2011.06176).

    >>> layer = LIAF(10, 20, num_layers=2)
    >>> output, (h_n, c_n) = layer(torch.randn(5, 3, 10))
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    >>> bool((h_n[-1] == output[-1]).all())
    True
    """

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
        gated: bool = False,
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 1.0,
        decay: Initial | None = None,
        leak: Initial = 0.0,
        normalize_current: bool = True,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "rectangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        recurrent_init: str | None = None,
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            by_gate(options_of(locals())), analog=True,
        )  # fmt: skip


@documented
class LIF(SpikingRNNBase):
    """A multi-layer recurrent layer of leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with alpha, beta and theta one a neuron or one a layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = s_t

    Output and feedback are binary. H has a surrogate gradient in the backward pass
    (``liafseq.surrogate``).

    {arguments}

    {rest}

    Source: as in Wu et al. 2020 (arXiv:2011.06176).

    >>> output, (h_n, c_n) = LIF(10, 20)(torch.randn(5, 3, 10))
    >>> set(output.unique().tolist()) <= {0.0, 1.0}
    True
    """

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
        gated: bool = False,
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 0.3,
        decay: Initial = 0.5,
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        recurrent_init: str = "uniform",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=False,
        )  # fmt: skip


@documented
class DALIF(SpikingRNNBase):
    """A multi-layer recurrent layer of dual adaptive leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with a, b and theta one a neuron or one a layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = b R_{t-1} + a I_t,    a = tanh(tau_a), b = tanh(tau_b)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = s_t                                 or  f(u_t)            (output="analog")

    Two numbers, learned independently, tune the input (a, learned as tau_a = ``gain``) and the
    memory (b, learned as tau_b = ``decay``); both start as given and lie in (-1, 1).

    {arguments}

    {rest}

    Source: Zhang et al. 2025 (arXiv:2502.10422).

    >>> layer = DALIF(10, 20, decay=0.5, gain=0.9)
    >>> {name: round(float(value[0].detach()), 3) for name, value in layer.neuron_parameters().items()}
    {'decay': 0.5, 'gain': 0.9, 'threshold': 0.25}
    """

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
        gated: bool = False,
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 0.25,
        decay: Initial = 0.5,
        gain: Initial = 0.9,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_gain: bool = True,
        learn_threshold: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.35,
        detach_reset: bool = True,
        recurrent_init: str = "uniform",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=is_analog(output), dual=True,
        )  # fmt: skip


@documented
class MLIF(SpikingRNNBase):
    """A multi-layer recurrent layer of multi-threshold leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with alpha, beta and theta one a neuron or one a layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t
        y_t = sum over k = 1..K of H(u_t - k theta)
        R_t = u_t - theta y_t

    A neuron sends as many spikes as thresholds its potential has crossed, and its time constant is
    learned.

    {arguments}

    {rest}

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> output, _ = MLIF(10, 20, levels=3)(torch.randn(5, 3, 10))
    >>> float(output.detach().max()) <= 3
    True
    """

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
        levels: int = 3,
        feedback: str | None = "output",
        gated: bool = False,
        threshold: Initial = 0.5,
        decay: Initial = 0.2,
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        recurrent_init: str = "uniform",
        state_format: str = "lstm",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            options_of(locals()), analog=False, soft=True,
        )  # fmt: skip
