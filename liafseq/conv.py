"""The convolutional layers over time: LIAF, LIF, DA-LIF and multi-threshold LIF on maps."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._modules.constructor import constructor
from liafseq._modules.conv import over_time
from liafseq._modules.parameters import Initial
from liafseq._modules.spiking_conv import SpikingConv2d
from liafseq.options import KINDS

__all__ = ["ConvDALIF", "ConvLIAF", "ConvLIF", "ConvMLIF", "over_time"]

_Size = int | tuple[int, int]


class ConvLIAF(SpikingConv2d):
    """A convolution over time into leaky integrate-and-analog-fire neurons, per pixel and channel.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per channel or per
    layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = f(u_t)                              or  f(u_t - theta)    (threshold_related)

    * is a convolution; W_hh is there with feedback. The spike s_t only resets the membrane; what travels on
    is analog. H has a surrogate gradient in the backward pass (``liafseq.surrogate``). The convolution of
    all steps is one call; without feedback, which is the default, the loop over time is element-wise.

    With ``gated`` input and feedback open and close the memory of each pixel and channel:

        alpha_t = sigmoid(logit(alpha) + norm(W_ig * x_t + b_ig) + W_hg * y_{t-1})

    Weights, bias and normalisation then have 2 * out_channels rows, the gate's last, and there is no
    synapse. With ``neurons_per_gate`` n the gate has out_channels / n rows, rounded up: n neighbouring
    channels share them, alpha stays each one's own.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: as of nn.Conv2d.
        bias, padding_mode, device, dtype: likewise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.
        synapse: let the current fade over the steps, as ``SynapticConv2d`` does.
        synapse_decay: lambda of the fading current, in [0, 1]; given as decay is.
        learn_synapse_decay: whether lambda is learned.
        activation: f, one of ``liafseq.neurons.ACTIVATIONS``; of analog output.
        threshold_related: emit f(u - theta) instead of f(u); of analog output.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        recurrent_kernel_size: kernel of W_hh, of stride 1 and padding ``'same'``; None: kernel_size.
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
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: (h_0, c_0), each (N, C', H', W') or, unbatched, (C', H', W'); c_0 alone with
          ``state_format="gru"``. ``synapse`` has one more at the end: (h_0, c_0, i_0), (c_0, i_0).
          None is rest.

    Outputs: ``output, (h_n, c_n)``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - h_n, c_n: y and u of each sequence's last step, shaped as hx; with ``synapse`` also i_n, the
          current I. Passing them on continues the sequence; with batch normalisation the pieces are
          equal to the whole in ``eval`` mode, as in training its statistics are those of the piece. They
          have the input's dtype: in 16 bits the membrane, float32 within a call, is rounded between calls;
          under autocast of float32 it is not.

    Initialisation: weight and bias with nn.Conv2d's random numbers, then W_hh as weight is; decay
        ``"fast-and-slow"`` is 0.05 for three quarters of the channels and 0.98 for the last quarter. None
        stands for reset ``"hard"``; with ``gated`` for ``"none"``: what the gate forgets needs no reset.

    Attributes:
        weight, bias: as of nn.Conv2d.
        weight_hh: (C', C' / groups, ...), None without feedback. It has no bias of its own, which would
            only be added to the other.
        norm: the ``nn.BatchNorm2d``, or None.
        synapse_decay, decay, threshold, leak: (C',) or (): the numbers that are learned, unconstrained;
            fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument, as of nn.Conv2d, or an option.
        RuntimeError: sizes of input or state that do not fit.

    Source: Wu et al. 2020, LIAF-Net (arXiv:2011.06176).

    >>> layer = ConvLIAF(2, 8, 3, padding=1, normalization="batch")
    >>> output, (h_n, c_n) = layer(torch.randn(6, 4, 2, 34, 34))
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([6, 4, 8, 34, 34]), torch.Size([4, 8, 34, 34]), torch.Size([4, 8, 34, 34]))
    >>> bool((h_n == output[-1]).all())
    True

    With an odd kernel and default options the layer is this loop:

    >>> from torch.nn import functional as F
    >>> layer, x, v = ConvLIAF(2, 8, 3, padding=1), torch.randn(6, 4, 2, 10, 10), 0.0
    >>> alpha, theta = (layer.neuron_parameters()[n].view(-1, 1, 1) for n in ("decay", "threshold"))
    >>> outputs = []
    >>> for step in x:
    ...     u = v + F.conv2d(step, layer.weight, layer.bias, padding=1)
    ...     v = alpha * u * (u < theta)
    ...     outputs.append(torch.relu(u))
    >>> torch.allclose(layer(x)[0], torch.stack(outputs), atol=1e-5)
    True
    """

    kind = KINDS["conv-liaf"]

    @constructor
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: str | _Size = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        batch_first: bool = False,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str | None = None,
        synapse: bool = False,
        synapse_decay: Initial = 0.5,
        learn_synapse_decay: bool = True,
        activation: str = "relu",
        threshold_related: bool = False,
        feedback: str | None = None,
        recurrent_kernel_size: _Size | None = None,
        gated: bool = False,
        neurons_per_gate: int = 1,
        reset: str | None = None,
        v_reset: float = 0.0,
        threshold: Initial = 1.0,
        decay: Initial = 0.5,
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "channel",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "rectangular",
        surrogate_width: float = 1.0,
        detach_reset: bool = False,
        state_format: str = "lstm",
    ) -> None: ...


class ConvLIF(SpikingConv2d):
    """A convolution over time into leaky integrate-and-fire neurons, per pixel and channel.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per channel or per
    layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = s_t

    * is a convolution; W_hh is there with feedback. The output is binary; H has a surrogate gradient in the
    backward pass (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory of each pixel and channel:

        alpha_t = sigmoid(logit(alpha) + norm(W_ig * x_t + b_ig) + W_hg * y_{t-1})

    Weights, bias and normalisation then have 2 * out_channels rows, the gate's last, and there is no
    synapse. With ``neurons_per_gate`` n the gate has out_channels / n rows, rounded up: n neighbouring
    channels share them, alpha stays each one's own.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: as of nn.Conv2d.
        bias, padding_mode, device, dtype: likewise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.
        synapse: let the current fade over the steps, as ``SynapticConv2d`` does.
        synapse_decay: lambda of the fading current, in [0, 1]; given as decay is.
        learn_synapse_decay: whether lambda is learned.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        recurrent_kernel_size: kernel of W_hh, of stride 1 and padding ``'same'``; None: kernel_size.
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
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: (h_0, c_0), each (N, C', H', W') or, unbatched, (C', H', W'); c_0 alone with
          ``state_format="gru"``. ``synapse`` has one more at the end: (h_0, c_0, i_0), (c_0, i_0).
          None is rest.

    Outputs: ``output, (h_n, c_n)``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - h_n, c_n: y and u of each sequence's last step, shaped as hx; with ``synapse`` also i_n, the
          current I. Passing them on continues the sequence; with batch normalisation the pieces are
          equal to the whole in ``eval`` mode, as in training its statistics are those of the piece. They
          have the input's dtype: in 16 bits the membrane, float32 within a call, is rounded between calls;
          under autocast of float32 it is not.

    Initialisation: weight and bias with nn.Conv2d's random numbers, then W_hh as weight is; decay
        ``"fast-and-slow"`` is 0.05 for three quarters of the channels and 0.98 for the last quarter. None
        stands for decay 0.5, reset ``"hard"`` and normalize_current False; with ``gated`` for
        ``(0.5, 0.99)``, ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight, bias: as of nn.Conv2d.
        weight_hh: (C', C' / groups, ...), None without feedback. It has no bias of its own, which would
            only be added to the other.
        norm: the ``nn.BatchNorm2d``, or None.
        synapse_decay, decay, threshold, leak: (C',) or (): the numbers that are learned, unconstrained;
            fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument, as of nn.Conv2d, or an option.
        RuntimeError: sizes of input or state that do not fit.

    Source: as in Wu et al. 2020 (arXiv:2011.06176).

    >>> output, (h_n, c_n) = ConvLIF(2, 8, 5, stride=2)(torch.randn(6, 4, 2, 34, 34))
    >>> output.shape, set(output.unique().tolist()) <= {0.0, 1.0}
    (torch.Size([6, 4, 8, 15, 15]), True)
    """

    kind = KINDS["conv-lif"]

    @constructor
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: str | _Size = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        batch_first: bool = False,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str | None = None,
        synapse: bool = False,
        synapse_decay: Initial = 0.5,
        learn_synapse_decay: bool = True,
        feedback: str | None = None,
        recurrent_kernel_size: _Size | None = None,
        gated: bool = False,
        neurons_per_gate: int = 1,
        reset: str | None = None,
        v_reset: float = 0.0,
        threshold: Initial = 0.3,
        decay: Initial | None = None,
        leak: Initial = 0.0,
        normalize_current: bool | None = None,
        share: str = "channel",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        state_format: str = "lstm",
    ) -> None: ...


class ConvDALIF(SpikingConv2d):
    """A convolution over time into dual adaptive leaky integrate-and-fire neurons, per pixel and channel.

    For each time step, with a (gain), b (decay), both in (-1, 1), and theta (threshold) per channel or per
    layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = b R_{t-1} + a (I_t + W_hh * y_{t-1}),  a = tanh(tau_a), b = tanh(tau_b)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft"),  u_t   ("none")
        y_t = s_t                                 or  f(u_t)            (output="analog")

    * is a convolution; W_hh is there with feedback. Two numbers, learned independently, tune the input (a,
    learned as tau_a) and the memory (b, learned as tau_b). H has a surrogate gradient in the backward pass
    (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory of each pixel and channel:

        b_t = tanh(tau_b + norm(W_ig * x_t + b_ig) + W_hg * y_{t-1})

    Weights, bias and normalisation then have 2 * out_channels rows, the gate's last, and there is no
    synapse. With ``neurons_per_gate`` n the gate has out_channels / n rows, rounded up: n neighbouring
    channels share them, alpha stays each one's own.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: as of nn.Conv2d.
        bias, padding_mode, device, dtype: likewise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.
        synapse: let the current fade over the steps, as ``SynapticConv2d`` does.
        synapse_decay: lambda of the fading current, in [0, 1]; given as decay is.
        learn_synapse_decay: whether lambda is learned.
        output: ``"spike"`` for s, ``"analog"`` for f as LIAF emits it.
        activation: f, one of ``liafseq.neurons.ACTIVATIONS``; of analog output.
        threshold_related: emit f(u - theta) instead of f(u); of analog output.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        recurrent_kernel_size: kernel of W_hh, of stride 1 and padding ``'same'``; None: kernel_size.
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
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: (h_0, c_0), each (N, C', H', W') or, unbatched, (C', H', W'); c_0 alone with
          ``state_format="gru"``. ``synapse`` has one more at the end: (h_0, c_0, i_0), (c_0, i_0).
          None is rest.

    Outputs: ``output, (h_n, c_n)``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - h_n, c_n: y and u of each sequence's last step, shaped as hx; with ``synapse`` also i_n, the
          current I. Passing them on continues the sequence; with batch normalisation the pieces are
          equal to the whole in ``eval`` mode, as in training its statistics are those of the piece. They
          have the input's dtype: in 16 bits the membrane, float32 within a call, is rounded between calls;
          under autocast of float32 it is not.

    Initialisation: weight and bias with nn.Conv2d's random numbers, then W_hh as weight is; decay
        ``"fast-and-slow"`` is 0.05 for three quarters of the channels and 0.98 for the last quarter.

    Attributes:
        weight, bias: as of nn.Conv2d.
        weight_hh: (C', C' / groups, ...), None without feedback. It has no bias of its own, which would
            only be added to the other.
        norm: the ``nn.BatchNorm2d``, or None.
        synapse_decay, decay, gain_offset, threshold: (C',) or (): the numbers that are learned,
            unconstrained, of the gain tau_a - artanh(0.9), so that zero is a gain of 0.9; fixed ones are
            buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument, as of nn.Conv2d, or an option.
        RuntimeError: sizes of input or state that do not fit.

    Source: Zhang et al. 2025 (arXiv:2502.10422).

    >>> layer = ConvDALIF(2, 8, 3, padding="same", decay=0.5, gain=0.9)
    >>> {name: round(float(value[0].detach()), 3) for name, value in layer.neuron_parameters().items()}
    {'decay': 0.5, 'gain': 0.9, 'threshold': 0.25}
    """

    kind = KINDS["conv-dalif"]

    @constructor
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: str | _Size = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        batch_first: bool = False,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str | None = None,
        synapse: bool = False,
        synapse_decay: Initial = 0.5,
        learn_synapse_decay: bool = True,
        output: str = "spike",
        activation: str = "relu",
        threshold_related: bool = False,
        feedback: str | None = None,
        recurrent_kernel_size: _Size | None = None,
        gated: bool = False,
        neurons_per_gate: int = 1,
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 0.25,
        decay: Initial = 0.5,
        gain: Initial = 0.9,
        share: str = "channel",
        learn_decay: bool = True,
        learn_gain: bool = True,
        learn_threshold: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.35,
        detach_reset: bool = True,
        state_format: str = "lstm",
    ) -> None: ...


class ConvMLIF(SpikingConv2d):
    """A convolution over time into multi-threshold leaky integrate-and-fire neurons, per pixel and channel.

    For each time step, with alpha (decay, in [0, 1]), beta (leak) and theta (threshold) per channel or per
    layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}
        y_t = sum over k = 1..K of H(u_t - k theta)
        R_t = u_t - theta y_t                         or  u_t   (reset="none")

    * is a convolution; W_hh is there with feedback. A neuron sends as many spikes as thresholds its
    potential has crossed, and its time constant is learned. H has a surrogate gradient in the backward pass
    (``liafseq.surrogate``).

    With ``gated`` input and feedback open and close the memory of each pixel and channel:

        alpha_t = sigmoid(logit(alpha) + norm(W_ig * x_t + b_ig) + W_hg * y_{t-1})

    Weights, bias and normalisation then have 2 * out_channels rows, the gate's last, and there is no
    synapse. With ``neurons_per_gate`` n the gate has out_channels / n rows, rounded up: n neighbouring
    channels share them, alpha stays each one's own.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups: as of nn.Conv2d.
        bias, padding_mode, device, dtype: likewise.
        batch_first: input and output as (N, T, C, H, W); never the state.
        normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.
        synapse: let the current fade over the steps, as ``SynapticConv2d`` does.
        synapse_decay: lambda of the fading current, in [0, 1]; given as decay is.
        learn_synapse_decay: whether lambda is learned.
        levels: K, the number of thresholds theta, 2 theta, ... K theta.
        feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term)
            or None (no W_hh).
        recurrent_kernel_size: kernel of W_hh, of stride 1 and padding ``'same'``; None: kernel_size.
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
        state_format: ``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane
            potential alone.

    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: (h_0, c_0), each (N, C', H', W') or, unbatched, (C', H', W'); c_0 alone with
          ``state_format="gru"``. ``synapse`` has one more at the end: (h_0, c_0, i_0), (c_0, i_0).
          None is rest.

    Outputs: ``output, (h_n, c_n)``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - h_n, c_n: y and u of each sequence's last step, shaped as hx; with ``synapse`` also i_n, the
          current I. Passing them on continues the sequence; with batch normalisation the pieces are
          equal to the whole in ``eval`` mode, as in training its statistics are those of the piece. They
          have the input's dtype: in 16 bits the membrane, float32 within a call, is rounded between calls;
          under autocast of float32 it is not.

    Initialisation: weight and bias with nn.Conv2d's random numbers, then W_hh as weight is; decay
        ``"fast-and-slow"`` is 0.05 for three quarters of the channels and 0.98 for the last quarter. None
        stands for decay 0.5, reset ``"soft"`` and normalize_current False; with ``gated`` for
        ``(0.5, 0.99)``, ``"none"`` and True: what the gate forgets needs no reset.

    Attributes:
        weight, bias: as of nn.Conv2d.
        weight_hh: (C', C' / groups, ...), None without feedback. It has no bias of its own, which would
            only be added to the other.
        norm: the ``nn.BatchNorm2d``, or None.
        synapse_decay, decay, threshold, leak: (C',) or (): the numbers that are learned, unconstrained;
            fixed ones are buffers ``fixed_...``. ``neuron_parameters()`` has their values.

    Raises:
        TypeError, ValueError: an argument, as of nn.Conv2d, or an option.
        RuntimeError: sizes of input or state that do not fit.

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> layer = ConvMLIF(2, 8, 3, levels=3, normalization="batch", synapse=True)
    >>> output, (h_n, c_n, i_n) = layer(torch.randn(6, 4, 2, 34, 34))
    >>> float(output.detach().max()) <= 3, i_n.shape
    (True, torch.Size([4, 8, 32, 32]))
    """

    kind = KINDS["conv-mlif"]

    @constructor
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: str | _Size = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        batch_first: bool = False,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
        normalization: str | None = None,
        synapse: bool = False,
        synapse_decay: Initial = 0.5,
        learn_synapse_decay: bool = True,
        levels: int = 3,
        feedback: str | None = None,
        recurrent_kernel_size: _Size | None = None,
        gated: bool = False,
        neurons_per_gate: int = 1,
        reset: str | None = None,
        threshold: Initial = 0.5,
        decay: Initial | None = None,
        leak: Initial = 0.0,
        normalize_current: bool | None = None,
        share: str = "channel",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        state_format: str = "lstm",
    ) -> None: ...
