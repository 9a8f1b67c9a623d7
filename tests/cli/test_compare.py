"""``liafseq compare babi`` as a person runs it: results, stopping and going on, failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi.config import BabiConfig

SMALL = (
    "compare", "babi", "--tasks", "1", "--questions", 300, "--test-questions", 100, "--epochs", 6,
    "--hidden-size", 8, "--embedding-size", 8, "--batch-size", 16, "--seeds", 1,
)  # fmt: skip

Start = Callable[..., subprocess.Popen[str]]


def finish(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, err
    return out, err


def untimed(value: Any) -> Any:
    """A result without what a clock measured."""
    if isinstance(value, dict):
        return {key: untimed(part) for key, part in value.items() if key != "time"}
    return [untimed(part) for part in value] if isinstance(value, list) else value


def losses(run: Path) -> list[tuple[float, float]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(line["loss"], line["valid_loss"]) for line in lines]


def epochs(run: Path) -> int:
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_and_interrupted_it_ends_with_the_same_metrics(start: Start, tmp_path: Path) -> None:
    options = (*SMALL, "--models", "gru,rnn", "--dropout", 0.1, "--layers", 2)
    out, err = finish(start(*options, "--out", "whole", "--jobs", 1))
    whole = json.loads((tmp_path / "whole" / "results.json").read_text())
    assert all(run["outcome"] for run in whole["runs"])

    # Standard output: the table and what was written; standard error: a line a run; no colours, no bars.
    lines = out.splitlines()
    assert lines[0].split()[:8] == ["model", "task", "1", "solved", "weights", "MAC", "AC", "energy"]
    gru = next(run for run in whole["runs"] if run["model"] == "gru")
    accuracy = gru["outcome"]["test"]["task 1"]["metrics"]["accuracy"]
    assert lines[1].split()[:2] == ["gru", f"{100 * accuracy:.1f}"]
    assert lines[-1].startswith("Written: whole/report.html, ")
    assert lines[-1].endswith("whole/results.json")
    assert sorted(line.split(":")[0][6:] for line in err.splitlines()) == [
        "gru task 1 seed 0",
        "rnn task 1 seed 0",
    ]
    assert "\x1b" not in out + err

    folder = tmp_path / "stopped"
    first, second = (folder / run["key"] for run in whole["runs"])
    killed = start(*options, "--out", "stopped", "--jobs", 1)
    stop_at(killed, lambda: epochs(first) >= 2, signal.SIGKILL)
    killed.communicate()
    assert epochs(first) < 6
    assert not (folder / "results.json").exists()

    interrupted = start(*options, "--out", "stopped", "--jobs", 1)
    stop_at(interrupted, lambda: epochs(second) >= 1, signal.SIGINT)
    _, err = finish(interrupted, 130)
    assert err.splitlines()[-1] == "liafseq: stopped; the same command goes on where it was"
    assert epochs(first) == 6
    assert epochs(second) < 6

    _, err = finish(start(*options, "--out", "stopped", "--jobs", 2))
    assert "gru task 1 seed 0" in err.splitlines()[0]
    assert err.splitlines()[0].endswith("(finished before)")
    assert untimed(json.loads((folder / "results.json").read_text())) == untimed(whole)
    for run in (first, second):
        undisturbed = tmp_path / "whole" / run.name
        assert losses(run) == losses(undisturbed)
        assert (run / "checkpoint.safetensors").read_bytes() == (
            undisturbed / "checkpoint.safetensors"
        ).read_bytes()


def test_a_failed_run_is_a_row_and_the_others_go_on(call: Callable[..., Any], tmp_path: Path) -> None:
    options = (*SMALL, "--models", "rnn,gru", "--epochs", 1, "--jobs", 1, "--out", tmp_path)
    rnn = tmp_path / BabiConfig(
        model="rnn", questions=300, test_questions=100, epochs=1, hidden_size=8, embedding_size=8,
        batch_size=16,
    ).key()  # fmt: skip
    rnn.mkdir()
    (rnn / "resume.safetensors").write_bytes(b"damaged")
    result = call(*options)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split()[:3] == ["rnn", "failed", "-"]
    assert "Size: " not in result.stdout
    assert lines[2].split()[0] == "gru"
    assert "Failed: rnn, task 1, seed 0: ValueError: " in result.stdout
    assert result.stderr.splitlines()[-1] == "liafseq: some runs failed; the same command tries them again"
    assert "resume.safetensors" in (rnn / "error.txt").read_text()
    assert (tmp_path / "learning-curves.png").exists()


def test_equal_numbers_of_weights(call: Callable[..., Any], tmp_path: Path) -> None:
    options = ("--models", "gru,rnn,lstm", "--epochs", 1, "--hidden-size", 64, "--match", "params")
    result = call(*SMALL, *options, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    counts, sizes = [run["outcome"]["parameters"] for run in runs], [run["hidden_size"] for run in runs]
    assert max(abs(count - counts[0]) for count in counts) <= 0.02 * counts[0]
    assert sizes[0] == 64
    assert sizes[1] > sizes[0] > sizes[2]
    assert f"hidden sizes: gru 64, rnn {sizes[1]}, lstm {sizes[2]}" in result.stdout.replace(
        "Hidden", "hidden"
    )


TINY = (
    "--seeds",
    1,
    "--tasks",
    "1",
    "--questions",
    30,
    "--test-questions",
    10,
    "--epochs",
    1,
    "--hidden-size",
    4,
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_something_else_is_refused_and_stays(call: Callable[..., Any], tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert call("compare", "babi", "--models", "gru", *TINY, "--out", study).exit_code == 0
    run = next(path for path in study.iterdir() if path.is_dir())
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.tex").write_text("mine")
    for folder, options, what in (
        (study, ("--models", "rnn"), "holds another study (gru)"),
        (study, ("--models", "gru", "--batch-size", 7), "holds another study (gru)"),
        (run, ("--models", "gru"), "holds a run, not a study"),
        (own, ("--models", "gru"), "holds files that are not of a study (thesis.tex)"),
    ):
        before = content(folder)
        result = call("compare", "babi", *TINY, *options, "--out", folder)
        assert result.exit_code == 2, result.output
        (line,) = result.stderr.splitlines()
        assert what in line
        assert "--out" in line
        assert content(folder) == before
    # More seeds and more models are the same study going on.
    more = call("compare", "babi", "--models", "gru,rnn", "--seeds", 2, *TINY, "--out", study)
    assert more.exit_code == 0, more.output


def test_two_settings_of_one_model(call: Callable[..., Any], tmp_path: Path) -> None:
    words = ("compare", "babi", "--models", "liaf,liaf:gated=true,slow=lif:decay=0.9", *TINY, "--search", 2)
    result = call(*words, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    study = json.loads(result.stdout)
    labels = ["liaf", "liaf:gated=true", "slow"]
    assert [run["model"] for run in study["runs"]] == labels
    assert [entry["model"] for entry in study["summary"]] == labels
    assert [(pair["first"], pair["second"]) for pair in study["pairwise"]] == [
        (labels[0], labels[1]),
        (labels[0], labels[2]),
        (labels[1], labels[2]),
    ]
    assert set(study["search"]["models"]) == set(labels)
    assert len({run["key"] for run in study["runs"]}) == 3
    assert study["summary"][1]["cost"]["weights"][0] > study["summary"][0]["cost"]["weights"][0]


def test_a_dry_run_does_nothing(call: Callable[..., Any], tmp_path: Path) -> None:
    result = call("compare", "babi", "--models", "gru,rnn", *TINY, "--out", tmp_path / "new", "--dry-run")
    assert result.exit_code == 0, result.output
    *keys, last = result.stdout.splitlines()
    assert [key.split("-")[0] for key in keys] == ["gru", "rnn"]
    assert last == "2 runs."
    assert not (tmp_path / "new").exists()


def test_the_time_of_a_long_study_is_estimated(call: Callable[..., Any], tmp_path: Path) -> None:
    words = (
        "--tasks",
        "1",
        "--questions",
        2000,
        "--hidden-size",
        16,
        "--epochs",
        1000,
        "--seeds",
        1,
        "--dry-run",
    )
    result = call("compare", "babi", "--models", "gru", *words, "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("1 runs, about ")


def stop_at(process: subprocess.Popen[str], condition: Callable[[], bool], with_signal: int) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(with_signal)
    process.wait(timeout=600)
