"""What a tagger holds as it reads a sentence, and the tags that it gives, as a picture."""

from __future__ import annotations

from typing import Any

import torch

from liafseq.tasks.report.trace import draw_state, spikes_of
from liafseq.tasks.sequences.picture import prefixes
from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.tagging.data import TaggingData
from liafseq.tasks.tagging.files import Sentence

__all__ = ["picture"]


def picture(
    config: TaggingConfig, data: TaggingData, network: Any, sentence: Sentence, *, what: str, neurons: int
) -> tuple[bytes, str]:
    """A PNG file of the state in the forward direction, and of the tags' probabilities; and a line about it.

    The probabilities are those of a reader of the whole sentence; with a random field those of the linear
    scores below it.
    """
    values = data.numbers(sentence.words)[:, None].long()
    state, _ = prefixes(network.float(), values)
    with torch.no_grad():
        logits, _ = network(values, torch.tensor([len(values)]))
        said = network.said(logits, torch.ones(logits.shape[:2], dtype=torch.bool))[:, 0]
    probabilities = logits[:, 0].softmax(-1)
    number = {tag: at for at, tag in enumerate(data.tags)}
    right = torch.tensor([number.get(tag, -1) for tag in sentence.tags])
    steps = torch.arange(len(right))
    of_right = torch.where(right >= 0, probabilities[steps, right], 0.0)
    curves = {"p(right tag)": of_right.numpy()}
    ticks = list(sentence.words)
    if bool((wrong := said != right).any()):
        curves["p(tag given)"] = probabilities[steps, said].numpy()
        for at in wrong.nonzero().flatten().tolist():
            ticks[at] = f"{ticks[at]} ({sentence.tags[at]}, given {data.tags[int(said[at])]})"
    title = f"{what}: {int((said == right).sum())} of {len(right)} tags right"
    png = draw_state(
        state,
        spikes_of(network.layer, state),
        ticks,
        curves,
        layer=network.layer,
        config=config,
        title=title,
        note="States of the forward direction; probabilities of a reader of the whole sentence.",
        neurons=neurons,
    )
    return png, title
