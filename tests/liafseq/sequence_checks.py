"""Short checks on sequences that are not bAbI, so that defaults do not fit bAbI alone.

    python tests/liafseq/sequence_checks.py [--models liaf,gru] [--seeds 2] [--hidden 64] [--only adding]

All models have one layer of the same size with its defaults, a linear layer that reads its output, Adam
3e-3 with a cosine schedule, gradients clipped at norm 1. Nothing is chosen by the figures: the last step's
model is tested, on sequences that were not trained on.

adding: two of T numbers in [0, 1] are marked; their sum is asked for (Hochreiter and Schmidhuber 1997,
    doi:10.1162/neco.1997.9.8.1735). Mean squared error; always answering 1 gives 0.167.
digits: scikit-learn's 8 x 8 digits, a pixel a step. Accuracy in percent.
copy: ten of eight symbols, then T blanks, then the ten are asked for in their order (Arjovsky et al. 2016,
    arXiv:1511.06464). Accuracy in percent of the recalled symbols; chance gives 12.5.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liafseq.tasks.models import build_layer, model_names

Batch = tuple[Tensor, Tensor]


class Reader(nn.Module):
    """A recurrent layer and a linear one, over all steps."""

    def __init__(self, model: str, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layer = build_layer(model, inputs, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


def adding(steps: int, batch: int, chance: torch.Generator) -> Batch:
    values = torch.rand(steps, batch, generator=chance)
    first = torch.randint(steps // 2, (batch,), generator=chance)
    second = torch.randint(steps // 2, steps, (batch,), generator=chance)
    marks = torch.zeros(steps, batch)
    for place in (first, second):
        marks.scatter_(0, place[None], 1.0)
    return torch.stack([values, marks], -1), (values * marks).sum(0)


def copy(delay: int, batch: int, chance: torch.Generator) -> Batch:
    symbols = torch.randint(8, (10, batch), generator=chance)
    blank = torch.full((delay, batch), 8)
    asked = torch.full((10, batch), 9)
    return F.one_hot(torch.cat([symbols, blank, asked]), 10).float(), symbols


def train(
    model: Reader, steps: int, batch: Callable[[], Batch], loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, target = batch()
        optimizer.zero_grad()
        loss(model(x), target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def run_adding(model: str, hidden: int, seed: int, steps: int, updates: int = 2000) -> float:
    torch.manual_seed(seed)
    chance, reader = torch.Generator().manual_seed(seed), Reader(model, 2, hidden, 1)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output[-1, :, 0], target)

    train(reader, updates, lambda: adding(steps, 64, chance), loss)
    with torch.no_grad():
        x, target = adding(steps, 2000, torch.Generator().manual_seed(10**6))
        return loss(reader(x), target).item()


def run_copy(model: str, hidden: int, seed: int, delay: int, updates: int = 2000) -> float:
    torch.manual_seed(seed)
    chance, reader = torch.Generator().manual_seed(seed), Reader(model, 10, hidden, 8)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output[-10:].flatten(0, 1), target.flatten())

    train(reader, updates, lambda: copy(delay, 64, chance), loss)
    with torch.no_grad():
        x, target = copy(delay, 2000, torch.Generator().manual_seed(10**6))
        return 100 * (reader(x)[-10:].argmax(-1) == target).float().mean().item()


def run_digits(model: str, hidden: int, seed: int, _: int, epochs: int = 40) -> float:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    parts = train_test_split(
        digits.data / 16, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    x, x_test, y, y_test = (torch.as_tensor(part) for part in parts)
    x, x_test = (part.float().t()[..., None].contiguous() for part in (x, x_test))
    torch.manual_seed(seed)
    chance, reader = torch.Generator().manual_seed(seed), Reader(model, 1, hidden, 10)

    def batch() -> Batch:
        rows = torch.randint(x.shape[1], (64,), generator=chance)
        return x[:, rows], y[rows]

    train(reader, epochs * (x.shape[1] // 64), batch, lambda out, target: F.cross_entropy(out[-1], target))
    with torch.no_grad():
        return 100 * (reader(x_test)[-1].argmax(-1) == y_test).float().mean().item()


CHECKS = {
    "adding, T = 50": (run_adding, 50),
    "adding, T = 100": (run_adding, 100),
    "digits, 64 steps": (run_digits, 64),
    "copy, T = 10": (run_copy, 10),
    "copy, T = 30": (run_copy, 30),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default=",".join(model_names("babi")))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = given.models.split(",")
    print("| check | " + " | ".join(models) + " |\n|" + "---|" * (len(models) + 1), flush=True)
    for name, (run, size) in CHECKS.items():
        if not name.startswith(given.only):
            continue
        begin, cells = time.monotonic(), []
        for model in models:
            found = [run(model, given.hidden, seed, size) for seed in range(given.seeds)]
            digits = 4 if name.startswith("adding") else 1
            spread = f" ± {statistics.stdev(found):.{digits}f}" if given.seeds > 1 else ""
            cells.append(f"{statistics.mean(found):.{digits}f}{spread}")
        print(
            f"| {name} | " + " | ".join(cells) + f" | <!-- {time.monotonic() - begin:.0f} s -->", flush=True
        )


if __name__ == "__main__":
    main()
