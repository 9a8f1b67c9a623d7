"""Small tagged files that tests write."""

from __future__ import annotations

import json
import random
from pathlib import Path

TRAIN, TEST = 40, 12
PLACES = ("Rome", "Oslo", "New York", "San Jose")


def sentence(chance: random.Random) -> tuple[list[str], list[str], str]:
    """A wish, with its places as spans of IOB2."""
    words, tags = chance.choice((["fly", "to"], ["fares", "to"], ["go", "to"])), ["O", "O"]
    intent = "fare" if words[0] == "fares" else "flight"
    words, place = list(words), chance.choice(PLACES).split()
    if chance.random() < 0.5:
        words, tags = [*words, "sunny"], [*tags, "O"]
    words += place
    tags += ["B-to", "I-to"][: len(place)]
    return words, tags, intent


def write(folder: Path, kind: str, seed: int = 0) -> Path:
    """A data set with a training and a test part: ``columns``, ``jsonl`` or ``lines``."""
    for part, count in (("train", TRAIN), ("test", TEST)):
        chance = random.Random(f"{seed} {part}")
        rows = [sentence(chance) for _ in range(count)]
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "columns":
            blocks = ("\n".join(f"{w} x {t}" for w, t in zip(*row[:2], strict=True)) for row in rows)
            (folder / f"{part}.txt").write_text("\n\n".join(blocks) + "\n")
        elif kind == "jsonl":
            keys = ("words", "tags", "intent")
            lines = (json.dumps(dict(zip(keys, row, strict=True))) for row in rows)
            (folder / f"{part}.jsonl").write_text("\n".join(lines))
        else:
            inner = folder / part
            inner.mkdir()
            for name, at in (("seq.in", 0), ("seq.out", 1)):
                (inner / name).write_text("".join(" ".join(row[at]) + "\n" for row in rows))
            (inner / "label").write_text("".join(f"{row[2]}\n" for row in rows))
    return folder
