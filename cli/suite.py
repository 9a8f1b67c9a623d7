"""``liafseq compare --config FILE`` and ``liafseq compare suite``: several tasks as one study."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.cli import options as o
from liafseq.cli.running import AS_JSON, DRY_RUN, check_machine, end, engine_of, in_words, jobs_of
from liafseq.tasks.commands import named_folder
from liafseq.tasks.config import Config, FieldError
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.suite_file import plan_suite, suite_toml
from liafseq.tasks.toml import read_toml

if TYPE_CHECKING:
    from liafseq.tasks.study.planned import Planned
    from liafseq.tasks.suite_results import Suite

__all__ = ["NAME", "command"]

NAME = "suite"
"""The word in the place of a task."""


def command() -> Any:
    """The function of ``liafseq compare suite``."""
    # What is not said is as the file has it, or else each task.
    of_study = o.Source(StudyOptions, dict.fromkeys(StudyOptions.model_fields))
    of_runs = o.Source(Config, dict.fromkeys(Config.model_fields), without=frozenset({"model"}))
    made = o.Command(None, of_study, of_runs)
    out = o.plain_option(
        "out", str, f"runs/compare-{NAME}", "--out", "-o", panel="Study", metavar="FOLDER",
        help="Folder of the study, with a folder for each task.",
    )  # fmt: skip
    config = o.plain_option(
        "config", Path | None, None, "--config", panel="Study", metavar="FILE.toml",
        help="The tasks, a [[task]] table each, under what they share; by default all tasks, small.",
    )  # fmt: skip

    def run(given: dict[str, Any]) -> None:
        try:
            planned = _planned(given["config"], made.said(given, None))
            for one in planned.values():
                o.check_threads(one.config)
        except FieldError as error:
            raise made.option_error(error) from None
        if given["print_config"]:
            print(suite_toml(planned), end="")
            return
        _run(planned, given)

    run.__doc__ = """Train and evaluate the same models on several tasks: one study, one report.

    The tasks are those of --config FILE.toml, a [[task]] table each; without it all tasks, small, on the
    data that they bring along, in some minutes. An option here goes to every task that has it, before
    what the file says. Prints a table of tasks by models, their mean ranks and what they cost; writes
    report.html, report.md, suite.json, table.md and a folder for each task. Stopped at any moment, the
    same command goes on where it was.

    Example: liafseq compare suite --seeds 3 --jobs 2
    """
    return made.function(run, out, config, o.PRINT_CONFIG, DRY_RUN, AS_JSON, o.LOGGER)


def _planned(file: Path | None, over: dict[str, Any]) -> dict[str, Planned]:
    from liafseq.tasks.study.suite import DEFAULT

    where = NAME if file is None else f"--config: {file}"
    return plan_suite(read_toml(file or DEFAULT, where), where, over)


def _run(planned: dict[str, Planned], given: dict[str, Any]) -> None:
    """Does the suite and tells of it; exit code 1 if a run failed, 130 on Ctrl-C."""
    from liafseq.cli.progress import StudyProgress, resumable
    from liafseq.tasks.study.suite import ready_suite, run_suite

    for one in planned.values():
        check_machine(one)
    options = next(iter(planned.values())).options
    with resumable():
        out = named_folder(given["out"])
        o.check_logger(given["logger"])
        engine, jobs = engine_of(options), jobs_of(options)
        planned = ready_suite(planned, out)
        if not given["dry_run"]:
            o.make_folder(out)
        runs = sum(len(one.configs) + one.trials() for one in planned.values())
        estimate = in_words(sum(one.seconds(out / label, jobs) for label, one in planned.items()))
        if given["dry_run"]:
            for label, one in planned.items():
                for config in one.configs:
                    print(f"{label}/{config.key()}")
            print(f"{runs} runs{estimate}.")
            return
        if estimate:
            print(f"{runs} runs{estimate}", file=sys.stderr, flush=True)
        with StudyProgress({label: one.task for label, one in planned.items()}, runs) as progress:
            suite = run_suite(
                planned, out, jobs=jobs, engine=engine, logger=given["logger"], on_progress=progress.of
            )
    if given["as_json"]:
        print(json.dumps(suite.to_json()))
    else:
        _tell(suite, out)
    end(suite.failed)


def _tell(suite: Suite, out: Path) -> None:
    """Prints the tables, what their figures are and where everything lies."""
    from liafseq.cli.progress import ascii_only, paragraph, print_table, room
    from liafseq.tasks.report.suite_table import cost_table, score_table, suite_notes

    plain = ascii_only()
    shown = score_table(suite, ascii_only=plain)
    if max(map(len, shown.plain().splitlines())) > room():
        shown = shown.transposed()
    print_table(shown)
    print()
    print_table(cost_table(suite))
    for line in suite_notes(suite, ascii_only=plain):
        print(paragraph(line))
    names = ("report.html", "report.md", "table.md", "suite.json", "suite.toml")
    print("Written: " + ", ".join(str(out / name) for name in names))
