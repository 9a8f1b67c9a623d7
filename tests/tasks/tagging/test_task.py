"""Tagged sentences from one configuration to one result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from liafseq.tasks.sequences.sources import place
from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

from .made_tags import TEST, write

TASK = find("tagging")
PNG = b"\x89PNG\r\n"


def make(source, **fields):
    small = {"model": "gru", "hidden_size": 16, "embedding_size": 16, "epochs": 8, "batch_size": 8}
    return TaggingConfig(source=str(source), **{**small, "learning_rate": 0.01, "min_count": 1, **fields})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tags") / "wishes", "lines")


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "gru"
    outcome = run(TASK, make(source), folder)
    return folder, outcome


def test_a_gru_learns_it(trained, source):
    _, outcome = trained
    metrics = outcome.test["wishes"].metrics
    assert metrics["F1"] == metrics["tokens"] == metrics["intents"] == 1.0
    assert TASK.floor(make(source)) == {"wishes": 0.0}
    assert outcome.facts["steps"] > 3


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "liaf:gated=true"},
        {"model": "lstm", "head": "crf", "num_layers": 2},
        {"model": "lif", "word_features": "characters", "pooling": "max"},
        {"model": "dalif", "bidirectional": False, "pooling": "attention", "word_features": "none"},
    ],
)
def test_every_choice_trains(source, tmp_path, fields):
    outcome = run(TASK, make(source, epochs=2, **fields), tmp_path / "run")
    assert 0 < outcome.test["wishes"].metrics["tokens"] <= 1
    assert outcome.cost.macs > 0


def test_the_run_folder_is_enough(trained, tmp_path):
    network = load(trained[0])
    assert network.predict("fly to San Jose") == "flight: fly/O to/O San/B-to Jose/I-to"
    other = network.evaluate("test", source=str(write(tmp_path / "new", "lines", seed=1)))
    assert other.scores["new"].metrics["tokens"] > 0.9
    with pytest.raises(ValueError, match="expected words, got ' '"):
        network.predict(" ")


def test_no_training_data_is_needed_to_predict(tmp_path):
    import shutil

    source = write(tmp_path / "data", "columns")
    run(TASK, make(source, epochs=1), tmp_path / "run")
    shutil.rmtree(source)
    assert load(tmp_path / "run").predict("fly home").count("/") == 2


def test_mistakes_name_the_words(trained, tmp_path):
    other = write(tmp_path / "other", "lines")
    tags = (other / "test" / "seq.out").read_text().splitlines()
    labels = (other / "test" / "label").read_text().splitlines()
    (other / "test" / "seq.out").write_text("\n".join(["I-to" + tags[0][1:], *tags[1:]]) + "\n")
    (other / "test" / "label").write_text("\n".join([*labels[:-1], "none"]) + "\n")
    network = load(trained[0])
    assert list(network.mistakes("test")) == []
    first, last = network.mistakes("test", source=str(other))
    word = first.example.split()[0]
    assert (first.index, first.expected, first.given) == (0, f"{word}/I-to", f"{word}/O")
    assert (last.index, last.expected, last.given) == (TEST - 1, "none:", f"{labels[-1]}:")


def test_pictures(trained):
    network = load(trained[0])
    png, title = network.picture(0, neurons=4)
    assert png.startswith(PNG)
    assert title.startswith("wishes, test sentence 0: ")
    assert title.endswith(" tags right")
    with pytest.raises(ValueError, match=r"example must be from 0 to 11 \(test sentences\), got 12"):
        network.picture(12)


def test_the_same_seed_gives_the_same(source, tmp_path):
    config = make(source, epochs=2, head="crf", dropout=0.2)
    first, second = (run(TASK, config, tmp_path / name) for name in "ab")
    assert first.test == second.test
    assert first.valid == second.valid


def test_data_that_lacks_all_tags(trained, tmp_path):
    other = write(tmp_path / "other", "columns")
    for part in ("train", "test"):
        (other / f"{part}.txt").write_text("go VB\nhome NN\n\n" * 5)
    found = load(trained[0]).evaluate("test", source=str(other))
    assert found.skipped == {"other": "none of its tags is among those that the network has learnt"}


def test_no_intents_no_metric(tmp_path):
    outcome = run(TASK, make(write(tmp_path / "data", "columns"), epochs=1), tmp_path / "run")
    assert set(outcome.test["data"].metrics) == {"F1", "tokens"}
    assert outcome.mean("intents") is None


def test_pretrained_vectors(source, tmp_path):
    (tmp_path / "vectors.txt").write_text("rome 1 2\nfly 3 4\n")
    config = make(source, embedding_size=2, vectors=str(tmp_path / "vectors.txt"))
    data = TASK.data(config)
    network = TASK.network(config, data)
    (at,) = data.vocabulary.encode(["rome"])
    assert torch.equal(network.words.weight[at], torch.tensor([1.0, 2.0]))


@pytest.mark.exhaustive
def test_a_gru_learns_the_embedded_sentences(tmp_path):
    config = TaggingConfig(model="gru", epochs=2)
    outcome = run(TASK, config, tmp_path / "run")
    assert outcome.test["python"].metrics["F1"] > 0.85 > TASK.floor(config)["python"] + 0.3


@pytest.mark.parametrize(
    ("inner", "sizes", "classes"),
    [
        ("intents/atis", (4478, 500, 893), 21),
        ("intents/snips", (13084, 700, 700), 7),
        ("tagging/conll2000", (8042, 894, 2012), 0),
    ],
)
@pytest.mark.exhaustive
def test_published_data(inner, sizes, classes):
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    path = Path(folder or ".") / "text_and_signals.tar.xz"
    if folder is None or not path.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with text_and_signals.tar.xz")
    config = TaggingConfig(source=str(place(path / "sequences" / inner)))
    data = TASK.data(config)
    assert tuple(len(data.sentences(config, split)) for split in ("train", "valid", "test")) == sizes
    assert len(data.intents) == classes
    assert data.spans.real
