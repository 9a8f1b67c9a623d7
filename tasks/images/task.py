"""Images as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.config import replace
from liafseq.tasks.dvs.net import has_synapse
from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.sequences.task import SequenceTask
from liafseq.tasks.task import Part, Study, Task, check_example

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from liafseq.tasks.images.data import ImagesData

__all__ = ["Images"]


class Images(SequenceTask[ImagesConfig, "ImagesData"]):
    """Images, each shown for a few steps, and the class of each."""

    name = "images"
    title = "images"
    word = "images"
    Config = ImagesConfig
    sizes = ("channels",)
    study = Study(models="conv-liaf,conv-lif,conv-dalif,conv-relu")

    step = Task.step

    def adapt(self, config: ImagesConfig, model: ModelSpec) -> ImagesConfig:
        """A study's ``synapse`` is for its spiking convolutions. Without memory, equal steps are one."""
        alike = model.name == "conv-relu" and config.coding == "direct"
        synapse = config.synapse and has_synapse(model.model())
        return replace(config, model=model, synapse=synapse, **({"steps": 1} if alike else {}))

    def parts(self, config: ImagesConfig) -> Sequence[Part]:
        return (Part(self.name, self.title),)

    def data(self, config: ImagesConfig, kept: Any = None) -> ImagesData:
        from liafseq.tasks.images.data import ImagesData

        return ImagesData.of(config, kept)

    def describe(self, config: ImagesConfig) -> str:
        return (
            "handwritten digits of scikit-learn" if config.source == "digits" else f"images {config.about()}"
        )

    def network(self, config: ImagesConfig, data: ImagesData) -> nn.Module:
        from liafseq.tasks.dvs.model import LiafNet
        from liafseq.tasks.images.model import ResNet

        channels, height, width = data.shape
        kind = ResNet if config.network == "resnet" else LiafNet
        return kind(config, channels, (height, width), len(data.classes))

    def facts(self, config: ImagesConfig, data: ImagesData) -> Mapping[str, float]:
        return {"steps": float(config.steps)}

    def predict(self, config: ImagesConfig, data: ImagesData, network: nn.Module, text: str) -> str:
        """The class of a PNG or JPEG file, which is resized to the images of the run.

        Args:
            config, data, network: of a run.
            text: the path of the file.
        """
        from pathlib import Path

        import torch

        from liafseq.tasks.images.examples import coded
        from liafseq.tasks.sequences.image_files import as_array, read_image

        channels, height, width = data.shape
        if channels not in (1, 3):
            raise ValueError(f"{text}: the images of the run have {channels} channels; a file has 1 or 3")
        image = read_image(Path(text)).convert("L" if channels == 1 else "RGB").resize((width, height))
        pixels = torch.from_numpy(as_array(image).copy())[None] * ((data.high - data.low) / 255) + data.low
        frames = coded(pixels, [config.data_seed], config, data)
        with torch.no_grad():
            return data.classes[int(network(frames, torch.tensor([config.steps]))[0].argmax())]

    def trace(
        self,
        config: ImagesConfig,
        data: ImagesData,
        network: nn.Module,
        example: int,
        *,
        neurons: int,
        part: str,
        split: str,
    ) -> tuple[bytes, str]:
        from liafseq.tasks.dvs.show import drawn

        examples = data.split(config, split)
        check_example(example, len(examples), f"{split} images")
        frames, _, target = examples.batch([example])
        return drawn(
            config, network, frames, int(target[0]), data.classes,
            shown=_painted(frames[:, 0]),
            what=f"{part}, {split} image {example}",
            note="Probabilities: were the steps to end there.",
            neurons=neurons,
        )  # fmt: skip


def _painted(frames: Tensor) -> list[NDArray[Any]]:
    """Frames (T, C, H, W) as pictures, (H, W, 3) of 0 to 255; of other than 1 or 3 channels the mean."""
    low, high = frames.min(), frames.max()
    grey = (255 * (frames - low) / (high - low).clamp(min=1e-12)).byte()
    if grey.shape[1] not in (1, 3):
        grey = grey.float().mean(1, keepdim=True).byte()
    return [frame.numpy() for frame in grey.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)]
