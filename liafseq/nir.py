"""Networks to and from NIR, the intermediate representation that spiking packages and chips share.

A graph of NIR (Pedersen et al. 2024, doi:10.1038/s41467-024-52259-9) says equations in continuous time;
our layers are steps. What corresponds is the forward Euler step of length dt, as norse and snnTorch take it:

    NIR     tau dv/dt = (v_leak - v) + R I,     z = [v > v_threshold],     v = v_reset where z = 1
    Euler   v_t = (1 - dt/tau) V_{t-1} + dt/tau v_leak + dt/tau R I_t,     V_t = v_reset z_t + v_t (1 - z_t)
    ours    u_t = alpha R_{t-1} + beta + g I_t,   s_t = [u_t >= theta],    R_t = u_t (1 - s_t) + v_reset s_t

    ours                                        NIR
    alpha, or b of DA-LIF                       tau = dt / (1 - alpha); alpha = 1: an IF neuron
    g: 1; 1 - alpha with normalize_current;     R = g / (1 - alpha), or folded into the weights, see
       a of DA-LIF                              ``resistance``; IF: R = g / dt
    theta                                       v_threshold = the next smaller number: H(0) is 1 with us
                                                and 0 in NIR, and u >= theta is u > this, exactly
    v_reset                                     v_reset; the reset of our next step is theirs of this one
    beta                                        beta / g in the bias of the weights before it; v_leak = 0
    W_ih, b_ih + b_hh                           Linear, or Affine if there is a bias or a leak; Conv2d of
                                                maps, the batch normalisation (as in eval mode) with it
    W_hh y_{t-1}                                a cycle through a Linear (Conv2d of maps), neurons ->
                                                weights -> neurons; what reads a cycle is one step late
    synapse: I_t = lambda I_{t-1} + X_t         CubaLIF: tau_syn = dt / (1 - lambda), w_in = 1 / (1 - lambda);
                                                the membrane reads the new I
    (T, N, C, H, W)                             shapes (C, H, W): NIR sees neither time nor batch

Read the other way, voltages are counted from v_leak: theta = v_threshold - v_leak, and the membrane starts at
v_leak, which is where norse starts. A layer with a leak starts at v_0 = 0, which NIR cannot say: what NIR has
is this layer with a first state of zeros, ``layer(x, (zeros, zeros))``. alpha of DA-LIF may be negative
(tau < dt): that is an Euler step and nothing else.

Feedback of a CubaLIF goes through its synapse. No layer has this; it becomes a module that steps in torch
operations. Our convolutional layers with both synapse and feedback, which bypasses the synapse, are refused.

Needs the package nir: ``pip install "liafseq[nir]"``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from liafseq.options import check_choice

if TYPE_CHECKING:
    from liafseq._nir.network import Network

__all__ = ["from_nir", "to_nir"]


def _need() -> None:
    try:
        import nir  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "nir":
            raise
        raise ModuleNotFoundError(
            "NIR needs the package nir: pip install 'liafseq[nir]'", name="nir"
        ) from None


def _check_dt(dt: Any) -> float:
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not (0 < dt < math.inf):
        raise ValueError(f"dt should be a number greater than zero, got: {dt!r}")
    return float(dt)


def to_nir(
    modules: nn.Module | Iterable[nn.Module],
    input_shape: tuple[int, ...] | None = None,
    *,
    dt: float | None = None,
    resistance: str = "layer",
) -> Any:
    """A graph of NIR of a layer, or of modules one behind the other; see ``liafseq.nir`` for the equations.

    What it takes: ``LIF``, ``DALIF``, ``ConvLIF``, ``ConvDALIF``; nn.Linear, nn.Conv2d, nn.Flatten,
    nn.AvgPool2d (with ``divisor_override=1`` a sum), nn.LPPool2d of norm 1 (a sum), nn.Dropout and
    nn.Identity (nothing); nn.Sequential of these; and what ``from_nir`` gives. Modules that know no time are
    applied to each step, as by ``over_time``. The values are copied.

    Args:
        modules: a module, or several in the order in which the data go through them.
        input_shape: of one step of one sequence, without time and batch; needed where the first module is
            a convolution, a pool or nn.Flatten.
        dt: the time step, to which the time constants are relative; also kept in the graph's metadata.
            None is 1e-4, or that of the graph which the network came from. snnTorch reads graphs with 1e-4,
            norse with 1e-3 unless told otherwise.
        resistance: ``"layer"``: the weights are the layer's own, R is what its gain asks for; ``"one"``:
            R = 1, which norse expects; ``"tau/dt"``: R = tau/dt, which snnTorch expects. In the last two the
            weights take up the difference.

    Returns:
        an ``nir.NIRGraph``; ``nir.write(path, graph)`` writes it to a file.

    Raises:
        ValueError: a module, an option or a value that NIR has no node for, with its reason.
        ModuleNotFoundError: nir is not installed.

    >>> from liafseq import LIF
    >>> graph = to_nir([nn.Linear(4, 8), LIF(8, 16)], dt=1e-3)
    >>> sorted(graph.nodes)
    ['input', 'lif0.lif', 'lif0.w_in', 'lif0.w_rec', 'linear0', 'output']
    """
    _need()
    import nir

    from liafseq._nir.export import Builder
    from liafseq._nir.network import Network

    check_choice("resistance", resistance, ("layer", "one", "tau/dt"))
    chain = [modules] if isinstance(modules, nn.Module) else list(modules)
    if not chain or not all(isinstance(module, nn.Module) for module in chain):
        raise TypeError(f"modules should be modules, got: {modules!r}")
    shape = input_shape
    first = chain[0]
    while isinstance(first, nn.Sequential) and len(first):
        first = first[0]
    if isinstance(first, Network):
        shape = first.input_shape if shape is None else shape
        dt = first.dt if dt is None else dt
    size = getattr(first, "input_size", getattr(first, "in_features", None))
    if shape is None and size is not None:
        shape = (size,)
    if shape is None:
        raise ValueError(
            f"input_shape, such as (C, H, W), should be given: {type(first).__name__} does not say it"
        )
    shape = tuple(int(size) for size in shape)
    builder = Builder(_check_dt(1e-4 if dt is None else dt), resistance)
    sources = builder.add("input", nir.Input(input_type=list(shape)), ())
    given = shape
    for i, module in enumerate(chain):
        sources, shape = builder.put(f"modules[{i}]", module, sources, shape)
    if sources == ("input",):
        raise ValueError("modules should have a layer among them")
    builder.add("output", nir.Output(output_type=list(shape)), sources)
    assert builder.nodes["input"].input_type["input"].tolist() == list(given)
    return nir.NIRGraph(builder.nodes, builder.edges, metadata={"dt": builder.dt}, type_check=False)


def from_nir(
    graph: Any, dt: float | None = None, *, dtype: torch.dtype | None = None, **options: Any
) -> Network:
    """Layers of a graph of NIR; see ``liafseq.nir`` for the equations.

    What it takes: LIF, CubaLIF and IF, each with at most one Linear, Affine or Conv2d that feeds it back;
    Linear, Affine, Conv2d, Scale, Flatten, AvgPool2d, SumPool2d; graphs within the graph. Neurons with the
    weights before them become ``LIF`` (``DALIF`` where a decay is negative) or ``ConvLIF``; neurons alone,
    and CubaLIF, a convolution of kernel 1. The rest become torch's modules. A neuron whose numbers are
    scalars has those of all.

    Args:
        graph: an ``nir.NIRGraph``, or the path of a file; what it holds is checked, as it may be anybody's.
        dt: the time step; None is the one in the graph's metadata, where ``to_nir`` keeps it.
        dtype: torch.float32 or torch.float64; None is torch's default.
        options: ``learn_decay``, ``learn_threshold``, ``learn_synapse_decay``, ``surrogate``,
            ``surrogate_width``, ``detach_reset`` of the layers.

    Returns:
        a module: ``output, state = network(input, state)``, input (T, N, *shape), state None or what the
        call before gave; ``network.layers`` has its layers by name. ``to_nir`` takes it.

    Raises:
        ValueError: a graph that is not whole, or that no layers can be made for, with its reason.
        OSError: a file that cannot be read.
        ModuleNotFoundError: nir is not installed.

    >>> from liafseq import LIF
    >>> layer, x = LIF(4, 16), torch.randn(10, 3, 4)
    >>> network = from_nir(to_nir(layer))
    >>> spikes, state = network(x)
    >>> bool((spikes == layer(x)[0]).float().mean() > 0.99)
    True
    """
    _need()
    from liafseq._nir import files, load

    if isinstance(graph, (str, Path)):
        graph = files.read(graph)
    if dt is None:
        dt = getattr(graph, "metadata", {}).get("dt")
    return load.load(
        graph,
        None if dt is None else _check_dt(float(dt)),
        dtype or torch.get_default_dtype(),
        options,
    )
