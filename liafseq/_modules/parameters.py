"""The numbers of a neuron (decay, threshold, ...): initial values, constraints, where they live.

A number that is learned is a Parameter that holds an *unconstrained* value, named as the weights
are (``decay_l0``, ``threshold_l0_reverse``); a fixed one is a buffer that holds the value itself
(``fixed_decay_l0``). The names differ because the meaning does: a checkpoint of one kind is
refused by the other instead of being misread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

__all__ = ["CONSTRAINTS", "RULE", "Constraint", "Initial", "Trait", "TraitModule"]

Initial = float | tuple[float, float] | Tensor | str
"""An initial value: a number, a pair (low, high) to draw from uniformly, a tensor, or a rule's name."""

_FAST, _SLOW = 0.05, 0.98
RULE = "fast-and-slow"
"""A decay of 0.05 for three quarters of the neurons and of 0.98 for the last quarter; shared: 0.05."""


@dataclass(frozen=True)
class Constraint:
    """The interval of a number and the map from an unconstrained one into its inside."""

    low: float
    high: float
    closed: bool
    inside: Callable[[Tensor], Tensor]
    outside: Callable[[Tensor], Tensor]

    def check(self, name: str, value: Tensor, learn: bool) -> None:
        # a learned value starts strictly inside, where its unconstrained value is finite
        closed = self.closed and not learn
        good = (
            (value >= self.low) & (value <= self.high) if closed else (value > self.low) & (value < self.high)
        )
        if not bool((good & value.isfinite()).all()):
            left, right = ("[", "]") if closed else ("(", ")")
            kind = "an initial value to be learned" if learn else "a value"
            raise ValueError(
                f"{name} should be {kind} in {left}{self.low:g}, {self.high:g}{right}, "
                f"got: {value.flatten()[:4].tolist()}"
            )


CONSTRAINTS = {
    "fraction": Constraint(0.0, 1.0, True, torch.sigmoid, torch.logit),
    "signed": Constraint(-1.0, 1.0, True, torch.tanh, torch.atanh),
    "positive": Constraint(0.0, math.inf, False, F.softplus, lambda x: x + torch.log(-torch.expm1(-x))),
    "any": Constraint(-math.inf, math.inf, False, lambda x: x, lambda x: x),
}


def _plain(name: str, initial: Any) -> Tensor:
    """The given number, pair or tensor as a CPU tensor of its values, for checking."""
    if isinstance(initial, Tensor):
        return initial.detach()
    if isinstance(initial, str) and initial == RULE and name == "decay":
        return torch.tensor([_FAST, _SLOW], dtype=torch.float64, device="cpu")
    numbers = initial if isinstance(initial, (tuple, list)) else (initial,)
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) for n in numbers):
        raise TypeError(f"{name} should be a number, a pair (low, high) or a tensor, got: {initial!r}")
    if isinstance(initial, (tuple, list)) and (len(initial) != 2 or not initial[0] <= initial[1]):
        raise ValueError(f"{name} as a pair should be (low, high) with low <= high, got: {initial}")
    return torch.tensor(numbers, dtype=torch.float64, device="cpu")


@dataclass(frozen=True, eq=False)
class Trait:
    """One number of a neuron: its name, initial value, whether it is learned and shared how.

    ``constraint`` is a name in ``CONSTRAINTS``; ``share="layer"`` makes it one number, anything
    else one per neuron (or channel).
    """

    name: str
    initial: Any
    learn: bool
    constraint: str
    share: str

    def __post_init__(self) -> None:
        value = _plain(self.name, self.initial)
        if value.device.type != "meta":
            CONSTRAINTS[self.constraint].check(self.name, value, self.learn)

    def shape(self, features: int) -> tuple[int, ...]:
        shape = () if self.share == "layer" else (features,)
        given = tuple(self.initial.shape) if isinstance(self.initial, Tensor) else ()
        if given not in ((), shape):
            raise ValueError(
                f"{self.name} as a tensor should have shape () or {shape} with share={self.share!r} "
                f"and {features} neurons, got: {given}"
            )
        return shape

    @torch.no_grad()
    def fill(self, tensor: Tensor) -> None:
        c = CONSTRAINTS[self.constraint]
        if isinstance(self.initial, (tuple, list)):
            tensor.uniform_(*self.initial)
            if self.learn:
                # a draw may fall on the open end of the interval
                eps = torch.finfo(tensor.dtype).eps
                tensor.clamp_(c.low + eps, c.high - eps if math.isfinite(c.high) else None)
        elif isinstance(self.initial, Tensor):
            tensor.copy_(self.initial.to(tensor.dtype).expand(tensor.shape))
        elif self.initial == RULE:
            tensor.fill_(_FAST)
            if tensor.dim():
                tensor[tensor.numel() - round(tensor.numel() / 4) :] = _SLOW
        else:
            tensor.fill_(self.initial)
        if self.learn:
            tensor.copy_(c.outside(tensor))


class TraitModule(nn.Module):
    """A module with neuron numbers; ``suffix`` tells layers and directions apart."""

    _traits: tuple[Trait, ...]

    def _create_traits(self, suffix: str, features: int, factory: dict[str, Any]) -> None:
        for trait in self._traits:
            tensor = torch.empty(trait.shape(features), **factory)
            if trait.learn:
                self.register_parameter(trait.name + suffix, Parameter(tensor))
            else:
                self.register_buffer(f"fixed_{trait.name}{suffix}", tensor)

    def _reset_traits(self, suffix: str) -> None:
        for trait in self._traits:
            trait.fill(getattr(self, trait.name + suffix if trait.learn else f"fixed_{trait.name}{suffix}"))

    def _trait_values(self, suffix: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        values = {}
        for trait in self._traits:
            if trait.learn:
                value = getattr(self, trait.name + suffix)
                inside = CONSTRAINTS[trait.constraint].inside
                values[trait.name] = inside(value if dtype in (None, value.dtype) else value.to(dtype))
            else:
                value = getattr(self, f"fixed_{trait.name}{suffix}")
                values[trait.name] = value if dtype in (None, value.dtype) else value.to(dtype)
        return values

    def _unconstrained(self, name: str, suffix: str, dtype: torch.dtype) -> Tensor:
        """What the constraint's function maps to the value of a number."""
        (trait,) = (trait for trait in self._traits if trait.name == name)
        if trait.learn:
            return getattr(self, name + suffix).to(dtype)
        return CONSTRAINTS[trait.constraint].outside(getattr(self, f"fixed_{name}{suffix}").to(dtype))
