"""What a benchmark measures, as typed values; ``liafseq bench --json`` writes a :class:`Bench`.

What a row has not is left out of the file: the speed of a wrong layer, the check of a torch layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from liafseq.tasks.bench.config import BenchConfig, Mode, Shape
from liafseq.tasks.results import Machine, Value

__all__ = [
    "Bench", "FirstCall", "Host", "OneStep", "Part", "Quartiles", "Speed", "StepMemory", "Timing",
    "Tolerance", "Verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Tolerance:
    """Largest deviations, relative to the largest value of the tensor, and the margin of a jump."""

    output: float
    gradient: float
    margin: float


class Verdict(Value):
    """What a check found.

    Attributes:
        ok: every deviation is within its tolerance.
        deviation: max|found - expected| / max|expected| of the tensor ``where``; None where it is infinite
            or nothing could be compared.
        where: the tensor whose deviation is the largest multiple of its tolerance.
        compared: part of the output elements that were compared.
    """

    ok: bool
    deviation: float | None
    where: str
    compared: float


class Quartiles(Value):
    """A median and the quartiles around it."""

    median: float
    q1: float
    q3: float


class Speed(Value):
    """Seconds of a step over the rounds and in each; ``ratios`` say how many times as fast as others.

    Among these are ``floor``, the matrix products of a layer with as many rows of weights, and ``limit``, the
    row's own operations at the rate of a large product.
    """

    seconds: Quartiles
    times: tuple[float, ...]
    ratios: dict[str, Quartiles]


class Timing(Value):
    """A model, a peer or a floor at one shape in one mode.

    Attributes:
        model: the label that names the row.
        name: of the registry; that of a peer is its label, that of a floor ``floor``.
        status: ``wrong``: the check failed; ``failed``: it raised an error; ``unusable``: one that is
            not ours did.
        error: why it is failed or unusable.
        check: the comparison with the reference, of a layer that has one.
        firing_rate: spikes per neuron and step.
        operations: floating-point operations of all matrix products of the step.
        speed: None unless the status is ``ok``.
    """

    shape: Shape
    mode: str
    model: str
    name: str
    status: Literal["ok", "wrong", "failed", "unusable"]
    error: str | None = None
    check: Verdict | None = None
    firing_rate: float | None = None
    operations: int | None = None
    speed: Speed | None = None

    @property
    def is_wrong(self) -> bool:
        return self.status in ("wrong", "failed")


class StepMemory(Value):
    """Memory of a training step of a model (see :mod:`liafseq.tasks.bench.memory`)."""

    shape: Shape
    model: str
    extra_bytes: int
    kept_bytes: int | None


class FirstCall(Value):
    """Seconds of the first training step of a process, compiling included, and of a later step."""

    shape: Shape
    model: str
    first: float
    later: float


Part = Literal["layer", "cell"]


class OneStep(Value):
    """A step of one sequence by a layer or a cell (see :mod:`liafseq.tasks.bench.one_step`)."""

    model: str
    part: Part
    mode: Mode
    speed: Speed


class Host(Machine):
    """What a benchmark ran on."""

    device: str
    threads: int


class Bench(Value):
    """A benchmark; ``complete`` is False while it is under way. What was not asked for is None."""

    schema_version: Literal[1] = 1
    config: BenchConfig
    tolerance: Tolerance
    machine: Host
    versions: dict[str, str]
    complete: bool = False
    results: tuple[Timing, ...] = ()
    memory: tuple[StepMemory, ...] | None = None
    first_call: tuple[FirstCall, ...] | None = None
    one_step: tuple[OneStep, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)

    def having(self, field: str, rows: Iterable[Value]) -> Bench:
        """The benchmark with further rows in ``results``, ``memory``, ``first_call`` or ``one_step``."""
        return self.model_copy(update={field: (*(getattr(self, field) or ()), *rows)})
