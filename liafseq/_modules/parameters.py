"""The numbers of a neuron (decay, threshold, ...): initial values, constraints, where they live.

A number that is learned is a Parameter that holds an *unconstrained* value, named as the weights
are (``decay_l0``, ``threshold_l0_reverse``); a fixed one is a buffer that holds the value itself
(``fixed_decay_l0``). The names differ because the meaning does: a checkpoint of one kind is
refused by the other instead of being misread.

An unconstrained value of zero is a neuron that fires and learns, for code that sets to zero whatever is no
weight. A gain of zero would not, so what is learned of it is its offset (``gain_offset_l0``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

from liafseq.options import Options

__all__ = ["CONSTRAINTS", "RULE", "Constraint", "Initial", "Trait", "TraitModule"]

Initial = float | tuple[float, float] | Tensor | str
"""An initial value: a number, a pair (low, high) to draw from uniformly, a tensor, or a rule's name."""

_FAST, _SLOW = 0.05, 0.98
_GAIN = math.atanh(0.9)
RULE = "fast-and-slow"
"""A decay of 0.05 for three quarters of the neurons and of 0.98 for the last quarter; shared: 0.05."""


@dataclass(frozen=True)
class Constraint:
    """The interval of a number and the map from an unconstrained one into its inside.

    Attributes:
        offset: what the unconstrained value is counted from; its name then ends in ``_offset``.
    """

    low: float
    high: float
    closed: bool
    inside: Callable[[Tensor], Tensor]
    outside: Callable[[Tensor], Tensor]
    offset: float = 0.0

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
    "gain": Constraint(
        -1.0, 1.0, True, lambda x: torch.tanh(x + _GAIN), lambda x: torch.atanh(x) - _GAIN, _GAIN
    ),
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

    Attributes:
        constraint: a name in ``CONSTRAINTS``.
        share: ``"layer"`` makes it one number, anything else one per neuron (or channel).
        stored: the name of its parameter or buffer, without a suffix.
    """

    name: str
    initial: Any
    learn: bool
    constraint: str
    share: str
    stored: str = field(init=False)

    def __post_init__(self) -> None:
        learned = f"{self.name}_offset" if CONSTRAINTS[self.constraint].offset else self.name
        object.__setattr__(self, "stored", learned if self.learn else f"fixed_{self.name}")
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
    """A module with options and neuron numbers; ``suffix`` tells layers and directions apart."""

    options: Options
    _traits: tuple[Trait, ...] = ()

    def _configure(self, options: Options) -> None:
        """Keep the options; what is made of them alone is made here."""
        self.options = options
        self._traits = ()

    def _suffixes(self) -> list[str]:
        return [""]

    def __getstate__(self) -> dict[str, Any]:
        # plain values: torch.load(weights_only=True) then needs this class allowed and no other
        made = ("neuron", "_traits")
        state = {name: value for name, value in self.__dict__.items() if name not in made}
        return {**state, "options": dict(vars(self.options))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, {**state, "options": None})
        self._configure(Options(**state["options"]))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # a state dict that has the unconstrained value itself
        for trait, suffix in itertools.product(self._traits, self._suffixes()):
            old, new = (prefix + name + suffix for name in (trait.name, trait.stored))
            if trait.learn and old in state_dict and new not in state_dict:
                state_dict[new] = state_dict.pop(old) - CONSTRAINTS[trait.constraint].offset
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _create_traits(self, suffix: str, features: int, factory: dict[str, Any]) -> None:
        for trait in self._traits:
            tensor = torch.empty(trait.shape(features), **factory)
            if trait.learn:
                self.register_parameter(trait.stored + suffix, Parameter(tensor))
            else:
                self.register_buffer(trait.stored + suffix, tensor)

    def _reset_traits(self, suffix: str) -> None:
        for trait in self._traits:
            trait.fill(getattr(self, trait.stored + suffix))

    def _trait_values(self, suffix: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        values = {}
        for trait in self._traits:
            value = getattr(self, trait.stored + suffix)
            value = value if dtype in (None, value.dtype) else value.to(dtype)
            values[trait.name] = CONSTRAINTS[trait.constraint].inside(value) if trait.learn else value
        return values

    def _unconstrained(self, name: str, suffix: str, dtype: torch.dtype) -> Tensor:
        """What the constraint's function maps to the value of a number."""
        (trait,) = (trait for trait in self._traits if trait.name == name)
        value = getattr(self, trait.stored + suffix).to(dtype)
        return value if trait.learn else CONSTRAINTS[trait.constraint].outside(value)
