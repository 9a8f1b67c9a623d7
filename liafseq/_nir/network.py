"""What a graph becomes: layers in their order, over all steps at once."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter

from liafseq._modules.conv import over_time
from liafseq._modules.layer import SpikingRNNBase
from liafseq._modules.spiking_conv import SpikingConv2d
from liafseq.neurons import advance

__all__ = ["Network", "Pointwise", "RecurrentSynapse", "Scale", "output_shape"]


class Scale(nn.Module):
    """Each element times a number of its own."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = Parameter(scale)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Pointwise(nn.Module):
    """A convolutional layer over (T, N, ...), each element a channel of one pixel.

    Attributes:
        layer: of kernel 1, ``(features, features)`` with as many groups, or dense: any sizes, one group.
        dense: whether its weight is that of a linear map of vectors.
    """

    def __init__(self, layer: SpikingConv2d, dense: bool) -> None:
        super().__init__()
        self.layer = layer
        self.dense = dense

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        out, state = self.layer(x.flatten(2)[..., None, None], state)
        return (out.flatten(2) if self.dense else out.reshape(x.shape)), state


class RecurrentSynapse(nn.Module):
    """Neurons whose feedback goes through their synapse, step by step in torch operations.

        I_t = lambda I_{t-1} + W x_t + b + W_hh y_{t-1}
        u_t = alpha R_{t-1} + I_t

    It is slower than the layers: each step is a call of its own. The state is (y, u, I) of the last step.

    Attributes:
        input: has W, b and the numbers of neurons and synapse.
        weight_hh: (features, features).
    """

    def __init__(self, input: Pointwise, weight_hh: Tensor) -> None:
        super().__init__()
        self.input = input
        self.weight_hh = Parameter(weight_hh)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        layer = self.input.layer
        values = layer._trait_values("")
        current = layer._conv_forward(x.flatten(0, 1)[..., None, None], layer.weight, layer.bias)
        current = current.flatten(1).unflatten(0, x.shape[:2])
        numbers = values["decay"], values["threshold"], None, layer.neuron
        if state is None:
            y, v, charge = (torch.zeros_like(current[0]) for _ in range(3))
        else:
            y, u, charge = state
            v = advance(u, *numbers)[1]
        outputs = []
        for step in current:
            charge = values["synapse_decay"] * charge + step + F.linear(y, self.weight_hh)
            u = v + charge
            y, v = advance(u, *numbers)
            outputs.append(y)
        return torch.stack(outputs), (y, u, charge)


_WITH_STATE = (SpikingRNNBase, SpikingConv2d, Pointwise, RecurrentSynapse)


def output_shape(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one element of a batch behind a module that knows no time; nothing is computed."""
    values = {name: tensor.to("meta") for name, tensor in module.state_dict(keep_vars=True).items()}
    dtype = next((tensor.dtype for tensor in values.values()), None)
    try:
        x = torch.empty(1, *shape, dtype=dtype, device="meta")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on even kernels and padding="same"
            out = torch.func.functional_call(module, values, (x,))
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"an input of shape {shape} does not fit {module}: {error}") from None
    return tuple(out.shape[1:])


class Network(nn.Module):
    """The layers of a graph without cycles; what reaches a layer on several edges is added.

    Inputs: ``input, state``
        - input: (T, N, *input_shape).
        - state: what an earlier call returned; None is rest.

    Outputs: ``output, state``
        - output: (T, N, ...).
        - state: the state of each layer that has one, by its name.

    Attributes:
        layers: an ``nn.ModuleDict``, in the order in which they run.
        sources: for each layer, and for ``"output"``, the names of those before it; ``"input"`` is the input.
        input_shape: of one step of one sequence.
        dt: the time step that the layers' numbers belong to, in seconds; None without neurons.

    Raises:
        ValueError: an input of another shape.
    """

    def __init__(
        self,
        layers: dict[str, nn.Module],
        sources: dict[str, tuple[str, ...]],
        input_shape: tuple[int, ...],
        dt: float | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.sources = sources
        self.input_shape = input_shape
        self.dt = dt

    def forward(self, input: Tensor, state: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        if input.dim() < 3 or tuple(input.shape[2:]) != self.input_shape:
            wanted = ", ".join(["T", "N", *map(str, self.input_shape)])
            raise ValueError(f"input should be of shape ({wanted}), got: {tuple(input.shape)}")
        known, last = {"input": input}, {}
        for name, layer in self.layers.items():
            x = self._sum(known, name)
            if isinstance(layer, _WITH_STATE):
                known[name], last[name] = layer(x, None if state is None else state[name])
            else:
                known[name] = over_time(layer, x)
        return self._sum(known, "output"), last

    def _sum(self, known: dict[str, Tensor], name: str) -> Tensor:
        first, *others = self.sources[name]
        total = known[first]
        for other in others:
            total = total + known[other]
        return total
