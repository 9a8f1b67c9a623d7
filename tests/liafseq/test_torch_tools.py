"""What torch's own tools for models do to layers: parametrizations, pruning, averages, DDP, quantisation."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from liafseq import DALIF, LIAF, LIF, ConvLIF


class Model(nn.Module):
    """Linear parts around a layer; the last output decides."""

    def __init__(self, kind: type = LIAF, **options) -> None:
        super().__init__()
        self.first, self.rnn, self.head = nn.Linear(3, 6), kind(6, 8, **options), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.rnn(self.first(x))
        return self.head(output[-1])


def loss_of(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), target)


def learn(model: nn.Module, steps: int = 3, each=lambda: None) -> None:
    """Some steps of training, with something to do after each."""
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x, target = 2 * torch.randn(7, 16, 3), torch.arange(16) % 2
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, x, target).backward()
        optimizer.step()
        each()


# parametrizations


@pytest.mark.parametrize("kind", [LIAF, LIF])
@pytest.mark.parametrize("gated", [False, True])
def test_weight_norm_of_recurrent_weights(kind, gated):
    layer, x = kind(3, 4, gated=gated), 2 * torch.randn(5, 2, 3)
    plain, names = copy.deepcopy(layer), list(layer.state_dict())
    parametrizations.weight_norm(layer, "weight_hh_l0")
    torch.testing.assert_close(layer(x), plain(x))

    length, direction = (p for n, p in layer.named_parameters() if "parametrizations" in n)
    layer(x)[0].square().sum().backward()
    assert length.grad.any()
    assert direction.grad.any()
    plain(x)[0].square().sum().backward()
    weight, grad = plain.weight_hh_l0.detach(), plain.weight_hh_l0.grad
    torch.testing.assert_close(length.grad, (grad * weight).sum(1, True) / weight.norm(dim=1, keepdim=True))

    with torch.no_grad():
        length.mul_(2)
        plain.weight_hh_l0.mul_(2)
    expected = layer(x)
    torch.testing.assert_close(expected, plain(x))
    with parametrize.cached():
        torch.testing.assert_close(layer(x), expected)

    parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert type(layer) is kind
    assert sorted(layer.state_dict()) == sorted(names)
    torch.testing.assert_close(layer(x), expected)


def test_a_parametrised_layer_trains_and_goes_to_a_new_one():
    model = Model()
    parametrizations.orthogonal(model.rnn, "weight_hh_l0")
    learn(model)
    weight = model.rnn.weight_hh_l0
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)
    twin = Model()
    parametrizations.orthogonal(twin.rnn, "weight_hh_l0")
    twin.load_state_dict(model.state_dict())
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(twin(x), model(x))


@pytest.mark.parametrize("name", ["decay_l0", "threshold_l0"])
def test_a_parametrization_of_a_number_sees_its_unconstrained_value(name):
    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    layer = LIAF(3, 4, learn_decay=True, learn_threshold=True)
    value = getattr(layer, name).detach().clone()
    parametrize.register_parametrization(layer, name, Double())
    inside = {"decay_l0": torch.sigmoid, "threshold_l0": nn.functional.softplus}[name]
    torch.testing.assert_close(layer.neuron_parameters()[name.removesuffix("_l0")], inside(2 * value))


# pruning


@pytest.mark.parametrize("kind", [LIAF, LIF, DALIF])
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0"])
def test_masks_hold_through_training(kind, name):
    model = Model(kind)
    prune.l1_unstructured(model.rnn, name, amount=0.5)
    mask = model.rnn.get_buffer(f"{name}_mask")
    under = model.rnn.get_parameter(f"{name}_orig")
    before = under.detach().clone()

    def gone() -> None:
        assert not getattr(model.rnn, name)[mask == 0].any()

    learn(model, each=gone)
    assert (under == before)[mask == 0].all()
    assert (under != before)[mask == 1].any()
    x = 8 * torch.randn(5, 2, 3)
    expected = model(x)
    prune.remove(model.rnn, name)
    gone()
    assert (mask == 0).sum() == mask.numel() // 2
    assert isinstance(getattr(model.rnn, name), nn.Parameter)
    torch.testing.assert_close(model(x), expected)


def test_masks_of_a_convolution_and_of_all_layers_at_once():
    conv, layer = ConvLIF(2, 3, 3, padding=1, feedback="output"), LIF(4, 8)
    pairs = [(m, n) for m in (conv, layer) for n, p in m.named_parameters() if p.dim() > 1]
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.3)
    zeros = sum(int((getattr(m, n) == 0).sum()) for m, n in pairs)
    assert zeros == round(0.3 * sum(getattr(m, n).numel() for m, n in pairs))
    conv(torch.randn(3, 2, 2, 4, 4))[0].sum().backward()
    layer(torch.randn(3, 2, 4))[0].sum().backward()
    for module, name in pairs:
        grad = module.get_parameter(f"{name}_orig").grad
        assert not grad[module.get_buffer(f"{name}_mask") == 0].any()


# averages


@pytest.mark.parametrize("use_buffers", [False, True])
def test_an_average_of_weights_and_numbers(use_buffers):
    model = Model(DALIF, learn_gain=True)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=use_buffers)
    seen = []
    learn(model, each=lambda: (average.update_parameters(model), seen.append(copy.deepcopy(model))))
    for name, value in average.module.named_parameters():
        first, second, third = (m.get_parameter(name) for m in seen)
        torch.testing.assert_close(value, 0.25 * first + 0.25 * second + 0.5 * third)
    for name, value in average.module.named_buffers():
        torch.testing.assert_close(value, model.get_buffer(name))
    # an average of unconstrained values is inside the interval
    for name, value in average.module.rnn.neuron_parameters().items():
        assert value.isfinite().all(), name
    x = torch.randn(5, 2, 3)
    assert not torch.equal(average(x), model(x))
    twin = AveragedModel(Model(DALIF, learn_gain=True), use_buffers=use_buffers)
    twin.load_state_dict(average.state_dict())
    torch.testing.assert_close(twin(x), average(x), rtol=0, atol=0)


# DistributedDataParallel


def of_a_process(rank: int, folder: str) -> None:
    """Its half of the batch, and what comes of all halves."""
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
    try:
        x, target, state = torch.load(f"{folder}/given.pt")
        for kind in (LIAF, LIF):
            model = Model(kind, num_layers=2)
            model.load_state_dict(state[kind.__name__])
            own = DistributedDataParallel(model)
            half = slice(4 * rank, 4 * rank + 4)
            loss_of(own, x[:, half], target[half]).backward()
            grads = [p.grad for p in model.parameters()]
            torch.save(grads, f"{folder}/{kind.__name__}{rank}.pt")
        dist.barrier()  # neither ends while the other still listens
    finally:
        dist.destroy_process_group()
    os._exit(0)  # threads of gloo now and then abort a process that ends by itself


@pytest.mark.exhaustive
def test_gradients_of_two_processes_are_those_of_the_whole_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # where a new process finds this module
    models = {kind.__name__: Model(kind, num_layers=2) for kind in (LIAF, LIF)}
    x, target = 2 * torch.randn(5, 8, 3), torch.arange(8) % 2
    torch.save((x, target, {n: m.state_dict() for n, m in models.items()}), tmp_path / "given.pt")
    mp.spawn(of_a_process, (str(tmp_path),), nprocs=2)
    for name, model in models.items():
        loss_of(model, x, target).backward()
        expected = [p.grad for p in model.parameters()]
        assert all(g.any() for g in expected[:4])
        for rank in range(2):
            torch.testing.assert_close(torch.load(tmp_path / f"{name}{rank}.pt"), expected)


# quantisation


# torch, of its own: torchao takes the place of both
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize("spec", [{nn.Linear}, None], ids=["linear", "all"])
@pytest.mark.parametrize("kind", [LIAF, LIF])
def test_linear_parts_in_8_bits(kind, spec):
    model = Model(kind).eval()
    small = torch.ao.quantization.quantize_dynamic(model, spec)
    assert isinstance(small.first, torch.ao.nn.quantized.dynamic.Linear)
    assert isinstance(small.head, torch.ao.nn.quantized.dynamic.Linear)
    assert type(small.rnn) is kind
    for name, value in model.rnn.state_dict().items():
        torch.testing.assert_close(small.rnn.state_dict()[name], value, rtol=0, atol=0)
    x = 2 * torch.randn(20, 50, 3)
    found, expected = small(x), model(x)
    assert not torch.equal(found, expected)
    assert (found - expected).abs().mean() < 0.1 * expected.std()
