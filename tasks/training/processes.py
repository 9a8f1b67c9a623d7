"""Several processes, on one machine or more, that do one run together: which one this is.

The same command is started on each machine, with the same options and ``--nodes`` machines in all: by
torchrun, or with these variables in the environment: ``NODE_RANK`` (0, 1, ...), ``MASTER_ADDR`` and
``MASTER_PORT`` (of machine 0). The run's folder is on a file system that all of them share.
"""

from __future__ import annotations

import os

__all__ = ["check_meeting", "elastic", "first_process"]


def elastic() -> tuple[int, int] | None:
    """(processes a machine, machines) where torchrun, or Fabric's command, has started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return local, int(os.environ["WORLD_SIZE"]) // local


def first_process() -> bool:
    """Whether this is the process of the command that prints and locks, of all that share the run."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def check_meeting(nodes: int) -> tuple[int, int]:
    """(number of this machine, port of machine 0), where torchrun has not started this process.

    Raises:
        ValueError: the environment does not tell.
    """
    rank, port = os.environ.get("NODE_RANK", ""), os.environ.get("MASTER_PORT", "")
    if rank.isdecimal() and int(rank) < nodes and port.isdecimal() and os.environ.get("MASTER_ADDR"):
        return int(rank), int(port)
    raise ValueError(
        f"nodes={nodes}: start the same command on each machine by torchrun, or with NODE_RANK=0 to "
        f"{nodes - 1}, and MASTER_ADDR and MASTER_PORT of machine 0, in the environment"
    )
