"""What the commands ``liafseq data TASK`` share: options that a configuration knows, folders, files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

from liafseq.tasks.config import Config, FieldError
from liafseq.tasks.settings import extra, flag_of

__all__ = [
    "field_argument", "field_option", "in_option_names", "make_folder", "named_by_options", "named_folder",
    "see_free",
]  # fmt: skip

FORCE_HELP = "Write over files that are there."


def field_option(kind: type[Config], name: str, word: str, *flags: str) -> Any:
    """The option of a command for a field of a configuration; its help is the field's.

    Args:
        kind: the configuration.
        name: of the field.
        word: of the task's examples, such as ``"questions"``.
        flags: other names than the field's, such as ``"--seed"``.
    """
    info = kind.model_fields[name]
    names = flags or (f"--{flag_of(name, info)}",)
    return typer.Option(*names, help=_help(info, word), metavar=extra(info, "metavar"))


def field_argument(kind: type[Config], name: str, word: str) -> Any:
    """The argument of a command for a field of a configuration."""
    info = kind.model_fields[name]
    return typer.Argument(help=_help(info, word), metavar=extra(info, "metavar"))


def _help(info: FieldInfo, word: str) -> str:
    return (info.description or "").replace("{examples}", word)


def in_option_names(error: FieldError, fields: Mapping[str, FieldInfo]) -> ValueError:
    """The error of a field in the name of its option."""
    info = fields.get(error.field)
    if info is None:
        return error
    return ValueError(str(FieldError(f"--{flag_of(error.field, info)}", error.text)))


@contextmanager
def named_by_options(kind: type[Config]) -> Iterator[None]:
    """Errors of fields in the names of their options."""
    try:
        yield
    except FieldError as error:
        raise in_option_names(error, kind.model_fields) from error


def named_folder(text: str, option: str = "--out") -> Path:
    """The folder of an option; ValueError for an empty text, which would be this very folder."""
    if not text.strip():
        raise ValueError(f"{option}: expected a folder, got {text!r}")
    return Path(text)


def make_folder(path: str | Path, option: str = "--out") -> Path:
    """Makes a folder and sees that files can be written there, before any work is done.

    Raises:
        ValueError: an empty name.
        OSError: it cannot be made or written to.
    """
    folder = named_folder(str(path), option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"{option}: cannot write into the folder {folder}: {reason}") from error
    return folder


def see_free(paths: Iterable[Path], force: bool) -> None:
    """Sees that no file is there yet, unless ``force``; FileExistsError names the first that is."""
    for path in paths:
        if path.exists() and not force:
            raise FileExistsError(f"--out: {path} is there already; --force writes over it")
