"""What a report says, in order, whatever it is written in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from liafseq.tasks import task as tasks
from liafseq.tasks.report import plots
from liafseq.tasks.report.blocks import (
    Block,
    Captioned,
    Code,
    Facts,
    Items,
    Link,
    Links,
    Pictures,
    Report,
    Section,
    Text,
)  # fmt: skip
from liafseq.tasks.report.columns import cost_note, report_table
from liafseq.tasks.report.comparisons import standing, too_few, verdicts
from liafseq.tasks.report.facts import facts, title
from liafseq.tasks.report.mistakes import mistakes
from liafseq.tasks.report.style import Look, Panel, looks
from liafseq.tasks.report.words import count_of, listed
from liafseq.tasks.results import RESULTS, Study
from liafseq.tasks.study.statistics import pairs_needed
from liafseq.tasks.task import Metric

__all__ = ["report"]


def report(study: Study, folder: Path) -> Report:
    """The report on a study; its folder has the learning curves and the networks."""
    metric = tasks.find(study.task).metric
    allowed = " ".join(["What each model was allowed.", *study.fairness.lines])
    failed = [(f"{run.model}, {listed(run.parts)}, seed {run.seed}", str(run.error)) for run in study.failed]
    sections = [
        Section("What was run", [Facts(facts(study)), Text(allowed)]),
        Section(f"{metric.words[:1].upper()}{metric.words[1:]}", _scores(study, metric)),
        Section("Which models are told apart", _told_apart(study, metric)),
        Section("Learning curves", _curves(study, folder, metric)),
        Section("What the models cost", _costs(study, metric)),
        Section("Wrong answers", mistakes(study, folder)),
        Section("Runs that failed", [Items(failed)] if failed else []),
        Section("Repeat it", _repeat(study)),
        Section("Files", _files(study, metric)),
        Section("How the figures are made", [Items(_methods(study, metric))]),
    ]
    return Report(title(study), _in_short(study, metric), [section for section in sections if section.blocks])


def _in_short(study: Study, metric: Metric) -> list[Block]:
    scored = [(entry.model, spread) for entry in study.summary if (spread := entry.figure(metric.name))]
    if not scored:
        return [Text("No model has a finished run of every part, so that there is nothing to compare.")]
    scored.sort(key=lambda item: -metric.better(item[1].mean))
    items = []
    for model, spread in scored:
        text = metric.text(spread.mean, unit=True)
        if spread.interval:
            text += f" ({' to '.join(map(metric.text, spread.interval))})"
        told = standing(study, model)
        items.append((model, f"{text}; {told}." if told else f"{text}."))
    over = f", the mean of {len(study.parts)} parts" if len(study.parts) > 1 else ""
    sure = " (95% interval over the seeds)" if any(spread.interval for _, spread in scored) else ""
    told = " Told apart are two models whose difference is more than the luck of the seeds explains."
    lead = f"Test {metric.words}{over}{sure}, and what the comparison of pairs of runs says.{told}"
    return [Text(lead), Items(items), *too_few(study)]


def _scores(study: Study, metric: Metric) -> list[Block]:
    if not study.runs:
        return [Text("There is no run.")]
    seeds, constant = len(study.seeds()), tasks.find(study.task).constant
    caption = f"Test {metric.words}{metric.unit_words}"
    if seeds > 1:
        caption += (
            f": mean ± standard deviation over {seeds} seeds, and the 95% interval of the mean. "
            "Intervals of a few seeds are wide, because few seeds know little; where all seeds are equal "
            "there is none."
        )
    else:
        caption += ", one seed: how sure it is, one run cannot say."
    caption += f" Solved: {metric.solved_title}." if metric.solved is not None and metric.solved_title else ""
    if study.floor:
        caption += f" {constant.capitalize()}: what always giving that of the training data scores."
    blocks: list[Block] = [Captioned(caption, report_table(study, "scores"))]
    panels = plots.score_panels(study, metric)
    if panels:
        shown = frozenset().union(*(panel.shows for panel in panels))
        says = {
            plots.INTERVAL: "A bar is the 95% interval of the mean.",
            plots.SEEDS: "A small ring is one seed.",
            plots.FLOOR: f"Dashed: always the {constant}, where it is on the scale.",
        }
        text = [f"Test {metric.words} by model.", *(line for what, line in says.items() if what in shown)]
        text += ["Each panel has a scale of its own."] if len(panels) > 1 else []
        blocks.append(Pictures(metric.name, " ".join(text), panels))
    return blocks


def _told_apart(study: Study, metric: Metric) -> list[Block]:
    if not study.pairwise:
        return [Text("There is one model, and nothing to compare it with.")]
    unit = {"%": " (points)", "": ""}.get(metric.unit, f" ({metric.unit})")
    caption = (
        f"Difference: first minus second, of the mean {metric.words} over the parts that both have. p: how "
        "often runs that differ by luck alone would differ by so much; corrected: for the number of "
        "comparisons (Holm), the one that decides, at 0.05: below it the two are told apart."
    )
    none = all(pair.verdict == "too few runs" for pair in study.pairwise) and too_few(study)
    lead = (
        [Text("With so few runs none of these differences can be told from luck: see the top.")]
        if none
        else []
    )
    return [*lead, Captioned(caption, verdicts(study, metric, f"difference{unit}"))]


def _curves(study: Study, folder: Path, metric: Metric) -> list[Block]:
    curves, unread = plots.curves_of(study, folder, metric)
    blocks: list[Block] = []
    if curves:
        several = any(len(runs) > 1 for own in curves.values() for runs in own.values())
        text = f"Validation {metric.words} after each epoch"
        text += ": mean over the seeds, and their standard deviation as a band." if several else "."
        panels = plots.curve_panels(study, curves, metric)
        blocks.append(Pictures("learning-curves", text, panels, _legend(study, panels)))
    return blocks + [Text(f"Left out, because it cannot be read: {why}") for why in unread]


def _costs(study: Study, metric: Metric) -> list[Block]:
    if not any(run.finished for run in study.runs):
        return []
    caption = "Training: time of all parts of a seed, without the first step, in which kernels are compiled."
    caption = " ".join([caption, *cost_note(study)])
    blocks: list[Block] = [Captioned(caption, report_table(study, "costs"))]
    panels = plots.cost_panels(study, metric)
    if panels:
        text = f"Mean {metric.words} against what it costs. The dashed line joins the models with a ring, "
        text += "that no other one beats in both (the Pareto front of the means)"
        shown = frozenset().union(*(panel.shows for panel in panels))
        text += "; where bars overlap, the next seeds may move it." if plots.INTERVAL in shown else "."
        text += " Models at the same place stand beside one another." if plots.SHIFTED in shown else ""
        blocks.append(Pictures("cost", text, panels, _legend(study, panels), columns=2))
    time = plots.time_panel(study)
    if time:
        at = study.time.jobs
        text = "Training time, mean over the seeds, by the clock of the machine above"
        text += f", {at} runs at a time." if at and at > 1 else "."
        blocks.append(Pictures("time", text, [time]))
    return blocks


def _legend(study: Study, panels: Sequence[Panel]) -> dict[str, Look]:
    """The looks of the models that are in the pictures."""
    drawn = {model for panel in panels for model in panel.models}
    return {model: shown for model, shown in looks(study).items() if model in drawn}


def _repeat(study: Study) -> list[Block]:
    blocks: list[Block] = []
    if study.command is None:
        blocks.append(
            Text(
                "This study was started from Python. config.json in each run's folder holds all its settings."
            )
        )
    else:
        blocks.append(
            Text(
                "The study, with the versions above. Stopped at any moment, the same command goes on where "
                "it was. On another machine the figures may differ in the last digits, and with them single "
                "answers."
            )
        )
        blocks.append(Code([shlex.join([*study.command, "--out", "repeated"])]))
    finished = [run.key for run in study.runs if run.finished]
    again, traces = ["liafseq report FOLDER"], bool(finished) and tasks.find(study.task).has("trace")
    if traces:
        again.append(f"liafseq show {shlex.quote('FOLDER/' + finished[0])} --example 0")
    what = ", and what one network holds while it reads its first test example" if traces else ""
    return [*blocks, Text(f"This report again{what}:"), Code(again)]


def _files(study: Study, metric: Metric) -> list[Block]:
    links = []
    for run in study.runs:
        score = "failed"
        if run.outcome is not None:
            reached = metric.text(run.outcome.mean(metric.name), unit=True)
            score = f"{reached}, best epoch {run.outcome.best_epoch} of {run.outcome.epochs_run}"
        links.append(Link(run.key, f"{run.model}, {listed(run.parts)}, seed {run.seed}: {score}"))
    return [
        Links("Everything in one file", [Link(RESULTS, "all figures, as JSON")]),
        Links(f"The folders of {count_of(len(links), 'run')}", links),
    ]


def _methods(study: Study, metric: Metric) -> list[tuple[str, str]]:
    word, models = tasks.find(study.task).word, len(study.summary)
    needed = pairs_needed(max(1, len(study.pairwise)))
    return [
        (
            "Intervals",
            "95% bootstrap: the seeds are drawn anew within each part, 10,000 times, and the interval is "
            "stretched by Student's t for the few seeds there are. It speaks of other seeds of the same "
            f"models on these parts and {word}, not of other parts or {word}.",
        ),
        (
            "Comparisons",
            "an exact sign-flip (permutation) test of the differences in pairs of runs, the same part with "
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
            f"chosen by validation {metric.words} for every model alike; test data is looked at once, at the "
            "end.",
        ),
    ]
