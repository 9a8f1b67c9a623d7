"""``liafseq compare TASK``: several models head-to-head."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.cli import options as o
from liafseq.cli.groups import TaskGroup, made_command
from liafseq.cli.running import AS_JSON, DRY_RUN, check_machine, end, engine_of, in_words, jobs_of
from liafseq.cli.suite import NAME as SUITE
from liafseq.cli.suite import command as suite_command
from liafseq.tasks.commands import named_folder
from liafseq.tasks.config import FieldError
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.planned import Planned
from liafseq.tasks.task import Task
from liafseq.tasks.toml import lines

if TYPE_CHECKING:
    from liafseq.tasks.results import Study

__all__ = ["command"]


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
    """The tasks, and ``suite``, which is also what a ``--config`` without a task means."""

    make = staticmethod(command)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), SUITE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return (
            made_command(SUITE, suite_command()) if cmd_name == SUITE else super().get_command(ctx, cmd_name)
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and any(word.partition("=")[0] == "--config" for word in args):
            args = [SUITE, *args]
        return super().parse_args(ctx, args)
