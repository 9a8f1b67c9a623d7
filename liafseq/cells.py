"""The cells, one step of a layer: LIAF, LIF, DA-LIF and multi-threshold LIF, used as nn.LSTMCell is."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._doc import documented
from liafseq.cell_base import SpikingCellBase
from liafseq.parameters import Initial
from liafseq.spec import by_gate, is_analog, options_of

__all__ = ["DALIFCell", "LIAFCell", "LIFCell", "MLIFCell"]


@documented
class LIAFCell(SpikingCellBase):
    """One step of ``LIAF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before:

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

    >>> cell = LIAFCell(10, 20)
    >>> state = None
    >>> for x in torch.randn(5, 3, 10):
    ...     h, c = state = cell(x, state)
    >>> h.shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
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
            input_size, hidden_size, bias, device, dtype, by_gate(options_of(locals())), analog=True
        )


@documented
class LIFCell(SpikingCellBase):
    """One step of ``LIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before:

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

    >>> h, c = LIFCell(10, 20)(torch.randn(3, 10))
    >>> set(h.unique().tolist()) <= {0.0, 1.0}
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
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
        super().__init__(input_size, hidden_size, bias, device, dtype, options_of(locals()), analog=False)


@documented
class DALIFCell(SpikingCellBase):
    """One step of ``DALIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before:

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

    >>> h, c = DALIFCell(10, 20, output="analog")(torch.randn(10))
    >>> h.shape
    torch.Size([20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
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
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            options_of(locals()),
            analog=is_analog(output),
            dual=True,
        )


@documented
class MLIFCell(SpikingCellBase):
    """One step of ``MLIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t
        y_t = sum over k = 1..K of H(u_t - k theta)
        R_t = u_t - theta y_t

    A neuron sends as many spikes as thresholds its potential has crossed, and its time constant is
    learned.

    {arguments}

    {rest}

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> h, c = MLIFCell(10, 20, levels=3)(torch.randn(3, 10))
    >>> float(h.detach().max()) <= 3
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
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
            input_size, hidden_size, bias, device, dtype, options_of(locals()), analog=False, soft=True
        )
