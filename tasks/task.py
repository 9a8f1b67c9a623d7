"""What a task is: one class, registered under its name, and nothing about it anywhere else.

Training, studies, searches, costs, reports and commands are written against this class. A task of another
package is found through the entry point group ``liafseq.tasks``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from liafseq.tasks.config import Config, replace
from liafseq.tasks.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from liafseq.tasks.models import ModelSpec
    from liafseq.tasks.training.batches import Batches, Examples

__all__ = ["ACCURACY", "LOSS", "Metric", "Mistake", "Part", "Sums", "Tally", "Task",
           "check_example", "find", "installed", "names"]  # fmt: skip

GROUP = "liafseq.tasks"

SPLITS = ("test", "valid", "train")
"""The splits of the data of every task."""

C = TypeVar("C", bound=Config)
D = TypeVar("D")


@dataclass(frozen=True)
class Tally:
    """What a network made of one batch.

    Attributes:
        loss: the sum of the examples' losses, a tensor with a gradient.
        count: the number of examples, or of whatever the loss is a sum over, such as words.
        sums: one value for each thing that the metrics need a sum of, (K); K is the same for every batch.
        state: with which the next batch of the epoch begins, a tensor or a tuple of tensors; that batch is
            then a named tuple with a field ``state``. None: batches have nothing to do with one another.
    """

    loss: Tensor
    count: int
    sums: Tensor
    state: Any = None


@dataclass(frozen=True)
class Sums:
    """The tallies of a part of the data, added up."""

    loss: float
    count: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Metric:
    """A figure by which a task is judged.

    Attributes:
        name: in results, such as ``"accuracy"``.
        of: its value from the sums of a part of the data; None: this data has no such figure, which the
            first metric of a task always has.
        title: in words; by default the name.
        unit: behind a figure, such as ``"%"``.
        scale: what a value is multiplied by to be in this unit.
        digits: behind the point.
        higher_is_better: the direction.
        bounds: the least and the largest value that can be.
        solved: the value from which a part counts as solved; None: no part does.
        solved_title: what that is, in words.
    """

    name: str
    of: Callable[[Sums], float | None]
    title: str = ""
    unit: str = ""
    scale: float = 1.0
    digits: int = 2
    higher_is_better: bool = True
    bounds: tuple[float, float] = (-math.inf, math.inf)
    solved: float | None = None
    solved_title: str = ""

    @property
    def words(self) -> str:
        """The metric in words."""
        return self.title or self.name

    @property
    def unit_words(self) -> str:
        """The unit in words: ``" in percent"``, or nothing."""
        return {"%": " in percent", "": ""}.get(self.unit, f" in {self.unit}")

    def text(self, value: float | None, *, missing: str = "-", unit: bool = False) -> str:
        """A value for people.

        >>> ACCURACY.text(0.547), ACCURACY.text(0.547, unit=True), ACCURACY.text(None)
        ('54.7', '54.7%', '-')
        """
        if value is None:
            return missing
        space = "" if self.unit in ("", "%") else " "
        return f"{self.scale * value:.{self.digits}f}" + (f"{space}{self.unit}" if unit else "")

    def difference(self, value: float) -> str:
        """A difference of two values, with its sign.

        >>> ACCURACY.difference(0.012), ACCURACY.difference(-0.0001)
        ('+1.2', '0.0')
        """
        text = f"{self.scale * value:+.{self.digits}f}"
        return text[1:] if float(text) == 0 else text

    def better(self, value: float) -> float:
        """The value, so that more is better.

        >>> LOSS.better(0.5)
        -0.5
        """
        return value if self.higher_is_better else -value

    def is_solved(self, value: float) -> bool:
        """Whether a part with this value counts as solved."""
        return self.solved is not None and self.better(round(value, 9)) >= self.better(self.solved)


ACCURACY = Metric(
    "accuracy", lambda sums: sums.values[0] / sums.count, unit="%", scale=100.0, digits=1, bounds=(0.0, 1.0)
)
"""The share of right answers: the first of the sums counts them."""

LOSS = Metric("loss", lambda sums: sums.loss / sums.count, digits=4, higher_is_better=False)
"""The mean loss."""


@dataclass(frozen=True)
class Part:
    """What a run is scored on by itself: one of bAbI's tasks, a data set.

    ``name`` stands in results and in the heads of tables, ``title`` spells it out.
    """

    name: str
    title: str = ""

    @property
    def words(self) -> str:
        return self.title or self.name


@dataclass(frozen=True)
class Mistake:
    """An example that a network got wrong."""

    part: str
    index: int
    example: str
    expected: str
    given: str


@dataclass(frozen=True)
class Study:
    """What ``liafseq compare TASK`` does without options: models, seeds, settings other than the defaults."""

    models: str = "liaf,liaf:gated=true,lif,gru,lstm"
    seeds: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)


class Data(Protocol):
    """What :meth:`Task.data` gives: the data of a run, which knows no model."""

    def kept(self) -> Any:
        """What a run folder must hold for the network to be used without the training data, as JSON: a
        vocabulary, the names of classes."""
        ...


class Task(Generic[C, D]):
    """A task. A subclass sets ``name``, ``title``, ``Config`` and has :meth:`data`, :meth:`examples` and
    :meth:`network`; the rest has a default.

    A batch is a tuple: the arguments of the network, and last what is right.

    Attributes:
        name: the word on the command line.
        title: the words in a report.
        word: what the examples are, in the plural, such as ``"questions"``.
        Config: the settings of a run; its fields are the options of the commands.
        metrics: the first decides about the best epoch, in searches and in tests.
        sizes: the fields that say how large a network is.
        study: what a comparison does without options.
        commands: ``module:app`` of a Typer application, which becomes ``liafseq data NAME``.
        Answering: the settings of :meth:`predict`; its fields are options of ``liafseq predict``.
        constant: what the constant answer of :meth:`floor` is, in words.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    word: ClassVar[str] = "examples"
    Config: ClassVar[type[Any]]
    metrics: ClassVar[tuple[Metric, ...]] = (ACCURACY,)
    sizes: ClassVar[tuple[str, ...]] = ("hidden_size",)
    study: ClassVar[Study] = Study()
    commands: ClassVar[str | None] = None
    Answering: ClassVar[type[Settings]] = Settings
    constant: ClassVar[str] = "most frequent answer"

    # What a run reads

    def parts(self, config: C) -> Sequence[Part]:
        """What a run is scored on, in order."""
        return (Part(self.name, self.title),)

    def separate(self, config: C) -> Sequence[C]:
        """The runs in whose place one run may stand that learns all of its parts jointly."""
        return (config,)

    def part_names(self, text: str) -> tuple[str, ...]:
        """The names of parts that a person has written, with commas between them."""
        return tuple(part.strip() for part in text.split(","))

    def adapt(self, config: C, model: ModelSpec) -> C:
        """The run of a study with one of its models; without a setting that is only for others of them."""
        return replace(config, model=model)

    def on_other_data(self, config: C, **changes: Any) -> C:
        """The run on other data, for a network that is trained already."""
        return replace(config, **changes)

    def data(self, config: C, kept: Any = None) -> D:
        """The data of a run, checked.

        Args:
            config: the run.
            kept: of a run folder (:meth:`Data.kept`); then no training data is read before it is asked for.
        """
        raise NotImplementedError

    def examples(self, config: C, data: D, split: str, part: str | None = None) -> Examples:
        """The examples of a split, ``train``, ``valid`` or ``test``: of one part, or of all together."""
        raise NotImplementedError

    def floor(self, config: C) -> Mapping[str, float]:
        """What a constant answer scores on each part of the test data, by the first metric.

        Reading the data also finds what is wrong with it, before torch is loaded.
        """
        return {}

    def describe(self, config: C) -> str:
        """The data of a run in a few words, for tables and reports."""
        return self.title

    # What a run trains

    def network(self, config: C, data: D) -> nn.Module:
        """The network around a layer of the registry, with new weights."""
        raise NotImplementedError

    def step(self, network: nn.Module, batch: Any) -> Tally:
        """Loss and sums of a batch; by default those of a classifier."""
        from liafseq.tasks.training.batches import classified

        *inputs, target = batch
        return classified(network(*inputs), target)

    def batches(
        self,
        config: C,
        data: D,
        split: str,
        *,
        part: str | None = None,
        seed: int | None = None,
        world: int = 1,
    ) -> Batches:
        """The batches of a split; with a seed those of training, without one in a fixed order."""
        from liafseq.tasks.training.batches import ShuffledBatches

        examples = self.examples(config, data, split, part)
        return ShuffledBatches(examples, config.batch_size, seed=seed, world=world, word=self.word)

    def sample(self, config: C, data: D, count: int) -> tuple[Any, int]:
        """A batch of the first test examples, as many of each part, and their number: of it the cost of a
        model is counted."""
        parts = [part.name for part in self.parts(config)]
        name = parts[0] if len(parts) == 1 else None
        examples = self.examples(config, data, "test", name)
        rows = range(min(count, len(examples)))
        return examples.batch(rows), len(rows)

    def facts(self, config: C, data: D) -> Mapping[str, float]:
        """Numbers of the data that a result shows, such as the mean number of steps."""
        return {}

    # What a person meets; a task without one of these says so

    def predict(self, config: C, data: D, network: nn.Module, text: str) -> str:
        """What the network makes of what a person gives it; the fields of ``Answering`` are further
        arguments, by keyword."""
        raise NotImplementedError(f"task {self.name!r} has no predict")

    def trace(
        self, config: C, data: D, network: nn.Module, example: int, *, neurons: int, part: str, split: str
    ) -> tuple[bytes, str]:
        """A PNG file of what the network holds as it reads an example, and what it shows in a line."""
        raise NotImplementedError(f"task {self.name!r} has no pictures")

    def mistakes(self, config: C, data: D, network: nn.Module, split: str, part: str) -> Iterator[Mistake]:
        """The examples of a part that the network gets wrong."""
        raise NotImplementedError(f"task {self.name!r} does not list its mistakes")

    def unanswerable(self, config: C, data: D, part: str) -> str | None:
        """Why a network of this run cannot be scored on a part at all; None where it can."""
        return None

    def has(self, ability: str) -> bool:
        """Whether the task has an optional ability, such as ``"predict"``."""
        return getattr(type(self), ability) is not getattr(Task, ability)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which models of the registry it takes."""
        kinds: tuple[str, ...] = self.Config.kinds
        return kinds

    @property
    def metric(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]


def check_example(example: int, count: int, what: str) -> None:
    """Sees that there is an example of this number; ``what`` says of which, as ``"test questions"``."""
    if not 0 <= example < count:
        raise ValueError(f"example must be from 0 to {count - 1} ({what}), got {example}")


@lru_cache(maxsize=1)
def _points() -> dict[str, Any]:
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def names() -> tuple[str, ...]:
    """The names of the tasks that are installed.

    >>> "babi" in names()
    True
    """
    return tuple(_points())


@cache
def find(name: str) -> Task[Any, Any]:
    """The task of a name.

    Raises:
        ValueError: there is none, or it cannot be imported.
    """
    point = _points().get(name)
    if point is None:
        raise ValueError(f"no task {name!r}; the tasks are {', '.join(names())}")
    try:
        return point.load()()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task {name!r} ({point.value}) cannot be imported: {error}") from error


def installed() -> list[Task[Any, Any]]:
    """The tasks that can be imported; one of another package that cannot must not stand in the way."""
    found = []
    for name in names():
        try:
            found.append(find(name))
        except ValueError:
            continue
    return found
