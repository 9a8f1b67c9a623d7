"""Classes of texts as a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from liafseq.tasks.sequences.scores import CLASS_METRICS
from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.task import Part
from liafseq.tasks.text.config import DOCSTRINGS, TextConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from liafseq.tasks.sequences.ragged import SequenceBatch
    from liafseq.tasks.sequences.reader import Reader
    from liafseq.tasks.text.data import TextData

__all__ = ["Text"]


class Text(SequenceTask[TextConfig, "TextData"]):
    """The class of a text, or of a pair of texts.

    Embedded are sentences of docstrings: which package is each of?
    """

    name = "text"
    title = "classes of texts"
    word = "texts"
    Config = TextConfig
    metrics = CLASS_METRICS

    def parts(self, config: TextConfig) -> Sequence[Part]:
        return (Part(config.about()),)

    def data(self, config: TextConfig, kept: Any = None) -> TextData:
        from liafseq.tasks.text.data import TextData

        return TextData.of(config, kept)

    def describe(self, config: TextConfig) -> str:
        if config.source != DOCSTRINGS:
            return f"texts of {config.about()}"
        from liafseq.tasks.text.docstrings import versions

        packages = ", ".join(f"{name} {version}" for name, version in versions().items())
        return f"sentences of the docstrings of {packages}"

    def network(self, config: TextConfig, data: TextData) -> nn.Module:
        import torch

        from liafseq.tasks.text.network import PairReader, TextReader

        kind = TextReader if config.pair_column is None else PairReader
        network = kind(config, len(data.vocabulary), len(data.classes))
        if config.vectors is not None and data.trains:
            with torch.no_grad():
                found = data.vocabulary.load_vectors(config.vectors, config.embedding_size)
                cast("nn.Embedding", network.embedding).weight.copy_(found)
        return network

    def unanswerable(self, config: TextConfig, data: TextData, part: str) -> str | None:
        target = cast("Tensor", data.split(config, "test").target)
        if bool((target < 0).all()):
            return "none of its classes is among those that the network has learnt"
        return None

    def predict(self, config: TextConfig, data: TextData, network: nn.Module, text: str) -> str:
        """The class of a text; of a pair the two stand around ``|||``."""
        import torch

        texts = [text] if config.pair_column is None else text.split("|||")
        if config.pair_column is not None and len(texts) != 2:
            raise ValueError(f"expected two texts with ||| between them, got {text!r}")
        if not all(part.strip() for part in texts):
            raise ValueError(f"expected a text, got {text!r}")
        batch = data.batch(config, texts)
        with torch.no_grad():
            return data.classes[int(network(batch.values, batch.lengths)[0].argmax())]

    def reading(self, network: nn.Module, batch: SequenceBatch) -> tuple[Reader, Tensor]:
        from liafseq.tasks.text.network import PairReader, SecondReader

        if not isinstance(network, PairReader):
            return super().reading(network, batch)
        first, second = (batch.values[:length, at, None] for at, length in enumerate(batch.lengths))
        return cast("Reader", SecondReader(network, first)), second
