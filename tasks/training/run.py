"""One run, of any task: from a configuration to a result in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks.config import Config
from liafseq.tasks.results import Counts, Outcome, RunTime
from liafseq.tasks.storage.files import read_json, remove_leftovers, write_json
from liafseq.tasks.task import Task
from liafseq.tasks.training.folder import DATA, RESULT, claim, finished, torch_for
from liafseq.tasks.training.progress import Progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

__all__ = ["COST_SAMPLES", "run"]

COST_SAMPLES = 64
"""So many samples of the test data are counted for the cost: the first ones, so that the counts repeat."""

Tell = Callable[[Progress], None]


def run(
    task: Task[Any, Any],
    config: Config,
    folder: str | Path,
    *,
    progress: Tell | None = None,
    logger: str | None = None,
) -> Outcome:
    """Trains a network, scores its best epoch on the test data, and keeps all of it in a folder.

    The folder holds ``config.json``, ``data.json`` (vocabulary, classes), ``metrics.jsonl``,
    ``checkpoint.safetensors``, ``resume.safetensors`` and, at the end, ``result.json``. Called again after a
    stop, it goes on from the last whole epoch and ends with the same metrics as without the stop; called
    again on a finished run, it gives the result at once.

    Args:
        task: what is learnt.
        config: the run.
        folder: made where it is missing.
        progress: called after every batch.
        logger: ``"tensorboard"`` or ``"csv"``: the metrics of each epoch, by Fabric, into ``folder/log``.

    Raises:
        ValueError: the folder is of something else, a file in it is damaged, or the data does not fit.
        FileNotFoundError: no such data.
        FloatingPointError: the loss is no longer finite.
    """
    folder = Path(folder)
    claim(folder, task.name, config)
    if (outcome := finished(folder)) is not None:
        return outcome
    from liafseq.tasks.training.launch import launch

    outcome = launch(
        _train,
        task,
        config,
        folder,
        logger,
        progress=progress,
        device=config.device,
        precision=config.precision,
        devices=config.devices,
        nodes=config.nodes,
    )
    assert isinstance(outcome, Outcome)
    return outcome


def _train(
    fabric: Fabric,
    task: Task[Any, Any],
    config: Config,
    folder: Path,
    logger: str | None,
    progress: Tell | None,
) -> Outcome:
    import torch

    from liafseq.tasks.training.fit import evaluate, fit
    from liafseq.tasks.training.logger import epoch_logger

    with torch_for(config), epoch_logger(logger, folder) as tell:
        data, world = task.data(config), fabric.world_size
        # Before the training, so that a test set that is missing is told at once.
        scored = task.parts(config) if config.score_test else ()
        tests = {
            part.name: task.batches(config, data, "test", part=part.name, world=world) for part in scored
        }
        if fabric.is_global_zero:
            remove_leftovers(folder)
            _keep(folder, data.kept())
        torch.manual_seed(config.seed)
        network = task.network(config, data)
        train = task.batches(config, data, "train", seed=config.seed, world=world)
        valid = task.batches(config, data, "valid", world=world)
        fitted = fit(
            network, train, valid, task.step, config, folder,
            metrics=task.metrics, fabric=fabric, progress=progress, tell=tell,
        )  # fmt: skip
        outcome = Outcome(
            model=config.model.label,
            seed=config.seed,
            parts=tuple(part.name for part in task.parts(config)),
            test={
                name: evaluate(fitted.network, batches, task.step, task.metrics, fabric)
                for name, batches in tests.items()
            },
            valid=fitted.valid,
            best_epoch=fitted.best.epoch,
            epochs_run=fitted.epochs_run,
            left_out=fitted.left_out,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            examples=Counts(
                train=train.examples,
                valid=valid.examples,
                test={name: batches.examples for name, batches in tests.items()},
            ),
            cost=_cost(task, config, data, network, fabric) if tests else None,
            facts=dict(task.facts(config, data)),
            time=RunTime(train_seconds=fitted.seconds, first_step_seconds=fitted.first_step_seconds),
        )
    if fabric.is_global_zero:
        outcome.write(folder / RESULT)
    return outcome


def _cost(task: Task[Any, Any], config: Config, data: Any, network: nn.Module, fabric: Fabric) -> Any:
    """What the network costs on the first test examples."""
    from liafseq.tasks.study.costs import run_cost

    batch, count = task.sample(config, data, COST_SAMPLES)
    return run_cost(network, tuple(fabric.to_device(batch))[:-1], count)


def _keep(folder: Path, content: Any) -> None:
    path = folder / DATA
    if not path.exists():
        write_json(path, content)
    elif read_json(path) != json.loads(json.dumps(content)):
        raise ValueError(
            f"{path}: is not of the training data, which has changed since the run began; delete the run "
            f"folder {folder} and run again"
        )
