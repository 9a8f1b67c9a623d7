"""Single files out of a .tar or .zip archive, read in memory: nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

__all__ = ["MAX_FILE_BYTES", "is_archive", "read_best"]

MAX_FILE_BYTES = 256 * 2**20
"""The largest file that is read; the published ones stay below 20 MiB."""

_OPENERS: dict[str, Callable[..., BinaryIO]] = {
    ".tar": open,  # type: ignore[dict-item]
    ".tar.gz": gzip.open,  # type: ignore[dict-item]
    ".tgz": gzip.open,  # type: ignore[dict-item]
    ".tar.xz": lzma.open,  # type: ignore[dict-item]
    ".txz": lzma.open,  # type: ignore[dict-item]
    ".tar.bz2": bz2.open,  # type: ignore[dict-item]
}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class _Meter:
    """A stream that refuses to give more than ``limit`` bytes between two calls of ``reset``.

    Tar headers carry sizes of their own (long names, extended headers) which tarfile believes, so
    the size of a member alone does not bound what is read on the way to it.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.stream, self.limit, self.left = stream, limit, limit

    def reset(self) -> None:
        self.left = self.limit

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"more than {self.limit} bytes before the next member")
        return data


def is_archive(path: Path) -> bool:
    """Whether the name ends as that of an archive that can be read here.

    >>> is_archive(Path("babi_v1-2.tar.xz")), is_archive(Path("qa1_train.txt"))
    (True, False)
    """
    return path.name.lower().endswith((".zip", *_OPENERS))


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
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    best: tuple[int, str, bytes] | None = None
    try:
        for name, read in members(path):
            inside = PurePosixPath(name.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts:
                raise ValueError(f"member {name!r} leads out of the archive")
            place = rank(inside)
            if place is None or (best is not None and place >= best[0]):
                continue
            best = (place, name, read())
            if place == 0:
                break
    except _BROKEN as error:
        raise ValueError(f"{path}: not a readable archive: {error or type(error).__name__}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bz2 report broken data so.
        raise ValueError(f"{path}: not a readable archive: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return None if best is None else best[1:]


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ValueError(f"member {name!r} has {size} bytes; at most {MAX_FILE_BYTES} are read")


def _tar_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    opener = next(_OPENERS[end] for end in _OPENERS if path.name.lower().endswith(end))
    with opener(path, "rb") as stream:
        meter = _Meter(stream, MAX_FILE_BYTES + 2**20)
        with tarfile.open(fileobj=meter, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                if member.isdir():
                    continue
                _check_size(member.name, member.size)
                meter.reset()

                def read(member: tarfile.TarInfo = member) -> bytes:
                    # Never through a link: extractfile would follow it.
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None:
                        raise ValueError(f"member {member.name!r} is no regular file")
                    return content.read()

                yield member.name, read


def _zip_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue

            def read(member: zipfile.ZipInfo = member) -> bytes:
                _check_size(member.filename, member.file_size)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise ValueError(f"member {member.filename!r} is no regular file")
                if member.flag_bits & 1:
                    raise ValueError(f"member {member.filename!r} is encrypted")
                return archive.read(member)

            yield member.filename, read
