"""The one registry: names of models -> recurrent layers, and which task has which."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "build_conv",
    "build_layer",
    "check_model",
    "has_second_state",
    "is_convolutional",
    "is_spiking_convolution",
    "model_names",
    "neuron_options",
]


class _Entry(NamedTuple):
    module: str
    attribute: str
    tasks: tuple[str, ...]
    second_state: bool
    """Whether the state is a pair; its second part is the membrane potential or LSTM's cell."""
    neuron: bool
    """Whether the constructor takes neuron options."""


_BOTH = ("babi", "dvs")
# Classes by name, so that asking for names (the command line's help) imports no torch.
_MODELS = {
    "liaf": _Entry("liafseq", "LIAF", _BOTH, True, True),
    "lif": _Entry("liafseq", "LIF", _BOTH, True, True),
    "dalif": _Entry("liafseq", "DALIF", _BOTH, True, True),
    "mlif": _Entry("liafseq", "MLIF", _BOTH, True, True),
    "rnn": _Entry("torch.nn", "RNN", _BOTH, False, False),
    "gru": _Entry("torch.nn", "GRU", _BOTH, False, False),
    "lstm": _Entry("torch.nn", "LSTM", _BOTH, True, False),
    "conv-liaf": _Entry("liafseq", "ConvLIAF", ("dvs",), True, True),
    "conv-lif": _Entry("liafseq", "ConvLIF", ("dvs",), True, True),
    "conv-dalif": _Entry("liafseq", "ConvDALIF", ("dvs",), True, True),
    "conv-mlif": _Entry("liafseq", "ConvMLIF", ("dvs",), True, True),
    "conv-lstm": _Entry("liafseq.tasks.dvs.baselines", "ConvLSTM", ("dvs",), True, False),
    "conv3d": _Entry("torch.nn", "Conv3d", ("dvs",), False, False),
}

# Keyword-only parameters that are no property of the neuron, or that the adapters fix themselves.
_NOT_NEURON = {"device", "dtype", "state_format", "normalization", "synapse"}


def model_names(task: str = "babi") -> tuple[str, ...]:
    """The names of the models of a task, in the registry's order.

    >>> model_names("babi")
    ('liaf', 'lif', 'dalif', 'mlif', 'rnn', 'gru', 'lstm')
    """
    return tuple(name for name, entry in _MODELS.items() if task in entry.tasks)


def has_second_state(name: str) -> bool:
    """Whether the layer's state is a pair (output, membrane potential or cell)."""
    return _entry(name).second_state


def neuron_options(name: str) -> dict[str, Any]:
    """The neuron options of a model with their defaults, read from its constructor.

    torch's own layers have none. Raises ValueError for an unknown name.
    """
    entry = _entry(name)
    if not entry.neuron:
        return {}
    parameters = inspect.signature(_layer_class(entry)).parameters.values()
    return {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in _NOT_NEURON
    }


def check_model(name: str, task: str = "babi", options: Mapping[str, Any] | None = None) -> None:
    """Checks a model's name, that the task has it, and the names of its neuron options.

    Raises:
        ValueError: with the names that would be right.
    """
    entry = _entry(name, task)
    if not options:
        return
    if not entry.neuron:
        raise ValueError(f"model {name!r} is torch's own and takes no neuron options; got {_list(options)}")
    known = neuron_options(name)
    for option in options:
        if option not in known:
            raise ValueError(
                f"model {name!r} has no neuron option {option!r}{_hint(option, known)}; it has {_list(known)}"
            )


def build_layer(
    name: str,
    input_size: int,
    hidden_size: int,
    *,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    batch_first: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """The layer of a name, with the interface of nn.GRU or nn.LSTM (see :func:`has_second_state`).

    Raises:
        ValueError: an unknown name or option (see :func:`check_model`), or what the layer refuses.

    >>> build_layer("gru", 3, 4)
    GRU(3, 4)
    """
    check_model(name, "babi", options)  # bAbI's models are the recurrent layers
    return _layer_class(_entry(name))(
        input_size,
        hidden_size,
        num_layers=num_layers,
        # Between layers only: torch warns about dropout where there is one layer.
        dropout=dropout if num_layers > 1 else 0.0,
        bidirectional=bidirectional,
        batch_first=batch_first,
        **(options or {}),
    )


def build_conv(name: str, in_channels: int, out_channels: int, kernel_size: int, **arguments: Any) -> Any:
    """The convolutional layer of a name, its maps as large as its input's.

    Args:
        name: of a ``conv`` model.
        in_channels, out_channels, kernel_size: as of nn.Conv2d; the kernel is odd.
        arguments: of the layer, such as neuron options.

    Raises:
        ValueError: an unknown name, or what the layer refuses.

    >>> build_conv("conv3d", 2, 4, 3)
    Conv3d(2, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1))
    """
    kind = _layer_class(_entry(name, "dvs"))
    if name != "conv-lstm":
        arguments["padding"] = kernel_size // 2
    return kind(in_channels, out_channels, kernel_size, **arguments)


def is_convolutional(name: str) -> bool:
    """Whether a model reads maps instead of vectors."""
    return name.startswith("conv")


def is_spiking_convolution(name: str) -> bool:
    """Whether a model is a liafseq layer over maps.

    >>> [name for name in model_names("dvs") if is_spiking_convolution(name)]
    ['conv-liaf', 'conv-lif', 'conv-dalif', 'conv-mlif']
    """
    return is_convolutional(name) and _entry(name).neuron


def _entry(name: str, task: str | None = None) -> _Entry:
    names = model_names(task) if task else tuple(_MODELS)
    if name not in names:
        of = f" of task {task!r}" if task else ""
        raise ValueError(f"unknown model{of}: {name!r}{_hint(name, names)}; the models are {_list(names)}")
    return _MODELS[name]


def _layer_class(entry: _Entry) -> type:
    return getattr(importlib.import_module(entry.module), entry.attribute)


def _hint(word: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word).lower(), list(known), 1)
    return f", did you mean {close[0]!r}?" if close else ""


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
