"""Training of any adapter's model: fit, evaluate, best epoch, and going on after any stop.

What happens in epoch e depends on the seed, on e and on the state at its start alone: the random
numbers are seeded anew for each epoch, and the learning rate is a function of the step. So a run
that was killed anywhere, and started again from its last whole epoch, ends as it would have ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from liafseq.tasks.progress import Progress
from liafseq.tasks.resume import CHECKPOINT, RESUME, best_line, commit, follow, take_up
from liafseq.tasks.storage.checkpoint import load_into

__all__ = ["Batches", "Outcome", "Step", "Tally", "TrainingOptions", "evaluate", "fit"]


_PROGRESS_SECONDS = 0.05


class Tally(NamedTuple):
    """What a model made of one batch: the sum of the losses, the number of right answers, of examples."""

    loss: Tensor
    correct: Tensor
    count: int


class Batches(Protocol):
    """The batches of one data set."""

    def __len__(self) -> int:
        """Batches in an epoch; the same in every epoch."""
        ...

    def epoch(self, number: int, rank: int = 0, world: int = 1) -> Iterator[Any]:
        """The batches of an epoch (from 1), in an order that depends on ``number`` and a seed alone.

        Of ``world`` processes, ``rank`` gets its own, non-empty share of every batch.
        """
        ...


Step = Callable[[nn.Module, Any], Tally]
"""From a model and a batch on the model's device to a tally."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; see :class:`liafseq.tasks.babi.config.BabiRun` for the meaning of each."""

    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    clip: float = 0.0
    patience: int = 0
    seed: int = 0

    @classmethod
    def of(cls, config: Any) -> TrainingOptions:
        """Those of a run's configuration, which has fields of the same names."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step (from 0) of ``steps``.

        >>> options = TrainingOptions(epochs=1, learning_rate=1.0, warmup=0.5)
        >>> [round(options.rate(step, 8), 3) for step in range(8)]
        [0.25, 0.5, 0.75, 1.0, 1.0, 0.854, 0.5, 0.146]
        """
        rising = round(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


@dataclass(frozen=True)
class Outcome:
    """What :func:`fit` found; ``model`` is the model, set up by Fabric, with the best epoch's weights."""

    model: nn.Module
    best_epoch: int
    epochs_run: int
    valid_loss: float
    valid_accuracy: float
    seconds: float


def evaluate(model: nn.Module, batches: Batches, step: Step, fabric: Fabric) -> tuple[float, float, int]:
    """Mean loss, accuracy and number of examples, without gradients; the model's mode is kept."""
    training = model.training
    model.eval()
    total = _Total(fabric)
    with torch.no_grad():
        for batch in batches.epoch(0, fabric.global_rank, fabric.world_size):
            total.add(step(model, fabric.to_device(batch)))
    model.train(training)
    loss, correct, count = total.values()
    return loss / count, correct / count, int(count)


def fit(
    model: nn.Module,
    train: Batches,
    valid: Batches,
    step: Step,
    options: TrainingOptions,
    folder: Path,
    *,
    identity: str,
    fabric: Fabric,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Trains a model, keeping the best epoch by validation accuracy (ties: lower loss, then earlier).

    After each epoch the folder holds ``resume.safetensors`` (model, optimiser, all metrics so far:
    the one commit point), ``checkpoint.safetensors`` (the best epoch's weights) and
    ``metrics.jsonl`` (a line an epoch). Where the folder holds an earlier part of the same run, as
    told by ``identity``, training goes on from there.

    Raises:
        ValueError: a damaged checkpoint, or one of another run.
        FloatingPointError: the loss is no longer finite; the best checkpoint so far stays.
    """
    optimizer: Any = torch.optim.AdamW(_groups(model, options.weight_decay), lr=options.learning_rate)
    wrapped, optimizer = fabric.setup(model, optimizer)
    metrics: list[dict[str, Any]] = []
    best: dict[str, Tensor] = {}
    if (folder / RESUME).exists():  # after the set-up, so that the optimiser's state goes to the device
        metrics, best = take_up(folder, model, optimizer, identity, fabric)
    steps = options.epochs * len(train)
    for epoch in range(len(metrics) + 1, options.epochs + 1):
        if _stop_early(metrics, options.patience):
            break
        started = time.perf_counter()
        # One stream a rank, so that dropout differs between the processes.
        torch.manual_seed(_mixed(options.seed, epoch, fabric.global_rank))
        loss = _one_epoch(epoch, wrapped, optimizer, train, step, options, fabric, metrics, progress)
        valid_loss, accuracy, _ = evaluate(wrapped, valid, step, fabric)
        if not (math.isfinite(loss) and math.isfinite(valid_loss)):
            raise FloatingPointError(
                f"the loss is no longer finite in epoch {epoch} (training {loss}, validation {valid_loss}); "
                f"try a lower learning_rate or clip than {options.learning_rate:g} and {options.clip:g}"
            )
        metrics.append(
            {
                "epoch": epoch,
                "loss": loss,
                "valid_loss": valid_loss,
                "valid_accuracy": accuracy,
                "learning_rate": options.rate(epoch * len(train) - 1, steps),
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
        if best_line(metrics)["epoch"] == epoch:
            best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        if fabric.is_global_zero:
            commit(folder, model, optimizer, metrics, identity, fabric)
            follow(folder, metrics, best, identity)
        fabric.barrier()
    load_into(model, best, folder / CHECKPOINT)
    found = best_line(metrics)
    return Outcome(
        wrapped, found["epoch"], len(metrics), found["valid_loss"], found["valid_accuracy"],
        round(sum(line["seconds"] for line in metrics), 3),
    )  # fmt: skip


class _Total:
    """Sums over batches, kept on the device so that a GPU is not waited for; in double precision."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._sum = torch.zeros(3, dtype=torch.float64, device="cpu" if _no_double(fabric) else fabric.device)

    def add(self, tally: Tally) -> None:
        sums = self._sum
        sums[0] += tally.loss.detach().to(sums)
        sums[1] += tally.correct.detach().to(sums)
        sums[2] += tally.count

    def mean_loss(self) -> float:
        return (self._sum[0] / self._sum[2]).item()

    def values(self) -> tuple[float, float, float]:
        sums = self._sum
        if self._fabric.world_size > 1:
            sums = self._fabric.all_reduce(sums, reduce_op="sum")
        loss, correct, count = sums.tolist()
        return loss, correct, count


def _no_double(fabric: Fabric) -> bool:
    return fabric.device.type == "mps"


def _one_epoch(
    epoch: int,
    model: nn.Module,
    optimizer: Any,
    train: Batches,
    step: Step,
    options: TrainingOptions,
    fabric: Fabric,
    metrics: list[dict[str, Any]],
    progress: Callable[[Progress], None] | None,
) -> float:
    """Trains for one epoch; the mean loss."""
    model.train()
    told = 0.0
    batches, world = len(train), fabric.world_size
    total = _Total(fabric)
    for number, batch in enumerate(train.epoch(epoch, fabric.global_rank, world)):
        rate = options.rate((epoch - 1) * batches + number, options.epochs * batches)
        for group in optimizer.param_groups:
            group["lr"] = rate
        tally = step(model, fabric.to_device(batch))
        examples = tally.count
        if world > 1:
            # Processes average their gradients; this makes it the mean over all examples of the batch.
            everyone = fabric.all_reduce(torch.tensor(float(examples), device=fabric.device), reduce_op="sum")
            examples = everyone / world
        optimizer.zero_grad()
        fabric.backward(tally.loss / examples)
        if options.clip > 0:
            fabric.clip_gradients(model, optimizer, max_norm=options.clip, error_if_nonfinite=False)
        optimizer.step()
        total.add(tally)
        now = time.monotonic()
        # Not at every batch: reading the loss makes a GPU wait.
        if progress is not None and (now - told > _PROGRESS_SECONDS or number + 1 == batches):
            told = now
            accuracy = metrics[-1]["valid_accuracy"] if metrics else None
            progress(Progress(epoch, options.epochs, number + 1, batches, total.mean_loss(), accuracy))
    loss, _, count = total.values()
    return loss / count


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decays matrices only: a bias, a neuron's decay or threshold has no reason to go to zero."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [(matrices, weight_decay), (others, 0.0)]
    return [{"params": members, "weight_decay": decay} for members, decay in groups if members]


def _mixed(*numbers: int) -> int:
    """One seed out of several numbers, so that neighbouring seeds and epochs share no stream."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return mixed ^ (mixed >> 29)


def _stop_early(metrics: list[dict[str, Any]], patience: int) -> bool:
    if not metrics or not patience:
        return False
    best = max(metrics, key=lambda line: (line["valid_accuracy"], -line["epoch"]))
    # Nothing is better than all right: two epochs more, for a lower loss.
    wait = min(patience, 2) if best["valid_accuracy"] == 1.0 else patience
    return len(metrics) - best["epoch"] >= wait
