"""The same small search of settings for every model of a study, by validation accuracy alone.

Configurations from a declared space, spread evenly by Halton's sequence (Halton 1960,
doi:10.1007/BF01386213): a handful of random draws (Bergstra and Bengio, Random Search for
Hyper-Parameter Optimization, JMLR 13, 2012, which also compares such sequences) may well all be large. The
first configuration of each model is the one that was given; number i of a search of N is the same for
every N > i. Fields of the run are drawn alike for all models; beside them, in every second
configuration, a model's neuron options. One setting is chosen for a model: the one with the best
validation accuracy, mean over the tasks of the search (all of the study, or some), each trained for the
study's own number of epochs with one seed that is none of the study's. The test set is not read.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["NEURON_SPACE", "SEED", "Among", "LogUniform", "Search", "candidates", "settle"]

SEED = 1_000_003
"""Of the search's runs and draws; the next number that is none of the study's seeds where it is one."""

Run = TypeVar("Run", bound=Any)


@dataclass(frozen=True)
class LogUniform:
    """A number whose logarithm is uniform, to three digits.

    >>> LogUniform(0.001, 0.1).draw(0.5)
    0.01
    >>> str(LogUniform(0.001, 0.1))
    'log-uniform 0.001 to 0.1'
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise ValueError(f"a log-uniform space needs 0 < low < high, got {self.low} and {self.high}")

    def draw(self, at: float) -> float:
        """The value at a quantile, 0 to 1."""
        return float(f"{math.exp(math.log(self.low) + at * math.log(self.high / self.low)):.3g}")

    def __str__(self) -> str:
        return f"log-uniform {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Among:
    """One of some values, all as likely.

    >>> Among((1, 2, 3)).draw(0.5), str(Among((1, 2, 3)))
    (2, '1 | 2 | 3')
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a space needs at least one value, got none")

    def draw(self, at: float) -> Any:
        """The value at a quantile, 0 to 1."""
        return self.values[min(int(at * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        return " | ".join(map(str, self.values))


Space = Mapping[str, LogUniform | Among]

_WIDTHS = Among((0.2, 0.4, 1.0))
_SPIKING: Space = {
    "decay": Among((0.2, 0.5, 0.9)),
    "threshold": Among((0.3, 0.5, 1.0)),
    "surrogate_width": _WIDTHS,
}
NEURON_SPACE: Mapping[str, Space] = {
    "liaf": {**_SPIKING, "decay": Among(("fast-and-slow", 0.05, 0.5, 0.9))},
    "lif": _SPIKING,
    "dalif": _SPIKING,
    "mlif": _SPIKING,
    "conv-liaf": _SPIKING,
    "conv-lif": _SPIKING,
    "conv-dalif": _SPIKING,
    "conv-mlif": _SPIKING,
}
"""What is searched of each kind of neuron: the part of the potential that stays from step to step, the
threshold, and how wide the surrogate derivative is."""


@dataclass(frozen=True)
class Search:
    """What is searched.

    Args:
        configurations: for each model, the given one among them.
        space: fields of a run, drawn alike for all models.
        neurons: neuron options, by model. Those that a run sets already stay as they are.
        tasks: of the study, on which is searched; None for all.

    Raises:
        ValueError: fewer than two configurations, or an empty space.

    >>> str(Search(4, {"learning_rate": LogUniform(1e-3, 1e-1)}, {"lif": {"decay": Among((0.5, 0.9))}}))
    'learning_rate log-uniform 0.001 to 0.1; lif: decay 0.5 | 0.9'
    """

    configurations: int
    space: Space
    neurons: Mapping[str, Space] = field(default_factory=lambda: NEURON_SPACE)
    tasks: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        if self.configurations < 2:
            raise ValueError(
                "a search needs at least 2 configurations a model, of which the first is the given one; "
                f"got {self.configurations}"
            )
        if not self.space:
            raise ValueError("a search needs at least one field to search")

    def reads(self, run: Any) -> bool:
        """Whether the search is on the tasks of a run."""
        return self.tasks is None or set(run.tasks) <= set(self.tasks)

    def check(self, runs: Iterable[Any]) -> None:
        """Raises ValueError where no run of the study is on a task of the search alone."""
        found = {run.tasks for run in runs}
        if missing := {task for task in self.tasks or () if (task,) not in found}:
            names = ", ".join(map(str, sorted(missing)))
            raise ValueError(f"no run of the study is on these tasks of the search alone: {names}")

    def of(self, models: Sequence[str]) -> Search:
        """The search for these models."""
        own = {model: self.neurons[model] for model in models if model in self.neurons}
        return dataclasses.replace(self, neurons=own)

    def __str__(self) -> str:
        alike: dict[str, list[str]] = {}
        for model, space in self.neurons.items():
            alike.setdefault(_listed(space), []).append(model)
        return "; ".join([_listed(self.space), *(f"{', '.join(own)}: {text}" for text, own in alike.items())])

    def to_json(self) -> dict[str, Any]:
        """The space in words: fields, and options by model."""
        return {
            "fields": {name: str(values) for name, values in self.space.items()},
            "neurons": {
                model: {name: str(values) for name, values in space.items()}
                for model, space in self.neurons.items()
            },
        }


def candidates(search: Search, run: Any) -> list[dict[str, Any]]:
    """The settings that are tried for the model of a run; the first one is empty: the run as it is.

    Returns:
        fields of the run by name; ``options`` holds the neuron options that differ from the run's.
    """
    from scipy.stats import qmc

    fixed = set(dict(run.options))
    neurons = {
        name: values for name, values in search.neurons.get(run.model, {}).items() if name not in fixed
    }
    count = search.configurations - 1
    # The first two points are the corner and the middle of the space; the middle is near what is given.
    shared = qmc.Halton(len(search.space), scramble=False).fast_forward(2).random(count)
    own = qmc.Halton(max(1, len(neurons)), seed=zlib.crc32(run.model.encode())).random(count)
    found: list[dict[str, Any]] = [{}]
    for index in range(count):
        settings = _drawn(search.space, shared[index])
        # Every second keeps the given neuron, so that a learning rate is also tried by itself.
        if neurons and index % 2:
            settings["options"] = _drawn(neurons, own[index // 2])
        found.append(settings)
    return found


def _drawn(space: Space, at: Sequence[float]) -> dict[str, Any]:
    return {name: values.draw(float(part)) for (name, values), part in zip(space.items(), at, strict=True)}


def settle(
    runs: Sequence[Run], search: Search, do: Callable[[Sequence[Run]], list[dict[str, Any]]]
) -> tuple[list[Run], dict[str, Any]]:
    """Searches settings for each model, and gives the runs with those that were chosen.

    Args:
        runs: of the study; dataclasses with ``seed``, ``options`` and ``score_test``.
        search: what is searched.
        do: does runs and gives their rows, as :meth:`liafseq.tasks.runs.Work.rows` does.

    Returns:
        the runs with the chosen settings, and the part ``search`` of the results:

        * ``configurations``, ``seed``, ``epochs``, ``space`` (of :meth:`Search.to_json`), ``line`` (all of
          this in words);
        * ``models``: for each model ``tried``, a list of ``settings``, ``valid_accuracy`` (the mean over
          the tasks; None where a run failed), ``by_task`` (a list, in the order of ``tasks``), ``runs``
          (their folders) and ``errors``; and ``chosen``, the number of the best of them, from 0. Among
          equals the first is chosen; where all failed, the given settings.

    Raises:
        TypeError: runs that cannot be kept from the test set.
        ValueError: a task of the search on which alone no run of the study is.
    """
    search = search.of(list(dict.fromkeys(run.model for run in runs)))
    seeds = {run.seed for run in runs}
    seed = next(number for number in range(SEED, SEED + len(seeds) + 1) if number not in seeds)
    first: dict[tuple[Any, ...], Run] = {}
    for run in filter(search.reads, runs):
        first.setdefault((run.model, run.tasks), run)
    search.check(first.values())
    tried = {run.model: candidates(search, run) for run in first.values()}
    trials = [
        _trial(_with(run, tried[run.model][number]), seed)
        for number in range(search.configurations)
        for run in first.values()
    ]
    rows = do(trials)
    models: dict[str, Any] = {}
    for model, settings in tried.items():
        entries = []
        for number, setting in enumerate(settings):
            start = number * len(first)
            own = [row for row in rows[start : start + len(first)] if row["model"] == model]
            entries.append(_entry(setting, own))
        scores = [-1.0 if entry["valid_accuracy"] is None else entry["valid_accuracy"] for entry in entries]
        models[model] = {"tried": entries, "chosen": scores.index(max(scores))}
    chosen = [_with(run, tried[run.model][models[run.model]["chosen"]]) for run in runs]
    epochs = runs[0].to_json().get("epochs")
    budget = "" if epochs is None else f"{epochs} epochs, " if epochs != 1 else "1 epoch, "
    where = "" if search.tasks is None else f" on tasks {', '.join(map(str, search.tasks))}"
    line = (
        f"search: {search.configurations} configurations a model, one seed, {budget}"
        f"chosen by validation accuracy{where}; space: {search}"
    )
    return chosen, {
        "configurations": search.configurations,
        "seed": seed,
        "epochs": epochs,
        "tasks": [list(tasks) for tasks in dict.fromkeys(run.tasks for run in first.values())],
        "space": search.to_json(),
        "line": line,
        "models": models,
    }


def _trial(run: Run, seed: int) -> Run:
    if not hasattr(run, "score_test"):
        raise TypeError(f"{type(run).__name__} has no score_test: its runs cannot be kept from the test set")
    return dataclasses.replace(run, seed=seed, score_test=False)


def _with(run: Run, settings: Mapping[str, Any]) -> Run:
    changes = dict(settings)
    if "options" in changes:
        changes["options"] = {**dict(run.options), **changes["options"]}
    return dataclasses.replace(run, **changes)


def _entry(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    good = all(row["status"] == "finished" for row in rows)
    by_task = [row["valid_accuracy"] if row["status"] == "finished" else None for row in rows]
    return {
        "settings": dict(settings),
        "valid_accuracy": math.fsum(by_task) / len(by_task) if good else None,
        "by_task": by_task,
        "runs": [row["run"] for row in rows],
        "errors": [row["error"] for row in rows if row["status"] == "failed"],
    }


def _listed(space: Space) -> str:
    return ", ".join(f"{name} {values}" for name, values in space.items())
