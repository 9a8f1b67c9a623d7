"""What the models of a study were allowed, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liafseq.tasks.config import Config
from liafseq.tasks.results import Fairness, Run, Searched, value_text
from liafseq.tasks.task import Task

__all__ = ["fairness"]


def fairness(
    task: Task[Any, Any], configs: Sequence[Config], runs: Sequence[Run], search: Searched | None
) -> Fairness:
    """What each model of a study was allowed: data and budget, size, settings."""
    seeds = len({config.seed for config in configs})
    alone = len({config.model.label for config in configs}) == 1
    budget = (
        f"Every {'run' if alone else 'model'} reads the same training, validation and test {task.word}, with "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}; epochs {_values(configs, 'epochs')}, batch size "
        f"{_values(configs, 'batch_size')}. The epoch is chosen by validation {task.metric.words}; the test "
        f"{task.word} are scored once, after training."
    )
    return Fairness(
        budget=budget,
        size=None if alone else _size(task, configs, runs),
        search=tuple(_search(task, configs, search, alone)),
    )


def _search(
    task: Task[Any, Any], configs: Sequence[Config], search: Searched | None, alone: bool
) -> list[str]:
    if search is None:
        same = _values(configs, "learning_rate")
        return [
            f"No settings were searched: learning rate {same}{'' if alone else ' for all models'}, options "
            "of models as given or by default."
        ]
    lines = [search.line]
    for label, found in search.models.items():
        best = found.best
        score = "all failed" if best.valid is None else task.metric.text(best.valid, unit=True)
        settings: dict[str, Any] = {**best.settings, **best.settings.get("options", {})}
        settings.pop("options", None)
        text = ", ".join(f"{name} {value_text(value)}" for name, value in settings.items())
        lines.append(
            f"Chosen for {label} (validation {task.metric.words} {score}): {text or 'the given settings'}."
        )
    return lines


def _size(task: Task[Any, Any], configs: Sequence[Config], runs: Sequence[Run]) -> str | None:
    """By what the sizes of the models are equal; None where a model has failed, so that nobody knows."""
    if any(not any(run.finished for run in runs if run.model == label) for label in {r.model for r in runs}):
        return None
    first = configs[0].model.label
    apart = _apart(first, runs)
    if apart is not None and apart <= 0.02:
        return (
            f"Size: as many parameters for all models as for {first}, within {max(apart, 0.001):.1%}, "
            "on each part."
        )
    sizes = {tuple(getattr(config, name) for name in task.sizes) for config in configs}
    if len(sizes) > 1:
        return "Size: hidden sizes differ from model to model, and so do the numbers of parameters."
    named = [
        f"{name.replace('_', ' ')} {value_text(value)}"
        for name, value in zip(task.sizes, sizes.pop(), strict=True)
    ]
    return f"Size: {', '.join(named)} for all models, whatever the number of parameters."


def _values(configs: Sequence[Config], name: str) -> str:
    found = sorted({getattr(config, name) for config in configs})
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g} to {found[-1]:g}"


def _apart(first: str, runs: Sequence[Run]) -> float | None:
    """The largest relative difference of a number of parameters from the first model's on the same part."""
    known = [(run, run.outcome.parameters) for run in runs if run.outcome is not None]
    own = {run.parts: count for run, count in known if run.model == first}
    return max((abs(count / own[run.parts] - 1) for run, count in known if run.parts in own), default=None)
