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

from liafseq.tasks.babi.config import BabiRun

SMALL = (
    "compare", "babi", "--tasks", "1", "--questions", 300, "--test-questions", 100, "--epochs", 6,
    "--hidden-size", 8, "--embedding-size", 8, "--batch-size", 16,
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


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_and_interrupted_it_ends_with_the_same_metrics(start: Start, tmp_path: Path) -> None:
    options = (*SMALL, "--models", "gru,rnn", "--dropout", 0.1, "--layers", 2)
    out, err = finish(start(*options, "--out", "whole", "--jobs", 1))
    whole = json.loads((tmp_path / "whole" / "results.json").read_text())
    assert [row["status"] for row in whole["runs"]] == ["finished", "finished"]

    # Standard output: the table and what was written; standard error: a line a run; no colours, no bars.
    lines = out.splitlines()
    assert lines[0].split() == ["model", "task", "1", "solved", "weights", "MAC", "AC", "energy", "training"]
    gru = next(row for row in whole["runs"] if row["model"] == "gru")
    assert lines[1].split()[:2] == ["gru", f"{100 * gru['accuracy']['1']:.1f}"]
    assert lines[-1].startswith("Written: whole/results.json, whole/table.md, whole/accuracy.png")
    assert sorted(line.split(":")[0][6:] for line in err.splitlines()) == [
        "gru task 1 seed 0",
        "rnn task 1 seed 0",
    ]
    assert "\x1b" not in out + err

    folder = tmp_path / "stopped"
    first, second = (folder / row["run"] for row in whole["runs"])
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
    rnn = tmp_path / BabiRun(
        model="rnn", questions=300, test_questions=100, epochs=1, hidden_size=8, embedding_size=8,
        batch_size=16,
    ).key()  # fmt: skip
    rnn.mkdir()
    (rnn / "resume.safetensors").write_bytes(b"damaged")
    result = call(*options)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split()[:3] == ["rnn", "failed", "-"]
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
    counts, sizes = [row["parameters"] for row in runs], [row["hidden_size"] for row in runs]
    assert max(abs(count - counts[0]) for count in counts) <= 0.02 * counts[0]
    assert sizes[0] == 64
    assert sizes[1] > sizes[0] > sizes[2]
    assert f"hidden sizes: gru 64, rnn {sizes[1]}, lstm {sizes[2]}" in result.stdout.replace(
        "Hidden", "hidden"
    )


def stop_at(process: subprocess.Popen[str], condition: Callable[[], bool], with_signal: int) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(with_signal)
    process.wait(timeout=600)
