"""bAbI question answering as a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from liafseq.tasks.babi.config import BabiConfig, parse_tasks
from liafseq.tasks.babi.stories.names import TASK_NAMES
from liafseq.tasks.config import replace
from liafseq.tasks.task import ACCURACY, Mistake, Part, Study, Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from liafseq.tasks.babi.data import BabiData
    from liafseq.tasks.training.batches import Examples

__all__ = ["Babi"]


class Babi(Task[BabiConfig, "BabiData"]):
    """bAbI: questions on short stories, 20 tasks (Weston et al. 2015, arXiv:1502.05698).

    A task counts as solved from 95% on, as in the paper.
    """

    name = "babi"
    title = "bAbI question answering"
    word = "questions"
    Config = BabiConfig
    metrics = (dataclasses.replace(ACCURACY, solved=0.95, solved_title="tasks with at most 5% error"),)
    # Nine pairs of runs for each of six pairs of models: enough for some to be told apart.
    study = Study("liaf,liaf:gated=true,lif,gru", 3, {"tasks": (1, 11, 15), "questions": 5_000})
    commands = "liafseq.tasks.babi.commands:app"

    def parts(self, config: BabiConfig) -> Sequence[Part]:
        return [
            Part(f"task {number}", f"task {number}: {TASK_NAMES[number].replace('-', ' ')}")
            for number in config.tasks
        ]

    def separate(self, config: BabiConfig) -> Sequence[BabiConfig]:
        return [replace(config, tasks=(number,)) for number in config.tasks]

    def part_names(self, text: str) -> tuple[str, ...]:
        return tuple(f"task {number}" for number in parse_tasks(text))

    def on_other_data(self, config: BabiConfig, **changes: Any) -> BabiConfig:
        if changes.get("source", "generated") != "generated":
            changes = {"story_options": (), **changes}
        return replace(config, **changes)

    def data(self, config: BabiConfig, kept: Any = None) -> BabiData:
        from liafseq.tasks.babi.data import BabiData

        return BabiData.of(config, kept)

    def examples(self, config: BabiConfig, data: BabiData, split: str, part: str | None = None) -> Examples:
        tasks = config.tasks if part is None else (int(part.removeprefix("task ")),)
        return data.questions(config, split, tasks)

    def sample(self, config: BabiConfig, data: BabiData, count: int) -> tuple[Any, int]:
        from liafseq.tasks.babi.encode import Questions

        share = max(1, count // len(config.tasks))
        each = [data.encoded(config, "test", number) for number in config.tasks]
        questions = Questions.join(
            [part.select(range(min(share, len(part)))) for part in each], config.kind == "story"
        )
        return questions.batch(range(len(questions))), len(questions)

    def floor(self, config: BabiConfig) -> Mapping[str, float]:
        from liafseq.tasks.babi.stories.survey import majority_accuracy

        return {
            f"task {number}": majority_accuracy(
                number,
                config.source,
                variant=config.variant,
                questions=config.questions,
                test_questions=config.test_questions,
                seed=config.data_seed,
                options=dict(config.story_options),
            )
            for number in config.tasks
        }

    def describe(self, config: BabiConfig) -> str:
        if config.source == "generated":
            return "generated bAbI questions"
        name = PurePath(config.source).name or config.source
        return f"bAbI questions of {name}, {config.variant}"

    def network(self, config: BabiConfig, data: BabiData) -> nn.Module:
        import torch

        from liafseq.tasks.babi.model import BabiModel
        from liafseq.tasks.babi.story_model import StoryModel

        vocabulary = data.vocabulary
        kind: Any = StoryModel if config.kind == "story" else BabiModel
        network = kind(config, len(vocabulary.words), len(vocabulary.answers))
        if config.vectors is not None and data.trains:
            with torch.no_grad():
                network.embedding.weight.copy_(vocabulary.load_vectors(config.vectors, config.embedding_size))
        return network

    def unanswerable(self, config: BabiConfig, data: BabiData, part: str) -> str | None:
        number = int(part.removeprefix("task "))
        answers = data.encoded(config, "test", number).answer
        if bool((answers < 0).all()):
            return "none of its answers is among those that the network has learnt"
        return None

    def predict(self, config: BabiConfig, data: BabiData, network: nn.Module, text: str) -> str:
        """Answers the question at the end of a story; statements end with full stops."""
        from liafseq.tasks.babi.encode import Questions, encode

        row = _question(text)
        encoded = encode([row], data.vocabulary)
        batch = Questions(encoded, config.kind == "story").batch([0])
        return data.vocabulary.answers[int(_logits(network, batch)[0].argmax())]

    def mistakes(
        self, config: BabiConfig, data: BabiData, network: nn.Module, split: str, part: str
    ) -> Iterator[Mistake]:
        from liafseq.tasks.babi.data import split_rows

        number = int(part.removeprefix("task "))
        questions = data.questions(config, split, (number,))
        answers = data.vocabulary.answers
        rows = split_rows(config, number, split)
        for start in range(0, len(questions), 256):
            at = range(start, min(start + 256, len(questions)))
            batch = questions.batch(at)
            said = _logits(network, batch).argmax(-1).tolist()
            for index, given, right in zip(at, said, batch[-1].tolist(), strict=True):
                row = rows[index]
                if given != right:
                    story = " ".join([*row["story"], row["question"]])
                    yield Mistake(part, index, story, row["answer"], answers[given])

    def trace(
        self, config: BabiConfig, data: BabiData, network: nn.Module, example: int, **where: Any
    ) -> tuple[bytes, str]:
        from liafseq.tasks.babi.show import picture

        return picture(config, data, network, example, **where)


def _logits(network: nn.Module, batch: Any) -> torch.Tensor:
    import torch

    with torch.no_grad():
        logits: torch.Tensor = network(*batch[:-1])
        return logits


def _question(text: str) -> dict[str, Any]:
    """Story and question of a text, ``Mary went home. Where is Mary?``"""
    *statements, question = [part.strip() for part in text.replace("\n", " ").split(".")]
    if not question:
        raise ValueError(f"expected a story that ends with a question, got {text[-60:]!r}")
    return {"story": [f"{part}." for part in statements if part], "question": question, "answer": ""}
