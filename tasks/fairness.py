"""What the models of a study were allowed, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["fairness"]


def fairness(
    runs: Sequence[Any], rows: Sequence[Mapping[str, Any]], search: Mapping[str, Any] | None
) -> list[str]:
    """What each model of a study was allowed, a line each: data and budget, size, settings.

    Args:
        runs: of the study, as they were done.
        rows: theirs.
        search: of :func:`settle`, or None.
    """
    configs = [run.to_json() for run in runs]
    seeds = len({run.seed for run in runs})
    alone = len({run.model for run in runs}) == 1
    budget = [
        f"{name.replace('_', ' ')} {_values(configs, name)}"
        for name in ("epochs", "batch_size")
        if name in configs[0]
    ]
    lines = [
        f"Every {'run' if alone else 'model'} reads the same training, validation and test examples, with "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}; {', '.join(budget)}. The epoch is chosen by "
        "validation accuracy; the test examples are scored once, after training."
    ]
    if not alone:
        lines.append(_size(configs, rows))
    if search is None:
        same = _values(configs, "learning_rate")
        lines.append(
            f"No settings were searched: learning rate {same}{'' if alone else ' for all models'}, neuron "
            "options as given or by default."
        )
        return lines
    lines.append(search["line"])
    for model, found in search["models"].items():
        best = found["tried"][found["chosen"]]
        score = "all failed" if best["valid_accuracy"] is None else f"{100 * best['valid_accuracy']:.1f}%"
        settings = {**best["settings"], **best["settings"].get("options", {})}
        settings.pop("options", None)
        text = ", ".join(f"{name} {value}" for name, value in settings.items()) or "the given settings"
        lines.append(f"Chosen for {model} (validation accuracy {score}): {text}.")
    return lines


def _size(configs: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """By what the sizes of the models are equal."""
    sizes = {config["hidden_size"] for config in configs}
    maps = {tuple(config.get("channels", ())) for config in configs}
    counts = _parameters(rows)
    if counts is not None and counts <= 0.02:
        return f"Size: as many parameters for all models, within {max(counts, 0.001):.1%}, a task."
    if maps != {()} and len(sizes) == len(maps) == 1:
        channels = ", ".join(map(str, maps.pop()))
        return (
            f"Size: blocks of {channels} channels for all convolutional models, hidden size {sizes.pop()} "
            "for the others, whatever the number of parameters."
        )
    if len(sizes) == 1:
        return f"Size: hidden size {sizes.pop()} for all models, whatever the number of parameters."
    return "Size: hidden sizes differ from model to model, and so do the numbers of parameters."


def _values(configs: Sequence[Mapping[str, Any]], name: str) -> str:
    found = sorted({config[name] for config in configs})
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g} to {found[-1]:g}"


def _parameters(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The largest relative difference of the numbers of parameters of one task's models."""
    of_task: dict[tuple[Any, ...], set[int]] = {}
    for row in rows:
        if row.get("parameters") is not None:
            of_task.setdefault(tuple(row["tasks"]), set()).add(row["parameters"])
    if not of_task:
        return None
    return max(max(counts) / min(counts) - 1 for counts in of_task.values())
