"""What travels together through the time loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from liafseq.neurons import Neuron

__all__ = ["Backend", "Call", "Gradients", "Numbers", "Product", "Result", "State", "Steps", "Weights"]


class Weights(NamedTuple):
    """Of the synaptic current; the rows of a gate, if there is one, follow those of the current.

    Attributes:
        ih: (rows, I), or None where the input is the input current itself.
        hh: (rows, H), or None without feedback.
        bias: (rows,), or None.
    """

    ih: Tensor | None
    hh: Tensor | None
    bias: Tensor | None


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
    """What comes from before the first step.

    Attributes:
        v: what the membrane keeps, (N, H): alpha R + beta, or R with a gate. Its dtype is the
            membrane's, whatever the precision of the products.
        y: the output, which W_hh reads with feedback="output", (N, H); None is zero.
    """

    v: Tensor
    y: Tensor | None


class Steps(NamedTuple):
    """Which sequences are active at which step, and the direction of time.

    Attributes:
        sizes: of packed data, how many sequences each step has, descending; None: all, always.
        reverse: run from the last step to the first; packed sequences start at their own end.
    """

    sizes: tuple[int, ...] | None = None
    reverse: bool = False


class Product(Protocol):
    """What W_hh does to what it reads, on rows: a matrix product, or a convolution of maps."""

    def forward(self, read: Tensor, weight: Tensor) -> Tensor:
        """W read, for each row, in the precision of ``read``."""

    def transposed(self, delta: Tensor, weight: Tensor) -> Tensor:
        """The gradient of ``read`` from that of the result."""

    def weight(self, delta: Tensor, read: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the weight from those of the results of many steps."""


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
            state=State(*tensors[7:9]),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many sequences each step has."""
        if self.steps.sizes is not None:
            return self.steps.sizes
        return (self.state.v.shape[0],) * self.input.shape[0]

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
    """

    name: str
    supports: Callable[[Call], bool]
    run: Callable[[Call], Result]


def any_requires_grad(call: Call) -> bool:
    return torch.is_grad_enabled() and any(Gradients.needed(call.tensors))
