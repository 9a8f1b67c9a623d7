"""The network for bAbI: reads the question, then the story knowing the question, then answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from liafseq.padding import exporting, padded
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.models import build_layer, states

__all__ = ["BabiModel"]


class BabiModel(nn.Module):
    """Answers questions on stories with recurrent layers of one kind.

    A recurrent layer reads the words of the question; its final state is put beside every word of
    the story, which a second one (deep and bidirectional where asked) reads; the final state of its
    last layer, of both directions, chooses among the answers by a linear layer and softmax. The two
    share the word embedding. Sequences are packed, so that padding reaches no recurrence.

    Args:
        config: sizes and kind of the layers.
        words: size of the vocabulary.
        answers: number of classes.

    Shapes: ``forward`` takes the four tensors of a :class:`Batch` of N questions and gives logits,
    (N, answers).
    """

    def __init__(self, config: BabiConfig, words: int, answers: int) -> None:
        super().__init__()
        size, hidden, kind = config.embedding_size, config.hidden_size, config.model
        parts = 2 if config.readout == "both" else 1
        directions = 2 if config.bidirectional else 1
        self.readout = config.readout
        self.directions = directions
        self.embedding = nn.Embedding(words, size)
        self.dropout = nn.Dropout(config.dropout)
        self.question = build_layer(kind, size, hidden)
        self.story = build_layer(
            kind,
            size + parts * hidden,
            hidden,
            num_layers=config.num_layers,
            dropout=config.dropout,
            bidirectional=config.bidirectional,
        )
        self.answer = nn.Linear(parts * directions * hidden, answers)

    def forward(
        self, story: Tensor, story_lengths: Tensor, question: Tensor, question_lengths: Tensor
    ) -> Tensor:
        if exporting():
            vectors = self.dropout(self.embedding(question))
            query = self._final(padded(self.question, vectors, question_lengths)[1], 1)
            vectors = self.dropout(self.embedding(story))
            read = torch.cat([vectors, query.expand(*story.shape, -1)], -1)
            final = self._final(padded(self.story, read, story_lengths)[1], self.directions)
            return self.answer(self.dropout(final))
        asked = _packed(question, question_lengths)
        asked = asked._replace(data=self.dropout(self.embedding(asked.data)))
        query = self._final(self.question(asked)[1], 1)
        # Packed before the embedding: nothing is computed for padding, here either.
        words = _packed(story, story_lengths)
        owner = _packed(torch.arange(story.shape[1], device=story.device).expand_as(story), story_lengths)
        read = torch.cat([self.dropout(self.embedding(words.data)), query[owner.data]], -1)
        final = self._final(self.story(words._replace(data=read))[1], self.directions)
        return self.answer(self.dropout(final))

    def _final(self, state: Any, directions: int) -> Tensor:
        """What is read out of the last layer's final state, (N, parts * directions * hidden)."""
        h, c = states(state)
        chosen = {"output": [h], "membrane": [c], "both": [h, c]}[self.readout]
        return torch.cat([part[-directions + at] for part in chosen for at in range(directions)], -1)


def _packed(padded: Tensor, lengths: Tensor) -> PackedSequence:
    return pack_padded_sequence(padded, lengths.cpu(), enforce_sorted=False)
