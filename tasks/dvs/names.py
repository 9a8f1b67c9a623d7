"""The names of the data sets, without importing what reads them."""

from __future__ import annotations

__all__ = ["DATA_SETS", "GENERATED"]

GENERATED = ("digits", "gestures")
"""Made by the camera simulator; need no folder."""

DATA_SETS = (*GENERATED, "nmnist", "mnist-dvs", "cifar10-dvs", "dvs128-gesture")
