"""``liafseq data babi``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi.stories.format import Question, parse_stories

STORY = """\
1 Mary went to the kitchen.
2 John moved to the garden.
3 Where is Mary?\tkitchen\t1
4 John went back to the office.
5 Where is John?\toffice\t4
1 Sandra went to the kitchen.
2 Where is Sandra?\tkitchen\t1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(STORY)
    return tmp_path


def test_generate_then_inspect(call: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "made"
    made = call(
        "data", "babi", "generate", "--out", out, "--tasks", "1,20", "--train", 12, "--test", 5, "--seed", 3
    )
    assert made.exit_code == 0, made.output
    names = [Path(line).name for line in made.stdout.splitlines()]
    assert names == [
        "qa1_single-supporting-fact_train.txt",
        "qa1_single-supporting-fact_test.txt",
        "qa20_agents-motivations_train.txt",
        "qa20_agents-motivations_test.txt",
    ]
    for name, count in zip(names, (12, 5, 12, 5), strict=True):
        stories = parse_stories((out / name).read_text().splitlines(), name)
        assert sum(isinstance(item, Question) for story in stories for item in story) == count
    seen = call("data", "babi", "inspect", out, "--tasks", "1,20", "--split", "test")
    assert seen.exit_code == 0, seen.output
    assert [line.split()[2] for line in seen.stdout.splitlines()[1:]] == ["5", "5"]


def test_inspect_counts(call: Callable[..., Any], folder: Path) -> None:
    result = call("data", "babi", "inspect", folder, "--tasks", "1")
    assert result.exit_code == 0, result.output
    header, line = result.stdout.splitlines()
    assert header.split() == [
        "task", "stories", "questions", "words", "length", "longest", "facts", "answers", "common"
    ]  # fmt: skip
    # 12, 19 and 6 tokens before the questions; two of three answers are the kitchen.
    assert line.split() == ["1", "2", "3", "15", "12.3", "19", "1.0", "2", "kitchen", "67%"]


def test_inspect_names_what_is_wrong_and_goes_on(call: Callable[..., Any], folder: Path) -> None:
    (folder / "qa2_two-supporting-facts_train.txt").write_text(
        "1 Mary went home.\n3 Where is Mary?\thome\t1\n"
    )
    result = call("data", "babi", "inspect", folder, "--tasks", "1-2")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[1].split()[0] == "1"
    (line,) = result.stderr.splitlines()
    assert "qa2_two-supporting-facts_train.txt:2: expected line number 2 or 1, not 3" in line


def test_show(call: Callable[..., Any], folder: Path) -> None:
    result = call("data", "babi", "show", folder, "--stories", 1)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "task 1: single supporting fact",
        "   1 Mary went to the kitchen.",
        "   2 John moved to the garden.",
        "   3 Where is Mary?  kitchen  (facts: 1)",
        "   4 John went back to the office.",
        "   5 Where is John?  office  (facts: 4)",
        "",
    ]


def test_show_generated_stories_with_options(call: Callable[..., Any]) -> None:
    plain = call("data", "babi", "show", "--tasks", "1,15", "--seed", 4)
    assert plain.exit_code == 0, plain.output
    assert plain.stdout.count("(facts: ") >= 4
    assert call("data", "babi", "show", "--tasks", "1,15", "--seed", 4).stdout == plain.stdout
    fewer = call("data", "babi", "show", "--story", "people=2", "--stories", 10)
    assert fewer.exit_code == 0, fewer.output
    bad = call("data", "babi", "show", "--story", "cats=2")
    assert bad.exit_code == 2
    assert "cats" in bad.stderr
