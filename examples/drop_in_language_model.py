"""A language model of characters; the only line that a spiking layer changes is the one that makes the layer.

Run: python examples/drop_in_language_model.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from liafseq import LIAF

TEXT = "the cat sat on the mat. the dog sat on the log. " * 20


class LanguageModel(nn.Module):
    """What comes next, character by character."""

    def __init__(self, rnn: type[nn.Module], characters: int, size: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, size)
        self.rnn = rnn(size, size, batch_first=True)
        self.head = nn.Linear(size, characters)

    def forward(self, text: Tensor, state: object = None) -> tuple[Tensor, object]:
        output, state = self.rnn(self.embedding(text), state)
        return self.head(output), state


def train(model: LanguageModel, text: Tensor, steps: int = 60) -> float:
    """The loss, in bits per character, after some steps on pieces of 40 characters."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    pieces = text[: len(text) // 41 * 41].view(-1, 41)
    for _ in range(steps):
        logits, _ = model(pieces[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), pieces[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return loss.item() / torch.log(torch.tensor(2.0)).item()


@torch.no_grad()
def go_on(model: LanguageModel, start: Tensor, length: int) -> list[int]:
    """The likeliest characters after a beginning, the state passed on from one to the next."""
    logits, state = model(start[None])
    found = []
    for _ in range(length):
        found.append(int(logits[0, -1].argmax()))
        logits, state = model(torch.tensor([found[-1:]]), state)
    return found


def main() -> None:
    characters = sorted(set(TEXT))
    text = torch.tensor([characters.index(character) for character in TEXT])
    for rnn in (nn.LSTM, LIAF):
        torch.manual_seed(0)
        model = LanguageModel(rnn, len(characters))
        bits = train(model, text)
        weights = sum(parameter.numel() for parameter in model.rnn.parameters())
        continued = "".join(characters[at] for at in go_on(model, text[:8], 24))
        print(f"{rnn.__name__}: {weights:,} weights, {bits:.2f} bits per character: {TEXT[:8]}{continued}")


if __name__ == "__main__":
    main()
