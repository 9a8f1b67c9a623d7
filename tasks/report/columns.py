"""The table of a study, and the notes below it: for a terminal, Markdown and the report alike.

A column is one :class:`Column` in the list of :func:`columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from liafseq.tasks import task as tasks
from liafseq.tasks.report.facts import counts, sizes
from liafseq.tasks.report.table import Table
from liafseq.tasks.report.words import COUNTS, JOULES, count_of, duration, in_one_unit, number, number_range
from liafseq.tasks.results import MeanCost, Spread, Study, Summary
from liafseq.tasks.task import Metric

__all__ = ["TRANSPOSED", "Column", "columns", "cost_note", "notes", "report_table", "study_table"]

TRANSPOSED = 6
"""With more parts than this a table of the report has a line per part instead of a line per model."""

Group = Literal["scores", "costs"]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: its head.
        cells: one per model of ``study.summary``; after a newline stands what only the report shows.
        group: the table of the report that it stands in.
        long: its name where it is a line of its own.
        floor: what a constant answer scores.
        optional: whether it is left out where no model has a value.
    """

    title: str
    cells: Callable[[Study], Sequence[str]]
    group: Group = "costs"
    long: str = ""
    floor: str = ""
    optional: bool = True


def columns(study: Study) -> list[Column]:
    """The columns after the first one, which names the model."""
    metric, *others = tasks.find(study.task).metrics
    parts, floor = tuple(study.parts), study.floor
    several = len(parts) > 1
    mean_floor = fmean(floor[part] for part in parts) if parts and set(parts) <= set(floor) else None
    chosen = [
        *(
            Column(
                part, _scores(metric, part), "scores", study.parts[part], metric.text(floor.get(part)), False
            )
            for part in parts
        ),
        *([Column("mean", _scores(metric), "scores", "", metric.text(mean_floor), False)] if several else []),
        *(Column(other.name, _scores(other), "scores") for other in others),
        *([Column("solved", _solved, "scores", optional=False)] if metric.solved is not None else []),
        Column("weights", _each(lambda entry: number_range(entry.parameters)), optional=False),
        Column("MAC", lambda study: in_one_unit(_costs(study, lambda cost: cost.macs), COUNTS)),
        Column("AC", lambda study: in_one_unit(_costs(study, lambda cost: cost.acs), COUNTS)),
        Column("energy", lambda study: in_one_unit(_costs(study, lambda cost: cost.energy_nj), JOULES)),
        Column("firing rate", lambda study: _rates(_costs(study, lambda cost: cost.firing_rate))),
        Column("crossing rate", lambda study: _rates(_costs(study, _analog_rate))),
        Column("training", _each(lambda entry: duration(entry.time.train_seconds)), optional=False),
    ]
    return [c for c in chosen if not c.optional or any(cell != "-" for cell in c.cells(study))]


def study_table(study: Study, *, ascii_only: bool = False) -> Table:
    """The table of a study: a line per model.

    Scores are those of the test data, mean ± standard deviation over the seeds; ``ascii_only`` writes
    ``+-`` and ``uJ``.
    """
    shown = columns(study)
    lines = [[line.partition("\n")[0] for line in column.cells(study)] for column in shown]
    header = ["model", *(column.title for column in shown)]
    rows = zip(study.models, *lines, strict=True)
    return Table(tuple(_plain(header, ascii_only)), tuple(tuple(_plain(row, ascii_only)) for row in rows))


def report_table(study: Study, group: Group) -> Table:
    """The columns of a group, with what only the report shows."""
    shown = [column for column in columns(study) if column.group == group]
    long = group == "scores" and len(study.parts) > TRANSPOSED
    header = ("model", *(column.long or column.title if long else column.title for column in shown))
    rows = list(zip(study.models, *(column.cells(study) for column in shown), strict=True))
    if group == "costs":
        failed = {entry.model for entry in study.summary if entry.failed == entry.runs}
        rows = [row for row in rows if row[0] not in failed]
    elif study.floor:
        rows.append((tasks.find(study.task).constant, *(column.floor for column in shown)))
    table = Table(header, tuple(rows))
    return table.transposed() if long else table


def notes(study: Study, *, ascii_only: bool = False) -> tuple[str, ...]:
    """What the figures of the table are, and a line for each failed run."""
    task = tasks.find(study.task)
    metric, *others = task.metrics
    seeds, several = len(study.seeds()), len(study.parts) > 1
    spread = f"mean ± standard deviation over {count_of(seeds, 'seed')}" if seeds > 1 else "one seed"
    figures = [f"Test {metric.words}{metric.unit_words}, {spread}"]
    mean = ", mean of the parts" if several else ""
    shown = {column.title for column in columns(study)}
    figures += [
        f"{other.name}: {other.words}{other.unit_words}{mean}" for other in others if other.name in shown
    ]
    if metric.solved is not None:
        figures.append(f"solved: {metric.solved_title or 'parts that count as solved'}")
    figures.append(
        f"training: time{' of all parts' if several else ''} without the first step, in which kernels are "
        f"compiled{', mean over the seeds' if seeds > 1 else ''}"
    )
    lines = ["; ".join(figures) + "."]
    if study.floor:
        scores = [f"{metric.text(value)} ({part})" for part, value in study.floor.items()]
        lines.append(f"Always the {task.constant}: {', '.join(scores)}.")
    data = [study.about, *counts(study, task.word)]
    data += [count_of(study.settings["epochs"], "epoch")] if "epochs" in study.settings else []
    text = "; ".join([*data, *sizes(study, task.sizes)])
    lines += [f"{text[:1].upper()}{text[1:]}.", *cost_note(study)]
    for run in study.failed:
        lines.append(f"Failed: {run.model}, {'+'.join(run.parts)}, seed {run.seed}: {run.error}")
    return tuple(_plain(lines, ascii_only))


def cost_note(study: Study) -> list[str]:
    """What the columns of costs are, in a line; none where there are no costs."""
    costs = [entry.cost for entry in study.summary if entry.cost is not None]
    if not costs:
        return []
    from liafseq import EnergyModel

    titles = {column.title for column in columns(study)}
    rates = {"firing rate": "spikes", "crossing rate": "thresholds that analog neurons cross,"}
    note = (
        "MAC, AC: multiply-accumulates and accumulates that one test sample needs (a spike turns one into "
        "the other, a silent input into none); energy: of these alone, "
        f"{EnergyModel(**costs[0].energy_model)}, without memory traffic"
    )
    shown = [f"{title}: {what} per neuron and step" for title, what in rates.items() if title in titles]
    return ["; ".join([note, *shown]) + "."]


def _each(cell: Callable[[Summary], str]) -> Callable[[Study], list[str]]:
    return lambda study: [cell(entry) for entry in study.summary]


def _scores(metric: Metric, part: str | None = None) -> Callable[[Study], list[str]]:
    """A metric on a part, or its mean over the parts."""

    def cell(entry: Summary) -> str:
        if part is None:
            return _spread(metric, entry.figure(metric.name), "-")
        return _spread(metric, entry.parts[part][metric.name], "failed" if entry.failed else "-")

    return _each(cell)


def _spread(metric: Metric, spread: Spread | None, missing: str) -> str:
    if spread is None:
        return missing
    text = metric.text(spread.mean)
    if spread.std is not None:
        text += f" ± {metric.text(spread.std)}"
    if spread.interval:
        text += "\n" + " to ".join(map(metric.text, spread.interval))
    return text


def _solved(study: Study) -> list[str]:
    """Such as ``2/3``, or ``1.5/3`` in the mean over the seeds."""
    return [
        "-" if entry.solved is None else f"{round(entry.solved, 1):g}/{len(study.parts)}"
        for entry in study.summary
    ]


def _costs(study: Study, value: Callable[[MeanCost], float | None]) -> list[float | None]:
    return [None if entry.cost is None else value(entry.cost) for entry in study.summary]


def _analog_rate(cost: MeanCost) -> float | None:
    """The thresholds crossed by neurons that emit no spikes; those of the others are their spikes."""
    return cost.crossing_rate if cost.firing_rate is None else None


def _rates(values: Sequence[float | None]) -> list[str]:
    return ["-" if value is None else number(value) for value in values]


def _plain(texts: Sequence[str], ascii_only: bool) -> list[str]:
    return [text.replace("±", "+-").replace("µ", "u") if ascii_only else text for text in texts]
