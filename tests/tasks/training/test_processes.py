"""One run in several processes: the curve of one process, one folder, and an end when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.results import Outcome
from liafseq.tasks.training.launch import launch
from liafseq.tasks.training.log import read_log

from ..waiting import alive, wait_for

HELPERS = """
import os, signal, time
from pathlib import Path

def dies(fabric, how, progress):
    if fabric.global_rank == 1:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyError("the second process alone")
    fabric.barrier()
    time.sleep(600)

def waits(fabric, folder, progress):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)
"""


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    code = tmp_path / "code"
    code.mkdir()
    (code / "liafseq_process_helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(str(code))
    return __import__("liafseq_process_helpers")


def command(folder: Path, *arguments: object, launcher: tuple[str, ...] = ()) -> tuple[str, str]:
    options = (
        "train", "babi", "--model", "lstm", "--tasks", "1", "--questions", 77, "--test-questions", 25,
        "--epochs", 3, "--hidden-size", 6, "--embedding-size", 6, "--batch-size", 16, "--learning-rate", 0.05,
        "--precision", "64-true", "--warmup", 0.2, "--weight-decay", 0.01,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "liafseq.cli.main", *map(str, (*options, *arguments))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr


@pytest.mark.exhaustive
def test_two_processes_of_torchrun_have_the_curve_of_one(tmp_path: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    one, _ = command(tmp_path, "--out", "one")
    two, err = command(tmp_path, launcher=torchrun)
    (folder,) = (tmp_path / "runs").iterdir()
    config = json.loads((folder / "config.json").read_text())["config"]
    assert (config["devices"], config["nodes"]) == (2, 1)
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == [
        "checkpoint.safetensors", "config.json", "data.json", "metrics.jsonl", "result.json",
        "resume.safetensors",
    ]  # fmt: skip
    one_run, two_run = (Outcome.read(place / "result.json") for place in (tmp_path / "one", folder))
    count = one_run.examples.train
    assert count % 16 > 1, "fewer than two would join the batch before"
    assert count % 16 % 2, "the last batch is uneven, and so are its shares"
    curves = [read_log(place / "metrics.jsonl") for place in (tmp_path / "one", folder)]
    assert len(curves[0]) == len(curves[1]) == 3
    for single, shared in zip(*curves, strict=True):
        for name in ("epoch", "valid", "learning_rate"):  # counts and rates: exactly
            assert getattr(single, name) == getattr(shared, name), name
        for name in ("loss", "valid_loss"):  # the loss of a batch is a sum in float32, in another order
            assert getattr(single, name) == pytest.approx(getattr(shared, name), rel=1e-6, abs=0), name
    for name in ("best_epoch", "epochs_run", "parameters", "examples"):
        assert getattr(one_run, name) == getattr(two_run, name), name
    assert [score.metrics for score in one_run.test.values()] == [
        score.metrics for score in two_run.test.values()
    ]
    # The first process alone prints.
    assert two.splitlines()[:-1] == one.splitlines()[:-1]
    assert sum(line.startswith("epoch 1/3") for line in err.splitlines()) == 1


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("killed", RuntimeError, "process of the run (has died|is gone).* from the last whole epoch"),
        pytest.param("raises", KeyError, "the second process alone", marks=pytest.mark.exhaustive),
    ],
)
def test_a_process_that_dies_ends_the_run_with_a_message(
    helpers: Any, how: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        launch(helpers.dies, how, devices=2)
    assert "MASTER_PORT" not in os.environ


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.usefixtures("helpers")
def test_no_process_of_a_run_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    script = f"""
import signal, sys
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a study's workers do
    sys.path[:] = {sys.path!r}
    from liafseq.tasks.training.launch import launch
    from liafseq_process_helpers import waits
    launch(waits, {str(tmp_path)!r}, devices=2)
"""
    path = tmp_path / "start.py"
    path.write_text(script)
    parent = subprocess.Popen([sys.executable, str(path)])

    def pids() -> list[int]:
        return [int(entry.name) for entry in tmp_path.iterdir() if entry.name.isdecimal()]

    try:
        wait_for(lambda: len(pids()) == 2 or parent.poll() is not None, 120)
        assert len(pids()) == 2
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not any(map(alive, pids())), 120)
