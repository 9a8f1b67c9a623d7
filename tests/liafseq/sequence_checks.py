"""Short checks on sequences that are not bAbI, so that defaults do not fit bAbI alone.

    python tests/liafseq/sequence_checks.py [--models liaf,gru] [--seeds 2] [--hidden 64] [--only adding]
        [--option liaf:activation=leaky_relu]

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liafseq.tasks.models import ModelSpec, build_layer, parse_specs, with_options

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Check:
    """Sequences to learn: ``draw`` gives some to train on, ``test`` those that are scored."""

    inputs: int
    outputs: int
    updates: int
    draw: Callable[[int, torch.Generator], Batch]
    test: Callable[[], Batch]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], Tensor]


class Reader(nn.Module):
    """A recurrent layer and a linear one, over all steps."""

    def __init__(self, check: Check, model: ModelSpec, hidden: int) -> None:
        super().__init__()
        self.layer = build_layer(model, check.inputs, hidden)
        self.head = nn.Linear(hidden, check.outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0])


def run(check: Check, model: ModelSpec, hidden: int, seed: int) -> float:
    """Trains a model and gives its score."""
    torch.manual_seed(seed)
    chance, reader = torch.Generator().manual_seed(seed), Reader(check, model, hidden)
    optimizer = torch.optim.Adam(reader.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, check.updates)
    for _ in range(check.updates):
        x, target = check.draw(64, chance)
        optimizer.zero_grad()
        check.loss(reader(x), target).backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        x, target = check.test()
        return check.score(reader(x), target).item()


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


def percent(scores: Tensor, target: Tensor) -> Tensor:
    return 100 * (scores.argmax(-1) == target).float().mean()


def unseen(draw: Callable[[int, torch.Generator], Batch]) -> Batch:
    return draw(2000, torch.Generator().manual_seed(10**6))


def adding_check(steps: int) -> Check:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output[-1, :, 0], target)

    draw = partial(adding, steps)
    return Check(2, 1, 2000, draw, partial(unseen, draw), loss, loss)


def copy_check(delay: int) -> Check:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output[-10:].flatten(0, 1), target.flatten())

    draw = partial(copy, delay)
    return Check(
        10, 8, 2000, draw, partial(unseen, draw), loss, lambda out, target: percent(out[-10:], target)
    )


def digits_check(epochs: int = 40) -> Check:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    parts = train_test_split(
        digits.data / 16, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    x, x_test, y, y_test = (torch.as_tensor(part) for part in parts)
    x, x_test = (part.float().t()[..., None].contiguous() for part in (x, x_test))

    def draw(batch: int, chance: torch.Generator) -> Batch:
        rows = torch.randint(x.shape[1], (batch,), generator=chance)
        return x[:, rows], y[rows]

    return Check(
        inputs=1,
        outputs=10,
        updates=epochs * (x.shape[1] // 64),
        draw=draw,
        test=lambda: (x_test, y_test),
        loss=lambda out, target: F.cross_entropy(out[-1], target),
        score=lambda out, target: percent(out[-1], target),
    )


CHECKS: Mapping[str, Callable[[], Check]] = {
    "adding, T = 50": partial(adding_check, 50),
    "adding, T = 100": partial(adding_check, 100),
    "digits, 64 steps": digits_check,
    "copy, T = 10": partial(copy_check, 10),
    "copy, T = 30": partial(copy_check, 30),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--only", default="")
    parser.add_argument("--option", action="append", metavar="MODEL:NAME=VALUE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = with_options(parse_specs(given.models, ["layer"]), given.option or [])
    print(
        "| check | " + " | ".join(model.label for model in models) + " |\n|" + "---|" * (len(models) + 1),
        flush=True,
    )
    for name, make in CHECKS.items():
        if not name.startswith(given.only):
            continue
        begin, cells, check = time.monotonic(), [], make()
        for model in models:
            found = [run(check, model, given.hidden, seed) for seed in range(given.seeds)]
            digits = 4 if name.startswith("adding") else 1
            spread = f" ± {statistics.stdev(found):.{digits}f}" if given.seeds > 1 else ""
            cells.append(f"{statistics.mean(found):.{digits}f}{spread}")
        print(
            f"| {name} | " + " | ".join(cells) + f" | <!-- {time.monotonic() - begin:.0f} s -->", flush=True
        )


if __name__ == "__main__":
    main()
