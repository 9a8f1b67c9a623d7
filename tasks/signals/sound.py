"""Sounds as steps: the logarithm of the energy in bands of the mel scale."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.sources import read_bytes
from liafseq.tasks.signals.arrays import Signal
from liafseq.tasks.signals.config import SignalsConfig

__all__ = ["log_mel", "read_wav"]


def read_wav(path: Path, config: SignalsConfig) -> Signal:
    """The steps of a sound, channels taken together; ValueError for what is no wav file."""
    from scipy.io import wavfile

    data = read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # chunks that are not known
            rate, samples = wavfile.read(io.BytesIO(data))
        samples = np.asarray(samples)
    except Exception as error:  # scipy does not say what a damaged head may raise
        raise ValueError(f"{path}: not a readable wav file: {error}") from None
    if not samples.size or not 100 <= rate <= 1_000_000:
        raise ValueError(
            f"{path}: expected samples, 100 to 1000000 a second, got {samples.size}, {rate} a second"
        )
    kind = samples.dtype
    sound = samples.astype(np.float64)
    if kind.kind in "iu":
        sound = (sound - 128) / 128 if kind == np.uint8 else sound / -float(np.iinfo(kind).min)
    if sound.ndim > 1:
        sound = sound.mean(1)
    if not np.isfinite(sound).all() or np.abs(sound).max() > 1e6:
        raise ValueError(
            f"{path}: sample {int((~(np.abs(sound) <= 1e6)).argmax())} is no finite sound pressure"
        )
    return Signal(log_mel(sound, rate, config.mels, config.window, config.hop), None, str(path), int(rate))


def log_mel(sound: NDArray[Any], rate: int, bands: int, window: float, hop: float) -> NDArray[Any]:
    """ln(energy + 1e-6) in triangular bands, evenly spaced on the mel scale 2595 log10(1 + f / 700).

    Args:
        sound: (samples), -1 to 1.
        rate: samples a second.
        bands: of the mel scale, from 0 to half the rate.
        window: milliseconds of a step, under a Hann window.
        hop: milliseconds from one step to the next.

    Returns:
        (steps, bands), a step at least: a short sound is filled up with silence.
    """
    from scipy.signal import get_window

    size, step = (max(2, round(rate * time / 1000)) for time in (window, hop))
    sound = np.pad(sound, (0, max(0, size - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::step]
    shape, filters = get_window("hann", size), _filters(rate, size, bands)
    parts = []
    for start in range(0, len(frames), 1024):  # frames overlap: all at once are many times the sound
        power = np.abs(np.fft.rfft(frames[start : start + 1024] * shape, axis=-1)) ** 2
        parts.append(np.log(power @ filters + 1e-6))
    return np.concatenate(parts)


@lru_cache(maxsize=4)
def _filters(rate: int, size: int, bands: int) -> NDArray[Any]:
    """(frequencies, bands): a band rises from the middle of the one before and falls to that of the next."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(size, 1 / rate)[:, None]
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    return np.clip(
        np.minimum((frequency - left) / (middle - left), (right - frequency) / (right - middle)), 0, 1
    )
