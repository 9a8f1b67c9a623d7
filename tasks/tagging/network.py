"""The network of a tagger: words and what is read of them, recurrent layers, tags and the intent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from liafseq.tasks.sequences.ragged import IGNORED
from liafseq.tasks.sequences.reader import Reader, unpacked
from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.tagging.data import TaggingData
from liafseq.tasks.task import Tally

__all__ = ["Tagger", "tally"]

_SIZES = {"suffixes2": 20, "suffixes3": 30, "shapes": 10}
_CHARACTER, _FILTERS, _WIDTH = 25, 50, 3


class Tagger(Reader):
    """Recurrent layers over vectors of words; a head for the tag of each, one for the intent of all.

    The vector of a word is that of the word itself, beside those of its suffixes and its shape (20, 30 and
    10 values), or the maximum over its characters of a convolution (vectors of 25, 50 filters of width 3;
    Ma and Hovy 2016, arXiv:1603.01354).

    Args:
        config: of the run.
        data: vocabularies, tags and intents.

    Shapes: ``forward`` takes the numbers of the features, (T, N, features), and the lengths, (N) on the CPU,
    and gives the tags' logits, (T, N, tags), and the intents', (N, intents) or None.
    """

    def __init__(self, config: TaggingConfig, data: TaggingData) -> None:
        others = {name: len(words) for name, words in data.features.items() if name != "words"}
        sizes = {name: _SIZES.get(name, _FILTERS) for name in others}
        super().__init__(
            config.model,
            config.embedding_size + sum(sizes.values()),
            config.hidden_size,
            len(data.tags),
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            pooling=config.pooling if data.intents else "steps",
        )
        self.spans = data.spans
        self.words = nn.Embedding(len(data.vocabulary), config.embedding_size)
        self.others = nn.ModuleDict(
            {name: nn.Embedding(count, _SIZES.get(name, _CHARACTER)) for name, count in others.items()}
        )
        self.filters = (
            nn.Conv1d(_CHARACTER, _FILTERS, _WIDTH, padding="same") if "characters" in others else None
        )
        self.intents = nn.Linear(self.features, len(data.intents)) if data.intents else None
        self.crf: nn.Module | None = None
        if config.head == "crf":
            from torchcrf import CRF

            self.crf = CRF(len(data.tags))

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        outputs, state = self.read(values, lengths)
        logits = self.head(self.dropout(unpacked(outputs)))
        if self.intents is None:
            return logits, None
        return logits, self.intents(self.dropout(self.pool(outputs, state, lengths)))

    def said(self, logits: Tensor, inside: Tensor) -> Tensor:
        """The tags, (T, N): of each word the likeliest, or with a random field the likeliest sequence.

        Args:
            logits: (T, N, tags).
            inside: (T, N) which steps are none behind an end.
        """
        if self.crf is None:
            return logits.argmax(-1)
        found: Any = self.crf.decode(logits.float(), inside)  # type: ignore[operator]
        return nn.utils.rnn.pad_sequence([torch.tensor(tags, device=logits.device) for tags in found])

    def _vectors(self, values: Tensor) -> Tensor:
        parts = [self.words(values[..., 0])]
        if self.filters is not None:
            characters = self.others["characters"](values[..., 1:])
            found = self.filters(characters.flatten(0, -3).mT)
            parts.append(found.amax(-1).view(*values.shape[:-1], -1))
        else:
            parts += [embed(values[..., at]) for at, embed in enumerate(self.others.values(), 1)]
        return self.dropout(torch.cat(parts, -1))


def tally(network: Any, values: Tensor, lengths: Tensor, target: Tensor) -> Tally:
    """Loss and sums of a batch.

    The loss is that of tags, a mean over tokens, and that of intents, a mean over sentences, added up; a
    count of tokens is what both are multiplied by. What training has not seen is left out of the loss of a
    linear head and of intents, and the first tag for a random field. In training no tags are decoded, and
    the sums are 0.
    """
    logits, intents = network(values, lengths)
    logits, tags = logits.float(), target[..., 0]
    inside = tags != IGNORED
    count = int(lengths.sum())
    if network.crf is None:
        loss = cross_entropy(
            logits.flatten(0, 1), tags.flatten().masked_fill(tags.flatten() < 0, IGNORED), reduction="sum"
        )
    else:
        loss = -network.crf(logits, tags.clamp(min=0), inside)
    right = target[0, :, 3]
    if intents is not None:
        missed = cross_entropy(intents.float(), right, ignore_index=-1, reduction="sum")
        loss = loss + missed * count / len(lengths)
    sums = [0] * 6
    if not network.training:
        said = network.said(logits, inside)
        sums[:4] = int((said == tags).sum()), *network.spans.count(said, target)
        if intents is not None:
            sums[4:] = int((intents.argmax(-1) == right).sum()), len(lengths)
    return Tally(loss, count, torch.tensor(sums, device=loss.device))
