"""Easy stories in the official format: learned within some epochs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from liafseq.tasks.babi.config import BabiConfig

PLACES = ("garden", "kitchen", "office")

TINY = {"embedding_size": 4, "hidden_size": 4, "batch_size": 16, "learning_rate": 0.05}
"""A network that trains in no time."""


def tiny(source: Path, **fields: Any) -> BabiConfig:
    """A run of a tiny GRU on these stories."""
    return BabiConfig(**({"model": "gru", "source": str(source), "epochs": 3, **TINY} | fields))


def write_stories(folder: Path) -> None:
    """Task 1, 40 stories of one fact to train on and 20 to test."""
    folder.mkdir(exist_ok=True)
    chance = random.Random(0)
    for split, stories in (("train", 40), ("test", 20)):
        lines = []
        for _ in range(stories):
            place = chance.choice(PLACES)
            lines += [f"1 Mary went to the {place}.", f"2 Where is Mary?\t{place}\t1"]
        (folder / f"qa1_{split}.txt").write_text("\n".join(lines) + "\n")


def write_easy_task(
    folder: Path, task: int, split: str, stories: int, seed: int, places: Sequence[str] = PLACES
) -> None:
    """Task 1 made easy: two statements, and a question after each."""
    chance = random.Random(f"{task} {split} {seed}")
    lines = []
    for _ in range(stories):
        at: dict[str, tuple[str, int]] = {}
        for number in (1, 3):
            who, where = chance.choice(("Mary", "John")), chance.choice(places)
            at[who] = (where, number)
            asked = chance.choice(sorted(at))
            lines.append(f"{number} {who} went to the {where}.")
            lines.append(f"{number + 1} Where is {asked}? \t{at[asked][0]}\t{at[asked][1]}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"qa{task}_{split}.txt").write_text("\n".join(lines) + "\n")


def write_easy_tasks(folder: Path) -> None:
    """Tasks 1 and 4; the test of task 4 has a place, the moon, that its training has not."""
    for task in (1, 4):
        write_easy_task(folder, task, "train", 150, 0)
        write_easy_task(folder, task, "test", 50, 1, PLACES if task == 1 else (*PLACES, "moon"))


def easy(source: Path, **fields: Any) -> BabiConfig:
    """A run that learns the easy tasks."""
    settings: dict[str, Any] = {
        "model": "gru", "source": str(source), "questions": 300, "test_questions": 60, "embedding_size": 16,
        "hidden_size": 24, "epochs": 12, "batch_size": 32, "learning_rate": 0.02,
    }  # fmt: skip
    return BabiConfig(**(settings | fields))
