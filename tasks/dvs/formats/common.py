"""What the readers of all formats share: files read whole, tails that are cut off, empty recordings."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

__all__ = [
    "CHUNK",
    "MAX_FILE_BYTES",
    "TruncatedWarning",
    "check_file",
    "read_file",
    "refuse_empty",
    "warn_truncated",
]

MAX_FILE_BYTES = 2**32
"""The largest file that is read."""

CHUNK = 2**16
"""Events decoded at a time: what lies in between then stays in the processor's cache."""


class TruncatedWarning(UserWarning):
    """A recording ends in the middle of an event; the whole events before it are used."""


def check_file(path: str | os.PathLike[str]) -> None:
    """Sees that there is something to read, and not too much of it, without opening it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file, or larger than ``MAX_FILE_BYTES``.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: {status.st_size} bytes; at most {MAX_FILE_BYTES} are read")


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of a file; errors of :func:`check_file`."""
    check_file(path)
    return Path(path).read_bytes()


def refuse_empty(count: int, where: str, begin: int) -> None:
    """Raises ValueError if there are no events; ``begin`` is where they should have been."""
    if count == 0:
        raise ValueError(f"{where}: byte {begin}: an empty recording: no whole event in it")


def warn_truncated(where: str, begin: int, size: int, kept: int) -> None:
    """Warns that the event (or the header of a packet) of ``size`` bytes at byte ``begin`` is cut off."""
    warnings.warn(
        f"{where}: byte {begin}: the file ends inside what should be {size} bytes; "
        f"the {kept} whole events before are used",
        TruncatedWarning,
        stacklevel=4,
    )
