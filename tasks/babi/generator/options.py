"""What a person may change in the stories, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from liafseq.tasks.babi.stories.names import check_task

__all__ = ["LIMITS", "PUBLISHED", "GeneratorOptions", "resolve"]


@dataclass(frozen=True)
class GeneratorOptions:
    """Sizes of the stories; None: as published.

    Args:
        statements: statements before the last question of a story. Exact in task 19; in the tasks
            with a fixed rhythm of statements and questions (1, 9 to 13, 18) rounded up to a whole
            round; in tasks 2, 3, 5, 6, 7, 8 and 14 the story ends with the first question that can
            be asked from there on.
        people: number of people that a story draws on.
        objects: number of things that a story draws on: what is carried (2, 3, 5 to 8), shapes (17),
            containers (18).
        places: number of places that a story draws on.

    Which task has which option, and its smallest and largest value, is in ``LIMITS``; another one
    is an error (ValueError) when the stories are asked for.

    Raises:
        TypeError: a value that is no whole number.

    >>> GeneratorOptions(people=3, statements=20).people
    3
    """

    statements: int | None = None
    people: int | None = None
    objects: int | None = None
    places: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise TypeError(f"{field.name} must be a whole number or None, got {value!r}")


Range = tuple[int, int]

_LONGEST = 500
_WALK = {"statements": (2, _LONGEST), "people": (1, 8), "places": (2, 9)}
_CARRY = {"statements": (2, _LONGEST), "people": (1, 8), "objects": (1, 4), "places": (2, 9)}
_HAND_ON = {**_CARRY, "people": (2, 8)}
_PAIRS = {"statements": (2, _LONGEST), "people": (2, 8), "places": (3, 9)}

LIMITS: dict[int, dict[str, Range]] = {
    1: _WALK,
    2: _CARRY,
    3: {**_CARRY, "statements": (4, _LONGEST)},
    4: {"places": (3, 9)},
    5: _HAND_ON,
    6: _CARRY,
    7: _HAND_ON,
    8: _CARRY,
    9: _WALK,
    10: _WALK,
    11: _WALK,
    12: _PAIRS,
    13: _PAIRS,
    14: {"statements": (2, 32), "people": (1, 8), "places": (2, 9)},
    15: {"people": (1, 4)},
    16: {"people": (2, 5)},
    17: {"objects": (3, 6)},
    18: {"statements": (5, 50), "objects": (3, 6)},
    19: {"statements": (2, 8), "places": (3, 9)},
    20: {"people": (1, 4)},
}
"""The options that a task has, and the smallest and largest value of each."""

_FOUR_SIX = {"people": 4, "places": 6}
_WITH_OBJECTS = {"people": 4, "objects": 3, "places": 6}

PUBLISHED: dict[int, dict[str, int]] = {
    1: _FOUR_SIX,
    2: _WITH_OBJECTS,
    3: _WITH_OBJECTS,
    4: {"places": 6},
    5: _WITH_OBJECTS,
    6: _WITH_OBJECTS,
    7: _WITH_OBJECTS,
    8: _WITH_OBJECTS,
    9: _FOUR_SIX,
    10: _FOUR_SIX,
    11: _FOUR_SIX,
    12: _FOUR_SIX,
    13: _FOUR_SIX,
    14: _FOUR_SIX,
    15: {"people": 4},
    16: {"people": 5},
    17: {"objects": 6},
    18: {"objects": 6},
    19: {"statements": 5, "places": 6},
    20: {"people": 4},
}
"""The numbers of the published stories; no number of statements where the questions decide it."""


def resolve(task: int, options: GeneratorOptions | None) -> dict[str, int]:
    """The options of a task with the published numbers where none was given.

    Raises:
        ValueError: an option that the task does not have, or a value out of its range; names both.

    >>> resolve(4, GeneratorOptions(places=3))
    {'places': 3}
    >>> resolve(4, GeneratorOptions(people=3))
    Traceback (most recent call last):
    ...
    ValueError: task 4 has no option people (got 3); it has: places (3 to 9)
    """
    check_task(task)
    limits, values = LIMITS[task], dict(PUBLISHED[task])
    for field in fields(options) if options is not None else ():
        name, value = field.name, getattr(options, field.name)
        if value is None:
            continue
        if name not in limits:
            known = ", ".join(f"{key} ({low} to {high})" for key, (low, high) in limits.items())
            raise ValueError(f"task {task} has no option {name} (got {value}); it has: {known}")
        low, high = limits[name]
        if not low <= value <= high:
            raise ValueError(f"{name} must be {low} to {high} in task {task}, got {value}")
        values[name] = value
    if task == 19 and values["statements"] >= values["places"]:
        raise ValueError(
            f"places must be at least {values['statements'] + 1} in task 19 for {values['statements']} "
            f"statements (each tells of one more place), got {values['places']}"
        )
    if task == 14 and values.get("statements", 0) > 4 * values["people"]:
        raise ValueError(
            f"statements must be at most {4 * values['people']} in task 14 for {values['people']} people "
            f"(each is seen at four times of day), got {values['statements']}"
        )
    return values
