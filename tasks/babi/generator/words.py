"""The words and sentences of the stories: data, apart from the logic that chooses among them.

Where a table holds more words than a published task uses, the published ones come first, in the
numbers that ``PUBLISHED`` in ``options.py`` gives; the rest is there for the options.
"""

from __future__ import annotations

__all__ = [
    "ANIMALS",
    "BEINGS",
    "COLORED",
    "COLORS",
    "CONNECTIVES",
    "CONTAINERS",
    "DIRECTIONS",
    "DROPS",
    "FRIGHTENED",
    "GETS",
    "GIVES",
    "MOTIVATED",
    "MOTIVES",
    "MOVES",
    "NUMERALS",
    "OBJECTS",
    "OPPOSITE",
    "PEOPLE",
    "PEOPLE_OF_FIVE",
    "PEOPLE_OF_TEN",
    "PLACES",
    "PLACES_OF_TEN",
    "PRONOUNS",
    "RELATIONS",
    "SHAPES",
    "TIMES",
]

PEOPLE = ("John", "Mary", "Sandra", "Daniel", "Fred", "Julie", "Bill", "Jeff")
PEOPLE_OF_FIVE = ("Mary", "Fred", "Bill", "Jeff", "John", "Sandra", "Daniel", "Julie")
PEOPLE_OF_TEN = ("Fred", "Julie", "Bill", "Mary", "John", "Sandra", "Daniel", "Jeff")
PRONOUNS = {
    "John": "he",
    "Mary": "she",
    "Sandra": "she",
    "Daniel": "he",
    "Fred": "he",
    "Julie": "she",
    "Bill": "he",
    "Jeff": "he",
}

PLACES = (
    "bathroom",
    "bedroom",
    "garden",
    "hallway",
    "kitchen",
    "office",
    "park",
    "school",
    "cinema",
)
PLACES_OF_TEN = (
    "bedroom",
    "kitchen",
    "office",
    "park",
    "school",
    "cinema",
    "bathroom",
    "garden",
    "hallway",
)

OBJECTS = ("apple", "football", "milk", "pajamas")

MOVES = ("went to", "journeyed to", "travelled to", "moved to", "went back to")
GETS = ("picked up", "got", "grabbed", "took")
DROPS = ("dropped", "left", "discarded", "put down")
GIVES = ("passed", "handed", "gave")

NUMERALS = ("none", "one", "two", "three", "four")
CONNECTIVES = ("Then", "Afterwards", "After that", "Following that")
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")

DIRECTIONS = ("north", "south", "east", "west")
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}

RELATIONS = (("to the left of", -1, 0), ("to the right of", 1, 0), ("above", 0, 1), ("below", 0, -1))
"""The phrase and where it puts the first of two shapes, seen from the second: (x, y)."""

SHAPES = ("red square", "blue square", "yellow square", "pink rectangle", "red sphere", "triangle")

CONTAINERS = ("chocolate", "box of chocolates", "box", "chest", "container", "suitcase")
"""The first two are in this order the smallest of every story; the others' order is drawn."""

FRIGHTENED = ("gertrude", "winona", "jessica", "emily")
BEINGS = (("wolf", "wolves"), ("mouse", "mice"), ("sheep", "sheep"), ("cat", "cats"))

COLORED = ("Lily", "Bernhard", "Greg", "Julius", "Brian")
ANIMALS = ("swan", "rhino", "lion", "frog")
COLORS = ("yellow", "green", "gray", "white")

MOTIVATED = ("Jason", "Antoine", "Sumit", "Yann")
MOTIVES = (
    ("hungry", "kitchen", "apple"),
    ("thirsty", "kitchen", "milk"),
    ("bored", "garden", "football"),
    ("tired", "bedroom", "pajamas"),
)
"""How somebody feels, where this leads, and what is taken there."""
