"""Counts of single products against brute force: the same product with every number replaced by one."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from liafseq import cost

FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACKWARD = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MODULES = {
    (1, False): nn.Conv1d, (2, False): nn.Conv2d, (3, False): nn.Conv3d,
    (1, True): nn.ConvTranspose1d, (2, True): nn.ConvTranspose2d, (3, True): nn.ConvTranspose3d,
}  # fmt: skip


def sparse(shape, kind):
    x = torch.randn(shape) if kind == "analog" else torch.randint(-2, 4, shape).float()
    return x * (torch.rand(shape) < 0.4)


def random_convolution(draw, transposed):
    dims = draw.choice([1, 2, 2, 3])
    groups = draw.choice([1, 1, 2, 3])
    choose = lambda low, high: tuple(draw.randint(low, high) for _ in range(dims))  # noqa: E731
    kernel, stride, dilation = choose(1, 3), choose(1, 3), choose(1, 2)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": draw.random() < 0.5}
    options["padding"] = tuple(draw.randint(0, k) for k in kernel)
    if transposed:
        options["output_padding"] = tuple(
            draw.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)
        )
    sizes = (groups * draw.randint(1, 2), groups * draw.randint(1, 2))
    module = MODULES[dims, transposed](*sizes, kernel, **options)
    return module, (draw.randint(1, 3), sizes[0], *choose(5, 8))


@pytest.mark.parametrize("kind", ["analog", "spikes"])
@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "transposed"])
@pytest.mark.parametrize("seed", range(12))
def test_convolution(seed, transposed, kind):
    module, shape = random_convolution(random.Random(seed), transposed)
    x = sparse(shape, kind)
    events = x.abs() if kind == "spikes" else (x != 0).float()
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(1.0)
        if module.bias is not None:
            module.bias.zero_()
        by_force = int(module.double()(events.double()).sum())
    found = cost(module.float(), x, samples=1)
    assert (found.acs, found.macs) == ((by_force, 0) if kind == "spikes" else (0, by_force))


@pytest.mark.parametrize("padding_mode", ["zeros", "circular", "reflect"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding, padding_mode):
    module = nn.Conv2d(2, 3, 3, padding=padding, padding_mode=padding_mode)
    found = cost(module, torch.rand(1, 2, 6, 6) + 0.1)
    outputs = 36 if padding == "same" else 16
    assert found.dense_macs == outputs * 9 * 2 * 3
    inside = 16 * 16 if padding == "same" and padding_mode == "zeros" else outputs * 9
    assert found.macs == inside * 2 * 3


class Product(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *args):
        return self.call(*args)


def by_loops(a, b):
    """Terms of a b in which both factors are not zero, and the sum of |a| where b is not zero."""
    both = weighted = 0
    for i, j, k in itertools.product(range(a.shape[0]), range(b.shape[1]), range(a.shape[1])):
        there = bool(b[k, j] != 0)
        both += there and bool(a[i, k] != 0)
        weighted += there * abs(float(a[i, k]))
    return both, int(weighted) if weighted == int(weighted) else None


def test_two_operands_of_spikes():
    found = cost(Product(torch.mm), (torch.tensor([[2.0, 1.0]]), torch.tensor([[3.0], [0.0]])), samples=1)
    assert (found.acs, found.macs) == (2, 0)


@pytest.mark.parametrize("seed", range(4))
def test_two_activations(seed):
    torch.manual_seed(seed)
    a, b = sparse((3, 5), "spikes"), sparse((5, 4), "analog")
    both, weighted = by_loops(a, b)
    found = cost(Product(torch.mm), (a, b), samples=1)
    assert (found.macs, found.acs, found.dense_macs) == (0, weighted, 60)
    analog = a * 0.3
    assert cost(Product(torch.mm), (analog, b), samples=1).macs == both


@pytest.mark.parametrize(
    ("call", "shapes", "dense"),
    [
        (torch.mm, [(2, 3), (3, 4)], 24),
        (torch.bmm, [(5, 2, 3), (5, 3, 4)], 120),
        (torch.matmul, [(5, 1, 2, 3), (7, 3, 4)], 5 * 7 * 24),
        (torch.mv, [(2, 3), (3,)], 6),
        (torch.dot, [(3,), (3,)], 3),
        (torch.addmm, [(2, 4), (2, 3), (3, 4)], 24),
        (torch.addmv, [(2,), (2, 3), (3,)], 6),
        (torch.baddbmm, [(5, 2, 4), (5, 2, 3), (5, 3, 4)], 120),
        (torch.addbmm, [(2, 4), (5, 2, 3), (5, 3, 4)], 120),
        (lambda a, b: torch.einsum("nid,njd->nij", a, b), [(5, 2, 3), (5, 4, 3)], 120),
        (F.linear, [(2, 6, 3), (4, 3)], 2 * 6 * 12),
        (torch.chain_matmul, [(2, 3), (3, 4), (4, 5)], 24 + 40),
        (lambda a, b: torch.tensordot(a, b, 2), [(2, 3, 4), (3, 4, 5)], 120),
    ],
    ids=[
        "mm",
        "bmm",
        "matmul",
        "mv",
        "dot",
        "addmm",
        "addmv",
        "baddbmm",
        "addbmm",
        "einsum",
        "linear",
        "chain",
        "tensordot",
    ],
)
@pytest.mark.filterwarnings("ignore:torch.chain_matmul:UserWarning")
def test_every_way_to_multiply(call, shapes, dense):
    found = cost(Product(call), tuple(torch.randn(s) for s in shapes), samples=1)
    assert (found.macs, found.dense_macs, found.uncounted) == (dense, dense, ())


@pytest.mark.parametrize("size", [0, 1])
def test_empty_batches(size):
    found = cost(nn.Linear(3, 4), torch.randn(size, 3), samples=1)
    assert found.macs == found.dense_macs == 12 * size
    assert cost(nn.Conv2d(1, 1, 3), torch.randn(size, 1, 3, 3), samples=1).macs == 9 * size


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.complex64])
def test_other_precisions(dtype):
    layer = nn.Linear(3, 4, dtype=dtype)
    assert cost(layer, torch.full((2, 3), 0.5, dtype=dtype)).macs == 12


# two samples, three steps; 8 spikes and 9 analog numbers that are not zero
SPIKES = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]])
ANALOG = torch.tensor([[[0.5, 0.0, 0.5]], [[0.0, 0.5, 0.0]]]).expand(2, 3, 3)


class Joint(nn.Module):
    """Spikes beside analog numbers, on several ways to one matrix."""

    def __init__(self, way):
        super().__init__()
        self.way, self.out = way, nn.Linear(5, 10)

    def forward(self, spikes, analog):
        return self.way(self.out, torch.cat([spikes, analog], -1))


@pytest.mark.parametrize(
    "way",
    [
        lambda out, x: out(x),
        lambda out, x: out(x.transpose(0, 1)),
        lambda out, x: [out(step) for step in x.unbind(1)],
        lambda out, x: out(x.flatten(0, 1)[2:]) + out(x.flatten(0, 1)[:2]).sum(),
        lambda out, x: out.weight @ x.flatten(0, 1).t(),
        lambda out, x: out(x.double().float()),
        lambda out, x: out(x.transpose(0, 1).contiguous()),
        lambda out, x: out(x[[1, 0]]),
        lambda out, x: out(pack_padded_sequence(x, torch.tensor([3, 3]), batch_first=True).data),
        lambda out, x: out(F.dropout(x, 0.5, False)),
    ],
    ids=["plain", "transposed", "steps", "slices", "left", "cast", "copied", "chosen", "packed", "dropout"],
)
def test_parts_that_were_joined_are_looked_at_by_themselves(way):
    found = cost(Joint(way), (SPIKES, ANALOG))
    assert (found.acs, found.macs, found.dense_macs) == (8 * 10 / 2, 9 * 10 / 2, 150)


@pytest.mark.parametrize(
    "way",
    [lambda out, x: out(x.flip(-1)), lambda out, x: out(torch.relu(x)), lambda out, x: out(x * 1.0)],
    ids=["reversed", "computed", "multiplied"],
)
def test_what_was_computed_since_is_one_operand(way):
    found = cost(Joint(way), (SPIKES, ANALOG))
    assert (found.acs, found.macs) == (0, 17 * 10 / 2)


@pytest.mark.parametrize(
    ("view", "whole_rows"),
    [
        (lambda x: x.t(), 2),
        (lambda x: x.flatten()[1:13].view(3, 4), 0),
        (lambda x: x.as_strided((2, 4), (5, 1)), 1),
    ],
    ids=["turned", "shifted", "slanted"],
)
def test_a_view_across_the_seam_is_one_operand(view, whole_rows):
    # cut at the same column, each view would have a part of whole numbers by chance
    analog = torch.tensor([[0.5, 1.0]]).repeat(4, 1)
    analog[:whole_rows] = 1.0
    found = cost(Joint(lambda out, x: view(x) @ out.weight[:4]), (torch.ones(4, 2), analog))
    assert found.macs > 0
    assert found.acs == 0


def test_another_dimension_of_the_same_size_has_no_seam():
    analog = torch.tensor([0.0, 0.0, 0.5, 0.5]).view(4, 1, 1).expand(4, 3, 2)
    joint = Joint(lambda out, x: x[:, :, 0].t() @ out.weight[:4])
    found = cost(joint, (analog + 1, torch.ones(4, 3, 2)))
    assert found.macs > 0
    assert found.acs == 0


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("groups", [1, 2])
def test_joined_channels(memory, groups):
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Conv2d(4, 6, 1, groups=groups)

        def forward(self, spikes, analog):
            return self.out(torch.cat([spikes, analog], 1))

    spikes = (torch.rand(2, 2, 5, 5) < 0.3).float().contiguous(memory_format=memory)
    analog = torch.rand(2, 2, 5, 5).contiguous(memory_format=memory) + 0.1
    found = cost(Maps(), (spikes, analog))
    assert found.acs == float(spikes.sum()) * (6 / groups) / 2
    assert (found.macs, found.dense_macs) == (50 * 6 / groups, 100 * 6 / groups)
