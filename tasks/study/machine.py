"""The machine that something was measured on, in words."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from liafseq.tasks.results import Machine

__all__ = ["cores", "machine", "processor"]


def machine() -> Machine:
    """This machine; its GPUs only where torch is imported already."""
    torch = sys.modules.get("torch")
    gpus = []
    if torch is not None and torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    return Machine(
        processor=processor(),
        cores=cores(),
        memory_gib=_memory(),
        system=platform.system(),
        gpus=tuple(gpus),
    )


def processor() -> str:
    """The name of the processor, or at least its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.machine() or "unknown"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
