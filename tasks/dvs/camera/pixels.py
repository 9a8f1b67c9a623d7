"""The compiled loop of the camera: every pixel through every interval between two frames."""

from __future__ import annotations

import math

import numpy as np

from liafseq.tasks.dvs.camera.compiled import compiled

__all__ = ["run"]


@compiled
def run(levels, times, first, on, off, refractory, memory, wait, last, noise, at, limit):
    """The events of some successive frames.

    Args:
        levels: log intensity of the frames, float64 (frames, pixels).
        times: of these frames, int64 microseconds after the video's first one.
        first: how many intervals of the video came before.
        on, off: thresholds, float64 (pixels,).
        refractory: in microseconds.
        memory: the level that a pixel compares with, float64 (pixels,); changed.
        wait: until when a pixel is dead, or -1; float64 (pixels,); changed.
        last: rounded time of a pixel's last event, or -1; int64 (pixels,); changed.
        noise: interval, pixel, time and polarity of the noise events, in this order.
        at: the first noise event that has not been used.
        limit: stop once there are more events than this.

    Returns:
        The events as numbers ``(time * pixels + pixel) * 2 + polarity`` in no particular order, and
        the first noise event that has not been used.
    """
    noise_interval, noise_pixel, noise_time, noise_on = noise
    pixels = levels.shape[1]
    found = np.empty(1024, np.int64)
    n = 0
    for i in range(levels.shape[0] - 1):
        t0, t1 = float(times[i]), float(times[i + 1])
        for pixel in range(pixels):
            a, b = levels[i, pixel], levels[i + 1, pixel]
            noisy = at < noise_interval.size and noise_interval[at] == first + i and noise_pixel[at] == pixel
            t = t0
            dead = wait[pixel] >= t1
            if not dead:
                if wait[pixel] >= t0:
                    t = wait[pixel]
                    wait[pixel] = -1.0
                    memory[pixel] = a + (b - a) * ((t - t0) / (t1 - t0))
                level = memory[pixel]
                if not noisy and b < level + on[pixel] and b > level - off[pixel]:
                    continue
            while not dead:
                while noisy and noise_time[at] < t:
                    at += 1
                    noisy = (
                        at < noise_interval.size
                        and noise_interval[at] == first + i
                        and noise_pixel[at] == pixel
                    )
                level, then, rises = memory[pixel], math.inf, b > a
                if b > a and level + on[pixel] <= b:
                    level += on[pixel]
                    then = max(t0 + (level - a) * (t1 - t0) / (b - a), t)
                elif b < a and level - off[pixel] >= b:
                    level -= off[pixel]
                    then = max(t0 + (level - a) * (t1 - t0) / (b - a), t)
                if noisy and noise_time[at] < then:
                    then, rises = noise_time[at], noise_on[at]
                    level = a + (b - a) * ((then - t0) / (t1 - t0))
                    at += 1
                    noisy = (
                        at < noise_interval.size
                        and noise_interval[at] == first + i
                        and noise_pixel[at] == pixel
                    )
                if then == math.inf:
                    break
                if n > limit:
                    return found[:n], at
                # the maximum guards against a rounding of then itself
                when = min(math.floor(then + 0.5), times[i + 1])
                if last[pixel] >= 0:
                    when = max(when, last[pixel] + refractory)
                last[pixel] = when
                if n == found.size:
                    more = np.empty(2 * n, np.int64)
                    more[:n] = found
                    found = more
                found[n] = (when * pixels + pixel) * 2 + (1 if rises else 0)
                n += 1
                t = then
                memory[pixel] = level
                if refractory > 0:
                    t = then + refractory
                    if t >= t1:
                        wait[pixel] = t
                        dead = True
                    else:
                        memory[pixel] = a + (b - a) * ((t - t0) / (t1 - t0))
            # what comes while the pixel is dead is lost
            while at < noise_interval.size and noise_interval[at] == first + i and noise_pixel[at] == pixel:
                at += 1
    return found[:n], at
