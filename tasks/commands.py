"""What the commands ``liafseq data TASK`` share: options that a configuration knows, folders, files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

from liafseq.tasks.config import Config, FieldError, extra, flag_of

__all__ = ["field_argument", "field_option", "make_folder", "named_by_options", "see_free"]

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


@contextmanager
def named_by_options(kind: type[Config]) -> Iterator[None]:
    """Errors of fields in the names of their options."""
    try:
        yield
    except FieldError as error:
        info = kind.model_fields.get(error.field)
        name = error.field if info is None else f"--{flag_of(error.field, info)}"
        raise ValueError(str(FieldError(name, error.text))) from error


def make_folder(path: str) -> Path:
    """Makes the folder of ``--out`` and sees that files can be written there, before any work is done.

    Raises:
        ValueError: an empty name.
        OSError: it cannot be made or written to.
    """
    if not path.strip():
        raise ValueError("--out: must name a folder, got an empty text")
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"--out: cannot write into the folder {path}: {reason}") from error
    return Path(path)


def see_free(paths: Iterable[Path], force: bool) -> None:
    """Sees that no file is there yet, unless ``force``; FileExistsError names the first that is."""
    for path in paths:
        if path.exists() and not force:
            raise FileExistsError(f"--out: {path} is there already; --force writes over it")
