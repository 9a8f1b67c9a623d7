"""Why people do what they do: task 20."""

from __future__ import annotations

from collections.abc import Iterator

from liafseq.tasks.babi.generator.base import Random, StoryBuilder, pick
from liafseq.tasks.babi.generator.words import GETS, MOTIVATED, MOTIVES, MOVES
from liafseq.tasks.babi.stories.format import Story

__all__ = ["motivations"]


def motivations(random: Random, sizes: dict[str, int]) -> Iterator[Story]:
    """Task 20: somebody feels something, goes somewhere, takes something; after each: where to, or why?

    There is one of each thing, so only the first who needs it takes it.
    """
    people = sizes["people"]
    while True:
        story = StoryBuilder()
        motive = [int(random() * len(MOTIVES)) for _ in range(people)]
        steps, lines = [0] * people, [0] * people
        taken: set[int] = set()
        while True:
            able = [i for i in range(people) if steps[i] < 2 or (steps[i] == 2 and motive[i] not in taken)]
            if not able:
                break
            who = pick(random, able)
            name, asked = MOTIVATED[who], MOTIVATED[who].lower()
            feels, place, thing = MOTIVES[motive[who]]
            if steps[who] == 0:
                lines[who] = story.tell(f"{name} is {feels}.")
                story.ask(f"Where will {asked} go?", place, lines[who])
            elif steps[who] == 1:
                story.tell(f"{name} {pick(random, MOVES)} the {place}.")
                story.ask(f"Why did {asked} go to the {place}?", feels, lines[who])
            else:
                taken.add(motive[who])
                story.tell(f"{name} {pick(random, GETS)} the {thing} there.")
                story.ask(f"Why did {asked} get the {thing}?", feels, lines[who])
            steps[who] += 1
        yield story.items
