"""Layers as graphs of NIR and back: the same spikes, here, by the equations, and in other packages."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from liafseq import DALIF, LIAF, LIF, MLIF, ConvDALIF, ConvLIAF, ConvLIF, LIFCell, SynapticConv2d, over_time
from liafseq.nir import from_nir, to_nir

nir = pytest.importorskip("nir", reason="nir is not installed: pip install 'liafseq[nir]'")

DOUBLE = torch.float64
# without what they need: that is another torch, by way of torchvision
NORSE = "norse is not installed: pip install --no-deps norse==1.1.0 nirtorch"
SNNTORCH = "snntorch is not installed: pip install --no-deps snntorch==1.0.0 nirtorch"
RESISTANCES = ("layer", "one", "tau/dt")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def randn(*size):
    return torch.randn(size, dtype=DOUBLE)


def simulate(graph, x, dt=1e-4):
    """A graph step by step, as NIR's equations say, by Euler; x (T, N, ...)."""
    nodes, state, outputs = graph.nodes, {}, []
    order = [n for n in nodes if n.endswith("w_rec")] + [n for n in nodes if not n.endswith("w_rec")]
    previous: dict = {}
    for step in x:
        known = {"input": step}
        for name in order:
            node = nodes[name]
            if name == "input":
                continue
            sources = [a for a, b in graph.edges if b == name]
            before = previous if name.endswith("w_rec") else known
            arrays = {
                k: torch.as_tensor(v).double() for k, v in vars(node).items() if isinstance(v, np.ndarray)
            }
            known[name] = apply(
                node, arrays, sum(before.get(a, torch.tensor(0.0).double()) for a in sources), state, name, dt
            )
        previous = known
        outputs.append(known["output"])
    return torch.stack(outputs)


def apply(node, a, x, state, name, dt):
    kind = type(node).__name__
    if kind in ("Linear", "Affine"):
        return F.linear(x if x.dim() else x.expand(a["weight"].shape[1]), a["weight"], a.get("bias"))
    if kind == "Conv2d":
        if not x.dim():
            return x
        return F.conv2d(x, a["weight"], a["bias"], node.stride, node.padding, node.dilation, node.groups)
    if kind == "Flatten":
        return x.flatten(1)
    if kind.endswith("Pool2d"):
        return F.avg_pool2d(x, 2) * (4 if kind == "SumPool2d" else 1)
    if kind == "Output":
        return x
    v, current = state.get(name, (torch.zeros(()).double(), torch.zeros(()).double()))
    if kind == "IF":
        v = v + dt * a["r"] * x
    else:
        cuba = kind == "CubaLIF"
        current = current + dt / a["tau_syn"] * (a["w_in"] * x - current) if cuba else x
        tau = a["tau_mem" if cuba else "tau"]
        v = v + dt / tau * (a["v_leak"] - v + a["r"] * current)
    z = (v > a["v_threshold"]).double()
    state[name] = (a["v_reset"] * z + v * (1 - z), current)
    return z


VECTORS = {
    "plain": {},
    "feed-forward": {"feedback": None},
    "shared, v_reset": {"share": "layer", "v_reset": -0.3},
    "stacked": {"num_layers": 2},
    "no bias": {"bias": False},
    "thresholds": {"threshold": (0.2, 0.6)},
}
MAPS = {
    "plain": {},
    "feedback": {"feedback": "output"},
    "small feedback": {"feedback": "output", "recurrent_kernel_size": 1},
    "normalised": {"normalization": "batch"},
    "stride": {"stride": 2, "bias": False},
    "padding by name": {"padding": "same", "dilation": 2},
    "grouped": {"groups": 2},
    "oblong": {"kernel_size": (3, 5), "padding": (1, 2)},
    "synapse": {"synapse": True, "synapse_decay": (0.2, 0.8)},
}


def check(tmp_path, modules, x, expected, shape=None):
    """The graphs of the modules spike as they do: by the equations, read again, and written a second time."""
    assert 0.02 < expected.mean() < 0.9
    for resistance in RESISTANCES:
        graph = to_nir(modules, shape, resistance=resistance)
        torch.testing.assert_close(simulate(graph, x), expected, rtol=0, atol=1e-6)
        nir.write(tmp_path / "graph.nir", graph)
        network = from_nir(tmp_path / "graph.nir", dtype=DOUBLE)
        spikes, _ = network(x)
        torch.testing.assert_close(spikes, expected, rtol=0, atol=1e-6)
        first, state = network(x[:3])
        assert torch.equal(torch.cat([first, network(x[3:], state)[0]]), spikes)
        again = from_nir(to_nir(network, resistance="layer"), dtype=DOUBLE)
        torch.testing.assert_close(again(x)[0], expected, rtol=0, atol=1e-6)
    return network


@pytest.mark.parametrize("options", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("kind", [LIF, DALIF])
def test_layers(kind, options, tmp_path):
    layer, x = kind(4, 7, dtype=DOUBLE, **options), randn(20, 5, 4)
    check(tmp_path, layer, x, layer(x)[0].detach())


@pytest.mark.parametrize("options", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("kind", [ConvLIF, ConvDALIF])
def test_convolutional_layers(kind, options, tmp_path):
    layer = kind(2, 4, **{"kernel_size": 3, "padding": 1, "dtype": DOUBLE, **options})
    x = randn(9, 3, 2, 8, 8)
    if layer.norm is not None:
        for _ in range(3):
            layer(x)
        layer.eval()
    network = check(tmp_path, layer, x, layer(x)[0].detach(), (2, 8, 8))
    (made,) = network.layers.values()
    assert isinstance(made, ConvLIF)


def test_other_decays_and_gains(tmp_path):
    x = randn(20, 5, 4)
    for layer, made in [
        (LIF(4, 7, normalize_current=True, threshold=0.1, dtype=DOUBLE), LIF),
        (LIF(4, 7, decay=1.0, learn_decay=False, dtype=DOUBLE), LIF),
        (LIF(4, 7, decay=0.0, learn_decay=False, dtype=DOUBLE), LIF),
        (DALIF(4, 7, decay=(-0.9, 0.9), gain=(-0.5, 0.5), dtype=DOUBLE), DALIF),
    ]:
        network = check(tmp_path, layer, x, layer(x)[0].detach())
        assert all(type(found) is made for found in network.layers.values())
    graph = to_nir(LIF(4, 7, decay=1.0, learn_decay=False))
    assert isinstance(graph.nodes["lif0.lif"], nir.IF)


def test_single_precision(tmp_path):
    layer, x = LIF(4, 16), torch.randn(50, 5, 4)
    nir.write(tmp_path / "graph.nir", to_nir(layer))
    graph = nir.read(tmp_path / "graph.nir")  # its own checks pass
    assert all(a.dtype == np.float32 for n in graph.nodes.values() for a in vars(n).values()
               if isinstance(a, np.ndarray) and a.dtype.kind == "f")  # fmt: skip
    network = from_nir(graph, learn_decay=False)
    assert torch.equal(network(x)[0], layer(x)[0])
    (made,) = network.layers.values()
    for name, value in made.neuron_parameters().items():
        torch.testing.assert_close(value, layer.neuron_parameters()[name], rtol=0, atol=1e-6)
    assert torch.equal(made.weight_ih_l0, layer.weight_ih_l0) or torch.allclose(
        made.weight_ih_l0, layer.weight_ih_l0
    )


def test_a_leak_is_a_bias_from_zeros_on(tmp_path):
    for bias in (True, False):
        layer, x = LIF(4, 7, leak=(0.05, 0.2), bias=bias, dtype=DOUBLE), randn(20, 5, 4)
        zeros = torch.zeros(1, 5, 7, dtype=DOUBLE)
        check(tmp_path, layer, x, layer(x, (zeros, zeros))[0].detach())


def test_a_model(tmp_path):
    first, last = ConvLIF(2, 4, 3, padding=1, dtype=DOUBLE), LIF(64, 6, dtype=DOUBLE)
    head, x = nn.Linear(6, 3, dtype=DOUBLE), 2 * randn(12, 3, 2, 8, 8)
    for pool in (nn.AvgPool2d(2), nn.LPPool2d(1, 2), nn.AvgPool2d(2, divisor_override=1)):
        expected = head(last(over_time(pool, first(x)[0]).flatten(2))[0]).detach()
        model = nn.Sequential(
            first, nn.Dropout(0.5), pool, nn.Flatten(), nn.Sequential(last, nn.Identity()), head
        )
        for resistance in RESISTANCES:
            graph = to_nir(model, (2, 8, 8), resistance=resistance)
            torch.testing.assert_close(simulate(graph, x), expected, rtol=0, atol=1e-6)
            nir.write(tmp_path / "graph.nir", graph)
            nir.read(tmp_path / "graph.nir")
            network = from_nir(tmp_path / "graph.nir", dtype=DOUBLE)
            torch.testing.assert_close(network(x)[0], expected, rtol=0, atol=1e-6)
            torch.testing.assert_close(
                from_nir(to_nir(network), dtype=DOUBLE)(x)[0], expected, rtol=0, atol=1e-6
            )
        kinds = [type(layer).__name__ for layer in network.layers.values()]
        assert kinds == ["ConvLIF", "AvgPool2d", "Flatten", "LIF", "Linear"]


def test_the_threshold_itself():
    """u = theta is a spike with us, and none in NIR; each stays what it is."""
    layer = LIF(1, 1, threshold=1.0, feedback=None, bias=False)
    nn.init.ones_(layer.weight_ih_l0)
    x = torch.ones(1, 1, 1)
    assert layer(x)[0].item() == 1
    assert simulate(to_nir(layer), x.double()).item() == 1
    assert from_nir(to_nir(layer))(x)[0].item() == 1
    theirs = graph_of(nir.LIF(**numbers(1, v_threshold=1.0, tau=1e-3, r=10.0)))
    above = torch.nextafter(x, 2 * x)
    assert [from_nir(theirs, dt=1e-4)(value)[0].item() for value in (x, above)] == [0, 1]


def test_training_and_back():
    network = from_nir(to_nir([nn.Linear(4, 6), LIF(6, 8)]), surrogate="arctan", learn_threshold=True)
    x = torch.randn(10, 3, 4)
    network(x)[0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert network.layers["lif0_lif"].options.surrogate == "arctan"
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01
    again = from_nir(to_nir(network))
    assert (again(x)[0] == network(x)[0]).float().mean() > 0.99


SPIKES = "the neurons of NIR emit spikes"
REFUSED = {
    "LIAF": (LIAF(4, 5), SPIKES),
    "conv LIAF": (ConvLIAF(2, 4, 3), SPIKES),
    "analog DA-LIF": (DALIF(4, 5, output="analog"), SPIKES),
    "MLIF": (MLIF(4, 5), "emits a count"),
    "gated": (LIF(4, 5, gated=True), "another decay at each step"),
    "soft reset": (LIF(4, 5, reset="soft"), "subtracts its threshold"),
    "no reset": (LIF(4, 5, reset="none"), "keeps its membrane potential"),
    "membrane feedback": (LIF(4, 5, feedback="membrane"), "feeds back u"),
    "bidirectional": (LIF(4, 5, bidirectional=True), "forward in time"),
    "cell": (LIFCell(4, 5), "no node for LIFCell"),
    "LSTM": (nn.LSTM(4, 5), "no node for LSTM"),
    "another forward": (type("Own", (nn.Linear,), {"forward": nn.Identity.forward})(4, 4), "another forward"),
    "batch norm": (nn.BatchNorm2d(2), "fold it"),
    "max pool": (nn.MaxPool2d(2), "no node for MaxPool2d"),
    "synapse alone": (SynapticConv2d(2, 4, 3), "no node for SynapticConv2d"),
    "synapse and feedback": (ConvLIF(2, 4, 3, padding=1, synapse=True, feedback="output"), "all through"),
    "synapse and leak": (ConvLIF(2, 4, 3, synapse=True, leak=0.1), "leak beside a synapse"),
    "endless synapse": (
        ConvLIF(2, 4, 3, synapse=True, synapse_decay=1.0, learn_synapse_decay=False), "synapse_decay of 1"
    ),
    "some endless": (LIF(4, 2, decay=torch.tensor([1.0, 0.5]), learn_decay=False), "some neurons"),
    "sizes": ([nn.Linear(4, 3), LIF(5, 2)], r"modules\[1\]: expected vectors of 5"),
    "flatten of the batch": (nn.Flatten(0), "start_dim=0"),
    "padding": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), "zeros only"),
    "odd pool": (nn.AvgPool2d(3, ceil_mode=True), "ceil_mode"),
    "mean without padding": (nn.AvgPool2d(2, padding=1, count_include_pad=False), "count_include_pad"),
    "nothing": (nn.Identity(), "a layer among them"),
}  # fmt: skip


@pytest.mark.parametrize(("module", "message"), REFUSED.values(), ids=REFUSED)
def test_what_nir_cannot_say(module, message):
    first = module[0] if isinstance(module, list) else module
    vectors = isinstance(first, (nn.RNNBase, nn.RNNCellBase, nn.Linear, LIFCell))
    with pytest.raises(ValueError, match=message):
        to_nir(module, (4,) if vectors else (2, 8, 8))


def test_arguments():
    with pytest.raises(ValueError, match="input_shape"):
        to_nir(nn.Conv2d(2, 3, 3))
    with pytest.raises(ValueError, match="dt should be"):
        to_nir(LIF(4, 5), dt=0.0)
    with pytest.raises(ValueError, match="resistance should be one of"):
        to_nir(LIF(4, 5), resistance="none")
    with pytest.raises(TypeError, match="modules should be modules"):
        to_nir([])
    graph = to_nir(LIF(4, 5))
    with pytest.raises(TypeError, match="no option 'feedback'"):
        from_nir(graph, feedback=None)
    with pytest.raises(ValueError, match="dtype should be"):
        from_nir(graph, dtype=torch.float16)
    with pytest.raises(ValueError, match=re.escape("input should be of shape (T, N, 4), got: (3, 2, 5)")):
        from_nir(graph)(torch.zeros(3, 2, 5))
    with pytest.raises(TypeError, match=r"nir\.NIRGraph"):
        from_nir(graph.nodes["lif0.lif"])


# graphs of others


def numbers(*shape, **values):
    values = {"v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, "r": 1.0, **values}
    return {name: np.broadcast_to(np.float64(value), shape).copy() for name, value in values.items()}


def graph_of(*nodes, edges=None, shape=None, out=None):
    names = [f"n{i}" for i in range(len(nodes))]
    shape = list(nodes[0].input_type["input"]) if shape is None else shape
    out = list(nodes[-1].output_type["output"]) if out is None else out
    named = {
        "input": nir.Input(input_type=shape),
        **dict(zip(names, nodes, strict=True)),
        "output": nir.Output(output_type=out),
    }
    chain = list(zip(["input", *names], [*names, "output"], strict=True))
    return nir.NIRGraph(named, chain if edges is None else edges, type_check=False)


def matrix(*shape):
    return nir.Linear(weight=randn(*shape).numpy())


def same_as_the_equations(graph, x, dt=1e-4, rate=(0.02, 0.98)):
    network = from_nir(graph, dt, dtype=DOUBLE)
    expected = simulate(graph, x, dt)
    assert rate[0] < expected.mean() < rate[1]
    torch.testing.assert_close(network(x)[0], expected, rtol=0, atol=1e-9)
    written = to_nir(network)
    assert written.metadata == {"dt": dt}
    again = from_nir(written, dtype=DOUBLE)
    torch.testing.assert_close(again(x)[0], expected, rtol=0, atol=1e-9)
    first, state = network(x[:4])
    torch.testing.assert_close(torch.cat([first, network(x[4:], state)[0]]), expected, rtol=0, atol=1e-9)
    return network


CUBA = {"tau_mem": 1e-3, "tau_syn": 4e-4, "w_in": 3.0, "r": 8.0}


@pytest.mark.parametrize("kind", ["alone", "dense", "recurrent", "recurrent alone", "recurrent with bias"])
def test_cuba_lif(kind):
    node, back = nir.CubaLIF(**numbers(6, **CUBA)), matrix(6, 6)
    if kind == "recurrent with bias":
        back = nir.Affine(weight=back.weight, bias=np.linspace(-0.5, 0.5, 6))
    if "recurrent" not in kind:
        graph = graph_of(node) if kind == "alone" else graph_of(matrix(6, 4), node)
    else:
        nodes = {"input": nir.Input(input_type=[4]), "in": matrix(6, 4), "lif": node, "w_rec": back,
                 "output": nir.Output(output_type=[6])}  # fmt: skip
        edges = [("input", "in"), ("in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
        if kind != "recurrent":
            nodes["input"] = nir.Input(input_type=[6])
            del nodes["in"]
            edges = [("input", "lif"), *edges[2:]]
        graph = nir.NIRGraph(nodes, edges, type_check=False)
    x = randn(30, 3, 4 if kind in ("dense", "recurrent") else 6)
    network = same_as_the_equations(graph, x, dt=2e-4)
    network(x)[0].sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_voltages_are_counted_from_the_leak():
    shifted = {"v_leak": -65.0, "v_threshold": -50.0, "v_reset": -70.0, "tau": 2e-3, "r": 100.0}
    graph = graph_of(matrix(5, 4), nir.LIF(**numbers(5, **shifted)))
    plain = {"v_threshold": 15.0, "v_reset": -5.0, "tau": 2e-3, "r": 100.0}
    same = graph_of(graph.nodes["n0"], nir.LIF(**numbers(5, **plain)))
    x = randn(40, 3, 4)
    expected = simulate(same, x)
    assert expected.mean() > 0.02
    assert torch.equal(from_nir(graph, 1e-4, dtype=DOUBLE)(x)[0], expected)


def test_scalars_maps_and_sums():
    x = randn(20, 3, 4)
    scalar = nir.LIF(**{name: np.array(value.item()) for name, value in numbers(1, tau=1e-3, r=6.0).items()})
    same_as_the_equations(graph_of(matrix(5, 4), scalar, out=[5]), x)
    # per pixel, behind a pool
    lif = nir.LIF(
        **{
            **numbers(2, 3, 3, tau=1e-3, r=15.0),
            "v_threshold": np.random.default_rng(0).uniform(0.5, 2, (2, 3, 3)),
        }
    )
    pool = nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
    same_as_the_equations(graph_of(pool, lif, shape=[2, 6, 6]), randn(20, 3, 2, 6, 6))
    same_as_the_equations(
        graph_of(nir.IF(**{k: v for k, v in numbers(4, r=5e3).items() if k != "v_leak"})), x
    )
    # two ways to one neuron
    a, b, neuron = matrix(5, 4), matrix(5, 4), nir.LIF(**numbers(5, tau=1e-3, r=6.0))
    edges = [("input", "n0"), ("input", "n1"), ("n0", "n2"), ("n1", "n2"), ("n2", "output")]
    same_as_the_equations(graph_of(a, b, neuron, edges=edges), x)


def test_graphs_in_graphs():
    node, back = nir.LIF(**numbers(5, tau=1e-3, r=6.0)), matrix(5, 5)
    inner = {
        "input": nir.Input(input_type=[5]),
        "lif": node,
        "w_rec": back,
        "output": nir.Output(output_type=[5]),
    }
    cycle = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    nested = graph_of(matrix(5, 4), nir.NIRGraph(inner, cycle, type_check=False), out=[5])
    flat = nir.NIRGraph(
        {"input": nested.nodes["input"], "n0": nested.nodes["n0"], "lif": node, "w_rec": back,
         "output": nested.nodes["output"]},
        [("input", "n0"), ("n0", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )  # fmt: skip
    x = randn(20, 3, 4)
    network = from_nir(nested, 1e-4, dtype=DOUBLE)
    assert [type(layer) for layer in network.layers.values()] == [LIF]
    assert torch.equal(network(x)[0], simulate(flat, x))


def bad(node, **changes):
    for name, value in changes.items():
        setattr(node, name, value)
    return node


def lif(*shape, **values):
    return nir.LIF(**numbers(*shape, **{"tau": 1e-3, **values}))


def looped(first, second):
    edges = [("input", "n0"), ("n0", "n1"), ("n1", "n0"), ("n1", "output")]
    return graph_of(first, second, edges=edges)


BAD = {
    "no time step": (lambda: graph_of(lif(4)), None, "does not say its time step"),
    "unknown": (lambda: graph_of(nir.Threshold(threshold=np.ones(4))), 1e-4, "no layer for Threshold"),
    "steps too long": (lambda: graph_of(lif(4)), 1.0, "too short for a step"),
    "no time constant": (lambda: graph_of(lif(4, tau=0.0)), 1e-4, "tau should be greater than zero"),
    "fires at rest": (lambda: graph_of(lif(4, v_leak=2.0)), 1e-4, "above v_leak"),
    "not a number": (lambda: graph_of(lif(4, r=np.nan)), 1e-4, "finite"),
    "text": (lambda: graph_of(bad(lif(4), r=np.array(["a"] * 4))), 1e-4, "finite numbers"),
    "resets": (lambda: graph_of(bad(lif(4), v_reset=np.arange(4.0))), 1e-4, "one v_reset"),
    "shapes of a neuron": (lambda: graph_of(bad(lif(4), r=np.ones(3))), 1e-4, "shape of v_threshold"),
    "shapes of nodes": (lambda: graph_of(matrix(5, 4), lif(6)), 1e-4, "what reaches it has"),
    "a matrix for maps": (lambda: graph_of(matrix(4, 4), shape=[2, 4]), 1e-4, "takes vectors"),
    "a bias too long": (lambda: graph_of(nir.Affine(np.ones((3, 4)), np.ones(5))), 1e-4, "bias should"),
    "a flat matrix": (lambda: graph_of(bad(matrix(3, 4), weight=np.ones(3))), 1e-4, "2 dimensions"),
    "feedback of maps through a synapse": (
        lambda: graph_of(
            nir.CubaLIF(**numbers(2, 8, 8, **CUBA)),
            nir.Conv2d((8, 8), np.ones((2, 2, 3, 3)), 1, 1, 1, 1, np.zeros(2)),
            edges=[("input", "n0"), ("n0", "n1"), ("n1", "n0"), ("n0", "output")],
        ),
        1e-4, "through a synapse",
    ),
    "a cycle": (lambda: looped(matrix(4, 4), matrix(4, 4)), 1e-4, "a cycle"),
    "a neuron on itself": (
        lambda: graph_of(lif(4), edges=[("input", "n0"), ("n0", "n0"), ("n0", "output")]), 1e-4,
        "feeds it back",
    ),
    "a missing node": (lambda: graph_of(lif(4), edges=[("input", "nobody")]), 1e-4, "no node 'nobody'"),
    "nothing before": (lambda: graph_of(lif(4), edges=[("n0", "output")]), 1e-4, "nothing leads to it"),
    "no output": (
        lambda: nir.NIRGraph({"input": nir.Input(input_type=[4])}, [], type_check=False), 1e-4, "one Output"
    ),
    "no shape": (lambda: graph_of(lif(4), shape=[0]), 1e-4, "at least 1"),
    "groups": (
        lambda: graph_of(nir.Conv2d((8, 8), np.ones((2, 2, 3, 3)), 1, 0, 1, 10**9, np.zeros(2))),
        1e-4, "groups should not be more",
    ),
    "stride": (
        lambda: graph_of(nir.Conv2d((8, 8), np.ones((2, 2, 3, 3)), 2**40, 0, 1, 1, np.zeros(2))),
        1e-4, "stride should be at least 1 and less",
    ),
    "padding": (
        lambda: graph_of(nir.Conv2d((8, 8), np.ones((2, 2, 3, 3)), 1, 10**9, 1, 1, np.zeros(2))),
        1e-4, "padding should not be larger",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "dt", "message"), BAD.values(), ids=BAD)
def test_graphs_that_are_refused(make, dt, message):
    with pytest.raises(ValueError, match=message):
        from_nir(make(), dt)


def test_files_of_anybody(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py comes with nir")
    path = tmp_path / "graph.nir"
    with pytest.raises(FileNotFoundError):
        from_nir(path)
    path.write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"expected a graph as nir\.write writes it"):
        from_nir(path)

    def change(edit, message):
        nir.write(path, to_nir(LIF(4, 5)))
        with h5py.File(path, "r+") as file:
            edit(file["node/nodes/lif0.lif"])
        with pytest.raises(ValueError, match=message):
            from_nir(path)

    def huge(node):
        del node["tau"]
        node.create_dataset("tau", shape=(10**12,), chunks=(10**6,), dtype="f4")  # 4 TB, none of them there

    def elsewhere(node):
        del node["tau"]
        node["tau"] = h5py.ExternalLink("/etc/passwd", "/tau")

    def endless(node):
        node["again"] = node

    change(huge, "more than the file holds")
    change(elsewhere, "link to elsewhere")
    change(endless, "groups within groups")
    change(lambda node: node.pop("tau"), "expected a graph")
    change(lambda node: node.create_dataset("more", data=1.0), "expected a graph")


# other packages


def steps(network, x):
    """A network that makes one step per call."""
    state, outputs = None, []
    for step in x:
        y, state = network(step) if state is None else network(step, state)
        outputs.append(y.detach())
    return torch.stack(outputs)


def same_spikes(found, expected):
    assert 0.02 < expected.mean() < 0.9
    torch.testing.assert_close(found.reshape(expected.shape), expected.detach(), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [LIF, DALIF])
@pytest.mark.parametrize("feedback", ["output", None])
def test_norse_runs_ours(kind, feedback):
    norse = pytest.importorskip("norse.torch", reason=NORSE)
    layer, between, last = kind(4, 16, feedback=feedback), nn.Linear(16, 8), kind(8, 6, feedback=feedback)
    x = torch.randn(40, 5, 4)
    network = norse.from_nir(to_nir([layer, between, last], dt=1e-3, resistance="one"), dt=1e-3)
    same_spikes(steps(network, x), last(between(layer(x)[0]))[0])


@pytest.mark.filterwarnings("ignore")
def test_norse_runs_our_maps():
    norse = pytest.importorskip("norse.torch", reason=NORSE)
    first, last, x = ConvLIF(2, 4, 3, padding=1), LIF(64, 6), torch.randn(20, 1, 2, 8, 8)
    pool = nn.LPPool2d(1, 2)
    graph = to_nir([first, pool, nn.Flatten(), last], (2, 8, 8), dt=1e-3, resistance="one")
    # it flattens what it is given: one sequence, without a batch
    found = steps(norse.from_nir(graph, dt=1e-3), x[:, 0])
    same_spikes(found, last(over_time(pool, first(x)[0]).flatten(2))[0])


@pytest.mark.filterwarnings("ignore")
def test_we_run_norse():
    norse = pytest.importorskip("norse.torch", reason=NORSE)
    scalars = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(300.0), v_th=torch.tensor(0.4))
    leaky = norse.LIFBoxParameters(
        tau_mem_inv=torch.full((6,), 200.0), v_th=torch.full((6,), 0.2), v_leak=torch.full((6,), 0.1)
    )
    network = norse.SequentialState(
        nn.Linear(4, 12), norse.LIFBoxCell(scalars), nn.Linear(12, 6), norse.LIFBoxCell(leaky)
    )
    x = 2 * torch.randn(30, 5, 4)
    # norse 1.1.0 multiplies its time constants with dt
    ours = from_nir(norse.to_nir(network, torch.randn(4), dt=1), dt=1e-3)
    same_spikes(ours(x)[0], steps(network, x))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [LIF, DALIF])
def test_snntorch_runs_ours(kind):
    snntorch = pytest.importorskip("snntorch.import_nir", reason=SNNTORCH)
    layer, between, last = kind(4, 16, feedback=None), nn.Linear(16, 8), kind(8, 6, feedback=None)
    x = torch.randn(40, 5, 4)
    network = snntorch.import_from_nir(to_nir([layer, between, last], resistance="tau/dt"))
    same_spikes(steps(network, x), last(between(layer(x)[0]))[0])


def fed_snntorch(neuron):
    """Linear, neuron, Linear, neuron of snnTorch, whose reset is NIR's."""
    import snntorch

    arguments = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    decay, threshold = 0.4 + 0.5 * torch.rand(12), torch.ones(12)
    made = {
        "Leaky": lambda: snntorch.Leaky(decay, threshold=threshold, **arguments),
        "RLeaky": lambda: snntorch.RLeaky(decay, linear_features=12, threshold=threshold, **arguments),
        "Synaptic": lambda: snntorch.Synaptic(1 - decay, decay, threshold=threshold, **arguments),
    }[neuron]()
    last = snntorch.Leaky(torch.full((6,), 0.8), threshold=torch.full((6,), 0.3), output=True, **arguments)
    return nn.Sequential(nn.Linear(4, 12), made, nn.Linear(12, 6), last)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("neuron", ["Leaky", "RLeaky", "Synaptic"])
def test_we_run_snntorch(neuron, tmp_path):
    pytest.importorskip("snntorch", reason=SNNTORCH)
    from snntorch.export_nir import export_to_nir
    from snntorch.utils import reset

    network, x = fed_snntorch(neuron), 5 * torch.randn(40, 5, 4)
    nir.write(tmp_path / "graph.nir", export_to_nir(network, x[0], ignore_dims=[0]))
    reset(network)
    expected = torch.stack([network(step)[0].detach() for step in x])
    same_spikes(from_nir(tmp_path / "graph.nir", dt=1e-4)(x)[0], expected)


@pytest.mark.filterwarnings("ignore")
def test_snntorch_runs_our_feedback():
    """Its RLeaky made of our cycle.

    Its import of whole graphs (1.0.0) leads the input through the weights of the feedback.
    """
    snntorch = pytest.importorskip("snntorch.import_nir", reason=SNNTORCH)
    layer, x = LIF(4, 12), torch.randn(40, 5, 4)
    nodes = to_nir(layer, resistance="tau/dt").nodes
    ends = {"input": nir.Input(input_type=[12]), "output": nir.Output(output_type=[12])}
    cycle = {**ends, "lif": nodes["lif0.lif"], "w_rec": nodes["lif0.w_rec"]}
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    recurrent = snntorch._nir_to_snntorch_module(nir.NIRGraph(cycle, edges))
    weights = snntorch._nir_to_snntorch_module(nodes["lif0.w_in"])
    spikes, membrane, outputs = torch.zeros(5, 12), torch.zeros(5, 12), []
    for step in x:
        spikes, membrane = recurrent(weights(step), spikes, membrane)
        outputs.append(spikes)
    same_spikes(torch.stack(outputs), layer(x)[0])
