"""One step of neurons whose current is whole: cells, layers of one step, what is between two convolutions.

One compiled loop over all neurons, and little else: what a call costs beside it is what counts here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops.cpu.plan import Plan, plan
from liafseq.ops.cpu.run import LEARNED, own_gradients
from liafseq.ops.gradients import by_reference
from liafseq.ops.types import Call, Gradients, Numbers, Result, State, Steps, Weights, any_requires_grad

__all__ = ["run", "serves"]


def serves(call: Call) -> bool:
    """Whether a call is one step of this kind, from a membrane potential."""
    weights, steps = call.weights, call.steps
    one = (call.input.shape[0] if steps.sizes is None else len(steps.sizes)) == 1
    return one and weights.ih is None and weights.hh is None and call.state.v is None


def run(call: Call) -> Result:
    if any_requires_grad(call):
        y, u = _Step.apply(call.neuron, call.steps, call.input, *call.numbers, call.state.u)
    else:
        y, u = _forward(call)
    return (y.unsqueeze(0) if call.steps.sizes is None else y), y, u


def _forward(call: Call) -> tuple[Tensor, Tensor]:
    p = plan(call, "potential")
    arguments = p.forward()
    current, u0 = p.wide(call.input), p.wide(call.membrane)
    # returned as they are: views of them could not be changed in place
    u, y = torch.empty_like(u0), torch.empty_like(u0)
    arguments.set(
        input=current, input_stride=p.columns, v=u0, u=u, output=y, keep=1, current=current, **p.numbers(call)
    )
    arguments()
    return y, u


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, neuron: Neuron, steps: Steps, *tensors: Any) -> tuple[Tensor, Tensor]:
        y, u = _forward(_call(neuron, steps, tensors))
        ctx.save_for_backward(*tensors, u)
        ctx.neuron, ctx.steps = neuron, steps
        ctx.set_materialize_grads(False)
        return y, u

    @staticmethod
    def backward(ctx: Any, to_y: Tensor | None, to_u: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, u = ctx.saved_tensors
        call = _call(ctx.neuron, ctx.steps, tensors)
        _, _, input, decay, threshold, leak, u0 = ctx.needs_input_grad
        needs = Gradients(input, False, False, False, decay, threshold, leak, False, False, u0)
        if torch.is_grad_enabled():
            found = by_reference(call, (None, to_y, to_u), needs)
        else:
            found = _backward(call, u, to_y, to_u, needs)
        return (None, None, found.input, found.decay, found.threshold, found.leak, found.u0)


def _call(neuron: Neuron, steps: Steps, tensors: Any) -> Call:
    input, decay, threshold, leak, u0 = tensors
    numbers, state = Numbers(decay, threshold, leak), State(None, None, u0)
    return Call(input, Weights(), numbers, state, neuron, steps)


def _backward(call: Call, u: Tensor, to_y: Tensor | None, to_u: Tensor | None, needs: Gradients) -> Gradients:
    p: Plan = plan(call, "potential")
    arguments = p.backward(tuple(name for name in LEARNED if getattr(needs, name)))
    sums = arguments.sums(p, needs)
    current, u0 = p.wide(call.input), p.wide(call.membrane)
    d_input, d_u0 = torch.empty_like(current), torch.zeros_like(u)
    arguments.share(gy=p.parts(p.most, p.width))
    arguments.set(
        u=u, v0=u0, current=current, back_v=d_u0, d_input=d_input, to_y=p.zeros,
        to_output=p.zeros if to_y is None else p.wide(to_y), to_output_stride=0 if to_y is None else p.width,
        to_u=p.zeros if to_u is None else p.wide(to_u), to_u_stride=0 if to_u is None else p.width,
        **p.numbers(call),
    )  # fmt: skip
    arguments()
    found = own_gradients(p, call, needs, sums)
    return Gradients(input=d_input, u0=d_u0 if needs.u0 else None, **found)
