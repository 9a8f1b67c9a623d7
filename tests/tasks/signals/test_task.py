"""Signals from one configuration to one result, and what a person does with it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from liafseq.tasks.report.trace import Trace, verdict
from liafseq.tasks.sequences.ragged import IGNORED
from liafseq.tasks.signals.config import SignalsConfig
from liafseq.tasks.signals.data import SignalData
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

from .files_made import npz, put, ramps, table, tone, ts, wav

TASK = find("signals")
PNG = b"\x89PNG\r\n"
SMALL = {"model": "gru", "epochs": 8, "hidden_size": 8, "batch_size": 16, "learning_rate": 0.03}


@pytest.fixture(scope="module")
def ramp_file(tmp_path_factory):
    values, labels = ramps(80)
    names = np.array(["fall", "rise"])[labels]
    return put(tmp_path_factory.mktemp("ramps") / "ramps.csv", table(values[..., 0], names))


@pytest.fixture(scope="module")
def step_folder(tmp_path_factory):
    """Whether a step is above 0, of sequences of different lengths; 9 is a class of the test part alone."""
    root, rng = tmp_path_factory.mktemp("steps"), np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 12)):
        x = rng.normal(size=(count, 10, 2))
        y = (x[..., 0] > 0).astype(int)
        lengths = rng.integers(4, 11, count)
        if part == "test":
            y[0, 0] = 9
        put(root / f"{part}.npz", npz(x=x, y=y, lengths=lengths))
    return root


@pytest.fixture(scope="module")
def of_sequences(ramp_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "sequences"
    outcome = run(TASK, SignalsConfig(source=str(ramp_file), **SMALL), folder)
    return folder, outcome


@pytest.fixture(scope="module")
def of_steps(step_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "steps"
    outcome = run(TASK, SignalsConfig(source=str(step_folder), **SMALL | {"model": "liaf"}), folder)
    return folder, outcome


def test_classes_of_sequences_are_learnt(of_sequences):
    folder, outcome = of_sequences
    assert outcome.test["ramps"].metrics["accuracy"] > 0.9
    assert outcome.test["ramps"].count == 16
    assert json.loads((folder / "data.json").read_text())["classes"] == ["fall", "rise"]


def test_classes_of_steps_are_learnt(of_steps, step_folder):
    _, outcome = of_steps
    (score,) = outcome.test.values()
    lengths = np.load(step_folder / "test.npz")["lengths"]
    assert score.count == lengths.sum()
    assert 0.85 < score.metrics["accuracy"] < 1
    assert TASK.floor(SignalsConfig(source=str(step_folder)))[step_folder.name] < 0.7


def test_parts_are_stratified_and_the_test_part_says_nothing(tmp_path):
    values, labels = ramps(100)
    values[80:] += 1000.0
    path = put(tmp_path / "a.npz", npz(x=values, y=labels))
    config = SignalsConfig(source=str(path), test_part="last", valid_fraction=0.25)
    data = SignalData.of(config)
    train, valid, test = (data.split(config, split) for split in ("train", "valid", "test"))
    assert [len(part) for part in (train, valid, test)] == [60, 20, 20]
    assert valid.scored.bincount().tolist() == [10, 10]
    assert abs(data.mean[0]) < 1
    rows = torch.cat([train.values[row] for row in range(60)])
    assert float(rows.mean()) == pytest.approx(0, abs=1e-5)
    assert float(rows.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert float(test.values[0].mean()) > 100
    drawn = SignalsConfig(source=str(path), data_seed=1)
    assert float(SignalData.of(drawn).split(drawn, "test").values.flat.max()) < 100
    again = SignalsConfig(source=str(path), data_seed=2)
    one, two = (SignalData.of(some).split(some, "test").values[0] for some in (drawn, again))
    assert not torch.equal(one, two)


def test_constant_features_are_left_in_place(tmp_path):
    values, labels = ramps(20, features=2)
    values[..., 1] = 5.0
    config = SignalsConfig(source=str(put(tmp_path / "a.npz", npz(x=values, y=labels))))
    data = SignalData.of(config)
    assert data.std[1] == 1.0
    assert float(data.split(config, "test").values.flat[:, 1].abs().max()) == 0.0


def test_classes_in_order_and_those_that_training_has_not(tmp_path):
    values, _ = ramps(12)
    put(tmp_path / "train.ts", ts(values, ["10", "9", "b"] * 4))
    put(tmp_path / "test.ts", ts(values[:2], ["9", "a"]))
    config = SignalsConfig(source=str(tmp_path))
    data = SignalData.of(config)
    assert data.classes == ("9", "10", "b")
    assert data.split(config, "test").target.tolist() == [0, -1]


def test_steps_of_unknown_and_of_no_class(tmp_path, step_folder):
    config = SignalsConfig(source=str(step_folder))
    target = SignalData.of(config).split(config, "test").batch([0]).target
    assert int(target[0, 0]) == -1
    values, _ = ramps(10)
    one_hot = np.eye(2)[np.arange(60).reshape(10, 6) % 2]
    one_hot[:, 3] = 0
    config = SignalsConfig(source=str(put(tmp_path / "a.npz", npz(x=values, y=one_hot))))
    target = SignalData.of(config).split(config, "test").batch([0]).target
    assert target[:, 0].tolist() == [0, 1, 0, IGNORED, 0, 1]
    _, steps = SignalData.of(config).shown(config, "test", 0)
    assert steps == ["0: 0", "1: 1", "2: 0", "3: -", "4: 0", "5: 1"]
    network = TASK.network(config, SignalData.of(config))
    for found in TASK.mistakes(config, SignalData.of(config), network, "test", "a"):
        assert " of 5 steps wrong" in found.example
    right = target[:, 0]
    assert verdict(Trace(right, None, torch.eye(2)[[0, 1, 1, 1, 1, 1]]), right, ["0", "1"]) == (
        "Right at 3 of 5 steps shown"
    )


def test_permuted_steps():
    plain, permuted = SignalsConfig(), SignalsConfig(permute=3)
    data = SignalData.of(plain)
    one, two = (data.split(some, "test").values[0] for some in (plain, permuted))
    assert not torch.equal(one, two)
    assert torch.equal(one.sort(0).values, two.sort(0).values)
    order = np.random.RandomState(3).permutation(64)
    assert torch.equal(one[order], two)
    assert torch.equal(data.split(plain, "test").target, data.split(permuted, "test").target)
    _, steps = data.shown(permuted, "test", 0)
    assert float(steps[5]) == pytest.approx(float(two[5, 0]) * data.std[0] + data.mean[0], abs=1e-4)


def test_permuted_steps_of_different_lengths(step_folder):
    config = SignalsConfig(source=str(step_folder), permute=0)
    with pytest.raises(ValueError, match="--permute: expected sequences of equal length"):
        SignalData.of(config).split(config, "train")


def test_bad_data(tmp_path):
    values, labels = ramps(12)
    with pytest.raises(ValueError, match="all training signals have the labels"):
        SignalData.of(SignalsConfig(source=str(put(tmp_path / "a.npz", npz(x=values, y=0 * labels)))))
    with pytest.raises(ValueError, match=r"expected whole numbers or texts as labels, got 0\.5"):
        SignalData.of(SignalsConfig(source=str(put(tmp_path / "b.npz", npz(x=values, y=labels / 2)))))
    with pytest.raises(ValueError, match="expected a label for each step"):
        SignalData.of(
            SignalsConfig(source=str(put(tmp_path / "c.csv", table(values[..., 0], labels))), labels="step")
        )
    put(tmp_path / "d" / "train.npz", npz(x=values, y=labels))
    put(tmp_path / "d" / "test.npz", npz(x=values, y=np.tile(labels[:, None], 6)))
    config = SignalsConfig(source=str(tmp_path / "d"))
    with pytest.raises(ValueError, match="expected a label for each sequence"):
        SignalData.of(config).split(config, "test")


@pytest.mark.parametrize("kept", [None, [], {"classes": ["a"]}, {"more": 1}, "mean", "nan"], ids=str)
def test_what_was_kept_is_checked(kept):
    good = json.loads(json.dumps(SignalData.of(SignalsConfig()).kept()))
    assert SignalData.of(SignalsConfig(), good) == SignalData.of(SignalsConfig())
    if kept is None:
        return
    bad = {"mean": {**good, "mean": [0.0, 0.0]}, "nan": {**good, "std": [float("nan")]}}.get(str(kept), kept)
    with pytest.raises(ValueError, match="not what a run on signals has kept"):
        SignalData.of(SignalsConfig(), bad)


def test_changed_files_are_read_again(tmp_path):
    values, labels = ramps(20)
    path = put(tmp_path / "a.csv", table(values[..., 0], labels))
    config = SignalsConfig(source=str(path))
    assert SignalData.of(config).classes == ("0", "1")
    put(path, table(values[..., 0], labels + 5))
    assert SignalData.of(config).classes == ("5", "6")


def test_predict_needs_no_training_data(of_sequences, ramp_file, tmp_path):
    folder, _ = of_sequences
    hidden = ramp_file.with_suffix(".hidden")
    shutil.move(ramp_file, hidden)
    try:
        loaded = load(folder)
        answer = loaded.predict("-1 -0.5 0 0.5 1 1.5")
        assert answer == "rise"
        unlabelled = put(tmp_path / "new.npz", npz(x=np.linspace([-1, 1], [1, -1], 6, axis=1)))
        assert loaded.predict(str(unlabelled)) == "rise\nfall"
        with pytest.raises(ValueError, match="signal: value 2: expected a number, got 'two'"):
            loaded.predict("1 two 3")
        with pytest.raises(ValueError, match="expected 1 features as in training, got 3"):
            loaded.predict(str(put(tmp_path / "wide.npz", npz(x=ramps(2, features=3)[0]))))
    finally:
        shutil.move(hidden, ramp_file)


def test_predict_steps_and_mistakes_and_pictures(of_steps):
    folder, _ = of_steps
    loaded = load(folder)
    config, data, network = loaded.config, loaded.data, loaded.network
    lines = loaded.predict(str(put(folder.parent / "new.npz", npz(x=np.ones((2, 5, 2)))))).splitlines()
    assert len(lines) == 2
    assert len(lines[0].split()) == 5
    (part,) = TASK.parts(config)
    first = next(iter(TASK.mistakes(config, data, network, "test", part.name)))
    assert first.index == 0
    assert "steps wrong" in first.example
    png, line = TASK.trace(config, data, network, 1, neurons=4, part=part.name, split="test")
    assert png.startswith(PNG)
    assert "Right at " in line


def test_mistakes_and_pictures_of_sequences(of_sequences, tmp_path):
    folder, _ = of_sequences
    loaded = load(folder)
    values, labels = ramps(6)
    put(tmp_path / "train.npz", npz(x=values, y=np.array(["fall", "rise"])[labels]))
    put(tmp_path / "test.npz", npz(x=values, y=np.array(["rise", "fall"])[labels]))
    config = TASK.on_other_data(loaded.config, source=str(tmp_path))
    found = list(TASK.mistakes(config, loaded.data, loaded.network, "test", "x"))
    assert len(found) == 6
    assert (found[0].expected, found[0].given) == ("rise", "fall")
    assert found[0].example.endswith("test.npz: x[0]")
    png, line = TASK.trace(config, loaded.data, loaded.network, 1, neurons=4, part="x", split="test")
    assert png.startswith(PNG)
    assert "test signal 1: fall. Answered: rise (wrong" in line


def test_long_signals_are_shown_in_part(of_sequences):
    loaded = load(of_sequences[0])
    long = torch.randn(500, 1, 1)
    from liafseq.tasks.sequences.picture import picture

    png, _ = picture(
        loaded.network, long, ["0"] * 500, 0, ["a", "b"], config=loaded.config, what="x", every=4
    )
    assert png.startswith(PNG)


def test_a_seed_gives_the_same_result(ramp_file, of_sequences, tmp_path):
    again = run(TASK, SignalsConfig(source=str(ramp_file), **SMALL), tmp_path / "again")
    assert again.test == of_sequences[1].test


@pytest.mark.parametrize("model", ["liaf:gated=true", "lif", "dalif", "mlif", "rnn", "lstm"])
def test_every_model(ramp_file, tmp_path, model):
    settings = SMALL | {"model": model, "epochs": 1, "bidirectional": True, "pooling": "attention"}
    outcome = run(TASK, SignalsConfig(source=str(ramp_file), num_layers=2, dropout=0.1, **settings), tmp_path)
    assert 0 <= outcome.test["ramps"].metrics["macro-F1"] <= 1


def test_sounds_are_told_apart(tmp_path):
    rng = np.random.default_rng(0)
    for name, pitch in (("low", 300), ("high", 1500)):
        for number in range(12):
            put(tmp_path / "sounds" / name / f"{number}.wav", wav(tone(pitch * rng.uniform(0.9, 1.1))))
    config = SignalsConfig(source=str(tmp_path / "sounds"), mels=8, **SMALL)
    outcome = run(TASK, config, tmp_path / "run")
    assert outcome.test["sounds"].metrics["accuracy"] > 0.9
    other = put(tmp_path / "fast.wav", wav(tone(300, rate=16000), 16000))
    with pytest.raises(ValueError, match="expected 8 features and 8000 samples a second as in training"):
        load(tmp_path / "run").predict(str(other))


@pytest.mark.exhaustive
def test_gru_learns_the_digits(tmp_path):
    outcome = run(TASK, SignalsConfig(model="gru"), tmp_path / "run")
    assert outcome.test["digits"].metrics["accuracy"] > 0.7
