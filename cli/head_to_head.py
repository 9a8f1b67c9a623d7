"""What every comparison does: its runs, with progress, then table, plots and report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.nodes import first_process, this_node

__all__ = ["head_to_head"]


def head_to_head(
    given: Mapping[str, Any],
    plan: Callable[[], Sequence[Any]],
    *,
    command: Callable[[Sequence[Any]], list[str]],
    baseline: Callable[[Sequence[Any]], dict[str, float]],
    runner: str,
    settle: Callable[[Sequence[Any]], Sequence[Any]] | None = None,
    titles: Mapping[int, str] | None = None,
) -> None:
    """Does a study and tells of it; exit code 1 if a run failed, 130 on Ctrl-C.

    Args:
        given: the parameters of the command: out, jobs, search, nodes, engine, ray_address; where it has
            it, search_tasks.
        plan: makes the runs.
        command: the words of the command that repeats the study.
        baseline: what a constant answer scores, by task; reading the data also finds what is wrong with
            it before any run begins.
        runner: of :func:`liafseq.tasks.study.compare`.
        settle: changes the runs once everything about them is known to be right.
        titles: names of the tasks.
    """
    from liafseq.cli.progress import StudyProgress, resumable
    from liafseq.tasks import report, study

    out, jobs, engine = given["out"], given["jobs"], given["engine"]
    with resumable():
        runs = plan()
        doing = o.make_engine(engine, given["ray_address"])
        searched = _make_search(given, runs)
        with this_node(given["nodes"]):
            o.check_device(runs[0])
        o.make_folder(out)
        scores = baseline(runs)
        if settle is not None:
            runs = settle(runs)
        trials = 0
        if searched is not None:
            trials = given["search"] * len({(run.model, run.tasks) for run in runs if searched.reads(run)})
        with StudyProgress(trials + len(runs)) as progress:
            results = study.compare(
                runs,
                out,
                jobs=jobs or (min(2, o.cores()) if engine == "local" else None),
                runner=runner,
                on_progress=progress,
                baseline=scores,
                command=command(runs),
                engine=doing,
                search=searched,
            )
        if not first_process():
            return  # the first machine tells
        files = report.write_report(results, out, titles)
    _tell(results, out, files)


def _make_search(given: Mapping[str, Any], runs: Sequence[Any]) -> Any:
    if (text := given.get("search_tasks")) is None:
        return o.make_search(given["search"])
    if not given["search"]:
        raise ValueError("--search-tasks: is for --search N")
    searched = o.make_search(given["search"], o.parse_tasks(text, "--search-tasks"))
    try:
        searched.check(runs)
    except ValueError as error:
        raise ValueError(f"--search-tasks: {error}") from None
    return searched


def _tell(results: Mapping[str, Any], out: Path, files: Sequence[Path]) -> None:
    """Prints the table, what its figures are and where everything lies."""
    from liafseq.cli.progress import print_table, room
    from liafseq.tasks import report

    sign = report.plus_minus_for(sys.stdout.encoding)
    shown = report.table(results, plus_minus=sign)
    if len(report.plain_table(*shown).splitlines()[0]) + len(shown[0]) > room():
        shown = report.table(results, plus_minus=sign, transpose=True)
    print_table(*shown)
    below = report.notes(results, sign)
    print("\n".join([*below, *(line for line in results["fairness"] if line not in below)]))
    print("Written: " + ", ".join(str(path) for path in [out / "results.json", *files]))
    if any(row["status"] == "failed" for row in results["runs"]):
        print("liafseq: some runs failed; the same command tries them again", file=sys.stderr)
        raise typer.Exit(1)
