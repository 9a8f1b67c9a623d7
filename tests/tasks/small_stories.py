"""A few stories of one fact each, in the official format: learned within some epochs."""

from __future__ import annotations

import random
from pathlib import Path


def write_stories(folder: Path) -> None:
    """Task 1, 40 stories to train on and 20 to test."""
    folder.mkdir(exist_ok=True)
    chance = random.Random(0)
    for split, stories in (("train", 40), ("test", 20)):
        lines = []
        for _ in range(stories):
            place = chance.choice(["garden", "kitchen", "office"])
            lines += [f"1 Mary went to the {place}.", f"2 Where is Mary?\t{place}\t1"]
        (folder / f"qa1_{split}.txt").write_text("\n".join(lines) + "\n")
