"""The official bAbI line format: numbered statements and questions, one story after another.

A line is ``ID text`` or ``ID question<TAB>answer<TAB>supporting line numbers``; the number goes
back to 1 where a new story begins (Weston et al. 2015, arXiv:1502.05698).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["BabiFormatError", "Question", "Statement", "Story", "format_story", "parse_stories"]


class BabiFormatError(ValueError):
    """A line that is not in the bAbI format; the message names file and line."""


class Statement(NamedTuple):
    """One sentence of a story."""

    text: str


class Question(NamedTuple):
    """One question; ``support`` holds the line numbers of the facts that answer it.

    ``text`` has no white space at its ends; where the published files put a space between the
    question mark and the tab, the writer of the file adds it.
    """

    text: str
    answer: str
    support: tuple[int, ...]


Story = list["Statement | Question"]
"""Statements and questions in order; the line number of an item is its index plus one."""


def format_story(story: Story, *, space_before_tab: bool = False) -> str:
    """A story as the lines of an official file, each ended by a newline.

    >>> story = [Statement("Mary moved to the bathroom."), Question("Where is Mary?", "bathroom", (1,))]
    >>> print(format_story(story).replace("\\t", "<TAB>"), end="")
    1 Mary moved to the bathroom.
    2 Where is Mary?<TAB>bathroom<TAB>1
    """
    gap = " \t" if space_before_tab else "\t"
    lines = []
    for number, item in enumerate(story, 1):
        if isinstance(item, Statement):
            lines.append(f"{number} {item.text}\n")
        else:
            support = " ".join(map(str, item.support))
            lines.append(f"{number} {item.text}{gap}{item.answer}\t{support}\n")
    return "".join(lines)


def parse_stories(lines: Iterable[str], name: str = "<stories>") -> Iterator[Story]:
    """Stories from the lines of an official file.

    Args:
        lines: lines, with or without their newline. Empty lines are passed over.
        name: what to call the file in an error.

    Raises:
        BabiFormatError: a line without a number, a number out of order, an empty sentence, a
            question without an answer, or a supporting fact that is no earlier statement of the
            same story; with file and line number.
    """
    story: Story = []
    for at, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if not line.strip():
            continue

        def fail(why: str, at: int = at, line: str = line) -> BabiFormatError:
            return BabiFormatError(f"{name}:{at}: {why}; got {line[:80]!r}")

        number, _, rest = line.partition(" ")
        if not (number.isascii() and number.isdigit() and len(number) <= 9):
            raise fail("expected a line number and a space at the start of the line")
        if int(number) == 1 and story:
            yield story
            story = []
        if int(number) != len(story) + 1:
            raise fail(f"expected line number {len(story) + 1} or 1, not {number}")
        text, *fields = rest.split("\t")
        text = text.strip()
        if not text:
            raise fail("expected a sentence after the line number")
        if not fields:
            story.append(Statement(text))
            continue
        if len(fields) != 2 or not fields[0].strip():
            raise fail("expected question, tab, answer, tab, supporting line numbers")
        support = []
        for word in fields[1].split():
            fact = int(word) if word.isascii() and word.isdigit() and len(word) <= 9 else 0
            if not 1 <= fact <= len(story) or not isinstance(story[fact - 1], Statement):
                raise fail(
                    f"supporting fact {word!r} is not the number of an earlier statement of this story"
                )
            support.append(fact)
        story.append(Question(text, fields[0].strip(), tuple(support)))
    if story:
        yield story
