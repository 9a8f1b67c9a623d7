"""The compiled passes over all steps of a call."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from liafseq.ops.cpu.plan import Plan, plan
from liafseq.ops.gradients import Arriving, Forward, Passes
from liafseq.ops.types import Call, Gradients

__all__ = ["LEARNED", "PASSES", "own_gradients"]

LEARNED = ("decay", "threshold", "leak", "bias")
"""What has its gradient summed up in the loop."""


def _packed(weight: Tensor, panel: int) -> Tensor:
    from liafseq.ops.cpu.tiles import packed

    return packed(weight, panel)


def _forward(call: Call, keep: bool) -> Forward:
    p = plan(call)
    weights, (v0, y0, _) = call.weights, call.state
    assert v0 is not None
    arguments = p.forward()
    if weights.ih is not None:
        w_ih = _packed(p.weight(weights.ih, p.inputs).t(), p.panel)
        arguments.set(input=p.x(call.input), w_ih=w_ih, input_stride=p.inputs, **p.biases(weights.bias))
    else:
        current = p.wide(call.input, p.blocks)
        arguments.set(input=current, input_stride=p.columns)
    if weights.hh is not None:
        w_hh = _packed(p.weight(weights.hh, p.width).t(), p.panel)
        y = p.new(p.batch, p.width).zero_() if y0 is None else p.wide(y0)
        arguments.set(w_hh=w_hh, y=y)
        if not p.spec.neuron.analog:
            arguments.share(spikes=torch.empty(len(p.cuts), p.width + 1, dtype=torch.int64))
    v = p.wide(v0)
    v = v.clone() if v.data_ptr() == v0.data_ptr() else v
    rows = p.rows if keep else p.batch
    u = p.new(rows, p.width)
    # returned as it is: a view of it could not be changed in place
    result = torch.empty(*call.input.shape[:-1], p.hidden, dtype=p.dtype)
    output = p.new(p.rows, p.width) if p.pad else result.view(p.rows, p.width)
    kept: tuple[Tensor, ...] = (u,)
    if p.blocks > 1:
        if p.multiplies:
            current = p.new(rows, p.columns)
            arguments.set(current=current)
        kept = (current, u)
    arguments.set(v=v, u=u, output=output, keep=keep, **p.numbers(call))
    arguments()
    if p.pad:
        result.view(-1, p.hidden).copy_(p.narrow(output))
    y_n, u_n = (torch.empty(v0.shape, dtype=p.dtype) for _ in range(2))
    y_n.view(-1, p.hidden).copy_(p.narrow(output[p.last]))
    u_n.view(-1, p.hidden).copy_(p.narrow(u[p.last] if keep else u))
    return Forward(result, y_n, u_n, kept)


def _backward(call: Call, kept: Sequence[Tensor], arriving: Arriving, needs: Gradients) -> Gradients:
    p = plan(call)
    weights, (v0, y0, _) = call.weights, call.state
    assert v0 is not None
    arguments = p.backward(tuple(name for name in LEARNED if getattr(needs, name)))
    back_v = p.new(p.batch, p.width).zero_()
    membrane = p.spec.neuron.feedback == "membrane"
    back_y = back_v if membrane else p.new(p.batch, p.width)
    wants_weight, wants_first = needs.weight_ih or needs.weight_hh, needs.v0 if membrane else needs.y0
    sums = arguments.sums(p, needs)
    arguments.share(gy=p.parts(p.most, p.width))
    arguments.set(
        u=kept[-1], back_v=back_v, back_y=back_y, v0=p.wide(v0),
        wants_weight=wants_weight, wants_input=needs.input, wants_first=wants_first, **p.numbers(call),
    )  # fmt: skip
    for name, gradient in zip(("to_output", "to_y", "to_u"), arriving, strict=True):
        arguments.set(**{name: p.zeros if gradient is None else p.wide(gradient)})
        arguments.set(**{f"{name}_stride": 0 if gradient is None else p.width})
    if p.blocks > 1:
        arguments.set(current=kept[0])
        arguments.share(before=p.parts(p.most, p.width))
    if p.gates:
        arguments.set(gate_bias=p.biases(weights.bias)["gate_bias"])
        arguments.share(apart=p.parts(1, p.width))
    d_weight = d_input = None
    if needs.input or not p.multiplies:
        d_input = p.new(p.rows, p.inputs or p.columns)
        arguments.set(d_input=d_input)
    if p.multiplies:
        arguments.share(delta=p.parts(p.room, p.columns), pairs=p.parts(p.room + 1, p.pair))
    if wants_weight:
        d_weight = torch.zeros(len(p.cuts), p.columns, p.pair, dtype=p.dtype)
        arguments.share(d_weight=d_weight)
    if weights.ih is not None:
        arguments.set(w_ih=_packed(p.weight(weights.ih, p.inputs), p.panel), input=p.x(call.input))
    if weights.hh is not None:
        y0_stride = 0 if y0 is None else p.width
        y0 = p.zeros if y0 is None else p.wide(y0)
        arguments.set(w_hh=_packed(p.weight(weights.hh, p.width), p.panel), y0=y0, y0_stride=y0_stride)
    arguments()
    found = own_gradients(p, call, needs, sums)
    if d_weight is not None:
        found |= _of_weights(p, call, d_weight)
    if d_input is not None:
        d_input = d_input[:, : call.input.shape[-1]] if p.inputs else p.narrow(d_input, p.blocks)
        found["input"] = d_input.to(call.input.dtype).reshape(call.input.shape)
    found["v0"] = p.narrow(back_v).view(v0.shape)
    if not membrane and weights.hh is not None:
        found["y0"] = p.narrow(back_y).view(v0.shape)
    return Gradients(**{name: g for name, g in found.items() if getattr(needs, name)})


def _of_weights(p: Plan, call: Call, parts: Tensor) -> dict[str, Tensor]:
    """The threads' gradients of [W_hh, W_ih], added up and apart."""
    both = parts[0] if len(parts) == 1 else parts.sum(0)
    both = p.of_weight(both)
    found = {}
    read = p.pair - p.inputs
    for name, weight, first in (("weight_hh", call.weights.hh, 0), ("weight_ih", call.weights.ih, read)):
        if weight is not None:
            part = both[:, first : first + weight.shape[1]]
            found[name] = part.to(weight.dtype, memory_format=torch.contiguous_format, copy=True)
    return found


def own_gradients(p: Plan, call: Call, needs: Gradients, sums: Tensor) -> dict[str, Tensor]:
    """The gradients that the threads have summed up, of the neuron's numbers and of the bias."""
    found: dict[str, Tensor] = {}
    if not sums.shape[1]:
        return found
    whole, place = sums[0] if len(sums) == 1 else sums.sum(0), 0
    for name in LEARNED:
        if not getattr(needs, name):
            continue
        bias = name == "bias"
        like: Tensor = call.weights.bias if bias else getattr(call.numbers, name)  # type: ignore[assignment]
        length = p.blocks if bias else 1
        if length == 1 and p.width == p.hidden:
            total = whole[place]
        else:
            total = p.narrow(whole[place : place + length])
            total = total.reshape(-1) if bias else total.sum(0)
        total = total if total.shape == like.shape else total.sum_to_size(like.shape)
        found[name] = total.to(like.dtype, copy=True)
        place += length
    return found


PASSES = Passes(_forward, _backward)
