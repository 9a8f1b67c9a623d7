"""What the modules of stories share: a random draw, the story under construction, the five-fact window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from liafseq.tasks.babi.stories.format import Question, Statement, Story

__all__ = ["QUESTIONS", "WINDOW", "Maker", "Random", "StoryBuilder", "derange", "pick", "walk"]

T = TypeVar("T")

Random = Callable[[], float]
"""Draws from [0, 1). Only ``random.Random.random`` promises the same numbers in every Python."""

Maker = Callable[[Random, "dict[str, int]"], Iterator[Story]]
"""An endless stream of the stories of one task, by the numbers of ``options.resolve``."""

QUESTIONS = 5
"""Questions a story in most of the published tasks."""

WINDOW = 5
"""Published questions ask about one of the last five facts."""


def pick(random: Random, items: Sequence[T]) -> T:
    """One of the items, each as likely."""
    return items[int(random() * len(items))]


def derange(random: Random, items: list[T]) -> None:
    """Shuffles in place along one random cycle, as the published data does: no item keeps its place."""
    for last in range(len(items) - 1, 0, -1):
        other = int(random() * last)
        items[last], items[other] = items[other], items[last]


def walk(random: Random, places: int, here: int) -> int:
    """A place other than ``here``."""
    there = int(random() * (places - 1))
    return there + (there >= here)


class StoryBuilder:
    """A story that grows; lines are counted from 1."""

    __slots__ = ("items", "questions", "statements")

    def __init__(self) -> None:
        self.items: Story = []
        self.questions = 0
        self.statements = 0

    def tell(self, text: str) -> int:
        """Adds a statement; returns its line."""
        self.items.append(Statement(text))
        self.statements += 1
        return len(self.items)

    def ask(self, text: str, answer: str, *support: int) -> None:
        """Adds a question."""
        self.items.append(Question(text, answer, support))
        self.questions += 1

    def done(self, statements: int | None, questions: int = QUESTIONS) -> bool:
        """Whether the story has its length: of statements where given, else of questions."""
        return self.questions >= questions if statements is None else self.statements >= statements
