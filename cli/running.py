"""What the commands that run studies share: options, checks, how they end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.study.machine import cores
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.planned import Planned

__all__ = ["AS_JSON", "DRY_RUN", "check_machine", "end", "engine_of", "in_words", "jobs_of"]

AS_JSON = o.plain_option("as_json", bool, False, "--json", panel="Study", help="Print the results as JSON.")
DRY_RUN = o.plain_option(
    "dry_run", bool, False, "--dry-run", panel="Study",
    help="Check everything, print the runs and about how long they take, and do nothing else.",
)  # fmt: skip


def check_machine(planned: Planned) -> None:
    """Sees that this machine has what the runs ask for."""
    if max(config.nodes for config in planned.configs) > 1:
        raise ValueError("--nodes: is for train; a study on several machines is for --engine ray")
    o.check_device(planned.configs[0])


def jobs_of(options: StudyOptions) -> int | None:
    """Runs at a time; None: as many as the engine has room for."""
    return options.jobs or (min(2, cores()) if options.engine == "local" else None)


def in_words(seconds: float) -> str:
    """An estimated time; nothing for a short one."""
    from liafseq.tasks.report.words import duration

    return f", about {duration(seconds)}" if seconds >= 30 else ""


def end(failed: Sequence[Any]) -> None:
    """Exit code 1 where runs have failed."""
    if failed:
        print("liafseq: some runs failed; the same command tries them again", file=sys.stderr)
        raise typer.Exit(1)


def engine_of(options: StudyOptions) -> Any:
    """What does the runs; ValueError, in the names of the options, where it cannot be had."""
    from liafseq.tasks.execution import engines

    if options.engine == "local" and options.ray_address != "auto":
        raise ValueError("--ray-address: is for --engine ray")
    try:
        return engines.engine_of(options.engine, ray_address=options.ray_address)
    except ImportError as error:
        raise ValueError(f"--engine: {error}") from error
