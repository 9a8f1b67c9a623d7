"""How the values of options are read: tasks, models, and names with values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from liafseq.tasks.models import check_model, model_names

__all__ = ["parse_models", "parse_neuron_options", "parse_pairs", "parse_tasks"]


def parse_tasks(text: str, option: str = "--tasks") -> tuple[int, ...]:
    """Task numbers from ``1,4-6`` or ``all``, in the order given; errors name the option.

    >>> parse_tasks("12,1-3")
    (12, 1, 2, 3)
    """
    if text.strip() == "all":
        return tuple(range(1, 21))
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part, re.ASCII)
        if match is None:
            raise ValueError(f"{option}: expected numbers and ranges such as 1,4-6 or all, got {text!r}")
        first = int(match[1])
        last = int(match[2] or first)
        for number in (first, last):
            if not 1 <= number <= 20:
                raise ValueError(f"{option}: bAbI has tasks 1 to 20, got {number} in {text!r}")
        if last < first:
            raise ValueError(f"{option}: the range {part.strip()} runs backwards")
        found += range(first, last + 1)
    twice = sorted({number for number in found if found.count(number) > 1})
    if twice:
        raise ValueError(f"{option}: task {twice[0]} is named twice in {text!r}")
    return tuple(found)


def parse_models(text: str, task: str = "babi") -> tuple[str, ...]:
    """Names of models from ``liaf,gru`` or ``all``.

    >>> parse_models("liaf, gru")
    ('liaf', 'gru')
    """
    names = model_names(task) if text.strip() == "all" else tuple(part.strip() for part in text.split(","))
    for name in names:
        if not name:
            raise ValueError(f"--models: expected names such as liaf,gru, got {text!r}")
        check_model(name, task)
        if names.count(name) > 1:
            raise ValueError(f"--models: {name} is named twice in {text!r}")
    return names


def parse_pairs(texts: Iterable[str], option: str) -> dict[str, Any]:
    """Names and values from ``name=value`` texts.

    >>> parse_pairs(["decay=0.05", "feedback=none", "reset=soft", "learn_decay=true"], "--option")
    {'decay': 0.05, 'feedback': None, 'reset': 'soft', 'learn_decay': True}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not (equals and name.isidentifier() and value.strip()):
            raise ValueError(f"{option}: expected NAME=VALUE such as decay=0.05, got {text!r}")
        if name in found:
            raise ValueError(f"{option}: {name} is given twice")
        found[name] = _value(value)
    return found


def parse_neuron_options(
    texts: Sequence[str] | None, models: Sequence[str], task: str = "babi"
) -> dict[str, dict[str, Any]]:
    """The neuron options of each model from ``model:name=value`` or ``name=value`` texts.

    What is said of one model goes before what is said of all spiking ones.
    """
    general: list[str] = []
    own: dict[str, list[str]] = {model: [] for model in models}
    for text in texts or ():
        model, colon, rest = text.partition(":")
        if not colon or "=" in model:
            general.append(text)
            continue
        model = model.strip()
        if model not in own:
            check_model(model, task)
            raise ValueError(f"--option: {text!r} is for {model}, which is not among {', '.join(models)}")
        own[model].append(rest)
    shared = parse_pairs(general, "--option")
    found = {model: parse_pairs(own[model], "--option") for model in models}
    if shared:
        from liafseq.tasks.models import neuron_options

        spiking = [model for model in models if neuron_options(model)]
        if not spiking:
            raise ValueError(f"--option: no model with neuron options among {', '.join(models)}")
        for model in spiking:
            found[model] = {**shared, **found[model]}
    for model, options in found.items():
        if options:
            from liafseq.tasks.models import build_conv, build_layer, is_convolutional

            # A value that the layer refuses is found here, before any run begins.
            if is_convolutional(model):
                build_conv(model, 1, 1, 1, **options)
            else:
                build_layer(model, 1, 1, options=options)
    return found


def _value(text: str) -> Any:
    parts = [part.strip() for part in text.split(",")]
    values = [_word(part) for part in parts]
    return values[0] if len(values) == 1 else tuple(values)


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
