"""What the report on a study over several tasks says, in order."""

from __future__ import annotations

import shlex

from liafseq.tasks import task as tasks
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
from liafseq.tasks.report.facts import machine_words, spelt_out
from liafseq.tasks.report.style import looks
from liafseq.tasks.report.suite_plots import pareto_panels, rank_panel
from liafseq.tasks.report.suite_table import (
    cost_table,
    equal,
    left_out,
    rank_table,
    score_table,
    verdict,
)  # fmt: skip
from liafseq.tasks.report.words import count_of, duration, listed
from liafseq.tasks.suite_results import SETTINGS, SUITE, Suite

__all__ = ["suite_report"]


def suite_report(suite: Suite) -> Report:
    """The report; it needs nothing but the results."""
    labels = [entry.label for entry in suite.entries]
    named = listed(suite.models) if len(suite.models) <= 7 else f"{len(suite.models)} models"
    on = listed(labels) if len(labels) <= 10 else f"{len(labels)} tasks"
    failed = [text.partition(": ")[::2] for text in suite.failed]
    sections = [
        Section("What was run", [Facts(_facts(suite)), Text("What was equal:"), Items(equal(suite))]),
        Section("Scores", _scores(suite)),
        Section("Mean ranks", _ranks(suite)),
        Section("What the models cost", _costs(suite)),
        Section("Runs that failed", [Items(list(failed))] if failed else []),
        Section("Repeat it", _repeat(suite)),
        Section("The study of each task", _files(suite)),
        Section("How the figures are made", [Items(_methods())]),
    ]
    return Report(f"{named} on {on}", _in_short(suite), [section for section in sections if section.blocks])


def _in_short(suite: Suite) -> list[Block]:
    ranks = suite.ranks
    if not ranks.mean:
        return [Text("There is no task on which all models have finished, and nothing to rank."),
                *map(Text, left_out(suite))]  # fmt: skip
    items = []
    for model in ranks.ordered():
        beaten = [other for other in suite.models if ranks.apart(model, other)]
        better = [other for other in beaten if ranks.mean[model] < ranks.mean[other]]
        worse = [other for other in beaten if other not in better]
        says = [f"{word} than {listed(own)}" for word, own in (("better", better), ("worse", worse)) if own]
        items.append((model, f"mean rank {'; '.join([f'{ranks.mean[model]:.2f}', *says])}."))
    lead = f"Models by their mean rank over {count_of(len(ranks.tasks), 'task')}; 1 is the best."
    return [Text(f"{lead} {verdict(suite)}"), Items(items), *map(Text, left_out(suite))]


def _facts(suite: Suite) -> list[tuple[str, str]]:
    return [
        ("Tasks", "; ".join(f"{entry.label}: {entry.about}" for entry in suite.entries)),
        ("Models", "; ".join(f"{model}: {_is(suite, model)}" for model in suite.models)),
        ("Machine", ", ".join(machine_words(suite.time))),
        ("Versions", ", ".join(f"{name} {text}" for name, text in suite.versions.items())),
        ("Date", f"{suite.time.date}, {duration(suite.time.seconds)} by the clock"),
    ]


def _is(suite: Suite, model: str) -> str:
    """What a label stands for: one model, or one on some tasks and another on others."""
    named: dict[str, list[str]] = {}
    for entry in suite.entries:
        options = entry.options.get(model)
        words = spelt_out(entry.of_model(model).name) + (f" ({options})" if options else "")
        named.setdefault(words, []).append(entry.label)
    if len(named) == 1:
        return next(iter(named))
    return ", ".join(f"{words} on {listed(labels)}" for words, labels in named.items())


def _scores(suite: Suite) -> list[Block]:
    several = max(len(entry.seeds) for entry in suite.entries) > 1
    caption = "Test figures, the mean over the parts of a task: "
    caption += (
        "mean ± standard deviation over the seeds, and the 95% interval of the mean. "
        if several
        else "one seed. "
    )
    caption += "Each task has its own metric and unit; higher, lower: which is better."
    floors = [
        f"{entry.label} {tasks.find(entry.task).metric.text(entry.floor, unit=True)}"
        for entry in suite.entries
        if entry.floor is not None
    ]
    caption += f" Always the most frequent answer: {', '.join(floors)}." if floors else ""
    return [Captioned(caption, score_table(suite, intervals=True))]


def _ranks(suite: Suite) -> list[Block]:
    panel = rank_panel(suite)
    if panel is None:
        return [Text(verdict(suite))]
    caption = (
        f"{verdict(suite)} Mean ranks, the best to the left; a bar joins models that are not told apart."
        if suite.ranks.critical is not None
        else f"{verdict(suite)} Mean ranks, the best to the left."
    )
    table = "Rank on each task: 1 is the best, equal figures share the mean of their ranks."
    return [Pictures("mean-ranks", caption, [panel]), Captioned(table, rank_table(suite))]


def _costs(suite: Suite) -> list[Block]:
    first = suite.models[0]
    caption = (
        f"Costs as multiples of those of {first}, geometric mean over the tasks on which all models have "
        "one. Weights: of the whole network. Operations: multiply-accumulates and accumulates of a test "
        "sample. Energy: of these alone, without memory traffic. Training: time of all parts, without the "
        "first step."
    )
    blocks: list[Block] = [Captioned(caption, cost_table(suite))]
    panels = pareto_panels(suite)
    if panels:
        text = (
            "Mean rank against what a model costs. The dashed line joins the models with a ring, that no "
            "other one beats in both (the Pareto front of the means)."
        )
        blocks.append(Pictures("rank-cost", text, panels, looks(suite.entries[0]), columns=2))
    return blocks


def _repeat(suite: Suite) -> list[Block]:
    text = (
        f"The study, with the versions above; {SETTINGS} lies in this folder. Stopped at any moment, the "
        "same command goes on where it was."
    )
    again = [f"FOLDER/{word}" if word == SETTINGS else word for word in suite.command]
    return [
        Text(text),
        Code([shlex.join([*again, "--out", "repeated"])]),
        Text("This report again:"),
        Code(["liafseq report FOLDER"]),
    ]


def _files(suite: Suite) -> list[Block]:
    links = [Link(f"{entry.label}/report.html", entry.about) for entry in suite.entries]
    return [
        Links("The report on each task", links),
        Links("Everything in one file", [Link(SUITE, "all figures, as JSON")]),
    ]


def _methods() -> list[tuple[str, str]]:
    return [
        (
            "Ranks",
            "models are ranked on each task by the mean of its first metric over parts and seeds. The sample "
            "is the tasks: what is said speaks of other tasks of this kind. A task on which a run has failed "
            "is left out.",
        ),
        (
            "Do the models differ at all",
            "Friedman's statistic, its p-value from 100,000 permutations of the ranks within the tasks.",
        ),
        (
            "Critical difference",
            "two models are told apart whose mean ranks differ by at least the least value that the largest "
            "difference of two mean ranks reaches in at most 5% of these permutations (Nemenyi's test, for "
            "few tasks and for ties; Demsar 2006, JMLR 7:1-30). So at most one study in twenty without any "
            "difference says that there is one. The verdict on two models depends on which others are in the "
            "study (Benavoli et al. 2016, JMLR 17:5); tests of single pairs need more tasks: nine for five "
            "models.",
        ),
        ("Not told apart", "does not mean equal: it means that this many tasks do not show a difference."),
    ]
