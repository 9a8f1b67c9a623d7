"""A single file out of an archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from liafseq.tasks.archives import check_size, is_archive, members, reading

__all__ = ["MAX_FILE_BYTES", "is_archive", "read_best"]

MAX_FILE_BYTES = 256 * 2**20
"""The largest file that is read; the published ones stay below 20 MiB."""


def read_best(path: Path, rank: Callable[[PurePosixPath], int | None]) -> tuple[str, bytes] | None:
    """The member that ``rank`` likes best: its name and content.

    Args:
        path: the archive.
        rank: gets the name of every file and returns None (not wanted) or a rank; reading stops at
            rank 0, else the lowest wins, the first among equals.

    Returns:
        None if no member is wanted.

    Raises:
        ValueError: not a readable archive; a member whose name leads out of the archive; a wanted
            member that is a link, is encrypted or is larger than ``MAX_FILE_BYTES``.
    """
    best: tuple[int, str, bytes] | None = None
    with reading(path):
        for member in members(path, MAX_FILE_BYTES):
            place = rank(member.inside)
            if place is None or (best is not None and place >= best[0]):
                continue
            check_size(member.name, member.size, MAX_FILE_BYTES)
            best = (place, member.name, member.read())
            if place == 0:
                break
    return None if best is None else best[1:]
