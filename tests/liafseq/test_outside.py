"""What code that knows nothing of spikes does to layers, cells and convolutions."""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch
from conftest import CELLS, LAYERS
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.nn.utils.rnn import pack_padded_sequence
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals
from torch.utils.checkpoint import checkpoint

from liafseq import ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, SynapticConv2d

CONVS = [ConvLIAF, ConvLIF, ConvDALIF, ConvMLIF]


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def layer(kind, **options):
    return kind(3, 4, 2, bidirectional=True, **options), 2 * torch.randn(5, 2, 3)


def cell(kind, **options):
    return kind(3, 4, **options), 2 * torch.randn(2, 3)


def conv(kind, **options):
    return kind(3, 4, 3, padding=1, feedback="output", **options), 2 * torch.randn(4, 2, 3, 5, 5)


CASES = {
    f"{kind.__name__}{'-gated' if gated else ''}": (make, kind, {"gated": gated})
    for make, kinds in ((layer, LAYERS), (cell, CELLS), (conv, CONVS))
    for kind in kinds
    for gated in (False, True)
} | {
    "LIF-membrane": (layer, LAYERS[1], {"feedback": "membrane"}),
    "LIF-no-feedback": (layer, LAYERS[1], {"feedback": None}),
    "ConvLIF-synapse": (conv, ConvLIF, {"synapse": True}),
}


@pytest.fixture(params=CASES)
def case(request):
    """A module and an input of it."""
    make, kind, options = CASES[request.param]
    return make(kind, **options)


def gradients(module, run):
    module.zero_grad()
    sum(t.square().sum() for t in flat(run())).backward()
    return [p.grad for p in module.parameters()]


# activation checkpointing


def test_checkpointing_gives_the_same_gradients(case):
    module, x = case
    expected = gradients(module, lambda: module(x))
    found = gradients(module, lambda: checkpoint(module, x, use_reentrant=False))
    torch.testing.assert_close(found, expected)


def test_checkpointing_of_a_models_layers(case):
    module, x = case
    model = nn.ModuleDict({"layer": module})
    expected = gradients(model, lambda: model["layer"](x))
    apply_activation_checkpointing(model, check_fn=lambda m: m is module)
    assert model["layer"] is not module
    torch.testing.assert_close(gradients(model, lambda: model["layer"](x)), expected)


# memory


def test_memory_of_parameters_can_be_released(case):
    """Sharding does it between passes; a NumPy view of a tensor would forbid it for good."""
    module, x = case
    gradients(module, lambda: module(x))
    assert all(p.untyped_storage().resizable() for p in module.parameters())


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view tensor:UserWarning")
def test_fully_sharded(case):
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard

    module, x = case
    expected = gradients(module, lambda: module(x))
    own = copy.deepcopy(module)
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        mesh = dist.init_device_mesh("cpu", (1,))
        fully_shard(own, mesh=mesh, reshard_after_forward=True)
        for _ in range(2):
            found = gradients(own, lambda: own(x))
        torch.testing.assert_close([g.full_tensor() for g in found], expected)
    finally:
        dist.destroy_process_group()


# saving whole modules


def saved(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return file


def test_a_whole_module_needs_no_class_allowed_but_its_own(case):
    module, x = case
    name = f"{type(module).__module__}.{type(module).__name__}"
    assert get_unsafe_globals_in_checkpoint(saved(module)) == [name]
    with safe_globals([type(module)]):
        twin = torch.load(saved(module), weights_only=True)
    assert repr(twin) == repr(module)
    torch.testing.assert_close(flat(twin(x)), flat(module(x)), rtol=0, atol=0)
    twin.reset_parameters()


@pytest.mark.parametrize("kind", [*CONVS, SynapticConv2d])
def test_a_whole_convolution_with_its_normalisation(kind):
    options = {} if kind is SynapticConv2d else {"synapse": True, "decay": torch.rand(4) * 0.8 + 0.1}
    module, x = kind(3, 4, 3, normalization="batch", **options), torch.randn(4, 2, 3, 5, 5)
    with safe_globals([kind, nn.BatchNorm2d]):
        twin = torch.load(saved(module.eval()), weights_only=True)
    torch.testing.assert_close(flat(twin(x)), flat(module(x)), rtol=0, atol=0)


def test_options_that_are_none_are_refused_when_loading():
    module, _ = layer(LAYERS[0])
    state = module.__getstate__()
    state["options"]["reset"] = "sideways"
    with pytest.raises(ValueError, match="reset should be one of"):
        LAYERS[0].__new__(LAYERS[0]).__setstate__(state)


# tracing

traced = pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


@traced
def test_a_saved_trace_gives_the_same_results(case):
    module, x = case
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, (x,)), file)
    file.seek(0)
    loaded = torch.jit.load(file)
    y = torch.randn(x.shape)
    torch.testing.assert_close(flat(loaded(y)), flat(module(y)))
    batch = 0 if x.dim() == 2 else 1
    more = torch.randn([7 if i == batch else n for i, n in enumerate(x.shape)])
    torch.testing.assert_close(flat(loaded(more)), flat(module(more)))


class Model(nn.Module):
    """A layer within more, which reads the lengths of its input or does not."""

    def __init__(self, kind, packs=False):
        super().__init__()
        self.embed, self.layer, self.head = nn.Linear(3, 3), kind(3, 4, 2), nn.Linear(4, 2)
        self.packs = packs

    def forward(self, x, lengths=None):
        x = self.embed(x)
        if self.packs:
            x = pack_padded_sequence(x, lengths)
        _, state = self.layer(x)
        return self.head(state[0][-1])


@traced
def test_a_traced_model(layer_type):
    model, x = Model(layer_type), torch.randn(5, 2, 3)
    model_trace = torch.jit.trace(model, (x,))
    torch.testing.assert_close(model_trace(2 * x), model(2 * x))


@traced
def test_a_trace_has_a_number_of_steps(layer_type):
    module, x = layer(layer_type)
    with pytest.raises(RuntimeError, match="Expected 5 elements in a list but found 6"):
        torch.jit.trace(module, (x,))(torch.randn(6, 2, 3))


@traced
def test_packed_input_is_not_traced(layer_type):
    with pytest.raises(RuntimeError, match=f"{layer_type.__name__}: a trace would keep the lengths"):
        torch.jit.trace(Model(layer_type, packs=True), (torch.randn(5, 2, 3), torch.tensor([5, 3])))


@traced
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx(case):
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    module, x = case
    file = io.BytesIO()
    torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"])
    file.seek(0)
    found = ReferenceEvaluator(onnx.load(file)).run(None, {"x": x.numpy()})
    for a, b in zip(found, flat(module(x)), strict=True):
        torch.testing.assert_close(torch.from_numpy(a), b.detach(), atol=1e-5, rtol=1e-4)


class LeafTracer(torch.fx.Tracer):
    """The recipe of docs/guide/layers.md."""

    def is_leaf_module(self, module, name):
        return type(module).__module__.startswith("liafseq.") or super().is_leaf_module(module, name)


def test_symbolic_tracing_with_layers_as_leaves(layer_type):
    model, x = Model(layer_type), torch.randn(5, 2, 3)
    graph = LeafTracer().trace(model)
    module = torch.fx.GraphModule(model, graph)
    assert [n.target for n in graph.nodes if n.op == "call_module"] == ["embed", "layer", "head"]
    torch.testing.assert_close(module(x), model(x))


# initialisation


def initialise(module):
    """As models all over do: what is no weight is set to zero."""
    for name, parameter in module.named_parameters():
        if "weight" not in name:
            nn.init.zeros_(parameter)
        elif parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def test_setting_to_zero_what_is_no_weight_leaves_neurons_that_fire_and_learn(case):
    module, x = case
    names = [n for n in module.kind.names if n.startswith("learn_")]
    options = {n: getattr(module.options, n) for n in ("feedback", "gated")} | dict.fromkeys(names, True)
    options["learn_threshold"] = module.neuron.fires
    sizes = (3, 16, 3) if x.dim() == 5 else (3, 16)
    module = type(module)(*sizes, **options)
    initialise(module)
    output = flat(module(4 * x))[0]
    assert output.any()
    output.square().sum().backward()
    still = [n for n, p in module.named_parameters() if n.startswith("weight_ih") and not p.grad.any()]
    assert not still


def test_zeros_stand_for_the_default_gain(layer_type):
    module = layer_type(3, 4)
    initialise(module)
    values = module.neuron_parameters()
    if "gain" in values:
        torch.testing.assert_close(values["gain"], torch.full((4,), 0.9))


@pytest.mark.parametrize("index", [0, 1, 2], ids=["layer", "cell", "conv"])
@pytest.mark.parametrize("share", ["layer", None])
def test_a_state_dict_of_unconstrained_gains_is_read(index, share):
    """``gain_l0`` is what tanh makes the gain of; beside others in a model's state dict."""
    make, kind = ((layer, LAYERS[2]), (cell, CELLS[2]), (conv, ConvDALIF))[index]
    module, x = make(kind, gain=(-0.8, 0.8), **({} if share is None else {"share": share}))
    model = nn.ModuleList([module])
    old = {
        n.replace("gain_offset", "gain"): p + math.atanh(0.9) if "gain" in n else p
        for n, p in model.state_dict().items()
    }
    assert len(old.keys() - model.state_dict().keys()) == len(module._suffixes())
    twin = nn.ModuleList([make(kind, **({} if share is None else {"share": share}))[0]])
    given = dict(old)
    twin.load_state_dict(old)
    assert old.keys() == given.keys()
    torch.testing.assert_close(flat(twin[0](x)), flat(module(x)))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        twin.load_state_dict({**twin.state_dict(), **old})
    fixed = nn.ModuleList([make(kind, learn_gain=False)[0]])
    with pytest.raises(RuntimeError, match=r"Missing key.*fixed_gain"):
        fixed.load_state_dict(old)
