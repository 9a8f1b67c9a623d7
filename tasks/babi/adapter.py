"""bAbI from one configuration to one result: data, vocabulary, model, training, run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks import run_folder
from liafseq.tasks.babi.config import BabiRun
from liafseq.tasks.babi.kinds import build_model, reads
from liafseq.tasks.babi.parameters import count_parameters, match_parameters
from liafseq.tasks.progress import Progress
from liafseq.tasks.run_folder import RESULT, claim, finished, torch_for
from liafseq.tasks.storage.files import read_json, remove_leftovers, write_json

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from liafseq.tasks.babi.encode import Encoded

__all__ = ["Progress", "count_parameters", "evaluate", "match_parameters", "read_config", "run"]

VOCABULARY = "vocab.json"

SOLVED = 0.95
"""A task counts as solved from this test accuracy on (Weston et al. 2015)."""


def run(
    config: BabiRun, folder: str | Path, *, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Trains a model, evaluates its best epoch on the test set, and keeps all of it in a folder.

    The folder holds ``config.json``, ``vocab.json``, ``metrics.jsonl``, ``checkpoint.safetensors``,
    ``resume.safetensors`` and, at the end, ``result.json``. Called again after a stop, it goes on
    from the last whole epoch and ends with the same metrics as without the stop; called again on a
    finished run, it gives the result at once.

    Args:
        config: the run.
        folder: made where it is missing.
        progress: called after every batch.

    Returns:
        The content of ``result.json``: ``accuracy`` a task, ``mean_accuracy``, ``solved`` tasks,
        ``valid_accuracy``, ``best_epoch``, ``epochs_run``, ``parameters``, ``questions``, ``cost`` a test
        question (see :func:`liafseq.tasks.costs.run_cost`); wall times apart, under ``time``. Without
        ``score_test`` the test questions are not read: ``accuracy`` is empty, ``mean_accuracy``,
        ``solved`` and ``cost`` are None.

    Raises:
        ValueError: the folder is of another run, a file in it is damaged, or the data does not fit.
        FileNotFoundError: no such source.
        FloatingPointError: the loss is no longer finite.
    """
    folder = Path(folder)
    claim(folder, "babi", config)
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
    source: str | None = None,
    variant: str | None = None,
    tasks: Sequence[int] | None = None,
    split: str = "test",
    device: str | None = None,
) -> dict[str, Any]:
    """Evaluates the checkpoint of a run folder, on the run's own data or on other data.

    Args:
        folder: of a run that has finished one epoch at least.
        source, variant, tasks: in the place of the run's own.
        split: ``test``, ``valid`` or ``train``; where the source has no validation part of its own,
            ``valid`` is the part held out of training and ``train`` is without it.
        device: in the place of the run's own.

    Returns:
        ``accuracy`` a task, ``mean_accuracy``, ``solved``, ``questions`` a task, and what was evaluated.

    Raises:
        FileNotFoundError: no such run, or no such data.
        ValueError: a damaged file, or a bad argument.
    """
    from liafseq.tasks.babi.data import load_split, with_source
    from liafseq.tasks.babi.vocab import Vocabulary
    from liafseq.tasks.launch import make_fabric
    from liafseq.tasks.resume import CHECKPOINT
    from liafseq.tasks.storage.checkpoint import load_into, load_tensors

    folder = Path(folder)
    config = read_config(folder)
    other = with_source(config, source, variant)
    other = replace(other, tasks=tuple(tasks or config.tasks), device=device or config.device)
    vocabulary = Vocabulary.from_json(read_json(folder / VOCABULARY), folder / VOCABULARY)
    weights, about = load_tensors(folder / CHECKPOINT)
    data = {task: load_split(other, task, split, vocabulary) for task in other.tasks}
    with torch_for(other):
        fabric = make_fabric(other.device, other.precision)
        model = build_model(config, len(vocabulary.words), len(vocabulary.answers))
        load_into(model, weights, folder / CHECKPOINT)
        scores = _scores(fabric.setup_module(model), data, config, fabric)
    return {
        "model": config.model,
        "tasks": list(other.tasks),
        "source": other.source,
        "variant": other.variant,
        "split": split,
        **scores,
        "epoch": about["epoch"],
        "questions": {str(task): len(part) for task, part in data.items()},
    }


def read_config(folder: str | Path) -> BabiRun:
    """The configuration of a run folder.

    Raises:
        FileNotFoundError: the folder is no run folder.
        ValueError: its ``config.json`` is damaged or of another kind of run.
    """
    return run_folder.read_config(folder, "babi", BabiRun.from_json)


def _run(
    fabric: Fabric, config: BabiRun, folder: Path, progress: Callable[[Progress], None] | None
) -> dict[str, Any]:
    with torch_for(config):
        return _train(fabric, config, folder, progress)


def _train(
    fabric: Fabric, config: BabiRun, folder: Path, progress: Callable[[Progress], None] | None
) -> dict[str, Any]:
    import torch

    from liafseq.tasks.babi.data import load_split, prepare
    from liafseq.tasks.babi.encode import QuestionBatches
    from liafseq.tasks.babi.model import tally
    from liafseq.tasks.training import TrainingOptions, fit

    prepared = prepare(config)
    vocabulary, world = prepared.vocabulary, fabric.world_size
    # Before the training, so that a test set that is missing is told at once.
    scored = config.tasks if config.score_test else ()
    tests = {task: load_split(config, task, "test", vocabulary) for task in scored}
    if fabric.is_global_zero:
        remove_leftovers(folder)
        _keep_vocabulary(folder, vocabulary.to_json())
    torch.manual_seed(config.seed)
    model: Any = build_model(config, len(vocabulary.words), len(vocabulary.answers))
    if config.vectors is not None:
        with torch.no_grad():
            model.embedding.weight.copy_(vocabulary.load_vectors(config.vectors, config.embedding_size))
    outcome = fit(
        model,
        QuestionBatches(prepared.train, config.batch_size, seed=config.seed, world=world, by=reads(config)),
        QuestionBatches(prepared.valid, config.batch_size, world=world, by=reads(config)),
        tally,
        TrainingOptions.of(config),
        folder,
        identity=config.key(),
        fabric=fabric,
        progress=progress,
    )
    result = {
        "model": config.model,
        "tasks": list(config.tasks),
        **_scores(outcome.model, tests, config, fabric),
        "valid_accuracy": outcome.valid_accuracy,
        "best_epoch": outcome.best_epoch,
        "epochs_run": outcome.epochs_run,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "questions": {
            "train": len(prepared.train),
            "valid": len(prepared.valid),
            "test": {str(task): len(part) for task, part in tests.items()},
        },
        "cost": _cost(model, tests, config, fabric) if tests else None,
        "time": {"train_seconds": outcome.seconds},
    }
    if fabric.is_global_zero:
        write_json(folder / RESULT, result)
    return result


def _scores(model: Any, data: Mapping[int, Encoded], config: BabiRun, fabric: Fabric) -> dict[str, Any]:
    from liafseq.tasks.babi.encode import QuestionBatches
    from liafseq.tasks.babi.model import tally
    from liafseq.tasks.training import evaluate as score

    accuracy = {}
    for task, part in data.items():
        batches = QuestionBatches(part, config.batch_size, world=fabric.world_size, by=reads(config))
        accuracy[str(task)] = score(model, batches, tally, fabric)[1]
    return {
        "accuracy": accuracy,
        "mean_accuracy": sum(accuracy.values()) / len(accuracy) if accuracy else None,
        "solved": sum(value >= SOLVED for value in accuracy.values()) if accuracy else None,
    }


def _cost(model: Any, tests: Mapping[int, Encoded], config: BabiRun, fabric: Fabric) -> dict[str, Any]:
    """What the model costs on the first test questions, as many of each task."""
    from liafseq.tasks.babi.encode import Encoded
    from liafseq.tasks.costs import COST_SAMPLES, run_cost

    share = max(1, COST_SAMPLES // len(tests))
    data = Encoded.join([part.select(range(min(share, len(part)))) for part in tests.values()])
    rows = range(len(data))
    batch = fabric.to_device(data.sentences(rows) if reads(config) == "sentences" else data.batch(rows))
    return run_cost(model, tuple(batch[:-1]), len(data))


def _keep_vocabulary(folder: Path, content: dict[str, Any]) -> None:
    path = folder / VOCABULARY
    if not path.exists():
        write_json(path, content)
    elif read_json(path) != content:
        raise ValueError(
            f"{path}: is not the vocabulary of the training data, which has changed since the run began; "
            f"delete the run folder {folder} and run again"
        )
