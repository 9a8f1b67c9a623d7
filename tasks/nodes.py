"""Several machines that do one run together: which one this is, and how their processes meet.

The same command is started on each machine, with the same options and ``--nodes`` machines in all:
by torchrun, or with these variables in the environment: ``NODE_RANK`` (0, 1, ...), ``MASTER_ADDR`` and
``MASTER_PORT`` (of machine 0). The folder is on a file system that all of them share. A study does its
runs one after another, in the same order everywhere; machine 0 alone writes what belongs to the study.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Node", "check_meeting", "elastic", "first_process", "this_node"]

_ELASTIC = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class Node:
    """Machine ``rank`` of ``nodes``; ``port`` is where the first one is met."""

    rank: int = 0
    nodes: int = 1
    port: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def job(self, position: int) -> dict[str, Any]:
        """What the worker of a study's job at ``position`` needs to know of it.

        >>> Node().job(3), Node(1, 2, 29500).job(3)["environment"]
        ({}, {'MASTER_PORT': '29504'})
        """
        if self.nodes == 1:
            return {}
        # Never the port of the run before: a late process of that one would be taken for one of this.
        port = str(self.port + 1 + position % 1000)
        return {"environment": {"MASTER_PORT": port}, "lock": self.first, "alone": True}


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


@contextmanager
def this_node(nodes: int) -> Iterator[Node]:
    """This machine of the ``nodes`` that share the runs of a study.

    While the block runs, the environment is such that processes started from here meet by themselves,
    without torchrun.

    Raises:
        ValueError: as of :func:`check_meeting`; or torchrun has started something else.
    """
    size = elastic()
    if size is None:
        yield Node(*_placed(nodes)) if nodes > 1 else Node()
        return
    if size != (1, nodes):
        raise ValueError(
            f"torchrun has started {size[0]} processes on each of {size[1]} machines; a study of "
            f"nodes={nodes} needs one process a machine (--nproc-per-node 1), and starts those of its "
            "devices itself"
        )
    before = dict(os.environ)
    try:
        os.environ["NODE_RANK"] = os.environ["GROUP_RANK"]
        for name in [name for name in os.environ if name in _ELASTIC or name.startswith("TORCHELASTIC_")]:
            del os.environ[name]
        yield Node(*_placed(nodes)) if nodes > 1 else Node()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _placed(nodes: int) -> tuple[int, int, int]:
    rank, port = check_meeting(nodes)
    return rank, nodes, port
