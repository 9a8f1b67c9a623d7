"""What a model costs, measured from outside of it: ``liafseq.cost``."""

from __future__ import annotations

from liafseq._cost.result import HOROWITZ, Cost, EnergyModel, LayerCost
from liafseq._cost.run import cost

__all__ = ["HOROWITZ", "Cost", "EnergyModel", "LayerCost", "cost"]
