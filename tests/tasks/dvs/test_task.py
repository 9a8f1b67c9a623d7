"""Event recordings from one configuration to one result, on files that the tests write."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from liafseq.tasks.dvs.config import DvsConfig
from liafseq.tasks.dvs.data import load_split
from liafseq.tasks.task import find
from liafseq.tasks.training import run as runs
from liafseq.tasks.training.folder import read_config
from liafseq.tasks.training.trained import load


def write_recording(path, label, seed):
    """Class 0 moves to the right, class 1 to the left: the same pixels, in another order."""
    rng = np.random.default_rng(seed)
    count = 60
    t = np.sort(rng.integers(0, 60_000, count))
    x = t // 6_000 + rng.integers(0, 3, count)
    x = 33 - x if label else x + 10
    x, y = (33 - x if label else x), rng.integers(5, 25, count)
    if label:
        x = x[::-1]
    data = bytearray()
    for row in zip(x.tolist(), y.tolist(), t.tolist(), strict=True):
        data += bytes(row[:2]) + (1 << 23 | row[2]).to_bytes(3, "big")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(data))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("nmnist")
    for split, count in (("Train", 30), ("Test", 10)):
        for label in (0, 1):
            for number in range(count):
                seed = 1000 * label + number + (500 if split == "Test" else 0)
                write_recording(root / split / str(label) / f"{number:05}.bin", label, seed)
    return root


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))


def run(config, folder, **more):
    return runs.run(find("dvs"), config, folder, **more)


def accuracy(outcome):
    return outcome.test["nmnist"].metrics["accuracy"]


def make(folder, **fields):
    settings = {
        "model": "conv-liaf",
        "data": "nmnist",
        "data_dir": str(folder),
        "pool": 4,
        "steps": 4,
        "channels": (6,),
        "hidden_size": 16,
        "epochs": 12,
        "batch_size": 12,
        "shift": 0,
        "compress": "time",
        "valid_fraction": 0.2,
    }
    return DvsConfig(**(settings | fields))


def test_a_run_learns_and_says_what_it_did(folder, tmp_path):
    config = make(folder, model="gru")
    result = run(config, tmp_path / "run")
    assert accuracy(result) > 0.9
    assert result.examples.to_json() == {"train": 48, "valid": 12, "test": {"nmnist": 20}}
    assert result.facts == {"steps": 4}
    assert result.parts == ("nmnist",)
    assert result.cost.samples == 20
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result.to_json()
    task, there = read_config(tmp_path / "run")
    assert (task.name, there) == ("dvs", config)
    trained = load(tmp_path / "run")
    assert result.parameters == sum(p.numel() for p in trained.network.parameters())
    assert trained.evaluate().scores["nmnist"].metrics == result.test["nmnist"].metrics
    assert trained.evaluate("valid").scores["nmnist"].count == 12


def test_a_trained_network_is_used_without_its_training_data(folder, tmp_path, monkeypatch):
    from liafseq.tasks.dvs import data

    config = make(folder, model="gru", steps=0, step_us=9_000)
    result = run(config, tmp_path / "run")
    data._compressed.cache_clear()
    opened = []
    original = data.open_recordings
    monkeypatch.setattr(data, "open_recordings", lambda *a, **k: opened.append(a[1]) or original(*a, **k))
    trained = load(tmp_path / "run")
    right = sum(
        trained.predict(str(folder / "Test" / label / f"{number:05}.bin")) == label
        for label in ("0", "1")
        for number in range(10)
    )
    assert not opened
    assert right / 20 == accuracy(result)
    wrong = list(trained.mistakes())
    assert len(wrong) == 20 - right
    assert set(opened) == {"test"}
    for mistake in wrong:
        path = folder / "Test" / mistake.expected / f"{mistake.index % 10:05}.bin"
        assert trained.predict(str(path)) == mistake.given != mistake.expected
    with pytest.raises(FileNotFoundError):
        trained.predict(str(tmp_path / "none.bin"))


def test_every_mistake_of_a_network_is_listed_in_order(folder, tmp_path):
    config = make(folder, model="gru", steps=0, step_us=9_000, epochs=1, batch_size=7)
    result = run(config, tmp_path / "run")
    trained = load(tmp_path / "run")
    wrong = list(trained.mistakes())
    assert len(wrong) == round(20 * (1 - accuracy(result))) > 0
    assert [mistake.index for mistake in wrong] == sorted({mistake.index for mistake in wrong})
    for mistake in wrong:
        path = folder / "Test" / mistake.expected / f"{mistake.index % 10:05}.bin"
        assert trained.predict(str(path)) == mistake.given != mistake.expected


def test_a_network_is_not_scored_on_recordings_of_other_classes(folder, tmp_path):
    run(make(folder, epochs=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"digits has other classes or another sensor|gestures has other"):
        load(tmp_path / "run").evaluate(data="gestures", data_dir=None, test_recordings=2)
    (tmp_path / "run" / "data.json").write_text('{"classes": 3}')
    with pytest.raises(ValueError, match="not the classes and the sensor of a run"):
        load(tmp_path / "run")


def test_the_floor_is_what_the_most_frequent_class_scores(folder):
    task, config = find("dvs"), make(folder)
    assert task.floor(config) == {"nmnist": 0.5}
    assert task.describe(config) == "event recordings nmnist"
    assert task.describe(DvsConfig()) == "generated event recordings digits"


@pytest.mark.parametrize("model", ["conv-lif", "conv-lstm", "conv3d"])
def test_every_kind_of_model_runs(folder, tmp_path, model):
    result = run(make(folder, model=model, epochs=1), tmp_path / "run")
    assert result.cost.dense_macs > 0
    assert 0 <= accuracy(result) <= 1


def test_recordings_of_different_length_are_packed(folder, tmp_path):
    config = make(folder, steps=0, step_us=9_000, epochs=1, turn=5.0, zoom=0.1, shift=1)
    lengths = load_split(config, "test").data.starts.diff()
    assert lengths.min() < lengths.max()
    assert run(config, tmp_path / "run").facts["steps"] == pytest.approx(lengths.float().mean().item())


def test_a_stopped_run_ends_where_an_unstopped_one_does(folder, tmp_path):
    config = make(folder, epochs=4, dropout=0.3, shift=1, turn=10.0)
    whole = run(config, tmp_path / "whole")

    def stop(progress):
        if progress.epoch == 3 and progress.batch == progress.batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "stopped", progress=stop)
    assert len((tmp_path / "stopped" / "metrics.jsonl").read_text().splitlines()) == 2
    stopped = run(config, tmp_path / "stopped")
    assert {**stopped.to_json(), "time": 0} == {**whole.to_json(), "time": 0}
    one, other = ((tmp_path / kind / "checkpoint.safetensors").read_bytes() for kind in ("whole", "stopped"))
    assert one == other


def test_a_search_does_not_open_the_test_recordings(folder, tmp_path, monkeypatch):
    from liafseq.tasks.dvs import data

    data._compressed.cache_clear()
    opened = []
    original = data.open_recordings
    monkeypatch.setattr(data, "open_recordings", lambda *a, **k: opened.append(a[1]) or original(*a, **k))
    result = run(make(folder, epochs=1, score_test=False), tmp_path / "run")
    assert set(opened) == {"train"}
    assert result.test == {}
    assert result.mean("accuracy") is None
    assert result.cost is None
    assert result.facts == {"steps": 4}


def test_counts_of_recordings_are_limits(folder):
    few = make(folder, recordings=20)
    assert sum(len(load_split(few, split).data) for split in ("train", "valid")) == 20
    assert len(load_split(make(folder, test_recordings=6), "test").data) == 6


def test_other_data_than_the_folder_began_with_is_refused(folder, tmp_path):
    run(make(folder, epochs=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"holds another run: steps 4 \(asked: 5\)"):
        run(make(folder, epochs=1, steps=5), tmp_path / "run")
    with pytest.raises(ValueError, match="split must be one of test, valid, train, got 'all'"):
        load(tmp_path / "run").evaluate("all")


def test_show_traces_every_kind_of_model(folder, tmp_path):
    from liafseq.tasks.dvs.model import LiafNet
    from liafseq.tasks.dvs.show import trace

    frames = load_split(make(folder), "test").data.batch([0]).frames
    for model in ("conv-liaf", "conv-mlif", "conv-lstm", "conv3d", "conv-relu", "liaf", "lstm", "gru"):
        config = make(folder, model=model, synapse=model == "conv-liaf")
        network = LiafNet(config, 2, (9, 9), 10)
        found = trace(network, frames)
        assert found.state.shape[0] == found.probabilities.shape[0] == 4
        assert (found.spikes is None) == (model in ("conv-lstm", "conv3d", "conv-relu", "lstm", "gru"))
        network.eval()
        final = network(frames, torch.tensor([4])).softmax(-1)
        torch.testing.assert_close(found.probabilities[-1], final[0].detach())
    run(make(folder, epochs=1), tmp_path / "run")
    trained = load(tmp_path / "run")
    data, text = trained.picture(3, neurons=5)
    assert data.startswith(b"\x89PNG")
    assert text.startswith("nmnist, test recording 3: 0. Answered: ")
    with pytest.raises(ValueError, match=r"example must be from 0 to 19 \(test recordings\), got 20"):
        trained.picture(20)
