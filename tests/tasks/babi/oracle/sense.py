"""What would make a person object to a story: things that cannot be, read from the text alone."""

from __future__ import annotations

from collections.abc import Iterator

from .reading import Gave, Got, Is, Left, Relation, Stands, Went
from .relations import PLACED
from .story import Heard

__all__ = ["objections"]


def objections(heard: Heard) -> Iterator[str]:
    """What is wrong with the story as heard; nothing for any of the published ones."""
    yield from _hands(heard)
    yield from _times(heard)
    yield from _sizes(heard)
    yield from _grid(heard)
    yield from _kinds(heard)


def _hands(heard: Heard) -> Iterator[str]:
    at: dict[str, str | None] = {}  # people, and things that lie somewhere
    holder: dict[str, str] = {}
    for number, fact in heard.facts:
        if isinstance(fact, Went):
            if len(set(fact.who)) < len(fact.who):
                yield f"{number}: {fact.who[0]} goes with themselves"
            if fact.when is None and all(at.get(who) == fact.place for who in fact.who):
                yield f"{number}: {fact.who} is at the {fact.place} already"
            at.update(dict.fromkeys(fact.who, fact.place))
        elif isinstance(fact, Stands):
            at[fact.who] = fact.places[0] if fact.how == "in" else None
        elif isinstance(fact, Got):
            if fact.thing in holder:
                yield f"{number}: {holder[fact.thing]} has the {fact.thing}"
            here, there = at.get(fact.who), at.get(fact.thing)
            if here and there and here != there:
                yield f"{number}: the {fact.thing} is in the {there}, {fact.who} in the {here}"
            holder[fact.thing] = fact.who
        elif isinstance(fact, (Left, Gave)):
            giver = fact.who if isinstance(fact, Left) else fact.giver
            if holder.pop(fact.thing, None) != giver:
                yield f"{number}: {giver} does not have the {fact.thing}"
            if isinstance(fact, Left):
                at[fact.thing] = at.get(giver)
            else:
                holder[fact.thing] = fact.receiver
                here, there = at.get(giver), at.get(fact.receiver)
                if giver == fact.receiver or (here and there and here != there):
                    yield f"{number}: {giver} and {fact.receiver} do not meet"


def _times(heard: Heard) -> Iterator[str]:
    seen: dict[tuple[str, int], int] = {}
    for number, fact in heard.facts:
        if isinstance(fact, Went) and fact.when is not None:
            for who in fact.who:
                if (who, fact.when) in seen:
                    yield f"{number}: {who} was told of at this time in {seen[who, fact.when]}"
                seen[who, fact.when] = number


def _sizes(heard: Heard) -> Iterator[str]:
    bigger: dict[str, set[str]] = {}
    for number, fact in heard.facts:
        if isinstance(fact, Relation) and fact.how == "bigger":
            below = {fact.second} | bigger.get(fact.second, set())
            if fact.first in below:
                yield f"{number}: the {fact.first} would be bigger than itself"
            for name, under in [(fact.first, bigger.setdefault(fact.first, set())), *bigger.items()]:
                if name == fact.first or fact.first in under:
                    under |= below


def _grid(heard: Heard) -> Iterator[str]:
    placed = [
        (number, fact) for number, fact in heard.facts if isinstance(fact, Relation) and fact.how in PLACED
    ]
    where: dict[str, tuple[int, int]] = {}
    waiting = placed
    while waiting:
        known = [pair for pair in waiting if pair[1].first in where or pair[1].second in where]
        if not known:
            where[waiting[0][1].second] = (0, 0)
            continue
        waiting = [pair for pair in waiting if pair not in known]
        for number, fact in known:
            x, y = PLACED[fact.how]
            if fact.second not in where:
                a, b = where[fact.first]
                where[fact.second] = (a - x, b - y)
            a, b = where[fact.second]
            if where.setdefault(fact.first, (a + x, b + y)) != (a + x, b + y):
                yield f"{number}: the {fact.first} would be in two places"


def _kinds(heard: Heard) -> Iterator[str]:
    kinds: dict[str, str] = {}
    for number, fact in heard.facts:
        if isinstance(fact, Is) and fact.kind and kinds.setdefault(fact.who, fact.what) != fact.what:
            yield f"{number}: {fact.who} is of two kinds"
