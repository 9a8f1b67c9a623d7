"""The spike function H(x), H(0) = 1, and the surrogate gradients that stand in for its derivative.

Each surrogate is the derivative of a *smooth primitive* that rises from 0 to 1; its width ``w``
is measured in units of the membrane potential, its area is 1 and its peak is about 1/w:

=============  ===============================  ==========================================
name           derivative h(x)                  primitive
=============  ===============================  ==========================================
rectangular    (1/w) [|x| < w/2]                clamp(x/w + 1/2, 0, 1)
triangular     (1/w) max(0, 1 - |x|/w)          piecewise quadratic
gaussian       exp(-x^2 / 2w^2) / (w sqrt(2pi)) normal distribution function
sigmoid        s(1 - s)/w, s = sigmoid(x/w)     sigmoid(x/w)
arctan         1 / (w (1 + (pi x/w)^2))         atan(pi x/w)/pi + 1/2
=============  ===============================  ==========================================

The rectangular one, of width mu, is that of the LIAF-Net paper (Wu et al. 2020,
arXiv:2011.06176); the idea is reviewed by Neftci, Mostafa and Zenke (2019, arXiv:1901.09948).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "SURROGATES", "Surrogate", "check_new", "heaviside", "primitive", "register_surrogate", "spike",
    "surrogate_gradient",
]  # fmt: skip


def _rectangular(x: Tensor, width: float) -> Tensor:
    return (x.abs() < width / 2).to(x.dtype) / width


def _triangular(x: Tensor, width: float) -> Tensor:
    return (1 - x.abs() / width).clamp_min(0) / width


def _gaussian(x: Tensor, width: float) -> Tensor:
    return torch.exp(-0.5 * (x / width) ** 2) / (width * math.sqrt(2 * math.pi))


def _sigmoid(x: Tensor, width: float) -> Tensor:
    s = torch.sigmoid(x / width)
    return s * (1 - s) / width


def _arctan(x: Tensor, width: float) -> Tensor:
    return 1 / (width * (1 + (math.pi / width * x) ** 2))


def _triangular_primitive(x: Tensor, width: float) -> Tensor:
    z = (x / width).clamp(-1, 1)
    return 0.5 + z - 0.5 * z * z.abs()


@dataclass(frozen=True)
class Surrogate:
    """A surrogate gradient: two elementwise functions of x and of the width.

    Attributes:
        derivative: what stands for H's derivative; its area is 1.
        primitive: the smooth function that it is the derivative of.
    """

    derivative: Callable[[Tensor, float], Tensor]
    primitive: Callable[[Tensor, float], Tensor]


SURROGATES = {
    "rectangular": Surrogate(_rectangular, lambda x, w: (x / w + 0.5).clamp(0, 1)),
    "triangular": Surrogate(_triangular, _triangular_primitive),
    "gaussian": Surrogate(_gaussian, lambda x, w: 0.5 * (1 + torch.erf(x / (w * math.sqrt(2))))),
    "sigmoid": Surrogate(_sigmoid, lambda x, w: torch.sigmoid(x / w)),
    "arctan": Surrogate(_arctan, lambda x, w: torch.atan(math.pi / w * x) / math.pi + 0.5),
}
"""By name; ``register_surrogate`` adds to them."""


def check_new(what: str, name: object, taken: Mapping[str, object]) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{what}: its name should be of type str, got: {type(name).__name__}")
    if name in taken:
        raise ValueError(f"{what}: the name {name!r} is taken")


def register_surrogate(
    name: str,
    derivative: Callable[[Tensor, float], Tensor],
    primitive: Callable[[Tensor, float], Tensor],
) -> None:
    """Make a surrogate gradient known under a name: ``LIF(..., surrogate=name)``.

    Layers with it run in torch operations; the built-in ones are compiled.

    Args:
        name: a new name.
        derivative: elementwise, of x = u - theta and the width; its area should be 1.
        primitive: the smooth function that it is the derivative of, for gradient checks.

    Raises:
        TypeError: a name that is not a string, a function that cannot be called.
        ValueError: a name that is taken.

    >>> register_surrogate(
    ...     "laplace",
    ...     lambda x, w: torch.exp(-x.abs() / w) / (2 * w),
    ...     lambda x, w: 0.5 + 0.5 * x.sign() * (1 - torch.exp(-x.abs() / w)),
    ... )
    >>> surrogate_gradient(torch.tensor(0.0), "laplace", 0.5)
    tensor(1.)
    """
    check_new("surrogate", name, SURROGATES)
    for function in (derivative, primitive):
        if not callable(function):
            raise TypeError(f"derivative and primitive should be callable, got: {type(function).__name__}")
    SURROGATES[name] = Surrogate(derivative, primitive)


def heaviside(x: Tensor, *_: Any) -> Tensor:
    """H(x) without any gradient: 1 where x >= 0, else 0, NaN where x is; takes ``spike``'s arguments."""
    return torch.where(x.isnan(), x, (x >= 0).to(x.dtype))


def surrogate_gradient(x: Tensor, kind: str, width: float) -> Tensor:
    """The surrogate derivative h(x), elementwise."""
    return SURROGATES[kind].derivative(x, width)


def primitive(x: Tensor, kind: str, width: float) -> Tensor:
    """The smooth function whose true derivative is the surrogate; for gradient checks."""
    return SURROGATES[kind].primitive(x, width)


class _Spike(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, kind: str, width: float) -> Tensor:  # noqa: ARG004 - fixed by torch
        return heaviside(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, ctx.kind, ctx.width = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grad * surrogate_gradient(x, ctx.kind, ctx.width), None, None


class _SpikeWithTangent(_Spike):
    """The same, with forward-mode differentiation, which torch.compile cannot trace."""

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangent * surrogate_gradient(x, ctx.kind, ctx.width)


def spike(x: Tensor, kind: str = "rectangular", width: float = 1.0) -> Tensor:
    """H(x) in the forward pass, the surrogate derivative in the backward pass.

    Args:
        x: membrane potential minus threshold, any shape, floating point.
        kind: one of ``SURROGATES``.
        width: the surrogate's width w > 0, in units of the membrane potential.

    Returns:
        0 or 1, shape and dtype of x.

    >>> x = torch.tensor([-0.4, 0.0, 2.0], requires_grad=True)
    >>> y = spike(x, "triangular", 1.0)
    >>> y.tolist()
    [0.0, 1.0, 1.0]
    >>> torch.autograd.grad(y.sum(), x)[0]
    tensor([0.6000, 1.0000, 0.0000])
    """
    function = _Spike if torch.compiler.is_compiling() else _SpikeWithTangent
    return function.apply(x, kind, width)
