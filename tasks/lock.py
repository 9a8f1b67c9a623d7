"""A lock on a folder, so that two commands do not write into it at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["FolderInUseError", "folder_lock"]

try:
    import fcntl
except ImportError:  # Windows: folders are not locked there
    fcntl = None  # type: ignore[assignment]


class FolderInUseError(OSError):
    """Another process holds the lock of the folder; the message names both."""


@contextmanager
def folder_lock(folder: str | os.PathLike[str], *, wait: float = 0.0) -> Iterator[None]:
    """Holds ``folder/.lock`` while the block runs; the system frees it however the process ends.

    Args:
        folder: made where it is missing.
        wait: seconds to wait for another holder, such as a killed command's last worker.

    Raises:
        FolderInUseError: the lock was still held after ``wait`` seconds.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Never removed: a process that has just opened the file could otherwise lock a name that is gone.
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        if fcntl is not None:
            deadline = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        file.seek(0)
                        holder = file.read(20).strip() or "unknown"
                        raise FolderInUseError(
                            f"{folder} is in use by another liafseq command (process {holder}); "
                            "wait for it to end, or choose another folder"
                        ) from None
                    time.sleep(0.05)
                except OSError:  # a file system without locks
                    break
        # Past the buffer: on a full disk, which makes the lock no worse, closing would fail as well.
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield
