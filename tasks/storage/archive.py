"""Archives, unpacked once into the cache; what reads data then reads plain folders.

An archive may come from anywhere: no member leads out of the folder, and none is believed about its size.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from liafseq.tasks.storage.cache import cache_folder
from liafseq.tasks.storage.lock import folder_lock

__all__ = ["MAX_FILE_BYTES", "MAX_MEMBERS", "MAX_TOTAL_BYTES", "is_archive", "unpacked"]

MAX_FILE_BYTES = 2**28
"""The largest member; published stories stay below 20 MiB, recordings of N-MNIST have some 20 kB."""

MAX_TOTAL_BYTES = 2**31
"""The most that is unpacked from one archive."""

MAX_MEMBERS = 2**18
"""The most members; N-MNIST has 70,000."""

_OPENERS: dict[str, Callable[..., Any]] = {
    ".tar": open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
    ".tar.bz2": bz2.open,
}
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
# gzip and bz2 report broken data without a number, zipfile a place that cannot be as EINVAL; the rest
# come from names that no file can have, or that are a file's and a folder's.
_BROKEN_NUMBERS = (None, errno.EINVAL, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_WAIT_SECONDS = 600.0


def is_archive(path: Path) -> bool:
    """Whether the name ends as that of an archive that can be read here.

    >>> is_archive(Path("babi_v1-2.tar.xz")), is_archive(Path("qa1_train.txt"))
    (True, False)
    """
    return path.name.lower().endswith((".zip", *_OPENERS))


def unpacked(path: Path) -> Path:
    """The folder of the cache with the files of an archive, which is unpacked at the first call.

    Args:
        path: .tar, also compressed with gzip, bzip2 or xz, or .zip. Once its size or time changes,
            it is unpacked again.

    Raises:
        ValueError: not a readable archive, or a damaged one; a member whose name leads out of the
            archive, that is no regular file, is encrypted or too large; too many, or too much in all.
        OSError: the cache cannot be written.
    """
    about = path.stat()
    mark = f"{path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}"
    own = cache_folder() / "archives" / hashlib.sha256(mark.encode(errors="surrogateescape")).hexdigest()[:16]
    folder = own / "files"
    if folder.is_dir():
        return folder
    # Who unpacks the same at the same time is waited for, and then has left the folder.
    with folder_lock(own, wait=_WAIT_SECONDS):
        if not folder.is_dir():
            temporary = own / "unfinished"
            shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
            try:
                temporary.mkdir()
                with _naming(path):
                    (_unpack_zip if path.name.lower().endswith(".zip") else _unpack_tar)(path, temporary)
                temporary.rename(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What is wrong with an archive becomes a ValueError that names it."""
    try:
        yield
    except _BROKEN as error:
        raise ValueError(f"{path}: not a readable archive: {error or type(error).__name__}") from error
    except OSError as error:
        if error.errno not in _BROKEN_NUMBERS:
            raise
        raise ValueError(f"{path}: not a readable archive: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class _Entrance:
    """Lets members in by name, kind and size, before any of them is read."""

    def __init__(self) -> None:
        self.members = 0
        self.total = 0

    def admit(self, name: str, size: int, *, regular: bool) -> str:
        """The member's name with plain slashes; ValueError where it must stay out."""
        inside = PurePosixPath(name.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"member {name!r} leads out of the archive")
        if not regular:
            raise ValueError(f"member {name!r} is no regular file")
        if size > MAX_FILE_BYTES:
            raise ValueError(f"member {name!r} has {size} bytes; at most {MAX_FILE_BYTES} are read")
        self.members += 1
        self.total += size
        if self.members > MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS} files: unpack it and name the folder")
        if self.total > MAX_TOTAL_BYTES:
            raise ValueError(
                f"more than {MAX_TOTAL_BYTES} bytes of recordings or stories: unpack it and name the folder"
            )
        return str(inside)


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


def _unpack_tar(path: Path, folder: Path) -> None:
    entrance = _Entrance()
    opener = next(_OPENERS[end] for end in _OPENERS if path.name.lower().endswith(end))
    with opener(path, "rb") as stream:
        meter = _Meter(stream)
        with tarfile.open(fileobj=meter, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                meter.reset(0)
                if member.isdir():
                    continue
                regular = member.isreg() and not member.issparse()
                member.name = entrance.admit(member.name, member.size, regular=regular)
                meter.reset(member.size)
                archive.extract(member, folder, set_attrs=False, filter="data")
        # tarfile takes a header that is cut off for the end.
        if not meter.last.endswith(bytes(512)):
            raise EOFError("cut off: no mark of its end")


def _unpack_zip(path: Path, folder: Path) -> None:
    entrance = _Entrance()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):  # not is_dir, which fails for a name without letters
                continue
            regular = not stat.S_ISLNK(member.external_attr >> 16)
            member.filename = entrance.admit(member.filename, member.file_size, regular=regular)
            if member.flag_bits & 1:
                raise ValueError(f"member {member.filename!r} is encrypted")
            archive.extract(member, folder)
