"""What a sentence of a bAbI story says, read from its words alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Fact", "Fear", "Gave", "Got", "Is", "Left", "NotUnderstood", "Relation", "Stands", "Went", "read"]


class NotUnderstood(ValueError):
    """A sentence or a question that this reader cannot make sense of."""


class Went(NamedTuple):
    """Somebody (several, or a pronoun) is at a place from now on, or at a time of day."""

    who: tuple[str, ...]
    place: str
    when: int | None


class Stands(NamedTuple):
    """Where somebody is ("in"), is not ("not") or may be ("either": one of two places)."""

    who: str
    how: str
    places: tuple[str, ...]


class Got(NamedTuple):
    who: str
    thing: str


class Left(NamedTuple):
    who: str
    thing: str


class Gave(NamedTuple):
    giver: str
    thing: str
    receiver: str


class Relation(NamedTuple):
    """``first`` stands in relation ``how`` to ``second``: "north", "above", "bigger", ..."""

    first: str
    how: str
    second: str


class Fear(NamedTuple):
    """Animals of one kind are afraid of those of another; both as one animal is called."""

    kind: str
    feared: str


class Is(NamedTuple):
    """Somebody is something: of a kind ("a wolf") or in a state ("green", "tired")."""

    who: str
    what: str
    kind: bool


Fact = Went | Stands | Got | Left | Gave | Relation | Fear | Is

TIMES = ("yesterday", "this morning", "this afternoon", "this evening")
_TIME = "|".join(TIMES)
_PATTERNS = {
    name: re.compile(pattern)
    for name, pattern in {
        "went": rf"(?:(?P<early>(?i:{_TIME})) |(?:Then|Afterwards|After that|Following that) )?"
        r"(?P<who>\w+|\w+ and \w+) (?:went|went back|moved|journeyed|travelled) to the (?P<place>\w+)"
        rf"(?: (?P<late>{_TIME}))?",
        "got": r"(\w+) (?:got|took|grabbed|picked up) the (\w+)(?: there)?",
        "left": r"(\w+) (?:left|dropped|discarded|put down) the (\w+)(?: there)?",
        "gave": r"(\w+) (?:gave|handed|passed) the (\w+) to (\w+)",
        "in": r"(\w+) is in the (\w+)",
        "not": r"(\w+) is (?:not|no longer) in the (\w+)",
        "either": r"(\w+) is either in the (\w+) or the (\w+)",
        "fear": r"(\w+) are afraid of (\w+)",
        "kind": r"(\w+) is an? (\w+)",
        "state": r"(\w+) is (\w+)",
        "relation": r"The (.+) is (?:to the )?(north|south|east|west|left|right|above|below|bigger)"
        r"(?: of| than)? the (.+)",
        "fits": r"The (.+) fits inside the (.+)",
    }.items()
}


@lru_cache(maxsize=100_000)
def read(text: str) -> Fact:
    """The fact that a sentence states.

    Raises:
        NotUnderstood: no form of sentence that is known here.
    """
    if not text.endswith("."):
        raise NotUnderstood(text)
    found = ((name, pattern.fullmatch(text[:-1])) for name, pattern in _PATTERNS.items())
    name, match = next(((name, match) for name, match in found if match), (None, None))
    if match is None:
        raise NotUnderstood(text)
    words = match.groups()
    if name == "went":
        when = match["early"] or match["late"]
        return Went(
            tuple(match["who"].split(" and ")), match["place"], TIMES.index(when.lower()) if when else None
        )
    if name == "got":
        return Got(*words)
    if name == "left":
        return Left(*words)
    if name == "gave":
        return Gave(*words)
    if name in ("in", "not", "either"):
        return Stands(words[0], name, words[1:])
    if name == "fear":
        return Fear(one(words[0]), one(words[1]))
    if name in ("kind", "state"):
        return Is(*words, kind=name == "kind")
    if name == "fits":
        return Relation(words[1], "bigger", words[0])
    return Relation(*words)


def one(many: str) -> str:
    """What one animal is called of which ``many`` is the plural."""
    word = many.lower()
    odd = {"mice": "mouse", "wolves": "wolf", "sheep": "sheep"}
    return odd.get(word, word.removesuffix("s"))
