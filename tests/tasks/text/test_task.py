"""Runs on texts: training, stopping, predicting, mistakes, pictures, commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from liafseq.tasks.storage.archive import unpacked
from liafseq.tasks.task import find
from liafseq.tasks.text.config import TextConfig
from liafseq.tasks.text.network import PairReader, SecondReader
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

from .made_texts import ANIMALS, FIELDS, pairs, rows, write

TEXT = find("text")
PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt its texts, which are gone: what it can be asked, it knows by itself."""
    found = tmp_path_factory.mktemp("texts")
    path = write(found / "a.csv", rows(240))
    config = TextConfig(source=str(path), **{**FIELDS, "epochs": 12, "dropout": 0.1})
    outcome = run(TEXT, config, found / "run")
    assert outcome.mean("accuracy") > 0.9
    return found


@pytest.fixture(scope="module")
def pair_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pairs")
    path = write(found / "a.jsonl", pairs(120))
    run(TEXT, TextConfig(source=str(path), pair_column="other", **FIELDS), found / "run")
    return found


def test_what_was_learnt_is_known_without_the_texts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(folder / "run")
    path = folder / "a.csv"
    path.rename(tmp_path / "away.csv")
    try:
        trained = load(folder / "run")
        assert [trained.predict(f"the {animal} sat") for animal in ANIMALS] == list(ANIMALS)
        other = write(tmp_path / "other.csv", rows(30, 9))
        score = trained.evaluate(source=str(other), test_fraction=0.9).scores["other"]
        assert score.count == 27
        assert score.metrics["accuracy"] > 0.8
        assert score.metrics["macro-F1"] > 0.8
    finally:
        (tmp_path / "away.csv").rename(path)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_to_predict(folder: Path, text: str) -> None:
    with pytest.raises(ValueError, match="expected a text, got"):
        load(folder / "run").predict(text)


def test_mistakes_are_as_many_as_the_score_says(folder: Path) -> None:
    trained = load(folder / "run")
    for split in ("test", "valid"):
        (score,) = trained.evaluate(split).scores.values()
        wrong = list(trained.mistakes(split))
        assert len(wrong) == round(score.count * (1 - score.metrics["accuracy"]))
        texts = {(row["text"], row["label"]) for row in rows(240)}
        assert all((found.example, found.expected) in texts for found in wrong)
        assert all(found.given != found.expected for found in wrong)


def test_a_picture(folder: Path) -> None:
    png, title = load(folder / "run").picture(2)
    assert png.startswith(PNG)
    assert title.startswith("a, test text 2: ")
    with pytest.raises(ValueError, match=r"example must be from 0 to 47 \(test texts\), got 48"):
        load(folder / "run").picture(48)


def test_facts_floor_and_sample(folder: Path) -> None:
    config = TextConfig(source=str(folder / "a.csv"))
    data = TEXT.data(config)
    lengths = data.split(config, "test").values.lengths
    assert TEXT.facts(config, data) == {"steps": pytest.approx(float(lengths.float().mean()))}
    assert TEXT.floor(config) == {"a": pytest.approx(1 / 3)}
    batch, count = TEXT.sample(config, data, 7)
    assert count == batch.values.shape[1] == 7
    assert TEXT.describe(config) == "texts of a"


@pytest.mark.parametrize("model", ["liaf", "liaf:gated=true", "lif", "dalif", "mlif", "rnn", "gru", "lstm"])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_each_model_learns_a_step(folder: Path, model: str, pooling: str) -> None:
    config = TextConfig(source=str(folder / "a.csv"), **{**FIELDS, "model": model, "pooling": pooling})
    data = TEXT.data(config)
    network = TEXT.network(config, data)
    tally = TEXT.step(network, data.split(config, "train").batch(range(8)))
    tally.loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_words_are_left_out_in_training_alone(folder: Path) -> None:
    config = TextConfig(source=str(folder / "a.csv"), **FIELDS, dropout=0, word_dropout=0.5)
    data = TEXT.data(config)
    network = TEXT.network(config, data)
    network(*data.split(config, "train").batch(range(16))[:-1]).sum().backward()
    assert bool(network.embedding.weight.grad[0].any())  # that of <unk>, which no text has
    network.eval()
    network.zero_grad()
    network(*data.split(config, "train").batch(range(16))[:-1]).sum().backward()
    assert not bool(network.embedding.weight.grad[0].any())


def test_vectors_begin_the_embedding_and_are_not_needed_later(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("cat 1 2 3 4 5\n")
    config = TextConfig(source=str(folder / "a.csv"), vectors=str(path), **FIELDS)
    data = TEXT.data(config)
    weight = TEXT.network(config, data).embedding.weight
    assert weight[data.vocabulary.encode(["cat"])].tolist() == [[1, 2, 3, 4, 5]]
    path.unlink()
    TEXT.network(config, TEXT.data(config, data.kept()))


def test_a_pair_is_compared_whatever_it_is_batched_with(pair_folder: Path) -> None:
    trained = load(pair_folder / "run")
    examples = trained.data.split(trained.config, "train")
    with torch.no_grad():
        together = trained.network(*examples.batch(range(9))[:-1])
        for row in range(9):
            values, lengths, _ = examples.batch([row])
            assert trained.network(values, lengths).allclose(together[row], atol=1e-6)
            seen = [
                trained.network.pooled(values[:length, at, None], length[None])
                for at, length in enumerate(lengths)
            ]
            assert trained.network.compared(*seen).allclose(together[row], atol=1e-6)


def test_pairs_are_predicted_listed_and_drawn(pair_folder: Path) -> None:
    trained = load(pair_folder / "run")
    assert trained.predict("the cat ||| a cat") in ("same", "not")
    for text in ("the cat", "a ||| b ||| c", "a ||| "):
        with pytest.raises(ValueError, match="expected "):
            trained.predict(text)
    known = {(row["text"], row["other"]) for row in pairs(120)}
    for wrong in trained.mistakes("train"):
        assert tuple(wrong.example.split(" ||| ")) in known
    png, title = trained.picture(0)
    assert png.startswith(PNG)
    assert "test text 0: " in title


def test_the_picture_of_a_pair_ends_with_its_answer(pair_folder: Path) -> None:
    from liafseq.tasks.sequences.picture import trace

    trained = load(pair_folder / "run")
    assert isinstance(trained.network, PairReader)
    batch = trained.data.split(trained.config, "test").batch([1])
    reader, values = TEXT.reading(trained.network, batch)
    assert isinstance(reader, SecondReader)
    found = trace(reader, values, torch.arange(1, len(values) + 1))
    assert not trained.network.training
    assert len(found.state) == int(batch.lengths[1])
    with torch.no_grad():
        expected = trained.network(*batch[:-1])[0].softmax(-1)
    torch.testing.assert_close(found.probabilities[-1], expected)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    config = TextConfig(source=str(folder / "a.csv"), **{**FIELDS, "epochs": 3})
    whole = run(TEXT, config, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        run(TEXT, config, tmp_path / "stopped", progress=stop)
    again = run(TEXT, config, tmp_path / "stopped")
    assert again.test == whole.test
    assert again.valid == whole.valid


def test_the_embedded_sentences_are_learnt(tmp_path: Path) -> None:
    fields = {
        "hidden_size": 16,
        "embedding_size": 32,
        "epochs": 3,
        "learning_rate": 0.01,
        "score_test": False,
    }
    outcome = run(TEXT, TextConfig(model="gru", **fields), tmp_path / "run")
    assert outcome.valid.metrics["accuracy"] > 0.25  # of six classes


@pytest.mark.exhaustive
def test_a_baseline_learns_the_embedded_sentences(tmp_path: Path) -> None:
    outcome = run(TEXT, TextConfig(model="gru"), tmp_path / "run")
    assert outcome.mean("accuracy") > 0.4


@pytest.mark.exhaustive
def test_a_baseline_learns_the_questions_of_trec(tmp_path: Path) -> None:
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    path = Path(folder or "", "text_and_signals.tar.xz")
    if not folder or not path.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with text_and_signals.tar.xz")
    source = unpacked(path) / "sequences" / "text" / "trec"
    outcome = run(TEXT, TextConfig(source=str(source), model="gru"), tmp_path / "run")
    assert outcome.examples.test == {"trec": 500}
    assert outcome.mean("accuracy") > 0.85
