"""What a run's model costs: counted for ``result.json``, averaged over runs, shown in tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["COST_SAMPLES", "cost_columns", "cost_note", "run_cost", "summarise_cost"]

COST_SAMPLES = 64
"""So many samples of the test data are counted: the first ones, so that the counts repeat."""

_MEANS = ("dense_macs", "macs", "acs", "neuron_ops", "energy_nj", "dense_energy_nj")
_RATES = ("firing_rate", "crossing_rate")
_KEPT = ("samples", "parameters", "weights", *_MEANS, *_RATES, "energy_model", "uncounted")


def run_cost(model: Any, batch: Any, samples: int) -> dict[str, Any]:
    """The cost of a trained model on a fixed batch, for ``result.json``: nothing measured by a clock.

    Args:
        model: not wrapped by Fabric.
        batch: the model's arguments, as :func:`liafseq.cost` takes them, on the model's device.
        samples: how many the batch holds.

    Returns:
        ``samples``, ``parameters``, ``weights``, and a sample: ``dense_macs``, ``macs``, ``acs``,
        ``neuron_ops``, ``energy_nj``, ``dense_energy_nj``, ``firing_rate`` and ``crossing_rate`` (see
        :class:`liafseq.Cost`); ``energy_model`` and ``uncounted``.
    """
    import liafseq

    found = liafseq.cost(model, batch, samples=samples).to_json()
    return {name: found[name] for name in _KEPT}


def summarise_cost(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The cost of one model from the rows of its runs; None where no run has one.

    Args:
        rows: of ``results.json``; a run's cost stands under ``cost``.

    Returns:
        Means over the runs of the counts and energies a sample, and of the rates where they are not
        None; ``weights`` as [smallest, largest]; the ``energy_model`` of the first run.
    """
    costs = [row["cost"] for row in rows if row.get("cost")]
    if not costs:
        return None
    weights = [cost["weights"] for cost in costs]
    summary: dict[str, Any] = {"runs": len(costs), "weights": [min(weights), max(weights)]}
    summary |= {name: statistics.fmean(cost[name] for cost in costs) for name in _MEANS}
    for name in _RATES:
        found = [cost[name] for cost in costs if cost[name] is not None]
        summary[name] = statistics.fmean(found) if found else None
    return summary | {"energy_model": dict(costs[0]["energy_model"])}


def cost_columns(
    summary: Sequence[Mapping[str, Any]], *, ascii_only: bool = False
) -> tuple[list[str], list[list[str]]]:
    """The columns of costs for a table: what is needed a sample, each column in one unit.

    Args:
        summary: an entry a model, with what :func:`summarise_cost` gave under ``cost``.
        ascii_only: write ``uJ`` for microjoule.

    Returns:
        The headers and, of each entry, its cells; no columns where no entry has a cost.

    >>> entry = {"cost": {"macs": 0.0, "acs": 12_340.0, "energy_nj": 11.106}}
    >>> cost_columns([entry, {"cost": None}])
    (['MAC', 'AC', 'energy'], [['0', '12.3 k', '11.1 nJ'], ['-', '-', '-']])
    """
    costs = [entry.get("cost") for entry in summary]
    if not any(costs):
        return [], [[] for _ in costs]
    micro = "u" if ascii_only else "µ"
    columns = {
        "MAC": _column(costs, "macs", (" G", " M", " k", "")),
        "AC": _column(costs, "acs", (" G", " M", " k", "")),
        "energy": _column(costs, "energy_nj", (" J", " mJ", f" {micro}J", " nJ")),
    }
    return list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)]


def cost_note(summary: Sequence[Mapping[str, Any]]) -> str | None:
    """What the columns of :func:`cost_columns` are, in a sentence or two; None where there are none."""
    from liafseq import EnergyModel

    models = [entry["cost"]["energy_model"] for entry in summary if entry.get("cost")]
    if not models:
        return None
    return (
        "MAC, AC: multiply-accumulates and accumulates that one test sample needs (a spike turns one into "
        f"the other, a silent input into none); energy: of these alone, {EnergyModel(**models[0])}, "
        "without memory traffic."
    )


def _column(costs: Sequence[Mapping[str, Any] | None], name: str, units: Sequence[str]) -> list[str]:
    """One unit for all: the largest of which no value that is not zero is less than a tenth."""
    values = [None if cost is None else float(cost[name]) for cost in costs]
    least = min((value for value in values if value), default=0.0)
    scales = [1000.0 ** (len(units) - 1 - at) for at in range(len(units))]
    scale, unit = next(
        (pair for pair in zip(scales, units, strict=True) if least >= pair[0] / 10), (1.0, units[-1])
    )
    return ["-" if value is None else _cell(value / scale, unit) for value in values]


def _cell(value: float, unit: str) -> str:
    """Three figures.

    >>> _cell(1234.5, " k"), _cell(0.12345, " nJ"), _cell(0, " k")
    ('1,234 k', '0.123 nJ', '0')
    """
    if not value:
        return "0"
    return (f"{value:,.0f}" if value >= 100 else f"{value:#.3g}") + unit
