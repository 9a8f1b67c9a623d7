"""The generator: stories of a task from a seed, as values or as official files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from liafseq.tasks.babi.generator import carrying, motives, reasoning, sizes, space, timing, walking
from liafseq.tasks.babi.generator.base import Maker
from liafseq.tasks.babi.generator.options import GeneratorOptions, resolve
from liafseq.tasks.babi.stories.format import Question, Story, format_story
from liafseq.tasks.babi.stories.names import SPACE_BEFORE_TAB, SPLITS, check_task, file_name
from liafseq.tasks.storage.files import write_atomic

__all__ = ["MAKERS", "generate", "lines", "split_seed", "write_task"]

MAKERS: dict[int, Maker] = {
    1: walking.single_fact,
    2: carrying.two_facts,
    3: carrying.three_facts,
    4: space.two_arguments,
    5: carrying.three_arguments,
    6: carrying.yes_no,
    7: carrying.counting,
    8: carrying.lists,
    9: walking.negation,
    10: walking.indefinite,
    11: walking.coreference,
    12: walking.conjunction,
    13: walking.compound_coreference,
    14: timing.time_reasoning,
    15: reasoning.deduction,
    16: reasoning.induction,
    17: space.positions,
    18: sizes.size_reasoning,
    19: space.path_finding,
    20: motives.motivations,
}
"""The task and what makes its stories."""


def generate(
    task: int, questions: int, seed: int = 0, *, options: GeneratorOptions | None = None
) -> Iterator[Story]:
    """Stories of a task until there are so many questions; the last one ends with the last question.

    The stories depend on the arguments alone, in every process and Python; and the first of them do
    not depend on how many questions are asked for.

    Args:
        task: 1 to 20.
        questions: how many, 0 or more.
        seed: a whole number; other seeds, other stories.
        options: other sizes than the published ones.

    Raises:
        ValueError, TypeError: an argument out of its range, or of another type; already at the call.

    >>> story = next(generate(1, 5, seed=0))
    >>> len(story), story[2].text.startswith("Where is ")
    (15, True)
    """
    check_task(task)
    if isinstance(questions, bool) or not isinstance(questions, int):
        raise TypeError(f"questions must be a whole number, got {questions!r}")
    if questions < 0:
        raise ValueError(f"questions must be at least 0, got {questions}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    numbers = resolve(task, options)
    # A text, because of a number only the absolute value counts.
    draw = random.Random(f"bAbI {task} {seed}").random
    return _first(MAKERS[task](draw, numbers), questions)


def _first(stories: Iterator[Story], questions: int) -> Iterator[Story]:
    left = questions
    while left > 0:
        story = next(stories)
        for at, item in enumerate(story):
            if isinstance(item, Question):
                left -= 1
                if not left:
                    story = story[: at + 1]
                    break
        yield story


def lines(task: int, stories: Iterator[Story]) -> Iterator[str]:
    """The text of the official file, story by story.

    >>> print(next(lines(1, generate(1, 1, seed=0))).count("\\t"))
    2
    """
    space = check_task(task) in SPACE_BEFORE_TAB
    for story in stories:
        yield format_story(story, space_before_tab=space)


def split_seed(seed: int, split: str) -> int:
    """The seed of one part of the data: no two parts and no two seeds share a stream.

    >>> split_seed(0, "train"), split_seed(0, "test"), split_seed(1, "train")
    (0, 1, 3)
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return len(SPLITS) * seed + SPLITS.index(split)


def write_task(
    folder: str | Path,
    task: int,
    *,
    train: int = 10_000,
    test: int = 1_000,
    valid: int = 0,
    seed: int = 0,
    options: GeneratorOptions | None = None,
) -> list[Path]:
    """Writes the files of a task under their official names and in the official line format.

    Args:
        folder: made where it is missing.
        task: 1 to 20.
        train, test, valid: number of questions; no file for 0.
        seed: of all three; each part has its own stories.
        options: as for :func:`generate`.

    Returns:
        The files.

    Raises:
        ValueError, TypeError: as :func:`generate`; nothing is written then.
    """
    counts = {"train": train, "test": test, "valid": valid}
    parts = {
        split: generate(task, count, split_seed(seed, split), options=options)
        for split, count in counts.items()
    }
    return [
        write_atomic(Path(folder) / file_name(task, split), "".join(lines(task, stories)))
        for split, stories in parts.items()
        if counts[split]
    ]
