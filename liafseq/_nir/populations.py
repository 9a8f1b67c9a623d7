"""The layers of populations of neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import torch
from torch import Tensor, nn

from liafseq._modules.layer import SpikingRNNBase
from liafseq._nir.dynamics import Array, Dynamics
from liafseq._nir.network import Pointwise, RecurrentSynapse
from liafseq._nir.nodes import conv_arguments, static, weights_of
from liafseq.conv import ConvDALIF, ConvLIF
from liafseq.layers import DALIF, LIF

__all__ = ["NEURONS", "OPTIONS", "Maker", "Population"]

NEURONS = (nir.LIF, nir.CubaLIF, nir.IF)
OPTIONS = (
    "learn_decay", "learn_threshold", "learn_synapse_decay", "surrogate", "surrogate_width", "detach_reset",
)  # fmt: skip


@dataclass(frozen=True)
class Population:
    """A node of neurons with the weights before it, or None, and those of its feedback, or None."""

    node: Any
    weights: Any
    feedback: Any


class Maker:
    """Makes layers of populations, for a time step and a dtype, with the options that were given."""

    def __init__(self, dt: float, dtype: torch.dtype, options: dict[str, Any]) -> None:
        self.dt = dt
        self.dtype = dtype
        self.options = options

    def layer(self, population: Population, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
        """The layer of a population behind maps or vectors of that shape, and the shape of what it emits."""
        node, weights = population.node, population.weights
        after = shape if weights is None else static(weights, shape, self.dtype)[1]
        numbers = Dynamics.of(node, self.dt, torch.empty((), dtype=self.dtype).numpy().dtype, after)
        if population.feedback is not None:
            back = static(population.feedback, after, self.dtype)[1]
            if back != after:
                raise ValueError(f"its feedback has shape {back}, expected {after}")
        if isinstance(weights, nir.Conv2d) or (
            weights is None and isinstance(population.feedback, nir.Conv2d)
        ):
            return self._conv(population, numbers, after), after
        if isinstance(node, nir.CubaLIF) or (weights is None and population.feedback is None):
            return self._pointwise(population, numbers), after
        return self._dense(population, numbers), after

    def _make(self, over_maps: bool, numbers: Dynamics, *sizes: Any, **arguments: Any) -> Any:
        decay, synapse = numbers.decay, numbers.synapse
        signed = bool((decay < 0).any())
        kinds = (ConvLIF, ConvDALIF) if over_maps else (LIF, DALIF)
        cls: Any = kinds[signed]
        options = {
            "decay": torch.from_numpy(decay.copy()),
            "threshold": torch.from_numpy(numbers.threshold.copy()),
            "v_reset": numbers.v_reset,
            **{k: v for k, v in self.options.items() if k in cls.kind.names},
        }
        if signed:
            options |= {"gain": 1.0, "learn_gain": False}
        if synapse is not None:
            options |= {"synapse": True, "synapse_decay": torch.from_numpy(synapse.copy())}
        # what is learned lies inside its interval
        low = -1 if signed else 0
        if not ((decay > low) & (decay < 1)).all():
            options["learn_decay"] = False
        if synapse is not None and not ((synapse > 0) & (synapse < 1)).all():
            options["learn_synapse_decay"] = False
        return cls(*sizes, dtype=self.dtype, **arguments, **options)

    def _feedback(self, population: Population, gain: Array) -> tuple[Tensor | None, Tensor | None]:
        """Weight and bias of the feedback, times the gain."""
        if population.feedback is None:
            return None, None
        weight, bias = weights_of(population.feedback, self.dtype)
        return _times(weight, gain), None if bias is None else _times(bias, gain)

    def _dense(self, population: Population, numbers: Dynamics) -> SpikingRNNBase:
        features = len(numbers.decay)
        if population.weights is None:
            weight, bias = torch.eye(features, dtype=self.dtype), None
        else:
            weight, bias = weights_of(population.weights, self.dtype)
        back, back_bias = self._feedback(population, numbers.gain)
        layer = self._make(
            False, numbers, weight.shape[1], features, bias=bias is not None or back_bias is not None,
            feedback=None if back is None else "output",
        )  # fmt: skip
        values = {"weight_ih_l0": _times(weight, numbers.gain), "weight_hh_l0": back, "bias_hh_l0": back_bias}
        values["bias_ih_l0"] = None if bias is None else _times(bias, numbers.gain)
        return _filled(layer, values)

    def _pointwise(self, population: Population, numbers: Dynamics) -> nn.Module:
        shape = numbers.decay.shape
        features, gain = numbers.decay.size, numbers.gain.reshape(-1)
        flat = Dynamics(
            numbers.decay.reshape(-1), gain, numbers.threshold.reshape(-1), numbers.v_reset,
            None if numbers.synapse is None else numbers.synapse.reshape(-1),
        )  # fmt: skip
        dense = population.weights is not None
        weight, bias = torch.ones(features, 1, dtype=self.dtype), None
        if dense:
            weight, bias = weights_of(population.weights, self.dtype)
        back, back_bias = self._feedback(population, gain)
        if back is not None and len(shape) != 1:
            raise ValueError(f"feedback through a synapse is for vectors, got neurons of shape {shape}")
        bias = _sum(None if bias is None else _times(bias, gain), back_bias)
        layer = self._make(
            True, flat, weight.shape[1] if dense else features, features, 1,
            groups=1 if dense else features, bias=bias is not None,
        )  # fmt: skip
        _filled(layer, {"weight": _times(weight, gain)[..., None, None], "bias": bias})
        pointwise = Pointwise(layer, dense)
        return pointwise if back is None else RecurrentSynapse(pointwise, back)

    def _conv(self, population: Population, numbers: Dynamics, shape: tuple[int, ...]) -> nn.Module:
        node = population.weights
        if numbers.synapse is not None and population.feedback is not None:
            raise ValueError("feedback through a synapse is for vectors, got a feedback by convolution")
        per_channel = _per_channel(numbers)
        if per_channel is None:
            raise ValueError("neurons of maps with feedback should have numbers per channel, not per pixel")
        gain, channels = per_channel.gain, shape[0]
        if node is None:
            weight, bias = torch.ones(channels, 1, 1, 1, dtype=self.dtype), None
            arguments: dict[str, Any] = {
                "in_channels": channels, "out_channels": channels, "kernel_size": 1, "groups": channels
            }  # fmt: skip
        else:
            (weight, bias), arguments = weights_of(node, self.dtype), conv_arguments(node)
        back, back_bias = self._feedback(population, gain)
        bias = None if bias is None else _times(bias, gain)
        if back is not None:
            bias = _sum(bias, back_bias)
            given = conv_arguments(population.feedback)
            if given["groups"] != arguments["groups"]:
                raise ValueError(
                    f"a feedback of {given['groups']} groups beside {arguments['groups']} of the input"
                )
            if given["stride"] != (1, 1) or given["dilation"] != (1, 1):
                raise ValueError("a feedback by convolution should have a stride and dilation of 1")
            arguments |= {"feedback": "output", "recurrent_kernel_size": given["kernel_size"]}
        layer = self._make(True, per_channel, **arguments, bias=bias is not None)
        return _filled(layer, {"weight": _times(weight, gain), "bias": bias, "weight_hh": back})


def _per_channel(numbers: Dynamics) -> Dynamics | None:
    """The numbers of maps, one per channel; None if they differ within one."""
    arrays = (numbers.decay, numbers.gain, numbers.threshold, numbers.synapse)
    flat = [None if array is None else array.reshape(len(array), -1) for array in arrays]
    if any(array is not None and (array != array[:, :1]).any() for array in flat):
        return None
    decay, gain, threshold, synapse = (None if array is None else array[:, 0] for array in flat)
    assert decay is not None and gain is not None and threshold is not None  # noqa: PT018
    return Dynamics(decay, gain, threshold, numbers.v_reset, synapse)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _times(value: Tensor, gain: Array) -> Tensor:
    wide = torch.from_numpy(gain.copy()).reshape(-1, *(1,) * (value.dim() - 1))
    return (value.double() * wide).to(value.dtype)


@torch.no_grad()
def _filled(layer: Any, values: dict[str, Tensor | None]) -> Any:
    """The layer with these weights; one that is None and that it has is zero."""
    for name, value in values.items():
        parameter = getattr(layer, name, None)
        if parameter is None:
            continue
        if value is None:
            parameter.zero_()
        else:
            parameter.copy_(value)
    return layer
