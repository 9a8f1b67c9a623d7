"""Our costs beside those of NeuroBench's metrics (Yik et al. 2025, doi:10.1038/s41467-025-56739-4)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from liafseq import LIF, cost

REASON = "counts the same network: pip install --no-deps neurobench snntorch"
snntorch = pytest.importorskip("snntorch", reason=REASON)
static = pytest.importorskip("neurobench.metrics.static", reason=REASON)
workload = pytest.importorskip("neurobench.metrics.workload", reason=REASON)
models = pytest.importorskip("neurobench.models", reason=REASON)

STEPS, COUNT, INPUTS, HIDDEN, OUTPUTS = 20, 4, 12, 16, 3


class Network(nn.Module):
    """A linear layer, spiking neurons, a linear layer; some weights are zero."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, OUTPUTS)
        self.neurons = snntorch.Leaky(beta=0.9, threshold=0.3, init_hidden=True)
        with torch.no_grad():
            self.first.weight[:, 0] = 0

    def forward(self, x):
        return self.last(self.neurons(self.first(x))), None


class Steps(nn.Module):
    """A network over all steps of (N, T, features)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        self.network.neurons.mem = self.network.neurons.init_leaky()
        return torch.stack([self.network(now)[0] for now in x.unbind(1)])


def counted(model, x):
    """NeuroBench's figures."""
    model.register_hooks()
    predicted = model(x)
    found = {
        "operations": workload.SynapticOperations()(model, predicted, (x, None)),
        "sparsity": workload.ActivationSparsity()(model, predicted, (x, None)),
        "bytes": static.Footprint()(model),
        "connections": static.ConnectionSparsity()(model),
    }
    model.cleanup_hooks()
    return found


def test_a_network_of_snntorch():
    network, x = Network(), torch.randn(COUNT, STEPS, INPUTS)
    theirs = counted(models.SNNTorchModel(network), x)
    ours = cost(Steps(network), x, samples=COUNT)
    operations = theirs["operations"]
    assert ours.dense_macs == operations["Dense"] == STEPS * (INPUTS * HIDDEN + HIDDEN * OUTPUTS)
    assert ours.macs == STEPS * INPUTS * HIDDEN
    # they leave out weights that are zero too, we count zeros of the input alone
    assert operations["Effective_MACs"] == STEPS * (INPUTS - 1) * HIDDEN
    assert ours.acs == operations["Effective_ACs"] > 0
    assert ours.acs / (STEPS * HIDDEN * OUTPUTS) == pytest.approx(1 - theirs["sparsity"])
    assert ours.parameters == sum(p.numel() for p in network.parameters() if p.requires_grad)
    held = (*network.parameters(), *network.buffers())
    assert theirs["bytes"] == sum(tensor.numel() * tensor.element_size() for tensor in held)
    assert theirs["connections"] == pytest.approx(1 / (INPUTS + OUTPUTS), abs=1e-4)


def test_neurobench_does_not_see_the_neurons_of_a_layer_of_ours():
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), LIF(HIDDEN, HIDDEN))
    x = torch.randn(STEPS, COUNT, INPUTS)
    wrapped = models.TorchModel(model)
    wrapped.register_hooks()
    wrapped(x)
    assert wrapped.activation_hooks == []
    wrapped.cleanup_hooks()
    assert cost(model, x, samples=COUNT).firing_rate is not None
