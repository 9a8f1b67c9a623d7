"""Spiking recurrent layers with the interface of nn.GRU and nn.LSTM."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liafseq._cost import Cost, EnergyModel, LayerCost, cost
    from liafseq.cells import DALIFCell, LIAFCell, LIFCell, MLIFCell
    from liafseq.conv import ConvDALIF, ConvLIAF, ConvLIF, ConvMLIF, over_time
    from liafseq.convert import replace_rnn
    from liafseq.layers import DALIF, LIAF, LIF, MLIF
    from liafseq.neurons import register_activation
    from liafseq.padding import padded
    from liafseq.surrogate import register_surrogate
    from liafseq.synaptic import SynapticConv2d

__all__ = [
    "DALIF",
    "LIAF",
    "LIF",
    "MLIF",
    "ConvDALIF",
    "ConvLIAF",
    "ConvLIF",
    "ConvMLIF",
    "Cost",
    "DALIFCell",
    "EnergyModel",
    "LIAFCell",
    "LIFCell",
    "LayerCost",
    "MLIFCell",
    "SynapticConv2d",
    "cost",
    "over_time",
    "padded",
    "register_activation",
    "register_surrogate",
    "replace_rnn",
]
__version__ = "0.1.0"

_HOMES = {
    "liafseq.layers": ("DALIF", "LIAF", "LIF", "MLIF"),
    "liafseq.cells": ("DALIFCell", "LIAFCell", "LIFCell", "MLIFCell"),
    "liafseq.conv": ("ConvDALIF", "ConvLIAF", "ConvLIF", "ConvMLIF", "over_time"),
    "liafseq.synaptic": ("SynapticConv2d",),
    "liafseq.padding": ("padded",),
    "liafseq.neurons": ("register_activation",),
    "liafseq.surrogate": ("register_surrogate",),
    "liafseq.convert": ("replace_rnn",),
    "liafseq._cost": ("Cost", "EnergyModel", "LayerCost", "cost"),
}


def __getattr__(name: str) -> Any:
    # torch is imported at the first use: the command line answers without it
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
