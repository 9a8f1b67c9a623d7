"""The metrics of each epoch for other tools: TensorBoard or a CSV file, by Fabric's loggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from liafseq.tasks.training.log import Epoch

__all__ = ["LOGGERS", "check_logger", "epoch_logger"]

LOGGERS = ("tensorboard", "csv")


def check_logger(name: str) -> None:
    """Sees that a logger can be had; ValueError where not."""
    if name not in LOGGERS:
        raise ValueError(f"expected {' or '.join(LOGGERS)}, got {name!r}")
    if name == "tensorboard":
        try:
            import tensorboard  # noqa: F401
        except ImportError:
            raise ValueError("tensorboard is not installed: pip install tensorboard") from None


@contextmanager
def epoch_logger(name: str | None, folder: Path) -> Iterator[Callable[[Epoch], None] | None]:
    """Hears of each epoch and writes its metrics into ``folder/log``; None without a logger."""
    if name is None:
        yield None
        return
    check_logger(name)
    from lightning_fabric.loggers import CSVLogger, TensorBoardLogger

    kinds: dict[str, Any] = {"tensorboard": TensorBoardLogger, "csv": CSVLogger}
    logger = kinds[name](root_dir=str(folder), name="log", version="")

    def tell(epoch: Epoch) -> None:
        valid = {f"valid_{name}": value for name, value in epoch.valid.items()}
        logger.log_metrics({"loss": epoch.loss, "valid_loss": epoch.valid_loss, **valid}, step=epoch.epoch)
        logger.save()

    try:
        yield tell
    finally:
        logger.finalize("finished")
