"""What a run folder keeps of training after each epoch, and how a stopped run is taken up again.

One file, ``resume.safetensors``, is the commit point; the others follow from it, and are brought up
to date when a run is taken up. It holds no random state: each epoch seeds its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from liafseq.tasks.storage.checkpoint import load_into, load_tensors, save_tensors
from liafseq.tasks.storage.files import write_atomic
from liafseq.tasks.task import Metric
from liafseq.tasks.training.folder import CHECKPOINT, RESUME
from liafseq.tasks.training.log import METRICS, Epoch, best_epoch, log_text

__all__ = ["CHECKPOINT", "METRICS", "RESUME", "commit", "follow", "take_up"]


def commit(
    folder: Path,
    model: nn.Module,
    optimizer: Any,
    log: Sequence[Epoch],
    identity: str,
    fabric: Fabric,
) -> None:
    """Makes the epoch that has just ended the one from which a stopped run goes on."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    lines = [line.to_json() for line in log]
    state = {"identity": identity, "log": lines, "precision": _scaler(fabric).state_dict()}
    save_tensors(folder / RESUME, tensors, state)


def follow(
    folder: Path, log: Sequence[Epoch], best: dict[str, Tensor], identity: str, metric: Metric
) -> None:
    """Brings the files that follow from the commit up to date."""
    epoch = best_epoch(log, metric).epoch
    if epoch == log[-1].epoch:
        save_tensors(folder / CHECKPOINT, best, {"identity": identity, "epoch": epoch})
    write_atomic(folder / METRICS, log_text(log))


def take_up(
    folder: Path, model: nn.Module, optimizer: Any, identity: str, metric: Metric, fabric: Fabric
) -> tuple[list[Epoch], dict[str, Tensor]]:
    """Takes up the last whole epoch: fills model and optimiser; gives metrics and best weights."""
    tensors, state = load_tensors(folder / RESUME)
    _check_identity(state, identity, folder / RESUME)
    log = [Epoch(**line) for line in state["log"]]
    weights = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    load_into(model, weights, folder / RESUME)
    filled: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            filled.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": filled, "param_groups": groups})
    _scaler(fabric).load_state_dict(state["precision"])
    best_number = best_epoch(log, metric).epoch
    if best_number == len(log):
        # The stop may have come between the commit and the checkpoint that follows from it.
        best = weights
    else:
        best, about = load_tensors(folder / CHECKPOINT)
        _check_identity(about, identity, folder / CHECKPOINT)
        if about["epoch"] != best_number:
            raise ValueError(
                f"{folder / CHECKPOINT}: holds epoch {about['epoch']}, not the best epoch {best_number} of "
                f"{RESUME}; delete the run folder {folder} and run again"
            )
    if fabric.is_global_zero:
        follow(folder, log, best, identity, metric)
    return log, best


def _check_identity(state: dict[str, Any], identity: str, path: Path) -> None:
    if not isinstance(state, dict) or "identity" not in state:
        raise ValueError(f"{path}: not a checkpoint of a run; delete the run folder {path.parent}")
    if state["identity"] != identity:
        raise ValueError(f"{path}: of another run ({state['identity']}), expected {identity}")


def _scaler(fabric: Fabric) -> Any:
    """The part of the precision that has a state: float16's scaling of the loss."""
    return fabric.strategy.precision
