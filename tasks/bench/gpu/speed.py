"""Times of layers by CUDA events, and the names of the kernels that ran."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn

from liafseq.tasks.bench.gpu.parity import PRECISIONS, precision
from liafseq.tasks.models import build_layer

__all__ = ["SPEEDS", "Speed", "kernels", "seconds"]

MODELS = ("liaf", "liaf:gated=true", "gru", "lstm", "rnn")


class Speed(NamedTuple):
    """What is timed."""

    precision: str
    hidden: int
    batch: int
    steps: int
    model: str

    def __str__(self) -> str:
        return f"{self.model} {self.precision} H{self.hidden} N{self.batch} T{self.steps}"


SPEEDS = tuple(
    Speed(*one) for one in product(PRECISIONS, (128, 256, 512, 1024), (32, 256), (128, 1024), MODELS)
)


def _step(case: Speed, dtype: torch.dtype) -> tuple[Callable[[], Any], Callable[[], Any]]:
    torch.manual_seed(0)
    layer: nn.Module = build_layer(case.model, case.hidden, case.hidden).cuda()
    x = torch.randn(case.steps, case.batch, case.hidden, device="cuda", requires_grad=True)

    def output() -> torch.Tensor:
        with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            return layer(x)[0]

    def inference() -> None:
        with torch.no_grad():
            output()

    gradient = torch.randn_like(output())
    return inference, lambda: output().backward(gradient)


def _milliseconds(step: Callable[[], Any], rounds: int = 7) -> float:
    for _ in range(3):
        step()
    found = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        step()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end))
    return median(found)


def seconds(case: Speed) -> dict[str, Any]:
    """Milliseconds of a forward pass, and of one with its backward pass; microseconds of a step of time."""
    with precision(case.precision) as dtype:
        forward, both = (_milliseconds(step) for step in _step(case, dtype))
    return {
        "case": str(case), "forward ms": forward, "with backward ms": both,
        "us a step": 1e3 * both / case.steps, "ok": True,
    }  # fmt: skip


def kernels(model: str) -> dict[str, Any]:
    """The kernels of a training step, the longest first."""
    with precision("tf32") as dtype:
        _, both = _step(Speed("tf32", 128, 32, 128, model), dtype)
        both()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            both()
            torch.cuda.synchronize()
    found = sorted(profile.key_averages(), key=lambda e: -e.device_time_total)[:5]
    return {"case": model, "kernels": [f"{e.key} x{e.count}" for e in found], "ok": True}
