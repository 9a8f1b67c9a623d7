"""``liafseq data babi``, by itself and as a part of another command."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from liafseq.tasks.babi.commands import app
from liafseq.tasks.babi.stories.format import Question, parse_stories

MOUNTED = typer.Typer()
MOUNTED.add_typer(app, name="babi")

STORY = """\
1 Mary went to the kitchen.
2 John moved to the garden.
3 Where is Mary?\tkitchen\t1
4 John went back to the office.
5 Where is John?\toffice\t4
1 Sandra went to the kitchen.
2 Where is Sandra?\tkitchen\t1
"""


def call(*words):
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(STORY)
    return tmp_path


def test_generate_then_inspect(tmp_path):
    out = tmp_path / "made"
    words = ("generate", "--out", out, "--tasks", "1,20", "--train", 12, "--test", 5, "--seed", 3)
    made = call(*words)
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
    seen = CliRunner().invoke(MOUNTED, ["babi", "inspect", str(out), "--tasks", "1,20", "--split", "test"])
    assert seen.exit_code == 0, seen.output
    assert [line.split()[2] for line in seen.stdout.splitlines()[1:]] == ["5", "5"]


def test_generate_writes_over_nothing_without_force(tmp_path):
    mine = tmp_path / "qa2_two-supporting-facts_test.txt"
    mine.write_text("mine")
    words = ("generate", "--out", tmp_path, "--tasks", "1-2", "--train", 3, "--test", 3)
    refused = call(*words)
    assert isinstance(refused.exception, FileExistsError)
    assert str(refused.exception) == f"--out: {mine} is there already; --force writes over it"
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"
    assert call(*words, "--force").exit_code == 0
    assert len(list(tmp_path.iterdir())) == 4
    assert "mine" not in mine.read_text()


def test_inspect_counts(folder):
    result = call("inspect", folder, "--tasks", "1")
    assert result.exit_code == 0, result.output
    header, line = result.stdout.splitlines()
    assert header.split() == [
        "task", "stories", "questions", "words", "length", "longest", "facts", "answers", "common"
    ]  # fmt: skip
    # 12, 19 and 6 tokens before the questions; two of three answers are the kitchen.
    assert line.split() == ["1", "2", "3", "15", "12.3", "19", "1.0", "2", "kitchen", "67%"]


def test_inspect_names_what_is_wrong_and_goes_on(folder):
    (folder / "qa2_two-supporting-facts_train.txt").write_text(
        "1 Mary went home.\n3 Where is Mary?\thome\t1\n"
    )
    result = call("inspect", folder, "--tasks", "1-2")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[1].split()[0] == "1"
    (line,) = result.stderr.splitlines()
    assert "qa2_two-supporting-facts_train.txt:2: expected line number 2 or 1, not 3" in line


def test_inspect_leaves_out_a_task_without_the_option():
    result = call("inspect", "--tasks", "1,4", "--story", "people=3", "--questions", 20)
    assert result.exit_code == 2
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["task", "1"]
    assert result.stderr.startswith("liafseq: --story: task 4 has no option people (got 3)")


def test_show(folder):
    result = call("show", folder, "--stories", 1)
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


def test_show_generated_stories_with_options():
    plain = call("show", "--tasks", "1,15", "--seed", 4)
    assert plain.exit_code == 0, plain.output
    assert plain.stdout.count("(facts: ") >= 4
    assert call("show", "--tasks", "1,15", "--seed", 4).stdout == plain.stdout
    fewer = call("show", "--story", "people=2", "--stories", 10)
    assert fewer.exit_code == 0, fewer.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("show", "--story", "cats=2"), "--story: no option 'cats'; the options are statements, people,"),
        (("show", "--story", "people=many"), "--story: people must be a whole number or None, got 'many'"),
        (("show", "--story", "people=99"), "--story: people must be 1 to 8 in task 1, got 99"),
        (("show", "--story", "people"), "--story: expected NAME=VALUE"),
        (("show", "--tasks", "1,x"), "--tasks: expected numbers and ranges"),
        (("show", "--tasks", "21"), "--tasks: bAbI has tasks 1 to 20, got 21"),
        (("show", "--seed", -1), "must be at least 0, got -1"),
        (("show", "--split", "all"), "split must be"),
        (("show", "nowhere"), "nowhere"),
        (("generate", "--out", ""), "--out: expected a folder, got"),
        (("generate", "--out", "file/below"), "--out: cannot write into the folder file/below"),
    ],
)
def test_mistakes_are_one_clear_line(words, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    done = call(*words)
    assert isinstance(done.exception, ValueError | OSError), done.output
    assert text in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
