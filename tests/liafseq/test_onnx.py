"""Exported graphs: torch.export, and ONNX as onnxruntime runs it, on sequences of any length and number."""

from __future__ import annotations

import io

import pytest
import torch
from conftest import CELLS, LAYERS
from torch import nn
from torch.export import Dim
from torch.nn.utils.rnn import pack_sequence

from liafseq import LIAF, LIF, ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, LIAFCell, SynapticConv2d, padded

CONVS = [ConvLIAF, ConvLIF, ConvDALIF, ConvMLIF]

pytestmark = [
    # torch's exporter and what it imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def layer(kind, **options):
    return kind(3, 4, **options).eval(), lambda steps, count: 2 * torch.randn(steps, count, 3)


def cell(kind, **options):
    return kind(3, 4, **options).eval(), lambda _, count: 2 * torch.randn(count, 3)


def conv(kind, **options):
    module = kind(3, 4, 3, padding=1, **options).eval()
    return module, lambda steps, count: 2 * torch.randn(steps, count, 3, 5, 5)


FEEDBACK = {"feedback": "output"}
BOTH = {"num_layers": 2, "bidirectional": True}
# of each: a module and its inputs, and how many loops its graph has
CASES = (
    {kind.__name__: (layer, kind, {}, 1) for kind in LAYERS}
    | {f"{kind.__name__}-gated": (layer, kind, {"gated": True}, 1) for kind in LAYERS}
    | {f"{kind.__name__}-deep": (layer, kind, BOTH, 4) for kind in LAYERS}
    | {kind.__name__: (cell, kind, {}, 0) for kind in CELLS}
    | {f"{kind.__name__}-gated": (cell, kind, {"gated": True}, 0) for kind in CELLS}
    | {kind.__name__: (conv, kind, {}, 1) for kind in CONVS}
    | {f"{kind.__name__}-recurrent": (conv, kind, FEEDBACK, 1) for kind in CONVS}
    | {f"{kind.__name__}-gated": (conv, kind, FEEDBACK | {"gated": True}, 1) for kind in CONVS}
    | {
        "LIF-deep-gated": (layer, LIF, BOTH | {"gated": True}, 4),
        "LIF-membrane": (layer, LIF, {"feedback": "membrane", "reset": "soft"}, 1),
        "LIAF-no-feedback": (layer, LIAF, {"feedback": None, "activation": "identity"}, 1),
        "LIAF-one-state": (layer, LIAF, {"state_format": "gru", "leak": 0.1, "learn_leak": True}, 1),
        "LIAF-no-bias": (layer, LIAF, {"bias": False, "normalize_current": True}, 1),
        "ConvLIF-synapse": (conv, ConvLIF, FEEDBACK | {"synapse": True, "normalization": "batch"}, 2),
        "SynapticConv2d": (conv, SynapticConv2d, {}, 1),
    }
)


def often(*names):
    """All cases; those that are not named are exhaustive."""
    rest = [pytest.param(name, marks=pytest.mark.exhaustive) for name in CASES if name not in names]
    return pytest.mark.parametrize("case", [*names, *rest])


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def made(case):
    make, kind, options, loops = CASES[case]
    return *make(kind, **options), loops


def any_size(x):
    """Any number of steps and of sequences."""
    return dict.fromkeys(range(1 if x.dim() == 2 else 2), Dim.DYNAMIC)


class Lengths(nn.Module):
    """A model that reads a padded batch."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, lengths, hx=None):
        return padded(self.layer, x, lengths, hx)


class Exported:
    """A graph in onnxruntime."""

    def __init__(self, module, inputs, shapes):
        onnx = pytest.importorskip("onnx", reason="exports to ONNX need it")
        runtime = pytest.importorskip("onnxruntime", reason="runs what is exported")
        pytest.importorskip("onnxscript", reason="exports to ONNX need it")
        file = io.BytesIO()
        torch.onnx.export(module, inputs, file, dynamo=True, dynamic_shapes=shapes, verbose=False)
        self.kinds = [node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node]
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self.session = runtime.InferenceSession(file.getvalue(), options)

    def __call__(self, *inputs):
        names = [given.name for given in self.session.get_inputs()]
        given = dict(zip(names, (t.numpy() for t in inputs), strict=True))
        return [torch.from_numpy(t) for t in self.session.run(None, given)]


def same(found, expected):
    expected = [t.detach() for t in flat(expected)]
    assert any(t.any() for t in expected)
    torch.testing.assert_close(list(found), expected, atol=1e-5, rtol=1e-5)


# ONNX


@often("LIAF", "LIF-deep-gated", "LIF-membrane", "LIAF-no-feedback", "LIFCell-gated", "ConvLIF-synapse")
def test_a_graph_has_one_loop_per_layer_and_direction_and_runs_any_sequences(case):
    module, inputs, loops = made(case)
    x = inputs(3, 2)
    exported = Exported(module, (x,), (any_size(x),))
    assert exported.kinds.count("Scan") == loops
    assert len(exported.kinds) < 80
    for steps, count in ((9, 4), (2, 1), (1, 3)):
        x = inputs(steps, count)
        same(exported(x), module(x))


@pytest.mark.parametrize("case", ["LIF-deep-gated", "ConvLIF-synapse"])
def test_a_graph_that_reads_lengths(case):
    module, inputs, loops = made(case)
    model, x = Lengths(module).eval(), inputs(4, 2)
    exported = Exported(model, (x, torch.tensor([4, 2])), (any_size(x), {0: Dim.DYNAMIC}))
    assert exported.kinds.count("Scan") == loops
    for lengths in ([9, 2, 5, 1], [3], [7, 7]):
        # padding may be anything
        x = inputs(max(lengths), len(lengths))
        same(exported(x, torch.tensor(lengths)), model(x, torch.tensor(lengths)))


def test_a_graph_with_a_first_state_and_the_batch_first():
    module = LIF(3, 4, batch_first=True, bidirectional=True).eval()
    model = Lengths(module).eval()

    def inputs(*lengths):
        count = len(lengths)
        x, state = torch.randn(count, max(lengths), 3), [torch.randn(2, count, 4) for _ in range(2)]
        return x, torch.tensor(lengths), tuple(state)

    any_batch = {1: Dim.DYNAMIC}
    exported = Exported(
        model, inputs(3, 2), ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {0: Dim.DYNAMIC}, (any_batch, any_batch))
    )
    x, lengths, state = inputs(2, 5, 4)
    same(exported(x, lengths, *state), model(x, lengths, state))


def test_a_fixed_number_of_steps_is_one_loop_too():
    module, inputs = layer(LIAF)
    x = inputs(30, 2)
    exported = Exported(module, (x,), None)
    assert exported.kinds.count("Scan") == 1
    same(exported(x), module(x))


# torch.export


@often("LIAF", "LIF-deep-gated", "LIFCell-gated", "ConvLIF-recurrent")
def test_a_program_runs_any_sequences(case):
    runs_any_sequences(case, strict=False)


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", ["LIF-deep-gated", "LIFCell-gated", "ConvLIF-recurrent", "ConvLIF-synapse"])
def test_a_strict_program_runs_any_sequences(case):
    runs_any_sequences(case, strict=True)


def runs_any_sequences(case, strict):
    module, inputs, loops = made(case)
    x = inputs(3, 2)
    # what another export has fixed is not kept
    torch.export.export(module, (x,), strict=strict)
    program = torch.export.export(module, (x,), dynamic_shapes=(any_size(x),), strict=strict)
    assert str(program.graph).count("torch.ops.higher_order.scan]") == loops
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for steps, count in ((7, 3), (2, 5)):
        x = inputs(steps, count)
        same(flat(loaded(x)), module(x))


def test_a_program_runs_one_step_and_one_sequence():
    module, inputs = layer(LIAF)
    time, batch = Dim("time", min=1), Dim("batch", min=1)
    program = torch.export.export(module, (inputs(3, 2),), dynamic_shapes=({0: time, 1: batch},)).module()
    x = inputs(1, 1)
    same(flat(program(x)), module(x))


# padded batches


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", [*LAYERS, nn.GRU])
def test_padded_is_each_sequence_alone(kind, first):
    layer, lengths = kind(3, 4, bidirectional=True, batch_first=first), [2, 5, 3]
    x = torch.randn(5, 3, 3)
    output, state = padded(layer, x.transpose(0, 1) if first else x, torch.tensor(lengths))
    output = output.transpose(0, 1) if first else output
    for at, length in enumerate(lengths):
        own = x[:length, at : at + 1]
        expected, last = layer(own.transpose(0, 1) if first else own)
        expected = expected.transpose(0, 1) if first else expected
        torch.testing.assert_close(output[:length, at : at + 1], expected)
        assert not output[length:, at].any()
        for found, value in zip(flat(state), flat(last), strict=True):
            torch.testing.assert_close(found[:, at : at + 1], value)


@pytest.mark.parametrize("lengths", [[5, 0], [6, 2], [5]])
def test_padded_refuses_lengths_that_are_none(lengths):
    with pytest.raises(RuntimeError):
        padded(LIAF(3, 4), torch.randn(5, 2, 3), torch.tensor(lengths))


# what cannot be exported


def test_packed_input_is_not_exported():
    packed = pack_sequence([torch.randn(5, 3), torch.randn(3, 3)])
    with pytest.raises(RuntimeError, match=r"LIAF: packed input cannot be exported; liafseq\.padded\(layer"):
        torch.export.export(LIAF(3, 4), (packed,))


@pytest.mark.parametrize("other", [nn.GRU(3, 4), LIAFCell(3, 4)])
def test_other_layers_are_not_exported_with_lengths(other):
    with pytest.raises(TypeError, match=f"one of liafseq, which reads lengths, got: {type(other).__name__}"):
        torch.export.export(Lengths(other), (torch.randn(5, 2, 3), torch.tensor([5, 2])))
