"""A tagger of one's own sentences: slots and intents from JSONL, and what it makes of a new sentence.

Run: python examples/tagging_slots.py
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

CITIES = ("Oslo", "Rome", "New York", "San Jose", "Lima")
WISHES = (("flight", "fly from {} to {}"), ("fare", "what is the fare from {} to {}"))


def sentence(chance: random.Random) -> dict[str, object]:
    """A wish, whose cities are spans: where from, where to."""
    intent, pattern = chance.choice(WISHES)
    cities = iter(zip(("from", "to"), chance.sample(CITIES, 2), strict=True))
    words, tags = [], []
    for word in pattern.split():
        slot, city = next(cities) if word == "{}" else ("", word)
        parts = city.split()
        words += parts
        tags += [f"B-{slot}", *[f"I-{slot}"] * (len(parts) - 1)] if slot else ["O"]
    return {"words": words, "tags": tags, "intent": intent}


def main() -> None:
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wishes.jsonl"
        source.write_text("\n".join(json.dumps(sentence(chance)) for _ in range(300)))
        for model in ("liaf:gated=true", "gru"):
            config = TaggingConfig(
                source=str(source),
                model=model,
                hidden_size=16,
                embedding_size=16,
                epochs=8,
                batch_size=16,
                learning_rate=0.01,
            )
            out = Path(folder) / config.key()
            scores = run(find("tagging"), config, out).test["wishes"].metrics
            print(f"{model}: {100 * scores['F1']:.1f}% span F1, {100 * scores['intents']:.1f}% of intents")
        print(load(out).predict("fly from Lima to New York"))


if __name__ == "__main__":
    main()
