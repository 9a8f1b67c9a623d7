"""What a run's network costs: counted for ``result.json``, averaged over runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from liafseq.tasks.results import Cost, MeanCost, Run

__all__ = ["mean_cost", "run_cost"]

_MEANS = ("dense_macs", "macs", "acs", "neuron_ops", "energy_nj", "dense_energy_nj")
_RATES = ("firing_rate", "crossing_rate")


def run_cost(network: Any, inputs: tuple[Any, ...], samples: int) -> Cost:
    """The cost of a trained network on a fixed batch: nothing measured by a clock.

    Args:
        network: not wrapped by Fabric.
        inputs: the network's arguments, as :func:`liafseq.cost` takes them, on the network's device.
        samples: how many the batch holds.

    Returns:
        Counts, energies and rates per sample (see :class:`liafseq.Cost`).
    """
    import liafseq

    found = liafseq.cost(network, inputs, samples=samples).to_json()
    return Cost(**{name: found[name] for name in Cost.model_fields})


def mean_cost(runs: Iterable[Run]) -> MeanCost | None:
    """The mean cost of one model's runs; None where no run has one.

    The rates are means over the runs that have them.
    """
    costs = [run.outcome.cost for run in runs if run.outcome is not None and run.outcome.cost is not None]
    if not costs:
        return None
    weights = [cost.weights for cost in costs]
    means = {name: statistics.fmean(getattr(cost, name) for cost in costs) for name in _MEANS}
    rates: dict[str, float | None] = {}
    for name in _RATES:
        found = [value for cost in costs if (value := getattr(cost, name)) is not None]
        rates[name] = statistics.fmean(found) if found else None
    return MeanCost(
        runs=len(costs),
        weights=(min(weights), max(weights)),
        energy_model=dict(costs[0].energy_model),
        **means,
        **rates,  # type: ignore[arg-type]
    )
