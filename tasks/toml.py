"""Settings in a TOML file, by the names of the options of the commands: read, checked, written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from liafseq.tasks.results import value_text
from liafseq.tasks.settings import FieldError, Flags, Settings, extra, flag_of

__all__ = ["REPEATABLE", "build", "by_field", "field_of", "has_effect", "lines", "located", "read_toml",
           "stated", "words"]  # fmt: skip

S = TypeVar("S", bound=Settings)

REPEATABLE = ("options",)
"""Options that may be given more than once."""


def read_toml(file: Path, where: str) -> dict[str, Any]:
    """The content of a file; errors begin with ``where``."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OSError(f"{where}: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{where}: not valid TOML: {error}") from error


def by_field(content: Mapping[str, Any], flags: Flags, where: str) -> dict[str, Any]:
    """What a file says, by field: its keys are the names of the options, or of the fields.

    Raises:
        ValueError: a key that is none; begins with ``where`` and names those there are.
        FileNotFoundError: no such file or folder as an option names.
    """
    found = {}
    for key, value in content.items():
        name = field_of(key, flags)
        if name is None:
            known = sorted(flag_of(name, info) for name, info in flags.items())
            raise ValueError(f"{where}: no option {key!r}; the options are {', '.join(known)}")
        found[name] = located(name, value, flags[name])
    return found


def field_of(key: str, flags: Flags) -> str | None:
    """The field that a key of a file names; None where it names none."""
    names = {flag_of(name, info): name for name, info in flags.items()}
    name = names.get(key.replace("_", "-"), key)
    return name if name in flags else None


def located(name: str, value: Any, info: FieldInfo) -> Any:
    """A path made absolute: a run must be the same whatever folder it is continued from."""
    path = extra(info, "path")
    if name in REPEATABLE and isinstance(value, list):
        return tuple(value)
    if not path or not isinstance(value, str):
        return value
    words = () if path is True else path
    if value in words or value.startswith(tuple(word for word in words if word.endswith(":"))):
        return value
    there = Path(value).expanduser().absolute()
    if not there.exists() and not any(parent.is_file() for parent in there.parents):  # in an archive
        raise FileNotFoundError(f"--{flag_of(name, info)}: no such file or folder: {there}")
    return str(there)


def has_effect(config: Any, info: FieldInfo) -> bool:
    """Whether a field has an effect beside the others of a configuration."""
    field, _, wanted = (extra(info, "only") or "").partition("=")
    return not field or str(getattr(config, field)) == wanted


def build(kind: type[S], defaults: Mapping[str, Any], said: Mapping[str, Any], flags: Flags) -> S:
    """The configuration of what was said; FieldError where a value cannot be or has no effect."""
    config = kind(**{**defaults, **said})
    for name in said:
        if not has_effect(config, flags[name]):
            field, _, wanted = extra(flags[name], "only").partition("=")
            raise FieldError(name, f": is for --{flag_of(field, flags[field])} {wanted}")
    return config


def lines(flags: Flags, configs: Sequence[Any]) -> list[str]:
    """The settings of configurations as lines of a file, those of ``flags``."""
    return [f"{flag} = {json.dumps(value)}" for flag, value in stated(flags, configs)]


def stated(flags: Flags, configs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The settings of configurations that have an effect: names of options and plain values."""
    for config in configs:
        content = config.to_json()
        for name, info in flags.items():
            if name not in content or content[name] in (None, [], {}) or not has_effect(config, info):
                continue
            value = content[name]
            if name == "model":
                options = "".join(
                    f":{key}={value_text(item).replace(' ', ',')}" for key, item in value["options"].items()
                )
                value = value["label"] if ":" in value["label"] else f"{value['label']}{options}"
            elif isinstance(value, dict):
                value = [f"{key}={value_text(item)}" for key, item in value.items()]
            yield flag_of(name, info), value


def words(flag: str, value: Any) -> list[str]:
    """An option and its value as words of a command line.

    >>> words("tasks", [1, 6]), words("gated", False), words("option", ["a=1", "b=2"])
    (['--tasks', '1,6'], ['--no-gated'], ['--option', 'a=1', '--option', 'b=2'])
    """
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, (list, tuple)) and not all(isinstance(item, str) for item in value):
        value = ",".join(map(str, value))  # numbers, from a file
    return [
        word
        for item in (value if isinstance(value, (list, tuple)) else [value])
        for word in (f"--{flag}", str(item))
    ]
