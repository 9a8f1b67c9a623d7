"""The cells, one step of a layer: LIAF, LIF, DA-LIF and multi-threshold LIF, used as nn.LSTMCell is."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._modules.cell import SpikingCellBase
from liafseq._modules.constructor import constructor
from liafseq._modules.parameters import Initial
from liafseq.options import KINDS

__all__ = ["DALIFCell", "LIAFCell", "LIFCell", "MLIFCell"]


class LIAFCell(SpikingCellBase):
    """One step of ``LIAF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before, and with alpha (decay, in [0, 1]),
    beta (leak) and theta (threshold) per neuron or per layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t                 I_t times 1 - alpha with normalize_current
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = f(u_t)                              or  f(u_t - theta)    (threshold_related)

    The spike s_t only resets the membrane; what travels on, to the next layer and through W_hh, is analog.
    H has a surrogate gradient in the backward pass (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory, a liquid time constant:

        alpha_t = sigmoid(logit(alpha) + W_ig x_t + b_ig + W_hg y_{t-1} + b_hg)

    Weights and biases then have 2 * hidden_size rows, the gate's last (Hasani et al. 2021,
    arXiv:2006.04439; in spiking networks Yin et al. 2023, arXiv:2112.11231). With ``neurons_per_gate`` n
    the gate has hidden_size / n rows, rounded up: n neighbours share W_ig, W_hg and their biases, alpha stays
    each one's own (as the heads of Dao and Gu 2024, arXiv:2405.21060, share a decay).

    Args:
        input_size, hidden_size, bias, device, dtype: as of nn.LSTMCell.
        activation: f, one of ``liafseq.neurons.ACTIVATIONS``; of analog output.
        threshold_related: emit f(u - theta) instead of f(u); of analog output.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        gated: make the decay of each step a gate; needs ``feedback="output"``.
        neurons_per_gate: how many neighbours share the weights of a gate.
        reset: ``"hard"`` (to v_reset; of one level), ``"soft"`` (theta is subtracted) or ``"none"``.
        v_reset: where a hard reset leads.
        threshold: theta > 0; given as decay is.
        decay: what the membrane keeps per step; a number, a pair (low, high) to draw from, a tensor or
            ``"fast-and-slow"``.
        leak: beta, added in each step; given as decay is.
        normalize_current: scale the current by 1 - alpha, the Euler step of tau dV/dt = -V + I.
        share: the neuron's numbers are one per neuron (per channel, of maps) or one per ``"layer"``.
        learn_decay: whether the decay is learned.
        learn_threshold: whether the threshold is learned.
        learn_leak: whether the leak is learned.
        surrogate: the derivative of H in the backward pass, one of ``liafseq.surrogate.SURROGATES``.
        surrogate_width: its width, in units of the membrane potential.
        detach_reset: no gradient through the spike in the reset.
        recurrent_init: W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it.
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (N, input_size) or (input_size,).
        - hx: (h, c), each (N, hidden_size) or (hidden_size,); c alone with ``state_format="gru"``.
          None is rest: y = 0, v = 0.

    Outputs: ``(h, c)``
        - the output y and the membrane potential u, shaped as hx; u alone with
          ``state_format="gru"``: ``emit(u)`` is then the output. They have the input's dtype: in 16
          bits the membrane is rounded after each step; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNNCell;
        then ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of
        the neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for
        decay ``"fast-and-slow"``, recurrent_init ``"orthogonal"`` and reset ``"hard"``; with ``gated`` for
        ``(0.5, 0.99)``, ``"uniform"`` and ``"none"``: what the gate forgets needs no reset.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: as of nn.RNNCell; without feedback W_hh and b_hh are None.
        decay, threshold, leak: (hidden_size,) or (): the numbers that are learned, unconstrained; fixed
            ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument or an option.
        ValueError, RuntimeError: ranks and sizes that do not fit, as of nn.LSTMCell.

    Source: Wu et al. 2020, LIAF-Net (arXiv:2011.06176).

    >>> cell = LIAFCell(10, 20)
    >>> state = None
    >>> for x in torch.randn(5, 3, 10):
    ...     h, c = state = cell(x, state)
    >>> h.shape
    torch.Size([3, 20])
    """

    kind = KINDS["liaf"]

    @constructor
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
        neurons_per_gate: int = 1,
        reset: str | None = None,
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
    ) -> None: ...


class LIFCell(SpikingCellBase):
    """One step of ``LIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before, and with alpha (decay, in [0, 1]),
    beta (leak) and theta (threshold) per neuron or per layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t                 I_t times 1 - alpha with normalize_current
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = s_t

    Output and feedback are binary. H has a surrogate gradient in the backward pass (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory, a liquid time constant:

        alpha_t = sigmoid(logit(alpha) + W_ig x_t + b_ig + W_hg y_{t-1} + b_hg)

    Weights and biases then have 2 * hidden_size rows, the gate's last (Hasani et al. 2021,
    arXiv:2006.04439; in spiking networks Yin et al. 2023, arXiv:2112.11231). With ``neurons_per_gate`` n
    the gate has hidden_size / n rows, rounded up: n neighbours share W_ig, W_hg and their biases, alpha stays
    each one's own (as the heads of Dao and Gu 2024, arXiv:2405.21060, share a decay).

    Args:
        input_size, hidden_size, bias, device, dtype: as of nn.LSTMCell.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        gated: make the decay of each step a gate; needs ``feedback="output"``.
        neurons_per_gate: how many neighbours share the weights of a gate.
        reset: ``"hard"`` (to v_reset; of one level), ``"soft"`` (theta is subtracted) or ``"none"``.
        v_reset: where a hard reset leads.
        threshold: theta > 0; given as decay is.
        decay: what the membrane keeps per step; a number, a pair (low, high) to draw from, a tensor or
            ``"fast-and-slow"``.
        leak: beta, added in each step; given as decay is.
        normalize_current: scale the current by 1 - alpha, the Euler step of tau dV/dt = -V + I.
        share: the neuron's numbers are one per neuron (per channel, of maps) or one per ``"layer"``.
        learn_decay: whether the decay is learned.
        learn_threshold: whether the threshold is learned.
        learn_leak: whether the leak is learned.
        surrogate: the derivative of H in the backward pass, one of ``liafseq.surrogate.SURROGATES``.
        surrogate_width: its width, in units of the membrane potential.
        detach_reset: no gradient through the spike in the reset.
        recurrent_init: W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it.
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (N, input_size) or (input_size,).
        - hx: (h, c), each (N, hidden_size) or (hidden_size,); c alone with ``state_format="gru"``.
          None is rest: y = 0, v = 0.

    Outputs: ``(h, c)``
        - the output y and the membrane potential u, shaped as hx; u alone with
          ``state_format="gru"``: ``emit(u)`` is then the output. They have the input's dtype: in 16
          bits the membrane is rounded after each step; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNNCell;
        then ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of
        the neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for
        decay 0.5, reset ``"hard"`` and normalize_current False; with ``gated`` for ``(0.5, 0.99)``,
        ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: as of nn.RNNCell; without feedback W_hh and b_hh are None.
        decay, threshold, leak: (hidden_size,) or (): the numbers that are learned, unconstrained; fixed
            ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument or an option.
        ValueError, RuntimeError: ranks and sizes that do not fit, as of nn.LSTMCell.

    Source: as in Wu et al. 2020 (arXiv:2011.06176).

    >>> h, c = LIFCell(10, 20)(torch.randn(3, 10))
    >>> set(h.unique().tolist()) <= {0.0, 1.0}
    True
    """

    kind = KINDS["lif"]

    @constructor
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
        neurons_per_gate: int = 1,
        reset: str | None = None,
        v_reset: float = 0.0,
        threshold: Initial = 0.3,
        decay: Initial | None = None,
        leak: Initial = 0.0,
        normalize_current: bool | None = None,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        recurrent_init: str = "uniform",
        state_format: str = "lstm",
    ) -> None: ...


class DALIFCell(SpikingCellBase):
    """One step of ``DALIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before, and with a (gain), b (decay), both in
    (-1, 1), and theta (threshold) per neuron or per layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = b R_{t-1} + a I_t,    a = tanh(tau_a), b = tanh(tau_b)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = s_t                                 or  f(u_t)            (output="analog")

    Two numbers, learned independently, tune the input (a, learned as tau_a) and the memory (b, learned as
    tau_b). H has a surrogate gradient in the backward pass (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory, a liquid time constant:

        b_t = tanh(tau_b + W_ig x_t + b_ig + W_hg y_{t-1} + b_hg)

    Weights and biases then have 2 * hidden_size rows, the gate's last (Hasani et al. 2021,
    arXiv:2006.04439; in spiking networks Yin et al. 2023, arXiv:2112.11231). With ``neurons_per_gate`` n
    the gate has hidden_size / n rows, rounded up: n neighbours share W_ig, W_hg and their biases, alpha stays
    each one's own (as the heads of Dao and Gu 2024, arXiv:2405.21060, share a decay).

    Args:
        input_size, hidden_size, bias, device, dtype: as of nn.LSTMCell.
        output: ``"spike"`` for s, ``"analog"`` for f as LIAF emits it.
        activation: f, one of ``liafseq.neurons.ACTIVATIONS``; of analog output.
        threshold_related: emit f(u - theta) instead of f(u); of analog output.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        gated: make the decay of each step a gate; needs ``feedback="output"``.
        neurons_per_gate: how many neighbours share the weights of a gate.
        reset: ``"hard"`` (to v_reset; of one level), ``"soft"`` (theta is subtracted) or ``"none"``.
        v_reset: where a hard reset leads.
        threshold: theta > 0; given as decay is.
        decay: what the membrane keeps per step; a number, a pair (low, high) to draw from, a tensor or
            ``"fast-and-slow"``.
        gain: a, what the current is multiplied with, in (-1, 1); given as decay is.
        share: the neuron's numbers are one per neuron (per channel, of maps) or one per ``"layer"``.
        learn_decay: whether the decay is learned.
        learn_gain: whether the gain is learned.
        learn_threshold: whether the threshold is learned.
        surrogate: the derivative of H in the backward pass, one of ``liafseq.surrogate.SURROGATES``.
        surrogate_width: its width, in units of the membrane potential.
        detach_reset: no gradient through the spike in the reset.
        recurrent_init: W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it.
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (N, input_size) or (input_size,).
        - hx: (h, c), each (N, hidden_size) or (hidden_size,); c alone with ``state_format="gru"``.
          None is rest: y = 0, v = 0.

    Outputs: ``(h, c)``
        - the output y and the membrane potential u, shaped as hx; u alone with
          ``state_format="gru"``: ``emit(u)`` is then the output. They have the input's dtype: in 16
          bits the membrane is rounded after each step; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNNCell;
        then ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of
        the neurons and of 0.98 for the last quarter (0.05 where one number is shared).

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: as of nn.RNNCell; without feedback W_hh and b_hh are None.
        decay, gain_offset, threshold: (hidden_size,) or (): the numbers that are learned, unconstrained, of
            the gain tau_a - artanh(0.9), so that zero is a gain of 0.9; fixed ones are buffers
            ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument or an option.
        ValueError, RuntimeError: ranks and sizes that do not fit, as of nn.LSTMCell.

    Source: Zhang et al. 2025 (arXiv:2502.10422).

    >>> h, c = DALIFCell(10, 20, output="analog")(torch.randn(10))
    >>> h.shape
    torch.Size([20])
    """

    kind = KINDS["dalif"]

    @constructor
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
        neurons_per_gate: int = 1,
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
    ) -> None: ...


class MLIFCell(SpikingCellBase):
    """One step of ``MLIF``, one layer and direction, with the interface of nn.LSTMCell.

    With the membrane potential u and the output y of the step before, and with alpha (decay, in [0, 1]),
    beta (leak) and theta (threshold) per neuron or per layer:

        I_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh
        u_t = alpha R_{t-1} + beta + I_t                 I_t times 1 - alpha with normalize_current
        y_t = sum over k = 1..K of H(u_t - k theta)
        R_t = u_t - theta y_t                         or  u_t   (reset="none")

    A neuron sends as many spikes as thresholds its potential has crossed, and its time constant is learned.
    H has a surrogate gradient in the backward pass (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory, a liquid time constant:

        alpha_t = sigmoid(logit(alpha) + W_ig x_t + b_ig + W_hg y_{t-1} + b_hg)

    Weights and biases then have 2 * hidden_size rows, the gate's last (Hasani et al. 2021,
    arXiv:2006.04439; in spiking networks Yin et al. 2023, arXiv:2112.11231). With ``neurons_per_gate`` n
    the gate has hidden_size / n rows, rounded up: n neighbours share W_ig, W_hg and their biases, alpha stays
    each one's own (as the heads of Dao and Gu 2024, arXiv:2405.21060, share a decay).

    Args:
        input_size, hidden_size, bias, device, dtype: as of nn.LSTMCell.
        levels: K, the number of thresholds theta, 2 theta, ... K theta.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        gated: make the decay of each step a gate; needs ``feedback="output"``.
        neurons_per_gate: how many neighbours share the weights of a gate.
        reset: ``"hard"`` (to v_reset; of one level), ``"soft"`` (theta is subtracted) or ``"none"``.
        threshold: theta > 0; given as decay is.
        decay: what the membrane keeps per step; a number, a pair (low, high) to draw from, a tensor or
            ``"fast-and-slow"``.
        leak: beta, added in each step; given as decay is.
        normalize_current: scale the current by 1 - alpha, the Euler step of tau dV/dt = -V + I.
        share: the neuron's numbers are one per neuron (per channel, of maps) or one per ``"layer"``.
        learn_decay: whether the decay is learned.
        learn_threshold: whether the threshold is learned.
        learn_leak: whether the leak is learned.
        surrogate: the derivative of H in the backward pass, one of ``liafseq.surrogate.SURROGATES``.
        surrogate_width: its width, in units of the membrane potential.
        detach_reset: no gradient through the spike in the reset.
        recurrent_init: W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it.
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (N, input_size) or (input_size,).
        - hx: (h, c), each (N, hidden_size) or (hidden_size,); c alone with ``state_format="gru"``.
          None is rest: y = 0, v = 0.

    Outputs: ``(h, c)``
        - the output y and the membrane potential u, shaped as hx; u alone with
          ``state_format="gru"``: ``emit(u)`` is then the output. They have the input's dtype: in 16
          bits the membrane is rounded after each step; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNNCell;
        then ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of
        the neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for
        decay 0.2, reset ``"soft"`` and normalize_current False; with ``gated`` for ``(0.5, 0.99)``,
        ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: as of nn.RNNCell; without feedback W_hh and b_hh are None.
        decay, threshold, leak: (hidden_size,) or (): the numbers that are learned, unconstrained; fixed
            ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument or an option.
        ValueError, RuntimeError: ranks and sizes that do not fit, as of nn.LSTMCell.

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> h, c = MLIFCell(10, 20, levels=3)(torch.randn(3, 10))
    >>> float(h.detach().max()) <= 3
    True
    """

    kind = KINDS["mlif"]

    @constructor
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
        neurons_per_gate: int = 1,
        reset: str | None = None,
        threshold: Initial = 0.5,
        decay: Initial | None = None,
        leak: Initial = 0.0,
        normalize_current: bool | None = None,
        share: str = "neuron",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        recurrent_init: str = "uniform",
        state_format: str = "lstm",
    ) -> None: ...
