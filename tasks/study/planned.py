"""A study that is decided on and not yet run: how commands and :func:`liafseq.tasks.compare` come to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liafseq.tasks.config import Config
from liafseq.tasks.execution.engines import Engine
from liafseq.tasks.results import Study
from liafseq.tasks.study.plan import StudyOptions, checked, command_words, matched, plan
from liafseq.tasks.study.runs import Event
from liafseq.tasks.study.search import Search
from liafseq.tasks.task import Task

__all__ = ["Planned"]


@dataclass(frozen=True)
class Planned:
    """A study that is decided on: its runs and its search.

    Attributes:
        task: what is learnt.
        options: what the study is, beside the settings of its runs.
        config: those settings, before each model has its own.
        configs: the runs.
        search: the search before them.
        command: the words of a command line that repeats it; None from Python.
        floor: what a constant answer scores, once :meth:`ready` has read the data.
    """

    task: Task[Any, Any]
    options: StudyOptions
    config: Config
    configs: tuple[Config, ...]
    search: Search | None
    command: tuple[str, ...] | None = None
    floor: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        task: Task[Any, Any],
        options: StudyOptions,
        config: Config,
        said: Mapping[str, Any] | None = None,
    ) -> Planned:
        """The study of these settings; no data is read.

        Args:
            said: by field what a command line said, which the words that repeat the study say again.

        Raises:
            FieldError: a setting that cannot be.
        """
        configs = plan(task, config, options)
        search = options.searched(task, configs)
        command = None if said is None else tuple(command_words(task, dict(said), options, config))
        return cls(task, options, config, tuple(configs), search, command)

    def ready(self, folder: Path) -> Planned:
        """The study with its data read and the sizes of its models, once its folder is seen to be free."""
        from liafseq.tasks.study.compare import check_folder

        equal = self.options.match == "hidden"
        check_folder(folder, self.task, self.configs if self.search is None and equal else None)
        floor = checked(self.task, self.configs)
        configs = self.configs if equal else tuple(matched(self.task, self.configs))
        return dataclasses.replace(self, configs=configs, floor=floor)

    def trials(self) -> int:
        """How many runs the search has."""
        if self.search is None:
            return 0
        parts = {(c.model.label, tuple(part.name for part in self.task.parts(c))) for c in self.configs}
        return self.search.configurations * sum(self.search.reads(own) for _, own in parts)

    def seconds(self, folder: Path, jobs: int | None) -> float:
        """About how long what is not finished takes; 0.0 for a short study."""
        from liafseq.tasks.study.estimate import seconds
        from liafseq.tasks.training.folder import kept

        left = [config for config in self.configs if kept(folder / config.key(), config) is None]
        if not left:
            return 0.0
        return seconds(self.task, left) * (1 + self.trials() / len(self.configs)) / (jobs or 1)

    def run(
        self,
        folder: Path,
        *,
        jobs: int | None = 1,
        engine: str | Engine = "local",
        logger: str | None = None,
        on_progress: Callable[[Event], None] | None = None,
    ) -> Study:
        """Does the study (:func:`liafseq.tasks.study.compare.run_study`)."""
        from liafseq.tasks.study.compare import run_study

        return run_study(
            self.task,
            self.configs,
            folder,
            jobs=jobs,
            on_progress=on_progress,
            floor=self.floor,
            command=self.command,
            engine=engine,
            search=self.search,
            logger=logger,
        )
