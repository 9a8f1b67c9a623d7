"""Runs, studies and commands on texts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from liafseq.tasks.lm.config import Continuation, LmConfig
from liafseq.tasks.lm.network import going_on
from liafseq.tasks.lm.task import LanguageModel
from liafseq.tasks.training.fit import fit
from liafseq.tasks.training.launch import make_fabric
from liafseq.tasks.training.log import read_log
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

TASK = LanguageModel()
TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 60


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "cats.txt"
    path.write_text(TEXT)
    return path


def config(text: Path, **fields) -> LmConfig:
    small = {"hidden_size": 16, "batch_size": 8, "window": 16, "epochs": 3, "learning_rate": 0.02}
    return LmConfig(source=str(text), **({"model": "gru"} | small | fields))


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("liaf:gated=true", {}),
        ("lstm", {"num_layers": 2, "dropout": 0.1}),
        ("gru", {"level": "word", "tied": True, "batch_size": 4, "window": 8}),
        ("lif", {"level": "byte", "embedding_size": 8}),
    ],
)
def test_a_run(text, tmp_path, model, fields):
    of = config(text, model=model, **fields)
    outcome = run(TASK, of, tmp_path / "run")
    ((part, score),) = outcome.test.items()
    assert part == f"cats-{of.level}"
    count = len(TASK.data(of).numbers(of, "test"))
    assert score.count == count - 1  # all but the first, which nothing comes before
    assert score.metrics["perplexity"] == pytest.approx(math.exp(score.loss))
    assert score.metrics["bits per token"] == pytest.approx(score.loss / math.log(2))
    assert score.metrics["bits per token"] < 0.8 * TASK.floor(of)[part]
    assert outcome.cost is not None
    assert outcome.cost.dense_macs >= of.hidden_size * len(TASK.data(of).vocabulary)
    assert outcome.facts["unknown"] == 0
    trained = load(tmp_path / "run")
    text.unlink()  # the folder is enough to use it
    again = load(tmp_path / "run")
    assert again.predict("the ", length=5) == trained.predict("the ", length=5)


def test_training_carries_the_state(text, tmp_path):
    """One stream in one window, against the same in windows of which each begins anew or goes on."""
    of = config(text, batch_size=1, epochs=1, learning_rate=1e-12, window=100_000)
    data = TASK.data(of)
    valid = TASK.batches(of, data, "valid")

    def loss(window: int) -> float:
        from liafseq.tasks.lm.windows import Windows

        torch.manual_seed(0)
        folder = tmp_path / str(window)
        folder.mkdir()
        train = Windows(data.numbers(of, "train"), 1, window)
        fit(
            TASK.network(of, data), train, valid, TASK.step, of, folder,
            metrics=TASK.metrics, fabric=make_fabric(),
        )  # fmt: skip
        return read_log(folder / "metrics.jsonl")[0].loss

    assert loss(13) == pytest.approx(loss(100_000), rel=1e-6)


def test_the_text_of_the_score_is_one_stream(text):
    of = config(text)
    data = TASK.data(of)
    test, valid, train = (
        TASK.batches(of, data, split, seed=seed)
        for split, seed in (("test", None), ("valid", None), ("train", 0))
    )
    assert next(iter(test.epoch(0))).tokens.shape[1] == 1
    assert next(iter(valid.epoch(0))).tokens.shape[1] == 8
    assert next(iter(train.epoch(1))).tokens.shape[1] == 8
    shared = TASK.batches(of, data, "test", world=2)
    assert [next(iter(shared.epoch(0, rank, 2))).tokens.shape[1] for rank in (0, 1)] == [1, 1]


def test_a_corpus_shorter_than_a_batch(text):
    of = config(text, batch_size=500)
    with pytest.raises(
        ValueError, match=r"batch_size=500, with window=16: needs a training text of more than"
    ):
        TASK.floor(of)
    with pytest.raises(ValueError, match="needs a training text"):
        TASK.batches(of, TASK.data(of), "train", seed=0)


class Fixed(torch.nn.Module):
    """Says the same after every token."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.scores = torch.tensor(shares).log()

    def forward(self, tokens, state=None):
        return self.scores.expand(*tokens.shape, -1), state


def test_how_a_text_is_continued():
    def tokens(**how):
        found = going_on(Fixed(0.4, 0.1, 0.3, 0.2), torch.tensor([2]), Continuation(length=600, **how), (0,))
        return torch.tensor(list(found)).bincount(minlength=4) / 600

    assert tokens(temperature=0.0).tolist() == [0, 0, 1, 0]
    assert tokens(top_k=1, temperature=1.0).tolist() == [0, 0, 1, 0]
    torch.testing.assert_close(tokens(temperature=1.0), torch.tensor([0, 1, 3, 2]) / 6, atol=0.07, rtol=0)
    torch.testing.assert_close(tokens(temperature=0.5), torch.tensor([0, 1, 9, 4]) / 14, atol=0.07, rtol=0)
    torch.testing.assert_close(
        tokens(top_k=2, temperature=1.0), torch.tensor([0, 0, 3, 2]) / 5, atol=0.07, rtol=0
    )
    assert not tokens(temperature=1.0).equal(tokens(temperature=1.0, sample_seed=1))


def test_what_a_trained_network_shows(text, tmp_path):
    of = config(text, epochs=8)
    run(TASK, of, tmp_path / "run")
    trained = load(tmp_path / "run")
    assert trained.predict("the cat sat", length=13, temperature=0.0) == "the cat sat on the mat.\n"
    assert len(trained.predict("", length=7)) == 7
    with pytest.raises(ValueError, match="length must be at least 1"):
        trained.predict("the", length=0)
    wrong = list(trained.mistakes())
    assert len(wrong) == 100
    test = "".join(trained.data.vocabulary.words[at] for at in trained.data.numbers(of, "test"))
    shares = []
    for mistake in wrong:
        assert mistake.expected.startswith(repr(test[mistake.index]))
        assert test[: mistake.index].endswith(mistake.example)
        shares.append(float(mistake.expected.partition("p = ")[2].rstrip(")")))
    assert shares == sorted(shares)
    png, line = trained.picture(1)
    assert png.startswith(b"\x89PNG")
    assert line.startswith("cats-char, test tokens 68 to 136: ")
    with pytest.raises(ValueError, match="example must be from 0 to 4"):
        trained.picture(5)
    other = tmp_path / "other.txt"
    other.write_text("the log.\nthe mat.\n" * 40)
    assert trained.evaluate(source=str(other)).scores


def test_the_embedded_text():
    of = LmConfig(model="gru")
    data = TASK.data(of)
    assert len(data.numbers(of, "train")) > 300_000
    assert TASK.describe(of).startswith("characters of the language reference of Python 3.")
    assert (data.numbers(of, "test") == 0).mean() < 0.001


@pytest.mark.exhaustive
def test_gru_learns_the_embedded_text(tmp_path):
    of = LmConfig(model="gru", hidden_size=64, epochs=1)
    (score,) = run(TASK, of, tmp_path).test.values()
    assert score.metrics["bits per token"] < 0.7 * next(iter(TASK.floor(of).values()))
