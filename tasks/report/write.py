"""What a study found, for people: the table, in Markdown and as plain text, and the plots."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liafseq.tasks.report_words import duration, number_range, task_name, task_title
from liafseq.tasks.storage.files import read_json, write_atomic

__all__ = [
    "markdown",
    "notes",
    "plain_table",
    "plus_minus_for",
    "read_results",
    "table",
    "write_html",
    "write_report",
]

Table = tuple[list[str], list[list[str]]]


def write_report(
    results: Mapping[str, Any], folder: str | os.PathLike[str], titles: Mapping[Any, str] | None = None
) -> list[Path]:
    """Writes all that a study's folder has for people: report.html and report.md with its pictures,
    table.md, accuracy.png and learning-curves.png.

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
    return files + write_html(results, folder, folder / "report.html", titles)


def write_html(
    results: Mapping[str, Any],
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    titles: Mapping[Any, str] | None = None,
) -> list[Path]:
    """Writes the report as one HTML file, and as Markdown, with its pictures, beside it.

    Args:
        results: of :func:`liafseq.tasks.study.compare`, or :func:`read_results`.
        folder: the study's folder, for the learning curves.
        out: the HTML file; the others have its name with another ending.
        titles: names of the tasks.
    """
    from liafseq.tasks.report_content import report
    from liafseq.tasks.report_html import html
    from liafseq.tasks.report_markdown import markdown_report

    out = Path(out)
    content = report(results, Path(folder), titles)
    text, pictures = markdown_report(content, out.stem)
    # The HTML file last: where it is, the others are.
    files = [write_atomic(out.with_name(name), data) for name, data in pictures.items()]
    files.append(write_atomic(out.with_suffix(".md"), text))
    return [write_atomic(out, html(content)), *reversed(files)]


def read_results(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The results of a study's folder, of this version or an older one.

    The summary and the comparisons are made anew from the rows of the runs.

    Raises:
        FileNotFoundError: the folder has no results.json.
        ValueError: results.json is damaged, or not that of a study.
    """
    from liafseq.tasks.statistics import compare_pairs
    from liafseq.tasks.study import summarise

    path = Path(folder) / "results.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: not the folder of a finished study: no results.json, which liafseq compare writes"
        )
    content = read_json(path)
    try:
        rows = [_checked(row) for row in content["runs"]]
        if not rows or not isinstance(content["settings"], Mapping):
            raise ValueError("no runs, or no settings")
        return {**content, "summary": summarise(rows), "pairwise": compare_pairs(rows)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: not the results of a study ({why})") from error


def _checked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(row["model"], str) or not isinstance(row["seed"], int) or not row["tasks"]:
        raise ValueError(f"a run without model, seed or tasks: {str(row)[:80]}")
    if row["status"] == "finished":
        values = [*row["accuracy"].values(), row["parameters"], row["time"]["train_seconds"]]
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
            raise ValueError(f"a finished run whose figures are none: {str(row)[:80]}")
        if set(row["accuracy"]) != set(map(str, row["tasks"])):
            raise ValueError(f"a run whose accuracies are not of its tasks: {str(row)[:80]}")
    else:
        row["error"]
    return row


def table(results: Mapping[str, Any], *, transpose: bool = False, plus_minus: str = "±") -> Table:
    """Header and rows of the table: a row a model (or, transposed, a column a model).

    Accuracies are percent of the test questions, mean ± standard deviation over the seeds. What a test
    sample costs stands between the weights and the training time, where it is known.
    """
    from liafseq.tasks.costs import cost_columns

    summary = results["summary"]
    tasks = list(summary[0]["accuracy"]) if summary else []
    header = ["model", *(task_name(task) for task in tasks)]
    header += ["mean"] if len(tasks) > 1 else []
    names, costs = cost_columns(summary, ascii_only=plus_minus.isascii())
    # bAbI's tasks have numbers and count as solved or not; a data set does not.
    numbered = any(task.isdigit() for task in tasks)
    header += [*(["solved"] if numbered else []), "weights", *names, "training"]
    rows = []
    for entry, cells in zip(summary, costs, strict=True):
        failed = "failed" if entry["failed"] else "-"
        row = [entry["model"]]
        row += [_percent(entry["accuracy"][task], failed, plus_minus) for task in tasks]
        row += [_percent(entry["mean_accuracy"], "-", plus_minus)] if len(tasks) > 1 else []
        row += [_solved(entry)] if numbered else []
        row += [number_range(entry["parameters"]), *cells]
        row.append(duration(entry["time"]["train_seconds"]))
        rows.append(row)
    if not transpose:
        return header, rows
    columns = [header, *rows]
    turned = [list(line) for line in zip(*columns, strict=True)]
    return turned[0], turned[1:]


def _amount(results: Mapping[str, Any]) -> str | None:
    """How many questions or recordings a task there were: a source may have fewer than were asked for."""
    for kind in ("questions", "recordings"):
        found = {
            (row[kind]["train"] + row[kind]["valid"]) // len(row["tasks"])
            for row in results["runs"]
            if row.get(kind)
        } or ({results["settings"][kind]} if kind in results["settings"] else set())
        if found:
            count = number_range([min(found), max(found)])
            named = f"{count} {kind}" if kind == "recordings" else count
            return f"{'all' if found == {0} else named} for training and validation a task"
    return None


def notes(results: Mapping[str, Any], plus_minus: str = "±") -> list[str]:
    """What the table's figures are, and a line for each failed run."""
    runs, settings = results["runs"], results["settings"]
    seeds = len({row["seed"] for row in runs})
    spread = f", mean {plus_minus} standard deviation over {seeds} seeds" if seeds > 1 else ", one seed"
    numbered = any(isinstance(task, int) for row in runs for task in row["tasks"])
    lines = [
        f"Test accuracy in percent{spread}; "
        f"{'solved: tasks with at most 5% error; ' if numbered else ''}"
        f"training: time {'for all tasks' if numbered else 'of a run'}"
        f"{', mean over seeds' if seeds > 1 else ''}."
    ]
    data = []
    if "source" in settings:
        named = settings["source"] == "generated"
        data.append("generated questions" if named else f"questions of {settings['source']}")
    if "data" in settings:
        data.append(f"event recordings {settings['data']}")
    amount = _amount(results)
    if amount:
        data.append(amount)
    if "epochs" in settings:
        data.append(f"{settings['epochs']} epochs" if settings["epochs"] != 1 else "1 epoch")
    if results.get("baseline"):
        shares = [f"{100 * value:.1f} ({task_name(task)})" for task, value in results["baseline"].items()]
        lines.append(f"Always the most frequent answer: {', '.join(shares)}.")
    if "hidden_size" in settings:
        data.append(f"hidden size {settings['hidden_size']}")
    else:
        sizes = [
            f"{entry['model']} {number_range(entry['hidden_size'])}"
            for entry in results["summary"]
            if entry["hidden_size"]
        ]
        data.append(f"hidden sizes: {', '.join(sizes)}")
    text = "; ".join(data)
    lines.append(f"{text[:1].upper()}{text[1:]}." if data else "")
    if any(entry.get("cost") for entry in results["summary"]):
        from liafseq.tasks.costs import cost_note

        lines.append(cost_note(results["summary"]) or "")
    for row in runs:
        if row["status"] == "failed":
            tasks = "+".join(map(str, row["tasks"]))
            named = f"task {tasks}" if isinstance(row["tasks"][0], int) else tasks
            lines.append(f"Failed: {row['model']}, {named}, seed {row['seed']}: {row['error']}")
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


def markdown(results: Mapping[str, Any], titles: Mapping[Any, str] | None = None) -> str:
    """The content of table.md."""
    header, rows = table(results)
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'|'.join([':---', *(['---:'] * (len(header) - 1))])}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    below = notes(results)
    tasks = results["summary"][0]["accuracy"] if results["summary"] else ()
    titled = [(task, task_title(task, titles)) for task in tasks]
    named = [f"{task} {title.partition(': ')[2]}" for task, title in titled if ": " in title]
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
