"""What the backward passes share: one autograd function for every backend, and the products over all steps.

A backend gives the two passes through the steps (``Passes``). The weight gradients of all steps are one
product each; a double backward differentiates ``ops.reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq.neurons import advance
from liafseq.ops import reference
from liafseq.ops.types import Call, Gradients, Result, any_requires_grad

__all__ = [
    "Arriving", "Flow", "Forward", "Passes", "all_gradients", "by_reference", "differentiable", "previous",
    "project",
]  # fmt: skip


class Arriving(NamedTuple):
    """Gradients of the results; None is zero."""

    output: Tensor | None
    y: Tensor | None
    u: Tensor | None


class Forward(NamedTuple):
    """The results, and what the backward pass needs beside the call."""

    output: Tensor
    y: Tensor
    u: Tensor
    kept: tuple[Tensor, ...] = ()


class Flow(NamedTuple):
    """What a backward pass through the steps finds.

    Attributes:
        current: gradient of the synaptic current of all steps, (rows of all steps, blocks * H).
        read: what W_hh read from each step, y or v, (rows of all steps, H); None without feedback.
        decay, threshold, leak, v0, y0: their gradients, as far as they are needed.
    """

    current: Tensor
    read: Tensor | None
    decay: Tensor | None = None
    threshold: Tensor | None = None
    leak: Tensor | None = None
    v0: Tensor | None = None
    y0: Tensor | None = None


class Passes(NamedTuple):
    """A way through all steps and back.

    Attributes:
        forward: ``(call, keep)``; what is kept may be empty where ``keep`` is False.
        backward: ``(call, kept, arriving, needs)``; gradients where the products over all steps are made
            on the way.
    """

    forward: Callable[[Call, bool], Forward]
    backward: Callable[[Call, Sequence[Tensor], Arriving, Gradients], Flow | Gradients]


def differentiable(passes: Passes, call: Call) -> Result:
    """The results of ``passes``, with gradients where they are wanted."""
    call = reference.started(call)
    with torch.autocast(call.membrane.device.type, enabled=False):
        if any_requires_grad(call):
            return _Loop.apply(passes, call[4:], *call.tensors)[:3]
        return passes.forward(call, False)[:3]


_COUNT = len(Gradients._fields)


class _Loop(torch.autograd.Function):
    """The results, and where nothing is multiplied the potentials of all steps.

    From these, and the graph that they have as a result, a double backward recovers the current: it need
    not be kept.
    """

    @staticmethod
    def forward(ctx: Any, passes: Passes, choices: tuple[Any, ...], *tensors: Any) -> tuple[Any, ...]:
        call = Call(*(None,) * 4, *choices).with_tensors(tensors)  # type: ignore[arg-type]
        found = passes.forward(call, True)
        ctx.passes, ctx.choices, ctx.shape, ctx.dtype = passes, choices, call.input.shape, call.input.dtype
        ctx.alone = call.weights.ih is None and call.weights.hh is None and call.neuron.gate is None
        ctx.save_for_backward(*((None, *tensors[1:]) if ctx.alone else tensors), *found.kept)
        ctx.set_materialize_grads(False)
        return *found[:3], found.kept[0] if ctx.alone else None

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        # once: activation checkpointing unpacks a tensor a single time
        saved = ctx.saved_tensors
        tensors, kept = list(saved[:_COUNT]), saved[_COUNT:]
        if ctx.alone:
            tensors[0] = kept[0].view(ctx.shape)
        call = Call(*(None,) * 4, *ctx.choices).with_tensors(tensors)  # type: ignore[arg-type]
        needs = Gradients(*ctx.needs_input_grad[2:])
        if torch.is_grad_enabled() or grads[3] is not None:
            again = _from_potentials if ctx.alone else by_reference
            found = again(call, grads if ctx.alone else grads[:3], needs)
        else:
            flow = ctx.passes.backward(call, kept, Arriving(*grads[:3]), needs)
            found = all_gradients(call, flow, needs) if isinstance(flow, Flow) else flow
        if found.input is not None:
            found = found._replace(input=found.input.to(ctx.dtype))
        return (None, None, *found)


def _from_potentials(call: Call, arriving: Sequence[Tensor | None], needs: Gradients) -> Gradients:
    """As ``by_reference``, where the input has the potentials, with the graph of what they came from."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        v0, u = call.membrane, call.input.flatten(0, -2)
        if call.neuron.feedback == "membrane":
            current = u
        else:
            _, v = advance(u, *call.numbers, call.neuron)
            current = u - previous(v, v0, call.sizes, call.steps.reverse)
        own = _apart(call._replace(input=current.view_as(call.input)))
        results = reference.trace(own)
    *rest, to_u = arriving
    to_u = None if to_u is None else to_u.view_as(call.input)
    return _gradients(own, results, (*rest, to_u), needs, create_graph=again)


def by_reference(call: Call, arriving: Sequence[Tensor | None], needs: Gradients) -> Gradients:
    """The gradients of a double backward: those of the reference, kept differentiable."""
    own = _apart(call)
    return _gradients(own, reference.run(own), arriving, needs, create_graph=True)


def _apart(call: Call) -> Call:
    """The same tensors by other names, so that their gradients are those with the others held fixed.

    A weight may have been made of the decay.
    """
    given = [None if t is None else t.view_as(t) for t in call.tensors]
    return call.with_tensors([t if t is None or t.requires_grad else t.requires_grad_() for t in given])


def _gradients(
    call: Call,
    results: Sequence[Tensor],
    arriving: Sequence[Tensor | None],
    needs: Gradients,
    create_graph: bool,
) -> Gradients:
    pairs = [(o, g) for o, g in zip(results, arriving, strict=True) if g is not None]
    wanted = [i for i, need in enumerate(needs) if need]
    found = torch.autograd.grad(
        [o for o, _ in pairs],
        [call.tensors[i] for i in wanted],  # type: ignore[arg-type]
        [g for _, g in pairs],
        create_graph=create_graph,
        allow_unused=True,
    )
    result: list[Tensor | None] = [None] * len(needs)
    for i, g in zip(wanted, found, strict=True):
        result[i] = g
    return Gradients(*result)


def project(call: Call, *, own: bool = True) -> Tensor:
    """The input current of all steps, (rows, blocks * H), contiguous, in the membrane's dtype.

    ``own``: as memory that may be written to; a given current is copied.
    """
    input, weights, v0 = call.input, call.weights, call.membrane
    current = input if weights.ih is None else F.linear(input, weights.ih, weights.bias)
    rows = current.to(v0.dtype).flatten(0, -2).contiguous()
    shared = weights.ih is None and rows.data_ptr() == input.data_ptr()
    return rows.clone() if own and shared else rows


def previous(r: Tensor, first: Tensor, sizes: Sequence[int], reverse: bool) -> Tensor:
    """For each row of packed ``r`` the row of the step that ran before it; ``first`` at the start."""
    steps = r.split(list(sizes))
    before = [first, *steps[:-1]] if not reverse else [*steps[1:], first[:0]]
    rows = [
        old[:size] if old.shape[0] >= size else torch.cat([old, first[old.shape[0] : size]])
        for old, size in zip(before, sizes, strict=True)
    ]
    return torch.cat(rows)


def all_gradients(call: Call, flow: Flow, needs: Gradients) -> Gradients:
    """All gradients from those of the current of all steps: one product for each weight."""
    input, weights = call.input, call.weights
    found = Gradients(decay=flow.decay, threshold=flow.threshold, leak=flow.leak, v0=flow.v0, y0=flow.y0)
    if weights.ih is None:
        found = found._replace(input=flow.current.to(input.dtype).reshape(input.shape))
    else:
        delta, x = flow.current.to(weights.ih.dtype), input.flatten(0, -2)
        found = found._replace(
            input=(delta @ weights.ih).to(input.dtype).reshape(input.shape) if needs.input else None,
            weight_ih=delta.t() @ x.to(delta.dtype) if needs.weight_ih else None,
            bias=flow.current.sum(0).to(delta.dtype) if needs.bias else None,
        )
    if needs.weight_hh:
        found = found._replace(weight_hh=_feedback_gradient(call, flow))
    return Gradients(*(g if need else None for g, need in zip(found, needs, strict=True)))


def _feedback_gradient(call: Call, flow: Flow) -> Tensor:
    """sum over steps of delta_t^T r_{t-1}; steps of equal size are neighbours and need no copy."""
    weight: Any = call.weights.hh
    delta, read, v0 = flow.current, flow.read, call.membrane
    assert read is not None
    first = call.state.y if call.neuron.feedback == "output" else v0
    first = torch.zeros_like(v0) if first is None else first
    reverse = call.steps.reverse
    if not call.even or weight.dtype != v0.dtype:
        before = previous(read, first, call.sizes, reverse)
        return delta.to(weight.dtype).t() @ before.to(weight.dtype)
    rows = v0.shape[0]
    now, before = (delta[:-rows], read[rows:]) if reverse else (delta[rows:], read[: len(read) - rows])
    start = delta[-rows:] if reverse else delta[:rows]
    return torch.addmm(start.t() @ first, now.t(), before)
