"""What a bAbI network holds as it reads a story, word by word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liafseq.tasks.babi.encode import Batch, SentenceBatch
from liafseq.tasks.report.trace import Trace, draw, spikes_of, verdict
from liafseq.tasks.task import check_example

if TYPE_CHECKING:
    import torch

    from liafseq.tasks.babi.config import BabiConfig
    from liafseq.tasks.babi.data import BabiData

__all__ = ["picture", "trace"]


def trace(model: Any, batch: Batch | SentenceBatch) -> Trace:
    """Reads the one question of a batch step by step, passing the state on.

    A network that reads in both directions, or in several hops, is given the story up to each step
    instead, and shown is what its last layer (of its last hop; its forward direction) then holds.
    """
    import torch

    layer = _layer(model)
    stepwise = not hasattr(model, "hops") and not layer.bidirectional
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            state, logits = (
                _stepwise(model, batch)
                if stepwise and isinstance(batch, Batch)
                else _prefixes(model, layer, batch)
            )
    finally:
        model.train(training)
    return Trace(state, spikes_of(layer, state), logits.float().softmax(-1))


def picture(
    config: BabiConfig,
    data: BabiData,
    network: Any,
    example: int,
    *,
    neurons: int = 24,
    part: str,
    split: str = "test",
) -> tuple[bytes, str]:
    """Draws what a network holds as it reads one question's story.

    Args:
        config, data, network: of a run.
        example: which question of the part's split, from 0.
        neurons: how many to show at most.
        part: one of the run's tasks.
        split: ``test``, ``valid`` or ``train``.

    Returns:
        A PNG file, and what it shows in a line.

    Raises:
        ValueError: no such question.
    """
    questions = data.questions(config, split, (int(part.removeprefix("task ")),))
    check_example(example, len(questions), f"{split} questions")
    vocabulary = data.vocabulary
    batch = questions.batch([example])
    found = trace(network.float(), batch)
    story = _steps(batch, vocabulary)
    question = " ".join(vocabulary.words[word] for word in batch.question[:, 0].tolist())
    right = int(batch.answer[0])
    truth = vocabulary.answers[right] if right >= 0 else "one that training has not seen"
    title = f"{question.capitalize()}? Right: {truth}. {verdict(found, right, vocabulary.answers)}"
    about = f"{part}, {split} question {example}"
    if config.kind == "story":
        about += f"; hop {config.hops} of {config.hops} of the story model"
    marks = "" if config.kind == "story" else "; large marks: the end of a sentence"
    png = draw(
        found, story, right, vocabulary.answers,
        layer=_layer(network),
        config=config,
        title=title,
        about=about,
        note=f"Probabilities: were the story to end there{marks}.",
        neurons=neurons,
        ends=[at for at, step in enumerate(story) if step == "."],
    )  # fmt: skip
    return png, f"{' '.join(story)} {title}"


def _layer(model: Any) -> Any:
    """The last recurrent layer over the story."""
    return model.hops[-1].layer if hasattr(model, "hops") else model.story


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


def _steps(batch: Batch | SentenceBatch, vocabulary: Any) -> list[str]:
    """The words of the story, or its sentences."""

    def told(column: Any, length: Any = None) -> list[str]:
        return [vocabulary.words[word] for word in column[:length].tolist()]

    if isinstance(batch, Batch):
        return told(batch.story[:, 0])
    return [" ".join(told(batch.words[:, at], batch.word_lengths[at])) for at in batch.story[:, 0].tolist()]
