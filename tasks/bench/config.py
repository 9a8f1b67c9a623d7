"""What a benchmark measures: shapes, models, modes, and how often."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = [
    "BASELINES",
    "DEFAULT_SHAPES",
    "MODES",
    "SWEEPS",
    "BenchConfig",
    "Shape",
    "parse_list",
    "parse_shapes",
    "parse_sweep",
]

MODES = ("training", "inference")
DTYPES = ("float32", "float64")
BASELINES = ("gru", "lstm", "rnn")
"""torch's own layers, which ratios are made against; the first is always timed."""
LARGEST = 1 << 20


@dataclass(frozen=True)
class Shape:
    """Batch, time steps, input size and hidden size of one layer."""

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.steps}x{self.inputs}x{self.hidden}"


DEFAULT_SHAPES = (
    Shape(32, 100, 64, 128),
    Shape(64, 128, 128, 256),
    Shape(128, 64, 256, 512),
    Shape(1, 1000, 64, 128),
)
SWEEPS = {
    "T": ("steps", (16, 32, 64, 128, 256, 512, 1024)),
    "N": ("batch", (1, 4, 16, 64, 256)),
    "H": ("hidden", (32, 64, 128, 256, 512)),
}
"""What a sweep may vary: letter -> field of the shape, values."""


@dataclass(frozen=True)
class BenchConfig:
    """All choices of a benchmark.

    Attributes:
        rounds: each round times every competitor once.
        min_time: seconds that one timing lasts at least; a step is repeated until it does.
        threads: of torch; None leaves them as they are.
        options: neuron options by model.
        peers: names of other packages to time where they are installed.
    """

    shapes: tuple[Shape, ...] = DEFAULT_SHAPES
    models: tuple[str, ...] = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")
    modes: tuple[str, ...] = MODES
    rounds: int = 7
    min_time: float = 0.2
    threads: int | None = None
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0
    peers: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"--dtype: expected {' or '.join(DTYPES)}, got {self.dtype!r}")
        if not 0 <= self.min_time <= 60:
            raise ValueError(f"--min-time: expected 0 to 60 seconds, got {self.min_time}")
        if BASELINES[0] not in self.models:
            object.__setattr__(self, "models", (*self.models, BASELINES[0]))


def parse_shapes(text: str) -> tuple[Shape, ...]:
    """Shapes from ``NxTxIxH`` texts with commas between them.

    >>> parse_shapes("32x100x64x128")
    (Shape(batch=32, steps=100, inputs=64, hidden=128),)
    """
    return tuple(dict.fromkeys(_shape(part) for part in text.split(",")))


def parse_list(text: str, option: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the ``allowed`` words, in the order given, each once.

    >>> parse_list("inference", "--mode", MODES)
    ('inference',)
    """
    words = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for word in words:
        if word not in allowed:
            raise ValueError(f"{option}: expected one or more of {', '.join(allowed)}, got {word!r}")
    return words


def parse_sweep(text: str, base: Shape) -> tuple[str, tuple[Shape, ...]]:
    """The letter and the shapes of ``T``, ``N`` or ``H``, or of a letter with values.

    >>> letter, shapes = parse_sweep("T=10,20", Shape(1, 5, 2, 3))
    >>> letter, [str(shape) for shape in shapes]
    ('T', ['1x10x2x3', '1x20x2x3'])
    """
    letter, equals, values = text.partition("=")
    if letter not in SWEEPS:
        raise ValueError(f"--sweep: expected T, N or H, with values as in T=16,64, got {text!r}")
    name, numbers = SWEEPS[letter]
    if equals:
        numbers = tuple(_size(part, "--sweep", text) for part in values.split(","))
    return letter, tuple(replace(base, **{name: number}) for number in dict.fromkeys(numbers))


def _shape(text: str) -> Shape:
    parts = text.strip().split("x")
    if len(parts) != 4:
        raise ValueError(
            f"--shapes: expected batch x steps x input x hidden as in 32x100x64x128, got {text!r}"
        )
    return Shape(*(_size(part, "--shapes", text) for part in parts))


def _size(text: str, option: str, whole: str) -> int:
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII) or not 1 <= int(text) <= LARGEST:
        raise ValueError(
            f"{option}: expected whole numbers from 1 to {LARGEST}, got {text.strip()!r} in {whole!r}"
        )
    return int(text)
