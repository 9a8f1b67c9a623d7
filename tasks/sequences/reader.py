"""The network of tasks on sequences: recurrent layers read, pooling makes one vector of all steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from liafseq.padding import exporting, padded
from liafseq.tasks.models import ModelSpec, build_layer, states

__all__ = ["Reader", "reader", "unpacked"]


class Reader(nn.Module):
    """Recurrent layers over sequences, and a linear head.

    Words become vectors of an embedding, which begin as N(0, 0.1^2); features are read as they are.
    Sequences of different lengths are packed, so that padding reaches no recurrence. What the head sees of a
    sequence is the state of the last layer at its end (of each direction at its own end), the mean or the
    maximum of the outputs of its steps, or their mean weighted by softmax(w . y_t), w learned; with
    ``steps`` the head sees each step.

    Args:
        model: the layers, of the registry.
        inputs: features per step, or the size of the vectors of words.
        hidden: units of each layer.
        outputs: of the head.
        words: size of the vocabulary; None: features.
        num_layers, bidirectional: of the layers.
        dropout: before the layers (of words), between them and before the head.
        pooling: what the head sees: ``last``, ``mean``, ``max``, ``attention`` or ``steps``.

    Shapes: ``forward`` takes values, (T, N) numbers of words or (T, N, inputs), and the lengths (N) on the
    CPU, and gives (N, outputs), or with ``steps`` (T, N, outputs), of which what is behind an end means
    nothing.
    """

    def __init__(
        self,
        model: ModelSpec | str,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        words: int | None = None,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
    ) -> None:
        super().__init__()
        self.pooling, self.directions = pooling, 2 if bidirectional else 1
        self.embedding = None if words is None else nn.Embedding(words, inputs)
        if self.embedding is not None:
            # N(0, 1) of nn.Embedding is so large that rare words keep what chance gave them
            nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(dropout)
        self.layer = build_layer(
            model, inputs, hidden, num_layers=num_layers, dropout=dropout, bidirectional=bidirectional
        )
        self.attention = nn.Linear(self.features, 1, bias=False) if pooling == "attention" else None
        self.head = nn.Linear(self.features, outputs)

    @property
    def features(self) -> int:
        """What the layers give out at a step."""
        return self.directions * int(self.layer.hidden_size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return self.head(self.dropout(self.pooled(values, lengths)))

    def pooled(self, values: Tensor, lengths: Tensor) -> Tensor:
        """What the head sees, without dropout."""
        outputs, state = self.read(values, lengths)
        return self.pool(outputs, state, lengths)

    def read(self, values: Tensor, lengths: Tensor) -> tuple[Any, Any]:
        """What the layers give out, packed where the lengths differ, and their last state."""
        if exporting():
            return padded(self.layer, self._vectors(values), lengths)
        outputs, state = self.layer(self.packed(values, lengths))
        return outputs, state

    def pool(self, outputs: Any, state: Any, lengths: Tensor) -> Tensor:
        """Of what the layers gave out, what the head sees."""
        if self.pooling == "last":
            h, _ = states(state)
            return torch.cat([h[-self.directions + at] for at in range(self.directions)], -1)
        outputs = unpacked(outputs)
        if self.pooling == "steps":
            return outputs
        lengths = lengths.to(outputs.device)
        inside = (torch.arange(outputs.shape[0], device=outputs.device)[:, None] < lengths)[..., None]
        if self.pooling == "max":
            return outputs.masked_fill(~inside, -torch.inf).amax(0)
        if self.attention is None:
            return (outputs * inside).sum(0) / lengths[:, None]
        weights = self.attention(outputs).masked_fill(~inside, -torch.inf).softmax(0)
        return (weights * outputs).sum(0)

    def packed(self, values: Tensor, lengths: Tensor) -> Tensor | PackedSequence:
        """What the layers read: vectors, packed where the lengths differ."""
        if bool((lengths == len(values)).all()):
            return self._vectors(values)
        packed = pack_padded_sequence(values, lengths.cpu(), enforce_sorted=False)
        # packed before the embedding: nothing is computed for padding
        return packed._replace(data=self._vectors(packed.data))

    def _vectors(self, values: Tensor) -> Tensor:
        return values if self.embedding is None else self.dropout(self.embedding(values))


def reader(
    config: Any, inputs: int, outputs: int, *, words: int | None = None, per_step: bool = False
) -> Reader:
    """The network of a run whose settings are the usual ones.

    Args:
        config: of the run; with ``bidirectional`` and ``pooling``.
        inputs, outputs, words: of :class:`Reader`.
        per_step: whether steps have answers; then nothing is pooled.
    """
    return Reader(
        config.model, inputs, config.hidden_size, outputs,
        words=words,
        num_layers=config.num_layers,
        bidirectional=config.bidirectional,
        dropout=config.dropout,
        pooling="steps" if per_step else config.pooling,
    )  # fmt: skip


def unpacked(outputs: Any) -> Tensor:
    """Outputs of a layer as (T, N, features), zeros behind the end."""
    return pad_packed_sequence(outputs)[0] if isinstance(outputs, PackedSequence) else outputs
