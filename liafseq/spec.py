"""From constructor options to a neuron: the fixed choices and the numbers beside them."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn

from liafseq.neurons import Neuron, advance
from liafseq.parameters import RULE, Trait, TraitModule

__all__ = ["BY_GATE", "SpikingModule", "by_gate", "is_analog", "options_of", "options_repr"]

_NOT_OPTIONS = {
    "self", "__class__", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
    "bidirectional", "device", "dtype",
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode",
}  # fmt: skip
_CHOICES = ("activation", "threshold_related", "feedback", "reset", "v_reset", "levels", "surrogate",
            "surrogate_width", "detach_reset")  # fmt: skip


BY_GATE = {"decay": (RULE, (0.5, 0.99)), "recurrent_init": ("orthogonal", "uniform")}
"""What None stands for without a gate, and with one."""


def options_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """The neuron options among the ``locals()`` of a constructor."""
    return {name: value for name, value in arguments.items() if name not in _NOT_OPTIONS}


def _by_gate(name: str, value: Any, gated: Any) -> Any:
    return BY_GATE[name][gated is True] if value is None and name in BY_GATE else value


def by_gate(options: dict[str, Any]) -> dict[str, Any]:
    """The options with LIAF's defaults, which depend on ``gated``, in the place of None."""
    return {name: _by_gate(name, value, options["gated"]) for name, value in options.items()}


def options_repr(module: nn.Module, options: dict[str, Any]) -> str:
    """The options that differ from the constructor's defaults, for ``extra_repr``."""
    defaults = inspect.signature(type(module).__init__).parameters
    parts = []
    for name, value in options.items():
        if isinstance(value, Tensor):
            parts.append(f"{name}=tensor(shape={tuple(value.shape)})")
        elif name not in defaults or value != _by_gate(name, defaults[name].default, options.get("gated")):
            parts.append(f"{name}={value!r}")
    return "".join(f", {part}" for part in parts)


def is_analog(output: str) -> bool:
    """DA-LIF's choice of what it emits."""
    if output not in ("spike", "analog"):
        raise ValueError(f"output should be one of 'spike', 'analog', got: {output!r}")
    return output == "analog"


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


class SpikingModule(TraitModule):
    """What layers, cells and convolutions share: one neuron, its numbers, its state format."""

    _wide_share = "neuron"

    def _configure(
        self, options: dict[str, Any], *, analog: bool, dual: bool = False, soft: bool = False
    ) -> None:
        """Take the neuron options of a constructor.

        ``dual``: decay and input gain in (-1, 1), as DA-LIF has them; ``soft``: no choice of reset.
        """
        self._options = options
        self.state_format = options["state_format"]
        share = options["share"]
        for name, value, allowed in (
            ("state_format", self.state_format, ("lstm", "gru")),
            ("share", share, ("layer", self._wide_share)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} should be one of {', '.join(map(repr, allowed))}, got: {value!r}")
        choices = {name: options[name] for name in _CHOICES if name in options}
        if soft:
            choices["reset"] = "soft"
        self.neuron = Neuron(analog=analog, **choices)

        self._normalize = options.get("normalize_current", False)
        if not isinstance(self._normalize, bool):
            raise TypeError(
                f"normalize_current should be of type bool, got: {type(self._normalize).__name__}"
            )
        self._gated = options.get("gated", False)
        if not isinstance(self._gated, bool):
            raise TypeError(f"gated should be of type bool, got: {type(self._gated).__name__}")
        if self._gated and self.neuron.feedback != "output":
            raise ValueError(
                "gated=True needs feedback='output', which opens and closes the gate, "
                f"got: feedback={self.neuron.feedback!r}"
            )
        self._signed = dual
        traits = [
            Trait("decay", options["decay"], options["learn_decay"], "signed" if dual else "fraction", share)
        ]
        if dual:
            traits.append(Trait("gain", options["gain"], options["learn_gain"], "signed", share))
        traits.append(Trait("threshold", options["threshold"], options["learn_threshold"], "positive", share))
        # a leak that is and stays zero costs nothing
        if "leak" in options and not (_is_zero(options["leak"]) and options["learn_leak"] is False):
            traits.append(Trait("leak", options["leak"], options["learn_leak"], "any", share))
        self._traits = tuple(traits)

    @property
    def _blocks(self) -> int:
        """Rows of the weights for each neuron: those of the current, and those of a gate."""
        return 2 if self._gated else 1

    def _current_gain(self, values: dict[str, Tensor]) -> Tensor | None:
        """What the synaptic current is multiplied with, as a factor of its weights and biases."""
        if "gain" in values:
            return values["gain"]
        return 1 - values["decay"] if self._normalize and not self._gated else None

    def _start(
        self, values: dict[str, Tensor], h0: Tensor | None, c0: Tensor | None, rest: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """v_0 and y_0 of a given state; ``rest`` (zeros) where none is given.

        A single tensor, the gru format, is ``c0`` without ``h0``. Of a gated neuron R_0 instead of v_0:
        its decay is the next step's.
        """
        if c0 is None:
            return rest, None
        decay, leak = values["decay"], values.get("leak")
        if self._gated:
            decay, leak = torch.ones_like(decay), None
        y0, v0 = advance(c0, decay, values["threshold"], leak, self.neuron)
        return v0, (y0 if h0 is None else h0)

    def emit(self, membrane: Tensor) -> Tensor:
        """The output y that belongs to a membrane potential u (..., hidden_size) of the last layer.

        Useful with ``state_format="gru"``, where only u is returned.
        """
        suffix = self._suffixes()[-1]
        values = self._trait_values(suffix, membrane.dtype)
        return advance(membrane, values["decay"], values["threshold"], values.get("leak"), self.neuron)[0]

    def _suffixes(self) -> list[str]:
        return [""]

    def neuron_parameters(self, suffix: str | None = None) -> dict[str, Tensor]:
        """The neuron's numbers as the equations have them: decay, threshold, and gain, leak where used.

        Args:
            suffix: for example ``"_l0"`` or ``"_l1_reverse"``; of a layer the first by default.

        Returns:
            name -> tensor of shape () or (hidden_size,); learned ones keep their graph.
        """
        suffix = self._suffixes()[0] if suffix is None else suffix
        if suffix not in self._suffixes():
            raise ValueError(f"suffix should be one of {', '.join(self._suffixes())}, got: {suffix!r}")
        return self._trait_values(suffix)

    def _options_repr(self) -> str:
        return options_repr(self, self._options)


@torch.no_grad()
def orthogonalize(weight: Tensor) -> None:
    """Replace a drawn square matrix by its orthogonal factor, in place; draws no random numbers."""
    q, r = torch.linalg.qr(weight.to(torch.promote_types(weight.dtype, torch.float32)))
    weight.copy_(q * r.diagonal().sgn())


def uniform_bound(hidden_size: int) -> float:
    return 1.0 / math.sqrt(hidden_size)
