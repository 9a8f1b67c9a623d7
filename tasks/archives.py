"""The files in a .tar or .zip archive, read in memory: nothing is unpacked to disk."""

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
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

__all__ = ["Member", "check_size", "is_archive", "members", "reading"]

_OPENERS: dict[str, Callable[..., Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
    ".tar.bz2": bz2.open,
}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class Member(NamedTuple):
    """A file of an archive: its place inside, its name as written there, its size, and its content."""

    inside: PurePosixPath
    name: str
    size: int
    read: Callable[[], bytes]
    """To be called while the loop is at this member; ValueError for a link, or where it is encrypted."""


def is_archive(path: Path) -> bool:
    """Whether the name ends as that of an archive that can be read here.

    >>> is_archive(Path("babi_v1-2.tar.xz")), is_archive(Path("qa1_train.txt"))
    (True, False)
    """
    return path.name.lower().endswith((".zip", *_OPENERS))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around a loop over :func:`members`: what is wrong becomes a ValueError that names the archive."""
    try:
        yield
    except _BROKEN as error:
        raise ValueError(f"{path}: not a readable archive: {error or type(error).__name__}") from error
    except OSError as error:
        # gzip and bz2 report broken data without a number, zipfile a place that cannot be as EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path}: not a readable archive: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def members(path: Path, largest: int | None = None) -> Iterator[Member]:
    """The files of an archive, in its order.

    Args:
        path: .tar, also compressed with gzip, bzip2 or xz, or .zip.
        largest: the size of a member above which a .tar, whose members must be read to be passed
            over, is refused; None for any.

    Raises:
        ValueError: a member whose name leads out of the archive, or that is too large.
    """
    found = _of_zip(path) if path.name.lower().endswith(".zip") else _of_tar(path, largest)
    for name, size, read in found:
        inside = PurePosixPath(name.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"member {name!r} leads out of the archive")
        yield Member(inside, name, size, read)


def check_size(name: str, size: int, largest: int) -> None:
    """Sees that a member is at most ``largest`` bytes; ValueError where not."""
    if size > largest:
        raise ValueError(f"member {name!r} has {size} bytes; at most {largest} are read")


class _Meter:
    """A stream that refuses to give more than a member may have between two calls of ``reset``.

    Tar headers carry sizes of their own (long names, extended headers) which tarfile believes, so
    the size of a member alone does not bound what is read on the way to it.
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


def _of_tar(path: Path, largest: int | None) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    opener = next(_OPENERS[end] for end in _OPENERS if path.name.lower().endswith(end))
    with opener(path, "rb") as stream:
        meter = _Meter(stream)
        with tarfile.open(fileobj=meter, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                if largest is not None and not member.isdir():
                    check_size(member.name, member.size, largest)
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


def _of_zip(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
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
