"""What the comparisons of a study's models say, in words."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from liafseq.tasks.report.blocks import Block, Code, Text
from liafseq.tasks.report.table import Table
from liafseq.tasks.report.words import count_of, listed, p_value
from liafseq.tasks.results import Study
from liafseq.tasks.study.statistics import pairs_needed
from liafseq.tasks.task import Metric

__all__ = ["standing", "too_few", "verdicts", "with_seeds"]


def standing(study: Study, model: str) -> str:
    """What the comparisons say about one model; of too few runs :func:`too_few` speaks, once for all."""
    others: dict[str, list[str]] = {}
    turned = {"better": "worse", "worse": "better"}
    for pair in study.pairwise:
        if model == pair.first:
            others.setdefault(pair.verdict, []).append(pair.second)
        elif model == pair.second:
            others.setdefault(turned.get(pair.verdict, pair.verdict), []).append(pair.first)
    parts = [f"{word} than {listed(others[word])}" for word in ("better", "worse") if word in others]
    if "not told apart" in others:
        parts.append(f"not told apart from {listed(others['not told apart'], 'or')}")
    return ", ".join(parts)


def too_few(study: Study) -> list[Block]:
    """Which comparisons had too few runs to come out at all, and the command that would be enough."""
    short = [pair for pair in study.pairwise if pair.verdict == "too few runs" and pair.pairs]
    if not short:
        return []
    needed, comparisons = pairs_needed(len(study.pairwise)), len(study.pairwise)
    of = ""
    if len(short) < comparisons:
        of = f" for {listed(f'{pair.first} against {pair.second}' for pair in short)}"
    text = (
        f"Too few runs{of}: in {count_of(comparisons, 'comparison')}, each needs {needed} pairs of runs "
        f"before any difference can show, and there are {max(pair.pairs for pair in short)}."
    )
    seeds = math.ceil(needed / len({run.parts for run in study.runs}))
    if seeds <= len(study.seeds()):
        return [Text(f"{text} Some runs failed; the same command tries them again.")]
    if study.command is None:
        return [Text(f"{text} With {count_of(seeds, 'seed')} there would be enough.")]
    return [Text(f"{text} This would be enough:"), Code([shlex.join(with_seeds(study.command, seeds))])]


def with_seeds(command: Sequence[str], count: int) -> list[str]:
    """The words of a command with another number of seeds.

    >>> with_seeds(["liafseq", "compare", "babi", "--seeds", "1", "--epochs", "2"], 6)
    ['liafseq', 'compare', 'babi', '--seeds', '6', '--epochs', '2']
    """
    words = list(command)
    for at, word in enumerate(words):
        if word.startswith("--seeds="):
            return [*words[:at], f"--seeds={count}", *words[at + 1 :]]
        if word == "--seeds":
            return [*words[: at + 1], str(count), *words[at + 2 :]]
    return [*words, "--seeds", str(count)]


def verdicts(study: Study, metric: Metric, difference: str) -> Table:
    """A line per pair of models; no verdicts where no pair could have one."""
    told = any(pair.verdict != "too few runs" or not pair.pairs for pair in study.pairwise)
    header = ["models", *(["what the runs say"] if told else []), difference]
    rows = []
    for pair in study.pairwise:
        says = {
            "better": f"{pair.first} is better",
            "worse": f"{pair.first} is worse",
            "not told apart": "not told apart by this many runs",
            "too few runs": "-" if pair.pairs else "no finished run in common",
        }[pair.verdict]
        figures = ["-", "0", "-", "-"]
        if pair.difference is not None:
            p, corrected = map(p_value, (pair.p, pair.p_holm))
            figures = [metric.difference(pair.difference), str(pair.pairs), p, corrected]
        rows.append((f"{pair.first} against {pair.second}", *([says] if told else []), *figures))
    return Table((*header, "pairs of runs", "p", "p, corrected"), tuple(rows))
