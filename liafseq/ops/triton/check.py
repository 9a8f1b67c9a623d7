"""Whether the Triton loop may be used on a device: each kind of call is tried once, beside torch.

The kernels are tested in Triton's interpreter; a driver, a compiler or a card can still be at odds with
them. Then a warning is given once, and torch's operations are used.
"""

from __future__ import annotations

import subprocess
import warnings
from typing import Any

import torch

from liafseq.neurons import Neuron
from liafseq.ops import eager
from liafseq.ops.gradients import differentiable
from liafseq.ops.triton.device import fits, padded, precision
from liafseq.ops.types import Call, Numbers, State, Steps, Weights

__all__ = ["problem", "trusted"]

TRANSIENT = (OSError, MemoryError, subprocess.SubprocessError, torch.OutOfMemoryError)
"""What says nothing about the kernels: a process that could not be started, memory that was short."""
TOLERANCE = {"ieee": 1e-4, "tf32": 1e-2}
SIXTEEN_BITS = {torch.bfloat16: 3e-2, torch.float16: 5e-3}
SIZES = Steps((18, 18, 9, 3))
"""Packed sequences over several programs."""
_found: dict[Any, bool] = {}


def _kind(call: Call) -> tuple[Any, ...]:
    """Calls that the same kernels serve, but for the neuron's own functions."""
    v0, weight, neuron = call.membrane, call.weights.hh, call.neuron
    choices = (neuron.feedback, neuron.gate, neuron.normalize)
    if weight is None:
        return (v0.device, None, "ieee", min(padded(v0.shape[1]), 512), *choices)
    loop = fits(v0.shape[1], weight.dtype, neuron.blocks, v0.device)
    hidden = padded(v0.shape[1]) if loop else v0.shape[1]
    return (v0.device, weight.dtype, precision(weight), hidden, *choices)


def trusted(call: Call) -> bool:
    """Whether results and gradients of a small problem of the call's kind agree with torch's operations.

    A problem that could not be run, for lack of memory or of processes, is tried again at the next call. In
    a capture of a CUDA graph nothing can be tried: there what is not known yet is not used.
    """
    kind = _kind(call)
    if kind not in _found:
        if call.membrane.is_cuda and torch.cuda.is_current_stream_capturing():
            return False
        try:
            worst, most = _deviation(kind), SIXTEEN_BITS.get(kind[1], TOLERANCE[kind[2]])
            why = "" if worst < most else f"its results differ by {worst:.1e}"
        except TRANSIENT as error:
            _warn(kind, f"this time {type(error).__name__}: {error}")
            return False
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            _warn(kind, why)
        _found[kind] = not why
    return _found[kind]


def _warn(kind: tuple[Any, ...], why: str) -> None:
    warnings.warn(f"liafseq's Triton kernels are not used on {kind[0]}: {why}", RuntimeWarning, stacklevel=4)


def problem(
    neuron: Neuron,
    hidden: int,
    dtype: torch.dtype | None,
    device: torch.device,
    steps: Steps,
    scale: float = 1.0,
) -> Call:
    """Random sequences in which some spike at every step and no potential is near the threshold.

    Currents are 1.5 or -1.5, the threshold is 0.5, and all else is small, all times ``scale``, but for the
    gate. ``dtype`` is W_hh's, None for none.
    """
    assert steps.sizes is not None
    generator = torch.Generator().manual_seed(0)
    blocks, sizes = neuron.blocks, steps.sizes

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    current = scale * (1.5 * draw(sum(sizes), hidden).sign() + 0.05 * draw(sum(sizes), hidden))
    if blocks == 2:
        current = torch.cat([current, 0.1 * draw(sum(sizes), hidden) - 2], 1)
    weight = None if dtype is None else (0.1 * draw(blocks * hidden, hidden) / hidden**0.5).to(dtype)
    numbers = Numbers(*(torch.tensor(x) for x in (0.25, 0.5 * scale, 0.01 * scale)))
    numbers = numbers if neuron.gate is None else numbers._replace(decay=None)
    state = State(scale * 0.1 * draw(sizes[0], hidden), scale * 0.1 * draw(sizes[0], hidden))
    found = Call(current, Weights(None, weight, None), numbers, state, neuron, steps)
    return found.with_tensors([None if t is None else t.to(device).requires_grad_() for t in found.tensors])


def _deviation(kind: tuple[Any, ...]) -> float:
    from liafseq.ops.triton.run import PASSES

    # the first call may come from where there are no gradients
    with torch.inference_mode(False), torch.enable_grad():
        device, dtype, _, hidden, feedback, gate, normalize = kind
        neuron = Neuron(feedback=feedback, gate=gate, normalize=normalize, surrogate="gaussian")
        tried = problem(neuron, hidden, dtype, device, SIZES)
        live = [t for t in tried.tensors if t is not None]
        found = []
        for passes in (PASSES, eager.PASSES):
            output, y, u = differentiable(passes, tried)
            loss = output.square().sum() + (y * u).sum()
            grads = torch.autograd.grad(loss, live, allow_unused=True, materialize_grads=True)
            found.append([output, y, u, *grads])
    # one number to the host at the end
    pairs = [(a.detach().float(), b.detach().float()) for a, b in zip(*found, strict=True)]
    parts = [(a - b).abs().max() / b.abs().max().clamp_min(1) for a, b in pairs]
    return float(torch.stack(parts).max().nan_to_num(torch.inf))
