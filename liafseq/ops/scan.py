"""The time loop as one ``scan``, for ``torch.export`` and ONNX: the number of steps stays open.

The body is the step of ``ops.reference``. An exported graph is for inference: its spikes have no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from liafseq import surrogate
from liafseq.ops.reference import input_current, started, step
from liafseq.ops.types import Backend, Call, Result

__all__ = ["BACKEND", "exporting"]


def exporting() -> bool:
    """Whether ``torch.export`` looks on, or ``torch.onnx.export`` with ``dynamo=True``."""
    found = getattr(torch.compiler, "is_exporting", None)
    return found is not None and bool(found())


def _scan(call: Call) -> Result:
    """As ``ops.reference.run``; behind the end of a sequence its output is zero and its state stays."""
    from torch._higher_order_ops.scan import scan

    # scan would keep what a backward pass needs, of each step
    call = call.with_tensors([None if t is None else t.detach() for t in call.tensors])
    call = started(call)
    lengths, v0, y0 = call.steps.lengths, call.membrane, call.state.y
    current = input_current(call)
    inside: tuple[Tensor, ...] = ()
    if lengths is not None:
        at = torch.arange(current.shape[0], device=current.device)
        inside = ((at[:, None] < lengths.to(at.device)).unsqueeze(-1),)

    def body(carried: list[Tensor], given: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        y, v, _ = carried
        found = step(call, given[0], y, v, surrogate.heaviside)
        output = found[0].clone()
        if lengths is not None:
            output = torch.where(given[1], output, 0)
            found = [torch.where(given[1], new, old) for new, old in zip(found, carried, strict=True)]
        return list(found), output

    y = torch.zeros_like(v0) if y0 is None else y0.clone()
    first = [y, v0.clone(), torch.zeros_like(v0)]
    (y, _, u), output = scan(body, first, [current, *inside], reverse=call.steps.reverse)
    return output, y, u


BACKEND = Backend("scan", lambda call: exporting() and call.steps.sizes is None, _scan)
"""Serves a graph that is exported; packed data has its lengths in it and is unrolled."""
