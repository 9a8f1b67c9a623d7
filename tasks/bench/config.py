"""What a benchmark measures. The fields of :class:`BenchConfig` are the options of ``liafseq bench``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from liafseq.tasks.bench.peers import PEERS, chosen_peers
from liafseq.tasks.config import MACHINE, MODEL, STUDY, option
from liafseq.tasks.models import ModelSpec, as_spec, parse_specs
from liafseq.tasks.settings import Settings

__all__ = [
    "BASELINE", "BASELINES", "FLOOR", "LIMIT", "SWEEPS", "BenchConfig", "Mode", "Shape", "Sweep",
    "floor_label",
]  # fmt: skip

Mode = Literal["training", "inference"]
BASELINE = "gru"
"""What every layer is timed against."""
BASELINES = (BASELINE, "lstm", "rnn")
"""torch's own layers, which ratios are made against where they are timed."""
FLOOR = "floor"
LIMIT = "limit"
"""What all operations of a step take at the rate of a large matrix product."""
LARGEST = 1 << 20


def floor_label(rows: int, hidden: int) -> str:
    """The name of the floor of a layer with so many rows of weights."""
    names = {hidden: FLOOR, 2 * hidden: f"{FLOOR}, gated"}
    return names.get(rows, f"{FLOOR}, {rows} rows")


@dataclass(frozen=True)
class Shape:
    """Batch, time steps, input size and hidden size of one layer.

    >>> Shape.parse("32x100x64x128")
    Shape(batch=32, steps=100, inputs=64, hidden=128)
    """

    batch: int
    steps: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.steps}x{self.inputs}x{self.hidden}"

    @classmethod
    def parse(cls, text: str) -> Shape:
        """The shape of a text ``NxTxIxH``."""
        parts = text.strip().split("x")
        if len(parts) != 4:
            raise ValueError(f": expected batch x steps x input x hidden as in 32x100x64x128, got {text!r}")
        return cls(*(_size(part, text) for part in parts))


SWEEPS = {
    "T": ("steps", (16, 32, 64, 128, 256, 512, 1024)),
    "N": ("batch", (1, 4, 16, 64, 256)),
    "H": ("hidden", (32, 64, 128, 256, 512)),
}
"""What a sweep may vary: letter -> field of the shape, values."""


@dataclass(frozen=True)
class Sweep:
    """One size of a shape that takes several values.

    >>> [str(shape) for shape in Sweep.parse("T=10,20").shapes(Shape(1, 5, 2, 3))]
    ['1x10x2x3', '1x20x2x3']
    """

    letter: str
    values: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.letter}={','.join(map(str, self.values))}"

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """The sweep of ``T``, ``N`` or ``H``, or of a letter with values as in ``T=16,64``."""
        letter, equals, values = text.partition("=")
        if letter not in SWEEPS:
            raise ValueError(f": expected T, N or H, with values as in T=16,64, got {text!r}")
        if not equals:
            return cls(letter, SWEEPS[letter][1])
        return cls(letter, tuple(dict.fromkeys(_size(part, text) for part in values.split(","))))

    def size(self, shape: Shape) -> int:
        """The size that varies."""
        return int(getattr(shape, SWEEPS[self.letter][0]))

    def shapes(self, base: Shape) -> tuple[Shape, ...]:
        return tuple(dataclasses.replace(base, **{SWEEPS[self.letter][0]: value}) for value in self.values)


def _size(text: str, whole: str) -> int:
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII) or not 1 <= int(text) <= LARGEST:
        raise ValueError(f": expected whole numbers from 1 to {LARGEST}, got {text.strip()!r} in {whole!r}")
    return int(text)


def _listed(one: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A validator of values, each once, or of their texts, or of one text with commas."""

    def listed(value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, Iterable):
            return value
        return tuple(dict.fromkeys(one(part) if isinstance(part, str) else part for part in parts))

    return listed


def _mode(text: str) -> str:
    modes = get_args(Mode)
    if text.strip() not in modes:
        raise ValueError(f": expected one or more of {', '.join(modes)}, got {text.strip()!r}")
    return text.strip()


def _models(value: Any) -> tuple[ModelSpec, ...]:
    """The models with the baseline among them; what ratios are made against keeps its name."""
    try:
        specs = parse_specs(value, ["layer"]) if isinstance(value, str) else tuple(map(as_spec, value))
    except ValueError as error:
        raise ValueError(f": {error}") from None
    for spec in specs:
        taken = spec.label in (*BASELINES, *PEERS, FLOOR, LIMIT) or spec.label.startswith(f"{FLOOR}, ")
        if spec.label != spec.name and taken:
            raise ValueError(f": {spec.label} is the name of another row, so it cannot label {spec.name}")
    if all(spec.label != BASELINE for spec in specs):
        specs = (*specs, as_spec(BASELINE))
    return specs


_AsText = PlainSerializer(lambda value: None if value is None else str(value))
_AsTexts = PlainSerializer(lambda values: [str(value) for value in values])


class BenchConfig(Settings):
    """All choices of a benchmark.

    Lists may be given as texts with commas, as on the command line:

    >>> config = BenchConfig(models="liaf:gated=true", shapes="4x5x6x7", modes="inference")
    >>> [spec.label for spec in config.models], config.shapes
    (['liaf:gated=true', 'gru'], (Shape(batch=4, steps=5, inputs=6, hidden=7),))
    """

    model_config = ConfigDict(validate_default=True)

    models: Annotated[
        tuple[ModelSpec, ...],
        BeforeValidator(_models),
        option(
            f"Models, or all: names, each with its settings, [LABEL=]NAME[:OPTION=VALUE...]; "
            f"{BASELINE} always.",
            STUDY, short="m", metavar="liaf,liaf:gated=true,gru",
        ),
    ] = "all"  # type: ignore[assignment]  # fmt: skip
    shapes: Annotated[
        tuple[Shape, ...],
        BeforeValidator(_listed(Shape.parse)),
        _AsTexts,
        option("Batch x time steps x input x hidden size, with commas.", STUDY, metavar="NxTxIxH"),
    ] = "32x100x64x128,64x128x128x256,128x64x256x512,1x1000x64x128"  # type: ignore[assignment]
    modes: Annotated[
        tuple[Mode, ...],
        BeforeValidator(_listed(_mode)),
        option(
            "training (forward and backward), inference, or both, with a comma.",
            STUDY, flag="mode", metavar="training,inference",
        ),
    ] = get_args(Mode)  # fmt: skip
    sweep: Annotated[
        Sweep | None,
        BeforeValidator(lambda value: Sweep.parse(value) if isinstance(value, str) else value),
        _AsText,
        option(
            "Vary time steps, batch or hidden size of the first shape.", STUDY, metavar="T|N|H[=16,64,...]"
        ),
    ] = None
    rounds: Annotated[int, option("Each round times every model once.", STUDY, ge=1, le=1000)] = 7
    min_time: Annotated[float, option("Seconds that one timing lasts at least.", STUDY, ge=0, le=60)] = 0.2
    peers: Annotated[
        tuple[str, ...],
        BeforeValidator(chosen_peers),
        option(
            "Other packages: installed (those that are), none, or names.",
            STUDY, metavar=f"installed|none|{','.join(PEERS)}",
        ),
    ] = ()  # fmt: skip
    memory: Annotated[bool, option("Also the memory of a training step.", STUDY)] = False
    first_call: Annotated[
        bool, option("Also the first step of a fresh process, compiling included.", STUDY)
    ] = False
    one_step: Annotated[
        bool, option("Also one step of one sequence, of layers and cells with 64 neurons.", STUDY)
    ] = False
    seed: Annotated[int, option("Seed of weights and inputs.", MODEL, ge=0, lt=2**53)] = 0
    device: Annotated[
        str, option("cpu, cuda, cuda:1, ...", MACHINE, metavar="cpu|cuda|cuda:1|...", min_length=1)
    ] = "cpu"
    dtype: Annotated[
        Literal["float32", "float64", "bfloat16", "float16"],
        option("Precision; 16 bits are those of torch.autocast, weights and input float32.", MACHINE),
    ] = "float32"
    tf32: Annotated[
        bool, option("On a GPU time float32 products in TF32, cuDNN's too; by default none.", MACHINE)
    ] = False
    threads: Annotated[
        int | None, option("CPU threads of torch; by default as many as it takes.", MACHINE, ge=1, le=1024)
    ] = None

    @property
    def measured(self) -> tuple[Shape, ...]:
        """The shapes, or those of the sweep."""
        return self.shapes if self.sweep is None else self.sweep.shapes(self.shapes[0])
