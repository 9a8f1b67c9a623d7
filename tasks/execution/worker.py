"""The worker process of a study: takes runs from its standard input, one JSON line each.

Messages go out as JSON lines on what was standard output; whatever else the run prints goes to
standard error. The end of the input means that the parent is gone, or needs no more: the worker
ends at once, so that a restarted study never meets a worker of the one that was killed.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from liafseq.tasks.execution.jobs import Job, Message
from liafseq.tasks.storage.lock import folder_lock
from liafseq.tasks.task import find
from liafseq.tasks.training.progress import Progress

__all__ = ["Notes", "main", "perform", "resolve"]

PROGRESS_SECONDS = 0.1
"""Shortest time between two progress messages; the last of an epoch always goes out."""

LOCK_SECONDS = 10.0
"""How long to wait for a killed study's worker to let go of a run folder."""


def resolve(name: str) -> Any:
    """The object of a name ``module:qualified.name``.

    >>> resolve("json:dumps")([1])
    '[1]'
    """
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def main() -> None:
    """Serves runs until the input ends."""
    # The parent decides what an interrupt means; the terminal sends it to all of its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    logging.getLogger("liafseq").addHandler(Notes(lambda text: _send(out, Message(kind="note", text=text))))
    while True:
        _send(out, perform(jobs.get(), _Reporter(out)))


def perform(
    job: Job, progress: Callable[[Progress], None] | None = None, wait: float = LOCK_SECONDS
) -> Message:
    """Does a job; its last message.

    ``wait``: seconds for another worker to let go of the run's folder.
    """
    try:
        # Here and not before, so that a failed import is a message and no silent death.
        runner, task = resolve(job.runner), find(job.task)
        config = task.Config.from_json(job.config)
        with folder_lock(job.folder, wait=wait):
            outcome = runner(task, config, Path(job.folder), progress=progress, logger=job.logger)
        return Message(kind="finished", result=outcome.to_json())
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Message(kind="failed", error=text, traceback=traceback.format_exc())


class Notes(logging.Handler):
    """Hands on what the package tells of what it repaired."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(record.getMessage())


class _Reporter:
    """The progress callback given to the runner."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.sent = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.sent >= PROGRESS_SECONDS or progress.batch == progress.batches:
            self.sent = now
            try:
                message = Message(kind="progress", progress=progress)
            except ValidationError:  # the loss is no longer finite; the run is about to say so
                return
            _send(self.out, message)


def _listen(jobs: queue.SimpleQueue[Job]) -> None:
    for line in sys.stdin.buffer:
        jobs.put(Job.model_validate_json(line))
    os._exit(0)


def _send(out: TextIO, message: Message) -> None:
    out.write(message.model_dump_json() + "\n")
    out.flush()
