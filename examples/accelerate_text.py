"""A classifier of texts in a loop of one's own under accelerate, in one process or several.

Run: pip install "liafseq[ecosystem]"; python examples/accelerate_text.py
or   accelerate launch --cpu --num_processes 2 examples/accelerate_text.py
"""

from __future__ import annotations

import random

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from text_classifier import Classifier, sentence
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader


def collate(rows: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded: accelerate takes the size of a batch from the first of its tensors."""
    texts, labels = zip(*rows, strict=True)
    lengths = torch.tensor([len(text) for text in texts])
    return pad_sequence(list(texts), batch_first=True), lengths, torch.tensor(labels)


def main() -> None:
    accelerator = Accelerator(cpu=True)  # without cpu=True: on whatever is there
    set_seed(0)
    chance = random.Random(0)
    train, test = ([sentence(chance) for _ in range(count)] for count in (2000, 500))
    model = Classifier()
    model, optimizer, batches, tests = accelerator.prepare(
        model,
        torch.optim.Adam(model.parameters(), 1e-2),
        DataLoader(train, 64, shuffle=True, collate_fn=collate),
        DataLoader(test, 64, collate_fn=collate),
    )

    def logits(ids: Tensor, lengths: Tensor) -> Tensor:
        return model(pack_padded_sequence(ids, lengths.cpu(), batch_first=True, enforce_sorted=False))

    for _ in range(3):
        for ids, lengths, labels in batches:
            accelerator.backward(cross_entropy(logits(ids, lengths), labels))
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    model.eval()
    right = []
    with torch.no_grad():
        for ids, lengths, labels in tests:
            right.append(accelerator.gather_for_metrics(logits(ids, lengths).argmax(-1) == labels))
    found = torch.cat(right).float()
    accelerator.print(f"accuracy on {len(found)} new sentences: {found.mean():.1%}")


if __name__ == "__main__":
    main()
