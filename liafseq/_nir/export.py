"""From layers to a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn

from liafseq._modules.layer import SpikingRNNBase
from liafseq._modules.spiking import SpikingModule
from liafseq._modules.spiking_conv import SpikingConv2d
from liafseq._modules.time_loop import membrane_dtype
from liafseq._nir.dynamics import Array, Dynamics
from liafseq._nir.network import Network, Pointwise, RecurrentSynapse, Scale, output_shape

__all__ = ["Builder"]

Shape = tuple[int, ...]


@dataclass
class Builder:
    """The graph so far. A module is put behind named nodes and says its last node and its shape."""

    dt: float
    resistance: str
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def group(self, kind: str) -> str:
        self.counts[kind] += 1
        return f"{kind}{self.counts[kind] - 1}"

    def add(self, name: str, node: Any, sources: tuple[str, ...]) -> tuple[str, ...]:
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return (name,)

    def put(
        self, name: str, module: nn.Module, sources: tuple[str, ...], shape: Shape
    ) -> tuple[tuple[str, ...], Shape]:
        try:
            cls = next(cls for cls in type(module).__mro__ if cls in _put.registry)
            if cls is not object and type(module).forward is not cls.forward:  # type: ignore[attr-defined]
                raise ValueError(
                    f"NIR has no node for {type(module).__name__}, a {cls.__name__} with another forward"
                )
            return _put(module, self, sources, shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


@singledispatch
def _put(module: nn.Module, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:  # noqa: ARG001
    """What ``Builder.put`` does, for each class of modules."""
    fold = (
        "; fold it into the layer before (torch.nn.utils.fusion)"
        if "BatchNorm" in type(module).__name__
        else ""
    )
    raise ValueError(f"NIR has no node for {type(module).__name__}{fold}")


@_put.register(nn.Sequential)
def _sequential(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    for name, child in module.named_children():
        sources, shape = graph.put(name, child, sources, shape)
    return sources, shape


@_put.register(nn.Identity)
@_put.register(nn.Dropout)
@_put.register(nn.Dropout2d)
def _nothing(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:  # noqa: ARG001
    return sources, shape


@_put.register(Network)
def _network(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    known = {"input": (sources, shape)}
    for name, layer in module.layers.items():
        before = [known[source] for source in module.sources[name]]
        known[name] = graph.put(name, layer, tuple(s for names, _ in before for s in names), before[0][1])
    last = [known[source] for source in module.sources["output"]]
    return tuple(s for names, _ in last for s in names), last[0][1]


# modules that know no time


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().to(membrane_dtype(tensor.dtype)).numpy().copy()


def _matrix(weight: Array, bias: Array | None) -> Any:
    return nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def _vector(shape: Shape, size: int) -> None:
    if shape != (size,):
        raise ValueError(f"expected vectors of {size} before it, got shape {shape}")


@_put.register(nn.Linear)
def _linear(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    _vector(shape, module.in_features)
    node = _matrix(_numpy(module.weight), None if module.bias is None else _numpy(module.bias))
    return graph.add(graph.group("linear"), node, sources), (module.out_features,)


def _conv_node(module: nn.Conv2d, weight: Array, bias: Array | None, shape: Shape) -> Any:
    if module.padding_mode != "zeros":
        raise ValueError(f"NIR pads with zeros only, got: padding_mode={module.padding_mode!r}")
    return nir.Conv2d(
        input_shape=shape[1:],
        weight=weight,
        stride=_pair(module.stride),
        padding=module.padding if isinstance(module.padding, str) else _pair(module.padding),
        dilation=_pair(module.dilation),
        groups=module.groups,
        bias=np.zeros(len(weight), weight.dtype) if bias is None else bias,
    )


@_put.register(nn.Conv2d)
def _conv(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    after = output_shape(module, shape)
    bias = None if module.bias is None else _numpy(module.bias)
    node = _conv_node(module, _numpy(module.weight), bias, shape)
    return graph.add(graph.group("conv"), node, sources), after


@_put.register(nn.Flatten)
def _flatten(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    if module.start_dim == 0:
        raise ValueError("start_dim=0 would flatten the batch, which NIR does not see")
    # without the batch; dimensions counted from the end stay
    start, end = (d - 1 if d > 0 else d for d in (module.start_dim, module.end_dim))
    node = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=start, end_dim=end)
    return graph.add(graph.group("flatten"), node, sources), output_shape(module, shape)


@_put.register(nn.AvgPool2d)
@_put.register(nn.LPPool2d)
def _pool(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    average = isinstance(module, nn.AvgPool2d)
    if not average and module.norm_type != 1:
        raise ValueError(f"NIR pools by sum or mean, got: norm_type={module.norm_type}")
    divisor = module.divisor_override if average else 1
    padding = _pair(module.padding if average else 0)
    if module.ceil_mode or divisor not in (None, 1):
        raise ValueError("NIR pools by sum or mean, without ceil_mode and other divisors")
    if average and any(padding) and not module.count_include_pad:
        raise ValueError("NIR's mean counts the padding; got: count_include_pad=False")
    kernel = _pair(module.kernel_size)
    stride = kernel if module.stride is None else _pair(module.stride)
    make: Callable[..., Any] = nir.AvgPool2d if divisor is None else nir.SumPool2d
    node = make(kernel_size=np.array(kernel), stride=np.array(stride), padding=np.array(padding))
    return graph.add(graph.group("pool"), node, sources), output_shape(module, shape)


@_put.register(Scale)
def _scale(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    return graph.add(graph.group("scale"), nir.Scale(scale=_numpy(module.scale)), sources), shape


# neurons


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
        raise ValueError(f"{name} with reset='soft' subtracts its threshold; {neuron}")
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
    arrays = {name: np.broadcast_to(_numpy(value), (features,)) for name, value in values.items()}
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


@_put.register(SpikingRNNBase)
def _layer(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    _check(module)
    if module.bidirectional:
        raise ValueError("bidirectional: a graph of NIR runs forward in time")
    _vector(shape, module.input_size)
    for suffix in module._suffixes():
        numbers, leak = _dynamics(module, suffix, module.hidden_size)
        node, factor = numbers.node(graph.dt, graph.resistance, (module.hidden_size,))
        own = None
        if module.bias:
            # both biases act at each step, the first too
            own = _numpy(getattr(module, f"bias_ih{suffix}")).astype(np.float64)
            if module.neuron.feedback is not None:
                own = own + _numpy(getattr(module, f"bias_hh{suffix}"))
        bias = _bias(own, leak, numbers, factor)
        feedback = None if module.neuron.feedback is None else _numpy(getattr(module, f"weight_hh{suffix}"))
        weight = _numpy(getattr(module, f"weight_ih{suffix}"))
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
        matrix = (weight * factor[:, None]).astype(dtype)
        affine = _matrix(matrix, None if bias is None else bias.astype(dtype))
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


@_put.register(Pointwise)
def _pointwise(
    module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape, feedback: Array | None = None
) -> Any:
    layer = module.layer
    weight = _numpy(layer.weight).reshape(layer.out_channels, -1)
    numbers, leak = _dynamics(layer, "", layer.out_channels)
    if module.dense:
        _vector(shape, layer.in_channels)
        shape, matrix = (layer.out_channels,), weight
    else:
        gain = weight[:, 0].astype(np.float64) * numbers.gain
        if feedback is not None and (gain == 0).any():
            raise ValueError("a neuron whose input has a weight of 0")
        # what is fed back does not go through these weights
        feedback = None if feedback is None else feedback / weight
        numbers = Dynamics(numbers.decay, gain, numbers.threshold, numbers.v_reset, numbers.synapse)
        matrix = None
    node, factor = numbers.node(graph.dt, graph.resistance, shape)
    bias = _bias(None if layer.bias is None else _numpy(layer.bias), leak, numbers, factor)
    return _dense(graph, sources, node, matrix, bias, feedback, factor), shape


@_put.register(RecurrentSynapse)
def _recurrent(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    return _pointwise(module.input, graph, sources, shape, _numpy(module.weight_hh))


@_put.register(SpikingConv2d)
def _conv_layer(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    numbers, leak = _dynamics(module, "", module.out_channels)
    weight = _numpy(module.weight).astype(np.float64)
    bias = np.zeros(len(weight)) if module.bias is None else _numpy(module.bias).astype(np.float64)
    norm = module.norm
    if norm is not None:
        # as in eval mode
        scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var).astype(np.float64) + norm.eps)
        weight = weight * scale[:, None, None, None]
        bias = (bias - _numpy(norm.running_mean)) * scale + _numpy(norm.bias)
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
    conv = _conv_node(plain, (weight * wide).astype(dtype), total.astype(dtype), shape)
    sources = graph.add(f"{name}.w_in", conv, sources)
    last = graph.add(f"{name}.lif", node, sources)
    if module.weight_hh is not None:
        if numbers.synapse is not None:
            raise ValueError(
                "feedback beside a synapse goes to the membrane; NIR's CubaLIF takes all through its synapse"
            )
        back = (_numpy(module.weight_hh) * wide).astype(dtype)
        like = nn.Conv2d(
            module.out_channels, module.out_channels, back.shape[2:],
            padding="same", groups=module.groups, device="meta",
        )  # fmt: skip
        graph.edges += [(f"{name}.w_rec", f"{name}.lif")]
        graph.add(f"{name}.w_rec", _conv_node(like, back, None, after), last)
    return last, after
