"""People who carry things about: tasks 2, 3, 5, 6, 7 and 8.

After every second fact a question is asked if one of the last five facts allows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from liafseq.tasks.babi.generator.base import WINDOW, Random, StoryBuilder, pick, walk
from liafseq.tasks.babi.generator.words import NUMERALS, OBJECTS, PEOPLE, PEOPLE_OF_FIVE, PLACES
from liafseq.tasks.babi.generator.world import DROP, GET, GIVE, MOVE, Act, World, sentence
from liafseq.tasks.babi.stories.format import Story

__all__ = ["counting", "lists", "three_arguments", "three_facts", "two_facts", "yes_no"]


class _Reader(Protocol):
    """What somebody knows who reads the story, and may therefore be asked."""

    def read(self, act: Act, line: int) -> None: ...

    def topic(self, act: Act) -> int | None:
        """Whom or what a question that comes from this fact is about; None if there is none."""

    def ask(self, story: StoryBuilder, topic: int) -> None: ...


def _stories(
    random: Random,
    sizes: dict[str, int],
    reader: Callable[[Random], _Reader],
    *,
    people: tuple[str, ...] = PEOPLE,
    give: bool = False,
    get_there: float = 1.0,
) -> Iterator[Story]:
    length = sizes.get("statements")
    while True:
        world = World(random, sizes["people"], sizes["objects"], sizes["places"], give=give)
        story, mind = StoryBuilder(), reader(random)
        acts: list[Act] = []
        asked = False
        while not (asked and story.done(length)):
            for _ in range(2):
                act = world.act(random)
                acts.append(act)
                mind.read(act, story.tell(sentence(random, act, people, get_there=get_there)))
            topics = [topic for act in acts[-WINDOW:] if (topic := mind.topic(act)) is not None]
            asked = bool(topics)
            if asked:
                mind.ask(story, pick(random, topics))
        yield story.items


class _Holdings:
    """Where the things are: the last fact about each, and who walked where."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.walks: dict[int, list[tuple[int, int]]] = {}  # person: (line, place)
        self.last: dict[int, tuple[int, Act]] = {}  # thing: the line and the fact
        self.taken: dict[int, int] = {}  # thing: the line at which it was taken up

    def read(self, act: Act, line: int) -> None:
        if act.kind == MOVE:
            self.walks.setdefault(act.who, []).append((line, act.what))
        else:
            self.last[act.what] = (line, act)
            if act.kind == GET:
                self.taken[act.what] = line

    def before(self, thing: int) -> list[tuple[int, int]]:
        """The holder's walks up to when the thing was put down, or up to now."""
        line, act = self.last[thing]
        walks = self.walks.get(act.who, [])
        return [walk for walk in walks if walk[0] < line] if act.kind == DROP else walks

    def carried(self, thing: int) -> list[tuple[int, int]]:
        """The walks that the thing came along."""
        taken = self.taken[thing]
        return [walk for walk in self.before(thing) if walk[0] > taken]


class _WhereIsObject(_Holdings):
    def topic(self, act: Act) -> int | None:
        if act.kind == MOVE:
            return None
        known = self.before(act.what) if self.last[act.what][1].kind == DROP else self.carried(act.what)
        return act.what if known else None

    def ask(self, story: StoryBuilder, topic: int) -> None:
        line, place = self.before(topic)[-1]
        story.ask(f"Where is the {OBJECTS[topic]}?", PLACES[place], self.last[topic][0], line)


class _WhereWasObject(_Holdings):
    def topic(self, act: Act) -> int | None:
        return act.what if act.kind != MOVE and len(self.carried(act.what)) > 1 else None

    def ask(self, story: StoryBuilder, topic: int) -> None:
        walks = self.carried(topic)
        place = walks[1 + int(self.random() * (len(walks) - 1))][1]
        # Of several visits the last one is meant.
        at = max(i for i, (_, there) in enumerate(walks) if there == place)
        (line_before, before), (line, _) = walks[at - 1], walks[at]
        text = f"Where was the {OBJECTS[topic]} before the {PLACES[place]}?"
        story.ask(text, PLACES[before], self.last[topic][0], line, line_before)


class _WhoGaveWhat:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.gifts: list[tuple[int, Act]] = []

    def read(self, act: Act, line: int) -> None:
        if act.kind == GIVE:
            self.gifts.append((line, act))

    def topic(self, act: Act) -> int | None:
        return act.what if act.kind == GIVE else None

    def ask(self, story: StoryBuilder, topic: int) -> None:
        line, act = next(gift for gift in reversed(self.gifts) if gift[1].what == topic)
        giver, taker, thing = PEOPLE_OF_FIVE[act.who], PEOPLE_OF_FIVE[act.whom], OBJECTS[act.what]
        form = int(self.random() * 6)
        if form < 2:
            # The same two may have handed on something else since: the last time is meant.
            pair = (act.who, act.whom)
            line, act = next(gift for gift in reversed(self.gifts) if (gift[1].who, gift[1].whom) == pair)
            story.ask(f"What did {giver} give to {taker}?", OBJECTS[act.what], line)
        elif form == 2:
            story.ask(f"Who gave the {thing} to {taker}?", giver, line)
        elif form == 3:
            story.ask(f"Who gave the {thing}?", giver, line)
        elif form == 4:
            story.ask(f"Who received the {thing}?", taker, line)
        else:
            story.ask(f"Who did {giver} give the {thing} to?", taker, line)


class _IsPersonThere:
    def __init__(self, random: Random, places: int) -> None:
        self.random = random
        self.places = places
        self.walked: dict[int, tuple[int, int]] = {}

    def read(self, act: Act, line: int) -> None:
        if act.kind == MOVE:
            self.walked[act.who] = (line, act.what)

    def topic(self, act: Act) -> int | None:
        return act.who if act.kind == MOVE else None

    def ask(self, story: StoryBuilder, topic: int) -> None:
        line, place = self.walked[topic]
        yes = self.random() < 0.5
        asked = place if yes else walk(self.random, self.places, place)
        story.ask(f"Is {PEOPLE[topic]} in the {PLACES[asked]}?", "yes" if yes else "no", line)


class _HowMany:
    """What the people hold, with every line that says something about it, by person and thing."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: dict[int, dict[int, list[int]]] = {}
        self.holds: dict[int, set[int]] = {}

    def read(self, act: Act, line: int) -> None:
        if act.kind == MOVE:
            return
        people = (act.who,) if act.kind != GIVE else (act.who, act.whom)
        for who in people:
            self.lines.setdefault(who, {}).setdefault(act.what, []).append(line)
        holds = self.holds.setdefault(act.who, set())
        if act.kind == GET:
            holds.add(act.what)
        else:
            holds.discard(act.what)
        if act.kind == GIVE:
            self.holds.setdefault(act.whom, set()).add(act.what)

    def topic(self, act: Act) -> int | None:
        return act.who if act.kind != MOVE else None

    def ask(self, story: StoryBuilder, topic: int) -> None:
        lines = sorted(line for lines in self.lines[topic].values() for line in lines)
        text = f"How many objects is {PEOPLE[topic]} carrying?"
        story.ask(text, NUMERALS[len(self.holds[topic])], *lines)


class _WhatHas(_HowMany):
    def ask(self, story: StoryBuilder, topic: int) -> None:
        # In the order in which the person first had each thing; so is the support.
        things = self.lines[topic]
        answer = ",".join(OBJECTS[thing] for thing in things if thing in self.holds[topic]) or "nothing"
        lines = [line for lines in things.values() for line in lines]
        story.ask(f"What is {PEOPLE[topic]} carrying?", answer, *lines)


def two_facts(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 2: where is a thing that was put down, or was carried on?"""
    return _stories(random, sizes, _WhereIsObject)


def three_facts(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 3: where was a thing before the person who had it carried it to a place?"""
    return _stories(random, sizes, _WhereWasObject, get_there=0.2)


def three_arguments(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 5: who gave what to whom?"""
    return _stories(random, sizes, _WhoGaveWhat, people=PEOPLE_OF_FIVE, give=True)


def yes_no(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 6: is somebody in a place?"""
    return _stories(random, sizes, lambda draw: _IsPersonThere(draw, sizes["places"]))


def counting(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 7: how many things does somebody hold?"""
    return _stories(random, sizes, _HowMany, give=True)


def lists(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 8: what does somebody hold?"""
    return _stories(random, sizes, _WhatHas)
