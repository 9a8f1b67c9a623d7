"""The problems: sequences by chance, and what is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liafseq.tasks.sequences.ragged import IGNORED
from liafseq.tasks.synthetic.config import SyntheticConfig

__all__ = ["classes", "draw", "is_asked", "words"]

BLANK, ASK, MARK = "-", "?", "*"

Rows = tuple[NDArray[np.generic], NDArray[np.generic]]


def words(config: SyntheticConfig) -> tuple[str, ...]:
    """What a step can be, in the order of the numbers; nothing for adding, whose steps are numbers."""
    symbols = _names("", config.symbols)
    return {
        "adding": (),
        "copying": (*symbols, BLANK, ASK),
        "recall": (*symbols, *_names("x", config.symbols), ASK),
        "mqar": (*_names("k", config.symbols), *_names("v", config.symbols), BLANK),
        "parity": ("0", "1"),
        "counting": (*symbols, MARK),
    }[config.problem]


def classes(config: SyntheticConfig) -> tuple[str, ...]:
    """The names of the answers."""
    return {
        "adding": ("sum",),
        "mqar": _names("v", config.symbols),
        "parity": ("even", "odd"),
        "counting": _names("", config.items + 1),
    }.get(config.problem, _names("", config.symbols))


def is_asked(sequence: list[str], at: int) -> bool:
    """Whether a sequence of words, of a problem whose steps have answers, is asked for one at a step."""
    word = sequence[at]
    if word.startswith("k"):
        return word in sequence[:at]
    return word == ASK if ASK in sequence else not word.startswith("v") and word != BLANK


def draw(config: SyntheticConfig, count: int, steps: int, chance: np.random.RandomState) -> Rows:
    """Sequences and what is right for each, or for each step.

    Args:
        config: the problem.
        count: of sequences, N.
        steps: of each, T.
        chance: where they come from.

    Returns:
        (N, T) numbers of words, or of adding (N, T, 2) numbers and marks; and (N), or (N, T) of steps.
    """
    symbols, items = config.symbols, config.items
    if config.problem == "adding":
        values, marks = chance.rand(count, steps), np.zeros((count, steps))
        half, rows = steps // 2, np.arange(count)
        marks[rows, chance.randint(0, half, count)] = 1
        marks[rows, chance.randint(half, steps, count)] = 1
        return np.stack([values, marks], -1).astype(np.float32), (values * marks).sum(1).astype(np.float32)
    if config.problem in ("parity", "counting"):
        if config.problem == "parity":
            x = chance.randint(0, 2, (count, steps))
            y = x.cumsum(1) % 2
        else:
            marked = _ranks(chance, count, steps) < chance.randint(0, items + 1, (count, 1))
            x = np.where(marked, symbols, chance.randint(0, symbols, (count, steps)))
            y = marked.cumsum(1)
        return x, y if config.per_step else y[:, -1]
    if config.problem == "recall":
        x = chance.randint(symbols, 2 * symbols, (count, steps))
        x[:, 0], x[:, -1] = chance.randint(0, symbols, count), 2 * symbols
        return x, x[:, 0].copy()
    y = np.full((count, steps), IGNORED)
    if config.problem == "copying":
        x = np.full((count, steps), symbols)
        x[:, :items] = y[:, -items:] = chance.randint(0, symbols, (count, items))
        x[:, -items:] = symbols + 1
        return x, y
    x = np.full((count, steps), 2 * symbols)
    keys = _ranks(chance, count, symbols)[:, :items]
    values = chance.randint(0, symbols, (count, items))
    x[:, : 2 * items : 2], x[:, 1 : 2 * items : 2] = keys, values + symbols
    places = 2 * items + _ranks(chance, count, steps - 2 * items)[:, :items]
    np.put_along_axis(x, places, keys, 1)
    np.put_along_axis(y, places, values, 1)
    return x, y


def _names(before: str, count: int) -> tuple[str, ...]:
    return tuple(f"{before}{number}" for number in range(count))


def _ranks(chance: np.random.RandomState, rows: int, columns: int) -> NDArray[np.intp]:
    """In each row the numbers of its columns in an order by chance."""
    return chance.rand(rows, columns).argsort(1)
