"""A listener that hears a story sentence by sentence and can be asked at any time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from . import people, relations
from .reading import NotUnderstood
from .story import Heard

__all__ = ["Answer", "Listener"]


class Answer(NamedTuple):
    text: str
    support: tuple[int, ...]


_QUESTIONS: list[tuple[re.Pattern[str], Callable[..., tuple[str, tuple[int, ...]]]]] = [
    (re.compile(pattern), answer)
    for pattern, answer in (
        (r"Where is (\w+)", people.where_is_person),
        (r"Where is the (\w+)", people.where_is_thing),
        (r"Where was the (\w+) before the (\w+)", people.where_was_thing),
        (r"Where was (\w+) before the (\w+)", people.where_was_person),
        (r"Is (\w+) in the (\w+)", people.is_in),
        (r"How many objects is (\w+) carrying", people.how_many),
        (r"What is (\w+) carrying", people.what_carrying),
        (r"What did (\w+) give to (\w+)", people.what_given),
        (r"Who gave the (\w+)(?: to (\w+))?", people.who_gave),
        (r"Who received the (\w+)", people.who_received),
        (r"Who did (\w+) give the (\w+) to", people.given_to),
        (r"Where will (\w+) go", people.where_will),
        (r"Why did (\w+) (?:go to|get) the (\w+)", people.why),
        (r"What is (north|south|east|west) of the (\w+)", relations.what_lies),
        (r"What is the (\w+) (north|south|east|west) of", relations.lies_of_what),
        (r"How do you go from the (\w+) to the (\w+)", relations.path),
        (r"What is (\w+) afraid of", relations.afraid_of),
        (r"What color is (\w+)", relations.color),
        (r"Is the (.+?) (?:to the )?(left of|right of|above|below) the (.+)", relations.is_placed),
        (r"Is the (.+) bigger than the (.+)", relations.is_bigger),
        (r"Does the (.+) fit in the (.+)", relations.fits),
    )
]


class Listener:
    """Hears statements with their line numbers; answers with the facts that it used."""

    def __init__(self) -> None:
        self.heard = Heard()

    def hear(self, number: int, text: str) -> None:
        self.heard.add(number, text)

    def ask(self, question: str) -> Answer:
        """The answer.

        Raises:
            NotUnderstood: a form of question that is not known here, or nothing heard answers it.
        """
        for pattern, answer in _QUESTIONS:
            match = pattern.fullmatch(question.removesuffix("?"))
            if match and question.endswith("?"):
                return Answer(*answer(self.heard, *match.groups()))
        raise NotUnderstood(question)
