"""The data of one run: loaded, split into training and validation by whole stories, as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from liafseq.tasks.babi.config import BabiRun
from liafseq.tasks.babi.encode import Encoded, encode
from liafseq.tasks.babi.stories.sources import load
from liafseq.tasks.babi.stories.split import hold_out, story_numbers
from liafseq.tasks.babi.vocab import Vocabulary

__all__ = ["Prepared", "load_split", "prepare", "rows", "vocabulary_sizes", "with_source"]


@dataclass(frozen=True)
class Prepared:
    """Vocabulary, and the questions of all tasks together, to train on and to validate on."""

    vocabulary: Vocabulary
    train: Encoded
    valid: Encoded


def prepare(config: BabiRun) -> Prepared:
    """Loads the training data of a run.

    The validation part is the source's own where it has one, and otherwise held out of the training
    questions of each task. The vocabulary knows the words and answers of both, never of the test set.

    Raises:
        FileNotFoundError, ValueError: as of :func:`liafseq.tasks.babi.stories.sources.load`; no validation
            part can be held out.
    """
    tables = {task: _load(config, task, "train") for task in config.tasks}
    own_valid = {task: _own_valid(config, task) for task in config.tasks}
    everything = [*tables.values(), *(table for table in own_valid.values() if table is not None)]
    vocabulary = _vocabulary(everything)
    train, valid = [], []
    for task, table in tables.items():
        encoded = encode(rows(table), vocabulary)
        held = own_valid[task]
        if held is None:
            kept, out = hold_out(story_numbers(rows(table)), config.valid_fraction, config.data_seed)
            train.append(encoded.select(kept))
            valid.append(encoded.select(out))
        else:
            train.append(encoded)
            valid.append(encode(rows(held), vocabulary))
    return Prepared(vocabulary, Encoded.join(train), Encoded.join(valid))


def load_split(config: BabiRun, task: int, split: str, vocabulary: Vocabulary) -> Encoded:
    """One task's questions of ``train`` (without the held-out part), ``valid`` or ``test``."""
    if split == "test":
        return encode(rows(_load(config, task, "test")), vocabulary)
    if split not in ("train", "valid"):
        raise ValueError(f"split must be train, valid or test, got {split!r}")
    held = _own_valid(config, task)
    if held is not None:
        return encode(rows(held if split == "valid" else _load(config, task, "train")), vocabulary)
    table = _load(config, task, "train")
    kept, out = hold_out(story_numbers(rows(table)), config.valid_fraction, config.data_seed)
    return encode(rows(table), vocabulary).select(kept if split == "train" else out)


def vocabulary_sizes(config: BabiRun) -> tuple[int, int]:
    """Words and answers of a run's vocabulary; remembered, because a study asks once a model."""
    plain = BabiRun(
        model="gru",
        **{
            name: getattr(config, name)
            for name in ("tasks", "source", "variant", "questions", "data_seed", "story_options")
        },
    )
    return _sizes(plain)


def rows(table: Any) -> Iterator[dict[str, Any]]:
    """The questions of a table one by one, without holding them all as Python objects."""
    columns = ("story", "question", "answer")
    for part in table.select_columns(list(columns)).iter(batch_size=500):
        for values in zip(*(part[name] for name in columns), strict=True):
            yield dict(zip(columns, values, strict=True))


@lru_cache(maxsize=64)
def _sizes(config: BabiRun) -> tuple[int, int]:
    tables = [_load(config, task, "train") for task in config.tasks]
    tables += [table for task in config.tasks if (table := _own_valid(config, task)) is not None]
    vocabulary = _vocabulary(tables)
    return len(vocabulary.words), len(vocabulary.answers)


def _vocabulary(tables: Sequence[Any]) -> Vocabulary:
    sentences: Counter[str] = Counter()
    answers: set[str] = set()
    for table in tables:
        for row in rows(table):
            sentences.update(row["story"])
            sentences[row["question"]] += 1
            answers.add(row["answer"])
    return Vocabulary.build(sentences, answers)


def _load(config: BabiRun, task: int, split: str) -> Any:
    options = None
    if config.story_options:
        from liafseq.tasks.babi.generator import GeneratorOptions

        try:
            options = GeneratorOptions(**dict(config.story_options))
        except TypeError as error:
            raise ValueError(f"story_options: {error}") from error
    questions = {"train": config.questions, "test": config.test_questions, "valid": None}[split]
    table = load(
        task,
        split,  # type: ignore[arg-type]
        config.source,
        variant=config.variant,
        questions=questions,
        seed=config.data_seed,
        options=options,
    )
    if not len(table):
        raise ValueError(f"{config.source}: no {split} questions for task {task}")
    return table


def _own_valid(config: BabiRun, task: int) -> Any:
    """The validation part that the source brings, or None."""
    # The generator's would come on top of the number of questions that was asked for.
    if config.source == "generated" or (config.source == "hub" and "valid" not in config.variant):
        return None
    try:
        return _load(config, task, "valid")
    except FileNotFoundError:
        return None


def with_source(config: BabiRun, source: str | None, variant: str | None) -> BabiRun:
    """The run on other data."""
    if source is not None and source != "generated":
        config = replace(config, story_options=())
    return replace(config, source=source or config.source, variant=variant or config.variant)
