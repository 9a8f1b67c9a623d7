"""Where questions come from: the generator, the published files, the hub. All become one kind of table."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from liafseq.tasks.babi.stories.format import BabiFormatError, Statement, Story, parse_stories
from liafseq.tasks.babi.stories.names import SPLITS, file_name
from liafseq.tasks.storage.archive import MAX_FILE_BYTES, is_archive, unpacked

if TYPE_CHECKING:
    import datasets

    from liafseq.tasks.babi.generator import GeneratorOptions

__all__ = ["HUB_NAME", "HUB_REVISION", "VARIANTS", "features", "load", "stories"]

Split = Literal["train", "test", "valid"]

VARIANTS = ("en", "en-10k", "en-valid", "en-valid-10k", "hn", "hn-10k", "shuffled", "shuffled-10k")
"""Folders of the published data set; only ``en-valid`` and ``en-valid-10k`` have a valid split."""

HUB_NAME = "facebook/babi_qa"
HUB_REVISION = "refs/convert/parquet"

_GENERATED_QUESTIONS = {"train": 10_000, "test": 1_000, "valid": 1_000}
_BATCH_SENTENCES = 500_000


def load(
    task: int,
    split: Split,
    source: str | os.PathLike[str] = "generated",
    *,
    variant: str = "en-10k",
    questions: int | None = None,
    seed: int = 0,
    options: GeneratorOptions | None = None,
) -> datasets.Dataset:
    """The questions of one task as a table, a row a question.

    Columns: ``story`` (list of str: the statements before the question, in order), ``question``,
    ``answer`` (str; a list of things is one answer, as published), ``support`` (list of int: the
    supporting facts as 0-based indices into ``story``, in the published order) and ``task`` (int).

    Args:
        task: 1 to 20.
        split: "train", "test" or "valid". Of the published variants only en-valid and en-valid-10k
            have a valid part.
        source: "generated"; "hub" (facebook/babi_qa through ``datasets``; needs a network or a
            filled cache); or a path: the published folder ``tasks_1-20_v1-2``, the folder that
            holds it, a variant's folder (which is then used whatever ``variant`` says), or an
            archive of one of these (.zip, .tar, .tar.gz, .tgz, .tar.xz, .txz, .tar.bz2).
        variant: which of the published variants (see ``VARIANTS``); not used for generated data.
        questions: take the first so many, or all if there are fewer; None: all there are (generated:
            10,000 for train, 1,000 for test and valid).
        seed: of the generator; the three splits of one seed use different random streams.
        options: of the generator.

    Raises:
        ValueError: a bad argument, an archive that cannot be read or holds no such variant.
        FileNotFoundError: no such file, folder or split; the hub cannot be reached.
        BabiFormatError: a line that is not in the format, or not UTF-8; with file and line number.

    >>> row = load(4, "test", questions=5, seed=3)[4]
    >>> len(row["story"]), row["task"]
    (2, 4)
    """
    found = stories(task, split, source, variant=variant, questions=questions, seed=seed, options=options)
    if questions is None and os.fspath(source) == "generated":
        questions = _GENERATED_QUESTIONS[split]
    table = _dataset(_rows(found), task, questions)
    if not len(table):
        raise BabiFormatError(f"{os.fspath(source)}: task {task}, {split}: no question in it")
    return table


def stories(
    task: int,
    split: Split,
    source: str | os.PathLike[str] = "generated",
    *,
    variant: str = "en-10k",
    questions: int | None = None,
    seed: int = 0,
    options: GeneratorOptions | None = None,
) -> Iterator[Story]:
    """The stories behind ``load``, with the same arguments and errors.

    ``questions`` bounds generated stories only; published ones come whole.
    """
    source = os.fspath(source)
    _check(task, split, source, variant, questions, seed, options)
    if source == "generated":
        from liafseq.tasks.babi.generator import generate, split_seed

        count = _GENERATED_QUESTIONS[split] if questions is None else questions
        return generate(task, count, split_seed(seed, split), options=options)
    if source == "hub":
        return _from_hub(task, split, variant)
    name, data = _read(Path(source), task, split, variant)
    return parse_stories(_lines(data, name), name)


def features() -> datasets.Features:
    """The columns of the tables that ``load`` returns."""
    from datasets import Features, Sequence, Value

    return Features(
        {
            "story": Sequence(Value("string")),
            "question": Value("string"),
            "answer": Value("string"),
            "support": Sequence(Value("int32")),
            "task": Value("int32"),
        }
    )


def _check(
    task: int, split: str, source: str, variant: str, questions: int | None, seed: int, options: object
) -> None:
    for name, value, least in (("task", task, 1), ("questions", questions, 1), ("seed", seed, 0)):
        if value is None and name == "questions":
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, got {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if task > 20:
        raise ValueError(f"task must be 1 to 20, got {task}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if options is not None and source != "generated":
        raise ValueError(f"options are for generated stories only, got {options!r} with source {source!r}")


def _rows(found: Iterable[Story]) -> Iterator[tuple[list[str], str, str, list[int]]]:
    for story in found:
        said: list[str] = []
        place: list[int] = []  # of each item of the story among its statements
        for item in story:
            place.append(len(said))
            if isinstance(item, Statement):
                said.append(item.text)
            else:
                yield said.copy(), item.text, item.answer, [place[number - 1] for number in item.support]


def _dataset(
    rows: Iterable[tuple[list[str], str, str, list[int]]], task: int, questions: int | None
) -> datasets.Dataset:
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo
    from datasets.table import InMemoryTable

    columns = features()
    schema = columns.arrow_schema
    batches: list[pa.RecordBatch] = []
    held: tuple[list[Any], ...] = ([], [], [], [])
    sentences = 0

    def close() -> None:
        nonlocal sentences
        arrays = [
            pa.array(values, type=schema.field(name).type)
            for name, values in zip(("story", "question", "answer", "support"), held, strict=True)
        ]
        arrays.append(pa.array([task] * len(held[0]), type=schema.field("task").type))
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        for values in held:
            values.clear()
        sentences = 0

    for row in islice(rows, questions):
        for values, value in zip(held, row, strict=True):
            values.append(value)
        sentences += len(row[0])
        # Arrow counts the bytes of a batch of strings in 32 bits; batches also keep the lists short.
        if sentences >= _BATCH_SENTENCES:
            close()
    if held[0] or not batches:
        close()
    table = pa.Table.from_batches(batches, schema=schema)
    # Not Dataset.from_dict, which encodes value by value in Python and is ten times slower.
    return Dataset(InMemoryTable(table), info=DatasetInfo(features=columns))


def _lines(data: bytes, name: str) -> Iterator[str]:
    for at, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BabiFormatError(f"{name}:{at}: not UTF-8: {error.reason}; got {line[:80]!r}") from error


def _read(path: Path, task: int, split: Split, variant: str) -> tuple[str, bytes]:
    """The name and the content of the file of a task and split, out of a folder or an archive."""
    wanted = (file_name(task, split), f"qa{task}_{split}.txt")  # the second: as in en-valid
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a bAbI folder or archive")
    if not path.is_dir() and not is_archive(path):
        raise ValueError(f"{path}: expected a folder, .zip or .tar, .tar.gz, .tgz, .tar.xz, .txz, .tar.bz2")
    root = path if path.is_dir() else unpacked(path)
    above = (root, root / "tasks_1-20_v1-2")
    for folder in (*(folder / variant for folder in above), *above):
        for file in (folder / name for name in wanted):
            if file.is_file():
                shown = path / file.relative_to(root)
                size = file.stat().st_size
                if size > MAX_FILE_BYTES:
                    raise ValueError(f"{shown} has {size} bytes; at most {MAX_FILE_BYTES} are read")
                return str(shown), file.read_bytes()
    present = {name for name in VARIANTS for folder in above if (folder / name).is_dir()}
    raise _missing(path, wanted, split, variant, present)


def _missing(
    path: Path, wanted: tuple[str, ...], split: str, variant: str, present: set[str]
) -> FileNotFoundError:
    why = f"{path}: no {' or '.join(wanted)} for variant {variant!r}"
    if present:
        why += f"; variants found here: {', '.join(sorted(present))}"
    if split == "valid":
        why += "; of the published variants only en-valid and en-valid-10k have a valid split"
    return FileNotFoundError(why)


def _from_hub(task: int, split: Split, variant: str) -> Iterator[Story]:
    import datasets

    name = f"{variant}-qa{task}"
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        parts = datasets.load_dataset(HUB_NAME, name=name, revision=HUB_REVISION)
    except Exception as error:  # whatever the network stack raises: its own classes differ by version
        raise FileNotFoundError(
            f"{HUB_NAME} ({name}) could not be loaded from the hub: {error}; without a network use "
            "source 'generated' or the path of the published folder or archive"
        ) from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    part = "validation" if split == "valid" else split
    if part not in parts:
        raise _missing(Path(HUB_NAME), (name,), split, variant, set())
    return (
        story
        for at, row in enumerate(parts[part], 1)
        for story in parse_stories(_hub_lines(row), f"{HUB_NAME}/{name}/{part}/story {at}")
    )


def _hub_lines(row: dict[str, Any]) -> Iterator[str]:
    """A row of the hub's table as lines of the official format, so that one reader checks both."""
    story = row["story"]
    if isinstance(story, dict):  # a sequence of structs reads as a struct of lists in some versions
        story = [dict(zip(story, values, strict=True)) for values in zip(*story.values(), strict=True)]
    for item in story:
        line = f"{item['id']} {item['text']}"
        if item["type"] in (1, "question"):
            line += f"\t{item['answer']}\t{' '.join(map(str, item['supporting_ids']))}"
        yield line
