"""``liafseq train babi`` and ``liafseq evaluate``."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks import load

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
    accuracies = [result["test"][part]["metrics"]["accuracy"] for part in ("task 1", "task 6")]
    figures = [f"{100 * value:.1f}" for value in (*accuracies, sum(accuracies) / 2)]
    lines = trained.stdout.splitlines()
    assert lines[0].split() == ["model", "task", "1", "task", "6", "mean"]
    assert lines[1].split() == ["gru", *figures]
    assert lines[-1] == f"Run folder: {folder}"
    assert lines[2].startswith("Test accuracy in percent of 40 questions; ")
    assert lines[3].startswith("Always the most frequent answer: ")
    best = result["best_epoch"]
    assert trained.stderr.splitlines() == [
        f"epoch 1/2: validation {valid(folder, 0)}",
        f"epoch 2/2: validation best {valid(folder, best - 1)} (epoch {best})",
    ]

    again = call(*SMALL)
    assert again.stdout == trained.stdout
    assert again.stderr == ""

    evaluated = call("evaluate", folder)
    assert evaluated.exit_code == 0
    assert evaluated.stdout.splitlines()[1].split() == [folder.name, *figures]
    assert call("evaluate", "babi", folder).stdout == evaluated.stdout

    as_json = json.loads(call("evaluate", folder, "--json", "--tasks", "6", "--split", "valid").stdout)
    assert as_json["run"] == str(folder)
    assert list(as_json["scores"]) == ["task 6"]
    assert as_json["split"] == "valid"


def test_evaluate_on_other_questions(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    made = call("data", "babi", "generate", "--out", "files", "--tasks", 1, "--train", 30, "--test", 10)
    assert made.exit_code == 0, made.output
    found = json.loads(call("evaluate", "run", "--source", "files", "--tasks", 1, "--json").stdout)
    assert found["scores"]["task 1"]["count"] == 10
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
    return f"{100 * json.loads(line)['valid']['accuracy']:.1f}%"


def test_a_folder_that_is_not_a_run(call: Callable[..., Any]) -> None:
    for name, file, what in (("study", "results.json", "a study"), ("data", "qa1_train.txt", "other files")):
        Path(name).mkdir()
        Path(name, file).write_text("mine")
        result = call(*SMALL, "--out", name)
        assert result.exit_code == 2
        assert f"{name}: holds {what}" in result.stderr
        assert [path.name for path in Path(name).iterdir()] == [file]
        assert Path(name, file).read_text() == "mine"


def test_a_first_try_that_failed_does_not_block_the_folder(call: Callable[..., Any]) -> None:
    failed = call(*SMALL, "--out", "run", "--learning-rate", 1e37, "--clip", 0)
    assert failed.exit_code == 1
    assert "try a lower learning_rate" in failed.stderr
    again = call(*SMALL, "--out", "run")
    assert again.exit_code == 0, again.output
    assert json.loads(Path("run/config.json").read_text())["config"]["learning_rate"] == 0.003


def test_mistakes_as_csv(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    told = call("evaluate", "run", "--errors", "wrong.csv")
    assert told.exit_code == 0, told.output
    header, *rows = csv.reader(Path("wrong.csv").read_text().splitlines())
    assert header == ["run", "part", "index", "example", "expected", "given"]
    result = json.loads(Path("run/result.json").read_text())
    for part, score in result["test"].items():
        own = [row for row in rows if row[1] == part]
        assert len(own) == round(score["count"] * (1 - score["metrics"]["accuracy"]))
        assert all(row[4] != row[5] for row in own)
        of_part = load("run").mistakes(only=part)
        assert [(wrong.part, str(wrong.index)) for wrong in of_part] == [(part, row[2]) for row in own]
    refused = call("evaluate", "run", "--errors", "wrong.csv")
    assert refused.exit_code == 2
    assert "wrong.csv is there already" in refused.stderr
    assert call("evaluate", "run", "--errors", "wrong.csv", "--force").exit_code == 0
    assert call("evaluate", "run", "--errors", "-").stdout == Path("wrong.csv").read_text()


def test_a_task_whose_answers_were_not_learnt_is_left_out(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    told = call("evaluate", "run", "--tasks", "1,7")  # of task 7 the answers are numbers
    assert told.exit_code == 0, told.output
    header, row = (line.split() for line in told.stdout.splitlines()[:2])
    assert header == ["run", "task", "1"]
    assert len(row) == 2
    assert "Left out: run, task 7: none of its answers is among those" in told.stdout


def test_predict(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    answers = json.loads(Path("run/data.json").read_text())["answers"]
    told = call("predict", "run", "Mary went to the kitchen. Where is Mary?")
    assert told.exit_code == 0, told.output
    assert told.stdout.strip() in answers
    wrong = call("predict", "run", "Mary went to the kitchen.")
    assert wrong.exit_code == 2
    assert "expected a story that ends with a question" in wrong.stderr


def test_list(call: Callable[..., Any]) -> None:
    assert "no such folder" in call("list").stderr
    call(*SMALL, "--out", "runs/one")
    call("compare", "babi", "--models", "gru,lif", "--seeds", 1, *SMALL[4:], "--out", "runs/study")
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["study", "task", "model", "mean", "runs"]
    assert [line.split()[2] for line in lines[1:3]] == ["gru", "lif"]
    assert sum("finished" in line for line in lines) == 5
    Path("runs/one/config.json").write_text("{")
    assert "Not read: runs/one/config.json:1: not valid JSON" in call("list").stdout


def test_an_interrupt_ends_with_130_and_a_line(start: Callable[..., Any], tmp_path: Path) -> None:
    process = start(*SMALL[:4], "--questions", 300, "--epochs", 100_000, "--hidden-size", 4, "--out", "run")
    wait_for(lambda: (tmp_path / "run" / "resume.safetensors").exists())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "liafseq: stopped; the same command goes on where it was"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_an_unreadable_checkpoint_is_not_called_damaged(call: Callable[..., Any]) -> None:
    call(*SMALL, "--out", "run")
    Path("run/checkpoint.safetensors").chmod(0)
    told = call("evaluate", "run").stderr
    assert "Permission denied" in told
    assert "damaged" not in told


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_terminal_is_told_what_a_run_does_before_its_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from liafseq.cli.progress import TrainProgress
    from liafseq.tasks.task import find

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    task = find("babi")
    with TrainProgress(task, task.Config()) as progress:
        assert progress.bars.tasks[0].fields["state"] == "reads data, compiles"
