"""The rows of a benchmark as tables for people. A column is an entry of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from liafseq.tasks.bench.check import NEAR, STEPS
from liafseq.tasks.bench.competitors import HALVES
from liafseq.tasks.bench.config import BASELINE, BASELINES, FLOOR, LIMIT, BenchConfig, Shape
from liafseq.tasks.bench.one_step import AGAINST
from liafseq.tasks.bench.peers import PEERS
from liafseq.tasks.bench.results import Bench, FirstCall, OneStep, Quartiles, Speed, StepMemory, Timing
from liafseq.tasks.report.table import Table

__all__ = [
    "first_call_table", "heading", "memory_table", "notes", "one_step_table", "problems", "speed_table",
]  # fmt: skip

R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column: its head, its cell of a row, and whether it is shown for these rows."""

    title: str
    cell: Callable[[R], str]
    shown: Callable[[Sequence[R]], bool] = lambda _: True


def table(rows: Sequence[R], columns: Sequence[Column[R]]) -> Table:
    chosen = [column for column in columns if column.shown(rows)]
    return Table(
        tuple(column.title for column in chosen),
        tuple(tuple(column.cell(row) for column in chosen) for row in rows),
    )


def heading(shape: Shape, mode: str = "") -> str:
    """What a group of rows has in common, in a line.

    >>> heading(Shape(2, 3, 4, 5), "training")
    'training, batch 2, steps 3, input 4, hidden 5'
    """
    sizes = f"batch {shape.batch}, steps {shape.steps}, input {shape.inputs}, hidden {shape.hidden}"
    return f"{mode}, {sizes}" if mode else sizes


def speed_table(rows: Sequence[Timing]) -> Table:
    """One shape and mode: milliseconds, ratios, and how the check went. Wrong rows have no figures."""
    return table(rows, _SPEED)


def memory_table(rows: Sequence[StepMemory]) -> Table:
    """Memory of a training step at one shape, in MiB and against nn.GRU."""
    base = next((row.extra_bytes for row in rows if row.model == BASELINE), 0)
    columns: list[Column[StepMemory]] = [
        Column("model", lambda row: row.model),
        Column("extra MiB", lambda row: f"{row.extra_bytes / 2**20:.1f}"),
        Column(f"of {BASELINE}", lambda row: f"{row.extra_bytes / base:.2f}" if base else ""),
        Column("kept MiB", lambda row: "" if row.kept_bytes is None else f"{row.kept_bytes / 2**20:.1f}"),
    ]
    return table(rows, columns)


def first_call_table(rows: Sequence[FirstCall]) -> Table:
    """The first training step of a process, in seconds."""
    return table(rows, _FIRST_CALL)


def one_step_table(rows: Sequence[OneStep]) -> Table:
    """A step of one sequence, in microseconds and against nn.LSTM and nn.GRU or their cells."""
    columns: list[Column[tuple[OneStep, ...]]] = [Column("", lambda row: f"{row[0].model} {row[0].part}")]
    for at, mode in enumerate(dict.fromkeys(row.mode for row in rows)):
        columns.append(_microseconds(at, mode))
        columns += [_step_against(at, other) for other in AGAINST]
    by_part: dict[tuple[str, str], tuple[OneStep, ...]] = {}
    for row in rows:
        key = row.model, row.part
        by_part[key] = (*by_part.get(key, ()), row)
    return table(list(by_part.values()), columns)


def _microseconds(at: int, mode: str) -> Column[tuple[OneStep, ...]]:
    return Column(f"{mode} us", lambda row: figure(1e6 * row[at].speed.seconds.median))


def _step_against(at: int, other: str) -> Column[tuple[OneStep, ...]]:
    return Column(f"/ {other}", lambda row: _times_as_long(row[at].speed, other, row[at].model))


def figure(value: float) -> str:
    """Three digits.

    >>> figure(0.7312), figure(4.526), figure(31.04), figure(250.2)
    ('0.73', '4.53', '31.0', '250')
    """
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _time(row: Timing) -> str:
    return row.status.upper() if row.speed is None else milliseconds(row.speed.seconds.median)


def _ratio(row: Timing, other: str) -> Quartiles | None:
    return None if row.speed is None else row.speed.ratios.get(other)


def _against(other: str) -> Callable[[Timing], str]:
    """How many times as fast as another row."""

    def cell(row: Timing) -> str:
        found = _ratio(row, other)
        if found is not None:
            return figure(found.median)
        return "1.00" if row.speed is not None and row.model == other else ""

    return cell


def _spread(row: Timing) -> str:
    found = _ratio(row, BASELINE)
    return "" if found is None else f"{figure(found.q1)}-{figure(found.q3)}"


def _against_peers(row: Timing) -> str:
    """How many times as fast as the fastest peer."""
    if row.speed is None or row.name in (*PEERS, FLOOR):
        return ""
    found = [row.speed.ratios[peer].median for peer in PEERS if peer in row.speed.ratios]
    return figure(min(found)) if found else ""


# As often slower as the other is faster; the quartiles change places.
def _times_as_long(speed: Speed | None, other: str, own: str) -> str:
    if speed is not None and other in speed.ratios:
        return figure(1 / speed.ratios[other].median)
    return "1.00" if speed is not None and own == other else ""


def _floor_spread(row: Timing) -> str:
    found = _ratio(row, FLOOR)
    return "" if found is None else f"{figure(1 / found.q3)}-{figure(1 / found.q1)}"


def _firing(row: Timing) -> str:
    return "" if row.firing_rate is None else f"{100 * row.firing_rate:.1f}%"


def _deviation(row: Timing) -> str:
    if row.check is None:
        return ""
    return "infinite" if row.check.deviation is None else f"{row.check.deviation:.0e}"


def _timed(*names: str) -> Callable[[Sequence[Timing]], bool]:
    """Whether one of these rows has a speed."""
    return lambda rows: any(row.model in names and row.speed is not None for row in rows)


_SPEED: tuple[Column[Timing], ...] = (
    Column("model", lambda row: row.model),
    Column("ms", _time),
    Column(f"x {BASELINE}", _against(BASELINE)),
    Column("quartiles", _spread),
    *(Column(f"x {name}", _against(name), _timed(name)) for name in BASELINES[1:]),
    Column("x peer", _against_peers, _timed(*PEERS)),
    Column("/ floor", lambda row: _times_as_long(row.speed, FLOOR, row.name)),
    Column("quartiles", _floor_spread),
    Column("/ limit", lambda row: _times_as_long(row.speed, LIMIT, row.name)),
    Column("firing", _firing),
    Column("deviation", _deviation),
)
_FIRST_CALL: tuple[Column[FirstCall], ...] = (
    Column("model", lambda row: row.model),
    Column("first step s", lambda row: f"{row.first:.2f}"),
    Column("later s", lambda row: f"{row.later:.4f}"),
)


def problems(rows: Sequence[Timing]) -> list[str]:
    """A line for each row that has no speed."""
    lines = []
    for row in rows:
        where = f"{row.model} {row.status.upper()} ({heading(row.shape, row.mode)})"
        if row.status == "wrong" and row.check is not None:
            lines.append(
                f"{where}: {row.check.where} deviates from the reference by "
                f"{_deviation(row)}; no speed is given"
            )
        elif row.status != "ok":
            lines.append(f"{where}: {row.error}")
    return lines


def notes(bench: Bench) -> list[str]:
    """What the columns mean and where they were measured."""
    machine, allowed = bench.machine, bench.tolerance
    versions = ", ".join(f"{name} {number}" for name, number in bench.versions.items() if number)
    return [
        f"ms: median of {bench.config.rounds} rounds. x {BASELINE}: how many times as fast as nn.GRU; of "
        "each round the ratio, of the rounds the median and its quartiles. x peer: the same against the "
        "fastest other package. / floor: time over that of the matrix products alone, one a step, of a layer "
        "with as many rows of weights for each neuron (torch's layers: one). / limit: time over that of the "
        "row's own products, counted from the shapes, at the rate of one product of 2048 x 2048 numbers. "
        "firing: spikes per neuron and step. deviation: largest from the reference, relative; allowed are "
        f"{allowed.output:g} (outputs, states) and {allowed.gradient:g} (gradients); torch's layers and "
        "other packages are not checked.",
        f"{bench.config.dtype}{_in_halves(bench.config)}; {machine.device}, {machine.processor}, "
        f"{machine.threads} threads of {machine.cores} cores; {versions}.",
    ]


def _in_halves(config: BenchConfig) -> str:
    if config.dtype not in HALVES:
        return ""
    return (
        " by torch.autocast, which on a CPU leaves nn.GRU in float32; checked without it, and with it "
        f"over {STEPS} steps: deviation is the norm of the difference, relative, allowed are {NEAR:g}"
    )
