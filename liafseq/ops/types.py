"""What travels together through the time loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.neurons import Neuron

__all__ = ["Backend", "Call", "Gradients", "Numbers", "Product", "Result", "State", "Steps", "Weights"]


class Weights(NamedTuple):
    """Of the synaptic current; the rows of a gate, if there is one, follow those of the current.

    With W_ih both matrices may have fewer rows of a gate, which neighbours share (``reference.spread``); the
    bias always has one for each neuron. ``Weights()`` are those of an input that is the whole synaptic
    current.

    Attributes:
        ih: (rows, I), or None where the input is the input current itself.
        hh: (rows, H), or None without feedback, or where the input is the whole synaptic current.
        bias: (rows,), or None.
    """

    ih: Tensor | None = None
    hh: Tensor | None = None
    bias: Tensor | None = None


class Numbers(NamedTuple):
    """alpha, theta, beta: scalars or (H,).

    Attributes:
        decay: None with a gate, whose bias holds it.
        leak: None is zero.
    """

    decay: Tensor | None
    threshold: Tensor
    leak: Tensor | None


class State(NamedTuple):
    """What comes from before the first step, (N, H). Its dtype is the membrane's, whatever the products'.

    Attributes:
        v: what the membrane keeps: alpha R + beta, or R with a gate. None where it is to be made of u.
        y: the output, which W_hh reads with feedback="output"; None is zero, or to be made of u.
        u: the membrane potential before its reset, or None.
    """

    v: Tensor | None
    y: Tensor | None = None
    u: Tensor | None = None


class Steps(NamedTuple):
    """Which sequences are active at which step, and the direction of time.

    Attributes:
        sizes: of packed data, how many sequences each step has, descending; None: all, always.
        reverse: run from the last step to the first; packed sequences start at their own end.
        lengths: of padded data, the length of each sequence, (N,) integers; None: all have T steps. Only
            an exported loop reads them, ``ops.scan``: otherwise sequences are packed.
    """

    sizes: tuple[int, ...] | None = None
    reverse: bool = False
    lengths: Tensor | None = None


Product = Callable[[Tensor, Tensor], Tensor]
"""W_hh r from (rows, H) and W_hh, differentiable: a matrix product, or a convolution of maps."""


class Call(NamedTuple):
    """One layer and direction: all that a time loop is told.

    Attributes:
        input: x, (T, N, I), or packed (sum of sizes, I).
        product: what takes the place of the matrix product with W_hh.
    """

    input: Tensor
    weights: Weights
    numbers: Numbers
    state: State
    neuron: Neuron
    steps: Steps = Steps()
    product: Product | None = None

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """In the order of ``Gradients``."""
        return (self.input, *self.weights, *self.numbers, *self.state)

    def with_tensors(self, tensors: Sequence[Any]) -> Call:
        return self._replace(
            input=tensors[0],
            weights=Weights(*tensors[1:4]),
            numbers=Numbers(*tensors[4:7]),
            state=State(*tensors[7:10]),
        )

    @property
    def membrane(self) -> Tensor:
        """A tensor of the state: its batch, width, dtype and device are the membrane's."""
        v, _, u = self.state
        found = u if v is None else v
        assert found is not None
        return found

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many sequences each step has."""
        if self.steps.sizes is not None:
            return self.steps.sizes
        return (self.membrane.shape[0],) * self.input.shape[0]

    @property
    def even(self) -> bool:
        """Whether every step has all sequences."""
        sizes = self.steps.sizes
        return sizes is None or sizes[0] == sizes[-1]


class Gradients(NamedTuple):
    """Something for each tensor of a call: its gradient, or whether it is needed."""

    input: Any = None
    weight_ih: Any = None
    weight_hh: Any = None
    bias: Any = None
    decay: Any = None
    threshold: Any = None
    leak: Any = None
    v0: Any = None
    y0: Any = None
    u0: Any = None

    @classmethod
    def needed(cls, tensors: Iterable[Tensor | None]) -> Gradients:
        return cls(*(t is not None and t.requires_grad for t in tensors))


Result = tuple[Tensor, Tensor, Tensor]
"""Output (T, N, H) or packed, and of each sequence's last step the output y and the membrane
potential u, both (N, H); all in the membrane's dtype."""


class Backend(NamedTuple):
    """A way through all steps.

    Attributes:
        name: for people and tests.
        supports: whether it serves a call, its neuron included, with the results of ``ops.reference``.
        run: the results of a call that it serves.
        shares: whether it takes gates that neighbours share; else it is given one for each neuron.
    """

    name: str
    supports: Callable[[Call], bool]
    run: Callable[[Call], Result]
    shares: bool = False


def any_requires_grad(call: Call) -> bool:
    if torch.is_grad_enabled():
        for tensor in call.tensors:
            if tensor is not None and tensor.requires_grad:
                return True
    return False
