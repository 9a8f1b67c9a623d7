"""``liafseq compare TASK``: several models head-to-head."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from liafseq.cli import options as o
from liafseq.cli.groups import TaskGroup
from liafseq.tasks.commands import named_folder
from liafseq.tasks.config import FieldError
from liafseq.tasks.study.machine import cores
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.planned import Planned
from liafseq.tasks.task import Task
from liafseq.tasks.toml import lines

if TYPE_CHECKING:
    from liafseq.tasks.results import Study

__all__ = ["command"]

AS_JSON = o.plain_option("as_json", bool, False, "--json", panel="Study", help="Print the results as JSON.")
DRY_RUN = o.plain_option(
    "dry_run", bool, False, "--dry-run", panel="Study",
    help="Check everything, print the runs and about how long they take, and do nothing else.",
)  # fmt: skip


def command(task: Task[Any, Any]) -> Any:
    """The function of ``liafseq compare TASK``."""
    own = o.Source(task.Config, task.study.settings, without=frozenset({"model"}))
    shared = o.Source(StudyOptions, {"models": task.study.models, "seeds": task.study.seeds})
    made = o.Command(task, shared, own)
    out = o.plain_option(
        "out", str, f"runs/compare-{task.name}", "--out", "-o", panel="Study", metavar="FOLDER",
        help="Folder of the study and its runs.",
    )  # fmt: skip

    def run(given: dict[str, Any]) -> None:
        try:
            said = made.said(given, given["config"])
            options = made.build(shared, said)
            config = made.build(own, said)
            if given["print_config"]:
                print("\n".join(lines(made.flags, [options, config])))
                return
            o.check_threads(config)
            study = Planned.of(task, options, config, said)
        except FieldError as error:
            raise made.option_error(error) from None
        head_to_head(study, given)

    run.__doc__ = f"""Train and evaluate several models on the same {task.word}, head-to-head.

    Prints a table and writes report.html, report.md, results.json, table.md, plots and a folder for each
    run. Stopped at any moment, the same command goes on where it was; what is finished is not
    repeated, what failed is tried again. With --search each model's settings are searched first, by
    validation. Without options: the default comparison, a few minutes.

    Example: liafseq compare {task.name} --models {",".join(task.study.models.split(",")[:2])} --seeds 3
    """
    return made.function(run, out, o.CONFIG_FILE, o.PRINT_CONFIG, DRY_RUN, AS_JSON, o.LOGGER)


def head_to_head(planned: Planned, given: dict[str, Any]) -> None:
    """Does a study and tells of it; exit code 1 if a run failed, 130 on Ctrl-C."""
    from liafseq.cli.progress import StudyProgress, resumable
    from liafseq.tasks.report.write import write_report

    check_machine(planned)
    with resumable():
        out = named_folder(given["out"])
        o.check_logger(given["logger"])
        engine, jobs = engine_of(planned.options), jobs_of(planned.options)
        planned = planned.ready(out)
        if not given["dry_run"]:
            o.make_folder(out)
        runs = len(planned.configs) + planned.trials()
        estimate = in_words(planned.seconds(out, jobs))
        if given["dry_run"]:
            for config in planned.configs:
                print(config.key())
            print(f"{runs} runs{estimate}.")
            return
        if estimate:
            print(f"{runs} runs{estimate}", file=sys.stderr, flush=True)
        with StudyProgress(planned.task, runs) as progress:
            study = planned.run(out, jobs=jobs, on_progress=progress, engine=engine, logger=given["logger"])
        files = write_report(study, out)
    if given["as_json"]:
        print(json.dumps(study.to_json()))
    else:
        _tell(study, out, files)
    end(study.failed)


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


def _tell(study: Study, out: Path, files: Sequence[Path]) -> None:
    """Prints the table, what its figures are and where everything lies."""
    from liafseq.cli.progress import ascii_only, paragraph, print_table, room
    from liafseq.tasks.report.columns import notes, study_table

    plain = ascii_only()
    shown = study_table(study, ascii_only=plain)
    if max(map(len, shown.plain().splitlines())) > room():
        shown = shown.transposed()
    print_table(shown)
    below = notes(study, ascii_only=plain)
    for line in [*below, *(line for line in study.fairness.lines if line not in below)]:
        print(paragraph(line))
    print("Written: " + ", ".join(str(path) for path in [*files, out / "results.json"]))


class CompareGroup(TaskGroup):
    make = staticmethod(command)
