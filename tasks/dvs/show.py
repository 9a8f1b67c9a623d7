"""What a network holds as it sees a recording, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.state_figure import chosen_neurons, spike_name, state_figure, state_name

if TYPE_CHECKING:
    import numpy as np
    import torch

    from liafseq.tasks.dvs.config import DvsConfig
    from liafseq.tasks.dvs.data import DvsData

__all__ = ["Trace", "picture", "trace"]

# Okabe and Ito: rising and falling light.
_ON, _OFF = (0, 114, 178), (213, 94, 0)


@dataclass(frozen=True)
class Trace:
    """What the last layer holds after each of T steps, of K neurons, and what would be answered.

    Attributes:
        state: (T, K): the membrane potential u; of rnn and gru the output h, of lstm and conv-lstm
            the cell, of conv3d what the last convolution gives out.
        spikes: (T, K) thresholds crossed; None for networks without.
        probabilities: (T, classes): of each class, were the recording to end there.
    """

    state: torch.Tensor
    spikes: torch.Tensor | None
    probabilities: torch.Tensor


def trace(model: Any, frames: torch.Tensor) -> Trace:
    """Shows a network the beginnings of one recording, (T, 1, 2, height, width), of 1 to T steps."""
    import torch

    layer = model.layers[-1]
    held: list[torch.Tensor] = []
    logits = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        if torch.is_tensor(output):  # conv3d: (N, channels, T, height, width)
            held.append(output[0, :, -1])
            return
        state = output[1]
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
    spikes = None
    if hasattr(layer, "neuron_parameters"):
        deepest = f"_l{layer.num_layers - 1}" if hasattr(layer, "num_layers") else ""
        threshold = layer.neuron_parameters(deepest)["threshold"].detach()
        if state.ndim == 4 and threshold.ndim:
            threshold = threshold[:, None, None]
        spikes = sum((state >= level * threshold).long() for level in range(1, layer.neuron.levels + 1))
        spikes = spikes.flatten(1)
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
    import torch

    recordings = data.split(config, split)
    if not 0 <= example < len(recordings):
        raise ValueError(
            f"example must be from 0 to {len(recordings) - 1} ({split} recordings), got {example}"
        )
    batch = recordings.batch([example])
    found = trace(network.float(), batch.frames)
    names = data.classes
    right, last = int(batch.label[0]), found.probabilities[-1]
    said = int(last.argmax())
    curves = {
        f"p({names[right]}), the right class" + (", given" if said == right else ""): found.probabilities[
            :, right
        ].numpy()
    }
    if said != right:
        curves[f"p({names[said]}), the class given"] = found.probabilities[:, said].numpy()
    title = f"{part}, {split} recording {example}: {names[right]}. Answered: {names[said]} "
    title += f"({'right' if said == right else 'wrong'}, p = {float(last[said]):.2f})"
    shown = chosen_neurons(found.state.numpy(), neurons)
    number = len(network.layers)
    subtitle = (
        f"{config.model.label}, seed {config.seed}; layer {number} of {number}; {len(shown)} of "
        f"{found.state.shape[1]} neurons: those that vary most, slow ones on top. "
        "Frames: on blue, off orange. Probabilities: were the recording to end there."
    )
    quantity = state_name(config.layer(), spikes=found.spikes is not None)
    if network.name == "conv3d":
        quantity = "output of the last convolution"
    others = [at for at in range(len(names)) if at not in (right, said)]
    png = state_figure(
        found.state[:, shown].numpy(),
        None if found.spikes is None else found.spikes[:, shown].numpy(),
        [_painted(frame) for frame in batch.frames[:, 0].numpy()],
        curves,
        others=torch.as_tensor(found.probabilities[:, others]).numpy(),
        title=title,
        subtitle=subtitle,
        quantity=quantity,
        spike_name=spike_name(network.layers[-1]),
        neurons=shown,
    )
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
