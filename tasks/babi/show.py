"""What a bAbI network holds as it reads a story, word by word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from liafseq.tasks.babi.config import BabiRun
    from liafseq.tasks.babi.encode import Batch, SentenceBatch

__all__ = ["Trace", "picture", "trace"]


@dataclass(frozen=True)
class Trace:
    """What the last recurrent layer over the story holds after each of T words or sentences, of H neurons.

    Attributes:
        state: (T, H): the membrane potential u; of rnn and gru the output h, of lstm the cell c.
        spikes: (T, H) thresholds crossed; None for networks without.
        probabilities: (T, answers): of each answer, were the story to end there.
    """

    state: torch.Tensor
    spikes: torch.Tensor | None
    probabilities: torch.Tensor


def trace(model: Any, batch: Batch | SentenceBatch) -> Trace:
    """Reads the one question of a batch step by step, passing the state on.

    A network that reads in both directions, or in several hops, is given the story up to each step
    instead, and shown is what its last layer (of its last hop; its forward direction) then holds.
    """
    import torch

    layer = model.hops[-1].layer if hasattr(model, "hops") else model.story
    stepwise = not hasattr(model, "hops") and not layer.bidirectional
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            state, logits = _stepwise(model, batch) if stepwise else _prefixes(model, layer, batch)
    finally:
        model.train(training)
    spikes = None
    if hasattr(layer, "neuron_parameters"):
        threshold = layer.neuron_parameters(f"_l{layer.num_layers - 1}")["threshold"].detach()
        spikes = sum((state >= level * threshold).long() for level in range(1, layer.neuron.levels + 1))
    return Trace(state, spikes, logits.float().softmax(-1))


def picture(
    folder: str | Path, example: int, *, neurons: int = 24, task: str | None = None, split: str = "test"
) -> tuple[bytes, str]:
    """Draws what a run's network holds as it reads one question's story.

    Args:
        folder: of a run that has finished one epoch at least.
        example: which question of the task's split, from 0.
        neurons: how many to show at most.
        task: one of the run's tasks; by default its first.
        split: ``test``, ``valid`` or ``train``.

    Returns:
        A PNG file, and what it shows in a line.

    Raises:
        FileNotFoundError: no such run, or its data is gone.
        ValueError: no such question or task, or a damaged file.
    """
    from liafseq.tasks.babi.adapter import read_config
    from liafseq.tasks.babi.data import load_split
    from liafseq.tasks.babi.kinds import reads
    from liafseq.tasks.run_folder import torch_for
    from liafseq.tasks.show_plots import chosen_neurons, state_figure

    folder = Path(folder)
    config = read_config(folder)
    number = _task(config, task)
    model, vocabulary = _load(folder, config)
    data = load_split(config, number, split, vocabulary)
    if not 0 <= example < len(data):
        raise ValueError(f"example must be from 0 to {len(data) - 1} ({split} questions), got {example}")
    batch = data.sentences([example]) if reads(config) == "sentences" else data.batch([example])
    with torch_for(config):
        found = trace(model, batch)
    story = _steps(batch, vocabulary)
    question = " ".join(vocabulary.words[word] for word in batch.question[:, 0].tolist())
    right, last = int(batch.answer[0]), found.probabilities[-1]
    said = int(last.argmax())
    answers = vocabulary.answers
    curves = {}
    if right >= 0:
        name = f"p({answers[right]}), the right answer" + (", given" if said == right else "")
        curves[name] = found.probabilities[:, right].numpy()
    if said != right:
        curves[f"p({answers[said]}), the answer given"] = found.probabilities[:, said].numpy()
    verdict = "right" if said == right else "wrong"
    truth = answers[right] if right >= 0 else "one that training has not seen"
    title = f"{question.capitalize()}? Right: {truth}. "
    title += f"Answered: {answers[said]} ({verdict}, p = {float(last[said]):.2f})"
    shown = chosen_neurons(found.state.numpy(), neurons)
    layers = f"layer {config.num_layers} of {config.num_layers}, " if config.num_layers > 1 else ""
    if config.kind == "story":
        layers += f"hop {config.hops} of {config.hops} of the story model, "
    marks = "" if config.kind == "story" else "; large marks: the end of a sentence"
    subtitle = (
        f"{config.model}, task {number}, {split} question {example}, seed {config.seed}; {layers}"
        f"{len(shown)} of {found.state.shape[1]} neurons: those that vary most, slow ones on top. "
        f"Probabilities: were the story to end there{marks}."
    )
    data_png = state_figure(
        found.state[:, shown].numpy(),
        None if found.spikes is None else found.spikes[:, shown].numpy(),
        story,
        curves,
        others=found.probabilities[:, [at for at in range(len(answers)) if at not in (right, said)]].numpy(),
        title=title,
        subtitle=subtitle,
        quantity=_quantity(config.model),
        spike_name=_spike(config.model),
        neurons=shown,
        ends=[at for at, step in enumerate(story) if step == "."],
    )
    return data_png, f"{' '.join(story)} {title}"


def _stepwise(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    asked = model.embedding(batch.question)
    query = model._final(model.question(asked)[1], 1)
    states, logits, state = [], [], None
    for word in model.embedding(batch.story):
        step = torch.cat([word, query], -1)[None]
        _, state = model.story(step) if state is None else model.story(step, state)
        states.append(_held(state)[-1, 0])
        logits.append(model.answer(model._final(state, model.directions))[0])
    return torch.stack(states), torch.stack(logits)


def _prefixes(model: Any, layer: Any, batch: Batch | SentenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    states: list[torch.Tensor] = []
    forward = -2 if layer.bidirectional else -1
    hook = layer.register_forward_hook(lambda _, __, out: states.append(_held(out[1])[forward]))
    logits, steps = [], len(batch.story)
    try:
        # In parts, because the memory of all at once grows with the square of a story's length.
        for start in range(0, steps, 64):
            ends = torch.arange(start + 1, min(start + 64, steps) + 1)
            inside = torch.arange(int(ends[-1]))[:, None] < ends
            part = batch._replace(
                story=torch.where(inside, batch.story[: int(ends[-1])], 0),
                story_lengths=ends,
                question=batch.question.expand(-1, len(ends)),
                question_lengths=batch.question_lengths.expand(len(ends)),
            )
            logits.append(model(*part[:-1]))
    finally:
        hook.remove()
    return torch.cat(states), torch.cat(logits)


def _held(state: Any) -> torch.Tensor:
    """The membrane potential or cell where there is one, else the output: (layers * directions, N, H)."""
    return state[1] if isinstance(state, tuple) else state


def _load(folder: Path, config: BabiRun) -> tuple[Any, Any]:
    from liafseq.tasks.babi.adapter import VOCABULARY
    from liafseq.tasks.babi.kinds import build_model
    from liafseq.tasks.babi.vocab import Vocabulary
    from liafseq.tasks.resume import CHECKPOINT
    from liafseq.tasks.storage.checkpoint import load_into, load_tensors
    from liafseq.tasks.storage.files import read_json

    vocabulary = Vocabulary.from_json(read_json(folder / VOCABULARY), folder / VOCABULARY)
    weights, _ = load_tensors(folder / CHECKPOINT)
    model = build_model(config, len(vocabulary.words), len(vocabulary.answers))
    load_into(model, weights, folder / CHECKPOINT)
    return model.float(), vocabulary


def _steps(batch: Batch | SentenceBatch, vocabulary: Any) -> list[str]:
    """The words of the story, or its sentences."""

    def told(column: Any, length: Any = None) -> list[str]:
        return [vocabulary.words[word] for word in column[:length].tolist()]

    if not hasattr(batch, "words"):
        return told(batch.story[:, 0])
    return [" ".join(told(batch.words[:, at], batch.word_lengths[at])) for at in batch.story[:, 0].tolist()]


def _task(config: BabiRun, task: str | None) -> int:
    if task is None:
        return config.tasks[0]
    if task not in map(str, config.tasks):
        raise ValueError(f"task must be one of the run's, {', '.join(map(str, config.tasks))}; got {task!r}")
    return int(task)


def _quantity(model: str) -> str:
    return {"rnn": "hidden state h", "gru": "hidden state h", "lstm": "cell c"}.get(
        model, "membrane potential u"
    )


def _spike(model: str) -> str:
    return {
        "liaf": "threshold crossed (reset)",
        "mlif": "spikes (larger: more)",
    }.get(model, "spike")
