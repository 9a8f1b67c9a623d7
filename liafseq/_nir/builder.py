"""A graph in the making, and the nodes of modules that know no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import nir
import numpy as np
from torch import Tensor, nn

from liafseq._modules.time_loop import membrane_dtype
from liafseq._nir.dynamics import Array
from liafseq._nir.network import Network, Scale, output_shape

__all__ = ["Builder", "Shape", "check_vector", "conv_node", "matrix", "numpy_of", "put"]

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
            cls = next(cls for cls in type(module).__mro__ if cls in put.registry)
            if cls is not object and type(module).forward is not cls.forward:  # type: ignore[attr-defined]
                raise ValueError(
                    f"NIR has no node for {type(module).__name__}, a {cls.__name__} with another forward"
                )
            return put(module, self, sources, shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


@singledispatch
def put(module: nn.Module, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:  # noqa: ARG001
    """What ``Builder.put`` does, for each class of modules."""
    fold = (
        "; fold it into the layer before (torch.nn.utils.fusion)"
        if "BatchNorm" in type(module).__name__
        else ""
    )
    raise ValueError(f"NIR has no node for {type(module).__name__}{fold}")


@put.register(nn.Sequential)
def _sequential(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    for name, child in module.named_children():
        sources, shape = graph.put(name, child, sources, shape)
    return sources, shape


@put.register(nn.Identity)
@put.register(nn.Dropout)
@put.register(nn.Dropout2d)
def _nothing(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:  # noqa: ARG001
    return sources, shape


@put.register(Network)
def _network(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    known = {"input": (sources, shape)}
    for name, layer in module.layers.items():
        before = [known[source] for source in module.sources[name]]
        known[name] = graph.put(name, layer, tuple(s for names, _ in before for s in names), before[0][1])
    last = [known[source] for source in module.sources["output"]]
    return tuple(s for names, _ in last for s in names), last[0][1]


# modules that know no time


def numpy_of(tensor: Tensor) -> Array:
    return tensor.detach().cpu().to(membrane_dtype(tensor.dtype)).numpy().copy()


def matrix(weight: Array, bias: Array | None) -> Any:
    return nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def check_vector(shape: Shape, size: int) -> None:
    if shape != (size,):
        raise ValueError(f"expected vectors of {size} before it, got shape {shape}")


@put.register(nn.Linear)
def _linear(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    check_vector(shape, module.in_features)
    node = matrix(numpy_of(module.weight), None if module.bias is None else numpy_of(module.bias))
    return graph.add(graph.group("linear"), node, sources), (module.out_features,)


def conv_node(module: nn.Conv2d, weight: Array, bias: Array | None, shape: Shape) -> Any:
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


@put.register(nn.Conv2d)
def _conv(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    after = output_shape(module, shape)
    bias = None if module.bias is None else numpy_of(module.bias)
    node = conv_node(module, numpy_of(module.weight), bias, shape)
    return graph.add(graph.group("conv"), node, sources), after


@put.register(nn.Flatten)
def _flatten(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    if module.start_dim == 0:
        raise ValueError("start_dim=0 would flatten the batch, which NIR does not see")
    # without the batch; dimensions counted from the end stay
    start, end = (d - 1 if d > 0 else d for d in (module.start_dim, module.end_dim))
    node = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=start, end_dim=end)
    return graph.add(graph.group("flatten"), node, sources), output_shape(module, shape)


@put.register(nn.AvgPool2d)
@put.register(nn.LPPool2d)
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


@put.register(Scale)
def _scale(module: Any, graph: Builder, sources: tuple[str, ...], shape: Shape) -> Any:
    return graph.add(graph.group("scale"), nir.Scale(scale=numpy_of(module.scale)), sources), shape
