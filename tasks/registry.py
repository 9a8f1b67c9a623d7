"""The registry of models: what a name on the command line builds, and what a study needs to know of it.

Names are those of this table, of the entry point group ``liafseq.models``, or ``module:Class``: any
class with the constructor and the state of nn.GRU or nn.LSTM, whose keyword-only parameters are its options.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Literal

from liafseq.options import Option, describe

__all__ = ["Model", "known", "model", "states"]

GROUP = "liafseq.models"

Kind = Literal["layer", "maps"]
"""Whether a model reads sequences of vectors, or of maps."""


@dataclass(frozen=True)
class Model:
    """A model of the registry.

    Attributes:
        name: on the command line.
        title: spelt out.
        path: ``module:Class``; imported where it is used, so that names cost no torch.
        kind: what it reads.
        spiking: whether its options are those of a neuron.
        pair: whether its state is a pair, of which the second is the membrane potential or LSTM's cell; None
            where only a run tells.
        color, marker: in every plot. Warm colours spike, cool ones do not (Okabe and Ito's palette).
        searched: options of a search, each with the values that are tried.
    """

    name: str
    title: str
    path: str
    kind: Kind = "layer"
    spiking: bool = False
    pair: bool | None = None
    color: str = "#555555"
    marker: str = "."
    searched: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def layer_class(self) -> type:
        """The class; ImportError or ValueError where there is none."""
        module, _, name = self.path.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"model {self.name!r}: {self.path} cannot be imported: {error}") from error
        if not inspect.isclass(found):
            raise ValueError(f"model {self.name!r}: {self.path} is not a class")
        return found

    def takes(self, argument: str) -> bool:
        """Whether its constructor has an argument."""
        return argument in inspect.signature(self.layer_class()).parameters

    def options(self) -> dict[str, Any]:
        """Its options with their defaults: the constructor's keyword-only parameters.

        torch's own layers have none.
        """
        if self.path.startswith("torch.nn:"):
            return {}
        if about := self._about():  # they are known without torch
            return {name: option.default for name, option in about.items() if name not in _NOT_OPTIONS}
        return {
            parameter.name: parameter.default
            for parameter in inspect.signature(self.layer_class()).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in _NOT_OPTIONS
        }

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the options are that are not given; empty where the class is not of this package."""
        gated = given.get("gated") is True
        return {
            name: option.gated_default if gated else option.default
            for name, option in self._about().items()
            if name not in _NOT_OPTIONS and name not in given
        }

    def choices(self, option: str) -> tuple[str | None, ...]:
        """What an option is chosen from; empty where that is not known."""
        found = self._about().get(option)
        return () if found is None else found.choices

    def _about(self) -> dict[str, Option]:
        """What is known of its options, by name; nothing of a class of another package."""
        own = self.path.startswith("liafseq:")
        return {option.name: option for option in describe(self.name)} if own else {}

    def described(self) -> list[tuple[str, str, str]]:
        """Its options: name, default, meaning in a line (empty for a class of another package)."""
        from liafseq.tasks.results import value_text

        about = self._about()
        found = []
        for name, value in self.options().items():
            known_of = about.get(name)
            default = value_text(value if known_of is None else known_of.default)
            if known_of is not None and known_of.gated_default != known_of.default:
                default += f" (gated: {value_text(known_of.gated_default)})"
            meaning = "" if known_of is None else known_of.help.replace("``", "")
            found.append((name, default, meaning))
        return found


# Keyword-only parameters that the tasks fix themselves.
_NOT_OPTIONS = {"device", "dtype", "state_format", "normalization", "synapse"}

_NEURON: Mapping[str, tuple[Any, ...]] = {
    "decay": (0.2, 0.5, 0.9),
    "threshold": (0.3, 0.5, 1.0),
    "surrogate_width": (0.2, 0.4, 1.0),
}


def _spiking(name: str, title: str, attribute: str, color: str, marker: str, **more: Any) -> list[Model]:
    """A neuron as a recurrent layer and as a convolutional one."""
    return [
        Model(name, title, f"liafseq:{attribute}", spiking=True, pair=True, color=color, marker=marker,
              searched={**_NEURON, **more}),
        Model(f"conv-{name}", f"{title}, convolutional", f"liafseq:Conv{attribute}", "maps", spiking=True,
              pair=True, color=color, marker=marker, searched=_NEURON),
    ]  # fmt: skip


_OWN = [
    *_spiking("liaf", "leaky integrate and analog fire", "LIAF", "#D55E00", "o",
              decay=("fast-and-slow", 0.05, 0.5, 0.9)),
    *_spiking("lif", "leaky integrate and fire", "LIF", "#E69F00", "s"),
    *_spiking("dalif", "dual adaptive leaky integrate and fire", "DALIF", "#CC79A7", "^"),
    *_spiking("mlif", "multi-threshold leaky integrate and fire", "MLIF", "#8C6D1F", "D"),
    Model("rnn", "recurrent network of tanh units", "torch.nn:RNN", pair=False, color="#009E73", marker="X"),
    Model("gru", "gated recurrent unit", "torch.nn:GRU", pair=False, color="#0072B2", marker="v"),
    Model("lstm", "long short-term memory", "torch.nn:LSTM", pair=True, color="#56B4E9", marker="P"),
    Model("conv-lstm", "convolutional long short-term memory", "liafseq.tasks.baselines:ConvLSTM", "maps",
          pair=True, color="#56B4E9", marker="P"),
    Model("conv3d", "convolution over space and time", "torch.nn:Conv3d", "maps", pair=False,
          color="#000000", marker="*"),
    Model("conv-relu", "convolution and relu, a step at a time", "liafseq.tasks.baselines:ConvReLU", "maps",
          pair=False, color="#0072B2", marker="v"),
]  # fmt: skip
_TABLE = {entry.name: entry for kind in ("layer", "maps") for entry in _OWN if entry.kind == kind}


def known(kinds: Iterable[str] = ("layer", "maps")) -> tuple[str, ...]:
    """The names of the models of some kinds, in the registry's order.

    >>> known(["layer"])[:7]
    ('liaf', 'lif', 'dalif', 'mlif', 'rnn', 'gru', 'lstm')
    """
    wanted = tuple(kinds)
    return tuple(name for name, entry in _all().items() if entry.kind in wanted)


@lru_cache(maxsize=1)
def _all() -> dict[str, Model]:
    outside = {
        point.name: Model(point.name, point.value, point.value)
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)
        if point.name not in _TABLE
    }
    return {**_TABLE, **outside}


def model(name: str, kinds: Iterable[str] = ("layer", "maps")) -> Model:
    """The model of a name, or of ``module:Class``; ``kinds`` are those that an error names.

    Raises:
        ValueError: an unknown name, with the nearest known one.

    >>> model("gru").title
    'gated recurrent unit'
    """
    table = _all()
    if name in table:
        return table[name]
    if ":" in name:
        found = Model(name, name, name)
        found.layer_class()
        return found
    names = known(kinds)
    close = difflib.get_close_matches(name.lower(), names, 1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown model: {name!r}{hint}; the models are {', '.join(names)}")


def states(state: Any) -> tuple[Any, Any]:
    """A layer's state as a pair: output, and membrane potential or cell (None where it has none)."""
    return (state[0], state[1]) if isinstance(state, (tuple, list)) else (state, None)
