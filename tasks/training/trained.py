"""A trained network again, out of the folder of its run or an exported one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liafseq.tasks.export.hub import OnHub
from liafseq.tasks.results import Score
from liafseq.tasks.storage.files import read_json
from liafseq.tasks.task import SPLITS, Mistake, Part, Task
from liafseq.tasks.training.folder import DATA, read_config, torch_for, weights_file

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Evaluated", "Trained", "load"]


@dataclass(frozen=True)
class Evaluated:
    """What a trained network scores; ``skipped`` says why parts are left out."""

    run: str
    model: str
    split: str
    epoch: int
    scores: Mapping[str, Score]
    skipped: Mapping[str, str]

    def mean(self, metric: str) -> float | None:
        """The mean over the parts that were scored and have it."""
        values = [score.metrics[metric] for score in self.scores.values() if metric in score.metrics]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class Trained(OnHub):
    """A trained network and what belongs to it.

    Attributes:
        folder: of the run, or an exported one.
        task, config: of the run.
        epoch: whose weights these are.
        network: in evaluation mode, on the CPU.
        data: of the run: its vocabulary or classes; the examples are read where they are asked for.
    """

    folder: Path
    task: Task[Any, Any]
    config: Any
    epoch: int
    network: nn.Module
    data: Any

    @cached_property
    def vocabulary(self) -> Any:
        """The vocabulary of the run; None where its task has none."""
        return getattr(self.data, "vocabulary", None)

    def predict(self, text: str, **options: Any) -> str:
        """What the network makes of a text or, where the task says so, of a file.

        Args:
            text: or the name of a file.
            options: fields of the task's ``Answering``.

        Raises:
            ValueError: the task does not predict or has no such option, or the text is not as it wants it.
        """
        self.task.Answering(**options)
        try:
            return self.task.predict(self.config, self.data, self.network, text, **options)
        except NotImplementedError as error:
            raise ValueError(str(error)) from None

    def evaluate(self, split: str = "test", *, device: str | None = None, **other: Any) -> Evaluated:
        """The scores of a split, on the run's own data or on other data.

        Args:
            split: ``test``, ``valid`` or ``train``.
            device: in the place of the run's own.
            other: fields of the configuration that say which data, in the place of the run's own.

        Raises:
            FileNotFoundError: no such data.
            ValueError: a bad argument.
        """
        from liafseq.tasks.training.fit import evaluate
        from liafseq.tasks.training.launch import make_fabric

        config, data = self._on(split, device, other)
        scores, skipped = {}, {}
        with torch_for(config):
            fabric = make_fabric(config.device, config.precision)
            network = fabric.setup_module(self.network)
            for part in self.task.parts(config):
                why = self.task.unanswerable(config, data, part.name)
                if why is not None:
                    skipped[part.name] = why
                    continue
                batches = self.task.batches(config, data, split, part=part.name)
                scores[part.name] = evaluate(network, batches, self.task.step, self.task.metrics, fabric)
            self.network.cpu().eval()
        return Evaluated(str(self.folder), config.model.label, split, self.epoch, scores, skipped)

    def mistakes(self, split: str = "test", *, only: str | None = None, **other: Any) -> Iterator[Mistake]:
        """The examples of a split that the network gets wrong, of all parts or ``only`` of one.

        The other arguments are those of :meth:`evaluate`.
        """
        config, data = self._on(split, None, other)
        for part in self.task.parts(config):
            if only in (None, part.name):
                yield from self.task.mistakes(config, data, self.network, split, part.name)

    def picture(
        self, example: int, *, neurons: int = 24, part: str | None = None, split: str = "test"
    ) -> Any:
        """A PNG picture of what the network holds as it reads an example, and what it shows in a line."""
        parts: list[Part] = list(self.task.parts(self.config))
        if part is not None and part not in [found.name for found in parts]:
            named = ", ".join(found.name for found in parts)
            raise ValueError(f"part must be one of {named} of {self.folder}, got {part!r}")
        try:
            with torch_for(self.config):
                return self.task.trace(
                    self.config, self.data, self.network, example,
                    neurons=neurons, part=part or parts[0].name, split=split,
                )  # fmt: skip
        except NotImplementedError as error:
            raise ValueError(str(error)) from None

    def _on(self, split: str, device: str | None, other: Mapping[str, Any]) -> tuple[Any, Any]:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        changes = {**other, **({} if device is None else {"device": device})}
        config = self.task.on_other_data(self.config, **changes) if changes else self.config
        return config, self.task.data(config, self.data.kept())


def load(folder: str | Path) -> Trained:
    """The trained network of a run folder or of an exported folder, with its vocabulary.

    Raises:
        FileNotFoundError: no such run, or one that has not finished an epoch.
        ValueError: a damaged file.
    """
    import torch

    from liafseq.tasks.storage.checkpoint import load_into, load_tensors

    folder = Path(folder)
    task, config = read_config(folder)
    file = weights_file(folder)
    weights, about = load_tensors(file)
    kept = read_json(folder / DATA)
    try:
        data = task.data(config, kept)
    except ValueError as error:
        raise ValueError(f"{folder / DATA}: {error}") from error
    with torch_for(config):
        # first without memory: a configuration from outside may ask for more than there is
        with torch.device("meta"):
            load_into(task.network(config, data), weights, file, assign=True)
        network = task.network(config, data)
    load_into(network, weights, file)
    return Trained(folder, task, config, about["epoch"], network.eval(), data)
