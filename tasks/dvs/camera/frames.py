"""Checks of what a simulated camera is to record: frames, their times, and the seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_frames", "frame_times", "generator"]


def generator(seed: int | np.random.Generator) -> np.random.Generator:
    """The random numbers of a seed.

    Raises:
        TypeError, ValueError: it is no whole number of at least 0, and no generator.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be a whole number or a numpy Generator, got {seed!r}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(int(seed))


def check_frames(frames: ArrayLike, name: str) -> NDArray[Any]:
    """The frames as an array (frames, height, width).

    Raises:
        TypeError: they are no real numbers.
        ValueError: another shape, fewer than two frames, or more than 32,767 rows or columns.
    """
    frames = np.asarray(frames)
    if frames.dtype.kind not in "buif":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {frames.dtype}")
    if frames.ndim != 3:
        raise ValueError(f"{name} must have shape (frames, height, width), got {frames.shape}")
    count, height, width = frames.shape
    if count < 2 or not 1 <= height <= 32767 or not 1 <= width <= 32767:
        raise ValueError(
            f"{name} must have at least 2 frames of 1 to 32767 rows and columns, got shape {frames.shape}"
        )
    return frames


def frame_times(times_us: ArrayLike, count: int) -> NDArray[np.int64]:
    """When each frame is, in whole microseconds; ``times_us`` is that or the time between two frames.

    Raises:
        TypeError: no numbers.
        ValueError: not as many as frames, not whole, not increasing, or too large.
    """
    times = np.asarray(times_us)
    if times.dtype.kind not in "iuf":
        raise TypeError(f"times_us must be numbers of microseconds, got dtype {times.dtype}")
    if times.ndim == 0:
        if not 1 <= times <= 2**62 // count:
            raise ValueError(
                f"times_us: the time between frames must be from 1 to {2**62 // count}, got {times}"
            )
        return np.rint(np.arange(count) * np.float64(times)).astype(np.int64)
    if times.shape != (count,):
        raise ValueError(f"times_us must be one number or have shape ({count},), got {times.shape}")
    if not (np.isfinite(times).all() and (np.abs(times.astype(np.float64)) < 2**62).all()):
        raise ValueError("times_us must be finite and within 2**62 of 0")
    whole = times.astype(np.int64)
    if (whole != times).any():
        at = int((whole != times).argmax())
        raise ValueError(f"times_us must be whole microseconds, got {times[at]} for frame {at}")
    back = np.diff(whole) <= 0
    if back.any():
        at = int(back.argmax()) + 1
        raise ValueError(
            f"times_us must increase: frame {at} is at {whole[at]}, the one before it at {whole[at - 1]}"
        )
    return whole
