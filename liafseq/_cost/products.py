"""How many accumulations a matrix product or a convolution needs: pure functions of its operands.

An operand is *fixed* (weights: never silent, never spikes) or an activation, which is looked at by
value: it is *spikes* if every entry is a small whole number. A spike of value k is k accumulates, any
other number that is not zero one multiply-accumulate, zero is nothing; each times the fan-out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Counts", "convolution", "is_spikes", "matmul", "reach"]


class Counts(NamedTuple):
    """Operations: multiply-accumulates, accumulates, and the products of a dense implementation."""

    macs: int = 0
    acs: int = 0
    dense_macs: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


def is_spikes(x: Tensor, max_spike: int) -> bool:
    """Whether every entry is a whole number of size ``max_spike`` at most; NaN is none.

    >>> is_spikes(torch.tensor([0.0, 1.0, -2.0]), 15), is_spikes(torch.tensor([0.0, 0.5]), 15)
    (True, False)
    """
    if x.is_complex():
        return False
    return bool(((x == x.round()) & (x.abs() <= max_spike)).all())


def _events(x: Tensor, spikes: bool) -> Tensor:
    """How often each entry is added: |x| of spikes, 1 of other numbers that are not zero."""
    return x.abs().to(torch.int64) if spikes else (x != 0).to(torch.int64)


def matmul(
    a: Tensor, b: Tensor, *, fixed_a: bool = False, fixed_b: bool = False, max_spike: int = 15
) -> Counts:
    """Counts of a b, with a (..., n, k) and b (..., k, m).

    Where neither is fixed (attention), a term counts if both factors are not zero, and is k
    accumulates if one of them is spikes, k its value (a's, where both are). Where both are fixed,
    every term is a multiply-accumulate.

    >>> spikes, weights = torch.tensor([[0.0, 1.0, 1.0]]), torch.randn(3, 5)
    >>> matmul(spikes, weights, fixed_b=True)
    Counts(macs=0, acs=10, dense_macs=15)
    """
    n, k = a.shape[-2:]
    m = b.shape[-1]
    dense = math.prod(a.shape[:-2]) * n * k * m
    if dense == 0 or (fixed_a and fixed_b):
        return Counts(macs=dense, dense_macs=dense)
    a_spikes = not fixed_a and is_spikes(a, max_spike)
    b_spikes = not fixed_b and not a_spikes and is_spikes(b, max_spike)
    # how often each of the k inner positions is used by the left and by the right
    left: Any = n if fixed_a else _events(a, a_spikes).sum(-2)
    right = m if fixed_b else _events(b, b_spikes).sum(-1)
    needed = int((left * right).sum())
    return Counts(0, needed, dense) if a_spikes or b_spikes else Counts(needed, 0, dense)


def reach(
    length: int, out: int, kernel: int, stride: int, padding: int, dilation: int, transposed: bool = False
) -> list[int]:
    """Along one dimension: how many (output position, tap) pairs read each input position.

    >>> reach(4, 4, 3, 1, 1, 1)
    [2, 3, 3, 2]
    >>> reach(5, 2, 3, 2, 0, 1)
    [1, 1, 2, 1, 1]
    """
    pairs = [0] * length
    if transposed:
        for at in range(length):
            places = (at * stride - padding + tap * dilation for tap in range(kernel))
            pairs[at] = sum(0 <= place < out for place in places)
        return pairs
    for position in range(out):
        for tap in range(kernel):
            at = position * stride - padding + tap * dilation
            if 0 <= at < length:
                pairs[at] += 1
    return pairs


def convolution(
    x: Tensor,
    weight: Tensor,
    out_size: Sequence[int],
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    groups: int,
    fixed_input: bool = False,
    max_spike: int = 15,
) -> Counts:
    """Counts of a convolution of any number of dimensions, exact at the borders.

    Args:
        x: the input (N, C_in, *size), or some of its channels; its padding is no operand and costs
            nothing but in dense_macs.
        weight: the filters, (C_out, C_in/groups, *kernel); transposed: (C_in, C_out/groups, *kernel).
        out_size: the positions of the output, without N and C.
        fixed_input: no entry of x is silent.
    """
    kernel = weight.shape[2:]
    fan_out = weight.shape[1] if transposed else weight.shape[0] // groups
    # a transposed convolution spreads each input over the kernel, another gathers one for each output
    places = math.prod(x.shape[2:]) if transposed else math.prod(out_size)
    dense = x.shape[0] * x.shape[1] * places * math.prod(kernel) * fan_out
    if dense == 0:
        return Counts()
    spikes = not fixed_input and is_spikes(x, max_spike)
    events = torch.ones_like(x, dtype=torch.int64) if fixed_input else _events(x, spikes)
    used = events.sum((0, 1))
    geometry = zip(x.shape[2:], out_size, kernel, _each(stride, kernel), _each(padding, kernel),
                   _each(dilation, kernel), strict=True)  # fmt: skip
    for size, out, taps, step, pad, spread in geometry:
        pairs = torch.tensor(
            reach(size, out, taps, step, pad, spread, transposed), dtype=torch.int64, device=used.device
        )
        # takes the first dimension that is left, and sums it out
        used = (used * pairs.view(-1, *(1 for _ in used.shape[1:]))).sum(0)
    needed = int(used) * fan_out
    return Counts(0, needed, dense) if spikes else Counts(needed, 0, dense)


def _each(values: Sequence[int], like: Sequence[int]) -> Sequence[int]:
    """One number for all dimensions stands for as many."""
    return list(values) * len(like) if len(values) == 1 else values
