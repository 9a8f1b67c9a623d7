"""Event recordings from one configuration to one result, on files that the tests write."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from liafseq.tasks.dvs.adapter import count_parameters, evaluate, read_config, run
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.dvs.data import load_split, prepare


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
    return DvsRun(**(settings | fields))


def test_a_run_learns_and_says_what_it_did(folder, tmp_path):
    config = make(folder, model="gru")
    result = run(config, tmp_path / "run")
    assert result["accuracy"]["nmnist"] > 0.9
    assert result["recordings"] == {"train": 48, "valid": 12, "test": 20}
    assert result["steps"] == 4
    assert result["parameters"] == count_parameters(config, (9, 9), 10)
    assert result["cost"]["samples"] == 20
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert read_config(tmp_path / "run") == config
    again = evaluate(tmp_path / "run")
    assert again["accuracy"] == result["accuracy"]
    assert evaluate(tmp_path / "run", split="valid")["recordings"] == 12


@pytest.mark.parametrize("model", ["conv-lif", "conv-lstm", "conv3d"])
def test_every_kind_of_model_runs(folder, tmp_path, model):
    result = run(make(folder, model=model, epochs=1), tmp_path / "run")
    assert result["cost"]["dense_macs"] > 0
    assert 0 <= result["mean_accuracy"] <= 1


def test_recordings_of_different_length_are_packed(folder, tmp_path):
    config = make(folder, steps=0, step_us=9_000, epochs=1, turn=5.0, zoom=0.1, shift=1)
    lengths = load_split(config, "test").data.starts.diff()
    assert lengths.min() < lengths.max()
    assert run(config, tmp_path / "run")["steps"] == pytest.approx(lengths.float().mean().item())


def test_a_stopped_run_ends_where_an_unstopped_one_does(folder, tmp_path):
    config = make(folder, epochs=4, dropout=0.3, shift=1, turn=10.0)
    whole = run(config, tmp_path / "whole")

    def stop(progress):
        if progress.epoch == 3 and progress.batch == progress.batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "stopped", progress=stop)
    assert len((tmp_path / "stopped" / "metrics.jsonl").read_text().splitlines()) == 2
    assert {**run(config, tmp_path / "stopped"), "time": 0} == {**whole, "time": 0}
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
    assert result["accuracy"] == {}
    assert result["mean_accuracy"] is None


def test_counts_of_recordings_are_limits(folder):
    prepared = prepare(make(folder, recordings=20))
    assert len(prepared.train) + len(prepared.valid) == 20
    assert len(load_split(make(folder, test_recordings=6), "test").data) == 6


def test_other_data_than_the_folder_began_with_is_refused(folder, tmp_path):
    run(make(folder, epochs=1), tmp_path / "run")
    with pytest.raises(ValueError, match=r"holds another run: steps 4 \(asked: 5\)"):
        run(make(folder, epochs=1, steps=5), tmp_path / "run")
    with pytest.raises(ValueError, match="split must be train, valid or test, got 'all'"):
        evaluate(tmp_path / "run", split="all")


def test_show_traces_every_kind_of_model(folder, tmp_path):
    from liafseq.tasks.dvs.model import DvsModel
    from liafseq.tasks.dvs.show import picture, trace

    frames = load_split(make(folder), "test").data.batch([0]).frames
    for model in ("conv-liaf", "conv-mlif", "conv-lstm", "conv3d", "liaf", "lstm", "gru"):
        config = make(folder, model=model, synapse=model == "conv-liaf")
        network = DvsModel(config, (9, 9), 10)
        found = trace(network, frames)
        assert found.state.shape[0] == found.probabilities.shape[0] == 4
        assert (found.spikes is None) == (model in ("conv-lstm", "conv3d", "lstm", "gru"))
        network.eval()
        final = network(frames, torch.tensor([4])).softmax(-1)
        torch.testing.assert_close(found.probabilities[-1], final[0].detach())
    run(make(folder, epochs=1), tmp_path / "run")
    data, text = picture(tmp_path / "run", 3, neurons=5)
    assert data.startswith(b"\x89PNG")
    assert text.startswith("nmnist, test recording 3: 0. Answered: ")
    with pytest.raises(ValueError, match=r"example must be from 0 to 19 \(test recordings\), got 20"):
        picture(tmp_path / "run", 20)
