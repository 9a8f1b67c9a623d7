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


def prefixes(network: Reader, values: Tensor) -> tuple[Tensor, list[Any]]:
    """Reads the beginnings of one sequence, (T, 1, ...), of 1 to T steps.

    Returns:
        What the last layer holds at the end of each, in its forward direction, (T, K); and what the network
        says of them, in parts.
    """
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
            for start in range(0, len(values), _TOGETHER):
                ends = torch.arange(start + 1, min(start + _TOGETHER, len(values)) + 1)
                part = values[: int(ends[-1])].expand(-1, len(ends), *values.shape[2:])
                said.append(network(part, ends))
    finally:
        hook.remove()
        network.train(training)
    return torch.cat(held), said


def trace(network: Reader, values: Tensor) -> Trace:
    """What a classifier holds, and what it would answer, were the sequence to end at each of its steps.

    So networks of both directions, and those that look at all steps, have an answer at each.
    """
    state, said = prefixes(network, values)
    if network.pooling == "steps":
        said = [part[torch.arange(-part.shape[1], 0), torch.arange(part.shape[1])] for part in said]
    return Trace(state, spikes_of(network.layer, state), torch.cat(said).float().softmax(-1))


def picture(
    network: Reader,
    values: Tensor,
    steps: Sequence[Any],
    right: int,
    classes: Sequence[str],
    *,
    config: Any,
    what: str,
    neurons: int = 24,
) -> tuple[bytes, str]:
    """A PNG file of what a classifier holds as it reads, and what it shows in a line.

    Args:
        network: of the run.
        values: the sequence, (T, 1, ...).
        steps: of each a word, or a picture.
        right: the number of the right class, at the end; -1: one that training has not seen.
        classes: their names.
        config: of the run.
        what: the example in words, such as ``"test sentence 3"``.
        neurons: how many to show at most.
    """
    found = trace(network.float(), values)
    truth = classes[right] if right >= 0 else "one that training has not seen"
    title = f"{what}: {truth}. {verdict(found, right, classes)}"
    png = draw(
        found, steps, right, classes,
        layer=network.layer,
        model=config.model,
        title=title,
        about=f"{config.model.label}, seed {config.seed}; layer {config.num_layers} of {config.num_layers}",
        note="Probabilities: were the sequence to end there.",
        word="class",
        neurons=neurons,
    )  # fmt: skip
    return png, title
