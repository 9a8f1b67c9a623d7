"""Fabric, quiet: one process here, or several that share the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric

from liafseq.tasks.progress import Progress

__all__ = ["launch", "make_fabric"]

# At import, so that it holds in spawned processes before Fabric sets them up and tells of it.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

Tell = Callable[[Progress], None]


def make_fabric(device: str = "cpu", precision: str = "32-true", devices: int = 1) -> Fabric:
    """Fabric, without its chatter; launched where it is one process.

    Raises:
        ValueError: no such device here, or no such precision.
    """
    # Under torchrun the processes are there already; otherwise they are spawned.
    strategy = "ddp_spawn" if devices > 1 and not torch.distributed.is_torchelastic_launched() else "auto"
    try:
        fabric = Fabric(
            accelerator=device,
            devices=devices,
            precision=precision,  # type: ignore[arg-type]
            strategy=strategy,
        )
    except Exception as error:  # Fabric's own exception derives from Exception alone
        raise ValueError(
            f"device={device!r}, devices={devices}, precision={precision!r} cannot be had here: {error}"
        ) from error
    if strategy == "auto":
        fabric.launch()
    return fabric


def launch(
    function: Callable[..., Any],
    *arguments: Any,
    progress: Tell | None = None,
    device: str = "cpu",
    precision: str = "32-true",
    devices: int = 1,
) -> Any:
    """``function(fabric, *arguments, progress)`` in this process, or in ``devices`` spawned ones.

    Spawned processes get the arguments by pickle; the result, an error and the progress are those of
    the first.

    Raises:
        ValueError: as of :func:`make_fabric`; and whatever ``function`` raises.
    """
    fabric = make_fabric(device, precision, devices)
    if fabric.strategy.launcher is None or not hasattr(fabric.strategy.launcher, "_start_method"):
        return function(fabric, *arguments, progress)
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, progress or (lambda _: None)), daemon=True)
    listener.start()
    try:
        # Bound beforehand, because Fabric looks into arguments and refuses frozen dataclasses.
        result = fabric.launch(partial(_spawned, function, arguments, queue))
    finally:
        queue.put(None)
        listener.join()
    if isinstance(result, Exception):
        raise result
    return result


def _spawned(function: Callable[..., Any], arguments: tuple[Any, ...], queue: Any, fabric: Fabric) -> Any:
    try:
        return function(fabric, *arguments, queue.put if fabric.is_global_zero else None)
    except Exception as error:  # handed back whole; the launcher would make a text of it
        return error


def _listen(queue: Any, progress: Tell) -> None:
    while (message := queue.get()) is not None:
        progress(message)
