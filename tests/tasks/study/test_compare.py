"""The study runner: what it keeps, repeats, reports, and what becomes of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.results import Run, Study, Summary, read_study
from liafseq.tasks.storage.lock import FolderInUseError, folder_lock
from liafseq.tasks.study.compare import Event, run_study, summarise
from liafseq.tasks.task import find
from liafseq.tasks.training.progress import Progress

from ..here import here
from ..made_outcomes import run_of
from ..small_stories import tiny, write_stories
from ..waiting import alive, wait_for

BABI = find("babi")

FAKE = """
import json, os, signal, sys, time
from liafseq.tasks.results import Counts, Outcome, RunTime, Score
from liafseq.tasks.training.progress import Progress

def run(task, config, folder, *, progress=None, logger=None):
    model = config.model.name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "calls.txt").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    print(json.dumps({"kind": "failed", "error": "not mine", "traceback": ""}), flush=True)
    flag = folder.parent / f".{model}"
    if model == "rnn" and not flag.exists():
        raise ValueError("no luck\\nin two lines")
    if model == "lstm" and not flag.exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    if model == "lif" and not flag.exists():
        print("the last words", file=sys.stderr)
        os._exit(7)
    if model == "mlif":
        time.sleep(60)
    for batch in range(1, 4):
        progress(Progress(1, 1, batch, 3, 0.5, None))
    scores = {
        f"task {number}": Score(count=1, loss=0, metrics={"accuracy": (90 + number + config.seed) / 100})
        for number in config.tasks
    }
    outcome = Outcome(
        model=config.model.label, seed=config.seed, parts=tuple(scores), test=scores,
        valid=next(iter(scores.values())), best_epoch=1, epochs_run=1, parameters=100 + config.tasks[0],
        examples=Counts(train=1, valid=1, test=dict.fromkeys(scores, 1)), cost=None, facts={},
        time=RunTime(train_seconds=2.0),
    )
    outcome.write(folder / "result.json")
    return outcome
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    code = tmp_path / "code"
    code.mkdir()
    (code / "liafseq_fake_runner.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(code))
    return "liafseq_fake_runner:run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def calls(folder: Path, config: BabiConfig) -> list[str]:
    path = folder / config.key() / "calls.txt"
    return path.read_text().split() if path.exists() else []


def errors(study: Study) -> list[str | None]:
    return [run.error for run in study.runs]


def accuracies(summary: Summary) -> dict[str, tuple[float, ...]]:
    return {part: spread["accuracy"].values for part, spread in summary.parts.items() if spread["accuracy"]}


def test_runs_are_spread_over_processes_and_summed_up(folder: Path, fake: str) -> None:
    configs = [BabiConfig(model="gru", tasks=(task,), seed=seed) for seed in (0, 1) for task in (1, 6)]
    events: list[Event] = []
    study = run_study(BABI, configs, folder, jobs=2, runner=fake, on_progress=events.append)

    assert study == read_study(folder)
    assert not study.failed
    assert [run.key for run in study.runs] == [config.key() for config in configs]
    assert (study.task, study.models, list(study.seeds())) == ("babi", ("gru",), [0, 1])
    (summary,) = study.summary
    spread = summary.parts["task 1"]["accuracy"]
    assert spread is not None
    assert (spread.mean, spread.std) == (pytest.approx(0.915), pytest.approx(0.00707107))
    assert spread.values == (0.91, 0.92)
    assert spread.interval == (pytest.approx(0.869, abs=0.002), pytest.approx(0.961, abs=0.002))
    mean = summary.figure("accuracy")
    assert mean is not None
    assert mean.values == (pytest.approx(0.935), pytest.approx(0.945))
    assert summary.solved == 1
    assert summary.parameters == (101, 106)
    assert summary.time.train_seconds == 4.0
    assert study.settings["model"]["name"] == "gru"
    assert "seed" not in study.settings
    assert study.runs[1].settings == {"tasks": [6], "seed": 0}
    pids = {pid for config in configs for pid in calls(folder, config)}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    kinds = [event.kind for event in events]
    assert kinds.count("started") == kinds.count("finished") == 4
    assert Progress(1, 1, 3, 3, 0.5, None) in [event.progress for event in events]


def test_failures_are_results_and_are_tried_again(folder: Path, fake: str) -> None:
    configs = [BabiConfig(model=model) for model in ("gru", "rnn", "lstm", "lif")]
    study = run_study(BABI, configs, folder, jobs=1, runner=fake)

    assert errors(study) == [
        None,
        "ValueError: no luck in two lines",
        "the worker process was killed by SIGSEGV",
        "the worker process ended with code 7: the last words",
    ]
    assert [run.finished for run in study.runs] == [True, False, False, False]
    assert "liafseq_fake_runner.py" in (folder / configs[1].key() / "error.txt").read_text()
    failed = study.summary[1]
    assert failed.failed == 1
    assert failed.parts == {"task 1": {"accuracy": None}}
    assert failed.figure("accuracy") is failed.solved is failed.time.train_seconds is None

    (folder / ".rnn").touch()  # the fake's sign that all is well now
    again = run_study(BABI, configs, folder, jobs=1, runner=fake)
    assert [run.finished for run in again.runs] == [True, True, False, False]
    assert not (folder / configs[1].key() / "error.txt").exists()
    assert [len(calls(folder, config)) for config in configs] == [1, 2, 2, 2]


def test_a_study_of_finished_runs_starts_no_process(
    folder: Path, fake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [BabiConfig(model="gru"), BabiConfig(model="gru", seed=1)]
    first = run_study(BABI, configs[:1], folder, runner=fake)
    run_study(BABI, configs, folder, runner=fake)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    events: list[Event] = []
    last = run_study(BABI, configs[:1], folder, runner=fake, on_progress=events.append)
    assert [event.kind for event in events] == ["kept"]
    assert (last.runs, last.summary) == (first.runs, first.summary)


def test_joint_runs_fill_all_their_tasks(folder: Path, fake: str) -> None:
    study = run_study(BABI, [BabiConfig(model="gru", tasks=(1, 6))], folder, runner=fake)
    assert accuracies(study.summary[0]) == {"task 1": (0.91,), "task 6": (0.96,)}


def test_mean_is_over_seeds_that_have_every_task() -> None:
    runs: list[Run] = [
        run_of("gru", seed, {f"task {task}": accuracy})
        for task, seed, accuracy in [(1, 0, 0.5), (2, 0, 0.95), (1, 1, 1.0), (2, 1, None)]
    ]
    (summary,) = summarise(runs, BABI.metrics, ("task 1", "task 2"))
    first, mean = summary.parts["task 1"]["accuracy"], summary.figure("accuracy")
    assert first is not None
    assert mean is not None
    assert first.mean == 0.75
    assert accuracies(summary)["task 2"] == (0.95,)
    assert mean.mean == 0.725
    assert summary.solved == 1  # 95% is an error of exactly 5%
    assert (summary.runs, summary.failed) == (4, 1)


def test_two_settings_of_one_model_are_two_models_of_a_study(tmp_path: Path, folder: Path) -> None:
    write_stories(tmp_path / "data")
    configs = [tiny(tmp_path / "data", model=model, epochs=1) for model in ("liaf", "liaf:gated=true")]
    study = run_study(BABI, configs, folder, engine=here)
    assert not study.failed
    assert study.models == ("liaf", "liaf:gated=true")
    assert [entry.name for entry in study.summary] == ["liaf", "liaf"]
    assert [run.settings["model"]["options"] for run in study.runs] == [{}, {"gated": True}]
    first, second = (run.done.parameters for run in study.runs)
    assert first < second  # a gate has weights of its own
    (pair,) = study.pairwise
    assert (pair.first, pair.second) == study.models
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(
        config.key() for config in configs
    )


def test_bad_arguments(folder: Path, fake: str) -> None:
    config = BabiConfig(model="gru")
    with pytest.raises(ValueError, match="at least one run"):
        run_study(BABI, [], folder, runner=fake)
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        run_study(BABI, [config], folder, jobs=0, runner=fake)
    with pytest.raises(
        ValueError, match="'gru' is there twice for task 1: single supporting fact and seed 0"
    ):
        run_study(BABI, [config, BabiConfig(model="gru", hidden_size=9)], folder, runner=fake)
    with pytest.raises(ValueError, match="a worker can import"):
        run_study(BABI, [config], folder, runner=lambda *_, **__: {})
    assert not folder.exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("study", r"holds another study \(gru\); give another --out, or delete it"),
        ("task", "holds a study of task 'chess', not 'babi'"),
        ("version", "results.json is not that of a study of this version"),
        ("run", "holds a run, not a study"),
        ("files", r"holds files that are not of a study \(notes\)"),
    ],
)
def test_a_folder_of_something_else_is_refused_and_left_alone(
    folder: Path, fake: str, kind: str, message: str
) -> None:
    configs = [BabiConfig(model="gru")]
    if kind in ("study", "task"):
        study = run_study(BABI, configs, folder, runner=fake)
        configs = [BabiConfig(model="gru", hidden_size=9)]
        if kind == "task":
            study.model_copy(update={"task": "chess"}).write(folder / "results.json")
    elif kind == "files":
        (folder / "notes").mkdir(parents=True)
        (folder / "notes" / "mine.txt").write_text("mine")
    else:
        folder.mkdir()
        (folder / ("config.json" if kind == "run" else "results.json")).write_text("{}")
    before = contents(folder)
    with pytest.raises(ValueError, match=message):
        run_study(BABI, configs, folder, runner=fake)
    assert contents(folder) == before


def test_a_study_that_was_stopped_before_its_end_goes_on(folder: Path, fake: str) -> None:
    config = BabiConfig(model="rnn")
    (folder / config.key()).mkdir(parents=True)  # of a run that has not begun
    (folder / config.key() / "error.txt").touch()
    assert errors(run_study(BABI, [config], folder, runner=fake)) == ["ValueError: no luck in two lines"]


def test_a_runner_that_cannot_be_imported_is_a_failed_run(folder: Path) -> None:
    study = run_study(BABI, [BabiConfig(model="gru")], folder, runner="liafseq_no_such_module:run")
    assert "No module named 'liafseq_no_such_module'" in (study.runs[0].error or "")


def test_two_studies_do_not_share_a_folder(folder: Path, fake: str) -> None:
    with folder_lock(folder), pytest.raises(FolderInUseError, match=f"process {os.getpid()}"):
        run_study(BABI, [BabiConfig(model="gru")], folder, runner=fake)
    assert not run_study(BABI, [BabiConfig(model="gru")], folder, runner=fake).failed


def test_an_interrupt_leaves_no_worker(folder: Path, fake: str) -> None:
    config = BabiConfig(model="mlif")

    def interrupt(event: Event) -> None:
        if event.kind == "started":
            wait_for(lambda: calls(folder, config))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(BABI, [config], folder, runner=fake, on_progress=interrupt)
    assert not alive(int(calls(folder, config)[0]))
    assert not (folder / "results.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_die_with_a_killed_parent(folder: Path, fake: str) -> None:
    config = BabiConfig(model="mlif")
    script = f"""
    import sys
    sys.path[:] = {sys.path!r}
    from liafseq.tasks.babi.config import BabiConfig
    from liafseq.tasks.study.compare import run_study
    from liafseq.tasks.task import find
    run_study(find("babi"), [BabiConfig(model="mlif")], {str(folder)!r}, runner={fake!r})
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        wait_for(lambda: calls(folder, config), 60)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    worker = int(calls(folder, config)[0])
    wait_for(lambda: not alive(worker))
    with folder_lock(folder / config.key()):
        pass
