"""The runs of a study: done by an engine, each in its folder, one typed result for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from liafseq.tasks.config import Config
from liafseq.tasks.execution.engines import Engine
from liafseq.tasks.execution.jobs import Job, Message
from liafseq.tasks.results import Outcome, Run
from liafseq.tasks.storage.files import write_atomic
from liafseq.tasks.task import Task
from liafseq.tasks.training.folder import kept
from liafseq.tasks.training.log import reached
from liafseq.tasks.training.progress import Progress

__all__ = ["Event", "Work", "varying"]


@dataclass(frozen=True)
class Event:
    """What happened to a run.

    ``kind`` is ``"kept"`` (finished by an earlier command), ``"started"``, ``"progress"``,
    ``"finished"``, ``"failed"`` or ``"note"`` (something was repaired, or is tried again: ``text``);
    ``run`` is its result, once there is one.
    """

    kind: Literal["kept", "started", "progress", "finished", "failed", "note"]
    config: Config
    progress: Progress | None = None
    run: Run | None = None
    text: str | None = None


@dataclass(frozen=True)
class Work:
    """How runs are done: in folders of ``folder``, ``jobs`` at a time, on ``engine``.

    ``tell`` hears what happens; ``runner`` is ``module:function`` of what does a run in a worker.
    """

    task: Task[Any, Any]
    folder: Path
    jobs: int | None
    engine: Engine
    tell: Callable[[Event], None]
    runner: str
    logger: str | None = None

    def runs(self, configs: Sequence[Config]) -> list[Run]:
        """Does the runs that are not finished; the results of all."""
        done: dict[int, Run] = {}
        differ = varying(configs)
        todo = []
        for index, config in enumerate(configs):
            outcome = kept(self.folder / config.key(), config)
            if outcome is None:
                todo.append(index)
            else:
                done[index] = self._run(config, differ, outcome=outcome)
                self.tell(Event("kept", config, run=done[index]))
        jobs = [self._job(configs[index]) for index in todo]
        threads = max(config.threads for config in configs)
        # Closed at once on the way out, so that an interrupt leaves no worker behind.
        with contextlib.closing(self.engine(jobs, workers=self.jobs, threads=threads)) as reports:
            for position, message in reports:
                index = todo[position]
                self._hear(index, configs[index], message, differ, done)
        return [done[index] for index in range(len(configs))]

    def _hear(
        self, index: int, config: Config, message: Message, differ: set[str], done: dict[int, Run]
    ) -> None:
        if message.kind == "finished":
            self._keep_error(config, None)
            done[index] = self._run(config, differ, outcome=Outcome.model_validate(message.result))
        elif message.kind == "failed":
            self._keep_error(config, message.traceback or message.error)
            done[index] = self._run(config, differ, error=message.error or "unknown")
        self.tell(Event(message.kind, config, message.progress, done.get(index), message.text))

    def _job(self, config: Config) -> Job:
        return Job(
            runner=self.runner,
            task=self.task.name,
            config=config.to_json(),
            folder=str((self.folder / config.key()).absolute()),
            logger=self.logger,
        )

    def _run(
        self, config: Config, differ: set[str], *, outcome: Outcome | None = None, error: str | None = None
    ) -> Run:
        return Run(
            key=config.key(),
            model=config.model.label,
            name=config.model.name,
            parts=tuple(part.name for part in self.task.parts(config)),
            seed=config.seed,
            hidden_size=config.hidden_size,
            settings={name: value for name, value in config.to_json().items() if name in differ},
            outcome=outcome,
            error=error,
            reached=None if error is None else reached(self.folder / config.key(), self.task.metric),
        )

    def _keep_error(self, config: Config, text: str | None) -> None:
        """Writes error.txt, or removes it; where that cannot be, the result has the error all the same."""
        path = self.folder / config.key() / "error.txt"
        with contextlib.suppress(OSError):
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, text)


def varying(configs: Sequence[Config]) -> set[str]:
    """The settings in which the runs differ."""
    first, *others = (config.to_json() for config in configs)
    return {key for key in first for other in others if other[key] != first[key]}
