"""Eleven gestures of moving arms before a simulated event camera, after DVS128 Gesture.

DVS128 Gesture: Amir et al. 2017, "A Low Power, Fully Event-Based Gesture Recognition System", CVPR,
doi:10.1109/CVPR.2017.781. Its classes are hand clapping, waves, arm circles both ways, arm roll, drums,
guitar and others; here the roll has two directions and there are no others.

Three pairs of classes, ``PAIRS``, differ in the order of time alone, and exactly so. Let V be a random
video of the first class and V' the same video from its last frame to its first, R the reversal of a
recording's times (of one that lasts D: t becomes D - t) and F the change of all polarities. What a
backward movement shows is, but for the camera's memory, the forward one's events under R and F. So

    first class   sim(V)  or R F sim(V'), by the toss of a coin,
    second class  sim(V') or R F sim(V),  by the toss of a coin,

each from random numbers of its own: the second class is R F of the first, since R F twice changes
nothing. The coin keeps traces of the camera's memory, by which one could tell whether R F was used,
from telling the class. And F alone does not change the distribution of a class, because

- each recording's contrast (log intensity against the background) has a sign drawn with equal
  probability, so that a scene and its inverse are equally likely;
- the camera treats both polarities alike: equal thresholds (other cameras are refused), mismatch drawn
  anew in each recording, independent and alike for ON and OFF, start level and noise likewise.

So the second class is distributed as R of the first, and everything about a recording that does not
change when its times are reversed has *the same distribution in both classes*: how many events of each
polarity each pixel has over the whole recording, its duration, any function of these. Whatever a
classifier that knows no more answers, it answers as often for one class of the pair as for the other,
so that its accuracies in the two sum to at most 1. With all classes equally frequent its expected
accuracy on new recordings is therefore at most

    TIME_BLIND_CEILING = (5 + 6 / 2) / 11 = 8 / 11 = 72.7%.

On n test recordings the measured accuracy varies about its expectation: a pair's recordings are then
tosses of a coin, which makes a standard deviation of at most ``sqrt(n * 6 / 11 / 4) / n``, 2.0
percentage points for n = 330. A classifier that sees the order of two or more parts of a recording is
not bound by this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.dvs.camera import Camera, simulate_levels
from liafseq.tasks.dvs.events import EVENT, Sensor
from liafseq.tasks.dvs.generated.bodies import limbs
from liafseq.tasks.dvs.generated.checks import check_number

__all__ = [
    "CLASSES",
    "PAIRS",
    "TIME_BLIND_CEILING",
    "GestureOptions",
    "gesture_label",
    "gesture_recording",
    "gesture_video",
    "reversed_in_time",
]

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll forward",
    "arm roll backward",
    "air drums",
    "air guitar",
)
"""The classes; right and left are the person's, clockwise is as the camera sees it."""

PAIRS = ((3, 4), (5, 6), (7, 8))
"""Classes that are each other's reversal in time."""

TIME_BLIND_CEILING = 8 / 11
"""No classifier that ignores the order of time is better than this in expectation; see above."""

_SECOND = {second: first for first, second in PAIRS}
_MOTION = {
    0: "clap", 1: "wave-right", 2: "wave-left", 3: "circle-right", 5: "circle-left", 7: "roll", 9: "drums",
    10: "guitar",
}  # fmt: skip
_HERTZ = {
    "clap": (1.2, 2.0), "wave-right": (1.2, 2.0), "wave-left": (1.2, 2.0), "circle-right": (0.7, 1.2),
    "circle-left": (0.7, 1.2), "roll": (0.7, 1.2), "drums": (1.2, 2.2), "guitar": (1.6, 2.8),
}  # fmt: skip
"""Movements in a second, from and to."""

_FRAME_US = 5_000


@dataclass(frozen=True)
class GestureOptions:
    """How the gestures are recorded.

    Args:
        size: width and height of the sensor in pixels; 16 to 128.
        shortest_ms, longest_ms: how long a recording is, evenly distributed between the two (in
            steps of 5 ms); 100 to 60,000.
        contrast: of an arm against the background, as the logarithm of the ratio of their brightness;
            each recording's own is up to 30% off; 0.1 to 10.
        clutter: how many spots move about in the background; 0 to 20.
        camera: the camera. Its two thresholds must be equal.

    Raises:
        TypeError, ValueError: a value of the wrong kind or outside its range.
    """

    size: int = 48
    shortest_ms: int = 800
    longest_ms: int = 1500
    contrast: float = 0.9
    clutter: int = 2
    camera: Camera = field(default_factory=lambda: Camera(0.25, 0.25, noise_hz=0.1))

    def __post_init__(self) -> None:
        check_number(self, "size", 16, 128, whole=True)
        check_number(self, "shortest_ms", 100, 60_000, whole=True)
        check_number(self, "longest_ms", 100, 60_000, whole=True)
        check_number(self, "contrast", 0.1, 10)
        check_number(self, "clutter", 0, 20, whole=True)
        if self.shortest_ms > self.longest_ms:
            raise ValueError(
                f"shortest_ms must not be above longest_ms, got {self.shortest_ms} and {self.longest_ms}"
            )
        if not isinstance(self.camera, Camera):
            raise TypeError(f"camera must be a Camera, got {self.camera!r}")
        if self.camera.on_threshold != self.camera.off_threshold:
            raise ValueError(
                "camera: gestures need equal thresholds for ON and OFF, got "
                f"{self.camera.on_threshold:g} and {self.camera.off_threshold:g}"
            )

    @property
    def sensor(self) -> Sensor:
        """The size of the sensor."""
        return Sensor(self.size, self.size)


def gesture_label(index: int) -> int:
    """The class of a recording: all eleven in turn."""
    return index % len(CLASSES)


def gesture_recording(options: GestureOptions, index: int, rng: np.random.Generator) -> NDArray[Any]:
    """The events of a recording."""
    negative, reverse = (bool(coin) for coin in rng.random(2) < 0.5)
    return _record(options, gesture_label(index), negative, reverse, rng)


def _record(
    options: GestureOptions, label: int, negative: bool, reverse: bool, rng: np.random.Generator
) -> NDArray[Any]:
    """A recording of a class, of negative contrast or not, with its times reversed or not."""
    levels = gesture_video(options, _SECOND.get(label, label), rng)
    if negative:
        np.negative(levels, out=levels)
    if (label in _SECOND) != reverse:
        levels = levels[::-1]
    events = simulate_levels(levels, _FRAME_US, options.camera, rng)
    return reversed_in_time(events, (len(levels) - 1) * _FRAME_US) if reverse else events


def reversed_in_time(events: NDArray[Any], duration_us: int) -> NDArray[Any]:
    """What a movement that runs backwards shows: ``(x, y, duration - t, not p)``, sorted by time.

    >>> from liafseq.tasks.dvs.events import make_events
    >>> reversed_in_time(make_events([1, 2], [3, 3], [10, 40], [True, True]), 100).tolist()
    [(2, 3, 60, False), (1, 3, 90, False)]
    """
    back = np.empty(len(events), EVENT)
    back["x"], back["y"], back["t"], back["p"] = (
        events["x"],
        events["y"],
        duration_us - events["t"],
        ~events["p"],
    )
    # events of one microsecond in the order of the simulator: it must not tell the direction
    return back[np.lexsort((back["p"], back["x"], back["y"], back["t"]))]


def gesture_video(options: GestureOptions, label: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Log intensity above the background, every 5 ms, (frames, size, size).

    Raises:
        ValueError: ``label`` is no class, or the second of a pair: that one is the first's, reversed.
    """
    from liafseq.tasks.dvs.generated._drawing import draw

    if label not in _MOTION:
        raise ValueError(f"label must be one of {', '.join(map(str, _MOTION))}, got {label!r}")
    motion = _MOTION[label]
    shortest, longest = (1000 * ms // _FRAME_US for ms in (options.shortest_ms, options.longest_ms))
    frames = int(rng.integers(shortest, longest + 1)) + 1
    time = np.arange(frames, dtype=np.float64) * (_FRAME_US * 1e-6)
    # a person's rhythm is not a clock's; never so uneven that the movement turns back
    turn = 2 * np.pi * rng.uniform(*_HERTZ[motion]) * time
    phase = rng.uniform(0, 2 * np.pi) + turn + 0.25 * np.sin(turn + rng.uniform(0, 2 * np.pi))
    body = limbs(motion, phase, rng.uniform(0.85, 1.15), rng.uniform(0.9, 1.15))

    size, person = options.size, rng.uniform(0.85, 1.05)
    sway = _sway(time, rng)
    middle = np.array([0.5, 0.42]) + rng.uniform(-0.05, 0.05, 2)
    for ends in (body[..., 0:2], body[..., 2:4]):
        ends *= person
        ends += middle + sway[:, None]
    body[..., 4] *= person
    body[..., :5] *= size
    body[..., :4] -= 0.5
    scene = np.concatenate([_clutter(options, time, rng), body], axis=1)
    scene[..., 5] *= options.contrast * rng.uniform(0.7, 1.3)
    levels = np.zeros((frames, size, size))
    draw(scene, 1.2, levels)
    return levels


def _sway(time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """How nobody stands still, (frames, 2)."""
    hertz, start = rng.uniform(0.4, 0.9, 2), rng.uniform(0, 2 * np.pi, 2)
    return np.array([0.02, 0.008]) * rng.uniform(0.7, 1.3) * np.sin(2 * np.pi * hertz * time[:, None] + start)


def _clutter(
    options: GestureOptions, time: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Spots that wander about in the background, as ``draw`` takes them."""
    count = options.clutter
    spots = np.zeros((len(time), count, 6))
    place = rng.uniform(0.05, 0.95, (count, 2)) * options.size
    hertz, start = rng.uniform(0.3, 1.0, (count, 2)), rng.uniform(0, 2 * np.pi, (count, 2))
    travel = rng.uniform(0.02, 0.1, (count, 2)) * options.size
    moved = place + travel * np.sin(2 * np.pi * hertz * time[:, None, None] + start)
    spots[..., 0:2] = spots[..., 2:4] = moved
    spots[..., 4] = rng.uniform(0.012, 0.03, count) * options.size
    spots[..., 5] = rng.uniform(0.4, 0.9, count)
    return spots
