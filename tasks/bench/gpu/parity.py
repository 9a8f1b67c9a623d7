"""Errors of the kernels against a float64 reference, beside those of torch's operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import eager, reference
from liafseq.ops.gradients import Passes, differentiable
from liafseq.ops.types import Call, Steps

__all__ = ["CASES", "PRECISIONS", "Case", "parity", "precision"]

PRECISIONS = {
    "fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16,
}  # fmt: skip
NEURONS = {
    "output": Neuron(surrogate="gaussian"),
    "spikes": Neuron(surrogate="gaussian", analog=False, reset="soft"),
    "membrane": Neuron(surrogate="gaussian", feedback="membrane"),
    "none": Neuron(surrogate="gaussian", feedback=None),
    "gated": Neuron(surrogate="gaussian", gate="sigmoid", normalize=True),
}
AT_MOST, REPEATS = 2.0, 20


class Case(NamedTuple):
    """One problem: its neuron, precision, sizes, whether packed or reversed, and its signals' size."""

    neuron: str
    precision: str
    hidden: int
    batch: int
    steps: int
    packed: bool
    reverse: bool
    scale: float

    def __str__(self) -> str:
        how = " packed" * self.packed + " reverse" * self.reverse + " small" * (self.scale < 1)
        return f"{self.neuron} {self.precision} H{self.hidden} N{self.batch} T{self.steps}{how}"


SIZES = (
    (33, 1, 128),
    (64, 256, 7),
    (128, 32, 128),
    (129, 5, 65),
    (256, 17, 128),
    (1000, 3, 70),
    (1024, 256, 128),
)
CASES = tuple(
    Case(neuron, how, hidden, batch, steps, i % 3 == 1 and batch > 1, i % 4 == 3, 1e-4 if i % 5 == 4 else 1.0)
    for i, (neuron, how, (hidden, batch, steps)) in enumerate(product(NEURONS, PRECISIONS, SIZES))
)


@contextmanager
def precision(name: str) -> Iterator[torch.dtype]:
    """The dtype of products, with float32 ones of torch and of cuDNN in TF32 or not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
        yield PRECISIONS[name]
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _problem(case: Case, dtype: torch.dtype, device: str) -> Call:
    from liafseq.ops.triton.check import problem

    sizes = [case.batch] * case.steps
    if case.packed:
        sizes = [max(1, case.batch - case.batch * t // case.steps) for t in range(case.steps)]
    neuron = NEURONS[case.neuron]
    kind = None if neuron.feedback is None else dtype
    steps = Steps(tuple(sizes), case.reverse)
    return problem(neuron, case.hidden, kind, torch.device(device), steps, case.scale)


def _results(run: Any, call: Call) -> list[Tensor]:
    live = [t for t in call.tensors if t is not None]
    output, y, u = run(call)
    loss = output.square().sum() + (y * u).sum()
    grads = torch.autograd.grad(loss, live, allow_unused=True, materialize_grads=True)
    return [t.detach().double() for t in (output, y, u, *grads)]


def _error(found: list[Tensor], exact: list[Tensor]) -> float:
    parts = [(a - b).norm() / b.norm().clamp_min(1e-30) for a, b in zip(found, exact, strict=True)]
    return float(torch.stack(parts).max().nan_to_num(torch.inf))


def parity(case: Case, device: str = "cuda") -> dict[str, Any]:
    """The largest relative error of results and gradients; right is at most twice that of torch's own."""
    from liafseq.ops.triton.run import PASSES

    def run(passes: Passes) -> list[Tensor]:
        return _results(lambda call: differentiable(passes, call), given)

    with precision(case.precision) as dtype:
        given = _problem(case, dtype, device)
        found, torchs = run(PASSES), run(eager.PASSES)
        same = all(
            all(torch.equal(a, b) for a, b in zip(found, run(PASSES), strict=True))
            for _ in range(REPEATS - 1)
        )
        wide = given.with_tensors(
            [None if t is None else t.detach().double().requires_grad_() for t in given.tensors]
        )
        exact = _results(reference.run, wide)
    error, other = _error(found, exact), _error(torchs, exact)
    ok = same and error <= AT_MOST * other + 1e-6
    return {"case": str(case), "error": error, "torch's": other, "bit-identical": same, "ok": ok}
