"""People who only walk: tasks 1 and 9 to 13."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import WINDOW, Random, StoryBuilder, pick, walk
from liafseq.tasks.babi.generator.words import (
    CONNECTIVES,
    MOVES,
    PEOPLE,
    PEOPLE_OF_TEN,
    PLACES,
    PLACES_OF_TEN,
    PRONOUNS,
)
from liafseq.tasks.babi.stories.format import Story

__all__ = ["compound_coreference", "conjunction", "coreference", "indefinite", "negation", "single_fact"]


def _start(random: Random, people: int, places: int) -> list[int]:
    return [int(random() * places) for _ in range(people)]


def _went(random: Random, who: str, place: str) -> str:
    return f"{who} {pick(random, MOVES)} the {place}."


def single_fact(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 1: somebody walks, twice; then: where is one of those who walked lately?"""
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where, lines = StoryBuilder(), _start(random, people, places), [0] * people
        told: list[int] = []
        while not story.done(length):
            for _ in range(2):
                who = int(random() * people)
                where[who] = walk(random, places, where[who])
                lines[who] = story.tell(_went(random, PEOPLE[who], PLACES[where[who]]))
                told.append(who)
            who = pick(random, told[-WINDOW:])
            story.ask(f"Where is {PEOPLE[who]}?", PLACES[where[who]], lines[who])
        yield story.items


def negation(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 9: somebody walks; told is where to, or only where he is not any more."""
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where = StoryBuilder(), _start(random, people, places)
        known = [(0, 0, True)] * people  # line, place, is there
        told: list[int] = []
        while not story.done(length):
            for _ in range(2):
                who = int(random() * people)
                name, left = PEOPLE[who], where[who]
                where[who] = there = walk(random, places, left)
                how = random()
                if how < 0.5:
                    text = _went(random, name, PLACES[there])
                elif how < 0.75:
                    text = f"{name} is in the {PLACES[there]}."
                else:
                    text = f"{name} is {'not' if how < 0.875 else 'no longer'} in the {PLACES[left]}."
                known[who] = (story.tell(text), there if how < 0.75 else left, how < 0.75)
                told.append(who)
            who = pick(random, told[-WINDOW:])
            line, place, is_there = known[who]
            if is_there and random() < 0.5:
                place, is_there = walk(random, places, place), False
            story.ask(f"Is {PEOPLE[who]} in the {PLACES[place]}?", "yes" if is_there else "no", line)
        yield story.items


def indefinite(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 10: somebody walks; told is where to, or one of two places.

    As published, the two places can be the same one, and asked for it the answer is then "maybe".
    """
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where = StoryBuilder(), _start(random, people, places)
        known = [(0, -1)] * people  # line, the other place that was told, if any
        told: list[int] = []
        while not story.done(length):
            for _ in range(2):
                who = int(random() * people)
                name = PEOPLE_OF_TEN[who]
                where[who] = there = walk(random, places, where[who])
                place, other, how = PLACES_OF_TEN[there], -1, random()
                if how < 0.5:
                    text = _went(random, name, place)
                elif how < 0.75:
                    text = f"{name} is in the {place}."
                else:
                    other = int(random() * places)
                    pair = (place, PLACES_OF_TEN[other])
                    first, second = pair if random() < 0.5 else pair[::-1]
                    text = f"{name} is either in the {first} or the {second}."
                known[who] = (story.tell(text), other)
                told.append(who)
            who = pick(random, told[-WINDOW:])
            line, other = known[who]
            asked = where[who] if random() < 0.5 else walk(random, places, where[who])
            if other >= 0:
                answer = "maybe" if asked in (where[who], other) else "no"
            else:
                answer = "yes" if asked == where[who] else "no"
            story.ask(f"Is {PEOPLE_OF_TEN[who]} in the {PLACES_OF_TEN[asked]}?", answer, line)
        yield story.items


def coreference(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 11: somebody walks and, as he or she, walks on."""
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where, lines = StoryBuilder(), _start(random, people, places), [(0, 0)] * people
        told: list[int] = []
        while not story.done(length):
            who = int(random() * people)
            name = PEOPLE[who]
            first = walk(random, places, where[who])
            line = story.tell(_went(random, name, PLACES[first]))
            where[who] = walk(random, places, first)
            again = f"{pick(random, CONNECTIVES)} {PRONOUNS[name]}"
            lines[who] = (line, story.tell(_went(random, again, PLACES[where[who]])))
            told += (who, who)
            who = pick(random, told[-WINDOW:])
            story.ask(f"Where is {PEOPLE[who]}?", PLACES[where[who]], *lines[who])
        yield story.items


def _two_walk(random: Random, places: int, where: list[int]) -> tuple[int, int]:
    """Two people and a place where neither of them is, drawn together; they are there then."""
    people = len(where)
    while True:
        one, place = int(random() * people), int(random() * places)
        two = walk(random, people, one)
        if where[one] != place and where[two] != place:
            where[one] = where[two] = place
            return one, two


def conjunction(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 12: two walk together, twice."""
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where, lines = StoryBuilder(), _start(random, people, places), [0] * people
        told: list[int] = []
        while not story.done(length):
            for _ in range(2):
                one, two = _two_walk(random, places, where)
                text = _went(random, f"{PEOPLE[one]} and {PEOPLE[two]}", PLACES[where[one]])
                lines[one] = lines[two] = story.tell(text)
                told += (one, two)
            who = pick(random, told[-WINDOW:])
            story.ask(f"Where is {PEOPLE[who]}?", PLACES[where[who]], lines[who])
        yield story.items


def compound_coreference(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 13: two walk together and, as they, walk on."""
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story, where, lines = StoryBuilder(), _start(random, people, places), [(0, 0)] * people
        told: list[int] = []
        while not story.done(length):
            one, two = _two_walk(random, places, where)
            line = story.tell(_went(random, f"{PEOPLE[one]} and {PEOPLE[two]}", PLACES[where[one]]))
            where[one] = where[two] = walk(random, places, where[one])
            again = f"{pick(random, CONNECTIVES)} they"
            lines[one] = lines[two] = (line, story.tell(_went(random, again, PLACES[where[one]])))
            told += (one, two, one, two)
            who = pick(random, told[-WINDOW:])
            story.ask(f"Where is {PEOPLE[who]}?", PLACES[where[who]], *lines[who])
        yield story.items
