"""What runs and studies give, as typed values that are written and read as JSON.

``result.json`` of a run folder holds an :class:`Outcome`, ``results.json`` of a study a :class:`Study`.
Everything that a clock measured stands under ``time``; the rest is the same every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from liafseq.tasks.storage.files import read_json, write_json

__all__ = [
    "Cost", "Counts", "Fairness", "MeanCost", "Outcome", "Pair", "Reached", "Run", "Score", "Searched",
    "Spread", "Study", "Summary", "Trial", "read_study",
]  # fmt: skip

RESULTS = "results.json"

V = TypeVar("V", bound="Value")


class Value(BaseModel):
    """A frozen value that is written and read as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def read(cls: type[V], path: Path) -> V:
        """The value in a JSON file; ValueError, naming file and field, where it is another or damaged."""
        content = read_json(path)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ValueError(f"{path}: not a {cls.__name__.lower()}: {where}: {first['msg']}") from None

    def write(self, path: Path) -> Path:
        return write_json(path, self.to_json())


class Score(Value):
    """What a network scores on a part of the data: number of examples, mean loss, metrics by name."""

    count: int
    loss: float
    metrics: dict[str, float]


class Counts(Value):
    """How many examples a run trained on, validated on and, by part, was tested on."""

    train: int
    valid: int
    test: dict[str, int]


class CostFigures(Value):
    """What a network costs per sample of the test data (see :class:`liafseq.Cost`)."""

    dense_macs: float
    macs: float
    acs: float
    neuron_ops: float
    energy_nj: float
    dense_energy_nj: float
    firing_rate: float | None
    crossing_rate: float | None
    energy_model: dict[str, Any]


class Cost(CostFigures):
    """The cost of a run's network, counted on some samples; ``uncounted`` names what was not."""

    samples: int
    parameters: int
    weights: int
    uncounted: list[str]


class RunTime(Value):
    """Seconds of the training steps, and of the first one, in which kernels are compiled."""

    train_seconds: float
    first_step_seconds: float = 0.0


class Outcome(Value):
    """The result of a run: its scores, by part, of the best epoch by validation.

    ``left_out`` counts the training steps whose gradient was not finite; they changed nothing.
    """

    model: str
    seed: int
    parts: tuple[str, ...]
    test: dict[str, Score]
    valid: Score
    best_epoch: int
    epochs_run: int
    parameters: int
    examples: Counts
    cost: Cost | None
    facts: dict[str, float]
    time: RunTime
    left_out: int = 0

    def mean(self, metric: str) -> float | None:
        """The mean over the parts of the test data that have it; None for a run that has not read them."""
        values = [score.metrics[metric] for score in self.test.values() if metric in score.metrics]
        return sum(values) / len(values) if values else None


class Reached(Value):
    """What a run that has not finished has reached."""

    epochs_run: int = 0
    best_epoch: int | None = None
    valid: float | None = None


class Run(Value):
    """A run of a study. ``settings`` are those in which the runs of the study differ."""

    key: str
    model: str
    name: str
    parts: tuple[str, ...]
    seed: int
    hidden_size: int
    settings: dict[str, Any]
    outcome: Outcome | None = None
    error: str | None = None
    reached: Reached | None = None

    @property
    def finished(self) -> bool:
        return self.outcome is not None

    @property
    def done(self) -> Outcome:
        """The outcome of a run that has finished."""
        if self.outcome is None:
            raise ValueError(f"run {self.key} has not finished")
        return self.outcome


class Spread(Value):
    """A figure over seeds: mean, sample standard deviation (None for one seed), 95% bootstrap interval (or
    None), and the values."""

    mean: float
    std: float | None
    interval: tuple[float, float] | None
    values: tuple[float, ...]


class MeanCost(CostFigures):
    """The mean cost of a model's runs; ``weights`` are the fewest and the most."""

    runs: int
    weights: tuple[int, int]


class SummaryTime(Value):
    train_seconds: float | None


class Summary(Value):
    """A model of a study over its runs.

    ``parts`` holds, by part and metric, the spread over the seeds; ``mean`` that of the mean over the parts,
    of the seeds for which every part is there; ``solved`` the mean number of parts that count as solved.
    """

    model: str
    name: str
    runs: int
    failed: int
    parts: dict[str, dict[str, Spread | None]]
    mean: dict[str, Spread | None]
    solved: float | None
    hidden_size: tuple[int, int] | None
    parameters: tuple[int, int] | None
    cost: MeanCost | None
    time: SummaryTime

    def figure(self, metric: str) -> Spread | None:
        """The mean over the parts."""
        return self.mean.get(metric)


Verdict = Literal["better", "worse", "not told apart", "too few runs"]


class Pair(Value):
    """Two models compared; ``verdict`` is on the first (see :mod:`liafseq.tasks.study.statistics`)."""

    first: str
    second: str
    difference: float | None
    parts: int
    pairs: int
    p: float
    p_holm: float
    verdict: Verdict


class Trial(Value):
    """A configuration of a search: validation score (mean and by run; None where a run failed)."""

    settings: dict[str, Any]
    valid: float | None
    by_run: tuple[float | None, ...]
    runs: tuple[str, ...]
    errors: tuple[str, ...]


class ModelSearch(Value):
    """The search of one model; ``chosen`` is the number of the best configuration, from 0."""

    tried: tuple[Trial, ...]
    chosen: int

    @property
    def best(self) -> Trial:
        return self.tried[self.chosen]


class Searched(Value):
    """What was searched before a study; ``line`` says it in words."""

    configurations: int
    seed: int
    parts: tuple[tuple[str, ...], ...]
    space: dict[str, dict[str, str]]
    models_space: dict[str, dict[str, str]]
    line: str
    models: dict[str, ModelSearch]


class Fairness(Value):
    """What each model of a study was allowed, in words."""

    budget: str
    size: str | None
    search: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for line in (self.budget, self.size, *self.search) if line)


class MetricAbout(Value):
    """A metric of a study, as a reader of the file needs it."""

    name: str
    unit: str
    higher_is_better: bool


class Machine(Value):
    """What a study ran on; memory is None where the system does not say."""

    processor: str
    cores: int
    memory_gib: float | None
    system: str
    gpus: tuple[str, ...]


class StudyTime(Value):
    seconds: float
    jobs: int | None
    date: str
    machine: Machine


class Study(Value):
    """The results of a study.

    ``settings`` are those that all runs share; ``floor`` is what a constant answer scores on each part, by
    the first metric; ``command`` are the words of a command line that repeats the study.
    """

    schema_version: Literal[1] = 1
    task: str
    title: str
    about: str
    metrics: tuple[MetricAbout, ...]
    parts: dict[str, str]
    settings: dict[str, Any]
    versions: dict[str, str]
    runs: tuple[Run, ...]
    summary: tuple[Summary, ...]
    pairwise: tuple[Pair, ...]
    floor: dict[str, float]
    search: Searched | None
    fairness: Fairness
    command: tuple[str, ...] | None
    time: StudyTime

    @property
    def failed(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if not run.finished)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(entry.model for entry in self.summary)

    def seeds(self) -> Sequence[int]:
        return sorted({run.seed for run in self.runs})

    def of(self, model: str) -> tuple[Run, ...]:
        """The finished runs of a model."""
        return tuple(run for run in self.runs if run.model == model and run.finished)


def model_options(study: Study) -> dict[str, str]:
    """The options that the models of a study were given, in words, by label."""
    given = {}
    for run in study.runs:
        model: Any = run.settings.get("model", study.settings.get("model"))
        if isinstance(model, dict) and model.get("options"):
            given[run.model] = value_text(model["options"])
    return given


def read_study(folder: str | Path) -> Study:
    """The results in a study's folder.

    Raises:
        FileNotFoundError: the folder has no results.json.
        ValueError: results.json is damaged, or not that of a study; names the field.
    """
    path = Path(folder) / RESULTS
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: not the folder of a finished study: no {RESULTS}, which liafseq compare writes"
        )
    return Study.read(path)


def value_text(value: Any) -> str:
    """A setting as a person reads it.

    >>> value_text({"decay": [0.5, 0.9], "gated": True})
    'decay=0.5,0.9, gated=true'
    """
    if label := getattr(value, "label", None):
        return str(label)
    if isinstance(value, Mapping):
        if set(value) == {"name", "label", "options"}:  # a model
            return str(value["label"])
        return ", ".join(f"{name}={value_text(item)}" for name, item in value.items()) or "defaults"
    if isinstance(value, (list, tuple)):
        return ",".join(map(value_text, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
