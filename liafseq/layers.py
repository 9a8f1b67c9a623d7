"""The layers over time: LIAF, LIF, DA-LIF and multi-threshold LIF, used as nn.LSTM is."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._modules.constructor import constructor
from liafseq._modules.layer import SpikingRNNBase
from liafseq._modules.parameters import Initial
from liafseq.options import KINDS

__all__ = ["DALIF", "LIAF", "LIF", "MLIF"]


class LIAF(SpikingRNNBase):
    """A multi-layer recurrent layer of leaky integrate-and-analog-fire neurons, used as nn.LSTM is.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per neuron or per
    layer:

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
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype:
            as of nn.LSTM.
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

    Inputs: ``input, hx``, as of nn.LSTM, also a ``PackedSequence`` or one sequence without a batch
        - input: (T, N, input_size), or (N, T, input_size) with batch_first.
        - hx: (h_0, c_0), each (D * num_layers, N, hidden_size), D = 2 if bidirectional else 1; c_0 alone
          with ``state_format="gru"``. None is rest: y_0 = 0, v_0 = 0.

    Outputs: ``output, (h_n, c_n)``
        - output: y of the last layer, (T, N, D * hidden_size), laid out as the input.
        - h_n, c_n: y and u of each layer's and direction's last step, shaped as hx; passing them on
          continues the sequence. They have the input's dtype: in 16 bits the membrane, float32 within a
          call, is rounded between calls; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNN; then
        ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of the
        neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for decay
        ``"fast-and-slow"``, recurrent_init ``"orthogonal"`` and reset ``"hard"``; with ``gated`` for
        ``(0.5, 0.99)``, ``"uniform"`` and ``"none"``: what the gate forgets needs no reset.

    Attributes:
        weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k]: as of nn.RNN; without feedback there
            are no W_hh and b_hh.
        decay_l[k], threshold_l[k], leak_l[k]: (hidden_size,) or (): the numbers that are learned,
            unconstrained; fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.
            All names also with ``_reverse``.

    Raises:
        TypeError, ValueError: an argument or an option.
        RuntimeError: sizes of input or state that do not fit, as of nn.LSTM.

    Source: Wu et al. 2020, LIAF-Net (arXiv:2011.06176).

    >>> layer = LIAF(10, 20, num_layers=2)
    >>> output, (h_n, c_n) = layer(torch.randn(5, 3, 10))
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    >>> bool((h_n[-1] == output[-1]).all())
    True
    """

    kind = KINDS["liaf"]

    @constructor
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


class LIF(SpikingRNNBase):
    """A multi-layer recurrent layer of leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per neuron or per
    layer:

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
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype:
            as of nn.LSTM.
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

    Inputs: ``input, hx``, as of nn.LSTM, also a ``PackedSequence`` or one sequence without a batch
        - input: (T, N, input_size), or (N, T, input_size) with batch_first.
        - hx: (h_0, c_0), each (D * num_layers, N, hidden_size), D = 2 if bidirectional else 1; c_0 alone
          with ``state_format="gru"``. None is rest: y_0 = 0, v_0 = 0.

    Outputs: ``output, (h_n, c_n)``
        - output: y of the last layer, (T, N, D * hidden_size), laid out as the input.
        - h_n, c_n: y and u of each layer's and direction's last step, shaped as hx; passing them on
          continues the sequence. They have the input's dtype: in 16 bits the membrane, float32 within a
          call, is rounded between calls; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNN; then
        ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of the
        neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for
        decay 0.5, reset ``"hard"`` and normalize_current False; with ``gated`` for ``(0.5, 0.99)``,
        ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k]: as of nn.RNN; without feedback there
            are no W_hh and b_hh.
        decay_l[k], threshold_l[k], leak_l[k]: (hidden_size,) or (): the numbers that are learned,
            unconstrained; fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.
            All names also with ``_reverse``.

    Raises:
        TypeError, ValueError: an argument or an option.
        RuntimeError: sizes of input or state that do not fit, as of nn.LSTM.

    Source: as in Wu et al. 2020 (arXiv:2011.06176).

    >>> output, (h_n, c_n) = LIF(10, 20)(torch.randn(5, 3, 10))
    >>> set(output.unique().tolist()) <= {0.0, 1.0}
    True
    """

    kind = KINDS["lif"]

    @constructor
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


class DALIF(SpikingRNNBase):
    """A multi-layer recurrent layer of dual adaptive leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with a (gain), b (decay), both in (-1, 1), and theta (threshold) per neuron or per
    layer:

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
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype:
            as of nn.LSTM.
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

    Inputs: ``input, hx``, as of nn.LSTM, also a ``PackedSequence`` or one sequence without a batch
        - input: (T, N, input_size), or (N, T, input_size) with batch_first.
        - hx: (h_0, c_0), each (D * num_layers, N, hidden_size), D = 2 if bidirectional else 1; c_0 alone
          with ``state_format="gru"``. None is rest: y_0 = 0, v_0 = 0.

    Outputs: ``output, (h_n, c_n)``
        - output: y of the last layer, (T, N, D * hidden_size), laid out as the input.
        - h_n, c_n: y and u of each layer's and direction's last step, shaped as hx; passing them on
          continues the sequence. They have the input's dtype: in 16 bits the membrane, float32 within a
          call, is rounded between calls; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNN; then
        ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of the
        neurons and of 0.98 for the last quarter (0.05 where one number is shared).

    Attributes:
        weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k]: as of nn.RNN; without feedback there
            are no W_hh and b_hh.
        decay_l[k], gain_offset_l[k], threshold_l[k]: (hidden_size,) or (): the numbers that are learned,
            unconstrained, of the gain tau_a - artanh(0.9), so that zero is a gain of 0.9; fixed ones are
            buffers ``fixed_...``. ``neuron_parameters()`` has their values. All names also with ``_reverse``.

    Raises:
        TypeError, ValueError: an argument or an option.
        RuntimeError: sizes of input or state that do not fit, as of nn.LSTM.

    Source: Zhang et al. 2025 (arXiv:2502.10422).

    >>> layer = DALIF(10, 20, decay=0.5, gain=0.9)
    >>> {name: round(float(value[0].detach()), 3) for name, value in layer.neuron_parameters().items()}
    {'decay': 0.5, 'gain': 0.9, 'threshold': 0.25}
    """

    kind = KINDS["dalif"]

    @constructor
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


class MLIF(SpikingRNNBase):
    """A multi-layer recurrent layer of multi-threshold leaky integrate-and-fire neurons, used as nn.LSTM is.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per neuron or per
    layer:

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
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype:
            as of nn.LSTM.
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

    Inputs: ``input, hx``, as of nn.LSTM, also a ``PackedSequence`` or one sequence without a batch
        - input: (T, N, input_size), or (N, T, input_size) with batch_first.
        - hx: (h_0, c_0), each (D * num_layers, N, hidden_size), D = 2 if bidirectional else 1; c_0 alone
          with ``state_format="gru"``. None is rest: y_0 = 0, v_0 = 0.

    Outputs: ``output, (h_n, c_n)``
        - output: y of the last layer, (T, N, D * hidden_size), laid out as the input.
        - h_n, c_n: y and u of each layer's and direction's last step, shaped as hx; passing them on
          continues the sequence. They have the input's dtype: in 16 bits the membrane, float32 within a
          call, is rounded between calls; under autocast of float32 it is not.

    Initialisation: weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), as of nn.RNN; then
        ``recurrent_init`` acts on W_hh. ``"fast-and-slow"`` is a decay of 0.05 for three quarters of the
        neurons and of 0.98 for the last quarter (0.05 where one number is shared). None stands for
        decay 0.2, reset ``"soft"`` and normalize_current False; with ``gated`` for ``(0.5, 0.99)``,
        ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k]: as of nn.RNN; without feedback there
            are no W_hh and b_hh.
        decay_l[k], threshold_l[k], leak_l[k]: (hidden_size,) or (): the numbers that are learned,
            unconstrained; fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.
            All names also with ``_reverse``.

    Raises:
        TypeError, ValueError: an argument or an option.
        RuntimeError: sizes of input or state that do not fit, as of nn.LSTM.

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> output, _ = MLIF(10, 20, levels=3)(torch.randn(5, 3, 10))
    >>> float(output.detach().max()) <= 3
    True
    """

    kind = KINDS["mlif"]

    @constructor
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
