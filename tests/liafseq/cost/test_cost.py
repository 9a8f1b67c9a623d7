"""Operations of small networks against counts made by hand, a sample."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.flop_counter import FlopCounterMode

from liafseq import (
    DALIF,
    LIAF,
    LIF,
    MLIF,
    ConvDALIF,
    ConvLIAF,
    ConvLIF,
    ConvMLIF,
    DALIFCell,
    LIAFCell,
    LIFCell,
    MLIFCell,
    SynapticConv2d,
    cost,
)

T, N, INPUTS, H = 7, 3, 5, 4
SEQUENCE = (T, N, INPUTS)
NO_SPIKE = 1e6


class Attention(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


class ConvLSTM(nn.Module):
    """As one writes it by hand: a convolution in a loop, gates between."""

    def __init__(self):
        super().__init__()
        self.gates = nn.Conv2d(2 + 3, 4 * 3, 3, padding=1)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], 3, 6, 6)
        for step in x:
            i, f, g, o = self.gates(torch.cat([step, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, INPUTS)
        self.out = nn.Linear(INPUTS, 2)

    def forward(self, words):
        return self.out(self.embedding(words) + self.embedding(torch.arange(words.shape[1])))


# model, shapes of its arguments, samples; dense products, those with inputs that are not zero, weights
HAND = {
    "linear": (nn.Linear(10, 20), [(4, 10)], 4, 200, 200, 200),
    "linear-over-time": (nn.Linear(10, 20, bias=False), [(2, 3, 10)], 2, 600, 600, 200),
    "bilinear-free-matmul": (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), [(3, 4)], 3, 24, 24, 24),
    # of the 6 x 3 taps a dimension two fall on the padding
    "conv2d-padding": (nn.Conv2d(3, 8, 3, padding=1), [(2, 3, 6, 6)], 2, 36 * 27 * 8, 16 * 16 * 24, 216),
    "conv2d-stride-groups": (
        nn.Conv2d(4, 8, 3, stride=2, groups=2), [(2, 4, 7, 7)], 2, 9 * 9 * 2 * 8, 9 * 9 * 2 * 8, 144,
    ),
    "conv2d-unbatched": (nn.Conv2d(1, 2, 3), [(1, 1, 5, 5)], 1, 9 * 9 * 2, 9 * 9 * 2, 18),
    "conv1d-dilation": (nn.Conv1d(2, 4, 3, dilation=2), [(3, 2, 9)], 3, 120, 120, 24),
    "conv3d": (nn.Conv3d(1, 2, 3), [(1, 1, 5, 5, 5)], 1, 27 * 27 * 2, 27 * 27 * 2, 54),
    "conv-transposed": (nn.ConvTranspose2d(2, 3, 2, stride=2), [(2, 2, 5, 5)], 2, 600, 600, 24),
    "rnn": (nn.RNN(INPUTS, H), [SEQUENCE], N, 252, 252 - 16, 36),
    "gru": (nn.GRU(INPUTS, H), [SEQUENCE], N, 3 * 252, 3 * (252 - 16), 108),
    "lstm": (nn.LSTM(INPUTS, H), [SEQUENCE], N, 4 * 252, 4 * (252 - 16), 144),
    "liaf": (LIAF(INPUTS, H), [SEQUENCE], N, 252, 252 - 16, 36),
    "dalif-analog": (DALIF(INPUTS, H, output="analog"), [SEQUENCE], N, 252, 252 - 16, 36),
    "liaf-gated": (LIAF(INPUTS, H, gated=True), [SEQUENCE], N, 2 * 252, 2 * (252 - 16), 72),
    "liaf-one-gate": (
        LIAF(INPUTS, H, gated=True, neurons_per_gate=4), [SEQUENCE], N, 5 * 252 / 4, 5 * (252 - 16) / 4, 45,
    ),
    "dalif-gated": (
        DALIF(INPUTS, H, output="analog", gated=True), [SEQUENCE], N, 2 * 252, 2 * (252 - 16), 72,
    ),
    "liaf-no-feedback": (LIAF(INPUTS, H, feedback=None), [SEQUENCE], N, 140, 140, 20),
    "liaf-membrane": (
        LIAF(INPUTS, H, feedback="membrane", threshold=NO_SPIKE), [SEQUENCE], N, 252, 252 - 16, 36,
    ),
    "rnn-2-layers": (nn.RNN(INPUTS, H, 2), [SEQUENCE], N, 476, 476 - 32, 68),
    "liaf-2-layers": (LIAF(INPUTS, H, 2, dropout=0.5), [SEQUENCE], N, 476, 476 - 32, 68),
    "gru-bidirectional": (nn.GRU(INPUTS, H, 2, bidirectional=True), [SEQUENCE], N, 3 * 1176, 3 * 1112, 504),
    "lstm-bidirectional": (nn.LSTM(INPUTS, H, 2, bidirectional=True), [SEQUENCE], N, 4 * 1176, 4 * 1112, 672),
    "liaf-bidirectional": (LIAF(INPUTS, H, 2, bidirectional=True), [SEQUENCE], N, 1176, 1112, 168),
    "lstm-projection": (nn.LSTM(INPUTS, H, proj_size=2), [SEQUENCE], N, 7 * 120, 7 * 120 - 32, 120),
    "gru-batch-first": (nn.GRU(INPUTS, H, batch_first=True), [(N, T, INPUTS)], N, 756, 708, 108),
    "liaf-unbatched": (LIAF(INPUTS, H), [(T, INPUTS)], 1, 252, 236, 36),
    "gru-cell": (nn.GRUCell(INPUTS, H), [(N, INPUTS)], N, 108, 60, 108),
    "lstm-cell": (nn.LSTMCell(INPUTS, H), [(INPUTS,)], 1, 144, 80, 144),
    "liaf-cell": (LIAFCell(INPUTS, H), [(N, INPUTS)], N, 36, 20, 36),
    "attention": (Attention(), [(2, 3, 4)] * 3, 2, 72, 72, 0),
    "multihead-attention": (nn.MultiheadAttention(8, 2), [(6, 3, 8)] * 3, 3, 2112, 2112, 256),
    "transformer-layer": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), [(3, 6, 8)], 3,
        3648, 3648, 512,
    ),
    # the first state is zero
    "conv-lstm-loop": (
        ConvLSTM(), [(T, 2, 2, 6, 6)], 2, 7 * 36 * 9 * 5 * 12, (7 * 5 - 3) * 16 * 16 * 12, 540,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_hand_counts(name):
    model, shapes, samples, dense, needed, weights = HAND[name]
    batch = tuple(torch.randn(shape) for shape in shapes)
    found = cost(model, batch, samples=samples)
    assert (found.dense_macs, found.macs, found.acs, found.weights) == (dense, needed, 0, weights)
    assert not found.uncounted


# torch's own counter sees none of what is fused
@pytest.mark.parametrize("name", [name for name in HAND if not name.startswith(("lstm", "transformer"))])
def test_dense_counts_are_those_of_torchs_own_counter(name):
    model, shapes, samples, dense, *_ = HAND[name]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*(torch.randn(shape) for shape in shapes))
    assert counter.get_total_flops() == 2 * dense * samples


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4), (LIAF, 1), (LIF, 1)])
def test_packed_sequences_count_active_rows_alone(kind, gates):
    packed = pack_sequence([torch.randn(n, INPUTS) for n in (2, 7, 3)], enforce_sorted=False)
    found = cost(kind(INPUTS, H), packed)
    assert found.samples == 3
    assert found.dense_macs == gates * 12 * (20 + 16) / 3
    if kind is not LIF:
        assert found.macs == gates * (12 * (20 + 16) - 3 * 16) / 3


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_ratio_of_liaf_rnn_gru_lstm(layers, bidirectional):
    def dense(kind):
        model = kind(6, 8, num_layers=layers, bidirectional=bidirectional)
        found = cost(model, torch.randn(5, 2, 6))
        return found.dense_macs, found.weights

    (unit, weights), *others = (dense(kind) for kind in (LIAF, nn.RNN, nn.GRU, nn.LSTM))
    assert others == [(unit, weights), (3 * unit, 3 * weights), (4 * unit, 4 * weights)]


def identity(layer):
    """A layer without memory or feedback: it emits what its input alone makes it emit."""
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(layer.hidden_size))
    return layer


MEMORYLESS = {"bias": False, "feedback": None, "decay": 0.0, "learn_decay": False}


class Chain(nn.Module):
    def __init__(self, neurons, out):
        super().__init__()
        self.neurons, self.out = neurons, out

    def forward(self, x):
        return self.out(self.neurons(x)[0])


def test_spikes_make_accumulates():
    model = Chain(identity(LIF(4, 4, threshold=0.5, **MEMORYLESS)), nn.Linear(4, 10))
    # of 2 steps, 2 samples, 4 neurons 5 spike
    x = torch.tensor(
        [[[0.7, 0.1, 0.0, 0.9], [0.2, 0.0, 0.0, 0.6]], [[0.0, 0.8, 0.0, 0.1], [0.0, 0.0, 0.7, 0.0]]]
    )
    found = cost(model, x, samples=2)
    neurons, out = found.layers
    assert (neurons.dense_macs, neurons.macs, neurons.acs) == (2 * 16, 8 * 4 / 2, 0)
    assert (out.dense_macs, out.macs, out.acs) == (2 * 40, 0, 5 * 10 / 2)
    assert (found.macs, found.acs) == (16, 25)
    assert found.firing_rate == neurons.firing_rate == 5 / 16
    assert neurons.sparsity == 11 / 16
    assert out.firing_rate is None
    # alpha R, + I, one comparison
    assert neurons.neuron_ops == 2 * 4 * 3


def test_a_spike_of_several_levels_is_as_many_accumulates():
    neurons = MLIF(4, 4, threshold=1.0, bias=False, feedback=None, decay=0.0, learn_decay=False)
    found = cost(Chain(identity(neurons), nn.Linear(4, 10)), torch.tensor([[[2.5, 1.0, 0.3, 9.0]]]))
    assert (found.layers[1].macs, found.layers[1].acs) == (0, (2 + 1 + 3) * 10)
    assert found.firing_rate == 6 / 4
    assert found.layers[0].sparsity == 1 / 4
    # alpha R, + I, three comparisons, - theta s
    assert found.neuron_ops == 4 * 6


def test_feedback_of_spikes_is_accumulates():
    # strong current: every neuron spikes at every step, and W_hh reads the spikes of all but the last
    layer = LIF(INPUTS, H, 1, threshold=0.1)
    with torch.no_grad():
        for name, value in layer.named_parameters():
            if "weight" in name:
                value.fill_(1.0)
    found = cost(layer, torch.rand(T, N, INPUTS) + 1)
    assert (found.macs, found.acs, found.firing_rate) == (7 * 20, 6 * 16, 1.0)


def test_spikes_between_the_layers_of_one_module():
    layer = LIF(INPUTS, H, 2, threshold=1e-3, feedback=None)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_ih_l1.fill_(1.0)
    found = cost(layer, torch.rand(T, N, INPUTS) + 1)
    assert (found.macs, found.acs, found.dense_macs) == (7 * 20, 7 * 16, 7 * 36)


def test_silent_inputs_are_free_for_analog_neurons_too():
    neurons = identity(LIAF(4, 4, activation="relu", threshold=0.5, normalize_current=False, **MEMORYLESS))
    found = cost(Chain(neurons, nn.Linear(4, 10)), torch.tensor([[[0.7, -0.3, 0.25, -2.0]]]))
    assert (found.layers[1].macs, found.layers[1].acs, found.layers[1].dense_macs) == (20, 0, 40)
    assert found.layers[0].sparsity == 2 / 4
    # one membrane of four crossed its threshold; nothing spikes
    assert (found.crossing_rate, found.firing_rate) == (1 / 4, None)


def test_a_mixed_operand_is_analog():
    assert cost(nn.Linear(4, 10), torch.tensor([[1.0, 0.0, 0.5, 1.0]])).macs == 30


@pytest.mark.parametrize(
    ("values", "macs", "acs"),
    [
        ([1.0, 0.0, -1.0, 1.0], 0, 30),
        ([2.0, 0.0, 15.0, 0.0], 0, 170),
        ([2.0, 0.0, 16.0, 0.0], 20, 0),
        ([0.0, 0.0, 0.0, 0.0], 0, 0),
        ([float("nan"), 1.0, 0.0, 1.0], 30, 0),
        ([float("inf"), 1.0, 0.0, 1.0], 30, 0),
    ],
    ids=["signed", "counts", "too-large", "silent", "nan", "inf"],
)
def test_which_values_are_spikes(values, macs, acs):
    found = cost(nn.Linear(4, 10), torch.tensor([values]))
    assert (found.macs, found.acs) == (macs, acs)


def test_max_spike_moves_the_limit():
    x = torch.tensor([[2.0, 0.0, 16.0, 0.0]])
    assert cost(nn.Linear(4, 10), x, max_spike=16).acs == 180
    assert cost(nn.Linear(4, 10), x, max_spike=1).macs == 20


def test_attention_counts_where_both_factors_are_there():
    # the causal mask makes 3 of 9 probabilities zero
    class Causal(nn.Module):
        def forward(self, x):
            return F.scaled_dot_product_attention(x, x, x, is_causal=True)

    found = cost(Causal(), torch.randn(2, 1, 3, 4))
    assert (found.dense_macs, found.macs) == (72, 9 * 4 + 6 * 4)


def test_spiking_attention():
    class Product(nn.Module):
        def forward(self, q, k):
            return q @ k.transpose(-1, -2)

    q = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    k = torch.tensor([[[0.5, 0.0], [0.5, 0.3]]])
    found = cost(Product(), (q, k))
    # inner position 0: 2 spikes x 2 keys, position 1: 1 spike x 1 key
    assert (found.macs, found.acs, found.dense_macs) == (0, 5, 8)
    assert cost(Product(), (k, q)).acs == 5
    assert cost(Product(), (k, k)).macs == 5


def test_embeddings_are_looked_up_for_nothing():
    found = cost(Words(), torch.randint(9, (3, 6)))
    assert (found.dense_macs, found.weights) == (6 * 10, 10)
    assert found.parameters == 9 * 5 + 12


@pytest.mark.parametrize("kind", [LIAFCell, LIFCell, DALIFCell, MLIFCell], ids=lambda c: c.__name__)
@pytest.mark.parametrize("state_format", ["lstm", "gru"])
def test_cells_as_the_layers(kind, state_format):
    layer_type = {LIAFCell: LIAF, LIFCell: LIF, DALIFCell: DALIF, MLIFCell: MLIF}[kind]
    layer = layer_type(INPUTS, H, state_format=state_format)
    cell = kind(INPUTS, H, state_format=state_format)
    cell.load_state_dict({k.replace("_l0", ""): v for k, v in layer.state_dict().items()})

    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, x):
            state = None
            for step in x:
                state = self.cell(step, state)
            return state

    x = torch.randn(SEQUENCE)
    ours, theirs = cost(layer, x), cost(Loop(), x, samples=N)
    if state_format == "lstm":
        assert (ours.macs, ours.acs) == (theirs.macs, theirs.acs)
    for name in ("dense_macs", "neuron_ops", "weights", "parameters", "firing_rate", "crossing_rate"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.layers[0].sparsity == theirs.layers[0].sparsity


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        (LIAF(INPUTS, H), 3),
        # 1 - alpha_t and its product with I more, and no threshold
        (LIAF(INPUTS, H, gated=True), 4),
        (LIAF(INPUTS, H, gated=True, reset="hard"), 5),
        # and the threshold
        (LIF(INPUTS, H, gated=True), 5),
        (LIF(INPUTS, H, gated=True, reset="hard", normalize_current=False), 3),
        (LIF(INPUTS, H, reset="soft", leak=0.1), 5),
        (DALIF(INPUTS, H), 3),
        (MLIF(INPUTS, H, levels=2), 5),
        (nn.RNN(INPUTS, H), 0),
        (nn.GRU(INPUTS, H), 4),
        (nn.LSTM(INPUTS, H, proj_size=2), 4),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else str(v),
)
def test_neuron_operations(model, operations):
    assert cost(model, torch.randn(SEQUENCE)).neuron_ops == operations * T * H


def test_neuron_operations_of_layers_and_directions():
    x = torch.randn(SEQUENCE)
    assert cost(nn.LSTM(INPUTS, H, 2, bidirectional=True), x).neuron_ops == 4 * 4 * T * H
    assert cost(LIAF(INPUTS, H, 2, bidirectional=True), x).neuron_ops == 3 * 4 * T * H


MAPS = (4, 2, 2, 6, 6)
# 4 steps; of the 6 x 3 taps a dimension two fall on the padding; 3 x 36 neurons
CONVOLVED = {
    "liaf": (ConvLIAF(2, 3, 3, padding=1), MAPS, 2, 7776, 54, 3),
    "lif-batch-first": (ConvLIF(2, 3, 3, padding=1, batch_first=True), (2, 4, 2, 6, 6), 2, 7776, 54, 3),
    "mlif-unbatched": (ConvMLIF(2, 3, 3, padding=1, levels=2), (4, 2, 6, 6), 1, 7776, 54, 5),
    "liaf-synapse": (ConvLIAF(2, 3, 3, padding=1, synapse=True), MAPS, 2, 7776, 54, 5),
    "synapse-alone": (SynapticConv2d(2, 3, 3, padding=1), MAPS, 2, 7776, 54, 2),
    "liaf-feedback": (ConvLIAF(2, 3, 3, padding=1, feedback="output"), MAPS, 2, 7776 + 11664, 54 + 81, 3),
    "liaf-gated": (
        ConvLIAF(2, 3, 3, padding=1, feedback="output", gated=True, normalize_current=True),
        MAPS, 2, 2 * (7776 + 11664), 2 * (54 + 81), 4,
    ),
    "dalif-gated": (
        ConvDALIF(2, 3, 3, padding=1, feedback="output", gated=True, normalization="batch"),
        MAPS, 2, 2 * (7776 + 11664), 2 * (54 + 81), 3,
    ),
    "lif-gated-groups": (
        ConvLIF(2, 4, 3, padding=1, feedback="output", gated=True, groups=2, recurrent_kernel_size=(3, 1)),
        MAPS, 2, 4 * 36 * 9 * 8 + 4 * 36 * 3 * 2 * 8, 9 * 8 + 3 * 2 * 8, 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLVED)
def test_convolutional_layers(name):
    layer, shape, samples, dense, weights, operations = CONVOLVED[name]
    found = cost(layer, torch.rand(shape) + 0.1)
    assert (found.samples, found.dense_macs, found.weights) == (samples, dense, weights)
    if getattr(layer, "weight_hh", None) is None:
        assert (found.macs, found.acs) == (4 * 16 * 16 * 2 * 3, 0)
    own = [part for part in found.layers if part.name != "norm"]
    assert [part.neuron_ops for part in own] == [operations * layer.out_channels * 4 * 36]


@pytest.mark.parametrize("name", CONVOLVED)
def test_dense_counts_of_convolutional_layers_are_those_of_torchs_own_counter(name):
    layer, shape, samples, dense, *_ = CONVOLVED[name]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(torch.randn(shape))
    assert counter.get_total_flops() == 2 * dense * samples


def test_a_gated_convolution_of_inputs_that_are_not_zero():
    """Of 2 maps to 3 and their gates, and from the second step on of the 3 outputs to as many."""
    layer = ConvLIAF(2, 3, 3, padding=1, feedback="output", gated=True, activation="tanh")
    assert cost(layer, torch.rand(MAPS) + 0.1).macs == 2 * 16 * 16 * 3 * (4 * 2 + 3 * 3)


def test_firing_rate_of_maps():
    synapse = {"synapse": True, "synapse_decay": 0.0, "learn_synapse_decay": False}
    layer = ConvLIF(1, 1, 1, threshold=0.5, **MEMORYLESS, **synapse)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    maps = torch.tensor([0.7, 0.1, 0.9, 0.0]).reshape(1, 1, 1, 2, 2)
    found = cost(layer, maps)
    assert (found.firing_rate, found.layers[0].sparsity) == (0.5, 0.5)


def test_spiking_events_through_spiking_maps():
    events = (torch.rand(MAPS) < 0.1).float()
    layer = ConvLIF(2, 3, 3, padding=1)
    found = cost(layer, events)
    taps = torch.tensor([2, 3, 3, 3, 3, 2])
    by_hand = (events.sum((0, 1, 2)) * taps[:, None] * taps).sum() * 3
    assert (found.macs, found.acs) == (0, float(by_hand) / 2)
