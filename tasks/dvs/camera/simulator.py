"""A simulated event camera: video in, events out.

Each pixel holds the level ``m`` of log intensity at which it last fired and compares it with the
present level ``L(t) = log(I(t) + log_offset)``, which runs straight from frame to frame:

    L(t) - m >= theta_on    an ON event    (brighter)
    L(t) - m <= -theta_off  an OFF event   (darker)
    then, from  t' = t + refractory  on,  m = L(t')

so with no refractory period m moves by exactly one threshold. Thresholds differ from pixel to pixel:
``theta (1 + mismatch z)`` with z normal and independent for ON and OFF, at least a tenth of theta.
Background noise is a Poisson process in each pixel, ON and OFF alike; a noise event sets m as any
other does, and is lost in the refractory period. Not modelled: the finite bandwidth of the
photoreceptor, leak events, and noise that depends on the light.

Sources: the pixel: Lichtsteiner, Posch and Delbruck 2008, doi:10.1109/JSSC.2007.914337 (the memory is
held at the input during the refractory period); events from frames, with thresholds that differ and
noise: Hu, Liu and Delbruck 2021 (v2e), arXiv:2006.07722; straight lines between frames, several
events in one interval: Rebecq, Gehrig and Scaramuzza 2018 (ESIM), CoRL, PMLR 87:969-982.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from liafseq.tasks.dvs.camera.frames import check_frames, frame_times, generator
from liafseq.tasks.dvs.events import EVENT

__all__ = ["Camera", "simulate", "simulate_levels"]

_CHUNK = 1 << 21
"""So many pixel values at a time are turned into log intensity."""


@dataclass(frozen=True)
class Camera:
    """What kind of camera records.

    Args:
        on_threshold: rise of the log intensity that makes an ON event; 0.001 to 100.
        off_threshold: fall of the log intensity that makes an OFF event; 0.001 to 100.
        mismatch: standard deviation of the pixels' thresholds as a part of the threshold; 0 to 1.
        refractory_us: how long a pixel is dead after an event, in whole microseconds.
        noise_hz: noise events per pixel and second, half of them ON.
        log_offset: added to the intensity before its logarithm, in the unit of the video: the light
            that is there in the dark. The default suits a video in [0, 1]; for one in [0, 255] take
            about 5. May be 0 if no intensity is.
        random_start: each pixel begins somewhere between its two thresholds, evenly distributed, as in
            a camera that has run for a while. Else each begins at the level of the first frame.

    Raises:
        TypeError: a value that is no number (``refractory_us``: no whole number).
        ValueError: a value outside its range.

    >>> Camera(on_threshold=0.3, off_threshold=0.3).refractory_us
    500
    """

    on_threshold: float = 0.25
    off_threshold: float = 0.25
    mismatch: float = 0.08
    refractory_us: int = 500
    noise_hz: float = 0.5
    log_offset: float = 0.02
    random_start: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("on_threshold", 1e-3, 100.0),
            ("off_threshold", 1e-3, 100.0),
            ("mismatch", 0.0, 1.0),
            ("noise_hz", 0.0, 1e6),
            ("log_offset", 0.0, math.inf),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise TypeError(f"{name} must be a number, got {value!r}")
            if not (low <= value <= high and math.isfinite(value)):
                raise ValueError(f"{name} must be a finite number from {low:g} to {high:g}, got {value!r}")
            object.__setattr__(self, name, float(value))
        wait = self.refractory_us
        if isinstance(wait, bool) or not isinstance(wait, int | np.integer):
            raise TypeError(f"refractory_us must be a whole number of microseconds, got {wait!r}")
        if not 0 <= wait <= 10**9:
            raise ValueError(f"refractory_us must be from 0 to 1000000000, got {wait}")
        object.__setattr__(self, "refractory_us", int(wait))
        if not isinstance(self.random_start, bool):
            raise TypeError(f"random_start must be True or False, got {self.random_start!r}")


def simulate(
    video: ArrayLike,
    times_us: ArrayLike,
    camera: Camera | None = None,
    seed: int | np.random.Generator = 0,
    *,
    max_events: int = 100_000_000,
) -> NDArray[Any]:
    """What the camera records of a video.

    Args:
        video: intensities, at least 0, any unit (see ``Camera.log_offset``); (frames, height, width),
            at least two frames.
        times_us: when each frame is, in whole microseconds, increasing, (frames,); or one number, the
            time from frame to frame.
        camera: default ``Camera()``.
        seed: of the thresholds, the start and the noise. Same seed, same events.
        max_events: to refuse more events than this, which would need 40 bytes each.

    Returns:
        Events of dtype :data:`~liafseq.tasks.dvs.events.EVENT`, sorted by time, then by row, column and
        polarity. Times are the model's, rounded to the nearest microsecond.

    Raises:
        TypeError: the video or the times are no numbers.
        ValueError: wrong shape or size, an intensity that is negative or not finite, times that do not
            increase, or more than ``max_events`` events.

    A pixel whose log intensity rises by 1 in 1 second, from 1 to e:

    >>> video = np.exp(np.linspace(0, 1, 11))[:, None, None]
    >>> ideal = Camera(0.25, 0.25, mismatch=0, refractory_us=0, noise_hz=0, log_offset=0, random_start=False)
    >>> simulate(video, 100_000, ideal)["t"]
    array([ 250000,  500000,  750000, 1000000])
    """
    camera = _camera(camera)
    video = check_frames(video, "video")
    low, high = video.min(), video.max()
    if not low >= 0 or not np.isfinite(high):  # a NaN fails the first
        at = int((~((video >= 0) & np.isfinite(video))).argmax())
        frame, row, column = (int(part) for part in np.unravel_index(at, video.shape))
        raise ValueError(
            f"video: intensities must be finite and at least 0, got {video[frame, row, column]} in frame "
            f"{frame}, row {row}, column {column}"
        )
    if low == 0 and camera.log_offset == 0:
        raise ValueError("log_offset must be above 0 for a video with intensities of 0")
    return _record(video, times_us, camera, seed, max_events, log=True)


def simulate_levels(
    levels: ArrayLike,
    times_us: ArrayLike,
    camera: Camera | None = None,
    seed: int | np.random.Generator = 0,
    *,
    max_events: int = 100_000_000,
) -> NDArray[Any]:
    """As :func:`simulate`, from the log intensity itself; ``camera.log_offset`` is not used.

    Args:
        levels: log intensities, finite; (frames, height, width).
        times_us, camera, seed, max_events: as in :func:`simulate`.

    >>> ideal = Camera(0.5, 0.5, mismatch=0, refractory_us=0, noise_hz=0, random_start=False)
    >>> simulate_levels([[[0.0]], [[1.0]], [[0.0]]], 1000, ideal)[["t", "p"]].tolist()
    [(500, True), (1000, True), (1500, False), (2000, False)]
    """
    camera = _camera(camera)
    levels = check_frames(levels, "levels")
    if not (np.isfinite(levels.min()) and np.isfinite(levels.max())):
        at = int((~np.isfinite(levels)).argmax())
        frame, row, column = (int(part) for part in np.unravel_index(at, levels.shape))
        raise ValueError(
            f"levels: log intensities must be finite, got {levels[frame, row, column]} in frame {frame}, "
            f"row {row}, column {column}"
        )
    if max(abs(float(levels.min())), abs(float(levels.max()))) > 1e6:
        raise ValueError("levels: log intensities must be within 1000000 of 0")
    return _record(levels, times_us, camera, seed, max_events, log=False)


class _Pixels(NamedTuple):
    """What chance decides in a recording."""

    on: NDArray[np.float64]
    off: NDArray[np.float64]
    start: NDArray[np.float64]
    """How far the first frame is above the level that a pixel starts from."""
    noise: tuple[NDArray[Any], ...]
    """Interval, pixel, time and polarity of the noise events, in the order in which they are used."""

    def swapped(self) -> _Pixels:
        """The pixels that see of inverted contrast what these see, with the other polarity."""
        return _Pixels(self.off, self.on, -self.start, (*self.noise[:3], ~self.noise[3]))


def _draw(
    camera: Camera, pixels: int, times: NDArray[np.int64], rng: np.random.Generator, max_events: int
) -> _Pixels:
    expected = camera.noise_hz * pixels * float(times[-1]) * 1e-6
    if expected > max_events:
        raise ValueError(f"noise alone makes about {expected:.0f} events, more than max_events, {max_events}")
    normal = rng.standard_normal((2, pixels))
    factor = np.maximum(1 + camera.mismatch * normal, 0.1)
    on, off = camera.on_threshold * factor[0], camera.off_threshold * factor[1]
    part = rng.random(pixels)
    start = (1 - part) * on - part * off if camera.random_start else np.zeros(pixels)
    count = int(rng.poisson(expected))
    pixel = rng.integers(0, pixels, count)
    time = rng.uniform(0.0, float(times[-1]), count)
    polarity = rng.random(count) < 0.5
    interval = np.clip(np.searchsorted(times, time, side="left") - 1, 0, len(times) - 2)
    order = np.lexsort((time, pixel, interval))
    return _Pixels(on, off, start, (interval[order], pixel[order], time[order], polarity[order]))


def _record(
    frames: NDArray[Any],
    times_us: ArrayLike,
    camera: Camera,
    seed: int | np.random.Generator,
    max_events: int,
    *,
    log: bool,
) -> NDArray[Any]:
    if isinstance(max_events, bool) or not isinstance(max_events, int | np.integer):
        raise TypeError(f"max_events must be a whole number, got {max_events!r}")
    if max_events < 0:
        raise ValueError(f"max_events must be at least 0, got {max_events}")
    count, height, width = frames.shape
    times = frame_times(times_us, count)
    pixels = height * width
    if (int(times[-1]) - int(times[0]) + 1) * pixels * 2 >= 2**63:
        raise ValueError(f"a video of {height} x {width} pixels may not last as long as {times_us!r}")
    after = times - times[0]
    drawn = _draw(camera, pixels, after, generator(seed), max_events)
    keys = _fire(frames, after, camera, drawn, max_events, log=log)
    return _unpack(keys, height, width, int(times[0]))


def _fire(
    frames: NDArray[Any],
    times: NDArray[np.int64],
    camera: Camera,
    drawn: _Pixels,
    max_events: int,
    *,
    log: bool,
) -> NDArray[np.int64]:
    """The events as sorted numbers, ``(time * pixels + pixel) * 2 + polarity``."""
    from liafseq.tasks.dvs.camera.pixels import run

    count, pixels = len(frames), frames[0].size
    wait, last = np.full(pixels, -1.0), np.full(pixels, -1, np.int64)
    memory = np.zeros(0)
    step = max(1, _CHUNK // pixels)
    parts: list[NDArray[np.int64]] = []
    at = total = 0
    for first in range(0, count - 1, step):
        stop = min(first + step + 1, count)
        levels = frames[first:stop].reshape(stop - first, pixels).astype(np.float64)
        if log:
            levels += camera.log_offset
            np.log(levels, out=levels)
        if first == 0:
            memory = levels[0] - drawn.start
        found, at = run(
            levels, times[first:stop], first, drawn.on, drawn.off, camera.refractory_us, memory, wait, last,
            drawn.noise, at, max_events - total,
        )  # fmt: skip
        total += len(found)
        if total > max_events:
            raise ValueError(
                f"more than max_events, {max_events}, events: raise the thresholds or log_offset, or "
                "simulate the video in parts"
            )
        parts.append(found)
    keys = np.concatenate(parts)
    keys.sort()
    return keys


def _unpack(keys: NDArray[np.int64], height: int, width: int, start: int) -> NDArray[Any]:
    events = np.empty(len(keys), EVENT)
    events["p"] = keys & 1
    time, pixel = np.divmod(keys >> 1, height * width)
    events["y"], events["x"] = np.divmod(pixel, width)
    events["t"] = time + start
    return events


def _camera(camera: Camera | None) -> Camera:
    if camera is None:
        return Camera()
    if not isinstance(camera, Camera):
        raise TypeError(f"camera must be a Camera, got {camera!r}")
    return camera
