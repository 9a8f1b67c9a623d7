"""What a study did, in words: its title and its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from liafseq.tasks import models
from liafseq.tasks import settings as settings_of
from liafseq.tasks import task as tasks
from liafseq.tasks.report.words import count_of, duration, listed, number_range
from liafseq.tasks.results import Outcome, Study, StudyTime, model_options, value_text

__all__ = ["counts", "facts", "machine_words", "settings_words", "sizes", "spelt_out", "title"]

_TOLD = {"model", "seed", "score_test"}
"""Settings that a report shows in another place."""


def title(study: Study) -> str:
    """The study in a line."""
    named = listed(study.models) if len(study.models) <= 7 else f"{len(study.models)} models"
    parts = list(study.parts)
    of = f": {listed(parts)}" if len(parts) <= 10 else f": {len(parts)} parts"
    return f"{named} on {study.title}" + (of if parts != [study.task] else "")


def facts(study: Study) -> list[tuple[str, str]]:
    """Models, data, settings, machine and versions of a study; what it does not tell is left out."""
    task = tasks.find(study.task)
    data, network, training, machine = (
        settings_words(task, study.settings, panel)
        for panel in (settings_of.DATA, settings_of.MODEL, settings_of.TRAINING, settings_of.MACHINE)
    )
    seconds = sum(outcome.time.train_seconds for outcome in _outcomes(study))
    gone = f"{count_of(len(study.runs), 'run')}, {duration(seconds)} of training in all"
    stated = [
        ("Models", _models(study)),
        ("Data", "; ".join(text for text in (study.about, ", ".join(data)) if text)),
        ("Examples", _split(study, task.word)),
        ("Network", ", ".join([*sizes(study, task.sizes), *network])),
        ("Options", "; ".join(f"{model}: {text}" for model, text in model_options(study).items())),
        ("Seeds", f"{_seeds(study)} (weights, order of batches, dropout)"),
        ("Training", ", ".join(["Adam", *training, gone])),
        ("Machine", ", ".join([*machine_words(study.time), *machine])),
        ("Versions", ", ".join(f"{name} {text}" for name, text in study.versions.items())),
        ("Date", f"{study.time.date}, {duration(study.time.seconds)} by the clock"),
    ]
    return [(name, text) for name, text in stated if text]


def counts(study: Study, word: str) -> list[str]:
    """How many examples the finished runs read; a source may have fewer than were asked for."""
    examples = [outcome.examples for outcome in _outcomes(study)]
    if not examples:
        return []
    read = number_range([count.train + count.valid for count in examples])
    tested = number_range([size for count in examples for size in count.test.values()])
    per_part = " per part" if len(study.parts) > 1 else ""
    return [f"{read} {word} per run for training and validation, {tested} for test{per_part}"]


def sizes(study: Study, names: Sequence[str]) -> list[str]:
    """How large the networks are, by these settings: one value, or one for each model."""
    lines = []
    for name in names:
        words = name.replace("_", " ")
        if name in study.settings:
            lines.append(f"{words} {value_text(study.settings[name])}")
            continue
        by_model: dict[str, dict[str, None]] = {}
        for run in study.runs:
            value = run.hidden_size if name == "hidden_size" else run.settings.get(name)
            by_model.setdefault(run.model, {})[value_text(value)] = None
        lines.append(f"{words}s: " + ", ".join(f"{model} {listed(v, 'or')}" for model, v in by_model.items()))
    return lines


def _outcomes(study: Study) -> list[Outcome]:
    return [run.outcome for run in study.runs if run.outcome is not None]


def _models(study: Study) -> str:
    """The labels of each model of the registry, and the model spelt out."""
    labels: dict[str, list[str]] = {}
    for entry in study.summary:
        labels.setdefault(entry.name, []).append(entry.model)
    return "; ".join(f"{', '.join(own)}: {spelt_out(name)}" for name, own in labels.items())


def spelt_out(name: str) -> str:
    """The title of a model of the registry."""
    try:
        return models.model(name).title
    except ValueError:  # of a package that is not installed here
        return name


def _split(study: Study, word: str) -> str:
    examples = [outcome.examples for outcome in _outcomes(study)]
    if not examples:
        return ""
    train = number_range([count.train for count in examples])
    valid = number_range([count.valid for count in examples])
    test = number_range([sum(count.test.values()) for count in examples])
    return f"{train} training, {valid} validation, {test} test {word} per run"


def settings_words(task: tasks.Task[Any, Any], settings: Mapping[str, Any], panel: str) -> list[str]:
    """The settings of a panel that have an effect, of a run or of all runs of a study."""
    shown = []
    for name, info in task.Config.model_fields.items():
        value = settings.get(name)
        if settings_of.extra(info, "panel") != panel or name in _TOLD or name in task.sizes:
            continue
        needs, _, wanted = (settings_of.extra(info, "only") or "").partition("=")
        if value in (None, False, {}, []) and name != "data_seed":  # 0 too: no dropout, no warm-up
            continue
        if needs and str(settings.get(needs)) != wanted:
            continue
        words = settings_of.flag_of(name, info).replace("-", " ")
        shown.append(f"{words} {value_text(value)}".removesuffix(" true"))
    return shown


def _seeds(study: Study) -> str:
    seeds = list(study.seeds())
    if len(seeds) > 4 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return listed(seeds)


def machine_words(time: StudyTime) -> list[str]:
    """What a study ran on."""
    machine = time.machine
    memory = [f"{machine.memory_gib:g} GiB memory"] if machine.memory_gib else []
    return [machine.processor, count_of(machine.cores, "core"), *memory, *machine.gpus, machine.system]
