"""The network of texts, and of pairs of texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from liafseq.tasks.sequences.reader import Reader
from liafseq.tasks.text.config import TextConfig

__all__ = ["PairReader", "SecondReader", "TextReader"]


class TextReader(Reader):
    """A :class:`Reader` of words, some of which are read as unknown in training.

    So the vector of unknown words is learnt, and no single word decides (Iyyer et al. 2015).

    Args:
        config: of the run.
        words: of the vocabulary.
        classes: how many.
    """

    def __init__(self, config: TextConfig, words: int, classes: int) -> None:
        super().__init__(
            config.model,
            config.embedding_size,
            config.hidden_size,
            classes,
            words=words,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            pooling=config.pooling,
        )
        self.word_dropout = config.word_dropout

    def pooled(self, values: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.word_dropout:
            left_out = torch.rand(values.shape, device=values.device) < self.word_dropout
            values = values.masked_fill(left_out, 0)  # <unk>
        return super().pooled(values, lengths)


class PairReader(TextReader):
    """Both texts are read by the same layers; the head sees [a, b, \\|a - b\\|, a * b] (Conneau et al. 2017).

    Shapes: of N pairs, values (T, 2N) and lengths (2N): the first texts, then the second ones.
    """

    def __init__(self, config: TextConfig, words: int, classes: int) -> None:
        super().__init__(config, words, classes)
        self.head = nn.Linear(4 * self.features, classes)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return self.compared(*self.pooled(values, lengths).chunk(2))

    def compared(self, first: Tensor, second: Tensor) -> Tensor:
        """The answer from what is held of the two texts, (N, features) each."""
        seen = torch.cat([first, second, (first - second).abs(), first * second], -1)
        return self.head(self.dropout(seen))


class SecondReader(nn.Module):
    """The network as it reads the second text of a pair, for pictures.

    Args:
        network: of the run, in evaluation mode.
        first: (T, 1) the words of the first text.
    """

    def __init__(self, network: PairReader, first: Tensor) -> None:
        super().__init__()
        self.network = network
        self.layer, self.directions, self.pooling = network.layer, network.directions, network.pooling
        with torch.no_grad():  # once, here: the layer's states that a picture sees are of the second text
            self.held = network.pooled(first, torch.tensor([len(first)]))
        self.train(network.training)  # a new module would take the network out of its mode

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        second = self.network.pooled(values, lengths)
        return self.network.compared(self.held.expand_as(second), second)
