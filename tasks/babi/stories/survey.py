"""What is in a set of stories: counts, lengths, words, answers."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liafseq.tasks.babi.stories.format import Question, Story
from liafseq.tasks.babi.stories.sources import stories

__all__ = ["Survey", "majority_accuracy", "survey"]

ENOUGH = 1_000
"""Generated training questions that are enough to tell which answer is the most frequent."""


@dataclass
class Survey:
    """Counts over stories.

    ``story_tokens`` holds, for each question, the words and full stops of the statements before it;
    ``support`` the number of supporting facts of each question.
    """

    stories: int = 0
    questions: int = 0
    words: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    story_tokens: list[int] = field(default_factory=list)
    support: list[int] = field(default_factory=list)

    @property
    def mean_tokens(self) -> float:
        """Mean number of tokens before a question; 0.0 where there is no question."""
        return statistics.fmean(self.story_tokens) if self.story_tokens else 0.0


def survey(found: Iterable[Story], questions: int | None = None) -> Survey:
    """Counts what is in the stories, up to so many questions.

    >>> from liafseq.tasks.babi.stories.format import Statement
    >>> story = [Statement("Mary went home."), Question("Where is Mary?", "home", (1,))]
    >>> found = survey([story])
    >>> found.questions, found.story_tokens, found.answers["home"], len(found.words)
    (1, [4], 1, 7)
    """
    counted = Survey()
    for story in found:
        counted.stories += 1
        tokens = 0
        for item in story:
            words = re.findall(r"\w+|[^\w\s]", item.text.lower())
            counted.words.update(words)
            if isinstance(item, Question):
                counted.questions += 1
                counted.answers[item.answer] += 1
                counted.story_tokens.append(tokens)
                counted.support.append(len(item.support))
                if counted.questions == questions:
                    return counted
            else:
                tokens += len(words)
    return counted


def majority_accuracy(
    task: int,
    source: str = "generated",
    *,
    variant: str = "en-10k",
    questions: int,
    test_questions: int,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> float:
    """The test accuracy of always giving the most frequent training answer.

    The training questions decide which answer that is (of generated ones, 1,000 of them). Errors as
    of :func:`liafseq.tasks.babi.stories.sources.stories`.
    """
    generated = None
    if options:
        from liafseq.tasks.babi.generator import GeneratorOptions

        generated = GeneratorOptions(**options)
    if source == "generated":
        questions = min(questions, ENOUGH)

    def answers(split: Any, count: int) -> Counter[str]:
        found = stories(task, split, source, variant=variant, questions=count, seed=seed, options=generated)
        return survey(found, count).answers

    train, test = answers("train", questions), answers("test", test_questions)
    if not train or not test:
        raise ValueError(f"task {task} of {source} has no {'test' if train else 'training'} questions")
    # Among equally frequent answers the first by name, so that the figure does not depend on an order.
    common = min(train, key=lambda answer: (-train[answer], answer))
    return test[common] / test.total()
