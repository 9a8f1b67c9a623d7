"""The networks for recordings: shapes, padding, order of time, gradients, one shape for all."""

from __future__ import annotations

import pytest
import torch

from liafseq.tasks.config import replace
from liafseq.tasks.dvs.config import DvsConfig
from liafseq.tasks.dvs.encode import Batch
from liafseq.tasks.dvs.model import LiafNet
from liafseq.tasks.models import ModelSpec, known
from liafseq.tasks.task import find

MODELS = known(find("dvs").kinds)
SPIKING = ["conv-liaf", "conv-lif", "conv-dalif", "conv-mlif"]
SIZE, CLASSES = (9, 11), 4


def config(model, **fields):
    return DvsConfig(**({"model": model, "channels": (4, 6), "hidden_size": 8, "steps": 5} | fields))


def net(model, **fields):
    torch.manual_seed(0)
    return LiafNet(config(model, **fields), 2, SIZE, CLASSES)


def frames(steps=5, many=3, seed=0):
    chance = torch.Generator().manual_seed(seed)
    return torch.poisson(torch.ones(steps, many, 2, *SIZE), generator=chance)


@pytest.mark.parametrize("aggregate", ["mean", "last", "max"])
@pytest.mark.parametrize("head", ["flat", "mean"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_gives_logits_and_every_weight_a_gradient(model, head, aggregate):
    network = net(model, head=head, aggregate=aggregate)
    logits = network(frames(), torch.tensor([5, 5, 5]))
    assert logits.shape == (3, CLASSES)
    logits.square().sum().backward()
    without = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert not without


@pytest.mark.parametrize("aggregate", ["mean", "last", "max"])
@pytest.mark.parametrize("model", [name for name in MODELS if name != "conv3d"])
def test_steps_behind_the_end_change_nothing(model, aggregate):
    network = net(model, aggregate=aggregate).eval()
    x, lengths = frames(many=3), torch.tensor([5, 3, 1])
    padded = x.clone()
    for column, length in enumerate(lengths.tolist()):
        padded[length:, column] = 0
    together = network(padded, lengths)
    alone = [network(x[:n, at : at + 1], torch.tensor([n])) for at, n in enumerate(lengths.tolist())]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_normalisation_sees_no_padding():
    network, lengths = net("conv-liaf"), torch.tensor([5, 2])
    x = frames(many=2)
    x[2:, 1] = 0
    network(x, lengths)
    seen = network.layers[0].norm.running_mean.clone()
    other = net("conv-liaf")
    present = torch.cat([x[:, 0], x[:2, 1]])
    expected = torch.nn.functional.conv2d(present, other.layers[0].weight, other.layers[0].bias, padding=1)
    torch.testing.assert_close(seen, 0.1 * expected.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "conv-relu"])
def test_the_order_of_time_matters(model):
    network = net(model).eval()
    x, lengths = frames(steps=5, many=2, seed=1), torch.tensor([5, 5])
    assert not torch.allclose(network(x, lengths), network(x.flip(0), lengths), atol=1e-6)


@pytest.mark.parametrize("model", SPIKING)
def test_options_reach_the_neurons(model):
    slow = net(f"{model}:decay=0.9").layers[0].neuron_parameters()["decay"]
    assert slow.detach().tolist() == pytest.approx([0.9] * 4, abs=1e-6)
    assert not net(model).layers[0].neuron_parameters()["decay"].allclose(slow)


@pytest.mark.parametrize("model", SPIKING)
def test_a_synaptic_block_has_a_learned_decay_a_channel(model):
    plain, block = net(model), net(model, synapse=True)
    more = {name for name, _ in block.named_parameters()} - {name for name, _ in plain.named_parameters()}
    assert {name.split(".")[-1] for name in more} == {"synapse_decay"}


def test_baselines_have_the_same_shape_and_more_weights():
    counts = {}
    for model in MODELS:
        network = LiafNet(config(model, channels=(16, 32, 32), head="mean"), 2, (34, 34), 10)
        counts[model] = sum(p.numel() for p in network.parameters())
    assert counts["conv3d"] > 2.9 * counts["conv-lif"]
    assert counts["conv-lstm"] > 6 * counts["conv-liaf"]


def test_tally_counts_what_is_right():
    network = net("gru").eval()
    x, lengths = frames(many=3), torch.tensor([5, 5, 5])
    answer = network(x, lengths).argmax(-1)
    labels = answer.clone()
    labels[1] = (labels[1] + 1) % CLASSES
    found = find("dvs").step(network, Batch(x, lengths, labels))
    assert (found.sums.tolist(), found.count) == ([2], 3)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"model": "conv-gru"}, ValueError, "unknown model: 'conv-gru', did you mean"),
        ({"data": "mnist"}, ValueError, "data must be one of digits, gestures"),
        ({"data": "nmnist"}, ValueError, "data_dir must name the folder of nmnist"),
        ({"data_dir": "x"}, ValueError, "data_dir is for published data sets; digits is generated"),
        ({"channels": ()}, ValueError, "channels must name at least one"),
        ({"channels": (0,)}, ValueError, "channels must be at least 1"),
        ({"channels": 16}, TypeError, "channels must be whole numbers"),
        ({"channels": ("16",)}, TypeError, "channels must be a whole number"),
        ({"channels": "16,x"}, ValueError, "channels: expected whole numbers"),
        ({"kernel_size": 4}, ValueError, "kernel_size must be odd"),
        ({"model": "gru", "synapse": True}, ValueError, "synapse is for the spiking convolutions"),
        ({"synapse": 1}, TypeError, "synapse must be True or False"),
        ({"steps": 0}, ValueError, "one of steps and step_us"),
        ({"compress": "max"}, ValueError, "compress must be one of time, count"),
        ({"model": "conv-liaf:decai=1"}, ValueError, "no option 'decai', did you mean 'decay'"),
        ({"tau_us": -1.0}, ValueError, "tau_us must be above 0, got -1"),
    ],
)
def test_bad_settings_are_refused_by_name(fields, error, text):
    with pytest.raises(error, match=text):
        DvsConfig(**fields)


def test_a_run_survives_json_and_has_a_name_of_its_own():
    run = config("conv-dalif:decay=0.3", data_options={"motion": "slow"})
    assert DvsConfig.from_json(run.to_json()) == run
    assert replace(run, seed=1).key() != run.key() != replace(run, steps=6).key()
    with pytest.raises(ValueError, match="stepz is no setting of these"):
        DvsConfig.from_json({"stepz": 3})


def test_a_step_of_a_duration_takes_the_place_of_a_number_of_steps():
    assert DvsConfig(step_us=9_000).steps == 0
    with pytest.raises(ValueError, match="one of steps and step_us"):
        DvsConfig(step_us=9_000, steps=6)


def test_a_study_gives_a_synapse_to_the_models_that_can_have_one():
    task, base = find("dvs"), DvsConfig(synapse=True, epochs=3)
    fitted = {name: task.adapt(base, ModelSpec.parse(name)) for name in MODELS}
    assert {name for name, config in fitted.items() if config.synapse} == set(SPIKING)
    assert all((config.model.name, config.epochs) == (name, 3) for name, config in fitted.items())
