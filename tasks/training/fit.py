"""Training of any task's network: fit, evaluate, best epoch, and going on after any stop.

What happens in epoch e depends on the seed, on e and on the state at its start alone: the random
numbers are seeded anew for each epoch, the learning rate is a function of the step, and a state that goes on
from batch to batch (``Tally.state``) begins anew with the epoch. So a run
that was killed anywhere, and started again from its last whole epoch, ends as it would have ended.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from liafseq.tasks.config import Config
from liafseq.tasks.results import Score
from liafseq.tasks.storage.checkpoint import load_into
from liafseq.tasks.task import Metric, Sums, Tally
from liafseq.tasks.training.batches import Batches, following
from liafseq.tasks.training.log import Epoch, best_epoch
from liafseq.tasks.training.progress import Progress
from liafseq.tasks.training.resume import CHECKPOINT, RESUME, commit, follow, take_up

__all__ = ["Fitted", "Step", "evaluate", "fit", "rate"]


_PROGRESS_SECONDS = 0.05

Step = Callable[[nn.Module, Any], Tally]
"""From a network and a batch on the network's device to a tally."""


def rate(config: Config, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) of ``steps``.

    >>> config = Config(learning_rate=1.0, warmup=0.5)
    >>> [round(rate(config, step, 8), 3) for step in range(8)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    rising = round(config.warmup * steps)
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


@dataclass(frozen=True)
class Fitted:
    """What :func:`fit` found; ``network``, set up by Fabric, has the best epoch's weights."""

    network: nn.Module
    best: Epoch
    epochs_run: int
    left_out: int
    valid: Score
    seconds: float
    first_step_seconds: float


def evaluate(
    network: nn.Module, batches: Batches, step: Step, metrics: Sequence[Metric], fabric: Fabric
) -> Score:
    """The score of a data set, without gradients; the network's mode is kept.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    sums = _sums(network, batches, step, fabric)
    if not math.isfinite(sums.loss):
        raise FloatingPointError(f"the loss of the {batches.examples} examples is not finite: {sums.loss}")
    return _score(sums, metrics)


def _sums(network: nn.Module, batches: Batches, step: Step, fabric: Fabric) -> Sums:
    training = network.training
    network.eval()
    total = _Total(fabric)
    with torch.no_grad():
        state = None
        for batch in batches.epoch(0, fabric.global_rank, fabric.world_size):
            tally = step(network, following(fabric.to_device(batch), state))
            state = tally.state
            total.add(tally)
    network.train(training)
    return total.sums()


def _score(sums: Sums, metrics: Sequence[Metric]) -> Score:
    return Score(
        count=int(sums.count),
        loss=sums.loss / sums.count,
        metrics={metric.name: value for metric in metrics if (value := metric.of(sums)) is not None},
    )


def fit(
    network: nn.Module,
    train: Batches,
    valid: Batches,
    step: Step,
    config: Config,
    folder: Path,
    *,
    metrics: Sequence[Metric],
    fabric: Fabric,
    progress: Callable[[Progress], None] | None = None,
    tell: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Trains a network, keeping the best epoch by the first metric (ties: lower loss, then earlier).

    After each epoch the folder holds ``resume.safetensors`` (network, optimiser, all metrics so far:
    the one commit point), ``checkpoint.safetensors`` (the best epoch's weights) and
    ``metrics.jsonl`` (a line per epoch). Where the folder holds an earlier part of the same run, training
    goes on from there. ``tell`` hears of each epoch that has ended.

    Raises:
        ValueError: a damaged checkpoint, or one of another run.
        FloatingPointError: the loss is no longer finite; the best checkpoint so far stays.
    """
    metric = metrics[0]
    optimizer: Any = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.learning_rate)
    first_step = _first_step(network, train, step, fabric)
    wrapped, optimizer = fabric.setup(network, optimizer)
    log: list[Epoch] = []
    best: dict[str, Tensor] = {}
    if (folder / RESUME).exists():  # after the set-up, so that the optimiser's state goes to the device
        log, best = take_up(folder, network, optimizer, config.key(), metric, fabric)
    steps = config.epochs * len(train)
    for epoch in range(len(log) + 1, config.epochs + 1):
        if _stop_early(log, metric, config.patience):
            break
        started = time.perf_counter()
        # One stream per rank, so that dropout differs between the processes.
        torch.manual_seed(_mixed(config.seed, epoch, fabric.global_rank))
        loss, left_out = _one_epoch(
            epoch, wrapped, optimizer, train, step, config, fabric, log, metric, progress
        )
        sums = _sums(wrapped, valid, step, fabric) if math.isfinite(loss) else None
        if sums is None or not math.isfinite(sums.loss):
            raise FloatingPointError(
                f"the loss is no longer finite in epoch {epoch} (training {loss}, validation "
                f"{'-' if sums is None else sums.loss}); try a lower learning_rate or clip than "
                f"{config.learning_rate:g} and {config.clip:g}"
            )
        score = _score(sums, metrics)
        log.append(
            Epoch(
                epoch=epoch,
                loss=loss,
                valid_loss=score.loss,
                valid=score.metrics,
                learning_rate=rate(config, epoch * len(train) - 1, steps),
                seconds=round(time.perf_counter() - started, 3),
                left_out=left_out,
            )
        )
        if best_epoch(log, metric).epoch == epoch:
            best = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        if fabric.is_global_zero:
            commit(folder, network, optimizer, log, config.key(), fabric)
            follow(folder, log, best, config.key(), metric)
            if tell is not None:
                tell(log[-1])
        fabric.barrier()
    load_into(network, best, folder / CHECKPOINT)
    found = best_epoch(log, metric)
    return Fitted(
        network=wrapped,
        best=found,
        epochs_run=len(log),
        left_out=sum(line.left_out for line in log),
        valid=Score(count=valid.examples, loss=found.valid_loss, metrics=found.valid),
        seconds=round(sum(line.seconds for line in log), 3),
        first_step_seconds=first_step,
    )


def _first_step(network: nn.Module, train: Batches, step: Step, fabric: Fabric) -> float:
    """Compiles what a step needs on a copy of the network, so that it does not count as training; seconds."""
    started = time.perf_counter()
    precision = fabric.strategy.precision
    trial = precision.convert_module(copy.deepcopy(network)).to(fabric.device).train()
    batch = next(iter(train.epoch(1, fabric.global_rank, fabric.world_size)))
    with precision.forward_context():
        tally = step(trial, precision.convert_input(fabric.to_device(batch)))
    if tally.loss.requires_grad:
        tally.loss.backward()
    return round(time.perf_counter() - started, 3)


class _Total:
    """Sums over batches, kept on the device so that a GPU is not waited for; in double precision."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._device = torch.device("cpu") if fabric.device.type == "mps" else fabric.device
        self._sum: Tensor | None = None

    def add(self, tally: Tally) -> None:
        sums = tally.sums.detach().to(self._device, torch.float64)
        loss = tally.loss.detach().to(sums)
        added = torch.cat([loss[None], sums.new_tensor([tally.count]), sums])
        self._sum = added if self._sum is None else self._sum + added

    def mean_loss(self) -> float:
        assert self._sum is not None
        return (self._sum[0] / self._sum[1]).item()

    def sums(self) -> Sums:
        sums = self._sum
        assert sums is not None
        if self._fabric.world_size > 1:
            reduced: Any = self._fabric.all_reduce(sums, reduce_op="sum")
            sums = reduced
        loss, count, *values = sums.tolist()
        return Sums(loss, count, tuple(values))


def _one_epoch(
    epoch: int,
    network: nn.Module,
    optimizer: Any,
    train: Batches,
    step: Step,
    config: Config,
    fabric: Fabric,
    log: Sequence[Epoch],
    metric: Metric,
    progress: Callable[[Progress], None] | None,
) -> tuple[float, int]:
    """Trains for one epoch; the mean loss, and how many steps were left out."""
    network.train()
    told, left_out = 0.0, 0
    batches, world = len(train), fabric.world_size
    total = _Total(fabric)
    state = None
    for number, batch in enumerate(train.epoch(epoch, fabric.global_rank, world)):
        now_rate = rate(config, (epoch - 1) * batches + number, config.epochs * batches)
        for group in optimizer.param_groups:
            group["lr"] = now_rate
        tally = step(network, following(fabric.to_device(batch), state))
        state = tally.state
        examples: Any = tally.count
        if world > 1:
            # Processes average their gradients; this makes it the mean over all examples of the batch.
            everyone: Any = fabric.all_reduce(
                torch.tensor(float(examples), device=fabric.device), reduce_op="sum"
            )
            examples = everyone / world
        optimizer.zero_grad()
        fabric.backward(tally.loss / examples)
        if _clipped(network, optimizer, config.clip, fabric):
            optimizer.step()
        else:
            left_out += 1
        total.add(tally)
        now = time.monotonic()
        # Not at every batch: reading the loss makes a GPU wait.
        if progress is not None and (now - told > _PROGRESS_SECONDS or number + 1 == batches):
            told = now
            valid = metric.text(log[-1].valid[metric.name], unit=True) if log else None
            progress(Progress(epoch, config.epochs, number + 1, batches, total.mean_loss(), valid))
    sums = total.sums()
    return sums.loss / sums.count, left_out


def _clipped(network: nn.Module, optimizer: Any, clip: float, fabric: Fabric) -> bool:
    """Clips the gradients; whether a step may follow.

    Over a thousand steps the gradient of a spiking layer can overflow. Clipped, it would be NaN, and all
    weights after it; left out, as at loss scaling (Micikevicius et al. 2018, arXiv:1710.03740), it costs a
    step. All processes have the same gradients.
    """
    if clip <= 0:
        return True
    norm: Any = fabric.clip_gradients(network, optimizer, max_norm=clip, error_if_nonfinite=False)
    return bool(torch.isfinite(norm))


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decays matrices only: a bias, a neuron's decay or threshold has no reason to go to zero."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
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


def _stop_early(log: Sequence[Epoch], metric: Metric, patience: int) -> bool:
    if not log or not patience:
        return False
    # Here an equal score counts as no better, whatever its loss.
    best = max(log, key=lambda line: (metric.better(line.valid[metric.name]), -line.epoch))
    # Nothing is better than all right: two epochs more, for a lower loss.
    perfect = metric.better(best.valid[metric.name]) >= max(map(metric.better, metric.bounds))
    return len(log) - best.epoch >= (min(patience, 2) if perfect else patience)
