"""What a network over maps holds as it sees a recording or an image, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.trace import Trace, draw, spikes_of, verdict
from liafseq.tasks.task import check_example

if TYPE_CHECKING:
    import numpy as np
    import torch

    from liafseq.tasks.dvs.config import DvsConfig
    from liafseq.tasks.dvs.data import DvsData
    from liafseq.tasks.dvs.net import NetConfig

__all__ = ["drawn", "picture", "trace"]

# Okabe and Ito: rising and falling light.
_ON, _OFF = (0, 114, 178), (213, 94, 0)


def trace(model: Any, frames: torch.Tensor) -> Trace:
    """Shows a network the beginnings of one example, (T, 1, channels, height, width), of 1 to T steps."""
    import torch

    layer = model.layers[-1]
    held: list[torch.Tensor] = []
    logits = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        if torch.is_tensor(output):  # conv3d: (N, channels, T, height, width)
            held.append(output[0, :, -1])
            return
        state = output[1]
        if state is None:  # conv-relu
            held.append(output[0][-1, 0])
            return
        if isinstance(state, tuple):  # (h, c), with the synapse's current behind it where there is one
            state = state[1]
        # A recurrent layer's state has an axis of layers before the batch.
        held.append(state[-1, 0] if state.ndim == 3 else state[0])

    training = model.training
    model.eval()
    hook = layer.register_forward_hook(keep)
    try:
        with torch.no_grad():
            for steps in range(1, len(frames) + 1):
                logits.append(model(frames[:steps], torch.tensor([steps]))[0])
    finally:
        hook.remove()
        model.train(training)
    state = torch.stack(held)
    spikes = spikes_of(layer, state)
    spikes = None if spikes is None else spikes.flatten(1)
    return Trace(state.flatten(1), spikes, torch.stack(logits).float().softmax(-1))


def picture(
    config: DvsConfig,
    data: DvsData,
    network: Any,
    example: int,
    *,
    neurons: int = 24,
    part: str,
    split: str = "test",
) -> tuple[bytes, str]:
    """Draws what a network holds as it sees one recording, under the recording's frames.

    Args:
        config, data, network: of a run.
        example: which recording of the split, from 0.
        neurons: how many to show at most.
        part: the run's data set.
        split: ``test``, ``valid`` or ``train``.

    Returns:
        A PNG file, and what it shows in a line.

    Raises:
        FileNotFoundError: its data is gone.
        ValueError: no such recording.
    """
    recordings = data.split(config, split)
    check_example(example, len(recordings), f"{split} recordings")
    batch = recordings.batch([example])
    return drawn(
        config, network, batch.frames, int(batch.label[0]), data.classes,
        shown=[_painted(frame) for frame in batch.frames[:, 0].numpy()],
        what=f"{part}, {split} recording {example}",
        note="Frames: on blue, off orange. Probabilities: were the recording to end there.",
        neurons=neurons,
    )  # fmt: skip


def drawn(
    config: NetConfig,
    network: Any,
    frames: torch.Tensor,
    right: int,
    classes: Sequence[str],
    *,
    shown: Sequence[Any],
    what: str,
    note: str,
    neurons: int,
) -> tuple[bytes, str]:
    """A PNG file of what a network holds as it sees one example, and what it shows in a line.

    Args:
        config, network: of a run.
        frames: (T, 1, channels, height, width).
        right: the number of the right class; -1: one that training has not seen.
        classes: their names.
        shown: a picture of each step.
        what: the example in words.
        note: what else is said.
        neurons: how many to show at most.
    """
    found = trace(network.float(), frames)
    truth = classes[right] if right >= 0 else "one that training has not seen"
    title = f"{what}: {truth}. {verdict(found, right, classes)}"
    png = draw(
        found, shown, right, classes,
        layer=network.layers[-1],
        config=config,
        title=title,
        layers=len(network.layers),
        note=note,
        word="class",
        neurons=neurons,
        quantity="output of the last convolution" if network.name in ("conv3d", "conv-relu") else None,
    )  # fmt: skip
    return png, title


def _painted(frame: np.ndarray) -> np.ndarray:
    """Two maps as a picture, (height, width, 3) of 0 to 255: white where nothing happened."""
    import numpy as np

    off, on = np.maximum(frame, 0)
    total = on + off
    full = np.quantile(total[total > 0], 0.9) if (total > 0).any() else 1.0
    strength = np.minimum(total / full, 1.0)[..., None]
    share = np.divide(on, total, out=np.zeros_like(on), where=total > 0)[..., None]
    colour = share * np.array(_ON) + (1 - share) * np.array(_OFF)
    return (255 * (1 - strength) + strength * colour).astype(np.uint8)
