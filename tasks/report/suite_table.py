"""The tables of a study over several tasks: scores, ranks, costs beside a reference, and what was equal."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, geometric_mean

from liafseq.tasks import task as tasks
from liafseq.tasks.report.table import Table
from liafseq.tasks.report.words import count_of, listed, number, p_value
from liafseq.tasks.results import Summary, value_text
from liafseq.tasks.suite_results import Entry, Suite

__all__ = [
    "COSTS", "cost_table", "equal", "left_out", "rank_table", "relative", "score_table", "suite_notes",
    "verdict",
]  # fmt: skip

COSTS: dict[str, Callable[[Summary], float | None]] = {
    "weights": lambda entry: fmean(entry.parameters) if entry.parameters else None,
    "operations": lambda entry: entry.cost.macs + entry.cost.acs if entry.cost else None,
    "energy": lambda entry: entry.cost.energy_nj if entry.cost else None,
    "training": lambda entry: entry.time.train_seconds,
}
"""What a model costs on a task."""


def score_table(suite: Suite, *, intervals: bool = False, ascii_only: bool = False) -> Table:
    """A line per task, each in its own metric, and last the mean ranks."""
    rows = []
    for entry in suite.entries:
        cells = [_cell(entry, model, intervals, ascii_only) for model in suite.models]
        rows.append((entry.label, _metric(entry), *cells))
    if suite.ranks.mean:
        ranks = [f"{suite.ranks.mean[model]:.2f}" for model in suite.models]
        rows.append(("mean rank", f"{count_of(len(suite.ranks.tasks), 'task')}, lower", *ranks))
    return Table(("task", "metric", *suite.models), tuple(rows))


def rank_table(suite: Suite) -> Table:
    """A line per model, the best first: its mean rank, and its rank on each task."""
    ranks = suite.ranks
    rows = [
        (model, f"{ranks.mean[model]:.2f}", *(f"{rank:g}" for rank in ranks.by_task[model]))
        for model in ranks.ordered()
    ]
    return Table(("model", "mean rank", *ranks.tasks), tuple(rows))


def cost_table(suite: Suite) -> Table:
    """A line per model: its mean rank, and what it costs beside the first model."""
    columns = {name: found for name, read in COSTS.items() if (found := relative(suite, read))}
    rows = [
        (
            model,
            f"{suite.ranks.mean[model]:.2f}" if suite.ranks.mean else "-",
            *(number(found[model]) for found in columns.values()),
        )
        for model in suite.models
    ]
    return Table(("model", "mean rank", *columns), tuple(rows))


def relative(suite: Suite, read: Callable[[Summary], float | None]) -> dict[str, float]:
    """What each model costs as a multiple of the first model's: the geometric mean over the tasks on which
    all have a cost; empty where there is none."""
    ratios: dict[str, list[float]] = {}
    for entry in suite.entries:
        costs = {one.model: read(one) for one in entry.summary}
        base = costs[suite.models[0]]
        if base and all(costs.values()):
            for model, cost in costs.items():
                ratios.setdefault(model, []).append((cost or base) / base)
    return {model: geometric_mean(found) for model, found in ratios.items()}


def verdict(suite: Suite) -> str:
    """What the test of the mean ranks says, in a sentence or two."""
    ranks, models = suite.ranks, len(suite.models)
    if ranks.p is None:
        return "There is nothing to rank." if models > 1 else "There is one model, and nothing to rank."
    over = f"{count_of(len(ranks.tasks), 'task')} and {count_of(models, 'model')}"
    chance = p_value(ranks.p)
    friedman = f"Friedman's test of {over}: p {'' if chance.startswith('<') else '= '}{chance}"
    if ranks.critical is None:
        return f"{friedman}. With so few tasks no two models can be told apart by their ranks."
    pairs = [(a, b) for a in ranks.ordered() for b in ranks.ordered() if ranks.mean[a] < ranks.mean[b]]
    apart = [f"{a} is better than {b}" for a, b in pairs if ranks.apart(a, b)]
    told = f"{listed(apart)}" if apart else "no two models are told apart"
    return f"{friedman}; critical difference of two mean ranks {ranks.critical:.2f}: {told}."


def left_out(suite: Suite) -> list[str]:
    """The tasks that are not ranked, and why."""
    return [
        f"{task} is not ranked: runs of {listed(models)} have failed."
        for task, models in suite.ranks.left_out.items()
    ]


def equal(suite: Suite) -> list[tuple[str, str]]:
    """What was equal for all models, and where the tasks differ in it."""
    facts: dict[str, dict[str, str]] = {"Seeds": {}, "Size": {}, "Training": {}, "Search": {}}
    unsaid = "unknown, because a model failed." if len(suite.models) > 1 else "there is one model."
    for entry in suite.entries:
        named = ("epochs", "batch_size", "learning_rate", "weight_decay", "dropout")
        said = [
            f"{name.replace('_', ' ')} {value_text(entry.settings[name])}"
            for name in named
            if entry.settings.get(name)
        ]
        facts["Seeds"][entry.label] = value_text(len(entry.seeds))
        size = (entry.fairness.size or unsaid).removeprefix("Size: ")
        facts["Size"][entry.label] = size.rstrip(".")
        facts["Training"][entry.label] = ", ".join(said)
        facts["Search"][entry.label] = (entry.fairness.search or ("none",))[0].rstrip(".")
    found = [
        (
            "Data",
            "on each task every model reads the same training, validation and test part; the epoch is chosen "
            "by validation, and the test part scored once.",
        )
    ]
    for name, by_task in facts.items():
        alike: dict[str, list[str]] = {}
        for task, text in by_task.items():
            alike.setdefault(text, []).append(task)
        if len(alike) == 1:
            found.append((name, f"{next(iter(alike))}, on every task."))
        else:
            found.append((name, "; ".join(f"{listed(on)}: {text}" for text, on in alike.items()) + "."))
    found.append(("Time", "not held equal: training tells how long each model took beside the first."))
    return found


def suite_notes(suite: Suite, *, ascii_only: bool = False) -> tuple[str, ...]:
    """What the figures of the tables are."""
    several = max(len(entry.seeds) for entry in suite.entries) > 1
    spread = "mean ± standard deviation over the seeds" if several else "one seed"
    lines = [
        f"Test figures, {spread}, mean of the parts of a task; higher, lower: which is better. Rank 1 is the "
        "best on a task; equal figures share the mean of their ranks.",
        verdict(suite),
        *left_out(suite),
        f"weights, operations, energy, training: as multiples of {suite.models[0]}'s, geometric mean over "
        "the tasks; operations: multiply-accumulates and accumulates of a test sample.",
        *(f"{name}: {text}" for name, text in equal(suite)),
        *(f"Failed: {text}" for text in suite.failed),
    ]
    return tuple(line.replace("±", "+-") if ascii_only else line for line in lines)


def _metric(entry: Entry) -> str:
    metric = tasks.find(entry.task).metric
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.words}{unit}, {'higher' if metric.higher_is_better else 'lower'}"


def _cell(entry: Entry, model: str, intervals: bool, ascii_only: bool) -> str:
    metric, spread = tasks.find(entry.task).metric, entry.score(model)
    if spread is None:
        return "failed"
    text = metric.text(spread.mean)
    if spread.std is not None:
        text += f" {'+-' if ascii_only else '±'} {metric.text(spread.std)}"
    if intervals and spread.interval:
        text += "\n" + " to ".join(map(metric.text, spread.interval))
    return text
