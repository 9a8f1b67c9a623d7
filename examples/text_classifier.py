"""A classifier of sentences of different lengths: packed sequences, and what it costs.

Run: python examples/text_classifier.py
"""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import liafseq

GOOD, BAD = ("good", "fine", "great", "lovely"), ("bad", "poor", "dull", "awful")
OTHER = ("the", "film", "was", "a", "very", "long", "and", "old", "story")
WORDS = {word: at for at, word in enumerate((*GOOD, *BAD, "not", *OTHER))}


def sentence(chance: random.Random) -> tuple[Tensor, int]:
    """Words and whether they praise: "not" turns the one word that decides around."""
    praise, turned = chance.random() < 0.5, chance.random() < 0.5
    words = chance.choices(OTHER, k=chance.randint(3, 8))
    decides = chance.choice(GOOD if praise else BAD)
    at = chance.randrange(len(words))
    words[at:at] = ["not", decides] if turned else [decides]
    return torch.tensor([WORDS[word] for word in words]), int(praise != turned)


class Classifier(nn.Module):
    """A gated LIAF layer reads the words; its last output decides."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), 32)
        self.rnn = liafseq.LIAF(32, 32, gated=True)
        self.head = nn.Linear(32, 2)

    def forward(self, words: PackedSequence) -> Tensor:
        _, (last, _) = self.rnn(words._replace(data=self.embedding(words.data)))
        return self.head(last[-1])


def batch(chance: random.Random, size: int) -> tuple[PackedSequence, Tensor]:
    texts, labels = zip(*(sentence(chance) for _ in range(size)), strict=True)
    return pack_sequence(list(texts), enforce_sorted=False), torch.tensor(labels)


def main() -> None:
    torch.manual_seed(0)
    chance = random.Random(0)
    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(80):
        words, labels = batch(chance, 64)
        loss = nn.functional.cross_entropy(model(words), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    words, labels = batch(chance, 500)
    right = (model(words).argmax(-1) == labels).float().mean().item()
    print(f"accuracy on new sentences: {right:.1%}")
    print(liafseq.cost(model, words))


if __name__ == "__main__":
    main()
