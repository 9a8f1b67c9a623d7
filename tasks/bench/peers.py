"""Recurrent layers of other packages, timed where they are installed and never required.

norse, snntorch and spikingjelly: each has an input matrix and an (H, H) matrix fed by its own spikes, as
``LIF`` has, trains with its package's surrogate gradient and starts from rest at each call. Of the ways a
package offers, the fastest that keeps to its neuron is taken: the input projection of all steps is one
product where the package leaves it to the user. spikingjelly's LIAF node gives spikes in its multi-step mode,
so that its LIF is timed. torchrecurrent, ncps and minGRU-pytorch have no spikes: what a person would try
instead of a GRU.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any

__all__ = ["PEERS", "SPIKING", "build_peer", "chosen_peers", "installed_peers", "package_version"]


def _norse(inputs: int, hidden: int) -> Any:
    """``norse.torch.LIFRecurrent``: current and membrane filter, both products at each step, no bias."""
    from norse.torch import LIFRecurrent

    return LIFRecurrent(inputs, hidden)


def _snntorch(inputs: int, hidden: int) -> Any:
    """``nn.Linear`` for all steps, then ``snntorch.RLeaky`` a step at a time."""
    import snntorch
    import torch
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input = nn.Linear(inputs, hidden)
            self.neuron = snntorch.RLeaky(beta=0.5, linear_features=hidden)

        def forward(self, x: Any) -> tuple[Any, Any]:
            current = self.input(x)
            spikes = membrane = torch.zeros_like(current[0])
            outputs = []
            for now in current:
                spikes, membrane = self.neuron(now, spikes, membrane)
                outputs.append(spikes)
            return torch.stack(outputs), membrane

    return Layer()


def _spikingjelly(inputs: int, hidden: int) -> Any:
    """``nn.Linear`` for all steps, then ``LIFNode`` a step at a time with ``nn.Linear`` fed back."""
    import torch
    from spikingjelly.activation_based.neuron import LIFNode
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input = nn.Linear(inputs, hidden)
            self.recurrent = nn.Linear(hidden, hidden)
            self.neuron = LIFNode(tau=2.0, decay_input=False, detach_reset=True)

        def forward(self, x: Any) -> tuple[Any, Any]:
            self.neuron.reset()
            current = self.input(x)
            spikes = torch.zeros_like(current[0])
            outputs = []
            for now in current:
                spikes = self.neuron(now + self.recurrent(spikes))
                outputs.append(spikes)
            return torch.stack(outputs), self.neuron.v

    return Layer()


def _torchrecurrent(inputs: int, hidden: int) -> Any:
    """``torchrecurrent.LiGRU``: one gate, two matrices, as a gated LIAF has (arXiv:1803.10225)."""
    from torchrecurrent import LiGRU

    return LiGRU(inputs, hidden)


def _ncps(inputs: int, hidden: int) -> Any:
    """``ncps.torch.CfC`` without its backbone, which would be a second layer (arXiv:2106.13898)."""
    from ncps.torch import CfC

    return CfC(inputs, hidden, batch_first=False, backbone_layers=0, backbone_units=0, backbone_dropout=0)


def _mingru(inputs: int, hidden: int) -> Any:
    """``minGRU`` behind an ``nn.Linear`` to its size: no feedback, all steps at once (arXiv:2410.01201)."""
    from minGRU_pytorch import minGRU
    from torch import nn

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input = nn.Identity() if inputs == hidden else nn.Linear(inputs, hidden)
            self.layer = minGRU(hidden)

        def forward(self, x: Any) -> tuple[Any, Any]:
            output = self.layer(self.input(x).transpose(0, 1)).transpose(0, 1)
            return output, output[-1]

    return Layer()


PEERS: dict[str, Callable[[int, int], Any]] = {
    "norse": _norse,
    "snntorch": _snntorch,
    "spikingjelly": _spikingjelly,
    "torchrecurrent": _torchrecurrent,
    "ncps": _ncps,
    "minGRU-pytorch": _mingru,
}
"""By the name of their package."""
SPIKING = ("norse", "snntorch", "spikingjelly")
"""Those whose output is spikes."""


def installed_peers() -> tuple[str, ...]:
    """The peers that can be found here; nothing is imported."""
    return tuple(name for name in PEERS if find_spec(name.replace("-", "_")) is not None)


def chosen_peers(value: Any) -> tuple[str, ...]:
    """Names of peers, or those of ``installed``, ``none`` or a text with commas.

    Raises:
        ValueError: an unknown name, or one of a text that is not installed.
    """
    if not isinstance(value, str):
        return tuple(value)
    installed = installed_peers()
    if value.strip() in ("none", "installed", ""):
        return installed if value.strip() == "installed" else ()
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    for name in names:
        if name not in PEERS:
            raise ValueError(f": expected one or more of {', '.join(PEERS)}, got {name!r}")
        if name not in installed:
            raise ValueError(f": {name} is not installed here; pip install {name}")
    return names


def package_version(name: str) -> str:
    """The installed version, or an empty text where the package does not say."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def build_peer(name: str, inputs: int, hidden: int) -> Any:
    """The peer's layer: called with (T, N, I) it returns its output (T, N, H) and something else."""
    return PEERS[name](inputs, hidden)
