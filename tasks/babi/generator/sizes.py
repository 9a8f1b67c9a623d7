"""What fits into what: task 18."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import QUESTIONS, Random, StoryBuilder, pick
from liafseq.tasks.babi.generator.words import CONTAINERS
from liafseq.tasks.babi.stories.format import Story

__all__ = ["size_reasoning"]

_FACTS = 5
"""Facts that are told at once."""

_TRIES = 50
"""How often a question is tried before more facts are told; estimated."""

Fact = tuple[int, int, int]
"""The smaller thing, the bigger thing, the line."""


def _fact(random: Random, order: list[int]) -> tuple[int, int, str]:
    one, two = int(random() * len(order)), int(random() * (len(order) - 1))
    low, high = (one, two) if two < one else (two + 1, one)
    small, big = (order[low], order[high]) if low < high else (order[high], order[low])
    if random() < 0.5:
        return small, big, f"The {CONTAINERS[small]} fits inside the {CONTAINERS[big]}."
    return small, big, f"The {CONTAINERS[big]} is bigger than the {CONTAINERS[small]}."


def _chains(facts: list[Fact]) -> list[tuple[Fact, Fact]]:
    """Pairs of facts over which can be asked.

    As published: any fact, and over one of its two things the first other fact about that thing, if
    the two put it between two others. So of several ways most often the same is asked for.
    """
    chains = []
    for fact in facts:
        for side in (0, 1):
            thing = fact[side]
            other = next((f for f in facts if f is not fact and thing in f[:2]), None)
            if other is not None and other[1 - side] == thing:
                chains.append((fact, other))
    return chains


def _ask(random: Random, story: StoryBuilder, fact: Fact, other: Fact) -> None:
    # Published supports name the fact first whose bigger thing the question offers as the container
    # ("yes"), or whose smaller thing it does ("no").
    yes = fact[0] == other[1]
    small, big = (other[0], fact[1]) if yes else (fact[0], other[1])
    inner, outer = (CONTAINERS[i] for i in ((small, big) if yes else (big, small)))
    if random() < 0.5:
        text = f"Does the {inner} fit in the {outer}?"
    else:
        text = f"Is the {outer} bigger than the {inner}?"
    story.ask(text, "yes" if yes else "no", fact[2], other[2])


def size_reasoning(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 18: five facts (more while they join nowhere), then questions over two joining facts.

    Chocolate and the box of chocolates are the smallest; facts may come again.
    """
    count, length = sizes["objects"], sizes.get("statements")
    while True:
        story = StoryBuilder()
        others = list(range(2, count))
        for at in range(len(others) - 1, 0, -1):
            other = int(random() * (at + 1))
            others[at], others[other] = others[other], others[at]
        order = [0, 1, *others]
        facts: list[Fact] = []
        left = 0
        while left or not facts or (length is not None and story.statements < length):
            for _ in range(_FACTS):
                small, big, text = _fact(random, order)
                facts.append((small, big, story.tell(text)))
            left = QUESTIONS
            chains = _chains(facts)
            if not chains:
                continue
            gives_up = (1 - len(chains) / (2 * len(facts))) ** _TRIES
            while left:
                if random() < gives_up:
                    break
                _ask(random, story, *pick(random, chains))
                left -= 1
        yield story.items
