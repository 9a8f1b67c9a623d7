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
from liafseq.ops.types import Call, Gradients, Numbers, Result, State, Weights, any_requires_grad

__all__ = ["run", "serves"]


def serves(call: Call) -> bool:
    """Whether a call is one step of this kind, from rest or from a membrane potential."""
    weights, steps = call.weights, call.steps
    one = steps.sizes is None and call.input.shape[0] == 1
    return one and weights.ih is None and weights.hh is None and call.state.v is None


def run(call: Call) -> Result:
    if any_requires_grad(call):
        y, u = _Step.apply(call.neuron, call.input, *call.numbers, call.state.u)
    else:
        y, u = _forward(call)
    return y.unsqueeze(0), y, u


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
    def forward(ctx: Any, neuron: Neuron, *tensors: Any) -> tuple[Tensor, Tensor]:
        call = _call(neuron, tensors)
        y, u = _forward(call)
        ctx.save_for_backward(*tensors, u)
        ctx.neuron = neuron
        ctx.set_materialize_grads(False)
        return y, u

    @staticmethod
    def backward(ctx: Any, to_y: Tensor | None, to_u: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, u = ctx.saved_tensors
        call = _call(ctx.neuron, tensors)
        need = ctx.needs_input_grad
        decay, threshold, leak, u0 = need[2:]
        needs = Gradients(need[1], False, False, False, decay, threshold, leak, False, False, u0)
        if torch.is_grad_enabled():
            found = by_reference(call, (None, to_y, to_u), needs)
        else:
            found = _backward(call, u, to_y, to_u, needs)
        return (None, found.input, found.decay, found.threshold, found.leak, found.u0)


def _call(neuron: Neuron, tensors: Any) -> Call:
    input, decay, threshold, leak, u0 = tensors
    numbers, state = Numbers(decay, threshold, leak), State(None, None, u0)
    return Call(input, Weights(None, None, None), numbers, state, neuron)


def _backward(call: Call, u: Tensor, to_y: Tensor | None, to_u: Tensor | None, needs: Gradients) -> Gradients:
    p: Plan = plan(call, "potential")
    arguments = p.backward(tuple(name for name in LEARNED if getattr(needs, name)))
    sums = arguments.sums(p, needs)
    u0 = p.wide(call.membrane)
    d_input, d_u0 = p.new(p.rows, p.columns), torch.zeros_like(u)
    arguments.share(gy=p.parts(p.most, p.width))
    arguments.set(
        u=u, v0=u0, current=p.wide(call.input), back_v=d_u0, d_input=d_input, to_y=p.zeros, **p.numbers(call)
    )
    for name, gradient in (("to_output", to_y), ("to_u", to_u)):
        arguments.set(**{name: p.zeros if gradient is None else p.wide(gradient)})
        arguments.set(**{f"{name}_stride": 0 if gradient is None else p.width})
    arguments()
    found = own_gradients(p, call, needs, sums)
    found |= {"input": d_input.view(call.input.shape), "u0": d_u0}
    return Gradients(**{name: g for name, g in found.items() if getattr(needs, name)})
