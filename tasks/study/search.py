"""The same small search of settings for every model of a study, by validation accuracy alone.

Configurations from a declared space, spread evenly by Halton's sequence (Halton 1960,
doi:10.1007/BF01386213): a handful of random draws (Bergstra and Bengio, Random Search for Hyper-Parameter
Optimization, JMLR 13, 2012, which also compares such sequences) may well all be large. The first
configuration of each model is the one that was given; configuration i is the same in every longer search.
Fields of the run are drawn alike for all models; beside them, in the fifth configuration and every
second one after it, a model's neuron options: a short search compares learning rates of all models alike.
One setting is chosen for a model: the one with the best validation accuracy, mean over the tasks of the
search (all of the study, or some), each trained for the study's own number of epochs with one seed that is
none of the study's. The test set is not read.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liafseq.tasks.config import Config, replace
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.results import ModelSearch, Run, Searched, Trial
from liafseq.tasks.task import Metric, Task

__all__ = ["SEED", "Among", "LogUniform", "Search", "candidates", "settle"]

SEED = 1_000_003
"""Of the search's runs and draws; the next number that is none of the study's seeds where it is one."""

ALIKE = 4
"""Configurations, the given one among them, that are the same for every model."""


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

DEFAULT: Space = {"learning_rate": LogUniform(1e-3, 1e-2), "dropout": Among((0.0, 0.1, 0.3))}
"""What a search draws alike for all models; sizes are what a study compares at."""


def neuron_space(spec: ModelSpec, configurations: int) -> Space:
    """The options of a model that so many configurations draw, by the registry; those that it sets stay."""
    if configurations <= ALIKE:
        return {}
    fixed = dict(spec.options)
    return {name: Among(values) for name, values in spec.model().searched.items() if name not in fixed}


@dataclass(frozen=True)
class Search:
    """What is searched.

    Args:
        configurations: for each model, the given one among them.
        space: fields of a run, drawn alike for all models. Beside them stand the options of the models.
        parts: of the study, on which is searched; None for all.

    Raises:
        ValueError: fewer than two configurations, or an empty space.

    >>> str(Search(4, {"learning_rate": LogUniform(1e-3, 1e-1)}))
    'learning_rate log-uniform 0.001 to 0.1'
    """

    configurations: int
    space: Space = dataclasses.field(default_factory=lambda: DEFAULT)
    parts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.configurations < 2:
            raise ValueError(
                "a search needs at least 2 configurations per model, of which the first is the given one; "
                f"got {self.configurations}"
            )
        if not self.space:
            raise ValueError("a search needs at least one field to search")

    def reads(self, parts: tuple[str, ...]) -> bool:
        """Whether the search is on the parts of a run."""
        return self.parts is None or set(parts) <= set(self.parts)

    def check(self, runs: Iterable[tuple[str, ...]]) -> None:
        """Raises ValueError where no run, given by its parts, is on a part of the search alone."""
        found = set(runs)
        if missing := [part for part in self.parts or () if (part,) not in found]:
            raise ValueError(
                f"no run of the study is on these parts of the search alone: {', '.join(missing)}"
            )

    def __str__(self) -> str:
        return _listed(self.space)


def candidates(search: Search, config: Config) -> list[dict[str, Any]]:
    """The settings that are tried for the model of a run; the first one is empty: the run as it is.

    Returns:
        fields of the run by name; ``options`` holds the model's options that differ from the run's.
    """
    from scipy.stats import qmc

    own_space = neuron_space(config.model, search.configurations)
    count = search.configurations - 1
    # The first two points are the corner and the middle of the space; the middle is near what is given.
    shared = qmc.Halton(len(search.space), scramble=False).fast_forward(2).random(count)
    own = qmc.Halton(max(1, len(own_space)), seed=zlib.crc32(config.model.name.encode())).random(count)
    found: list[dict[str, Any]] = [{}]
    for number in range(1, search.configurations):
        settings = _drawn(search.space, shared[number - 1])
        # Not before: each of the first rates is tried with the given neuron, as torch's layers try it.
        if own_space and number >= ALIKE and number % 2 == 0:
            settings["options"] = _drawn(own_space, own[(number - ALIKE) // 2])
        found.append(settings)
    return found


def _drawn(space: Space, at: Sequence[float]) -> dict[str, Any]:
    return {name: values.draw(float(part)) for (name, values), part in zip(space.items(), at, strict=True)}


def settle(
    task: Task[Any, Any],
    configs: Sequence[Config],
    search: Search,
    do: Callable[[Sequence[Config]], Sequence[Run]],
) -> tuple[list[Config], Searched]:
    """Searches settings for each model, and gives the runs with those that were chosen.

    Args:
        task: of the study.
        configs: the runs of the study.
        search: what is searched.
        do: does runs.

    Returns:
        the runs with the chosen settings, and what was searched. Among equal configurations the first is
        chosen; where all failed, the given settings.

    Raises:
        ValueError: a part of the search on which alone no run of the study is.
    """
    metric = task.metric
    seeds = {config.seed for config in configs}
    seed = next(number for number in range(SEED, SEED + len(seeds) + 1) if number not in seeds)
    parts_of = {config: tuple(part.name for part in task.parts(config)) for config in configs}
    first: dict[tuple[str, tuple[str, ...]], Config] = {}
    for config in configs:
        if search.reads(parts_of[config]):
            first.setdefault((config.model.label, parts_of[config]), config)
    search.check(parts for _, parts in first)
    tried = {config.model.label: candidates(search, config) for config in first.values()}
    trials = [
        replace(_with(config, tried[config.model.label][number]), seed=seed, score_test=False)
        for number in range(search.configurations)
        for config in first.values()
    ]
    runs = do(trials)
    models: dict[str, ModelSearch] = {}
    for label, settings in tried.items():
        entries = []
        for number, setting in enumerate(settings):
            start = number * len(first)
            own = [run for run in runs[start : start + len(first)] if run.model == label]
            entries.append(_trial(setting, own, metric))
        scores = [-math.inf if entry.valid is None else metric.better(entry.valid) for entry in entries]
        models[label] = ModelSearch(tried=tuple(entries), chosen=scores.index(max(scores)))
    chosen = [
        _with(config, tried[config.model.label][models[config.model.label].chosen]) for config in configs
    ]
    spaces = {
        config.model.label: neuron_space(config.model, search.configurations) for config in first.values()
    }
    epochs = configs[0].epochs
    where = "" if search.parts is None else f" on {', '.join(search.parts)}"
    line = (
        f"search: {search.configurations} configurations per model, one seed, "
        f"{epochs} epoch{'s' if epochs != 1 else ''}, chosen by validation {metric.words}{where}; "
        f"space: {_in_words(search, spaces)}"
    )
    return chosen, Searched(
        configurations=search.configurations,
        seed=seed,
        parts=tuple(dict.fromkeys(parts for _, parts in first)),
        space={name: {"values": str(values)} for name, values in search.space.items()},
        models_space={
            label: {name: str(values) for name, values in space.items()} for label, space in spaces.items()
        },
        line=line,
        models=models,
    )


def _with(config: Config, settings: Mapping[str, Any]) -> Config:
    changes = dict(settings)
    if options := changes.pop("options", None):
        spec = config.model
        changes["model"] = ModelSpec(
            name=spec.name, label=spec.label, options=tuple({**dict(spec.options), **options}.items())
        )
    return replace(config, **changes)


def _trial(settings: Mapping[str, Any], runs: Sequence[Run], metric: Metric) -> Trial:
    values = [None if run.outcome is None else run.outcome.valid.metrics[metric.name] for run in runs]
    known = [value for value in values if value is not None]
    return Trial(
        settings=dict(settings),
        valid=math.fsum(known) / len(values) if len(known) == len(values) else None,
        by_run=tuple(values),
        runs=tuple(run.key for run in runs),
        errors=tuple(run.error for run in runs if run.error is not None),
    )


def _in_words(search: Search, spaces: Mapping[str, Space]) -> str:
    alike: dict[str, list[str]] = {}
    for label, space in spaces.items():
        if space:
            alike.setdefault(_listed(space), []).append(label)
    return "; ".join([str(search), *(f"{', '.join(own)}: {text}" for text, own in alike.items())])


def _listed(space: Space) -> str:
    return ", ".join(f"{name} {values}" for name, values in space.items())
