"""What a study found, for people: the table, in Markdown and as plain text, and the plots."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liafseq.tasks.files import write_atomic

__all__ = ["markdown", "notes", "plain_table", "plus_minus_for", "table", "write_report"]

Table = tuple[list[str], list[list[str]]]


def write_report(
    results: Mapping[str, Any], folder: str | os.PathLike[str], titles: Mapping[int, str] | None = None
) -> list[Path]:
    """Writes table.md, accuracy.png and learning-curves.png beside the runs.

    Args:
        results: of :func:`liafseq.tasks.study.compare`.
        folder: the study's folder, which holds the run folders.
        titles: names of the tasks.

    Returns:
        The files written; without a finished run there is nothing to plot.
    """
    folder = Path(folder)
    files = [write_atomic(folder / "table.md", markdown(results, titles))]
    if any(row["status"] == "finished" for row in results["runs"]):
        from liafseq.tasks import plots

        files.append(write_atomic(folder / "accuracy.png", plots.accuracy_plot(results, titles)))
        curves = plots.curves_plot(results, folder, titles)
        if curves is not None:
            files.append(write_atomic(folder / "learning-curves.png", curves))
    return files


def table(results: Mapping[str, Any], *, transpose: bool = False, plus_minus: str = "±") -> Table:
    """Header and rows of the table: a row a model (or, transposed, a column a model).

    Accuracies are percent of the test questions, mean ± standard deviation over the seeds.
    """
    summary = results["summary"]
    tasks = list(summary[0]["accuracy"]) if summary else []
    header = ["model", *(f"task {task}" for task in tasks)]
    header += ["mean"] if len(tasks) > 1 else []
    header += ["solved", "weights", "training"]
    rows = []
    for entry in summary:
        failed = "failed" if entry["failed"] else "-"
        row = [entry["model"]]
        row += [_percent(entry["accuracy"][task], failed, plus_minus) for task in tasks]
        row += [_percent(entry["mean_accuracy"], "-", plus_minus)] if len(tasks) > 1 else []
        row += [_solved(entry), _weights(entry["parameters"]), _duration(entry["time"]["train_seconds"])]
        rows.append(row)
    if not transpose:
        return header, rows
    columns = [header, *rows]
    turned = [list(line) for line in zip(*columns, strict=True)]
    return turned[0], turned[1:]


def _questions(results: Mapping[str, Any]) -> str:
    """How many questions a task there were: a source may have fewer than were asked for."""
    found = {
        (row["questions"]["train"] + row["questions"]["valid"]) // len(row["tasks"])
        for row in results["runs"]
        if row.get("questions")
    } or {results["settings"]["questions"]}
    low, high = min(found), max(found)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def notes(results: Mapping[str, Any], plus_minus: str = "±") -> list[str]:
    """What the table's figures are, and a line for each failed run."""
    runs, settings = results["runs"], results["settings"]
    seeds = len({row["seed"] for row in runs})
    spread = f", mean {plus_minus} standard deviation over {seeds} seeds" if seeds > 1 else ", one seed"
    lines = [
        f"Test accuracy in percent{spread}; solved: tasks with at most 5% error; "
        f"training: time for all tasks{', mean over seeds' if seeds > 1 else ''}."
    ]
    data = []
    if "source" in settings:
        named = settings["source"] == "generated"
        data.append("generated questions" if named else f"questions of {settings['source']}")
    if "questions" in settings:
        data.append(f"{_questions(results)} for training and validation a task")
    if "epochs" in settings:
        data.append(f"{settings['epochs']} epochs" if settings["epochs"] != 1 else "1 epoch")
    if results.get("baseline"):
        shares = [f"{100 * value:.1f} (task {task})" for task, value in results["baseline"].items()]
        lines.append(f"Always the most frequent answer: {', '.join(shares)}.")
    if "hidden_size" in settings:
        data.append(f"hidden size {settings['hidden_size']}")
    else:
        sizes = [
            f"{entry['model']} {_plain_range(entry['hidden_size'])}"
            for entry in results["summary"]
            if entry["hidden_size"]
        ]
        data.append(f"hidden sizes: {', '.join(sizes)}")
    lines.append(f"{'; '.join(data)}.".capitalize() if data else "")
    for row in runs:
        if row["status"] == "failed":
            tasks = "+".join(map(str, row["tasks"]))
            lines.append(f"Failed: {row['model']}, task {tasks}, seed {row['seed']}: {row['error']}")
    return [line for line in lines if line]


def plus_minus_for(encoding: str | None) -> str:
    """The sign that a stream of this encoding can write.

    >>> plus_minus_for("utf-8"), plus_minus_for("ascii")
    ('±', '+-')
    """
    try:
        "±".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "+-"
    return "±"


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as aligned text, nothing but letters and spaces.

    >>> print(plain_table(["model", "task 1"], [["liaf", "99.7"], ["gru", "100.0"]]))
    model  task 1
    liaf     99.7
    gru     100.0
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(results: Mapping[str, Any], titles: Mapping[int, str] | None = None) -> str:
    """The content of table.md."""
    header, rows = table(results)
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'|'.join([':---', *(['---:'] * (len(header) - 1))])}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    below = notes(results)
    tasks = [int(task) for task in results["summary"][0]["accuracy"]]
    named = [f"{task} {titles[task].replace('-', ' ')}" for task in tasks if titles and task in titles]
    if named:
        below.insert(1, f"Tasks: {', '.join(named)}.")
    escaped = [line.replace("|", "\\|").replace("<", "\\<") for line in below]
    return "\n".join(lines) + "\n\n" + "\n\n".join(escaped) + "\n"


def _percent(spread: Mapping[str, Any] | None, missing: str, plus_minus: str) -> str:
    if spread is None:
        return missing
    text = f"{100 * spread['mean']:.1f}"
    return text if spread["std"] is None else f"{text} {plus_minus} {100 * spread['std']:.1f}"


def _solved(entry: Mapping[str, Any]) -> str:
    count = entry["solved"]
    if count is None:
        return "-"
    return f"{count:.0f}/{entry['tasks']}" if count == int(count) else f"{count:.1f}/{entry['tasks']}"


def _weights(bounds: Sequence[int] | None) -> str:
    # The vocabulary, and with it the number of weights, differs from task to task.
    return "-" if bounds is None else _plain_range(bounds)


def _plain_range(bounds: Sequence[int]) -> str:
    low, high = bounds
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
