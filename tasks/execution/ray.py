"""The runs of a study on a Ray cluster; the same folder as the result as without it.

Every machine of the cluster has liafseq installed, and sees the study's folder under the same path (a
shared file system), where the runs keep what they have reached. So a run whose worker or machine is
lost is taken up from its last whole epoch by another worker, and what a run has reached is read from
its ``metrics.jsonl``: nothing but the job and its result goes through Ray.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from liafseq.tasks.execution.jobs import Job, Message, Report
from liafseq.tasks.training.log import METRICS, read_log
from liafseq.tasks.training.progress import Progress

__all__ = ["RETRIES", "import_ray", "run_on_ray"]

RETRIES = 3
"""How often a run is taken up again whose worker, or machine, was lost."""

_POLL_SECONDS = 0.5
_LOCK_SECONDS = 60.0
"""How long a run waits for the worker before, which Ray may have given up on while it still lives."""


def import_ray() -> Any:
    """Ray, told to send nothing home.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray warns where its coming default is not chosen.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"Ray is not installed ({error}); pip install 'liafseq[ray]'") from error
    return ray


def run_on_ray(
    jobs: Sequence[Job], *, workers: int | None = None, threads: int = 1, address: str = "auto"
) -> Generator[Report, None, None]:
    """As :func:`liafseq.tasks.execution.pool.run_jobs`, on a Ray cluster.

    Each run takes as many CPUs as its ``threads`` times its ``devices``, and, with ``device="cuda"``, as
    many GPUs as its ``devices``.

    Args:
        jobs: the runs.
        workers: runs at a time; None: as many as the cluster has CPUs (and GPUs) for.
        threads: CPU threads of a run whose configuration has none.
        address: of the cluster: ``"auto"``, ``"local"`` (one started here, for as long as this takes), or
            ``host:port``; where Ray is connected already, that connection is used.

    Yields:
        The number of a job and a message; a lost worker is a ``"note"``, and after ``RETRIES`` of them the
        run has ``"failed"``.

    Raises:
        OSError: there is no such cluster.
        ValueError: a run that no machine of the cluster has room for, or that shares several machines.
    """
    if not jobs:
        return
    for job in jobs:
        if job.config.get("nodes", 1) > 1:
            raise ValueError("engine: a run that shares several machines (nodes) is not for Ray; use local")
    ray = import_ray()
    with _connected(ray, address):
        try:
            yield from _run(ray, jobs, workers, threads)
        except ray.exceptions.RayError as error:
            raise OSError(
                f"the Ray cluster is lost ({' '.join(str(error).split())[:200]}); "
                "the same command goes on where it was"
            ) from error


def _run(ray: Any, jobs: Sequence[Job], workers: int | None, threads: int) -> Generator[Report, None, None]:
    # Taken up again here and not by Ray, so that each time is told of.
    perform = ray.remote(max_retries=0)(_perform)
    needs = [_needs(job.config, threads) for job in jobs]
    _check_room(ray, needs)
    waiting = deque(range(len(jobs)))
    tries = [0] * len(jobs)
    busy: dict[Any, int] = {}
    seen: dict[int, int] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < (workers or _room(ray, needs[waiting[0]])):
                index = waiting.popleft()
                path = [str(Path(entry).absolute()) for entry in sys.path if entry]
                busy[perform.options(**needs[index]).remote(jobs[index].model_dump_json(), path)] = index
                if not tries[index]:
                    yield Report(index, Message(kind="started"))
            done, _ = ray.wait(list(busy), num_returns=1, timeout=_POLL_SECONDS)
            for index in busy.values():
                epochs, progress = _progress(jobs[index])
                if progress is not None and seen.get(index) != epochs:
                    seen[index] = epochs
                    yield Report(index, Message(kind="progress", progress=progress))
            for task in done:
                index = busy.pop(task)
                try:
                    notes, text = ray.get(task)
                    message = Message.model_validate_json(text)
                except ray.exceptions.RayError as error:
                    tries[index] += 1
                    # Ray's own text is long, and its first line says what has happened.
                    why = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"[:120]
                    if tries[index] <= RETRIES:
                        waiting.append(index)
                        again = f"taken up again, {tries[index]} of at most {RETRIES} times"
                        text = f"its worker was lost; {again} ({why})"
                        yield Report(index, Message(kind="note", text=text))
                        continue
                    lost = f"its worker was lost {tries[index]} times; last: {why}"
                    notes, message = [], Message(kind="failed", error=lost, traceback=str(error))
                for note in notes:
                    yield Report(index, Message(kind="note", text=note))
                yield Report(index, message)
    finally:
        # Files are written whole or not at all, so nothing needs an orderly end.
        for task in busy:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(task, force=True)


def _perform(job: str, path: list[str]) -> tuple[list[str], str]:
    """A job, on a worker of the cluster: what was repaired, and the last message."""
    sys.path += [entry for entry in path if entry not in sys.path]
    from liafseq.tasks.execution.worker import Notes, perform

    notes: list[str] = []
    handler = Notes(notes.append)
    log = logging.getLogger("liafseq")
    log.addHandler(handler)
    try:
        message = perform(Job.model_validate_json(job), wait=_LOCK_SECONDS)
    finally:
        log.removeHandler(handler)
    return notes, message.model_dump_json()


def _progress(job: Job) -> tuple[int, Progress | None]:
    """The whole epochs of a run, and its last one as progress."""
    try:
        log = read_log(Path(job.folder) / METRICS)
        last = log[-1]
    except (OSError, ValueError, LookupError):
        return 0, None
    return len(log), Progress(last.epoch, job.config["epochs"], 1, 1, last.loss, None)


def _needs(config: dict[str, Any], threads: int) -> dict[str, float]:
    devices = config.get("devices", 1)
    needs = {"num_cpus": config.get("threads", threads) * devices}
    if str(config.get("device", "cpu")).partition(":")[0] in ("cuda", "gpu"):
        needs["num_gpus"] = devices
    return needs


def _check_room(ray: Any, needs: Sequence[dict[str, float]]) -> None:
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for need in needs:
        cpus, gpus = need["num_cpus"], need.get("num_gpus", 0)
        if not any(m.get("CPU", 0) >= cpus and m.get("GPU", 0) >= gpus for m in machines):
            largest = max((m.get("CPU", 0) for m in machines), default=0)
            raise ValueError(
                f"engine: a run needs {cpus} CPUs and {gpus} GPUs on one machine (threads and devices); "
                f"no machine of the Ray cluster has them, the largest of {len(machines)} has {largest:g} CPUs"
            )


def _room(ray: Any, need: dict[str, float]) -> int:
    """How many such runs the cluster, as it is now, has room for."""
    there = ray.cluster_resources()
    room = there.get("CPU", 0) // max(1, need["num_cpus"])
    if "num_gpus" in need:
        room = min(room, there.get("GPU", 0) // need["num_gpus"])
    return max(1, int(room))


@contextlib.contextmanager
def _connected(ray: Any, address: str) -> Any:
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options["include_dashboard"] = False
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise OSError(
            f"--ray-address {address}: no Ray cluster to be reached ({' '.join(str(error).split())[:200]}); "
            "ray start --head starts one, and --ray-address local one for this command alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
