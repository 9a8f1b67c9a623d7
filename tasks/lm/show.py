"""What a trained language model shows: how a text goes on, what surprises it, what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from liafseq.tasks.lm.config import Continuation, LmConfig
from liafseq.tasks.lm.data import EOS, LmData, joined, tokens
from liafseq.tasks.lm.network import going_on, reading
from liafseq.tasks.models import states
from liafseq.tasks.report.trace import draw_state, spikes_of
from liafseq.tasks.task import check_example

__all__ = ["continued", "picture", "surprising"]

PIECE = 68
"""Tokens of a picture."""
CONTEXT = 60
"""Tokens before one that surprises."""
MARKS = {"\n": "\u23ce", " ": "\u2423", "\t": "\u21e5", EOS: "\u23ce"}


def continued(config: LmConfig, data: LmData, network: nn.Module, text: str, how: Continuation) -> str:
    """A text and what a network puts behind it."""
    given = list(tokens(text, config.level)) if text else []
    if config.level == "word" and given and not text.endswith("\n"):
        given.pop()  # its last line goes on
    start = torch.from_numpy(data.encode(given or [EOS if config.level == "word" else "\n"]))
    words = data.vocabulary.words
    added = [words[at] for at in going_on(network, start, how, without=(0, 1))]
    return joined([*given, *added], config.level)


def surprising(
    config: LmConfig, data: LmData, network: nn.Module, split: str, most: int
) -> Iterator[tuple[int, str, str, str]]:
    """The tokens of a split that were least likely: where each stands, the text before it, the token, and
    the likeliest with its probability."""
    numbers = torch.from_numpy(data.numbers(config, split))
    logs, likeliest, best = [], [], []
    at = 1
    for scores, _ in reading(network, numbers[:-1]):
        target = numbers[at : at + len(scores)].long()
        logs.append(scores.gather(1, target[:, None])[:, 0])
        top = scores.max(-1)
        likeliest.append(top.indices)
        best.append(top.values.exp())
        at += len(scores)
    log, said, share = torch.cat(logs), torch.cat(likeliest), torch.cat(best)
    for index in log.argsort(stable=True)[:most].tolist():
        before = _texts(data, numbers[max(0, index + 1 - CONTEXT) : index + 1])
        expected, given = _texts(data, torch.stack([numbers[index + 1], said[index]]))
        yield (
            index + 1,
            joined(before, config.level),
            f"{expected!r} (p = {log[index].exp():.1g})",
            f"{given!r} (p = {share[index]:.2f})",
        )


def picture(
    config: LmConfig,
    data: LmData,
    network: Any,
    example: int,
    *,
    neurons: int,
    part: str,
    split: str,
) -> tuple[bytes, str]:
    """A PNG picture of the last layer's state over a piece of text, with the probability that the network
    gave to what comes next; and what it shows in a line."""
    numbers = torch.from_numpy(data.numbers(config, split)).long()
    count = -(-(len(numbers) - 1) // PIECE)
    check_example(example, count, f"{split} pieces of {PIECE}")
    start = example * PIECE
    piece, target = numbers[start : start + PIECE + 1][:-1], numbers[start + 1 : start + PIECE + 1]
    state = None
    if start:
        *_, (_, state) = reading(network, numbers[:start])
    held, scores = [], []
    for token in piece:
        ((score, state),) = reading(network, token[None], state)
        h, c = states(state)
        held.append((h if c is None else c)[-1, 0])
        scores.append(score[0])
    values, logs = torch.stack(held), torch.stack(scores)
    right = logs.gather(1, target[:, None])[:, 0]
    bits = float(-right.mean()) / float(torch.tensor(2.0).log())
    title = f"{part}, {split} tokens {start} to {start + len(piece)}: {bits:.2f} bits per token"
    png = draw_state(
        values,
        spikes_of(network.layer, values),
        [MARKS.get(token, token) for token in _texts(data, piece)],
        {"p(what comes next)": right.exp().numpy(), "p(the likeliest)": logs.max(-1).values.exp().numpy()},
        layer=network.layer,
        config=config,
        title=title,
        note="Below each token, which has been read, the probability of the one after it.",
        neurons=neurons,
    )
    return png, title


def _texts(data: LmData, numbers: Tensor) -> Sequence[str]:
    return [data.vocabulary.words[at] for at in numbers.tolist()]
