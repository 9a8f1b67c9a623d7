"""The command line that repeats what a command was asked to do."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from typer.models import OptionInfo

__all__ = ["MACHINERY", "command_words"]

MACHINERY = frozenset({"out", "jobs", "engine", "ray_address"})
"""Parameters that say where the work is done, not what is computed."""

SAID = ("models", "tasks", "seeds", "epochs")
"""Said in any case, because a reader wants to know them."""


def command_words(
    command: Callable[..., Any], given: Mapping[str, Any], name: str, without: frozenset[str] = MACHINERY
) -> list[str]:
    """The words of a command line with the options that are not at their defaults.

    Args:
        command: a function of Typer's, its options in ``Annotated``.
        given: the values of its parameters, such as its ``locals()``.
        name: of the command, as ``"compare babi"``.
        without: parameters to leave out.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    words = ["liafseq", *name.split()]
    for parameter, about in inspect.signature(command).parameters.items():
        value = given[parameter]
        if parameter in without or (value == about.default and parameter not in SAID):
            continue
        option = _option(hints[parameter])
        if option is None:
            words.append(str(value))
        elif isinstance(value, bool):
            words.append(option if value else f"--no-{option.removeprefix('--')}")
        else:
            for item in value if isinstance(value, (list, tuple)) else [value]:
                words += [option, str(item)]
    return words


def _option(annotation: Any) -> str | None:
    for part in getattr(annotation, "__metadata__", ()):
        if isinstance(part, OptionInfo):
            # Within Annotated the first name stands where otherwise the default does.
            names = [part.default, *(part.param_decls or ())]
            return next((name for name in names if isinstance(name, str) and name.startswith("--")), None)
    return None
