"""Where people and things are, who has what, who gave it, and why people go."""

from __future__ import annotations

from itertools import chain, pairwise

from .reading import Gave, Got, Is, Left, NotUnderstood, Stands, Went
from .story import Heard

__all__ = [
    "given_to", "how_many", "is_in", "what_carrying", "what_given", "where_is_person", "where_is_thing",
    "where_was_person", "where_was_thing", "where_will", "who_gave", "who_received", "why",
]  # fmt: skip

Found = tuple[str, tuple[int, ...]]

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# What everybody knows of the wants of people.
WANTS = {"hungry": "kitchen", "thirsty": "kitchen", "tired": "bedroom", "bored": "garden"}


def where_is_person(heard: Heard, who: str) -> Found:
    for number, fact in heard.back(Went):
        if who in fact.who:
            origin = heard.origin.get(number)
            return fact.place, (number,) if origin is None else (origin, number)
    raise NotUnderstood(f"where {who} is was not said")


def is_in(heard: Heard, who: str, place: str) -> Found:
    """The last that was said of somebody decides; between two places it is "maybe"."""
    for number, fact in heard.back(Went, Stands):
        if isinstance(fact, Went):
            if who in fact.who:
                return "yes" if fact.place == place else "no", (number,)
        elif fact.who == who:
            if fact.how == "not":
                if place in fact.places:
                    return "no", (number,)
                raise NotUnderstood(f"{who} is not in the {fact.places[0]}, but where?")
            if place not in fact.places:
                return "no", (number,)
            return "yes" if fact.how == "in" else "maybe", (number,)
    raise NotUnderstood(f"nothing was said of {who}")


def _trail(heard: Heard, thing: str) -> list[tuple[str | None, tuple[int, ...]]]:
    """The places where a thing has been, in order, each with the facts that show it.

    The last fact that touched the thing comes first, then the move that brought it there. None
    stands for a place that was not said.
    """
    at: dict[str, tuple[str, int]] = {}
    trail: list[tuple[str | None, int | None]] = []
    holder, touched = None, None

    def put(place: tuple[str, int] | None) -> None:
        name = place[0] if place else None
        if not trail or trail[-1][0] != name:
            trail.append((name, place[1] if place else None))
        elif place:
            trail[-1] = place

    for number, fact in heard.facts:
        if isinstance(fact, Went):
            for who in fact.who:
                at[who] = (fact.place, number)
                if who == holder:
                    put(at[who])
        elif isinstance(fact, (Got, Left, Gave)) and fact.thing == thing:
            who = fact.giver if isinstance(fact, Gave) else fact.who
            touched = number
            holder = {Got: who, Left: None}.get(type(fact), getattr(fact, "receiver", None))
            put(at.get(who))
    if touched is None:
        raise NotUnderstood(f"nothing was said of the {thing}")
    return [(place, (touched,) if number is None else (touched, number)) for place, number in trail]


def where_is_thing(heard: Heard, thing: str) -> Found:
    place, support = _trail(heard, thing)[-1]
    if place is None:
        raise NotUnderstood(f"where the {thing} is was not said")
    return place, support


def where_was_thing(heard: Heard, thing: str, place: str) -> Found:
    """Where the thing was before it was last at the place."""
    trail = _trail(heard, thing)
    for at in range(len(trail) - 1, 0, -1):
        if trail[at][0] == place and trail[at - 1][0] is not None:
            before, support = trail[at - 1]
            return before, (*trail[at][1], *support[1:])
    raise NotUnderstood(f"where the {thing} was before the {place} was not said")


def where_was_person(heard: Heard, who: str, place: str) -> Found:
    """Times of day order the visits, not the order in which they are told."""
    visits = [(fact.when, fact.place, number) for number, fact in heard.back(Went) if who in fact.who]
    visits.sort(reverse=True)
    for later, before in pairwise(visits):
        if later[1] == place:
            return before[1], (later[2], before[2])
    raise NotUnderstood(f"where {who} was before the {place} was not said")


def _carried(heard: Heard, who: str) -> tuple[list[str], tuple[int, ...]]:
    """What somebody carries, in the order in which each thing first came to them, and the facts.

    A thing that was put down and taken again keeps its place in the list; the facts go by thing too.
    """
    facts: dict[str, list[int]] = {}
    carries: dict[str, bool] = {}
    for number, fact in heard.facts:
        if isinstance(fact, (Got, Left, Gave)):
            gets = fact.receiver if isinstance(fact, Gave) else fact.who if isinstance(fact, Got) else None
            loses = fact.giver if isinstance(fact, Gave) else fact.who if isinstance(fact, Left) else None
            if who in (gets, loses):
                facts.setdefault(fact.thing, []).append(number)
                carries[fact.thing] = who == gets
    return [thing for thing in facts if carries[thing]], tuple(chain.from_iterable(facts.values()))


def how_many(heard: Heard, who: str) -> Found:
    things, support = _carried(heard, who)
    return NUMBERS[len(things)], tuple(sorted(support))


def what_carrying(heard: Heard, who: str) -> Found:
    things, support = _carried(heard, who)
    return ",".join(things) or "nothing", support


def what_given(heard: Heard, giver: str, receiver: str) -> Found:
    """The last gift between the two; the published data sometimes (20 of 10,000) mean an earlier one."""
    for number, fact in heard.back(Gave):
        if (fact.giver, fact.receiver) == (giver, receiver):
            return fact.thing, (number,)
    raise NotUnderstood(f"{giver} gave {receiver} nothing")


def who_gave(heard: Heard, thing: str, receiver: str | None) -> Found:
    for number, fact in heard.back(Gave):
        if fact.thing == thing and receiver in (None, fact.receiver):
            return fact.giver, (number,)
    raise NotUnderstood(f"nobody gave the {thing} to {receiver}")


def who_received(heard: Heard, thing: str) -> Found:
    for number, fact in heard.back(Gave):
        if fact.thing == thing:
            return fact.receiver, (number,)
    raise NotUnderstood(f"nobody received the {thing}")


def given_to(heard: Heard, giver: str, thing: str) -> Found:
    for number, fact in heard.back(Gave):
        if (fact.giver, fact.thing) == (giver, thing):
            return fact.receiver, (number,)
    raise NotUnderstood(f"{giver} did not give the {thing}")


def where_will(heard: Heard, who: str) -> Found:
    wish, support = why(heard, who)
    return WANTS[wish], support


def why(heard: Heard, who: str, _what: str = "") -> Found:
    for number, fact in heard.back(Is):
        if fact.who.lower() == who.lower() and not fact.kind:
            return fact.what, (number,)
    raise NotUnderstood(f"nothing was said of {who}")
