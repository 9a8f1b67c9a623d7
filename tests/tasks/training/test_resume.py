"""A run that is killed anywhere, and started again, ends as if nothing had been."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ..small_stories import tiny, write_stories

# One process loads everything once; each attempt is a fork of it, so that a kill is a real one and
# hundreds of them are quick. An event is a batch, or the moment before or after a file gets its name.
SCRIPT = r"""
import json, os, signal, sys
from pathlib import Path
import torch
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.task import find
from liafseq.tasks.training import fit
from liafseq.tasks.training.run import run

config = BabiConfig.from_json(json.loads(sys.argv[1]))
base = Path(sys.argv[2])
torch.set_num_threads(1)
fit._PROGRESS_SECONDS = -1
babi, move = find("babi"), Path.replace
# All that a run imports and reads is there before the first fork.
run(babi, config, base / "first")


def attempt(folder, kill_at, cut=False):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    events = 0

    def event(temporary=None):
        nonlocal events
        events += 1
        if events == kill_at:
            if temporary is not None and cut:
                temporary.write_bytes(temporary.read_bytes()[:-7])
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(self, target):
        event(self)
        move(self, target)
        event()

    Path.replace = watched
    status = 1
    try:
        run(babi, config, folder, progress=lambda told: event())
        (base / "events").write_text(str(events))
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


assert attempt(base / "whole", 0) == 0
total = int((base / "events").read_text())
moments = range(1, total + 1, int(sys.argv[3]))
killed = 0
for at in moments:
    folder = base / f"killed-{at}"
    status = attempt(folder, at, cut=killed % 2 == 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (at, status)
    killed += 1
    assert attempt(folder, 0) == 0, at
# Again and again in one folder.
for stride in (11,):
    folder, count = base / f"often-{stride}", 0
    while (status := attempt(folder, stride)) != 0:
        assert os.WIFSIGNALED(status), status
        count += 1
        assert count < 20
    killed += count
print(json.dumps({"total": total, "killed": killed, "moments": len(moments)}))
"""

FILES = [
    "checkpoint.safetensors",
    "config.json",
    "data.json",
    "metrics.jsonl",
    "result.json",
    "resume.safetensors",
]


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key not in ("seconds", "time")}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((folder / "result.json").read_text())
    # As text: equal to the last digit.
    return json.dumps([without_seconds(lines), without_seconds(result)])


@pytest.mark.skipif(
    not hasattr(__import__("os"), "fork"), reason="kills forks of a process; there is no fork here"
)
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_killed_at_any_moment_the_metrics_are_the_same(tmp_path, every):
    write_stories(tmp_path / "data")
    fields = {"model": "liaf", "hidden_size": 6, "batch_size": 24, "dropout": 0.2, "warmup": 0.2}
    config = tiny(tmp_path / "data", **fields)
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(config.to_json()), str(tmp_path), str(every)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    counts = json.loads(found.stdout)
    # Batches, and two moments of each file: config, vocabulary, three (or two) an epoch, result.
    assert counts["total"] >= 3 * 2 + 2 * (3 + 3 * 2)
    assert counts["killed"] > counts["moments"] >= counts["total"] // every
    whole = metrics(tmp_path / "whole")
    assert len(json.loads(whole)[0]) == 3
    folders = [path for path in tmp_path.iterdir() if path.name.startswith(("killed-", "often-"))]
    assert len(folders) == counts["moments"] + 1
    for folder in folders:
        assert metrics(folder) == whole, folder.name
        assert sorted(path.name for path in folder.iterdir()) == FILES, folder.name
        weights = (folder / "checkpoint.safetensors").read_bytes()
        assert weights == (tmp_path / "whole" / "checkpoint.safetensors").read_bytes(), folder.name
