"""``liafseq show``: a picture of what a run's network holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from liafseq.tasks.babi.config import BabiConfig
    from liafseq.tasks.task import find
    from liafseq.tasks.training.run import run

    folder = tmp_path_factory.mktemp("runs") / "liaf"
    sizes = {"questions": 60, "test_questions": 30, "epochs": 1, "hidden_size": 6, "embedding_size": 4}
    run(find("babi"), BabiConfig(model="liaf", tasks=(1, 6), **sizes), folder)
    return folder


def test_a_picture_of_one_question(call: Call, run: Path, tmp_path: Path) -> None:
    result = call("show", run, "--example", 3, "--out", tmp_path / "new" / "story.png", "--neurons", 4)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "story.png").read_bytes().startswith(PNG)
    first, second = result.stdout.splitlines()
    assert "? Right: " in first
    assert ". Answered: " in first
    assert second == f"Written: {tmp_path / 'new' / 'story.png'}"


def test_by_default_beside_the_run(call: Call, run: Path) -> None:
    result = call("show", run, "--part", 6, "--split", "valid", "-k", 1)
    assert result.exit_code == 0, result.output
    assert (run / "show-1.png").read_bytes().startswith(PNG)
    assert "Right: yes." in result.stdout or "Right: no." in result.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--example 30", "example must be from 0 to 29 (test questions), got 30"),
        ("--example -1", "--example must be at least 0, got -1"),
        ("--example one", "--example"),
        ("--part 2", "part must be one of task 1, task 6 of "),
        ("--split tests", "--split: expected test, valid or train, got 'tests'"),
        ("--neurons 0", "--neurons must be at least 1, got 0"),
        ("--out picture.jpg", "--out: expected the name of a PNG file such as story.png, got 'picture.jpg'"),
    ],
)
def test_bad_options(call: Call, run: Path, options: str, expected: str) -> None:
    before = set(run.iterdir())
    result = call("show", run, *options.split())
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert expected in line
    assert set(run.iterdir()) == before


def test_no_run(call: Call, tmp_path: Path) -> None:
    result = call("show", tmp_path)
    assert result.exit_code == 2
    assert "not a run folder: it has no config.json" in result.stderr
    (tmp_path / "config.json").write_text('{"task": "chess", "config": {}}')
    result = call("show", tmp_path)
    assert result.exit_code == 2
    assert "no task 'chess'; the tasks are babi, dvs" in result.stderr


def test_a_run_without_an_epoch(call: Call, run: Path, tmp_path: Path) -> None:
    for name in ("config.json", "data.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    result = call("show", tmp_path)
    assert result.exit_code == 2
    assert "checkpoint.safetensors: no such checkpoint" in result.stderr
