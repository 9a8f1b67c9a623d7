"""From a graph to layers."""

from __future__ import annotations

import re
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from liafseq._nir.network import Network
from liafseq._nir.nodes import MATRICES, STATIC, WEIGHTS, static, whole
from liafseq._nir.populations import NEURONS, OPTIONS, Maker, Population

__all__ = ["load"]


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


def _populations(nodes: dict[str, Any], edges: _Edges) -> tuple[dict[str, Population], set[str]]:
    """The neurons with their weights, by name, and the names of the nodes that went into them."""
    found: dict[str, Population] = {}
    used: set[str] = set()
    for name, node in nodes.items():
        if not isinstance(node, NEURONS):
            continue
        loops = [b for b in edges.before[name] if b == name or edges.before[b] == [name] == edges.behind[b]]
        loops = [b for b in loops if b == name or isinstance(nodes[b], WEIGHTS)]
        if name in loops or len(loops) > 1:
            raise ValueError(
                f"node {name!r}: expected at most one Linear, Affine or Conv2d that feeds it back"
            )
        forward = [b for b in edges.before[name] if b not in loops]
        weights = None
        if len(forward) == 1 and edges.behind[forward[0]] == [name]:
            before, feedback = nodes[forward[0]], nodes[loops[0]] if loops else None
            same_kind = not loops or isinstance(before, nir.Conv2d) == isinstance(feedback, nir.Conv2d)
            vector = isinstance(before, MATRICES)
            whole = isinstance(before, nir.Conv2d) and (bool(loops) or _constant(node))
            if same_kind and (vector or whole):
                weights = before
                used.add(forward[0])
        used |= set(loops)
        found[name] = Population(node, weights, nodes[loops[0]] if loops else None)
    return found, used


def _constant(node: Any) -> bool:
    """Whether neurons of maps have one number per channel."""
    names = ("tau", "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in")
    arrays = [np.asarray(getattr(node, name)) for name in names if getattr(node, name, None) is not None]
    return all(a.size == 1 or (a.ndim == 3 and a.size and (a == a[:, :1, :1]).all()) for a in arrays)


def _sources(nodes: dict[str, Any], edges: _Edges, used: set[str], first: str) -> dict[str, list[str]]:
    """For each layer, and the output, the names of those before it; weights went into their neurons."""
    before = {}
    for name in nodes:
        if name in used or name == first:
            continue
        before[name] = [b for b in edges.before[name] if b not in used]
        for weights in (b for b in edges.before[name] if b in used and edges.before[b] != [name]):
            before[name] += edges.before[weights]
        if not before[name]:
            raise ValueError(f"node {name!r}: nothing leads to it")
    return before


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


def _free(name: str, taken: dict[str, Any]) -> str:
    """A name for a module: letters, digits and underscores, unlike the others and those of the ends."""
    base = re.sub(r"\W", "_", name) or "node"
    free = base
    while free in taken or free in ("input", "output") or hasattr(nn.ModuleDict, free):
        free += "_"
    return free


def _input_shape(name: str, node: Any) -> tuple[int, ...]:
    shape = node.input_type.get("input") if isinstance(node.input_type, dict) else None
    if shape is None:
        raise ValueError(f"node {name!r}: an Input should say its shape")
    return tuple(whole(size, "a size of the input", 1) for size in np.asarray(shape).reshape(-1))


def load(graph: Any, dt: float | None, dtype: torch.dtype, options: dict[str, Any]) -> Network:
    """What ``liafseq.nir.from_nir`` does with a graph."""
    for name in options:
        if name not in OPTIONS:
            raise TypeError(f"from_nir has no option {name!r}; expected one of {', '.join(OPTIONS)}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype should be torch.float32 or torch.float64, got: {dtype}")
    if not isinstance(graph, nir.NIRGraph):
        raise TypeError(f"graph should be an nir.NIRGraph or a path, got: {type(graph).__name__}")
    first, last = _only(graph, nir.Input), _only(graph, nir.Output)
    nodes, pairs = _flat(graph)
    edges = _Edges(nodes, _without(nodes, pairs))
    for name, node in nodes.items():
        if not isinstance(node, (*NEURONS, *STATIC)) and name not in (first, last):
            raise ValueError(f"node {name!r}: there is no layer for {type(node).__name__}")
    populations, used = _populations(nodes, edges)
    if populations and dt is None:
        raise ValueError(
            "the graph does not say its time step: give dt, in the unit of its time constants "
            "(snnTorch writes graphs for 1e-4, norse with its to_nir(..., dt=1) for 1e-3)"
        )
    before = _sources(nodes, edges, used, first)
    names, shapes = {first: "input", last: "output"}, {first: _input_shape(first, nodes[first])}
    maker = Maker(dt or 1.0, dtype, options)
    layers: dict[str, nn.Module] = {}
    for name in _order(first, before):
        incoming = {shapes[b] for b in before[name]}
        if len(incoming) > 1:
            raise ValueError(f"node {name!r}: what reaches it has different shapes: {incoming}")
        if name == last:
            continue
        try:
            if name in populations:
                module, shapes[name] = maker.layer(populations[name], incoming.pop())
            else:
                module, shapes[name] = static(nodes[name], incoming.pop(), dtype)
        except ValueError as error:
            raise ValueError(f"node {name!r}: {error}") from None
        names[name] = _free(name, layers)
        layers[names[name]] = module
    wired = {names[name]: tuple(names[b] for b in given) for name, given in before.items()}
    return Network(layers, wired, shapes[first], dt)
