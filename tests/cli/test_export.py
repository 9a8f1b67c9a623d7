"""``liafseq export``, and the other commands on what it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liafseq.tasks.config import replace
from liafseq.tasks.export.card import train_command
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.settings import flags_of
from liafseq.tasks.task import find, installed
from liafseq.tasks.toml import lines

Call = Callable[..., Any]
TINY = ("--tasks", "1,6", "--questions", 60, "--test-questions", 20, "--epochs", 1, "--hidden-size", 4)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_exported_folder_is_used_as_a_run(call: Call) -> None:
    trained = call("train", "babi", "--model", "liaf:gated=true", *TINY, "--out", "run")
    assert trained.exit_code == 0, trained.output
    question = "Mary went to the kitchen. Where is Mary?"
    answered, scored = call("predict", "run", question).stdout, call("evaluate", "run").stdout
    exported = call("export", "run", "--to", "out")
    assert exported.stdout == "Written: out\n", exported.output
    shutil.rmtree("run")
    assert call("predict", "out", question).stdout == answered
    assert call("evaluate", "out").stdout.split()[-10:] == scored.split()[-10:]
    assert "out" in call("list", ".").stdout
    # never over what is there
    refused = call("export", "out", "--to", "out")
    assert (refused.exit_code, refused.stderr) == (
        2, "liafseq: out: holds files already (README.md); give another place, or delete it\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nothing", "--to", "out"), "nothing: not a run folder"),
        (("nothing", "--to", "model.onx"), "--to: no format '.onx'; what can be written is a folder"),
        (("nothing",), "Missing option '--to'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(call: Call, words: tuple[str, ...], expected: str) -> None:
    result = call("export", *words)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2
    assert expected in line


@pytest.mark.parametrize("task", installed(), ids=lambda task: task.name)
def test_the_command_of_the_card_gives_the_same_run(call: Call, task: Any) -> None:
    config = task.Config()
    first = config.model.label
    changed = replace(
        config, model=ModelSpec.parse(f"{first}:decay=0.5" if "li" in first else first), epochs=3, seed=2,
        learning_rate=0.5, threads=2,
    )  # fmt: skip
    flags = flags_of(task.Config)
    for one in (config, changed):
        command = train_command(SimpleNamespace(task=task, config=one))  # type: ignore[arg-type]
        shown = call(*command[1:], "--print-config")
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.splitlines() == lines(flags, [one])


def test_lists_and_words_stand_in_the_command() -> None:
    babi = find("babi")
    config = babi.Config(tasks=(1, 6), questions=100)
    command = " ".join(train_command(SimpleNamespace(task=babi, config=config)))  # type: ignore[arg-type]
    assert "--tasks 1,6" in command
    assert "--questions 100" in command
