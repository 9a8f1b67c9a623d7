"""Places on a map, shapes on a page, sizes, animals: one relation, followed from fact to fact."""

from __future__ import annotations

from collections import deque

from .reading import Fear, Is, NotUnderstood, Relation
from .story import Heard

__all__ = [
    "PLACED",
    "afraid_of",
    "color",
    "fits",
    "is_bigger",
    "is_placed",
    "lies_of_what",
    "path",
    "what_lies",
]

Found = tuple[str, tuple[int, ...]]

# (east or right, north or above)
STEPS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
SIDES = {"above": (0, 1), "below": (0, -1), "right": (1, 0), "left": (-1, 0)}
PLACED = STEPS | SIDES
BACK = {"north": "south", "south": "north", "east": "west", "west": "east"}


def what_lies(heard: Heard, how: str, place: str) -> Found:
    found = [
        (fact.first, number) if fact.how == how else (fact.second, number)
        for number, fact in heard.back(Relation)
        if (fact.how, fact.second) == (how, place) or (BACK[fact.how], fact.first) == (how, place)
    ]
    if len({name for name, _ in found}) != 1:
        raise NotUnderstood(f"{len(found)} places lie {how} of the {place}")
    return found[0][0], (found[0][1],)


def lies_of_what(heard: Heard, place: str, how: str) -> Found:
    return what_lies(heard, BACK[how], place)


def _walk(heard: Heard, start: str, goal: str, edges) -> list[tuple[str, int]]:
    """The shortest way from fact to fact: (what the edge is called, line number) a step.

    ``edges`` gives, for a fact, the (from, to, name) that it opens.
    """
    ways: dict[str, list[tuple[str, int]]] = {start: []}
    queue = deque([start])
    while queue and goal not in ways:
        here = queue.popleft()
        for number, fact in heard.facts:
            for source, target, name in edges(fact):
                if source == here and target not in ways:
                    ways[target] = [*ways[here], (name, number)]
                    queue.append(target)
    if goal not in ways:
        raise NotUnderstood(f"nothing leads from {start} to {goal}")
    return ways[goal]


def path(heard: Heard, start: str, goal: str) -> Found:
    """The shortest way; published questions have exactly one, of two steps."""

    def edges(fact: Relation):
        return (fact.second, fact.first, fact.how), (fact.first, fact.second, BACK[fact.how])

    steps = _walk(heard, start, goal, edges)
    if _ways(heard, start, goal, len(steps)) != 1:
        raise NotUnderstood(f"several ways lead from the {start} to the {goal}")
    return ",".join(name[0] for name, _ in steps), tuple(number for _, number in steps)


def _ways(heard: Heard, start: str, goal: str, steps: int) -> int:
    """How many different ways of so many steps there are."""
    reached = {start: 1}
    pairs = {
        pair
        for _, fact in heard.back(Relation)
        for pair in ((fact.first, fact.second), (fact.second, fact.first))
    }
    for _ in range(steps):
        onward: dict[str, int] = {}
        for source, target in pairs:
            onward[target] = onward.get(target, 0) + reached.get(source, 0)
        reached = onward
    return reached.get(goal, 0)


def is_placed(heard: Heard, first: str, how: str, second: str) -> Found:
    """Shapes stand one unit from each other; only the asked direction counts."""

    def edges(fact: Relation):
        x, y = SIDES[fact.how]
        return (fact.second, fact.first, f"{x} {y}"), (fact.first, fact.second, f"{-x} {-y}")

    steps = _walk(heard, second, first, edges)
    x, y = SIDES[how.removesuffix(" of")]
    along = sum(x * int(name.split()[0]) + y * int(name.split()[1]) for name, _ in steps)
    return "yes" if along > 0 else "no", tuple(number for _, number in reversed(steps))


def is_bigger(heard: Heard, first: str, second: str) -> Found:
    """Of the shortest chain from the bigger to the smaller; for "no" the chain is told backwards.

    The published supports are chains of two facts or more, even where one fact alone would do.
    """

    def smaller(fact: Relation):
        direct = {fact.first, fact.second} == {first, second}
        return () if direct else ((fact.first, fact.second, ""),)

    def smaller_or_direct(fact: Relation):
        return ((fact.first, fact.second, ""),)

    for edges in (smaller, smaller_or_direct):
        for answer, start, goal in (("yes", first, second), ("no", second, first)):
            try:
                steps = [number for _, number in _walk(heard, start, goal, edges)]
            except NotUnderstood:
                continue
            return answer, tuple(steps if answer == "yes" else reversed(steps))
    raise NotUnderstood(f"which of {first} and {second} is bigger was not said")


def fits(heard: Heard, first: str, second: str) -> Found:
    return is_bigger(heard, second, first)


def afraid_of(heard: Heard, who: str) -> Found:
    for kind_at, fact in heard.back(Is):
        if fact.who.lower() == who.lower() and fact.kind:
            for fear_at, fear in heard.back(Fear):
                if fear.kind == fact.what:
                    return fear.feared, (kind_at, fear_at)
    raise NotUnderstood(f"what {who} is afraid of was not said")


def color(heard: Heard, who: str) -> Found:
    """The color of the animal whose kind, the same as that of ``who``, was told last.

    The published data hold animals of one kind in different colors; the last told of counts there.
    """
    kinds = {fact.who: (fact.what, number) for number, fact in heard.back(Is) if fact.kind}
    colors = {fact.who: (fact.what, number) for number, fact in heard.back(Is) if not fact.kind}
    if who in colors:
        return colors[who][0], (colors[who][1],)
    for other, (kind, number) in kinds.items():
        if kind == kinds[who][0] and other in colors:
            return colors[other][0], (kinds[who][1], number, colors[other][1])
    raise NotUnderstood(f"no other {kinds[who][0]}")
