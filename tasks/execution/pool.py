"""Worker processes from the parent's side: who works on what, what they report, how they die."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Sequence

from pydantic import ValidationError

from liafseq.tasks.execution.jobs import Job, Message, Report

__all__ = ["run_jobs"]


def run_jobs(
    jobs: Sequence[Job], *, workers: int | None = None, threads: int = 1
) -> Generator[Report, None, None]:
    """Runs jobs in worker processes; yields what they report, as it comes.

    Args:
        jobs: the runs.
        workers: processes at a time; None: one per core.
        threads: CPU threads of the libraries in each, where the environment does not say.

    Yields:
        The number of a job and a message, which is at last ``"finished"`` or ``"failed"``, also for a worker
        that died. However the loop over this ends, no worker is left behind.
    """
    workers = workers or os.cpu_count() or 1
    waiting = deque(range(len(jobs)))
    messages: queue.SimpleQueue[tuple[_Worker, Message | None]] = queue.SimpleQueue()
    idle: list[_Worker] = []
    busy: dict[_Worker, int] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else _Worker(messages, threads)
                index = waiting.popleft()
                busy[worker] = index
                worker.send(jobs[index])
                yield Report(index, Message(kind="started"))
            try:
                # With a limit: an interrupt is only looked at between two waits on some systems.
                worker, message = messages.get(timeout=1.0)
            except queue.Empty:
                continue
            if worker not in busy:
                idle = [other for other in idle if other is not worker]
                worker.stop()
                continue
            index = busy[worker]
            if message is None:
                del busy[worker]
                message = Message(kind="failed", error=worker.death(), traceback=worker.errors())
                worker.stop()
            elif message.last:
                del busy[worker]
                idle.append(worker)
            yield Report(index, message)
    finally:
        for worker in (*busy, *idle):
            worker.stop()


class _Worker:
    """One process, and the thread that reads its messages."""

    def __init__(self, messages: queue.SimpleQueue[tuple[_Worker, Message | None]], threads: int) -> None:
        # This process' path, set before anything is imported: the worker sees the same modules.
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from liafseq.tasks.execution.worker import main; main()"
        )
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
        )
        self.seen = 0
        self.reader = threading.Thread(target=self._read, args=(messages,), daemon=True)
        self.reader.start()

    def _read(self, messages: queue.SimpleQueue[tuple[_Worker, Message | None]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # A worker that is killed may leave half a line.
            with contextlib.suppress(ValidationError):
                messages.put((self, Message.model_validate_json(line)))
        messages.put((self, None))

    def send(self, job: Job) -> None:
        self.seen = os.fstat(self.stderr.fileno()).st_size
        assert self.process.stdin is not None
        # A worker that is dead by now reports so through the end of its output.
        with contextlib.suppress(OSError):
            self.process.stdin.write(job.model_dump_json().encode() + b"\n")
            self.process.stdin.flush()

    def errors(self) -> str:
        """What the process wrote to standard error since its last job began, the end of it."""
        size = os.fstat(self.stderr.fileno()).st_size
        self.stderr.seek(max(self.seen, size - 20_000))
        return self.stderr.read().decode("utf-8", "replace")

    def death(self) -> str:
        """Why the process is gone, in one line."""
        code = self.process.wait()
        if code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                hint = " (out of memory?)" if name == "SIGKILL" else ""
                return f"the worker process was killed by {name}{hint}"
        last = self.errors().strip().splitlines()[-1:]
        return f"the worker process ended with code {code}" + "".join(f": {line}" for line in last)

    def stop(self) -> None:
        self.process.kill()  # files are written whole or not at all, so nothing needs an orderly end
        self.process.wait()
        self.reader.join(5.0)
        for stream in (self.process.stdin, self.process.stdout, self.stderr):
            # Closing flushes what a dead worker will not read.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
