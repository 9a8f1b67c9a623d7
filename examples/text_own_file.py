"""A file of one's own texts: which words praise? A run, what it says of new texts, and what it got wrong.

Run: python examples/text_own_file.py
The same from a shell: liafseq train text --source reviews.csv --label-column stars --model gru
"""

from __future__ import annotations

import csv
import random
import tempfile
from pathlib import Path

from liafseq.tasks import load
from liafseq.tasks.task import find
from liafseq.tasks.text.config import TextConfig
from liafseq.tasks.training.run import run

WORDS = {"five": ("good", "lovely", "great"), "one": ("bad", "dull", "awful")}
OTHER = ("the", "film", "was", "a", "very", "long", "and", "old", "story")


def write(path: Path, count: int) -> None:
    """A table of reviews, with one word in each that decides."""
    chance = random.Random(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "stars"])
        for _ in range(count):
            stars = chance.choice(list(WORDS))
            words = chance.choices(OTHER, k=chance.randint(3, 8))
            words.insert(chance.randrange(len(words)), chance.choice(WORDS[stars]))
            table.writerow([" ".join(words), stars])


def main() -> None:
    task = find("text")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "reviews.csv")
        write(source, 600)
        for model in ("liaf:gated=true", "gru"):
            config = TextConfig(
                source=str(source), label_column="stars", model=model,
                hidden_size=16, embedding_size=16, epochs=8, batch_size=16, learning_rate=1e-2, dropout=0.2,
            )  # fmt: skip
            outcome = run(task, config, Path(folder, config.key()))
            print(f"{model}: {task.metric.text(outcome.mean('accuracy'))}% of {task.word}")
        trained = load(Path(folder, config.key()))
        for text in ("a lovely old film", "the story was awful"):
            print(f"{text}: {trained.predict(text)} stars")
        print(f"{len(list(trained.mistakes()))} mistakes")


if __name__ == "__main__":
    main()
