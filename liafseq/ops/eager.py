"""The time loop in torch operations, with its backward through time derived by hand.

The forward pass keeps the membrane potentials u, and with a gate the current. The backward pass
recomputes from them, for all steps at once, how output, kept membrane and potential depend on what they
are made of; each step is then

    delta_t = dL/du_t = A_t (dL/dy_t + W_hh^T dI_{t+1}) + B_t dL/dv_t

with the diagonals A = dy/du and B = dv/du taken from ``liafseq.neurons`` itself, so that no neuron is
written down twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from liafseq.neurons import advance, integrate
from liafseq.ops.gradients import Arriving, Flow, Forward, Passes, differentiable, previous, project
from liafseq.ops.reference import blocks, product
from liafseq.ops.types import Backend, Call, Gradients

__all__ = ["BACKEND", "PASSES"]


def _step_function(x: Tensor, *_: Any) -> Tensor:
    """``surrogate.heaviside`` with fewer kernels: 0 or 1, NaN of NaN."""
    return torch.where(x.isnan(), x, torch.ge(x, 0, out=torch.empty_like(x)))


def _in_order(call: Call, *tensors: Tensor | None) -> list[tuple[Any, ...]]:
    """Of each tensor the rows of each step, in the order in which the steps run."""
    sizes = list(call.sizes)
    parts = [(None,) * len(sizes) if t is None else t.split(sizes) for t in tensors]
    steps = list(zip(*parts, strict=True))
    return steps[::-1] if call.steps.reverse else steps


def _forward(call: Call, _keep: bool) -> Forward:
    _, weights, (decay, threshold, leak), (_, y0, _), neuron, _, _ = call
    v0 = call.membrane
    hidden, feedback = v0.shape[1], neuron.feedback
    current = project(call)
    gated = neuron.gate is not None
    potentials = current.new_empty(len(current), hidden) if gated else current
    # returned as it is: a view of it could not be changed in place
    result = current.new_empty(*call.input.shape[:-1], hidden)
    weight: Any = weights.hh
    fast = weight is not None and weight.dtype == v0.dtype
    whole = call.even
    u = torch.empty_like(v0)
    v, y = v0, (torch.zeros_like(v0) if y0 is None else y0)
    if not whole:
        v, y = v.clone(), y.clone()
    for now, u_now, y_now in _in_order(call, current, potentials, result.view(potentials.shape)):
        rows = now.shape[0]
        v_old, y_old = (v, y) if whole else (v[:rows], y[:rows])
        if weight is not None:
            r = y_old if feedback == "output" else v_old
            if fast:
                now.addmm_(r, weight.t())
            else:
                now += product(r, weight)
        if gated:
            u_now.copy_(integrate(v_old, *blocks(now, 2), leak, neuron))
        elif feedback != "membrane":
            u_now += v_old
        y_new, v_new = advance(u_now, decay, threshold, leak, neuron, _step_function)
        y_now.copy_(y_new)
        if whole:
            u, v, y = u_now, v_new, y_now
        else:
            u[:rows], v[:rows], y[:rows] = u_now, v_new, y_new
    kept = (current, potentials) if gated else (potentials,)
    return Forward(result, y.clone() if whole else y, u.clone() if whole else u, kept)


class _Local:
    """How y and v of all steps depend on u, from the neuron's definition."""

    def __init__(self, call: Call, u: Tensor, parameters: bool) -> None:
        with torch.enable_grad():
            self.u = u.detach().requires_grad_()
            self.leaves: list[Any] = [
                None if p is None else p.detach().requires_grad_(parameters) for p in call.numbers
            ]
            decay, threshold, leak = self.leaves
            self.y, self.v = advance(self.u, decay, threshold, leak, call.neuron)
            ones = torch.ones_like(u)
            (self.dy,) = torch.autograd.grad(self.y, self.u, ones, retain_graph=True)
            (self.dv,) = torch.autograd.grad(self.v, self.u, ones, retain_graph=parameters)

    def gradients(self, to_y: Tensor, to_v: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """Of decay, threshold and leak, as wanted."""
        leaves = [leaf for leaf, want in zip(self.leaves, wanted, strict=True) if want]
        if not leaves:
            return [None] * 3
        found = iter(torch.autograd.grad((self.y, self.v), leaves, (to_y, to_v), allow_unused=True))
        result: list[Tensor | None] = []
        for leaf, want in zip(self.leaves, wanted, strict=True):
            g = next(found) if want else None
            result.append(torch.zeros_like(leaf) if want and g is None else g)
        return result


def _shares(call: Call, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """What a gated neuron's v_{t-1} and the two halves of its current receive of delta, for all steps."""
    with torch.enable_grad():
        own, gate = (half.detach().requires_grad_() for half in current.chunk(2, -1))
        v = before.detach().requires_grad_()
        u = integrate(v, own, gate, call.numbers.leak, call.neuron)
        to_v, to_own, to_gate = torch.autograd.grad(u, (v, own, gate), torch.ones_like(u))
    return to_v, torch.stack([to_own, to_gate], 1)


def _backward(call: Call, kept: Sequence[Tensor], arriving: Arriving, needs: Gradients) -> Flow:
    neuron, v0 = call.neuron, call.membrane
    potentials = kept[-1].view(sum(call.sizes), v0.shape[1])
    feedback, gated = neuron.feedback, neuron.gate is not None
    weight: Any = call.weights.hh
    # with a gate the leak is in u
    wanted = [needs.decay, needs.threshold, needs.leak and not gated]
    own = any(wanted)
    local = _Local(call, potentials, own)
    shares = of_v = None
    if gated:
        of_v, shares = _shares(
            call,
            kept[0].view(len(potentials), 2 * v0.shape[1]),
            previous(local.v, v0, call.sizes, call.steps.reverse),
        )

    # what arrives at y and at v from the future, kept per sequence and, for the neuron's own
    # numbers, per step
    to_y = arriving.output
    to_y = torch.zeros_like(potentials) if to_y is None else to_y.reshape(potentials.shape)
    to_y = to_y.clone() if own else to_y
    to_v = torch.empty_like(potentials) if own else None
    delta = torch.empty_like(potentials)
    flow = torch.empty_like(shares) if shares is not None else None
    back_y = torch.zeros_like(v0) if arriving.y is None else arriving.y.clone()
    back_v = torch.zeros_like(v0)
    fast = weight is not None and weight.dtype == v0.dtype
    seen = 0
    for d, a, b, gy, gv, open_, shared, flows in reversed(
        _in_order(call, delta, local.dy, local.dv, to_y, to_v, of_v, shares, flow)
    ):
        rows = d.shape[0]
        from_y, from_v = back_y[:rows], back_v[:rows]
        first = seen < rows
        if gv is not None:
            gv.copy_(from_v)
        if feedback == "output" or first:
            total = gy + from_y
            if gv is not None:
                gy.copy_(total)
        else:
            total = gy
        torch.mul(total, a, out=d)
        d.addcmul_(from_v, b)
        if first:
            if arriving.u is not None:
                d[seen:rows] += arriving.u[seen:rows]
            if feedback != "output":
                back_y[seen:rows] = 0
            seen = rows
        leaving = d
        if gated:
            torch.mul(d, open_, out=from_v)
            torch.mul(d.unsqueeze(1), shared, out=flows)
            leaving = flows.flatten(1)
        elif feedback != "membrane":
            from_v.copy_(d)
        into = from_v if feedback == "membrane" else from_y
        if fast:
            torch.mm(leaving, weight, out=into)
        elif weight is not None:
            into.copy_(product(leaving, weight.t()))
        elif feedback is not None:
            into.zero_()
    decay, threshold, leak = (None, None, None) if to_v is None else local.gradients(to_y, to_v, wanted)
    if gated and needs.leak:
        given: Any = call.numbers.leak
        leak = delta.sum_to_size(given.shape)
    read = local.y if feedback == "output" else local.v
    current = delta if flow is None else flow.flatten(1)
    return Flow(current, read, decay, threshold, leak, back_v, back_y)


PASSES = Passes(_forward, _backward)
BACKEND = Backend("torch", lambda call: call.product is None, partial(differentiable, PASSES))
"""Serves every call whose W_hh is a matrix."""
