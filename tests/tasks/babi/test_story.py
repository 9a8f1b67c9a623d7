"""The official line format: what is read, what is refused, and that writing and reading agree."""

from __future__ import annotations

import lzma
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liafseq.tasks.babi.stories.format import (
    BabiFormatError,
    Question,
    Statement,
    format_story,
    parse_stories,
)

TEXT = (
    st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1, max_size=20)
    .map(str.strip)
    .filter(bool)
)


@st.composite
def well_formed(draw):
    story = [Statement(draw(TEXT))]
    for _ in range(draw(st.integers(0, 6))):
        facts = [number for number, item in enumerate(story, 1) if isinstance(item, Statement)]
        if draw(st.booleans()):
            support = draw(st.lists(st.sampled_from(facts), max_size=3))
            story.append(Question(draw(TEXT), draw(TEXT), tuple(support)))
        else:
            story.append(Statement(draw(TEXT)))
    return story


def test_reads_statements_questions_and_supports():
    lines = [
        "1 Mary got the milk.\n",
        "2 John moved to the office.\r\n",
        "3 What is Mary carrying? \tmilk,apple\t2 1\n",
        "\n",
        "1 Sheep are afraid of cats.\n",
        "2 What is it?\trasoi ghar\t\n",
    ]
    assert list(parse_stories(lines)) == [
        [
            Statement("Mary got the milk."),
            Statement("John moved to the office."),
            Question("What is Mary carrying?", "milk,apple", (2, 1)),
        ],
        [Statement("Sheep are afraid of cats."), Question("What is it?", "rasoi ghar", ())],
    ]


@pytest.mark.parametrize(
    ("lines", "at", "why"),
    [
        (["Mary moved."], 1, "line number"),
        (["x Mary moved."], 1, "line number"),
        (["¹ Mary moved."], 1, "line number"),
        (["-1 Mary moved."], 1, "line number"),
        (["1234567890123 Mary moved."], 1, "line number"),
        (["1\tMary moved."], 1, "line number"),
        (["2 Mary moved."], 1, "expected line number 1"),
        (["1 Mary moved.", "3 John moved."], 2, "expected line number 2"),
        (["1 Mary moved.", "2  "], 2, "sentence"),
        (["1 Mary moved.", "", "2 \tkitchen\t1"], 3, "sentence"),
        (["1 Mary moved.", "2 Where?\tkitchen"], 2, "tab"),
        (["1 Mary moved.", "2 Where?\t \t1"], 2, "tab"),
        (["1 Mary moved.", "2 Where?\tkitchen\t1\t1"], 2, "tab"),
        (["1 Mary moved.", "2 Where?\tkitchen\t0"], 2, "supporting fact '0'"),
        (["1 Mary moved.", "2 Where?\tkitchen\t2"], 2, "supporting fact '2'"),
        (["1 Mary moved.", "2 Where?\tkitchen\t1 a"], 2, "supporting fact 'a'"),
        (["1 Mary moved.", "2 Where?\tkitchen\t1", "3 Where?\tkitchen\t2"], 3, "supporting fact '2'"),
    ],
)
def test_malformed_lines_are_named(lines, at, why):
    with pytest.raises(BabiFormatError, match=f"^some/file.txt:{at}: .*{why}"):
        list(parse_stories(lines, "some/file.txt"))


@given(st.lists(well_formed(), min_size=1, max_size=3), st.booleans())
def test_writing_then_reading_is_the_identity(stories, gap):
    text = "".join(format_story(story, space_before_tab=gap) for story in stories)
    assert list(parse_stories(text.split("\n"))) == stories


PIECE = st.sampled_from(
    ["1", "2", "3", "0", "01", "-1", "¹", "²", "٣", " ", "  ", "\t", "\t\t", "\n", "\r", "\x85"]
)


@given(
    st.lists(st.one_of(st.text(max_size=12), st.lists(PIECE | st.text(max_size=3), max_size=9).map("".join)))
)
def test_only_format_errors_escape(lines):
    try:
        stories = list(parse_stories(lines))
    except BabiFormatError as error:
        assert str(error).startswith("<stories>:")  # noqa: PT017  most inputs raise, some do not
    else:
        # What was accepted is well formed: facts precede their questions.
        for story in stories:
            assert story
            for number, item in enumerate(story, 1):
                if isinstance(item, Question):
                    assert all(1 <= fact < number for fact in item.support)
                    assert all(isinstance(story[fact - 1], Statement) for fact in item.support)


def test_published_files_come_back_byte_for_byte():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    path = Path(folder or ".") / "babi_v1-2.tar.xz"
    if folder is None or not path.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with babi_v1-2.tar.xz")
    seen = 0
    with lzma.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if not member.isfile() or not member.name.endswith(".txt") or "LICENSE" in member.name:
                continue
            text = archive.extractfile(member).read().decode("utf-8")
            stories = list(parse_stories(text.split("\n"), member.name))
            gap = " \t" in text
            assert "".join(format_story(story, space_before_tab=gap) for story in stories) == text
            seen += 1
    assert seen == 88
