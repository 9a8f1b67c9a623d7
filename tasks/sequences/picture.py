"""What a :class:`Reader` holds as it reads a sequence, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from liafseq.tasks.models import states
from liafseq.tasks.report.trace import Trace, draw, spikes_of, verdict
from liafseq.tasks.sequences.reader import Reader

__all__ = ["picture", "prefixes", "trace"]

_TOGETHER = 64


def prefixes(network: Reader, values: Tensor, ends: Tensor | None = None) -> tuple[Tensor, list[Any]]:
    """Reads the beginnings of one sequence, (T, 1, ...), that have these numbers of steps; by default all.

    Returns:
        What the last layer holds at the end of each, in its forward direction, (ends, K); and what the
        network says of them, in parts.
    """
    ends = torch.arange(1, len(values) + 1) if ends is None else ends
    held: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        h, c = states(output[1])
        held.append((h if c is None else c)[-network.directions])

    training = network.training
    network.eval()
    hook = network.layer.register_forward_hook(keep)
    said = []
    try:
        with torch.no_grad():
            # in parts: the memory of all at once grows with the square of the length
            for some in ends.split(_TOGETHER):
                part = values[: int(some[-1])].expand(-1, len(some), *values.shape[2:])
                said.append(network(part, some))
    finally:
        hook.remove()
        network.train(training)
    return torch.cat(held), said


def trace(network: Reader, values: Tensor, ends: Tensor) -> Trace:
    """What a classifier holds, and what it would answer, were the sequence to end at these steps.

    So networks of both directions, and those that look at all steps, have an answer at each.
    """
    state, said = prefixes(network, values, ends)
    if network.pooling == "steps":
        last = [some - 1 for some in ends.split(_TOGETHER)]
        said = [part[at, torch.arange(len(at))] for part, at in zip(said, last, strict=True)]
    return Trace(state, spikes_of(network.layer, state), torch.cat(said).float().softmax(-1))


def picture(
    network: Reader,
    values: Tensor,
    steps: Sequence[Any],
    right: int | Tensor,
    classes: Sequence[str],
    *,
    config: Any,
    what: str,
    neurons: int = 24,
    every: int = 1,
) -> tuple[bytes, str]:
    """A PNG file of what a classifier holds as it reads, and what it shows in a line.

    Args:
        network: of the run.
        values: the sequence, (T, 1, ...).
        steps: of each a word, or a picture.
        right: the number of the right class, or of that of each step; -1: one that training has not seen.
        classes: their names.
        config: of the run.
        what: the example in words, such as ``"test sentence 3"``.
        neurons: how many to show at most.
        every: so many steps are one in the picture, the last of them.
    """
    ends = torch.arange(len(values), 0, -every).flip(0)
    found = trace(network.float(), values, ends)
    if isinstance(right, int):
        what += f": {classes[right] if right >= 0 else 'one that training has not seen'}"
    else:
        right = right[ends - 1]
    title = f"{what}. {verdict(found, right, classes)}"
    png = draw(
        found, [steps[end - 1] for end in ends.tolist()], right, classes,
        layer=network.layer,
        config=config,
        title=title,
        note="Probabilities: were the sequence to end there."
        + (f" One of {every} steps is shown." if every > 1 else ""),
        word="class",
        neurons=neurons,
    )  # fmt: skip
    return png, title
