"""The shared text of the layers' and cells' docstrings: each piece is written once."""

from __future__ import annotations

import inspect
import textwrap
from typing import TypeVar

from liafseq.neurons import ACTIVATIONS
from liafseq.spec import BY_GATE

__all__ = ["documented"]

_T = TypeVar("_T", bound=type)

_LAYER_ARGUMENTS = """\
    Args:
        input_size: features of the input x.
        hidden_size: neurons of a layer and direction.
        num_layers: stacked layers.
        bias: whether W_ih and W_hh come with biases.
        batch_first: input and output as (N, T, features); never the state.
        dropout: probability of zeroing an output of every layer but the last, in training.
        bidirectional: a second run from the end to the start, outputs concatenated.
        device, dtype: of the parameters.
"""

_CELL_ARGUMENTS = """\
    Args:
        input_size: features of the input x.
        hidden_size: neurons.
        bias: whether W_ih and W_hh come with biases.
        device, dtype: of the parameters.
"""

_CONV_ARGUMENTS = """\
    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode:
            of the convolution, as nn.Conv2d has them.
        batch_first: input and output as (N, T, C, H, W); never the state.
        device, dtype: of the parameters.
"""

_OPTIONS = {
    "normalization": 'normalization: ``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its\n'
    "            current, over all steps and sequences of the call.",
    "synapse": "synapse: let the current fade over the steps, as ``SynapticConv2d`` does.",
    "synapse_decay": "synapse_decay: lambda, in [0, 1]; given as {synapse_given}.",
    "learn_synapse_decay": "learn_synapse_decay: whether lambda is learned.",
    "output": 'output: ``"spike"`` for s_t (the paper\'s), ``"analog"`` for f as LIAF emits it.',
    "activation": "activation: f by name:{analog_only}\n            {activations}.",
    "threshold_related": "threshold_related: emit f(u_t - theta) instead of f(u_t).{analog_only}",
    "levels": "levels: K, the number of thresholds theta, 2 theta, ... K theta.",
    "feedback": 'feedback: what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the\n'
    "            leaked term), or ``None``: no W_hh, the membrane is the only memory.",
    "gated": "gated: the decay of each step is a gate that input and feedback open and close:\n"
    "            {gate}.\n"
    "            W_ih, W_hh and the biases then have 2 * hidden_size rows, the gate's last, as nn.GRU has\n"
    '            three times as many. Needs ``feedback="output"``. A liquid time constant (Hasani et al.\n'
    "            2021, arXiv:2006.04439; in spiking networks Yin et al. 2023, arXiv:2112.11231).",
    "reset": 'reset: ``"hard"`` (to v_reset) or ``"soft"`` (theta is subtracted).',
    "v_reset": "v_reset: where a hard reset leads.",
    "threshold": "threshold: theta > 0.",
    "decay": "decay: {decay_name}: {given}; so are the other numbers. {rule}{gate_rule}",
    "gain": "gain: a, the input gain, in (-1, 1).",
    "leak": "leak: beta.",
    "normalize_current": "normalize_current: scale the whole current by 1 - alpha, the Euler step of\n"
    "            tau dV/dt = -V + I.",
    "share": 'share: the neuron\'s numbers are one a ``"neuron"`` or one a ``"layer"``.',
    "learn_decay": "learn_decay, {learned}: whether these are learned.",
    "surrogate": 'surrogate, surrogate_width: the derivative of H: ``"rectangular"``, ``"triangular"``,\n'
    '            ``"gaussian"``, ``"sigmoid"`` or ``"arctan"``, see ``liafseq.surrogate``.',
    "detach_reset": "detach_reset: no gradient through the spike in the reset.",
    "recurrent_init": 'recurrent_init: W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it{w_gate}.',
    "state_format": 'state_format: ``"lstm"``: state (h, c), output and membrane potential;\n'
    '            ``"gru"``: the membrane potential alone, from which the output fed back is recomputed.',
}

_LAYER_REST = """\
    Inputs: ``input, hx``
        - input: (T, N, input_size), (N, T, input_size) with batch_first, (T, input_size) without
          a batch, or a ``PackedSequence``.
        - hx: (h_0, c_0), each (D * num_layers, N, hidden_size) or, unbatched,
          (D * num_layers, hidden_size), D = 2 if bidirectional else 1; one such tensor with
          ``state_format="gru"``. None is rest: y_0 = 0, v_0 = 0.

    Outputs: ``output, (h_n, c_n)``
        - output: as the input, with D * hidden_size features: y_t of the last layer.
        - h_n, c_n: y and u of each layer's and direction's last step; only u with
          ``state_format="gru"``. Passing them on continues the sequence.

    Attributes:
        weight_ih_l[k]: (hidden_size, input_size), for k > 0 (hidden_size, D * hidden_size).
        weight_hh_l[k]: (hidden_size, hidden_size); not with ``feedback=None``.
        bias_ih_l[k], bias_hh_l[k]: (hidden_size,). With ``gated`` these four have 2 * hidden_size rows.
        {traits}: (hidden_size,) or (): numbers that are
            learned, unconstrained; fixed ones are buffers called ``fixed_...``.
            ``neuron_parameters()`` has the values themselves. All names also with ``_reverse``.

    Raises:
        TypeError, ValueError: an argument, as nn.GRU raises them.
        RuntimeError: sizes of input or state that do not fit.
"""

_CELL_REST = """\
    Inputs: ``input, hx``
        - input: (N, input_size) or (input_size,).
        - hx: (h, c), each (N, hidden_size) or (hidden_size,); one tensor with
          ``state_format="gru"``. None is rest.

    Outputs: ``(h, c)``
        - the output y and the membrane potential u, shaped as hx; only u with
          ``state_format="gru"``: ``emit(u)`` is then the output.

    Attributes:
        weight_ih: (hidden_size, input_size).
        weight_hh: (hidden_size, hidden_size), None with ``feedback=None``.
        bias_ih, bias_hh: (hidden_size,) or None. With ``gated`` these four have 2 * hidden_size rows.
        {traits}: learned numbers, unconstrained; fixed ones are buffers
            ``fixed_...``. ``neuron_parameters()`` has the values themselves.

    Raises:
        ValueError, RuntimeError: ranks and sizes that do not fit, as nn.LSTMCell raises them.
"""


_CONV_OPTIONS = {
    "feedback": 'feedback: what the recurrent convolution W_hh reads: ``"output"`` (y), ``"membrane"`` (v,\n'
    "            which then replaces the leaked term), or ``None``: there is none, the membrane is the\n"
    "            only memory.",
    "recurrent_kernel_size": "recurrent_kernel_size: of W_hh, which has stride 1, padding ``'same'`` and as\n"
    "            many groups as the other convolution; by default kernel_size.",
    "share": 'share: these numbers are one a ``"channel"`` or one a ``"layer"``.',
}
"""Where convolutions have words of their own."""

_CONV_REST = """\
    Inputs: ``input, hx``
        - input: (T, N, C, H, W), (N, T, C, H, W) with batch_first, (T, C, H, W) without a batch, or a
          ``PackedSequence`` of data (sum of lengths, C, H, W).
        - hx: {state_in}, (N, C', H', W') each or, unbatched, (C', H', W'){state_gru}.
          None is rest.

    Outputs: ``output, {state_out}``
        - output: as the input, with maps (C', H', W') of nn.Conv2d's size; in channels-last memory.
        - {state_last}. Passing
          it on continues the sequence: pieces are equal to the whole, with batch normalisation in
          ``eval`` mode, as in training its statistics are those of the piece.

    Attributes:
        weight: (C', C / groups, kernel_size[0], kernel_size[1]), with nn.Conv2d's random numbers.
        bias: (C',) or None, likewise.{weight_hh}
        norm: the ``nn.BatchNorm2d``, or None.
        {traits}: (C',) or (): numbers that are learned,
            unconstrained; fixed ones are buffers called ``fixed_...``.{values}

    Raises:
        TypeError, ValueError: an argument, as nn.Conv2d raises them, or an option.
        RuntimeError: sizes of input or state that do not fit.
"""

_SPIKING_STATE = {
    "state_in": "(h_0, c_0)",
    "state_gru": "; only c_0\n          with ``state_format='gru'``. ``synapse`` has one more at the end: "
    "(h_0, c_0, i_0), (c_0, i_0)",
    "state_out": "(h_n, c_n)",
    "state_last": "h_n, c_n: y and u of the last step, only u with ``state_format='gru'``; with ``synapse``\n"
    "          also i_n, the current I. All (N, C', H', W'), of each sequence's own last step if packed",
    "weight_hh": "\n        weight_hh: (C', C' / groups, ...), None without feedback; drawn as weight is. "
    "It has no\n            bias of its own, which would only be added to the other.",
    "values": " ``neuron_parameters()`` has the\n            values themselves.",
}
_SYNAPTIC_STATE = {
    "state_in": "i_0, the synaptic current",
    "state_gru": "",
    "state_out": "i_n",
    "state_last": "i_n: I of the last step, (N, C', H', W'), each sequence's own last step if packed",
    "weight_hh": "",
    "values": "",
}


def _none(before: str, name: str) -> str:
    """What None stands for in the place of an option that a gate changes."""
    plain, gated = (str(value) if isinstance(value, tuple) else f'"{value}"' for value in BY_GATE[name])
    return f"{before}None: ``{plain}``, with ``gated`` ``{gated}``"


def documented(cls: _T) -> _T:
    """Complete a class docstring: ``{arguments}`` and ``{rest}`` stand for the shared text."""
    parameters = inspect.signature(cls.__init__).parameters
    is_layer, is_conv = "num_layers" in parameters, "kernel_size" in parameters
    learned = [name for name in parameters if name.startswith("learn_")]
    one = "channel" if is_conv else "neuron"
    two = "gated" in parameters and parameters["decay"].default is None
    given = f"a number, a pair (low, high) from which each {one} draws its"
    given += "\n            initial value, or a tensor"
    fill = {
        "activations": textwrap.fill(", ".join(ACTIVATIONS), 88).replace("\n", "\n            "),
        "analog_only": " (with analog output)" if "output" in parameters else "",
        "decay_name": "b, the temporal memory, in (-1, 1)" if "gain" in parameters else "alpha, in [0, 1]",
        "gate": ("b_t = tanh(tau_b" if "gain" in parameters else "alpha_t = sigmoid(logit(alpha)")
        + " + W_ig x_t + b_ig + W_hg y_{t-1} + b_hg)",
        "given": given,
        "synapse_given": "decay is" if "decay" in parameters else given,
        "rule": ""
        if "gain" in parameters
        else '``"fast-and-slow"``: 0.05 for three quarters of\n            '
        f"the {one}s, 0.98 for the last quarter (0.05 where one number is shared).",
        "gate_rule": _none("\n            ", "decay") + "." if two else "",
        "w_gate": _none(";\n            ", "recurrent_init") if two else "",
        "learned": ", ".join(name for name in learned if name not in ("learn_decay", "learn_synapse_decay")),
    }
    texts = {**_OPTIONS, **(_CONV_OPTIONS if is_conv else {})}
    options = [text.format(**fill) for name, text in texts.items() if name in parameters]
    arguments = _CONV_ARGUMENTS if is_conv else _LAYER_ARGUMENTS if is_layer else _CELL_ARGUMENTS
    arguments += "".join(f"        {o}\n" for o in options)
    suffix = "_l[k]" if is_layer else ""
    traits = ", ".join(name.removeprefix("learn_") + suffix for name in learned)
    rest = _CONV_REST if is_conv else _LAYER_REST if is_layer else _CELL_REST
    rest = rest.format(traits=traits, **(_SPIKING_STATE if "decay" in parameters else _SYNAPTIC_STATE))
    doc = cls.__doc__ or ""
    cls.__doc__ = doc.replace("    {arguments}\n", arguments).replace("    {rest}\n", rest)
    return cls
