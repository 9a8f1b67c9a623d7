"""From a graph to layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from liafseq._modules.layer import SpikingRNNBase
from liafseq._nir.dynamics import Array, Dynamics
from liafseq._nir.network import Network, Pointwise, RecurrentSynapse, Scale, output_shape
from liafseq.conv import ConvDALIF, ConvLIF
from liafseq.layers import DALIF, LIF

__all__ = ["load"]

_NEURONS = (nir.LIF, nir.CubaLIF, nir.IF)
_MATRICES = (nir.Linear, nir.Affine)
_WEIGHTS = (*_MATRICES, nir.Conv2d)
_STATIC = (*_WEIGHTS, nir.Flatten, nir.AvgPool2d, nir.SumPool2d, nir.Scale)
_OPTIONS = (
    "learn_decay",
    "learn_threshold",
    "learn_synapse_decay",
    "surrogate",
    "surrogate_width",
    "detach_reset",
)


class _Edges:
    """The edges of a graph, from both ends."""

    def __init__(self, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> None:
        self.before: dict[str, list[str]] = {name: [] for name in nodes}
        self.behind: dict[str, list[str]] = {name: [] for name in nodes}
        for a, b in dict.fromkeys(edges):
            for name in (a, b):
                if name not in nodes:
                    raise ValueError(f"an edge from {a!r} to {b!r}, but the graph has no node {name!r}")
            self.before[b].append(a)
            self.behind[a].append(b)


def _flat(graph: Any, prefix: str = "", depth: int = 0) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges, those of graphs within the graph among them; their inputs and outputs are ``None``."""
    if depth > 16:
        raise ValueError("graphs within graphs more than 16 deep")
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    ends: dict[str, tuple[str, str]] = {}
    for name, node in graph.nodes.items():
        full = f"{prefix}{name}"
        if not isinstance(node, nir.NIRGraph):
            nodes[full] = None if prefix and isinstance(node, (nir.Input, nir.Output)) else node
            continue
        inner, inner_edges = _flat(node, f"{full}.", depth + 1)
        nodes |= inner
        edges += inner_edges
        ends[name] = tuple(f"{full}.{_only(node, kind)}" for kind in (nir.Input, nir.Output))  # type: ignore[assignment]
    for a, b in graph.edges:
        start = ends[a][1] if a in ends else f"{prefix}{a}"
        edges.append((start, ends[b][0] if b in ends else f"{prefix}{b}"))
    return nodes, edges


def _only(graph: Any, kind: type) -> str:
    found = [name for name, node in graph.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise ValueError(f"a graph should have one {kind.__name__}, got: {len(found)}")
    return found[0]


def _without(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges with those of the nodes that are None drawn together; these nodes are taken out."""
    for name in [name for name, node in nodes.items() if node is None]:
        before = [a for a, b in edges if b == name and a != name]
        behind = [b for a, b in edges if a == name and b != name]
        edges = [edge for edge in edges if name not in edge] + [(a, b) for a in before for b in behind]
        del nodes[name]
    return edges


# modules of single nodes


def _array(node: Any, name: str, dims: int | None, dtype: torch.dtype) -> Tensor:
    value = np.asarray(getattr(node, name))
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        raise ValueError(f"{name} should be finite numbers, got: {value.dtype}")
    if (dims is not None and value.ndim != dims) or value.size == 0:
        raise ValueError(f"{name} should have {dims} dimensions, none of them empty, got shape {value.shape}")
    return torch.from_numpy(np.ascontiguousarray(value)).to(dtype, copy=True)


def _whole(value: Any, name: str, low: int) -> int:
    number = np.asarray(value)
    if number.size != 1 or number.dtype.kind not in "iuf" or number.item() != int(number.item()):
        raise ValueError(f"{name} should be a whole number, got: {value!r}")
    if number.item() < low:
        raise ValueError(f"{name} should be at least {low}, got: {number.item()}")
    return int(number.item())


def _pair(value: Any, name: str, low: int) -> tuple[int, int]:
    numbers = np.asarray(value).reshape(-1)
    if numbers.size not in (1, 2):
        raise ValueError(f"{name} should be one number or two, got: {value!r}")
    return _whole(numbers[0], name, low), _whole(numbers[-1], name, low)


def _weights(node: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    weight = _array(node, "weight", 4 if isinstance(node, nir.Conv2d) else 2, dtype)
    if isinstance(node, nir.Linear) or getattr(node, "bias", None) is None:
        return weight, None
    bias = _array(node, "bias", 1, dtype)
    if len(bias) != len(weight):
        raise ValueError(f"bias should have {len(weight)} numbers as weight has rows, got: {len(bias)}")
    return weight, bias


def _conv_arguments(node: Any) -> dict[str, Any]:
    padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    groups = _whole(node.groups, "groups", 1)
    rows, columns, *kernel = node.weight.shape
    if groups > rows:
        raise ValueError(f"groups should not be more than the {rows} rows of weight, got: {groups}")
    dilation = _pair(node.dilation, "dilation", 1)
    if not isinstance(padding, str):
        padding = _pair(padding, "padding", 0)
        if any(p > d * k for p, d, k in zip(padding, dilation, kernel, strict=True)):
            raise ValueError(f"padding should not be larger than the kernel, got: {padding}")
    return {
        "in_channels": columns * groups, "out_channels": rows, "kernel_size": tuple(kernel),
        "stride": _pair(node.stride, "stride", 1), "padding": padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip


def _module(node: Any, dtype: torch.dtype) -> nn.Module:
    """The module of a node that knows no time."""
    if isinstance(node, _WEIGHTS):
        weight, bias = _weights(node, dtype)
        module: Any
        if isinstance(node, nir.Conv2d):
            module = nn.Conv2d(**_conv_arguments(node), bias=bias is not None, device="meta")
        else:
            module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        module.weight = Parameter(weight)
        if bias is not None:
            module.bias = Parameter(bias)
        return module
    if isinstance(node, nir.Scale):
        return Scale(_array(node, "scale", None, dtype))
    if isinstance(node, nir.Flatten):
        # NIR does not count the batch
        start, end = (_whole(value, "start_dim, end_dim", -16) for value in (node.start_dim, node.end_dim))
        return nn.Flatten(*(d + 1 if d >= 0 else d for d in (start, end)))
    kernel = _pair(node.kernel_size, "kernel_size", 1)
    stride = _pair(node.stride, "stride", 1)
    padding = _pair(node.padding, "padding", 0)
    divisor = 1 if isinstance(node, nir.SumPool2d) else None
    return nn.AvgPool2d(kernel, stride, padding, divisor_override=divisor)


# neurons


@dataclass(frozen=True)
class _Population:
    """A node of neurons with the weights before it, or None, and those of its feedback, or None."""

    node: Any
    weights: Any
    feedback: Any


class _Loader:
    def __init__(self, dt: float, dtype: torch.dtype, options: dict[str, Any]) -> None:
        self.dt = dt
        self.dtype = dtype
        self.options = options

    def static(self, node: Any, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
        """The module of a node that knows no time, behind that shape, and the shape of what it gives."""
        if isinstance(node, _MATRICES) and len(shape) != 1:
            raise ValueError(f"a matrix takes vectors, without time and batch, got shape {shape}")
        module = _module(node, self.dtype)
        return module, output_shape(module, shape)

    def layer(self, population: _Population, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
        """The layer of a population behind maps or vectors of that shape, and the shape of what it emits."""
        node, weights = population.node, population.weights
        after = shape if weights is None else self.static(weights, shape)[1]
        numbers = Dynamics.of(node, self.dt, torch.empty((), dtype=self.dtype).numpy().dtype, after)
        if population.feedback is not None:
            back = self.static(population.feedback, after)[1]
            if back != after:
                raise ValueError(f"its feedback has shape {back}, expected {after}")
        if isinstance(weights, nir.Conv2d) or (
            weights is None and isinstance(population.feedback, nir.Conv2d)
        ):
            return self._conv(population, numbers, after), after
        if isinstance(node, nir.CubaLIF) or (weights is None and population.feedback is None):
            return self._pointwise(population, numbers), after
        return self._dense(population, numbers), after

    def _make(self, over_maps: bool, numbers: Dynamics, *sizes: Any, **arguments: Any) -> Any:
        decay, synapse = numbers.decay, numbers.synapse
        signed = bool((decay < 0).any())
        kinds = (ConvLIF, ConvDALIF) if over_maps else (LIF, DALIF)
        cls: Any = kinds[signed]
        options = {
            "decay": torch.from_numpy(decay.copy()),
            "threshold": torch.from_numpy(numbers.threshold.copy()),
            "v_reset": numbers.v_reset,
            **{k: v for k, v in self.options.items() if k in cls.kind.names},
        }
        if signed:
            options |= {"gain": 1.0, "learn_gain": False}
        if synapse is not None:
            options |= {"synapse": True, "synapse_decay": torch.from_numpy(synapse.copy())}
        # what is learned lies inside its interval
        low = -1 if signed else 0
        if not ((decay > low) & (decay < 1)).all():
            options["learn_decay"] = False
        if synapse is not None and not ((synapse > 0) & (synapse < 1)).all():
            options["learn_synapse_decay"] = False
        return cls(*sizes, dtype=self.dtype, **arguments, **options)

    def _feedback(self, population: _Population, gain: Array) -> tuple[Tensor | None, Tensor | None]:
        """Weight and bias of the feedback, times the gain."""
        if population.feedback is None:
            return None, None
        weight, bias = _weights(population.feedback, self.dtype)
        return _times(weight, gain), None if bias is None else _times(bias, gain)

    def _dense(self, population: _Population, numbers: Dynamics) -> SpikingRNNBase:
        features = len(numbers.decay)
        if population.weights is None:
            weight, bias = torch.eye(features, dtype=self.dtype), None
        else:
            weight, bias = _weights(population.weights, self.dtype)
        back, back_bias = self._feedback(population, numbers.gain)
        layer = self._make(
            False, numbers, weight.shape[1], features, bias=bias is not None or back_bias is not None,
            feedback=None if back is None else "output",
        )  # fmt: skip
        values = {"weight_ih_l0": _times(weight, numbers.gain), "weight_hh_l0": back, "bias_hh_l0": back_bias}
        values["bias_ih_l0"] = None if bias is None else _times(bias, numbers.gain)
        return _filled(layer, values)

    def _pointwise(self, population: _Population, numbers: Dynamics) -> nn.Module:
        shape = numbers.decay.shape
        features, gain = numbers.decay.size, numbers.gain.reshape(-1)
        flat = Dynamics(
            numbers.decay.reshape(-1), gain, numbers.threshold.reshape(-1), numbers.v_reset,
            None if numbers.synapse is None else numbers.synapse.reshape(-1),
        )  # fmt: skip
        dense = population.weights is not None
        weight, bias = torch.ones(features, 1, dtype=self.dtype), None
        if dense:
            weight, bias = _weights(population.weights, self.dtype)
        back, back_bias = self._feedback(population, gain)
        if back is not None and len(shape) != 1:
            raise ValueError(f"feedback through a synapse is for vectors, got neurons of shape {shape}")
        bias = None if bias is None else _times(bias, gain)
        if back_bias is not None:
            bias = back_bias if bias is None else bias + back_bias
        layer = self._make(
            True, flat, weight.shape[1] if dense else features, features, 1,
            groups=1 if dense else features, bias=bias is not None,
        )  # fmt: skip
        _filled(layer, {"weight": _times(weight, gain)[..., None, None], "bias": bias})
        pointwise = Pointwise(layer, dense)
        return pointwise if back is None else RecurrentSynapse(pointwise, back)

    def _conv(self, population: _Population, numbers: Dynamics, shape: tuple[int, ...]) -> nn.Module:
        node = population.weights
        per_channel = _per_channel(numbers)
        if per_channel is None:
            raise ValueError("neurons of maps with feedback should have numbers per channel, not per pixel")
        gain, channels = per_channel.gain, shape[0]
        if node is None:
            weight, bias = torch.ones(channels, 1, 1, 1, dtype=self.dtype), None
            arguments: dict[str, Any] = {
                "in_channels": channels, "out_channels": channels, "kernel_size": 1, "groups": channels
            }  # fmt: skip
        else:
            (weight, bias), arguments = _weights(node, self.dtype), _conv_arguments(node)
        back, back_bias = self._feedback(population, gain)
        bias = None if bias is None else _times(bias, gain)
        if back is not None:
            assert back_bias is not None
            bias = back_bias if bias is None else bias + back_bias
            given = _conv_arguments(population.feedback)
            if given["groups"] != arguments["groups"]:
                raise ValueError(
                    f"a feedback of {given['groups']} groups beside {arguments['groups']} of the input"
                )
            kernel = given["kernel_size"]
            if given["stride"] != (1, 1) or given["dilation"] != (1, 1):
                raise ValueError("a feedback by convolution should have a stride and dilation of 1")
            arguments |= {"feedback": "output", "recurrent_kernel_size": kernel}
        layer = self._make(True, per_channel, **arguments, bias=bias is not None)
        return _filled(layer, {"weight": _times(weight, gain), "bias": bias, "weight_hh": back})


def _per_channel(numbers: Dynamics) -> Dynamics | None:
    """The numbers of maps, one per channel; None if they differ within one."""
    arrays = (numbers.decay, numbers.gain, numbers.threshold, numbers.synapse)
    flat = [None if array is None else array.reshape(len(array), -1) for array in arrays]
    if any(array is not None and (array != array[:, :1]).any() for array in flat):
        return None
    decay, gain, threshold, synapse = (None if array is None else array[:, 0] for array in flat)
    assert decay is not None and gain is not None and threshold is not None  # noqa: PT018
    return Dynamics(decay, gain, threshold, numbers.v_reset, synapse)


def _times(value: Tensor, gain: Array) -> Tensor:
    wide = torch.from_numpy(gain.copy()).reshape(-1, *(1,) * (value.dim() - 1))
    return (value.double() * wide).to(value.dtype)


@torch.no_grad()
def _filled(layer: Any, values: dict[str, Tensor | None]) -> Any:
    """The layer with these weights; one that is None and that it has is zero."""
    for name, value in values.items():
        parameter = getattr(layer, name, None)
        if parameter is None:
            continue
        if value is None:
            parameter.zero_()
        else:
            parameter.copy_(value)
    return layer


# the whole


def _populations(nodes: dict[str, Any], edges: _Edges) -> tuple[dict[str, _Population], set[str]]:
    """The neurons with their weights, by name, and the names of the nodes that went into them."""
    found: dict[str, _Population] = {}
    used: set[str] = set()
    for name, node in nodes.items():
        if not isinstance(node, _NEURONS):
            continue
        loops = [b for b in edges.before[name] if b == name or edges.before[b] == [name] == edges.behind[b]]
        loops = [b for b in loops if b == name or isinstance(nodes[b], _WEIGHTS)]
        if name in loops or len(loops) > 1:
            raise ValueError(
                f"node {name!r}: expected at most one Linear, Affine or Conv2d that feeds it back"
            )
        forward = [b for b in edges.before[name] if b not in loops]
        weights = None
        if len(forward) == 1 and edges.behind[forward[0]] == [name]:
            before, feedback = nodes[forward[0]], nodes[loops[0]] if loops else None
            same_kind = not loops or isinstance(before, nir.Conv2d) == isinstance(feedback, nir.Conv2d)
            vector = isinstance(before, _MATRICES)
            whole = isinstance(before, nir.Conv2d) and (bool(loops) or _constant(node))
            if same_kind and (vector or whole):
                weights = before
                used.add(forward[0])
        used |= set(loops)
        found[name] = _Population(node, weights, nodes[loops[0]] if loops else None)
    return found, used


def _constant(node: Any) -> bool:
    """Whether neurons of maps have one number per channel."""
    names = ("tau", "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in")
    arrays = [np.asarray(getattr(node, name)) for name in names if getattr(node, name, None) is not None]
    return all(a.size == 1 or (a.ndim == 3 and a.size and (a == a[:, :1, :1]).all()) for a in arrays)


def _order(first: str, before: dict[str, list[str]]) -> list[str]:
    """Each name after those before it."""
    done, left = [first], list(before)
    while left:
        ready = [name for name in left if set(before[name]) <= set(done)]
        if not ready:
            raise ValueError(
                f"a cycle or a missing input at {', '.join(map(repr, left[:4]))}; "
                "expected no cycles but of neurons and one Linear, Affine or Conv2d"
            )
        done += ready
        left = [name for name in left if name not in ready]
    return done[1:]


def load(graph: Any, dt: float | None, dtype: torch.dtype, options: dict[str, Any]) -> Network:
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"from_nir has no option {name!r}; expected one of {', '.join(_OPTIONS)}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype should be torch.float32 or torch.float64, got: {dtype}")
    if not isinstance(graph, nir.NIRGraph):
        raise TypeError(f"graph should be an nir.NIRGraph or a path, got: {type(graph).__name__}")
    first, last = _only(graph, nir.Input), _only(graph, nir.Output)
    nodes, pairs = _flat(graph)
    edges = _Edges(nodes, _without(nodes, pairs))
    for name, node in nodes.items():
        if not isinstance(node, (*_NEURONS, *_STATIC)) and name not in (first, last):
            raise ValueError(f"node {name!r}: there is no layer for {type(node).__name__}")
    populations, used = _populations(nodes, edges)
    if populations and dt is None:
        raise ValueError(
            "the graph does not say its time step: give dt, in the unit of its time constants "
            "(snnTorch writes graphs for 1e-4, norse with its to_nir(..., dt=1) for 1e-3)"
        )
    shape = node_type(nodes[first], "input")
    return _assemble(
        nodes, edges, populations, used, first, last, shape, _Loader(dt or 1.0, dtype, options), dt
    )


def node_type(node: Any, end: str) -> tuple[int, ...]:
    """The shape at a node's input or output."""
    value = (getattr(node, f"{end}_type", None) or {}).get(end)
    if value is None:
        raise ValueError(f"{type(node).__name__} should say its shape")
    return tuple(_whole(size, "a size", 1) for size in np.asarray(value).reshape(-1))


def _assemble(
    nodes: dict[str, Any],
    edges: _Edges,
    populations: dict[str, _Population],
    used: set[str],
    first: str,
    last: str,
    shape: tuple[int, ...],
    loader: _Loader,
    dt: float | None,
) -> Network:
    before = {}
    for name in nodes:
        if name in used or name == first:
            continue
        sources = [b for b in edges.before[name] if b not in used]
        for weights in (b for b in edges.before[name] if b in used and edges.before[b] != [name]):
            sources += edges.before[weights]
        before[name] = sources
        if not sources:
            raise ValueError(f"node {name!r}: nothing leads to it")
    names = {first: "input", last: "output"}
    shapes = {first: shape}
    layers: dict[str, nn.Module] = {}
    for name in _order(first, before):
        incoming = {shapes[b] for b in before[name]}
        if len(incoming) > 1:
            raise ValueError(f"node {name!r}: what reaches it has different shapes: {incoming}")
        if name == last:
            continue
        try:
            if name in populations:
                module, shapes[name] = loader.layer(populations[name], incoming.pop())
            else:
                module, shapes[name] = loader.static(nodes[name], incoming.pop())
        except ValueError as error:
            raise ValueError(f"node {name!r}: {error}") from None
        names[name] = _free(name, layers)
        layers[names[name]] = module
    wired = {names[name]: tuple(names[b] for b in given) for name, given in before.items()}
    return Network(layers, wired, shape, dt)


def _free(name: str, taken: dict[str, Any]) -> str:
    """A name for a module: letters, digits and underscores, unlike the others and those of the ends."""
    base = re.sub(r"\W", "_", name) or "node"
    free = base
    while free in taken or free in ("input", "output") or hasattr(nn.ModuleDict, free):
        free += "_"
    return free
