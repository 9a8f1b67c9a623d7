"""Event recordings from one configuration to one result: data, model, training, run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks import run_folder
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.progress import Progress
from liafseq.tasks.run_folder import RESULT, claim, finished, torch_for
from liafseq.tasks.storage.files import remove_leftovers, write_json

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["count_parameters", "evaluate", "read_config", "run"]


def run(
    config: DvsRun, folder: str | Path, *, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Trains a model, evaluates its best epoch on the test recordings, and keeps all of it in a folder.

    The folder is as that of :func:`liafseq.tasks.babi.adapter.run`, without a vocabulary. Called
    again after a stop, it goes on from the last whole epoch and ends with the same metrics.

    Args:
        config: the run.
        folder: made where it is missing.
        progress: called after every batch.

    Returns:
        The content of ``result.json``: ``accuracy`` (of the one data set, by its name),
        ``mean_accuracy``, ``valid_accuracy``, ``best_epoch``, ``epochs_run``, ``parameters``,
        ``recordings``, ``steps`` (mean number), ``cost`` a sample; wall times apart, under ``time``.
        Without ``score_test`` the test recordings are not read: ``accuracy`` is empty, ``mean_accuracy`` and
        ``cost`` are None.

    Raises:
        ValueError: the folder is of another run, a file in it is damaged, or the data does not fit.
        FileNotFoundError: no such folder of data.
        FloatingPointError: the loss is no longer finite.
    """
    folder = Path(folder)
    claim(folder, "dvs", config)
    if (result := finished(folder)) is not None:
        return result
    from liafseq.tasks.launch import launch

    return launch(
        _run,
        config,
        folder,
        progress=progress,
        device=config.device,
        precision=config.precision,
        devices=config.devices,
        nodes=config.nodes,
    )


def evaluate(
    folder: str | Path,
    *,
    data_dir: str | None = None,
    split: str = "test",
    device: str | None = None,
) -> dict[str, Any]:
    """Evaluates the checkpoint of a run folder.

    Args:
        folder: of a run that has finished one epoch at least.
        data_dir: another folder of the same data set.
        split: ``test``, ``valid`` or ``train`` (without the validation part).
        device: in the place of the run's own.

    Returns:
        ``accuracy``, ``mean_accuracy``, the number of recordings, and what was evaluated.

    Raises:
        FileNotFoundError: no such run, or no such data.
        ValueError: a damaged file, or a bad argument.
    """
    from liafseq.tasks.dvs.data import load_split
    from liafseq.tasks.dvs.model import DvsModel
    from liafseq.tasks.launch import make_fabric
    from liafseq.tasks.resume import CHECKPOINT
    from liafseq.tasks.storage.checkpoint import load_into, load_tensors

    if split not in ("train", "valid", "test"):
        raise ValueError(f"split must be train, valid or test, got {split!r}")
    folder = Path(folder)
    config = read_config(folder)
    other = replace(config, data_dir=data_dir or config.data_dir, device=device or config.device)
    weights, about = load_tensors(folder / CHECKPOINT)
    part = load_split(other, split)
    with torch_for(other):
        fabric = make_fabric(other.device, other.precision)
        model = DvsModel(config, config.compression().shape(part.sensor), len(part.classes))
        load_into(model, weights, folder / CHECKPOINT)
        accuracy = _accuracy(fabric.setup_module(model), part.data, config.batch_size, fabric)
    return {
        "model": config.model,
        "data": config.data,
        "data_dir": other.data_dir,
        "split": split,
        "accuracy": {config.data: accuracy},
        "mean_accuracy": accuracy,
        "epoch": about["epoch"],
        "recordings": len(part.data),
    }


def read_config(folder: str | Path) -> DvsRun:
    """The configuration of a run folder; errors as of :func:`liafseq.tasks.run_folder.read_config`."""
    return run_folder.read_config(folder, "dvs", DvsRun.from_json)


def count_parameters(config: DvsRun, size: tuple[int, int], classes: int) -> int:
    """The number of parameters that a run would train; no weight is allocated."""
    import torch

    from liafseq.tasks.dvs.model import DvsModel

    with torch.device("meta"):
        model = DvsModel(config, size, classes)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _run(
    fabric: Fabric, config: DvsRun, folder: Path, progress: Callable[[Progress], None] | None
) -> dict[str, Any]:
    with torch_for(config):
        return _train(fabric, config, folder, progress)


def _train(
    fabric: Fabric, config: DvsRun, folder: Path, progress: Callable[[Progress], None] | None
) -> dict[str, Any]:
    import torch

    from liafseq.tasks.dvs.data import load_split, prepare
    from liafseq.tasks.dvs.encode import RecordingBatches
    from liafseq.tasks.dvs.model import DvsModel, tally
    from liafseq.tasks.training import TrainingOptions, fit

    prepared, world = prepare(config), fabric.world_size
    # Before the training, so that a test set that is missing is told at once.
    test = load_split(config, "test").data if config.score_test else None
    if fabric.is_global_zero:
        remove_leftovers(folder)
    torch.manual_seed(config.seed)
    model = DvsModel(config, prepared.size, len(prepared.classes))
    outcome = fit(
        model,
        RecordingBatches(
            prepared.train,
            config.batch_size,
            seed=config.seed,
            shift=config.shift,
            turn=config.turn,
            zoom=config.zoom,
            world=world,
        ),
        RecordingBatches(prepared.valid, config.batch_size, world=world),
        tally,
        TrainingOptions.of(config),
        folder,
        identity=config.key(),
        fabric=fabric,
        progress=progress,
    )
    accuracy = None
    if test is not None:
        accuracy = _accuracy(outcome.model, test, config.batch_size, fabric)
    sample = prepared.valid if test is None else test
    result = {
        "model": config.model,
        "tasks": list(config.tasks),
        "accuracy": {} if accuracy is None else {config.data: accuracy},
        "mean_accuracy": accuracy,
        "valid_accuracy": outcome.valid_accuracy,
        "best_epoch": outcome.best_epoch,
        "epochs_run": outcome.epochs_run,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "recordings": {"train": len(prepared.train), "valid": len(prepared.valid), "test": len(test or ())},
        "steps": len(sample.frames) / len(sample),
        "cost": None if test is None else _cost(model, test, fabric),
        "time": {"train_seconds": outcome.seconds},
    }
    if fabric.is_global_zero:
        write_json(folder / RESULT, result)
    return result


def _cost(model: Any, test: Any, fabric: Fabric) -> dict[str, Any]:
    """What the model costs on the first test recordings."""
    from liafseq.tasks.costs import COST_SAMPLES, run_cost

    rows = list(range(min(len(test), COST_SAMPLES)))
    batch = fabric.to_device(test.batch(rows))
    return run_cost(model, (batch.frames, batch.lengths), len(rows))


def _accuracy(model: Any, data: Any, batch_size: int, fabric: Fabric) -> float:
    from liafseq.tasks.dvs.encode import RecordingBatches
    from liafseq.tasks.dvs.model import tally
    from liafseq.tasks.training import evaluate as score

    return score(model, RecordingBatches(data, batch_size, world=fabric.world_size), tally, fabric)[1]
