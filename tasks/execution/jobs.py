"""What goes to a worker and what comes back from it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from liafseq.tasks.results import Value
from liafseq.tasks.training.progress import Progress

__all__ = ["Job", "Message", "Report"]


class Job(Value):
    """One run for a worker; ``runner`` is ``module:function``, called as ``training.run.run``."""

    runner: str
    task: str
    config: dict[str, Any]
    folder: str
    logger: str | None = None


class Message(Value):
    """What a worker tells: a run has started, goes on, was repaired (``text``), has finished or failed."""

    kind: Literal["started", "progress", "note", "finished", "failed"]
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    traceback: str | None = None
    text: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.kind in ("finished", "failed")


class Report(NamedTuple):
    """A message, and the number of the job that it is of."""

    job: int
    message: Message
