"""Handwritten digits before a simulated event camera.

The digits are real: the 1,797 scans of 8 x 8 pixels that scikit-learn brings (the test part of the
UCI data set "Optical Recognition of Handwritten Digits", Alpaydin and Kaynak 1998,
doi:10.24432/C50P49). A scan is enlarged with Keys' cubic (doi:10.1109/TASSP.1981.1163711) and moved
over the sensor, white on black:

- ``saccades``: three jerks along a triangle, 100 ms each, as N-MNIST was recorded (Orchard et al.
  2015, doi:10.3389/fnins.2015.00437);
- ``slow``: an even figure of eight in 1.5 s, after MNIST-DVS (Serrano-Gotarredona and
  Linares-Barranco 2015, doi:10.3389/fnins.2015.00481).

A scan belongs to the training or to the test set for good: four fifths of each class, drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.camera import Camera, simulate
from liafseq.tasks.dvs.events import Sensor
from liafseq.tasks.dvs.generated.checks import check_number

__all__ = ["CLASSES", "DigitOptions", "digit_labels", "digit_recording", "digit_scan", "digit_video"]

CLASSES = tuple(str(digit) for digit in range(10))
MOTIONS = {"saccades": (4_000, 75), "slow": (15_000, 100)}
"""Of each motion: microseconds from frame to frame, and number of intervals."""

_WHITE, _INK = (0.2, 0.8), 0.5
_TRIANGLE = np.array([[-0.5, -0.4], [0.0, 0.6], [0.5, -0.4], [-0.5, -0.4]])
"""Corners of the saccades' path, (x, y) in units of ``travel``, y downwards."""


@dataclass(frozen=True)
class DigitOptions:
    """How the digits are recorded.

    Args:
        motion: ``"saccades"`` or ``"slow"``.
        size: width and height of the sensor in pixels; 16 to 128.
        glyph: width and height of a scan on the sensor in pixels; 8 to 96.
        travel: how far the digit moves to and fro in pixels; above 0, at most 32.
        jitter: the digit's place varies by up to so many pixels in each direction; 0 to 16.
        camera: the camera.

    Raises:
        TypeError, ValueError: a value of the wrong kind or outside its range.
    """

    motion: str = "saccades"
    size: int = 34
    glyph: float = 22.0
    travel: float = 5.0
    jitter: float = 1.5
    camera: Camera = field(default_factory=lambda: Camera(0.3, 0.3, log_offset=0.15))

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            raise ValueError(f"motion must be one of {', '.join(MOTIONS)}, got {self.motion!r}")
        check_number(self, "size", 16, 128, whole=True)
        check_number(self, "glyph", 8, 96)
        check_number(self, "travel", 0.1, 32)
        check_number(self, "jitter", 0, 16)
        if not isinstance(self.camera, Camera):
            raise TypeError(f"camera must be a Camera, got {self.camera!r}")

    @property
    def sensor(self) -> Sensor:
        """The size of the sensor."""
        return Sensor(self.size, self.size)


@cache
def _scans() -> tuple[NDArray[np.float64], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """All scans, in [0, 1], their digits, and the scans of each split in their order."""
    from sklearn.datasets import load_digits

    scans, digits = load_digits(return_X_y=True)
    scans, digits = scans.reshape(-1, 8, 8) / 16, digits.astype(np.int64)
    rng = np.random.default_rng(20150437)
    own = [rng.permutation(np.flatnonzero(digits == digit)) for digit in range(10)]
    cuts = [round(0.8 * len(part)) for part in own]
    order = {
        "train": _in_turn([part[:cut] for part, cut in zip(own, cuts, strict=True)], rng),
        "test": _in_turn([part[cut:] for part, cut in zip(own, cuts, strict=True)], rng),
    }
    return scans, digits, order


def _in_turn(parts: list[NDArray[np.int64]], rng: np.random.Generator) -> NDArray[np.int64]:
    """One of each class after the other, so that any number of first ones has about as many of each."""
    rounds = [
        rng.permutation([part[at] for part in parts if at < len(part)]) for at in range(max(map(len, parts)))
    ]
    return np.concatenate(rounds)


def digit_scan(split: str, index: int) -> int:
    """Which of the 1,797 scans a recording shows."""
    return int(_scans()[2][split][index])


def digit_labels(split: str) -> NDArray[np.int64]:
    """The digits of all recordings of a split."""
    _, digits, order = _scans()
    return digits[order[split]]


def digit_video(
    options: DigitOptions, split: str, index: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], int]:
    """The frames before the camera, in [0, 1], and the microseconds from one to the next."""
    scans, _, order = _scans()
    interval, count = MOTIONS[options.motion]
    place = rng.uniform(-options.jitter, options.jitter, 2)
    path = _path(options, np.linspace(0, 1, count + 1), rng) + place
    columns, rows = (_weights(options, path[:, axis]) for axis in (0, 1))
    ink = rows @ scans[order[split][index]] @ columns.transpose(0, 2, 1)
    # a scan's value is a covered area: the edge lies where half a pixel is covered
    ink = np.clip((ink - _WHITE[0]) / (_WHITE[1] - _WHITE[0]), 0, 1)
    return ink * ink * (3 - 2 * ink), interval


def digit_recording(options: DigitOptions, split: str, index: int, rng: np.random.Generator) -> NDArray[Any]:
    """The events of a recording."""
    video, interval = digit_video(options, split, index, rng)
    return simulate(video, interval, options.camera, rng)


def _path(options: DigitOptions, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the digit is at times from 0 to 1, (frames, 2), in pixels from the middle."""
    travel = options.travel * rng.uniform(0.9, 1.1)
    if options.motion == "saccades":
        leg = np.minimum((3 * time).astype(int), 2)
        part = 3 * time - leg
        # the least jerk: speed and acceleration are 0 at both ends
        part = part**3 * (10 - 15 * part + 6 * part**2)
        corners = _TRIANGLE * travel
        return corners[leg] + part[:, None] * (corners[leg + 1] - corners[leg])
    angle = 2 * np.pi * (time + rng.random())
    return 0.5 * travel * np.stack([np.sin(angle), np.sin(2 * angle)], axis=1)


def _weights(options: DigitOptions, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each of the scan's 8 rows (or columns) each pixel shows, (frames, size, 8)."""
    pixel = np.arange(options.size) - (options.size - 1) / 2
    at = (pixel - shift[:, None]) * (8 / options.glyph) + 3.5
    away = np.abs(at[..., None] - np.arange(8))
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return np.where(away < 1, near, np.where(away < 2, far, 0.0))
