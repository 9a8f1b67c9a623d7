"""``liafseq data``: generate, show and inspect questions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import options as o

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
babi_app = typer.Typer(no_args_is_help=True)
app.add_typer(babi_app, name="babi")

AllTasks = Annotated[
    str, typer.Option("--tasks", help="bAbI tasks, 1 to 20: numbers, ranges, or all.", metavar="1,4-6")
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        help="generated, hub, or the path of the published folder or archive.", metavar="[SOURCE]"
    ),
]
SplitOption = Annotated[str, typer.Option("--split", help="Which questions.", metavar="train|test|valid")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the generator.", min=0)]
StoryOption = Annotated[
    list[str] | None,
    typer.Option("--story", help="people, objects, places or statements. Repeatable.", metavar="NAME=N"),
]


@app.callback()
def _data() -> None:
    """Generate, show and inspect data.

    Example: liafseq data babi show --tasks 1
    """


@babi_app.callback()
def _babi() -> None:
    """bAbI stories and questions: from the generator, the published files, or the hub.

    Example: liafseq data babi show --tasks 1
    """


@babi_app.command("generate")
def generate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.", metavar="FOLDER")],
    tasks: AllTasks = "all",
    train: Annotated[int, typer.Option("--train", help="Training questions a task.", min=1)] = 10_000,
    test: Annotated[int, typer.Option("--test", help="Test questions a task.", min=1)] = 1_000,
    valid: Annotated[int, typer.Option("--valid", help="Validation questions a task.", min=0)] = 0,
    seed: SeedOption = 0,
) -> None:
    """Write generated questions as files in the published format.

    Example: liafseq data babi generate --out stories --tasks 1-3 --train 1000 --test 1000
    """
    numbers = o.parse_tasks(tasks)
    o.make_folder(out)
    from liafseq.tasks.babi.generator import write_task

    for number in numbers:
        for path in write_task(out, number, train=train, test=test, valid=valid, seed=seed):
            print(path)


@babi_app.command("show")
def show(
    source: SourceArgument = "generated",
    tasks: AllTasks = "1",
    stories: Annotated[int, typer.Option("--stories", "-n", help="Stories of each task.", min=1)] = 2,
    split: SplitOption = "train",
    variant: o.Variant = "en-10k",
    seed: SeedOption = 0,
    story: StoryOption = None,
) -> None:
    """Print a few stories with their questions, answers and supporting facts.

    Example: liafseq data babi show --tasks 1,15 --stories 1
    """
    numbers = o.parse_tasks(tasks)
    from itertools import islice

    from liafseq.tasks.babi.stories.format import Question
    from liafseq.tasks.babi.stories.names import TASK_NAMES
    from liafseq.tasks.babi.stories.sources import stories as read

    for number in numbers:
        print(f"task {number}: {TASK_NAMES[number].replace('-', ' ')}")
        found = read(number, split, source, variant=variant, seed=seed, options=_generator_options(story))
        for items in islice(found, stories):
            for at, item in enumerate(items, 1):
                if isinstance(item, Question):
                    because = " ".join(map(str, item.support)) or "none"
                    print(f"{at:4} {item.text}  {item.answer}  (facts: {because})")
                else:
                    print(f"{at:4} {item.text}")
            print()


@babi_app.command("inspect")
def inspect(
    source: SourceArgument = "generated",
    tasks: AllTasks = "all",
    split: SplitOption = "train",
    variant: o.Variant = "en-10k",
    questions: Annotated[int, typer.Option("--questions", help="Generated questions a task.", min=1)] = 1_000,
    seed: SeedOption = 0,
    story: StoryOption = None,
) -> None:
    """Count stories, questions, words, lengths and answers; report malformed files and lines.

    Length: words and full stops before a question, mean and longest. Common: share of the most frequent
    answer. Exit code 2 where something is missing or malformed.

    Example: liafseq data babi inspect tasks_1-20_v1-2.tar.gz --variant en-10k --tasks 1-5
    """
    from liafseq.cli.progress import print_table
    from liafseq.tasks.babi.stories.sources import stories as read
    from liafseq.tasks.babi.stories.survey import survey

    header = ["task", "stories", "questions", "words", "length", "longest", "facts", "answers", "common"]
    rows: list[list[str]] = []
    wrong: list[str] = []
    count = questions if source == "generated" else None
    for number in o.parse_tasks(tasks):
        try:
            options = _generator_options(story)
            stories = read(
                number, split, source, variant=variant, questions=count, seed=seed, options=options
            )
            found = survey(stories, count)
        except (ValueError, OSError) as error:
            wrong.append(" ".join(str(error).split()))
            continue
        if not found.questions:
            wrong.append(f"task {number}: no questions")
            continue
        answer, times = min(found.answers.items(), key=lambda item: (-item[1], item[0]))
        rows.append(
            [
                str(number),
                f"{found.stories:,}",
                f"{found.questions:,}",
                str(len(found.words)),
                f"{found.mean_tokens:.1f}",
                str(max(found.story_tokens)),
                f"{sum(found.support) / found.questions:.1f}",
                str(len(found.answers)),
                f"{answer} {100 * times / found.questions:.0f}%",
            ]
        )
    if rows:
        print_table(header, rows)
    for line in dict.fromkeys(wrong):
        print(f"liafseq: {line}", file=sys.stderr)
    if wrong:
        raise typer.Exit(2)


def _generator_options(story: list[str] | None) -> Any:
    if not story:
        return None
    from liafseq.tasks.babi.generator import GeneratorOptions

    return GeneratorOptions(**o.parse_pairs(story, "--story"))
