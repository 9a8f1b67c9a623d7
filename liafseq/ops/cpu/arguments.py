"""What a compiled pass is given: an array of addresses and whole numbers for each part of the batch."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from liafseq.ops.cpu.team import Pass
from liafseq.ops.types import Gradients

if TYPE_CHECKING:
    from liafseq.ops.cpu.plan import Plan

__all__ = ["Arguments", "compiled_pass"]


@lru_cache(maxsize=1024)
def compiled_pass(spec: Any, forward: bool) -> tuple[Pass, dict[str, int]]:
    """A pass and the places of its arguments by name; compiled when first used."""
    from liafseq.ops.cpu import backward as back
    from liafseq.ops.cpu import forward as ahead
    from liafseq.ops.cpu.engine import compiled
    from liafseq.ops.cpu.kernel import entry

    kernel = ahead.forward(spec) if forward else back.backward(spec)
    team = entry(kernel.module, kernel.name, len(kernel.arguments))
    one, many = compiled(kernel.module, kernel.name, team)
    return Pass(one, many), {name: place for place, name in enumerate(kernel.arguments)}


class Arguments:
    """The arguments of a pass for each part of the batch; keeps alive what they point to."""

    def __init__(self, run: Pass, places: dict[str, int], parts: int) -> None:
        self.run, self.places, self.parts = run, places, parts
        # those of the first part, and what the others have instead
        self.first = array("q", bytes(8 * len(places)))
        self.others: dict[int, Sequence[int]] = {}
        self.alive: list[Any] = []

    def copy(self) -> Arguments:
        found = object.__new__(Arguments)
        found.run, found.places, found.parts = self.run, self.places, self.parts
        found.first, found.others, found.alive = self.first[:], self.others.copy(), []
        return found

    def set(self, **values: Any) -> None:
        """Tensors by where they begin."""
        first, places, alive = self.first, self.places, self.alive
        for name, value in values.items():
            if isinstance(value, Tensor):
                alive.append(value)
                value = value.data_ptr()
            first[places[name]] = value

    def each(self, name: str, values: Sequence[int]) -> None:
        """A value for each part of the batch."""
        place = self.places[name]
        self.first[place], self.others[place] = values[0], values[1:]

    def share(self, **values: Tensor) -> None:
        """Tensors of which each part of the batch has an element."""
        for name, value in values.items():
            self.alive.append(value)
            start, size = value.data_ptr(), value.stride(0) * value.itemsize
            self.each(name, range(start, start + self.parts * size, size))

    def sums(self, p: Plan, needs: Gradients) -> Tensor:
        """Memory for what each thread sums up, in double precision."""
        rows = needs.decay + needs.threshold + needs.leak + p.blocks * needs.bias
        sums = torch.zeros(len(p.cuts), rows, p.width, dtype=torch.float64)
        if rows and p.dtype == torch.float64:
            self.share(sums=sums)
        elif rows:
            self.share(sums=sums, step_sums=torch.zeros(len(p.cuts), rows * p.width, dtype=p.dtype))
        return sums

    def __call__(self) -> None:
        table = self.first
        if self.parts > 1:
            table = table * self.parts
            for place, values in self.others.items():
                for part, value in enumerate(values, 1):
                    table[part * len(self.places) + place] = value
        self.run(table, self.parts)
