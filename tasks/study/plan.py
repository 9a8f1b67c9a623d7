"""The runs of a study: which models, on which parts, with which seeds and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from liafseq.tasks.config import MACHINE, MODEL, STUDY, TRAINING, Config, FieldError, option, replace
from liafseq.tasks.models import ModelSpec, parse_specs, with_options
from liafseq.tasks.settings import Settings, flag_of, flags_of
from liafseq.tasks.study.search import Search
from liafseq.tasks.task import Task
from liafseq.tasks.toml import words

__all__ = ["WHERE", "StudyOptions", "checked", "match_parameters", "matched", "parameters", "plan"]

WHERE = ("jobs", "engine", "ray_address")
"""Options that say where the work is done, not what is computed."""


class StudyOptions(Settings):
    """What a study is, beside the settings of its runs. The fields are the options of ``liafseq compare``."""

    models: Annotated[
        str,
        option(
            "Models, or all: names, each with its settings, [LABEL=]NAME[:OPTION=VALUE...].",
            STUDY, short="m", metavar="liaf,liaf:gated=true,gru",
        ),
    ] = "all"  # fmt: skip
    seeds: Annotated[
        int, option("Runs of each model, seeds 0, 1, ...", STUDY, ge=1, le=10_000, metavar="N")
    ] = 1
    joint: Annotated[bool, option("One run for all parts instead of one each.", STUDY)] = False
    match: Annotated[
        Literal["hidden", "params"],
        option(
            "hidden: the same hidden size for all; params: as many weights, within 2%, as the first model "
            "has with --hidden-size.",
            STUDY,
        ),
    ] = "hidden"
    options: Annotated[
        tuple[str, ...],
        option(
            "Option of a model, for one or, without MODEL:, for all spiking ones; as decay=0.05, "
            "liaf:activation=relu, lif:decay=0.5,0.9. Repeatable; liafseq models NAME lists them.",
            MODEL, flag="option", metavar="[MODEL:]NAME=VALUE",
        ),
    ] = ()  # fmt: skip
    search: Annotated[
        int,
        option(
            "Configurations tried for each model, the given one first; the best by validation is used. "
            "0: no search.",
            TRAINING, ge=0, le=10_000, metavar="N",
        ),
    ] = 0  # fmt: skip
    search_on: Annotated[
        str | None,
        option(
            "Parts on which --search tries its configurations; by default all of the study.",
            TRAINING, metavar="PARTS",
        ),
    ] = None  # fmt: skip
    jobs: Annotated[
        int | None,
        option(
            "Runs at a time; by default 2, or 1 on one core; with Ray as many as there is room for.",
            MACHINE, short="j", ge=1, le=10_000, metavar="N",
        ),
    ] = None  # fmt: skip
    engine: Annotated[
        Literal["local", "ray"],
        option(
            "Where the runs are done: in processes here, or on a Ray cluster that shares the study's folder.",
            MACHINE,
        ),
    ] = "local"
    ray_address: Annotated[
        str,
        option(
            "The Ray cluster: auto (the one of this machine), local (for this command), or HOST:PORT.",
            MACHINE, metavar="ADDRESS",
        ),
    ] = "auto"  # fmt: skip

    def specs(self, task: Task[Any, Any]) -> tuple[ModelSpec, ...]:
        """The models with their options.

        Raises:
            FieldError: names ``models`` or ``option``.
        """
        try:
            specs = parse_specs(self.models, task.kinds)
        except ValueError as error:
            raise FieldError("models", f": {error}") from None
        return optioned(specs, self.options)

    def searched(self, task: Task[Any, Any], configs: Sequence[Config]) -> Search | None:
        """The search, checked; None where there is none."""
        if not self.search:
            if self.search_on is not None:
                raise FieldError("search_on", ": is for --search N")
            return None
        if self.search < 2:
            raise FieldError(
                "search",
                ": expected 0, or at least 2 configurations, of which the first is the given one; got 1",
            )
        if self.search_on is None:
            return Search(self.search)
        try:
            search = Search(self.search, parts=task.part_names(self.search_on))
            search.check(tuple(part.name for part in task.parts(config)) for config in configs)
        except ValueError as error:
            text = str(error)
            raise FieldError("search_on", text if text.startswith(":") else f": {text}") from None
        return search


def optioned(specs: Sequence[ModelSpec], texts: Sequence[str]) -> tuple[ModelSpec, ...]:
    """The models with the options of ``--option``; FieldError where they do not fit."""
    try:
        return with_options(specs, texts)
    except ValueError as error:
        text = str(error)
        raise FieldError("options", text if text.startswith(":") else f": {text}") from None


def plan(task: Task[Any, Any], config: Config, options: StudyOptions) -> list[Config]:
    """The runs of a study: by seed, then part, then model, so that a table can be read early.

    ``config`` has all but the models and the further seeds.
    """
    specs = options.specs(task)
    groups = [config] if options.joint else list(task.separate(config))
    return [
        task.adapt(replace(group, seed=config.seed + seed), spec)
        for seed in range(options.seeds)
        for group in groups
        for spec in specs
    ]


def checked(task: Task[Any, Any], configs: Sequence[Config]) -> dict[str, float]:
    """Sees that data and models of the runs can be had; what a constant answer scores, by part.

    The data comes first: what is wrong with it is found before torch is loaded.
    """
    floor: dict[str, float] = {}
    for config in {tuple(part.name for part in task.parts(config)): config for config in configs}.values():
        floor |= task.floor(config)
    for spec in dict.fromkeys(config.model for config in configs):
        spec.try_out()
    return floor


def parameters(task: Task[Any, Any], config: Config) -> int:
    """The number of parameters that a run trains; the data is read, no weight is allocated."""
    import torch

    data = task.data(config)
    with torch.device("meta"):
        network = task.network(config, data)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def match_parameters(task: Task[Any, Any], config: Config, target: int, tolerance: float = 0.02) -> Config:
    """The run with the hidden size that brings its number of parameters nearest to a target.

    Args:
        task, config: the run; its own hidden size does not matter.
        target: number of parameters, as of :func:`parameters`.
        tolerance: largest relative difference.

    Raises:
        ValueError: no hidden size comes that near; tells the nearest.
    """
    if target < 1:
        raise ValueError(f"target must be at least 1 parameter, got {target}")

    def count(hidden: int) -> int:
        return parameters(task, replace(config, hidden_size=hidden))

    if count(1) == count(2):
        raise ValueError(
            f"the hidden size says nothing of the size of {config.model.label}; use match=hidden"
        )
    low, high = 0, 1  # more hidden units make more parameters: low is too few, high is enough
    while count(high) < target:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    nearest = min((size for size in (low, high) if size), key=lambda size: abs(count(size) - target))
    found = count(nearest)
    if abs(found - target) > tolerance * target:
        raise ValueError(
            f"no hidden size gives {config.model.label} {target} parameters within {tolerance:.1%}; "
            f"the nearest is hidden_size={nearest} with {found}; "
            "another hidden size of the first model may do"
        )
    return replace(config, hidden_size=nearest)


def matched(task: Task[Any, Any], configs: Sequence[Config]) -> list[Config]:
    """The runs with hidden sizes that give each as many parameters as the first model has."""
    first = configs[0].model.label
    targets: dict[tuple[str, ...], int] = {}
    sizes: dict[tuple[str, tuple[str, ...]], int] = {}
    found = []
    for config in configs:
        parts = tuple(part.name for part in task.parts(config))
        key = (config.model.label, parts)
        if config.model.label == first and parts not in targets:
            targets[parts] = parameters(task, config)
            sizes[key] = config.hidden_size
        if key not in sizes:
            sizes[key] = match_parameters(task, config, targets[parts]).hidden_size
        found.append(replace(config, hidden_size=sizes[key]))
    return found


def command_words(
    task: Task[Any, Any], said: dict[str, Any], options: StudyOptions, config: Config
) -> list[str]:
    """The words of a command line that repeats a study.

    What was said stands there, and in any case the models, the seeds and the epochs, because a reader wants
    to know them.
    """
    found = ["liafseq", "compare", task.name]
    said = {"models": options.models, "seeds": options.seeds, "epochs": config.epochs, **said}
    for name, info in {**flags_of(StudyOptions), **flags_of(task.Config)}.items():
        if name not in said or name in WHERE:
            continue
        found += words(flag_of(name, info), said[name])
    return found
