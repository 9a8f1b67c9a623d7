"""Spans and metrics against seqeval's own figures, and the random field against all sequences."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from seqeval.metrics import f1_score
from torch.testing import assert_close

from liafseq.tasks.sequences.ragged import IGNORED
from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.tagging.data import TaggingData
from liafseq.tasks.tagging.network import Tagger, tally
from liafseq.tasks.tagging.spans import METRICS, Spans
from liafseq.tasks.task import Sums
from liafseq.tasks.training.fit import _score

from .made_tags import write

SCHEMES = {
    "IOB": ("B-a", "B-b", "I-a", "I-b", "O"),
    "BIOES": ("B-a", "B-b", "E-a", "E-b", "I-a", "I-b", "O", "S-a", "S-b-c"),
}


def targets(spans, sentences):
    """As the data makes them, of texts."""
    longest = max(map(len, sentences))
    target = torch.full((longest, len(sentences), 4), IGNORED)
    for at, tags in enumerate(sentences):
        target[: len(tags), at] = -1
        for step, tag in enumerate(tags):
            target[step, at, 0] = spans.tags.index(tag) if tag in spans.tags else -1
        for kind, start, end in spans.within(tags):
            target[start, at, 1] = spans.types.get(kind, len(spans.types))
            target[start, at, 2] = end - start + 1
    return target


@pytest.mark.parametrize("scheme", SCHEMES)
def test_f1_of_batches_is_that_of_all(scheme):
    chance, tags = random.Random(scheme), SCHEMES[scheme]
    spans = Spans.of(tags)
    right = [[chance.choice(tags) for _ in range(chance.randint(1, 9))] for _ in range(60)]
    given = [[tag if chance.random() < 0.8 else chance.choice(tags) for tag in row] for row in right]
    total = torch.zeros(3)
    for start in range(0, 60, 7):
        batch = given[start : start + 7]
        target = targets(spans, right[start : start + 7])
        said = torch.zeros(target.shape[:2], dtype=torch.int64)
        for at, row in enumerate(batch):
            said[: len(row), at] = torch.tensor([tags.index(tag) for tag in row])
        total += torch.tensor(spans.count(said, target))
    sums = Sums(0.0, 1.0, (0.0, *total.tolist(), 0.0, 0.0))
    assert METRICS[0].of(sums) == pytest.approx(f1_score(right, given), abs=1e-12)


def test_spans_of_tags_that_training_has_not_seen_count_as_missed():
    spans = Spans.of(("B-a", "O"))
    target = targets(spans, [["B-a", "I-a", "O", "B-new", "I-new"]])
    said = torch.tensor([[0], [1], [1], [0], [1]])
    # given: a of one token, and a where the new one is; there: a of two tokens, and the new one
    assert spans.count(said, target) == [0, 2, 2]


def test_tags_without_spans_count_each_token():
    spans = Spans.of(("DT", "NN"))
    target = targets(spans, [["DT", "NN", "XX"], ["NN"]])
    said = torch.tensor([[0, 1], [0, 0], [1, 0]])
    assert spans.count(said, target) == [2, 4, 4]


def test_a_metric_that_the_data_has_not_is_left_out():
    assert set(_score(Sums(1.0, 2.0, (1, 1, 2, 2, 0, 0)), METRICS).metrics) == {"F1", "tokens"}
    assert _score(Sums(1.0, 2.0, (1, 1, 2, 2, 1, 4)), METRICS).metrics["intents"] == 0.25


@pytest.fixture
def batch_of(tmp_path):
    source = str(write(tmp_path / "data", "lines"))

    def make(**fields):
        config = TaggingConfig(source=source, model="gru", hidden_size=5, dropout=0.0, min_count=1, **fields)
        data = TaggingData.of(config)
        torch.manual_seed(0)
        return Tagger(config, data), data.split(config, "train").batch(range(6))

    return make


def test_the_random_field_against_all_sequences(batch_of):
    network, (values, lengths, target) = batch_of(head="crf")
    assert len(set(lengths.tolist())) > 1
    found = tally(network, values, lengths, target)
    network.eval()
    logits, intents = network(values, lengths)
    said, loss, crf = network.said(logits, target[..., 0] != IGNORED), 0.0, network.crf
    for at, length in enumerate(lengths.tolist()):
        scores = {}
        for tags in itertools.product(range(len(network.spans.tags)), repeat=length):
            steps = sum(logits[step, at, tag] for step, tag in enumerate(tags))
            moves = sum(crf.transitions[pair] for pair in itertools.pairwise(tags))
            ends = crf.start_transitions[tags[0]] + crf.end_transitions[tags[-1]]
            scores[tags] = steps + moves + ends
        right = tuple(target[:length, at, 0].tolist())
        loss = loss + torch.stack(list(scores.values())).logsumexp(0) - scores[right]
        assert tuple(said[:length, at].tolist()) == max(scores, key=scores.get)
    missed = torch.nn.functional.cross_entropy(intents, target[0, :, 3])
    assert_close(found.loss, loss + missed * lengths.sum())


@pytest.mark.parametrize("features", ["none", "suffixes", "characters"])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_padding_reaches_nothing(batch_of, features, pooling):
    network, (values, lengths, _) = batch_of(word_features=features, pooling=pooling)
    network.eval()
    logits, intents = network(values, lengths)
    for at, length in enumerate(lengths.tolist()):
        own, intent = network(values[:length, at, None], lengths[at, None])
        assert_close(own[:, 0], logits[:length, at])
        assert_close(intent[0], intents[at])


def test_the_loss_is_a_mean_over_tokens_and_one_over_sentences(batch_of):
    network, (values, lengths, target) = batch_of()
    found = tally(network, values, lengths, target)
    assert found.count == int(lengths.sum())
    assert not found.sums.any()  # none are counted in training
    logits, intents = network(values, lengths)
    inside = target[..., 0] >= 0
    tags = torch.nn.functional.cross_entropy(logits[inside], target[..., 0][inside])
    missed = torch.nn.functional.cross_entropy(intents, target[0, :, 3])
    assert_close(found.loss / found.count, tags + missed)
