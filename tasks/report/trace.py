"""What a network holds as it reads an example, and what it would answer at each step, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liafseq.tasks.report.state_figure import chosen_neurons, spike_name, state_figure, state_name

if TYPE_CHECKING:
    from torch import Tensor

    from liafseq.tasks.config import Config

__all__ = ["Trace", "draw", "draw_state", "spikes_of", "verdict"]


@dataclass(frozen=True)
class Trace:
    """What a layer holds after each of T steps, of K neurons, and what would be answered.

    Attributes:
        state: (T, K): the membrane potential u; of rnn and gru the output h, of lstm and conv-lstm the
            cell, of conv3d what the last convolution gives out.
        spikes: (T, K) thresholds crossed; None for networks without.
        probabilities: (T, answers): of each answer, were the example to end there.
    """

    state: Tensor
    spikes: Tensor | None
    probabilities: Tensor


def spikes_of(layer: Any, state: Tensor) -> Tensor | None:
    """How many thresholds each potential has crossed, (T, K) or (T, C, H, W); None without a neuron."""
    if not hasattr(layer, "neuron_parameters"):
        return None
    deepest = f"_l{layer.num_layers - 1}" if hasattr(layer, "num_layers") else ""
    threshold = layer.neuron_parameters(deepest)["threshold"].detach()
    if state.ndim == 4 and threshold.ndim:
        threshold = threshold[:, None, None]
    levels = [(state >= level * threshold).long() for level in range(1, layer.neuron.levels + 1)]
    return sum(levels[1:], start=levels[0])


def verdict(found: Trace, right: int | Tensor, answers: Sequence[str]) -> str:
    """What is said at the end of a title: ``Answered: garden (wrong, p = 0.61)``."""
    if not isinstance(right, int):
        hits = int((found.probabilities.argmax(-1) == right).sum())
        return f"Right at {hits} of {int((right >= -1).sum())} steps shown"
    last = found.probabilities[-1]
    said = int(last.argmax())
    word = "right" if said == right else "wrong"
    return f"Answered: {answers[said]} ({word}, p = {float(last[said]):.2f})"


def draw(
    found: Trace,
    steps: Sequence[Any],
    right: int | Tensor,
    answers: Sequence[str],
    *,
    layer: Any,
    config: Config,
    title: str,
    note: str,
    about: str = "",
    layers: int | None = None,
    word: str = "answer",
    neurons: int = 24,
    quantity: str | None = None,
    ends: Sequence[int] = (),
) -> bytes:
    """A PNG file of a trace.

    Args:
        found: what was seen.
        steps: of each a word, or a picture as an array (height, width, 3) of 0 to 255.
        right: the number of the right answer, or of that of each step; -1: one that training has not seen;
            less: none, not scored.
        answers: their names.
        layer: whose state it is.
        config: of the run.
        title, about, note: above; ``about`` and ``note`` stand around what is shown of the neurons.
        layers: how many there are, of which the last is shown; by default as many as ``config`` says.
        word: what an answer is called.
        neurons: how many to show at most.
        quantity: what the state is; by default as the model's state is called.
        ends: steps behind which a row may end.
    """
    curves, others = _curves(found.probabilities, right, answers, word)
    return draw_state(
        found.state, found.spikes, steps, curves,
        others=others, layer=layer, config=config, title=title, note=note, about=about, layers=layers,
        neurons=neurons, quantity=quantity, ends=ends,
    )  # fmt: skip


def draw_state(
    state: Tensor,
    spikes: Tensor | None,
    steps: Sequence[Any],
    curves: Mapping[str, Any],
    *,
    layer: Any,
    config: Config,
    title: str,
    note: str,
    about: str = "",
    layers: int | None = None,
    neurons: int = 24,
    others: Any = None,
    quantity: str | None = None,
    ends: Sequence[int] = (),
) -> bytes:
    """A PNG file of the neurons that vary most, above curves over the steps.

    Args:
        state, spikes: as of a :class:`Trace`.
        curves: by name, (T,); ``others`` are grey ones, (T, curves).
    """
    shown = chosen_neurons(state.numpy(), neurons)
    layers = layers or config.num_layers
    said = [
        f"{config.model.label}, seed {config.seed}",
        about,
        f"layer {layers} of {layers}",
        f"{len(shown)} of {state.shape[1]} neurons: those that vary most, slow ones on top. {note}",
    ]
    return state_figure(
        state[:, shown].numpy(),
        None if spikes is None else spikes[:, shown].numpy(),
        steps,
        curves,
        others=others,
        title=title,
        subtitle="; ".join(text for text in said if text),
        quantity=quantity or state_name(config.model.model(), spikes=spikes is not None),
        spike_name=spike_name(layer),
        neurons=shown,
        ends=ends,
    )


def _curves(
    probabilities: Tensor, right: int | Tensor, answers: Sequence[str], word: str
) -> tuple[dict[str, Any], Any]:
    """The curves of the right answer and of the one given, and those of all others."""
    if not isinstance(right, int):
        of_step = probabilities.gather(1, right.clamp(min=0)[:, None])[:, 0] * (right >= 0)
        return {f"p(the right {word} of the step)": of_step.numpy()}, probabilities.numpy()
    said = int(probabilities[-1].argmax())
    curves = {}
    if right >= 0:
        name = f"p({answers[right]}), the right {word}" + (", given" if said == right else "")
        curves[name] = probabilities[:, right].numpy()
    if said != right:
        curves[f"p({answers[said]}), the {word} given"] = probabilities[:, said].numpy()
    others = [at for at in range(len(answers)) if at not in (right, said)]
    return curves, probabilities[:, others].numpy()
