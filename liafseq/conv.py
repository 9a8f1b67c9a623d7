"""The convolutional layers over time: LIAF, LIF, DA-LIF and multi-threshold LIF on maps."""

from __future__ import annotations

from typing import Any

import torch

from liafseq._doc import documented
from liafseq.conv_base import over_time
from liafseq.conv_neuron import SpikingConv2d
from liafseq.parameters import Initial
from liafseq.spec import is_analog

__all__ = ["ConvDALIF", "ConvLIAF", "ConvLIF", "ConvMLIF", "over_time"]

_Size = int | tuple[int, int]


@documented
class ConvLIAF(SpikingConv2d):
    """A convolution over time into leaky integrate-and-analog-fire neurons, one a pixel and channel.

    For each time step, with the numbers of the neuron one a channel or one a layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}       (W_hh: with feedback)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = f(u_t)                              or  f(u_t - theta)    (threshold_related)

    * is a convolution. The spike s_t only resets the membrane; what travels on is analog. H has a
    surrogate gradient in the backward pass (``liafseq.surrogate``). The convolution of all steps is
    one call; without feedback, which is the default, the loop over time is element-wise.

    {arguments}

    {rest}

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
        reset: str = "hard",
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
    ) -> None:
        self._prepare(locals(), analog=True)


@documented
class ConvLIF(SpikingConv2d):
    """A convolution over time into leaky integrate-and-fire neurons, one a pixel and channel.

    For each time step, with the numbers of the neuron one a channel or one a layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}       (W_hh: with feedback)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = s_t

    * is a convolution. The output is binary; H has a surrogate gradient in the backward pass
    (``liafseq.surrogate``).

    {arguments}

    {rest}

    Source: as in Wu et al. 2020 (arXiv:2011.06176).

    >>> output, (h_n, c_n) = ConvLIF(2, 8, 5, stride=2)(torch.randn(6, 4, 2, 34, 34))
    >>> output.shape, set(output.unique().tolist()) <= {0.0, 1.0}
    (torch.Size([6, 4, 8, 15, 15]), True)
    """

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
        reset: str = "hard",
        v_reset: float = 0.0,
        threshold: Initial = 0.3,
        decay: Initial = 0.5,
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "channel",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        state_format: str = "lstm",
    ) -> None:
        self._prepare(locals(), analog=False)


@documented
class ConvDALIF(SpikingConv2d):
    """A convolution over time into dual adaptive leaky integrate-and-fire neurons, one a pixel and channel.

    For each time step, with the numbers of the neuron one a channel or one a layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = b R_{t-1} + a (I_t + W_hh * y_{t-1}),  a = tanh(tau_a), b = tanh(tau_b)
        s_t = H(u_t - theta)
        R_t = u_t (1 - s_t) + v_reset s_t         or  u_t - theta s_t   (reset="soft")
        y_t = s_t                                 or  f(u_t)            (output="analog")

    * is a convolution; W_hh is there with feedback. Two numbers, learned independently, tune the input
    (a, learned as tau_a = ``gain``) and the memory (b, learned as tau_b = ``decay``); both start as
    given and lie in (-1, 1).

    {arguments}

    {rest}

    Source: Zhang et al. 2025 (arXiv:2502.10422).

    >>> layer = ConvDALIF(2, 8, 3, padding="same", decay=0.5, gain=0.9)
    >>> {name: round(float(value[0].detach()), 3) for name, value in layer.neuron_parameters().items()}
    {'decay': 0.5, 'gain': 0.9, 'threshold': 0.25}
    """

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
    ) -> None:
        self._prepare(locals(), analog=is_analog(output), dual=True)


@documented
class ConvMLIF(SpikingConv2d):
    """A convolution over time into multi-threshold leaky integrate-and-fire neurons, one a pixel and channel.

    For each time step, with the numbers of the neuron one a channel or one a layer:

        X_t = norm(W * x_t + b)                   norm: nothing, or batch normalisation
        I_t = X_t                                 or  lambda I_{t-1} + X_t  (synapse)
        u_t = alpha R_{t-1} + beta + I_t + W_hh * y_{t-1}       (W_hh: with feedback)
        y_t = sum over k = 1..K of H(u_t - k theta)
        R_t = u_t - theta y_t

    * is a convolution. A neuron sends as many spikes as thresholds its potential has crossed, and its
    time constant is learned.

    {arguments}

    {rest}

    Source: Xu et al. 2022 (arXiv:2203.10006).

    >>> layer = ConvMLIF(2, 8, 3, levels=3, normalization="batch", synapse=True)
    >>> output, (h_n, c_n, i_n) = layer(torch.randn(6, 4, 2, 34, 34))
    >>> float(output.detach().max()) <= 3, i_n.shape
    (True, torch.Size([4, 8, 32, 32]))
    """

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
        threshold: Initial = 0.5,
        decay: Initial = 0.5,
        leak: Initial = 0.0,
        normalize_current: bool = False,
        share: str = "channel",
        learn_decay: bool = True,
        learn_threshold: bool = False,
        learn_leak: bool = False,
        surrogate: str = "gaussian",
        surrogate_width: float = 0.4,
        detach_reset: bool = True,
        state_format: str = "lstm",
    ) -> None:
        self._prepare(locals(), analog=False, soft=True)
