"""A network that says which token comes next, and what is made with one that is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from liafseq.tasks.lm.config import Continuation, LmConfig
from liafseq.tasks.models import build_layer

__all__ = ["LanguageNetwork", "going_on", "reading"]

TOGETHER = 1024
"""Steps of a text that are read at once."""


class LanguageNetwork(nn.Module):
    """Vectors of tokens, recurrent layers, a linear output.

    With ``tied`` the vectors are also the weights of the output (Press and Wolf 2017, arXiv:1608.05859); they
    are then drawn from N(0, 1/size) and read multiplied by sqrt(size), so that both ends have their scale.
    Dropout is before the layers, between them and before the output.

    Args:
        config: of the run.
        words: size of the vocabulary.

    Shapes: ``forward`` takes tokens, (T, N), and a state of the layers or None, and gives scores of the next
    tokens, (T, N, words), and the state.
    """

    def __init__(self, config: LmConfig, words: int) -> None:
        super().__init__()
        size = config.vector_size
        self.tied = config.tied
        self.embedding = nn.Embedding(words, size)
        self.dropout = nn.Dropout(config.dropout)
        self.layer = build_layer(
            config.model, size, config.hidden_size, num_layers=config.num_layers, dropout=config.dropout
        )
        if self.tied:
            nn.init.normal_(self.embedding.weight, std=size**-0.5)
            self.bias = nn.Parameter(torch.zeros(words))
        else:
            self.head = nn.Linear(config.hidden_size, words)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        vectors = self.embedding(tokens)
        if self.tied:
            vectors = vectors * math.sqrt(vectors.shape[-1])
        outputs, state = self.layer(self.dropout(vectors), state)
        outputs = self.dropout(outputs)
        if self.tied:
            return linear(outputs, self.embedding.weight, self.bias), state
        return self.head(outputs), state


def reading(network: nn.Module, tokens: Tensor, state: Any = None) -> Iterator[tuple[Tensor, Any]]:
    """Reads a text, (T), in pieces: of each the log-probabilities of the next tokens, (t, words), and the
    state at its end."""
    for piece in tokens.long().split(TOGETHER):
        with torch.no_grad():
            logits, state = network(piece[:, None], state)
        yield logits[:, 0].float().log_softmax(-1), state


def going_on(
    network: nn.Module, start: Tensor, how: Continuation, without: Sequence[int] = ()
) -> Iterator[int]:
    """The tokens that a network puts behind a text.

    Args:
        network: of the run.
        start: (T) the numbers of the text, one at least.
        how: how many, and how they are chosen.
        without: tokens that are never chosen.
    """
    chance = torch.Generator().manual_seed(how.sample_seed)
    *_, (scores, state) = reading(network, start)
    for _ in range(how.length):
        last = scores[-1].clone()
        last[list(without)] = -torch.inf
        if how.top_k and how.top_k < len(last):
            last[last < last.topk(how.top_k).values[-1]] = -torch.inf
        if how.temperature == 0:
            token = last.argmax()
        else:
            token = torch.multinomial((last / how.temperature).softmax(-1), 1, generator=chance)
        yield int(token)
        *_, (scores, state) = reading(network, token.view(1), state)
