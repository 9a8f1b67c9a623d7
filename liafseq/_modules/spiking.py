"""A module with a neuron: from its options to the fixed choices and the numbers beside them."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from liafseq._modules.parameters import Trait, TraitModule
from liafseq.neurons import Neuron, advance
from liafseq.ops.scan import exporting
from liafseq.ops.types import Numbers
from liafseq.options import Kind, Options

__all__ = ["SpikingModule", "options_repr", "orthogonalize", "packed_sizes", "uniform_bound"]


def options_repr(kind: Kind, options: Options) -> str:
    """The options that differ from the defaults, for ``extra_repr``."""
    return "".join(
        f", {name}=tensor(shape={tuple(value.shape)})" if isinstance(value, Tensor) else f", {name}={value!r}"
        for name, value in kind.changed(options).items()
    )


def packed_sizes(module: nn.Module, batch_sizes: Tensor) -> tuple[int, ...]:
    """How many sequences each step of packed input has."""
    name = type(module).__name__
    if exporting():
        raise RuntimeError(
            f"{name}: packed input cannot be exported; liafseq.padded(layer, input, lengths) can"
        )
    if torch._C._get_tracing_state() is not None:
        raise RuntimeError(
            f"{name}: a trace would keep the lengths of packed input as constants; trace it on padded input"
        )
    return tuple(batch_sizes.tolist())


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


class SpikingModule(TraitModule):
    """What layers, cells and convolutions share: one neuron, its numbers, its state format."""

    kind: ClassVar[Kind]
    neuron: Neuron

    def _configure(self, options: Options) -> None:
        super()._configure(options)
        self.state_format = options.state_format
        if options.gated and options.feedback != "output":
            raise ValueError(
                "gated=True needs feedback='output', which opens and closes the gate, "
                f"got: feedback={options.feedback!r}"
            )
        self.neuron = Neuron(
            analog=options.output == "analog",
            activation=options.activation,
            threshold_related=options.threshold_related,
            feedback=options.feedback,
            reset=options.reset,
            v_reset=options.v_reset,
            levels=options.levels,
            surrogate=options.surrogate,
            surrogate_width=options.surrogate_width,
            detach_reset=options.detach_reset,
            gate=("tanh" if self._signed else "sigmoid") if options.gated else None,
            normalize=options.gated and options.normalize_current,
        )
        if options.learn_threshold and not (self.neuron.fires or options.threshold_related):
            raise ValueError(
                "learn_threshold=True needs a threshold that something reads: reset='hard' or 'soft', "
                "threshold_related=True or a layer that emits spikes"
            )
        share = options.share
        interval = "signed" if self._signed else "fraction"
        traits = [Trait("decay", options.decay, options.learn_decay, interval, share)]
        if self._signed:
            traits.append(Trait("gain", options.gain, options.learn_gain, "gain", share))
        traits.append(Trait("threshold", options.threshold, options.learn_threshold, "positive", share))
        # a leak that is and stays zero costs nothing
        if not _is_zero(options.leak) or options.learn_leak:
            traits.append(Trait("leak", options.leak, options.learn_leak, "any", share))
        self._traits = (*traits, *self._traits)

    @property
    def _signed(self) -> bool:
        """Whether decay and input gain lie in (-1, 1), as DA-LIF has them."""
        return "gain" in self.kind.names

    def _row_gain(self, values: dict[str, Tensor], features: int) -> Tensor | None:
        """The factor of the synaptic current as one of the rows of its weights and biases; 1 for a gate's."""
        if "gain" in values:
            gain = values["gain"]
        elif self.options.normalize_current and not self.options.gated:
            # quicker than a number minus a tensor
            gain = torch.ones_like(values["decay"]) - values["decay"]
        else:
            return None
        if not self.options.gated:
            return gain
        return torch.cat([gain.expand(features), torch.ones_like(gain).expand(features)])

    def _weight_gain(self, gain: Tensor | None, features: int) -> Tensor | None:
        """``_row_gain`` of as many rows as the weights have, whose gates neighbours may share."""
        return gain if gain is None or not self.options.gated else gain[: self.options.rows(features)]

    def _row_offset(self, suffix: str, features: int, dtype: torch.dtype) -> Tensor | None:
        """What a gate's rows have in their bias beside what is learned there: the neuron's own decay."""
        if not self.options.gated:
            return None
        own = self._unconstrained("decay", suffix, dtype).expand(features)
        # a trace is checked by a second one, without gradients
        if torch.is_grad_enabled() or torch.jit.is_tracing():
            # the gradient is then memory of its own, not a part of the bias's
            own = own * 1
        return torch.cat([torch.zeros_like(own), own])

    def _numbers(self, values: dict[str, Tensor]) -> Numbers:
        """What the time loop takes of the neuron's numbers; a gate has the decay in its bias."""
        decay = None if self.options.gated else values["decay"]
        return Numbers(decay, values["threshold"], values.get("leak"))

    def emit(self, membrane: Tensor) -> Tensor:
        """The output y that belongs to a membrane potential u (..., hidden_size) of the last layer.

        Useful with ``state_format="gru"``, where only u is returned.
        """
        suffix = self._suffixes()[-1]
        values = self._trait_values(suffix, membrane.dtype)
        return advance(membrane, *self._numbers(values), self.neuron)[0]

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
        return options_repr(self.kind, self.options)


@torch.no_grad()
def orthogonalize(weight: Tensor) -> None:
    """Replace a drawn square matrix by its orthogonal factor, in place; draws no random numbers."""
    q, r = torch.linalg.qr(weight.to(torch.promote_types(weight.dtype, torch.float32)))
    weight.copy_(q * r.diagonal().sgn())


def uniform_bound(hidden_size: int) -> float:
    return 1.0 / math.sqrt(hidden_size)
