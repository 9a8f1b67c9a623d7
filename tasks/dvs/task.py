"""Recordings of event cameras as a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.config import replace
from liafseq.tasks.dvs.config import DvsConfig
from liafseq.tasks.dvs.names import GENERATED
from liafseq.tasks.dvs.net import has_synapse
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.task import Mistake, Part, Study, Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from liafseq.tasks.dvs.data import DvsData
    from liafseq.tasks.training.batches import Examples

__all__ = ["Dvs"]


class Dvs(Task[DvsConfig, "DvsData"]):
    """Event cameras: a class for each recording, from generated or published data sets."""

    name = "dvs"
    title = "event cameras"
    word = "recordings"
    Config = DvsConfig
    sizes = ("channels", "hidden_size")
    study = Study(models="conv-liaf,conv-lif,conv-dalif,conv-lstm,conv3d,gru")
    commands = "liafseq.tasks.dvs.commands:app"

    def parts(self, config: DvsConfig) -> Sequence[Part]:
        return (Part(config.data),)

    def adapt(self, config: DvsConfig, model: ModelSpec) -> DvsConfig:
        """A study's ``synapse`` is for its spiking convolutions; the other models are without."""
        return replace(config, model=model, synapse=config.synapse and has_synapse(model.model()))

    def data(self, config: DvsConfig, kept: Any = None) -> DvsData:
        from liafseq.tasks.dvs.data import DvsData

        return DvsData.of(config, kept)

    def examples(self, config: DvsConfig, data: DvsData, split: str, part: str | None = None) -> Examples:
        from liafseq.tasks.dvs.encode import Moved

        return Moved(data.split(config, split), shift=config.shift, turn=config.turn, zoom=config.zoom)

    def floor(self, config: DvsConfig) -> Mapping[str, float]:
        """What the most frequent training class scores."""
        import numpy as np

        from liafseq.tasks.dvs.data import open_split

        train, test = open_split(config, "train"), open_split(config, "test")
        common = int(np.bincount(train.labels).argmax())
        return {config.data: float((test.labels == common).mean())}

    def describe(self, config: DvsConfig) -> str:
        generated = "generated " if config.data in GENERATED else ""
        return f"{generated}event recordings {config.data}"

    def network(self, config: DvsConfig, data: DvsData) -> nn.Module:
        from liafseq.tasks.dvs.model import LiafNet

        return LiafNet(config, 2, config.compression().shape(data.sensor), len(data.classes))

    def facts(self, config: DvsConfig, data: DvsData) -> Mapping[str, float]:
        """The mean number of steps; of the validation part where the test part is not read."""
        recordings = data.split(config, "test" if config.score_test else "valid")
        return {"steps": len(recordings.frames) / len(recordings)}

    def predict(self, config: DvsConfig, data: DvsData, network: nn.Module, text: str) -> str:
        """The class of the recording in a file of events.

        Args:
            config, data, network: of a run.
            text: the path of a file of one of :data:`liafseq.tasks.dvs.formats.FORMATS`.
        """
        import torch

        from liafseq.tasks.dvs.compression.maps import compress
        from liafseq.tasks.dvs.formats import read_events

        maps = compress(read_events(text, sensor=data.sensor), data.sensor, config.compression())
        frames = torch.from_numpy(maps)[:, None]
        return data.classes[int(_logits(network, frames, torch.tensor([len(frames)]))[0].argmax())]

    def mistakes(
        self, config: DvsConfig, data: DvsData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        recordings = data.split(config, split)
        for start in range(0, len(recordings), config.batch_size):
            rows = range(start, min(start + config.batch_size, len(recordings)))
            frames, lengths, right = recordings.batch(rows)
            said = _logits(network, frames, lengths).argmax(-1)
            # Back from the order in a batch to that of the recordings.
            for index, at in zip(rows, recordings.places(rows), strict=True):
                given, label = int(said[at]), int(right[at])
                if given != label:
                    name = f"{split} recording {index}"
                    yield Mistake(part, index, name, data.classes[label], data.classes[given])

    def trace(
        self, config: DvsConfig, data: DvsData, network: nn.Module, example: int, **where: Any
    ) -> tuple[bytes, str]:
        from liafseq.tasks.dvs.show import picture

        return picture(config, data, network, example, **where)


def _logits(network: nn.Module, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.no_grad():
        logits: torch.Tensor = network(frames, lengths)
        return logits
