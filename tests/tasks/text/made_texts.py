"""Little texts whose class is the animal that they name."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

ANIMALS = ("cat", "dog", "owl")
WORDS = ("the", "a", "saw", "sat", "by", "on", "mat", "house")
FIELDS: dict[str, Any] = {
    "model": "gru", "epochs": 2, "hidden_size": 6, "embedding_size": 5, "batch_size": 16,
    "learning_rate": 0.02,
}  # fmt: skip


def rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    chance = random.Random(seed)
    found = []
    for at in range(count):
        label = ANIMALS[at % 3]
        words = [
            label,
            *chance.choices(WORDS, k=chance.randint(1, 7)),
        ]
        chance.shuffle(words)
        found.append({"text": " ".join(words), "label": label})
    return found


def pairs(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Two texts; are they of the same animal?"""
    first, second = rows(count, seed), rows(count, seed + 1)
    random.Random(seed).shuffle(second)
    return [
        {"text": a["text"], "other": b["text"], "label": "same" if a["label"] == b["label"] else "not"}
        for a, b in zip(first, second, strict=True)
    ]


def write(path: Path, content: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in content)
        else:
            kind = csv.DictWriter(file, list(content[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            kind.writeheader()
            kind.writerows(content)
    return path
