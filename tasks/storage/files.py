"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "TEMPORARY_SUFFIX",
    "check_new",
    "new_folder",
    "read_json",
    "remove_leftovers",
    "write_atomic",
    "write_json",
]

TEMPORARY_SUFFIX = ".liafseq-tmp"
"""How the name of a file that is still being written ends."""


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Writes a file so that a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: the file; its folder is made where it is missing.
        data: text is written as UTF-8, its newlines as they are.

    Returns:
        The path.

    Raises:
        OSError: it cannot be written (a full disk, no permission); names the file, whose old content
            stays.
    """
    path = Path(path)
    # In the same folder, because a move is atomic only within one file system; with the process
    # number, so that two writers do not share one half-written file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # what cannot be removed is removed by the next run
            temporary.unlink(missing_ok=True)
    return path


def _unwritten(path: Path, error: OSError) -> OSError:
    """The error with the file in its text: one of ``write`` itself names none."""
    named = type(error)(f"{path}: cannot be written: {error.strerror or error}")
    named.errno = error.errno
    return named


def remove_leftovers(folder: str | os.PathLike[str], name: str = "*") -> list[Path]:
    """Removes what killed writers left in a folder (not below it); returns what was removed.

    ``name``: only what was to become this file. Call it where no other process writes it.
    """
    found = sorted(Path(folder).glob(f".{name}.*{TEMPORARY_SUFFIX}"))
    for path in found:
        path.unlink(missing_ok=True)
    return found


def check_new(path: Path) -> None:
    """Sees that there is nothing at a place, or an empty folder; FileExistsError where there is."""
    if path.exists() and not (path.is_dir() and next(path.iterdir(), None) is None):
        there = f"holds files already ({min(path.iterdir()).name})" if path.is_dir() else "is there already"
        raise FileExistsError(f"{path}: {there}; give another place, or delete it")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that is there with all that is written into it, or not at all.

    Gives a folder beside its place, which is moved there at the end; after an error nothing is left.

    Raises:
        FileExistsError: there is something at this place; an empty folder is none.
        OSError: it cannot be made.
    """
    check_new(path)
    path = path.absolute()
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.is_dir():
            path.rmdir()  # empty; some systems move nothing onto it
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Writes ``content`` as indented JSON, atomically; NaN and infinities are refused (ValueError)."""
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: not to be written as JSON: {error}") from error
    return write_atomic(path, text + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON, or not UTF-8; with file and line.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not valid JSON: not UTF-8 at byte {error.start}") from error
