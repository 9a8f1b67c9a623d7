"""A person's own files: where they are, which part of the data each is, and their text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from liafseq.tasks.storage.archive import MAX_FILE_BYTES, is_archive, unpacked

__all__ = ["HUB", "WHOLE", "from_hub", "parts", "place", "read_bytes", "read_text", "stamp"]

HUB = "hub:"
"""Before the name of a data set of the Hugging Face hub, ``hub:owner/name`` or ``hub:owner/name:config``."""

WHOLE = "whole"
"""The part of data that is not divided."""

NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev", "devel"),
    "test": ("test", "testing"),
}
"""What files and folders of the parts are called; more may stand around it, parted by ``-`` or ``_``."""


def place(source: str | os.PathLike[str]) -> Path:
    """The file or folder of a path, which may lead into an archive: ``data.tar.xz/texts/train.csv``.

    An archive that holds one folder alone stands for that folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a damaged archive.
    """
    path = Path(source).expanduser()
    for archive in (path, *path.parents):
        if is_archive(archive) and archive.is_file():
            inside = path.relative_to(archive)
            path = unpacked(archive) / inside
            if not inside.parts and len(found := list(path.iterdir())) == 1 and found[0].is_dir():
                path = found[0]
            break
    if not path.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    return path


def parts(source: str | os.PathLike[str], suffixes: Iterable[str] = ()) -> dict[str, Path]:
    """The files or folders of ``train``, ``valid`` and ``test``, or of all data as ``whole``.

    Args:
        source: a file, which is all; a folder with a file or a folder for each part, named after it
            (``train.csv``, ``dev.tsv``, ``test/``; ``NAMES``); any other folder, which is all.
        suffixes: of the files that count, in lower case; none: any.

    Raises:
        FileNotFoundError: no such file or folder, or a test part without a training part.
        ValueError: two that could be the same part.
    """
    path, suffixes = place(source), tuple(suffixes)
    if path.is_file():
        return {WHOLE: path}
    found: dict[str, Path] = {}
    for inner in sorted(path.iterdir()):
        if inner.is_file() and suffixes and not inner.name.lower().endswith(suffixes):
            continue
        part = _part_of(inner.name)
        if part is None:
            continue
        if part in found:
            raise ValueError(f"{path}: {found[part].name} and {inner.name} could both be the {part} part")
        found[part] = inner
    if found and "train" not in found:
        raise FileNotFoundError(f"{path}: has a {'and a '.join(found)} part, but no train part")
    return found or {WHOLE: path}


def _part_of(name: str) -> str | None:
    """
    >>> [_part_of(name) for name in ("train.tsv", "Dev", "test-00.csv", "ECG_TEST.ts", "testimony.csv")]
    ['train', 'valid', 'test', 'test', None]
    """
    words_of = re.split(r"[-_]", name.lower().split(".")[0])
    for word in (words_of[0], words_of[-1]):
        for part, words in NAMES.items():
            if word in words:
                return part
    return None


def stamp(source: str) -> tuple[Any, ...]:
    """Sizes and times of the files of a source; data that was read before is read again once they differ."""
    path = Path(source).expanduser()
    path = next((outer for outer in path.parents if is_archive(outer) and outer.is_file()), path)
    if source.startswith(HUB) or not path.exists():
        return ()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return tuple((str(file), about.st_mtime_ns, about.st_size) for file in files for about in [file.stat()])


def read_bytes(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """All of a file; ValueError for one that is larger than ``most`` bytes."""
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{path}: has {size} bytes; expected at most {most}")
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning; line ends become ``\\n``.

    Raises:
        ValueError: another encoding; with the line and the byte.
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: byte {error.start} is not UTF-8 ({content[error.start]:#04x})"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def from_hub(source: str) -> Mapping[str, Iterator[dict[str, Any]]]:
    """The rows of each part of ``hub:owner/name`` or ``hub:owner/name:config``, by the package ``datasets``.

    Raises:
        FileNotFoundError: the hub cannot be reached or has no such data set.
    """
    from datasets import load_dataset

    name, _, config = source.removeprefix(HUB).partition(":")
    try:
        found = load_dataset(name, config or None)
    except Exception as error:
        raise FileNotFoundError(f"{source}: {type(error).__name__}: {error}") from error
    named = {_part_of(str(split)): table for split, table in found.items()}
    if "train" not in named:
        raise FileNotFoundError(f"{source}: has no train part, only {', '.join(map(str, found))}")
    return {part: _named(table) for part, table in named.items() if part is not None}


def _named(table: Any) -> Iterator[dict[str, Any]]:
    """The rows of a table of ``datasets``, with the names of classes in the place of their numbers."""
    features = getattr(table, "features", None) or {}
    names = {
        column: found
        for column, about in features.items()
        if (found := getattr(getattr(about, "feature", about), "names", None)) is not None
    }
    for row in table:
        yield {column: _name(value, names.get(column)) for column, value in row.items()}


def _name(value: Any, names: Any) -> Any:
    if isinstance(value, list):
        return [_name(inner, names) for inner in value]
    known = names is not None and isinstance(value, int) and 0 <= value < len(names)
    return names[value] if known else value
