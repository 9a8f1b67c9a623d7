"""A study that is killed again and again; on a full disk, with damaged files, with a loss that is NaN."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.results import Reached, Study
from liafseq.tasks.storage import files
from liafseq.tasks.storage.checkpoint import load_tensors, save_tensors
from liafseq.tasks.study.compare import run_study
from liafseq.tasks.task import ACCURACY, find
from liafseq.tasks.training.log import reached, read_log

from ..here import here
from ..small_stories import tiny, write_stories

BABI = find("babi")

# One process loads everything once. A study is a fork of it with a process group of its own, and its
# workers, which speak with it as always, are forks as well: so a kill of the group is a real one, and
# dozens of them are quick. A moment is a batch, half of a file that is written, or just before or
# after a file gets its name, in any of the processes.
SCRIPT = r"""
import json, multiprocessing, os, random, signal, sys
from pathlib import Path
import torch
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.execution import pool, worker
from liafseq.tasks.study.compare import run_study
from liafseq.tasks.task import find
from liafseq.tasks.training import fit
from liafseq.tasks.training.run import run as do

base = Path(sys.argv[1])
runs = [BabiConfig.from_json(run) for run in json.loads(sys.argv[2])]
torch.set_num_threads(1)
fit._PROGRESS_SECONDS = -1
babi = find("babi")
do(babi, runs[0], base / "first")  # and all that it imports and reads
move, opened, report = Path.replace, Path.open, worker._Reporter.__call__


class Forked:
    def __init__(self, command, stderr=None, **_):
        inward, outward = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                for number, end in enumerate((inward[0], outward[1], stderr.fileno())):
                    os.dup2(end, number)
                os.closerange(3, 512)
                sys.stdin = os.fdopen(0)
                worker.main()
            finally:
                os._exit(9)
        os.close(inward[0])
        os.close(outward[1])
        self.stdin, self.stdout = os.fdopen(inward[1], "wb"), os.fdopen(outward[0], "rb")
        self.code = None

    def kill(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code


def attempt(folder, kill_at):
    count = multiprocessing.Value("i", 0)
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        # Past the lock, which the process that was killed held.
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status, count.get_obj().value

    def moment():
        with count.get_lock():
            count.value += 1
            if count.value == kill_at:
                os.killpg(0, signal.SIGKILL)

    def watched(self, target):
        moment()
        move(self, target)
        moment()

    class Halved:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            data = bytes(data)
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            moment()
            return self.file.write(data[len(data) // 2 :])

    def halved(self, mode="r", *arguments, **more):
        file = opened(self, mode, *arguments, **more)
        return Halved(file) if mode == "wb" else file

    def told(self, progress):
        moment()
        report(self, progress)

    status = 1
    try:
        os.setpgid(0, 0)
        pool.subprocess.Popen = Forked
        Path.replace, Path.open, worker._Reporter.__call__ = watched, halved, told
        run_study(babi, runs, folder, jobs=2)
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


killed, status, total = attempt(base / "whole", 0)
assert not killed and status == 0, status
largest, chance = total // 10, random.Random(5)
folder, kills = base / "killed", 0
# What an earlier study left: it stays until there is another whole one.
folder.mkdir()
earlier = (base / "earlier.json").read_text()
(folder / "results.json").write_text(earlier)
ended = False
while kills < int(sys.argv[3]):
    # Once the study has come to its end there are three moments left in it: those of results.json.
    killed, status, _ = attempt(folder, chance.randint(1, 3 if ended else largest))
    assert killed or status == 0, status
    kills += killed
    ended = ended or not killed
    for path in [*folder.rglob("*.json"), *folder.rglob("*.jsonl")]:
        texts = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        [json.loads(text) for text in texts]
    done = [run.key() for run in runs if (folder / run.key() / "result.json").exists()]
    assert ended or (folder / "results.json").read_text() == earlier or len(done) == len(runs), done
killed, status, _ = attempt(folder, 0)
assert status == 0, status
print(json.dumps({"total": total, "largest": largest, "kills": kills}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stories")
    write_stories(folder)
    return folder


def untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untimed(part) for key, part in value.items() if key not in ("time", "seconds")}
    return [untimed(part) for part in value] if isinstance(value, list) else value


def kept(folder: Path, configs: Sequence[BabiConfig]) -> dict[str, Any]:
    """All that a study found: as bytes or text, so that equal is equal to the last digit."""
    found: dict[str, Any] = {}
    for config in configs:
        own = folder / config.key()
        found[config.key()] = [
            json.dumps(untimed([line.to_json() for line in read_log(own / "metrics.jsonl")])),
            json.dumps(untimed(json.loads((own / "result.json").read_text()))),
            (own / "checkpoint.safetensors").read_bytes(),
        ]
    return {**found, "results": json.dumps(untimed(json.loads((folder / "results.json").read_text())))}


def study_of(configs: Sequence[BabiConfig], folder: Path, **more: Any) -> Study:
    """The study, done in this process."""
    return run_study(BABI, configs, folder, engine=here, **more)


def same(one: Study, other: Study) -> bool:
    return bool(untimed(one.to_json()) == untimed(other.to_json()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of a process; there is no fork here")
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_kills_of_a_study_leave_no_trace(source: Path, tmp_path: Path, kills: int) -> None:
    runs = [
        tiny(source, model=name, seed=seed, epochs=4, dropout=0.2)
        for seed in (0, 1)
        for name in ("gru", "rnn")
    ]
    # An earlier study of the first run alone, whose folder is gone.
    study_of(runs[:1], tmp_path / "earlier").write(tmp_path / "earlier.json")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT,
            str(tmp_path),
            json.dumps([run.to_json() for run in runs]),
            str(kills),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["kills"] == kills, counts
    assert kept(tmp_path / "killed", runs) == kept(tmp_path / "whole", runs)
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(".liafseq-tmp")]
    assert not list((tmp_path / "killed").rglob("error.txt"))


def full_disk(monkeypatch: pytest.MonkeyPatch, when: Callable[[str], bool]) -> None:
    """From now on a write to a file whose name ``when`` is true of finds no space."""
    opened = Path.open

    def guarded(self: Path, *arguments: Any, **more: Any) -> Any:
        file = opened(self, *arguments, **more)
        if self.name.endswith(files.TEMPORARY_SUFFIX) and when(self.name):
            file.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return file

    monkeypatch.setattr(Path, "open", guarded)


def test_a_full_disk_is_the_message_of_a_row_and_the_others_go_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tiny(source), tiny(source, seed=1)]
    whole = study_of(runs, tmp_path / "whole")
    writes = iter(range(1000))
    with monkeypatch.context() as patch:
        # The second commit of the first run.
        full_disk(patch, lambda name: "resume" in name and next(writes) == 1)
        first, second = study_of(runs, tmp_path / "full").runs
    resume = tmp_path / "full" / runs[0].key() / "resume.safetensors"
    assert first.error == f"OSError: {resume}: cannot be written: No space left on device"
    lines = read_log(resume.parent / "metrics.jsonl")
    assert first.reached == Reached(epochs_run=1, best_epoch=1, valid=lines[0].valid["accuracy"])
    assert untimed(second.to_json()) == untimed(whole.runs[1].to_json())
    assert same(study_of(runs, tmp_path / "full"), whole)


def test_results_that_cannot_be_written_leave_those_of_before(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tiny(source, epochs=1)]
    study_of(runs, tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    full_disk(monkeypatch, lambda name: "results.json" in name)
    with pytest.raises(OSError, match=r"results\.json: cannot be written: No space left on device") as raised:
        study_of([*runs, tiny(source, epochs=1, seed=1)], tmp_path)
    assert raised.value.errno == errno.ENOSPC
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a process")
def test_a_limit_of_the_system_on_files_fails_the_run_that_meets_it(source: Path, tmp_path: Path) -> None:
    """The same by the system itself: files of the larger model are over the limit of this process."""
    runs = [tiny(source, epochs=1), tiny(source, epochs=1, hidden_size=60)]
    script = """
import json, resource, sys
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.study.compare import run_study
from liafseq.tasks.task import find
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
runs = [BabiConfig.from_json(run) for run in json.loads(sys.argv[1])]
runs[1] = BabiConfig.from_json({**runs[1].to_json(), "seed": 1})
print(json.dumps([run.error for run in run_study(find("babi"), runs, sys.argv[2]).runs]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([run.to_json() for run in runs]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    small, large = json.loads(done.stdout.splitlines()[-1])
    assert small is None
    assert large.endswith("resume.safetensors: cannot be written: File too large")


def test_a_run_folder_that_cannot_be_used_fails_that_run_alone(source: Path, tmp_path: Path) -> None:
    runs = [tiny(source, epochs=1), tiny(source, epochs=1, seed=1)]
    study_of(runs[1:], tmp_path)
    (tmp_path / runs[0].key()).write_text("a file where the folder should be")
    first, second = study_of(runs, tmp_path).runs
    assert not first.finished
    assert first.error is not None
    assert first.error.startswith("FileExistsError: ")
    assert runs[0].key() in first.error
    assert first.reached == Reached(epochs_run=0, best_epoch=None, valid=None)
    assert second.finished


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything"
)
def test_a_study_folder_without_permission_is_one_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="closed"):
        study_of([tiny(source)], tmp_path / "closed")


def damage_bit(path: Path) -> None:
    """Changes one bit of the last tensor's bytes, which no length or header gives away."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[BabiConfig]]:
    folder = tmp_path_factory.mktemp("finished")
    runs = [tiny(source), tiny(source, seed=1)]
    study_of(runs, folder)
    return folder, runs


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("name", "damage", "note"),
    [
        ("result.json", cut, "result.json: damaged; the run is evaluated again"),
        ("result.json", lambda path: path.write_text("[]"), "result.json: damaged; the run is evaluated"),
        ("metrics.jsonl", cut, "metrics.jsonl:3: not the metrics of epoch 3: "),
        ("metrics.jsonl", lambda path: path.write_bytes(b"\xff\n"), "metrics.jsonl: not UTF-8 at byte 0; "),
        ("config.json", cut, "config.json:"),
    ],
    ids=["result-cut", "result-other", "metrics-cut", "metrics-bytes", "config-cut"],
)  # fmt: skip
def test_damaged_small_files_are_made_again(
    finished: tuple[Path, list[BabiConfig]],
    tmp_path: Path,
    name: str,
    damage: Callable[[Path], Any],
    note: str,
) -> None:
    whole, runs = finished
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    damage(folder / runs[0].key() / name)
    events: list[tuple[str, str | None]] = []
    study_of(runs, folder, on_progress=lambda event: events.append((event.kind, event.text)))
    assert [kind for kind, _ in events] == ["kept", "note", "finished"]
    text = events[1][1] or ""
    assert note in text
    assert text.endswith(("made again", "made again from resume.safetensors", "evaluated again"))
    assert kept(folder, runs) == kept(whole, runs)
    about = [json.loads((place / runs[0].key() / "config.json").read_text()) for place in (folder, whole)]
    assert about[0] == about[1]


@pytest.mark.parametrize("damage", [cut, damage_bit], ids=["cut", "bit"])
@pytest.mark.parametrize("name", ["resume.safetensors", "checkpoint.safetensors"])
def test_a_damaged_checkpoint_fails_its_run_alone(
    finished: tuple[Path, list[BabiConfig]], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    whole, runs = finished
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    own = folder / runs[0].key()
    (own / "result.json").unlink()
    # The best epoch an earlier one, so that its weights are in the checkpoint alone.
    tensors, state = load_tensors(own / "resume.safetensors")
    state["log"][0]["valid"]["accuracy"] = 2.0
    save_tensors(own / "resume.safetensors", tensors, state)
    damage(own / name)
    before = (own / "metrics.jsonl").read_bytes()
    first, second = study_of(runs, folder).runs
    assert not first.finished
    assert f"{own / name}: damaged, or not a checkpoint of liafseq" in (first.error or "")
    assert "delete the run folder" in (first.error or "")
    assert first.reached is not None
    assert first.reached.epochs_run == 3
    assert (own / "metrics.jsonl").read_bytes() == before
    assert second.finished


def test_a_damaged_results_file_is_written_again(
    finished: tuple[Path, list[BabiConfig]], tmp_path: Path
) -> None:
    whole, runs = finished
    shutil.copytree(whole, tmp_path / "study")
    cut(tmp_path / "study" / "results.json")
    study_of(runs, tmp_path / "study")
    assert kept(tmp_path / "study", runs) == kept(whole, runs)


def test_a_loss_that_is_no_number_stops_its_run_and_keeps_the_best_epoch(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tiny(source, model="rnn", epochs=4), tiny(source, epochs=4)]
    whole = study_of(runs, tmp_path / "whole")
    step, batches = type(BABI).step, [0]

    def breaks(self: Any, network: Any, batch: Any) -> Any:
        found = step(self, network, batch)
        if type(network.story).__name__ != "RNN":
            return found
        batches[0] += network.training
        return replace(found, loss=found.loss * math.nan) if batches[0] > 8 else found

    with monkeypatch.context() as patch:
        patch.setattr(type(BABI), "step", breaks)
        rnn, gru = study_of(runs, tmp_path / "broken").runs
    lines = read_log(tmp_path / "whole" / runs[0].key() / "metrics.jsonl")
    assert (rnn.error or "").startswith("FloatingPointError: the loss is no longer finite in epoch 3 ")
    own = tmp_path / "broken" / runs[0].key()
    assert rnn.reached is not None
    assert reached(own, ACCURACY) == rnn.reached
    assert rnn.reached.epochs_run == 2
    assert rnn.reached.valid == max(line.valid["accuracy"] for line in lines[:2])
    assert load_tensors(own / "checkpoint.safetensors")[1]["epoch"] == rnn.reached.best_epoch
    assert "FloatingPointError" in (own / "error.txt").read_text()
    assert untimed(gru.to_json()) == untimed(whole.runs[1].to_json())
    # It goes on from the last good epoch, where the cause is gone.
    assert same(study_of(runs, tmp_path / "broken"), whole)
