"""The names of the data sets, without importing what reads them."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DATA_SETS", "GENERATED", "DataSet"]

GENERATED = ("digits", "gestures")
"""Made by the camera simulator; need no folder."""

DataSet = Literal["digits", "gestures", "nmnist", "mnist-dvs", "cifar10-dvs", "dvs128-gesture"]

DATA_SETS: tuple[str, ...] = get_args(DataSet)
