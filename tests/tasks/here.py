"""An engine in this process, so that a fault can be put into it, and no process has to start."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from typing import Any

from liafseq.tasks.execution.jobs import Job, Message, Report
from liafseq.tasks.execution.worker import Notes, perform


def here(jobs: Sequence[Job], **_: Any) -> Generator[Report, None, None]:
    for index, job in enumerate(jobs):
        notes: list[str] = []
        handler = Notes(notes.append)
        logging.getLogger("liafseq").addHandler(handler)
        try:
            message = perform(job)
        finally:
            logging.getLogger("liafseq").removeHandler(handler)
        for text in notes:
            yield Report(index, Message(kind="note", text=text))
        yield Report(index, message)
