"""Checks that the options of the generated data sets share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["check_number"]


def check_number(options: Any, name: str, low: float, high: float, *, whole: bool = False) -> None:
    """Sees that an option of a frozen dataclass is a number in a range, and makes it a plain one.

    Raises:
        TypeError: it is no number, or no whole number.
        ValueError: it is outside the range, or not finite.
    """
    value = getattr(options, name)
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name} must be a {'whole ' if whole else ''}number, got {value!r}")
    if not (low <= value <= high and math.isfinite(value)):
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value!r}")
    object.__setattr__(options, name, int(value) if whole else float(value))
