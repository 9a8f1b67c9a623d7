"""Where the runs of a study are done: in worker processes here, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Protocol

from liafseq.tasks.execution.jobs import Job, Report
from liafseq.tasks.execution.pool import run_jobs

__all__ = ["ENGINES", "Engine", "engine_of"]

ENGINES = ("local", "ray")


class Engine(Protocol):
    """Does jobs, ``workers`` at a time (None: as many as there is room for), and yields what they report.

    See :func:`liafseq.tasks.execution.pool.run_jobs`.
    """

    def __call__(
        self, jobs: Sequence[Job], *, workers: int | None, threads: int
    ) -> Generator[Report, None, None]: ...


def engine_of(engine: str | Engine = "local", *, ray_address: str = "auto") -> Engine:
    """The engine of a name; an engine stays as it is.

    Args:
        engine: ``"local"`` or ``"ray"``.
        ray_address: of the Ray cluster: ``"auto"`` (the one that runs on this machine, or that
            RAY_ADDRESS names), ``"local"`` (started here for this command), or ``host:port``.

    Raises:
        ValueError: no such engine.
        ImportError: Ray is not installed.
    """
    if callable(engine):
        return engine
    if engine == "local":
        return run_jobs
    if engine == "ray":
        from liafseq.tasks.execution.ray import import_ray, run_on_ray

        import_ray()
        return partial(run_on_ray, address=ray_address)
    raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
