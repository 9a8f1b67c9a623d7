"""Where things lie from each other: tasks 4, 17 and 19."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import Random, StoryBuilder, pick
from liafseq.tasks.babi.generator.words import DIRECTIONS, OPPOSITE, PLACES, RELATIONS, SHAPES
from liafseq.tasks.babi.stories.format import Story

__all__ = ["path_finding", "positions", "two_arguments"]


def _draw(random: Random, count: int, pool: int) -> list[int]:
    """So many different numbers below ``pool``, in random order."""
    numbers = list(range(pool))
    for at in range(count):
        other = at + int(random() * (pool - at))
        numbers[at], numbers[other] = numbers[other], numbers[at]
    return numbers[:count]


def two_arguments(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 4: three places in a row; which is on a side of another?

    In a fact the outer place comes first two times out of three; asked for is the first one.
    """
    while True:
        story = StoryBuilder()
        places = [PLACES[i] for i in _draw(random, 3, sizes["places"])]
        middle, direction = places[0], pick(random, DIRECTIONS)
        facts = []
        for outer, side in ((places[1], direction), (places[2], OPPOSITE[direction])):
            fact = (outer, side, middle) if random() < 2 / 3 else (middle, OPPOSITE[side], outer)
            facts.append((*fact, story.tell(f"The {fact[0]} is {fact[1]} of the {fact[2]}.")))
        first, side, second, line = pick(random, facts)
        if random() < 0.5:
            story.ask(f"What is {side} of the {second}?", first, line)
        else:
            story.ask(f"What is the {second} {OPPOSITE[side]} of?", first, line)
        yield story.items


def positions(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 17: two shapes on two sides of a third; is one of them on a side of the other?

    Either is one step off the third; of two shapes in a line none is on a side across it.
    """
    sides = [(x, y) for _, x, y in RELATIONS]
    phrase = {(x, y): text for text, x, y in RELATIONS}
    while True:
        story = StoryBuilder()
        middle, one, two = (SHAPES[i] for i in _draw(random, 3, sizes["objects"]))
        first = pick(random, sides)
        second = pick(random, [side for side in sides if side != first])
        for shape, (x, y) in ((one, first), (two, second)):
            if random() < 2 / 3:
                story.tell(f"The {middle} is {phrase[-x, -y]} the {shape}.")
            else:
                story.tell(f"The {shape} is {phrase[x, y]} the {middle}.")
        dx, dy = first[0] - second[0], first[1] - second[1]
        for _ in range(8):
            swap = random() < 0.5
            yes = random() < 0.5
            sign = -1 if swap else 1
            fits = [side for side in sides if (sign * (dx * side[0] + dy * side[1]) > 0) == yes]
            name, other = (two, one) if swap else (one, two)
            text = f"Is the {name} {phrase[pick(random, fits)]} the {other}?"
            story.ask(text, "yes" if yes else "no", *((2, 1) if swap else (1, 2)))
        yield story.items


def path_finding(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 19: the way over two steps, among places that hang on it.

    The map is a tree, so only one way is told; every other place lies next to one of the way's
    three, on a side of it that is free. As published, two of them may lie on the same spot.
    """
    count = sizes["statements"]
    while True:
        story = StoryBuilder()
        names = [PLACES[i] for i in _draw(random, count + 1, sizes["places"])]
        first = pick(random, DIRECTIONS)
        second = pick(random, [side for side in DIRECTIONS if side != OPPOSITE[first]])
        # Place by place: (neighbour, in which direction the neighbour lies).
        near: list[list[tuple[int, str]]] = [[] for _ in range(count + 1)]

        def join(one: int, side: str, two: int, near: list[list[tuple[int, str]]] = near) -> None:
            near[one].append((two, side))
            near[two].append((one, OPPOSITE[side]))

        join(0, first, 1)
        join(1, second, 2)
        for place in range(3, count + 1):
            taken = [{side for _, side in near[at]} for at in range(3)]
            at, side = pick(random, [(at, d) for at in range(3) for d in DIRECTIONS if d not in taken[at]])
            join(at, side, place)
        lines: dict[tuple[int, int], int] = {}
        while len(lines) < count:
            # Drawn by the place, so that a place with many neighbours comes later and second.
            place = int(random() * (count + 1))
            other, side = pick(random, near[place])
            pair = (min(place, other), max(place, other))
            if pair not in lines:
                lines[pair] = story.tell(f"The {names[place]} is {OPPOSITE[side]} of the {names[other]}.")
        text = f"How do you go from the {names[0]} to the {names[2]}?"
        story.ask(text, f"{first[0]},{second[0]}", lines[0, 1], lines[1, 2])
        yield story.items
