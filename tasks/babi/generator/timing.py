"""Walks at times of the day, told out of order: task 14."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import WINDOW, Random, StoryBuilder, derange, pick
from liafseq.tasks.babi.generator.words import MOVES, PEOPLE_OF_TEN, PLACES_OF_TEN, TIMES
from liafseq.tasks.babi.stories.format import Story

__all__ = ["time_reasoning"]


def _told(random: Random, who: str, place: str, time: str) -> str:
    walk = f"{who} {pick(random, MOVES)} the {place}"
    return f"{time.capitalize()} {walk}." if random() < 0.5 else f"{walk} {time}."


def time_reasoning(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 14: everybody walks at the four times, one after the other, in this order.

    The facts between two questions are told out of order. A story ends early where everybody has
    been through the four times.
    """
    people, places, length = sizes["people"], sizes["places"], sizes.get("statements")
    while True:
        story = StoryBuilder()
        days: list[list[int]] = [[] for _ in range(people)]  # the places of each person, by time
        lines: list[dict[int, int]] = [{} for _ in range(people)]  # time: line
        facts: list[tuple[int, int]] = []  # person and time, in the order of happening
        new: list[tuple[int, int]] = []
        free = list(range(people))
        asked = False
        while not (asked and story.done(length)) and free:
            for _ in range(2):
                if not free:
                    break
                who = pick(random, free)
                place = int(random() * places)
                while days[who] and place == days[who][-1]:
                    place = int(random() * places)
                new.append((who, len(days[who])))
                days[who].append(place)
                if len(days[who]) == len(TIMES):
                    free.remove(who)
            recent = (facts + new)[-WINDOW:]
            topics = [fact for fact in recent if fact[1] > 0]
            asked = bool(topics)
            if not asked:
                continue
            facts += new
            derange(random, new)
            for who, time in new:
                text = _told(random, PEOPLE_OF_TEN[who], PLACES_OF_TEN[days[who][time]], TIMES[time])
                lines[who][time] = story.tell(text)
            new = []
            who, time = pick(random, topics)
            day = days[who]
            # Of two visits the last one is meant.
            time = max(i for i, place in enumerate(day) if place == day[time])
            text = f"Where was {PEOPLE_OF_TEN[who]} before the {PLACES_OF_TEN[day[time]]}?"
            answer = PLACES_OF_TEN[day[time - 1]]
            story.ask(text, answer, lines[who][time], lines[who][time - 1])
        if story.questions:
            yield story.items
