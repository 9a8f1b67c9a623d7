"""The data of a run on bAbI: loaded, split into training and validation by whole stories, as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.encode import Encoded, Questions, encode
from liafseq.tasks.babi.stories.sources import load
from liafseq.tasks.babi.stories.split import hold_out, story_numbers
from liafseq.tasks.babi.vocab import Vocabulary
from liafseq.tasks.config import replace

__all__ = ["BabiData", "rows", "split_rows"]


@dataclass(frozen=True)
class BabiData:
    """The vocabulary, and the questions of a split where they are asked for.

    The vocabulary knows the words and answers of the training and the validation part of all tasks, never
    of the test set. ``trains`` is False for data that a trained network is used with.
    """

    vocabulary: Vocabulary
    trains: bool = True

    @classmethod
    def of(cls, config: BabiConfig, kept: Any = None) -> BabiData:
        """The data of a run, or of a run folder that has ``kept`` its vocabulary.

        Raises:
            FileNotFoundError, ValueError: as of :func:`liafseq.tasks.babi.stories.sources.load`.
        """
        _forget_changed(config.source)
        if kept is not None:
            return cls(Vocabulary.from_json(kept), trains=False)
        return cls(_vocabulary(_read_from(config)))

    def kept(self) -> Any:
        return self.vocabulary.to_json()

    def questions(self, config: BabiConfig, split: str, tasks: Sequence[int]) -> Questions:
        """The questions of some tasks together."""
        return Questions.join(
            [self.encoded(config, split, number) for number in tasks], config.kind == "story"
        )

    def encoded(self, config: BabiConfig, split: str, number: int) -> Encoded:
        """One task's questions of ``train`` (without the held-out part), ``valid`` or ``test``."""
        return _encoded(_read_from(config, (number,)), split, self.vocabulary)


def split_rows(config: BabiConfig, number: int, split: str) -> Sequence[dict[str, Any]]:
    """One task's questions of a split as they were read, in the order of :meth:`BabiData.encoded`."""
    table, kept = _part(_read_from(config, (number,)), split)
    found = list(rows(table))
    return found if kept is None else [found[at] for at in kept]


def rows(table: Any) -> Iterator[dict[str, Any]]:
    """The questions of a table one by one, without holding them all as Python objects."""
    columns = ("story", "question", "answer")
    for part in table.select_columns(list(columns)).iter(batch_size=500):
        for values in zip(*(part[name] for name in columns), strict=True):
            yield dict(zip(columns, values, strict=True))


def _read_from(config: BabiConfig, tasks: tuple[int, ...] | None = None) -> BabiConfig:
    """A configuration of what decides about the data alone, so that equal data is equal."""
    found = config.of_data()
    return found if tasks is None else replace(found, tasks=tasks)


def _part(config: BabiConfig, split: str) -> tuple[Any, Sequence[int] | None]:
    """The table that one task's split is of, and which of its rows it has; None for all.

    The validation part is the source's own where it has one, and otherwise held out of the training
    questions.
    """
    (number,) = config.tasks
    if split == "test":
        return _load(config, number, "test"), None
    if split not in ("train", "valid"):
        raise ValueError(f"split must be train, valid or test, got {split!r}")
    own = _own_valid(config, number)
    if own is not None:
        return (own if split == "valid" else _load(config, number, "train")), None
    table = _load(config, number, "train")
    kept, held = hold_out(story_numbers(rows(table)), config.valid_fraction, config.data_seed)
    return table, (kept if split == "train" else held)


_STATES: dict[str, Any] = {}
"""Of each source that was read, its files as they were then."""


def _forget_changed(source: str) -> None:
    """Forgets what was read before files have changed."""
    path = Path(source)
    files = sorted(path.rglob("qa*.txt")) if path.is_dir() else [path] if path.is_file() else []
    state = [(str(file), about.st_mtime_ns, about.st_size) for file in files for about in [file.stat()]]
    if _STATES.setdefault(source, state) != state:
        _STATES[source] = state
        for cached in (_encoded, _vocabulary, _load):
            cached.cache_clear()


# A worker does several runs on equal data, and a run asks for a split more than once.
@lru_cache(maxsize=32)
def _encoded(config: BabiConfig, split: str, vocabulary: Vocabulary) -> Encoded:
    table, kept = _part(config, split)
    found = encode(rows(table), vocabulary)
    return found if kept is None else found.select(kept)


@lru_cache(maxsize=64)
def _vocabulary(config: BabiConfig) -> Vocabulary:
    tables = [_load(config, number, "train") for number in config.tasks]
    tables += [table for number in config.tasks if (table := _own_valid(config, number)) is not None]
    sentences: Counter[str] = Counter()
    answers: set[str] = set()
    for table in tables:
        for row in rows(table):
            sentences.update(row["story"])
            sentences[row["question"]] += 1
            answers.add(row["answer"])
    return Vocabulary.of(sentences, answers)


@lru_cache(maxsize=8)
def _load(config: BabiConfig, number: int, split: str) -> Any:
    questions = {"train": config.questions, "test": config.test_questions, "valid": None}[split]
    table = load(
        number,
        split,  # type: ignore[arg-type]
        config.source,
        variant=config.variant,
        questions=questions,
        seed=config.data_seed,
        options=config.generator_options(),
    )
    if not len(table):
        raise ValueError(f"{config.source}: no {split} questions for task {number}")
    return table


def _own_valid(config: BabiConfig, number: int) -> Any:
    """The validation part that the source brings, or None."""
    # The generator's would come on top of the number of questions that was asked for.
    if config.source == "generated" or (config.source == "hub" and "valid" not in config.variant):
        return None
    try:
        return _load(config, number, "valid")
    except FileNotFoundError:
        return None
