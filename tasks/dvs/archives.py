"""Many files out of a .tar or .zip archive, read in memory: nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["MAX_MEMBER_BYTES", "MAX_TOTAL_BYTES", "is_archive", "read_members"]

MAX_MEMBER_BYTES = 2**26
"""The largest member that is read; recordings of N-MNIST have some 20 kB."""

MAX_TOTAL_BYTES = 2**31
"""The most that is read out of one archive."""

_OPENERS: dict[str, Callable[..., Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
    ".tar.bz2": bz2.open,
}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class _Meter:
    """A stream that refuses to give more than a member may have between two calls of ``reset``.

    Headers of long names carry sizes of their own, which tarfile believes.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.last = b""
        self.reset(0)

    def reset(self, size: int) -> None:
        """Allows for a member of ``size`` bytes and the headers around it."""
        self.left = size + 2**20

    def read(self, size: int) -> bytes:
        data: bytes = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("more headers than files before the next member")
        self.last = data or self.last
        return data


def is_archive(path: Path) -> bool:
    """Whether the name ends as that of an archive that can be read here.

    >>> is_archive(Path("nmnist_small.tar.xz")), is_archive(Path("Train"))
    (True, False)
    """
    return path.name.lower().endswith((".zip", *_OPENERS))


def read_members(path: Path, wanted: Callable[[PurePosixPath], bool]) -> list[tuple[PurePosixPath, bytes]]:
    """The wanted members of an archive, in its order.

    Args:
        path: the archive: .tar, also compressed with gzip, bzip2 or xz, or .zip.
        wanted: gets the name of every file.

    Raises:
        ValueError: not a readable archive; a member whose name leads out of the archive; a wanted
            member that is a link, is encrypted or too large; too much in all.
    """
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    found = []
    total = 0
    try:
        for name, size, read in members(path):
            inside = PurePosixPath(name.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts:
                raise ValueError(f"member {name!r} leads out of the archive")
            if not wanted(inside):
                continue
            if size > MAX_MEMBER_BYTES:
                raise ValueError(f"member {name!r} has {size} bytes; at most {MAX_MEMBER_BYTES} are read")
            total += size
            if total > MAX_TOTAL_BYTES:
                raise ValueError(
                    f"more than {MAX_TOTAL_BYTES} bytes of recordings: unpack it and name the folder"
                )
            found.append((inside, read()))
    except _BROKEN as error:
        raise ValueError(f"{path}: not a readable archive: {error or type(error).__name__}") from error
    except OSError as error:
        # gzip and bz2 report broken data without a number, zipfile a place that cannot be as EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path}: not a readable archive: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return found


def _tar_members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    opener = next(_OPENERS[end] for end in _OPENERS if path.name.lower().endswith(end))
    with opener(path, "rb") as stream:
        meter = _Meter(stream)
        with tarfile.open(fileobj=meter, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                meter.reset(member.size)
                if member.isdir():
                    continue

                def read(member: tarfile.TarInfo = member) -> bytes:
                    # Never through a link: extractfile would follow it.
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None:
                        raise ValueError(f"member {member.name!r} is no regular file")
                    return content.read()

                yield member.name, member.size, read
        # tarfile takes a header that is cut off for the end.
        if not meter.last.endswith(bytes(512)):
            raise EOFError("cut off: no mark of its end")


def _zip_members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            # Not is_dir, which fails for a name without letters.
            if member.filename.endswith("/"):
                continue

            def read(member: zipfile.ZipInfo = member) -> bytes:
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise ValueError(f"member {member.filename!r} is no regular file")
                if member.flag_bits & 1:
                    raise ValueError(f"member {member.filename!r} is encrypted")
                return archive.read(member)

            yield member.filename, member.file_size, read
