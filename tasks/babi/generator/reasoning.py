"""Deduction and induction: tasks 15 and 16."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import Random, StoryBuilder, walk
from liafseq.tasks.babi.generator.words import ANIMALS, BEINGS, COLORED, COLORS, FRIGHTENED
from liafseq.tasks.babi.stories.format import Story

__all__ = ["deduction", "induction"]


def deduction(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 15: what is somebody afraid of, who is an animal of a kind?

    Every kind is afraid of another, and nobody is of a kind of which nothing was told yet.
    """
    people = sizes["people"]
    while True:
        story = StoryBuilder()
        feared: dict[int, tuple[int, int]] = {}  # kind: what it fears, line
        kind_of: dict[int, tuple[int, int]] = {}  # person: kind, line
        while len(feared) < len(BEINGS) or len(kind_of) < people:
            kind = int(random() * len(BEINGS))
            if random() < 0.5:
                if kind not in feared:
                    other = walk(random, len(BEINGS), kind)
                    text = f"{BEINGS[kind][1].capitalize()} are afraid of {BEINGS[other][1]}."
                    feared[kind] = (other, story.tell(text))
            else:
                who = int(random() * people)
                if who not in kind_of and kind in feared:
                    text = f"{FRIGHTENED[who].capitalize()} is a {BEINGS[kind][0]}."
                    kind_of[who] = (kind, story.tell(text))
        for _ in range(4):
            who = int(random() * people)
            kind, line = kind_of[who]
            other, why = feared[kind]
            story.ask(f"What is {FRIGHTENED[who]} afraid of?", BEINGS[other][0], line, why)
        yield story.items


_INDUCIBLE = (1, 3, 4)
"""From how many examples a color is induced in the published stories."""


def induction(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 16: the color of somebody is that of the animal of the same kind that was named last.

    Saying of what kind somebody is draws the kind's color anew, as published; so two animals of a
    kind may differ.
    """
    people = sizes["people"]
    while True:
        story = StoryBuilder()
        color_of_kind: dict[int, int] = {}
        kind_of: dict[int, tuple[int, int]] = {}  # person: kind, line
        color_of: dict[int, tuple[int, int]] = {}  # person: color, line
        while len(kind_of) + len(color_of) < 2 * people - 1:
            who = int(random() * people)
            if who not in kind_of:
                kind = int(random() * len(ANIMALS))
                color_of_kind[kind] = int(random() * len(COLORS))
                kind_of[who] = (kind, story.tell(f"{COLORED[who]} is a {ANIMALS[kind]}."))
            elif who not in color_of:
                color = color_of_kind[kind_of[who][0]]
                color_of[who] = (color, story.tell(f"{COLORED[who]} is {COLORS[color]}."))
        asked = next(who for who in kind_of if who not in color_of)
        kind, line = kind_of[asked]
        # kind_of is in the order of telling.
        alike = [who for who in kind_of if who != asked and kind_of[who][0] == kind]
        if len(alike) in _INDUCIBLE:
            color, because = color_of[alike[-1]]
            text = f"What color is {COLORED[asked]}?"
            story.ask(text, COLORS[color], line, kind_of[alike[-1]][1], because)
            yield story.items
