"""Whether the Triton loop may be used on a device: it is tried once, beside torch, before it is trusted."""

from __future__ import annotations

import functools
import warnings

import torch

from liafseq.neurons import Neuron
from liafseq.ops import bptt
from liafseq.ops import triton as triton_ops

__all__ = ["trusted"]


@functools.cache
def trusted(device: str) -> bool:
    """Results and gradients of a small problem agree with ``ops.bptt`` on this device.

    The kernels are tested in Triton's interpreter; a driver, a compiler or a card can still be at
    odds with them. Then a warning is given once, and torch's operations are used.
    """
    try:
        # the first call may come from where there are no gradients
        with torch.inference_mode(False), torch.enable_grad():
            worst = max(_deviation(device, feedback) for feedback in ("output", None))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    else:
        if worst < 1e-3:
            return True
        why = f"its results differ by {worst:.1e}"
    warnings.warn(f"liafseq's Triton kernels are not used on {device}: {why}", RuntimeWarning, stacklevel=2)
    return False


def _deviation(device: str, feedback: str | None) -> float:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(device).requires_grad_()

    # a threshold out of reach: no spike can fall on either side of it by rounding
    numbers = [torch.full((), value, device=device) for value in (0.5, 50.0)]
    inputs = [draw(5, 3, 4), draw(20, 4), draw(20, 20) if feedback else None, draw(20)]
    args = [*inputs, *numbers, None, torch.zeros(3, 20, device=device), None]
    live = [t for t in inputs if t is not None]
    found = []
    for op in (triton_ops, bptt):
        out, y, u = op.recurrence(*args, Neuron(feedback=feedback))
        grads = torch.autograd.grad(out.square().sum() + (y * u).sum(), live)
        found.append([out, y, u, *grads])
    # one number to the host at the end
    pairs = [(a.detach(), b.detach()) for a, b in zip(*found, strict=True)]
    parts = [(a - b).abs().max() / b.abs().max().clamp_min(1) for a, b in pairs]
    return float(torch.stack(parts).max().nan_to_num(torch.inf))
