"""The runs of a study: done by an engine, each in its folder, a row of the results for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from liafseq.tasks.engines import Engine
from liafseq.tasks.metrics import so_far
from liafseq.tasks.nodes import Node
from liafseq.tasks.run_folder import intact
from liafseq.tasks.storage.files import write_atomic

__all__ = ["Event", "RunConfig", "Work", "varying"]


class RunConfig(Protocol):
    """What a study needs of a run's configuration, such as ``liafseq.tasks.babi.config.BabiRun``."""

    model: str
    tasks: tuple[int, ...] | tuple[str, ...]
    seed: int
    threads: int

    def key(self) -> str: ...
    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Event:
    """What happened to a run.

    ``kind`` is ``"kept"`` (finished by an earlier command), ``"started"``, ``"progress"``,
    ``"finished"``, ``"failed"`` or ``"note"`` (something was repaired, or is tried again: ``text``);
    ``progress`` holds the fields of the adapter's Progress; ``row`` is the run's row of the results,
    once there is one.
    """

    kind: str
    run: RunConfig
    progress: Mapping[str, Any] | None = None
    row: Mapping[str, Any] | None = None
    text: str | None = None


@dataclass(frozen=True)
class Work:
    """How runs are done: in folders of ``folder``, ``jobs`` at a time, by ``runner`` on ``engine``.

    ``tell`` hears what happens; ``node`` is this one of the machines that share a run.
    """

    folder: Path
    runner: str
    jobs: int | None
    engine: Engine
    tell: Callable[[Event], None]
    node: Node

    def rows(self, runs: Sequence[RunConfig]) -> list[dict[str, Any]]:
        """Does the runs that are not finished; a row each, of all."""
        rows: list[dict[str, Any]] = [{} for _ in runs]
        differ = varying(runs)
        todo = []
        for index, run in enumerate(runs):
            result = intact(self.folder / run.key())
            if result is None:
                todo.append(index)
            else:
                rows[index] = _row(run, differ, result)
                self.tell(Event("kept", run, row=rows[index]))
        work = [self._job(runs[index], position) for position, index in enumerate(todo)]
        threads = max(run.threads for run in runs)
        # Closed at once on the way out, so that an interrupt leaves no worker behind.
        with contextlib.closing(self.engine(work, workers=self.jobs, threads=threads)) as reports:
            for position, message in reports:
                index = todo[position]
                run, kind = runs[index], message["kind"]
                if kind == "finished":
                    self._keep_error(run, None)
                    rows[index] = _row(run, differ, message["result"])
                elif kind == "failed":
                    self._keep_error(run, message["traceback"] or message["error"])
                    rows[index] = {
                        **_row(run, differ, None),
                        "error": message["error"],
                        **so_far(self.folder / run.key()),
                    }
                progress, text = message.get("progress"), message.get("text")
                self.tell(Event(kind, run, progress, rows[index] or None, text))
        return rows

    def _job(self, run: RunConfig, position: int) -> dict[str, Any]:
        return {
            "runner": self.runner,
            "config_type": f"{type(run).__module__}:{type(run).__qualname__}",
            "config": run.to_json(),
            "folder": str((self.folder / run.key()).absolute()),
            **self.node.job(position),
        }

    def _keep_error(self, run: RunConfig, text: str | None) -> None:
        """Writes error.txt, or removes it; where that cannot be, the row has the error all the same."""
        if not self.node.first:
            return
        path = self.folder / run.key() / "error.txt"
        with contextlib.suppress(OSError):
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, text)


def varying(runs: Sequence[RunConfig]) -> set[str]:
    """The settings in which the runs differ."""
    first, *others = (run.to_json() for run in runs)
    return {key for key in first for other in others if other[key] != first[key]}


def _row(run: RunConfig, differ: set[str], result: Mapping[str, Any] | None) -> dict[str, Any]:
    config = run.to_json()
    row = {
        "run": run.key(),
        "model": run.model,
        "tasks": list(run.tasks),
        "seed": run.seed,
        "hidden_size": config["hidden_size"],
        "settings": {key: value for key, value in config.items() if key in differ},
        "status": "failed" if result is None else "finished",
    }
    # The adapter's own names of these stay out; everything else it measured is kept.
    own = {key: value for key, value in (result or {}).items() if key not in ("model", "tasks", "seed")}
    return {**row, **own}
