"""Fabric, quiet: one process here, or several, on one machine or more, that share the work."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from liafseq.tasks.training.processes import check_meeting, elastic
from liafseq.tasks.training.progress import Progress

__all__ = ["TIMEOUT", "launch", "make_fabric"]

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others. One that dies is noticed at once; this is for a machine that
falls silent."""

# At import, so that it holds in spawned processes before Fabric sets them up and tells of it.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

Tell = Callable[[Progress], None]


def make_fabric(device: str = "cpu", precision: str = "32-true", devices: int = 1, nodes: int = 1) -> Fabric:
    """Fabric, without its chatter; launched where it need not start processes.

    Args:
        device, precision: ``accelerator`` and ``precision`` of Fabric.
        devices: processes a machine.
        nodes: machines; each runs the same command. Where torchrun has not started it, NODE_RANK,
            MASTER_ADDR and MASTER_PORT tell which machine this is and where machine 0 is.

    Raises:
        ValueError: no such device here, or no such precision; or other processes than torchrun's.
    """
    size = elastic()
    if size is not None and (devices, nodes) != size:
        raise ValueError(
            f"devices={devices}, nodes={nodes} cannot be had here: torchrun has started {size[0]} processes "
            f"on each of {size[1]} machines"
        )
    if size is None and nodes > 1:
        check_meeting(nodes)
    strategy: Any = "auto"
    if devices * nodes > 1:
        # Under torchrun the processes are there already; otherwise they are spawned.
        start: Any = "spawn" if size is None else "popen"
        strategy = DDPStrategy(start_method=start, timeout=TIMEOUT)
    try:
        fabric = Fabric(
            accelerator=device,
            devices=devices,
            num_nodes=nodes,
            precision=precision,  # type: ignore[arg-type]
            strategy=strategy,
        )
    except Exception as error:  # Fabric's own exception derives from Exception alone
        raise ValueError(_refused(str(error), device, devices, precision)) from error
    if not _spawns(fabric):
        fabric.launch()
    return fabric


def _refused(text: str, device: str, devices: int, precision: str) -> str:
    """Why there is no such Fabric, in plain words."""
    if "recision" in text:
        return (
            f"precision={precision!r} is unknown, or not for device={device!r}; usual ones are 32-true, "
            "64-true, bf16-mixed and 16-mixed"
        )
    count = torch.cuda.device_count()
    here = [
        "cpu",
        *([f"cuda ({count})"] if count else []),
        *(["mps"] if torch.backends.mps.is_available() else []),
    ]
    return f"device={device!r}, devices={devices} cannot be had on this machine, which has {', '.join(here)}"


def launch(
    function: Callable[..., Any],
    *arguments: Any,
    progress: Tell | None = None,
    device: str = "cpu",
    precision: str = "32-true",
    devices: int = 1,
    nodes: int = 1,
) -> Any:
    """``function(fabric, *arguments, progress)`` in this process, or in ``devices`` spawned ones.

    Spawned processes get the arguments by pickle; the result and the progress are those of the first
    of this machine. Where one fails or dies the others are ended, and its error is raised here.

    Raises:
        ValueError: as of :func:`make_fabric`.
        RuntimeError: a process of the run has died, or another machine is gone.
        Exception: whatever ``function`` raises.
    """
    fabric = make_fabric(device, precision, devices, nodes)
    if not _spawns(fabric):
        try:
            _meet(fabric)
            return function(fabric, *arguments, progress)
        except RuntimeError as error:
            lost = _lost(error)
            if lost is None or fabric.world_size == 1:
                raise
            raise lost from error
    queue = torch.multiprocessing.get_context("spawn").SimpleQueue()
    failures: list[_Failure] = []
    listener = threading.Thread(
        target=_listen, args=(queue, progress or (lambda _: None), failures), daemon=True
    )
    listener.start()
    port = os.environ.get("MASTER_PORT")
    died: Exception | None = None
    result = None
    killed = torch.multiprocessing.ProcessExitedException
    try:
        # Bound beforehand, because Fabric looks into arguments and refuses frozen dataclasses.
        result = fabric.launch(partial(_spawned, function, arguments, queue))
    except (killed, torch.multiprocessing.ProcessRaisedException) as error:
        died = error
    finally:
        queue.put(None)
        listener.join()
        if port is None:
            # Fabric's choice for these processes; others that are started from here make their own.
            os.environ.pop("MASTER_PORT", None)
    # The first in time is the cause; but of a process that was killed, only its peers can tell.
    for failure in sorted(failures, key=lambda failure: failure.peer):
        if not (failure.peer and isinstance(died, killed)):
            raise failure.error
    if died is not None:
        raise RuntimeError(
            f"a process of the run has died ({' '.join(str(died).split())[:200]}); the others were ended, "
            "and the same command goes on from the last whole epoch"
        ) from died
    return result


class _Failure(NamedTuple):
    """What went wrong in a spawned process; ``peer``: another one had gone."""

    error: Exception
    peer: bool


def _spawns(fabric: Fabric) -> bool:
    """Whether Fabric starts the processes from this one."""
    launcher = fabric.strategy.launcher
    return launcher is not None and hasattr(launcher, "_start_method")


def _spawned(function: Callable[..., Any], arguments: tuple[Any, ...], queue: Any, fabric: Fabric) -> Any:
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A worker that is killed must not leave processes behind that go on writing into the folder.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _meet(fabric)
        return function(fabric, *arguments, queue.put if fabric.is_global_zero else None)
    except Exception as error:
        # Handed back whole: the launcher would make a text of it. Raised as well, so that it ends the
        # others, which may be waiting for this process.
        lost = _lost(error)
        queue.put(_Failure(_carried(lost or error), lost is not None))
        raise


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _meet(fabric: Fabric) -> None:
    """Waits for all: from here on what one process removes is not what another still writes."""
    if fabric.world_size > 1:
        fabric.barrier()


def _carried(error: Exception) -> Exception:
    """The error, or its text where it does not survive the way between processes."""
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _lost(error: Exception) -> RuntimeError | None:
    """The error in plain words, where it is that of a process whose peer has gone."""
    text = " ".join(str(error).split())
    signs = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Timed out waiting")
    if not isinstance(error, RuntimeError) or not any(sign in text for sign in signs):
        return None
    return RuntimeError(
        "another process of the run is gone, or silent for too long; the same command goes on from the last "
        f"whole epoch ({text[:200]})"
    )


def _listen(queue: Any, progress: Tell, failures: list[_Failure]) -> None:
    while (message := queue.get()) is not None:
        if isinstance(message, _Failure):
            failures.append(message)
        else:
            progress(message)
