"""What a study did, in words: its title, its facts, and what each model was allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from liafseq.tasks.report_words import duration, listed, number_range, task_name

__all__ = ["facts", "fairness", "title"]

_TOLD = {"model", "tasks", "data", "seed"}
"""Settings that a table of the study shows anyway."""


def title(results: Mapping[str, Any]) -> str:
    """The study in a line."""
    models = [entry["model"] for entry in results["summary"]]
    named = listed(models) if len(models) <= 7 else f"{len(models)} models"
    tasks = list(results["summary"][0]["accuracy"]) if results["summary"] else []
    if tasks and all(task.isdecimal() for task in tasks):
        if len(tasks) > 10:
            return f"{named} on {len(tasks)} bAbI tasks"
        return f"{named} on bAbI task{'s' if len(tasks) > 1 else ''} {listed(tasks)}"
    return f"{named} on {listed(map(task_name, tasks))}" if tasks else named


def facts(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Data, network, budget, machine and versions of a study; what it does not tell is left out."""
    settings, rows, time = results["settings"], results["runs"], results.get("time") or {}
    found = [
        ("Models", listed(entry["model"] for entry in results["summary"])),
        ("Data", _data(settings)),
        ("Split", _split(rows)),
        ("Network", _network(settings, results["summary"])),
        ("Options", _options(settings, rows)),
        ("Seeds", _seeds(rows)),
        ("Budget", _budget(settings, rows)),
        ("Machine", _machine(time.get("machine"), settings)),
        ("Versions", ", ".join(f"{name} {text}" for name, text in (results.get("versions") or {}).items())),
    ]
    return [(name, text) for name, text in found if text]


def fairness(results: Mapping[str, Any]) -> list[str]:
    """What each model was allowed, and in which settings the models differ, a paragraph each.

    Results of older versions do not say it; then it is taken from their settings.
    """
    if results.get("fairness"):
        return [" ".join(["What each model was allowed.", *map(str, results["fairness"])])]
    settings, rows = results["settings"], results["runs"]
    same = ["the same data and split", "the same seeds"]
    for name, text in (
        ("epochs", "at most {} epochs, of which validation chooses the best"),
        ("batch_size", "batches of {}"),
        ("learning_rate", "learning rate {:g}"),
        ("hidden_size", "hidden size {}"),
    ):
        if name in settings:
            same.append(text.format(settings[name]))
    sentences = [f"What each model was allowed: {', '.join(same)}."]
    for name in sorted({name for row in rows for name in row.get("settings") or {}} - _TOLD):
        by_model: dict[str, list[str]] = {}
        for row in rows:
            values = by_model.setdefault(row["model"], [])
            text = _value((row.get("settings") or {}).get(name))
            if text not in values:
                values.append(text)
        each = "; ".join(f"{model} {listed(values, 'or')}" for model, values in by_model.items())
        sentences.append(f"Not the same for all: {name.replace('_', ' ')} ({each}).")
    sentences.append("No hyper-parameters were searched for.")
    return [" ".join(sentences)]


def _data(settings: Mapping[str, Any]) -> str:
    if "data" in settings or "compress" in settings:
        text = f"event recordings {settings['data']}" if "data" in settings else "event recordings"
        if settings.get("compress"):
            steps = f" into {settings['steps']} steps" if settings.get("steps") else ""
            text += f", compressed by {settings['compress']}{steps}"
        more = settings.get("data_options")
    elif "source" in settings:
        source = settings["source"]
        if source == "generated":
            text = "generated bAbI questions"
        else:
            text = f"bAbI questions of {PurePath(source).name or source}, {settings.get('variant', '')}"
        more = settings.get("story_options")
    else:
        return ""
    if more:
        text += f" ({_value(more)})"
    return f"{text}; data seed {settings['data_seed']}" if "data_seed" in settings else text


def _split(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    for kind in ("questions", "recordings"):
        counts: dict[str, list[int]] = {"training": [], "validation": [], "test": []}
        for row in rows:
            if row.get(kind):
                counts["training"].append(row[kind]["train"])
                counts["validation"].append(row[kind]["valid"])
                test = row[kind]["test"]
                counts["test"] += test.values() if isinstance(test, Mapping) else [test]
        if counts["training"]:
            parts = [f"{number_range([min(n), max(n)])} {name}" for name, n in counts.items()]
            return f"{', '.join(parts)} {kind} a run"
    return ""


def _network(settings: Mapping[str, Any], summary: Iterable[Mapping[str, Any]]) -> str:
    parts = []
    if "hidden_size" in settings:
        parts.append(f"hidden size {settings['hidden_size']}")
    else:
        sizes = [
            f"{entry['model']} {number_range(entry['hidden_size'])}"
            for entry in summary
            if entry.get("hidden_size")
        ]
        parts += [f"hidden sizes: {', '.join(sizes)}"] if sizes else []
    if settings.get("channels"):
        parts.append(f"channels {_value(settings['channels'])}")
    if "embedding_size" in settings:
        parts.append(f"embedding {settings['embedding_size']}")
    if "num_layers" in settings:
        parts.append(f"{settings['num_layers']} layer{'s' if settings['num_layers'] != 1 else ''}")
    if settings.get("bidirectional"):
        parts.append("both directions")
    if settings.get("dropout"):
        parts.append(f"dropout {settings['dropout']:g}")
    if settings.get("readout") not in (None, "output"):
        parts.append(f"read out: {settings['readout']}")
    return ", ".join(parts)


def _options(settings: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    if settings.get("options"):
        return _value(settings["options"])
    found: dict[str, str] = {}
    for row in rows:
        options = (row.get("settings") or {}).get("options")
        if options:
            found[row["model"]] = _value(options)
    return "; ".join(f"{model}: {text}" for model, text in found.items())


def _seeds(rows: Iterable[Mapping[str, Any]]) -> str:
    seeds = sorted({row["seed"] for row in rows})
    if len(seeds) > 4 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        text = f"{seeds[0]} to {seeds[-1]}"
    else:
        text = listed(seeds)
    return f"{text} (weights, order of batches, dropout)"


def _budget(settings: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    parts = []
    if "epochs" in settings:
        parts.append(f"{settings['epochs']} epoch{'s' if settings['epochs'] != 1 else ''}")
    if settings.get("patience"):
        parts.append(f"stopped after {settings['patience']} without a better validation")
    if "batch_size" in settings:
        parts.append(f"batch {settings['batch_size']}")
    if "learning_rate" in settings:
        schedule = f" ({settings['schedule']})" if settings.get("schedule") else ""
        parts.append(f"Adam, learning rate {settings['learning_rate']:g}{schedule}")
    if settings.get("weight_decay"):
        parts.append(f"weight decay {settings['weight_decay']:g}")
    if settings.get("clip"):
        parts.append(f"gradient norm at most {settings['clip']:g}")
    seconds = sum((row.get("time") or {}).get("train_seconds") or 0.0 for row in rows)
    parts.append(f"{len(rows)} runs, {duration(seconds)} of training in all")
    return ", ".join(parts)


def _machine(machine: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> str:
    parts = []
    if machine:
        parts.append(str(machine["processor"]))
        parts.append(f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''}")
        parts += [f"{machine['memory_gib']:g} GiB memory"] if machine.get("memory_gib") else []
        parts += [str(gpu) for gpu in machine.get("gpus") or ()]
        parts.append(str(machine.get("system", "")))
    if "device" in settings:
        precision = f" ({settings['precision']})" if settings.get("precision") else ""
        parts.append(f"trained on {settings['device']}{precision}")
    if "threads" in settings:
        parts.append(f"{settings['threads']} thread{'s' if settings['threads'] != 1 else ''} a run")
    return ", ".join(part for part in parts if part)


def _value(value: Any) -> str:
    """A setting as a person reads it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_value(item)}" for name, item in value.items()) or "defaults"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
