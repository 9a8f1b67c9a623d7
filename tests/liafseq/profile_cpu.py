"""Where a training step of a compiled layer spends its time on a CPU.

    python tests/liafseq/profile_cpu.py 32x100x64x128 64x128x128x256 [--threads 2] [--model liaf:gated=true]

The two compiled passes are timed inside the step; what is left is torch's small operations and Python. The
limit is the step's products at the rate of one product of 2048 x 2048 numbers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from liafseq.ops.cpu.team import Pass
from liafseq.tasks.models import ModelSpec, build_layer


def _seconds(call: Callable[[], Any], rounds: int) -> float:
    call()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def profile(shape: str, model: str, rounds: int) -> None:
    """Prints the parts of a training step in milliseconds, and what they are of the whole."""
    batch, steps, inputs, hidden = map(int, shape.split("x"))
    layer = build_layer(ModelSpec.parse(model), inputs, hidden)
    x = torch.randn(steps, batch, inputs, requires_grad=True)
    grad = torch.randn(steps, batch, hidden)
    plain, passes = Pass.__call__, []

    def timed(self: Pass, *arguments: Any) -> None:
        begin = time.perf_counter()
        plain(self, *arguments)
        passes.append(time.perf_counter() - begin)

    Pass.__call__ = timed  # type: ignore[method-assign]
    try:
        whole = _seconds(lambda: layer(x)[0].backward(grad), rounds)
    finally:
        Pass.__call__ = plain  # type: ignore[method-assign]
    forward, backward = (statistics.median(passes[i + 2 :: 2]) for i in range(2))
    matrix = torch.randn(2048, 2048)
    rate = 2 * 2048**3 / _seconds(lambda: matrix @ matrix, rounds)
    weights = sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight"))
    print(f"{model}, {shape}, {torch.get_num_threads()} threads")
    parts = {
        "compiled forward pass": forward,
        "compiled backward pass": backward,
        "torch and Python around them": whole - forward - backward,
        "the whole step": whole,
        "the limit": 6 * steps * batch * weights / rate,
    }
    for name, seconds in parts.items():
        print(f"  {name:30} {1e3 * seconds:9.3f} ms  {seconds / whole:6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shapes", nargs="+")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--model", default="liaf")
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for shape in given.shapes:
        profile(shape, given.model, given.rounds)


if __name__ == "__main__":
    main()
