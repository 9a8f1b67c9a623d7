"""The state that is carried on: windows of a text are as good as one long window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from liafseq.tasks.lm.config import LmConfig
from liafseq.tasks.lm.network import LanguageNetwork, reading
from liafseq.tasks.lm.task import BITS, PERPLEXITY, LanguageModel
from liafseq.tasks.lm.windows import Windows, check_length
from liafseq.tasks.task import Sums
from liafseq.tasks.training.batches import following
from liafseq.tasks.training.fit import evaluate
from liafseq.tasks.training.launch import make_fabric

TASK = LanguageModel()
WORDS = 11


def numbers(count: int = 101) -> np.ndarray:
    return np.random.default_rng(0).integers(0, WORDS, count).astype(np.int32)


def network(model: str, **fields) -> LanguageNetwork:
    torch.manual_seed(0)
    return LanguageNetwork(LmConfig(model=model, hidden_size=8, **fields), WORDS)


MODELS = ("liaf", "liaf:gated=true", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


@pytest.mark.parametrize("model", MODELS)
def test_windows_score_as_one_long_window(model):
    of = network(model, num_layers=2, tied=model == "lif")
    text = numbers()
    scores = [
        evaluate(of, Windows(text, 1, window), TASK.step, TASK.metrics, make_fabric()) for window in (100, 7)
    ]
    assert scores[0].count == scores[1].count == 100
    assert scores[1].loss == pytest.approx(scores[0].loss, rel=1e-5)
    with torch.no_grad():
        logits, _ = of(torch.tensor(text[:-1, None]))
    assert scores[0].loss == pytest.approx(
        float(cross_entropy(logits[:, 0], torch.tensor(text[1:]).long())), rel=1e-5
    )
    # The state matters: without it the score is another.
    alone = [TASK.step(of, window).loss.item() for window in Windows(text, 1, 7).epoch(1)]
    assert sum(alone) / 100 != pytest.approx(scores[0].loss, rel=1e-6)


@pytest.mark.parametrize("model", ["liaf", "gru", "lstm"])
def test_no_gradient_goes_back_into_the_window_before(model):
    of = network(model)
    first, second = list(Windows(numbers(), 2, 25).epoch(1))
    before = TASK.step(of, first)
    begun = following(second, before.state)
    states = [begun.state] if isinstance(begun.state, torch.Tensor) else list(begun.state)
    assert all(not state.requires_grad and bool(state.abs().sum() > 0) for state in states)
    TASK.step(of, begun).loss.backward()
    gradient = of.embedding.weight.grad
    read = set(second.tokens.flatten().tolist())
    only_before = sorted(set(first.tokens.flatten().tolist()) - read)
    assert all(float(gradient[token].abs().sum()) == 0 for token in only_before)


def test_windows_are_streams_of_the_text():
    text = np.arange(100, dtype=np.int32)
    windows = Windows(text, 4, 10)
    assert (windows.examples, len(windows)) == (96, 3)
    found = list(windows.epoch(1))
    assert [len(window.tokens) for window in found] == [8, 8, 8]
    assert torch.cat([window.tokens for window in found]).T.flatten().tolist() == list(range(96))
    assert torch.cat([window.target for window in found]).T.flatten().tolist() == list(range(1, 97))
    assert all(window.state is None for window in found)
    # Processes share the streams, each goes on with its own.
    shares = [torch.cat([window.tokens for window in windows.epoch(1, rank, 2)]) for rank in (0, 1)]
    assert shares[0].T.flatten().tolist() == [*range(24), *range(48, 72)]
    assert sorted(torch.cat(shares, 1).flatten().tolist()) == list(range(96))


def test_a_text_that_is_too_short():
    check_length(65, 8, 8)
    with pytest.raises(
        ValueError, match="batch_size=8, with window=8: needs a training text of more than 64 "
    ):
        check_length(64, 8, 8)
    with pytest.raises(ValueError, match="too short for 4 streams"):
        Windows(numbers(4), 4, 2)


def test_the_metrics():
    assert BITS.of(Sums(8 * np.log(2), 4, ())) == pytest.approx(2)
    assert PERPLEXITY.of(Sums(8 * np.log(2), 4, ())) == pytest.approx(4)
    assert PERPLEXITY.of(Sums(1e5, 1, ())) == float("inf")


def test_reading_in_pieces_is_reading_at_once(monkeypatch):
    of = network("liaf").eval()
    text = torch.from_numpy(numbers())
    (whole,) = (scores for scores, _ in reading(of, text))
    monkeypatch.setattr("liafseq.tasks.lm.network.TOGETHER", 17)
    torch.testing.assert_close(torch.cat([scores for scores, _ in reading(of, text)]), whole)
    torch.testing.assert_close(whole.exp().sum(-1), torch.ones(len(text)))


def test_tied_vectors_are_kept_once():
    of = network("gru", tied=True)
    assert sum(weight.shape == (WORDS, 8) for weight in of.state_dict().values()) == 1
    logits, _ = of(torch.zeros(1, 1, dtype=torch.long))
    assert logits.shape == (1, 1, WORDS)
    assert float(logits.detach().std()) < 2  # the output begins near uniform
