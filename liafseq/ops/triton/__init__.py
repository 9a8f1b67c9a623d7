"""The time loop on a GPU, in Triton.

The input projection of all steps is one matrix product. Where W_hh fits on a multiprocessor, each program
of one kernel takes a tile of sequences through time (``loop``), so a step costs no launch; where it does
not, a step is one launch (``steps``) inside a CUDA graph (``graph``). Without W_hh the loop tiles over
sequences and neurons and runs at memory bandwidth. What is element-wise over all steps is one kernel before
or after (``elementwise``). The backward pass keeps the potentials, and with a gate the current; weight
gradients are one product each over all steps.

Products take their operands in the weights' precision and are summed in float32; float32 ones use TF32
where torch's own products do. In float16 the outputs and gradients themselves are float32.

Tested through Triton's interpreter (TRITON_INTERPRET=1) against ``reference`` and compiled for compute
capability 8.0 and 9.0; no GPU was at hand, so speed, the choices of tile and warps, and the behaviour on
the device itself are unmeasured.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch

from liafseq.ops.gradients import differentiable
from liafseq.ops.types import Backend, Call, Result

__all__ = ["BACKEND", "available", "serves", "supports"]

# found out at import, without importing it: a compiler cannot trace a look-up
_AVAILABLE = find_spec("triton") is not None
_FLOATS = (torch.float32, torch.bfloat16, torch.float16)
# what neuron.py has, said here so that asking does not import Triton
ACTIVATIONS = frozenset(
    {"identity", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish"}
    | {"softplus", "softsign", "tanh", "hardtanh", "sigmoid", "hardsigmoid"}
)
SURROGATES = frozenset({"rectangular", "triangular", "gaussian", "sigmoid", "arctan"})


def available() -> bool:
    """Whether Triton is there."""
    return _AVAILABLE


def serves(call: Call) -> bool:
    """Whether a call is of a kind that the passes know: its device, sizes, dtypes and neuron alone.

    A membrane of float32 on a GPU, products of float32, bfloat16 or float16, no empty tensor.
    """
    v0, neuron = call.membrane, call.neuron
    if not available() or v0.device.type != "cuda" or v0.dtype != torch.float32:
        return False
    if call.product is not None or v0.numel() == 0 or call.input.shape[0] == 0:
        return False
    if any(t is not None and t.device != v0.device for t in call.tensors):
        return False
    if any(t is not None and t.dtype not in _FLOATS for t in (call.input, *call.weights)):
        return False
    if any(p is not None and p.numel() != 1 and p.shape != v0.shape[1:] for p in call.numbers):
        return False
    return neuron.surrogate in SURROGATES and (not neuron.analog or neuron.activation in ACTIVATIONS)


def supports(call: Call) -> bool:
    """Whether the passes serve a call, on a device where they were seen to agree with torch."""
    if not serves(call) or not _capable(call):
        return False
    from liafseq.ops.triton.check import trusted

    return trusted(call)


def _capable(call: Call) -> bool:
    if torch.version.hip is not None:
        return True
    halves = any(t is not None and t.dtype == torch.bfloat16 for t in (call.input, *call.weights))
    return torch.cuda.get_device_capability(call.membrane.device) >= ((8, 0) if halves else (7, 0))


def _run(call: Call) -> Result:
    from liafseq.ops.triton.run import PASSES

    return differentiable(PASSES, call)


BACKEND = Backend("triton", supports, _run)
