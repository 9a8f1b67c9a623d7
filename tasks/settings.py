"""Settings: frozen, checked values of which each field says once what it is.

A field's type, bounds, help and panel stand together; commands, ``--config`` and errors are made from them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.fields import FieldInfo

__all__ = [
    "DATA",
    "MACHINE",
    "MANY",
    "MODEL",
    "STUDY",
    "TRAINING",
    "FieldError",
    "Flags",
    "Mistyped",
    "Pairs",
    "Settings",
    "choices_of",
    "digest",
    "extra",
    "flag_of",
    "flags_of",
    "option",
    "pairs",
    "panel_order",
    "replace",
]  # fmt: skip

STUDY, DATA, MODEL, TRAINING, MACHINE = "Study", "Data", "Model", "Training", "Machine"
"""Panels of the help."""

T = TypeVar("T", bound="Settings")

MANY = {"ge": 1, "le": 100_000_000}
"""Bounds of a number of examples."""


class FieldError(ValueError):
    """A setting that cannot be: ``field`` names it, ``text`` says the rest."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}{text if text.startswith((':', '=')) else f' {text}'}")
        self.field, self.text = field, text

    def __reduce__(self) -> Any:
        return type(self), (self.field, self.text)


class FieldTypeError(FieldError, TypeError):
    """A setting of another type than the field has."""


class Mistyped(ValueError):
    """Raised by the validator of a field for a value of another type."""


def option(
    help: str,
    panel: str,
    *,
    flag: str | None = None,
    metavar: str | None = None,
    only: str | None = None,
    path: bool | tuple[str, ...] = False,
    short: str | None = None,
    hidden: bool = False,
    **bounds: Any,
) -> Any:
    """What a field is, beside its type.

    Args:
        help: of the command's option; ``{examples}`` stands for the task's word, such as questions.
        panel: of the help.
        flag: the option's name without dashes; by default the field's, ``_`` as ``-``.
        metavar: how its value is shown in the help.
        only: the setting under which the field has an effect, as ``"kind=story"``.
        path: whether the value is a file or folder, or the words that it may be beside one; a word that ends
            with ``:`` is the beginning of what it may be.
        short: a one-letter option.
        hidden: whether no command has it.
        bounds: as of pydantic's ``Field``: ``ge``, ``gt``, ``le``, ``lt``.
    """
    about: dict[str, Any] = {
        "panel": panel, "flag": flag, "metavar": metavar, "only": only, "path": path, "short": short,
        "hidden": hidden,
    }  # fmt: skip
    return Field(
        description=help,
        json_schema_extra={name: value for name, value in about.items() if value},
        **bounds,
    )


def extra(info: FieldInfo, name: str) -> Any:
    """What :func:`option` said of a field under ``name``."""
    content = info.json_schema_extra
    return content.get(name) if isinstance(content, dict) else None


def flag_of(name: str, info: FieldInfo) -> str:
    """The name of a field's option, without dashes."""
    return str(extra(info, "flag") or name.replace("_", "-"))


def pairs(value: Any) -> tuple[tuple[str, Any], ...]:
    """Names and values in the order of their names, so that equal ones make equal runs.

    Args:
        value: a mapping, pairs, or texts ``NAME=VALUE``.

    >>> pairs(["reset=soft", "decay=0.5,0.9", "feedback=none"])
    (('decay', (0.5, 0.9)), ('feedback', None), ('reset', 'soft'))
    """
    given = list(value.items()) if isinstance(value, Mapping) else list(value)
    found: dict[str, Any] = {}
    for pair in given:
        name, item = named_value(pair) if isinstance(pair, str) else _pair(pair)
        if name in found:
            raise ValueError(f": {name} is given twice")
        found[name] = item
    return tuple(sorted(found.items()))


def _pair(pair: Any) -> tuple[str, Any]:
    if not isinstance(pair, Iterable) or len(pair := tuple(pair)) != 2 or not isinstance(pair[0], str):
        raise Mistyped(f"must be pairs of a name and a value, got {pair!r}")
    name, item = pair[0], tuple(pair[1]) if isinstance(pair[1], list) else pair[1]
    for part in item if isinstance(item, tuple) else (item,):
        if part is not None and not isinstance(part, (bool, int, float, str)):
            raise Mistyped(f": {name} must be a number, a text, None or a list of them, got {item!r}")
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError(f": {name} must be finite, got {item!r}")
    return name, item


def named_value(text: str) -> tuple[str, Any]:
    """The name and the value of a text ``NAME=VALUE``; a list is written with commas.

    >>> named_value("learn-decay=true"), named_value("decay=0.5,0.9")
    (('learn_decay', True), ('decay', (0.5, 0.9)))
    """
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not (equals and name.isidentifier() and value.strip()):
        raise ValueError(f": expected NAME=VALUE such as decay=0.05, got {text!r}")
    parts = tuple(_word(part.strip()) for part in value.split(","))
    return _pair((name, parts if len(parts) > 1 else parts[0]))


def _word(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


Pairs = Annotated[
    tuple[tuple[str, Any], ...],
    BeforeValidator(pairs),
    PlainSerializer(lambda items: {name: _plain(item) for name, item in items}),
]
"""Options by name; in JSON a mapping."""


class Settings(BaseModel):
    """A frozen value whose fields are checked; an error is one line that names the field.

    Raises:
        FieldError: (a ValueError; a TypeError where the type is another one) names the field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _in_one_line(type(self), error) from None

    def to_json(self) -> dict[str, Any]:
        """All fields as values of JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls: type[T], content: Mapping[str, Any]) -> T:
        """The value of :meth:`to_json`; fields that are missing have their defaults."""
        if not isinstance(content, Mapping):
            raise TypeError(f"settings are a mapping of their fields, got {type(content).__name__}")
        return cls(**content)


def replace(settings: T, **changes: Any) -> T:
    """The settings with some fields changed, checked anew."""
    kept = {name: getattr(settings, name) for name in settings.model_fields_set}
    return type(settings)(**{**kept, **changes})


def _in_one_line(kind: type[BaseModel], error: ValidationError) -> FieldError:
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, FieldError):
        return own
    name = str(first["loc"][0]) if first["loc"] else ""
    info = kind.model_fields.get(name)
    if first["type"] == "extra_forbidden" or (name and info is None):
        known = ", ".join(sorted(kind.model_fields))
        return FieldError(name, f"is no setting of these; known: {known}")
    if first["type"] == "missing":
        inner = ".".join(map(str, first["loc"][1:]))
        return FieldError(name, f": {inner} is missing" if inner else "is missing")
    mistyped = first["type"].endswith("_type") or isinstance(own, Mistyped)
    raised = FieldTypeError if mistyped else FieldError
    if own is not None:  # what a validator of the field has raised
        return raised(name or "settings:", str(own))
    expected = _expected(first, info)
    return raised(name, f"must be {expected}, got {first['input']!r}")


_WORDS = {"int": "a whole number", "float": "a number", "bool": "True or False", "string": "a text"}


def _expected(error: Any, info: FieldInfo | None) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error" and info is not None:
        return f"one of {', '.join(map(str, choices_of(info)))}"
    if kind.removesuffix("_type") in _WORDS:
        return _WORDS[kind.removesuffix("_type")]
    limits = {
        "greater_than_equal": ("at least", "ge"), "greater_than": ("above", "gt"),
        "less_than_equal": ("at most", "le"), "less_than": ("below", "lt"),
    }  # fmt: skip
    if kind in limits:
        word, name = limits[kind]
        limit = context[name]
        return f"{word} {limit}" if isinstance(limit, int) else f"{word} {limit:g}"
    if kind in ("finite_number", "string_too_short"):
        return "finite" if kind == "finite_number" else "a text"
    return str(error["msg"])


def choices_of(info: FieldInfo) -> tuple[Any, ...]:
    """The values of a field that has a few."""
    for kind in (info.annotation, *getattr(info.annotation, "__args__", ())):
        if getattr(kind, "__origin__", None) is Literal:
            return tuple(kind.__args__)
    return ()


def digest(content: Any) -> str:
    """Eight hexadecimal digits of a value of JSON: the same on every machine for equal content.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


Flags = Mapping[str, FieldInfo]


def flags_of(kind: type[BaseModel], chosen: Callable[[FieldInfo], bool] = lambda _: True) -> Flags:
    """The fields of a configuration that a command may set, those of a panel together."""
    found = {
        name: info
        for name, info in kind.model_fields.items()
        if extra(info, "panel") and not extra(info, "hidden") and chosen(info)
    }
    return dict(sorted(found.items(), key=lambda item: panel_order(extra(item[1], "panel"))))


def panel_order(panel: str | None) -> int:
    """Where a panel stands in the help."""
    order = (STUDY, DATA, MODEL, TRAINING, MACHINE)
    return order.index(panel) if panel in order else len(order)
