"""From one configuration to one result in a folder, and the trained network again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from liafseq import LIF
from liafseq.options import KINDS
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.results import Outcome
from liafseq.tasks.study.plan import parameters
from liafseq.tasks.task import find
from liafseq.tasks.training import run as running
from liafseq.tasks.training.folder import kept, read_config
from liafseq.tasks.training.log import read_log
from liafseq.tasks.training.progress import Progress
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

from ..small_stories import easy, tiny, write_easy_task, write_easy_tasks, write_stories

BABI = find("babi")


class Finished(NamedTuple):
    config: BabiConfig
    folder: Path
    outcome: Outcome


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("babi")
    write_easy_tasks(folder)
    return folder


@pytest.fixture(scope="module")
def finished(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("run") / "gru"
    config = easy(source)
    return Finished(config, folder, run(BABI, config, folder))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_stories(folder)
    return folder


def test_a_gru_learns_easy_questions(finished: Finished) -> None:
    config, folder, outcome = finished
    score = outcome.test["task 1"]
    assert score.metrics["accuracy"] == outcome.mean("accuracy") >= 0.95
    assert (outcome.model, outcome.parts, outcome.epochs_run) == ("gru", ("task 1",), 12)
    assert (outcome.examples.train, outcome.examples.valid, outcome.examples.test) == (
        270,
        30,
        {"task 1": 60},
    )
    assert outcome.parameters == parameters(BABI, config)
    lines = read_log(folder / "metrics.jsonl")
    best = lines[outcome.best_epoch - 1]
    assert (best.valid, best.valid_loss) == (outcome.valid.metrics, outcome.valid.loss)
    assert lines[-1].loss < 0.2 < lines[0].loss
    first = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert set(first) == {"epoch", "loss", "valid_loss", "valid", "learning_rate", "seconds", "left_out"}
    assert set(first["valid"]) == {"accuracy"}
    assert sum(line.seconds for line in lines) == pytest.approx(outcome.time.train_seconds, abs=0.01)
    assert outcome.time.first_step_seconds > 0


def test_the_run_folder(finished: Finished) -> None:
    config, folder, outcome = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "result.json",
        "resume.safetensors",
    ]
    task, there = read_config(folder)
    assert (task.name, there) == ("babi", config)
    about = json.loads((folder / "config.json").read_text())
    assert about["versions"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert json.loads((folder / "result.json").read_text()) == outcome.to_json()
    assert Outcome.read(folder / "result.json") == outcome


def test_a_finished_run_is_not_repeated(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_train", None)
    assert run(BABI, finished.config, finished.folder) == finished.outcome


def test_a_folder_of_another_run_is_refused(finished: Finished) -> None:
    other = easy(Path(finished.config.source), hidden_size=8, seed=3)
    with pytest.raises(
        ValueError, match=r"holds another run: hidden_size 24 \(asked: 8\), seed 0 \(asked: 3\)"
    ):
        run(BABI, other, finished.folder)


def test_a_default_that_has_changed_stays_what_it_was(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = easy(source, model="label=lif:gated=true:threshold=0.2", epochs=1)
    folder = tmp_path / config.key()
    outcome = run(BABI, config, folder)
    assert kept(folder, config) == outcome
    lif = KINDS["lif"]
    assert lif.gated is not None
    monkeypatch.setitem(KINDS, "lif", replace(lif, gated=replace(lif.gated, reset="soft", decay=0.5)))

    trained = load(folder)
    layer = next(module for module in trained.network.modules() if isinstance(module, LIF))
    assert layer.options.reset == "none"
    assert layer.options.decay == (0.5, 0.99)
    assert dict(trained.config.model.options) == {
        "gated": True, "threshold": 0.2, "reset": "none", "decay": (0.5, 0.99),
    }  # fmt: skip
    assert trained.evaluate().scores["task 1"] == outcome.test["task 1"]
    assert kept(folder, config) is None
    differs = r"holds another run: reset 'none' \(asked: 'soft'\), decay \(0.5, 0.99\) \(asked: 0.5\); give"
    with pytest.raises(ValueError, match=differs):
        run(BABI, config, folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [("notes.txt", r"holds other files \(notes\.txt\)"), ("results.json", "holds a study")],
)
def test_a_folder_of_something_else_is_refused_and_left_alone(
    small: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"{message}, not a run; give another folder"):
        run(BABI, tiny(small), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


class Stopped(Exception):
    pass


def stop_in(epoch: int) -> Callable[[Progress], None]:
    def stop(told: Progress) -> None:
        if told.epoch == epoch:
            raise Stopped

    return stop


def test_a_folder_without_a_checkpoint_may_be_used_with_other_settings(small: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(BABI, tiny(small, seed=1), tmp_path, progress=stop_in(1))
    assert (tmp_path / "config.json").exists()
    with pytest.raises(Stopped):
        run(BABI, tiny(small, seed=2), tmp_path, progress=stop_in(2))
    # Now there is one.
    with pytest.raises(ValueError, match=r"holds another run: seed 2 \(asked: 3\)"):
        run(BABI, tiny(small, seed=3), tmp_path)
    assert run(BABI, tiny(small, seed=2), tmp_path).seed == 2


def test_a_trained_network_is_loaded_with_what_belongs_to_it(finished: Finished) -> None:
    trained = load(finished.folder)
    assert (trained.task.name, trained.config, trained.epoch) == (
        "babi", finished.config, finished.outcome.best_epoch,
    )  # fmt: skip
    assert trained.vocabulary.answers == ("garden", "kitchen", "office")
    assert not trained.network.training
    assert sum(parameter.numel() for parameter in trained.network.parameters()) == finished.outcome.parameters
    assert trained.predict("Mary went to the office. John went to the garden. Where is Mary?") == "office"
    with pytest.raises(ValueError, match="a story that ends with a question"):
        trained.predict("Mary went to the office.")
    png, line = trained.picture(0)
    assert png.startswith(b"\x89PNG")
    assert line
    with pytest.raises(ValueError, match=r"part must be one of task 1 of .*, got 'task 3'"):
        trained.picture(0, part="task 3")


def test_evaluate_repeats_the_test_and_the_validation(finished: Finished) -> None:
    trained, outcome = load(finished.folder), finished.outcome
    again = trained.evaluate()
    assert dict(again.scores) == outcome.test
    assert again.mean("accuracy") == outcome.mean("accuracy")
    assert (again.run, again.model, again.split) == (str(finished.folder), "gru", "test")
    assert again.epoch == outcome.best_epoch
    assert not again.skipped
    assert trained.evaluate("valid").scores["task 1"] == outcome.valid
    assert trained.evaluate("train").scores["task 1"].count == 270


def test_the_mistakes_are_the_questions_that_are_answered_wrong(finished: Finished, source: Path) -> None:
    trained = load(finished.folder)
    for other in ({}, {"tasks": (4,)}):
        score = next(iter(trained.evaluate(**other).scores.values()))
        mistakes = list(trained.mistakes(**other))
        assert len(mistakes) == round(score.count * (1 - score.metrics["accuracy"]))
        for mistake in mistakes:
            assert mistake.given != mistake.expected
            text = mistake.example
            assert trained.predict(text) == mistake.given
    rows = [line.split("\t") for line in (source / "qa4_test.txt").read_text().splitlines() if "\t" in line]
    found = {mistake.index: mistake for mistake in mistakes}
    assert {mistake.part for mistake in mistakes} == {"task 4"}
    for index, (asked, answer, _) in enumerate(rows[:60]):
        if answer == "moon":
            assert found[index].expected == "moon"
            assert found[index].example.endswith(asked.partition(" ")[2].strip())


def test_evaluate_on_other_data_where_some_answers_are_unknown(finished: Finished, source: Path) -> None:
    found = load(finished.folder).evaluate(tasks=(4,), source=str(source))
    text = (source / "qa4_test.txt").read_text().splitlines()
    asked = [line.split("\t")[1] for line in text if "\t" in line][:60]
    assert "moon" in asked
    assert set(found.scores) == {"task 4"}
    assert 0 < found.scores["task 4"].metrics["accuracy"] <= 1 - asked.count("moon") / 60


def test_parts_that_cannot_be_answered_at_all_are_left_out_of_the_mean(
    finished: Finished, tmp_path: Path
) -> None:
    write_easy_task(tmp_path, 1, "test", 10, 1)
    write_easy_task(tmp_path, 2, "test", 10, 1, ("moon", "mars"))
    trained = load(finished.folder)
    found = trained.evaluate(tasks=(1, 2), source=str(tmp_path))
    assert set(found.scores) == {"task 1"}
    assert dict(found.skipped) == {"task 2": "none of its answers is among those that the network has learnt"}
    assert found.mean("accuracy") == found.scores["task 1"].metrics["accuracy"]
    none = trained.evaluate(tasks=(2,), source=str(tmp_path))
    assert (dict(none.scores), none.mean("accuracy")) == ({}, None)


def test_evaluate_errors(finished: Finished, tmp_path: Path) -> None:
    trained = load(finished.folder)
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="qa9"):
        trained.evaluate(tasks=(9,))
    with pytest.raises(ValueError, match="split must be one of test, valid, train, got 'dev'"):
        trained.evaluate("dev")
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    (copy / "data.json").write_text('{"words": 3}')
    with pytest.raises(ValueError, match=r"data\.json: vocabulary: not a vocabulary"):
        load(copy)
    (copy / "data.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"data\.json"):
        load(copy)
    (copy / "config.json").write_text('{"task": "babi", "config": {"modell": "gru"}}')
    with pytest.raises(ValueError, match=r"config\.json: modell is no setting of these"):
        load(copy)
    (copy / "config.json").write_text('{"task": "chess", "config": {}}')
    with pytest.raises(ValueError, match=r"config\.json: no task 'chess'; the tasks are babi"):
        load(copy)


def test_data_that_has_changed_is_noticed(source: Path, tmp_path: Path) -> None:
    own = tmp_path / "data"
    shutil.copytree(source, own)
    config = easy(own, epochs=1)
    run(BABI, config, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    write_easy_task(own, 1, "train", 150, 0, ("attic", "cellar"))
    with pytest.raises(ValueError, match=r"data\.json: is not of the training data, which has changed"):
        run(BABI, config, tmp_path / "run")


def test_joint_training_answers_each_task(source: Path, tmp_path: Path) -> None:
    outcome = run(BABI, easy(source, tasks=(1, 4), epochs=2), tmp_path / "joint")
    accuracy = {part: score.metrics["accuracy"] for part, score in outcome.test.items()}
    assert set(accuracy) == {"task 1", "task 4"}
    assert outcome.mean("accuracy") == pytest.approx(sum(accuracy.values()) / 2)
    counts = outcome.examples
    assert (counts.train, counts.valid, counts.test) == (540, 60, {"task 1": 60, "task 4": 60})


def test_neither_threads_nor_random_state_are_touched(small: Path, tmp_path: Path) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    run(BABI, tiny(small, epochs=1, threads=threads + 1), tmp_path / "run")
    load(tmp_path / "run").evaluate()
    assert torch.get_num_threads() == threads
    assert torch.get_rng_state().equal(state)


def test_a_missing_test_set_is_told_before_the_training(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "data")
    (tmp_path / "data" / "qa1_test.txt").unlink()
    with pytest.raises(FileNotFoundError, match="qa1_test"):
        run(BABI, tiny(tmp_path / "data"), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_two_processes_train_as_one_does(small: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    runs = {
        devices: run(
            BABI, tiny(small, devices=devices, epochs=2), tmp_path / str(devices), progress=told.append
        )
        for devices in (1, 2)
    }
    one, two = ([line.loss for line in read_log(tmp_path / name / "metrics.jsonl")] for name in ("1", "2"))
    assert two == pytest.approx(one, rel=1e-4)
    assert runs[2].examples == runs[1].examples
    # The last batch of each epoch is always told of, from the first process alone.
    assert [p.epoch for p in told if p.batch == p.batches] == [1, 2, 1, 2]
