"""What was heard so far: facts in order, with the pronouns put back to names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from .reading import Fact, NotUnderstood, Went, read

__all__ = ["Heard"]

Kind = TypeVar("Kind")


class Heard:
    """Facts with their line numbers.

    ``origin[n]`` is the sentence that the pronoun of n refers to; ``pronouns`` the names with the
    pronoun that stood for them.
    """

    def __init__(self) -> None:
        self.facts: list[tuple[int, Fact]] = []
        self.origin: dict[int, int] = {}
        self.pronouns: list[tuple[str, str]] = []

    def add(self, number: int, text: str) -> None:
        fact = read(text)
        if isinstance(fact, Went) and fact.who[0].lower() in ("he", "she", "they"):
            before, last = self.facts[-1] if self.facts else (0, None)
            pronoun = fact.who[0].lower()
            if not isinstance(last, Went) or (pronoun == "they") != (len(last.who) > 1):
                raise NotUnderstood(f"{pronoun!r} in {text!r} stands for nobody")
            self.origin[number] = before
            self.pronouns += ((who, pronoun) for who in last.who if pronoun != "they")
            fact = fact._replace(who=last.who)
        self.facts.append((number, fact))

    def back(self, *kinds: type[Kind]) -> Iterator[tuple[int, Kind]]:
        """Facts of these kinds, the latest first."""
        return ((number, fact) for number, fact in reversed(self.facts) if isinstance(fact, kinds))
