"""A study on a Ray that is started here, with a worker that is killed; and what is said without Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.execution.engines import engine_of
from liafseq.tasks.study.compare import run_study
from liafseq.tasks.task import find
from liafseq.tasks.training.log import Epoch, read_log

from ..here import here

with_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'liafseq[ray]'"
)

# A run, but the first attempt at one run stops in its third epoch and waits to be killed.
RUNNER = """
import json, os, time
from liafseq.tasks.training import run as training

def run(task, config, folder, *, progress=None, logger=None):
    path = folder / "metrics.jsonl"
    epochs = len(path.read_text().splitlines()) if path.exists() else 0
    with (folder.parent / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"run": folder.name, "pid": os.getpid(), "epochs": epochs}) + "\\n")
    def hold(told):
        if config.model.name == "rnn" and config.seed == 1 and epochs == 0 and told.epoch == 3:
            (folder.parent / "victim").write_text(str(os.getpid()))
            time.sleep(600)
    return training.run(task, config, folder, progress=hold)
"""

STUDY = """
import json, os, signal, sys, threading, time
from pathlib import Path
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.execution.engines import engine_of
from liafseq.tasks.study.compare import run_study
from liafseq.tasks.task import find

folder = Path(sys.argv[1])
runs = [BabiConfig.from_json(run) for run in json.loads(sys.argv[2])]

def kill():
    while not (folder / "victim").exists() or not (folder / "victim").read_text():
        time.sleep(0.05)
    os.kill(int((folder / "victim").read_text()), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
events = []
engine = engine_of("ray", ray_address="local")
run_study(find("babi"), runs, folder, jobs=2, runner="liafseq_ray_runner:run", engine=engine,
          on_progress=lambda event: events.append([event.kind, event.config.key(), event.text]))
print(json.dumps(events))
"""


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(part) for key, part in value.items() if key not in ("time", "seconds")}
    return [untimed(part) for part in value] if isinstance(value, list) else value


def lines(folder: Path) -> list[Epoch]:
    return [line.model_copy(update={"seconds": 0}) for line in read_log(folder / "metrics.jsonl")]


@with_ray
def test_a_killed_worker_loses_nothing_and_nothing_is_done_twice(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "liafseq_ray_runner.py").write_text(RUNNER)
    small = {"questions": 100, "test_questions": 20, "hidden_size": 4, "embedding_size": 4, "epochs": 4}
    runs = [BabiConfig(model=model, seed=seed, **small) for model in ("rnn", "gru") for seed in (0, 1)]
    folder = tmp_path / "ray"
    path = os.pathsep.join([str(code), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, "-c", STUDY, str(folder), json.dumps([run.to_json() for run in runs])],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    events = json.loads(done.stdout.splitlines()[-1])
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    keys = [run.key() for run in runs]

    victim = runs[1].key()
    ((about, note),) = ((key, text) for kind, key, text in events if kind == "note")
    assert about == victim
    assert note.startswith("its worker was lost; taken up again, 1 of at most 3 times (WorkerCrashedError")
    of = {key: [call for call in calls if call["run"] == key] for key in keys}
    assert {key: len(found) for key, found in of.items()} == {key: 1 + (key == victim) for key in keys}
    # From its last whole epoch, by another process.
    assert [call["epochs"] for call in of[victim]] == [0, 2]
    assert of[victim][0]["pid"] != of[victim][1]["pid"]
    assert [kind for kind, _, _ in events].count("finished") == 4
    assert [kind for kind, _, _ in events].count("started") == 4

    local = run_study(find("babi"), runs, tmp_path / "local", engine=here)
    assert untimed(json.loads((folder / "results.json").read_text())) == untimed(local.to_json())
    for key in keys:
        assert lines(folder / key) == lines(tmp_path / "local" / key)
        name = "checkpoint.safetensors"
        assert (folder / key / name).read_bytes() == (tmp_path / "local" / key / name).read_bytes()


def test_without_ray_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"Ray is not installed .*; pip install 'liafseq\[ray\]'"):
        engine_of("ray")


def test_an_engine_of_another_name() -> None:
    with pytest.raises(ValueError, match="engine must be one of local, ray, got 'dask'"):
        engine_of("dask")
