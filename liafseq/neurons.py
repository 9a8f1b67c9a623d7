"""The neuron dynamics: small pure functions, state in, state out.

This is the one definition of every neuron of the package. With membrane potential ``u`` (before
reset), threshold ``theta``, decay ``alpha`` and leak ``beta``, one time step is

    s   = H(u - theta)                          how many thresholds u has crossed: ``spikes``
    R   = u (1 - s) + v_reset s                 hard reset: ``reset``
          u - theta s                           soft reset
          u                                     none: a gate forgets instead
    v   = alpha R + beta                        what is kept for the next step: ``leak``
    y   = s | f(u) | f(u - theta)               LIF | LIAF | LIAF, threshold related: ``emit``

and u_next = v + I, with I the synaptic current (``liafseq.ops``): ``integrate``. DA-LIF's input gain and
the normalised current (1 - alpha) I are factors of the weights and so do not appear here.

Where the decay is a gate, it comes with the current of the next step, and with it the leak:

    v      = R
    u_next = a v + I + beta,  a = sigmoid(g)    or a v + (1 - a) I + beta, normalised; DA-LIF: tanh(g)

Every function here takes tensors, or what computes as they do: the compiled loops are made of these
functions too.

Sources: LIAF, Wu et al. 2020 (arXiv:2011.06176); DA-LIF, Zhang et al. 2025 (arXiv:2502.10422);
multi-threshold LIF, Xu et al. 2022 (arXiv:2203.10006).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from liafseq import surrogate
from liafseq.options import check_choice

__all__ = [
    "ACTIVATIONS", "Neuron", "activate", "advance", "choices", "emit", "integrate", "leak",
    "register_activation", "reset", "spikes",
]  # fmt: skip

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda u: u,
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": torch.selu,
    "celu": torch.celu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
}
"""Elementwise activations of analog neurons, by name; ``register_activation`` adds to them."""

SpikeFunction = Callable[[Tensor, str, float], Tensor]
Activate = Callable[[Tensor, str], Tensor]


def register_activation(name: str, function: Callable[[Tensor], Tensor]) -> None:
    """Make an activation known under a name: ``LIAF(..., activation=name)``.

    Layers with it run in torch operations; the built-in ones are compiled.

    Args:
        name: a new name.
        function: elementwise, differentiable torch operations.

    Raises:
        TypeError: a name that is not a string, a function that cannot be called.
        ValueError: a name that is taken.

    >>> register_activation("sine", torch.sin)
    >>> emit(torch.tensor(0.5), torch.tensor(0.0), torch.tensor(1.0), Neuron(activation="sine"))
    tensor(0.4794)
    """
    surrogate.check_new("activation", name, ACTIVATIONS)
    if not callable(function):
        raise TypeError(f"function should be callable, got: {type(function).__name__}")
    ACTIVATIONS[name] = function


def activate(x: Tensor, name: str) -> Tensor:
    """f(x) by its name in ``ACTIVATIONS``."""
    return ACTIVATIONS[name](x)


def choices() -> dict[str, tuple[str | None, ...]]:
    """What a neuron's named choices are chosen from."""
    return {
        "activation": tuple(ACTIVATIONS),
        "feedback": ("output", "membrane", None),
        "reset": ("hard", "soft", "none"),
        "surrogate": tuple(surrogate.SURROGATES),
    }


@dataclass(frozen=True)
class Neuron:
    """The fixed choices of a neuron; its numbers that may be learned are tensors beside it.

    Attributes:
        analog: emit f(u) (LIAF) instead of spikes (LIF).
        activation: name of f, one of ``ACTIVATIONS``; for analog neurons.
        threshold_related: f(u - theta) instead of f(u).
        feedback: what W_hh reads: ``"output"``, ``"membrane"``, or ``None`` for no W_hh.
        reset: ``"hard"`` (to v_reset), ``"soft"`` (subtract theta times the spike) or ``"none"``.
        v_reset: where a hard reset leads.
        levels: thresholds theta, 2 theta, ... levels*theta; a spike counts those crossed.
        surrogate, surrogate_width: the spike's derivative, see ``liafseq.surrogate``.
        detach_reset: no gradient through the spike in the reset.
        gate: None, or the activation that makes each step's decay of the gate's current: ``"sigmoid"``,
            ``"tanh"`` of DA-LIF. Then the current has twice the columns, those of the gate last.
        normalize: with a gate, the current is scaled by 1 - a.
    """

    analog: bool = True
    activation: str = "tanh"
    threshold_related: bool = False
    feedback: str | None = "output"
    reset: str = "hard"
    v_reset: float = 0.0
    levels: int = 1
    surrogate: str = "rectangular"
    surrogate_width: float = 1.0
    detach_reset: bool = False
    gate: str | None = None
    normalize: bool = False

    def __post_init__(self) -> None:
        for name, allowed in choices().items():
            check_choice(name, getattr(self, name), allowed)
        for name in ("threshold_related", "detach_reset"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} should be of type bool, got: {type(getattr(self, name)).__name__}")
        for name in ("v_reset", "surrogate_width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} should be a number, got: {type(value).__name__}")
            if not math.isfinite(value):
                raise ValueError(f"{name} should be finite, got: {value}")
        if self.surrogate_width <= 0:
            raise ValueError(f"surrogate_width should be greater than zero, got: {self.surrogate_width}")
        if isinstance(self.levels, bool) or not isinstance(self.levels, int):
            raise TypeError(f"levels should be of type int, got: {type(self.levels).__name__}")
        if self.levels < 1:
            raise ValueError(f"levels should be at least 1, got: {self.levels}")
        if self.levels > 1 and self.reset == "hard":
            raise ValueError("a neuron of several levels resets softly, theta times its spike, or not at all")
        check_choice("gate", self.gate, (None, "sigmoid", "tanh"))
        if self.gate is not None and self.feedback != "output":
            raise ValueError(f"a gate needs feedback='output', got: feedback={self.feedback!r}")

    @property
    def fires(self) -> bool:
        """Whether anything reads the spike."""
        return not self.analog or self.reset != "none"

    @property
    def blocks(self) -> int:
        """Columns of the current per neuron: its own, and that of a gate."""
        return 1 if self.gate is None else 2


def spikes(u: Tensor, threshold: Tensor, neuron: Neuron, spike: SpikeFunction = surrogate.spike) -> Tensor:
    """s = sum over k = 1..levels of H(u - k theta): 0 or 1 for a neuron of one level.

    ``spike`` is the differentiable H; ``surrogate.heaviside`` saves work where no gradient is
    wanted and ``surrogate.primitive`` makes the whole recurrence smooth for gradient checks.
    """
    s = spike(u - threshold, neuron.surrogate, neuron.surrogate_width)
    for k in range(2, neuron.levels + 1):
        s = s + spike(u - k * threshold, neuron.surrogate, neuron.surrogate_width)
    return s


def reset(u: Tensor, s: Tensor, threshold: Tensor, neuron: Neuron) -> Tensor:
    """R: the membrane potential after the reset of its own spike."""
    if neuron.reset == "none":
        return u
    if neuron.detach_reset:
        s = s.detach()
    if neuron.reset == "soft":
        return u - threshold * s
    kept = u * (1 - s)
    return kept + neuron.v_reset * s if neuron.v_reset else kept


def leak(r: Tensor, decay: Tensor | None, leak: Tensor | None) -> Tensor:
    """v = alpha R + beta; ``leak`` is beta, None standing for zero. ``decay`` None, a gate's: v = R."""
    if decay is None:
        return r
    return decay * r if leak is None else decay * r + leak


def emit(u: Tensor, s: Tensor, threshold: Tensor, neuron: Neuron, activate: Activate = activate) -> Tensor:
    """y: the spike of LIF, the activation of the membrane potential of LIAF."""
    if not neuron.analog:
        return s
    return activate(u - threshold if neuron.threshold_related else u, neuron.activation)


def integrate(
    v: Tensor | None,
    current: Tensor,
    gate: Tensor | None,
    beta: Tensor | None,
    neuron: Neuron,
    activate: Activate = activate,
) -> Tensor:
    """u from what was kept and the synaptic current.

    Args:
        v: None with feedback="membrane", where the current has read it.
        gate: the gate's current g; None without a gate, whose decay and leak are in v.
    """
    if neuron.gate is None:
        return current if v is None else v + current
    assert gate is not None
    assert v is not None
    a = activate(gate, neuron.gate)
    u = a * v + ((1 - a) * current if neuron.normalize else current)
    return u if beta is None else u + beta


def advance(
    u: Tensor,
    decay: Tensor | None,
    threshold: Tensor,
    beta: Tensor | None,
    neuron: Neuron,
    spike: SpikeFunction = surrogate.spike,
    activate: Activate = activate,
) -> tuple[Tensor, Tensor]:
    """From the membrane potential of one step to what it emits and what it keeps.

    Args:
        u: membrane potential before reset, (..., H).
        decay, threshold, beta: alpha, theta, beta; scalars or (H,). beta None is zero; decay None, of a
            gated neuron, keeps R as it is.

    Returns:
        y, v: the output and the leaked, reset membrane, shape of u.

    >>> lif = Neuron(analog=False)
    >>> half, one = torch.tensor(0.5), torch.tensor(1.0)
    >>> y, v = advance(torch.tensor([0.8, 1.2]), half, one, None, lif)
    >>> y, v
    (tensor([0., 1.]), tensor([0.4000, 0.0000]))
    """
    s = spikes(u, threshold, neuron, spike)
    return emit(u, s, threshold, neuron, activate), leak(reset(u, s, threshold, neuron), decay, beta)
