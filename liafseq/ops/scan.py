"""The time loop as one ``scan``, for ``torch.export`` and ONNX: the number of steps stays open.

The body is the step of ``ops.reference``. An exported graph is for inference: its loops have no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from liafseq import surrogate
from liafseq.ops.reference import input_current, started, step
from liafseq.ops.types import Backend, Call, Numbers, Result, Weights

__all__ = ["BACKEND", "exporting"]

# older ones have no such scan, or cannot translate it
_CAN = torch.__version__ >= "2.13"


def exporting() -> bool:
    """Whether ``torch.export`` of torch 2.13 or later looks on, itself or for ``torch.onnx.export``."""
    return _CAN and torch.compiler.is_exporting()


def _run(call: Call) -> Result:
    """As ``ops.reference.run``; behind the end of a sequence its output is zero and its state stays."""
    # not scan(), which compiles the body first and keeps what an earlier export fixed
    from torch._higher_order_ops.scan import scan_op

    # dynamo, of strict export, wants parts of results and a function of this name; others want them flat
    in_parts = torch.compiler.is_dynamo_compiling()

    # scan would keep what a backward pass needs, of each step
    call = started(call.with_tensors([None if t is None else t.detach() for t in call.tensors]))
    v0, y0, (_, reverse, lengths) = call.membrane, call.state.y, call.steps
    given = [input_current(call)]
    if lengths is not None:
        at = torch.arange(given[0].shape[0], device=v0.device)
        given.append((at[:, None] < lengths.to(v0.device)).unsqueeze(-1))
    if reverse:
        given = [t.flip(0) for t in given]
    constants: list[Any] = [call.weights.hh, *call.numbers]
    has = [t is not None for t in constants]

    def body(y: Tensor, v: Tensor, u: Tensor, now: Tensor, *others: Tensor) -> tuple[list[Tensor], Tensor]:
        rest = list(others)
        inside = rest.pop(0) if lengths is not None else None
        left = iter(rest)
        weight, *numbers = [next(left) if there else None for there in has]
        own = call._replace(weights=Weights(hh=weight), numbers=Numbers._make(numbers))
        found = list(step(own, now, y, v, surrogate.heaviside))
        output = found[0]
        if inside is not None:
            output = torch.where(inside, output, 0)
            found = [torch.where(inside, new, old) for new, old in zip(found, (y, v, u), strict=True)]
        # what leaves a body may share no memory
        return [t.clone() for t in found], output.clone()

    def called(*flat: Tensor, combine_fn: Callable[..., Any]) -> Any:
        carried, output = combine_fn(*flat)
        return (carried, output) if in_parts else [*carried, output]

    y = torch.zeros_like(v0) if y0 is None else y0.clone()
    first = [y, v0.clone(), torch.zeros_like(v0)]
    known = tuple(t for t in constants if t is not None)
    y, _, u, output = tree_leaves(scan_op(partial(called, combine_fn=body), first, given, known))
    return output.flip(0) if reverse else output, y, u


BACKEND = Backend("scan", lambda call: exporting() and call.steps.sizes is None, _run, shares=True)
"""Serves a graph that is exported; a cell's one step is no loop."""
