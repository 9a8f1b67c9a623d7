"""``liafseq data babi``: generate, show and inspect stories."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.commands import (
    FORCE_HELP,
    field_argument,
    field_option,
    make_folder,
    named_by_options,
    see_free,
)

if TYPE_CHECKING:
    pass

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


def _option(name: str, *flags: str) -> Any:
    return field_option(BabiConfig, name, "questions", *flags)


Tasks = Annotated[str, _option("tasks")]
Source = Annotated[str, field_argument(BabiConfig, "source", "questions")]
Variant = Annotated[str, _option("variant")]
Seed = Annotated[int, _option("data_seed", "--seed")]
Story = Annotated[list[str] | None, _option("story_options")]
Split = Annotated[str, typer.Option("--split", help="Which questions.", metavar="train|test|valid")]

SOURCE: str = BabiConfig.model_fields["source"].default
VARIANT: str = BabiConfig.model_fields["variant"].default


@app.callback()
def _babi() -> None:
    """bAbI stories and questions: from the generator, the published files, or the hub.

    Example: liafseq data babi show --tasks 1
    """


@app.command("generate")
def generate(
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the files.", metavar="FOLDER")],
    tasks: Tasks = "all",
    train: Annotated[int, typer.Option("--train", help="Training questions per task.", min=1)] = 10_000,
    test: Annotated[int, typer.Option("--test", help="Test questions per task.", min=1)] = 1_000,
    valid: Annotated[int, typer.Option("--valid", help="Validation questions per task.", min=0)] = 0,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Write generated questions as files in the published format.

    Example: liafseq data babi generate --out stories --tasks 1-3 --train 1000 --test 1000
    """
    from liafseq.tasks.babi.generator import write_task
    from liafseq.tasks.babi.stories.names import file_name

    config = _config(tasks=tasks, data_seed=seed)
    counts = {"train": train, "test": test, "valid": valid}
    names = [file_name(number, split) for number in config.tasks for split in counts if counts[split]]
    see_free([Path(out) / name for name in names], force)
    folder = make_folder(out)
    for number in config.tasks:
        for path in write_task(folder, number, train=train, test=test, valid=valid, seed=seed):
            print(path)


@app.command("show")
def show(
    source: Source = SOURCE,
    tasks: Tasks = "1",
    stories: Annotated[int, typer.Option("--stories", "-n", help="Stories of each task.", min=1)] = 2,
    split: Split = "train",
    variant: Variant = VARIANT,
    seed: Seed = 0,
    story: Story = None,
) -> None:
    """Print a few stories with their questions, answers and supporting facts.

    Example: liafseq data babi show --tasks 1,15 --stories 1
    """
    config = _config(source=source, tasks=tasks, variant=variant, data_seed=seed, story_options=story or ())
    from itertools import islice

    from liafseq.tasks.babi.stories.format import Question
    from liafseq.tasks.babi.stories.names import TASK_NAMES

    for number in config.tasks:
        found = _stories(config, number, split, None)
        print(f"task {number}: {TASK_NAMES[number].replace('-', ' ')}")
        for items in islice(found, stories):
            for at, item in enumerate(items, 1):
                if isinstance(item, Question):
                    because = " ".join(map(str, item.support)) or "none"
                    print(f"{at:4} {item.text}  {item.answer}  (facts: {because})")
                else:
                    print(f"{at:4} {item.text}")
            print()


@app.command("inspect")
def inspect(
    source: Source = SOURCE,
    tasks: Tasks = "all",
    split: Split = "train",
    variant: Variant = VARIANT,
    questions: Annotated[
        int, typer.Option("--questions", help="Generated questions per task.", min=1)
    ] = 1_000,
    seed: Seed = 0,
    story: Story = None,
) -> None:
    """Count stories, questions, words, lengths and answers; report malformed files and lines.

    Length: words and full stops before a question, mean and longest. Common: share of the most frequent
    answer. Exit code 2 where something is missing or malformed.

    Example: liafseq data babi inspect tasks_1-20_v1-2.tar.gz --variant en-10k --tasks 1-5
    """
    config = _config(source=source, tasks=tasks, variant=variant, data_seed=seed)
    from liafseq.tasks.babi.stories.survey import survey
    from liafseq.tasks.report.table import Table

    header = ("task", "stories", "questions", "words", "length", "longest", "facts", "answers", "common")
    rows: list[tuple[str, ...]] = []
    wrong: list[str] = []
    count = questions if source == "generated" else None
    for number in config.tasks:
        try:
            own = _config(**{**dict(config), "tasks": (number,), "story_options": story or ()})
            found = survey(_stories(own, number, split, count), count)
        except (ValueError, OSError) as error:
            wrong.append(" ".join(str(error).split()))
            continue
        if not found.questions:
            wrong.append(f"task {number}: no questions")
            continue
        answer, times = min(found.answers.items(), key=lambda item: (-item[1], item[0]))
        rows.append(
            (
                str(number),
                f"{found.stories:,}",
                f"{found.questions:,}",
                str(len(found.words)),
                f"{found.mean_tokens:.1f}",
                str(max(found.story_tokens)),
                f"{sum(found.support) / found.questions:.1f}",
                str(len(found.answers)),
                f"{answer} {100 * times / found.questions:.0f}%",
            )
        )
    if rows:
        print(Table(header, tuple(rows)).plain())
    for line in dict.fromkeys(wrong):
        print(f"liafseq: {line}", file=sys.stderr)
    if wrong:
        raise typer.Exit(2)


def _config(**values: Any) -> BabiConfig:
    """The configuration that has these fields, which is checked as that of a run is."""
    with named_by_options(BabiConfig):
        return BabiConfig(**values)


def _stories(config: BabiConfig, number: int, split: Any, questions: int | None) -> Any:
    from liafseq.tasks.babi.stories.sources import stories

    return stories(
        number,
        split,
        config.source,
        variant=config.variant,
        questions=questions,
        seed=config.data_seed,
        options=config.generator_options(),
    )
