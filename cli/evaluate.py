"""``liafseq evaluate``: a run folder's network on its own or other data."""

from __future__ import annotations

import csv
import inspect
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.config import DATA, FieldError
from liafseq.tasks.settings import extra, flag_of, flags_of
from liafseq.tasks.task import find, installed, names
from liafseq.tasks.toml import located

if TYPE_CHECKING:
    from liafseq.tasks.training.trained import Evaluated, Trained

__all__ = ["command"]


OWN = (
    inspect.Parameter(
        "runs", inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[
            list[Path], typer.Argument(help="Run folders.", metavar="RUN...", show_default=False)
        ],
    ),
    o.plain_option(
        "split", str, "test", "--split", metavar="test|valid|train", help="Which part of the data.",
        autocompletion=o.complete_split,
    ),
    o.plain_option("device", str | None, None, "--device", help="cpu, cuda, mps, or auto; else the run's."),
    o.plain_option("as_json", bool, False, "--json", help="Print JSON, a line per run."),
    o.plain_option(
        "errors", str | None, None, "--errors", metavar="FILE.csv",
        help="Also write what the network got wrong, as CSV; - prints it in the place of the scores.",
    ),
    o.plain_option("force", bool, False, "--force", help="Let --errors replace a file that is there."),
)  # fmt: skip


def _other_data() -> dict[str, tuple[Any, set[str]]]:
    """The options that name other data: the field, and the tasks that have it."""
    found: dict[str, tuple[Any, set[str]]] = {}
    for task in installed():
        for field, info in flags_of(task.Config).items():
            if extra(info, "panel") == DATA and field not in ("valid_fraction", "data_seed"):
                found.setdefault(field, (info, set()))[1].add(task.name)
    return found


def command() -> Any:
    """The function of ``liafseq evaluate``, with the options of all tasks that name other data."""
    fields = _other_data()
    parameters = [o.parameter(field, info, find(next(iter(of))), "") for field, (info, of) in fields.items()]

    def evaluate(**given: Any) -> None:
        _evaluate(given, fields)

    about = """Score the trained network of one or more run folders, on their own or on other data.

    The options under Data name other data; each is for runs of the tasks that have it.

    Example: liafseq evaluate runs/gru-qa1-s0-1a2b3c4d --source tasks_1-20_v1-2 --variant en-10k
    """
    return o.signed(evaluate, [*OWN, *parameters], about)


def _evaluate(given: dict[str, Any], fields: dict[str, tuple[Any, set[str]]]) -> None:
    from liafseq.tasks.training.folder import read_config

    runs = list(given["runs"])
    if len(runs) > 1 and str(runs[0]) in names() and not runs[0].exists():
        runs = runs[1:]  # liafseq evaluate babi RUN, as train and compare have it
    split = given["split"]
    o.check_split(split)
    tasks = {run: read_config(run)[0] for run in runs}  # all of them, before the work on the first begins
    said = {field: given[field] for field in fields if given[field] not in (None, [])}
    for field in said:
        info, of = fields[field]
        if not of & {task.name for task in tasks.values()}:
            raise ValueError(
                f"--{flag_of(field, info)} is for {' and '.join(sorted(of))} runs, and there is none among "
                "the given"
            )
    errors = given["errors"]
    if errors not in (None, "-"):
        path = Path(errors)
        if path.is_dir():
            raise ValueError(f"--errors: {path} is a folder; expected a file")
        if path.exists() and not given["force"]:
            raise ValueError(f"--errors: {path} is there already; give another name, or --force")

    from liafseq.tasks.training.trained import load

    found, wrong = [], []
    for run, task in tasks.items():
        made = o.Command(task, o.Source(task.Config, {}))
        other = {
            field: located(field, value, made.flags[field])
            for field, value in said.items()
            if task.name in fields[field][1]
        }
        trained = load(run)
        try:
            scored = trained.evaluate(split, device=given["device"], **other)
            if errors is not None:
                wrong += _mistakes(trained, split, other)
        except FieldError as error:
            raise made.option_error(error) from None
        found.append((trained, scored))
        if given["as_json"]:
            print(json.dumps(_json(scored)), flush=True)
    if errors == "-":
        print(_csv(wrong), end="")
        return
    if not given["as_json"]:
        _print(found)
    if errors is not None:
        from liafseq.tasks.storage.files import write_atomic

        print(f"Written: {write_atomic(Path(errors), _csv(wrong))} ({len(wrong):,} wrong)")


def _mistakes(trained: Trained, split: str, other: dict[str, Any]) -> list[tuple[str, ...]]:
    try:
        return [
            (str(trained.folder), wrong.part, str(wrong.index), wrong.example, wrong.expected, wrong.given)
            for wrong in trained.mistakes(split, **other)
        ]
    except NotImplementedError as error:
        raise ValueError(f"--errors: {error}") from None


def _csv(rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "part", "index", "example", "expected", "given"))
    writer.writerows(rows)
    return text.getvalue()


def _json(scored: Evaluated) -> dict[str, Any]:
    return {
        "run": scored.run,
        "model": scored.model,
        "split": scored.split,
        "epoch": scored.epoch,
        "scores": {part: score.to_json() for part, score in scored.scores.items()},
        "skipped": dict(scored.skipped),
    }


def _print(found: Sequence[tuple[Trained, Evaluated]]) -> None:
    from liafseq.cli.progress import print_table
    from liafseq.tasks.report.table import Table

    for kind in dict.fromkeys(trained.task for trained, _ in found):
        own = [(trained, scored) for trained, scored in found if trained.task is kind]
        parts = list(dict.fromkeys(part for _, scored in own for part in scored.scores))
        several = len(parts) > 1
        metric = kind.metric
        header = ["run", *parts, *(["mean"] if several else []), *(other.words for other in kind.metrics[1:])]
        rows = []
        for trained, scored in own:
            scores = [scored.scores.get(part) for part in parts]
            cells = [metric.text(None if score is None else score.metrics[metric.name]) for score in scores]
            cells += [metric.text(scored.mean(metric.name))] if several else []
            cells += [other.text(scored.mean(other.name)) for other in kind.metrics[1:]]
            rows.append((trained.folder.name, *cells))
        print_table(Table(tuple(header), tuple(rows)))
        split = own[0][1].split
        print(f"{metric.words.capitalize()}{metric.unit_words} of the {split} {kind.word}.")
        for trained, scored in own:
            for part, why in scored.skipped.items():
                print(f"Left out: {trained.folder.name}, {part}: {why}.")
