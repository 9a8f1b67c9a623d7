"""One run on bAbI as one frozen, checked value."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from liafseq.tasks.config import DATA, MANY, MODEL, Bidirectional, Config, FieldError, Pairs, option

if TYPE_CHECKING:
    from liafseq.tasks.babi.generator import GeneratorOptions

__all__ = ["PRESETS", "BabiConfig", "parse_tasks"]

PRESETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "story": {"epochs": 30, "patience": 10, "warmup": 0.05, "embedding_size": 64},
}
"""What each kind of network wants other than the defaults, where nothing else is said."""


def parse_tasks(value: Any) -> Any:
    """Task numbers from ``1,4-6`` or ``all``, in the order given; other values as they are.

    >>> parse_tasks("12,1-3")
    (12, 1, 2, 3)
    """
    if not isinstance(value, str):
        return _checked(tuple(value), value) if isinstance(value, (list, tuple, range)) else value
    if value.strip() == "all":
        return tuple(range(1, 21))
    found: list[int] = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part, re.ASCII)
        if match is None:
            raise ValueError(f": expected numbers and ranges such as 1,4-6 or all, got {value!r}")
        first = int(match[1])
        last = int(match[2] or first)
        if 1 <= last < first:
            raise ValueError(f": the range {part.strip()} runs backwards")
        found += range(first, last + 1) if last <= 20 else [last]
    return _checked(tuple(found), value)


def _checked(tasks: tuple[Any, ...], given: Any) -> tuple[Any, ...]:
    for number in tasks:
        if isinstance(number, int) and not 1 <= number <= 20:
            raise ValueError(f": bAbI has tasks 1 to 20, got {number} in {given!r}")
        if tasks.count(number) > 1:
            raise ValueError(f": task {number} is named twice in {given!r}")
    if not tasks:
        raise ValueError(": expected at least one bAbI task, 1 to 20; got none")
    return tasks


def _check_stories(options: dict[str, Any], tasks: tuple[int, ...]) -> None:
    """Sees that the generator can have these options for these tasks."""
    from liafseq.tasks.babi.generator.options import GeneratorOptions, resolve

    known = [field.name for field in dataclasses.fields(GeneratorOptions)]
    for name in options:
        if name not in known:
            raise FieldError("story_options", f": no option {name!r}; the options are {', '.join(known)}")
    try:
        for number in tasks:
            resolve(number, GeneratorOptions(**options))
    except (TypeError, ValueError) as error:
        raise FieldError("story_options", f": {error}") from None


class BabiConfig(Config):
    """One run on bAbI.

    ``kind`` is the network around the recurrent layers: ``"plain"`` reads the story word by word
    (:class:`liafseq.tasks.babi.model.BabiModel`), ``"story"`` in several hops over its sentences
    (:class:`liafseq.tasks.babi.story_model.StoryModel`). Several tasks in one run are learnt jointly.

    >>> BabiConfig(model="gru").key()[:10]
    'gru-qa1-s0'
    >>> BabiConfig.from_json(BabiConfig(tasks=(1, 2)).to_json()) == BabiConfig(tasks=(1, 2))
    True
    """

    tasks: Annotated[
        tuple[int, ...],
        BeforeValidator(parse_tasks),
        option("bAbI tasks, 1 to 20: numbers, ranges, or all.", DATA, metavar="1,4-6"),
    ] = (1,)
    source: Annotated[
        str,
        option(
            "generated, hub, or the path of the published folder or archive.", DATA, metavar="SOURCE",
            path=("generated", "hub"), min_length=1,
        ),
    ] = "generated"  # fmt: skip
    variant: Annotated[
        str,
        option(
            "Part of the published data: en, en-10k, hn, shuffled, ...", DATA, metavar="NAME", min_length=1
        ),
    ] = "en-10k"
    questions: Annotated[
        int, option("Training questions per task, validation included.", DATA, metavar="N", **MANY)
    ] = 10_000
    test_questions: Annotated[int, option("Test questions per task.", DATA, metavar="N", **MANY)] = 1_000
    story_options: Annotated[
        Pairs,
        option(
            "Generated stories: people, objects, places or statements. Repeatable.",
            DATA, flag="story", metavar="NAME=N",
        ),
    ] = ()  # fmt: skip
    kind: Annotated[
        Literal["plain", "story"],
        option(
            "plain: one layer reads the story word by word. story: hops over its sentences, with attention.",
            MODEL, flag="model-kind",
        ),
    ] = "plain"  # fmt: skip
    embedding_size: Annotated[
        int, option("Size of the word vectors; with --model-kind story 64.", MODEL, ge=1, le=100_000)
    ] = 50
    bidirectional: Bidirectional = False
    readout: Annotated[
        Literal["output", "membrane", "both"],
        option(
            "What answers: the last output, the membrane (LSTM: cell), or both.", MODEL, only="kind=plain"
        ),
    ] = "output"
    hops: Annotated[int, option("Hops over the sentences.", MODEL, only="kind=story", ge=1, le=100)] = 4
    roles: Annotated[
        int, option("Roles that words play in a sentence.", MODEL, only="kind=story", ge=1, le=100)
    ] = 2
    heads: Annotated[
        int, option("Heads of a hop's attention, an even number.", MODEL, only="kind=story", ge=2, le=1000)
    ] = 8
    attention: Annotated[
        Literal["nearest", "unordered"],
        option(
            "To the nearest matching sentences, or unordered, so that the recurrent layer alone knows the "
            "order.",
            MODEL, only="kind=story",
        ),
    ] = "nearest"  # fmt: skip
    vectors: Annotated[
        str | None,
        option("Text file of pretrained word vectors.", MODEL, metavar="FILE", path=True),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _as_the_kind_wants(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") in PRESETS:
            return {**PRESETS[values["kind"]], **values}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> BabiConfig:
        if self.story_options and self.source != "generated":
            raise FieldError("story_options", f"is for generated stories, not for source {self.source!r}")
        if self.story_options:
            _check_stories(dict(self.story_options), self.tasks)
        model = self.layer()
        if self.readout != "output" and model.pair is False:
            raise FieldError("readout", f"={self.readout!r} needs a second state, which {model.name} has not")
        if self.heads % 2:
            raise FieldError("heads", f"must be even, half for each direction, got {self.heads}")
        if self.kind == "story" and self.readout != "output":
            raise FieldError(
                "readout", f"={self.readout!r} is for kind='plain'; the story model reads outputs"
            )
        return self

    def generator_options(self) -> GeneratorOptions | None:
        """The story options as the generator takes them; None for stories as published."""
        if not self.story_options:
            return None
        from liafseq.tasks.babi.generator.options import GeneratorOptions

        return GeneratorOptions(**dict(self.story_options))

    def about(self) -> str:
        tasks = "+".join(map(str, self.tasks))
        if len(self.tasks) > 4:
            tasks = f"{self.tasks[0]}-{self.tasks[-1]}x{len(self.tasks)}"
        return f"qa{tasks}"
