"""Images from one configuration to one result, from files that the tests write."""

import numpy as np
import pytest

from liafseq.tasks.images import data as data_of
from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.models import known
from liafseq.tasks.task import find
from liafseq.tasks.training import run as runs
from liafseq.tasks.training.trained import load

from . import image_writers as writers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("halves")
    writers.write_classes(root / "train", 60)
    writers.write_classes(root / "test", 20, seed=1)
    return root


def make(folder, **fields):
    settings = {"channels": (4,), "steps": 2, "epochs": 6, "batch_size": 12, "learning_rate": 1e-2}
    settings["source"] = str(folder)
    return ImagesConfig(**(settings | fields))


def run(config, folder, **more):
    return runs.run(find("images"), config, folder, **more)


def accuracy(outcome):
    return outcome.test["images"].metrics["accuracy"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"coding": "rate", "steps": 4},
        {"coding": "latency", "steps": 3},
        {"network": "resnet", "channels": (4,), "epochs": 8},
        {"model": "conv-relu"},
        {"model": "conv-lstm"},
        {"model": "conv3d"},
        {"model": "conv-dalif", "crop": 1, "flip": True},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_a_run_learns_and_says_what_it_did(folder, tmp_path, fields):
    config = make(folder, **fields)
    result = run(config, tmp_path / "run")
    assert accuracy(result) > 0.8
    assert result.examples.to_json() == {"train": 54, "valid": 6, "test": {"images": 20}}
    assert result.facts == {"steps": config.steps}
    assert result.cost.dense_macs > 0


def test_a_trained_network_is_used_without_its_data(folder, tmp_path, monkeypatch):
    result = run(make(folder, epochs=1), tmp_path / "run")
    monkeypatch.setattr(data_of, "read", lambda *_, **__: pytest.fail("the data was read"))
    data_of._splits.cache_clear()
    trained = load(tmp_path / "run")
    said = {path: trained.predict(str(path)) for path in sorted((folder / "test").rglob("*.png"))}
    monkeypatch.undo()
    right = [path.parent.name == name for path, name in said.items()]
    assert np.mean(right) == accuracy(result)
    wrong = {mistake.index: (mistake.expected, mistake.given) for mistake in trained.mistakes()}
    names = [(path.parent.name, name) for path, name in said.items()]
    expected = {at: pair for at, pair in enumerate(names) if pair[0] != pair[1]}
    assert wrong == expected
    assert trained.evaluate().scores["images"].metrics == result.test["images"].metrics
    with pytest.raises(FileNotFoundError, match="no such file"):
        trained.predict(str(tmp_path / "none.png"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="not a readable PNG or JPEG file"):
        trained.predict(str(tmp_path / "a.png"))
    coloured = np.repeat(np.repeat(writers.pictures(1)[0][0], 3, 0), 3, 1)[..., None].repeat(3, -1)
    (tmp_path / "b.jpg").write_bytes(writers.encoded(coloured, "JPEG"))
    assert trained.predict(str(tmp_path / "b.jpg")) in ("upper", "lower")


def test_a_prediction_has_the_scale_of_the_training_images(tmp_path):
    x, y = writers.pictures(40)
    np.savez(tmp_path / "float.npz", x=x / 100 - 1, y=y)
    task, config = find("images"), make(tmp_path / "float.npz")
    data, seen = task.data(config), []

    def network(frames, _lengths):
        seen.append(frames)
        return frames[0, :, 0, 0, :2]

    (tmp_path / "a.png").write_bytes(writers.encoded(x[0]))
    task.predict(config, data, network, str(tmp_path / "a.png"))
    expected = (data.low + x[0] / 255 * (data.high - data.low) - data.mean[0]) / data.std[0]
    np.testing.assert_allclose(seen[0][1, 0, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fields", [{"coding": "rate", "dropout": 0.3}, {"crop": 1, "flip": True}])
def test_a_stopped_run_ends_where_an_unstopped_one_does(folder, tmp_path, fields):
    config = make(folder, epochs=3, **fields)
    whole = run(config, tmp_path / "whole")

    def stop(progress):
        if progress.epoch == 2 and progress.batch == progress.batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "stopped", progress=stop)
    stopped = run(config, tmp_path / "stopped")
    assert {**stopped.to_json(), "time": 0} == {**whole.to_json(), "time": 0}
    one, other = ((tmp_path / kind / "checkpoint.safetensors").read_bytes() for kind in ("whole", "stopped"))
    assert one == other


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "conv-relu"},
        {"network": "resnet", "model": "conv-lif"},
        {"coding": "rate", "model": "conv3d"},
    ],
)
def test_pictures(folder, tmp_path, fields):
    run(make(folder, epochs=1, **fields), tmp_path / "run")
    trained = load(tmp_path / "run")
    picture, text = trained.picture(3, neurons=5)
    assert picture.startswith(b"\x89PNG")
    assert text.startswith("images, test image 3: lower. Answered: ")
    with pytest.raises(ValueError, match=r"example must be from 0 to 19 \(test images\), got 20"):
        trained.picture(20)


def test_classes_that_training_has_not_seen_are_wrong_but_do_not_stop(tmp_path):
    for part, names, count in (("train", ["a", "b"], 40), ("test", ["b", "c"], 8)):
        x, y = writers.pictures(count)
        np.savez(tmp_path / f"{part}.npz", x=x, y=np.array(names)[y])
    result = run(make(tmp_path, epochs=1), tmp_path / "run")
    assert accuracy(result) <= 0.5
    trained = load(tmp_path / "run")
    unseen = [found for found in trained.mistakes() if found.expected == "a class that training has not seen"]
    assert len(unseen) == 4
    assert trained.picture(1)[1].startswith("images, test image 1: one that training has not seen. Answered")


def test_a_search_does_not_score_the_test_images(folder, tmp_path):
    result = run(make(folder, epochs=1, score_test=False), tmp_path / "run")
    assert result.test == {}
    assert result.mean("accuracy") is None


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", known(["maps"]))
def test_the_default_is_learned(tmp_path, model):
    task = find("images")
    config = ImagesConfig(model=model)
    result = run(config, tmp_path / "run")
    assert accuracy(result) > 0.9 > 4 * task.floor(config)["images"]
