"""``liafseq train babi`` and ``liafseq evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = (
    "train", "babi", "--model", "gru", "--tasks", "1,6", "--questions", 60, "--test-questions", 20,
    "--epochs", 2, "--hidden-size", 4, "--embedding-size", 4,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_train_then_evaluate(call: Callable[..., Any]) -> None:
    trained = call(*SMALL)
    assert trained.exit_code == 0, trained.output
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("gru-qa1+6-s0-")
    result = json.loads((folder / "result.json").read_text())
    figures = [f"{100 * result['accuracy'][task]:.1f}" for task in "16"]
    figures.append(f"{100 * result['mean_accuracy']:.1f}")
    lines = trained.stdout.splitlines()
    assert lines[0].split() == ["model", "task", "1", "task", "6", "mean"]
    assert lines[1].split() == ["gru", *figures]
    assert lines[-1] == f"Run folder: {folder}"
    assert trained.stderr.splitlines() == [f"epoch 1/2: validation {valid(folder, 0)}"]

    again = call(*SMALL)
    assert again.stdout == trained.stdout
    assert again.stderr == ""

    evaluated = call("evaluate", folder)
    assert evaluated.exit_code == 0
    assert evaluated.stdout.splitlines()[1].split() == [folder.name, *figures]
    assert call("evaluate", "babi", folder).stdout == evaluated.stdout

    as_json = json.loads(call("evaluate", folder, "--json", "--tasks", "6", "--split", "valid").stdout)
    assert as_json["run"] == str(folder)
    assert list(as_json["accuracy"]) == ["6"]
    assert as_json["split"] == "valid"


def test_evaluate_on_other_questions(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    made = call("data", "babi", "generate", "--out", "files", "--tasks", 1, "--train", 30, "--test", 10)
    assert made.exit_code == 0, made.output
    found = json.loads(call("evaluate", "run", "--source", "files", "--tasks", 1, "--json").stdout)
    assert found["questions"] == {"1": 10}
    missing = call("evaluate", "run", "--source", "files")  # the run's own task 6 is not there
    assert missing.exit_code == 2
    (line,) = missing.stderr.splitlines()
    assert "qa6_yes-no-questions_test.txt" in line


def test_a_folder_of_another_run(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    other = call(*SMALL, "--out", "run", "--epochs", 3)
    assert other.exit_code == 2
    (line,) = other.stderr.splitlines()
    assert line.startswith("liafseq: run: holds another run: epochs 2 (asked: 3)")


def valid(folder: Path, epoch: int) -> str:
    line = (folder / "metrics.jsonl").read_text().splitlines()[epoch]
    return f"{100 * json.loads(line)['valid_accuracy']:.1f}%"
