"""What a study over several tasks gives: ``suite.json``, beside a folder for each task's own study."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from liafseq.tasks.results import (
    RESULTS,
    Fairness,
    MetricAbout,
    Spread,
    Study,
    StudyTime,
    Summary,
    Value,
    model_options,
    read_study,
)  # fmt: skip

__all__ = ["SETTINGS", "SUITE", "Entry", "Ranks", "Suite", "read_results"]

SUITE = "suite.json"

SETTINGS = "suite.toml"
"""Beside it: the settings that repeat the suite."""


class Entry(Value):
    """A task of a suite: what the suite shows of its study, which has a folder of this label.

    ``floor`` is what a constant answer scores, the mean over the parts; ``settings`` are those that all of
    its runs share, ``options`` the models' own, in words.
    """

    label: str
    task: str
    title: str
    about: str
    metric: MetricAbout
    floor: float | None
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    options: dict[str, str]
    summary: tuple[Summary, ...]
    fairness: Fairness
    errors: tuple[str, ...]

    @classmethod
    def of(cls, label: str, study: Study) -> Entry:
        whole = bool(study.floor) and set(study.floor) == set(study.parts)
        return cls(
            label=label,
            task=study.task,
            title=study.title,
            about=study.about,
            metric=study.metrics[0],
            floor=sum(study.floor.values()) / len(study.floor) if whole else None,
            seeds=tuple(study.seeds()),
            settings=study.settings,
            options=model_options(study),
            summary=study.summary,
            fairness=study.fairness,
            errors=tuple(
                f"{run.model}, {'+'.join(run.parts)}, seed {run.seed}: {run.error}" for run in study.failed
            ),
        )

    def of_model(self, model: str) -> Summary:
        return next(entry for entry in self.summary if entry.model == model)

    def score(self, model: str) -> Spread | None:
        """The first metric, mean over the parts; None where one of the model's runs has failed."""
        entry = self.of_model(model)
        return None if entry.failed else entry.figure(self.metric.name)


class Ranks(Value):
    """The models ranked on each task, and what that tells (see :mod:`liafseq.tasks.study.ranks`).

    ``left_out`` has, for a task that is not ranked, the models without a figure; ``by_task`` has a rank for
    each of ``tasks``; ``p`` is Friedman's test, ``critical`` the critical difference of two mean ranks: None
    where with so few tasks no difference could be one.
    """

    tasks: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]]
    by_task: dict[str, tuple[float, ...]]
    mean: dict[str, float]
    p: float | None
    critical: float | None

    def apart(self, first: str, second: str) -> bool:
        """Whether two models are told apart."""
        if self.critical is None:
            return False
        return abs(self.mean[first] - self.mean[second]) >= self.critical - 1e-9

    def ordered(self) -> list[str]:
        """The models, the best first."""
        return sorted(self.mean, key=self.mean.__getitem__)

    def together(self) -> list[list[str]]:
        """The largest groups of neighbours of which no two are told apart, the best first."""
        order, groups = self.ordered(), []
        reached = 0
        for at, first in enumerate(order):
            group = [model for model in order[at:] if not self.apart(first, model)]
            if at + len(group) > reached and len(group) > 1:
                reached = at + len(group)
                groups.append(group)
        return groups


class Suite(Value):
    """The results of a study over several tasks, each of which has its own in ``<label>/results.json``.

    ``command`` are the words of a command line that repeats it, beside ``suite.toml``.
    """

    schema_version: Literal[1] = 1
    entries: tuple[Entry, ...]
    ranks: Ranks
    command: tuple[str, ...]
    versions: dict[str, str]
    time: StudyTime

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(entry.model for entry in self.entries[0].summary)

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(f"{entry.label}: {error}" for entry in self.entries for error in entry.errors)


def read_results(folder: str | Path) -> Study | Suite:
    """The results in the folder of a study, of one task or of several.

    Raises:
        FileNotFoundError: the folder has neither.
        ValueError: they are damaged, or something else; names the field.
    """
    path = Path(folder) / SUITE
    return Suite.read(path) if path.is_file() and not (path.parent / RESULTS).exists() else read_study(folder)
