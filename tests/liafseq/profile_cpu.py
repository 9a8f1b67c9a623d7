"""Where a training step of a compiled layer spends its time on a CPU, beside the floor.

    python tests/liafseq/profile_cpu.py 32x100x64x128 64x128x128x256 [--threads 2] [--model liaf]

The loops run once as they are and once with a BLAS that does nothing, so what is left is element-wise
work; the products over all steps are timed by themselves.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

import liafseq
from liafseq.ops import cpu, cpu_backward


def _seconds(call: Callable[[], Any], rounds: int = 15) -> float:
    call()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _without_products(call: Callable[[], Any]) -> float:
    real = cpu.gemm_address
    # Any function that returns at once: nobody reads the arguments.
    address = ctypes.cast(ctypes.CDLL(None).getppid, ctypes.c_void_p).value
    cpu.gemm_address = cpu_backward.gemm_address = lambda _: address
    try:
        return _seconds(call)
    finally:
        cpu.gemm_address = cpu_backward.gemm_address = real


def profile(shape: str, model: str) -> None:
    """Prints the parts of a training step in milliseconds, and what they are of the whole."""
    batch, steps, inputs, hidden = map(int, shape.split("x"))
    layer = {"liaf": liafseq.LIAF, "lif": liafseq.LIF, "dalif": liafseq.DALIF, "mlif": liafseq.MLIF}[model](
        inputs, hidden
    )
    x = torch.randn(steps, batch, inputs, requires_grad=True)
    grad = torch.randn(steps, batch, hidden)
    caught: dict[str, tuple[Any, ...]] = {}
    run_forward, backward_pass = cpu.run_forward, cpu_backward.Backward
    piece, cpu_backward._PIECE = cpu_backward._PIECE, 2**40
    cpu.run_forward = _catching(run_forward, "forward", caught)
    cpu_backward.Backward = _catching(backward_pass, "backward", caught)
    layer(x)[0].backward(grad)
    cpu.run_forward, cpu_backward.Backward, cpu_backward._PIECE = run_forward, backward_pass, piece

    def whole() -> None:
        layer(x)[0].backward(grad)

    w_ih, w_hh, bias = (p.detach() for p in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0))
    delta, rows = torch.randn(steps * batch, hidden), batch
    read, flat, state = torch.randn_like(delta), x.detach().reshape(-1, inputs), torch.randn(batch, hidden)
    into = torch.empty(batch, hidden)

    def forward() -> None:
        run_forward(caught["forward"][0].clone(), *caught["forward"][1:])

    def backward() -> None:
        backward_pass(*caught["backward"]).whole()

    def products() -> None:
        for _ in range(steps):
            torch.mm(state, w_hh, out=into)

    parts = {
        "input product": _seconds(lambda: F.linear(x.detach(), w_ih, bias)),
        "steps forward: products": _seconds(products),
        "steps forward: all": _seconds(forward),
        "steps forward: element-wise alone": _without_products(forward),
        "steps backward: products": _seconds(products),
        "steps backward: all": _seconds(backward),
        "steps backward: element-wise alone": _without_products(backward),
        "gradient of W_ih": _seconds(lambda: delta.t() @ flat),
        "gradient of W_hh": _seconds(lambda: delta[rows:].t() @ read[:-rows]),
        "gradient of the input": _seconds(lambda: delta @ w_ih),
        "gradient of the biases": _seconds(lambda: delta.sum(0)),
        "the whole step": _seconds(whole),
    }
    total = parts["the whole step"]
    print(f"{model}, {shape}, {torch.get_num_threads()} threads")
    for name, seconds in parts.items():
        print(f"  {name:36}{1e3 * seconds:9.3f} ms {100 * seconds / total:6.1f}%")


def _catching(call: Callable[..., Any], name: str, caught: dict[str, tuple[Any, ...]]) -> Callable[..., Any]:
    def catch(*arguments: Any) -> Any:
        caught[name] = tuple(a.clone() if torch.is_tensor(a) else a for a in arguments)
        return call(*arguments)

    return catch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shapes", nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="liaf")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for shape in given.shapes:
        profile(shape, given.model)


if __name__ == "__main__":
    main()
