"""The time loop of the layers: ``reference`` is the definition, the backends are faster ways to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from liafseq import surrogate
from liafseq.ops import cpu, eager, operator, reference, scan, steps, triton
from liafseq.ops.types import Backend, Call, Numbers, Product, Result, State, Steps, Weights

__all__ = [
    "BACKENDS", "Call", "Numbers", "Product", "Result", "State", "Steps", "Weights", "backend", "recurrence",
    "transformed",
]  # fmt: skip

BACKENDS: tuple[Backend, ...] = (steps.BACKEND, triton.BACKEND, cpu.BACKEND, eager.BACKEND)
"""In order of preference; one of them serves every call."""
_REFERENCE = Backend("reference", lambda _: True, reference.run, shares=True)


def transformed(tensor: Tensor) -> bool:
    """Whether a function transform or shape propagation must see plain torch operations."""
    forward = torch.autograd.forward_ad._current_level >= 0
    return forward or torch._C._functorch.peek_interpreter_stack() is not None or tensor.is_meta


def backend(call: Call) -> Backend:
    """The fastest one that serves a call."""
    return next(found for found in BACKENDS if found.supports(call))


def recurrence(call: Call) -> Result:
    """The results of a call, by the fastest way that serves it; see ``reference.run``."""
    if torch.compiler.is_compiling():
        chosen = (scan.BACKEND, steps.BACKEND, operator.BACKEND)
        return _run(next((found for found in chosen if found.supports(call)), _REFERENCE), call)
    if torch._C._get_tracing_state() is not None:
        # a saved graph has plain operations, and no gradients
        return reference.run(call, surrogate.heaviside)
    if transformed(call.input):
        return reference.run(call)
    if torch._C._len_torch_dispatch_stack():
        # a mode that looks on (a counter of operations, fake tensors) must see plain torch operations
        return reference.run(call, getattr(_get_current_dispatch_mode(), "liafseq_spike", surrogate.spike))
    return _run(backend(call), call)


def _run(chosen: Backend, call: Call) -> Result:
    return chosen.run(call if chosen.shares else reference.whole(call))
