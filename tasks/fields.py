"""Checks of a run's fields, the same for every adapter; each error names the field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["Kinds", "build", "check_choice", "check_fields", "check_whole", "digest", "real", "to_json"]

T = TypeVar("T")

Bounds = tuple[float, bool, float, bool]
"""Low, low included, high, high included."""

_WHOLE: Mapping[str, int] = {
    "hidden_size": 1,
    "num_layers": 1,
    "epochs": 1,
    "batch_size": 1,
    "patience": 0,
    "data_seed": 0,
    "seed": 0,
    "devices": 1,
    "nodes": 1,
    "threads": 1,
}
_REAL: Mapping[str, Bounds] = {
    "valid_fraction": (0.0, False, 1.0, False),
    "dropout": (0.0, True, 1.0, False),
    "learning_rate": (0.0, False, math.inf, False),
    "warmup": (0.0, True, 1.0, False),
    "clip": (0.0, True, math.inf, False),
    "weight_decay": (0.0, True, math.inf, False),
}


@dataclasses.dataclass(frozen=True)
class Kinds:
    """What the fields of a kind of run hold, beside those that every run has.

    Args:
        whole: whole numbers, with the smallest.
        real: numbers, with their bounds.
        choice: one of some values.
        text: not empty.
        flag: True or False.
        pairs: options, see :func:`pairs`.
    """

    whole: Mapping[str, int]
    choice: Mapping[str, tuple[Any, ...]]
    pairs: tuple[str, ...]
    real: Mapping[str, Bounds] = dataclasses.field(default_factory=dict)
    text: tuple[str, ...] = ()
    flag: tuple[str, ...] = ()


def check_fields(run: Any, kinds: Kinds) -> None:
    """Sees that the fields of a frozen run are as its kinds say, and brings numbers and pairs into one form.

    Raises:
        TypeError, ValueError: names the field.
    """
    for name in ("device", "precision", *kinds.text):
        if not isinstance(getattr(run, name), str) or not getattr(run, name):
            raise TypeError(f"{name} must be a text, got {getattr(run, name)!r}")
    for name in ("score_test", *kinds.flag):
        if not isinstance(getattr(run, name), bool):
            raise TypeError(f"{name} must be True or False, got {getattr(run, name)!r}")
    for name, least in {**_WHOLE, **kinds.whole}.items():
        check_whole(name, getattr(run, name), least)
    for name, bounds in {**_REAL, **kinds.real}.items():
        object.__setattr__(run, name, real(name, getattr(run, name), *bounds))
    for name, choices in {"schedule": ("cosine", "constant"), **kinds.choice}.items():
        check_choice(name, getattr(run, name), choices)
    for name in kinds.pairs:
        object.__setattr__(run, name, pairs(name, getattr(run, name)))


def to_json(run: Any, kinds: Kinds) -> dict[str, Any]:
    """All fields as values of JSON: tuples become lists, pairs a mapping."""
    content = {name: plain(value) for name, value in dataclasses.asdict(run).items()}
    for name in kinds.pairs:
        content[name] = {key: plain(value) for key, value in getattr(run, name)}
    return content


def digest(content: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of values of JSON: the same on every machine for equal content.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def build(kind: type[T], content: Mapping[str, Any]) -> T:
    """The run whose fields are ``content``; fields that are missing have their defaults.

    Raises:
        TypeError, ValueError: not a mapping, an unknown field, or a value out of its range.
    """
    if not isinstance(content, Mapping):
        raise TypeError(f"a run is a mapping of its fields, got {type(content).__name__}")
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(map(str, set(content) - names))
    if unknown:
        raise ValueError(f"unknown field of a run: {', '.join(unknown)}; known: {', '.join(sorted(names))}")
    return kind(**content)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Sees that a value is one of the choices; ValueError where not."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Sees that a value is a whole number of at least ``least``; TypeError, ValueError where not."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    # torch and numpy take seeds of at most 64 bits; sizes beyond are no sizes either.
    if not least <= value < 2**63:
        raise ValueError(f"{name} must be at least {least} and below 2**63, got {value}")


def real(name: str, value: Any, low: float, low_in: bool, high: float, high_in: bool) -> float:
    """A number between bounds that are in or out; TypeError, ValueError where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    above = value >= low if low_in else value > low
    below = value <= high if high_in else value < high
    if not (above and below):
        text = f"{'at least' if low_in else 'above'} {low:g}"
        if math.isfinite(high):
            text += f" and {'at most' if high_in else 'below'} {high:g}"
        raise ValueError(f"{name} must be finite, {text}; got {value!r}")
    return float(value)


def pairs(name: str, value: Any) -> tuple[tuple[str, Any], ...]:
    """Options in the order of their names, so that equal options make equal runs."""
    given = list(value.items()) if isinstance(value, Mapping) else list(value)
    found: dict[str, Any] = {}
    for pair in given:
        if isinstance(pair, str) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(f"{name} must be pairs of a name and a value, got {pair!r}")
        key, item = pair[0], _frozen(pair[1])
        if key in found:
            raise ValueError(f"{name} names {key!r} twice")
        for part in item if isinstance(item, tuple) else (item,):
            if part is not None and not isinstance(part, (bool, int, float, str)):
                raise TypeError(
                    f"{name}: {key} must be a number, a text, None or a list of them, got {item!r}"
                )
            if isinstance(part, float) and not math.isfinite(part):
                raise ValueError(f"{name}: {key} must be finite, got {item!r}")
        found[key] = item
    return tuple(sorted(found.items()))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """A value as JSON has it: a tuple becomes a list."""
    return list(value) if isinstance(value, tuple) else value
