"""The networks for bAbI by the name of their kind, and the batches that each reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from liafseq.tasks.babi.config import BabiRun

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model", "reads"]


def build_model(config: BabiRun, words: int, answers: int) -> nn.Module:
    """The network of a run's kind.

    Args:
        config: kind, sizes and recurrent layers.
        words: size of the vocabulary.
        answers: number of classes.
    """
    from liafseq.tasks.babi.model import BabiModel
    from liafseq.tasks.babi.story_model import StoryModel

    kinds: dict[str, Any] = {"plain": BabiModel, "story": StoryModel}
    return kinds[config.kind](config, words, answers)


def reads(config: BabiRun) -> Literal["words", "sentences"]:
    """What the network of a run's kind takes a story as.

    See :class:`liafseq.tasks.babi.encode.QuestionBatches`.

    >>> reads(BabiRun()), reads(BabiRun(kind="story"))
    ('words', 'sentences')
    """
    return "sentences" if config.kind == "story" else "words"
