"""Many files out of an archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from liafseq.tasks.archives import check_size, is_archive, members, reading

__all__ = ["MAX_MEMBER_BYTES", "MAX_TOTAL_BYTES", "is_archive", "read_members"]

MAX_MEMBER_BYTES = 2**26
"""The largest member that is read; recordings of N-MNIST have some 20 kB."""

MAX_TOTAL_BYTES = 2**31
"""The most that is read out of one archive."""


def read_members(path: Path, wanted: Callable[[PurePosixPath], bool]) -> list[tuple[PurePosixPath, bytes]]:
    """The wanted members of an archive, in its order.

    Args:
        path: the archive: .tar, also compressed with gzip, bzip2 or xz, or .zip.
        wanted: gets the name of every file.

    Raises:
        ValueError: not a readable archive; a member whose name leads out of the archive; a wanted
            member that is a link, is encrypted or too large; too much in all.
    """
    found = []
    total = 0
    with reading(path):
        for member in members(path):
            if not wanted(member.inside):
                continue
            check_size(member.name, member.size, MAX_MEMBER_BYTES)
            total += member.size
            if total > MAX_TOTAL_BYTES:
                raise ValueError(
                    f"more than {MAX_TOTAL_BYTES} bytes of recordings: unpack it and name the folder"
                )
            found.append((member.inside, member.read()))
    return found
