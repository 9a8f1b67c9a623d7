"""The nodes of spiking layers."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from liafseq._modules.layer import SpikingRNNBase
from liafseq._modules.spiking import SpikingModule
from liafseq._modules.spiking_conv import SpikingConv2d
from liafseq._modules.time_loop import membrane_dtype
from liafseq._nir.builder import Builder, Shape, check_vector, conv_node, matrix, numpy_of, put
from liafseq._nir.dynamics import Array, Dynamics
from liafseq._nir.network import Pointwise, RecurrentSynapse, output_shape

__all__ = ["Builder"]


def _check(layer: SpikingModule) -> None:
    """Refuses what no node of NIR means."""
    options, name = layer.options, type(layer).__name__
    neuron = "the neurons of NIR emit spikes, 0 or 1, with a fixed decay, and reset to v_reset"
    if options.output == "analog":
        raise ValueError(f"{name} emits an analog value, f(u); {neuron}")
    if options.levels > 1:
        raise ValueError(f"{name} of {options.levels} levels emits a count; {neuron}")
    if options.gated:
        raise ValueError(f"{name} with gated=True has another decay at each step; {neuron}")
    if options.reset != "hard":
        does = "subtracts its threshold" if options.reset == "soft" else "keeps its membrane potential"
        raise ValueError(f"{name} with reset={options.reset!r} {does}; {neuron}")
    if options.feedback == "membrane":
        raise ValueError(
            f"{name} with feedback='membrane' feeds back u, which no node of NIR gives out; {neuron}"
        )


def _dynamics(layer: SpikingModule, suffix: str, features: int) -> tuple[Dynamics, Array]:
    """A layer's numbers, one per neuron or channel, and its leak."""
    _check(layer)
    weights = next(layer.parameters())
    with torch.no_grad():
        values = layer._trait_values(suffix, membrane_dtype(weights.dtype))
    arrays = {name: np.broadcast_to(numpy_of(value), (features,)) for name, value in values.items()}
    threshold = arrays.pop("threshold")
    wide = {name: value.astype(np.float64) for name, value in arrays.items()}
    decay, leak = wide["decay"], wide.get("leak", np.zeros(features))
    gain = wide.get("gain", 1 - decay if layer.options.normalize_current else np.ones(features))
    if ((leak != 0) & (gain == 0)).any():
        raise ValueError("a leak goes into the bias, which a neuron with a gain of 0 does not read")
    v_reset = float(layer.options.v_reset)
    return Dynamics(decay, gain, threshold, v_reset, wide.get("synapse_decay")), leak


def _bias(own: Array | None, leak: Array, numbers: Dynamics, factor: Array) -> Array | None:
    """What the current has beside the weights, the leak with it; None is nothing."""
    if not leak.any():
        return None if own is None else own * factor
    if numbers.synapse is not None:
        raise ValueError(
            "a leak beside a synapse: NIR's CubaLIF has nothing that is added behind its synapse"
        )
    return ((0 if own is None else own) + leak / np.where(leak != 0, numbers.gain, 1)) * factor


@put.register(SpikingRNNBase)
def _layer(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    _check(module)
    if module.bidirectional:
        raise ValueError("bidirectional: a graph of NIR runs forward in time")
    check_vector(shape, module.input_size)
    for suffix in module._suffixes():
        numbers, leak = _dynamics(module, suffix, module.hidden_size)
        node, factor = numbers.node(graph.dt, graph.resistance, (module.hidden_size,))
        own = None
        if module.bias:
            # both biases act at each step, the first too
            own = numpy_of(getattr(module, f"bias_ih{suffix}")).astype(np.float64)
            if module.neuron.feedback is not None:
                own = own + numpy_of(getattr(module, f"bias_hh{suffix}"))
        bias = _bias(own, leak, numbers, factor)
        feedback = None if module.neuron.feedback is None else numpy_of(getattr(module, f"weight_hh{suffix}"))
        weight = numpy_of(getattr(module, f"weight_ih{suffix}"))
        sources = _dense(graph, sources, node, weight, bias, feedback, factor)
    return sources, (module.hidden_size,)


def _dense(
    graph: Builder,
    sources: tuple[str, ...],
    node: Any,
    weight: Array | None,
    bias: Array | None,
    feedback: Array | None,
    factor: Array,
) -> tuple[str, ...]:
    """Weights, neurons behind them and what the neurons feed back; without weights the factor alone."""
    name, dtype = graph.group("lif"), node.r.dtype
    if weight is not None:
        scaled = (weight * factor[:, None]).astype(dtype)
        affine = matrix(scaled, None if bias is None else bias.astype(dtype))
        sources = graph.add(f"{name}.w_in", affine, sources)
    elif (factor != 1).any():
        scale = nir.Scale(scale=factor.reshape(node.r.shape).astype(dtype))
        sources = graph.add(f"{name}.w_in", scale, sources)
    last = graph.add(f"{name}.lif", node, sources)
    if feedback is not None:
        back = nir.Linear(weight=(feedback * factor[:, None]).astype(dtype))
        graph.edges += [(f"{name}.w_rec", f"{name}.lif")]
        graph.add(f"{name}.w_rec", back, last)
    return last


@put.register(Pointwise)
def _pointwise(
    module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape, feedback: Array | None = None
) -> Any:
    layer = module.layer
    weight = numpy_of(layer.weight).reshape(layer.out_channels, -1)
    numbers, leak = _dynamics(layer, "", layer.out_channels)
    if module.dense:
        check_vector(shape, layer.in_channels)
        shape, before = (layer.out_channels,), weight
    elif layer.bias is not None:
        before = np.diag(weight[:, 0])
    else:
        gain = weight[:, 0].astype(np.float64) * numbers.gain
        if feedback is not None and (gain == 0).any():
            raise ValueError("a neuron whose input has a weight of 0")
        # what is fed back does not go through these weights
        feedback = None if feedback is None else feedback / weight
        numbers = Dynamics(numbers.decay, gain, numbers.threshold, numbers.v_reset, numbers.synapse)
        before = None
    node, factor = numbers.node(graph.dt, graph.resistance, shape)
    bias = _bias(None if layer.bias is None else numpy_of(layer.bias), leak, numbers, factor)
    return _dense(graph, sources, node, before, bias, feedback, factor), shape


@put.register(RecurrentSynapse)
def _recurrent(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    return _pointwise(module.input, graph, sources, shape, numpy_of(module.weight_hh))


@put.register(SpikingConv2d)
def _conv_layer(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    numbers, leak = _dynamics(module, "", module.out_channels)
    weight = numpy_of(module.weight).astype(np.float64)
    bias = np.zeros(len(weight)) if module.bias is None else numpy_of(module.bias).astype(np.float64)
    norm = module.norm
    if norm is not None:
        # as in eval mode
        scale = numpy_of(norm.weight) / np.sqrt(numpy_of(norm.running_var).astype(np.float64) + norm.eps)
        weight = weight * scale[:, None, None, None]
        bias = (bias - numpy_of(norm.running_mean)) * scale + numpy_of(norm.bias)
    plain = nn.Conv2d(
        module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding,
        module.dilation, module.groups, padding_mode=module.padding_mode, device="meta",
    )  # fmt: skip
    after = output_shape(plain, shape)
    node, factor = numbers.node(graph.dt, graph.resistance, after)
    name, dtype = graph.group("lif"), node.r.dtype
    wide = factor[:, None, None, None]
    total = _bias(bias, leak, numbers, factor)
    assert total is not None
    conv = conv_node(plain, (weight * wide).astype(dtype), total.astype(dtype), shape)
    sources = graph.add(f"{name}.w_in", conv, sources)
    last = graph.add(f"{name}.lif", node, sources)
    if module.weight_hh is not None:
        if numbers.synapse is not None:
            raise ValueError(
                "feedback beside a synapse goes to the membrane; NIR's CubaLIF takes all through its synapse"
            )
        back = (numpy_of(module.weight_hh) * wide).astype(dtype)
        like = nn.Conv2d(
            module.out_channels, module.out_channels, back.shape[2:],
            padding="same", groups=module.groups, device="meta",
        )  # fmt: skip
        graph.edges += [(f"{name}.w_rec", f"{name}.lif")]
        graph.add(f"{name}.w_rec", conv_node(like, back, None, after), last)
    return last, after
