"""The time loop where W_hh is no matrix: between its products, the neurons of each step are one call."""

from __future__ import annotations

import torch
from torch import Tensor

from liafseq import ops
from liafseq.neurons import Neuron, advance
from liafseq.ops.types import Backend, Call, Numbers, Result, State, Weights

__all__ = ["BACKEND", "read_first"]


def read_first(state: State, numbers: Numbers, neuron: Neuron) -> Tensor | None:
    """What W_hh reads at the first step, (N, H); None is zero."""
    v, y, u = state
    membrane = neuron.feedback == "membrane"
    if u is None or (y is not None and not membrane):
        return v if membrane else y
    made, kept = advance(u, *numbers, neuron)
    return kept if membrane else made


def _part(state: State, low: int, high: int) -> State:
    return State(*(None if t is None else t[low:high] for t in state))


def _one(call: Call, current: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """y and u of one step's sequences."""
    weight, times = call.weights.hh, call.product
    assert weight is not None
    assert times is not None
    read = read_first(state, call.numbers, call.neuron)
    if read is not None:
        current = current + times(read, weight)
    own = Call(current.unsqueeze(0), Weights(), call.numbers, state, call.neuron)
    _, y, u = ops.recurrence(own)
    return y, u


def _run(call: Call) -> Result:
    sizes = call.steps.sizes
    current = call.input.to(call.membrane.dtype)
    parts = current.unbind(0) if sizes is None else current.split(list(sizes))
    outputs: list[Tensor] = []
    y = u = current.new_empty(0, call.membrane.shape[1])
    for now in reversed(parts) if call.steps.reverse else parts:
        rows = len(now)
        # sequences that ran a step before, and those that begin here
        known = min(rows, len(u))
        found = []
        if known:
            found.append(_one(call, now[:known], _part(State(None, y, u), 0, known)))
        if rows > known or not rows:
            found.append(_one(call, now[known:], _part(call.state, known, rows)))
        y_now, u_now = found[0] if len(found) == 1 else (torch.cat(both) for both in zip(*found, strict=True))
        outputs.append(y_now)
        y, u = (
            new if len(old) <= rows else torch.cat([new, old[rows:]]) for new, old in ((y_now, y), (u_now, u))
        )
    if call.steps.reverse:
        outputs.reverse()
    return (torch.stack(outputs) if sizes is None else torch.cat(outputs)), y, u


BACKEND = Backend("steps", lambda call: call.product is not None, _run, shares=True)
"""Serves a call with a product of its own."""
