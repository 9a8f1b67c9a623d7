"""What a report says, in order, whatever it is written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from liafseq.tasks.report_blocks import Block, Code, Facts, Items, Pictures, Report, Section, Table, Text
from liafseq.tasks.report_command import commands
from liafseq.tasks.report_facts import facts, fairness, title
from liafseq.tasks.report_panels import Panel
from liafseq.tasks.report_plots import accuracy_panels, cost_panels, curve_panels, time_panel
from liafseq.tasks.report_words import (
    duration,
    listed,
    number_range,
    p_value,
    percent,
    points,
    task_name,
    task_title,
)
from liafseq.tasks.statistics import compare_pairs, pairs_needed

__all__ = ["report"]

TRANSPOSED = 6
"""With more tasks than this a table has a line a task instead of a line a model."""


def report(results: Mapping[str, Any], folder: Path, titles: Mapping[Any, str] | None = None) -> Report:
    """The report on a study.

    Args:
        results: of :func:`liafseq.tasks.study.compare`.
        folder: of the study, for the learning curves.
        titles: names of the tasks.
    """
    if "pairwise" not in results:
        results = {**results, "pairwise": compare_pairs(results["runs"])}
    sections = [
        Section("What was run", [Facts(facts(results)), *map(Text, fairness(results))]),
        Section("Accuracy", _accuracy(results, titles)),
        Section("Which models are told apart", _told_apart(results)),
    ]
    curves, unread = curve_panels(results, folder, titles)
    if curves or unread:
        sections.append(Section("Learning curves", _curves(results, curves, unread)))
    costs = _costs(results)
    if costs:
        sections.append(Section("What the models cost", costs))
    failed = [row for row in results["runs"] if row["status"] != "finished"]
    if failed:
        named = [
            (f"{row['model']}, {listed(map(task_name, row['tasks']))}, seed {row['seed']}", str(row["error"]))
            for row in failed
        ]
        sections.append(Section("Runs that failed", [Items(named)]))
    sections.append(Section("Repeat it", [*map(_block, commands(results))]))
    sections.append(Section("How the figures are made", [Items(_methods(results))]))
    return Report(title(results), _in_short(results), sections)


def _block(part: str | list[str]) -> Block:
    return Text(part) if isinstance(part, str) else Code(part)


def _in_short(results: Mapping[str, Any]) -> list[Block]:
    scored = [entry for entry in results["summary"] if entry["mean_accuracy"]]
    if not scored:
        return [Text("No model has a finished run of every task, so that there is nothing to compare.")]
    scored.sort(key=lambda entry: -entry["mean_accuracy"]["mean"])
    items = []
    for entry in scored:
        spread = entry["mean_accuracy"]
        text = f"{percent(spread['mean'])}%"
        if spread.get("interval"):
            low, high = spread["interval"]
            text += f" ({percent(low)} to {percent(high)})"
        told = _standing(entry["model"], results["pairwise"])
        items.append((entry["model"], text + (f"; {told}." if told else ".")))
    over = f", the mean of {scored[0]['tasks']} tasks" if scored[0]["tasks"] > 1 else ""
    sure = " (95% interval over the seeds)" if any(e["mean_accuracy"].get("interval") for e in scored) else ""
    lead = f"Test accuracy{over}{sure}, and what the comparison of pairs of runs says:"
    return [Text(lead), Items(items)]


def _standing(model: str, pairwise: Sequence[Mapping[str, Any]]) -> str:
    """What the comparisons say about one model."""
    found: dict[str, list[str]] = {}
    turned = {"better": "worse", "worse": "better"}
    for pair in pairwise:
        if model == pair["first"]:
            found.setdefault(pair["verdict"], []).append(pair["second"])
        elif model == pair["second"]:
            found.setdefault(turned.get(pair["verdict"], pair["verdict"]), []).append(pair["first"])
    parts = [f"{word} than {listed(found[word])}" for word in ("better", "worse") if word in found]
    if "not told apart" in found:
        parts.append(f"not told apart from {listed(found['not told apart'], 'or')}")
    if "too few runs" in found:
        parts.append(f"too few runs to tell it apart from {listed(found['too few runs'], 'or')}")
    return ", ".join(parts)


def _accuracy(results: Mapping[str, Any], titles: Mapping[Any, str] | None) -> list[Block]:
    summary = results["summary"]
    tasks = list(summary[0]["accuracy"]) if summary else []
    if not tasks:
        return [Text("There is no run.")]
    long = len(tasks) > TRANSPOSED
    header = ["model", *(task_title(t, titles) if long else task_name(t) for t in tasks)]
    header += ["mean"] if len(tasks) > 1 else []
    numbered = any(str(task).isdigit() for task in tasks)
    header += ["solved"] if numbered else []
    rows = []
    for entry in summary:
        missing = "failed" if entry["failed"] else "-"
        row = [entry["model"], *(_spread(entry["accuracy"][task], missing) for task in tasks)]
        row += [_spread(entry["mean_accuracy"], "-")] if len(tasks) > 1 else []
        solved = entry["solved"]
        if numbered:
            row += ["-" if solved is None else f"{solved:.1f} of {entry['tasks']}".replace(".0 ", " ")]
        rows.append(row)
    base = results.get("baseline") or {}
    if base:
        shares = [percent(base.get(task)) for task in tasks]
        shares += [percent(fmean(base[task] for task in tasks)) if set(tasks) <= set(base) else "-"] * (
            len(tasks) > 1
        )
        rows.append(["most frequent answer", *shares, *([""] if numbered else [])])
    if long:
        header, *rows = (list(line) for line in zip(header, *rows, strict=True))
    seeds = len({row["seed"] for row in results["runs"]})
    caption = "Test accuracy in percent"
    if seeds > 1:
        caption += (
            f": mean ± standard deviation over {seeds} seeds, and the 95% interval of the mean. "
            "Intervals of a few seeds are wide, because few seeds know little; where all seeds are equal "
            "there is none"
        )
    else:
        caption += ", one seed: how sure it is, one run cannot say"
    caption += ". Solved: tasks with at most 5% error."
    if base:
        caption += " Most frequent answer: what always giving that of the training data scores."
    blocks: list[Block] = [Table(caption, header, rows)]
    panels = accuracy_panels(results, titles)
    if panels:
        text = "Test accuracy by task and model."
        text += " A bar is the 95% interval of the mean, a small ring one seed." if seeds > 1 else ""
        text += " Dashed: always the most frequent answer, where it is on the scale." if base else ""
        text += " Each panel has a scale of its own." if len(panels) > 1 else ""
        blocks.append(Pictures("accuracy", text, panels))
    return blocks


def _spread(spread: Mapping[str, Any] | None, missing: str) -> str:
    if spread is None:
        return missing
    text = percent(spread["mean"])
    if spread["std"] is not None:
        text += f" ± {percent(spread['std'])}"
    if spread.get("interval"):
        low, high = spread["interval"]
        text += f"\n{percent(low)} to {percent(high)}"
    return text


def _told_apart(results: Mapping[str, Any]) -> list[Block]:
    pairs = results["pairwise"]
    if not pairs:
        return [Text("There is one model, and nothing to compare it with.")]
    needed = pairs_needed(len(pairs))
    rows = []
    for pair in pairs:
        names = (pair["first"], pair["second"])
        words = {
            "better": f"{names[0]} is better",
            "worse": f"{names[0]} is worse",
            "not told apart": "not told apart by this many runs",
            "too few runs": f"too few runs: no test of this size could tell ({needed} pairs needed)",
        }[pair["verdict"]]
        if not pair["pairs"]:
            words = "no finished run in common"
        difference = "-" if pair["difference"] is None else points(pair["difference"])
        p = ["-", "-"] if not pair["pairs"] else [p_value(pair["p"]), p_value(pair["p_holm"])]
        rows.append([f"{names[0]} against {names[1]}", words, difference, str(pair["pairs"]), *p])
    header = ["models", "what the runs say", "difference (points)", "pairs of runs", "p", "p, corrected"]
    caption = (
        "Difference: first minus second, in percentage points of the mean accuracy over the tasks that both "
        "have. p: of the difference alone; corrected: for the number of comparisons (Holm), the one that "
        "decides, at 0.05."
    )
    return [Table(caption, header, rows)]


def _curves(results: Mapping[str, Any], panels: list[Panel], unread: list[str]) -> list[Block]:
    several = len({row["seed"] for row in results["runs"]}) > 1
    text = "Validation accuracy after each epoch"
    text += ": mean over the seeds, and their standard deviation as a band." if several else "."
    models = [entry["model"] for entry in results["summary"] if entry["failed"] < entry["runs"]]
    blocks: list[Block] = [Pictures("curves", text, panels, models)] if panels else []
    return blocks + [Text(f"Left out, because it cannot be read: {path}") for path in unread]


def _costs(results: Mapping[str, Any]) -> list[Block]:
    summary = [entry for entry in results["summary"] if entry["failed"] < entry["runs"]]
    if not summary:
        return []
    header = ["model", "hidden size", "parameters", "training"]
    rows = [
        [
            entry["model"],
            number_range(entry["hidden_size"]),
            number_range(entry["parameters"]),
            duration(entry["time"]["train_seconds"]),
        ]
        for entry in summary
    ]
    caption = "Training: wall time for all tasks of one seed."
    if any(entry.get("cost") for entry in summary):
        from liafseq.tasks.costs import cost_columns, cost_note

        names, columns = cost_columns(summary)
        header[3:3] = names
        for row, cells in zip(rows, columns, strict=True):
            row[3:3] = cells
        caption += f" {cost_note(summary)}"
    blocks: list[Block] = [Table(caption, header, rows)]
    panels = cost_panels(results)
    if panels:
        text = (
            "Mean accuracy against what it costs. The line joins the models that no other one beats in both "
            "(the Pareto front of the means); where bars overlap, the next seeds may move it."
        )
        blocks.append(Pictures("cost", text, panels, columns=2))
    time = time_panel(results)
    if time:
        at = results.get("time", {}).get("jobs")
        text = "Training time for all tasks, mean over the seeds, by the clock of the machine above"
        text += f", {at} runs at a time." if at and at > 1 else "."
        blocks.append(Pictures("time", text, [time]))
    return blocks


def _methods(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    models = len(results["summary"])
    needed = pairs_needed(max(1, models * (models - 1) // 2))
    return [
        (
            "Intervals",
            "95% bootstrap: the seeds are drawn anew within each task, 10,000 times, and the interval is "
            "stretched by Student's t for the few seeds there are. It speaks of other seeds of the same "
            "models on these tasks and questions, not of other tasks or questions.",
        ),
        (
            "Comparisons",
            "an exact sign-flip (permutation) test of the differences in pairs of runs, the same task with "
            "the same seed. Null hypothesis: in each pair of runs the difference is as likely to be d as -d, "
            "and pairs are independent. Corrected by Holm's method, so that at most one study in twenty "
            "without any difference says that there is one.",
        ),
        (
            "Not told apart",
            "does not mean equal: it means that this many runs do not show a difference. "
            f"With {models} models, {needed} pairs of runs at least are needed before any can show.",
        ),
        (
            "Best epoch",
            "chosen by validation accuracy for every model alike; test data is looked at once, at the end.",
        ),
    ]
