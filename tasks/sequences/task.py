"""A task whose network is a :class:`Reader`: what is the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from liafseq.tasks.config import Config
from liafseq.tasks.task import Mistake, Part, Tally, Task, check_example

if TYPE_CHECKING:
    from torch import Tensor, nn

    from liafseq.tasks.sequences.ragged import SequenceExamples
    from liafseq.tasks.sequences.reader import Reader

__all__ = ["SequenceData", "SequenceTask"]


class SequenceData(Protocol):
    """Data of sequences.

    Attributes:
        classes: the names of what a sequence, or a step, can be.
    """

    @property
    def classes(self) -> Sequence[str]: ...

    def kept(self) -> Any:
        """What a run folder must hold, as JSON."""
        ...

    def split(self, config: Any, name: str, /) -> Any:
        """The examples of a split: ``SequenceExamples``, or others that have ``scored``."""
        ...

    def shown(self, config: Any, split: str, row: int) -> tuple[str, Sequence[Any]]:
        """An example as a line of text, and its steps as words or pictures."""
        ...


C = TypeVar("C", bound=Config)
D = TypeVar("D", bound=SequenceData)


class SequenceTask(Task[C, D], Generic[C, D]):
    """Sequences of one part, each with a class: floor, mistakes and pictures.

    A subclass has the rest of :class:`liafseq.tasks.task.Task`; its network is a ``Reader``.

    Attributes:
        most_steps: the most that a picture shows; of longer sequences some are passed over.
    """

    most_steps: ClassVar[int] = 340

    def parts(self, config: C) -> Sequence[Part]:
        return (Part(config.about(), self.describe(config)),)

    def examples(self, config: C, data: D, split: str, part: str | None = None) -> SequenceExamples:
        return data.split(config, split)

    def step(self, network: nn.Module, batch: Any) -> Tally:
        from liafseq.tasks.sequences.scores import by_class, by_class_of_steps

        tally = by_class_of_steps if batch.target.ndim > 1 else by_class
        return tally(network(batch.values, batch.lengths), batch.target)

    def floor(self, config: C) -> Mapping[str, float]:
        """What the most frequent training class scores."""
        data = self.data(config)
        train, test = (data.split(config, split).scored for split in ("train", "test"))
        common = int(train.long().bincount().argmax())
        (part,) = self.parts(config)
        return {part.name: float((test == common).float().mean())}

    def facts(self, config: C, data: D) -> Mapping[str, float]:
        """The mean number of steps; of the validation part where the test part is not read."""
        lengths = data.split(config, "test" if config.score_test else "valid").values.lengths
        return {"steps": float(lengths.float().mean())}

    def mistakes(self, config: C, data: D, network: nn.Module, split: str, part: str) -> Iterator[Mistake]:
        import torch

        examples = data.split(config, split)
        for start in range(0, len(examples), config.batch_size):
            rows = range(start, min(start + config.batch_size, len(examples)))
            *inputs, target = examples.batch(rows)
            with torch.no_grad():
                said = network(*inputs).argmax(-1).tolist()
            for row, given, right in zip(rows, said, target.tolist(), strict=True):
                if given != right:
                    text, _ = data.shown(config, split, row)
                    expected = data.classes[right] if right >= 0 else "a class that training has not seen"
                    yield Mistake(part, row, text, expected, data.classes[given])

    def trace(
        self,
        config: C,
        data: D,
        network: nn.Module,
        example: int,
        *,
        neurons: int,
        part: str,
        split: str,
    ) -> tuple[bytes, str]:
        from liafseq.tasks.sequences.picture import picture

        examples = data.split(config, split)
        check_example(example, len(examples), f"{split} {self.word}")
        batch = examples.batch([example])
        reader, values = self.reading(network, batch)
        _, steps = data.shown(config, split, example)
        what = f"{part}, {split} {self.word.removesuffix('s')} {example}"
        target = batch.target
        return picture(
            reader,
            values,
            steps,
            target[:, 0] if target.ndim > 1 else int(target[0]),
            data.classes,
            config=config,
            what=what,
            neurons=neurons,
            every=-(-len(steps) // self.most_steps),
        )

    def reading(self, network: nn.Module, batch: Any) -> tuple[Reader, Tensor]:
        """What reads the sequence of a picture, and its values, of a batch of one example."""
        return cast("Reader", network), batch.values
