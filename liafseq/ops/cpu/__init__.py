"""The time loop on a CPU: compiled for the neuron and the processor, products included.

The passes are written from ``liafseq.neurons`` itself, by LLVM (``emit``, ``functions``): what a neuron does
is said once. Each thread takes its own sequences through all steps (``team``); products are tiles of
vector registers (``tiles``), so nothing waits for another library or for another thread at a step.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch

from liafseq.ops.gradients import differentiable
from liafseq.ops.types import Backend, Call, Result

__all__ = ["BACKEND", "available", "supports"]

# found out at import, without importing it: a compiler cannot trace a look-up
_AVAILABLE = find_spec("llvmlite") is not None


def available() -> bool:
    """Whether llvmlite is there."""
    return _AVAILABLE


def supports(call: Call) -> bool:
    """Whether the passes serve this: a CPU, membranes of float32 or float64, nothing empty, and an
    activation and a surrogate that have a compiled version."""
    v0, neuron = call.membrane, call.neuron
    if not v0.is_cpu or v0.dtype not in (torch.float32, torch.float64):
        return False
    if v0.numel() == 0 or call.input.numel() == 0:
        return False
    if call.product is not None or not available():
        return False
    return _compiled(neuron.activation if neuron.analog else None, neuron.surrogate)


def _compiled(activation: str | None, surrogate: str) -> bool:
    from liafseq.ops.cpu.functions import serves

    return serves(activation, surrogate)


def _run(call: Call) -> Result:
    from liafseq.ops.cpu import run, step

    return step.run(call) if step.serves(call) else differentiable(run.PASSES, call)


BACKEND = Backend("cpu", supports, _run, shares=True)
