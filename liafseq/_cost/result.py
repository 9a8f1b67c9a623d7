"""What ``liafseq.cost`` found: numbers per sample, a table for people, values for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["HOROWITZ", "Cost", "EnergyModel", "LayerCost"]

_HOROWITZ_PJ = (4.6, 0.9)


@dataclass(frozen=True)
class EnergyModel:
    """Energy of one operation in picojoule.

    The defaults are those of 32-bit floating point in 45 nm CMOS at 0.9 V: a multiplication of 3.7 pJ
    with an addition of 0.9 pJ, and an addition alone. Memory traffic, often the larger part, leakage
    and control are not in it.

    Source: M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014,
    doi:10.1109/ISSCC.2014.6757323.

    Attributes:
        mac_pj: per multiply-accumulate.
        ac_pj: per accumulate.

    >>> EnergyModel().nanojoule(macs=1000, acs=1000)
    5.5
    """

    mac_pj: float = _HOROWITZ_PJ[0]
    ac_pj: float = _HOROWITZ_PJ[1]

    def __post_init__(self) -> None:
        for name in ("mac_pj", "ac_pj"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} should be a number, got: {type(value).__name__}")
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} should be finite and not negative, got: {value}")

    def nanojoule(self, macs: float, acs: float) -> float:
        """Energy of so many operations, in nJ."""
        return (macs * self.mac_pj + acs * self.ac_pj) / 1000

    def __str__(self) -> str:
        source = " (45 nm, Horowitz 2014)" if (self.mac_pj, self.ac_pj) == _HOROWITZ_PJ else ""
        return f"{self.mac_pj:g} pJ per multiply-accumulate, {self.ac_pj:g} pJ per accumulate{source}"

    def to_json(self) -> dict[str, float]:
        return {"mac_pj": self.mac_pj, "ac_pj": self.ac_pj}


HOROWITZ = EnergyModel()
"""45 nm CMOS, 32-bit floating point."""


@dataclass(frozen=True)
class LayerCost:
    """One module's part, without that of the modules in it. Operations are a sample.

    Attributes:
        name: its name in the model; the model's own class name for the model itself.
        kind: its class.
        macs, acs, dense_macs, neuron_ops: as in :class:`Cost`.
        firing_rate: spikes a neuron and step of a liafseq layer that emits spikes, over all its layers
            and directions; None for others.
        crossing_rate: thresholds crossed a neuron and step, of every liafseq layer: the resets of LIAF,
            the spikes of LIF.
        sparsity: share of zeros among the numbers it gives out; None where it gives out none.
    """

    name: str
    kind: str
    macs: float
    acs: float
    dense_macs: float
    neuron_ops: float
    firing_rate: float | None
    crossing_rate: float | None
    sparsity: float | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Cost:
    """What a model costs on a batch, a sample: the sums over the batch divided by its samples.

    Attributes:
        samples: how many the batch has.
        parameters: trainable ones.
        weights: synaptic weights: the numbers in the matrices and filters that the batch was
            multiplied with; no biases, norms, embeddings or numbers of neurons.
        macs: multiply-accumulates that are needed: inputs that are neither zero nor spikes, each times
            its fan-out.
        acs: accumulates: spikes, each times its fan-out.
        dense_macs: multiply-accumulates of an implementation that looks at no value.
        neuron_ops: additions, multiplications and comparisons in the neurons' own updates (liafseq's
            layers) and in the gates (torch's GRU and LSTM), activation functions left out.
        firing_rate: spikes a neuron and step, over all liafseq layers that emit spikes; None if there
            are none.
        crossing_rate: the same of thresholds crossed, over all liafseq layers.
        energy: the model of energy.
        layers: each module's part.
        uncounted: operations that ran and may hold products, but are not known to the counter: the
            counts are too small by what they did.
        seconds: measured time a sample, or None.
        peak_memory: measured bytes of a run over the whole batch beside the model and the batch, or None.
    """

    samples: int
    parameters: int
    weights: int
    macs: float
    acs: float
    dense_macs: float
    neuron_ops: float
    firing_rate: float | None
    crossing_rate: float | None
    energy: EnergyModel
    layers: tuple[LayerCost, ...]
    uncounted: tuple[str, ...] = ()
    seconds: float | None = None
    peak_memory: int | None = None

    @property
    def energy_nj(self) -> float:
        """Energy a sample in nanojoule, by the stated model."""
        return self.energy.nanojoule(self.macs, self.acs)

    @property
    def dense_energy_nj(self) -> float:
        """Energy a sample of an implementation that looks at no value."""
        return self.energy.nanojoule(self.dense_macs, 0)

    def to_json(self) -> dict[str, Any]:
        """Values of JSON; what was measured with a clock stands under ``time``, if anything was."""
        content = {
            **{name: value for name, value in vars(self).items() if name not in _NOT_PLAIN},
            "energy_nj": self.energy_nj,
            "dense_energy_nj": self.dense_energy_nj,
            "energy_model": self.energy.to_json(),
            "uncounted": list(self.uncounted),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.seconds is not None:
            content["time"] = {"seconds": self.seconds, "peak_memory": self.peak_memory}
        return content

    def __str__(self) -> str:
        lines = [_aligned([_HEADER, *(_row(layer) for layer in self.layers), _total(self)]), ""]
        lines.append(
            f"A sample, mean of {self.samples:,}: {_number(self.energy_nj)} nJ at {self.energy}; "
            f"dense: {_number(self.dense_energy_nj)} nJ."
        )
        lines.append(f"{self.parameters:,} trainable parameters, {self.weights:,} synaptic weights.")
        if self.seconds is not None:
            memory = f"{self.peak_memory or 0:,} bytes for the batch"
            lines.append(f"Measured: {self.seconds * 1e3:.3g} ms a sample; {memory}.")
        if self.uncounted:
            lines.append(f"Not counted: {', '.join(self.uncounted)}.")
        return "\n".join(lines)


_NOT_PLAIN = {"energy", "layers", "uncounted", "seconds", "peak_memory"}
_HEADER = ("layer", "kind", "dense MAC", "MAC", "AC", "neuron ops", "spikes", "crossings", "zeros")


def _number(value: float) -> str:
    """Whole numbers whole, others with one decimal or three digits."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _operations(cost: LayerCost | Cost) -> tuple[str, ...]:
    return tuple(map(_number, (cost.dense_macs, cost.macs, cost.acs, cost.neuron_ops)))


def _row(layer: LayerCost) -> tuple[str, ...]:
    rates = (_rate(layer.firing_rate), _rate(layer.crossing_rate), _share(layer.sparsity))
    return (layer.name, layer.kind, *_operations(layer), *rates)


def _total(cost: Cost) -> tuple[str, ...]:
    return ("total", "", *_operations(cost), _rate(cost.firing_rate), _rate(cost.crossing_rate), "")


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[:2] = (cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
