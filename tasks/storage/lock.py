"""A lock on a folder, so that two commands do not write into it at once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["FolderInUseError", "folder_lock"]

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What a file system without locks answers; folders on it are not locked."""


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
    path = folder / ".lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise FolderInUseError(
            f"{folder} is in use by another liafseq command (process {_holder(path)}); "
            "wait for it to end, or choose another folder"
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    try:
        with contextlib.suppress(OSError):  # a full disk makes the lock no worse
            path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        return path.read_bytes()[:20].decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return "unknown"
