"""The options of every neuron: default, type, choices and meaning of each, said once.

``Options`` is the value that a layer keeps of them (``layer.options``). ``KINDS`` says for each
neuron which of them it has and with which defaults. Nothing here imports torch.

The signatures and docstrings of the constructors repeat names, defaults and help texts, so that an
editor shows them; a test compares them with these. The choices that make a ``liafseq.neurons.Neuron``
are checked there, initial values in ``liafseq._modules.parameters``.
"""

# ruff: noqa: RUF009

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liafseq._modules.parameters import Initial

__all__ = ["KINDS", "Kind", "Option", "Options", "check_choice", "describe"]

_TYPES = {
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "str": "name",
    "str | None": "name or none",
    "Initial": "number, pair (low, high) or tensor",
    "int | tuple[int, int] | None": "whole number, pair (height, width) or none",
}
"""Annotations of ``Options``, in words."""


def _option(help: str, default: Any, *choices: str | None) -> Any:
    """A field with its one-line meaning, which reads on after "name: "."""
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True, eq=False)
class Options:
    """What a person may choose of a neuron; the default stands where a neuron has no such choice."""

    normalization: str | None = _option(
        '``"batch"`` for an ``nn.BatchNorm2d`` between the convolution and its current.', None, "batch", None
    )
    synapse: bool = _option("let the current fade over the steps, as ``SynapticConv2d`` does.", False)
    synapse_decay: Initial = _option("lambda of the fading current, in [0, 1]; given as decay is.", 0.5)
    learn_synapse_decay: bool = _option("whether lambda is learned.", True)
    output: str = _option(
        '``"spike"`` for s, ``"analog"`` for f as LIAF emits it.', "spike", "spike", "analog"
    )
    levels: int = _option("K, the number of thresholds theta, 2 theta, ... K theta.", 1)
    activation: str = _option("f, one of ``liafseq.neurons.ACTIVATIONS``; of analog output.", "tanh")
    threshold_related: bool = _option("emit f(u - theta) instead of f(u); of analog output.", False)
    feedback: str | None = _option(
        'what W_hh reads: ``"output"`` (y), ``"membrane"`` (v, which then replaces the leaked term) or '
        "None (no W_hh).",
        "output",
    )
    recurrent_kernel_size: int | tuple[int, int] | None = _option(
        "kernel of W_hh, of stride 1 and padding ``'same'``; None: kernel_size.", None
    )
    gated: bool = _option('make the decay of each step a gate; needs ``feedback="output"``.', False)
    neurons_per_gate: int = _option("how many neighbours share the weights of a gate.", 1)
    reset: str = _option(
        '``"hard"`` (to v_reset; of one level), ``"soft"`` (theta is subtracted) or ``"none"``.', "hard"
    )
    v_reset: float = _option("where a hard reset leads.", 0.0)
    threshold: Initial = _option("theta > 0; given as decay is.", 1.0)
    decay: Initial = _option(
        "what the membrane keeps per step; a number, a pair (low, high) to draw from, a tensor or "
        '``"fast-and-slow"``.',
        0.5,
    )
    gain: Initial = _option("a, what the current is multiplied with, in (-1, 1); given as decay is.", 0.9)
    leak: Initial = _option("beta, added in each step; given as decay is.", 0.0)
    normalize_current: bool = _option(
        "scale the current by 1 - alpha, the Euler step of tau dV/dt = -V + I.", False
    )
    share: str = _option(
        'the neuron\'s numbers are one per neuron (per channel, of maps) or one per ``"layer"``.', "neuron"
    )
    learn_decay: bool = _option("whether the decay is learned.", True)
    learn_gain: bool = _option("whether the gain is learned.", True)
    learn_threshold: bool = _option("whether the threshold is learned.", False)
    learn_leak: bool = _option("whether the leak is learned.", False)
    surrogate: str = _option(
        "the derivative of H in the backward pass, one of ``liafseq.surrogate.SURROGATES``.", "gaussian"
    )
    surrogate_width: float = _option("its width, in units of the membrane potential.", 0.4)
    detach_reset: bool = _option("no gradient through the spike in the reset.", True)
    recurrent_init: str = _option(
        'W_hh ``"orthogonal"``, or ``"uniform"`` as nn.RNN draws it.', "uniform", "uniform", "orthogonal"
    )
    state_format: str = _option(
        '``"lstm"``: state (h, c), output and membrane potential; ``"gru"``: the membrane potential alone.',
        "lstm", "lstm", "gru",
    )  # fmt: skip

    @property
    def blocks(self) -> int:
        """Rows of the weights for each neuron, as the time loop reads them: the current's, and a gate's."""
        return 2 if self.gated else 1

    def parts(self, features: int) -> tuple[int, ...]:
        """Rows of the weights: the current's, and a gate's, which neighbours may share."""
        return (features, -(-features // self.neurons_per_gate)) if self.gated else (features,)

    def rows(self, features: int) -> int:
        """All rows of the weights."""
        return sum(self.parts(features))

    def __post_init__(self) -> None:
        for option in fields(self):
            value, choices = getattr(self, option.name), option.metadata["choices"]
            if option.type == "bool" and not isinstance(value, bool):
                raise TypeError(f"{option.name} should be of type bool, got: {type(value).__name__}")
            if choices:
                check_choice(option.name, value, choices)
        count = self.neurons_per_gate
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"neurons_per_gate should be of type int, got: {type(count).__name__}")
        if count < 1:
            raise ValueError(f"neurons_per_gate should be at least 1, got: {count}")
        if count > 1 and not self.gated:
            raise ValueError(f"neurons_per_gate={count} needs gated=True")


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} should be one of {', '.join(map(repr, choices))}, got: {value!r}")


@dataclass(frozen=True)
class Kind:
    """A neuron's options and their defaults.

    Attributes:
        title: the name of its layer.
        defaults: the value of every option; of one it lacks, what it does instead.
        names: the options that it has, in the order of ``Options``.
        gated: its defaults with ``gated=True`` where those differ; its constructor then has None
            in their place.
    """

    title: str
    defaults: Options
    names: tuple[str, ...]
    gated: Options | None = None

    @property
    def wide_share(self) -> str:
        """The other choice of ``share`` than ``"layer"``."""
        return self.defaults.share

    @property
    def by_gate(self) -> tuple[str, ...]:
        """The options whose default depends on the gate."""
        if self.gated is None:
            return ()
        return tuple(n for n in self.names if getattr(self.gated, n) != getattr(self.defaults, n))

    def defaults_for(self, gated: bool) -> Options:
        return self.gated if gated and self.gated is not None else self.defaults

    def choose(self, given: Mapping[str, Any]) -> Options:
        """The options of a constructor, checked; None stands for a default that depends on the gate."""
        defaults = self.defaults_for(given.get("gated") is True)
        by_gate = self.by_gate
        chosen = {name: value for name, value in given.items() if not (value is None and name in by_gate)}
        check_choice("share", chosen.get("share", self.wide_share), ("layer", self.wide_share))
        return replace(defaults, **chosen)

    def changed(self, options: Options) -> dict[str, Any]:
        """The options that are not the defaults."""
        defaults = self.defaults_for(options.gated)
        values = {name: getattr(options, name) for name in self.names}
        # a tensor has no defaults to be compared with
        return {
            name: value
            for name, value in values.items()
            if hasattr(value, "shape") or value != getattr(defaults, name)
        }


_ALL = tuple(option.name for option in fields(Options))
_OF_MAPS = {"normalization", "synapse", "synapse_decay", "learn_synapse_decay", "recurrent_kernel_size"}
_OF_SEQUENCES = {"recurrent_init"}
_ANALOG = {"activation", "threshold_related"}
_GAIN = {"gain", "learn_gain"}

_LACKS = {
    "LIAF": {"output", "levels"} | _GAIN,
    "LIF": {"output", "levels"} | _GAIN | _ANALOG,
    "DALIF": {"levels", "leak", "learn_leak", "normalize_current"},
    "MLIF": {"output", "v_reset"} | _GAIN | _ANALOG,
}
_SEQUENCES = {
    "LIAF": Options(
        output="analog", threshold=1.0, decay="fast-and-slow", normalize_current=True, detach_reset=False,
        surrogate="rectangular", surrogate_width=1.0, recurrent_init="orthogonal",
    ),
    "LIF": Options(threshold=0.3),
    "DALIF": Options(threshold=0.25, surrogate_width=0.35),
    "MLIF": Options(levels=3, reset="soft", threshold=0.5, decay=0.2),
}  # fmt: skip
_NO_RESET: dict[str, Any] = {"decay": (0.5, 0.99), "normalize_current": True, "reset": "none"}
_GATED = {
    "LIAF": replace(_SEQUENCES["LIAF"], recurrent_init="uniform", **_NO_RESET),
    "LIF": replace(_SEQUENCES["LIF"], **_NO_RESET),
    "MLIF": replace(_SEQUENCES["MLIF"], **_NO_RESET),
}
_MAPS = {
    "LIAF": Options(
        output="analog", activation="relu", feedback=None, threshold=1.0, share="channel",
        surrogate="rectangular", surrogate_width=1.0, detach_reset=False,
    ),
    "LIF": Options(feedback=None, threshold=0.3, share="channel"),
    "DALIF": Options(activation="relu", feedback=None, threshold=0.25, share="channel", surrogate_width=0.35),
    "MLIF": Options(levels=3, feedback=None, reset="soft", threshold=0.5, share="channel"),
}  # fmt: skip

_GATED_MAPS = {
    "LIAF": replace(_MAPS["LIAF"], reset="none"),
    "LIF": replace(_MAPS["LIF"], **_NO_RESET),
    "MLIF": replace(_MAPS["MLIF"], **_NO_RESET),
}


def _without(lacks: set[str]) -> tuple[str, ...]:
    return tuple(name for name in _ALL if name not in lacks)


KINDS = {
    **{
        name.lower(): Kind(name, defaults, _without(_LACKS[name] | _OF_MAPS), _GATED.get(name))
        for name, defaults in _SEQUENCES.items()
    },
    **{
        f"conv-{name.lower()}": Kind(
            f"Conv{name}", defaults, _without(_LACKS[name] | _OF_SEQUENCES), _GATED_MAPS.get(name)
        )
        for name, defaults in _MAPS.items()
    },
    "synaptic-conv": Kind(
        "SynapticConv2d",
        Options(normalization="batch", synapse=True, share="channel"),
        ("normalization", "synapse_decay", "learn_synapse_decay", "share"),
    ),
}
"""By the name that a model has on the command line."""


@dataclass(frozen=True)
class Option:
    """One option of one neuron.

    Attributes:
        default: what it is when it is not given.
        gated_default: the same with ``gated=True``.
        type: what is expected, in words.
        help: its meaning, in a line.
    """

    name: str
    default: Any
    gated_default: Any
    type: str
    help: str
    _choices: tuple[str | None, ...] = ()

    @property
    def choices(self) -> tuple[str | None, ...]:
        """The values to choose from; empty where there is no list of them."""
        if self._choices:
            return self._choices
        # imports torch
        from liafseq.neurons import choices

        return choices().get(self.name, ())


def describe(neuron: str | type) -> tuple[Option, ...]:
    """The options of a neuron, in the order of its signature.

    Args:
        neuron: a name in ``KINDS``, or a layer, cell or convolution of the package (or a class
            derived from it).

    Raises:
        ValueError: an unknown name.
        TypeError: a class without options.

    >>> {option.name: option.default for option in describe("lif")}["threshold"]
    0.3
    >>> decay = next(option for option in describe("liaf") if option.name == "decay")
    >>> decay.default, decay.gated_default
    ('fast-and-slow', (0.5, 0.99))
    """
    if isinstance(neuron, str):
        check_choice("neuron", neuron, tuple(KINDS))
        kind = KINDS[neuron]
    else:
        found = getattr(neuron, "kind", None)
        if not isinstance(found, Kind):
            raise TypeError(f"{neuron!r} has no neuron options")
        kind = found
    about = {option.name: option for option in fields(Options)}
    gated = kind.defaults_for(True)
    return tuple(
        Option(
            name,
            getattr(kind.defaults, name),
            getattr(gated, name),
            _TYPES[str(about[name].type)],
            about[name].metadata["help"],
            ("layer", kind.wide_share) if name == "share" else about[name].metadata["choices"],
        )
        for name in kind.names
    )
