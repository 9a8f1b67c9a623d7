"""A small world: people walk between places, take things, put them down and hand them on."""

from __future__ import annotations

from typing import NamedTuple

from liafseq.tasks.babi.generator.base import Random, pick
from liafseq.tasks.babi.generator.words import DROPS, GETS, GIVES, MOVES, OBJECTS, PLACES

__all__ = ["DROP", "GET", "GIVE", "MOVE", "Act", "World", "sentence"]

MOVE, GET, DROP, GIVE = range(4)


class Act(NamedTuple):
    """Something that somebody did; people, things and places by their numbers."""

    kind: int
    who: int
    what: int
    """The place walked to, otherwise the thing."""
    whom: int = -1


class World:
    """Who and what is where.

    Every step draws somebody and something to do until it is possible, so whoever can do more
    does more. What nobody has seen yet is settled at the start and comes out when somebody takes it.
    """

    __slots__ = ("_kinds", "held", "lying", "places", "where")

    def __init__(self, random: Random, people: int, objects: int, places: int, *, give: bool = False) -> None:
        self.places = places
        self.where = [int(random() * places) for _ in range(people)]
        self.lying = [int(random() * places) for _ in range(objects)]  # -1: somebody has it
        self.held: list[list[int]] = [[] for _ in range(people)]
        self._kinds = 4 if give else 3

    def act(self, random: Random) -> Act:
        """Somebody does something."""
        where, people = self.where, len(self.where)
        while True:
            who, kind = int(random() * people), int(random() * self._kinds)
            here = where[who]
            if kind == MOVE:
                place = int(random() * self.places)
                if place != here:
                    where[who] = place
                    return Act(MOVE, who, place)
            elif kind == GET:
                if here in self.lying:
                    thing = pick(random, [i for i, place in enumerate(self.lying) if place == here])
                    self.lying[thing] = -1
                    self.held[who].append(thing)
                    return Act(GET, who, thing)
            elif kind == DROP:
                if self.held[who]:
                    thing = pick(random, self.held[who])
                    self.held[who].remove(thing)
                    self.lying[thing] = here
                    return Act(DROP, who, thing)
            elif (gift := self._gift()) is not None:
                self.held[gift.who].remove(gift.what)
                self.held[gift.whom].append(gift.what)
                return gift

    def _gift(self) -> Act | None:
        """What can be handed on: the first thing and the first receiver of the tables, as published.

        So the same two hand the same thing to and fro until something else happens.
        """
        for thing in range(len(self.lying)):
            giver = next((i for i, things in enumerate(self.held) if thing in things), None)
            if giver is not None and (taker := self._company(giver)) is not None:
                return Act(GIVE, giver, thing, taker)
        return None

    def _company(self, who: int) -> int | None:
        here = self.where[who]
        return next((i for i, place in enumerate(self.where) if place == here and i != who), None)


def sentence(random: Random, act: Act, people: tuple[str, ...], *, get_there: float = 1.0) -> str:
    """An act in words; ``get_there`` is how often "there" follows when something is taken."""
    kind, who, what, whom = act
    if kind == MOVE:
        return f"{people[who]} {pick(random, MOVES)} the {PLACES[what]}."
    if kind == GIVE:
        return f"{people[who]} {pick(random, GIVES)} the {OBJECTS[what]} to {people[whom]}."
    verb, there = (pick(random, GETS), get_there) if kind == GET else (pick(random, DROPS), 0.2)
    return f"{people[who]} {verb} the {OBJECTS[what]}{' there.' if random() < there else '.'}"
