"""Where the limbs of a gesturing person are, from the phase of the gesture.

Lengths are in units of the sensor's width, for a person of size 1, seen from the front: x to the
right and y downwards from between the shoulders. The person's right arm is on the left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOTIONS", "limbs"]

Array = NDArray[np.float64]

_SHOULDER = 0.14
_UPPER, _FORE = 0.19, 0.19
_ARM, _HAND, _HEAD = 0.034, 0.052, 0.085
_BODY_BRIGHT = 0.55
"""The torso is darker than the arms, which are seen before it."""

MOTIONS = ("clap", "wave-right", "wave-left", "circle-right", "circle-left", "roll", "drums", "guitar")


def limbs(motion: str, phase: Array, swing: float, thick: float) -> Array:
    """The limbs at each moment.

    Args:
        motion: one of ``MOTIONS``.
        phase: how far the movement has come, in radians, (frames,).
        swing: size of the movement; 1 is usual.
        thick: thickness of the arms; 1 is usual.

    Returns:
        As ``draw`` takes it, in units of the sensor: ends, radius, brightness; (frames, limbs, 6).
    """
    right, left, near_right, near_left = _hands(motion, phase, swing)
    body = [
        _limb((0.0, -0.2), (0.0, -0.2), _HEAD, _BODY_BRIGHT, len(phase)),
        _limb((-0.05, 0.04), (-0.05, 0.4), 0.09, _BODY_BRIGHT, len(phase)),
        _limb((0.05, 0.04), (0.05, 0.4), 0.09, _BODY_BRIGHT, len(phase)),
    ]
    raised = motion.startswith(("wave", "circle"))
    for side, hand, near in ((-1, right, near_right), (1, left, near_left)):
        shoulder = np.tile([side * _SHOULDER, 0.0], (len(phase), 1))
        up = raised and motion.endswith("right" if side < 0 else "left")
        elbow, hand = _elbow(shoulder, hand, -side if up else side)
        body.append(_limb(shoulder, elbow, _ARM * thick, 1.0, len(phase)))
        body.append(_limb(elbow, hand, _ARM * thick * near, 1.0, len(phase)))
        body.append(_limb(hand, hand, _HAND * thick * near, 1.0, len(phase)))
    return np.stack(body, axis=1)


def _hands(motion: str, phase: Array, swing: float) -> tuple[Array, Array, Array, Array]:
    """Right hand, left hand, (frames, 2) each, and how much larger they look because they are near."""
    still = np.zeros_like(phase)
    one = np.ones_like(phase)
    sin, cos = np.sin(phase), np.cos(phase)
    hanging = {side: _at(side * 0.2, 0.36, still, still) for side in (-1, 1)}
    if motion == "clap":
        apart = 0.035 + 0.085 * swing * (1 - cos)
        return _at(0, 0.1, -apart, still), _at(0, 0.1, apart, still), one, one
    if motion.startswith("wave"):
        side = -1 if motion == "wave-right" else 1
        angle = 0.6 * swing * sin
        hand = _at(side * 0.27, 0.05, _FORE * np.sin(angle), -0.3 * np.cos(angle))
        return (hand, hanging[1], one, one) if side < 0 else (hanging[-1], hand, one, one)
    if motion.startswith("circle"):
        side = -1 if motion == "circle-right" else 1
        hand = _at(side * 0.32, -0.03, 0.1 * swing * cos, 0.19 * swing * sin)
        return (hand, hanging[1], one, one) if side < 0 else (hanging[-1], hand, one, one)
    if motion == "roll":  # the forearms around each other, seen a little from the side
        x, y = 0.08 * swing * cos, 0.13 * swing * sin
        near = 0.2 * swing * cos
        return _at(-0.05, 0.14, x, y), _at(0.05, 0.14, -x, -y), 1 + near, 1 - near
    if motion == "drums":
        beat = 0.1 * swing * sin
        return _at(-0.15, 0.2, still, beat), _at(0.15, 0.2, still, -beat), one, one
    if motion == "guitar":  # the left hand holds the neck, the right one strums
        strum = 0.1 * swing * sin
        neck = 0.05 * np.sin(0.31 * phase)
        return _at(-0.04, 0.24, 0.4 * strum, strum), _at(0.3, 0.02, neck, -0.6 * neck), one, one
    raise ValueError(f"motion must be one of {', '.join(MOTIONS)}, got {motion!r}")


def _at(x: float, y: float, dx: Array, dy: Array) -> Array:
    return np.stack([x + dx, y + dy], axis=1)


def _elbow(shoulder: Array, hand: Array, side: int) -> tuple[Array, Array]:
    """The elbow, bent to the right where the arm hangs (side -1: to the left), and the hand, no farther
    than the arm is long."""
    reach = hand - shoulder
    length = np.linalg.norm(reach, axis=1, keepdims=True)
    direction = reach / np.maximum(length, 1e-9)
    length = np.clip(length, 0.05, 0.98 * (_UPPER + _FORE))
    along = (length**2 + _UPPER**2 - _FORE**2) / (2 * length)
    aside = np.sqrt(np.maximum(_UPPER**2 - along**2, 0))
    outwards = side * np.stack([direction[:, 1], -direction[:, 0]], axis=1)
    return shoulder + along * direction + aside * outwards, shoulder + length * direction


def _limb(
    start: Array | tuple[float, float], end: Array | tuple[float, float],
    radius: Array | float, bright: float, frames: int,
) -> Array:  # fmt: skip
    columns = np.empty((frames, 6))
    columns[:, 0:2], columns[:, 2:4], columns[:, 4], columns[:, 5] = start, end, radius, bright
    return columns
