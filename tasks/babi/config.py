"""One run on bAbI as one frozen, validated value; its hash names the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liafseq.tasks.fields import Kinds, build, check_fields, digest, to_json
from liafseq.tasks.models import check_model

__all__ = ["PRESETS", "BabiRun"]

_KINDS = Kinds(
    whole={
        "questions": 1,
        "test_questions": 1,
        "embedding_size": 1,
        "hops": 1,
        "roles": 1,
        "heads": 2,
    },
    choice={
        "kind": ("plain", "story"),
        "attention": ("nearest", "unordered"),
        "readout": ("output", "membrane", "both"),
    },
    pairs=("options", "story_options"),
    text=("source", "variant"),
    flag=("bidirectional",),
)

PRESETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "story": {"epochs": 30, "patience": 10, "warmup": 0.05, "embedding_size": 64},
}
"""What each kind of model wants other than the defaults, where the command line does not say."""


@dataclass(frozen=True)
class BabiRun:
    """Everything that is needed to repeat one run.

    Attributes:
        model: a name of the registry (:mod:`liafseq.tasks.models`).
        kind: the network around the recurrent layers: ``"plain"`` reads the story word by word
            (:class:`liafseq.tasks.babi.model.BabiModel`), ``"story"`` in several hops over its sentences
            (:class:`liafseq.tasks.babi.story_model.StoryModel`).
        tasks: the bAbI tasks, 1 to 20; several are trained jointly, by one model.
        source: ``"generated"``, ``"hub"``, or the path of the official folder or archive.
        variant: which part of the published data (``en-10k``, ``en``, ``hn``, ...).
        questions: training questions a task, the validation part included.
        test_questions: test questions a task.
        valid_fraction: the part of the training questions held out for validation.
        embedding_size, hidden_size, num_layers, dropout, bidirectional: the network.
        readout: what of the last step answers: the layer's output, its second state (the membrane
            potential; the cell of an LSTM), or both; the story model has the output alone.
        hops, roles, heads: of the story model: its recurrent layers over the sentences, the roles that
            words play in a sentence, and the heads of a hop's attention, an even number.
        attention: of the story model: to the nearest match before and behind a sentence, or
            ``"unordered"``: to all others, so that the recurrent layer alone knows their order.
        options: neuron options of a liafseq layer, as ``(("decay", 0.05), ...)`` or a mapping.
        vectors: a local text file of pretrained word vectors (word and numbers on each line).
        epochs, batch_size, learning_rate, weight_decay: of Adam.
        schedule: of the learning rate, after the warm-up.
        warmup: the part of all steps in which the learning rate rises from 0.
        clip: largest norm of the gradient; 0 does not clip.
        patience: epochs without a better validation accuracy after which training stops; 0: never.
            Where all is right, two.
        story_options: options of the generator, as ``(("people", 3), ...)`` or a mapping.
        data_seed: of the generator and of the validation part.
        seed: of the initial weights, the order of the batches and dropout.
        device, precision, devices, nodes: ``accelerator``, ``precision``, ``devices`` (a machine) and
            ``num_nodes`` (machines) of Fabric.
        threads: CPU threads of torch.
        score_test: False for a run that must not read the test questions, such as one of a search.

    Raises:
        TypeError, ValueError: a field of another type, or out of its range; names the field.

    >>> BabiRun(model="gru", options={}).key()[:10]
    'gru-qa1-s0'
    >>> BabiRun.from_json(BabiRun(tasks=(1, 2)).to_json()) == BabiRun(tasks=(1, 2))
    True
    """

    model: str = "liaf"
    kind: str = "plain"
    tasks: tuple[int, ...] = (1,)
    source: str = "generated"
    variant: str = "en-10k"
    questions: int = 10_000
    test_questions: int = 1_000
    valid_fraction: float = 0.1
    embedding_size: int = 50
    hidden_size: int = 64
    num_layers: int = 1
    dropout: float = 0.0
    bidirectional: bool = False
    readout: str = "output"
    hops: int = 4
    roles: int = 2
    heads: int = 8
    attention: str = "nearest"
    options: tuple[tuple[str, Any], ...] = ()
    vectors: str | None = None
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    patience: int = 0
    story_options: tuple[tuple[str, int], ...] = ()
    data_seed: int = 0
    seed: int = 0
    device: str = "cpu"
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1
    threads: int = 1
    score_test: bool = True

    def __post_init__(self) -> None:
        check_fields(self, _KINDS)
        if self.vectors is not None and not isinstance(self.vectors, str):
            raise TypeError(f"vectors must be the path of a text file or None, got {self.vectors!r}")
        object.__setattr__(self, "tasks", _tasks(self.tasks))
        if self.story_options and self.source != "generated":
            raise ValueError(f"story_options are for generated stories, not for source {self.source!r}")
        check_model(self.model, "babi", dict(self.options))
        if self.readout != "output" and self.model in ("gru", "rnn"):
            raise ValueError(f"readout={self.readout!r} needs a second state, which {self.model} has not")
        if self.heads % 2:
            raise ValueError(f"heads must be even, half for each direction, got {self.heads}")
        if self.kind == "story" and self.readout != "output":
            raise ValueError(f"readout={self.readout!r} is for kind='plain'; the story model reads outputs")

    def key(self) -> str:
        """A name for the run's folder: model, tasks, seed and a hash of all fields.

        The same on every machine and in every process for equal runs, another for runs that differ.
        """
        tasks = "+".join(map(str, self.tasks))
        if len(self.tasks) > 4:
            tasks = f"{self.tasks[0]}-{self.tasks[-1]}x{len(self.tasks)}"
        return f"{self.model}-qa{tasks}-s{self.seed}-{digest(self.to_json())}"

    def to_json(self) -> dict[str, Any]:
        """All fields as values of JSON: tuples become lists, pairs a mapping."""
        return to_json(self, _KINDS)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> BabiRun:
        """The run of :meth:`to_json`; fields that are missing have their defaults.

        Raises:
            TypeError, ValueError: not a mapping, an unknown field, or a value out of its range.
        """
        return build(cls, content)


def _tasks(value: Any) -> tuple[int, ...]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise TypeError(f"tasks must be numbers of bAbI tasks such as (1, 2), got {value!r}")
    tasks = tuple(value)
    if not tasks:
        raise ValueError("tasks must name at least one bAbI task, 1 to 20; got none")
    for task in tasks:
        if isinstance(task, bool) or not isinstance(task, int) or not 1 <= task <= 20:
            raise ValueError(f"tasks must be whole numbers from 1 to 20, got {task!r}")
    if len(set(tasks)) != len(tasks):
        raise ValueError(f"tasks must be different from one another, got {tasks}")
    return tasks
