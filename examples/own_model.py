"""A model of one's own: any class with the constructor and the state of nn.GRU; keyword-only means option.

Run: python -m examples.own_model
On the command line: PYTHONPATH=. liafseq compare babi --models examples.own_model:Average:keep=0.8,gru
"""

from __future__ import annotations

import tempfile

import torch
from torch import Tensor, nn

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run


class Average(nn.Module):
    """h_t = keep h_{t-1} + (1 - keep) tanh(W x_t + b): a running mean of what it reads, packed or not."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        keep: float = 0.9,
    ) -> None:
        super().__init__()
        if num_layers > 1 or bidirectional or batch_first or dropout:
            raise ValueError("one layer, one direction, time first, no dropout")
        self.keep, self.inside = keep, nn.Linear(input_size, hidden_size, bias)

    def forward(
        self, x: nn.utils.rnn.PackedSequence | Tensor, hx: Tensor | None = None
    ) -> tuple[nn.utils.rnn.PackedSequence | Tensor, Tensor]:
        packed = isinstance(x, nn.utils.rnn.PackedSequence)
        data, lengths = nn.utils.rnn.pad_packed_sequence(x) if packed else (x, None)
        current = (1 - self.keep) * torch.tanh(self.inside(data))
        h = torch.zeros_like(current[0]) if hx is None else hx[0]
        steps = []
        for at, step in enumerate(current):
            new = self.keep * h + step
            h = new if lengths is None else torch.where((at < lengths)[:, None], new, h)
            steps.append(h)
        output = torch.stack(steps)
        if packed:
            output = nn.utils.rnn.pack_padded_sequence(output, lengths, enforce_sorted=False)
        return output, h[None]


def main() -> None:
    babi = find("babi")
    for model in ("examples.own_model:Average:keep=0.8", "gru"):
        config = BabiConfig(model=model, questions=1_000, test_questions=200, epochs=2, hidden_size=32)
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(babi, config, folder)
        print(f"{model}: {babi.metric.text(outcome.mean('accuracy'))}% of {babi.word}")


if __name__ == "__main__":
    main()
