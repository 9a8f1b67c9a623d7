"""The study runner: what it keeps, repeats, reports, and what becomes of its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.storage.lock import FolderInUseError, folder_lock
from liafseq.tasks.study import Event, compare, summarise

from ..waiting import alive, wait_for

FAKE = """
import json, os, signal, sys, time
from liafseq.tasks.progress import Progress

def run(config, folder, *, progress=None):
    with (folder / "calls.txt").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    print(json.dumps({"kind": "failed", "error": "not mine", "traceback": ""}), flush=True)
    flag = folder.parent / config.model
    if config.model == "rnn" and not flag.exists():
        raise ValueError("no luck\\nin two lines")
    if config.model == "lstm" and not flag.exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    if config.model == "lif" and not flag.exists():
        print("the last words", file=sys.stderr)
        os._exit(7)
    if config.model == "mlif":
        time.sleep(60)
    for batch in range(1, 4):
        progress(Progress(1, 1, batch, 3, 0.5, None))
    accuracy = {str(task): (90 + task + config.seed) / 100 for task in config.tasks}
    result = {
        "model": config.model, "tasks": list(config.tasks), "accuracy": accuracy,
        "mean_accuracy": sum(accuracy.values()) / len(accuracy), "parameters": 100 + config.tasks[0],
        "time": {"train_seconds": 2.0},
    }
    (folder / "result.json").write_text(json.dumps(result))
    return result
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    code = tmp_path / "code"
    code.mkdir()
    (code / "liafseq_fake_runner.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(code))
    return "liafseq_fake_runner:run"


def calls(folder: Path, run: BabiConfig) -> list[str]:
    path = folder / run.key() / "calls.txt"
    return path.read_text().split() if path.exists() else []


def test_runs_are_spread_over_processes_and_summed_up(tmp_path: Path, fake: str) -> None:
    runs = [BabiConfig(model="gru", tasks=(task,), seed=seed) for seed in (0, 1) for task in (1, 6)]
    events: list[Event] = []
    results = compare(runs, tmp_path / "study", jobs=2, runner=fake, on_progress=events.append)

    assert results == json.loads((tmp_path / "study" / "results.json").read_text())
    assert [row["status"] for row in results["runs"]] == ["finished"] * 4
    assert [row["run"] for row in results["runs"]] == [run.key() for run in runs]
    (summary,) = results["summary"]
    assert summary["accuracy"]["1"] == {
        "mean": pytest.approx(0.915), "std": pytest.approx(0.00707107), "seeds": [0.91, 0.92],
        "interval": [pytest.approx(0.869, abs=0.002), pytest.approx(0.961, abs=0.002)],
    }  # fmt: skip
    assert summary["mean_accuracy"]["seeds"] == [pytest.approx(0.935), pytest.approx(0.945)]
    assert summary["solved"] == 1
    assert summary["parameters"] == [101, 106]
    assert summary["time"] == {"train_seconds": 4.0}
    assert results["settings"]["model"] == "gru"
    assert "seed" not in results["settings"]
    assert results["runs"][1]["settings"] == {"tasks": [6], "seed": 0}
    pids = {pid for run in runs for pid in calls(tmp_path / "study", run)}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    kinds = [event.kind for event in events]
    assert kinds.count("started") == kinds.count("finished") == 4
    assert {"epoch": 1, "epochs": 1, "batch": 3, "batches": 3, "loss": 0.5, "valid_accuracy": None} in [
        event.progress for event in events
    ]


def test_failures_are_rows_and_are_tried_again(tmp_path: Path, fake: str) -> None:
    folder = tmp_path / "study"
    runs = [BabiConfig(model=model) for model in ("gru", "rnn", "lstm", "lif")]
    results = compare(runs, folder, jobs=1, runner=fake)

    assert [row["status"] for row in results["runs"]] == ["finished", "failed", "failed", "failed"]
    errors = [row.get("error") for row in results["runs"]]
    assert errors[1] == "ValueError: no luck in two lines"
    assert errors[2] == "the worker process was killed by SIGSEGV"
    assert errors[3] == "the worker process ended with code 7: the last words"
    assert "liafseq_fake_runner.py" in (folder / runs[1].key() / "error.txt").read_text()
    failed = results["summary"][1]
    assert failed["failed"] == 1
    assert failed["accuracy"] == {"1": None}
    assert failed["mean_accuracy"] is failed["solved"] is failed["time"]["train_seconds"] is None

    (folder / "rnn").touch()  # the fake's sign that all is well now
    again = compare(runs, folder, jobs=1, runner=fake)
    assert [row["status"] for row in again["runs"]] == ["finished", "finished", "failed", "failed"]
    assert not (folder / runs[1].key() / "error.txt").exists()
    assert [len(calls(folder, run)) for run in runs] == [1, 2, 2, 2]


def test_a_study_of_finished_runs_starts_no_process(
    tmp_path: Path, fake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [BabiConfig(model="gru"), BabiConfig(model="gru", seed=1)]
    first = compare(runs[:1], tmp_path, runner=fake)
    compare(runs, tmp_path, runner=fake)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    events: list[Event] = []
    last = compare(runs[:1], tmp_path, runner=fake, on_progress=events.append)
    assert [event.kind for event in events] == ["kept"]
    assert [last[key] for key in ("runs", "summary")] == [first[key] for key in ("runs", "summary")]


def test_joint_runs_fill_all_their_tasks(tmp_path: Path, fake: str) -> None:
    results = compare([BabiConfig(model="gru", tasks=(1, 6))], tmp_path, runner=fake)
    (summary,) = results["summary"]
    assert {task: spread["mean"] for task, spread in summary["accuracy"].items()} == {"1": 0.91, "6": 0.96}


def test_mean_is_over_seeds_that_have_every_task() -> None:
    def row(task: int, seed: int, accuracy: float | None) -> dict:
        base = {"model": "gru", "tasks": [task], "seed": seed, "hidden_size": 8}
        if accuracy is None:
            return {**base, "status": "failed", "error": "x"}
        more = {"accuracy": {str(task): accuracy}, "parameters": 5, "time": {"train_seconds": 1.0}}
        return {**base, "status": "finished", **more}

    rows = [row(1, 0, 0.5), row(2, 0, 0.95), row(1, 1, 1.0), row(2, 1, None)]
    (summary,) = summarise(rows)
    assert summary["accuracy"]["1"]["mean"] == 0.75
    assert summary["accuracy"]["2"]["seeds"] == [0.95]
    assert summary["mean_accuracy"]["mean"] == 0.725
    assert summary["solved"] == 1  # 95% is an error of exactly 5%
    assert (summary["runs"], summary["failed"]) == (4, 1)


def test_bad_arguments(tmp_path: Path, fake: str) -> None:
    run = BabiConfig(model="gru")
    with pytest.raises(ValueError, match="at least one run"):
        compare([], tmp_path, runner=fake)
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        compare([run], tmp_path, jobs=0, runner=fake)
    with pytest.raises(ValueError, match="'gru' is there twice for task 1 and seed 0"):
        compare([run, BabiConfig(model="gru", hidden_size=9)], tmp_path, runner=fake)
    with pytest.raises(ValueError, match="a worker can import"):
        compare([run], tmp_path, runner=lambda *_, **__: {})


def test_a_runner_that_cannot_be_imported_is_a_failed_row(tmp_path: Path) -> None:
    results = compare([BabiConfig(model="gru")], tmp_path, runner="liafseq_no_such_module:run")
    assert "No module named 'liafseq_no_such_module'" in results["runs"][0]["error"]


def test_two_studies_do_not_share_a_folder(tmp_path: Path, fake: str) -> None:
    with folder_lock(tmp_path), pytest.raises(FolderInUseError, match=f"process {os.getpid()}"):
        compare([BabiConfig(model="gru")], tmp_path, runner=fake)
    assert compare([BabiConfig(model="gru")], tmp_path, runner=fake)["runs"][0]["status"] == "finished"


def test_an_interrupt_leaves_no_worker(tmp_path: Path, fake: str) -> None:
    def interrupt(event: Event) -> None:
        if event.kind == "started" and event.run.model == "mlif":
            wait_for(lambda: calls(tmp_path, event.run))
            raise KeyboardInterrupt

    run = BabiConfig(model="mlif")
    with pytest.raises(KeyboardInterrupt):
        compare([run], tmp_path, runner=fake, on_progress=interrupt)
    assert not alive(int(calls(tmp_path, run)[0]))
    assert not (tmp_path / "results.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_die_with_a_killed_parent(tmp_path: Path, fake: str) -> None:
    run = BabiConfig(model="mlif")
    script = f"""
    import sys
    sys.path[:] = {sys.path!r}
    from liafseq.tasks.babi.config import BabiConfig
    from liafseq.tasks.study import compare
    compare([BabiConfig(model="mlif")], {str(tmp_path)!r}, runner={fake!r})
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        wait_for(lambda: calls(tmp_path, run))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    worker = int(calls(tmp_path, run)[0])
    wait_for(lambda: not alive(worker))
    with folder_lock(tmp_path / run.key()):
        pass
